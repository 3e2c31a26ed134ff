#!/usr/bin/python3
"""A folder that lost acknowledged entries is refused by name, and starts when told to accept it."""

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
        self.assertIn("witness", self.refused())
        self.server.start("--accept-loss")
        self.reconnect()
        self.assertEqual(self.program.balance("2"), 10)


if __name__ == "__main__":
    support.main()
