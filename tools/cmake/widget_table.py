#!/usr/bin/python3
"""Writes the table of the widget's files as a C++ header, out of the manifest.json that the build
of web/ made; without one the table is empty.

    widget_table.py OUTPUT [MANIFEST]
"""

import json
import pathlib
import sys

HEADER = """#pragma once

#include <array>
#include <string_view>

namespace embed {{

/// One file of the widget: where it is served, and the names in widget_files() of its content as it
/// is and compressed.
struct WidgetFile {{
    std::string_view path;
    std::string_view type;
    std::string_view etag;
    std::string_view plain;
    std::string_view brotli;
    std::string_view gzip;
}};

inline constexpr std::array<WidgetFile, {count}> kWidgetTable{{{{{rows}}}}};

}}  // namespace embed
"""


def literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


def row(file: dict) -> str:
    values = (file["path"], file["type"], file["etag"], file["name"], file["br"]["name"],
              file["gz"]["name"])
    return "\n    {" + ", ".join(map(literal, values)) + "},"


def main() -> int:
    files = json.loads(pathlib.Path(sys.argv[2]).read_text())["files"] if sys.argv[2:] else []
    output = pathlib.Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(HEADER.format(count=len(files), rows="".join(map(row, files))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
