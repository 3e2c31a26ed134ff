#!/usr/bin/python3
"""`guerdon import` against the real binary: refused lines by place, dry runs, seven months of real
orders with their credits, the same again, and kills on the way."""

import csv
import decimal
import importlib.machinery
import importlib.util
import json
import random
import re
import subprocess
import sys
import time

import support

sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("replay_retail",
                                               str(support.ROOT / "tools/replay-retail"))
replay_retail = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("replay_retail", _loader))
_loader.exec_module(replay_retail)

DATASETS = support.TESTDATA / "datasets"
RETAIL = DATASETS / "uci-online-retail"
REVIEWS = DATASETS / "magento-sample-reviews" / "products_reviews.csv"
MAPS = support.ROOT / "tools" / "maps"
PROGRAM = "retail"

SMALL_MAP = """
[input]
format = "csv"
[group]
by = "{no}"
[event]
type = "order.paid"
source = "//shop/till"
id = "{no}"
time = { from = "{at}", format = "%F %T", zone = "Europe/London" }
[order]
order_id = "{no}"
currency = "GBP"
customer = "{who}"
[order.line]
quantity = "{n}"
price = "{price}"
[[skip]]
class = "test_order"
all = [{ from = "{who}", equals = "test" }]
"""

SMALL_FILE = """no,at,who,n,price
1,2011-05-03 08:26:00,ann,2,3.50
1,2011-05-03 08:26:00,ann,1,0.99
2,2011-05-03 08:27:00,,1,5.00
3,2011-05-03 08:28:00,ann,one,5.00
3,2011-05-03 08:28:00,ann,1,5.00
4,2011-05-03 08:29:00,test,1,5.00
5,2011-05-03 08:30:00,bob,-1,5.00
6,2011-05-03 08:31:00,bob,1,0.50
7,yesterday,bob,1,0.50
8,2011-05-03 08:31:00,"bo"b,1,0.50
"""


class Credits:
    """The matching of credits, computed another way than the importer does."""

    def __init__(self, invoices):
        self.remaining = {}  # invoice number -> pounds
        self.customer = {}
        self.refunds, self.orphans = set(), set()
        self.orphan_lines = 0
        purchases = {}  # (customer, sku, price) -> [[quantity left, invoice number]], oldest first
        for invoice in invoices:  # in the order of time
            if invoice.is_credit_note():
                self._credit(invoice, purchases)
            elif not invoice.is_write_off():
                self.remaining[invoice.number] = sum(invoice.amounts())
                self.customer[invoice.number] = invoice.customer
                for quantity, price, stock in invoice.lines if invoice.customer else ():
                    key = (invoice.customer, stock, decimal.Decimal(price))
                    purchases.setdefault(key, []).append([int(quantity), invoice.number])

    def _credit(self, note, purchases):
        for quantity, price, stock in note.lines:
            count = -int(quantity)
            rows = purchases.get((note.customer, stock, decimal.Decimal(price)), [])
            row = next((row for row in reversed(rows) if row[0] >= count), None)
            if row is None:
                self.orphans.add(note.number)
                self.orphan_lines += 1
                continue
            row[0] -= count
            self.remaining[row[1]] -= replay_retail.line_amount(str(count), price)
            self.refunds.add((note.number, row[1]))

    def points(self):
        found = {}
        for number, pounds in self.remaining.items():
            customer = self.customer[number]
            if customer:
                found[customer] = found.get(customer, 0) + int(pounds // 1)
        return found


class ImportCase(support.unittest.TestCase):
    def new_server(self):
        server = support.Server()
        self.addCleanup(server.close)
        server.start()
        server.program(name=PROGRAM)
        return server

    def words(self, server, map_file, files, *more):
        return ["import", "--server", server.url, "--key-file", server.data / "admin.key",
                "--program", PROGRAM, "--map", map_file, "--state", server.folder / "state",
                "--rejects", server.folder / "rejects.csv", *more, *files]

    def run_import(self, server, map_file, files, *more):
        return support.run_guerdon(*self.words(server, map_file, files, *more), limit_s=300)

    def imported(self, server, map_file, files, *more, codes=(0,)):
        """The summary of an import that must end with one of these codes."""
        answer = self.run_import(server, map_file, files, "--json", "--quiet", *more)
        self.assertIn(answer.returncode, codes, answer.stdout + answer.stderr)
        told = json.loads(answer.stdout)
        self.assertEqual(sum(each["lines"] for each in told["classes"].values()), told["lines"])
        return told

    def small(self, server, text=SMALL_FILE, map_text=SMALL_MAP):
        folder = server.folder
        (folder / "map.toml").write_text(map_text)
        (folder / "till.csv").write_text(text)
        return folder / "map.toml", [folder / "till.csv"]

    def checkpoint(self, server):
        answer = server.client().get(f"/v1/programs/{PROGRAM}/checkpoint")
        return answer.json["seq"], answer.json["head"]

    def differences(self, server, expected):
        replay = self.replay(server)
        return replay.differences(expected)

    def replay(self, server):
        connection = replay_retail.Server(server.url, server.admin_key)
        self.addCleanup(lambda: connection.connection and connection.connection.close())
        return replay_retail.Replay(connection, PROGRAM)

    def content(self, server):
        self.assertEqual(server.stop(), 0)
        answer = support.run_guerdon("verify", "--data", server.data, limit_s=300)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        return re.search(rf"(?m)^content {PROGRAM} ([0-9a-f]{{64}})$", answer.stdout)[1]


class SmallImportTest(ImportCase):
    def test_every_refused_line_is_named(self):
        server = self.new_server()
        map_file, files = self.small(server)
        told = self.imported(server, map_file, files, codes=(3,))
        self.assertEqual(told["lines"], 10)
        self.assertEqual({name: (each["events"], each["lines"])
                          for name, each in told["classes"].items()},
                         {"applied": (1, 2), "earned_nothing": (1, 1), "guest_held": (1, 1),
                          "rejected": (1, 5), "test_order": (0, 1)})
        self.assertEqual(told["points"], {"points": {"awarded": 7, "taken_back": 0}})
        with open(server.folder / "rejects.csv", newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        self.assertEqual({row["file"] for row in rows}, {str(files[0])})
        places = {(int(row["line"]), int(row["column"]), row["code"]) for row in rows}
        self.assertEqual(places, {(5, 27, "bad_number"), (6, 1, "group_rejected"),
                                  (8, 1, "invalid_amount"), (10, 3, "bad_time"),
                                  (11, 27, "bad_quote")})
        by_server = next(row for row in rows if row["line"] == "8")
        self.assertEqual(by_server["event"], "5")
        self.assertIn("/data/total", by_server["reason"])

    def test_summary_for_people(self):
        server = self.new_server()
        map_file, files = self.small(server)
        answer = self.run_import(server, map_file, files)
        self.assertEqual(answer.returncode, 3, answer.stderr)
        self.assertRegex(answer.stdout, r"(?m)^10 lines in \d+\.\d s, [\d,]+ lines/s$")
        self.assertRegex(answer.stdout, r"(?m)^  applied +2 lines +1 events$")
        self.assertIn("points: 7 awarded, 0 taken back", answer.stdout)
        self.assertIn(f"rejected lines are in {server.folder / 'rejects.csv'}", answer.stdout)
        quiet = self.run_import(server, map_file, files, "--quiet")
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (3, "", ""))

    def test_dry_run_sends_nothing(self):
        server = self.new_server()
        before = self.checkpoint(server)
        map_file, files = self.small(server)
        answer = self.run_import(server, map_file, files, "--dry-run")
        self.assertEqual(answer.returncode, 3, answer.stderr)
        first = json.loads(answer.stdout.splitlines()[0])
        self.assertEqual(first["data"]["total"], "7.99")
        self.assertEqual(first["time"], "2011-05-03T07:26:00Z")
        self.assertRegex(answer.stdout, r"(?m)^  to_send +5 lines +4 events$")
        self.assertEqual(self.checkpoint(server), before)
        self.assertFalse((server.folder / "state").exists())

    def test_exit_codes(self):
        server = self.new_server()
        map_file, files = self.small(server)
        wrong = server.folder / "wrong.toml"
        wrong.write_text(SMALL_MAP.replace("[group]\n", "[group]\nwidth = 3\n"))
        refused = self.run_import(server, wrong, files)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("wrong.toml:5: group.width is not a key of a map", refused.stderr)
        self.assertEqual(support.run_guerdon("import", "--map", map_file, *files).returncode, 2)
        self.assertEqual(self.run_import(server, map_file, ["nowhere.csv"]).returncode, 2)
        (server.folder / "other.csv").write_text("no,at\n")
        other = self.run_import(server, map_file, [server.folder / "other.csv"])
        self.assertEqual(other.returncode, 2)
        self.assertIn("other.csv:1: has no column who", other.stderr)

        key = server.client().request("POST", f"/v1/programs/{PROGRAM}/keys",
                                      {"kind": "secret", "scopes": ["members:read"]}).json["key"]
        (server.folder / "weak.key").write_text(key)
        words = self.words(server, map_file, files, "--patience", "0.3")
        words[words.index("--key-file") + 1] = server.folder / "weak.key"
        weak = support.run_guerdon(*words)
        self.assertEqual(weak.returncode, 1)
        self.assertIn("missing_scope", weak.stderr)
        words = self.words(server, map_file, files, "--patience", "0.3")
        words[words.index(PROGRAM)] = "nobody"
        (server.folder / "state").unlink(missing_ok=True)
        self.assertIn("program_not_found", support.run_guerdon(*words).stderr)
        (server.folder / "state").unlink(missing_ok=True)
        words = self.words(server, map_file, files, "--patience", "0.3")
        server.kill()
        away = support.run_guerdon(*words)
        self.assertEqual(away.returncode, 1)
        self.assertIn("no connection", away.stderr)

    def test_events_as_they_are(self):
        server = self.new_server()
        events = [{"specversion": "1.0", "id": f"e{number}", "source": "//shop/till",
                   "type": "order.paid", "time": "2011-05-03T08:00:00Z",
                   "data": {"order_id": f"o{number}", "currency": "GBP", "total": "10.00",
                            "customer": {"id": f"m{number % 7}"}}} for number in range(2500)]
        lines = [json.dumps(event) for event in events]
        lines[1200] = '{"specversion":"1.0",}'
        (server.folder / "e.ndjson").write_text("\n".join(lines))
        told = self.imported(server, MAPS / "cloudevents.toml", [server.folder / "e.ndjson"],
                             "--connections", "3", codes=(3,))
        self.assertEqual(told["classes"], {"applied": {"events": 2499, "lines": 2499},
                                           "rejected": {"events": 0, "lines": 1}})
        self.assertEqual(told["points"]["points"]["awarded"], 24_990)

    @support.unittest.skipUnless(REVIEWS.exists(), "no reviews data set")
    def test_reviews(self):
        server = self.new_server()
        told = self.imported(server, MAPS / "magento-reviews.toml", [REVIEWS])
        self.assertEqual(told["lines"], 336)
        before = self.checkpoint(server)
        again = self.imported(server, MAPS / "magento-reviews.toml", [REVIEWS])
        self.assertEqual(again["classes"], {"duplicate": {"events": 336, "lines": 336}})
        self.assertEqual(self.checkpoint(server), before)


@support.unittest.skipUnless(RETAIL.is_dir(), f"no data set at {RETAIL} (GUERDON_TESTDATA)")
class RetailImportTest(ImportCase):
    @classmethod
    def setUpClass(cls):
        cls.files = sorted(RETAIL.glob("*.csv"))
        cls.map = MAPS / "uci-online-retail.toml"

    def test_paid_orders_equal_the_files_and_the_replay(self):
        server = self.new_server()
        map_file = server.folder / "paid.toml"
        text = self.map.read_text().split("[credits]")[0]
        map_file.write_text(text + '[[skip]]\nclass = "credit"\n'
                            'all = [{ from = "{InvoiceNo}", starts_with = "C" }]\n')
        told = self.imported(server, map_file, self.files)
        self.assertEqual(told["lines"], 245_903)
        classes = told["classes"]
        self.assertEqual(classes["credit"]["lines"], 4_494)
        self.assertEqual(classes["write_off"]["lines"], 758)
        self.assertEqual(classes["guest_held"], {"events": 1228, "lines": 68_003})
        paid = [classes.get(name, {"events": 0, "lines": 0})
                for name in ("applied", "earned_nothing")]
        self.assertEqual(sum(each["events"] for each in paid), 8803)
        self.assertEqual(told["points"]["points"], {"awarded": 3_989_695, "taken_back": 0})
        invoices = replay_retail.read_files(self.files)
        self.assertEqual(self.differences(server, replay_retail.expected_points(invoices)), [])
        before = self.checkpoint(server)
        replay = self.replay(server)
        replay.run(replay_retail.sendable(invoices))
        self.assertEqual(replay.counts, {"duplicate": 10_031})
        self.assertEqual(self.checkpoint(server), before)

    def test_credits_are_matched_and_again_is_nothing(self):
        server = self.new_server()
        credits = Credits(replay_retail.read_files(self.files))
        began = time.monotonic()
        # Files in another order are the same import.
        told = self.imported(server, self.map, random.Random(4).sample(self.files, 7),
                             codes=(0, 3))
        took = time.monotonic() - began
        print(f"{told['lines'] / took:,.0f} lines/s", file=sys.stderr)
        self.assertEqual(told["lines"], 245_903)
        # Refunds of orders that nobody knows.
        orphans = [each for name, each in told["classes"].items()
                   if name in ("orphaned", "rejected")]
        self.assertEqual(orphans, [{"events": len(credits.orphans),
                                    "lines": credits.orphan_lines}])
        self.assertEqual(sum(each["events"] for each in told["classes"].values()),
                         10_031 + len(credits.refunds) + len(credits.orphans))
        self.assertEqual(self.differences(server, credits.points()), [])
        tally = told["points"]["points"]
        self.assertEqual(tally["awarded"] - tally["taken_back"], sum(credits.points().values()))

        before = self.checkpoint(server)
        again = self.imported(server, self.map, self.files, codes=(0, 3))
        self.assertNotIn("applied", again["classes"])
        self.assertEqual(self.checkpoint(server), before)

    def test_kills_on_the_way_leave_the_same_content(self):
        files = self.files[:4]
        whole = self.new_server()
        self.imported(whole, self.map, files, "--batch", "40", codes=(0, 3))
        content = self.content(whole)

        server = self.new_server()
        seed = random.randrange(2**32)
        chance = random.Random(seed)
        killed = 0
        for _ in range(20):
            child = subprocess.Popen(
                [str(support.BINARY), *map(str, self.words(server, self.map, files, "--batch", "40",
                                                           "--quiet"))],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=support.clean_environment())
            batches = chance.randrange(0, 15)
            state = server.folder / "state"
            known = state.read_bytes().count(b"\n") if state.exists() else 0
            # The state file grows by a line a batch; a moment later another one is on its way.
            support.wait_until(
                lambda: child.poll() is not None
                or (state.exists() and state.read_bytes().count(b"\n") >= known + batches),
                f"{batches} more batches (seed {seed})")
            child.kill()
            killed += child.wait() == -support.signal.SIGKILL
        self.assertGreater(killed, 10, f"seed {seed}")
        told = self.imported(server, self.map, files, "--batch", "40", codes=(0, 3))
        self.assertGreater(told["batches_known"], 0)
        self.assertFalse((server.folder / "state").exists())
        self.assertEqual(self.content(server), content, f"seed {seed}")


if __name__ == "__main__":
    support.main()
