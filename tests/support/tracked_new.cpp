#include "tests/support/tracked_new.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_THREAD__)

// The thread sanitizer would take libraries' allocations for ours, and their locks it does not see.
namespace test_support {

bool can_track_allocations() noexcept {
    return false;
}

std::size_t held_bytes() noexcept {
    return 0;
}

void fail_allocation(std::uint64_t) noexcept {}

bool allocation_failed() noexcept {
    return false;
}

}  // namespace test_support

#else

namespace {

thread_local std::size_t held = 0;
thread_local std::uint64_t left_until_failure = 0;
thread_local bool has_failed = false;

constexpr std::size_t kHeaderMin = 16;

bool fails() noexcept {
    if (left_until_failure == 0 || --left_until_failure > 0) return false;
    has_failed = true;
    return true;
}

// The size stands right before the block; the header is as large as the alignment needs it.
void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    if (fails()) return nullptr;
    const std::size_t header = std::max(alignment, kHeaderMin);
    const std::size_t rounded = (bytes + header - 1) / header * header;
    auto* const block = static_cast<char*>(std::aligned_alloc(header, header + rounded));
    if (block == nullptr) return nullptr;
    std::memcpy(block + header - sizeof bytes, &bytes, sizeof bytes);
    held += bytes;
    return block + header;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* const memory = allocate(bytes, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

void release(void* memory, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    const std::size_t header = std::max(alignment, kHeaderMin);
    std::size_t bytes = 0;
    std::memcpy(&bytes, static_cast<char*>(memory) - sizeof bytes, sizeof bytes);
    held -= bytes;
    std::free(static_cast<char*>(memory) - header);
}

}  // namespace

namespace test_support {

bool can_track_allocations() noexcept {
    return true;
}

std::size_t held_bytes() noexcept {
    return held;
}

void fail_allocation(std::uint64_t n) noexcept {
    left_until_failure = n;
    has_failed = false;
}

bool allocation_failed() noexcept {
    return has_failed;
}

}  // namespace test_support

void* operator new(std::size_t bytes) {
    return allocate_or_throw(bytes, kHeaderMin);
}
void* operator new[](std::size_t bytes) {
    return allocate_or_throw(bytes, kHeaderMin);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes, kHeaderMin);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes, kHeaderMin);
}
void operator delete(void* memory) noexcept {
    release(memory, kHeaderMin);
}
void operator delete[](void* memory) noexcept {
    release(memory, kHeaderMin);
}
void operator delete(void* memory, std::size_t) noexcept {
    release(memory, kHeaderMin);
}
void operator delete[](void* memory, std::size_t) noexcept {
    release(memory, kHeaderMin);
}
void operator delete(void* memory, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}
void operator delete[](void* memory, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}
void operator delete[](void* memory, std::size_t, std::align_val_t alignment) noexcept {
    release(memory, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    release(memory, kHeaderMin);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    release(memory, kHeaderMin);
}

#endif
