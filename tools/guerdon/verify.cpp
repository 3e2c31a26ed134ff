#include "tools/guerdon/verify.hpp"

#include <cstdio>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "ledger/verify.hpp"
#include "tools/guerdon/parse.hpp"

namespace tools {

namespace {

constexpr int kNotFullyChecked = 3;

std::string hex(const ledger::Hash32& hash) {
    std::string text;
    for (const std::uint8_t byte : hash)
        text += fmt::format("{:02x}", byte);
    return text;
}

int print(const ledger::VerifyReport& report) {
    if (report.state) fmt::print("state {}\n", hex(*report.state));
    for (const auto& content : report.contents)
        fmt::print("content {} {}\n", content.name, hex(content.digest));
    for (const std::string& part : report.not_checked)
        fmt::print("{}: not checked\n", part);
    for (const std::string& fault : report.faults)
        fmt::print("{}\n", fault);
    if (report.faults_left_out > 0) fmt::print("and {} faults more\n", report.faults_left_out);
    if (!report.faults.empty()) return server::kExitFailed;
    if (!report.not_checked.empty()) return kNotFullyChecked;
    fmt::print("ok\n");
    return server::kExitOk;
}

}  // namespace

int run_verify(std::vector<std::string> words, const server::AppHooks& hooks) {
    ledger::VerifyOptions options;
    CLI::App app(
        "Re-derives everything from the log of a stopped server and compares", "guerdon verify"
    );
    app.add_option("--data", options.data_path, "the data folder")->required();
    if (const auto status = parse(app, std::move(words))) return *status;
    options.disk = hooks.disk;
    options.progress = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
    const auto report = ledger::verify(options);
    if (report.has_error()) {
        fmt::print(
            stderr, "guerdon: {}\n", server::explain_start_error(report.error(), options.data_path)
        );
        switch (report.error().code) {
            case ledger::ErrorCode::folder_in_use: return server::kExitFolderInUse;
            case ledger::ErrorCode::not_found: return server::kExitUsage;
            default: return server::kExitFailed;
        }
    }
    return print(*report);
}

}  // namespace tools
