#include "server/net/io_thread.hpp"

#include <ctime>

#include <boost/asio/post.hpp>

namespace server::net {

SteadyMs steady_now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch()
    )
        .count();
}

IoThread::IoThread(std::chrono::milliseconds tick) : tick_(tick) {
    renew_date();
}

IoThread::~IoThread() {
    join();
}

void IoThread::start() {
    work_guard_.emplace(context_.get_executor());
    schedule_tick();
    thread_ = std::thread([this] {
        thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        context_.run();
    });
}

void IoThread::join() {
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
        draining_ = true;
        timer_.cancel();
        work_guard_.reset();
    });
    thread_.join();
    std::vector<UniqueFunction<void()>> dropped;
    {
        const std::lock_guard lock(inbox_mutex_);
        stopped_ = true;
        dropped.swap(inbox_);
    }
}

void IoThread::push(UniqueFunction<void()> work) {
    bool first = false;
    {
        const std::lock_guard lock(inbox_mutex_);
        if (stopped_) return;
        inbox_.push_back(std::move(work));
        first = !std::exchange(woken_, true);
    }
    if (first) wake();
}

void IoThread::push_many(std::vector<UniqueFunction<void()>>& work) {
    bool first = false;
    {
        const std::lock_guard lock(inbox_mutex_);
        if (!stopped_) {
            for (auto& item : work)
                inbox_.push_back(std::move(item));
            first = !work.empty() && !std::exchange(woken_, true);
        }
    }
    work.clear();
    if (first) wake();
}

void IoThread::wake() {
    asio::post(context_, [this] { run_inbox(); });
}

void IoThread::run_inbox() {
    {
        const std::lock_guard lock(inbox_mutex_);
        running_.swap(inbox_);
        woken_ = false;
    }
    for (auto& work : running_) {
        work();
        work.reset();
    }
    running_.clear();
}

void IoThread::enlist(Connection& connection) {
    connection.listed_ = true;
    connection.previous_ = nullptr;
    connection.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &connection;
    first_ = &connection;
}

void IoThread::delist(Connection& connection) {
    if (!connection.listed_) return;
    connection.listed_ = false;
    if (connection.previous_ != nullptr) {
        connection.previous_->next_ = connection.next_;
    } else {
        first_ = connection.next_;
    }
    if (connection.next_ != nullptr) connection.next_->previous_ = connection.previous_;
}

void IoThread::drain_connections() {
    draining_ = true;
    for (Connection* connection = first_; connection != nullptr;) {
        Connection* next = connection->next_;
        connection->begin_drain();
        connection = next;
    }
}

void IoThread::cut_connections() {
    while (first_ != nullptr)
        first_->cut();
}

void IoThread::schedule_tick() {
    timer_.expires_after(tick_);
    timer_.async_wait([this](error_code failure) {
        if (!failure && work_guard_) on_tick();
    });
}

void IoThread::on_tick() {
    renew_date();
    const SteadyMs now = steady_now_ms();
    for (Connection* connection = first_; connection != nullptr;) {
        // The deadline may delist this one, but never another.
        Connection* next = connection->next_;
        if (connection->deadline <= now) connection->on_deadline();
        connection = next;
    }
    schedule_tick();
}

void IoThread::renew_date() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    date_size_ = std::strftime(date_.data(), date_.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

}  // namespace server::net
