#include "tools/import/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/sha.h>
#include <sys/file.h>
#include <unistd.h>

#include "tools/import/fault.hpp"

namespace importer {

namespace {

namespace json = boost::json;

json::object to_json(const std::string& digest, const Acknowledged& batch) {
    json::object classes;
    for (const auto& [name, tally] : batch.summary.classes)
        classes[name] = json::array{tally.events, tally.lines};
    json::object points;
    for (const auto& [currency, tally] : batch.summary.points)
        points[currency] = json::array{tally.awarded, tally.taken_back};
    json::array refusals;
    for (const Refusal& refusal : batch.refusals)
        refusals.push_back(json::array{refusal.event, refusal.code, refusal.detail});
    return {
        {"batch", digest},
        {"seq", batch.seq},
        {"classes", classes},
        {"points", points},
        {"refusals", refusals}};
}

/// Throws for anything that `to_json` does not make.
Acknowledged from_json(const json::object& line) {
    Acknowledged batch;
    batch.seq = line.at("seq").to_number<std::uint64_t>();
    for (const auto& [name, tally] : line.at("classes").as_object()) {
        batch.summary.add(
            name,
            {tally.as_array().at(0).to_number<std::uint64_t>(),
             tally.as_array().at(1).to_number<std::uint64_t>()}
        );
    }
    for (const auto& [currency, tally] : line.at("points").as_object()) {
        batch.summary.points[std::string(currency)] = {
            tally.as_array().at(0).to_number<std::int64_t>(),
            tally.as_array().at(1).to_number<std::int64_t>()};
    }
    for (const json::value& refusal : line.at("refusals").as_array()) {
        batch.refusals.push_back(
            {refusal.as_array().at(0).to_number<std::size_t>(),
             std::string(refusal.as_array().at(1).as_string()),
             std::string(refusal.as_array().at(2).as_string())}
        );
    }
    return batch;
}

std::string header_line(const Journal::Header& header) {
    return json::serialize(json::object{
               {"guerdon_import", 1}, {"server", header.server}, {"program", header.program}}) +
           "\n";
}

[[noreturn]] void fail(const std::string& path, const char* what) {
    throw std::runtime_error(fmt::format(
        "{} the state file {}: {}; --state FILE names another", what, path, std::strerror(errno)
    ));
}

}  // namespace

std::string digest_of(std::string_view body) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest);
    std::string text;
    for (std::size_t i = 0; i < 16; ++i)
        text += fmt::format("{:02x}", digest[i]);
    return text;
}

Journal::Journal(const std::string& path, const Header& header)
    : path_(path),
      header_(header),
      file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (file_.get() < 0) fail(path, "cannot write");
    if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) fail(path, "another import uses");
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    const std::string all = text.str();
    const std::size_t whole = all.rfind('\n') == std::string::npos ? 0 : all.rfind('\n') + 1;
    if (whole == 0) {
        forget();
        return;
    }
    if (!all.starts_with(header_line(header))) {
        throw UsageError(fmt::format(
            "the state file {} is of an import to another server or program; remove it, or name "
            "another with --state",
            path
        ));
    }
    // What a power cut left behind the last whole line must not become the start of the next.
    if (whole < all.size() && ftruncate(file_.get(), static_cast<off_t>(whole)) != 0)
        fail(path, "cannot write");
    read(all.substr(0, whole));
}

OwnedFile::~OwnedFile() {
    if (file_ >= 0) close(file_);
}

void Journal::read(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        try {
            const json::value value = json::parse(line);
            const json::object& object = value.as_object();
            known_[std::string(object.at("batch").as_string())] = from_json(object);
        } catch (const std::exception&) {
            continue;  // that batch is sent again, which is harmless
        }
    }
}

const Acknowledged* Journal::find(const std::string& digest) const {
    const auto found = known_.find(digest);
    return found == known_.end() ? nullptr : &found->second;
}

std::uint64_t Journal::seq_max() const {
    std::uint64_t seq = 0;
    for (const auto& [digest, batch] : known_)
        seq = std::max(seq, batch.seq);
    return seq;
}

void Journal::forget() {
    known_.clear();
    if (ftruncate(file_.get(), 0) != 0) fail(path_, "cannot write");
    write(header_line(header_));
}

void Journal::write(const std::string& line) {
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
        if (written < 0) fail(path_, "cannot write");
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (fdatasync(file_.get()) != 0) fail(path_, "cannot write");
}

void Journal::add(const std::string& digest, const Acknowledged& batch) {
    const std::string line = json::serialize(to_json(digest, batch)) + "\n";
    const std::lock_guard lock(mutex_);
    write(line);
}

void Journal::remove() {
    unlink(path_.c_str());
}

}  // namespace importer
