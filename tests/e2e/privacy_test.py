#!/usr/bin/python3
"""No personal text, nor its plain hash, is in any file of the data folder; what is there in the
clear is what docs/api.md says."""

import ctypes
import hashlib
import os
import re

import support
from support import order, unique

CANARIES = {
    "email": "Canary.Quetzal@Canary-Mail.example",
    "name": "Quetzalina Canarybird",
    "phone": "+33 6 99 88 77 66",
    "address": "17 rue du Quetzal Canari",
    "address object": "18 avenue des Canaris Jaunes",
    "first name": "Quetzalbertine",
    "last name": "Canarybeak",
    "note": "canary note: called twice about quetzal feathers",
    "refused note": "canary note: asked for all quetzals at once",
    "reason": "canary reason: wrong quetzal size",
    "refused reason": "canary reason: three quetzals too many",
    "cancel reason": "canary reason: no quetzals any more",
    "guest": "guest.quetzal@canary-mail.example",
    "guest name": "Quetzalo Guestbird",
    "guest phone": "+33 6 11 22 33 99",
    "guest address": "19 impasse du Canari Anonyme",
    "guest reason": "canary reason: guest lost the quetzal",
    "put email": "put.quetzal@canary-mail.example",
    "put name": "Quetzaline Putbird",
    "put phone": "+33 6 55 44 33 22",
    "put address": "20 quai des Canaris",
    "put customer": "customer-putquetzal-4712",
    "customer": "customer-quetzal-4711",
}

# What is stored as it was sent, by design. Each text is looked for, so that a search that reads
# nothing would be noticed.
CLEAR = {
    "source": "//clear-toucan/shop",
    "id": "clear-toucan-event",
    "type": "clear-toucan.seen",
    "subject": "order/clear-toucan-subject",
    "order_id": "clear-toucan-order",
    "line_id": "clear-toucan-line",
    "refund_id": "clear-toucan-refund",
    "sku": "clear-toucan-sku",
    "channel": "clear-toucan-channel",
    "reason_code": "clear_toucan_code",
    "label": "clear-toucan-label",
}
CLEAR_SENTENCE = re.compile(r"Stored in the clear, for ever: (.*?)\. Do not put personal data")


def needles():
    """Each canary as sent, lower case, and the SHA-256 of both, raw and in hexadecimal."""
    for name, text in CANARIES.items():
        for form in {text, text.lower(), text.strip().lower(), text.replace(" ", "")}:
            raw = form.encode()
            digest = hashlib.sha256(raw).digest()
            yield name, raw
            yield name + " sha256", digest
            yield name + " sha256 prefix", digest[:16]
            yield name + " sha256 hex", digest.hex().encode()


ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_compress.restype = ctypes.c_size_t
ZSTD.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FRAME_MAX = 64 << 20


def frames(data):
    """Every zstd frame in a file, unpacked: the stores compress their blocks."""
    at = data.find(ZSTD_MAGIC)
    while at >= 0:
        rest = data[at:]
        size = ZSTD.ZSTD_findFrameCompressedSize(rest, ctypes.c_size_t(len(rest)))
        content = ZSTD.ZSTD_getFrameContentSize(rest, ctypes.c_size_t(len(rest)))
        if not ZSTD.ZSTD_isError(ctypes.c_size_t(size)) and content <= FRAME_MAX:
            unpacked = ctypes.create_string_buffer(max(1, content))
            got = ZSTD.ZSTD_decompress(unpacked, ctypes.c_size_t(content), rest,
                                       ctypes.c_size_t(size))
            if not ZSTD.ZSTD_isError(ctypes.c_size_t(got)):
                yield unpacked.raw[:got]
        at = data.find(ZSTD_MAGIC, at + 1)


def packed(data):
    room = ctypes.create_string_buffer(len(data) + 1024)
    size = ZSTD.ZSTD_compress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)), 1)
    return room.raw[:size]


class PrivacyTest(support.unittest.TestCase):
    def setUp(self):
        self.server = support.Server()
        self.addCleanup(self.server.close)
        self.server.start()
        self.program = self.server.program()

    def files(self):
        """(file, part) of every file below the server's folder, its own output included, as it is
        and unpacked."""
        self.searched = set()
        for folder, _, names in os.walk(self.server.folder):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    with open(path, "rb") as handle:
                        data = handle.read()
                except FileNotFoundError:
                    continue  # a checkpoint took it in meanwhile; its rows are in other files
                relative = os.path.relpath(path, self.server.folder)
                self.searched.add(relative)
                for part in (data, *frames(data)):
                    yield relative, part
        for name in ("server.log", "data/log/LOG", "data/views/LOG", "data/keyring"):
            self.assertIn(name, self.searched)

    def search(self):
        """(file, what) of every hit."""
        wanted = list(needles())
        hits = []
        for relative, part in self.files():
            lower = part.lower()
            hits += [(relative, what) for what, needle in wanted
                     if needle in part or (not what.endswith(("256", "prefix"))
                                           and needle.lower() in lower)]
        return hits

    def post_canaries(self):
        self.post_customer()
        self.post_names()
        self.put_member()
        self.post_guest()

    def post_customer(self):
        customer = {"id": CANARIES["customer"], "email": CANARIES["email"],
                    "phone": CANARIES["phone"], "name": CANARIES["name"],
                    "address": CANARIES["address"]}
        paid = order(customer, "59.00", "5.00")
        self.program.paid(paid)
        answer = self.program.adjust(CANARIES["customer"], 5, note=CANARIES["note"])
        self.assertEqual(answer.status, 201, answer)
        self.assert_status(support.refund(paid, {2: "5.00"}, reason=CANARIES["reason"]), "applied")
        # Refusals log and keep things too.
        self.assert_code(paid | {"subject": "order/other"}, "idempotency_conflict")
        self.assert_code(order(customer, "59.001"), "invalid_amount")
        self.assert_code(support.refund(paid, {2: "9.00"}, reason=CANARIES["refused reason"]),
                         "refund_exceeds_order")
        answer = self.program.adjust(CANARIES["customer"], -10_000, note=CANARIES["refused note"])
        self.assertEqual(answer.code, "insufficient_points", answer)
        self.assert_status(support.cancel(paid) | {"data": {
            "order_id": support.order_id_of(paid), "reason": CANARIES["cancel reason"]}}, "applied")
        for query in ("email", "phone", "customer"):
            found = support.rows_of(self.program.get("/members", query=CANARIES[query]))
            self.assertEqual([row["member"] for row in found], [CANARIES["customer"]], query)

    def post_names(self):
        self.assert_status(order({"id": unique("named"), "first_name": CANARIES["first name"],
                                  "last_name": CANARIES["last name"],
                                  "address": {"street": CANARIES["address object"]}}), "applied")

    def put_member(self):
        answer = self.program.put_member(CANARIES["put customer"], {
            "email": CANARIES["put email"], "name": CANARIES["put name"],
            "phone": CANARIES["put phone"], "address": CANARIES["put address"]})
        self.assertEqual(answer.status, 201, answer)
        found = support.rows_of(self.program.get("/members", query=CANARIES["put phone"]))
        self.assertEqual([row["member"] for row in found], [CANARIES["put customer"]])

    def post_guest(self):
        guest = order({"email": CANARIES["guest"], "name": CANARIES["guest name"],
                       "phone": CANARIES["guest phone"], "address": CANARIES["guest address"]},
                      "5.00")
        self.assert_status(guest, "pending_identity")
        self.assert_status(support.refund(guest, {1: "5.00"}, reason=CANARIES["guest reason"]),
                           "pending_identity")

    def assert_status(self, event, status):
        answer = self.program.post(event)
        self.assertEqual(answer.json.get("status"), status, answer)

    def assert_code(self, event, code):
        answer = self.program.post(event)
        self.assertEqual(answer.code, code, answer)

    def post_clear(self):
        paid = order("2", "5.00", order_id=CLEAR["order_id"], source=CLEAR["source"],
                     channel=CLEAR["channel"])
        paid["id"] = CLEAR["id"]
        paid["subject"] = CLEAR["subject"]
        paid["data"]["lines"][0] |= {"line_id": CLEAR["line_id"], "sku": CLEAR["sku"]}
        self.assert_status(paid, "applied")
        self.assert_status(support.refund(paid, {CLEAR["line_id"]: "1.00"},
                                          refund_id=CLEAR["refund_id"]), "applied")
        self.assert_status(support.event(CLEAR["type"]), "ignored")
        answer = self.program.adjust("2", 1, reason_code=CLEAR["reason_code"])
        self.assertEqual(answer.status, 201, answer)
        answer = self.program.request("POST", "/keys", {
            "kind": "secret", "scopes": ["events:write"], "label": CLEAR["label"]})
        self.assertEqual(answer.status, 201, answer)

    def test_what_is_in_the_clear_is_what_the_page_says(self):
        page = (support.ROOT / "docs/api.md").read_text()
        said = CLEAR_SENTENCE.search(page)
        self.assertIsNotNone(said)
        self.assertEqual(set(re.findall(r"`([a-z_]+)`", said[1])), set(CLEAR))
        self.post_clear()
        missing = dict(CLEAR)
        for relative, part in self.files():
            if relative.startswith("data/log/"):
                missing = {name: text for name, text in missing.items()
                           if text.encode() not in part}
        self.assertEqual(missing, {})

    def test_the_search_bites(self):
        (self.server.folder / "leak").write_bytes(b"x" + CANARIES["email"].encode() + b"x")
        self.assertIn(("leak", "email"), self.search())
        digest = hashlib.sha256(CANARIES["email"].lower().encode()).hexdigest().upper().encode()
        (self.server.folder / "hash").write_bytes(digest)
        self.assertIn(("hash", "email sha256 hex"), self.search())
        (self.server.folder / "frame").write_bytes(b"xx" + packed(b"y" * 99 + b" ".join(
            text.encode() for text in CANARIES.values())) + b"zz")
        self.assertIn(("frame", "note"), self.search())

    def test_nothing_is_found_while_running_after_a_crash_and_after_a_stop(self):
        self.post_canaries()
        self.assertEqual(self.search(), [])
        self.server.kill()
        self.assertEqual(self.search(), [])
        self.server.start()
        self.program.client.close()
        # It is all still there for those who may read it.
        found = support.rows_of(self.program.get("/members", query=CANARIES["email"]))
        self.assertEqual([row["member"] for row in found], [CANARIES["customer"]])
        self.program.batch([order(unique("m"), "1.00") for _ in range(1000)])
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.search(), [])

    def test_nothing_is_found_in_a_core_less_crash_log(self):
        self.post_canaries()
        self.server.process.send_signal(support.signal.SIGABRT)
        self.server.await_exit()
        self.assertEqual(self.search(), [])


if __name__ == "__main__":
    support.main()
