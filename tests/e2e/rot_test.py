#!/usr/bin/python3
"""A rotten byte in a stored file costs what needs it and nothing else."""

import re

import support
from support import order

MEMBERS = 50
EVENTS = 3_000


class RotTest(support.unittest.TestCase):
    def setUp(self):
        self.server = support.Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.program = self.server.program()
        self.orders = [order(str(number % MEMBERS), f"{number % 9 + 1}.00")
                       for number in range(EVENTS)]
        for begin in range(0, EVENTS, 500):
            self.program.batch(self.orders[begin:begin + 500])
        # The second start flushes what the first one left in the write-ahead log.
        self.server.restart()
        self.assertEqual(self.server.stop(), 0)

    def rot(self, folder):
        """One bit in the middle of each file of rows that has several blocks; their names."""
        paths = [path for path in (self.server.data / folder).glob("*.sst")
                 if path.stat().st_size > 16_384]
        for path in paths:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        return [path.name for path in paths]

    def start(self):
        # No checkpoint meanwhile: a compaction that meets the rot ends the process, as it should.
        self.server.start("--checkpoint-interval", "1h")
        self.program = support.Program(self.server.client(), self.program.name)

    def assert_noted(self, files):
        """In the output, in the metrics and on /readyz; the server goes on."""
        self.assertTrue(any(file in self.server.output for file in files), self.server.output)
        text = self.server.client("").get("/metrics").text
        self.assertRegex(text, r"(?m)^guerdon_unreadable_rows_total [1-9]")
        support.wait_until(lambda: not self.server.is_ready(), "the condition")
        ready = self.server.client("").get("/readyz")
        self.assertEqual([item["condition"] for item in ready.json["conditions"]], ["storage"])
        # What is new may be looked for where the rot is, but not every time.
        fresh = [order(support.unique("new"), "1.00") for _ in range(20)]
        applied = [sent for sent in fresh if self.program.post(sent).status == 200]
        self.assertTrue(applied)
        self.assertEqual(self.program.balance(applied[0]["data"]["customer"]["id"]), 1)

    def test_in_the_log(self):
        files = self.rot("log")
        self.start()
        statuses = {}
        for seq in range(1, EVENTS, 25):
            answer = self.program.get(f"/entries/{seq}")
            statuses.setdefault(answer.status, []).append(seq)
            if answer.status != 200:
                self.assertEqual((answer.status, answer.code), (500, "internal"))
        self.assertGreater(len(statuses[200]), len(statuses.get(500, [])))
        self.assertTrue(statuses.get(500), "no entry lies where the rot is")
        self.assertRegex(self.server.output, rf"program \d+ seq {statuses[500][0]}: ")
        self.assert_noted(files)
        self.assertEqual(self.server.stop(), 0)

    def test_in_the_views(self):
        files = self.rot("views")
        self.start()
        answers = set()
        for sent in self.orders:
            answer = self.program.post(sent)
            answers.add((answer.status, answer.code))
            if len(answers) > 1:
                break
        self.assertEqual(answers, {(200, None), (500, "internal")})
        self.assertTrue(re.search(r"views/ can be deleted", self.server.output))
        self.assert_noted(files)
        self.server.kill()
        support.shutil.rmtree(self.server.data / "views")
        self.start()
        self.assertEqual({self.program.post(sent).json["status"] for sent in self.orders[:600]},
                         {"duplicate"})


if __name__ == "__main__":
    support.main()
