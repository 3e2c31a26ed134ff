#!/usr/bin/python3
"""Seven months of real orders, over HTTP: balances equal the files, again changes nothing, and
three kills on the way leave the same content."""

import http.client
import importlib.machinery
import importlib.util
import re
import subprocess
import sys
import threading

import support

sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("replay_retail",
                                               str(support.ROOT / "tools/replay-retail"))
replay_retail = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("replay_retail", _loader))
_loader.exec_module(replay_retail)

FOLDER = support.TESTDATA / "datasets" / "uci-online-retail"
PROGRAM = "retail"


def digests(server):
    """(state, content of the program) of a stopped server's folder."""
    answer = support.run_guerdon("verify", "--data", server.data, limit_s=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    state = re.search(r"(?m)^state ([0-9a-f]{64})$", answer.stdout)
    content = re.search(rf"(?m)^content {PROGRAM} ([0-9a-f]{{64}})$", answer.stdout)
    return state[1], content[1]


class RetailTest(support.unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.invoices = replay_retail.read_invoices(FOLDER)
        cls.orders = replay_retail.sendable(cls.invoices)
        cls.expected = replay_retail.expected_points(cls.invoices)

    def new_server(self):
        server = support.Server()
        self.addCleanup(server.close)
        return server.start()

    def replay(self, server, batch=1000):
        replay = replay_retail.Replay(replay_retail.Server(server.url, server.admin_key), PROGRAM,
                                      batch)
        replay.ensure_program(replay_retail.MINIMAL.read_bytes())
        return replay

    def checkpoint(self, replay):
        status, answer = replay.server.call("GET", replay.base + "/checkpoint")
        self.assertEqual(status, 200)
        return answer["seq"], answer["head"]

    def interrupted_run(self, server, kills):
        """Posts everything; at each of the given batch numbers the server is killed while the
        batch is on its way, started again, and the replay resumed."""
        replay = self.replay(server, batch=200)
        start, number, killed = 0, 0, 0
        while start < len(self.orders):
            for members, body in replay.batches(self.orders, start):
                number += 1
                if number in kills:
                    killer = threading.Timer(0.002 * (number % 5), server.process.kill)
                    killer.start()
                    try:
                        replay.post(members, body)
                    except (OSError, http.client.HTTPException):
                        pass
                    killer.join()
                    self.assertEqual(server.await_exit(), -support.signal.SIGKILL)
                    killed += 1
                    server.start()
                    replay = self.replay(server, batch=200)
                    start = replay.first_missing(self.orders)
                    break
                replay.post(members, body)
                start += len(members)
        self.assertEqual(killed, len(kills))

    def test_one_run_the_same_again_and_three_kills(self):
        server = self.new_server()
        replay = self.replay(server)
        replay.run(self.orders)
        self.assertEqual(replay.counts, {"applied": 8803, "pending_identity": 1228})
        self.assertEqual(len(self.expected), 2960)
        self.assertEqual(sum(self.expected.values()), 3_989_695)
        self.assertEqual(replay.differences(self.expected), [])

        before = self.checkpoint(replay)
        again = self.replay(server)
        again.run(self.orders)
        self.assertEqual(again.counts, {"duplicate": 10_031})
        self.assertEqual(self.checkpoint(again), before)

        self.assertEqual(server.stop(), 0)
        state, content = digests(server)
        server.start()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(digests(server), (state, content))
        support.shutil.rmtree(server.data / "views")
        self.assertEqual(digests_without_views(server), (state, content))
        server.start()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(digests(server), (state, content))

        killed = self.new_server()
        self.interrupted_run(killed, kills={5, 23, 41})
        self.assertEqual(self.replay(killed).differences(self.expected), [])
        self.assertEqual(killed.stop(), 0)
        self.assertEqual(digests(killed)[1], content)

    def test_the_script_itself(self):
        server = self.new_server()
        command = [str(support.ROOT / "tools/replay-retail"), "--dir", str(FOLDER), "--server",
                   server.url, "--key-file", str(server.data / "admin.key"), "--check"]
        first = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        self.assertIn("all 2,960 balances equal the files: 3,989,695 points", first.stdout)
        again = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=300,
                               check=False)
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertIn("nothing to post", again.stdout)


def digests_without_views(server):
    """A replay of the log alone gives the same digests; verify may say that views are missing."""
    answer = support.run_guerdon("verify", "--data", server.data, limit_s=600)
    state = re.search(r"(?m)^state ([0-9a-f]{64})$", answer.stdout)
    content = re.search(rf"(?m)^content {PROGRAM} ([0-9a-f]{{64}})$", answer.stdout)
    assert state and content, answer.stdout + answer.stderr
    return state[1], content[1]


if __name__ == "__main__":
    if not FOLDER.is_dir():
        print(f"SKIPPED: no data set at {FOLDER} (GUERDON_TESTDATA)")
        sys.exit(support.SKIPPED)
    support.main()
