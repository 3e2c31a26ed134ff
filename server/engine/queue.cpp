#include "server/engine/queue.hpp"

#include <algorithm>
#include <chrono>

namespace server::engine {

std::uint32_t weight(const Job& job) {
    const auto* write = dynamic_cast<const WriteJob*>(&job);
    return write == nullptr
               ? 1
               : static_cast<std::uint32_t>(std::max<std::size_t>(1, write->commands.size()));
}

ledger::Result<void> JobQueue::push(std::unique_ptr<Job>& job) {
    const bool read = dynamic_cast<ReadJob*>(job.get()) != nullptr;
    const std::uint32_t commands = weight(*job);
    bool notify = false;
    {
        std::lock_guard lock(mutex_);
        if (closed_)
            return ledger::make_error(ledger::ErrorCode::not_ready, "The server is stopping.");
        if (read) {
            if (reads_.size() >= limits_.reads_max) {
                return ledger::make_error(
                    ledger::ErrorCode::overloaded, "Too many reads are waiting."
                );
            }
            reads_.push_back(std::move(job));
        } else {
            const int lane = job->lane == Lane::bulk ? 1 : 0;
            Lanes& lanes = programs_[job->program.value];
            // A batch larger than the whole queue is still let in when nothing waits; it could
            // never enter otherwise.
            if (lanes.commands[lane] != 0 &&
                lanes.commands[lane] + commands > limits_.commands_max) {
                return ledger::make_error(
                    ledger::ErrorCode::overloaded, "Too many events of this program are waiting."
                );
            }
            if (lanes.bytes[lane] != 0 && lanes.bytes[lane] + job->bytes > limits_.bytes_max) {
                return ledger::make_error(
                    ledger::ErrorCode::overloaded, "Too much data of this program is waiting."
                );
            }
            lanes.bytes[lane] += job->bytes;
            lanes.commands[lane] += commands;
            commands_[lane] += commands;
            lanes.jobs[lane].push_back(std::move(job));
        }
        notify = waiting_;
    }
    if (notify) arrived_.notify_one();
    return {};
}

void JobQueue::take(int lane, std::uint32_t commands, Drained& out) {
    std::uint32_t taken = 0;
    while (taken < commands && commands_[lane] > 0) {
        auto it = programs_.lower_bound(next_program_);
        for (std::size_t tried = 0; tried <= programs_.size(); ++tried) {
            if (it == programs_.end()) it = programs_.begin();
            if (!it->second.jobs[lane].empty()) break;
            ++it;
        }
        Lanes& lanes = it->second;
        std::unique_ptr<Job> job = std::move(lanes.jobs[lane].front());
        lanes.jobs[lane].pop_front();
        const std::uint32_t size = weight(*job);
        lanes.commands[lane] -= size;
        lanes.bytes[lane] -= job->bytes;
        commands_[lane] -= size;
        taken += size;
        next_program_ = it->first + 1;
        out.writes.push_back(std::move(job));
    }
}

JobQueue::Drained JobQueue::drain(
    std::uint32_t commands, std::uint32_t reads, ledger::Timestamp wait_micros
) {
    Drained out;
    std::unique_lock lock(mutex_);
    const auto something = [this] {
        return commands_[0] + commands_[1] > 0 || !reads_.empty() || woken_ || closed_;
    };
    if (!something() && wait_micros > 0) {
        waiting_ = true;
        arrived_.wait_for(lock, std::chrono::microseconds(wait_micros), something);
        waiting_ = false;
    }
    woken_ = false;
    take(0, commands, out);
    std::uint32_t interactive = 0;
    for (const auto& job : out.writes)
        interactive += weight(*job);
    if (interactive < commands) take(1, commands - interactive, out);
    while (!reads_.empty() && out.reads.size() < reads) {
        out.reads.push_back(std::move(reads_.front()));
        reads_.pop_front();
    }
    return out;
}

bool JobQueue::idle() const {
    std::lock_guard lock(mutex_);
    return commands_[0] + commands_[1] == 0 && reads_.empty();
}

void JobQueue::wake() {
    {
        std::lock_guard lock(mutex_);
        woken_ = true;
    }
    arrived_.notify_one();
}

void JobQueue::close() {
    {
        std::lock_guard lock(mutex_);
        closed_ = true;
    }
    arrived_.notify_one();
}

bool JobQueue::closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
}

JobQueue::Depth JobQueue::depth() const {
    std::lock_guard lock(mutex_);
    return {commands_[0], commands_[1], reads_.size()};
}

}  // namespace server::engine
