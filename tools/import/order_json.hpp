#pragma once

#include <string>

#include "tools/import/group.hpp"
#include "tools/import/map.hpp"
#include "tools/import/match.hpp"
#include "tools/import/source.hpp"

namespace importer {

/// What a group that is no credit note becomes: order.paid, or whatever `Map::type` says.
[[nodiscard]] Event event_of(const Map& map, const Group& group);

/// order.refunded of what `refund` says.
[[nodiscard]] Event refund_event(const Map& map, const std::vector<Group>& groups, Refund refund);

}  // namespace importer
