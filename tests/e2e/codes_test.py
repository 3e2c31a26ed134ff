#!/usr/bin/python3
"""Walks the table of error codes in docs/api.md: a code that no test provokes fails the suite.

Each code is provoked here against the real server and compared with the table's status, and so is
whether the refusal became an entry; or it names the test that asserts it, because a running server
will not say it on demand.
"""

import dataclasses
import http.client
import io
import json
import re
import shutil
import typing

import support
from support import BATCH, MINIMAL, order, raw_exchange, unique, wait_until

TABLE_ROW = re.compile(r"^\|\s*`([a-z_0-9]+)`\s*\|\s*(\d{3})\s*\|\s*([^|]*?)\s*\|\s*([^|]*?)\s*\|")

# What a healthy server never says on demand: the test case that asserts it below HTTP.
ELSEWHERE = {
    "internal": ("tests/server/net_session_test.cpp",
                 "session: a handler that throws or forgets to answer makes 500 internal"),
    "blocked": ("tests/server/http_units_test.cpp",
                "problem: reserved codes are refusals that keep their seq"),
}


@dataclasses.dataclass
class Provocation:
    """What is ready to be refused: `send` does it, in `program`."""
    send: typing.Callable[[], support.Answer]
    program: support.Program


def read_table():
    """Code → (status, sequenced?, retry?) of docs/api.md."""
    table = {}
    for row in (support.ROOT / "docs/api.md").read_text().splitlines():
        found = TABLE_ROW.match(row)
        if found:
            table[found[1]] = (int(found[2]), found[3], found[4])
    return table


# A comment, or a literal, of C++; digits may have separators.
CPP_TOKEN = re.compile(
    r'(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<raw>R"(?P<mark>[^(]*)\(.*?\)(?P=mark)")'
    r'|(?P<text>"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\])\')', re.DOTALL)
ASSERTION = re.compile(r"\b(?:CHECK|REQUIRE)(?:_FALSE)?\s*\(")


def without_comments(source):
    """The same number of characters."""
    return CPP_TOKEN.sub(
        lambda token: " " * len(token[0]) if token["comment"] else token[0], source)


def without_literals(source):
    return CPP_TOKEN.sub(lambda token: " " * len(token[0]), source)


def closing(structure, begin, pair):
    """Behind the bracket that closes the first one at or after `begin`."""
    at = structure.index(pair[0], begin)
    depth = 0
    while True:
        depth += {pair[0]: 1, pair[1]: -1}.get(structure[at], 0)
        at += 1
        if depth == 0:
            return at


def assertions_of(source, title):
    """The arguments of each assertion in the Catch2 test case of this title; None: no such case."""
    source = without_comments(source)
    found = re.search(r'TEST_CASE\(\s*"' + re.escape(title) + '"', source)
    if found is None:
        return None
    structure = without_literals(source)
    begin = closing(structure, found.start(), "()")
    end = closing(structure, begin, "{}")
    return [source[match.end():closing(structure, match.start(), "()")]
            for match in ASSERTION.finditer(structure, begin, end)]


def asserts(source, title, code):
    """Whether an assertion of the test case names the code itself."""
    named = re.compile(rf'ErrorCode::{code}\b|"{code}"')
    return any(named.search(arguments) for arguments in assertions_of(source, title) or ())


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
        status_line, _, fields = head.partition(b"\r\n")
        headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        return support.Answer(int(status_line.split()[1]), headers, rest)

    # One method a code, named as the code. One that needs something first answers a Provocation.

    def ready(self, send, program=None):
        return Provocation(send, program or self.program)

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
        program = self.program.with_key(self.program.create_key("members:read")["key"])
        return self.ready(lambda: program.post(order("2")))

    def origin_refused(self):
        return self.server.client("").request(
            "OPTIONS", self.program.base + "/boards", headers={"Origin": "https://evil.example"})

    def not_found(self):
        return self.program.get("/entries/99999999")

    def program_not_found(self):
        return self.program.client.get("/v1/programs/" + unique("absent"))

    def member_not_found(self):
        return self.program.member("nobody")

    def orphan(self):
        """The seq of a refund whose order will not come."""
        answer = self.post(support.refund(order("2"), {1: "1.00"}, final=True))
        return answer.json["seq"]

    def order_not_found(self):
        orphan = self.orphan()
        return self.ready(lambda: self.program.attach(orphan, "absent"))

    def already_attached(self):
        orphan = self.orphan()
        paid = order("2", "1.00")
        self.program.paid(paid)
        attached = self.program.attach(orphan, support.order_id_of(paid))
        assert attached.status == 201, attached
        return self.ready(lambda: self.program.attach(orphan, support.order_id_of(paid)))

    def limit_reached(self):
        late = order("2", "1000.00")
        self.program.batch([support.refund(late, {1: "1.00"}) for _ in range(256)])
        refund = support.refund(late, {1: "1.00"})
        return self.ready(lambda: self.post(refund))

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
        return self.ready(lambda: self.post(first))

    def insufficient_points(self):
        key = unique("too-many")
        return self.ready(lambda: self.program.adjust("2", -1_000_000, key))

    def refund_exceeds_order(self):
        paid = order("2", "1.00")
        self.program.paid(paid)
        refund = support.refund(paid, {1: "2.00"})
        return self.ready(lambda: self.post(refund))

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
        program = server.program()  # holds one connection
        holder = server.client("")

        def refused():
            """The server may still hold the connection of the readiness probe."""
            holder.get("/healthz", checked=False)
            answer = server.client("").get("/healthz", checked=False)
            return answer if answer.status != 200 else None

        return self.ready(lambda: wait_until(refused, "a refused connection"), program)

    def disk_full(self):
        server = self.own_server()
        program = server.program()
        program.paid(order("2", "10.00"))
        self.assertEqual(server.stop(), 0)
        server.listen("--disk-free-bytes-min", "8000000GiB")
        program = support.Program(server.client(), program.name)
        wait_until(lambda: program.member("2").status == 200, "reads")
        self.assertEqual(program.balance("2"), 10)
        self.assertFalse(server.is_ready())
        return self.ready(lambda: program.post(order("2", "10.00")), program)

    def not_ready(self):
        server = self.own_server("--checkpoint-interval", "1h")
        program = server.program()
        for _ in range(10):
            program.batch([order("2", "1.00") for _ in range(1000)])

        def while_starting():
            """The server listens before it has read its log; a late request is answered."""
            server.kill()
            shutil.rmtree(server.data / "views")
            server.listen()
            program.client.close()
            answer = program.post({"specversion": "1.0"}, checked=False)
            return answer if answer.status == 503 else None

        return self.ready(lambda: wait_until(while_starting, "a request in time", 60), program)

    def rate_limited(self):
        server = self.own_server()
        program = server.program()
        stranger = server.client("gk_wrong")

        def guess():
            for _ in range(300):
                self.assertEqual(stranger.get("/v1/programs").status, 401)
            answer = stranger.get("/v1/programs")
            program.client.close()
            server.restart()  # or this address stays out for a minute, whatever its key
            return answer

        return self.ready(guess, program)

    def test_the_table_is_there(self):
        self.assertGreater(len(read_table()), 40)

    def seq(self, program):
        """The last entry; waits for a server that is starting."""
        def checkpoint():
            answer = program.client.get(program.base + "/checkpoint", checked=False)
            return answer if answer.status == 200 else None
        return wait_until(checkpoint, "the checkpoint").json["seq"]

    def assert_refused(self, code, status, sequenced):
        before = self.seq(self.program)
        answer = getattr(self, code)()
        program = self.program
        if isinstance(answer, Provocation):
            provocation, program = answer, answer.program
            before = self.seq(program)
            answer = provocation.send()
        self.assert_problem(answer, status, code)
        if status in (429, 503):
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
        if not sequenced:
            self.assertNotIn("seq", answer.json)
            self.assertEqual(self.seq(program), before)
            return
        # The refusal is the one new entry, and for ever the answer.
        self.assertEqual(answer.json["seq"], before + 1)
        self.assertEqual(self.seq(program), before + 1)
        entry = program.get(f"/entries/{before + 1}")
        self.assertEqual((entry.json["kind"], entry.json["code"]), ("rejected", code))
        again = provocation.send()
        self.assertEqual(again.json, answer.json)
        self.assertEqual(self.seq(program), before + 1)

    def test_every_code_of_the_table_is_provoked(self):
        for code, (status, sequenced, _) in read_table().items():
            with self.subTest(code):
                self.assertIn(sequenced, ("yes", "no"))
                if code in ELSEWHERE:
                    file, title = ELSEWHERE[code]
                    self.assertTrue(asserts((support.ROOT / file).read_text(), title, code),
                                    f"{code}: no assertion of it in {file}, {title}")
                    continue
                self.assertTrue(hasattr(self, code), f"{code} is in no test")
                self.assert_refused(code, status, sequenced == "yes")

    def test_the_search_for_assertions_bites(self):
        source = '''
            TEST_CASE(
                "unit: one", "[tag]"
            ) {
                const std::string brace = R"json({")json" "}\\"";
                // CHECK(code == ErrorCode::commented);
                fail("mentioned", 1'000, '"');
                CHECK(found(answer(), "asserted"));
            }
            TEST_CASE("unit: two", "[tag]") { REQUIRE(code == ErrorCode::other); }
        '''
        self.assertTrue(asserts(source, "unit: one", "asserted"))
        self.assertTrue(asserts(source, "unit: two", "other"))
        for title, code in (("unit: one", "commented"), ("unit: one", "mentioned"),
                            ("unit: one", "other"), ("unit: two", "asserted"),
                            ("unit: two", "othe"), ("unit: none", "asserted")):
            self.assertFalse(asserts(source, title, code), (title, code))

    def test_the_table_equals_the_enumeration(self):
        source = (support.ROOT / "ledger/base/result.hpp").read_text()
        body = source[source.index("enum class ErrorCode"):]
        body = body[:body.index("};")].split("// never on the wire")[0]
        names = set(re.findall(r"^\s+([a-z_0-9]+) = \d+,", body, re.MULTILINE)) - {"ok"}
        self.assertEqual(set(read_table()), names)


if __name__ == "__main__":
    support.main()
