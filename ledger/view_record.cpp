#include "ledger/view_record.hpp"

#include "ledger/row_codec.hpp"

namespace ledger {

std::string_view name(ViewFamily family) {
    switch (family) {
        case ViewFamily::meta: return "meta";
        case ViewFamily::program: return "program";
        case ViewFamily::api_key: return "api_key";
        case ViewFamily::member: return "member";
        case ViewFamily::lot: return "lot";
        case ViewFamily::stmt: return "stmt";
        case ViewFamily::keys: return "keys";
        case ViewFamily::rev: return "rev";
        case ViewFamily::due: return "due";
        case ViewFamily::blind: return "blind";
        case ViewFamily::seqidx: return "seqidx";
        case ViewFamily::tree: return "tree";
        case ViewFamily::waiting: return "waiting";
        case ViewFamily::orphan: return "orphan";
        case ViewFamily::ctr: return "ctr";
        case ViewFamily::count_: break;
    }
    return "unknown";
}

void CheckpointBatch::expand() {
    std::size_t total = records.size();
    for (const std::vector<SeenKey>& block : seen)
        total += block.size();
    records.reserve(total);
    for (const std::vector<SeenKey>& block : seen) {
        for (const SeenKey& key : block) {
            ViewRecord& record = records.emplace_back();
            record.family = ViewFamily::keys;
            record.key = seen_row_key(ProgramId{key.program}, key.hash);
            encode_row(Seq{key.seq}, record.value);
        }
    }
    seen.clear();
}

}  // namespace ledger
