#!/usr/bin/python3
"""The demo: the simulated shop is the same for a seed, and the whole thing stops cleanly."""

import datetime
import os
import signal
import subprocess
import sys
import unittest

import support

sys.path.insert(0, str(support.ROOT / "tools"))
sys.dont_write_bytecode = True
import demo_shop  # noqa: E402: its folder is only known now

SCRIPT = support.ROOT / "tools" / "demo_shop.py"
MOMENT = datetime.datetime(2026, 3, 2, 10, 15, tzinfo=datetime.timezone.utc)


class ShopTest(unittest.TestCase):
    def events(self, seed, count=400):
        shop = demo_shop.Shop(seed)
        return shop, [shop.act(MOMENT)[0] for _ in range(count)]

    def test_a_seed_gives_one_shop(self):
        self.assertEqual(self.events(7)[1], self.events(7)[1])
        self.assertNotEqual(self.events(7)[1], self.events(8)[1])

    def test_at_least_forty_members_and_every_kind_of_event(self):
        shop, events = self.events(2026)
        self.assertGreaterEqual(len(shop.members), 40)
        self.assertEqual(len({member.name for member in shop.members}), len(shop.members))
        self.assertEqual({event["type"] for event in events},
                         {"order.paid", "order.refunded", "order.cancelled"})
        self.assertEqual(len({event["id"] for event in events}), len(events))

    def test_nothing_is_refunded_twice(self):
        _, events = self.events(2026, 2000)
        left, cancelled = {}, set()
        for event in events:
            data = event["data"]
            if event["type"] == "order.paid":
                left[data["order_id"]] = {line["line_id"]: line["amount"] for line in data["lines"]}
                continue
            self.assertNotIn(data["order_id"], cancelled)
            if event["type"] == "order.cancelled":
                cancelled.add(data["order_id"])
            for line in data.get("lines", []):
                self.assertEqual(left[data["order_id"]].pop(line["line_id"]), line["amount"])


class DemoTest(unittest.TestCase):
    def start(self, *flags):
        process = subprocess.Popen([sys.executable, str(SCRIPT), "--binary", str(support.BINARY),
                                    *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def test_once_shows_ten_members_with_points(self):
        process = self.start("--once")
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn("top ten by points", output)
        self.assertRegex(output, r"(?m)^ 10  \S+ \S\.\s+[1-9]")
        self.assertIn("curl", output)
        self.assertNotIn("rejected", output)
        self.assertIn("data removed", output)

    def test_ctrl_c_stops_everything(self):
        process = self.start("--rate", "50")
        lines = iter(process.stdout.readline, "")
        address = next(line for line in lines if line.startswith("server on "))
        folder = address.split("data in ")[1].strip()
        next(line for line in lines if "metrics" in line)
        support.wait_until(lambda: os.path.exists(os.path.join(folder, "admin.key")), "the server")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, output)
        self.assertIn("stopped", output)
        self.assertFalse(os.path.exists(folder))

    def test_two_demos_take_two_ports(self):
        first = self.start("--seconds", "3")
        address = next(line for line in iter(first.stdout.readline, "") if "server on" in line)
        second = self.start("--once")
        output, _ = second.communicate(timeout=120)
        self.assertEqual(second.returncode, 0, output)
        self.assertNotIn(address.split(",")[0], output)
        rest, _ = first.communicate(timeout=120)
        self.assertEqual(first.returncode, 0, rest)


if __name__ == "__main__":
    support.main()
