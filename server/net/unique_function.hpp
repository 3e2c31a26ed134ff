#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "ledger/base/invariant.hpp"

namespace server::net {

template <typename Signature>
class UniqueFunction;

/// A move-only callable: what std::move_only_function is in C++23. Callables of up to kInlineBytes
/// that move without throwing live inside the object, larger ones on the heap.
template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
public:
    static constexpr std::size_t kInlineBytes = 88;

    UniqueFunction() = default;

    template <typename F>
    static constexpr bool kAccepts = !std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
                                     std::is_invocable_r_v<R, std::decay_t<F>&, Args...>;

    // NOLINTNEXTLINE(google-explicit-constructor): a lambda is passed as is
    template <typename F>
    requires(kAccepts<F>) UniqueFunction(F&& callable) {
        using Target = std::decay_t<F>;
        if constexpr (fits_inline<Target>()) {
            ::new (static_cast<void*>(storage_)) Target(std::forward<F>(callable));
            table_ = &kInlineTable<Target>;
        } else {
            ::new (static_cast<void*>(storage_)) Target*(new Target(std::forward<F>(callable)));
            table_ = &kHeapTable<Target>;
        }
    }

    UniqueFunction(UniqueFunction&& other) noexcept { take(other); }
    UniqueFunction& operator=(UniqueFunction&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }
    UniqueFunction(const UniqueFunction&) = delete;
    UniqueFunction& operator=(const UniqueFunction&) = delete;
    ~UniqueFunction() { reset(); }

    explicit operator bool() const { return table_ != nullptr; }

    /// Requires a target.
    R operator()(Args... args) {
        INVARIANT(table_ != nullptr);
        return table_->call(storage_, std::forward<Args>(args)...);
    }

    void reset() noexcept {
        if (table_ == nullptr) return;
        table_->destroy(storage_);
        table_ = nullptr;
    }

private:
    struct Table {
        R (*call)(void*, Args&&...);
        void (*move)(void* from, void* to) noexcept;
        void (*destroy)(void*) noexcept;
    };

    template <typename Target>
    static constexpr bool fits_inline() {
        return sizeof(Target) <= kInlineBytes && alignof(Target) <= alignof(std::max_align_t) &&
               std::is_nothrow_move_constructible_v<Target>;
    }

    template <typename Target>
    static constexpr Table kInlineTable{
        [](void* self, Args&&... args) -> R {
            return (*static_cast<Target*>(self))(std::forward<Args>(args)...);
        },
        [](void* from, void* to) noexcept {
            ::new (to) Target(std::move(*static_cast<Target*>(from)));
            static_cast<Target*>(from)->~Target();
        },
        [](void* self) noexcept { static_cast<Target*>(self)->~Target(); }};

    template <typename Target>
    static constexpr Table kHeapTable{
        [](void* self, Args&&... args) -> R {
            return (**static_cast<Target**>(self))(std::forward<Args>(args)...);
        },
        [](void* from, void* to) noexcept { ::new (to) Target*(*static_cast<Target**>(from)); },
        [](void* self) noexcept { delete *static_cast<Target**>(self); }};

    void take(UniqueFunction& other) noexcept {
        table_ = other.table_;
        if (table_ == nullptr) return;
        table_->move(other.storage_, storage_);
        other.table_ = nullptr;
    }

    alignas(std::max_align_t) std::byte storage_[kInlineBytes];
    const Table* table_ = nullptr;
};

}  // namespace server::net
