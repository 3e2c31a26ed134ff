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

    def rot(self, folder, where):
        """One bit of the largest file of rows, at a fraction of its length."""
        path = max((self.server.data / folder).glob("*.sst"), key=lambda file: file.stat().st_size)
        content = bytearray(path.read_bytes())
        content[int(len(content) * where)] ^= 1
        path.write_bytes(content)
        return path.name

    def start(self):
        self.server.start()
        self.program = support.Program(self.server.client(), self.program.name)

    def assert_noted(self, file):
        """In the output, in the metrics and on /readyz; the server goes on."""
        self.assertIn(file, self.server.output)
        text = self.server.client("").get("/metrics").text
        self.assertRegex(text, r"(?m)^guerdon_unreadable_rows_total [1-9]")
        support.wait_until(lambda: not self.server.is_ready(), "the condition")
        ready = self.server.client("").get("/readyz")
        self.assertEqual([item["condition"] for item in ready.json["conditions"]], ["storage"])
        self.assertEqual(self.program.post(order("new", "1.00")).json["status"], "applied")
        self.assertEqual(self.program.balance("new"), 1)
        self.assertEqual(self.server.stop(), 0)

    def test_in_the_log(self):
        file = self.rot("log", 1 / 3)
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
        self.assert_noted(file)

    def test_in_the_views(self):
        file = self.rot("views", 1 / 2)
        self.start()
        answers = [self.program.post(sent) for sent in self.orders[:600]]
        codes = {(answer.status, answer.code) for answer in answers}
        self.assertEqual(codes, {(200, None), (500, "internal")})
        self.assertTrue(re.search(r"views/ can be deleted", self.server.output))
        self.assert_noted(file)
        support.shutil.rmtree(self.server.data / "views")
        self.start()
        self.assertEqual({self.program.post(sent).json["status"] for sent in self.orders[:600]},
                         {"duplicate"})


if __name__ == "__main__":
    support.main()
