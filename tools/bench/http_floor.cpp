// What the network edge costs without an application behind it: every request is answered
// 200 {"status":"applied"}. Point wrk or the like at it:  http_floor [port] [engine]
// With "engine", answers come from another thread in batches, as from a commit group.
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include "server/net/server.hpp"

namespace {

using server::net::BodyPlan;
using server::net::CompletionBatch;
using server::net::Request;
using server::net::RequestHead;
using server::net::Respond;
using server::net::Response;

Response applied() {
    Response response;
    response.body = R"({"status":"applied","seq":918301,"member":"2",)"
                    R"("awards":[{"rule":"core/purchase","points":59}]})";
    return response;
}

/// Stands for the engine: answers whatever arrived since it last looked, together.
class BatchAnswerer {
public:
    BatchAnswerer() : thread_([this] { run(); }) {}
    ~BatchAnswerer() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        arrived_.notify_one();
        thread_.join();
    }
    void submit(Respond respond) {
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            first = waiting_.empty();
            waiting_.push_back(std::move(respond));
        }
        if (first) arrived_.notify_one();
    }

private:
    void run() {
        std::vector<Respond> taken;
        CompletionBatch batch;
        std::unique_lock lock(mutex_);
        while (true) {
            arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (stopping_) return;
            taken.swap(waiting_);
            lock.unlock();
            for (Respond& respond : taken)
                batch.add(std::move(respond), applied);
            taken.clear();
            batch.deliver();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<Respond> waiting_;
    bool stopping_ = false;
    std::thread thread_;
};

class Floor final : public server::net::Handler {
public:
    explicit Floor(BatchAnswerer* answerer) : answerer_(answerer) {}
    BodyPlan plan(const RequestHead&) override { return BodyPlan::buffer(1 << 20); }
    Response error(ledger::ErrorCode) override {
        Response response;
        response.status = 500;
        return response;
    }
    void handle(const Request&, Respond respond) override {
        if (answerer_ != nullptr) {
            answerer_->submit(std::move(respond));
        } else {
            respond(applied());
        }
    }
    std::shared_ptr<server::net::BodyStream> open_stream(const RequestHead&, Respond) override {
        return nullptr;
    }

private:
    BatchAnswerer* answerer_;
};

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int count, char** arguments) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    server::net::ServerOptions options;
    options.port = static_cast<std::uint16_t>(count > 1 ? std::atoi(arguments[1]) : 8099);
    std::unique_ptr<BatchAnswerer> answerer;
    if (count > 2 && std::string_view(arguments[2]) == "engine") {
        answerer = std::make_unique<BatchAnswerer>();
    }
    Floor floor(answerer.get());
    auto server = server::net::Server::start(options, floor);
    if (!server) {
        std::fprintf(stderr, "%s\n", server.error().detail.c_str());
        return 1;
    }
    std::printf("listening on 127.0.0.1:%u\n", static_cast<unsigned>((*server)->port()));
    std::fflush(stdout);
    int received = 0;
    sigwait(&signals, &received);
    (*server)->drain(std::chrono::seconds(1));
    const auto requests = static_cast<double>((*server)->stats().requests);
    std::printf("%.0f requests, %.2f us of CPU each\n", requests, cpu_seconds() * 1e6 / requests);
    return 0;
}
