#!/usr/bin/python3
"""tools/lib/setup.sh installs what is missing and only that, and stops with one clear line.

apt-get, dpkg-query, apt-cache and id are small scripts in a folder of their own here: nothing is
installed on this machine.
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(__file__).resolve().parents[2] / "tools" / "lib" / "setup.sh"
COMMANDS = {
    # Everything is installed but what MISSING names.
    "dpkg-query": 'case " $MISSING " in *" ${@: -1} "*) exit 1;; *) printf installed;; esac',
    "apt-get": 'echo "$@" >>"$CALLS"; [ "$1" = update ] || exit "${APT_STATUS:-0}"',
    "apt-cache": 'case " $UNKNOWN " in *" ${@: -1} "*) ;; *) echo "Package: ${@: -1}";; esac',
    "id": 'echo "${USER_ID:-0}"',
}


class SetupTest(unittest.TestCase):
    def run_setup(self, **environment):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for command, body in COMMANDS.items():
                (folder / command).write_text(f"#!/bin/bash\n{body}\n")
                (folder / command).chmod(0o755)
            for tool in ("bash", "env", "awk", "head", "tail", "rm", "dirname", "basename"):
                if environment.get("NO_SUDO"):
                    (folder / tool).symlink_to(f"/usr/bin/{tool}")
            calls = folder / "calls"
            calls.write_text("")
            path = name if environment.get("NO_SUDO") else f"{name}:{os.environ['PATH']}"
            answer = subprocess.run(
                ["/bin/bash", "-c", f'. "{SETUP}"; install_missing build; echo reached'],
                env={"PATH": path, "CALLS": str(calls), "MISSING": "", "UNKNOWN": "", "HOME": name}
                | environment,
                capture_output=True, text=True)
            return answer, calls.read_text().splitlines()

    def test_nothing_missing_calls_no_apt(self):
        answer, calls = self.run_setup()
        self.assertEqual(answer.stdout, "reached\n")
        self.assertEqual(calls, [])

    def test_only_the_missing_are_installed_after_one_update(self):
        answer, calls = self.run_setup(MISSING="ninja-build catch2")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("installing 2 Debian packages: ninja-build catch2", answer.stdout)
        self.assertEqual(len(calls), 2)
        self.assertTrue(calls[0].startswith("update"))
        self.assertTrue(calls[1].endswith("ninja-build catch2"), calls[1])

    def test_a_package_apt_does_not_know_is_named(self):
        answer, calls = self.run_setup(MISSING="ninja-build catch2", UNKNOWN="catch2")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("apt does not know these packages of Debian 12: catch2", answer.stderr)
        self.assertNotIn("reached", answer.stdout)
        self.assertEqual(len(calls), 1, "only the update")

    def test_a_failed_install_stops(self):
        answer, _ = self.run_setup(MISSING="catch2", APT_STATUS="100")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("apt-get could not install: catch2", answer.stderr)
        self.assertNotIn("reached", answer.stdout)

    def test_neither_root_nor_sudo_stops(self):
        answer, calls = self.run_setup(MISSING="catch2", USER_ID="1000", NO_SUDO="1")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("neither root nor sudo can be had: catch2", answer.stderr)
        self.assertEqual(calls, [])


if __name__ == "__main__":
    unittest.main()
