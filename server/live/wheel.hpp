#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace server::live {

/// Milliseconds of a clock that never goes back.
using SteadyMs = std::int64_t;
inline constexpr SteadyMs kNoTime = INT64_MAX;

/// Wakes many things at about the time they asked for: never early, at most a slot and a tick late.
/// What lies beyond the horizon is woken at the horizon and asks again. One thread.
class Wheel {
public:
    static constexpr SteadyMs kSlotMs = 250;
    static constexpr std::size_t kSlots = 128;

    class Entry {
    public:
        Entry() = default;
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        virtual ~Entry() = default;
        /// It is no longer in the wheel and may schedule itself again.
        virtual void on_time(SteadyMs now) = 0;

    private:
        friend class Wheel;
        Entry* previous_ = nullptr;
        Entry* next_ = nullptr;
        std::int64_t slot_ = -1;  ///< of all time, not modulo; -1: not in the wheel
    };

    explicit Wheel(SteadyMs now) : slot_(now / kSlotMs) {}

    /// Puts `entry` in, or moves it if that is earlier than where it is.
    void schedule(Entry& entry, SteadyMs at);
    void cancel(Entry& entry);
    void advance(SteadyMs now);

private:
    void unlink(Entry& entry);
    Entry*& first(std::int64_t slot) { return slots_[static_cast<std::size_t>(slot) % kSlots]; }

    std::array<Entry*, kSlots> slots_{};
    std::int64_t slot_;  ///< the last that was woken
};

}  // namespace server::live
