#include "tools/guerdon/keys.hpp"

#include <cctype>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "server/app.hpp"
#include "tools/guerdon/http_client.hpp"
#include "tools/guerdon/parse.hpp"

namespace tools {

namespace {

namespace json = boost::json;

struct KeyOptions {
    std::string server = "http://127.0.0.1:8080";
    std::string key_file;
    std::string program;
    std::vector<std::string> scopes;
    std::vector<std::string> origins;
    std::string label;
    std::string kind = "secret";
    std::string algorithm;
    std::string public_key_file;
    std::string id;
};

std::string read_key(const std::string& path) {
    std::ifstream in(path);
    std::string key;
    if (!in || !(in >> key)) throw std::runtime_error("no key can be read from " + path);
    return key;
}

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) throw std::runtime_error("cannot read " + path);
    return text.str();
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
            c == '~') {
            out.push_back(c);
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

std::string text_of(const json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    return value.is_null() ? std::string() : json::serialize(value);
}

std::string text_of(const json::object& object, std::string_view name) {
    const json::value* found = object.if_contains(name);
    return found == nullptr ? std::string() : text_of(*found);
}

/// "invalid_document: One field is wrong (/scopes/0: no such scope)".
std::string problem(const HttpAnswer& answer) {
    boost::system::error_code failure;
    const json::value body = json::parse(answer.body, failure);
    if (failure || !body.is_object()) return fmt::format("the server answered {}", answer.status);
    const json::object& object = body.get_object();
    std::string line = text_of(object, "code") + ": " +
                       text_of(object, object.contains("detail") ? "detail" : "title");
    const json::value* errors = object.if_contains("errors");
    if (errors != nullptr && errors->is_array()) {
        for (const json::value& error : errors->get_array()) {
            if (!error.is_object()) continue;
            line += fmt::format(
                " ({}: {})",
                text_of(error.get_object(), "pointer"),
                text_of(error.get_object(), "detail")
            );
        }
    }
    return line;
}

class Keys {
public:
    explicit Keys(const KeyOptions& options)
        : options_(options),
          server_(ServerUrl::parse(options.server)),
          key_(read_key(options.key_file)),
          base_("/v1/programs/" + escaped(options.program) + "/keys") {}

    void create() const {
        json::object body;
        body["kind"] = options_.kind;
        if (!options_.scopes.empty())
            body["scopes"] = json::array(options_.scopes.begin(), options_.scopes.end());
        if (!options_.origins.empty())
            body["origins"] = json::array(options_.origins.begin(), options_.origins.end());
        if (!options_.label.empty()) body["label"] = options_.label;
        if (!options_.algorithm.empty()) body["algorithm"] = options_.algorithm;
        if (!options_.public_key_file.empty())
            body["public_key"] = read_text(options_.public_key_file);
        const json::object made = call("POST", base_, json::serialize(body));
        for (const char* name : {"id", "key", "kid", "algorithm", "secret"}) {
            if (made.contains(name)) fmt::print("{} {}\n", name, text_of(made, name));
        }
        if (made.contains("key")) fmt::print(stderr, "The key is shown this once only.\n");
        if (made.contains("secret")) fmt::print(stderr, "The secret is shown this once only.\n");
    }

    void list() const {
        std::string cursor;
        do {
            const json::object page =
                call("GET", cursor.empty() ? base_ : base_ + "?cursor=" + escaped(cursor), {});
            const json::value* rows = page.if_contains("data");
            if (rows == nullptr || !rows->is_array())
                throw std::runtime_error("the answer has no list");
            for (const json::value& row : rows->get_array()) {
                if (row.is_object()) print(row.get_object());
            }
            cursor = text_of(page, "next_cursor");
        } while (!cursor.empty());
    }

    void revoke() const {
        (void)call("DELETE", base_ + "/" + escaped(options_.id), {});
        fmt::print("key {} is revoked\n", options_.id);
    }

private:
    [[nodiscard]] json::object call(
        std::string_view method, const std::string& target, std::string_view body
    ) const {
        const HttpAnswer answer = http_request(server_, method, target, key_, body);
        if (answer.status < 200 || answer.status > 299) throw std::runtime_error(problem(answer));
        if (answer.body.empty()) return {};
        json::value value = json::parse(answer.body);
        return value.is_object() ? std::move(value.get_object()) : json::object();
    }

    static void print(const json::object& row) {
        const json::value* revoked = row.if_contains("revoked");
        const bool is_revoked = (revoked != nullptr && revoked->is_bool() && revoked->get_bool());
        fmt::print(
            "{}\t{}{}{}\t{}\t{}\t{}{}\n",
            text_of(row, "id"),
            text_of(row, "kind"),
            row.contains("algorithm") ? " " : "",
            text_of(row, "algorithm"),
            text_of(row, "scopes"),
            text_of(row, "label"),
            text_of(row, "created_at"),
            is_revoked ? "\trevoked" : ""
        );
    }

    const KeyOptions& options_;
    const ServerUrl server_;
    const std::string key_;
    const std::string base_;
};

void add_common(CLI::App& command, KeyOptions& options) {
    command.add_option("--server", options.server, "the running server, http://HOST:PORT")
        ->capture_default_str();
    command.add_option("--key-file", options.key_file, "a file with a key of scope admin")
        ->required();
    command.add_option("--program", options.program, "the program whose keys they are")->required();
}

}  // namespace

int run_keys(std::vector<std::string> words) {
    KeyOptions options;
    CLI::App app("API keys of a program, through the running server", "guerdon keys");
    app.require_subcommand(1);
    auto* const create = app.add_subcommand("create", "makes a key and prints it, this once");
    auto* const list = app.add_subcommand("list", "one line a key: id, kind, scopes, label, time");
    auto* const revoke = app.add_subcommand("revoke", "makes a key useless, for ever");
    for (auto* const command : {create, list, revoke})
        add_common(*command, options);
    create->add_option("--scope", options.scopes, "what the key may do (repeatable)");
    create->add_option(
        "--origin", options.origins, "where a publishable key may be used (repeatable)"
    );
    create->add_option("--label", options.label, "a word to know it by");
    create->add_option("--kind", options.kind, "secret, publishable or shopper")
        ->check(CLI::IsMember({"secret", "publishable", "shopper"}))
        ->capture_default_str();
    create->add_option("--algorithm", options.algorithm, "of a shopper key: HS256 or ES256")
        ->check(CLI::IsMember({"HS256", "ES256"}));
    create->add_option(
        "--public-key", options.public_key_file, "a PEM file with the shop's key, for ES256"
    );
    revoke->add_option("id", options.id, "the key's id")->required();
    if (const auto status = parse(app, std::move(words))) return *status;
    try {
        const Keys keys(options);
        if (create->parsed()) keys.create();
        if (list->parsed()) keys.list();
        if (revoke->parsed()) keys.revoke();
    } catch (const std::exception& error) {
        fmt::print(stderr, "guerdon: {}\n", error.what());
        return server::kExitFailed;
    }
    return server::kExitOk;
}

}  // namespace tools
