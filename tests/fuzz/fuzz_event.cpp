// The reader of storefront events, single and batch: arbitrary bytes either give a command whose
// parts keep the promises that decide relies on, or an error; and the same bytes give the same
// hashes.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ledger/base/invariant.hpp"
#include "ledger/hmac.hpp"
#include "rules/event.hpp"
#include "server/http/request_json.hpp"
#include "server/net/http.hpp"

namespace {

using server::engine::Arena;
using server::engine::EventCommand;
using server::engine::EventType;

const server::engine::ProgramInfo& program() {
    static const server::engine::ProgramInfo made = [] {
        server::engine::ProgramInfo info;
        info.id = ledger::ProgramId{1};
        info.name = "fuzz";
        const std::array<std::uint8_t, 32> key{1, 2, 3};
        info.hmac = std::make_shared<const ledger::HmacKey>(key);
        return info;
    }();
    return made;
}

void check(const EventCommand& command) {
    INVARIANT(!command.id.empty() && !command.source.empty() && !command.type_name.empty());
    if (command.type == EventType::order_paid) {
        INVARIANT(!command.order.order_id.empty());
        INVARIANT(command.order.net >= 0 && ledger::fits_wire(command.order.net));
        INVARIANT(command.order.lines.size() <= rules::kLinesMax);
        for (const ledger::OrderLine& line : command.order.lines)
            INVARIANT(!line.line_id.empty() && line.amount >= 0 && line.quantity >= 1);
    }
    if (command.type == EventType::order_refunded) INVARIANT(!command.refund.refund_id.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string padded(reinterpret_cast<const char*>(data), size);
    padded.resize(size + server::net::kBodyPadding);
    const std::string_view json(padded.data(), size);
    const server::http::EventContext context{program(), false, 1'700'000'000'000'000, 32};
    Arena arena;
    const auto first = server::http::read_event(json, context, arena);
    const auto again = server::http::read_event(json, context, arena);
    INVARIANT(first.has_value() == again.has_value());
    if (first) {
        check(*first);
        INVARIANT(first->request_hash == again->request_hash && first->key_hash == again->key_hash);
    }
    Arena batch_arena;
    const auto batch = server::http::read_event_batch(json, context, 1'000, batch_arena);
    if (batch)
        for (const auto& event : *batch)
            if (event) check(*event);
    return 0;
}
