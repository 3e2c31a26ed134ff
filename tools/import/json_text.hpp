#pragma once

#include <string>
#include <string_view>

namespace importer {

/// Appends `text`, which is UTF-8, as a JSON string with its quotes.
void append_json(std::string& out, std::string_view text);

}  // namespace importer
