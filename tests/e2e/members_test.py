#!/usr/bin/python3
"""Members: create, read, exact look-up, statements, lots, balances of the past."""

import copy

import support
from support import MINIMAL, order, refund, unique


class MemberTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def test_created_then_changed_then_the_same(self):
        body = {"email": "anna@example.com", "name": "Anna Keller"}
        answer = self.program.put_member("7", body)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["member"], "7")
        answer = self.program.put_member("7", body | {"name": "Anna Laurier"})
        self.assertEqual(answer.status, 200, answer)
        before = self.program.checkpoint()["head"]
        self.assertEqual(self.program.put_member("7", body | {"name": "Anna Laurier"}).status, 200)
        self.assertEqual(self.program.checkpoint()["head"], before)

    def test_a_new_member_has_nothing(self):
        self.program.put_member("7", {})
        wallet = self.program.wallet("7")
        self.assertEqual((wallet["available"], wallet["debt"]), (0, 0))

    def test_read(self):
        self.program.paid(order("2", "59.00"))
        answer = self.program.member("2")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["member"], "2")
        row = answer.json["balances"][0]
        self.assertEqual((row["currency"], row["available"], row["lifetime_earned"]),
                         ("points", 59, 59))
        self.assertGreater(answer.json["as_of"], 0)

    def test_unknown_member(self):
        for answer in (self.program.member("nobody"), self.program.entries("nobody"),
                       self.program.lots("nobody"), self.program.balances("nobody"),
                       self.program.adjust("nobody", 5)):
            self.assert_problem(answer, 404, "member_not_found")

    def test_ids_with_odd_characters(self):
        for name in ("a/b", "é~1", "x y", "50%"):
            with self.subTest(name):
                self.program.paid(order(name, "3.00"))
                self.assertEqual(self.program.wallet(name)["available"], 3)

    def test_ids_have_no_control_characters(self):
        for name in ("a\x00b", "a\nb", "\x1f"):
            with self.subTest(name):
                answer = self.program.put_member(name, {"name": "Anna"})
                self.assert_problem(answer, 400, "invalid_parameter")

    def test_another_content_type(self):
        for method, path, body in (
                ("PUT", "/members/2", {"name": "Anna"}),
                ("POST", "/members/2/adjustments",
                 {"currency": "points", "amount": 1, "reason_code": "x"}),
                ("POST", "/keys", {"kind": "secret", "scopes": ["events:write"]}),
                ("PUT", "", support.MINIMAL),
                ("POST", "/validate", support.MINIMAL)):
            for content_type in ("text/plain", "application/json; charset=latin1"):
                with self.subTest(f"{method} {path} {content_type}"):
                    answer = self.program.request(method, path, body, content_type=content_type,
                                                  headers={"Idempotency-Key": unique("k")})
                    self.assert_problem(answer, 415, "unsupported_media_type")
        answer = self.program.put_member("2", {"name": "A"},
                                         content_type='application/json; charset="UTF-8"')
        self.assertEqual(answer.status, 201, answer)

    def test_many_with_one_email_are_all_found_also_when_cold(self):
        email = unique("shared") + "@example.com"
        names = {str(number) for number in range(1, 81)}
        for name in names:
            self.program.put_member(name, {"email": email})
        self.server.restart()
        program = support.Program(self.server.client(), self.program.name)
        found = support.rows_of(program.get("/members", query=email))
        self.assertEqual({row["member"] for row in found}, names)
        for number in range(81, 121):
            program.put_member(str(number), {"email": email})
        self.assert_problem(program.get("/members", query=email), 400, "invalid_parameter")

    def test_exact_look_up(self):
        email = unique("anna") + "@Example.com"
        paid = order({"id": "12", "email": email}, "5.00")
        self.program.paid(paid)
        for query in ("12", email, email.lower(), " " + email, paid["data"]["order_id"]):
            with self.subTest(query):
                found = support.rows_of(self.program.get("/members", query=query))
                self.assertEqual([row["member"] for row in found], ["12"])
        for query in (email[:-1], "1", "anna"):
            with self.subTest(query):
                self.assertEqual(support.rows_of(self.program.get("/members", query=query)), [])

    def test_look_up_needs_its_query(self):
        self.assert_problem(self.program.get("/members"), 400, "invalid_parameter")

    def test_an_address_moves_with_its_owner(self):
        old, new = unique("old") + "@example.com", unique("new") + "@example.com"
        self.program.put_member("7", {"email": old})
        self.program.put_member("7", {"email": new})
        self.assertEqual(support.rows_of(self.program.get("/members", query=old)), [])
        found = support.rows_of(self.program.get("/members", query=new))
        self.assertEqual([row["member"] for row in found], ["7"])


class StatementTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def statement(self, member, **query):
        rows, cursor = [], None
        while True:
            answer = self.program.entries(member, cursor=cursor, **query)
            self.assertEqual(answer.status, 200, answer)
            rows += answer.json["data"]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                return rows

    def test_running_balances(self):
        paid = order("2", "59.00")
        self.program.paid(paid)
        self.program.adjust("2", 41)
        self.program.adjust("2", -30)
        self.program.post(refund(paid, {1: "9.00"}))
        rows = sorted(self.statement("2"), key=lambda row: row["seq"])
        self.assertEqual([row["amount"] for row in rows], [59, 41, -30, -9])
        self.assertEqual([row["balance_after"]["available"] for row in rows], [59, 100, 70, 61])
        self.assertEqual(self.program.wallet("2")["available"], 61)

    def test_pages_are_stable_under_inserts(self):
        for _ in range(25):
            self.program.paid(order("2", "1.00"))
        first = self.program.entries("2", limit=10)
        self.assertEqual(len(first.json["data"]), 10)
        for _ in range(5):
            self.program.paid(order("2", "1.00"))
        second = self.program.entries("2", limit=10, cursor=first.json["next_cursor"])
        seqs = [row["seq"] for row in first.json["data"] + second.json["data"]]
        self.assertEqual(len(set(seqs)), 20)
        self.assertEqual(seqs, sorted(seqs, reverse=seqs[0] > seqs[-1]))

    def test_long_statements_reach_back_to_the_first_line(self):
        items = self.program.batch([order("2", "1.00") for _ in range(300)])
        self.assertEqual({item["status"] for item in items}, {"applied"})
        rows = self.statement("2", limit=100)
        self.assertEqual(len(rows), 300)
        self.assertEqual([row["balance_after"]["available"] for row in rows],
                         list(range(300, 0, -1)))

    def test_limits_of_a_page(self):
        self.program.paid(order("2", "1.00"))
        for limit in ("0", "101", "-1", "ten", ""):
            with self.subTest(limit):
                self.assert_problem(self.program.entries("2", limit=limit), 400,
                                    "invalid_parameter")
        self.assert_problem(self.program.entries("2", cursor="forged"), 400, "invalid_parameter")

    def test_a_misspelt_query_parameter_is_named(self):
        self.program.paid(order("2", "1.00"))
        answer = self.program.entries("2", limmit=10)
        self.assert_problem(answer, 400, "invalid_parameter")
        self.assertEqual(answer.json["errors"][0]["pointer"], "limmit")

    def test_the_balance_at_a_past_seq_and_time(self):
        marks = []
        for amount in ("10.00", "20.00", "30.00"):
            answer = self.program.paid(order("2", amount))
            marks.append(answer["seq"])
        for seq, points in zip(marks, (10, 30, 60)):
            with self.subTest(seq):
                rows = support.rows_of(self.program.balances("2", seq=seq), "balances")
                self.assertEqual(rows[0]["available"] + rows[0].get("pending", 0), points)
        entry = self.program.get(f"/entries/{marks[1]}")
        self.assertEqual(entry.status, 200, entry)
        rows = support.rows_of(self.program.balances("2", at=entry.json["recorded_at"]), "balances")
        self.assertIn(rows[0]["available"], (30, 60))  # several may share the instant
        rows = support.rows_of(self.program.balances("2", at="2020-01-01T00:00:00Z"), "balances")
        self.assertEqual(sum(row["available"] for row in rows), 0)

    def test_past_balances_of_one_currency(self):
        seq = self.program.paid(order("2", "10.00"))["seq"]
        for moment in ({"seq": seq}, {"at": support.rfc3339(60)}):
            with self.subTest(moment):
                rows = support.rows_of(
                    self.program.balances("2", currency="points", **moment), "balances")
                self.assertEqual([row["currency"] for row in rows], ["points"])
                answer = self.program.balances("2", currency="pebbles", **moment)
                self.assert_problem(answer, 400, "invalid_parameter")

    def test_a_seq_that_does_not_exist_yet(self):
        seq = self.program.paid(order("2", "1.00"))["seq"]
        answer = self.program.member("2", min_seq=seq + 1_000_000)
        self.assert_problem(answer, 504, "not_yet_visible")
        self.assert_problem(self.program.balances("2", at="yesterday"), 400, "invalid_parameter")

    def test_an_entry(self):
        answer = self.program.paid(order("2", "59.00"))
        entry = self.program.get(f"/entries/{answer['seq']}")
        self.assertEqual(entry.status, 200, entry)
        self.assertEqual((entry.json["seq"], entry.json["kind"]), (answer["seq"], "event"))
        self.assert_problem(self.program.get("/entries/999999"), 404, "not_found")
        self.assert_problem(self.program.get("/entries/zero"), 400, "invalid_parameter")

    def test_the_checkpoint_moves_with_every_entry(self):
        before = self.program.checkpoint()
        self.assertRegex(before["head"], r"\A[0-9a-f]{64}\Z")
        self.program.paid(order("2", "1.00"))
        after = self.program.checkpoint()
        self.assertGreater(after["seq"], before["seq"])
        self.assertNotEqual(after["head"], before["head"])


class LotTest(support.ServerTest):
    def lots(self, program, member):
        return support.rows_of(program.lots(member))

    def program_with(self, **award):
        document = copy.deepcopy(MINIMAL)
        document["campaigns"][0]["rules"][0]["effects"][0]["award"].update(award)
        return self.server.program(document)

    def test_a_held_award_is_pending_until_its_day(self):
        program = self.program_with(hold={"for": "14d"})
        answer = program.paid(order("2", "59.00"))
        self.assertEqual(answer["awards"][0]["state"], "pending")
        self.assertIn("activates_at", answer["awards"][0])
        wallet = program.wallet("2")
        self.assertEqual((wallet["available"], wallet["pending"]), (0, 59))
        answer = program.adjust("2", -1)
        self.assertEqual((answer.status, answer.code), (409, "insufficient_points"))

    def test_a_hold_that_is_over_is_available(self):
        program = self.program_with(hold={"for": "1d"})
        program.paid(order("2", "59.00", time_=support.rfc3339(-2 * 86400)))
        wallet = program.wallet("2")
        self.assertEqual((wallet["available"], wallet["pending"]), (59, 0))

    def test_a_lot_that_is_expired_at_its_grant_counts_for_nothing(self):
        program = self.program_with(expires="2d")
        program.paid(order("2", "59.00", time_=support.rfc3339(-3 * 86400)))
        self.assertEqual(program.balance("2"), 0)
        program.paid(order("2", "10.00", time_=support.rfc3339(-86400)))
        self.assertEqual(program.balance("2"), 10)

    def test_points_that_expire_first_burn_first(self):
        program = self.program_with(expires="5d")
        late = program.paid(order("2", "10.00", time_=support.rfc3339(-86400)))
        soon = program.paid(order("2", "20.00", time_=support.rfc3339(-3 * 86400)))
        self.assertEqual(program.adjust("2", -15).status, 201)
        remaining = {lot["seq"]: lot["remaining"] for lot in self.lots(program, "2")}
        self.assertEqual((remaining[soon["seq"]], remaining[late["seq"]]), (5, 10))

    def test_end_of_month_is_local_midnight(self):
        document = copy.deepcopy(MINIMAL) | {"tz": "Europe/Paris"}
        award = document["campaigns"][0]["rules"][0]["effects"][0]["award"]
        award["expires"] = "end_of_month+12M"
        program = self.server.program(document)
        key = program.create_key("events:backfill", "members:read")["key"]
        answer = program.with_key(key).paid(
            order("2", "59.00", time_="2026-03-02T10:15:30Z"))
        self.assertEqual(answer["awards"][0]["expires_at"], "2027-03-31T22:00:00Z")


if __name__ == "__main__":
    support.main()
