#include "rules/spread.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <boost/container/small_vector.hpp>

#include "ledger/base/invariant.hpp"

namespace rules {
namespace {

using ledger::Points;

struct Remainder {
    std::uint64_t value = 0;
    std::uint32_t position = 0;
};

void spread_evenly(Points amount, std::span<Points> shares) {
    const auto count = static_cast<Points>(shares.size());
    for (std::size_t i = 0; i < shares.size(); ++i) {
        shares[i] = amount / count + (static_cast<Points>(i) < amount % count ? 1 : 0);
    }
}

}  // namespace

void spread(Points amount, std::span<const Points> weights, std::span<Points> shares) {
    INVARIANT(amount >= 0 && !shares.empty() && weights.size() == shares.size());
    if (shares.size() == 1) {
        shares[0] = amount;
        return;
    }
    std::uint64_t sum = 0;
    for (const Points weight : weights)
        sum += static_cast<std::uint64_t>(weight);
    if (sum == 0) {
        spread_evenly(amount, shares);
        return;
    }
    boost::container::small_vector<Remainder, 32> remainders;
    Points left = amount;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(amount) * static_cast<Wide>(weights[i]);
        shares[i] = static_cast<Points>(product / sum);
        left -= shares[i];
        const auto remainder = static_cast<std::uint64_t>(product % sum);
        if (remainder != 0) remainders.push_back({remainder, static_cast<std::uint32_t>(i)});
    }
    std::ranges::sort(remainders, [](const Remainder& a, const Remainder& b) {
        return a.value != b.value ? a.value > b.value : a.position < b.position;
    });
    for (std::size_t i = 0; i < static_cast<std::size_t>(left); ++i) {
        ++shares[remainders[i].position];
    }
}

}  // namespace rules
