#!/usr/bin/python3
"""Walks the table of error codes in docs/api.md: a code that no test provokes fails the suite.

Each code is provoked here against the real server and compared with the table's status, or names
the test in which it is provoked because a running server will not do it on demand.
"""

import json
import re

import support
from support import BATCH, MINIMAL, order, raw_exchange, unique

TABLE_ROW = re.compile(r"^\|\s*`([a-z_0-9]+)`\s*\|\s*(\d{3})\s*\|\s*([^|]*?)\s*\|\s*([^|]*?)\s*\|")

# What a healthy server never says on demand: the test that provokes it below HTTP.
ELSEWHERE = {
    "internal": "tests/server/net_session_test.cpp",
    "not_ready": "tests/server/engine_fault_test.cpp",
    "limit_reached": "tests/server/http_units_test.cpp",  # reserved
    "blocked": "tests/server/http_units_test.cpp",  # reserved
}

# Provoked on a server of its own, with settings that make it easy.
OWN_SERVER = ("overloaded", "disk_full", "rate_limited")


def read_table():
    """Code → (status, sequenced?, retry?) of docs/api.md."""
    table = {}
    for row in (support.ROOT / "docs/api.md").read_text().splitlines():
        found = TABLE_ROW.match(row)
        if found:
            table[found[1]] = (int(found[2]), found[3], found[4])
    return table


def is_provoked_in(file, code):
    """Whether a test of `file` compares an answer with the code."""
    text = (support.ROOT / file).read_text()
    return re.search(rf'(ErrorCode::|"){code}\b', text) is not None


class CodesTest(support.ServerTest):
    flags = ("--header-timeout", "500ms", "--body-timeout", "500ms")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.program = cls.server.program()
        cls.program.paid(order("2", "10.00"))

    def post(self, body, kind=support.CLOUDEVENT):
        return self.program.post(body, kind)

    def changed(self, **changes):
        event = order("2", "10.00")
        event["data"].update(changes)
        return event

    def document(self, **award):
        document = json.loads(json.dumps(MINIMAL))
        document["campaigns"][0]["rules"][0]["effects"][0]["award"].update(award)
        return document

    def raw(self, *lines, body=b""):
        text = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        data = raw_exchange(self.server, text)
        head, _, rest = data.partition(b"\r\n\r\n")
        headers = {"Content-Type": support.PROBLEM}
        return support.Answer(int(head.split()[1]), headers, rest)

    # One method a code, named as the code.

    def malformed_json(self):
        return self.post("{")

    def bad_utf8(self):
        return self.post(b'{"specversion":"\xff"}')

    def too_deep(self):
        return self.post("[" * 1000)

    def invalid_event(self):
        return self.post({"specversion": "1.0"})

    def invalid_parameter(self):
        return self.program.entries("2", limit="many")

    def idempotency_key_required(self):
        return self.program.adjust("2", 1, False)

    def malformed_http(self):
        return self.raw("nonsense")

    def unauthenticated(self):
        return self.server.client("gk_wrong").get(self.program.base)

    def missing_scope(self):
        key = self.program.create_key("events:write")["key"]
        return self.program.with_key(key).member("2")

    def not_found(self):
        return self.program.get("/entries/99999999")

    def program_not_found(self):
        return self.program.client.get("/v1/programs/" + unique("absent"))

    def member_not_found(self):
        return self.program.member("nobody")

    def order_not_found(self):
        return self.post(support.refund(order("2"), {1: "1.00"}))

    def method_not_allowed(self):
        return self.program.client.request("DELETE", "/healthz", checked=False)

    def request_timeout(self):
        return self.raw(f"POST {self.program.base}/events HTTP/1.1", "Host: a",
                        "Authorization: Bearer " + self.server.admin_key,
                        "Content-Type: application/json", "Content-Length: 100", body=b"{")

    def idempotency_conflict(self):
        first = order("2", "1.00")
        self.program.paid(first)
        first["data"]["lines"][0]["amount"] = "2.00"
        return self.post(first)

    def insufficient_points(self):
        return self.program.adjust("2", -1_000_000)

    def refund_exceeds_order(self):
        paid = order("2", "1.00")
        self.program.paid(paid)
        return self.post(support.refund(paid, {1: "2.00"}))

    def precondition_failed(self):
        return self.program.adjust("2", 1, headers={"If-Match": '"0"'})

    def body_too_large(self):
        return self.raw(f"POST {self.program.base}/events HTTP/1.1", "Host: a",
                        "Authorization: Bearer " + self.server.admin_key,
                        "Content-Type: application/json", "Content-Length: 99999999")

    def too_many_events(self):
        return self.post([order("2", "1.00") for _ in range(1001)], BATCH)

    def unsupported_media_type(self):
        return self.post("<order/>", "application/xml")

    def wrong_type(self):
        return self.post(self.changed(total=10))

    def missing_field(self):
        event = order("2", "10.00")
        del event["data"]["order_id"]
        return self.post(event)

    def invalid_amount(self):
        return self.post(self.changed(total="-1.00"))

    def invalid_document(self):
        return self.program.put(self.document(currency="stars"))

    def invalid_expression(self):
        return self.program.put(self.document(points="order."))

    def expression_too_costly(self):
        return self.program.put(self.document(
            points="order.lines.all(a, order.lines.all(b, a.amount == b.amount)) ? 1 : 0"))

    def not_supported(self):
        return self.program.put(MINIMAL | {"referral": {}})

    def event_in_future(self):
        return self.post(order("2", time_=support.rfc3339(3600)))

    def derived_type(self):
        return self.post(support.event("tier.changed"))

    def too_large(self):
        return self.post(order("2", *["1.00"] * 1001))

    def headers_too_large(self):
        return self.raw("GET /healthz HTTP/1.1", "Host: a", "X-Long: " + "x" * 20_000)

    def not_yet_visible(self):
        return self.program.member("2", min_seq=10 ** 9)

    def own_server(self, *flags):
        server = support.Server(*flags)
        self.addCleanup(server.close)
        return server.start()

    def overloaded(self):
        server = self.own_server("--sockets-max", "2")
        holders = [server.client("") for _ in range(2)]

        def refused():
            """The server may still hold the connection of the readiness probe."""
            for holder in holders:
                holder.get("/healthz", checked=False)
            answer = server.client("").get("/healthz", checked=False)
            return answer if answer.status != 200 else None

        answer = support.wait_until(refused, "a refused connection")
        self.assertTrue(answer.headers["Retry-After"])
        return answer

    def disk_full(self):
        server = self.own_server()
        program = server.program()
        program.paid(order("2", "10.00"))
        self.assertEqual(server.stop(), 0)
        server.listen("--disk-free-bytes-min", "8000000GiB")
        program = support.Program(server.client(), program.name)
        support.wait_until(lambda: program.member("2").status == 200, "reads")
        self.assertEqual(program.balance("2"), 10)
        self.assertFalse(server.is_ready())
        return program.post(order("2", "10.00"))

    def rate_limited(self):
        server = self.own_server()
        stranger = server.client("gk_wrong")

        def tried():
            answer = stranger.get("/v1/programs")
            if answer.status == 401:
                return None
            return answer

        answers = [tried() for _ in range(300)]
        self.assertEqual(set(answers), {None})
        answer = tried()
        self.assertTrue(answer.headers["Retry-After"])
        return answer

    def test_the_table_is_there(self):
        self.assertGreater(len(read_table()), 40)

    def test_every_code_of_the_table_is_provoked(self):
        for code, (status, _, _) in read_table().items():
            with self.subTest(code):
                if code in ELSEWHERE:
                    self.assertTrue(is_provoked_in(ELSEWHERE[code], code),
                                    f"{code} is in no test of {ELSEWHERE[code]}")
                    continue
                provoke = getattr(self, code, None)
                self.assertIsNotNone(provoke, f"{code} is in no test")
                self.assert_problem(provoke(), status, code)

    def test_only_sequenced_codes_leave_an_entry(self):
        for code, (_, sequenced, _) in read_table().items():
            if code in ELSEWHERE or code in OWN_SERVER:
                continue
            if code in ("missing_scope", "idempotency_conflict"):
                continue  # their provocation writes first
            provoke = getattr(self, code, None)
            if provoke is None:
                continue
            with self.subTest(code):
                before = self.program.checkpoint()["seq"]
                answer = provoke()
                grown = self.program.checkpoint()["seq"] - before
                self.assertEqual("seq" in (answer.json or {}), sequenced == "yes", answer)
                self.assertEqual(grown > 0, sequenced == "yes", code)

    def test_the_table_equals_the_enumeration(self):
        source = (support.ROOT / "ledger/base/result.hpp").read_text()
        body = source[source.index("enum class ErrorCode"):]
        body = body[:body.index("};")].split("// never on the wire")[0]
        names = set(re.findall(r"^\s+([a-z_0-9]+) = \d+,", body, re.MULTILINE)) - {"ok"}
        self.assertEqual(set(read_table()), names)


if __name__ == "__main__":
    support.main()
