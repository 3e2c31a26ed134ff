#!/usr/bin/python3
"""order.refunded and order.cancelled: recomputed on what remains, never more than was paid."""

import itertools

import support
from support import cancel, order, refund


class RefundTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def post(self, *events):
        for event in events:
            answer = self.program.post(event)
            self.assert_applied(answer)
        return answer

    def test_refunding_one_of_two_cheap_lines(self):
        paid = order("2", "0.60", "0.60")
        self.post(paid)
        self.assertEqual(self.program.balance("2"), 1)
        self.post(refund(paid, {1: "0.60"}))
        self.assertEqual(self.program.balance("2"), 0)
        self.post(refund(paid, {2: "0.60"}))
        self.assertEqual(self.program.balance("2"), 0)

    def test_every_subset_and_order_of_partial_refunds_nets_zero(self):
        """A three-line order; each line is refunded at once or in two parts, in every order."""
        amounts = {1: ("19.99", "0.49"), 2: ("0.60", "0.20"), 3: ("35.05", "35.00")}
        shapes = itertools.product((False, True), repeat=3)
        number = 0
        for split in shapes:
            parts = []
            for (line_id, (whole, part)), in_two in zip(amounts.items(), split):
                if in_two:
                    rest = cents(whole) - cents(part)
                    parts += [(line_id, part), (line_id, f"{rest // 100}.{rest % 100:02}")]
                else:
                    parts.append((line_id, whole))
            orders = list(itertools.permutations(parts))
            for sequence in orders[::max(1, len(orders) // 24)]:
                number += 1
                self._refund_in_parts(f"m{number}", amounts, sequence)

    def _refund_in_parts(self, member, amounts, sequence):
        paid = order(member, *(whole for whole, _ in amounts.values()))
        remaining = sum(cents(whole) for whole, _ in amounts.values())
        events = [paid]
        expected = [remaining // 100]
        for line_id, money in sequence:
            events.append(refund(paid, {line_id: money}))
            remaining -= cents(money)
            expected.append(remaining // 100)
        items = self.program.batch(events)
        self.assertEqual({item["status"] for item in items}, {"applied"}, sequence)
        found = list(itertools.accumulate(
            sum(award["amount"] for award in item["awards"]) for item in items))
        self.assertEqual(found, expected, sequence)
        self.assertEqual(self.program.balance(member), 0, sequence)

    def test_every_subset_of_lines_in_one_refund(self):
        amounts = {1: "19.99", 2: "0.60", 3: "35.05"}
        for size in (1, 2, 3):
            for subset in itertools.combinations(amounts, size):
                member = "s" + "".join(map(str, subset))
                paid = order(member, *amounts.values())
                self.post(paid, refund(paid, {line_id: amounts[line_id] for line_id in subset}))
                left = sum(cents(amounts[line_id]) for line_id in amounts if line_id not in subset)
                self.assertEqual(self.program.balance(member), left // 100, subset)

    def test_an_amount_without_lines_is_spread_over_what_remains(self):
        paid = order("2", "10.00", "20.00", "30.00")
        self.post(paid, refund(paid, amount="15.50"))
        self.assertEqual(self.program.balance("2"), 44)
        self.post(refund(paid, amount="44.50"))
        self.assertEqual(self.program.balance("2"), 0)

    def test_shipping_never_touches_points(self):
        paid = order("2", "10.00")
        self.post(paid, refund(paid, {1: "1.00"}, shipping_amount="8.00"))
        self.assertEqual(self.program.balance("2"), 9)

    def test_more_than_was_paid_is_rejected_and_sticky(self):
        paid = order("2", "10.00", "5.00")
        self.post(paid)
        greedy = refund(paid, {1: "10.01"})
        answer = self.program.post(greedy)
        self.assert_problem(answer, 409, "refund_exceeds_order")
        self.assertGreater(answer.json["seq"], 0)
        again = self.program.post(greedy)
        self.assertEqual((again.status, again.code), (409, "refund_exceeds_order"))
        self.assertIn("errors", answer.json)
        for same in ("seq", "detail", "errors"):
            self.assertEqual(again.json[same], answer.json[same])
        self.assertEqual(again.headers["Replayed"], "true")
        self.assertEqual(self.program.balance("2"), 15)

    def test_refunds_add_up_against_what_was_paid(self):
        paid = order("2", "10.00")
        self.post(paid, refund(paid, {1: "6.00"}))
        answer = self.program.post(refund(paid, {1: "4.01"}))
        self.assert_problem(answer, 409, "refund_exceeds_order")
        self.post(refund(paid, {1: "4.00"}))
        self.assertEqual(self.program.balance("2"), 0)

    def test_an_unknown_line_is_rejected(self):
        paid = order("2", "10.00")
        self.post(paid)
        self.assert_problem(self.program.post(refund(paid, {9: "1.00"})), 409,
                            "refund_exceeds_order")

    def test_an_order_without_lines_has_one_line(self):
        paid = order("2", "1.00", total="59.00")
        del paid["data"]["lines"]
        self.post(paid, refund(paid, {"_order": "9.00"}))
        self.assertEqual(self.program.balance("2"), 50)

    def test_the_same_refund_under_another_event_id_is_a_duplicate(self):
        paid = order("2", "10.00")
        back = refund(paid, {1: "4.00"}, refund_id="r1")
        self.post(paid, back)
        answer = self.program.post(back | {"id": support.unique("again")})
        self.assert_status(answer.json, "duplicate")
        self.assertEqual(self.program.balance("2"), 6)

    def test_a_refund_without_lines_or_amount_misses_a_field(self):
        paid = order("2", "10.00")
        self.post(paid)
        self.assert_problem(self.program.post(refund(paid)), 422, "missing_field")

    def test_an_amount_beside_lines_is_their_sum(self):
        paid = order("2", "10.00", "20.00")
        self.post(paid)
        answer = self.program.post(refund(paid, {1: "1.00", 2: "2.00"}, amount="5.00"))
        self.assert_problem(answer, 422, "invalid_amount", "/data/amount")
        self.assert_problem(self.program.post(refund(paid, {})), 422, "missing_field")
        self.assertEqual(self.program.balance("2"), 30)
        self.post(refund(paid, {1: "1.00", 2: "2.00"}, amount="3.00"))
        self.assertEqual(self.program.balance("2"), 27)
        self.post(refund(paid, {}, amount="7.00"))
        self.assertEqual(self.program.balance("2"), 20)

    def test_points_already_spent_become_debt_and_debt_is_repaid(self):
        paid = order("2", "100.00")
        self.post(paid)
        spent = self.program.adjust("2", -80, reason_code="reward")
        self.assertEqual(spent.status, 201, spent)
        self.post(refund(paid, {1: "100.00"}))
        wallet = self.program.wallet("2")
        self.assertEqual((wallet["available"], wallet["debt"]), (0, 80))
        self.post(order("2", "30.00"))
        wallet = self.program.wallet("2")
        self.assertEqual((wallet["available"], wallet["debt"]), (0, 50))
        self.post(order("2", "60.00"))
        wallet = self.program.wallet("2")
        self.assertEqual((wallet["available"], wallet["debt"]), (10, 0))

    def test_a_refund_uses_the_rules_the_order_earned_by(self):
        paid = order("2", "10.00")
        self.post(paid)
        doubled = support.json.loads(support.json.dumps(support.MINIMAL).replace(
            "muldiv(order.net, 1, order.unit)", "muldiv(order.net, 2, order.unit)"))
        self.assertEqual(self.program.put(doubled).status, 200)
        self.post(refund(paid, {1: "10.00"}))
        self.assertEqual(self.program.balance("2"), 0)


class MemberOfRefundTest(support.ServerTest):
    """A refund names only its order; its answer says whose it is."""

    def setUp(self):
        self.program = self.server.program()

    def assert_member(self, item, member):
        self.assertEqual(item["member"], member)
        self.assertEqual({award["member"] for award in item["awards"]}, {member})
        self.assertEqual({balance["member"] for balance in item["balances"]}, {member})

    def test_alone_again_and_stored(self):
        paid = order("né/2", "10.00")
        self.assert_applied(self.program.post(paid))
        back = refund(paid, {1: "4.00"})
        self.assert_member(self.program.post(back).json, "né/2")
        self.assert_member(self.program.post(back).json, "né/2")
        self.assert_member(self.program.post(cancel(paid)).json, "né/2")
        for event in (paid, back):
            stored = self.program.get("/events", source=event["source"], id_=event["id"])
            self.assert_member(stored.json, "né/2")

    def test_many_members_in_a_batch_and_in_lines(self):
        orders = [order(f"m{number}", "10.00") for number in range(200)]
        self.program.batch(orders)
        items = self.program.batch([refund(paid, {1: "1.00"}) for paid in orders])
        for number, item in enumerate(items):
            self.assert_member(item, f"m{number}")
        text = "\n".join(support.json.dumps(refund(paid, {1: "1.00"})) for paid in orders)
        answer = self.program.post(text, support.NDJSON)
        for number, row in enumerate(answer.text.splitlines()):
            self.assert_member(support.json.loads(row), f"m{number}")

    def test_a_duplicate_order_under_another_customer_names_the_first(self):
        paid = order("first", "10.00")
        self.assert_applied(self.program.post(paid))
        other = support.copy_of(paid) | {"id": support.unique("again")}
        other["data"]["customer"]["id"] = "second"
        answer = self.program.post(other)
        self.assert_status(answer.json, "duplicate")
        self.assert_member(answer.json, "first")
        self.assert_problem(self.program.member("second"), 404, "member_not_found")


class CancelTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def test_a_cancellation_refunds_what_remains(self):
        paid = order("2", "10.00", "5.55")
        self.assert_applied(self.program.post(paid), 15)
        self.assert_applied(self.program.post(refund(paid, {1: "4.00"})))
        self.assert_applied(self.program.post(cancel(paid)))
        self.assertEqual(self.program.balance("2"), 0)

    def test_cancelled_once(self):
        paid = order("2", "10.00")
        first = cancel(paid)
        self.assert_applied(self.program.post(paid))
        self.assert_applied(self.program.post(first))
        self.assert_status(self.program.post(first).json, "duplicate")
        again = self.program.post(cancel(paid, id_=support.unique("again")))
        self.assert_status(again.json, "duplicate")
        self.assertEqual(self.program.balance("2"), 0)

    def test_nothing_is_refunded_after_a_cancellation(self):
        paid = order("2", "10.00")
        self.assert_applied(self.program.post(paid))
        self.assert_applied(self.program.post(cancel(paid)))
        self.assert_problem(self.program.post(refund(paid, {1: "1.00"})), 409,
                            "refund_exceeds_order")


def cents(text):
    return int(text.replace(".", ""))


if __name__ == "__main__":
    support.main()
