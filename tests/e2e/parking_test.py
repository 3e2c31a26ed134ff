#!/usr/bin/python3
"""Refunds and cancellations that come before their order: order of arrival does not matter."""

import datetime
import itertools

import support
from support import MINIMAL, cancel, copy_of, order, order_id_of, refund, unique, wait_until


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class ParkingTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def item(self, event):
        answer = self.program.post(event)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def entry(self, seq):
        answer = self.program.get(f"/entries/{seq}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def assert_verified(self):
        """Views and log agree, and a replay gives the same state."""
        self.server.stop()
        try:
            done = support.run_guerdon("verify", "--data", self.server.data)
            self.assertEqual(done.returncode, 0, done)
        finally:
            self.server.start()

    def test_refund_before_its_order(self):
        paid = order("2", "10.00", "5.00")
        early = refund(paid, {1: "2.50"}, reason="too small")
        first = self.item(early)
        self.assertEqual(first["status"], "pending_order")
        parked = self.entry(first["seq"])
        self.assertEqual(parked["kind"], "parked")
        self.assertIn("waits_until", parked)
        self.assertEqual(parked["event"]["refund"]["lines"][0]["amount"], 250)

        answer = self.program.post(paid)
        self.assert_applied(answer, 15)
        # The answer is the order's own: what waited comes right behind it.
        self.assertEqual(answer.json["balances"][0]["available"], 15)
        self.assertEqual(self.program.balance("2"), 12)
        netted = self.entry(answer.json["seq"] + 1)
        self.assertEqual(netted["kind"], "event")
        self.assertEqual(netted["event"]["id"], early["id"])
        self.assertEqual(netted["actor"]["kind"], "system")
        self.assertEqual({link["kind"]: link["seq"] for link in netted["links"]},
                         {"original": answer.json["seq"], "parked": first["seq"]})

        again = self.program.post(early)
        self.assertEqual(again.headers.get("Replayed"), "true")
        self.assertEqual((again.json["status"], again.json["first_status"], again.json["seq"]),
                         ("duplicate", "pending_order", first["seq"]))
        stored = self.program.get("/events", source=early["source"], id=early["id"])
        self.assertEqual(stored.json["status"], "pending_order")

    def test_cancel_before_its_order(self):
        paid = order("2", "19.99", "0.35")
        self.assertEqual(self.item(cancel(paid))["status"], "pending_order")
        self.assert_applied(self.program.post(paid), 20)
        wallet = self.program.wallet("2")
        self.assertEqual((wallet["available"], wallet["debt"]), (0, 0))
        self.assert_problem(self.program.post(refund(paid, {1: "1.00"})),
                            409, "refund_exceeds_order")

    def test_three_partial_refunds_in_every_order_of_arrival(self):
        """By one or two event ids each, around the order; each counts once."""
        for number, arrival in enumerate(itertools.permutations(range(4))):
            member = f"p{number}"
            paid = order(member, "10.00", "20.00", "30.00")
            parts = [refund(paid, {1: "10.00"}), refund(paid, {2: "0.50"}),
                     refund(paid, {3: "30.00"})]
            events = [paid if index == 3 else parts[index] for index in arrival]
            copies = [dict(part, id=unique("copy")) for part in parts[number % 3:]]
            for copy in copies:
                events.insert((7 * number + len(events)) % (len(events) + 1), copy)
            items = self.program.batch(events)
            self.assertEqual({item["status"] for item in items}
                             - {"applied", "pending_order", "duplicate"}, set(), items)
            with self.subTest(arrival):
                self.assertEqual(self.program.balance(member), 19)
        self.assert_verified()

    def test_what_exceeds_the_order_is_rejected_when_it_comes(self):
        paid = order("2", "10.00")
        self.assertEqual(self.item(refund(paid, {1: "7.00"}))["status"], "pending_order")
        self.assertEqual(self.item(refund(paid, {1: "4.00"}))["status"], "pending_order")
        answer = self.program.post(paid)
        self.assert_applied(answer, 10)
        self.assertEqual(self.program.balance("2"), 3)
        rejected = self.entry(answer.json["seq"] + 2)
        self.assertEqual((rejected["kind"], rejected["code"]), ("rejected", "refund_exceeds_order"))
        self.assertEqual(self.program.orphans().json["data"], [])

    def test_a_guest_order_takes_what_waits_along(self):
        paid = order(None, "10.00")
        early = self.item(refund(paid, {1: "7.00"}))
        guest = self.item(paid)
        self.assertEqual(guest["status"], "pending_identity")
        moved = self.entry(guest["seq"] + 1)
        self.assertEqual(moved["kind"], "parked")
        self.assertEqual({link["kind"]: link["seq"] for link in moved["links"]},
                         {"original": guest["seq"], "parked": early["seq"]})

    def test_kill_and_restart_between(self):
        paid = order("2", "10.00")
        late = order("2", "100.00")
        orphan = self.item(refund(order("2"), {1: "1.00"}, final=True))
        self.assertEqual(self.item(refund(paid, {1: "4.00"}))["status"], "pending_order")
        self.assertEqual(self.item(cancel(late))["status"], "pending_order")
        self.server.kill()
        self.server.start()
        self.program.client.close()
        self.assert_applied(self.program.post(paid), 10)
        self.assertEqual(self.program.balance("2"), 6)
        self.server.restart()
        self.program.client.close()
        self.assert_applied(self.program.post(late), 100)
        self.assertEqual(self.program.balance("2"), 6)
        self.assertEqual([found["seq"] for found in self.program.orphans().json["data"]],
                         [orphan["seq"]])
        self.assert_verified()

    def test_gauges(self):
        def gauge(name):
            text = self.server.client().get("/metrics").text
            return int(next(line.split()[1] for line in text.splitlines()
                            if line.startswith(name + " ")))
        waiting, orphans = gauge("guerdon_waiting_refunds"), gauge("guerdon_orphans")
        paid = order("2", "10.00")
        self.item(refund(paid, {1: "4.00"}))
        self.item(refund(order("2"), {1: "4.00"}, final=True))
        self.assertEqual(gauge("guerdon_waiting_refunds"), waiting + 1)
        self.assertEqual(gauge("guerdon_orphans"), orphans + 1)
        self.program.paid(paid)
        self.assertEqual(gauge("guerdon_waiting_refunds"), waiting)

    def test_the_program_says_how_long(self):
        document = copy_of(MINIMAL)
        document["orders"] = {"park_for": "90m"}
        program = self.server.program(document)
        found = program.post(refund(order("2"), {1: "1.00"}))
        entry = program.get(f"/entries/{found.json['seq']}").json
        self.assertEqual(seconds(entry["waits_until"]) - seconds(entry["recorded_at"]), 5400)
        document["orders"] = {"park_for": "31d"}
        self.assert_problem(program.validate(document), 422, "invalid_document", "/orders/park_for")

    def test_a_wrong_final_is_refused(self):
        event = refund(order("2"), {1: "1.00"}, final="yes")
        self.assert_problem(self.program.post(event, checked=False), 422, "wrong_type",
                            "/data/final")


class OrphanTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def orphan(self, paid=None, money="2.50", **more):
        answer = self.program.post(refund(paid or order("2"), {1: money}, final=True, **more))
        self.assertEqual(answer.json["status"], "orphaned", answer)
        return answer.json["seq"]

    def test_final_without_the_order(self):
        paid = order("2", "10.00")
        event = refund(paid, {1: "2.50"}, final=True)
        seq = self.program.post(event).json["seq"]
        again = self.program.post(event).json
        self.assertEqual((again["status"], again["first_status"]), ("duplicate", "orphaned"))
        del event["data"]["final"]
        self.assert_problem(self.program.post(event), 409, "idempotency_conflict")
        self.program.paid(paid)
        self.assertEqual(self.program.balance("2"), 10)
        found = self.program.orphans()
        self.assertEqual(found.status, 200, found)
        [item] = found.json["data"]
        self.assertEqual(
            {name: item[name] for name in ("seq", "reason", "type", "source", "id", "order_id",
                                           "refund_id", "currency", "lines")},
            {"seq": seq, "reason": "final", "type": "order.refunded", "source": paid["source"],
             "id": event["id"], "order_id": order_id_of(paid),
             "refund_id": event["data"]["refund_id"], "currency": "EUR",
             "lines": [{"line_id": "1", "amount": 250}]})

    def test_final_with_the_order_changes_nothing(self):
        paid = order("2", "10.00")
        self.program.paid(paid)
        self.assert_applied(self.program.post(refund(paid, {1: "2.50"}, final=True)), -3)
        self.assert_applied(self.program.post(cancel(paid, final=True)), -7)
        self.assertEqual(self.program.orphans().json["data"], [])

    def test_attach(self):
        paid = order("2", "10.00")
        self.program.paid(paid)
        seq = self.orphan()
        key = unique("ticket")
        answer = self.program.attach(seq, order_id_of(paid), key)
        self.assertEqual(answer.status, 201, answer)
        entry = answer.json
        self.assertEqual((entry["kind"], entry["member"], entry["actor"]["kind"]),
                         ("event", "2", "key"))
        self.assertIn({"kind": "parked", "seq": seq}, entry["links"])
        self.assertEqual(self.program.balance("2"), 7)
        self.assertEqual(self.program.orphans().json["data"], [])

        again = self.program.attach(seq, order_id_of(paid), key)
        self.assertEqual((again.status, again.headers.get("Replayed"), again.json),
                         (201, "true", entry))
        self.assert_problem(self.program.attach(seq, order_id_of(paid)), 409, "already_attached")
        self.assert_problem(self.program.attach(seq, "another", key), 409, "idempotency_conflict")
        self.assertEqual(self.program.balance("2"), 7)

    def test_attach_what_the_order_cannot_take(self):
        paid = order("2", "1.00")
        self.program.paid(paid)
        seq = self.orphan(money="2.50")
        key = unique("ticket")
        refused = self.program.attach(seq, order_id_of(paid), key)
        self.assert_problem(refused, 409, "refund_exceeds_order")
        again = self.program.attach(seq, order_id_of(paid), key)
        self.assert_problem(again, 409, "refund_exceeds_order")
        self.assertEqual(again.json["seq"], refused.json["seq"])
        self.assertEqual(len(self.program.orphans().json["data"]), 1)

    def test_attach_in_another_shop(self):
        paid = order("2", "10.00", source="//other/magento")
        self.program.paid(paid)
        seq = self.orphan()
        self.assert_problem(self.program.attach(seq, order_id_of(paid)), 404, "order_not_found")
        answer = self.program.attach(seq, order_id_of(paid), source="//OTHER/import")
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.program.balance("2"), 7)

    def test_attach_refuses_what_is_wrong(self):
        paid = order("2", "10.00")
        applied = self.program.post(paid).json["seq"]
        self.assert_problem(self.program.attach(applied, order_id_of(paid)), 404, "not_found")
        self.assert_problem(self.program.attach(99999999, order_id_of(paid)), 404, "not_found")
        seq = self.orphan()
        path = f"/orphans/{seq}/attach"
        self.assert_problem(self.program.request("POST", path, {"order_id": "1"}),
                            400, "idempotency_key_required")
        headers = {"Idempotency-Key": unique("ticket")}
        for body, status, code in (({}, 422, "missing_field"), ({"order_id": 1}, 422, "wrong_type"),
                                   ({"order_id": "1", "x": 1}, 400, "invalid_parameter")):
            with self.subTest(body):
                self.assert_problem(
                    self.program.request("POST", path, body, headers=headers, checked=False),
                    status, code)

    def test_scopes(self):
        seq = self.orphan()
        reader = self.program.with_key(self.program.create_key("members:read")["key"])
        writer = self.program.with_key(self.program.create_key("points:write")["key"])
        self.assertEqual(reader.orphans().status, 200)
        self.assert_problem(writer.orphans(), 403, "missing_scope")
        self.assert_problem(reader.attach(seq, "1"), 403, "missing_scope")

    def test_pages(self):
        seqs = [self.orphan() for _ in range(7)]
        found, cursor = [], {}
        while True:
            answer = self.program.orphans(limit=3, **cursor)
            self.assertEqual(answer.status, 200, answer)
            found += [item["seq"] for item in answer.json["data"]]
            if answer.json["next_cursor"] is None:
                break
            cursor = {"cursor": answer.json["next_cursor"]}
        self.assertEqual(found, seqs)
        self.assert_problem(self.program.orphans(cursor="17"), 400, "invalid_parameter")
        self.assert_problem(self.program.orphans(limit=101), 400, "invalid_parameter")
        self.assert_problem(self.program.orphans(what=1), 400, "invalid_parameter")


class TimeOutTest(support.ServerTest):
    def test_a_refund_whose_order_does_not_come_is_listed(self):
        """The shortest wait there is; with a fake clock: tests/server/engine_parking_test.cpp."""
        document = copy_of(MINIMAL)
        document["orders"] = {"park_for": "1m"}
        program = self.server.program(document)
        early = program.post(refund(order("2"), {1: "1.00"})).json
        wait_until(lambda: program.orphans().json["data"], "the orphan", limit_s=90)
        [item] = program.orphans().json["data"]
        self.assertEqual((item["reason"], item["parked_seq"]), ("timed_out", early["seq"]))


if __name__ == "__main__":
    support.main()
