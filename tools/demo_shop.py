#!/usr/bin/python3
"""A server of its own and a simulated shop, "Maison Laurier": orders, refunds, cancellations and
redemptions of a few dozen members, drawn from a seed, with a live top ten in the terminal and the
shop's page with a live board on another port.

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

import demo_page
import demo_replay
from demo_paths import ROOT

DOCUMENT = ROOT / "docs" / "examples" / "maison-laurier.json"
PROGRAM = "maison-laurier"
SOURCE = "//maison-laurier/prestashop"
FIRST_PORT = 8080
FIRST_PAGE_PORT = 8090
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
    def __init__(self, id_, name, weight=1.0):
        self.id = id_
        self.name = name
        self.email = f"{id_}@example.com"
        self.weight = weight
        # Every fifth has not agreed to be named: the board shows an initial.
        self.is_shown = not id_.endswith(("0", "5"))
        self.available = 0
        self.pending = 0


class Order:
    def __init__(self, number, member, currency, lines):
        self.id = f"{number:05}"
        self.member = member
        self.currency = currency
        self.left = dict(lines)  # line id → cents


def all_names():
    return [f"{first} {last[0]}." for first in FIRST_NAMES for last in LAST_NAMES]


class Shop:
    """Draws what customers do; the same seed gives the same shop."""

    def __init__(self, seed, members=48):
        self.random = random.Random(seed)
        chosen = self.random.sample(all_names(), members)
        self.members = [Member(f"ml-{number:03}", name, self.random.paretovariate(1.4))
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
        size = self.random.choices((1, 2, 3, 4), (40, 30, 20, 10))[0]
        basket = [(*product, self.random.choices((1, 2, 3), (75, 20, 5))[0])
                  for product in self.random.sample(PRODUCTS, size)]
        return self._paid(member, currency, channel, basket, moment)

    def buy_for(self, member_id, points, moment):
        """This member buys in the store what earns at least so many points: one a euro there."""
        wanted, basket = points * 100, []
        for product in self.random.sample(PRODUCTS, len(PRODUCTS)):
            left = wanted - sum(price * quantity for _, _, price, quantity in basket)
            if left <= 0:
                break
            enough = left // product[2] + 1
            basket.append((*product, min(enough, 2) if len(basket) < 3 else enough))
        return self._paid(self.by_id[member_id], "EUR", "store", basket, moment)

    def _paid(self, member, currency, channel, basket, moment):
        lines, cents = [], {}
        for index, (sku, _, price, quantity) in enumerate(basket, 1):
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
        self.port = port
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
        self.seq = 0
        self.top = demo_page.TopTen(client)

    def create(self):
        self.client.call("PUT", "", json.loads(DOCUMENT.read_text()))
        for member in self.shop.members:
            self.put_member(member)

    def put_member(self, member):
        self.client.call("PUT", "/members/" + member.id, {
            "email": member.email, "name": member.name, "board": {"shown": member.is_shown}})

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
        self.top.begin(self.shop.members)

    def live(self):
        """One thing happens now. When the top ten stood still, somebody close passes the one above,
        so that there is something to see."""
        near = self.top.pairs()[:3] if self.top.is_still() else []
        if near:
            points, member_id = self.shop.random.choice(near)
            self.post(*self.shop.buy_for(member_id, points, now()))
        elif self.shop.random.random() < 0.04:
            self.redeem()
        else:
            self.post(*self.shop.act(now()))
        self.top.look(self.seq)

    def post(self, event, line):
        _, item = self.client.call("POST", "/events", event, "application/cloudevents+json")
        self.take(item)
        points = sum(award["amount"] for award in item.get("awards", []))
        self.tell(f"{line}: {points:+} points")
        member = self.shop.by_id.get(item.get("member"))
        if member:
            self.refresh(member)

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
        self.seq = max(self.seq, item.get("seq") or 0)

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
        moved = [f" {self.top.summary()}"] if self.top.moves else []
        return [*rows, "", *moved,
                f" {len(self.shop.members)} members, events: {told}", "",
                *(" " + line for line in self.news)]


class Replay(Demo):
    """Real orders from CSV files instead of drawn ones; nobody is helped along."""

    def __init__(self, client, files):
        super().__init__(client, demo_replay.RetailShop(files, all_names(), self.new_member))
        self.ended = False

    def new_member(self, customer, name):
        member = Member(customer, name)
        self.put_member(member)
        return member

    def history(self):
        """The first hundred orders at once, so that there is a board."""
        for _ in range(100):
            self.next_order()
        self.top.begin(self.shop.members)

    def live(self):
        self.next_order()
        self.top.look(self.seq)

    def next_order(self):
        act = self.shop.act(stamp(now()))
        if act is not None:
            self.post(*act)
        elif not self.ended:
            self.ended = True
            self.tell("that was the last order")


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


def free_port(first):
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != first:
            print(f"port {first} is taken, using {port}")
        return port
    raise SystemExit(f"demo: no free port from {first} to {first + 99}")


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


def open_page(demo, url):
    """The shop's page, or None for a binary without the widget."""
    connection = http.client.HTTPConnection("127.0.0.1", demo.client.port, timeout=10)
    connection.request("GET", "/widget/manifest.json")
    has_widget = connection.getresponse().status == 200
    connection.close()
    if not has_widget:
        print("no page: this binary was built without the widget", flush=True)
        return None
    places = [demo.top.members[row["id"]] for row in demo.client.call(
        "GET", f"/boards/{demo_page.BOARD}?window={demo_page.WINDOW}&limit=50")[1]["rows"]
        if row["id"] in demo.top.members]
    # Just below the top ten, so that their own row is pinned under it; within; and far down.
    ranked = [demo.shop.by_id[place] for place in places]
    chosen = [next((member for member in ranked[rank - 1:] if member.is_shown), ranked[-1])
              for rank in (12, 3, 30)] if ranked else []
    page = demo_page.Page(demo.client, url, PROGRAM, free_port(FIRST_PAGE_PORT),
                          list(dict.fromkeys(chosen)))
    boards = f"{url}/v1/programs/{PROGRAM}/boards/{demo_page.BOARD}"
    print(f"page on {page.url} (English: {page.url}en), an origin of its own: open it and look\n"
          f"  curl -s -H 'Authorization: Bearer {page.key}' {boards}\n", flush=True)
    return page


def play(demo, options):
    until = time.monotonic() + options.seconds if options.seconds is not None else None
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
    parser.add_argument("--rate", type=float, help="things a second (default: 4; 20 of --replay)")
    parser.add_argument("--replay", type=pathlib.Path, nargs="+", metavar="FILE",
                        help="play the orders of these CSV files (UCI Online Retail) instead")
    parser.add_argument("--data", type=pathlib.Path, help="a new folder that is kept")
    options = parser.parse_args(arguments)
    if options.rate is None:
        options.rate = 20 if options.replay else 4
    if options.rate <= 0:
        parser.error("--rate must be positive")
    for path in options.replay or []:
        if not path.is_file():
            parser.error(f"{path} is no file")
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
    server, status, demo, page = None, 0, None, None
    try:
        server = Server(options.binary, data, free_port(FIRST_PORT))
        server.await_ready()
        url = f"http://127.0.0.1:{server.port}"
        key_file = data / "admin.key"
        print(f"server on {url}, data in {data}")
        client = Client(server.port, key_file.read_text().strip())
        demo = (Replay(client, options.replay) if options.replay
                else Demo(client, Shop(options.seed)))
        demo.create()
        demo.history()
        print("\n".join(curl_lines(url, key_file, demo.shop.members[0].id)), "\n", flush=True)
        page = open_page(demo, url)
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
            if page is not None:
                page.stop()
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
