#include "tests/server/live_support.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "server/live/protocol.hpp"

namespace live_test {

using namespace server::live;

namespace {

constexpr std::size_t kRecordedMax = 6'000;
constexpr SteadyMs kStepMs = 50;
constexpr SteadyMs kAskAgainMs = 10'000;
constexpr SteadyMs kSilenceMs = 35'000;

std::string frame_text(const Frame& frame) {
    return (frame.head ? *frame.head : std::string()) + *frame.body;
}

}  // namespace

std::string token_of(std::uint64_t member, int seconds) {
    return "t." + std::to_string(member) + "." + std::to_string(seconds);
}

std::string ticket_of(std::uint64_t member, std::int64_t exp_ms) {
    return "ticket." + std::to_string(member) + "." + std::to_string(exp_ms);
}

void record_frame(char sender, std::string_view frame) {
    static std::size_t recorded = 0;
    const char* path = std::getenv("GUERDON_LIVE_FRAMES");
    if (path == nullptr || recorded >= kRecordedMax) return;
    ++recorded;
    std::ofstream(path, std::ios::app) << sender << ' ' << frame << '\n';
}

// ---- Object ----

Object::Object(std::string_view text)
    : text_(text), parser_(std::make_shared<simdjson::dom::parser>()) {
    if (parser_->parse(text_).get(root_) != simdjson::SUCCESS) {
        throw std::runtime_error("not JSON: " + text_);
    }
}

simdjson::dom::element Object::at(std::string_view pointer) const {
    simdjson::dom::element found;
    if (root_.at_pointer(pointer).get(found) != simdjson::SUCCESS) {
        throw std::runtime_error("no " + std::string(pointer) + " in " + text_);
    }
    return found;
}

bool Object::has(std::string_view pointer) const {
    simdjson::dom::element found;
    return root_.at_pointer(pointer).get(found) == simdjson::SUCCESS;
}

std::int64_t Object::number(std::string_view pointer) const {
    return at(pointer).get_int64().value();
}

std::string Object::string(std::string_view pointer) const {
    return std::string(at(pointer).get_string().value());
}

bool Object::boolean(std::string_view pointer) const {
    return at(pointer).get_bool().value();
}

std::vector<Object> objects_of(std::string_view message) {
    std::vector<Object> objects;
    while (!message.empty()) {
        const std::string_view line = message.substr(0, message.find('\n'));
        message.remove_prefix(std::min(line.size() + 1, message.size()));
        objects.emplace_back(line);
    }
    return objects;
}

// ---- TestDoorman ----

Verdict TestDoorman::judge(const Knock& knock) const {
    if (knock.origin == "https://evil.example") return CloseCode::refused;
    Guest guest;
    guest.program = kShop;
    if (!knock.key.empty()) {
        if (knock.key != kKey) return CloseCode::bad_token;
        guest.key_ids.emplace_back(kKeyId);
    }
    const auto numbers = [](const std::string& text, std::uint64_t& member, std::int64_t& last) {
        const std::size_t first = text.find('.');
        const std::size_t second = text.find('.', first + 1);
        if (second == std::string::npos) return false;
        char* end = nullptr;
        member = std::strtoull(text.c_str() + first + 1, &end, 10);
        if (*end != '.') return false;
        last = std::strtoll(text.c_str() + second + 1, &end, 10);
        return *end == '\0';
    };
    std::uint64_t member = 0;
    std::int64_t last = 0;
    const std::int64_t now_ms = clock_.now() / 1000;
    if (!knock.resume.empty()) {
        if (!numbers(knock.resume, member, last) || last <= now_ms) return CloseCode::expired;
        guest.exp_ms = last;
    } else if (!knock.token.empty()) {
        if (!numbers(knock.token, member, last)) return CloseCode::bad_token;
        guest.exp_ms = now_ms + last * 1000;
    } else {
        return guest;
    }
    if (!strangers.contains(member)) guest.member = ledger::MemberId(member);
    guest.origin_by_program = knock.key.empty() && !knock.origin.empty();
    guest.key_ids.emplace_back(kTokenKeyId);
    guest.ticket = ticket_of(member, guest.exp_ms);
    return guest;
}

void TestDoorman::admit(Knock knock, std::function<void(Verdict)> answer) {
    answer(judge(knock));
}

void TestDoorman::refresh(ledger::ProgramId, Knock knock, std::function<void(Verdict)> answer) {
    answer(judge(knock));
}

// ---- StepQueue ----

void StepQueue::push(server::net::UniqueFunction<void()> work) {
    work_.push_back(std::move(work));
}

void StepQueue::push_many(std::vector<server::net::UniqueFunction<void()>>& work) {
    for (auto& item : work)
        work_.push_back(std::move(item));
    work.clear();
}

bool StepQueue::run() {
    if (work_.empty()) return false;
    auto running = std::exchange(work_, {});
    for (auto& item : running)
        item();
    return true;
}

// ---- TestLink ----

TestLink::TestLink(Hub& hub, std::string origin, std::string peer)
    : session(std::make_shared<Session>(hub, *this, std::move(origin), std::move(peer))) {}

TestLink::~TestLink() {
    session->on_gone();
}

void TestLink::send(std::string_view text) {
    if (gone) return;
    session->on_message(text);
}

void TestLink::write(std::vector<Frame> frames) {
    if (on_wire_) throw std::runtime_error("a second write");
    std::string text;
    for (const Frame& frame : frames) {
        if (!text.empty()) text += kFrameSeparator;
        text += frame_text(frame);
    }
    on_wire_ = std::move(text);
}

void TestLink::close(CloseCode code) {
    closed = code;
    ending_ = true;
}

void TestLink::cut() {
    was_cut = true;
    ending_ = true;
}

std::vector<std::string> TestLink::take_messages() {
    return std::exchange(messages_, {});
}

bool TestLink::pump() {
    if (gone) return false;
    if (on_wire_ && !stalled) {
        messages_.push_back(*std::exchange(on_wire_, std::nullopt));
        for (Object& object : objects_of(messages_.back())) {
            record_frame('S', object.text());
            received.push_back(std::move(object));
        }
        session->on_written();
        return true;
    }
    if (ending_) {
        gone = true;
        on_wire_.reset();
        session->on_gone();
        return true;
    }
    return false;
}

std::vector<Object> TestLink::all(std::string_view pointer) const {
    std::vector<Object> found;
    for (const Object& object : received) {
        if (object.has(pointer)) found.push_back(object);
    }
    return found;
}

Object TestLink::last(std::string_view pointer) const {
    auto found = all(pointer);
    if (found.empty()) throw std::runtime_error("nothing with " + std::string(pointer));
    return found.back();
}

std::int64_t TestLink::bye() const {
    const auto byes = all("/bye");
    return byes.empty() ? 0 : byes.back().number("/bye/code");
}

// ---- Stage ----

Stage::Stage(const Options& options) : census(options.limits) {
    boards.listen([this](const server::boards::Boards::Changes& changes) {
        changed_pages_.insert(changed_pages_.end(), changes.pages.begin(), changes.pages.end());
        changed_members_.insert(
            changed_members_.end(), changes.members.begin(), changes.members.end()
        );
        changed_programs_.insert(changes.programs.begin(), changes.programs.end());
    });
    start(options.incarnation);
}

Stage::~Stage() {
    links.clear();
}

HubParts Stage::parts() {
    auto balances = [this](
                        ledger::ProgramId,
                        ledger::MemberId member,
                        const std::function<void(ledger::Result<Wallets>)>& answer
                    ) {
        if (wallet_error) return answer(ledger::make_error(*wallet_error));
        Wallets wallets;
        wallets.as_of = boards.as_of(kShop);
        wallets.name = "Bo L.";
        wallets.shown = true;
        wallets.balances.push_back({"points", points[member.value], 97, 0, 0});
        answer(std::move(wallets));
    };
    return {*feeds, boards, doorman, balances, census, clock};
}

void Stage::start(const std::string& incarnation) {
    feeds = std::make_unique<Feeds>(boards, incarnation);
    hub = std::make_unique<Hub>(parts(), queue, 0, 7);
    tick_at_ = 0;
}

void Stage::restart(const std::string& incarnation) {
    links.clear();
    while (queue->run()) {
    }
    hub.reset();
    boards.restart();
    start(incarnation);
}

TestLink& Stage::connect(std::string origin, std::string peer) {
    links.push_back(std::make_unique<TestLink>(*hub, std::move(origin), std::move(peer)));
    links.back()->session->start();
    return *links.back();
}

TestLink& Stage::guest(std::string_view subs) {
    TestLink& link = connect();
    link.send(
        R"({"id":1,"connect":{"v":1,"key":")" + std::string(kKey) + R"(","subs":)" +
        std::string(subs) + "}}"
    );
    settle();
    return link;
}

TestLink& Stage::member(std::uint64_t id, std::string_view subs) {
    TestLink& link = connect();
    link.send(
        R"({"id":1,"connect":{"v":1,"token":")" + token_of(id) + R"(","subs":)" +
        std::string(subs) + "}}"
    );
    settle();
    return link;
}

void Stage::turn() {
    const SteadyMs now = clock.monotonic() / 1000;
    feeds->changed(std::exchange(changed_pages_, {}));
    std::vector<std::vector<Notice>> notices;
    feeds->advance(now, notices);
    hub->programs_changed(std::exchange(changed_programs_, {}));
    hub->deliver(std::move(notices[hub->number()]));
    std::move(notices[kSpy].begin(), notices[kSpy].end(), std::back_inserter(spied));
    hub->members_changed(std::exchange(changed_members_, {}));
    if (now >= tick_at_) {
        tick_at_ = now + Wheel::kSlotMs;
        hub->tick();
    }
}

void Stage::pump() {
    bool busy = true;
    while (busy) {
        busy = queue->run();
        for (std::size_t i = 0; i < links.size(); ++i)
            busy = links[i]->pump() || busy;
    }
}

void Stage::settle() {
    boards.commit();
    turn();
    pump();
}

void Stage::advance(SteadyMs ms) {
    for (SteadyMs passed = 0; passed < ms; passed += kStepMs) {
        clock.advance(std::min(kStepMs, ms - passed) * 1000);
        settle();
    }
}

// ---- pictures ----

namespace {

std::string line(
    std::int64_t rank,
    std::string_view id,
    std::int64_t score,
    std::int64_t place,
    std::string_view who
) {
    return std::to_string(rank) + ' ' + std::string(id) + ' ' + std::to_string(score) + ' ' +
           std::to_string(place) + ' ' + std::string(who) + '\n';
}

}  // namespace

std::string picture(const server::boards::Page& page, std::size_t rows) {
    std::string text = page.window.id + ' ' + std::to_string(page.total) + '\n';
    for (std::size_t i = 0; i < std::min(rows, page.rows.size()); ++i) {
        const auto& row = page.rows[i];
        text += line(
            static_cast<std::int64_t>(row.rank),
            row.id,
            row.score,
            static_cast<std::int64_t>(row.place),
            row.name + '|' + (row.from ? std::to_string(*row.from) : "null")
        );
    }
    return text;
}

std::string ClientModel::Held::picture() const {
    std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return a.second.rank < b.second.rank;
    });
    std::string text = window + ' ' + std::to_string(total) + '\n';
    for (const auto& [id, row] : sorted) {
        const auto name = who.find(id);
        text += line(row.rank, id, row.score, row.place, name == who.end() ? "?" : name->second);
    }
    return text;
}

// ---- ClientModel ----

ClientModel::Board* ClientModel::find(std::string_view channel) {
    for (Board& board : boards_) {
        if (board.channel == channel) return &board;
    }
    return nullptr;
}

namespace {

std::string subscription(const ClientModel::Board& board) {
    std::string text = R"({"ch":")" + board.channel + R"(","n":)" + std::to_string(board.rows);
    if (board.held) {
        text +=
            R"(,"epoch":")" + board.held->epoch + R"(","off":)" + std::to_string(board.held->off);
    }
    return text + "}";
}

void read_rows(simdjson::dom::element rows, ClientModel::Held& held) {
    const simdjson::dom::array list = rows.get_array().value();
    for (const auto row : list) {
        const auto field = [&](std::size_t i) { return row.at(i).get_int64().value(); };
        held.rows[std::string(row.at(1).get_string().value())] = {field(0), field(2), field(3)};
    }
}

void read_who(simdjson::dom::element who, ClientModel::Held& held) {
    const simdjson::dom::object names = who.get_object().value();
    for (const auto item : names) {
        const auto from = item.value.at(1);
        held.who[std::string(item.key)] =
            std::string(item.value.at(0).get_string().value()) + '|' +
            (from.is_null() ? "null" : std::to_string(from.get_int64().value()));
    }
}

}  // namespace

void ClientModel::on_open(SteadyMs now, std::string_view credentials) {
    connected_ = false;
    opened_at_ = heard_at_ = now;
    std::string subs;
    for (Board& board : boards_) {
        board.asking = true;
        board.asked = 1;
        board.asked_at = now;
        board.ask_id = 0;
        if (!subs.empty()) subs += ',';
        subs += subscription(board);
    }
    connect_id_ = next_id_++;
    send(
        R"({"id":)" + std::to_string(connect_id_) + R"(,"connect":{"v":1,)" +
        std::string(credentials) + R"(,"subs":[)" + subs + "]}}"
    );
}

void ClientModel::ask(Board& board, SteadyMs now) {
    board.asking = true;
    ++board.asked;
    board.asked_at = now;
    board.ask_id = next_id_++;
    send(R"({"id":)" + std::to_string(board.ask_id) + R"(,"sub":)" + subscription(board) + "}");
}

void ClientModel::settle(Board& board) {
    board.asking = false;
    board.asked = 0;
}

void ClientModel::take_snap(Board& board, const Object& object) {
    const std::string epoch = object.string("/snap/epoch");
    const std::int64_t off = object.number("/snap/off");
    if (board.held && board.held->epoch == epoch && off < board.held->off) return;
    Held held;
    held.epoch = epoch;
    held.off = off;
    held.as_of = object.number("/snap/as_of");
    held.total = object.number("/snap/total");
    held.window = object.string("/snap/win/id");
    read_rows(object.at("/snap/rows"), held);
    read_who(object.at("/snap/who"), held);
    board.held = std::move(held);
    settle(board);
    if (on_held) on_held(board);
}

void ClientModel::take_delta(Board& board, const Object& object, SteadyMs now) {
    if (board.asking) return;
    const std::int64_t off = object.number("/d/off");
    if (board.held && off <= board.held->off) return;
    if (!board.held || off != board.held->off + 1) {
        ++gaps_seen;
        return ask(board, now);
    }
    Held& held = *board.held;
    held.off = off;
    held.as_of = object.number("/d/as_of");
    held.total = object.number("/d/total");
    const simdjson::dom::array out = object.at("/d/out").get_array().value();
    for (const auto id : out) {
        const std::string gone(id.get_string().value());
        held.rows.erase(gone);
        held.who.erase(gone);
    }
    read_rows(object.at("/d/set"), held);
    read_who(object.at("/d/who"), held);
    if (on_held) on_held(board);
}

void ClientModel::on_object(const Object& object, SteadyMs now) {
    heard_at_ = now;
    if (object.text() == "{}") return send("{}");
    if (object.has("/id") && object.has("/connect")) {
        if (connected_ || object.number("/id") != connect_id_) return;
        connected_ = true;
        const simdjson::dom::array subs = object.at("/connect/subs").get_array().value();
        for (const auto sub : subs) {
            Board* board = find(sub["ch"].get_string().value());
            bool recovered = false;
            if (board == nullptr || sub["recovered"].get(recovered) != simdjson::SUCCESS) continue;
            if (!recovered || board->ask_id != 0 || !board->held) continue;
            ++recoveries;
            settle(*board);
        }
        return;
    }
    if (object.has("/id") && object.has("/sub")) {
        Board* board = find(object.string("/sub/ch"));
        if (board == nullptr || board->ask_id != object.number("/id")) return;
        if (!object.boolean("/sub/recovered") || !board->held) return;
        ++recoveries;
        return settle(*board);
    }
    if (!object.has("/ch")) return;
    Board* board = find(object.string("/ch"));
    if (board == nullptr) return;
    if (object.has("/snap")) {
        take_snap(*board, object);
    } else if (object.has("/d")) {
        take_delta(*board, object, now);
    } else if (object.has("/hb")) {
        const std::int64_t off = object.number("/hb/off");
        if (!board->asking && (!board->held || off > board->held->off)) {
            ++gaps_seen;
            ask(*board, now);
        }
    }
}

void ClientModel::on_time(SteadyMs now) {
    if (now - heard_at_ > kSilenceMs) return give_up();
    if (!connected_) {
        if (now - opened_at_ > kAskAgainMs) give_up();
        return;
    }
    for (Board& board : boards_) {
        if (!board.asking || now - board.asked_at < kAskAgainMs) continue;
        if (board.asked >= 3) return give_up();
        ask(board, now);
    }
}

}  // namespace live_test
