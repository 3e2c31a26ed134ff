#!/usr/bin/python3
"""A server of its own and a simulated shop, "Maison Laurier": orders, refunds, cancellations and
redemptions of a few dozen members, drawn from a seed, with a live top ten in the terminal.

tools/demo builds the binary and runs this.
"""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "examples" / "maison-laurier.json"
PROGRAM = "maison-laurier"
SOURCE = "//maison-laurier/prestashop"
FIRST_PORT = 8080
HISTORY_DAYS = 6  # younger than the late window of seven days
HISTORY_ORDERS = 320

FIRST_NAMES = (
    "Anna Bruno Chloé David Elena Farid Greta Hugo Inès Jonas Karim Léa Marc Nadia Oscar Paula "
    "Quentin Rosa Samir Tess Ugo Vera Wim Yara").split()
LAST_NAMES = "Keller Martin Okafor Rossi Silva Tanaka Weber Moreau Novak Dubois Haddad Lind".split()
# sku, name, price in cents
PRODUCTS = [
    ("CAN-FIG", "Fig candle", 3400), ("CAN-OUD", "Oud candle", 4200),
    ("SOAP-LAUREL", "Laurel soap", 900), ("SOAP-OLIVE", "Olive soap", 750),
    ("HAND-ROSE", "Rose hand cream", 1850), ("EDP-NEROLI", "Neroli eau de parfum", 8900),
    ("EDT-VETIVER", "Vetiver eau de toilette", 6200), ("LIN-TOWEL", "Linen towel", 2790),
    ("LIN-SHEETS", "Linen sheets", 14900), ("DIFF-CEDAR", "Cedar diffuser", 4450),
    ("TEA-VERBENA", "Verbena tea", 1290), ("GIFT-BOX", "Gift box", 5990),
]


def money(cents):
    return f"{cents // 100}.{cents % 100:02}"


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Member:
    def __init__(self, number, name, weight):
        self.id = f"ml-{number:03}"
        self.name = name
        self.email = f"member{number:03}@example.com"
        self.weight = weight
        self.available = 0
        self.pending = 0


class Order:
    def __init__(self, number, member, currency, lines):
        self.id = f"{number:05}"
        self.member = member
        self.currency = currency
        self.left = dict(lines)  # line id → cents


class Shop:
    """Draws what customers do; the same seed gives the same shop."""

    def __init__(self, seed, members=48):
        self.random = random.Random(seed)
        names = [f"{first} {last[0]}." for first in FIRST_NAMES for last in LAST_NAMES]
        chosen = self.random.sample(names, members)
        self.members = [Member(number, name, self.random.paretovariate(1.4))
                        for number, name in enumerate(chosen, 1)]
        self.by_id = {member.id: member for member in self.members}
        self.orders = []
        self.numbers = iter(range(10_001, 10 ** 6))
        self.refunds = iter(range(1, 10 ** 6))

    def _event(self, type_, id_, order, moment, data):
        return {"specversion": "1.0", "id": id_, "source": SOURCE, "type": type_,
                "subject": "order/" + order.id, "time": stamp(moment),
                "data": {"order_id": order.id, "currency": order.currency} | data}

    def buy(self, moment):
        """(event, one line for people)"""
        member = self.random.choices(self.members, [m.weight for m in self.members])[0]
        currency = self.random.choices(("EUR", "GBP", "CHF"), (90, 6, 4))[0]
        channel = self.random.choices(("web", "app", "store"), (55, 30, 15))[0]
        lines, cents = [], {}
        size = self.random.choices((1, 2, 3, 4), (40, 30, 20, 10))[0]
        basket = self.random.sample(PRODUCTS, size)
        for index, (sku, _, price) in enumerate(basket, 1):
            quantity = self.random.choices((1, 2, 3), (75, 20, 5))[0]
            cents[str(index)] = price * quantity
            lines.append({"line_id": str(index), "sku": sku, "quantity": quantity,
                          "amount": money(price * quantity)})
        order = Order(next(self.numbers), member, currency, cents)
        self.orders.append(order)
        total = sum(cents.values())
        event = self._event("order.paid", f"order-{order.id}-paid", order, moment, {
            "total": money(total), "channel": channel, "lines": lines,
            "customer": {"id": member.id, "email": member.email}})
        return event, f"{member.name:<12} bought {basket[0][1]}" + (
            f" and {len(basket) - 1} more" if len(basket) > 1 else "") + (
            f", {money(total)} {currency} by {channel}")

    def refund(self, moment):
        """One line of a recent order comes back; None when there is nothing to send back."""
        recent = [order for order in self.orders[-60:] if order.left]
        if not recent:
            return None
        order = self.random.choice(recent)
        line_id = self.random.choice(sorted(order.left))
        cents = order.left.pop(line_id)
        number = str(next(self.refunds))
        event = self._event("order.refunded", f"refund-{number}", order, moment, {
            "refund_id": number, "reason": "changed my mind",
            "lines": [{"line_id": line_id, "quantity": 1, "amount": money(cents)}]})
        return event, f"{order.member.name:<12} sent back {money(cents)} {order.currency}"

    def cancel(self, moment):
        recent = [order for order in self.orders[-30:] if order.left]
        if not recent:
            return None
        order = self.random.choice(recent)
        order.left.clear()
        event = self._event("order.cancelled", f"order-{order.id}-cancelled", order, moment,
                            {"cancelled_at": stamp(moment)})
        return event, f"{order.member.name:<12} cancelled order {order.id}"

    def act(self, moment):
        """The next thing that happens."""
        draw = self.random.random()
        done = self.refund(moment) if draw < 0.10 else self.cancel(moment) if draw < 0.14 else None
        return done or self.buy(moment)


class Server:
    """The child; it does not see Ctrl-C, only our SIGTERM."""

    def __init__(self, binary, data, port):
        self.data = data
        self.port = port
        self.log_path = data.parent / (data.name + ".log")
        with open(self.log_path, "wb") as log:
            environment = {name: value for name, value in os.environ.items()
                           if not name.startswith("GUERDON_")}
            self.process = subprocess.Popen(
                [binary, "serve", "--data", str(data), "--listen", f"127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=environment)

    def await_ready(self, limit_s=60):
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        tail = self.log_path.read_text(errors="replace")[-800:]
        raise SystemExit(f"demo: the server did not start:\n{tail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


class Client:
    def __init__(self, port, key):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.key = key
        self.base = "/v1/programs/" + PROGRAM
        self.keys = iter(range(1, 10 ** 9))

    def call(self, method, path, body=None, content_type="application/json"):
        headers = {"Authorization": "Bearer " + self.key, "Content-Type": content_type,
                   "Idempotency-Key": f"demo-{next(self.keys)}"}
        text = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, self.base + path, text, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        value = json.loads(data) if data else None
        if answer.status >= 400 and answer.status != 409:
            raise SystemExit(f"demo: {method} {path}: {answer.status} {data.decode()[:500]}")
        return answer.status, value


class Demo:
    def __init__(self, client, shop):
        self.client = client
        self.shop = shop
        self.news = []
        self.counts = {}

    def create(self):
        self.client.call("PUT", "", json.loads(DOCUMENT.read_text()))
        for member in self.shop.members:
            self.client.call("PUT", "/members/" + member.id,
                             {"email": member.email, "name": member.name})

    def history(self):
        """A week of orders in one batch each day."""
        begin = now() - datetime.timedelta(days=HISTORY_DAYS)
        step = datetime.timedelta(days=HISTORY_DAYS) / HISTORY_ORDERS
        events = [self.shop.act(begin + step * index)[0] for index in range(HISTORY_ORDERS)]
        for start in range(0, len(events), 100):
            _, items = self.client.call("POST", "/events", events[start:start + 100],
                                        "application/cloudevents-batch+json")
            for item in items:
                self.take(item)
        for member in self.shop.members:
            self.refresh(member)

    def live(self):
        """One thing happens now."""
        if self.shop.random.random() < 0.04:
            return self.redeem()
        event, line = self.shop.act(now())
        _, item = self.client.call("POST", "/events", event, "application/cloudevents+json")
        self.take(item)
        points = sum(award["amount"] for award in item.get("awards", []))
        self.tell(f"{line}: {points:+} points")
        member = self.shop.by_id.get(item.get("member"))
        if member:
            self.refresh(member)
        return None

    def redeem(self):
        member = max(self.shop.random.sample(self.shop.members, 5), key=lambda m: m.available)
        status, _ = self.client.call("POST", f"/members/{member.id}/adjustments", {
            "currency": "points", "amount": -200, "reason_code": "reward",
            "note": "a scented candle"})
        self.tell(f"{member.name:<12} " + ("took a candle: -200 points" if status == 201 else
                                           "wanted a candle but has too few points"))
        self.refresh(member)

    def take(self, item):
        status = item.get("status", "rejected")
        if isinstance(status, int):
            status = "rejected"
        self.counts[status] = self.counts.get(status, 0) + 1

    def refresh(self, member):
        _, answer = self.client.call("GET", "/members/" + urllib.parse.quote(member.id))
        for row in answer["balances"]:
            if row["currency"] == "points":
                member.available = row["available"]
                member.pending = row.get("pending", 0)

    def tell(self, line):
        self.news = [*self.news, line][-6:]

    def frame(self):
        """The top ten and the latest news."""
        ranked = sorted(self.shop.members, key=lambda m: (-m.available, m.id))
        rows = [" Maison Laurier: top ten by points", "",
                "  #  member         available   pending"]
        for place, member in enumerate(ranked[:10], 1):
            rows.append(f" {place:>2}  {member.name:<14}{member.available:>10,}"
                        f"{member.pending:>10,}")
        told = ", ".join(f"{count:,} {status}" for status, count in sorted(self.counts.items()))
        return [*rows, "", f" {len(self.shop.members)} members, events: {told}", "",
                *(" " + line for line in self.news)]


def curl_lines(url, key_file, member):
    base = f"{url}/v1/programs/{PROGRAM}"
    return ["Try, in another terminal:", f"  KEY=$(cat '{key_file}')",
            f'  curl -s -H "Authorization: Bearer $KEY" {base}/members/{member}',
            f'  curl -s -H "Authorization: Bearer $KEY" "{base}/members/{member}/entries?limit=5"',
            f'  curl -s -H "Authorization: Bearer $KEY" {base}/members/{member}/lots',
            f'  curl -s -H "Authorization: Bearer $KEY" {base}/checkpoint',
            f'  curl -s -H "Authorization: Bearer $KEY" -H "Idempotency-Key: try-1" \\',
            f"    -d '{{\"currency\":\"points\",\"amount\":500,\"reason_code\":\"goodwill\"}}' \\",
            f'    -H "Content-Type: application/json" {base}/members/{member}/adjustments',
            f"  curl -s {url}/metrics | grep guerdon_events"]


def free_port():
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != FIRST_PORT:
            print(f"port {FIRST_PORT} is taken, using {port}")
        return port
    raise SystemExit(f"demo: no free port from {FIRST_PORT} to {FIRST_PORT + 99}")


def show(demo, first):
    """On a terminal the frame is redrawn in place; elsewhere only the last one is printed."""
    if not sys.stdout.isatty():
        return
    rows = demo.frame()
    if not first:
        sys.stdout.write(f"\x1b[{show.height}A")
    height = max(len(rows), 0 if first else show.height)
    rows += [""] * (height - len(rows))
    sys.stdout.write("".join(f"\x1b[2K{row}\n" for row in rows))
    sys.stdout.flush()
    show.height = height


def play(demo, options):
    until = time.monotonic() + options.seconds if options.seconds is not None else None
    demo.history()
    show(demo, first=True)
    while not options.once and (until is None or time.monotonic() < until):
        demo.live()
        show(demo, first=False)
        time.sleep(1 / options.rate)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--seconds", type=float, help="stop by itself after so long")
    parser.add_argument("--once", action="store_true", help="history and one top ten, then stop")
    parser.add_argument("--rate", type=float, default=4, help="things a second (default: 4)")
    parser.add_argument("--data", type=pathlib.Path, help="a new folder that is kept")
    options = parser.parse_args(arguments)
    if options.rate <= 0:
        parser.error("--rate must be positive")
    if options.data and options.data.exists():
        parser.error(f"{options.data} exists; --data wants a new folder")
    return options


def interrupted(*_):
    raise KeyboardInterrupt


def main(arguments=None):
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    scratch = None if options.data else pathlib.Path(tempfile.mkdtemp(prefix="guerdon-demo-"))
    data = (options.data or scratch / "data").absolute()
    server, status, demo = None, 0, None
    try:
        server = Server(options.binary, data, free_port())
        server.await_ready()
        url = f"http://127.0.0.1:{server.port}"
        key_file = data / "admin.key"
        print(f"server on {url}, data in {data}")
        demo = Demo(Client(server.port, key_file.read_text().strip()), Shop(options.seed))
        demo.create()
        print("\n".join(curl_lines(url, key_file, demo.shop.members[0].id)), "\n", flush=True)
        play(demo, options)
    except KeyboardInterrupt:
        print("\nstopping")
    except (OSError, http.client.HTTPException) as error:
        print(f"demo: the server went away: {error}", file=sys.stderr)
        status = 1
    finally:
        if server is not None:
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, signal.SIG_IGN)
            if server.stop() != 0:
                print(f"demo: the server's exit status is {server.process.returncode}",
                      file=sys.stderr)
                status = 1
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    if demo is not None and demo.counts and not sys.stdout.isatty():
        print("\n".join(demo.frame()))
    print("stopped" + (f", data kept in {data}" if options.data else ", data removed"))
    return status


if __name__ == "__main__":
    sys.exit(main())
