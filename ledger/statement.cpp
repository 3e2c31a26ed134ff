#include "ledger/statement.hpp"

#include <algorithm>
#include <array>

#include "ledger/row_codec.hpp"

namespace ledger {
namespace {

Error missing_row(ViewFamily family) {
    return make_error(
        ErrorCode::corrupt, "a row of view " + std::string(name(family)) + " is missing"
    );
}

const std::string* find_chunk(
    const std::vector<std::pair<std::uint32_t, std::string>>& chunks, std::uint32_t number
) {
    for (const auto& [at, value] : chunks) {
        if (at == number) return &value;
    }
    return nullptr;
}

/// The lines of one packed block, oldest first.
Result<std::vector<StatementLine>> unpack(std::string_view packed, MemberId member) {
    std::vector<StatementLine> lines;
    while (!packed.empty()) {
        Result<StatementLine> line = unpack_line(packed, member);
        if (!line) return line.error();
        lines.push_back(*line);
    }
    return lines;
}

}  // namespace

/// Block `number` packed: a chunk, or the tail after the last one.
Result<std::string> Statement::chunk(std::uint32_t number) const {
    const Member& member = history_.member;
    if (number == member.statement_spilled / kChunk) return member.statement_tail;
    std::optional<std::string> value;
    if (const std::string* recent = find_chunk(history_.statement_chunks, number)) {
        value = *recent;
    } else {
        Result<std::optional<std::string>> read =
            reader_(ViewFamily::stmt, chunk_row_key(history_.program, member.id, number));
        if (!read) return read.error();
        value = std::move(*read);
    }
    if (!value) return missing_row(ViewFamily::stmt);
    Result<std::string_view> packed = decode_lines(*value);
    if (!packed) return packed.error();
    return std::string(*packed);
}

Result<StatementPage> Statement::page(
    std::optional<std::uint32_t> before, std::size_t limit, std::optional<std::uint16_t> currency
) const {
    const Member& member = history_.member;
    StatementPage page;
    std::uint32_t end = std::min(before.value_or(member.statement_lines), member.statement_lines);
    while (end > 0 && page.lines.size() < limit) {
        const std::uint32_t block = std::min(end - 1, member.statement_spilled) / kChunk;
        Result<std::string> packed = chunk(block);
        if (!packed) return packed.error();
        page.bytes.push_back(std::move(*packed));
        Result<std::vector<StatementLine>> lines = unpack(page.bytes.back(), member.id);
        if (!lines) return lines.error();
        const std::uint32_t first = block * kChunk;
        if (first + lines->size() < end) return missing_row(ViewFamily::stmt);
        while (end > first && page.lines.size() < limit) {
            --end;
            const StatementLine& line = (*lines)[end - first];
            if (!currency || line.currency == *currency) page.lines.push_back({end, line});
        }
    }
    if (end > 0) page.next = end;
    return page;
}

Result<Balance> Statement::balance_at_seq(std::uint16_t currency, Seq seq) const {
    return balance_before(currency, [seq](const StatementLine& line) { return line.seq <= seq; });
}

Result<Balance> Statement::balance_at_time(std::uint16_t currency, Timestamp at) const {
    return balance_before(currency, [at](const StatementLine& line) {
        return line.recorded_at <= at;
    });
}

/// Lines are in ledger order, so those `included` are a prefix: finds its last block by bisection,
/// then walks back to the currency.
Result<Balance> Statement::balance_before(
    std::uint16_t currency, const std::function<bool(const StatementLine&)>& included
) const {
    const Member& member = history_.member;
    Balance none;
    none.member = member.id;
    none.currency = currency;
    const std::uint32_t tail = member.statement_spilled / kChunk;
    std::uint32_t low = 0;          // blocks before it begin with an included line
    std::uint32_t high = tail + 1;  // blocks from it on do not
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        Result<std::string> packed = chunk(middle);
        if (!packed) return packed.error();
        std::string_view rest = *packed;
        bool begins = false;
        if (!rest.empty()) {
            Result<StatementLine> first = unpack_line(rest, member.id);
            if (!first) return first.error();
            begins = included(*first);
        }
        if (begins) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (std::uint32_t block = low; block > 0; --block) {
        Result<std::string> packed = chunk(block - 1);
        if (!packed) return packed.error();
        Result<std::vector<StatementLine>> lines = unpack(*packed, member.id);
        if (!lines) return lines.error();
        for (auto line = lines->rbegin(); line != lines->rend(); ++line) {
            if (line->currency == currency && included(*line)) return line->after;
        }
    }
    return none;
}

Result<std::vector<Lot>> Statement::live_lots() const {
    const Member& member = history_.member;
    std::vector<Lot> lots;
    const SpilledLots& spilled = member.spilled;
    for (std::uint32_t n = (spilled.first_live - 1) / kChunk; n < spilled.count / kChunk; ++n) {
        const std::string key = chunk_row_key(history_.program, member.id, n);
        std::optional<std::string> value;
        if (const std::string* recent = find_chunk(history_.lot_chunks, n)) {
            if (recent->empty()) continue;
            value = *recent;
        } else {
            Result<std::optional<std::string>> read = reader_(ViewFamily::lot, key);
            if (!read) return read.error();
            value = std::move(*read);
        }
        if (!value) continue;  // dropped: its lots are all used up
        LotChunk chunk;
        if (Result<void> decoded = decode_row(key, *value, chunk); !decoded) return decoded.error();
        std::copy_if(
            chunk.lots.begin(),
            chunk.lots.end(),
            std::back_inserter(lots),
            [](const Lot& lot) { return lot.live(); }
        );
    }
    std::copy_if(
        member.lots.begin(),
        member.lots.end(),
        std::back_inserter(lots),
        [](const Lot& lot) { return lot.live(); }
    );
    return lots;
}

}  // namespace ledger
