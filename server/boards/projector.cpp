#include "server/boards/projector.hpp"

#include <algorithm>
#include <utility>

#include "ledger/entry_codec.hpp"
#include "ledger/seal.hpp"
#include "rules/rule_set.hpp"

namespace server::boards {

using ledger::EntryKind;

namespace {

/// Between two publications: what a viewer could tell apart, at a thousandth of the work.
constexpr auto kPublishEvery = std::chrono::milliseconds(5);
/// Groups read before questions are answered and pages published.
constexpr int kGroupsAtOnce = 64;
/// Looks at the clock so often when nothing happens: a new day begins by itself.
constexpr auto kIdle = std::chrono::milliseconds(250);
/// When what was durable is remembered so often, the lag is right to so much.
constexpr ledger::Timestamp kMarkEvery = ledger::kMicrosPerSecond / 10;
/// Of a projector that stands still, the newest marks run into one.
constexpr std::size_t kMarksMax = 4'096;

}  // namespace

Projector::Projector(Options options) : options_(std::move(options)) {}

Projector::~Projector() {
    stop();
}

void Projector::start() {
    thread_ = std::thread([this] { run(); });
}

void Projector::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Projector::wake() {
    note_durable();
    // Orders the committed position, which the caller has just stored, before the look at the flag;
    // run() sets the flag before it looks at the position.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!sleeping_.load(std::memory_order_relaxed)) return;
    const std::scoped_lock lock(mutex_);
    changed_.notify_all();
}

void Projector::run() {
    while (true) {
        if (!read_groups()) return give_up();
        answer_questions();
        if (!ready()) {
            for (auto& [id, program] : programs_)
                program->forget_members();
        }
        const bool behind = options_.log->durable_group() >= next_;
        bool dirty = !activated_.empty();
        for (auto& [id, program] : programs_) {
            if (!behind) program->pass_time(options_.clock->now());
            dirty |= program->dirty();
        }
        if (!behind && !ready()) {
            publish();
            ready_.store(true, std::memory_order_release);
        }
        if (dirty && ready() && std::chrono::steady_clock::now() - published_at_ >= kPublishEvery) {
            publish();
            dirty = false;
        }
        std::unique_lock lock(mutex_);
        if (stopping_) return;
        if (dirty && ready() && !far_behind()) {
            // Nothing is published before then: until then no group is worth a wake-up. Under load
            // that leaves the processor to the groups.
            changed_.wait_until(lock, published_at_ + kPublishEvery, [&] {
                return stopping_ || !questions_.empty();
            });
            continue;
        }
        if (behind) continue;
        sleeping_.store(true, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        changed_.wait_for(lock, dirty ? kPublishEvery : kIdle, [&] {
            return stopping_ || !questions_.empty() || options_.log->durable_group() >= next_;
        });
        sleeping_.store(false, std::memory_order_relaxed);
        if (stopping_) return;
    }
}

/// More waits than one round reads.
bool Projector::far_behind() const {
    return options_.log->durable_group().value >= next_.value + kGroupsAtOnce;
}

void Projector::give_up() {
    std::deque<std::function<void()>> unanswered;  // whoever asked is told by losing the answer
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    unanswered.swap(questions_);
}

bool Projector::read_groups() {
    if (options_.log->durable_group() < next_) return true;
    int left = kGroupsAtOnce;
    const auto read = options_.log->groups_from(
        next_,
        [&](const std::shared_ptr<const ledger::Group>& group) -> ledger::Result<bool> {
            if (auto done = read_group(*group); done.has_error()) return done.error();
            next_ = ledger::GroupId{group->id().value + 1};
            group_.store(group->id().value, std::memory_order_relaxed);
            return --left > 0;
        }
    );
    if (!read.has_error()) return true;
    ready_.store(false, std::memory_order_release);
    if (options_.complain) options_.complain("the boards stop: " + read.error().detail);
    return false;
}

ledger::Result<void> Projector::read_group(const ledger::Group& group) {
    for (const ledger::EntryLocation& entry : group.entries()) {
        const std::string_view bytes = group.bytes(entry);
        if (entry.program == ledger::kSystemProgram) {
            if (auto done = read_system(bytes); done.has_error()) return done;
            continue;
        }
        ProgramBoards* program = find(entry.program);
        if (program == nullptr) continue;  // its keys are erased
        if (auto done = program->apply(entry.seq, bytes); done.has_error()) return done;
    }
    entries_.store(
        entries_.load(std::memory_order_relaxed) + group.entries().size(), std::memory_order_relaxed
    );
    return {};
}

ledger::Result<void> Projector::read_system(std::string_view bytes) {
    ledger::OwnedEntry owned;
    if (auto decoded = ledger::decode_into(bytes, owned); decoded.has_error()) return decoded;
    const ledger::Entry& entry = owned.entry;
    if (entry.kind == EntryKind::program_version) {
        const ledger::ProgramVersionPart& part = entry.program_version;
        documents_[{part.program, part.version}] = {
            std::string(part.program_id), std::string(part.document)};
    }
    if (entry.kind == EntryKind::program_activate)
        activate(entry.program_activate.program, entry.program_activate.version);
    return {};
}

void Projector::activate(ledger::ProgramId id, std::uint32_t version) {
    const auto document = documents_.find({id, version});
    if (document == documents_.end()) return;
    auto rule_set = rules::load_rule_set(document->second.json, document->second.name);
    // A version that no longer compiles makes its program read-only: its boards stay as they are.
    if (rule_set.has_error()) return;
    auto& program = programs_[id];
    if (!program) {
        auto keys = options_.vault->program_keys(id);
        if (keys.has_error()) {
            programs_.erase(id);
            return;
        }
        program = std::make_unique<ProgramBoards>(
            id,
            std::shared_ptr<const ledger::HmacKey>(*keys, &(*keys)->hmac),
            [this, id](ledger::Seq seq) { return open_face(id, seq); }
        );
    }
    program->use(*rule_set);
    activated_.insert(id);
    // Channels that are gone are found no more; new ones get their page with the next publication,
    // and the others keep theirs, which may well not change then.
    const std::unique_lock lock(pages_mutex_);
    std::vector<ChannelKey>& channels = channels_[id];
    channels.clear();
    for (const rules::Board& board : (*rule_set)->boards()) {
        for (const rules::BoardWindow window : board.windows)
            channels.push_back({id, board.id, window});
    }
    std::erase_if(pages_, [&](const auto& page) {
        return page.first.program == id &&
               std::ranges::find(channels, page.first) == channels.end();
    });
}

std::optional<Faces::Opened> Projector::open_face(ledger::ProgramId program, ledger::Seq seq)
    const {
    auto bytes = options_.log->find(program, seq);
    if (bytes.has_error()) return std::nullopt;
    ledger::OwnedEntry owned;
    owned.bytes = std::move(*bytes);
    if (ledger::decode_into(owned.bytes, owned).has_error()) return std::nullopt;
    const auto key = options_.vault->key_for(program, owned.entry.sealed_for);
    if (key.has_error() || !*key) return std::nullopt;
    std::string plain;
    const auto personal = ledger::unseal(owned.entry.sealed, **key, plain);
    if (personal.has_error()) return std::nullopt;
    return Faces::Opened{std::string(personal->name), std::string(personal->board)};
}

void Projector::publish() {
    Changes changes;
    changes.programs.assign(activated_.begin(), activated_.end());
    activated_.clear();
    for (auto& [id, program] : programs_) {
        if (!program->dirty()) continue;
        auto pages = program->publish();
        for (const ledger::MemberId member : program->take_members())
            changes.members.emplace_back(id, member);
        const std::unique_lock lock(pages_mutex_);
        for (auto& [key, page] : pages) {
            changes.pages.push_back(key);
            pages_[key] = std::move(page);
        }
        seen_[id] = program->as_of();
        pages_made_.fetch_add(pages.size(), std::memory_order_relaxed);
    }
    published_at_ = std::chrono::steady_clock::now();
    if (listener_ && ready()) listener_(changes);
}

std::shared_ptr<const Page> Projector::page(const ChannelKey& channel) const {
    const std::shared_lock lock(pages_mutex_);
    const auto found = pages_.find(channel);
    return found == pages_.end() ? nullptr : found->second;
}

ledger::Seq Projector::as_of(ledger::ProgramId program) const {
    const std::shared_lock lock(pages_mutex_);
    const auto found = seen_.find(program);
    return found == seen_.end() ? ledger::Seq{} : found->second;
}

std::vector<ChannelKey> Projector::channels(ledger::ProgramId program) const {
    const std::shared_lock lock(pages_mutex_);
    const auto found = channels_.find(program);
    return found == channels_.end() ? std::vector<ChannelKey>{} : found->second;
}

ProgramBoards* Projector::find(ledger::ProgramId program) {
    const auto found = programs_.find(program);
    return found == programs_.end() ? nullptr : found->second.get();
}

void Projector::ask(std::function<void()> question) {
    {
        const std::scoped_lock lock(mutex_);
        if (stopping_) return;
        questions_.push_back(std::move(question));
    }
    questions_asked_.fetch_add(1, std::memory_order_relaxed);
    changed_.notify_all();
}

void Projector::answer_questions() {
    // Before the head is reached, answers would be of the past.
    if (!ready()) return;
    std::deque<std::function<void()>> questions;
    {
        const std::scoped_lock lock(mutex_);
        questions.swap(questions_);
    }
    for (const auto& question : questions)
        question();
}

void Projector::rows(
    ChannelKey channel,
    std::uint64_t after_rank,
    std::size_t limit,
    std::function<void(std::optional<Slice>)> answer
) {
    ask([this, channel = std::move(channel), after_rank, limit, answer = std::move(answer)] {
        ProgramBoards* program = find(channel.program);
        answer(program == nullptr ? std::nullopt : program->rows(channel, after_rank, limit));
    });
}

void Projector::around(
    ChannelKey channel,
    ledger::MemberId member,
    std::size_t above,
    std::size_t limit,
    std::function<void(std::optional<Slice>)> answer
) {
    ask([this, channel = std::move(channel), member, above, limit, answer = std::move(answer)] {
        ProgramBoards* program = find(channel.program);
        answer(program == nullptr ? std::nullopt : program->around(channel, member, above, limit));
    });
}

void Projector::standings(
    std::vector<ChannelKey> channels,
    ledger::MemberId member,
    std::function<void(std::vector<std::optional<Standing>>)> answer
) {
    ask([this, channels = std::move(channels), member, answer = std::move(answer)] {
        std::vector<std::optional<Standing>> standings;
        for (const ChannelKey& channel : channels) {
            ProgramBoards* program = find(channel.program);
            standings.push_back(
                program == nullptr ? std::nullopt : program->standing(channel, member)
            );
        }
        answer(std::move(standings));
    });
}

void Projector::face(
    ledger::ProgramId program,
    ledger::MemberId member,
    std::function<void(std::string name, bool shown)> answer
) {
    ask([this, program, member, answer = std::move(answer)] {
        ProgramBoards* found = find(program);
        if (found == nullptr) return answer({}, false);
        Faces::Face face = found->face(member);
        answer(std::move(face.name), face.shown);
    });
}

void Projector::content_hash(ledger::ProgramId program, std::function<void(std::uint64_t)> answer) {
    ask([this, program, answer = std::move(answer)] {
        ProgramBoards* found = find(program);
        answer(found == nullptr ? 0 : found->content_hash());
    });
}

void Projector::forget_read() const {
    const std::uint64_t read = group_.load(std::memory_order_relaxed);
    while (!unread_.empty() && unread_.front().group <= read)
        unread_.pop_front();
}

void Projector::note_durable() {
    const std::uint64_t durable = options_.log->durable_group().value;
    const ledger::Timestamp now = options_.clock->monotonic();
    const std::scoped_lock lock(unread_mutex_);
    forget_read();
    const bool recent = !unread_.empty() && now - unread_.back().at < kMarkEvery;
    if (recent || unread_.size() >= kMarksMax) {
        unread_.back().group = durable;  // counts as older than it is, by as much at most
    } else if (durable > group_.load(std::memory_order_relaxed)) {
        unread_.push_back({durable, now});
    }
}

ledger::Timestamp Projector::lag() const {
    if (!ready()) return 0;
    const std::scoped_lock lock(unread_mutex_);
    forget_read();
    return unread_.empty() ? 0 : options_.clock->monotonic() - unread_.front().at;
}

Projector::Stats Projector::stats() const {
    return {
        lag(),
        group_.load(std::memory_order_relaxed),
        entries_.load(std::memory_order_relaxed),
        pages_made_.load(std::memory_order_relaxed),
        questions_asked_.load(std::memory_order_relaxed)};
}

}  // namespace server::boards
