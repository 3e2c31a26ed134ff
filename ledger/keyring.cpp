// Grammar (docs/ledger-format.md, "Keyring file" and "Keys and sealing"), integers big-endian:
//   keyring = magic "guerdonk" · format u32 (1) · count u32 · count × (epoch u32 · key 32) · crc32c
//   u32 row     = version u8 (1) · epoch u32 · nonce 24 · secretbox(row key 13 · key 32)
#include "ledger/keyring.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>
#include <sodium.h>

#include "ledger/base/invariant.hpp"
#include "ledger/big_endian.hpp"
#include "ledger/crc32c.hpp"
#include "ledger/random.hpp"
#include "ledger/seal.hpp"

namespace ledger {
namespace {

constexpr std::string_view kMagic = "guerdonk";
constexpr std::uint32_t kKeyringFormat = 1;
constexpr std::uint8_t kRowVersion = 1;
constexpr std::size_t kRowKeyBytes = 13;
constexpr std::size_t kNonceBytes = crypto_secretbox_NONCEBYTES;
constexpr std::size_t kBoxBytes = crypto_secretbox_MACBYTES + kRowKeyBytes + SecretKey::kBytes;
constexpr std::size_t kRowBytes = 1 + 4 + kNonceBytes + kBoxBytes;
constexpr std::uint32_t kEpochsMax = 16;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

std::uint32_t u32_at(std::string_view bytes, std::size_t offset) {
    return load_big_endian<std::uint32_t>(bytes.data() + offset);
}

SecretKey key_at(std::string_view bytes, std::size_t offset) {
    return SecretKey(std::span<const std::uint8_t, SecretKey::kBytes>(
        bytes_of(bytes) + offset, SecretKey::kBytes
    ));
}

std::string_view view(const SecretKey& key) {
    return {reinterpret_cast<const char*>(key.bytes().data()), key.bytes().size()};
}

// libsodium chooses the processor's implementation once.
void initialise_sodium() {
    static const bool kInitialised = sodium_init() >= 0;
    INVARIANT(kInitialised);
}

Error damaged_keyring(std::string_view what) {
    return make_error(ErrorCode::corrupt, "keyring: " + std::string(what));
}

std::string keyring_path(const std::string& folder) {
    return folder + "/keyring";
}

}  // namespace

SecretKey::SecretKey(std::span<const std::uint8_t, kBytes> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

SecretKey::~SecretKey() {
    sodium_memzero(bytes_.data(), bytes_.size());
}

SecretKey SecretKey::random() {
    SecretKey key;
    random_bytes(key.bytes_);
    return key;
}

std::string KeyName::row_key() const {
    std::string key;
    key.reserve(kRowKeyBytes);
    append_big_endian(key, static_cast<std::uint8_t>(kind));
    append_big_endian(key, program.value);
    append_big_endian(key, member.value);
    return key;
}

Result<Keyring> Keyring::load_or_create(
    Disk& disk, const std::string& folder, IfMissing if_missing
) {
    initialise_sodium();
    const std::string path = keyring_path(folder);
    if (disk.exists(path)) {
        Result<std::string> bytes = disk.read_file(path);
        if (!bytes) return bytes.error();
        Result<Keyring> keyring = decode(*bytes);
        wipe(*bytes);
        return keyring;
    }
    if (if_missing == IfMissing::refuse) {
        return make_error(
            ErrorCode::no_keyring, "the keyring is missing: restore " + path + " from its backup"
        );
    }
    Keyring keyring;
    keyring.epochs_.push_back({.number = 1, .key = SecretKey::random()});
    std::string bytes = keyring.encode();
    const Result<void> written = disk.write_file(path, bytes, 0600);
    wipe(bytes);
    if (!written) return written.error();
    return keyring;
}

std::string Keyring::encode() const {
    std::string bytes;
    bytes.reserve(kMagic.size() + 12 + epochs_.size() * (4 + SecretKey::kBytes));
    bytes.append(kMagic);
    append_big_endian(bytes, kKeyringFormat);
    append_big_endian(bytes, static_cast<std::uint32_t>(epochs_.size()));
    for (const Epoch& epoch : epochs_) {
        append_big_endian(bytes, epoch.number);
        bytes.append(view(epoch.key));
    }
    append_big_endian(bytes, crc32c(bytes));
    return bytes;
}

Result<Keyring> Keyring::decode(std::string_view bytes) {
    constexpr std::size_t kHead = kMagic.size() + 8;
    constexpr std::size_t kEpochBytes = 4 + SecretKey::kBytes;
    if (bytes.size() < kHead + 4) return damaged_keyring("too short");
    if (!bytes.starts_with(kMagic)) return damaged_keyring("not a keyring");
    const std::uint32_t format = u32_at(bytes, kMagic.size());
    if (format > kKeyringFormat) {
        return make_error(
            ErrorCode::newer_format, "keyring: format " + std::to_string(format) + " is newer"
        );
    }
    if (crc32c(bytes.substr(0, bytes.size() - 4)) != u32_at(bytes, bytes.size() - 4)) {
        return damaged_keyring("checksum");
    }
    const std::uint32_t count = u32_at(bytes, kMagic.size() + 4);
    if (format == 0 || count == 0 || count > kEpochsMax) return damaged_keyring("head");
    if (bytes.size() != kHead + count * kEpochBytes + 4) return damaged_keyring("length");
    Keyring keyring;
    keyring.epochs_.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t offset = kHead + i * kEpochBytes;
        const std::uint32_t number = u32_at(bytes, offset);
        if (i > 0 && number <= keyring.epoch()) return damaged_keyring("order of epochs");
        keyring.epochs_.push_back({.number = number, .key = key_at(bytes, offset + 4)});
    }
    return keyring;
}

std::string Keyring::wrap(const KeyName& name, const SecretKey& key) const {
    const Epoch& current = epochs_.back();
    std::array<std::uint8_t, kRowKeyBytes + SecretKey::kBytes> plain;
    const std::string row_key = name.row_key();
    std::copy(row_key.begin(), row_key.end(), plain.begin());
    std::copy(key.bytes().begin(), key.bytes().end(), plain.begin() + kRowKeyBytes);

    std::string value;
    value.reserve(kRowBytes);
    value.push_back(static_cast<char>(kRowVersion));
    append_big_endian(value, current.number);
    value.resize(kRowBytes);
    unsigned char* const nonce = bytes_of(value) + 5;
    random_bytes({nonce, kNonceBytes});
    crypto_secretbox_easy(
        nonce + kNonceBytes, plain.data(), plain.size(), nonce, current.key.bytes().data()
    );
    sodium_memzero(plain.data(), plain.size());
    return value;
}

Result<std::optional<SecretKey>> Keyring::unwrap(const KeyName& name, std::string_view value)
    const {
    if (value.empty()) return make_error(ErrorCode::corrupt, "a wrapped key is empty");
    const auto version = static_cast<std::uint8_t>(value[0]);
    if (version > kRowVersion) {
        return make_error(ErrorCode::newer_format, "a wrapped key was written by a newer release");
    }
    if (version != kRowVersion || value.size() != kRowBytes) {
        return make_error(ErrorCode::corrupt, "a wrapped key is malformed");
    }
    const std::uint32_t number = u32_at(value, 1);
    if (number > epoch()) {
        return make_error(
            ErrorCode::corrupt, "a wrapped key is of a later epoch: the keyring is an older copy"
        );
    }
    const auto found = std::find_if(epochs_.begin(), epochs_.end(), [&](const Epoch& candidate) {
        return candidate.number == number;
    });
    if (found == epochs_.end()) return std::optional<SecretKey>{};

    std::array<std::uint8_t, kRowKeyBytes + SecretKey::kBytes> plain;
    const unsigned char* const nonce = bytes_of(value) + 5;
    if (crypto_secretbox_open_easy(
            plain.data(), nonce + kNonceBytes, kBoxBytes, nonce, found->key.bytes().data()
        ) != 0) {
        return make_error(
            ErrorCode::corrupt, "a wrapped key does not open: damaged, or another folder's keyring"
        );
    }
    const std::string row_key = name.row_key();
    const bool in_place = std::memcmp(plain.data(), row_key.data(), kRowKeyBytes) == 0;
    std::optional<SecretKey> key;
    if (in_place) {
        key.emplace(std::span<const std::uint8_t, SecretKey::kBytes>(
            plain.data() + kRowKeyBytes, SecretKey::kBytes
        ));
    }
    sodium_memzero(plain.data(), plain.size());
    if (!in_place) return make_error(ErrorCode::corrupt, "a wrapped key is under another's name");
    return key;
}

namespace {

struct MemberName {
    std::uint32_t program = 0;
    std::uint64_t member = 0;
    friend bool operator==(const MemberName&, const MemberName&) = default;
    friend std::size_t hash_value(const MemberName& name) {
        return static_cast<std::size_t>(name.member * 0x9e3779b97f4a7c15U ^ name.program);
    }
};

// At most `keys_max` keys, in two halves: when the newer half is full the older one is forgotten.
// Never rehashes, so that an insertion never stalls.
class MemberKeys {
public:
    explicit MemberKeys(std::size_t keys_max) : half_(std::max<std::size_t>(keys_max / 2, 1)) {
        newer_.reserve(half_);
        older_.reserve(half_);
    }
    [[nodiscard]] const SecretKey* find(const MemberName& name) const {
        if (const auto at = newer_.find(name); at != newer_.end()) return &at->second;
        if (const auto at = older_.find(name); at != older_.end()) return &at->second;
        return nullptr;
    }
    void insert(const MemberName& name, const SecretKey& key) {
        if (newer_.size() == half_) {
            std::swap(newer_, older_);
            newer_.clear();
        }
        newer_.insert_or_assign(name, key);
    }

private:
    std::size_t half_;
    boost::unordered_flat_map<MemberName, SecretKey> newer_;
    boost::unordered_flat_map<MemberName, SecretKey> older_;
};

}  // namespace

struct KeyVault::Impl {
    Impl(Keyring keyring_given, Loader loader_given, const Options& options)
        : keyring(std::move(keyring_given)),
          loader(std::move(loader_given)),
          made(options.member_keys_max),
          loaded(options.member_keys_max) {}

    Result<std::optional<SecretKey>> load(const KeyName& name) const {
        const Result<std::optional<std::string>> row = loader(name.row_key());
        if (!row) return row.error();
        if (!*row) return std::optional<SecretKey>{};
        return keyring.unwrap(name, **row);
    }

    const Keyring keyring;
    const Loader loader;

    mutable std::shared_mutex mutex;  // guards what follows
    boost::unordered_flat_map<std::uint32_t, std::shared_ptr<const ProgramKeys>> programs;
    MemberKeys made;    // by new_member_key: perhaps not yet visible to the loader
    MemberKeys loaded;  // apart, so that readers cannot push out a key that is not yet durable
};

KeyVault::KeyVault(Keyring keyring, Loader loader, Options options)
    : impl_(std::make_unique<Impl>(std::move(keyring), std::move(loader), options)) {}

KeyVault::~KeyVault() = default;

Result<std::shared_ptr<const ProgramKeys>> KeyVault::program_keys(ProgramId program) {
    {
        const std::shared_lock lock(impl_->mutex);
        const auto at = impl_->programs.find(program.value);
        if (at != impl_->programs.end()) return at->second;
    }
    const auto seal_key =
        impl_->load({.kind = KeyKind::program_seal, .program = program, .member = {}});
    if (!seal_key) return seal_key.error();
    const auto hmac_key =
        impl_->load({.kind = KeyKind::program_hmac, .program = program, .member = {}});
    if (!hmac_key) return hmac_key.error();
    if (!*seal_key || !*hmac_key) {
        return make_error(
            ErrorCode::not_found, "program " + std::to_string(program.value) + " has no keys"
        );
    }
    auto keys = std::make_shared<const ProgramKeys>(ProgramKeys{
        .seal = **seal_key, .hmac = HmacKey((**hmac_key).bytes())});
    const std::unique_lock lock(impl_->mutex);
    // Somebody may have been faster; all get the same object.
    return impl_->programs.try_emplace(program.value, std::move(keys)).first->second;
}

std::shared_ptr<const ProgramKeys> KeyVault::new_program(
    ProgramId program, std::vector<KeyRow>& rows
) {
    const SecretKey seal_key = SecretKey::random();
    const SecretKey hmac_key = SecretKey::random();
    const auto add_row = [&](KeyKind kind, const SecretKey& key) {
        const KeyName name{.kind = kind, .program = program, .member = {}};
        rows.push_back({.key = name.row_key(), .value = impl_->keyring.wrap(name, key)});
    };
    add_row(KeyKind::program_seal, seal_key);
    add_row(KeyKind::program_hmac, hmac_key);
    auto keys = std::make_shared<const ProgramKeys>(ProgramKeys{
        .seal = seal_key, .hmac = HmacKey(hmac_key.bytes())});
    const std::unique_lock lock(impl_->mutex);
    impl_->programs.insert_or_assign(program.value, keys);
    return keys;
}

SecretKey KeyVault::new_member_key(ProgramId program, MemberId member, std::vector<KeyRow>& rows) {
    const SecretKey key = SecretKey::random();
    const KeyName name{.kind = KeyKind::member_seal, .program = program, .member = member};
    rows.push_back({.key = name.row_key(), .value = impl_->keyring.wrap(name, key)});
    const std::unique_lock lock(impl_->mutex);
    impl_->made.insert({program.value, member.value}, key);
    return key;
}

Result<std::optional<SecretKey>> KeyVault::member_key(ProgramId program, MemberId member) {
    const MemberName name{program.value, member.value};
    {
        const std::shared_lock lock(impl_->mutex);
        if (const SecretKey* key = impl_->made.find(name)) return std::optional(*key);
        if (const SecretKey* key = impl_->loaded.find(name)) return std::optional(*key);
    }
    Result<std::optional<SecretKey>> key =
        impl_->load({.kind = KeyKind::member_seal, .program = program, .member = member});
    if (key && *key) {
        const std::unique_lock lock(impl_->mutex);
        impl_->loaded.insert(name, **key);
    }
    return key;
}

Result<std::optional<SecretKey>> KeyVault::key_for(ProgramId program, std::uint64_t sealed_for) {
    if (sealed_for != 0) return member_key(program, MemberId{sealed_for});
    const auto keys = program_keys(program);
    if (keys) return std::optional((*keys)->seal);
    if (keys.error().code == ErrorCode::not_found) return std::optional<SecretKey>{};
    return keys.error();
}

const Keyring& KeyVault::keyring() const {
    return impl_->keyring;
}

}  // namespace ledger
