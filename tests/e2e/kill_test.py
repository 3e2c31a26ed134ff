#!/usr/bin/python3
"""SIGKILL under load, again and again: nothing acknowledged is lost, nothing is applied twice.

    kill_test.py [--cycles 30] [--seed N]

A client process that outlives the server records every answer. After each start all of it is
checked: the outcome of each key, its entry, its seq and the member's balance.
"""

import argparse
import http.client
import random
import sys
import threading

import support
from support import order, refund

CLIENTS = 6
MEMBERS = 12


class Recorder:
    """What was acknowledged, and what was asked without an answer. One lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.events = {}  # id → (event, answer)
        self.unanswered = {}  # id → event
        self.adjustments = {}  # key → (member, amount, answer)
        self.unanswered_adjustments = {}
        self.failures = []  # answers that no crash explains

    def earned(self):
        """Points a member must have at least; unanswered ones are settled before asking."""
        totals = {str(member): 0 for member in range(MEMBERS)}
        for event, answer in self.events.values():
            for award in answer["awards"]:
                totals[award["member"]] += award["amount"]
        for member, amount, _ in self.adjustments.values():
            totals[member] += amount
        return totals


class Load(threading.Thread):
    """Posts orders, batches, refunds and adjustments until the server is gone."""

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
        if choice < 0.6:
            self.post([self.new_order()])
        elif choice < 0.75:
            self.post([self.new_order() for _ in range(self.random.randint(2, 40))])
        elif choice < 0.9 and self.paid:
            event = self.paid.pop(self.random.randrange(len(self.paid)))
            self.post([refund(event, {1: event["data"]["lines"][0]["amount"]})])
        else:
            self.adjust()

    def new_order(self):
        amounts = [f"{self.random.randint(0, 99)}.{self.random.randint(0, 99):02}"
                   for _ in range(self.random.randint(1, 3))]
        return order(str(self.random.randrange(MEMBERS)), *amounts)

    def post(self, events):
        with self.recorder.lock:
            for event in events:
                self.recorder.unanswered[event["id"]] = event
        if len(events) == 1:
            answer = self.program.post(events[0], checked=False)
            items = [answer.json]
        else:
            answer = self.program.post(events, support.BATCH, checked=False)
            items = answer.json
        if answer.status == 503:
            return
        assert answer.status == 200, answer
        with self.recorder.lock:
            for event, item in zip(events, items):
                assert item["status"] == "applied", item
                self.recorder.events[event["id"]] = (event, item)
                del self.recorder.unanswered[event["id"]]
                if event["type"] == "order.paid":
                    self.paid.append(event)

    def adjust(self):
        member, amount = str(self.random.randrange(MEMBERS)), self.random.randint(1, 50)
        key = support.unique("kill")
        with self.recorder.lock:
            self.recorder.unanswered_adjustments[key] = (member, amount)
        answer = self.program.adjust(member, amount, key)
        if answer.status in (404, 503):  # the member has no order yet
            with self.recorder.lock:
                if answer.status == 404:
                    del self.recorder.unanswered_adjustments[key]
            return
        assert answer.status == 201, answer
        with self.recorder.lock:
            self.recorder.adjustments[key] = (member, amount, answer.json)
            del self.recorder.unanswered_adjustments[key]


def settle(program, recorder):
    """Sends again what had no answer: it is wholly in or wholly out, and one outcome a key."""
    ordered = sorted(recorder.unanswered.values(), key=lambda event: event["type"] != "order.paid")
    for event in ordered:
        first = program.post(event)
        if first.status == 404 and first.code == "order_not_found":
            raise AssertionError(f"a refund lost its acknowledged order: {event}")
        assert first.status == 200 and first.json["status"] in ("applied", "duplicate"), first
        again = program.post(event)
        assert again.json["status"] == "duplicate", again
        assert again.json["seq"] == first.json["seq"], (first, again)
        recorder.events[event["id"]] = (event, first.json)
    recorder.unanswered.clear()
    for key, (member, amount) in recorder.unanswered_adjustments.items():
        answer = program.adjust(member, amount, key)
        if answer.status == 404:
            continue
        assert answer.status == 201, answer
        recorder.adjustments[key] = (member, amount, answer.json)
    recorder.unanswered_adjustments.clear()


def check(program, recorder, recent):
    """Every recorded answer, exactly as it was; all of `recent`, a sample of the older ones."""
    for id_ in recent:
        event, first = recorder.events[id_]
        again = program.post(event, checked=False)
        assert again.status == 200 and again.json["status"] == "duplicate", (first, again)
        for field in ("seq", "awards", "member"):
            assert again.json[field] == first[field], (field, first, again.json)
        entry = program.get(f"/entries/{first['seq']}")
        assert entry.status == 200 and entry.json["seq"] == first["seq"], entry
    for key, (member, amount, first) in recorder.adjustments.items():
        again = program.adjust(member, amount, key)
        assert again.status == 201 and again.json["seq"] == first["seq"], (first, again)
        assert again.headers["Replayed"] == "true", again
    for member, points in recorder.earned().items():
        answer = program.member(member)
        found = 0 if answer.status == 404 else program.balance(member)
        assert found == points, f"member {member}: {points} acknowledged, {found} found"


def run(cycles, seed):
    print(f"seed {seed}, {cycles} cycles")
    chance = random.Random(seed)
    with support.Server() as server:
        name = server.program().name
        recorder = Recorder()
        checked = set()
        for cycle in range(cycles):
            before = len(recorder.events)
            loads = [Load(server, name, recorder, chance.random()) for _ in range(CLIENTS)]
            for load in loads:
                load.start()
            wanted = before + chance.randint(20, 400)
            support.wait_until(lambda: len(recorder.events) >= wanted or recorder.failures,
                               f"load in cycle {cycle}", 60)
            server.kill()
            for load in loads:
                load.join()
            assert not recorder.failures, recorder.failures
            server.start()
            program = support.Program(server.client(), name)
            settle(program, recorder)
            fresh = recorder.events.keys() - checked
            old = chance.sample(sorted(checked), min(len(checked), 200))
            check(program, recorder, [*fresh, *old])
            checked |= fresh
            program.client.close()
            print(f"cycle {cycle + 1}: {len(recorder.events)} events, "
                  f"{len(recorder.adjustments)} adjustments, all found", flush=True)
        assert server.stop() == 0
        verified = support.run_guerdon("verify", "--data", server.data, limit_s=600)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2 ** 32))
    options = parser.parse_args()
    if not support.BINARY.exists():
        print(f"SKIPPED: no binary at {support.BINARY}")
        return support.SKIPPED
    run(options.cycles, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
