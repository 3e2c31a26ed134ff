#!/usr/bin/python3
"""Boards over HTTP: exact ranks at once, names as members agreed, and who may look."""

import base64
import copy
import json
import os
import socket
import struct
import time

import shopper
import support
from support import MINIMAL, cancel, order, refund

SHOP = "https://shop.example"


class LiveClient:
    """Just enough of RFC 6455: short frames of text, one object each or several lines."""

    def __init__(self, server, origin=None):
        self.socket = socket.create_connection(("127.0.0.1", server.port), 10)
        lines = ["GET /live HTTP/1.1", "Host: guerdon", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]
        lines += [f"Origin: {origin}"] if origin else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.bytes, self.ids, self.objects, self.code = b"", 0, [], None
        while b"\r\n\r\n" not in self.bytes:
            self._receive()
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101 "), head

    def close(self):
        self.socket.close()

    def _receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError("the connection ended without a close")
        self.bytes += piece

    def _frame(self):
        need = 2
        while True:
            if len(self.bytes) >= need:
                size = self.bytes[1]
                begin = 4 if size == 126 else 2
                if size == 126 and len(self.bytes) >= 4:
                    size = struct.unpack(">H", self.bytes[2:4])[0]
                if len(self.bytes) >= begin + size:
                    break
            self._receive()
        opcode, payload = self.bytes[0] & 15, self.bytes[begin:begin + size]
        self.bytes = self.bytes[begin + size:]
        return opcode, payload

    def send(self, command, **parameters):
        self.ids += 1
        text = json.dumps({"id": self.ids, command: parameters}).encode()
        short = len(text) < 126
        size = bytes([0x80 | len(text)]) if short else b"\xfe" + struct.pack(">H", len(text))
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + text)

    def hear(self, wanted, limit_s=20):
        """The first object, from now on, for which `wanted` answers true; None at the close."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            while self.objects:
                heard = self.objects.pop(0)
                if wanted(heard):
                    return heard
            if self.code:
                return None
            opcode, payload = self._frame()
            if opcode == 8:
                self.code = struct.unpack(">H", payload[:2])[0]
            elif opcode == 1:
                self.objects += [json.loads(line) for line in payload.decode().split("\n")]
        raise AssertionError("nothing was heard")

    def connect(self, *channels, **credentials):
        self.send("connect", v=1, subs=[{"ch": channel} for channel in channels], **credentials)
        return self.hear(lambda heard: "connect" in heard)["connect"]

    def closed(self):
        self.hear(lambda heard: False)
        return self.code


class BoardTest(support.ServerTest):
    def setUp(self):
        document = copy.deepcopy(MINIMAL)
        document["boards"] = [{"id": "top", "score": {"currency": "points"},
                               "windows": ["month", "week", "all"]}]
        self.document = document
        self.program = self.server.program(document)
        self.seq = 0

    def post(self, event):
        answer = self.program.post(event)
        self.assertEqual(answer.status, 200, answer)
        self.seq = answer.json["seq"]
        return answer.json

    def page(self, program=None, **query):
        query.setdefault("min_seq", self.seq)
        answer = (program or self.program).get("/boards/top", **query)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def scores(self, **query):
        return [row["score"] for row in self.page(**query)["rows"]]

    def page_key(self):
        answer = self.program.request("POST", "/keys", {"kind": "publishable", "origins": [SHOP]})
        return self.program.with_key(answer.json["key"])

    def token(self, member):
        key = self.program.request("POST", "/keys", {"kind": "shopper", "algorithm": "HS256"}).json
        return shopper.hs256_token(key, shopper.claims(self.program.name, member))

    def shopper(self, member):
        return self.program.with_key(self.token(member))

    def live(self, origin=None):
        client = LiveClient(self.server, origin)
        self.addCleanup(client.close)
        return client


class RowsTest(BoardTest):
    def test_an_order_moves_the_row_and_a_refund_moves_it_back(self):
        self.post(order("anna", "50.00"))
        paid = order("bert", "40.00")
        self.post(paid)
        self.assertEqual(self.scores(), [50, 40])
        more = order("bert", "20.00")
        self.post(more)
        self.assertEqual(self.scores(), [60, 50])
        self.post(refund(more, {1: "20.00"}))
        self.assertEqual(self.scores(), [50, 40])
        self.post(cancel(paid))
        page = self.page()
        self.assertEqual((page["total"], [row["score"] for row in page["rows"]]), (1, [50]))
        self.assertGreaterEqual(page["as_of"], self.seq)

    def test_every_window_has_its_scores(self):
        self.post(order("anna", "50.00"))
        for window in ("month", "week", "all"):
            page = self.page(window=window)
            self.assertEqual((page["window"], page["total"]), (window, 1))
        self.assertEqual(self.page()["window"], "month")
        self.assertIsNone(self.page(window="all")["win"]["ends"])
        self.assertRegex(self.page(window="week")["win"]["id"], r"\A\d{4}-W\d\d\Z")

    def test_ranks_are_unique_and_places_shared(self):
        for name, amount in (("anna", "7.00"), ("bert", "9.00"), ("carl", "7.00"),
                             ("dora", "3.00")):
            self.post(order(name, amount))
        rows = self.page()["rows"]
        self.assertEqual([row["rank"] for row in rows], [1, 2, 3, 4])
        self.assertEqual([row["place"] for row in rows], [1, 2, 2, 4])

    def test_pages_follow_each_other_without_gap_or_repeat(self):
        answers = self.program.batch([order(f"m{i}", f"{i + 1}.00") for i in range(120)])
        self.seq = answers[-1]["seq"]
        seen, after = [], 0
        while after is not None:
            page = self.page(limit=50, after_rank=after)
            seen += [row["rank"] for row in page["rows"]]
            after = page["next_after_rank"]
        self.assertEqual(seen, list(range(1, 121)))
        self.assertEqual(self.page(limit=7, after_rank=500)["rows"], [])
        around = self.page(around="m60", limit=5)["rows"]
        self.assertEqual([row["rank"] for row in around], [58, 59, 60, 61, 62])
        self.assertEqual(self.page(around="nobody", limit=5)["rows"], [])

    def test_names_are_those_that_members_agreed_to(self):
        self.post(order({"id": "anna", "name": "Anna Keller"}, "9.00"))
        self.assertEqual(self.page()["rows"][0]["name"], "A.")
        for board, name in (({"shown": True}, "Anna K."),
                            ({"shown": True, "name": "Queen"}, "Queen"),
                            ({"shown": False}, "A.")):
            put = self.program.request("PUT", "/members/anna", {"board": board})
            self.assertEqual(put.status, 200, put)
            self.seq = put.json["seq"]
            self.assertEqual(self.page()["rows"][0]["name"], name)
        again = self.program.request("PUT", "/members/anna", {"board": {"shown": False}})
        self.assertNotIn("seq", again.json)
        for wrong, pointer in (({"shown": "yes"}, "/board/shown"), ({}, "/board/shown"),
                               ({"shown": True, "nick": "x"}, "/board/nick"), (True, "/board")):
            answer = self.program.request("PUT", "/members/anna", {"board": wrong})
            self.assertIn(answer.status, (400, 422))
            self.assertEqual(answer.json["errors"][0]["pointer"], pointer)

    def test_a_tag_stays_until_a_row_changes(self):
        self.post(order("anna", "9.00"))
        self.page()
        first = self.program.get("/boards/top")
        same = self.program.request("GET", "/boards/top",
                                    headers={"If-None-Match": first.headers["ETag"]})
        self.assertEqual((same.status, same.text), (304, ""))
        self.assertEqual(same.headers["ETag"], first.headers["ETag"])
        self.assertIn("Guerdon-As-Of", same.headers)
        for tags in ('"x", ' + first.headers["ETag"], "*", first.headers["ETag"][2:]):
            again = self.program.request("GET", "/boards/top", headers={"If-None-Match": tags})
            self.assertEqual(again.status, 304, tags)
        self.post(order("bert", "1.00"))
        self.page()
        other = self.program.request("GET", "/boards/top",
                                     headers={"If-None-Match": first.headers["ETag"]})
        self.assertEqual(other.status, 200)

    def test_an_entry_that_moves_nothing_is_seen_too(self):
        self.post(order("anna", "9.00"))
        put = self.program.request("PUT", "/members/zed", {"name": "Zed"})
        self.assertGreaterEqual(self.page(min_seq=put.json["seq"])["as_of"], put.json["seq"])
        free = self.program.post(order("anna", "0.00")).json
        self.assertGreaterEqual(self.page(min_seq=free["seq"])["as_of"], free["seq"])

    def test_a_board_that_scores_another_currency_begins_with_its_scores(self):
        document = copy.deepcopy(MINIMAL)
        document["currencies"].append({"id": "stars"})
        document["boards"] = [{"id": "top", "score": {"currency": "points"}, "windows": ["all"]}]
        program = self.server.program(document)
        seq = program.post(order("anna", "9.00")).json["seq"]
        self.assertEqual(len(self.page(program, min_seq=seq)["rows"]), 1)
        document["boards"][0]["score"]["currency"] = "stars"
        self.assertEqual(program.put(document).status, 200)
        support.wait_until(lambda: program.get("/boards/top").json["rows"] == [], "no stars", 10)

    def test_a_restart_counts_the_same_again(self):
        self.program.batch([order(f"m{i % 30}", f"{i % 7 + 1}.00") for i in range(300)])
        self.seq = self.program.checkpoint()["seq"]
        before = {window: self.page(window=window, limit=100)["rows"]
                  for window in ("month", "week", "all")}
        self.server.kill()
        self.server.start()
        self.program.client.close()
        support.wait_until(lambda: self.program.get("/boards/top").status == 200, "boards", 30)
        for window, rows in before.items():
            self.assertEqual(self.page(window=window, limit=100)["rows"], rows)

    def test_what_is_not_there_is_named(self):
        self.assert_problem(self.program.get("/boards/other"), 404, "not_found")
        self.assert_problem(self.program.get("/boards/top", window="day"), 404, "not_found")
        for query in ({"limit": 0}, {"limit": 101}, {"after_rank": -1}, {"limit": "ten"},
                      {"around": "anna", "after_rank": 3}, {"page": 2}):
            with self.subTest(query):
                self.assert_problem(self.program.get("/boards/top", **query), 400,
                                    "invalid_parameter")
        self.assertEqual([board["id"] for board in self.program.get("/boards").json["data"]],
                         ["top"])


class LookTest(BoardTest):
    def test_a_page_sees_boards_and_nobody_in_particular(self):
        self.post(order("anna", "9.00"))
        page = self.page_key()
        answer = page.request("GET", "/boards/top", headers={"Origin": SHOP})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], SHOP)
        self.assert_problem(page.get("/boards/top", around="anna"), 403, "missing_scope")
        self.assert_problem(page.get("/me"), 403, "missing_scope")
        for origin in ("https://evil.example", "null"):
            refused = page.request("GET", "/boards/top", headers={"Origin": origin})
            self.assert_problem(refused, 403, "origin_refused")
            self.assertNotIn("Access-Control-Allow-Origin", refused.headers)

    def test_a_shopper_sees_their_own_row_marked(self):
        for name, amount in (("anna", "9.00"), ("bert", "5.00"), ("carl", "2.00")):
            self.post(order(name, amount))
        bert = self.shopper("bert")
        self.assertEqual([row.get("me") for row in self.page(bert)["rows"]], [None, True, None])
        self.assertEqual([row["rank"] for row in self.page(bert, around="me", limit=3)["rows"]],
                         [1, 2, 3])
        self.assert_problem(bert.get("/boards/top", around="anna"), 400, "invalid_parameter")
        me = bert.get("/me", min_seq=self.seq)
        self.assertEqual(me.status, 200, me)
        self.assertEqual(me.json["balances"][0]["available"], 5)
        self.assertEqual({(row["window"], row["rank"], row["score"]) for row in me.json["boards"]},
                         {("month", 2, 5), ("week", 2, 5), ("all", 2, 5)})
        self.assertEqual(me.json["boards"][0]["next"], {"place": 1, "points": 4})
        self.assert_problem(self.shopper("nobody").get("/me"), 404, "member_not_found")

    def test_ids_of_rows_differ_from_board_to_board(self):
        document = copy.deepcopy(MINIMAL)
        document["boards"] = [{"id": name, "score": {"currency": "points"}, "windows": ["all"]}
                              for name in ("one", "two")]
        program = self.server.program(document)
        seq = program.post(order("anna", "9.00")).json["seq"]
        ids = {program.get("/boards/" + name, min_seq=seq).json["rows"][0]["id"]
               for name in ("one", "two")}
        self.assertEqual(len(ids), 2)


class LiveTest(BoardTest):
    def test_a_shopper_becomes_a_member_with_the_first_order(self):
        self.post(order("bert", "1.00"))
        self.page()
        client = self.live()
        answer = client.connect("me", "b:top", "b:top@day", token=self.token("anna"))
        errors = [item.get("err", {}) for item in answer["subs"]]
        self.assertEqual([error.get("code") for error in errors], [103, None, 101])
        self.assertTrue(errors[0]["retry"])
        self.assertGreater(answer["exp"], answer["now"])
        client.send("sub", ch="me")
        self.assertTrue(client.hear(lambda heard: "err" in heard)["err"]["retry"])
        self.post(order({"id": "anna", "name": "Anna Keller"}, "9.00"))
        self.page()
        client.send("sub", ch="me")
        me = client.hear(lambda heard: "me" in heard)["me"]
        self.assertEqual((me["bal"][0]["available"], me["name"], me["shown"]), (9, "A.", False))
        client.send("around", ch="b:top")
        self.assertEqual(client.hear(lambda heard: "around" in heard)["around"]["rows"][0][0], 1)
        # Another name, and another version of the program.
        for board, name in (({"shown": True}, "Anna K."), ({"shown": False}, "A.")):
            put = self.program.request("PUT", "/members/anna", {"board": board})
            self.assertEqual(put.status, 200, put)
            me = client.hear(lambda heard: "me" in heard and heard["me"]["name"] == name)["me"]
            self.assertEqual(me["shown"], board["shown"])
        self.document["tz"] = "Europe/Paris"
        self.assertEqual(self.program.put(self.document).status, 200)
        self.assertIsNotNone(client.hear(lambda heard: "me" in heard))

    def test_a_boards_own_window_is_that_of_the_newest_version(self):
        self.post(order("anna", "9.00"))
        self.page()
        key = self.page_key().client.key
        old, exact = self.live(), self.live()
        for client, channel in ((old, "b:top"), (exact, "b:top@month")):
            client.connect(channel, key=key)
            win = client.hear(lambda heard: "snap" in heard)["snap"]["win"]["id"]
            self.assertRegex(win, r"^\d{4}-\d{2}$")
        self.document["boards"][0]["windows"] = ["all", "week"]
        self.assertEqual(self.program.put(self.document).status, 200)
        self.assertEqual(old.closed(), 4404)
        over = exact.hear(lambda heard: "err" in heard)
        self.assertEqual((over["ch"], over["err"]["code"]), ("b:top@month", 105))
        again = self.live()
        again.connect("b:top", key=key)
        self.assertEqual(again.hear(lambda heard: "snap" in heard)["snap"]["win"]["id"], "all")

    def test_a_token_alone_stays_until_no_key_lists_its_page(self):
        self.post(order("anna", "9.00"))
        self.page()
        ids = [self.program.request("POST", "/keys", {"kind": "publishable",
                                                      "origins": [SHOP]}).json["id"]
               for _ in range(2)]
        client = self.live(SHOP)
        client.connect("me", token=self.token("anna"))
        self.assertIsNotNone(client.hear(lambda heard: "me" in heard))
        self.assertEqual(self.program.request("DELETE", f"/keys/{ids[0]}").status, 200)
        client.send("sub", ch="b:top")
        self.assertIsNotNone(client.hear(lambda heard: "sub" in heard))
        self.assertEqual(self.program.request("DELETE", f"/keys/{ids[1]}").status, 200)
        self.assertEqual(client.closed(), 4503)


if __name__ == "__main__":
    support.main()
