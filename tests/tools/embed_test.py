#!/usr/bin/python3
"""A file compiled in by tools/cmake/embed.py comes out byte for byte, the empty one included."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

EMBED = pathlib.Path(__file__).resolve().parents[2] / "tools" / "cmake" / "embed.py"
PROGRAM = """#include <iostream>
#include "embed/pages.hpp"
int main(int, char** argv) {
    std::cout << embed::pages_file(argv[1]);
    return embed::pages().size() == 3 ? 0 : 1;
}
"""


class EmbedTest(unittest.TestCase):
    def test_bytes_come_out_as_they_went_in(self):
        page = "<p>é</p>".encode()
        contents = {"all.bin": bytes(range(256)) * 3, "empty.txt": b"", "page.html": page}
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for file, content in contents.items():
                (folder / file).write_bytes(content)
            subprocess.run(
                [sys.executable, EMBED, folder / "embed", "pages", *(folder / f for f in contents)],
                check=True)
            (folder / "main.cpp").write_text(PROGRAM)
            subprocess.run(
                ["c++", "-std=c++20", "-Wall", "-Wextra", "-Werror", f"-I{folder}", "-o",
                 folder / "main", folder / "main.cpp", folder / "embed" / "pages.cpp"], check=True)
            for file, content in contents.items():
                out = subprocess.run([folder / "main", file], capture_output=True, check=True)
                self.assertEqual(out.stdout, content, file)
            unknown = subprocess.run([folder / "main", "other"], capture_output=True, check=True)
            self.assertEqual(unknown.stdout, b"")


if __name__ == "__main__":
    unittest.main()
