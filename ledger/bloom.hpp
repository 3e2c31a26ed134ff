#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "ledger/base/result.hpp"
#include "ledger/entry.hpp"
#include "ledger/store.hpp"

namespace ledger {

/// A blocked Bloom filter over 16-byte hashes that are uniform already (HMACs): one cache line a
/// look-up, 12 bits a key, about 0.5 % false answers. It grows by generations, each as large as all
/// before: nothing is ever moved or rehashed, and fresh memory comes zeroed from the system page by
/// page.
///
/// One thread adds; any number may ask at the same time.
class BloomFilter {
public:
    /// `keys_expected`: room in the first generation.
    explicit BloomFilter(std::size_t keys_expected);
    ~BloomFilter();
    BloomFilter(const BloomFilter&) = delete;
    BloomFilter& operator=(const BloomFilter&) = delete;

    void add(const Hash16& key);
    /// False: certainly never added.
    [[nodiscard]] bool may_contain(const Hash16& key) const;
    [[nodiscard]] std::size_t keys() const { return keys_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t memory_bytes() const;

private:
    struct Generation;
    static constexpr std::size_t kGenerationsMax = 32;
    void grow(std::size_t capacity);

    std::array<std::atomic<Generation*>, kGenerationsMax> generations_{};
    std::atomic<std::size_t> generation_count_{0};
    std::atomic<std::size_t> keys_{0};
    std::size_t room_ = 0;  ///< in the newest generation
};

/// Which idempotency and natural keys may be in the view `keys`. Keys of before the start are read
/// from views/ by rebuild() on a thread of its own, while the writer adds new ones; until that
/// ended every answer is "may exist".
///
/// add(): the writer. rebuild(): one other thread, once. may_exist(), ready(): any.
class KeyFilter {
public:
    struct Options {
        std::size_t old_keys_expected = std::size_t{1} << 20;
        std::size_t new_keys_expected = std::size_t{4} << 20;
    };
    explicit KeyFilter(Options options);

    /// Must be called for every key of every entry applied after the snapshot that rebuild() reads.
    void add(const Hash16& key) { fresh_.add(key); }
    [[nodiscard]] bool may_exist(const Hash16& key) const {
        return !ready() || fresh_.may_contain(key) || old_.may_contain(key);
    }
    /// Reads the keys of `views`; `stop` ends it early (then it stays not ready). Errors: corrupt,
    /// io_error.
    Result<void> rebuild(const ViewSnapshot& views, const std::atomic<bool>& stop);
    /// There is nothing to read: a new folder, or a replay from the first group.
    void start_empty() { ready_.store(true, std::memory_order_release); }
    [[nodiscard]] bool ready() const { return ready_.load(std::memory_order_acquire); }
    [[nodiscard]] std::size_t memory_bytes() const {
        return old_.memory_bytes() + fresh_.memory_bytes();
    }

private:
    BloomFilter old_;
    BloomFilter fresh_;
    std::atomic<bool> ready_{false};
};

}  // namespace ledger
