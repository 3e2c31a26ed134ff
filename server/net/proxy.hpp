#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ledger/base/result.hpp"

namespace server::net {

/// An IP address; IPv4 is kept as ::ffff:a.b.c.d, so that both kinds compare.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};
    friend bool operator==(const IpAddress&, const IpAddress&) = default;

    /// Errors: invalid_parameter.
    [[nodiscard]] static ledger::Result<IpAddress> parse(std::string_view text);
    [[nodiscard]] bool loopback() const;
};

/// A network of addresses, "10.0.0.0/8" or "fd00::/8"; a bare address means itself alone.
struct Cidr {
    IpAddress network;
    unsigned prefix_bits = 128;

    /// Errors: invalid_parameter.
    [[nodiscard]] static ledger::Result<Cidr> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const;
};

/// The caller's address: `peer`, unless it is a trusted proxy; then the right-most address of
/// `forwarded_for` that is not a trusted proxy (what stands left of it could be forged).
/// The view points into `peer` or `forwarded_for`.
[[nodiscard]] std::string_view caller_address(
    std::string_view peer, std::string_view forwarded_for, std::span<const Cidr> trusted
);

}  // namespace server::net
