#!/usr/bin/python3
"""Writes <folder>/<symbol>.hpp and .cpp that hold the given files as bytes (see embed.cmake)."""

import pathlib
import sys

HEADER = """#pragma once

#include <span>
#include <string_view>

#ifndef GUERDON_EMBEDDED_FILE
#define GUERDON_EMBEDDED_FILE
namespace embed {{
/// One file compiled into the binary; both views live as long as the program.
struct EmbeddedFile {{
    std::string_view name;
    std::string_view content;
}};
}}  // namespace embed
#endif

namespace embed {{
/// All files, in the order the build lists them.
std::span<const EmbeddedFile> {symbol}();
/// The content of one file by name, empty when there is none.
std::string_view {symbol}_file(std::string_view name);
}}  // namespace embed
"""

SOURCE = """#include "embed/{symbol}.hpp"

#include <array>

namespace embed {{
namespace {{
{arrays}
const std::array<EmbeddedFile, {count}> kFiles{{{{
{rows}
}}}};
}}  // namespace

std::span<const EmbeddedFile> {symbol}() {{ return kFiles; }}

std::string_view {symbol}_file(std::string_view name) {{
    for (const EmbeddedFile& file : {symbol}()) {{
        if (file.name == name) return file.content;
    }}
    return {{}};
}}
}}  // namespace embed
"""


def byte_array(index: int, content: bytes) -> str:
    """A zero ends it, so that an empty file is not an empty array, which C++ has not."""
    lines = []
    for begin in range(0, len(content), 24):
        lines.append("    " + ",".join(str(value) for value in content[begin:begin + 24]) + ",")
    return (f"constexpr unsigned char kFile{index}[] = {{\n" + "\n".join(lines) + "\n    0};")


def main() -> int:
    folder, symbol = pathlib.Path(sys.argv[1]), sys.argv[2]
    arrays, rows = [], []
    for index, path in enumerate(map(pathlib.Path, sys.argv[3:])):
        content = path.read_bytes()
        arrays.append(byte_array(index, content))
        view = f"{{reinterpret_cast<const char*>(kFile{index}), {len(content)}}}"
        rows.append(f'    {{"{path.name}", {view}}},')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{symbol}.hpp").write_text(HEADER.format(symbol=symbol))
    (folder / f"{symbol}.cpp").write_text(
        SOURCE.format(symbol=symbol, count=len(rows), arrays="\n".join(arrays),
                      rows="\n".join(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
