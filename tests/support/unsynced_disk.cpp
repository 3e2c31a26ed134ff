#include "tests/support/unsynced_disk.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <sys/stat.h>
#include <unistd.h>

namespace test_support {
namespace {

using rocksdb::FileOptions;
using Debug = rocksdb::IODebugContext*;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using NewRandom = std::unique_ptr<rocksdb::FSRandomAccessFile>;
using NewWritable = std::unique_ptr<rocksdb::FSWritableFile>;
using NewRandomRW = std::unique_ptr<rocksdb::FSRandomRWFile>;

/// Files being made real have such a name for a moment; one that a kill left behind never counts.
constexpr std::string_view kTemporary = ".unsynced-";

struct Path {
    std::string folder;
    std::string name;
};

std::string normal(const std::string& path) {
    std::string clean;
    for (const char c : path) {
        if (c != '/' || clean.empty() || clean.back() != '/') {
            clean.push_back(c);
        }
    }
    if (clean.size() > 1 && clean.back() == '/') {
        clean.pop_back();
    }
    return clean;
}

Path split(const std::string& path) {
    const std::string clean = normal(path);
    const auto slash = clean.find_last_of('/');
    if (slash == std::string::npos) {
        return {".", clean};
    }
    return {slash == 0 ? "/" : clean.substr(0, slash), clean.substr(slash + 1)};
}

/// Goes straight to the real disk.
bool passes(std::string_view name) {
    return name == "LOCK" || name.starts_with("LOG");
}

IOStatus failed(const std::string& what) {
    return IOStatus::IOError(what, std::strerror(errno));
}

IOStatus missing(const std::string& path) {
    return IOStatus::PathNotFound("no such file", path);
}

/// One file's content. The first `on_disk` bytes are in the real file, the rest in `memory`; after
/// an overwrite `memory` is the whole file until the next sync.
struct File {
    ~File() {
        if (descriptor >= 0) {
            ::close(descriptor);
        }
    }

    std::mutex mutex;
    // Guarded by mutex.
    std::uint64_t on_disk = 0;
    std::string memory;
    bool whole = false;
    std::uint64_t synced = 0;          ///< bytes that become real with the first name
    std::set<std::string> real_names;  ///< names under which it is on the real disk
    int descriptor = -1;
    unsigned mode = 0644;

    [[nodiscard]] std::uint64_t size() const {
        return whole ? memory.size() : on_disk + memory.size();
    }

    IOStatus open() {
        if (descriptor < 0 && !real_names.empty()) {
            descriptor = ::open(real_names.begin()->c_str(), O_RDWR | O_CLOEXEC);
            if (descriptor < 0) {
                return failed("open " + *real_names.begin());
            }
        }
        return IOStatus::OK();
    }

    IOStatus read(std::uint64_t offset, std::size_t bytes, char* to, std::size_t& got) {
        got = 0;
        const std::uint64_t end = std::min<std::uint64_t>(size(), offset + bytes);
        while (offset < end) {
            if (!whole && offset < on_disk) {
                if (auto opened = open(); !opened.ok()) {
                    return opened;
                }
                const std::size_t want = std::min(end, on_disk) - offset;
                const ssize_t read =
                    ::pread(descriptor, to + got, want, static_cast<off_t>(offset));
                if (read <= 0) {
                    return failed("pread");
                }
                got += static_cast<std::size_t>(read);
                offset += static_cast<std::uint64_t>(read);
                continue;
            }
            const std::uint64_t at = whole ? offset : offset - on_disk;
            std::memcpy(to + got, memory.data() + at, end - offset);
            got += end - offset;
            offset = end;
        }
        return IOStatus::OK();
    }

    IOStatus read_all(std::string& bytes) {
        bytes.resize(size());
        std::size_t got = 0;
        return read(0, bytes.size(), bytes.data(), got);
    }

    IOStatus take_whole() {
        if (whole) {
            return IOStatus::OK();
        }
        std::string bytes;
        if (auto read = read_all(bytes); !read.ok()) {
            return read;
        }
        memory = std::move(bytes);
        whole = true;
        return IOStatus::OK();
    }

    static IOStatus write(int to, std::string_view bytes, std::uint64_t offset) {
        while (!bytes.empty()) {
            const ssize_t wrote =
                ::pwrite(to, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (wrote <= 0) {
                return failed("pwrite");
            }
            bytes.remove_prefix(static_cast<std::size_t>(wrote));
            offset += static_cast<std::uint64_t>(wrote);
        }
        return IOStatus::OK();
    }

    IOStatus sync() {
        if (real_names.empty()) {
            synced = size();
            return IOStatus::OK();
        }
        if (auto opened = open(); !opened.ok()) {
            return opened;
        }
        if (auto wrote = write(descriptor, memory, whole ? 0 : on_disk); !wrote.ok()) {
            return wrote;
        }
        if (whole && ::ftruncate(descriptor, static_cast<off_t>(memory.size())) != 0) {
            return failed("ftruncate");
        }
        on_disk = size();
        synced = on_disk;
        memory.clear();
        memory.shrink_to_fit();
        whole = false;
        return IOStatus::OK();
    }

    /// Gives the file a real name. `temporary` lies in the same folder.
    IOStatus make_real(const std::string& path, const std::string& temporary) {
        if (!real_names.empty()) {
            if (::link(real_names.begin()->c_str(), temporary.c_str()) != 0) {
                return failed("link " + path);
            }
        } else {
            std::string bytes;
            if (auto read = read_all(bytes); !read.ok()) {
                return read;
            }
            const int fresh = ::open(
                temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, static_cast<mode_t>(mode)
            );
            if (fresh < 0) {
                return failed("create " + temporary);
            }
            if (descriptor >= 0) {
                ::close(descriptor);
            }
            descriptor = fresh;
            const auto durable = std::min<std::uint64_t>(synced, bytes.size());
            if (auto wrote = write(fresh, std::string_view(bytes).substr(0, durable), 0);
                !wrote.ok()) {
                return wrote;
            }
            on_disk = durable;
            memory = bytes.substr(durable);
            whole = false;
        }
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            return failed("rename to " + path);
        }
        real_names.insert(path);
        return IOStatus::OK();
    }

    IOStatus lose_real_name(const std::string& path) {
        if (auto opened = open(); !opened.ok()) {
            return opened;
        }
        real_names.erase(path);
        return IOStatus::OK();
    }
};

using FilePointer = std::shared_ptr<File>;

struct Folder {
    std::map<std::string, FilePointer> current;  ///< as this process sees it
    std::map<std::string, FilePointer> real;     ///< as a power cut would leave it
    std::map<std::string, std::uint64_t> given;  ///< when a name of `current` got its file

    void give(const std::string& name, const FilePointer& file) {
        current[name] = file;
        given[name] = ++names_given;
    }
    /// Names that a sync makes real, in the order in which they were given.
    [[nodiscard]] std::map<std::uint64_t, std::string> pending() const {
        std::map<std::uint64_t, std::string> names;
        for (const auto& [name, file] : current) {
            const auto found = real.find(name);
            if (found == real.end() || found->second != file) {
                names.emplace(given.at(name), name);
            }
        }
        return names;
    }

private:
    std::uint64_t names_given = 0;
};

/// All names and all files. Lock order: Names::mutex_, then File::mutex.
class Names {
public:
    explicit Names(UnsyncedOptions options) : options_(options) {}

    [[nodiscard]] bool dead() const { return dead_.load(); }
    void cut_power() { dead_.store(true); }
    [[nodiscard]] std::uint64_t syncs() const { return syncs_.load(); }

    FilePointer find(const std::string& path) {
        const std::scoped_lock lock(mutex_);
        const Path at = split(path);
        Folder* folder = load(at.folder);
        if (folder == nullptr) {
            return nullptr;
        }
        const auto found = folder->current.find(at.name);
        return found == folder->current.end() ? nullptr : found->second;
    }

    /// Null if there is no such folder.
    FilePointer create(const std::string& path, unsigned mode) {
        const std::scoped_lock lock(mutex_);
        const Path at = split(path);
        Folder* folder = load(at.folder);
        if (folder == nullptr) {
            return nullptr;
        }
        auto file = std::make_shared<File>();
        file->mode = mode;
        folder->give(at.name, file);
        return file;
    }

    bool remove(const std::string& path) {
        const std::scoped_lock lock(mutex_);
        const Path at = split(path);
        Folder* folder = load(at.folder);
        return folder != nullptr && folder->current.erase(at.name) > 0;
    }

    bool link(const std::string& from, const std::string& to, bool keep, bool replace) {
        const std::scoped_lock lock(mutex_);
        const Path source = split(from);
        const Path target = split(to);
        Folder* source_folder = load(source.folder);
        Folder* target_folder = load(target.folder);
        if (source_folder == nullptr || target_folder == nullptr) {
            return false;
        }
        const auto found = source_folder->current.find(source.name);
        if (found == source_folder->current.end() ||
            (!replace && target_folder->current.contains(target.name))) {
            return false;
        }
        const FilePointer file = found->second;
        if (!keep) {
            source_folder->current.erase(found);
        }
        target_folder->give(target.name, file);
        return true;
    }

    std::uint64_t count_names(const FilePointer& file) {
        const std::scoped_lock lock(mutex_);
        std::uint64_t count = 0;
        for (const auto& [path, folder] : folders_) {
            for (const auto& [name, other] : folder.current) {
                count += other == file ? 1 : 0;
            }
        }
        return count;
    }

    /// Names in a folder: the process's own, and what goes past it (folders, info logs).
    IOStatus list(
        const std::string& path,
        const std::vector<std::string>& on_real_disk,
        std::vector<std::string>& names
    ) {
        const std::scoped_lock lock(mutex_);
        Folder* folder = load(normal(path));
        if (folder == nullptr) {
            return missing(path);
        }
        names.clear();
        for (const std::string& name : on_real_disk) {
            if (!folder->real.contains(name) && !name.starts_with(kTemporary)) {
                names.push_back(name);
            }
        }
        for (const auto& [name, file] : folder->current) {
            names.push_back(name);
        }
        return IOStatus::OK();
    }

    IOStatus sync_file(File& file) {
        if (dead()) {
            return IOStatus::IOError("power cut");
        }
        ++syncs_;
        if (options_.drop_syncs) {
            return IOStatus::OK();
        }
        const std::scoped_lock lock(file.mutex);
        return file.sync();
    }

    IOStatus sync_folder(const std::string& path) {
        if (dead()) {
            return IOStatus::IOError("power cut");
        }
        ++syncs_;
        if (options_.drop_syncs) {
            return IOStatus::OK();
        }
        const std::scoped_lock lock(mutex_);
        const std::string clean = normal(path);
        Folder* folder = load(clean);
        if (folder == nullptr) {
            return missing(path);
        }
        // New names first, so that a kill between the two leaves a renamed file under both names,
        // never under none.
        for (const auto& [order, name] : folder->pending()) {
            const FilePointer file = folder->current.at(name);
            FilePointer& real = folder->real[name];
            const std::string full = clean + "/" + name;
            if (const FilePointer old = real) {
                const std::scoped_lock old_lock(old->mutex);
                if (auto lost = old->lose_real_name(full); !lost.ok()) {
                    return lost;
                }
            }
            const std::scoped_lock file_lock(file->mutex);
            const std::string temporary =
                clean + "/" + std::string(kTemporary) + std::to_string(++temporaries_);
            if (auto made = file->make_real(full, temporary); !made.ok()) {
                return made;
            }
            real = file;
        }
        for (auto real = folder->real.begin(); real != folder->real.end();) {
            if (folder->current.contains(real->first)) {
                ++real;
                continue;
            }
            const std::string full = clean + "/" + real->first;
            const FilePointer file = real->second;  // outlives the lock on its mutex
            const std::scoped_lock file_lock(file->mutex);
            if (auto lost = file->lose_real_name(full); !lost.ok()) {
                return lost;
            }
            if (::unlink(full.c_str()) != 0) {
                return failed("unlink " + full);
            }
            real = folder->real.erase(real);
        }
        return IOStatus::OK();
    }

    [[nodiscard]] std::uint64_t unsynced_bytes() {
        const std::scoped_lock lock(mutex_);
        std::set<const File*> counted;
        std::uint64_t bytes = 0;
        for (const auto& [path, folder] : folders_) {
            for (const auto& [name, file] : folder.current) {
                if (counted.insert(file.get()).second) {
                    const std::scoped_lock file_lock(file->mutex);
                    bytes += file->memory.size();
                }
            }
        }
        return bytes;
    }

private:
    /// Reads the real folder at its first use. Null if there is none.
    Folder* load(const std::string& path) {
        if (const auto known = folders_.find(path); known != folders_.end()) {
            return &known->second;
        }
        DIR* directory = ::opendir(path.c_str());
        if (directory == nullptr) {
            return nullptr;
        }
        Folder& folder = folders_[path];
        while (const dirent* entry = ::readdir(directory)) {
            const std::string name = entry->d_name;
            const std::string full = path + "/" + name;
            struct stat found {};
            if (passes(name) || ::stat(full.c_str(), &found) != 0 || !S_ISREG(found.st_mode)) {
                continue;
            }
            if (name.starts_with(kTemporary)) {
                ::unlink(full.c_str());
                continue;
            }
            auto file = std::make_shared<File>();
            file->on_disk = static_cast<std::uint64_t>(found.st_size);
            file->synced = file->on_disk;
            file->real_names.insert(full);
            file->mode = found.st_mode & 0777;
            folder.current[name] = file;
            folder.real[name] = file;
        }
        ::closedir(directory);
        return &folder;
    }

    const UnsyncedOptions options_;
    std::atomic<bool> dead_{false};
    std::atomic<std::uint64_t> syncs_{0};
    std::mutex mutex_;
    // Guarded by mutex_.
    std::map<std::string, Folder> folders_;
    std::uint64_t temporaries_ = 0;
};

class SequentialFile final : public rocksdb::FSSequentialFile {
public:
    SequentialFile(Names& names, FilePointer file) : names_(names), file_(std::move(file)) {}
    IOStatus Read(std::size_t n, const IOOptions&, Slice* result, char* scratch, Debug) override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        const std::scoped_lock lock(file_->mutex);
        std::size_t got = 0;
        auto read = file_->read(at_, n, scratch, got);
        at_ += got;
        *result = Slice(scratch, got);
        return read;
    }
    IOStatus Skip(std::uint64_t n) override {
        at_ += n;
        return IOStatus::OK();
    }

private:
    Names& names_;
    FilePointer file_;
    std::uint64_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
public:
    RandomAccessFile(Names& names, FilePointer file) : names_(names), file_(std::move(file)) {}
    IOStatus Read(
        std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* to, Debug
    ) const override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        const std::scoped_lock lock(file_->mutex);
        std::size_t got = 0;
        auto read = file_->read(offset, n, to, got);
        *result = Slice(to, got);
        return read;
    }
    IOStatus Prefetch(std::uint64_t, std::size_t, const IOOptions&, Debug) override {
        return IOStatus::OK();
    }

private:
    Names& names_;
    FilePointer file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
public:
    WritableFile(Names& names, FilePointer file) : names_(names), file_(std::move(file)) {}
    using rocksdb::FSWritableFile::Append;
    IOStatus Append(const Slice& data, const IOOptions&, Debug) override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        const std::scoped_lock lock(file_->mutex);
        file_->memory.append(data.data(), data.size());
        return IOStatus::OK();
    }
    IOStatus Truncate(std::uint64_t size, const IOOptions&, Debug) override {
        const std::scoped_lock lock(file_->mutex);
        if (size == file_->size()) {
            return IOStatus::OK();
        }
        if (auto taken = file_->take_whole(); !taken.ok()) {
            return taken;
        }
        file_->memory.resize(size);
        return IOStatus::OK();
    }
    IOStatus Close(const IOOptions&, Debug) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions&, Debug) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, Debug) override { return names_.sync_file(*file_); }
    IOStatus Fsync(const IOOptions&, Debug) override { return names_.sync_file(*file_); }
    IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, Debug) override {
        return IOStatus::OK();
    }
    bool IsSyncThreadSafe() const override { return true; }
    std::uint64_t GetFileSize(const IOOptions&, Debug) override {
        const std::scoped_lock lock(file_->mutex);
        return file_->size();
    }

private:
    Names& names_;
    FilePointer file_;
};

class Directory final : public rocksdb::FSDirectory {
public:
    Directory(Names& names, std::string path) : names_(names), path_(std::move(path)) {}
    IOStatus Fsync(const IOOptions&, Debug) override { return names_.sync_folder(path_); }
    IOStatus Close(const IOOptions&, Debug) override { return IOStatus::OK(); }

private:
    Names& names_;
    const std::string path_;
};

class FileSystem final : public rocksdb::FileSystemWrapper {
public:
    explicit FileSystem(Names& names)
        : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), names_(names) {}
    const char* Name() const override { return "UnsyncedFileSystem"; }

    IOStatus NewSequentialFile(
        const std::string& path,
        const FileOptions& options,
        std::unique_ptr<rocksdb::FSSequentialFile>* result,
        Debug debug
    ) override {
        if (passes(split(path).name)) {
            return target()->NewSequentialFile(path, options, result, debug);
        }
        return open<SequentialFile>(path, result);
    }
    IOStatus NewRandomAccessFile(
        const std::string& path, const FileOptions&, NewRandom* result, Debug
    ) override {
        return open<RandomAccessFile>(path, result);
    }
    IOStatus NewWritableFile(
        const std::string& path, const FileOptions& options, NewWritable* result, Debug debug
    ) override {
        if (passes(split(path).name)) {
            return target()->NewWritableFile(path, options, result, debug);
        }
        return create(path, names_.create(path, 0644), result);
    }
    IOStatus ReopenWritableFile(
        const std::string& path, const FileOptions&, NewWritable* result, Debug
    ) override {
        FilePointer file = names_.find(path);
        return create(path, file ? file : names_.create(path, 0644), result);
    }
    IOStatus ReuseWritableFile(
        const std::string& path,
        const std::string& old_path,
        const FileOptions& options,
        NewWritable* result,
        Debug debug
    ) override {
        if (auto renamed = RenameFile(old_path, path, IOOptions(), debug); !renamed.ok()) {
            return renamed;
        }
        return NewWritableFile(path, options, result, debug);
    }
    IOStatus NewRandomRWFile(const std::string&, const FileOptions&, NewRandomRW*, Debug) override {
        return IOStatus::NotSupported("random read-write files");
    }
    IOStatus
    NewMemoryMappedFileBuffer(const std::string&, std::unique_ptr<rocksdb::MemoryMappedFileBuffer>*)
        override {
        return IOStatus::NotSupported("memory mapped files");
    }
    IOStatus NewDirectory(
        const std::string& path,
        const IOOptions& options,
        std::unique_ptr<rocksdb::FSDirectory>* result,
        Debug debug
    ) override {
        bool is_folder = false;
        if (auto asked = target()->IsDirectory(path, options, &is_folder, debug); !asked.ok()) {
            return asked;
        }
        *result = std::make_unique<Directory>(names_, path);
        return IOStatus::OK();
    }
    IOStatus FileExists(const std::string& path, const IOOptions& options, Debug debug) override {
        if (names_.find(path)) {
            return IOStatus::OK();
        }
        bool is_folder = false;
        if (passes(split(path).name) ||
            (target()->IsDirectory(path, options, &is_folder, debug).ok() && is_folder)) {
            return target()->FileExists(path, options, debug);
        }
        return IOStatus::NotFound();
    }
    IOStatus GetChildren(
        const std::string& path,
        const IOOptions& options,
        std::vector<std::string>* result,
        Debug debug
    ) override {
        std::vector<std::string> real;
        if (auto listed = target()->GetChildren(path, options, &real, debug); !listed.ok()) {
            return listed;
        }
        return names_.list(path, real, *result);
    }
    IOStatus GetChildrenFileAttributes(
        const std::string& path,
        const IOOptions& options,
        std::vector<rocksdb::FileAttributes>* result,
        Debug debug
    ) override {
        std::vector<std::string> children;
        if (auto listed = GetChildren(path, options, &children, debug); !listed.ok()) {
            return listed;
        }
        result->clear();
        for (std::string& child : children) {
            std::uint64_t size = 0;
            if (GetFileSize(path + "/" + child, options, &size, debug).ok()) {
                result->push_back({std::move(child), size});
            }
        }
        return IOStatus::OK();
    }
    IOStatus DeleteFile(const std::string& path, const IOOptions& options, Debug debug) override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        if (passes(split(path).name)) {
            return target()->DeleteFile(path, options, debug);
        }
        return names_.remove(path) ? IOStatus::OK() : missing(path);
    }
    IOStatus Truncate(
        const std::string& path, std::size_t size, const IOOptions& options, Debug debug
    ) override {
        NewWritable file;
        if (auto opened = create(path, names_.find(path), &file); !opened.ok()) {
            return opened;
        }
        return file->Truncate(size, options, debug);
    }
    IOStatus DeleteDir(const std::string& path, const IOOptions& options, Debug debug) override {
        if (auto synced = names_.sync_folder(path); !synced.ok()) {
            return synced;
        }
        return target()->DeleteDir(path, options, debug);
    }
    IOStatus GetFileSize(
        const std::string& path, const IOOptions& options, std::uint64_t* size, Debug debug
    ) override {
        if (passes(split(path).name)) {
            return target()->GetFileSize(path, options, size, debug);
        }
        const FilePointer file = names_.find(path);
        if (!file) {
            return missing(path);
        }
        const std::scoped_lock lock(file->mutex);
        *size = file->size();
        return IOStatus::OK();
    }
    IOStatus GetFileModificationTime(
        const std::string& path, const IOOptions& options, std::uint64_t* time, Debug debug
    ) override {
        if (passes(split(path).name)) {
            return target()->GetFileModificationTime(path, options, time, debug);
        }
        *time = static_cast<std::uint64_t>(std::time(nullptr));
        return IOStatus::OK();
    }
    IOStatus RenameFile(
        const std::string& from, const std::string& to, const IOOptions& options, Debug debug
    ) override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        if (passes(split(from).name)) {
            return target()->RenameFile(from, to, options, debug);
        }
        return names_.link(from, to, false, true) ? IOStatus::OK() : missing(from);
    }
    IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&, Debug)
        override {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        return names_.link(from, to, true, false) ? IOStatus::OK() : missing(from);
    }
    IOStatus NumFileLinks(const std::string& path, const IOOptions&, std::uint64_t* count, Debug)
        override {
        const FilePointer file = names_.find(path);
        if (!file) {
            return missing(path);
        }
        *count = names_.count_names(file);
        return IOStatus::OK();
    }
    IOStatus AreFilesSame(
        const std::string& first, const std::string& second, const IOOptions&, bool* same, Debug
    ) override {
        const FilePointer file = names_.find(first);
        *same = file && file == names_.find(second);
        return IOStatus::OK();
    }

private:
    template <typename Handle, typename Interface>
    IOStatus open(const std::string& path, std::unique_ptr<Interface>* result) {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        FilePointer file = names_.find(path);
        if (!file) {
            return missing(path);
        }
        {
            // Opened now, so that it can be read after its name was deleted.
            const std::scoped_lock lock(file->mutex);
            if (auto opened = file->open(); !opened.ok()) {
                return opened;
            }
        }
        *result = std::make_unique<Handle>(names_, std::move(file));
        return IOStatus::OK();
    }
    IOStatus create(const std::string& path, FilePointer file, NewWritable* result) {
        if (names_.dead()) {
            return IOStatus::IOError("power cut");
        }
        if (!file) {
            return missing(path);
        }
        *result = std::make_unique<WritableFile>(names_, std::move(file));
        return IOStatus::OK();
    }

    Names& names_;
};

ledger::Error error_from(const IOStatus& status) {
    return ledger::make_error(
        status.IsPathNotFound() ? ledger::ErrorCode::not_found : ledger::ErrorCode::io_error,
        status.ToString()
    );
}

class UnsyncedDiskImplementation final : public UnsyncedDisk {
public:
    explicit UnsyncedDiskImplementation(UnsyncedOptions options)
        : names_(options), file_system_(names_) {}

    void cut_power() override { names_.cut_power(); }
    [[nodiscard]] std::uint64_t unsynced_bytes() const override { return names_.unsynced_bytes(); }
    [[nodiscard]] std::uint64_t syncs() const override { return names_.syncs(); }

    ledger::Result<void> create_directory(const std::string& path) override {
        return real_->create_directory(path);
    }
    bool exists(const std::string& path) override {
        return file_system_.FileExists(path, IOOptions(), nullptr).ok();
    }
    ledger::Result<std::string> read_file(const std::string& path) override {
        const FilePointer file = names_.find(path);
        if (!file) {
            return error_from(missing(path));
        }
        std::string bytes;
        const std::scoped_lock lock(file->mutex);
        if (auto read = file->read_all(bytes); !read.ok()) {
            return error_from(read);
        }
        return bytes;
    }
    ledger::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode)
        override {
        const std::string temporary = path + ".tmp";
        const FilePointer file = names_.dead() ? nullptr : names_.create(temporary, mode);
        if (!file) {
            return error_from(missing(path));
        }
        {
            const std::scoped_lock lock(file->mutex);
            file->memory.append(bytes);
        }
        if (auto synced = names_.sync_file(*file); !synced.ok()) {
            return error_from(synced);
        }
        names_.link(temporary, path, false, true);
        return finished(names_.sync_folder(split(path).folder));
    }
    ledger::Result<void> write_at(
        const std::string& path, std::uint64_t offset, std::string_view bytes, unsigned mode
    ) override {
        FilePointer file = names_.dead() ? nullptr : names_.find(path);
        const bool fresh = !file;
        if (fresh && !names_.dead()) {
            file = names_.create(path, mode);
        }
        if (!file) {
            return error_from(missing(path));
        }
        {
            const std::scoped_lock lock(file->mutex);
            if (auto taken = file->take_whole(); !taken.ok()) {
                return error_from(taken);
            }
            file->memory.resize(std::max<std::size_t>(file->memory.size(), offset + bytes.size()));
            std::memcpy(file->memory.data() + offset, bytes.data(), bytes.size());
        }
        if (auto synced = names_.sync_file(*file); !synced.ok()) {
            return error_from(synced);
        }
        return fresh ? finished(names_.sync_folder(split(path).folder)) : ledger::Result<void>();
    }
    ledger::Result<std::shared_ptr<void>> lock(const std::string& path) override {
        return real_->lock(path);
    }
    ledger::Result<std::uint64_t> free_bytes(const std::string& path) override {
        return real_->free_bytes(path);
    }
    void* rocksdb_file_system() override {
        return static_cast<rocksdb::FileSystem*>(&file_system_);
    }

private:
    static ledger::Result<void> finished(const IOStatus& status) {
        if (!status.ok()) {
            return error_from(status);
        }
        return {};
    }

    const std::shared_ptr<ledger::Disk> real_ = ledger::Disk::real();
    mutable Names names_;
    FileSystem file_system_;
};

}  // namespace

std::shared_ptr<UnsyncedDisk> UnsyncedDisk::create(UnsyncedOptions options) {
    return std::make_shared<UnsyncedDiskImplementation>(options);
}

}  // namespace test_support
