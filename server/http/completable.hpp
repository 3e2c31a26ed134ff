#pragma once

#include <memory>

#include "server/engine/job.hpp"

namespace server::net {
class IoQueue;
}

namespace server::http {

/// What JobSink needs of a finished job: a base of every job that expects an answer, beside
/// engine::Job. Jobs without it are dropped when they are done.
struct Completable {
    virtual ~Completable() = default;
    /// The io thread on which complete() runs; null: the delivering thread, and then complete()
    /// must not block.
    [[nodiscard]] virtual net::IoQueue* queue() const = 0;
    /// Takes the job, which is this object.
    virtual void complete(std::unique_ptr<engine::Job> self) = 0;

protected:
    Completable() = default;
};

}  // namespace server::http
