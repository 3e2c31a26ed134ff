#include "tests/support/golden_log.hpp"

#include <algorithm>
#include <iomanip>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>

#include "ledger/big_endian.hpp"
#include "ledger/digest.hpp"
#include "ledger/entry_codec.hpp"
#include "ledger/group_codec.hpp"
#include "ledger/keyring.hpp"
#include "ledger/replay.hpp"
#include "ledger/state.hpp"
#include "ledger/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace test_support {

namespace {

using ledger::Entry;
using ledger::GroupId;
using ledger::ProgramId;
using ledger::Result;
using ledger::Seq;

// ---- text ----

constexpr std::string_view kDigits = "0123456789abcdef";

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) {
        const auto value = static_cast<unsigned char>(byte);
        text += {kDigits[value >> 4], kDigits[value & 15]};
    }
    return text;
}

template <std::size_t kBytes>
std::string hex(const std::array<std::uint8_t, kBytes>& bytes) {
    return hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string bytes_of(std::string_view text) {
    REQUIRE(text.size() % 2 == 0);
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::size_t high = kDigits.find(text[i]);
        const std::size_t low = kDigits.find(text[i + 1]);
        REQUIRE(high != std::string_view::npos);
        REQUIRE(low != std::string_view::npos);
        bytes += static_cast<char>(high << 4 | low);
    }
    return bytes;
}

std::string value_key(const GoldenLog::Value& value) {
    std::string key;
    ledger::append_big_endian(key, kGoldenShard.value);
    ledger::append_big_endian(key, value.group.value);
    ledger::append_big_endian(key, value.part);
    return key;
}

GoldenLog::Value value_of(const std::string& key, std::string bytes) {
    REQUIRE(key.size() == 12);
    GoldenLog::Value value{GroupId{}, 0, std::move(bytes)};
    for (std::size_t i = 2; i < 10; ++i)
        value.group.value = value.group.value << 8 | static_cast<unsigned char>(key[i]);
    for (std::size_t i = 10; i < 12; ++i)
        value.part =
            static_cast<std::uint16_t>(value.part << 8 | static_cast<unsigned char>(key[i]));
    REQUIRE(value_key(value) == key);
    return value;
}

// ---- facts of one entry ----

/// Writes every field of an entry, under its own name and in the order of entry.proto.
class EntryFacts {
public:
    EntryFacts(const Entry& entry, std::ostream& out) : entry_(entry), out_(out) {}

    void write() {
        write_head();
        write_personal();
        write_effects();
        if (entry_.has_event) write_event();
        write_part();
    }

private:
    std::ostream& line() { return out_ << "  "; }
    /// " name value", or nothing for a default.
    void field(const char* name, std::int64_t value) {
        if (value != 0) out_ << ' ' << name << ' ' << value;
    }
    void field(const char* name, std::string_view value) {
        if (!value.empty()) out_ << ' ' << name << ' ' << std::quoted(std::string(value));
    }
    void flag(const char* name, bool value) {
        if (value) out_ << ' ' << name;
    }
    void time(const char* name, ledger::Timestamp value) {
        out_ << ' ' << name << ' ';
        if (value == ledger::kNever) {
            out_ << "never";
        } else {
            out_ << value;
        }
    }
    void hash(const char* name, bool has, const ledger::Hash16& value) {
        if (has) line() << name << ' ' << hex(value) << '\n';
    }
    void amounts(const char* name, std::span<const ledger::Points> values) {
        if (values.empty()) return;
        out_ << ' ' << name;
        for (const ledger::Points value : values)
            out_ << ' ' << value;
    }

    void write_head() {
        out_ << "entry " << entry_.program.value << ':' << entry_.seq.value << ' '
             << name(entry_.kind);
        time("recorded", entry_.recorded_at);
        if (entry_.occurred_at != entry_.recorded_at) time("occurred", entry_.occurred_at);
        if (entry_.evaluated_at != entry_.occurred_at) time("evaluated", entry_.evaluated_at);
        field("actor_kind", static_cast<std::int64_t>(entry_.actor_kind));
        field("actor", static_cast<std::int64_t>(entry_.actor_id));
        field("member", static_cast<std::int64_t>(entry_.member.value));
        if (entry_.outcome != ledger::ErrorCode::ok) out_ << " outcome " << name(entry_.outcome);
        out_ << '\n';
        hash("key_hash", entry_.has_key_hash, entry_.key_hash);
        hash("natural_hash", entry_.has_natural_hash, entry_.natural_hash);
        hash("request_hash", entry_.has_request_hash, entry_.request_hash);
    }

    void write_personal() {
        if (entry_.sealed.empty()) return;
        line() << "sealed for " << entry_.sealed_for << ':';
        field("external_id", entry_.personal.external_id);
        field("email", entry_.personal.email);
        field("phone", entry_.personal.phone);
        field("name", entry_.personal.name);
        field("address", entry_.personal.address);
        field("note", entry_.personal.note);
        out_ << '\n';
    }

    void write_effects() {
        for (const ledger::Activation& activation : entry_.activations)
            line() << "activation member " << activation.member.value << " lot " << activation.lot
                   << " amount " << activation.amount << '\n';
        for (const ledger::LotGrant& lot : entry_.lots) {
            line() << "lot member " << lot.member.value << " lot " << lot.lot << " currency "
                   << lot.currency << " amount " << lot.amount;
            field("activates", lot.activates_at);
            time("expires", lot.expires_at);
            out_ << '\n';
        }
        for (const ledger::Allocation& allocation : entry_.allocations)
            line() << "allocation member " << allocation.member.value << " lot " << allocation.lot
                   << " amount " << allocation.amount << " purpose "
                   << static_cast<int>(allocation.purpose) << '\n';
        for (const ledger::Posting& posting : entry_.postings)
            line() << "posting " << name(posting.account) << " member " << posting.member.value
                   << " currency " << posting.currency << " amount " << posting.amount << '\n';
        for (const ledger::Link& link : entry_.links)
            line() << "link kind " << static_cast<int>(link.kind) << " seq " << link.seq.value
                   << '\n';
        for (const ledger::Balance& after : entry_.balances_after) {
            line() << "balance member " << after.member.value << " currency " << after.currency
                   << " available " << after.available << " pending " << after.pending << " held "
                   << after.held << " debt " << after.debt << " earned " << after.lifetime_earned
                   << '\n';
        }
    }

    void write_event() {
        const ledger::EventPart& event = entry_.event;
        line() << "event";
        field("source", event.source);
        field("id", event.id);
        field("type", event.type);
        field("subject", event.subject);
        field("program_version", event.program_version);
        field("engine_abi", event.engine_abi);
        field("tz_version", event.tz_version);
        out_ << '\n';
        if (event.facts == ledger::FactsKind::order) write_order(event.order);
        if (event.facts == ledger::FactsKind::refund) write_refund(event.refund);
        for (const ledger::Input& input : event.inputs) {
            line() << "input type " << static_cast<int>(input.type);
            field("name", input.name);
            field("number", input.number);
            field("text", input.text);
            out_ << '\n';
        }
        for (const ledger::RuleOutcome& rule : event.rules)
            write_rule(rule);
    }

    void write_order(const ledger::OrderFacts& order) {
        line() << "order";
        field("id", order.order_id);
        field("currency", order.currency);
        field("exponent", order.exponent);
        field("total", order.total);
        field("net", order.net);
        field("channel", order.channel);
        field("shipping", order.shipping);
        field("tax", order.tax);
        field("discount", order.discount);
        field("gift_card_amount", order.gift_card_amount);
        field("points_amount", order.points_amount);
        field("subtotal", order.subtotal);
        field("present", order.present);
        out_ << '\n';
        write_lines(order.lines);
    }

    void write_refund(const ledger::RefundFacts& refund) {
        line() << "refund";
        field("id", refund.order_id);
        field("refund_id", refund.refund_id);
        field("currency", refund.currency);
        field("amount", refund.amount);
        field("shipping", refund.shipping);
        flag("cancel", refund.cancel);
        flag("has_amount", refund.has_amount);
        amounts("taken", refund.taken);
        out_ << '\n';
        write_lines(refund.lines);
    }

    void write_lines(std::span<const ledger::OrderLine> lines) {
        for (const ledger::OrderLine& item : lines) {
            line() << "  line";
            field("id", item.line_id);
            field("sku", item.sku);
            field("quantity", item.quantity);
            field("amount", item.amount);
            flag("gift_card", item.gift_card);
            out_ << '\n';
        }
    }

    void write_rule(const ledger::RuleOutcome& rule) {
        line() << "rule " << rule.rule << ' ' << name(rule.code) << " amount " << rule.amount
               << " posted " << rule.posted << " currency " << rule.currency;
        field("reason", rule.reason);
        amounts("per_line", rule.per_line);
        field("lot", rule.lot);
        field("effect", rule.effect);
        out_ << '\n';
    }

    void write_part() {
        switch (entry_.kind) {
            case ledger::EntryKind::adjust: return write_adjustment();
            case ledger::EntryKind::program_version: return write_program_version();
            case ledger::EntryKind::program_activate: return write_program_activate();
            case ledger::EntryKind::key: return write_key();
            case ledger::EntryKind::rejected: return write_refusal();
            default: return;
        }
    }

    void write_adjustment() {
        const ledger::AdjustmentPart& part = entry_.adjustment;
        line() << "adjustment currency " << part.currency << " amount " << part.amount;
        field("reason_code", part.reason_code);
        flag("visible_to_member", part.visible_to_member);
        flag("counts_for_tier", part.counts_for_tier);
        out_ << '\n';
    }

    void write_program_version() {
        const ledger::ProgramVersionPart& part = entry_.program_version;
        line() << "program " << part.program.value << " version " << part.version;
        field("id", part.program_id);
        out_ << " content " << hex(part.content_hash);
        field("document", part.document);
        field("tz_version", part.tz_version);
        out_ << '\n';
    }

    void write_program_activate() {
        const ledger::ProgramActivatePart& part = entry_.program_activate;
        line() << "program " << part.program.value << " version " << part.version;
        time("effective", part.effective_at);
        out_ << '\n';
    }

    void write_key() {
        const ledger::KeyPart& part = entry_.key;
        line() << "key " << part.key_id << " program " << part.program.value << " secret "
               << hex(part.secret_hash) << " kind " << static_cast<int>(part.kind);
        for (const std::string_view scope : part.scopes)
            field("scope", scope);
        for (const std::string_view origin : part.origins)
            field("origin", origin);
        field("label", part.label);
        if (!part.public_key.empty()) out_ << " public_key " << hex(part.public_key);
        flag("revoked", part.revoked);
        out_ << '\n';
    }

    void write_refusal() {
        line() << "refusal";
        field("detail", entry_.refusal.detail);
        for (const ledger::FieldFault& fault : entry_.refusal.faults) {
            field("pointer", fault.pointer);
            field("detail", fault.detail);
        }
        out_ << '\n';
    }

    const Entry& entry_;
    std::ostream& out_;
};

// ---- replay ----

/// Reads a golden log as start-up reads log/, into an empty state.
class GoldenReplay {
public:
    explicit GoldenReplay(const GoldenLog& log) : log_(log) {
        const std::shared_ptr<ledger::Disk> disk = ledger::Disk::real();
        REQUIRE(disk->write_file(folder_.file("keyring"), log.keyring, 0600));
        auto keyring = ledger::Keyring::load_or_create(
            *disk, folder_.path(), ledger::Keyring::IfMissing::refuse
        );
        REQUIRE(keyring);
        vault_ = std::make_unique<ledger::KeyVault>(
            std::move(*keyring),
            [this](std::string_view key) { return key_row(key); },
            ledger::KeyVault::Options{}
        );
        ledger::State::Options options;
        options.views_empty = true;
        state_ = std::make_unique<ledger::State>(options);
    }

    std::string run() {
        ledger::Replay replay(
            {*state_,
             nullptr,
             vault_.get(),
             [this](ProgramId program, Seq seq) { return find(program, seq); },
             [this](const ledger::OwnedEntry& owned) {
                 EntryFacts(owned.entry, facts_).write();
                 contents_.add(owned.entry);
                 return Result<void>();
             },
             {}}
        );
        ledger::GroupReader reader(kGoldenShard, GroupId{1});
        GroupId last;
        for (const GoldenLog::Value& value : log_.values) {
            auto group = reader.add(value.group, value.part, value.bytes);
            INFO((group ? std::string() : group.error().detail));
            REQUIRE(group);
            if (*group == nullptr) continue;
            remember(**group);
            const Result<void> applied = replay.apply(**group);
            INFO((applied ? std::string() : applied.error().detail));
            REQUIRE(applied);
            last = (*group)->id();
        }
        REQUIRE(reader.finish());
        for (const auto& [program, tree] : replay.trees)
            facts_ << "tree " << program.value << " size " << tree.size() << " root "
                   << hex(tree.root()) << '\n';
        write_digests(last);
        return facts_.str();
    }

private:
    Result<std::optional<std::string>> key_row(std::string_view key) const {
        for (const auto& [name, value] : log_.keys) {
            if (name == key) return std::optional(value);
        }
        return std::optional<std::string>();
    }

    Result<std::string> find(ProgramId program, Seq seq) const {
        const auto at = entries_.find({program, seq});
        if (at == entries_.end())
            return ledger::make_error(ledger::ErrorCode::not_found, "no such entry");
        return at->second;
    }

    void remember(const ledger::Group& group) {
        for (const ledger::EntryLocation& entry : group.entries())
            entries_[{entry.program, entry.seq}] = group.bytes(entry);
    }

    void write_digests(GroupId last) {
        state_->cut(last);
        while (!state_->copy_slice(1'000)) {
        }
        ledger::RowMap rows;
        rows.apply(state_->take_checkpoint());
        state_->checkpoint_ingested();
        const Result<ledger::Hash32> state = ledger::state_digest(rows);
        REQUIRE(state);
        std::size_t blind = 0;
        REQUIRE(rows.scan(ledger::ViewFamily::blind, [&](std::string_view, std::string_view) {
            ++blind;
            return true;
        }));
        facts_ << "blind rows " << blind << '\n';
        facts_ << kStateFact << ledger::kViewFormat << '.' << ledger::kApplyVersion << ' '
               << hex(*state) << '\n';
        for (const ledger::ContentDigests::Named& content : contents_.digests())
            facts_ << "content " << content.name << ' ' << hex(content.digest) << '\n';
    }

    const GoldenLog& log_;
    const TemporaryFolder folder_;
    std::unique_ptr<ledger::KeyVault> vault_;
    std::unique_ptr<ledger::State> state_;
    ledger::ContentDigests contents_;
    std::map<std::pair<ProgramId, Seq>, std::string> entries_;
    std::ostringstream facts_;
};

}  // namespace

std::string golden_text(const GoldenLog& log) {
    std::string text = "keyring " + hex(log.keyring) + "\n";
    for (const auto& [key, value] : log.keys)
        text += "key " + hex(key) + " " + hex(value) + "\n";
    for (const GoldenLog::Value& value : log.values)
        text += "value " + hex(value_key(value)) + " " + hex(value.bytes) + "\n";
    return text;
}

GoldenLog golden_log(const std::string& text) {
    GoldenLog log;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string word, first, second;
        words >> word >> first >> second;
        if (word == "keyring") {
            log.keyring = bytes_of(first);
        } else if (word == "key") {
            log.keys.emplace_back(bytes_of(first), bytes_of(second));
        } else {
            REQUIRE(word == "value");
            log.values.push_back(value_of(bytes_of(first), bytes_of(second)));
        }
    }
    return log;
}

std::string facts_of(const GoldenLog& log) {
    return GoldenReplay(log).run();
}

}  // namespace test_support
