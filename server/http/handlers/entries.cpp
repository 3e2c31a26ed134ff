#include <utility>

#include "ledger/entry_codec.hpp"
#include "server/http/handlers/call.hpp"
#include "server/http/member_names.hpp"

namespace server::http {

using ledger::ErrorCode;

namespace {

/// An entry as the writer found it, its sealed parts opened.
struct Found {
    std::string bytes;
    std::string member;
    std::string note;
    bool found = false;
};

}  // namespace

void get_entry(Services& services, Call call) {
    if (!call.caller.may(Scope::members_read)) {
        return call.refuse(
            ledger::make_error(ErrorCode::missing_scope, "This key lacks the scope members:read.")
        );
    }
    const auto seq = number_parameter(
        "seq=" + call.path[1], "seq", 1, static_cast<std::uint64_t>(ledger::kWireMax), 0
    );
    if (seq.has_error()) return call.refuse(seq.error());
    auto job = make_read(call);
    auto found = std::make_shared<Found>();
    job->look = [found,
                 seq = ledger::Seq{*seq}](HttpRead& read, const engine::ReadContext& context) {
        if (seq > read.as_of) return true;
        const auto row = context.view.entry(read.program, seq);
        if (row.missing()) return false;
        if (!row.found()) return true;
        const ledger::Entry& entry = row.row->entry;
        ledger::OwnedEntry opened;
        opened.entry.program = entry.program;
        opened.entry.sealed = entry.sealed;
        opened.entry.sealed_for = entry.sealed_for;
        if (context.open(opened)) found->note = opened.entry.personal.note;
        found->bytes = row.row->bytes;
        if (!entry.member.none() &&
            !read_member_name(context, read.program, entry.member, found->member))
            return false;
        found->found = true;
        return true;
    };
    job->render = [found](HttpRead& read) {
        ledger::OwnedEntry owned;
        if (!found->found || ledger::decode_into(found->bytes, owned).has_error()) {
            return error_response(
                ledger::make_error(ErrorCode::not_found, "There is no entry with this seq.")
            );
        }
        net::Response response;
        JsonWriter json(response.body);
        write_entry(json, *read.info, owned.entry, found->member, found->note);
        return response;
    };
    submit_read(services, call, std::move(job));
}

void get_checkpoint(Services& services, Call call) {
    auto job = make_read(call);
    auto head = std::make_shared<std::pair<std::uint64_t, ledger::Hash32>>();
    job->look = [head](HttpRead&, const engine::ReadContext& context) {
        const ledger::MerkleTree empty;
        const ledger::MerkleTree& tree = context.tree == nullptr ? empty : *context.tree;
        *head = {tree.size(), tree.root()};
        return true;
    };
    job->render = [head](HttpRead& read) {
        net::Response response;
        JsonWriter json(response.body);
        json.begin_object()
            .field("program", read.info->name)
            .field("seq", head->first)
            .field("head", hex(head->second))
            .end_object();
        return response;
    };
    submit_read(services, call, std::move(job));
}

}  // namespace server::http
