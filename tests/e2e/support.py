"""The real binary on loopback: servers on fresh folders, a keep-alive client, and makers of events.

Nothing here sleeps for a guessed time; `wait_until` polls a condition and fails with its name. The
binary is GUERDON_BIN or GUERDON_BINARY (set by ctest), else build/release/guerdon.
"""

import datetime
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

import contract

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GUERDON_BIN") or os.environ.get("GUERDON_BINARY")
                      or ROOT / "build" / "release" / "guerdon").absolute()
TESTDATA = pathlib.Path(os.environ.get("GUERDON_TESTDATA", ROOT / ".." / "shared"))
MINIMAL = json.loads((ROOT / "docs/examples/minimal.json").read_text())
LAURIER = json.loads((ROOT / "docs/examples/maison-laurier.json").read_text())
START_LIMIT_S = 60
STOP_LIMIT_S = 60

CLOUDEVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
SKIPPED = 77

_numbers = itertools.count(1)


def unique(prefix="x"):
    """A name no other call of this process gets."""
    return f"{prefix}-{next(_numbers)}"


def wait_until(condition, what, limit_s=30):
    """Polls until `condition()` is true and returns its value."""
    until = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.005)


def clean_environment(**extra):
    """Without GUERDON_*: the server refuses names it does not know."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GUERDON_")}
    return kept | extra


def run_guerdon(*arguments, environment=None, limit_s=120):
    """One run of a subcommand to its end."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True,
                          env=clean_environment(**(environment or {})), timeout=limit_s,
                          check=False)


class Server:
    """`guerdon serve` on 127.0.0.1 and a free port. Signals only its own child."""

    def __init__(self, *flags, folder=None, environment=None):
        self._own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.data = self.folder / "data"
        self.flags = list(flags)
        self.environment = environment or {}
        self.process = None
        self.port = None
        self.contract = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def output(self):
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_key(self):
        return (self.data / "admin.key").read_text().strip()

    def spawn(self, *more_flags):
        """Starts the child without waiting."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0",
                 "--port-file", str(port_file), *self.flags, *more_flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=clean_environment(**self.environment))
        return port_file

    def listen(self, *more_flags):
        """Starts the child and waits for its port, not until it is ready."""
        port_file = self.spawn(*more_flags)
        wait_until(lambda: self._is_alive() and port_file.exists(), "the port file", START_LIMIT_S)
        self.port = int(port_file.read_text())
        return self

    def start(self, *more_flags):
        self.listen(*more_flags)
        wait_until(lambda: self._is_alive() and self.is_ready(), "/readyz", START_LIMIT_S)
        return self

    def _is_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"serve ended with {self.process.returncode}: {self.output[-2000:]}")
        return True

    def is_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def await_exit(self, limit_s=STOP_LIMIT_S):
        status = self.process.wait(limit_s)
        self.process = None
        return status

    def stop(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.await_exit()

    def kill(self):
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.await_exit()

    def restart(self, *more_flags):
        status = self.stop()
        if status != 0:
            raise AssertionError(f"exit status {status} after SIGTERM: {self.output[-2000:]}")
        return self.start(*more_flags)

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, key=None):
        """A new connection. `key` None: the admin key; "": no Authorization header."""
        return Client(self, self.admin_key if key is None else key)

    def openapi(self):
        """The contract of this server, read once."""
        if self.contract is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", "/openapi.json")
            answer = connection.getresponse()
            if answer.status != 200:
                raise AssertionError(f"/openapi.json: {answer.status}")
            self.contract = contract.Contract(json.loads(answer.read()))
            connection.close()
        return self.contract

    def program(self, document=None, name=None, key=None):
        """Creates a program of its own for one test."""
        program = Program(self.client(key), name or unique("brand"))
        answer = program.put(MINIMAL if document is None else document)
        if answer.status != 201:
            raise AssertionError(f"PUT program: {answer}")
        return program


class Answer:
    """One HTTP answer. `json` is None for another content type."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        self.type = (headers.get("Content-Type") or "").split(";")[0].strip()
        self.json = json.loads(body) if body and self.type.endswith(("/json", "+json")) else None

    @property
    def code(self):
        """The stable error code, or None."""
        return self.json.get("code") if isinstance(self.json, dict) else None

    @property
    def pointers(self):
        return [error["pointer"] for error in (self.json or {}).get("errors", [])]

    @property
    def text(self):
        return self.body.decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} {self.type} {self.body[:600]!r}>"


class Client:
    """One keep-alive connection; every exchange is checked against /openapi.json."""

    def __init__(self, server, key):
        self.server = server
        self.key = key
        self.connection = None

    def __del__(self):
        self.close()

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None, headers=None, content_type=None, checked=True):
        """`body` may be bytes, text or a JSON value."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", content_type or "application/json")
        if self.key:
            sent.setdefault("Authorization", "Bearer " + self.key)
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            self.connection.request(method, path, body, sent)
            raw = self.connection.getresponse()
            answer = Answer(raw.status, raw.headers, raw.read())
        except BaseException:
            self.close()
            raise
        if checked:
            self.server.openapi().check(method, path, sent, body, answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)


class Program:
    """One program through one client."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.base = "/v1/programs/" + name

    def with_key(self, key):
        return Program(self.client.server.client(key), self.name)

    def request(self, method, path, body=None, **options):
        return self.client.request(method, self.base + path, body, **options)

    def get(self, path="", **query):
        query = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        return self.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def put(self, document, **options):
        return self.request("PUT", "", document, **options)

    def validate(self, document):
        return self.request("POST", "/validate", document)

    def post(self, event, content_type=CLOUDEVENT, **options):
        return self.request("POST", "/events", event, content_type=content_type, **options)

    def batch(self, events):
        """The answers in input order."""
        answer = self.post(events, BATCH)
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.json

    def paid(self, order):
        """Posts an order that must be applied; its answer's JSON."""
        answer = self.post(order)
        if answer.status != 200 or answer.json["status"] != "applied":
            raise AssertionError(answer)
        return answer.json

    def member_path(self, member, rest=""):
        return f"/members/{urllib.parse.quote(str(member), safe='')}{rest}"

    def member(self, member, **query):
        return self.get(self.member_path(member), **query)

    def put_member(self, member, body, **options):
        return self.request("PUT", self.member_path(member), body, **options)

    def wallet(self, member, currency="points"):
        """available, pending, held, debt of one currency; zeros before the first posting."""
        answer = self.member(member)
        if answer.status != 200:
            raise AssertionError(answer)
        for row in answer.json["balances"]:
            if row["currency"] == currency:
                return row
        return {"currency": currency, "available": 0, "pending": 0, "held": 0, "debt": 0}

    def balance(self, member, currency="points"):
        """available + pending + held - debt."""
        row = self.wallet(member, currency)
        return (row["available"] + row.get("pending", 0) + row.get("held", 0) - row.get("debt", 0))

    def balances(self, member, **query):
        return self.get(self.member_path(member, "/balances"), **query)

    def entries(self, member, **query):
        return self.get(self.member_path(member, "/entries"), **query)

    def lots(self, member, **query):
        return self.get(self.member_path(member, "/lots"), **query)

    def adjust(self, member, amount, idempotency_key=None, headers=None, **fields):
        body = {"currency": "points", "amount": amount, "reason_code": "goodwill"} | fields
        sent = dict(headers or {})
        if idempotency_key is not False:
            sent["Idempotency-Key"] = idempotency_key or unique("adjustment")
        return self.request("POST", self.member_path(member, "/adjustments"), body, headers=sent)

    def attach(self, orphan, order_id, idempotency_key=None, **fields):
        headers = {"Idempotency-Key": idempotency_key or unique("attach")}
        return self.request("POST", f"/orphans/{orphan}/attach", {"order_id": order_id} | fields,
                            headers=headers)

    def orphans(self, **query):
        return self.get("/orphans", **query)

    def create_key(self, *scopes):
        answer = self.request("POST", "/keys", {"kind": "secret", "scopes": list(scopes)},
                              headers={"Idempotency-Key": unique("key")})
        if answer.status != 201:
            raise AssertionError(answer)
        return answer.json

    def checkpoint(self):
        answer = self.get("/checkpoint")
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.json


def copy_of(document):
    return json.loads(json.dumps(document))


def rows_of(answer, name="data"):
    """The list in an answer: {"data": [...]}, {"balances": [...]} or a bare list."""
    if isinstance(answer.json, list):
        return answer.json
    return answer.json[name] if name in answer.json else answer.json["data"]


def rfc3339(seconds_from_now=0):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=seconds_from_now)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def line(line_id, amount, quantity=1, **more):
    return {"line_id": str(line_id), "sku": f"sku_{line_id}", "quantity": quantity,
            "amount": amount} | more


def event(type_, id_=None, source="//maison/prestashop", time_=None, subject=None, data=None):
    made = {"specversion": "1.0", "id": id_ or unique("evt"), "source": source, "type": type_,
            "time": time_ or rfc3339(-60), "data": {} if data is None else data}
    if subject:
        made["subject"] = subject
    return made


def order(customer="2", *amounts, order_id=None, currency="EUR", **more):
    """One order.paid; `amounts` are decimal texts, one line each. Keywords of `event` go there,
    others into `data`."""
    order_id = order_id or unique("order")
    lines = [line(index, amount) for index, amount in enumerate(amounts or ("59.00",), 1)]
    cents = sum(int(amount.replace(".", "")) if "." in amount else int(amount) * 100
                for amount in (amounts or ("59.00",)))
    data = {"order_id": order_id, "currency": currency, "total": f"{cents // 100}.{cents % 100:02}",
            "lines": lines}
    if customer is not None:
        data["customer"] = customer if isinstance(customer, dict) else {"id": str(customer)}
    about = {name: more.pop(name) for name in ("id_", "source", "time_") if name in more}
    data.update(more)
    about.setdefault("id_", f"{order_id}-paid")
    return event("order.paid", subject="order/" + order_id, data=data, **about)


def order_id_of(paid):
    return paid["data"]["order_id"]


def refund(paid, lines=None, amount=None, refund_id=None, **more):
    """One order.refunded of `paid`: `lines` maps line ids to decimal texts."""
    refund_id = refund_id or unique("refund")
    data = {"order_id": order_id_of(paid), "refund_id": refund_id,
            "currency": paid["data"]["currency"]}
    if lines is not None:
        data["lines"] = [line(line_id, money) for line_id, money in lines.items()]
    if amount is not None:
        data["amount"] = amount
    about = {name: more.pop(name) for name in ("id_", "source", "time_") if name in more}
    data.update(more)
    about.setdefault("source", paid["source"])
    about.setdefault("id_", refund_id + "-refunded")
    return event("order.refunded", subject="order/" + data["order_id"], data=data, **about)


def cancel(paid, **more):
    order_id = order_id_of(paid)
    about = {name: more.pop(name) for name in ("id_", "time_") if name in more}
    about.setdefault("id_", order_id + "-cancelled")
    data = {"order_id": order_id, "cancelled_at": rfc3339(-30)} | more
    return event("order.cancelled", subject="order/" + order_id, source=paid["source"],
                 data=data, **about)


def raw_exchange(server, data, limit_s=15, half_close=False):
    """Sends bytes as they are and returns everything until the server closes or falls silent
    after a whole answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=limit_s) as peer:
        peer.sendall(data)
        if half_close:
            peer.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            try:
                chunk = peer.recv(65536)
            except (TimeoutError, ConnectionResetError):
                return received
            if not chunk:
                return received
            received += chunk


class ServerTest(unittest.TestCase):
    """One server for the tests of a class; each test makes programs of its own."""

    flags = ()
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.flags)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def assert_problem(self, answer, status, code, pointer=None):
        """One problem document with its code; `pointer` must be among the named fields."""
        self.assertEqual((answer.status, answer.code), (status, code), answer)
        self.assertEqual(answer.type, PROBLEM)
        self.assertEqual(answer.json.get("status"), status)
        self.assertTrue(answer.json.get("title"), answer)
        if pointer is not None:
            self.assertIn(pointer, answer.pointers, answer)

    def assert_applied(self, answer, points=None):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["status"], "applied", answer)
        self.assertGreater(answer.json["seq"], 0)
        if points is not None:
            self.assertEqual(sum(award["amount"] for award in answer.json.get("awards", [])),
                             points, answer)

    def assert_status(self, item, status):
        self.assertEqual(item["status"], status, item)


def main():
    """Entry of every suite: without a binary it fails."""
    if not BINARY.exists():
        sys.exit(f"no binary at {BINARY}: build guerdon, or set GUERDON_BIN")
    unittest.main(verbosity=1)
