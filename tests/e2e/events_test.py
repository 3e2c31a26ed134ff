#!/usr/bin/python3
"""POST /events: accepted, replayed, refused; single, batch, NDJSON and binary mode."""

import copy
import http.client
import json
import unittest

import support
from support import BATCH, NDJSON, order, unique


class SingleEventTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def test_the_answer_of_the_documentation(self):
        paid = order("2", "23.90", "35.10")
        answer = self.program.post(paid)
        self.assert_applied(answer, 59)
        award = answer.json["awards"][0]
        self.assertEqual((award["rule"], award["currency"], award["amount"]),
                         ("core/purchase", "points", 59))
        self.assertEqual(answer.json["member"], "2")
        self.assertEqual(self.program.wallet("2")["available"], 59)

    def test_seq_grows_by_what_was_written(self):
        first = self.program.paid(order("2", "10.00"))["seq"]
        second = self.program.paid(order("2", "10.00"))["seq"]
        self.assertEqual(second, first + 1)
        other = self.program.paid(order("3", "10.00"))["seq"]
        self.assertEqual(other, second + 2)  # a member entry comes first

    def test_cents_are_floored_once_an_order(self):
        self.assert_applied(self.program.post(order("2", "0.60", "0.60")), 1)
        self.assert_applied(self.program.post(order("2", "0.99")), 0)
        self.assert_applied(self.program.post(order("2", "0.00")), 0)

    def test_currencies_without_minor_units(self):
        self.assert_applied(self.program.post(order("2", "1250", currency="JPY")), 1250)
        answer = self.program.post(order("2", "1250.5", currency="JPY"))
        self.assert_problem(answer, 422, "invalid_amount")

    def test_the_same_event_again_is_a_duplicate_with_the_first_answer(self):
        paid = order("2", "59.00")
        first = self.program.post(paid)
        again = self.program.post(paid)
        self.assert_status(again.json, "duplicate")
        self.assertEqual(again.status, 200)
        self.assertEqual(again.json["seq"], first.json["seq"])
        self.assertEqual(again.json["awards"], first.json["awards"])
        self.assertEqual(again.headers["Replayed"], "true")
        self.assertIsNone(first.headers["Replayed"])
        self.assertEqual(self.program.balance("2"), 59)

    def test_unknown_data_fields_do_not_change_the_event(self):
        paid = order("2", "59.00")
        self.assert_applied(self.program.post(paid))
        more = copy.deepcopy(paid)
        more["data"]["plugin_version"] = "7"
        self.assert_status(self.program.post(more).json, "duplicate")

    def test_an_id_used_twice_with_another_body_is_a_conflict(self):
        paid = order("2", "59.00")
        self.assert_applied(self.program.post(paid))
        other = copy.deepcopy(paid)
        other["data"]["lines"][0]["amount"] = "60.00"
        before = self.program.checkpoint()["seq"]
        self.assert_problem(self.program.post(other), 409, "idempotency_conflict")
        self.assertEqual(self.program.checkpoint()["seq"], before)
        self.assertEqual(self.program.balance("2"), 59)

    def test_the_host_of_a_source_has_no_case(self):
        paid = order("2", "59.00")
        self.program.paid(paid)
        alias = copy.deepcopy(paid) | {"id": unique("webhook"), "source": "https://MAISON/import"}
        self.assert_status(self.program.post(alias).json, "duplicate")

    def test_the_same_order_under_another_event_id_is_a_duplicate(self):
        paid = order("2", "59.00")
        first = self.program.paid(paid)
        alias = copy.deepcopy(paid) | {"id": unique("webhook")}
        answer = self.program.post(alias)
        self.assert_status(answer.json, "duplicate")
        self.assertEqual(answer.json["seq"], first["seq"])
        self.assertEqual(self.program.balance("2"), 59)
        # The new id stays answerable, and sticks to its body.
        self.assert_status(self.program.post(alias).json, "duplicate")
        stored = self.program.get("/events", source=paid["source"], id_=alias["id"])
        self.assertEqual(stored.status, 200, stored)
        changed = copy.deepcopy(alias)
        changed["data"]["lines"][0]["amount"] = "61.00"
        self.assert_problem(self.program.post(changed), 409, "idempotency_conflict")

    def test_shops_are_told_apart_by_the_authority_of_source(self):
        one = order("2", "10.00", order_id="77", source="//north/woocommerce")
        same_shop = copy.deepcopy(one) | {"id": unique("e"), "source": "//north/import"}
        other_shop = copy.deepcopy(one) | {"id": unique("e"), "source": "//south/woocommerce"}
        self.assert_applied(self.program.post(one), 10)
        self.assert_status(self.program.post(same_shop).json, "duplicate")
        self.assert_applied(self.program.post(other_shop), 10)

    def test_the_stored_outcome_can_be_read(self):
        paid = order("2", "59.00")
        first = self.program.paid(paid)
        stored = self.program.get("/events", source=paid["source"], id_=paid["id"])
        self.assertEqual(stored.status, 200, stored)
        self.assertEqual(stored.json["seq"], first["seq"])
        missing = self.program.get("/events", source=paid["source"], id_="never-sent")
        self.assert_problem(missing, 404, "not_found")

    def test_a_guest_waits_for_an_identity_and_earns_nothing(self):
        guest = order(None, "59.00")
        guest["data"]["customer"] = {"email": "guest@example.com"}
        answer = self.program.post(guest)
        self.assertEqual(answer.status, 200, answer)
        self.assert_status(answer.json, "pending_identity")
        self.assertGreater(answer.json["seq"], 0)
        self.assert_status(self.program.post(guest).json, "duplicate")
        alias = copy.deepcopy(guest) | {"id": unique("alias")}
        self.assert_status(self.program.post(alias).json, "duplicate")
        self.assert_status(self.program.post(support.refund(guest, {1: "59.00"})).json,
                           "pending_identity")
        self.assert_status(self.program.post(support.cancel(guest)).json, "pending_identity")

    def test_types_that_are_not_built_are_stored_and_ignored(self):
        for type_ in ("review.published", "order.created", "custom.stamp", "something.else"):
            with self.subTest(type_):
                sent = support.event(type_, data={"customer": {"id": "2"}, "rating": 5})
                answer = self.program.post(sent)
                self.assertEqual(answer.status, 200, answer)
                self.assert_status(answer.json, "ignored")
                self.assertGreater(answer.json["seq"], 0)
                self.assert_status(self.program.post(sent).json, "duplicate")
                other = sent | {"subject": "another"}
                self.assert_problem(self.program.post(other), 409, "idempotency_conflict")

    def test_derived_types_cannot_be_posted(self):
        for type_ in ("tier.changed", "goal.reached", "referral.qualified", "review.approved"):
            with self.subTest(type_):
                self.assert_problem(self.program.post(support.event(type_)), 422, "derived_type")

    def test_an_old_event_is_accepted_without_backfill(self):
        old = order("2", "59.00", time_=support.rfc3339(-86400 * 30))
        self.assert_applied(self.program.post(old), 59)

    def test_the_future_is_refused_and_clock_drift_is_not(self):
        self.assert_applied(self.program.post(order("2", "1.00", time_=support.rfc3339(240))), 1)
        before = self.program.checkpoint()["seq"]
        late = order("2", "1.00", time_=support.rfc3339(600))
        self.assert_problem(self.program.post(late), 422, "event_in_future")
        self.assertEqual(self.program.checkpoint()["seq"], before)

    def test_order_without_lines_uses_its_totals(self):
        paid = order("2", "1.00", total="68.20", shipping="8.00", tax="1.20")
        del paid["data"]["lines"]
        self.assert_applied(self.program.post(paid), 59)
        paid = order("2", "1.00", total="68.20", subtotal="40.99")
        del paid["data"]["lines"]
        self.assert_applied(self.program.post(paid), 40)

    def test_gift_cards_and_points_spent_earn_nothing(self):
        paid = order("2", "30.00", "20.00", points_amount="5.00")
        paid["data"]["lines"][1]["gift_card"] = True
        self.assert_applied(self.program.post(paid), 25)

    def test_min_seq_reads_its_own_write(self):
        seq = self.program.paid(order("2", "59.00"))["seq"]
        answer = self.program.member("2", min_seq=seq)
        self.assertEqual(answer.status, 200, answer)
        self.assertGreaterEqual(answer.json["as_of"], seq)

    def test_binary_mode(self):
        paid = order("2", "59.00")
        headers = {f"ce-{name}": paid[name]
                   for name in ("specversion", "id", "source", "type", "time", "subject")}
        answer = self.program.request("POST", "/events", paid["data"], headers=headers)
        self.assert_applied(answer, 59)
        # The same event in structured mode.
        self.assert_status(self.program.post(paid).json, "duplicate")

    def test_header_values_are_percent_encoded(self):
        paid = order("2", "59.00") | {"subject": "order/né 7", "id": unique("50%")}
        headers = {f"ce-{name}": support.urllib.parse.quote(paid[name], safe="/:")
                   for name in ("specversion", "id", "source", "type", "time", "subject")}
        answer = self.program.request("POST", "/events", paid["data"], headers=headers)
        self.assert_applied(answer, 59)
        self.assert_status(self.program.post(paid).json, "duplicate")

    def test_the_deepest_nesting_that_is_allowed(self):
        deep = order("2", "1.00")
        deep["data"]["extra"] = json.loads("[" * 30 + "]" * 30)
        self.assert_applied(self.program.post(deep), 1)
        deep = order("2", "1.00")
        deep["data"]["extra"] = json.loads("[" * 30 + "]" * 30)
        self.assert_status(self.program.batch([deep])[0], "applied")

    def test_binary_mode_without_its_headers_is_no_event(self):
        answer = self.program.request("POST", "/events", order("2")["data"],
                                      headers={"ce-specversion": "1.0", "ce-id": unique("e")})
        self.assert_problem(answer, 400, "invalid_event")


class MalformedEventTest(support.ServerTest):
    """Shape and schema: nothing of it is sequenced."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.server.program()
        cls.program.paid(order("2", "1.00"))
        cls.before = cls.program.checkpoint()["seq"]

    def tearDown(self):
        self.assertEqual(self.program.checkpoint()["seq"], self.before)

    def test_malformed_json(self):
        for body in ("", "{", '{"specversion":"1.0",}', "nonsense", '{"a":1} trailing',
                     '{"a":01}', '{"a":"\t"}', "{'a':1}"):
            with self.subTest(body):
                self.assert_problem(self.program.post(body), 400, "malformed_json")
        answer = self.program.post('{"specversion":"1.0",\n "id":"x" "type":"y"}')
        self.assertIn("line 2, column 11", answer.json["detail"])

    def test_bad_utf8(self):
        body = json.dumps(order("2")).encode().replace(b"sku_1", b"sku_\xff")
        self.assert_problem(self.program.post(body), 400, "bad_utf8")

    def test_deep_nesting(self):
        deep = order("2")
        deep["data"]["extra"] = json.loads("[" * 40 + "]" * 40)
        self.assert_problem(self.program.post(deep), 400, "too_deep")
        self.assert_problem(self.program.post("[" * 100_000), 400, "too_deep")
        deep["data"]["extra"] = json.loads("[" * 31 + "]" * 31)
        self.assert_problem(self.program.post(deep), 400, "too_deep")

    def test_sets_are_refused_and_not_half_applied(self):
        answer = self.program.post(order("2", "5.00") | {"linked": True})
        self.assert_problem(answer, 422, "not_supported", "/linked")

    def test_ids_without_control_characters(self):
        self.assert_problem(self.program.post(order("a\x00b", "5.00")), 400, "invalid_event",
                            "/data/customer/id")
        self.assert_problem(self.program.post(order("2", "5.00") | {"id": "a\nb"}), 400,
                            "invalid_event", "/id")

    def test_binary_ids_without_control_characters(self):
        headers = {"ce-specversion": "1.0", "ce-id": "a%0Ab", "ce-type": "order.paid",
                   "ce-source": "//maison/prestashop"}
        answer = self.program.request("POST", "/events", order("2")["data"], headers=headers)
        self.assert_problem(answer, 400, "invalid_event", "/id")

    def test_times_that_no_calendar_of_ours_can_write(self):
        for time_ in ("0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
            with self.subTest(time_):
                answer = self.program.post(order("2") | {"time": time_})
                self.assert_problem(answer, 422, "too_large", "/time")

    def test_not_a_cloudevent(self):
        for missing in ("specversion", "id", "source", "type"):
            with self.subTest(missing):
                sent = order("2")
                del sent[missing]
                self.assert_problem(self.program.post(sent), 400, "invalid_event")
        for name, value in (("specversion", "0.3"), ("id", ""), ("id", 7), ("time", "yesterday"),
                            ("time", "2026-13-01T00:00:00Z"), ("source", "")):
            with self.subTest(f"{name}={value}"):
                sent = order("2") | {name: value}
                self.assert_problem(self.program.post(sent), 400, "invalid_event")

    def test_wrong_types(self):
        cases = {
            "/data/total": lambda data: data.update(total=68.2),
            "/data/order_id": lambda data: data.update(order_id=7),
            "/data/currency": lambda data: data.update(currency=978),
            "/data/lines": lambda data: data.update(lines={}),
            "/data/lines/0/amount": lambda data: data["lines"][0].update(amount=59),
            "/data/lines/0/quantity": lambda data: data["lines"][0].update(quantity="1"),
            "/data/lines/0/gift_card": lambda data: data["lines"][0].update(gift_card=1),
            "/data/customer": lambda data: data.update(customer="2"),
        }
        for pointer, change in cases.items():
            with self.subTest(pointer):
                sent = order("2")
                change(sent["data"])
                self.assert_problem(self.program.post(sent), 422, "wrong_type", pointer)

    def test_missing_fields(self):
        cases = {
            "/data/order_id": lambda data: data.pop("order_id"),
            "/data/currency": lambda data: data.pop("currency"),
            "/data/lines/0/line_id": lambda data: data["lines"][0].pop("line_id"),
            "/data/lines/0/amount": lambda data: data["lines"][0].pop("amount"),
        }
        for pointer, change in cases.items():
            with self.subTest(pointer):
                sent = order("2")
                change(sent["data"])
                self.assert_problem(self.program.post(sent), 422, "missing_field", pointer)

    def test_amounts(self):
        for money in ("-1.00", "1.001", "0x10", "1e3", "1,00", "", " 1.00", "9" * 16,
                      "999999999999999", "NaN", "+1.00", ".5", "1."):
            with self.subTest(money):
                sent = order("2")
                sent["data"]["lines"][0]["amount"] = money
                self.assert_problem(self.program.post(sent), 422, "invalid_amount",
                                    "/data/lines/0/amount")

    def test_a_sum_beyond_the_integers_of_json(self):
        sent = order("2", *["90000000000000.00"] * 2)
        self.assert_problem(self.program.post(sent), 422, "invalid_amount")

    def test_trailing_zeros_are_no_precision(self):
        sent = order("2")
        sent["data"]["lines"][0]["amount"] = "0.10000"
        sent["id"] = unique("zeros")
        answer = self.program.post(sent)
        self.assert_applied(answer, 0)
        type(self).before = self.program.checkpoint()["seq"]

    def test_quantities(self):
        for quantity in (0, -1, 2 ** 53, 2 ** 64, 2 ** 70):
            with self.subTest(quantity):
                sent = order("2")
                sent["data"]["lines"][0]["quantity"] = quantity
                self.assert_problem(self.program.post(sent), 422, "invalid_amount",
                                    "/data/lines/0/quantity")

    def test_a_fraction_of_a_thing(self):
        sent = order("2")
        sent["data"]["lines"][0]["quantity"] = 1.5
        self.assert_problem(self.program.post(sent), 422, "wrong_type", "/data/lines/0/quantity")

    def test_too_many_lines(self):
        sent = order("2", *["1.00"] * 1001)
        self.assert_problem(self.program.post(sent), 422, "too_large", "/data/lines")

    def test_unsupported_media_type(self):
        for content_type in ("text/plain", support.CLOUDEVENT + "; charset=latin1",
                             support.BATCH + "; charset=utf-16", NDJSON + "; charset=latin1"):
            with self.subTest(content_type):
                answer = self.program.post(json.dumps(order("2")), content_type)
                self.assert_problem(answer, 415, "unsupported_media_type")


class BatchTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def test_one_answer_an_event_in_input_order(self):
        events = [order("2", "10.00"), order(None, "5.00"), support.event("review.published"),
                  order("3", "7.00")]
        items = self.program.batch(events)
        self.assertEqual([item["status"] for item in items],
                         ["applied", "pending_identity", "ignored", "applied"])
        self.assertEqual(self.program.balance("2"), 10)
        self.assertEqual(self.program.balance("3"), 7)

    def test_a_bad_item_does_not_harm_the_others(self):
        bad_amount = order("2")
        bad_amount["data"]["lines"][0]["amount"] = "-1.00"
        items = self.program.batch([order("2", "10.00"), bad_amount, {"specversion": "1.0"},
                                    support.refund(order("9"), {1: "1.00"}), order("2", "5.00")])
        self.assertEqual([item["status"] for item in items],
                         ["applied", "rejected", "rejected", "pending_order", "applied"])
        self.assertEqual([items[index]["problem"]["code"] for index in (1, 2)],
                         ["invalid_amount", "invalid_event"])
        self.assertEqual(self.program.balance("2"), 15)

    def test_equal_ids_in_one_batch(self):
        paid = order("2", "10.00")
        other = copy.deepcopy(paid)
        other["data"]["lines"][0]["amount"] = "11.00"
        items = self.program.batch([paid, paid, other])
        self.assertEqual([item["status"] for item in items], ["applied", "duplicate", "rejected"])
        self.assertEqual(items[2]["problem"]["code"], "idempotency_conflict")
        self.assertEqual(items[1]["seq"], items[0]["seq"])
        self.assertEqual(self.program.balance("2"), 10)

    def test_an_order_and_its_refund_in_one_batch(self):
        paid = order("2", "10.00", "5.00")
        items = self.program.batch([paid, support.refund(paid, {2: "5.00"})])
        self.assertEqual([item["status"] for item in items], ["applied", "applied"])
        self.assertEqual(self.program.balance("2"), 10)

    def test_the_same_batch_again_changes_nothing(self):
        events = [order("2", "10.00") for _ in range(50)]
        self.program.batch(events)
        before = self.program.checkpoint()
        items = self.program.batch(events)
        self.assertEqual({item["status"] for item in items}, {"duplicate"})
        self.assertEqual(self.program.checkpoint()["head"], before["head"])

    def test_empty_and_malformed_batches(self):
        self.assertEqual(self.program.batch([]), [])
        self.assert_problem(self.program.post("[{]", BATCH), 400, "malformed_json")
        self.assert_problem(self.program.post("{}", BATCH), 400, "invalid_event")

    def test_a_thousand_and_no_more(self):
        events = [order(str(index % 7), "1.00") for index in range(1000)]
        self.assertEqual(len(self.program.batch(events)), 1000)
        answer = self.program.post(events + [order("2")], BATCH)
        self.assert_problem(answer, 413, "too_many_events")


class NdjsonTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def post(self, text):
        answer = self.program.post(text, NDJSON)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.type, NDJSON)
        return [json.loads(row) for row in answer.text.splitlines()]

    def test_answers_in_input_order_and_broken_lines_are_named(self):
        rows = [json.dumps(order("2", "10.00")), "{broken", json.dumps(order("3", "5.00"))]
        items = self.post("\n".join(rows) + "\n")
        self.assertEqual([item["status"] for item in items], ["applied", "rejected", "applied"])
        self.assertEqual(items[1]["problem"]["code"], "malformed_json")
        self.assertIn("2", json.dumps(items[1]))  # its line number
        self.assertEqual(self.program.balance("3"), 5)

    def test_the_last_line_needs_no_newline(self):
        self.assertEqual(len(self.post(json.dumps(order("2", "1.00")))), 1)

    def test_more_lines_than_a_batch_may_have(self):
        items = self.post("".join(json.dumps(order("2", "1.00")) + "\n" for _ in range(3000)))
        self.assertEqual(len(items), 3000)
        self.assertEqual({item["status"] for item in items}, {"applied"})
        self.assertEqual(self.program.balance("2"), 3000)

    def test_the_answer_of_a_line_comes_before_the_next_line_is_sent(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.putrequest("POST", self.program.base + "/events")
        connection.putheader("Authorization", "Bearer " + self.server.admin_key)
        connection.putheader("Content-Type", NDJSON)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()

        def send(text):
            data = text.encode()
            connection.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        send(json.dumps(order("2", "10.00")) + "\n")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertEqual(json.loads(answer.readline())["status"], "applied")
        send(json.dumps(order("2", "10.00")) + "\n")
        self.assertEqual(json.loads(answer.readline())["status"], "applied")
        connection.send(b"0\r\n\r\n")
        self.assertEqual(answer.readline(), b"")

    def last_line_of(self, server, program, send):
        """Begins a chunked body with one event, lets `send` go on, and reads the whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.putrequest("POST", program.base + "/events")
        connection.putheader("Authorization", "Bearer " + server.admin_key)
        connection.putheader("Content-Type", NDJSON)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        first = (json.dumps(order("2", "10.00")) + "\n").encode()
        connection.send(f"{len(first):x}\r\n".encode() + first + b"\r\n")
        send(connection)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        rows = [json.loads(row) for row in answer.read().splitlines()]
        self.assertEqual([row["status"] for row in rows], ["applied", "rejected"])
        self.assertEqual(rows[1]["line"], 2)
        return rows[1]["problem"]["code"]

    def test_a_body_that_grows_too_large_is_said_in_the_last_line(self):
        chunk = b"x" * 100_000

        def send(connection):
            try:
                for _ in range(90):
                    connection.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused while it was sent

        self.assertEqual(self.last_line_of(self.server, self.program, send), "body_too_large")

    def test_a_body_that_stalls_is_said_in_the_last_line(self):
        with support.Server("--body-timeout", "500ms") as server:
            code = self.last_line_of(server, server.program(), lambda connection: None)
            self.assertEqual(code, "request_timeout")


if __name__ == "__main__":
    support.main()
