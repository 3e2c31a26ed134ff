"""rules/program.schema.json accepts what the parser accepts: the same cases, run against both."""

import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tokens(pointer):
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def parent_of(document, path):
    for part in path[:-1]:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def put(document, pointer, value):
    path = tokens(pointer)
    if not path:
        return value
    parent = parent_of(document, path)
    if not isinstance(parent, list):
        parent[path[-1]] = value
    elif int(path[-1]) == len(parent):
        parent.append(value)
    else:
        parent[int(path[-1])] = value
    return document


def drop(document, pointer):
    path = tokens(pointer)
    del parent_of(document, path)[path[-1]]
    return document


def build(base, case):
    document = copy.deepcopy(base)
    for pointer, value in case.get("set", {}).items():
        document = put(document, pointer, copy.deepcopy(value))
    for pointer in case.get("remove", []):
        document = drop(document, pointer)
    return document


def main():
    schema = json.loads((ROOT / "rules/program.schema.json").read_text(encoding="utf-8"))
    table = json.loads((ROOT / "tests/cases/rules/documents.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failures = 0
    for case in table["cases"]:
        expected = case.get("schema", "code" not in case)
        actual = validator.is_valid(build(table["base"], case))
        if actual != expected:
            failures += 1
            print(f"{case['name']}: the schema {'accepts' if actual else 'refuses'} it")
    for example in sorted((ROOT / "docs/examples").glob("*.json")):
        for error in validator.iter_errors(json.loads(example.read_text(encoding="utf-8"))):
            failures += 1
            print(f"{example.name}: {error.json_path}: {error.message}")
    print(f"{len(table['cases'])} cases, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
