#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "ledger/base/invariant.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/rows.hpp"
#include "ledger/view_record.hpp"

// The tables of the State (private to state.cpp and its tests).
namespace ledger {

/// Spreads a 64-bit number over all bits, so that tables may use any of them.
[[nodiscard]] inline std::uint64_t mixed(std::uint64_t value) {
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15ULL;
    value ^= value >> 29;
    value *= 0xbf58476d1ce4e5b9ULL;
    return value ^ (value >> 32);
}

struct RowKey {
    std::uint32_t program = 0;
    std::uint32_t chunk = 0;
    std::uint64_t number = 0;
    friend bool operator==(const RowKey&, const RowKey&) = default;
    [[nodiscard]] std::uint64_t hash() const {
        return mixed(number ^ (std::uint64_t{program} << 40) ^ (std::uint64_t{chunk} << 20));
    }
};

struct HashKey {
    std::uint32_t program = 0;
    std::array<std::uint8_t, 16> bytes{};
    friend bool operator==(const HashKey&, const HashKey&) = default;
    [[nodiscard]] std::uint64_t hash() const {
        std::uint64_t value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return mixed(value ^ program);
    }
};

struct CounterRowKey {
    std::uint32_t program = 0;
    std::uint16_t counter = 0;
    std::string slot;
    friend bool operator==(const CounterRowKey&, const CounterRowKey&) = default;
    [[nodiscard]] std::uint64_t hash() const {
        return mixed(
            std::hash<std::string>{}(slot) ^ (std::uint64_t{program} << 40) ^
            (std::uint64_t{counter} << 20)
        );
    }
};

/// A hash map in 256 parts: growing moves one small part, never the whole.
template <typename Key, typename Value>
class PartedMap {
public:
    Value* find(const Key& key) {
        Part& part = part_of(key);
        const auto at = part.find(key);
        return at == part.end() ? nullptr : &at->second;
    }
    const Value* find(const Key& key) const { return const_cast<PartedMap*>(this)->find(key); }
    /// The value and whether it is new.
    std::pair<Value*, bool> emplace(const Key& key, Value value) {
        const auto [at, made] = part_of(key).emplace(key, std::move(value));
        size_ += made;
        return {&at->second, made};
    }
    void erase(const Key& key) { size_ -= part_of(key).erase(key); }
    [[nodiscard]] std::size_t size() const { return size_; }
    /// Empties part `index`; the memory is kept for the next use.
    void clear_part(std::size_t index) {
        size_ -= parts_[index].size();
        parts_[index].clear();
    }
    [[nodiscard]] static constexpr std::size_t parts() { return kParts; }
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const Part& part : parts_) {
            for (const auto& [key, value] : part)
                visit(key, value);
        }
    }

private:
    static constexpr std::size_t kParts = 256;
    struct Hasher {
        using is_avalanching = void;
        std::size_t operator()(const Key& key) const { return key.hash(); }
    };
    using Part = boost::unordered_flat_map<Key, Value, Hasher>;
    // The map itself uses the hash's highest and lowest bits: parts take bits from the middle.
    Part& part_of(const Key& key) { return parts_[(key.hash() >> 24) % kParts]; }

    std::array<Part, kParts> parts_;
    std::size_t size_ = 0;
};

/// What the tables share about the running checkpoint.
struct CheckpointClock {
    std::uint32_t epoch = 1;     ///< rows changed now belong to it
    std::uint32_t ingested = 0;  ///< rows of this epoch and older ones are in views/
    bool running = false;
    CheckpointBatch batch;
    std::string scratch;  ///< rows are encoded here, then copied once at their final size

    ViewRecord& record(ViewFamily family) {
        ViewRecord& made = batch.records.emplace_back();
        made.family = family;
        return made;
    }
};

/// A row in RAM. A row that is known not to exist has a slot too (`present` false).
template <typename Key, typename Row>
struct Slot {
    Key key;
    Row row{};
    bool present = false;
    bool used = true;         ///< looked at since the eviction hand came by
    bool stored = false;      ///< views/ has it, or will once the running checkpoint is ingested
    std::uint32_t epoch = 0;  ///< of the last change
    std::uint32_t saved = 0;  ///< the epoch whose state was serialised last
    std::uint32_t ring = 0;   ///< index in the eviction ring
    std::uint32_t heap_bytes = 0;
};

/// One kind of rows. Traits: Key, Row, `heap_bytes(row)`, `save(clock, slot)`.
template <typename Traits>
class RowTable {
public:
    using Key = typename Traits::Key;
    using Row = typename Traits::Row;
    using RowSlot = Slot<Key, Row>;

    explicit RowTable(CheckpointClock& clock) : clock_(clock) {}
    RowTable(const RowTable&) = delete;
    RowTable& operator=(const RowTable&) = delete;

    /// Null: nothing is known.
    RowSlot* find(const Key& key) {
        std::unique_ptr<RowSlot>* at = map_.find(key);
        if (at == nullptr) return nullptr;
        (*at)->used = true;
        return at->get();
    }

    /// Puts what views/ say. The row must be unknown.
    RowSlot& insert(const Key& key, Row row, bool present) {
        RowSlot& slot = make(key);
        slot.row = std::move(row);
        slot.present = slot.stored = present;
        account(slot);
        return slot;
    }

    /// The row, dirty from now on. A row that did not exist is made.
    RowSlot& change(const Key& key) {
        std::unique_ptr<RowSlot>* at = map_.find(key);
        RowSlot& slot = at == nullptr ? make(key) : **at;
        slot.used = true;
        save_if_cut(slot);
        if (slot.epoch != clock_.epoch) {
            slot.epoch = clock_.epoch;
            dirty_.push_back(&slot);
        }
        if (!slot.present) {
            slot.row = Row{};
            slot.present = true;
        }
        return slot;
    }

    void erase(const Key& key) {
        RowSlot& slot = change(key);
        slot.present = false;
        slot.row = Row{};
        account(slot);
    }

    void account(RowSlot& slot) {
        const auto bytes = static_cast<std::uint32_t>(Traits::heap_bytes(slot.row));
        bytes_ = bytes_ - slot.heap_bytes + bytes;
        slot.heap_bytes = bytes;
    }

    /// Rows changed so far become the cut's. O(1): a row's epoch says what it belongs to.
    void cut() { std::swap(dirty_, cut_); }
    /// Saves up to `rows` rows of the cut and takes them off `rows`.
    void copy(std::size_t& rows) {
        while (rows > 0 && !cut_.empty()) {
            RowSlot& slot = *cut_.front();
            cut_.pop_front();
            --rows;
            save_if_cut(slot);
        }
    }
    [[nodiscard]] bool copied() const { return cut_.empty(); }
    [[nodiscard]] std::size_t dirty() const { return dirty_.size(); }
    [[nodiscard]] std::size_t cut_size() const { return cut_.size(); }

    /// True while views/ do not have the row as it is.
    [[nodiscard]] bool unsaved(const RowSlot& slot) const { return slot.epoch > clock_.ingested; }

    /// Looks at one row and drops it if it is clean and unused. False: the table is empty.
    bool evict_one() {
        if (ring_.empty()) return false;
        if (hand_ >= ring_.size()) hand_ = 0;
        RowSlot& slot = *ring_[hand_];
        if (unsaved(slot)) {
            ++hand_;
        } else if (slot.used) {
            slot.used = false;
            ++hand_;
        } else {
            drop(slot);
        }
        return true;
    }

    [[nodiscard]] std::size_t size() const { return ring_.size(); }
    [[nodiscard]] std::size_t memory_bytes() const {
        // A slot, its place in the map at a load of about 2/3, the ring and the allocator's header.
        return ring_.size() * (sizeof(RowSlot) + 3 * (sizeof(Key) + 8) / 2 + 24) + bytes_;
    }
    template <typename Visit>
    void for_each(Visit visit) const {
        for (const RowSlot* slot : ring_)
            visit(*slot);
    }

private:
    RowSlot& make(const Key& key) {
        RowSlot& slot = **map_.emplace(key, std::make_unique<RowSlot>()).first;
        slot.key = key;
        slot.ring = static_cast<std::uint32_t>(ring_.size());
        ring_.push_back(&slot);
        return slot;
    }

    void drop(RowSlot& slot) {
        bytes_ -= slot.heap_bytes;
        ring_.back()->ring = slot.ring;
        ring_[slot.ring] = ring_.back();
        ring_.pop_back();
        const Key key = slot.key;
        map_.erase(key);
    }

    void save_if_cut(RowSlot& slot) {
        if (!clock_.running || slot.epoch + 1 != clock_.epoch || slot.saved == slot.epoch) return;
        slot.saved = slot.epoch;
        if (!slot.present && !slot.stored) return;  // made and dropped between two checkpoints
        Traits::save(clock_, slot);
        slot.stored = slot.present;
        account(slot);
    }

    CheckpointClock& clock_;
    PartedMap<Key, std::unique_ptr<RowSlot>> map_;
    std::deque<RowSlot*> ring_;
    std::size_t hand_ = 0;
    std::deque<RowSlot*> dirty_;
    std::deque<RowSlot*> cut_;
    std::size_t bytes_ = 0;
};

}  // namespace ledger
