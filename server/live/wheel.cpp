#include "server/live/wheel.hpp"

#include <algorithm>

namespace server::live {

void Wheel::schedule(Entry& entry, SteadyMs at) {
    const std::int64_t horizon = slot_ + static_cast<std::int64_t>(kSlots) - 1;
    const std::int64_t wanted = at >= kNoTime - kSlotMs ? horizon : (at + kSlotMs - 1) / kSlotMs;
    const std::int64_t slot = std::clamp(wanted, slot_ + 1, horizon);
    if (entry.slot_ >= 0) {
        if (entry.slot_ <= slot) return;
        unlink(entry);
    }
    Entry*& head = first(slot);
    entry.slot_ = slot;
    entry.previous_ = nullptr;
    entry.next_ = head;
    if (head != nullptr) head->previous_ = &entry;
    head = &entry;
}

void Wheel::cancel(Entry& entry) {
    if (entry.slot_ >= 0) unlink(entry);
}

void Wheel::unlink(Entry& entry) {
    if (entry.previous_ != nullptr) {
        entry.previous_->next_ = entry.next_;
    } else {
        first(entry.slot_) = entry.next_;
    }
    if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
    entry.slot_ = -1;
}

void Wheel::advance(SteadyMs now) {
    const std::int64_t until = now / kSlotMs;
    // After a long pause every slot is due, each once.
    slot_ = std::max(slot_, until - static_cast<std::int64_t>(kSlots));
    while (slot_ < until) {
        ++slot_;
        // What on_time schedules goes to a later slot, so this ends.
        while (Entry* entry = first(slot_)) {
            unlink(*entry);
            entry->on_time(now);
        }
    }
}

}  // namespace server::live
