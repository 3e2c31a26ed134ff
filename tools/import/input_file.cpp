#include "tools/import/input_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace importer {

namespace {

[[noreturn]] void fail(const std::string& path, int error) {
    throw std::runtime_error("cannot read " + path + ": " + std::strerror(error));
}

}  // namespace

InputFile::InputFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail(path, errno);
    struct stat status {};
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(file);
        fail(path, EINVAL);
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) {
        void* const mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
        const int error = errno;
        close(file);
        if (mapped == MAP_FAILED) fail(path, error);
        data_ = static_cast<const char*>(mapped);
        madvise(mapped, size_, MADV_SEQUENTIAL);
    } else {
        close(file);
    }
}

InputFile::~InputFile() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

std::uint64_t file_bytes(const std::string& path) {
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(path, error);
    if (error) throw std::runtime_error("cannot read " + path + ": " + error.message());
    return size;
}

std::string file_stem(const std::string& path) {
    return std::filesystem::path(path).stem().string();
}

}  // namespace importer
