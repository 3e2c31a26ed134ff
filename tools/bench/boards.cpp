#include "tools/bench/boards.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include <fmt/core.h>
#include <time.h>

#include "ledger/boards/board.hpp"
#include "tools/bench/histogram.hpp"
#include "tools/bench/machine.hpp"

namespace bench {

namespace {

using ledger::Points;
using ledger::Seq;
using ledger::boards::Board;
using ledger::boards::Member;
using ledger::boards::MemberScore;
using ledger::boards::RankIndex;
using ledger::boards::RankKey;
using ledger::boards::ScoreStore;

/// SplitMix64: a number costs a nanosecond, which a Mersenne twister's state in the cache does not.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t word = state_ += 0x9e3779b97f4a7c15U;
        word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
        word = (word ^ word >> 27) * 0x94d049bb133111ebU;
        return word ^ word >> 31;
    }
    std::uint32_t below(std::uint32_t bound) {
        return static_cast<std::uint32_t>((next() >> 32) * bound >> 32);
    }

private:
    std::uint64_t state_;
};

/// Points as shoppers have them: most have few, a few have very many (a power law).
Points skewed_points(Random& random, double least) {
    auto const uniform = static_cast<double>((random.next() >> 11) + 1) * 0x1p-53;
    return static_cast<Points>(std::min(least / std::pow(uniform, 0.8), 1e9));
}

/// The points that members win, drawn before anything is timed.
class Deltas {
public:
    explicit Deltas(Random& random) {
        for (auto& delta : deltas_) {
            delta = skewed_points(random, 10);
        }
    }
    [[nodiscard]] Points operator[](std::uint32_t i) const { return deltas_[i % deltas_.size()]; }

private:
    std::vector<Points> deltas_ = std::vector<Points>(4'096);
};

double processor_s() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double wall_s() {
    auto const since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

struct Row {
    std::string title;
    std::vector<double> per_second;       ///< operations a second of wall time, by run
    std::vector<double> nanoseconds_cpu;  ///< CPU an operation, by run
};

/// The rows of one table, in the order in which they were first measured.
class Table {
public:
    /// Runs `operation` for 0 … `count` - 1 and notes what it took.
    template <typename Operation>
    void measure(std::string const& title, std::uint32_t count, Operation const& operation) {
        auto const cpu_begin = processor_s();
        auto const begin = wall_s();
        for (std::uint32_t i = 0; i < count; ++i) {
            operation(i);
        }
        auto const elapsed = wall_s() - begin;
        auto const cpu = processor_s() - cpu_begin;
        Row& noted = row(title);
        noted.per_second.push_back(count / elapsed);
        noted.nanoseconds_cpu.push_back(cpu * 1e9 / count);
    }

    void note_bytes(std::string const& title, std::size_t bytes, std::uint32_t members) {
        row(title).per_second.push_back(static_cast<double>(bytes) / members);
    }

    void note_latency(std::string const& title, Histogram const& latencies) {
        row(title + " p50, ns").per_second.push_back(double(latencies.quantile(0.5)));
        row(title + " p99, ns").per_second.push_back(double(latencies.quantile(0.99)));
    }

    void print(std::uint32_t members) const {
        fmt::print("\n| {} members | median (min–max) | CPU ns each |\n|---|---|---|\n", members);
        for (auto const& row : rows_) {
            auto const told = spread(row.per_second);
            int const digits = told.median < 1'000 ? 1 : 0;
            fmt::print(
                "| {} | {:.{}f} ({:.{}f}–{:.{}f}) | {} |\n",
                row.title,
                told.median,
                digits,
                told.min,
                digits,
                told.max,
                digits,
                processor_text(row)
            );
        }
        std::fflush(stdout);
    }

private:
    Row& row(std::string const& title) {
        auto const found = std::find_if(rows_.begin(), rows_.end(), [&](Row const& row) {
            return row.title == title;
        });
        if (found != rows_.end()) {
            return *found;
        }
        return rows_.emplace_back(Row{title, {}, {}});
    }

    static std::string processor_text(Row const& row) {
        if (row.nanoseconds_cpu.empty()) {
            return "";
        }
        auto const told = spread(row.nanoseconds_cpu);
        return fmt::format("{:.0f} ({:.0f}–{:.0f})", told.median, told.min, told.max);
    }

    std::vector<Row> rows_;
};

void require_right(bool right) {
    if (!right) {
        throw std::runtime_error("a rank was wrong");
    }
}

/// Everybody's first key, by member (from 1; 0 is nobody).
std::vector<RankKey> first_keys(std::uint32_t members, Random& random) {
    std::vector<RankKey> keys(members + 1);
    for (Member member = 1; member <= members; ++member) {
        keys[member] = RankKey::make(skewed_points(random, 100), random.below(members), member);
    }
    return keys;
}

/// The index alone; the keys that members have stand in a list beside it.
void measure_index(
    std::uint32_t members, BoardsOptions const& options, Random& random, Table& table
) {
    auto const deltas = Deltas(random);
    auto keys = first_keys(members, random);
    auto sorted = keys;
    sorted.erase(sorted.begin());
    std::sort(sorted.begin(), sorted.end());
    RankIndex index;
    table.measure("index: bulk builds/s", 1, [&](std::uint32_t) { index.bulk_build(sorted); });
    table.note_bytes("index: bytes an entry, built", index.memory_bytes(), members);

    std::uint64_t seq = members;
    auto const update = [&](Member member, Points score) {
        auto& key = keys[member];
        auto const moved = RankKey::make(score, ++seq, member);
        index.upsert(key, moved);
        key = moved;
    };
    table.measure("index: updates/s, an order each", options.operations, [&](std::uint32_t i) {
        auto const member = 1 + random.below(members);
        update(member, keys[member].score() + deltas[i]);
    });
    table.measure("index: updates/s, to anywhere", options.operations, [&](std::uint32_t) {
        auto const member = 1 + random.below(members);
        update(member, keys[1 + random.below(members)].score());
    });
    table.note_bytes("index: bytes an entry, churned", index.memory_bytes(), members);

    // Whose rank is asked is drawn before, so that only the index is measured.
    std::vector<RankKey> asked(options.operations);
    for (auto& key : asked) {
        key = keys[1 + random.below(members)];
    }
    std::uint64_t ranks = 0;
    table.measure("index: ranks/s", options.operations, [&](std::uint32_t i) {
        ranks += index.rank(asked[i]);
    });
    table.measure("index: places/s", options.operations, [&](std::uint32_t i) {
        ranks += index.place(asked[i].score());
    });
    table.measure("index: members at a rank/s", options.operations, [&](std::uint32_t) {
        ranks += index.at(1 + random.below(members))->member();
    });
    require_right(ranks > 0 && index.rank(*index.at(members / 2)) == members / 2);

    Histogram latencies;
    for (std::uint32_t i = 0; i < std::min(options.operations, 200'000U); ++i) {
        auto const begin = std::chrono::steady_clock::now();
        require_right(index.rank(asked[i]) != 0);
        auto const took = std::chrono::steady_clock::now() - begin;
        latencies.record(static_cast<std::uint64_t>(took.count()));
    }
    table.note_latency("index: one rank, clock read included,", latencies);
}

/// Scores and index together, as the projector uses them.
void measure_board(
    std::uint32_t members,
    ScoreStore::Layout layout,
    BoardsOptions const& options,
    Random& random,
    Table& table
) {
    std::string const name =
        layout == ScoreStore::Layout::dense ? "board, dense: " : "board, sparse: ";
    auto const deltas = Deltas(random);
    Board board(layout);
    {
        std::vector<MemberScore> scores(members);
        for (Member member = 1; member <= members; ++member) {
            scores[member - 1] = {member, {skewed_points(random, 100), random.below(members)}};
        }
        board.load(scores);
    }
    table.note_bytes(name + "bytes an entry, built", board.memory_bytes(), members);
    std::uint64_t seq = members;
    table.measure(name + "updates/s, an order each", options.operations, [&](std::uint32_t i) {
        board.apply(1 + random.below(members), deltas[i], Seq(++seq));
    });
    table.note_bytes(name + "bytes an entry, churned", board.memory_bytes(), members);
    std::uint64_t ranks = 0;
    table.measure(name + "ranks/s", options.operations, [&](std::uint32_t) {
        ranks += board.rank(1 + random.below(members));
    });
    require_right(ranks > 0 && board.size() == members);
}

}  // namespace

int bench_boards(BoardsOptions const& options) {
    try {
        auto const machine = describe_machine(".");
        fmt::print(
            "guerdon bench boards, commit {}\n{}, {} cores, {:.1f} GiB, {}\n"
            "one thread; {} runs; {} operations of each kind on random members\n",
            describe_commit(),
            machine.cpu,
            machine.cores,
            machine.memory_gib,
            machine.kernel,
            options.runs,
            options.operations
        );
        for (auto const members : options.members) {
            Table table;
            for (unsigned run = 0; run < options.runs; ++run) {
                Random random(run + 1);
                measure_index(members, options, random, table);
                measure_board(members, ScoreStore::Layout::dense, options, random, table);
                measure_board(members, ScoreStore::Layout::sparse, options, random, table);
            }
            table.print(members);
        }
        return 0;
    } catch (std::exception const& error) {
        fmt::print(stderr, "bench boards: {}\n", error.what());
        return 1;
    }
}

}  // namespace bench
