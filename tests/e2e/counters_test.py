#!/usr/bin/python3
"""Counters: read by rules, they cap what rules give, exactly, and boards rank by them."""

import concurrent.futures
import copy

import support
from support import MINIMAL, cancel, order, refund

PURCHASE = "muldiv(order.net, 1, order.unit)"


def rule(name, points, **more):
    award = {"to": "member", "currency": "points", "points": points, "reason": name}
    return {"id": name, "on": "order.paid", "effects": [{"award": award}], **more}


def counter(name, scope, window="lifetime", **what):
    return {"id": name, "on": "order.paid", "scope": scope, "window": window, **what}


def document(counters, rules, **more):
    made = copy.deepcopy(MINIMAL) | {"counters": counters, **more}
    made["campaigns"] = [{"id": "core", "rules": rules}]
    return made


class CountersTest(support.ServerTest):
    def program_of(self, *arguments, **more):
        self.program = self.server.program(document(*arguments, **more))

    def post(self, event):
        answer = self.program.post(event)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def given(self, event):
        return sum(award["amount"] for award in self.post(event)["awards"])

    def post_alone(self, event):
        return support.Program(self.server.client(), self.program.name).post(event)

    def points(self, member):
        return self.program.wallet(member)["available"]

    def test_a_rule_that_asks_for_the_first_order(self):
        self.program_of(
            [counter("orders", ["member"], count=True)],
            [rule("welcome", "100", **{"if": "counter.orders == 0"}), rule("purchase", PURCHASE)])
        first = order("anna", "10.00")
        self.assertEqual(self.given(first), 110)
        self.assertEqual(self.given(order("anna", "10.00")), 10)
        self.assertEqual(self.given(order("bert", "10.00")), 110)
        # A refund goes by what the rule saw then: the first order loses all, the second little.
        self.post(cancel(first))
        self.assertEqual(self.points("anna"), 10)
        # The one order that stands still counts.
        self.assertEqual(self.given(order("anna", "10.00")), 10)

    def test_a_cap_of_points_gives_what_is_left_and_takes_back_what_was_given(self):
        self.program_of(
            [counter("day", ["member"], "day", points="points")],
            [rule("purchase", PURCHASE, cap={"counter": "day", "max": 50})])
        first, second = order("anna", "30.00"), order("anna", "30.00")
        self.assertEqual([self.given(first), self.given(second)], [30, 20])
        self.assertEqual(self.given(order("anna", "30.00")), 0)
        self.assertEqual(self.given(order("bert", "60.00")), 50)
        self.post(refund(second, {1: "15.00"}))
        self.assertEqual(self.points("anna"), 45)
        # What was taken back may be earned again.
        self.assertEqual(self.given(order("anna", "30.00")), 5)
        self.post(cancel(second))
        self.post(cancel(first))
        self.assertEqual(self.points("anna"), 5)

    def test_all_or_nothing(self):
        self.program_of(
            [counter("all", [], points="points")],
            [rule("purchase", PURCHASE, cap={"counter": "all", "max": 50, "on_exceed": "drop"})])
        self.assertEqual(self.given(order("anna", "30.00")), 30)
        self.assertEqual(self.given(order("bert", "30.00")), 0)
        self.assertEqual(self.given(order("carl", "20.00")), 20)

    def test_sixty_four_callers_and_one_cap(self):
        self.program_of(
            [counter("all", [], points="points")],
            [rule("purchase", PURCHASE, cap={"counter": "all", "max": 1_000})])
        events = [order(f"m{n}", f"{17 + n}.00") for n in range(64)]
        with concurrent.futures.ThreadPoolExecutor(64) as callers:
            answers = list(callers.map(self.post_alone, events))
        self.assertEqual({answer.status for answer in answers}, {200})
        given = sum(award["amount"] for answer in answers for award in answer.json["awards"])
        self.assertEqual(given, 1_000)

    def test_a_board_of_orders_is_net_of_refunds(self):
        board = {"id": "orders", "score": {"counter": "orders"}, "windows": ["all", "month"]}
        self.program_of(
            [counter("orders", ["member"], count=True)], [rule("purchase", PURCHASE)],
            boards=[board])
        kept = order("anna", "5.00")
        for event in (kept, order("anna", "5.00"), order("bert", "500.00")):
            seq = self.post(event)["seq"]
        for window in ("all", "month"):
            page = self.program.get("/boards/orders", window=window, min_seq=seq).json
            self.assertEqual([row["score"] for row in page["rows"]], [2, 1])
        listed = self.program.get("/boards").json["data"][0]
        self.assertEqual(listed["score"], {"counter": "orders"})
        seq = self.post(cancel(kept))["seq"]
        page = self.program.get("/boards/orders", min_seq=seq).json
        self.assertEqual([row["score"] for row in page["rows"]], [1, 1])

    def test_what_counts_cannot_change_its_meaning(self):
        self.program_of([counter("orders", ["member"], count=True)], [rule("purchase", PURCHASE)])
        other = document([counter("orders", [], count=True)], [rule("purchase", PURCHASE)])
        self.assert_problem(self.program.put(other), 422, "invalid_document", "/counters/0")
        more = document([counter("orders", ["member"], count=True),
                         counter("spent", ["member"], "month", sum="order.net")],
                        [rule("purchase", PURCHASE)])
        self.assertEqual(self.program.put(more).status, 200)


class CountersStay(support.ServerTest):
    def test_after_a_restart_and_without_views(self):
        program = self.server.program(document(
            [counter("day", ["member"], "day", points="points")],
            [rule("purchase", PURCHASE, cap={"counter": "day", "max": 50})]))
        self.assertEqual(program.post(order("anna", "40.00")).json["awards"][0]["amount"], 40)
        self.server.kill()
        self.server.start()
        program = support.Program(self.server.client(), program.name)
        answer = program.post(order("anna", "40.00"))
        self.assertEqual(answer.json["awards"][0]["amount"], 10)


if __name__ == "__main__":
    support.main()
