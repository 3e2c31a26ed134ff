#!/usr/bin/python3
"""Every frame that the tests of the live side see, held against docs/live-frames.schema.json.

Runs live_tests with GUERDON_LIVE_FRAMES naming a file: a line is S or C (who sent it), a blank and
the object. Also that the schema refuses what it should, and that every kind of frame was seen.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/live-frames.schema.json").read_text())
BINARY = pathlib.Path(os.environ["GUERDON_BUILD"]) / "live_tests"

SERVER_KINDS = {"ping", "connect", "sub", "unsub", "around", "refresh", "err", "snap", "d", "hb",
                "end", "me", "push err", "me hb", "bye"}
CLIENT_KINDS = {"connect", "sub"}
WRONG = [
    {"ch": "b:week", "d": {"off": 1}},
    {"ch": "b:week", "snap": {"epoch": "K", "off": 1}},
    {"bye": {"code": 4407}},
    {"id": 0, "unsub": {"ch": "b:week"}},
    {"id": 1, "err": {"code": 107, "msg": "", "retry": False}},
]


def validator(name):
    return jsonschema.Draft202012Validator(
        {"$schema": SCHEMA["$schema"], "$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})


def kind(frame, empty):
    if not frame:
        return empty
    if "err" in frame and "id" not in frame:
        return "push err"
    if frame.get("ch") == "me" and "hb" in frame:
        return "me hb"
    return next((member for member in frame if member not in ("id", "ch")), "nothing")


def collect():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "frames")
        environment = {**os.environ, "GUERDON_LIVE_FRAMES": path, "GUERDON_LIVE_FAULTS": "500"}
        # Apart, because a run writes down a number of frames and the second has many of a kind.
        for tests in ("[live]~[faults]", "[faults]"):
            run = subprocess.run([BINARY, tests], env=environment, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=False)
            if run.returncode != 0:
                sys.exit(run.stdout)
        with open(path, encoding="utf-8") as lines:
            return sorted(set(lines))


def main():
    schemas = {"S": validator("server_frame"), "C": validator("client_frame")}
    for frame in WRONG:
        if schemas["S"].is_valid(frame):
            sys.exit(f"the schema allows {frame}")
    seen = {"S": set(), "C": set()}
    count = faults = 0
    for line in collect():
        sender, text = line[0], line[2:]
        try:
            frame = json.loads(text)
        except json.JSONDecodeError:
            if sender == "S":
                sys.exit(f"not JSON: {text}")
            continue  # a test sends nonsense on purpose
        kinds = kind(frame, "ping" if sender == "S" else "pong")
        error = jsonschema.exceptions.best_match(schemas[sender].iter_errors(frame))
        if error is not None:
            faults += 1
            print(f"{sender} {text.strip()[:300]}: {error.message[:300]}")
        seen[sender].add(kinds)
        count += 1
    missing = (SERVER_KINDS - seen["S"]) | {f"client's {k}" for k in CLIENT_KINDS - seen["C"]}
    if missing:
        sys.exit(f"never seen: {', '.join(sorted(missing))}")
    print(f"{count} different frames, {faults} not as documented")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
