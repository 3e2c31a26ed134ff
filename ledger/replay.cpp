#include "ledger/replay.hpp"

#include <utility>

#include "ledger/blind.hpp"
#include "ledger/entry_codec.hpp"
#include "ledger/log.hpp"
#include "ledger/row_codec.hpp"
#include "ledger/seal.hpp"

namespace ledger {

namespace {

std::string place(const Entry& entry) {
    return "program " + std::to_string(entry.program.value) + " seq " +
           std::to_string(entry.seq.value) + " (" + std::string(name(entry.kind)) + ")";
}

/// What could not be read, and what an operator can do about it.
Error unreadable(const std::string& what, const Error& why) {
    const bool in_views = why.detail.find("view") != std::string::npos;
    return make_error(
        why.code,
        what + why.detail +
            (in_views ? "; views/ can be deleted once the server is stopped: the next start makes "
                        "it anew from log/"
                      : "")
    );
}

}  // namespace

Result<BlindHashes> blind_of(KeyVault& vault, const Entry& entry) {
    auto keys = vault.program_keys(entry.program);
    if (keys.has_error()) return keys.error();
    return blind_hashes((*keys)->hmac, entry.personal);
}

Result<void> Replay::fetch(
    State& state,
    const ViewStore* views,
    const std::function<Result<std::string>(ProgramId, Seq)>& find_entry
) {
    Misses& misses = state.misses();
    if (!misses.rows.empty()) {
        if (views == nullptr) {
            for (const RowRef& row : misses.rows) {
                if (auto inserted = state.insert(row, std::nullopt); inserted.has_error())
                    return inserted.error();
            }
        } else {
            auto values = views->multi_get(misses.rows);
            if (values.has_error()) return unreadable("", values.error());
            for (std::size_t i = 0; i < misses.rows.size(); ++i) {
                const auto& value = (*values)[i];
                auto inserted = state.insert(
                    misses.rows[i], value ? std::optional<std::string_view>(*value) : std::nullopt
                );
                if (inserted.has_error()) {
                    const std::string view(name(misses.rows[i].family));
                    return unreadable("view " + view + ": ", inserted.error());
                }
            }
        }
    }
    for (const auto& [program, seq] : misses.entries) {
        const auto which = [p = program.value, s = seq.value] {
            return "program " + std::to_string(p) + " seq " + std::to_string(s) + ": ";
        };
        auto bytes = find_entry(program, seq);
        if (bytes.has_error()) return unreadable(which(), bytes.error());
        auto entry = decode(std::move(*bytes));
        if (entry.has_error()) return unreadable(which(), entry.error());
        state.insert(std::move(*entry));
    }
    misses.clear();
    return {};
}

Result<void> Replay::apply_entry(std::string_view bytes) {
    if (auto decoded = decode_into(bytes, scratch_); decoded.has_error()) return decoded.error();
    Entry& entry = scratch_.entry;
    std::optional<BlindHashes> blind;
    if (!entry.sealed.empty() && options_.vault != nullptr) {
        auto key = options_.vault->key_for(entry.program, entry.sealed_for);
        if (key.has_error()) return key.error();
        if (*key) {
            if (auto opened = open_personal(scratch_, **key); opened.has_error()) {
                return make_error(
                    ErrorCode::corrupt, place(entry) + ": its sealed part does not open"
                );
            }
            auto hashes = blind_of(*options_.vault, entry);
            if (hashes.has_error()) return hashes.error();
            blind = *hashes;
        }
    }
    // A fetched row may reveal that another is needed (a chunk behind a member), so ask until
    // nothing is missing.
    while (!options_.state.prepared(entry)) {
        if (auto fetched = fetch(options_.state, options_.views, options_.find_entry);
            fetched.has_error())
            return fetched.error();
    }
    if (auto legal = options_.state.check(entry); legal.has_error()) {
        return make_error(
            ErrorCode::corrupt, place(entry) + " does not apply: " + legal.error().detail
        );
    }
    options_.state.apply(entry, blind ? &*blind : nullptr);
    if (options_.on_key) {
        if (entry.has_key_hash) options_.on_key(entry.key_hash);
        if (entry.has_natural_hash) options_.on_key(entry.natural_hash);
        if (entry.has_parking) options_.on_key(waiting_filter_hash(entry.parking.order_hash));
    }
    completed_.clear();
    trees[entry.program].append(bytes, &completed_);
    for (const TreeNode& node : completed_)
        options_.state.append(tree_row(entry.program, node));
    if (options_.on_entry) return options_.on_entry(scratch_);
    return {};
}

Result<void> Replay::apply(const Group& group) {
    for (const EntryLocation& location : group.entries()) {
        if (auto applied = apply_entry(group.bytes(location)); applied.has_error())
            return applied.error();
    }
    for (ViewRecord& row : seqidx_records(group))
        options_.state.append(std::move(row));
    return {};
}

}  // namespace ledger
