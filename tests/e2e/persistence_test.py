#!/usr/bin/python3
"""What was answered is there after a restart, a crash, a lost view store; one server a folder."""

import shutil
import subprocess

import support
from support import order, refund


class PersistenceTest(support.unittest.TestCase):
    def setUp(self):
        self.server = support.Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.program = self.server.program()

    def reconnect(self):
        self.program.client.close()
        self.program = support.Program(self.server.client(), self.program.name)

    def fill(self):
        """Some of everything; returns the answers that must not change."""
        paid = order({"id": "2", "email": "anna@example.com"}, "59.00", "1.50")
        self.program.paid(paid)
        self.program.batch([order(str(index % 20), "3.33") for index in range(500)])
        self.program.post(refund(paid, {2: "1.50"}))
        self.program.adjust("2", -20, "spend-1")
        self.program.adjust("3", -10_000, "spend-2")
        self.program.post(order(None, "5.00"))
        return paid, self.answers(paid)

    def answers(self, paid):
        program = self.program
        return {
            "checkpoint": program.checkpoint(),
            "members": [program.member(str(index)).json["balances"] for index in range(20)],
            "entries": program.entries("2", limit=100).json["data"],
            "lots": support.rows_of(program.lots("2")),
            "tag": program.balances("2").headers["ETag"],
            "event": program.get("/events", source=paid["source"], id_=paid["id"]).json,
            "look-up": support.rows_of(program.get("/members", query="anna@example.com")),
            "versions": program.get("/versions").json,
        }

    def assert_same(self, paid, before):
        after = self.answers(paid)
        for name, value in before.items():
            if name == "look-up":
                self.assertEqual([row["member"] for row in after[name]],
                                 [row["member"] for row in value])
                continue
            self.assertEqual(after[name], value, name)

    def assert_still_idempotent(self, paid):
        self.assertEqual(self.program.post(paid).json["status"], "duplicate")
        self.assertEqual(self.program.adjust("2", -20, "spend-1").headers["Replayed"], "true")
        refused = self.program.adjust("3", -10_000, "spend-2")
        self.assertEqual((refused.status, refused.code), (409, "insufficient_points"))

    def test_after_a_clean_restart(self):
        paid, before = self.fill()
        self.server.restart()
        self.reconnect()
        self.assert_same(paid, before)
        self.assert_still_idempotent(paid)
        self.program.paid(order("2", "1.00"))

    def test_after_sigkill(self):
        paid, before = self.fill()
        for _ in range(3):
            self.server.kill()
            self.server.start()
            self.reconnect()
            self.assert_same(paid, before)
        self.assert_still_idempotent(paid)

    def test_after_deleting_the_views(self):
        paid, before = self.fill()
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.server.data / "views")
        self.server.start()
        self.reconnect()
        self.assert_same(paid, before)
        self.assert_still_idempotent(paid)

    def test_verify_agrees_and_its_digests_do_not_depend_on_the_views(self):
        self.fill()
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.stop(), 0)
        first = support.run_guerdon("verify", "--data", self.server.data)
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        rows = first.stdout.splitlines()
        self.assertRegex(rows[0], r"\Astate [0-9a-f]{64}\Z")
        self.assertRegex(first.stdout, rf"(?m)^content {self.program.name} [0-9a-f]{{64}}$")
        self.assertEqual(rows[-1], "ok")
        shutil.rmtree(self.server.data / "views")
        self.server.start()
        self.assertEqual(self.server.stop(), 0)
        second = support.run_guerdon("verify", "--data", self.server.data)
        self.assertEqual(second.stdout, first.stdout)

    def test_verify_needs_a_stopped_server_and_a_folder(self):
        self.assertEqual(support.run_guerdon("verify", "--data", self.server.data).returncode, 4)
        self.assertEqual(support.run_guerdon("verify").returncode, 2)

    def test_a_second_server_on_the_folder_is_refused(self):
        second = subprocess.run(
            [str(support.BINARY), "serve", "--data", str(self.server.data), "--listen",
             "127.0.0.1:0"], capture_output=True, text=True, timeout=30, check=False,
            env=support.clean_environment())
        self.assertEqual(second.returncode, 4)
        self.assertIn("in use", (second.stderr + second.stdout).lower())
        self.program.paid(order("2", "1.00"))

    def test_a_restored_older_log_is_refused_and_named(self):
        self.fill()
        self.assertEqual(self.server.stop(), 0)
        shutil.copytree(self.server.data / "log", self.server.folder / "older")
        self.server.start()
        self.reconnect()
        self.program.batch([order("2", "1.00") for _ in range(100)])
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.server.data / "log")
        (self.server.folder / "older").rename(self.server.data / "log")
        self.server.spawn()
        self.assertNotEqual(self.server.await_exit(), 0)
        self.assertRegex(self.server.output, r"witness.*\d")
        # An operator who knows may go on.
        self.server.start("--accept-loss")


if __name__ == "__main__":
    support.main()
