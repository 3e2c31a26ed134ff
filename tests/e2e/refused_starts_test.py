#!/usr/bin/python3
"""A folder that lost acknowledged entries is refused by name, and starts when told to accept it."""

import contextlib
import shutil
import struct

import support
from support import order


# Behind the magic and the format: generation, shard, group, program, seq.
SLOT = struct.Struct(">12xQHQIQ")


class RefusedStartsTest(support.unittest.TestCase):
    def setUp(self):
        self.server = support.Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.program = self.server.program()

    def pay(self, count):
        """Acknowledged one by one, so that each is a group; the last answer's seq."""
        seq = 0
        for _ in range(count):
            seq = self.program.paid(order("2", "10.00"))["seq"]
        return seq

    def refused(self):
        """Starts, which must fail with exit status 1; the line that says why."""
        before = len(self.server.output)
        self.server.spawn()
        self.assertEqual(self.server.await_exit(), 1, self.server.output[before:])
        lines = [line for line in self.server.output[before:].splitlines()
                 if line.startswith("guerdon: ")]
        self.assertTrue(lines, self.server.output[before:])
        return lines[-1]

    def assert_names_the_witness(self, line, seq):
        self.assertIn("witness", line)
        self.assertIn(f"seq {seq}", line)
        self.assertIn("--accept-loss", line)

    def reconnect(self):
        self.program.client.close()
        self.program = support.Program(self.server.client(), self.program.name)

    def assert_starts_with_accepted_loss(self, points):
        """`points`: what the rest of the log gives, at most."""
        self.server.start("--accept-loss")
        self.assertIn("accept_loss", self.server.output)
        self.reconnect()
        self.assertLessEqual(self.program.balance("2"), points)
        self.assertEqual(self.program.post(order("3", "1.00")).json["status"], "applied")
        self.assertEqual(self.server.restart().stop(), 0)
        verified = support.run_guerdon("verify", "--data", self.server.data)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def newest_wal(self):
        logs = sorted((self.server.data / "log").glob("*.log"))
        return max((path for path in logs if path.stat().st_size > 0), key=lambda path: path.name)

    def test_a_byte_in_the_middle_of_the_wal(self):
        last = self.pay(60)
        # It lags by up to 100 ms.
        support.wait_until(lambda: self.witness_seq() == last, "the witness")
        self.server.kill()
        wal = self.newest_wal()
        content = bytearray(wal.read_bytes())
        content[len(content) // 2] ^= 0x20
        wal.write_bytes(content)
        self.assert_names_the_witness(self.refused(), last)
        self.assert_starts_with_accepted_loss(590)

    def witness_seq(self):
        """What the file's newest slot says (docs/ledger-format.md, "Witness")."""
        raw = (self.server.data / "witness").read_bytes()
        slots = [SLOT.unpack_from(raw, begin) for begin in (0, 4096) if len(raw) > begin]
        return max(slots)[-1]

    def test_an_older_copy_of_the_log(self):
        self.pay(5)
        self.assertEqual(self.server.stop(), 0)
        shutil.copytree(self.server.data / "log", self.server.folder / "copy")
        self.server.start()
        self.reconnect()
        last = self.pay(5)
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.server.data / "log")
        shutil.move(self.server.folder / "copy", self.server.data / "log")
        self.assert_names_the_witness(self.refused(), last)
        self.assert_starts_with_accepted_loss(50)

    def test_an_older_copy_of_everything_but_the_witness(self):
        self.pay(5)
        self.assertEqual(self.server.stop(), 0)
        for name in ("log", "views"):
            shutil.copytree(self.server.data / name, self.server.folder / name)
        self.server.start()
        self.reconnect()
        last = self.pay(5)
        self.assertEqual(self.server.stop(), 0)
        for name in ("log", "views"):
            shutil.rmtree(self.server.data / name)
            shutil.move(self.server.folder / name, self.server.data / name)
        self.assert_names_the_witness(self.refused(), last)
        self.assert_starts_with_accepted_loss(50)

    def test_no_keyring(self):
        self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        keyring = self.server.data / "keyring"
        elsewhere = self.server.folder / "keyring"
        shutil.move(keyring, elsewhere)
        line = self.refused()
        self.assertIn("keyring is missing", line)
        self.assertFalse(keyring.exists())
        shutil.move(elsewhere, keyring)
        self.server.start()
        self.reconnect()
        self.assertEqual(self.program.balance("2"), 10)

    def test_no_witness(self):
        self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "witness").unlink()
        line = self.refused()
        self.assertIn("the witness is absent", line)
        self.assertNotIn("entries are", line)
        self.server.start("--accept-loss")
        self.reconnect()
        self.assertEqual(self.program.balance("2"), 10)

    def test_another_folders_keyring(self):
        self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        keyring = self.server.data / "keyring"
        good = keyring.read_bytes()
        with support.Server() as other:
            self.assertEqual(other.stop(), 0)
            keyring.write_bytes((other.data / "keyring").read_bytes())
        for rebuilt in (False, True):
            if rebuilt:
                shutil.rmtree(self.server.data / "views")
            line = self.refused()
            self.assertIn("keyring", line)
            self.assertIn("program", line)
            self.assertNotIn("views/", line)
            if not rebuilt:
                self.assertIn(self.program.name, line)
        keyring.write_bytes(good)
        self.server.start()
        self.reconnect()
        self.assertEqual(self.program.balance("2"), 10)

    def test_a_damaged_keyring_is_named_and_no_other_part(self):
        self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        keyring = self.server.data / "keyring"
        content = bytearray(keyring.read_bytes())
        content[30] ^= 1
        keyring.write_bytes(content)
        line = self.refused()
        self.assertIn("the keyring is damaged", line)
        self.assertNotIn("views/", line)

    def test_half_a_folder_of_views_is_made_anew(self):
        self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "views" / "CURRENT").unlink()
        self.server.start()
        self.reconnect()
        self.assertEqual(self.program.balance("2"), 10)
        self.assertEqual(self.server.stop(), 0)
        verified = support.run_guerdon("verify", "--data", self.server.data)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_no_log_beside_a_witness_that_saw_entries(self):
        last = self.pay(1)
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "log" / "CURRENT").unlink()
        files = sorted(path.name for path in (self.server.data / "log").iterdir())
        self.assert_names_the_witness(self.refused(), last)
        kept = sorted(path.name for path in (self.server.data / "log").iterdir())
        self.assertEqual(kept, files)
        verified = support.run_guerdon("verify", "--data", self.server.data)
        self.assertEqual(verified.returncode, 1, verified.stdout + verified.stderr)
        self.assertIn("witness", verified.stdout)


class FirstStartTest(support.unittest.TestCase):
    def kill_first_start(self, server, after_log_s):
        """Kills the first start that long after log/ appeared; None: at once."""
        server.spawn()
        if after_log_s is not None:
            support.wait_until((server.data / "log").exists, "log/")
            until = support.time.perf_counter() + after_log_s
            while support.time.perf_counter() < until:
                pass
        self.assertIsNone(server.process.poll(), server.output)
        server.kill()

    def test_killed_at_any_moment_the_next_start_is_ready(self):
        for milliseconds in [None, *range(40)]:
            with self.subTest(milliseconds), contextlib.closing(support.Server()) as server:
                self.kill_first_start(server, None if milliseconds is None else milliseconds / 1000)
                verified = support.run_guerdon("verify", "--data", server.data)
                self.assertIn(verified.returncode, (0, 2, 3), verified)
                self.assertNotIn("Column family", verified.stderr)
                server.start()
                self.assertEqual(server.stop(), 0)

    def test_a_log_that_has_not_all_its_families(self):
        """What a kill in the middle of the first start leaves: the manifest is cut after one."""
        server = support.Server()
        self.addCleanup(server.close)
        server.start()
        server.kill()
        manifest = next((server.data / "log").glob("MANIFEST-*"))
        content = manifest.read_bytes()
        manifest.write_bytes(content[:content.index(b"log0") - 16])
        (server.data / "witness").unlink()
        (server.data / "keyring").unlink()
        shutil.rmtree(server.data / "views")
        for wal in (server.data / "log").glob("*.log"):
            wal.unlink()
        verified = support.run_guerdon("verify", "--data", server.data)
        self.assertEqual(verified.returncode, 2, verified.stdout + verified.stderr)
        self.assertIn("not finished", verified.stderr)
        server.start()
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    support.main()
