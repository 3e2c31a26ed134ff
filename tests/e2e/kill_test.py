#!/usr/bin/python3
"""SIGKILL under load, again and again: nothing acknowledged is lost, nothing is applied twice.

    kill_test.py [--power-cut | --no-sync] [--cycles 30] [--seed N]

A client process that outlives the server records every answer. After each start all of them are
asked for again: the outcome of each key, its entry, its seq, the balances it gave. The member's
statement and the number of the program's entries say that nothing else is there.

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
from support import order, refund

CLIENTS = 4
MEMBERS = 12
BATCH_MAX = 1000
PAGE = 100
VERIFY_EVERY = 10
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
        self.adjustments = {}  # key → (member, amount, outcome)
        self.unanswered_adjustments = {}  # key → (member, amount)
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


def event_outcome(item):
    """What must never change of an event's answer, from a first answer or from a repeated one."""
    if item["status"] == "rejected":
        problem = item["problem"]
        return {"code": problem["code"], "seq": problem.get("seq")}
    assert item["status"] in ("applied", "duplicate"), item
    assert item.get("first_status", "applied") == "applied", item
    return {name: item[name] for name in ("seq", "member", "awards", "balances")}


def adjust_outcome(answer):
    if answer.status == 409:
        return {"code": answer.code, "seq": answer.json["seq"]}
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


def adjust(program, member, amount, key):
    body = {"currency": "points", "amount": amount, "reason_code": "goodwill", "note": "kill"}
    return program.request("POST", program.member_path(member, "/adjustments"), body,
                           headers={"Idempotency-Key": key}, checked=False)


class Load(threading.Thread):
    """Posts orders, batches, refunds, adjustments and old keys until the server is gone."""

    def __init__(self, server, name, recorder, seed):
        super().__init__()
        self.program = support.Program(server.client(), name)
        self.recorder = recorder
        self.random = random.Random(seed)
        self.paid = []

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
        if choice < 0.5:
            self.post([self.new_order()])
        elif choice < 0.7:
            self.post([self.new_order() for _ in range(self.random.randint(2, 30))])
        elif choice < 0.85 and self.paid:
            event = self.paid.pop(self.random.randrange(len(self.paid)))
            first_line = event["data"]["lines"][0]["amount"]
            # Now and then more than was paid: rejected, and that for ever.
            amount = first_line if self.random.random() < 0.9 else "9" + first_line
            self.post([refund(event, {1: amount})])
        elif choice < 0.93:
            self.adjust()
        else:
            self.resend()

    def new_order(self):
        amounts = [f"{self.random.randint(0, 99)}.{self.random.randint(0, 99):02}"
                   for _ in range(self.random.randint(1, 3))]
        return order(str(self.random.randrange(MEMBERS)), *amounts)

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
        amount = self.random.choice((self.random.randint(1, 50), -self.random.randint(1, 5000)))
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
        if first.code == "order_not_found":
            raise Lost(f"the paid order of {event}")
        assert first.status in (200, 409), first
        found += first.status == 200 and first.json["status"] == "duplicate"
        recorder.events[event["id"]] = (event, event_outcome(items_of(first)[0]))
    recorder.unanswered.clear()
    for key, (member, amount) in recorder.unanswered_adjustments.items():
        answer = adjust(program, member, amount, key)
        if answer.status == 404:
            continue
        assert answer.status in (201, 409), answer
        recorder.adjustments[key] = (member, amount, adjust_outcome(answer))
    recorder.unanswered_adjustments.clear()
    return found


def check_events(program, recorder):
    recorded = list(recorder.events.values())
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
    for number in range(MEMBERS):
        answer = program.member(str(number))
        if answer.status == 404:
            continue
        members += 1
        balance = 0
        for line in statement(program, str(number)):
            assert line["seq"] in by_seq, f"a line that nobody was told of: {line}"
            balance += line["amount"]
            after = {field: line["balance_after"][field] for field in WALLET}
            assert total(after) == balance, line
            told = balances.pop(line["seq"], None)
            assert told is None or {field: told[field] for field in WALLET} == after, (told, line)
        assert program.balance(str(number)) == balance, (number, balance)
    for seq, balance in balances.items():
        awarded = sum(award["amount"] for award in by_seq[seq].get("awards", ()))
        assert awarded == 0, f"no line of seq {seq}: {balance}"
    # Every entry is an answer or the first sight of a member: nothing was applied twice.
    entries = program.checkpoint()["seq"]
    assert entries == len(by_seq) + members, (entries, len(by_seq), members)


def check_entries(program, recorder, fresh):
    for id_ in fresh:
        event, outcome = recorder.events[id_]
        entry = program.get(f"/entries/{outcome['seq']}")
        if entry.status == 404:
            raise Lost(f"entry {outcome['seq']}")
        assert entry.status == 200 and entry.json["seq"] == outcome["seq"], entry
        assert entry.json["event"]["id"] == event["id"], (event, entry)


def check(program, recorder, fresh):
    check_events(program, recorder)
    check_adjustments(program, recorder)
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
    loads = [Load(server, name, recorder, chance.random()) for _ in range(CLIENTS)]
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
            check(program, recorder, chance.sample(fresh, min(len(fresh), 50)))
            checked.update(fresh)
            program.client.close()
            print(f"cycle {cycle + 1}: {kills} starts killed, {found} unanswered ones were in; "
                  f"{len(recorder.events)} events, {len(recorder.adjustments)} adjustments, "
                  f"{recorder.again} sent again, all found", flush=True)
        status = server.stop()
        assert status == 0, server.output[-2000:]
        verify(server)
        program = support.Program(server.start().client(), name)
        check(program, recorder, [])
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
