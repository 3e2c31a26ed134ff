#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ledger/hmac.hpp"
#include "rules/rule_set.hpp"
#include "server/boards/boards.hpp"
#include "server/boards/faces.hpp"
#include "server/boards/series.hpp"

namespace server::boards {

/// A member's pseudonym on a board: 8 characters that differ from board to board, stay the same in
/// all its windows, and say nothing without the program's key.
[[nodiscard]] std::string row_id(
    const ledger::HmacKey& hmac, std::string_view board, ledger::MemberId member
);

/// What a board's score is made of: a currency, or a counter.
struct ScoreSource {
    bool counter = false;
    std::uint16_t number = 0;
    friend auto operator<=>(const ScoreSource&, const ScoreSource&) = default;
};

/// The boards of one program, made of its entries in order. The same entries give the same boards,
/// ties and windows included. One thread.
class ProgramBoards {
public:
    ProgramBoards(
        ledger::ProgramId program, std::shared_ptr<const ledger::HmacKey> hmac, Faces::Open open
    );

    /// The boards of another version. Boards whose scores are known go on; a window that no version
    /// used before begins empty.
    void use(std::shared_ptr<const rules::RuleSet> rule_set);
    /// The next entry. Errors: corrupt.
    [[nodiscard]] ledger::Result<void> apply(ledger::Seq seq, std::string_view bytes);
    /// Nothing happened until `now`: a day may have begun.
    void pass_time(ledger::Timestamp now);

    [[nodiscard]] ledger::ProgramId program() const { return program_; }
    [[nodiscard]] ledger::Seq as_of() const { return as_of_; }
    [[nodiscard]] bool dirty() const;

    /// New pages of the channels that changed since the last call. A channel that is gone has none.
    [[nodiscard]] std::vector<std::pair<ChannelKey, std::shared_ptr<const Page>>> publish();
    /// Members whose score, balance or face may have changed since the last call.
    [[nodiscard]] std::vector<ledger::MemberId> take_members();
    /// Nobody was told of them, and nobody will be.
    void forget_members() { members_.clear(); }

    [[nodiscard]] std::optional<Slice> rows(
        const ChannelKey& key, std::uint64_t after_rank, std::size_t limit
    );
    [[nodiscard]] std::optional<Slice> around(
        const ChannelKey& key, ledger::MemberId member, std::size_t above, std::size_t limit
    );
    [[nodiscard]] std::optional<Standing> standing(const ChannelKey& key, ledger::MemberId member);
    [[nodiscard]] Faces::Face face(ledger::MemberId member) { return faces_.face_of(member); }
    /// Of all series, for tests: equal for equal boards.
    [[nodiscard]] std::uint64_t content_hash() const;

private:
    using SeriesKey = std::pair<ScoreSource, rules::BoardWindow>;
    struct Channel {
        SeriesKey series;
        std::shared_ptr<const Page> page;
        bool dirty = true;
        std::unordered_map<std::uint64_t, std::string> ids;
    };

    void open_window(const ledger::boards::ScoredEntry& entry, ledger::Seq seq);
    void begin_day_if_due(ledger::Timestamp at);
    void add_series(SeriesKey key);
    void apply_delta(
        ScoreSource score, ledger::Seq seq, ledger::MemberId member, ledger::Points delta
    );
    [[nodiscard]] Series* series_of(const Channel& channel);
    [[nodiscard]] Channel* channel_of(const ChannelKey& key);
    [[nodiscard]] Row row_of(
        const ChannelKey& key,
        Channel& channel,
        const Series& series,
        const ledger::boards::Row& row
    );
    [[nodiscard]] std::shared_ptr<const Page> make_page(
        const ChannelKey& key, Channel& channel, const Series& series
    );

    const ledger::ProgramId program_;
    const std::shared_ptr<const ledger::HmacKey> hmac_;
    Faces faces_;
    std::shared_ptr<const rules::RuleSet> rule_set_;
    ledger::Seq as_of_;
    ledger::Seq told_;            ///< `as_of_` at the last publication
    std::uint64_t versions_ = 0;  ///< of pages, the last that was used
    ledger::Timestamp day_ends_ = 0;
    struct Opened {
        WindowTurn turn;
        ledger::Seq seq;
    };
    std::map<rules::BoardWindow, Opened> windows_;
    std::map<SeriesKey, Series> series_;
    std::map<ChannelKey, Channel> channels_;
    std::vector<ledger::MemberId> members_;
    ledger::boards::ScoredEntry entry_;  ///< kept for its memory
};

}  // namespace server::boards
