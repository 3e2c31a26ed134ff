#include "tools/bench/machine.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace bench {

namespace fs = std::filesystem;

namespace {

std::string cpu_model() {
    std::ifstream info("/proc/cpuinfo");
    std::string line;
    while (std::getline(info, line)) {
        if (line.starts_with("model name")) {
            auto const colon = line.find(':');
            return colon == std::string::npos ? line : line.substr(colon + 2);
        }
    }
    return "unknown";
}

std::string file_system_name(fs::path const& folder) {
    struct statfs info {};
    if (statfs(folder.c_str(), &info) != 0) {
        return "unknown";
    }
    switch (static_cast<std::uint32_t>(info.f_type)) {
        case 0xEF53: return "ext4";
        case 0x58465342: return "xfs";
        case 0x9123683E: return "btrfs";
        case 0x01021994: return "tmpfs (nothing on it is durable)";
        case 0x794C7630: return "overlayfs";
        default: break;
    }
    std::ostringstream text;
    text << "type 0x" << std::hex << info.f_type;
    return text.str();
}

}  // namespace

Machine describe_machine(fs::path const& folder) {
    Machine machine;
    machine.cpu = cpu_model();
    machine.cores = std::thread::hardware_concurrency();
    utsname names{};
    if (uname(&names) == 0) {
        machine.kernel = std::string(names.sysname) + " " + names.release;
    }
    machine.file_system = file_system_name(folder);
    machine.memory_gib = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                         static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0 * 1024.0);
    return machine;
}

double fdatasync_rate(fs::path const& folder, double seconds) {
    auto const path = folder / "fdatasync.probe";
    int const fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        return 0;
    }
    std::array<char, 4096> page{};
    page.fill('g');
    using Clock = std::chrono::steady_clock;
    auto const begin = Clock::now();
    auto elapsed = std::chrono::duration<double>(0);
    std::uint64_t done = 0;
    while (elapsed.count() < seconds) {
        if (write(fd, page.data(), page.size()) != static_cast<ssize_t>(page.size()) ||
            fdatasync(fd) != 0) {
            done = 0;
            break;
        }
        ++done;
        elapsed = Clock::now() - begin;
    }
    close(fd);
    std::error_code ignored;
    fs::remove(path, ignored);
    return elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
}

fs::path self_path() {
    std::error_code error;
    auto path = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path("guerdon") : path;
}

std::string describe_commit() {
    auto const folder = self_path().parent_path().string();
    if (folder.find('\'') != std::string::npos) {
        return "unknown";
    }
    auto const command =
        "git -C '" + folder + "' describe --always --dirty --abbrev=12 2>/dev/null";
    std::string text;
    if (FILE* pipe = popen(command.c_str(), "r")) {
        std::array<char, 128> buffer{};
        while (fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) {
            text += buffer.data();
        }
        pclose(pipe);
    }
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text.empty() ? "unknown" : text;
}

std::uint64_t disk_bytes(fs::path const& folder) {
    std::uint64_t total = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
        struct stat info {};
        if (lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
            total += static_cast<std::uint64_t>(info.st_blocks) * 512;
        }
    }
    return total;
}

}  // namespace bench
