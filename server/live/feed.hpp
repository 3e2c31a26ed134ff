#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/boards/boards.hpp"
#include "server/live/frame.hpp"
#include "server/live/protocol.hpp"
#include "server/live/wheel.hpp"

namespace server::live {

/// The state of a feed at one offset. Immutable, shared by all threads.
class Publication {
public:
    Publication(
        std::shared_ptr<const std::string> epoch,
        std::uint64_t off,
        std::size_t rows,
        SteadyMs at,
        std::shared_ptr<const boards::Page> page,
        Bytes delta,
        Bytes end
    );

    [[nodiscard]] const std::string& epoch() const { return *epoch_; }
    [[nodiscard]] std::uint64_t off() const { return off_; }
    [[nodiscard]] SteadyMs at() const { return at_; }
    [[nodiscard]] const boards::Page& page() const { return *page_; }
    [[nodiscard]] const std::shared_ptr<const boards::Page>& shared_page() const { return page_; }
    /// From the offset before; null if only a snap leads here.
    [[nodiscard]] const Bytes& delta() const { return delta_; }
    /// Set if a window ended just before.
    [[nodiscard]] const Bytes& end() const { return end_; }
    /// Made when first asked for. Any thread.
    [[nodiscard]] const Bytes& snap() const;

private:
    const std::shared_ptr<const std::string> epoch_;
    const std::uint64_t off_;
    const std::size_t rows_;
    const SteadyMs at_;
    const std::shared_ptr<const boards::Page> page_;
    const Bytes delta_;
    const Bytes end_;
    mutable std::once_flag snap_made_;
    mutable Bytes snap_;
};

using PublicationPtr = std::shared_ptr<const Publication>;

/// The newest state of a feed and the deltas that led to it. A value; each thread has its own.
class History {
public:
    static constexpr std::size_t kDeltasMax = 64;
    static constexpr SteadyMs kAgeMax = 30'000;
    /// A client that fell behind by more gets a snap.
    static constexpr std::uint64_t kCoalescedMax = 3;

    [[nodiscard]] const PublicationPtr& current() const { return current_; }
    [[nodiscard]] std::uint64_t off() const { return current_->off(); }
    /// `publication` is the next one, or the first.
    void push(PublicationPtr publication);
    /// Forgets the deltas; the next `push` may have any offset.
    void clear();

    /// Exactly the deltas after `position`, if all of them are here, young enough and together
    /// shorter than the snap. Null: send the snap.
    [[nodiscard]] std::optional<std::vector<Bytes>> missing(const Position& position, SteadyMs now)
        const;
    /// Up to kCoalescedMax deltas after `off`; empty if a snap is needed.
    [[nodiscard]] std::vector<Bytes> coalesced(std::uint64_t off) const;
    /// The end of the window that a client at `off` has not been told of; null if none.
    [[nodiscard]] Bytes end_after(std::uint64_t off) const;

private:
    struct Delta {
        std::uint64_t off;
        SteadyMs at;
        Bytes bytes;
    };
    PublicationPtr current_;
    std::deque<Delta> deltas_;  ///< without gaps up to current_
    Bytes end_;                 ///< the newest
    std::uint64_t end_off_ = 0;
};

/// One channel at one number of rows, as all threads name it.
struct Feed {
    Feed(boards::ChannelKey its_channel, std::size_t its_rows)
        : channel(std::move(its_channel)), rows(its_rows) {}

    const boards::ChannelKey channel;
    const std::size_t rows;
    /// Subscriptions on all threads.
    std::atomic<std::int64_t> viewers{0};
};

using FeedPtr = std::shared_ptr<Feed>;

inline constexpr SteadyMs kConflationMs = 100;

/// How long a feed waits after a publication, by the viewers of its channel: `least` up to 1,000,
/// 250 ms to 10,000, 1 s to 50,000, 2 s beyond, never below `least`.
[[nodiscard]] SteadyMs conflation_ms(std::int64_t viewers, SteadyMs least = kConflationMs);

}  // namespace server::live
