#include <cstring>
#include <vector>

#include "tests/support/unsynced_disk.hpp"
#include "tools/guerdon/cli.hpp"

/// `guerdon` on a disk that keeps unsynced bytes in memory: SIGKILL of it is a power cut. With
/// `--test-no-sync`, which only this binary knows, commits do not wait for the disk.
int main(int argc, char** argv) {
    server::AppHooks hooks;
    hooks.disk = test_support::UnsyncedDisk::create();
    std::vector<char*> words;
    for (int i = 0; i < argc; ++i) {
        if (std::strcmp(argv[i], "--test-no-sync") == 0) {
            hooks.sync = false;
        } else {
            words.push_back(argv[i]);
        }
    }
    return tools::run(static_cast<int>(words.size()), words.data(), hooks);
}
