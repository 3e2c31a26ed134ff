#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "server/boards/boards.hpp"

namespace live_test {

inline constexpr ledger::ProgramId kShop{1};

/// Boards as they are in the ledger's truth, but small: every score in one sorted set a channel.
/// Thread-safe; questions are answered at once, on the caller's thread.
class ModelBoards final : public server::boards::Boards {
public:
    using ChannelKey = server::boards::ChannelKey;
    using BoardWindow = rules::BoardWindow;

    // Boards
    [[nodiscard]] bool ready() const override;
    [[nodiscard]] std::shared_ptr<const server::boards::Page> page(const ChannelKey& channel
    ) const override;
    [[nodiscard]] ledger::Seq as_of(ledger::ProgramId program) const override;
    void listen(Listener listener) override;
    void rows(
        ChannelKey channel,
        std::uint64_t after_rank,
        std::size_t limit,
        std::function<void(std::optional<server::boards::Slice>)> answer
    ) override;
    void around(
        ChannelKey channel,
        ledger::MemberId member,
        std::size_t above,
        std::size_t limit,
        std::function<void(std::optional<server::boards::Slice>)> answer
    ) override;
    void standings(
        std::vector<ChannelKey> channels,
        ledger::MemberId member,
        std::function<void(std::vector<std::optional<server::boards::Standing>>)> answer
    ) override;
    void face(
        ledger::ProgramId program,
        ledger::MemberId member,
        std::function<void(std::string name, bool shown)> answer
    ) override;
    [[nodiscard]] std::vector<ChannelKey> channels(ledger::ProgramId program) const override;

    // What the test does. Nothing is told to the listener before `commit`.
    void add_board(const std::string& board, const std::vector<BoardWindow>& windows);
    void remove_board(const std::string& board);
    /// Another version of the program: the board has these windows, in this order.
    void set_windows(const std::string& board, const std::vector<BoardWindow>& windows);
    /// Another version of the program, with the same boards.
    void activate();
    /// Into every window of the board.
    void add(const std::string& board, std::uint64_t member, std::int64_t points);
    /// Takes the member off the board.
    void erase(const std::string& board, std::uint64_t member);
    void name(std::uint64_t member, const std::string& name);
    /// An entry that moves nothing.
    void pass();
    /// The window ends: the next one is empty.
    void turn(const std::string& board, BoardWindow window, const std::string& next_id);
    void set_ready(bool is_ready);
    /// Channels stay listed but have no page, as just after a document was activated.
    void hide_pages(bool hidden);
    /// Versions of pages start again, as after a restart.
    void restart();
    void commit();

    /// Questions asked since the start.
    [[nodiscard]] std::size_t questions() const;
    /// The row id of a member on a board.
    [[nodiscard]] static std::string row_id(const std::string& board, std::uint64_t member);

private:
    struct Score {
        std::int64_t points;
        std::uint64_t reached;
        std::uint64_t member;
        friend bool operator<(const Score& a, const Score& b) {
            if (a.points != b.points) return a.points > b.points;
            return a.reached < b.reached;
        }
    };
    struct Model {
        server::boards::WindowTurn window;
        std::set<Score> order;
        std::map<std::uint64_t, Score> scores;
        mutable std::shared_ptr<const server::boards::Page> page;
        std::uint64_t version = 0;
    };

    void set_score(const ChannelKey& key, Model& model, std::uint64_t member, std::int64_t points);
    void touch(Model& model);
    [[nodiscard]] server::boards::Row row(
        const ChannelKey& key,
        const Model& model,
        std::set<Score>::const_iterator at,
        std::uint64_t rank
    ) const;
    [[nodiscard]] std::vector<server::boards::Row> all_rows(
        const ChannelKey& key, const Model& model, std::size_t after, std::size_t limit
    ) const;
    [[nodiscard]] server::boards::Standing standing(
        const ChannelKey& key, const Model& model, std::uint64_t member
    ) const;

    mutable std::mutex mutex_;
    std::vector<ChannelKey> order_;
    std::map<ChannelKey, Model> models_;
    std::map<std::uint64_t, std::string> names_;
    std::set<ChannelKey> changed_pages_;
    std::set<std::uint64_t> changed_members_;
    bool activated_ = false;
    std::uint64_t seq_ = 1;
    std::uint64_t versions_ = 1;
    bool ready_ = true;
    bool hidden_ = false;
    std::size_t questions_ = 0;
    Listener listener_;
};

}  // namespace live_test
