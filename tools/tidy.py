#!/usr/bin/python3
"""Checks of the tree that a compiler does not make.

    tools/tidy.py                          layering, doors, width, titles, words: under a second
    tools/tidy.py --format                 clang-format over every C++ file; --fix rewrites them
    tools/tidy.py --lint BUILD             clang-tidy over the sources changed since the base commit
    tools/tidy.py --lint BUILD --all       clang-tidy over every source

Exit 0 when nothing is found, 1 otherwise; one line a finding: path:line: what. The rules are in
docs/architecture.md and docs/testing.md.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("ledger", "rules", "server", "web", "tests", "tools", "docs")
TOP_LEVEL = set(FOLDERS) | {
    "CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", "LICENSE", "build"}
WIDTH = 100
CODE = {".cpp", ".hpp", ".py", ".sh", ".cmake", ".proto"}

# layer: the folders whose headers it may include. The longest matching prefix of a path names its
# layer.
LAYERS = {
    "ledger/base": {"ledger/base"},
    "ledger": {"ledger/base", "ledger"},
    "rules": {"ledger/base", "rules"},
    "server/engine": {"ledger/base", "ledger", "rules", "server/engine"},
    "server/boards": {"ledger/base", "ledger", "rules", "server/boards"},
    "server": {"ledger/base", "ledger", "rules", "server/boards", "server/engine", "server"},
    "tools/verify": {"ledger/base", "tools/verify"},
    "tools": {"ledger/base", "ledger", "rules", "server/boards", "server/engine", "server",
              "tools"},
    "tests": {"ledger/base", "ledger", "rules", "server/boards", "server/engine", "server",
              "tools", "tests"},
}


@dataclasses.dataclass
class Door:
    """A library that only a few files may include."""
    library: str
    include: re.Pattern
    files: re.Pattern


DOORS = (
    Door("RocksDB", re.compile(r"rocksdb/"),
         re.compile(r"ledger/(views/)?rocksdb_|tests/|tools/")),
    Door("simdjson", re.compile(r"simdjson"),
         re.compile(r"rules/rule_parser|server/http/(request_json|token_json)|"
                    r"server/live/frame_json|tests/|tools/")),
    Door("Asio and Beast", re.compile(r"boost/(asio|beast)"),
         re.compile(r"server/net/|server/live/socket\.|server/app\.|tools/bench/|tests/")),
    Door("protoc's code", re.compile(r".*\.pb\.h"), re.compile(r"tests/|tools/")),
)
BASE_LIBRARIES = re.compile(r"boost/system/|[a-z_0-9]+$")
# Boost's sources, compiled by us.
NOT_OURS = {"server/net/asio_impl.cpp"}
# "XXX" in quotes is ISO 4217's code for no currency.
UNFINISHED = re.compile(r'\b(TODO|FIXME|HACK)\b|(?<!")\bXXX\b')
TEST_CASE = re.compile(r'^\s*TEST_CASE(?:_METHOD)?\((?:\w+,)?\s*"([^"]*)"')
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path: str):
    matching = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(matching, key=len, default=None)


def check_includes(path: str, lines: list[str]):
    """Yields (line number, finding) for each include that points the wrong way."""
    layer = layer_of(path)
    if layer is None:
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match is None:
            continue
        included = match.group(2)
        for door in DOORS:
            if door.include.match(included) and not door.files.match(path):
                yield number, f"{door.library} is included through its door only: {included}"
        target = layer_of(included)
        if target is not None and target not in LAYERS[layer]:
            yield number, f"{layer} must not know {target}: {included}"
        if layer == "ledger/base" and target is None and not BASE_LIBRARIES.match(included):
            yield number, f"ledger/base knows only std and Boost.System: {included}"
        if match.group(1) == '"' and target is None and included.split("/")[0] != "embed":
            yield number, f"includes are written from the root of the tree: {included}"


def check_lines(path: str, lines: list[str]):
    """Yields (line number, finding) about width, blanks and words left behind."""
    is_markdown = path.endswith(".md")
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH and not is_markdown and "://" not in line:
            yield number, f"{len(line)} columns, at most {WIDTH}"
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip() and not is_markdown:
            yield number, "blanks at the end of the line"
        if UNFINISHED.search(line) and path != "tools/tidy.py":
            yield number, "a note about unfinished work: do it, or decide why not"


def check_title(path: str, lines: list[str]):
    """A page starts with its one title, a header with #pragma once."""
    if path.endswith(".md"):
        in_code, titles = False, []
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                in_code = not in_code
            if line.startswith("# ") and not in_code:
                titles.append(number)
        if titles[:1] != [1]:
            yield 1, "the first line of a page is its title: # Title"
        for number in titles[1:]:
            yield number, "a second title"
    if path.endswith(".hpp") and not any(line == "#pragma once" for line in lines):
        yield 1, "a header without #pragma once"


def check_tests(path: str, lines: list[str]):
    """A case is named "unit: situation is outcome", in ASCII; filters split at commas."""
    if not path.startswith("tests/"):
        return
    for number, line in enumerate(lines, 1):
        match = TEST_CASE.match(line)
        if match is None:
            continue
        name = match.group(1)
        if "," in name or not name.isascii() or ": " not in name:
            yield number, f'not named "unit: situation is outcome" without commas: {name}'


def check_header_names(path: str, lines: list[str]):
    if path.endswith(".hpp"):
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*using namespace ", line):
                yield number, "using namespace in a header"


CHECKS = (check_includes, check_lines, check_title, check_tests, check_header_names)


def tree_files(root: pathlib.Path):
    """Every text file of ours, as paths relative to the root."""
    for folder, folders, names in os.walk(root):
        relative = pathlib.Path(folder).relative_to(root)
        folders[:] = sorted(
            name for name in folders
            if name not in ("build", "node_modules", "__pycache__", ".git", ".cache", "corpus"))
        for name in sorted(names):
            path = (relative / name).as_posix()
            suffix = pathlib.Path(name).suffix
            is_script = suffix == "" and path.startswith(("tools/", ".ci/"))
            if suffix in CODE | {".md"} or name == "CMakeLists.txt" or is_script:
                yield path


def check_tree(root: pathlib.Path) -> list[str]:
    findings = []
    for entry in sorted(root.iterdir()):
        if entry.name not in TOP_LEVEL and not entry.name.startswith("."):
            findings.append(f"{entry.name}:1: not a place of this tree; the top level is fixed")
    for path in tree_files(root):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        if text and not text.endswith("\n"):
            findings.append(f"{path}:{len(lines)}: no newline at the end of the file")
        for check in CHECKS:
            findings.extend(f"{path}:{number}: {what}" for number, what in check(path, lines))
    return findings


def cpp_files(root: pathlib.Path) -> list[str]:
    return [path for path in tree_files(root) if path.endswith((".cpp", ".hpp"))]


def check_format(root: pathlib.Path, fix: bool) -> list[str]:
    files = cpp_files(root)
    if fix:
        subprocess.run(["clang-format", "-i", *files], cwd=root, check=True)
        return []

    def differs(path: str) -> bool:
        command = ["clang-format", path]
        formatted = subprocess.run(command, cwd=root, capture_output=True, check=True)
        return formatted.stdout != (root / path).read_bytes()

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [path for path, different in zip(files, pool.map(differs, files)) if different]
    return [f"{path}:1: not formatted; tools/tidy.py --format --fix" for path in wrong]


def git(root: pathlib.Path, *arguments: str) -> list[str]:
    answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def changed_sources(root: pathlib.Path) -> list[str]:
    """The .cpp files changed since the last commit shared with origin/main, else the parent."""
    head = git(root, "rev-parse", "HEAD")
    base = git(root, "merge-base", "HEAD", "origin/main")
    if not base or base == head:
        base = git(root, "rev-parse", "HEAD~1")
    names = set(git(root, "ls-files", "--others", "--exclude-standard"))
    if base:
        names |= set(git(root, "diff", "--name-only", "--diff-filter=d", base[0]))
    return sorted(name for name in names if name.endswith(".cpp") and (root / name).exists())


def clang_command(entry: dict) -> list[str]:
    """The compiler's arguments without what only g++ knows, its precompiled header included."""
    arguments, kept = iter(shlex.split(entry["command"])), []
    for argument in arguments:
        if argument == "-include":
            if not (name := next(arguments)).endswith("cmake_pch.hxx"):
                kept += [argument, name]
        elif argument in ("-o", "-MT", "-MF"):
            next(arguments)
        elif argument not in ("-MD", "-c", "-fpch-preprocess", "-Winvalid-pch", "-Wno-tsan",
                              "-Wno-stringop-overflow", "-Wno-maybe-uninitialized", "-Werror"):
            kept.append(argument)
    # What comes before the compiler is ccache with its settings.
    while kept and not re.search(r"(^|/)(c\+\+|g\+\+|clang\+\+)[-0-9]*$", kept[0]):
        kept.pop(0)
    return kept[1:-1]


def lint(root: pathlib.Path, build: pathlib.Path, everything: bool, most: int,
         seconds: int) -> list[str]:
    """Runs clang-tidy; stops starting files when the time is over, and says how many were left."""
    entries = json.loads((build / "compile_commands.json").read_text())
    database = {os.path.relpath(entry["file"], root): entry for entry in entries}
    wanted = [
        name for name in (sorted(database) if everything else changed_sources(root))
        if name in database and layer_of(name) is not None and name not in NOT_OURS]
    if not everything and len(wanted) > most:
        print(f"clang-tidy: {len(wanted)} sources changed, more than {most}: left to --tidy-all")
        return []
    until = None if everything else time.monotonic() + seconds

    def look_at(name: str):
        if until is not None and time.monotonic() > until:
            return None
        command = ["clang-tidy", "--quiet", name, "--", *clang_command(database[name])]
        answer = subprocess.run(command, cwd=root, capture_output=True, text=True)
        lines = answer.stdout.splitlines()
        found = [line for line in lines if re.search(r": (warning|error): ", line)]
        if answer.returncode != 0 and not found:
            why = answer.stderr.strip()[-300:]
            found = [f"{name}:1: clang-tidy ended with {answer.returncode}: {why}"]
        return found

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(look_at, wanted))
    left = answers.count(None)
    print(f"clang-tidy: {len(wanted) - left} sources looked at"
          + (f", {left} left to --tidy-all after {seconds} s" if left else ""))
    findings = [line.removeprefix(f"{root}/") for found in answers if found for line in found]
    return list(dict.fromkeys(findings))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT)
    parser.add_argument("--format", action="store_true")
    parser.add_argument("--fix", action="store_true")
    parser.add_argument("--lint", type=pathlib.Path, metavar="BUILD")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--most", type=int, default=16, help="changed sources to lint at most")
    parser.add_argument("--seconds", type=int, default=180, help="time for the changed sources")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if arguments.lint is not None:
        build = arguments.lint.resolve()
        findings = lint(root, build, arguments.all, arguments.most, arguments.seconds)
    elif arguments.format:
        findings = check_format(root, arguments.fix)
    else:
        findings = check_tree(root)
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
