#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/base/ids.hpp"
#include "ledger/base/result.hpp"
#include "ledger/hmac.hpp"
#include "ledger/store.hpp"

// Who can read what is sealed (docs/ledger-format.md, "Keys and sealing" and "Keyring file").
// No key, plain text or hash of a plain text appears in an error.
namespace ledger {

/// 32 secret bytes, wiped when they die.
class SecretKey {
public:
    static constexpr std::size_t kBytes = 32;
    SecretKey() = default;
    explicit SecretKey(std::span<const std::uint8_t, kBytes> bytes);
    SecretKey(const SecretKey&) = default;
    SecretKey& operator=(const SecretKey&) = default;
    ~SecretKey();
    [[nodiscard]] static SecretKey random();
    [[nodiscard]] std::span<const std::uint8_t, kBytes> bytes() const { return bytes_; }

private:
    std::array<std::uint8_t, kBytes> bytes_{};
};

/// Stored in the keys of `keys`: never renumber.
enum class KeyKind : std::uint8_t { member_seal = 1, program_seal = 2, program_hmac = 3 };

/// Names one wrapped key.
struct KeyName {
    KeyKind kind = KeyKind::member_seal;
    ProgramId program;
    MemberId member;  ///< none unless kind is member_seal
    /// The row's key in `keys`: kind u8 · program u32 · member u64, big-endian.
    [[nodiscard]] std::string row_key() const;
};

/// A row of `keys` to be written in the WriteBatch of the entry that needs it.
struct KeyRow {
    std::string key;
    std::string value;
};

/// The epoch keys of DIR/keyring. Immutable after loading; any thread.
class Keyring {
public:
    enum class IfMissing : std::uint8_t { create, refuse };

    /// Reads `folder`/keyring. A missing file is created (0600) or refused: refuse when the log has
    /// entries, or a lost keyring would look like a new folder.
    /// Errors: no_keyring, newer_format, corrupt, io_error.
    [[nodiscard]] static Result<Keyring> load_or_create(
        Disk& disk, const std::string& folder, IfMissing if_missing
    );

    /// The epoch under which keys are wrapped now.
    [[nodiscard]] std::uint32_t epoch() const { return epochs_.back().number; }
    /// The value of the row `name`: it opens under this name only.
    [[nodiscard]] std::string wrap(const KeyName& name, const SecretKey& key) const;
    /// nullopt: wrapped under an epoch that was destroyed, so the key is erased.
    /// Errors: newer_format, corrupt (also when the keyring is another folder's).
    [[nodiscard]] Result<std::optional<SecretKey>> unwrap(
        const KeyName& name, std::string_view value
    ) const;

private:
    struct Epoch {
        std::uint32_t number = 0;
        SecretKey key;
    };
    [[nodiscard]] static Result<Keyring> decode(std::string_view bytes);
    [[nodiscard]] std::string encode() const;

    /// Ascending, at least one; the last is current. More than one only while an erasure rewraps.
    std::vector<Epoch> epochs_;
};

/// A program's own keys.
struct ProgramKeys {
    SecretKey seal;  ///< for what belongs to no member yet
    HmacKey hmac;
};

/// Unwrapped keys in RAM: every program's, and a bounded number of members'. Thread-safe. The
/// loader runs without the lock held, on the caller's thread.
class KeyVault {
public:
    /// Reads a row of `keys` (LogStore::key_row).
    using Loader = std::function<Result<std::optional<std::string>>(std::string_view row_key)>;
    struct Options {
        /// Bound of each of the two caches (new keys, loaded keys), in keys of about 64 bytes. A
        /// new key stays for at least half as many further new ones; that must exceed what is
        /// decided and not yet durable (3 groups of 4,096 commands), because the loader cannot see
        /// it. Forgetting the older half takes 0.2 ms at this size, once in 16,384 new members.
        std::size_t member_keys_max = 32'768;
    };
    KeyVault(Keyring keyring, Loader loader, Options options);
    ~KeyVault();
    KeyVault(const KeyVault&) = delete;
    KeyVault& operator=(const KeyVault&) = delete;

    /// The program's keys, loaded at first use. Errors: not_found (the log has none, or erased),
    /// newer_format, corrupt, and the loader's.
    [[nodiscard]] Result<std::shared_ptr<const ProgramKeys>> program_keys(ProgramId program);
    /// Makes keys for a new program and appends their two rows to `rows`.
    std::shared_ptr<const ProgramKeys> new_program(ProgramId program, std::vector<KeyRow>& rows);
    /// Makes a key for a new member and appends its row. A second call for the same member replaces
    /// the key: a decision that was dropped must drop its rows too.
    SecretKey new_member_key(ProgramId program, MemberId member, std::vector<KeyRow>& rows);
    /// nullopt: there is none (any more): what it sealed is erased.
    /// Errors: newer_format, corrupt, and the loader's.
    [[nodiscard]] Result<std::optional<SecretKey>> member_key(ProgramId program, MemberId member);
    /// The key that opens an entry: the member's, or the program's if `sealed_for` is 0.
    [[nodiscard]] Result<std::optional<SecretKey>> key_for(
        ProgramId program, std::uint64_t sealed_for
    );
    [[nodiscard]] const Keyring& keyring() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ledger
