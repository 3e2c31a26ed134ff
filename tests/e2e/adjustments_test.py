#!/usr/bin/python3
"""Adjustments: points by hand, with dry runs, preconditions and idempotency keys."""

import threading

import support
from support import order, unique


class AdjustmentTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()
        self.program.paid(order("2", "100.00"))

    def test_a_reason_code_is_no_sentence(self):
        self.program.paid(order("2", "9.00"))
        answer = self.program.adjust("2", 5, reason_code="Call from Anna Keller")
        self.assert_problem(answer, 400, "invalid_parameter", "/reason_code")

    def test_points_are_added_and_taken(self):
        answer = self.program.adjust("2", 50)
        self.assertEqual(answer.status, 201, answer)
        self.assertGreater(answer.json["seq"], 0)
        self.assertEqual(self.program.wallet("2")["available"], 150)
        self.assertEqual(self.program.adjust("2", -150).status, 201)
        self.assertEqual(self.program.wallet("2")["available"], 0)

    def test_too_little_is_refused_for_ever_under_its_key(self):
        key = unique("k")
        answer = self.program.adjust("2", -101, key)
        self.assert_problem(answer, 409, "insufficient_points")
        self.assertGreater(answer.json["seq"], 0)
        self.program.adjust("2", 50)
        again = self.program.adjust("2", -101, key)
        self.assert_problem(again, 409, "insufficient_points")
        self.assertEqual(again.json["seq"], answer.json["seq"])
        self.assertEqual(again.headers["Replayed"], "true")
        self.assertEqual(self.program.wallet("2")["available"], 150)

    def test_a_replay_answers_the_first_result(self):
        key = unique("k")
        first = self.program.adjust("2", 50, key)
        again = self.program.adjust("2", 50, key)
        self.assertEqual((again.status, again.json["seq"]), (201, first.json["seq"]))
        self.assertEqual(again.headers["Replayed"], "true")
        self.assertIsNone(first.headers["Replayed"])
        self.assertEqual(self.program.wallet("2")["available"], 150)

    def test_a_key_with_another_request_is_a_conflict(self):
        key = unique("k")
        self.program.adjust("2", 50, key)
        self.assert_problem(self.program.adjust("2", 51, key), 409, "idempotency_conflict")
        self.program.paid(order("3", "1.00"))
        self.assert_problem(self.program.adjust("3", 50, key), 409, "idempotency_conflict")

    def test_keys_are_needed_and_bounded(self):
        self.assert_problem(self.program.adjust("2", 50, False), 400, "idempotency_key_required")
        self.assertEqual(self.program.adjust("2", 1, "k" * 255).status, 201)
        self.assert_problem(self.program.adjust("2", 1, "k" * 256), 400, "invalid_parameter")
        self.assert_problem(self.program.adjust("2", 1, "a\tb"), 400, "invalid_parameter")

    def test_a_dry_run_writes_nothing_and_tells_the_outcome(self):
        before = self.program.checkpoint()
        answer = self.program.adjust("2", -40, dry_run=True)
        self.assertIn(answer.status, (200, 201), answer)
        self.assert_problem(self.program.adjust("2", -101, dry_run=True), 409,
                            "insufficient_points")
        self.assertEqual(self.program.checkpoint()["head"], before["head"])
        self.assertEqual(self.program.wallet("2")["available"], 100)

    def test_a_dry_run_does_not_use_up_its_key(self):
        key = unique("k")
        self.program.adjust("2", 50, key, dry_run=True)
        answer = self.program.adjust("2", 50, key)
        self.assertEqual(answer.status, 201, answer)
        self.assertIsNone(answer.headers["Replayed"])
        self.assertEqual(self.program.wallet("2")["available"], 150)

    def test_if_match(self):
        tag = self.program.balances("2").headers["ETag"]
        self.assertTrue(tag.startswith('"'), tag)
        self.assertEqual(self.program.adjust("2", 1, headers={"If-Match": tag}).status, 201)
        answer = self.program.adjust("2", 1, headers={"If-Match": tag})
        self.assert_problem(answer, 412, "precondition_failed")
        self.assertEqual(self.program.wallet("2")["available"], 101)
        tag = self.program.balances("2").headers["ETag"]
        self.assertEqual(self.program.adjust("2", 1, headers={"If-Match": tag}).status, 201)

    def test_bodies(self):
        path = self.program.member_path("2", "/adjustments")

        def refused(body, status, code, pointer=None):
            answer = self.program.request("POST", path, body,
                                          headers={"Idempotency-Key": unique("k")})
            self.assert_problem(answer, status, code, pointer)

        good = {"currency": "points", "amount": 5, "reason_code": "goodwill"}
        refused(good | {"amount": 12.5}, 422, "wrong_type", "/amount")
        refused(good | {"amount": "5"}, 422, "wrong_type", "/amount")
        refused(good | {"amount": 0}, 422, "invalid_amount", "/amount")
        refused(good | {"amount": 2 ** 53}, 422, "invalid_amount", "/amount")
        refused(good | {"amount": 2 ** 70}, 422, "invalid_amount", "/amount")
        refused({name: value for name, value in good.items() if name != "amount"}, 422,
                "missing_field", "/amount")
        refused({name: value for name, value in good.items() if name != "reason_code"}, 422,
                "missing_field", "/reason_code")
        refused("{", 400, "malformed_json")

    def test_a_result_beyond_the_integers_of_json(self):
        self.assertEqual(self.program.adjust("2", 2 ** 53 - 101).status, 201)
        self.assert_problem(self.program.adjust("2", 1), 422, "invalid_amount")

    def test_an_unknown_currency(self):
        answer = self.program.adjust("2", 1, currency="stars")
        self.assert_problem(answer, 400, "invalid_parameter", "/currency")

    def test_parallel_spends_never_overdraw(self):
        statuses = []
        lock = threading.Lock()

        def spend():
            program = support.Program(self.server.client(), self.program.name)
            for _ in range(10):
                answer = program.adjust("2", -3)
                with lock:
                    statuses.append((answer.status, answer.code))
            program.client.close()

        threads = [threading.Thread(target=spend) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses.count((201, None)), 33)
        self.assertEqual(statuses.count((409, "insufficient_points")), 47)
        self.assertEqual(self.program.wallet("2")["available"], 1)


if __name__ == "__main__":
    support.main()
