#include "server/live/feed.hpp"

#include <algorithm>

#include "ledger/base/invariant.hpp"

namespace server::live {

Publication::Publication(
    std::shared_ptr<const std::string> epoch,
    std::uint64_t off,
    std::size_t rows,
    SteadyMs at,
    std::shared_ptr<const boards::Page> page,
    Bytes delta,
    Bytes end
)
    : epoch_(std::move(epoch)),
      off_(off),
      rows_(rows),
      at_(at),
      page_(std::move(page)),
      delta_(std::move(delta)),
      end_(std::move(end)) {}

const Bytes& Publication::snap() const {
    std::call_once(snap_made_, [this] {
        snap_ = make_bytes(snap_body(*epoch_, off_, rows_, *page_));
    });
    return snap_;
}

void History::push(PublicationPtr publication) {
    INVARIANT(publication != nullptr);
    const bool follows = current_ && publication->off() == current_->off() + 1;
    if (publication->delta() && follows) {
        deltas_.push_back({publication->off(), publication->at(), publication->delta()});
        if (deltas_.size() > kDeltasMax) deltas_.pop_front();
    } else {
        deltas_.clear();
    }
    if (publication->end()) {
        end_ = publication->end();
        end_off_ = publication->off();
    }
    current_ = std::move(publication);
}

void History::clear() {
    deltas_.clear();
    current_.reset();
    end_.reset();
    end_off_ = 0;
}

std::optional<std::vector<Bytes>> History::missing(const Position& position, SteadyMs now) const {
    if (position.epoch != current_->epoch() || position.off > off()) return std::nullopt;
    const std::uint64_t count = off() - position.off;
    if (count > deltas_.size()) return std::nullopt;
    std::vector<Bytes> found;
    std::size_t bytes = 0;
    for (std::size_t i = deltas_.size() - static_cast<std::size_t>(count); i < deltas_.size();
         ++i) {
        if (deltas_[i].at < now - kAgeMax) return std::nullopt;
        bytes += deltas_[i].bytes->size();
        found.push_back(deltas_[i].bytes);
    }
    if (!found.empty() && bytes >= current_->snap()->size()) return std::nullopt;
    return found;
}

std::vector<Bytes> History::coalesced(std::uint64_t at_off) const {
    if (at_off >= off()) return {};
    const std::uint64_t count = off() - at_off;
    if (count > kCoalescedMax || count > deltas_.size()) return {};
    std::vector<Bytes> found;
    for (std::size_t i = deltas_.size() - static_cast<std::size_t>(count); i < deltas_.size(); ++i)
        found.push_back(deltas_[i].bytes);
    return found;
}

Bytes History::end_after(std::uint64_t at_off) const {
    return end_ && at_off < end_off_ ? end_ : nullptr;
}

SteadyMs conflation_ms(std::int64_t viewers, SteadyMs least) {
    if (viewers <= 1'000) return least;
    if (viewers <= 10'000) return std::max<SteadyMs>(least, 250);
    if (viewers <= 50'000) return std::max<SteadyMs>(least, 1'000);
    return std::max<SteadyMs>(least, 2'000);
}

}  // namespace server::live
