#include "ledger/keyring.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ledger/random.hpp"
#include "tests/support/catch.hpp"

namespace {

using namespace ledger;

/// Files in memory; only what a keyring needs.
class MemoryDisk final : public Disk {
public:
    Result<void> create_directory(const std::string&) override { return {}; }
    bool exists(const std::string& path) override { return files.contains(path); }
    Result<std::string> read_file(const std::string& path) override {
        if (!exists(path)) return make_error(ErrorCode::not_found, path);
        return files[path];
    }
    Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode)
        override {
        if (full) return make_error(ErrorCode::io_error, "disk full");
        files[path] = bytes;
        modes[path] = mode;
        return {};
    }
    Result<void> write_at(const std::string&, std::uint64_t, std::string_view, unsigned) override {
        return make_error(ErrorCode::io_error, "not part of this test");
    }
    Result<std::shared_ptr<void>> lock(const std::string&) override {
        return std::shared_ptr<void>{};
    }
    Result<std::uint64_t> free_bytes(const std::string&) override { return std::uint64_t{0}; }
    void* rocksdb_file_system() override { return nullptr; }

    std::map<std::string, std::string> files;
    std::map<std::string, unsigned> modes;
    bool full = false;
};

const std::string kPath = "data/keyring";
constexpr ProgramId kProgram{3};
constexpr MemberId kMember{77};
const KeyName kName{.kind = KeyKind::member_seal, .program = kProgram, .member = kMember};

Result<Keyring> open_keyring(
    MemoryDisk& disk, Keyring::IfMissing if_missing = Keyring::IfMissing::create
) {
    return Keyring::load_or_create(disk, "data", if_missing);
}

Keyring new_keyring() {
    MemoryDisk disk;
    return open_keyring(disk).value();
}

ErrorCode open_error(const std::string& bytes) {
    MemoryDisk disk;
    disk.files[kPath] = bytes;
    const Result<Keyring> keyring = open_keyring(disk);
    return keyring ? ErrorCode::ok : keyring.error().code;
}

bool same(const SecretKey& a, const SecretKey& b) {
    return std::ranges::equal(a.bytes(), b.bytes());
}

std::string str(const SecretKey& key) {
    return {reinterpret_cast<const char*>(key.bytes().data()), key.bytes().size()};
}

ErrorCode unwrap_error(
    const Keyring& keyring, std::string_view value, const KeyName& name = kName
) {
    const auto key = keyring.unwrap(name, value);
    return key ? ErrorCode::ok : key.error().code;
}

/// A folder's `keys` rows, and a vault on them.
struct VaultFixture {
    explicit VaultFixture(std::size_t member_keys_max = 1'000) : keys_max(member_keys_max) {
        reopen();
    }
    void reopen() {
        vault = std::make_unique<KeyVault>(
            open_keyring(disk).value(),
            [this](std::string_view key) -> Result<std::optional<std::string>> {
                ++loads;
                if (failing) return make_error(ErrorCode::io_error, "unreadable");
                const auto at = rows.find(std::string(key));
                if (at == rows.end()) return std::optional<std::string>{};
                return std::optional(at->second);
            },
            KeyVault::Options{.member_keys_max = keys_max}
        );
    }
    void commit() {
        for (KeyRow& row : batch)
            rows[row.key] = row.value;
        batch.clear();
    }

    MemoryDisk disk;
    std::size_t keys_max;
    std::map<std::string, std::string> rows;
    std::unique_ptr<KeyVault> vault;
    std::vector<KeyRow> batch;
    int loads = 0;
    bool failing = false;
};

}  // namespace

TEST_CASE("keyring: a new folder gets one that only the owner can read", "[keyring]") {
    MemoryDisk disk;
    const Result<Keyring> made = open_keyring(disk);
    REQUIRE(made);
    REQUIRE(made->epoch() == 1);
    REQUIRE(disk.modes[kPath] == 0600);
    REQUIRE(disk.files[kPath].size() == 8 + 4 + 4 + 36 + 4);

    const std::string before = disk.files[kPath];
    const SecretKey key = SecretKey::random();
    const std::string wrapped = made->wrap(kName, key);
    const Result<Keyring> again = open_keyring(disk, Keyring::IfMissing::refuse);
    REQUIRE(again);
    REQUIRE(disk.files[kPath] == before);
    const auto unwrapped = again->unwrap(kName, wrapped);
    REQUIRE(unwrapped);
    REQUIRE(*unwrapped);
    REQUIRE(same(**unwrapped, key));
}

TEST_CASE("keyring: a missing one is no_keyring where it must exist", "[keyring]") {
    MemoryDisk disk;
    const Result<Keyring> keyring = open_keyring(disk, Keyring::IfMissing::refuse);
    REQUIRE_FALSE(keyring);
    REQUIRE(keyring.error().code == ErrorCode::no_keyring);
    REQUIRE(disk.files.empty());
}

TEST_CASE("keyring: a failed write is io_error", "[keyring]") {
    MemoryDisk disk;
    disk.full = true;
    const Result<Keyring> keyring = open_keyring(disk);
    REQUIRE_FALSE(keyring);
    REQUIRE(keyring.error().code == ErrorCode::io_error);
}

TEST_CASE("keyring: damaged files are corrupt", "[keyring]") {
    MemoryDisk disk;
    REQUIRE(open_keyring(disk));
    const std::string bytes = disk.files[kPath];
    REQUIRE(open_error(bytes) == ErrorCode::ok);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        REQUIRE(open_error(bytes.substr(0, size)) == ErrorCode::corrupt);
    }
    REQUIRE(open_error(bytes + "x") == ErrorCode::corrupt);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        const ErrorCode code = open_error(changed);
        const bool format = at >= 8 && at < 12;
        REQUIRE(code == (format ? ErrorCode::newer_format : ErrorCode::corrupt));
    }
}

TEST_CASE("keyring: each wrapping differs and hides the key", "[keyring]") {
    const Keyring keyring = new_keyring();
    const SecretKey key = SecretKey::random();
    const std::string first = keyring.wrap(kName, key);
    REQUIRE(first.size() == 90);
    REQUIRE(first != keyring.wrap(kName, key));
    REQUIRE(first.find(str(key).substr(0, 8)) == std::string::npos);
}

TEST_CASE("keyring: wrapped keys open under their own name only", "[keyring]") {
    const Keyring keyring = new_keyring();
    const std::string wrapped = keyring.wrap(kName, SecretKey::random());
    REQUIRE(unwrap_error(keyring, wrapped) == ErrorCode::ok);
    KeyName other = kName;
    other.member = MemberId{78};
    REQUIRE(unwrap_error(keyring, wrapped, other) == ErrorCode::corrupt);
    other = kName;
    other.program = ProgramId{4};
    REQUIRE(unwrap_error(keyring, wrapped, other) == ErrorCode::corrupt);
    other = kName;
    other.kind = KeyKind::program_seal;
    REQUIRE(unwrap_error(keyring, wrapped, other) == ErrorCode::corrupt);
}

TEST_CASE("keyring: another folder's keyring does not open", "[keyring]") {
    const std::string wrapped = new_keyring().wrap(kName, SecretKey::random());
    REQUIRE(unwrap_error(new_keyring(), wrapped) == ErrorCode::corrupt);
}

TEST_CASE("keyring: a key of a destroyed epoch is erased and of a later one corrupt", "[keyring]") {
    const Keyring keyring = new_keyring();
    std::string wrapped = keyring.wrap(kName, SecretKey::random());
    wrapped[4] = 0;  // epoch 0: before the first that the keyring has
    const auto erased = keyring.unwrap(kName, wrapped);
    REQUIRE(erased);
    REQUIRE_FALSE(*erased);
    wrapped[4] = 2;
    REQUIRE(unwrap_error(keyring, wrapped) == ErrorCode::corrupt);
}

TEST_CASE("keyring: damaged rows are corrupt and newer ones newer_format", "[keyring]") {
    const Keyring keyring = new_keyring();
    const std::string wrapped = keyring.wrap(kName, SecretKey::random());
    for (std::size_t size = 0; size < wrapped.size(); ++size) {
        REQUIRE(unwrap_error(keyring, wrapped.substr(0, size)) == ErrorCode::corrupt);
    }
    REQUIRE(unwrap_error(keyring, wrapped + "x") == ErrorCode::corrupt);
    for (std::size_t at = 5; at < wrapped.size(); ++at) {
        std::string changed = wrapped;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        REQUIRE(unwrap_error(keyring, changed) == ErrorCode::corrupt);
    }
    std::string newer = wrapped;
    newer[0] = 2;
    REQUIRE(unwrap_error(keyring, newer) == ErrorCode::newer_format);
    newer[0] = 0;
    REQUIRE(unwrap_error(keyring, newer) == ErrorCode::corrupt);
}

TEST_CASE("keyring: row keys sort by kind then program then member", "[keyring]") {
    REQUIRE(kName.row_key() == std::string("\1\0\0\0\3\0\0\0\0\0\0\0\x4d", 13));
    const KeyName hmac{.kind = KeyKind::program_hmac, .program = ProgramId{1}, .member = {}};
    REQUIRE(kName.row_key() < hmac.row_key());
}

TEST_CASE("key_vault: a program's keys are the same after a restart", "[key_vault]") {
    VaultFixture folder;
    const auto made = folder.vault->new_program(kProgram, folder.batch);
    REQUIRE(folder.batch.size() == 2);
    folder.commit();
    REQUIRE(folder.vault->program_keys(kProgram).value() == made);
    REQUIRE(folder.loads == 0);

    folder.reopen();
    const auto loaded = folder.vault->program_keys(kProgram);
    REQUIRE(loaded);
    REQUIRE(same((*loaded)->seal, made->seal));
    REQUIRE((*loaded)->hmac.mac("x") == made->hmac.mac("x"));
    REQUIRE(folder.loads == 2);
    REQUIRE(folder.vault->program_keys(kProgram).value() == *loaded);
    REQUIRE(folder.loads == 2);
}

TEST_CASE("key_vault: an unknown program is not_found", "[key_vault]") {
    VaultFixture folder;
    const auto keys = folder.vault->program_keys(kProgram);
    REQUIRE_FALSE(keys);
    REQUIRE(keys.error().code == ErrorCode::not_found);
    const auto key = folder.vault->key_for(kProgram, 0);
    REQUIRE(key);
    REQUIRE_FALSE(*key);
}

TEST_CASE("key_vault: a new member's key is known before it is stored and after", "[key_vault]") {
    VaultFixture folder;
    const SecretKey made = folder.vault->new_member_key(kProgram, kMember, folder.batch);
    REQUIRE(same(**folder.vault->member_key(kProgram, kMember), made));
    REQUIRE(folder.batch.size() == 1);
    REQUIRE(folder.batch[0].key == kName.row_key());
    folder.commit();

    folder.reopen();
    REQUIRE(same(**folder.vault->member_key(kProgram, kMember), made));
    REQUIRE(same(**folder.vault->key_for(kProgram, kMember.value), made));
    REQUIRE(folder.loads == 1);
}

TEST_CASE("key_vault: a member without key is erased", "[key_vault]") {
    VaultFixture folder;
    const auto key = folder.vault->member_key(kProgram, kMember);
    REQUIRE(key);
    REQUIRE_FALSE(*key);
}

TEST_CASE(
    "key_vault: a failing loader and damaged rows are told apart from erased", "[key_vault]"
) {
    VaultFixture folder;
    folder.failing = true;
    REQUIRE(folder.vault->member_key(kProgram, kMember).error().code == ErrorCode::io_error);
    REQUIRE(folder.vault->program_keys(kProgram).error().code == ErrorCode::io_error);
    REQUIRE(folder.vault->key_for(kProgram, 0).error().code == ErrorCode::io_error);
    folder.failing = false;
    folder.rows[kName.row_key()] = "\1damaged";
    REQUIRE(folder.vault->member_key(kProgram, kMember).error().code == ErrorCode::corrupt);
}

TEST_CASE("key_vault: a second key for a member replaces the first", "[key_vault]") {
    VaultFixture folder;
    const SecretKey dropped = folder.vault->new_member_key(kProgram, kMember, folder.batch);
    folder.batch.clear();
    const SecretKey kept = folder.vault->new_member_key(kProgram, kMember, folder.batch);
    REQUIRE_FALSE(same(dropped, kept));
    REQUIRE(same(**folder.vault->member_key(kProgram, kMember), kept));
}

TEST_CASE("key_vault: readers do not push out keys that are not yet stored", "[key_vault]") {
    VaultFixture folder(8);
    for (std::uint64_t member = 100; member < 200; ++member) {
        folder.vault->new_member_key(kProgram, MemberId{member}, folder.batch);
    }
    folder.commit();
    const SecretKey pending = folder.vault->new_member_key(kProgram, kMember, folder.batch);
    for (std::uint64_t member = 100; member < 190; ++member) {
        REQUIRE(*folder.vault->member_key(kProgram, MemberId{member}));
    }
    const int loads = folder.loads;
    REQUIRE(loads > 80);
    for (std::uint64_t member = 1; member <= 4; ++member) {
        REQUIRE(same(**folder.vault->member_key(kProgram, kMember), pending));
        folder.vault->new_member_key(kProgram, MemberId{member}, folder.batch);
    }
    REQUIRE(folder.loads == loads);
}

TEST_CASE("key_vault: many threads get one object for a program", "[key_vault]") {
    VaultFixture folder;
    folder.vault->new_program(kProgram, folder.batch);
    folder.commit();
    // A loader of its own: the fixture's counter belongs to one thread.
    KeyVault vault(
        open_keyring(folder.disk).value(),
        [&folder](std::string_view key) -> Result<std::optional<std::string>> {
            return std::optional(folder.rows.at(std::string(key)));
        },
        {}
    );
    std::vector<std::shared_ptr<const ProgramKeys>> got(4);
    std::vector<std::thread> threads;
    for (auto& keys : got) {
        threads.emplace_back([&vault, &keys] { keys = vault.program_keys(kProgram).value(); });
    }
    for (std::thread& thread : threads)
        thread.join();
    REQUIRE(std::set(got.begin(), got.end()).size() == 1);
    REQUIRE(got[0] != nullptr);
}

TEST_CASE("random: bytes of every size are fresh", "[random]") {
    std::set<std::string> seen;
    for (const std::size_t size : {16U, 24U, 32U, 4'096U, 5'000U}) {
        for (int i = 0; i < 300; ++i) {
            std::vector<std::uint8_t> bytes(size);
            random_bytes(bytes);
            REQUIRE(seen.emplace(bytes.begin(), bytes.end()).second);
            // A tail that was left unwritten would be zero.
            REQUIRE(std::any_of(bytes.end() - 16, bytes.end(), [](std::uint8_t b) {
                return b != 0;
            }));
        }
    }
}
