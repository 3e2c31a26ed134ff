#!/usr/bin/python3
"""The demo: the simulated shop is the same for a seed, and the whole thing stops cleanly."""

import base64
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import support

sys.path.insert(0, str(support.ROOT / "tools"))
sys.dont_write_bytecode = True
import demo_shop  # noqa: E402: its folder is only known now

SCRIPT = support.ROOT / "tools" / "demo_shop.py"
RETAIL = support.TESTDATA / "datasets" / "uci-online-retail" / "2010-12.csv"
MOMENT = datetime.datetime(2026, 3, 2, 10, 15, tzinfo=datetime.timezone.utc)


def fetch(url, data=None, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30)


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

    def test_the_page_shows_a_board_that_moves(self):
        process = self.start()
        lines = iter(process.stdout.readline, "")
        line = next((line for line in lines if line.startswith(("page on ", "no page"))), "")
        if not line.startswith("page on "):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.skipTest("this binary was built without the widget")
        page = line.split()[2].rstrip("/")
        html = fetch(f"{page}/en").read().decode()
        self.assertIn('board="laurier"', html)
        script = re.search(r'src="(http://[^"]+/widget/[^"]+)"\s+integrity="sha384-([^"]+)"', html)
        server = script.group(1).partition("/widget/")[0]
        self.assertNotEqual(server, page)
        body = fetch(script.group(1), Origin=page).read()
        digest = base64.b64encode(hashlib.sha384(body).digest()).decode()
        self.assertEqual(digest, script.group(2))
        key = json.loads(re.search(r"Guerdon = (\{.*\});", fetch(
            f"{page}/account.js").read().decode()).group(1))["key"]
        token = json.loads(fetch(f"{page}/token", b"").read())["token"]

        def board(credential=key, origin=page):
            answer = fetch(f"{server}/v1/programs/maison-laurier/boards/laurier?window=all",
                           Authorization=f"Bearer {credential}", Origin=origin)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], page)
            return json.load(answer)["rows"]

        with self.assertRaises(urllib.error.HTTPError) as refused:
            board(origin="https://elsewhere.example")
        self.assertEqual(refused.exception.code, 403)
        self.assertEqual(len(board(token)), 10)
        for _ in range(3):
            before = [row["id"] for row in board()]
            support.wait_until(lambda: [row["id"] for row in board()] != before,
                               "a rank of the top ten changes", 3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, output)
        self.assertRegex(output, r"a rank of the top ten changed \d+ times")
        with self.assertRaises(OSError):
            fetch(page)

    @unittest.skipUnless(RETAIL.exists(), "no data set")
    def test_real_orders_are_played_instead(self):
        process = self.start("--replay", str(RETAIL), "--seconds", "2")
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, output)
        self.assertRegex(output, r"paid invoice 53\d+, [\d.]+ GBP: \+\d+ points")
        self.assertNotIn("rejected", output)

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
