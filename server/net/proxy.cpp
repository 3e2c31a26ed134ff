#include "server/net/proxy.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include <boost/asio/ip/address.hpp>

namespace server::net {

namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// "[::1]:443" and "10.0.0.1:443" without their port, as some proxies write them.
std::string_view without_port(std::string_view text) {
    if (!text.empty() && text.front() == '[') {
        const std::size_t close = text.find(']');
        return close == std::string_view::npos ? text : text.substr(1, close - 1);
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        return text.substr(0, colon);
    }
    return text;
}

bool trusted_by(std::span<const Cidr> trusted, const IpAddress& address) {
    return std::any_of(trusted.begin(), trusted.end(), [&](const Cidr& network) {
        return network.contains(address);
    });
}

}  // namespace

ledger::Result<IpAddress> IpAddress::parse(std::string_view text) {
    boost::system::error_code failure;
    const auto address = boost::asio::ip::make_address(std::string(text), failure);
    if (failure) {
        return ledger::make_error(
            ledger::ErrorCode::invalid_parameter, "not an IP address: " + std::string(text)
        );
    }
    IpAddress result;
    if (address.is_v6()) {
        result.bytes = address.to_v6().to_bytes();
    } else {
        const auto four = address.to_v4().to_bytes();
        result.bytes[10] = result.bytes[11] = 0xff;
        std::copy(four.begin(), four.end(), result.bytes.begin() + 12);
    }
    return result;
}

bool IpAddress::loopback() const {
    static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return bytes[12] == 127;
    return std::all_of(
               bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; }
           ) &&
           bytes[15] == 1;
}

ledger::Result<Cidr> Cidr::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return address.error();
    const bool four = text.substr(0, slash).find(':') == std::string_view::npos;
    const unsigned width = four ? 32 : 128;
    unsigned bits = width;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto [stop, failure] =
            std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (failure != std::errc{} || stop != digits.data() + digits.size() || bits > width) {
            return ledger::make_error(
                ledger::ErrorCode::invalid_parameter, "not a network: " + std::string(text)
            );
        }
    }
    return Cidr{*address, bits + (128 - width)};
}

bool Cidr::contains(const IpAddress& address) const {
    const std::size_t whole = prefix_bits / 8;
    if (!std::equal(
            network.bytes.begin(),
            network.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
            address.bytes.begin()
        )) {
        return false;
    }
    const unsigned rest = prefix_bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
    return (network.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

std::string_view caller_address(
    std::string_view peer, std::string_view forwarded_for, std::span<const Cidr> trusted
) {
    const auto peer_address = IpAddress::parse(peer);
    if (!peer_address || !trusted_by(trusted, *peer_address)) return peer;
    std::string_view caller = peer;
    while (!forwarded_for.empty()) {
        const std::size_t comma = forwarded_for.rfind(',');
        const std::size_t start = comma == std::string_view::npos ? 0 : comma + 1;
        const std::string_view hop = without_port(trimmed(forwarded_for.substr(start)));
        const auto address = IpAddress::parse(hop);
        if (!address) return caller;
        caller = hop;
        if (!trusted_by(trusted, *address)) return caller;
        forwarded_for = comma == std::string_view::npos ? "" : forwarded_for.substr(0, comma);
    }
    return caller;
}

}  // namespace server::net
