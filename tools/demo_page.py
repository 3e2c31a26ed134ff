"""What tools/demo shows in a browser: the shop's page on a port of its own, its two keys, and the
top ten as a viewer of the page sees it."""

import sys
import threading
import time
import urllib.parse

import demo_paths

sys.path.insert(0, str(demo_paths.ROOT / "web" / "shop"))
import serve  # noqa: E402: its folder is only known now

BOARD = "laurier"
WINDOW = "all"  # right after midnight of a Monday the week is empty
TOP = 10
# Sooner than the three seconds after which a viewer would call the board still.
STILL_S = 1.5


class TopTen:
    """Follows the first ranks: who is where, since when nothing moved, and the longest wait."""

    def __init__(self, client):
        self.client = client
        self.members = {}  # row id → member's external id
        self.rows = []
        self.moves = 0
        self.longest_s = 0.0
        self.moved_at = time.monotonic()

    def _rows(self, **query):
        text = urllib.parse.urlencode({"window": WINDOW} | query)
        return self.client.call("GET", f"/boards/{BOARD}?{text}")[1]["rows"]

    def learn(self, members):
        """Which row is whose; a page is never told, and the demo asks with its server key."""
        for member in members:
            for row in self._rows(around=member.id, limit=1):
                self.members[row["id"]] = member.id

    def begin(self, members):
        """From here on waits are counted."""
        self.learn(members)
        self.rows = self._rows(limit=TOP + 1)
        self.moved_at = time.monotonic()

    def look(self, seq):
        """After the entry `seq`: notes whether a rank of the top ten changed."""
        before = [row["id"] for row in self.rows[:TOP]]
        self.rows = self._rows(limit=TOP + 1, min_seq=seq)
        now = time.monotonic()
        if [row["id"] for row in self.rows[:TOP]] != before:
            self.longest_s = max(self.longest_s, now - self.moved_at)
            self.moves += 1
            self.moved_at = now

    def is_still(self):
        return time.monotonic() - self.moved_at > STILL_S

    def pairs(self):
        """(points missing, external id) of everybody who could pass the one above, nearest first;
        equal points stay in the order in which they were reached."""
        return sorted(
            (above["score"] - below["score"] + 1, self.members[below["id"]])
            for above, below in zip(self.rows, self.rows[1:]) if below["id"] in self.members)

    def summary(self):
        return (f"a rank of the top ten changed {self.moves:,} times, "
                f"at most {self.longest_s:.1f} s apart")


class Page:
    """Maison Laurier's page on `port`, until `stop`, as one of `members` sees it."""

    def __init__(self, client, url, program, port, members):
        origins = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")]
        _, public = client.call("POST", "/keys", {
            "kind": "publishable", "label": "shop page", "origins": origins})
        _, shopper = client.call("POST", "/keys", {
            "kind": "shopper", "label": "shop server", "algorithm": "HS256"})
        people = [{"id": member.id, "name": member.name} for member in members]
        shop = serve.Shop(url, public["key"], program, BOARD, people, shopper["kid"],
                          shopper["secret"].encode(), WINDOW)
        self.url = f"{origins[0]}/"
        self.key = public["key"]
        self._server = serve.listen(shop, port)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
