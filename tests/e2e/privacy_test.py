#!/usr/bin/python3
"""No personal text, nor its plain hash, is in any file of the data folder."""

import ctypes
import hashlib
import os

import support
from support import order, unique

CANARIES = {
    "email": "Canary.Quetzal@Canary-Mail.example",
    "name": "Quetzalina Canarybird",
    "phone": "+33 6 99 88 77 66",
    "address": "17 rue du Quetzal Canari",
    "note": "canary note: called twice about quetzal feathers",
    "reason": "canary reason: wrong quetzal size",
    "guest": "guest.quetzal@canary-mail.example",
    "customer": "customer-quetzal-4711",
}


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

    def search(self):
        """(file, what) of every hit below the server's folder, its own output included."""
        wanted = list(needles())
        hits, self.searched = [], set()
        for folder, _, names in os.walk(self.server.folder):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as handle:
                    data = handle.read()
                relative = os.path.relpath(path, self.server.folder)
                self.searched.add(relative)
                for part in (data, *frames(data)):
                    lower = part.lower()
                    hits += [(relative, what) for what, needle in wanted
                             if needle in part or (not what.endswith(("256", "prefix"))
                                                   and needle.lower() in lower)]
        for name in ("server.log", "data/log/LOG", "data/views/LOG", "data/keyring"):
            self.assertIn(name, self.searched)
        return hits

    def post_canaries(self):
        customer = {"id": CANARIES["customer"], "email": CANARIES["email"],
                    "phone": CANARIES["phone"], "name": CANARIES["name"],
                    "address": CANARIES["address"]}
        paid = order(customer, "59.00", "5.00")
        self.program.paid(paid)
        answer = self.program.put_member(CANARIES["customer"], {
            "email": CANARIES["email"], "name": CANARIES["name"], "phone": CANARIES["phone"],
            "address": CANARIES["address"]})
        self.assertIn(answer.status, (200, 201), answer)
        answer = self.program.adjust(CANARIES["customer"], 5, note=CANARIES["note"])
        self.assertEqual(answer.status, 201, answer)
        self.program.post(support.refund(paid, {2: "5.00"}, reason=CANARIES["reason"]))
        guest = order(None, "5.00")
        guest["data"]["customer"] = {"email": CANARIES["guest"], "name": CANARIES["name"]}
        self.assertEqual(self.program.post(guest).json["status"], "pending_identity")
        # Refusals log and keep things too.
        self.program.post(paid | {"subject": "order/other"})
        self.program.post(order(customer, "59.001"))
        self.program.adjust(CANARIES["customer"], -10_000, note=CANARIES["note"])
        self.program.get("/members", query=CANARIES["email"])
        self.program.get("/members", query=CANARIES["customer"])

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
