#include "tools/bench/session.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include <fmt/core.h>
#include <stdlib.h>

#include "tools/bench/http_call.hpp"
#include "tools/bench/machine.hpp"
#include "tools/bench/minimal_program.hpp"

namespace bench {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder(fs::path const& parent) {
    auto pattern = (fs::absolute(parent) / "guerdon-bench.XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot make a folder in " + parent.string());
    }
    path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

Session::Session(BenchOptions const& options, fs::path data, std::vector<std::string> flags)
    : options_(options), data_(std::move(data)), flags_(std::move(flags)) {
    restart();
    key_ = server_->admin_key();
}

void Session::restart() {
    server_.reset();
    ServerProcess::Options start;
    start.binary = options_.binary;
    start.data = data_;
    start.flags = flags_;
    start.start_limit = std::chrono::minutes(10);
    server_ = std::make_unique<ServerProcess>(std::move(start));
}

void Session::create_program() {
    auto const answer =
        http_call(server_->port(), "PUT", "/v1/programs/bench", key_, kMinimalProgram);
    if (answer.status != 200 && answer.status != 201) {
        throw std::runtime_error(
            fmt::format("PUT /v1/programs/bench: {} {}", answer.status, answer.body)
        );
    }
}

LoadOptions Session::load_options() const {
    LoadOptions load;
    load.port = server_->port();
    load.program = "bench";
    load.key = key_;
    load.members = options_.members;
    load.identity = options_.with_email ? EventTemplate::Identity::id_and_email
                                        : EventTemplate::Identity::id_only;
    load.first_event = next_event_;
    load.seed = next_event_;
    return load;
}

LoadResult Session::run(LoadOptions const& load) {
    auto result = run_load(load);
    next_event_ = std::max(next_event_, result.next_event);
    acknowledged_ += result.acknowledged;
    if (!result.failure.empty()) {
        throw std::runtime_error(result.failure);
    }
    return result;
}

void Session::fill(std::uint64_t members, std::uint64_t entries) {
    constexpr unsigned kBatchMax = 1000;
    auto load = load_options();
    load.members = members;
    load.choice = LoadOptions::Members::in_order;
    load.batch = static_cast<unsigned>(
        std::min<std::uint64_t>(kBatchMax, std::max<std::uint64_t>(members, 2))
    );
    load.connections = 2;
    load.events_max = std::max(members, entries);
    load.warm_up_s = 0;
    load.measured_s = 3600;
    load.patient = true;
    run(load);
}

void print_preamble(BenchOptions const& options, std::string const& what) {
    auto const machine = describe_machine(options.folder);
    fmt::print("{}\n", what);
    fmt::print(
        "machine   {}, {} cores, {:.0f} GiB, {}, {}\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.file_system
    );
    fmt::print("commit    {}\n", describe_commit());
    fmt::print(
        "settings  sync on, program minimal, {} members, {} runs of {:.0f} s after {:.0f} s "
        "warm-up, {}{}{}\n",
        options.members,
        options.runs,
        options.seconds,
        options.warm_up_s,
        options.with_email ? "id and e-mail" : "id only",
        options.hot_member ? ", one hot member" : "",
        options.serve_flags.empty() ? "" : ", extra serve flags"
    );
    fmt::print("          load from a second process on the same cores; every answer checked\n");
    std::fflush(stdout);
}

void require_free_space(fs::path const& folder, std::uint64_t bytes) {
    auto const space = fs::space(folder);
    if (space.available < bytes) {
        throw std::runtime_error(fmt::format(
            "{} has {} MiB free, {} MiB are needed; choose another --folder",
            folder.string(),
            space.available >> 20,
            bytes >> 20
        ));
    }
}

}  // namespace bench
