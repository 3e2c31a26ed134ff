#!/usr/bin/python3
"""SIGKILL under load, again and again: nothing acknowledged is lost, nothing is applied twice.

    kill_test.py [--power-cut | --no-sync] [--cycles 30] [--seed N]

A client process that outlives the server records every answer. After each start all of them are
asked for again: the outcome of each key, its entry, its seq, the balances it gave, the first event
that another id of the same order led to, the e-mail a member was given, the versions of the program
and what its keys may do. The members' statements and the number of the program's entries say that
nothing else is there.

--power-cut   the same on guerdon_unsynced, which loses everything that was not synced
--no-sync     the same with commits that do not wait for the disk: must lose an acknowledged event
"""

import argparse
import http.client
import os
import pathlib
import random
import subprocess
import sys
import threading

import support
from support import cancel, copy_of, order, refund

CLIENTS = 4
MEMBERS = 12
BATCH_MAX = 1000
PAGE = 100
VERIFY_EVERY = 10
FIRST_VERSION = 2  # the first that the load makes
KEYS_VALID = 2  # one more, and the next change revokes one
KEYS_TRIED = 10
VERSIONS_READ = 20
CYCLES_FOR_ALL = 30  # after so many everything has happened
WALLET = ("available", "pending", "held", "debt")
INTERVALS = ("20ms", "100ms", "1s")


class Lost(Exception):
    """Something that was acknowledged is gone."""


class Recorder:
    """What was acknowledged, and what was asked without an answer. One lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.events = {}  # id → (event, outcome)
        self.unanswered = {}  # id → event
        self.aliases = {}  # id → (event, outcome of the order's first event)
        self.unanswered_aliases = {}  # the same
        self.adjustments = {}  # key → (member, amount, outcome)
        self.unanswered_adjustments = {}  # key → (member, amount)
        self.profiles = {}  # member → e-mails it was given, the last one counts
        self.unanswered_profiles = {}  # member → e-mail
        self.rates = []  # of the program's versions from FIRST_VERSION on
        self.unanswered_rate = None
        self.keys = {}  # label → answer to its creation
        self.unanswered_keys = set()  # labels
        self.revoked = {}  # label → whether that was answered
        self.failures = []  # answers that no crash explains
        self.again = 0  # keys that were sent again under load

    def __len__(self):
        return len(self.events) + len(self.adjustments)

    def by_seq(self):
        outcomes = [outcome for _, outcome in self.events.values()]
        outcomes += [outcome for _, _, outcome in self.adjustments.values()]
        seqs = {outcome["seq"]: outcome for outcome in outcomes}
        assert len(seqs) == len(outcomes), "two keys have one seq"
        return seqs

    def assert_not_blind(self):
        """A load in which something never happened shows nothing about it."""
        kinds = {(event["type"], outcome.get("status") or outcome.get("code"))
                 for event, outcome in self.events.values()}
        for kind in (("order.paid", "applied"), ("order.paid", "pending_identity"),
                     ("order.refunded", "applied"), ("order.refunded", "pending_identity"),
                     ("order.refunded", "refund_exceeds_order"), ("order.cancelled", "applied"),
                     ("cart.viewed", "ignored")):
            assert kind in kinds, kind
        adjusted = {(amount > 0, "code" in outcome)
                    for _, amount, outcome in self.adjustments.values()}
        assert adjusted >= {(True, False), (False, False), (False, True)}, adjusted
        for what in ("aliases", "profiles", "rates", "keys", "revoked"):
            assert getattr(self, what), what


def problem_outcome(problem):
    return {name: problem.get(name) for name in ("code", "seq", "detail", "errors")}


def event_outcome(item):
    """What must never change of an event's answer, from a first answer or from a repeated one."""
    if item["status"] == "rejected":
        return problem_outcome(item["problem"])
    first = item["first_status"] if item["status"] == "duplicate" else item["status"]
    if first in ("pending_identity", "ignored"):
        return {"status": first, "seq": item["seq"]}
    assert first == "applied", item
    return {"status": first} | {name: item[name]
                                for name in ("seq", "member", "awards", "balances")}


def adjust_outcome(answer):
    if answer.status == 409:
        return problem_outcome(answer.json)
    return {name: value for name, value in answer.json.items() if name != "status"}


def items_of(answer):
    """The items of an answer to one event or to a batch."""
    if isinstance(answer.json, list):
        return answer.json
    if answer.status >= 400:
        return [{"status": "rejected", "problem": answer.json}]
    return [answer.json]


def post(program, events):
    if len(events) == 1:
        return program.post(events[0], checked=False)
    return program.post(events, support.BATCH, checked=False)


def document(rate):
    """A version of its own for each rate."""
    made = copy_of(support.MINIMAL)
    award = made["campaigns"][0]["rules"][0]["effects"][0]["award"]
    award["points"] = f"muldiv(order.net, {rate}, order.unit)"
    return made


def put_profile(program, member, email):
    return program.put_member(member, {"email": email}, checked=False)


def create_key(program, label):
    body = {"kind": "secret", "scopes": ["members:read"], "label": label}
    return program.request("POST", "/keys", body, checked=False)


def adjust(program, member, amount, key):
    body = {"currency": "points", "amount": amount, "reason_code": "goodwill", "note": "kill"}
    return program.request("POST", program.member_path(member, "/adjustments"), body,
                           headers={"Idempotency-Key": key}, checked=False)


class Load(threading.Thread):
    """Everything that writes, and old keys, until the server is gone. Each load has a member to
    itself whose e-mail it changes; the first one changes the program, the second one its keys."""

    def __init__(self, server, name, recorder, number, seed):
        super().__init__()
        self.program = support.Program(server.client(), name)
        self.recorder = recorder
        self.number = number
        self.profile = f"profile-{number}"
        self.random = random.Random(seed)
        self.paid = []
        self.cancelled = set()  # ids of paid orders

    def run(self):
        try:
            while True:
                self.one()
        except (OSError, http.client.HTTPException):
            pass  # the server is gone
        except Exception as error:  # told by the main thread
            self.recorder.failures.append(repr(error))
        finally:
            self.program.client.close()

    def one(self):
        choice = self.random.random()
        if choice < 0.42:
            self.post([self.new_order()])
        elif choice < 0.6:
            self.post([self.new_order() for _ in range(self.random.randint(2, 30))])
        elif choice < 0.72 and self.paid:
            self.refund()
        elif choice < 0.78 and self.paid:
            self.cancel()
        elif choice < 0.83 and self.paid:
            self.alias()
        elif choice < 0.91:
            self.adjust()
        elif choice < 0.93:
            self.post([support.event("cart.viewed")])
        elif choice < 0.95:
            self.put_profile()
        elif choice < 0.98 and self.number == 0:
            self.put_program()
        elif choice < 0.98 and self.number == 1:
            self.change_keys()
        else:
            self.resend()

    def new_order(self):
        amounts = [f"{self.random.randint(0, 99)}.{self.random.randint(0, 99):02}"
                   for _ in range(self.random.randint(1, 3))]
        customer = str(self.random.randrange(MEMBERS))
        if self.random.random() < 0.1:
            customer = None  # a guest
        elif self.random.random() < 0.1 and self.profile in self.recorder.profiles:
            customer = self.profile
        # Of this second: a new version of the program counts at once.
        return order(customer, *amounts, time_=support.rfc3339())

    def refund(self):
        event = self.random.choice(self.paid)
        first_line = event["data"]["lines"][0]["amount"]
        # Now and then more than was paid, as is any second refund: rejected, and that for ever.
        amount = first_line if self.random.random() < 0.9 else "9" + first_line
        self.post([refund(event, {1: amount})])

    def cancel(self):
        event = self.random.choice(self.paid)
        if event["id"] not in self.cancelled:
            self.cancelled.add(event["id"])
            self.post([cancel(event)])

    def alias(self):
        """The same order under another event id."""
        event = self.random.choice(self.paid)
        again = event | {"id": support.unique(event["id"])}
        with self.recorder.lock:
            _, outcome = self.recorder.events[event["id"]]
            self.recorder.unanswered_aliases[again["id"]] = (again, outcome)
        answer = post(self.program, [again])
        if answer.status == 503:
            return
        assert answer.status == 200 and answer.json["status"] == "duplicate", answer
        assert event_outcome(answer.json) == outcome, (outcome, answer)
        with self.recorder.lock:
            self.recorder.aliases[again["id"]] = self.recorder.unanswered_aliases.pop(again["id"])

    def post(self, events):
        with self.recorder.lock:
            for event in events:
                self.recorder.unanswered[event["id"]] = event
        answer = post(self.program, events)
        if answer.status == 503:
            return
        items = items_of(answer)
        assert len(items) == len(events), answer
        with self.recorder.lock:
            for event, item in zip(events, items):
                assert item["status"] != "duplicate", item
                outcome = event_outcome(item)
                assert outcome["seq"], item
                self.recorder.events[event["id"]] = (event, outcome)
                del self.recorder.unanswered[event["id"]]
                if event["type"] == "order.paid":
                    self.paid.append(event)

    def adjust(self):
        member = str(self.random.randrange(MEMBERS))
        amount = self.random.choice((self.random.randint(1, 50), -self.random.randint(1, 50),
                                     -self.random.randint(1, 50_000)))
        key = support.unique("kill")
        with self.recorder.lock:
            self.recorder.unanswered_adjustments[key] = (member, amount)
        answer = adjust(self.program, member, amount, key)
        if answer.status == 503:
            return
        with self.recorder.lock:
            del self.recorder.unanswered_adjustments[key]
            if answer.status == 404:  # the member has no order yet: not sequenced
                return
            assert answer.status in (201, 409), answer
            self.recorder.adjustments[key] = (member, amount, adjust_outcome(answer))

    def put_profile(self):
        if self.profile in self.recorder.unanswered_profiles:
            return  # which one is the last would not be known
        email = support.unique(self.profile) + "@kill.example"
        self.recorder.unanswered_profiles[self.profile] = email
        answer = put_profile(self.program, self.profile, email)
        if answer.status == 503:
            return
        assert answer.status in (200, 201) and answer.json["seq"], answer
        with self.recorder.lock:
            del self.recorder.unanswered_profiles[self.profile]
            self.recorder.profiles.setdefault(self.profile, []).append(email)

    def put_program(self):
        if self.recorder.unanswered_rate is not None:
            return
        rate = len(self.recorder.rates) + 2
        self.recorder.unanswered_rate = rate
        answer = self.program.put(document(rate), checked=False)
        if answer.status == 503:
            return
        assert answer.status == 200 and answer.json["changed"], answer
        assert answer.json["version"] == FIRST_VERSION + len(self.recorder.rates), answer
        with self.recorder.lock:
            self.recorder.rates.append(rate)
            self.recorder.unanswered_rate = None

    def change_keys(self):
        valid = sorted(self.recorder.keys.keys() - self.recorder.revoked.keys())
        if len(valid) > KEYS_VALID:
            label = self.random.choice(valid)
            self.recorder.revoked[label] = False
            path = f"/keys/{self.recorder.keys[label]['id']}"
            answer = self.program.request("DELETE", path, checked=False)
            if answer.status == 503:
                return
            assert answer.status == 200, answer
            self.recorder.revoked[label] = True
            return
        label = support.unique("key")
        self.recorder.unanswered_keys.add(label)
        answer = create_key(self.program, label)
        if answer.status == 503:
            return
        assert answer.status == 201, answer
        with self.recorder.lock:
            self.recorder.unanswered_keys.remove(label)
            self.recorder.keys[label] = answer.json

    def resend(self):
        """A key that was answered before, as a client does that lost the answer."""
        with self.recorder.lock:
            known = list(self.recorder.events.values())[-200:]
        if not known:
            return
        event, outcome = self.random.choice(known)
        answer = post(self.program, [event])
        if answer.status == 503:
            return
        again = items_of(answer)[0]
        assert again["status"] in ("duplicate", "rejected"), (outcome, again)
        assert event_outcome(again) == outcome, (outcome, again)
        self.recorder.again += 1


def settle(program, recorder):
    """Sends again what had no answer: it is wholly in or wholly out, and one outcome a key."""
    found = 0
    ordered = sorted(recorder.unanswered.values(), key=lambda event: event["type"] != "order.paid")
    for event in ordered:
        first = post(program, [event])
        if first.status == 200 and first.json["status"] == "pending_order":
            raise Lost(f"the paid order of {event}")
        assert first.status in (200, 409), first
        found += first.status == 200 and first.json["status"] == "duplicate"
        recorder.events[event["id"]] = (event, event_outcome(items_of(first)[0]))
    recorder.unanswered.clear()
    for id_, (event, outcome) in recorder.unanswered_aliases.items():
        recorder.aliases[id_] = (event, outcome)  # whether it was in or not: check_events sends it
    recorder.unanswered_aliases.clear()
    for key, (member, amount) in recorder.unanswered_adjustments.items():
        answer = adjust(program, member, amount, key)
        if answer.status == 404:
            continue
        assert answer.status in (201, 409), answer
        recorder.adjustments[key] = (member, amount, adjust_outcome(answer))
    recorder.unanswered_adjustments.clear()
    for member, email in recorder.unanswered_profiles.items():
        answer = put_profile(program, member, email)
        assert answer.status in (200, 201), answer
        recorder.profiles.setdefault(member, []).append(email)
    recorder.unanswered_profiles.clear()
    if recorder.unanswered_rate is not None:
        answer = program.put(document(recorder.unanswered_rate), checked=False)
        assert answer.status == 200, answer
        recorder.rates.append(recorder.unanswered_rate)
        recorder.unanswered_rate = None
    return found


def check_events(program, recorder):
    recorded = list(recorder.events.values()) + list(recorder.aliases.values())
    for begin in range(0, len(recorded), BATCH_MAX):
        part = recorded[begin:begin + BATCH_MAX]
        answer = program.post([event for event, _ in part], support.BATCH, checked=False)
        if answer.status == 404:
            raise Lost("the whole program")
        assert answer.status == 200, answer
        for (event, outcome), item in zip(part, answer.json):
            if item["status"] == "applied":
                raise Lost(f"{event}: {outcome}")
            again = event_outcome(item)
            if again != outcome:
                raise Lost(f"{event['id']}: {outcome}, and now {item}")


def check_adjustments(program, recorder):
    for key, (member, amount, outcome) in recorder.adjustments.items():
        answer = adjust(program, member, amount, key)
        if answer.headers["Replayed"] != "true" or adjust_outcome(answer) != outcome:
            raise Lost(f"adjustment {key}: {outcome}, and now {answer}")


def check_profiles(program, recorder):
    """A member is found by the last e-mail it was given, and by no earlier one."""
    for member, emails in recorder.profiles.items():
        for email in emails[-2:]:
            found = support.rows_of(program.get("/members", query=email))
            wanted = [member] if email == emails[-1] else []
            if [row["member"] for row in found] != wanted:
                raise Lost(f"e-mail {email} of {member}: {found}")


def rate_of(version):
    award = version.json["document"]["campaigns"][0]["rules"][0]["effects"][0]["award"]
    return award["points"]


def check_versions(program, recorder, chance):
    latest = FIRST_VERSION - 1 + len(recorder.rates)
    active = program.get()
    if active.status == 404 or active.json["version"] != latest:
        raise Lost(f"version {latest} of the program, and now {active}")
    stored = list(enumerate(recorder.rates, FIRST_VERSION))
    for number, rate in chance.sample(stored, min(len(stored), VERSIONS_READ)):
        version = program.get(f"/versions/{number}")
        wanted = document(rate)["campaigns"][0]["rules"][0]["effects"][0]["award"]["points"]
        assert version.status == 200 and rate_of(version) == wanted, (wanted, version)


def check_keys(program, recorder, chance):
    """Every key is there once, a sample works, a revoked one does not."""
    listed = support.rows_of(program.get("/keys"))
    labels = [row["label"] for row in listed]
    assert len(labels) == len(set(labels)), f"a key is there twice: {labels}"
    missing = recorder.keys.keys() - set(labels)
    if missing:
        raise Lost(f"keys {missing}")
    unknown = set(labels) - recorder.keys.keys() - recorder.unanswered_keys - {"admin.key"}
    assert not unknown, unknown
    for row in listed:
        revoked = recorder.revoked.get(row["label"], None)
        assert revoked is False or row["revoked"] == bool(revoked), (revoked, row)
    for label in chance.sample(sorted(recorder.keys), min(len(recorder.keys), KEYS_TRIED)):
        if recorder.revoked.get(label) is False:
            continue  # nobody was told
        client = program.client.server.client(recorder.keys[label]["key"])
        answer = client.get(program.base + "/checkpoint", checked=False)
        client.close()
        wanted = 401 if recorder.revoked.get(label) else 200
        assert answer.status == wanted, (label, answer)


def total(wallet):
    return wallet["available"] + wallet["pending"] + wallet["held"] - wallet["debt"]


def statement(program, member):
    """All lines of a member, the oldest first."""
    lines, cursor = [], None
    while True:
        page = program.entries(member, limit=PAGE, cursor=cursor)
        assert page.status == 200, page
        lines += page.json["data"]
        cursor = page.json["next_cursor"]
        if cursor is None:
            return lines[::-1]


def check_statements(program, recorder):
    """Each line is an answer that was recorded, each recorded balance is on its line."""
    by_seq = recorder.by_seq()
    members = 0
    balances = {}  # seq → balance that its answer gave
    for seq, outcome in by_seq.items():
        for balance in outcome.get("balances") or outcome.get("balances_after") or ():
            balances[seq] = balance
    for member in [str(number) for number in range(MEMBERS)] + sorted(recorder.profiles):
        answer = program.member(member)
        if answer.status == 404:
            continue
        # A member that came with an order has an entry of its own, the others one an e-mail.
        members += len(recorder.profiles.get(member, [1]))
        balance = 0
        for line in statement(program, member):
            assert line["seq"] in by_seq, f"a line that nobody was told of: {line}"
            balance += line["amount"]
            after = {field: line["balance_after"][field] for field in WALLET}
            assert total(after) == balance, line
            told = balances.pop(line["seq"], None)
            assert told is None or {field: told[field] for field in WALLET} == after, (told, line)
        assert program.balance(member) == balance, (member, balance)
    for seq, balance in balances.items():
        awarded = sum(award["amount"] for award in by_seq[seq].get("awards", ()))
        assert awarded == 0, f"no line of seq {seq}: {balance}"
    # Every entry is an answer, another id of an order, or about a member: nothing came in twice.
    entries = program.checkpoint()["seq"]
    known = (len(by_seq), len(recorder.aliases), members)
    assert entries == sum(known), (entries, known)


def check_entries(program, recorder, fresh):
    for id_ in fresh:
        event, outcome = recorder.events[id_]
        entry = program.get(f"/entries/{outcome['seq']}")
        if entry.status == 404:
            raise Lost(f"entry {outcome['seq']}")
        assert entry.status == 200 and entry.json["seq"] == outcome["seq"], entry
        assert entry.json["event"]["id"] == event["id"], (event, entry)


def check(program, recorder, fresh, chance):
    check_events(program, recorder)
    check_adjustments(program, recorder)
    check_profiles(program, recorder)
    check_versions(program, recorder, chance)
    check_keys(program, recorder, chance)
    check_statements(program, recorder)
    check_entries(program, recorder, fresh)


def pause(server, seconds):
    """Lets the child run for so long: the moment of a kill is the test's input."""
    try:
        server.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"the server ended by itself: {server.output[-2000:]}")


def interrupted_starts(server, chance):
    """Now and then start-up itself is killed, at any moment of it."""
    kills = 0
    while chance.random() < 0.3:
        server.spawn("--checkpoint-interval", chance.choice(INTERVALS))
        pause(server, chance.uniform(0, 0.3))
        server.kill()
        kills += 1
    return kills


def verify(server):
    verified = support.run_guerdon("verify", "--data", server.data, limit_s=600)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def load_and_kill(server, name, recorder, chance, cycle):
    before = len(recorder)
    loads = [Load(server, name, recorder, number, chance.random()) for number in range(CLIENTS)]
    for load in loads:
        load.start()
    wanted = before + chance.randint(20, 250)
    support.wait_until(lambda: len(recorder) >= wanted or recorder.failures,
                       f"load in cycle {cycle}", 60)
    pause(server, chance.uniform(0, 0.05))
    server.kill()
    for load in loads:
        load.join()
    assert not recorder.failures, recorder.failures


def first_starts(server, chance):
    """A new folder whose very first starts are cut short; the admin key must come out usable."""
    for _ in range(4):
        server.spawn()
        pause(server, chance.uniform(0, 0.3))
        server.kill()
    return server.start()


def run(cycles, chance):
    server = support.Server()
    try:
        first_starts(server, chance)
        name = server.program().name
        recorder = Recorder()
        checked = set()
        for cycle in range(cycles):
            load_and_kill(server, name, recorder, chance, cycle)
            if cycle % VERIFY_EVERY == VERIFY_EVERY - 1:
                verify(server)
            kills = interrupted_starts(server, chance)
            server.start("--checkpoint-interval", chance.choice(INTERVALS))
            program = support.Program(server.client(), name)
            found = settle(program, recorder)
            fresh = sorted(recorder.events.keys() - checked)
            check(program, recorder, chance.sample(fresh, min(len(fresh), 50)), chance)
            checked.update(fresh)
            program.client.close()
            print(f"cycle {cycle + 1}: {kills} starts killed, {found} unanswered ones were in; "
                  f"{len(recorder.events)} events, {len(recorder.aliases)} aliases, "
                  f"{len(recorder.adjustments)} adjustments, {len(recorder.rates)} versions, "
                  f"{len(recorder.keys)} keys, {recorder.again} sent again, all found", flush=True)
        status = server.stop()
        assert status == 0, server.output[-2000:]
        verify(server)
        program = support.Program(server.start().client(), name)
        check(program, recorder, [], chance)
        if cycles >= CYCLES_FOR_ALL:
            recorder.assert_not_blind()
    except BaseException:
        print(server.output[-4000:], file=sys.stderr)
        raise
    finally:
        server.close()


def refuses(server):
    """Starts; True if the server refused because of its witness."""
    try:
        server.start("--test-no-sync")
        return False
    except AssertionError:
        status = server.await_exit()
        assert status == 1 and "witness" in server.output, (status, server.output[-2000:])
        server.start("--test-no-sync", "--accept-loss")
        return True


def run_without_sync(cycles, chance):
    with support.Server() as server:
        name = server.program().name
        assert server.stop() == 0
        server.start("--test-no-sync")
        recorder = Recorder()
        for cycle in range(cycles):
            load_and_kill(server, name, recorder, chance, cycle)
            refused = refuses(server)
            program = support.Program(server.client(), name)
            try:
                check_events(program, recorder)
            except Lost as loss:
                print(f"cycle {cycle + 1}: lost, as it must (the witness "
                      f"{'refused' if refused else 'did not refuse'}): {loss}")
                return
            settle(program, recorder)
            program.client.close()
        raise AssertionError(f"nothing lost in {cycles} cycles without sync: this test is blind")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--power-cut", action="store_true")
    parser.add_argument("--no-sync", action="store_true")
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("GUERDON_SEED", 0))
                        or random.SystemRandom().randrange(2 ** 32))
    options = parser.parse_args()
    if options.power_cut or options.no_sync:
        support.BINARY = pathlib.Path(support.BINARY).with_name("guerdon_unsynced")
    if not support.BINARY.exists():
        print(f"SKIPPED: no binary at {support.BINARY}")
        return support.SKIPPED
    print(f"seed {options.seed}, {options.cycles} cycles of {support.BINARY.name}", flush=True)
    chance = random.Random(options.seed)
    if options.no_sync:
        run_without_sync(options.cycles, chance)
    else:
        run(options.cycles, chance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
