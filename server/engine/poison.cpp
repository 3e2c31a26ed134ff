#include "server/engine/poison.hpp"

#include <cstdio>

namespace server::engine {

namespace {

std::string hex(const ledger::Hash16& hash) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    text.reserve(hash.size() * 2);
    for (const std::uint8_t byte : hash) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 15]);
    }
    return text;
}

/// Ids of orders, lines and events are not personal; subjects, members, notes and reasons are left
/// out.
struct Describe {
    std::string operator()(const EventCommand& event) const {
        std::string text = "event\ntype: " + std::string(event.type_name) +
                           "\nsource: " + std::string(event.source) +
                           "\nid: " + std::string(event.id) +
                           "\noccurred_at: " + std::to_string(event.occurred_at) + "\n";
        const bool order = event.type == EventType::order_paid;
        text +=
            "order: " + std::string(order ? event.order.order_id : event.refund.order_id) + "\n";
        if (!order) text += "refund: " + std::string(event.refund.refund_id) + "\n";
        text +=
            "currency: " + std::string(order ? event.order.currency : event.refund.currency) + "\n";
        text += "total: " + std::to_string(order ? event.order.total : event.refund.amount) + "\n";
        for (const ledger::OrderLine& line : order ? event.order.lines : event.refund.lines) {
            text += "line: " + std::string(line.line_id) + " " + std::string(line.sku) + " x" +
                    std::to_string(line.quantity) + " " + std::to_string(line.amount) + "\n";
        }
        return text;
    }
    std::string operator()(const AdjustCommand& adjust) const {
        return "adjustment\ncurrency: " + std::string(adjust.currency) +
               "\namount: " + std::to_string(adjust.amount) + "\n";
    }
    std::string operator()(const PutMemberCommand&) const { return "member\n"; }
    std::string operator()(const PutProgramCommand& put) const {
        return "program\nname: " + std::string(put.name) + "\n";
    }
    std::string operator()(const CreateKeyCommand&) const { return "key\n"; }
    std::string operator()(const RevokeKeyCommand& revoke) const {
        return "revoke key " + std::to_string(revoke.key_id) + "\n";
    }
    std::string operator()(const RollCommand&) const { return "kind: roll\n"; }
    std::string operator()(const AttachCommand& attach) const {
        return "attach orphan " + std::to_string(attach.orphan.value) + "\n";
    }
    std::string operator()(const NetCommand& net) const {
        return "net parked refund " + std::to_string(net.parked.value) + "\n";
    }
    std::string operator()(const GiveUpCommand& give_up) const {
        return "give up parked refund " + std::to_string(give_up.parked.value) + "\n";
    }
    std::string operator()(const SettleCommand& settle) const {
        return "settle member " + std::to_string(settle.member.value) + "\n";
    }
};

std::string key_of(const ledger::Hash16& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace

const ledger::Hash16* request_hash(const Command& command) {
    if (const auto* event = std::get_if<EventCommand>(&command)) return &event->request_hash;
    if (const auto* adjust = std::get_if<AdjustCommand>(&command)) return &adjust->request_hash;
    if (const auto* attach = std::get_if<AttachCommand>(&command)) return &attach->request_hash;
    return nullptr;
}

Poison::Poison(std::shared_ptr<ledger::Disk> disk, std::string folder)
    : disk_(std::move(disk)), folder_(std::move(folder)) {}

bool Poison::refuses(const ledger::Hash16& hash, ledger::Timestamp monotonic) {
    if (until_.empty()) return false;
    const auto it = until_.find(key_of(hash));
    if (it == until_.end()) return false;
    if (monotonic < it->second) return true;
    until_.erase(it);
    return false;
}

void Poison::add(
    const Command& command,
    const ledger::Hash16& hash,
    std::string_view what,
    ledger::Timestamp monotonic
) {
    if (until_.size() > 10'000) until_.clear();
    until_[key_of(hash)] = monotonic + kRefusedFor;
    std::fprintf(
        stderr,
        "guerdon: a command failed inside decide and changed nothing (%s)\n",
        hex(hash).c_str()
    );
    if (files_ >= kFilesMax) return;
    ++files_;
    if (auto made = disk_->create_directory(folder_); made.has_error()) return;
    const std::string text = "what: " + std::string(what) + "\n" + std::visit(Describe{}, command);
    if (auto written = disk_->write_file(folder_ + "/" + hex(hash) + ".txt", text, 0600);
        written.has_error()) {
        std::fprintf(
            stderr, "guerdon: cannot keep the failed command: %s\n", written.error().detail.c_str()
        );
    }
}

}  // namespace server::engine
