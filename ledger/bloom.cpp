#include "ledger/bloom.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "ledger/base/invariant.hpp"
#include "ledger/row_codec.hpp"

namespace ledger {
namespace {

constexpr std::size_t kBitsPerKey = 12;
constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kWordsPerBlock = kBlockBytes / sizeof(std::uint64_t);
constexpr std::size_t kProbes =
    7;  ///< 7 · 9 bits = 63 bits of the hash choose bits of the block's 512
__extension__ using Wide = unsigned __int128;
constexpr std::size_t kKeysPerGenerationMin = std::size_t{1} << 16;

std::uint64_t word(const Hash16& key, std::size_t index) {
    std::uint64_t value = 0;
    std::memcpy(&value, key.data() + index * sizeof value, sizeof value);
    return value;
}

}  // namespace

struct BloomFilter::Generation {
    explicit Generation(std::size_t keys)
        : capacity(keys), blocks((keys * kBitsPerKey + kBlockBytes * 8 - 1) / (kBlockBytes * 8)) {
        // calloc: for this size the system maps zeroed pages when they are first touched, so that
        // making a generation costs nothing now. One block more, to align by hand.
        memory = std::calloc(blocks + 1, kBlockBytes);
        if (memory == nullptr) {
            throw std::bad_alloc();
        }
        const auto address = reinterpret_cast<std::uintptr_t>(memory);
        words = reinterpret_cast<std::atomic<std::uint64_t>*>(
            (address + kBlockBytes - 1) / kBlockBytes * kBlockBytes
        );
    }
    ~Generation() { std::free(memory); }
    Generation(const Generation&) = delete;
    Generation& operator=(const Generation&) = delete;

    [[nodiscard]] std::atomic<std::uint64_t>* block(const Hash16& key) const {
        const auto index =
            static_cast<std::size_t>((static_cast<Wide>(word(key, 0)) * blocks) >> 64);
        return words + index * kWordsPerBlock;
    }

    std::size_t capacity;
    std::size_t blocks;
    void* memory = nullptr;
    std::atomic<std::uint64_t>* words = nullptr;
};

static_assert(
    sizeof(std::atomic<std::uint64_t>) == 8 && std::atomic<std::uint64_t>::is_always_lock_free
);

BloomFilter::BloomFilter(std::size_t keys_expected) {
    grow(std::max(keys_expected, kKeysPerGenerationMin));
}

BloomFilter::~BloomFilter() {
    for (auto& generation : generations_) {
        delete generation.load(std::memory_order_relaxed);
    }
}

void BloomFilter::grow(std::size_t capacity) {
    const std::size_t count = generation_count_.load(std::memory_order_relaxed);
    INVARIANT(count < kGenerationsMax);
    generations_[count].store(new Generation(capacity), std::memory_order_relaxed);
    generation_count_.store(count + 1, std::memory_order_release);
    room_ = capacity;
}

void BloomFilter::add(const Hash16& key) {
    if (room_ == 0) {
        grow(keys_.load(std::memory_order_relaxed));
    }
    const std::size_t newest = generation_count_.load(std::memory_order_relaxed) - 1;
    auto* block = generations_[newest].load(std::memory_order_relaxed)->block(key);
    std::uint64_t bits = word(key, 1);
    for (std::size_t probe = 0; probe < kProbes; ++probe, bits >>= 9) {
        auto& target = block[(bits >> 6) % kWordsPerBlock];
        // A plain load and store: there is one adding thread, and readers may see the bit late.
        target.store(
            target.load(std::memory_order_relaxed) | (std::uint64_t{1} << (bits % 64)),
            std::memory_order_relaxed
        );
    }
    --room_;
    keys_.store(keys_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

bool BloomFilter::may_contain(const Hash16& key) const {
    const std::size_t count = generation_count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        const auto* block = generations_[i].load(std::memory_order_relaxed)->block(key);
        std::uint64_t bits = word(key, 1);
        std::size_t probe = 0;
        while (probe < kProbes &&
               (block[(bits >> 6) % kWordsPerBlock].load(std::memory_order_relaxed) >> (bits % 64) &
                1) != 0) {
            ++probe;
            bits >>= 9;
        }
        if (probe == kProbes) {
            return true;
        }
    }
    return false;
}

std::size_t BloomFilter::memory_bytes() const {
    std::size_t bytes = sizeof(BloomFilter);
    const std::size_t count = generation_count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
        bytes += generations_[i].load(std::memory_order_relaxed)->blocks * kBlockBytes;
    }
    return bytes;
}

KeyFilter::KeyFilter(Options options)
    : old_(options.old_keys_expected), fresh_(options.new_keys_expected) {}

Result<void> KeyFilter::rebuild(const ViewSnapshot& views, const std::atomic<bool>& stop) {
    constexpr std::size_t kProgramBytes = 4;
    bool wrong_size = false;
    const auto scanned =
        views.scan(ViewFamily::keys, {}, {}, [&](std::string_view key, std::string_view) {
            Hash16 hash;
            if (key.size() != kProgramBytes + hash.size()) {
                wrong_size = true;
                return false;
            }
            std::memcpy(hash.data(), key.data() + kProgramBytes, hash.size());
            old_.add(hash);
            return !stop.load(std::memory_order_relaxed);
        });
    if (!scanned) {
        return scanned.error();
    }
    if (wrong_size) {
        return make_error(ErrorCode::corrupt, "view keys: a key has not 20 bytes");
    }
    const auto waiting =
        views.scan(ViewFamily::waiting, {}, {}, [&](std::string_view key, std::string_view) {
            if (const auto parsed = parse_seen_key(key))
                old_.add(waiting_filter_hash(parsed->hash));
            return !stop.load(std::memory_order_relaxed);
        });
    if (!waiting) {
        return waiting.error();
    }
    if (!stop.load(std::memory_order_relaxed)) {
        ready_.store(true, std::memory_order_release);
    }
    return {};
}

}  // namespace ledger
