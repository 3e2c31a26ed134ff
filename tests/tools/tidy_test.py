#!/usr/bin/python3
"""Each rule of tools/tidy.py finds its violation, and a clean tree has no finding."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import tidy  # noqa: E402

# path, content, part of the finding
VIOLATIONS = (
    ("ledger/base/points.hpp", '#include "ledger/log.hpp"', "ledger/base must not know ledger"),
    ("ledger/base/points.hpp", "#include <boost/json.hpp>", "only std and Boost.System"),
    ("ledger/log.cpp", '#include "rules/event.hpp"', "ledger must not know rules"),
    ("ledger/log.cpp", "#include <rocksdb/db.h>", "RocksDB is included through its door"),
    ("ledger/log.cpp", '#include "ledger/entry.pb.h"', "protoc's code is included through its"),
    ("rules/evaluate.cpp", '#include "ledger/log.hpp"', "rules must not know ledger"),
    ("rules/evaluate.cpp", "#include <simdjson.h>", "simdjson is included through its door"),
    ("server/engine/shard.cpp", '#include "server/http/router.hpp"', "must not know server"),
    ("server/http/router.cpp", "#include <boost/beast/http.hpp>", "Asio and Beast"),
    ("server/http/router.cpp", '#include "tests/support/seed.hpp"', "server must not know tests"),
    ("server/http/router.cpp", '#include "router.hpp"', "written from the root"),
    ("rules/event.hpp", "using namespace std;", "using namespace in a header"),
    ("rules/event.cpp", "// " + "x" * 98, "101 columns"),
    ("rules/event.cpp", "int\ta;", "a tab"),
    ("rules/event.cpp", "int a; ", "blanks at the end"),
    ("rules/event.cpp", "// TO" + "DO: later", "unfinished work"),
    ("docs/api.md", "text\n# API", "the first line of a page is its title"),
    ("docs/api.md", "# API\n# Again", "a second title"),
    ("tests/rules/event_test.cpp", 'TEST_CASE("event, empty", "[rules]") {', "without commas"),
    ("vendor/a.cpp", "int a;", "not a place of this tree"),
)
CLEAN = (
    ("ledger/rocksdb_log.cpp", '#include "ledger/rocksdb_log.hpp"\n#include <rocksdb/db.h>'),
    ("rules/rule_parser.cpp", '#include <simdjson.h>\n#include "ledger/base/result.hpp"'),
    ("server/net/session.cpp", '#include <boost/beast/http.hpp>\n#include "server/app.hpp"'),
    ("server/app.cpp", '#include "server/engine/shard.hpp"\n#include "embed/openapi.hpp"'),
    ("tests/rules/event_test.cpp", 'TEST_CASE("event: no time is refused", "[rules]") {'),
    ("docs/api.md", "# API\n```\n# a comment in a shell\n```"),
)


def findings(path: str, content: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / path
        file.parent.mkdir(parents=True)
        guard = "#pragma once\n" if path.endswith(".hpp") else ""
        file.write_text(guard + content + "\n")
        return tidy.check_tree(pathlib.Path(folder))


class TidyTest(unittest.TestCase):
    def test_each_violation_is_found_once_and_named(self):
        for path, content, what in VIOLATIONS:
            with self.subTest(path=path, content=content):
                found = findings(path, content)
                self.assertEqual(len(found), 1, found)
                self.assertIn(what, found[0])

    def test_a_clean_tree_has_no_finding(self):
        for path, content in CLEAN:
            with self.subTest(path=path, content=content):
                self.assertEqual(findings(path, content), [])

    def test_the_header_guard_and_the_last_newline_are_asked_for(self):
        with tempfile.TemporaryDirectory() as folder:
            header = pathlib.Path(folder) / "rules" / "event.hpp"
            header.parent.mkdir()
            header.write_text("int a;")
            found = tidy.check_tree(pathlib.Path(folder))
        self.assertEqual(len(found), 2, found)

    def test_the_lint_command_leaves_out_what_only_gcc_knows(self):
        entry = {"command": "/usr/bin/cmake -E env A=b /usr/bin/ccache /usr/bin/c++ -I/x -O3 "
                            "-fpch-preprocess -include /b/cmake_pch.hxx -o a.o -c /x/a.cpp"}
        self.assertEqual(tidy.clang_command(entry), ["-I/x", "-O3"])


if __name__ == "__main__":
    unittest.main()
