#pragma once

#include <string>
#include <string_view>

namespace importer {

/// A file mapped into memory: pages come as they are read, and go when memory is short.
class InputFile {
public:
    /// Throws std::runtime_error if it cannot be read.
    explicit InputFile(const std::string& path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    [[nodiscard]] std::string_view text() const { return {data_, size_}; }

private:
    const char* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Bytes of a file; throws std::runtime_error if it is no regular file.
[[nodiscard]] std::uint64_t file_bytes(const std::string& path);

/// "2010-12" of "data/2010-12.csv".
[[nodiscard]] std::string file_stem(const std::string& path);

}  // namespace importer
