#include "tests/server/failing_new.hpp"

#include <cstdlib>
#include <new>

#if defined(__SANITIZE_THREAD__)

// The thread sanitizer would take libraries' allocations for ours, and their locks it does not see.
namespace test_support {

bool can_fail_allocations() noexcept {
    return false;
}

void fail_allocation(std::uint64_t) noexcept {}

bool allocation_failed() noexcept {
    return false;
}

}  // namespace test_support

#else

namespace {

thread_local std::uint64_t left_until_failure = 0;
thread_local bool has_failed = false;

bool fails() noexcept {
    if (left_until_failure == 0 || --left_until_failure > 0) return false;
    has_failed = true;
    return true;
}

void* allocate(std::size_t bytes) noexcept {
    return fails() ? nullptr
                   : std::malloc(bytes == 0 ? 1 : bytes);  // NOLINT(cppcoreguidelines-no-malloc)
}

void* allocate(std::size_t bytes, std::align_val_t alignment) noexcept {
    const auto boundary = static_cast<std::size_t>(alignment);
    return fails() ? nullptr
                   : std::aligned_alloc(boundary, (bytes + boundary - 1) / boundary * boundary);
}

void* or_throw(void* memory) {
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

}  // namespace

namespace test_support {

bool can_fail_allocations() noexcept {
    return true;
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
    return or_throw(allocate(bytes));
}
void* operator new[](std::size_t bytes) {
    return or_throw(allocate(bytes));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return or_throw(allocate(bytes, alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return or_throw(allocate(bytes, alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    std::free(memory);
}

#endif
