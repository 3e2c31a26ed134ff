#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ledger/store.hpp"

namespace ledger {
namespace {

/// Closes what it owns.
class FileDescriptor {
public:
    explicit FileDescriptor(int number) : number_(number) {}
    ~FileDescriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    FileDescriptor& operator=(FileDescriptor&&) = delete;
    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] bool valid() const { return number_ >= 0; }

private:
    int number_;
};

Error failure(std::string_view what, const std::string& path) {
    const int error = errno;
    const ErrorCode code = error == ENOENT ? ErrorCode::not_found : ErrorCode::io_error;
    return make_error(
        code, fmt::format("{} {}: {}", what, path, std::generic_category().message(error))
    );
}

std::string parent(const std::string& path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> sync_folder(const std::string& path) {
    const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) {
        return failure("cannot open", path);
    }
    // Some file systems cannot sync a folder and say EINVAL; there is nothing to do about it then.
    if (::fsync(folder.get()) != 0 && errno != EINVAL) {
        return failure("cannot sync", path);
    }
    return {};
}

Result<void> write_all(
    int file, std::uint64_t offset, std::string_view bytes, const std::string& path
) {
    while (!bytes.empty()) {
        const ssize_t written =
            ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return failure("cannot write", path);
        }
        offset += static_cast<std::uint64_t>(written);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

class RealDisk final : public Disk {
public:
    Result<void> create_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) == 0) {
            return sync_folder(parent(path));
        }
        if (errno == EEXIST) {
            return {};
        }
        if (errno != ENOENT || parent(path) == path) {
            return failure("cannot create", path);
        }
        if (auto made = create_directory(parent(path)); !made) {
            return made;
        }
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
            return failure("cannot create", path);
        }
        return sync_folder(parent(path));
    }

    bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

    Result<std::string> read_file(const std::string& path) override {
        const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file.valid()) {
            return failure("cannot open", path);
        }
        std::string bytes;
        char buffer[16384];
        while (true) {
            const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                return failure("cannot read", path);
            }
            if (got == 0) {
                return bytes;
            }
            bytes.append(buffer, static_cast<std::size_t>(got));
        }
    }

    Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode)
        override {
        const std::string temporary = path + ".tmp";
        {
            const FileDescriptor file(::open(
                temporary.c_str(),
                O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                static_cast<mode_t>(mode)
            ));
            if (!file.valid()) {
                return failure("cannot create", temporary);
            }
            // The umask may have taken bits away, and a left-over file may have others.
            if (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0) {
                return failure("cannot set the mode of", temporary);
            }
            if (auto wrote = write_all(file.get(), 0, bytes, temporary); !wrote) {
                return wrote;
            }
            if (::fsync(file.get()) != 0) {
                return failure("cannot sync", temporary);
            }
        }
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            return failure("cannot rename to", path);
        }
        return sync_folder(parent(path));
    }

    Result<void> write_at(
        const std::string& path, std::uint64_t offset, std::string_view bytes, unsigned mode
    ) override {
        const bool fresh = !exists(path);
        const FileDescriptor file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, static_cast<mode_t>(mode))
        );
        if (!file.valid()) {
            return failure("cannot open", path);
        }
        if (auto wrote = write_all(file.get(), offset, bytes, path); !wrote) {
            return wrote;
        }
        // fdatasync also writes a changed size.
        if (::fdatasync(file.get()) != 0) {
            return failure("cannot sync", path);
        }
        return fresh ? sync_folder(parent(path)) : Result<void>();
    }

    Result<std::shared_ptr<void>> lock(const std::string& path) override {
        auto file = std::make_shared<FileDescriptor>(
            ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, static_cast<mode_t>(0600))
        );
        if (!file->valid()) {
            return failure("cannot open", path);
        }
        if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) {
                return make_error(ErrorCode::folder_in_use, path + " is locked by another process");
            }
            return failure("cannot lock", path);
        }
        return std::shared_ptr<void>(std::move(file));
    }

    Result<std::uint64_t> free_bytes(const std::string& path) override {
        struct statvfs found {};
        if (::statvfs(path.c_str(), &found) != 0) {
            return failure("cannot ask for the free space of", path);
        }
        return std::uint64_t{found.f_bavail} * found.f_frsize;
    }

    void* rocksdb_file_system() override { return nullptr; }
};

}  // namespace

std::shared_ptr<Disk> Disk::real() {
    return std::make_shared<RealDisk>();
}

}  // namespace ledger
