#pragma once

#include <vector>

#include "server/net/unique_function.hpp"

namespace server::net {

/// Work for one io thread from other threads. However much arrives before the thread looks, it is
/// woken once. Any thread.
class IoQueue {
public:
    virtual ~IoQueue() = default;
    virtual void push(UniqueFunction<void()> work) = 0;
    /// Takes the contents of `work` and leaves it empty with its capacity.
    virtual void push_many(std::vector<UniqueFunction<void()>>& work) = 0;
    [[nodiscard]] virtual bool on_this_thread() const = 0;
};

}  // namespace server::net
