#!/usr/bin/python3
"""The mapping of the retail data set, without a server; the figures where the files are at hand."""

import decimal
import importlib.machinery
import importlib.util
import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("replay_retail", str(ROOT / "tools/replay-retail"))
_spec = importlib.util.spec_from_loader("replay_retail", _loader)
replay_retail = importlib.util.module_from_spec(_spec)
_loader.exec_module(replay_retail)

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def read(rows, header=HEADER):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "2011-05.csv").write_text(header + "\n".join(rows) + "\n")
        return replay_retail.read_invoices(folder)


class FakeServer:
    """Answers as the server would; remembers what is stored."""

    def __init__(self):
        self.stored = {}
        self.balances = {}

    def call(self, method, path, body=None, content_type="application/json"):
        if method == "GET" and "/events?" in path:
            return (200 if path.rsplit("id=", 1)[1] in self.stored else 404), {}
        if method == "GET" and "/members/" in path:
            points = self.balances.get(path.rsplit("/", 1)[1], 0)
            return 200, {"balances": [{"currency": "points", "available": points, "pending": 0}]}
        return 200, [self._store(event) for event in json.loads(body)]

    def _store(self, event):
        if event["id"] in self.stored:
            return {"status": "duplicate"}
        self.stored[event["id"]] = event
        customer = event["data"].get("customer")
        if not customer:
            return {"status": "pending_identity"}
        earned = int(decimal.Decimal(event["data"]["total"]))
        self.balances[customer["id"]] = self.balances.get(customer["id"], 0) + earned
        return {"status": "applied"}


class MappingTest(unittest.TestCase):
    def test_an_invoice_becomes_one_order_paid_in_utc(self):
        [invoice] = read(["536365,A,x,6,2011-05-03 08:27:00,2.55,17850.0,UK",
                          "536365,B,x,2,2011-05-03 08:26:00,3.39,17850.0,UK"])
        event = replay_retail.to_event(invoice)
        self.assertEqual(event["id"], "536365")
        self.assertEqual(event["source"], "//uci/online-retail")
        # The earliest line's, which is British summer time.
        self.assertEqual(event["time"], "2011-05-03T07:26:00Z")
        self.assertEqual(event["data"]["customer"], {"id": "17850"})
        self.assertEqual(event["data"]["total"], "22.08")
        self.assertEqual([line["line_id"] for line in event["data"]["lines"]], ["1", "2"])
        self.assertEqual([line["amount"] for line in event["data"]["lines"]], ["15.30", "6.78"])

    def test_winter_time_is_utc(self):
        self.assertEqual(replay_retail.utc_time("2010-12-01 08:26:00"), "2010-12-01T08:26:00Z")

    def test_amounts_round_half_to_even(self):
        self.assertEqual(replay_retail.line_amount("1", "0.125"), decimal.Decimal("0.12"))
        self.assertEqual(replay_retail.line_amount("1", "0.135"), decimal.Decimal("0.14"))

    def test_credit_notes_and_write_offs_are_not_sent(self):
        invoices = read(["C1,A,x,-1,2011-05-03 08:26:00,2.00,1.0,UK",
                         "2,A,x,-5,2011-05-03 08:26:00,0.0,,UK",
                         "3,A,x,1,2011-05-03 08:26:00,2.00,,UK"])
        self.assertEqual([i.number for i in replay_retail.sendable(invoices)], ["3"])
        self.assertNotIn("customer", replay_retail.to_event(invoices[2])["data"])

    def test_points_are_whole_pounds_of_each_invoice(self):
        invoices = read(["1,A,x,1,2011-05-03 08:26:00,1.99,7.0,UK",
                         "2,A,x,1,2011-05-03 08:26:00,1.99,7.0,UK"])
        self.assertEqual(replay_retail.expected_points(invoices), {"7": 2})

    def test_a_folder_without_files_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaises(FileNotFoundError):
            replay_retail.read_invoices(folder)


class ReplayTest(unittest.TestCase):
    def setUp(self):
        self.invoices = read([f"{n},A,x,{n},2011-05-03 08:26:00,1.50,{n % 3}.0,UK"
                              for n in range(1, 26)])
        self.server = FakeServer()
        self.replay = replay_retail.Replay(self.server, "retail", batch=10)

    def test_everything_is_posted_once_and_balances_agree(self):
        self.replay.run(self.invoices)
        self.assertEqual(self.replay.counts, {"applied": 25})
        self.assertEqual(self.replay.differences(replay_retail.expected_points(self.invoices)), [])

    def test_posting_again_answers_duplicates(self):
        self.replay.run(self.invoices)
        again = replay_retail.Replay(self.server, "retail", batch=7)
        again.run(self.invoices)
        self.assertEqual(again.counts, {"duplicate": 25})

    def test_resuming_starts_at_the_first_that_is_missing(self):
        self.replay.run(self.invoices[:13])
        self.assertEqual(self.replay.first_missing(self.invoices), 13)
        empty = replay_retail.Replay(FakeServer(), "retail")
        self.assertEqual(empty.first_missing(self.invoices), 0)

    def test_a_wrong_balance_is_found(self):
        self.replay.run(self.invoices)
        self.server.balances["1"] += 1
        different = self.replay.differences(replay_retail.expected_points(self.invoices))
        self.assertEqual([row[0] for row in different], ["1"])

    def test_a_body_stays_below_its_limit(self):
        event = replay_retail.to_event(self.invoices[0])
        one = len(json.dumps(event, separators=(",", ":")))
        replay = replay_retail.Replay(self.server, "retail", batch=1000, body_bytes_max=4 * one)
        bodies = [body for _, body in replay.batches(self.invoices)]
        self.assertGreater(len(bodies), 5)
        self.assertLessEqual(max(len(body) for body in bodies), 4 * one)

    def test_an_unexpected_status_stops_the_replay(self):
        self.server._store = lambda event: {"status": "rejected"}
        with self.assertRaises(replay_retail.AnswerError):
            self.replay.run(self.invoices)


@unittest.skipUnless(replay_retail.DEFAULT_DIR.is_dir(), "SKIPPED: no data set (GUERDON_TESTDATA)")
class DataSetTest(unittest.TestCase):
    def test_the_figures_are_the_known_ones(self):
        invoices = replay_retail.read_invoices(replay_retail.DEFAULT_DIR)
        self.assertEqual(replay_retail.figures(invoices), replay_retail.KNOWN)

    def test_every_line_amount_of_a_sent_order_is_acceptable(self):
        invoices = replay_retail.read_invoices(replay_retail.DEFAULT_DIR)
        for invoice in replay_retail.sendable(invoices):
            for (quantity, _, _), amount in zip(invoice.lines, invoice.amounts()):
                self.assertGreaterEqual(int(quantity), 1, invoice.number)
                self.assertGreaterEqual(amount, 0, invoice.number)


if __name__ == "__main__":
    unittest.main()
