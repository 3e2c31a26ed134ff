#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/summary.hpp"

namespace importer {

/// One event that the server refused, by its place in its batch.
struct Refusal {
    std::size_t event = 0;
    std::string code;
    std::string detail;
};

/// What an acknowledged batch came to.
struct Acknowledged {
    Summary summary;
    std::vector<Refusal> refusals;
    std::uint64_t seq = 0;  ///< the highest that the server named
};

/// An open file; -1 if it could not be opened. Its lock goes with it.
class OwnedFile {
public:
    explicit OwnedFile(int file) : file_(file) {}
    ~OwnedFile();
    OwnedFile(const OwnedFile&) = delete;
    OwnedFile& operator=(const OwnedFile&) = delete;
    [[nodiscard]] int get() const { return file_; }

private:
    const int file_;
};

/// The state file: one line a batch that the server acknowledged, known by the digest of its bytes,
/// so that a batch of changed files or of a changed map is another batch. Lines are written durably
/// after the answer; a line that is cut off does not count. Only one process may have it open.
class Journal {
public:
    struct Header {
        std::string server;
        std::string program;
    };

    /// Opens or makes the file. Throws UsageError if it is of another server or program, and
    /// std::runtime_error if it cannot be written or is in use.
    Journal(const std::string& path, const Header& header);

    /// nullptr: not acknowledged yet.
    [[nodiscard]] const Acknowledged* find(const std::string& digest) const;
    [[nodiscard]] std::size_t size() const { return known_.size(); }
    [[nodiscard]] std::uint64_t seq_max() const;
    /// What it says is not true of this server: begins anew.
    void forget();
    /// Throws std::runtime_error if it is not on disk. Any thread.
    void add(const std::string& digest, const Acknowledged& batch);
    /// The import is complete: nothing is left to resume.
    void remove();

private:
    void read(const std::string& text);
    void write(const std::string& line);

    const std::string path_;
    const Header header_;
    const OwnedFile file_;
    std::map<std::string, Acknowledged, std::less<>> known_;  ///< as found when it was opened
    std::mutex mutex_;
};

/// What a batch is known by: SHA-256 of its bytes, the first 16 bytes in hex.
[[nodiscard]] std::string digest_of(std::string_view body);

}  // namespace importer
