#!/usr/bin/python3
"""The page of Maison Laurier, a shop that shows a board of Guerdon: its own port, so that origins,
CORS and the content security policy are real. It also signs shopper tokens, as a shop's server
does.

    web/shop/serve.py --server http://127.0.0.1:8080 --key pk_test_… --program maison-laurier \
        --token-kid KID --token-secret-file FILE --members members.json --port 8090

members.json is [{"id": "ml-001", "name": "Anna"}, …]: who the page can be looked at as. The secret
file holds the bytes of the HS256 key. Without one, everybody is a guest.
"""

import argparse
import base64
import hashlib
import hmac
import html
import http.server
import json
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MANIFEST = HERE.parent / "dist" / "manifest.json"
TOKEN_LIFE = 900
TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
GOODS = [  # drawing, French, English, detail in both, cents
    ("figuier", "Bougie Figuier", "Fig candle", "190 g · cire végétale", "190 g · vegetable wax",
     5800),
    ("mimosa", "Diffuseur Mimosa", "Mimosa diffuser", "200 ml · rotin", "200 ml · rattan", 4200),
    ("galet", "Assiette Galet", "Pebble plate", "grès, 27 cm", "stoneware, 27 cm", 3400),
    ("carafe", "Carafe Terre cuite", "Terracotta carafe", "1,2 l · faite main",
     "1.2 l · made by hand", 7600),
]
TEXTS = {
    "fr": {
        "news": "Vendredi de 16 h à 22 h : points doublés dans l’application",
        "notice": "Annonce", "shelves": "Rayons", "candles": "Bougies",
        "scents": "Parfums d’intérieur",
        "table": "Table", "collection": "Collection d’hiver", "title": "La lumière, lentement.",
        "lead": "Cires végétales coulées à Grasse, grès tourné à la main dans le Berry. "
                "Des objets qui prennent leur temps.",
        "discover": "Découvrir la collection",
        "hero": "Bougies, carafe, assiette et diffuseur sur une table de bois",
        "essentials": "Les essentiels de novembre", "circle": "Le Cercle Laurier",
        "circle_lead": "Chaque achat compte. Tout est expliqué, au point près.",
        "board": "Classement du Cercle", "fallback": "Le classement du Cercle Laurier.",
        "give": "Un point par euro", "earn": "Vous gagnerez {n} points",
        "give_lead": "Crédité dès le paiement, repris en cas de retour. "
                     "Votre place suit, à la seconde.",
        "seen_as": "Démonstration\u00a0: regarder la boutique comme", "guest": "visiteur"},
    "en": {
        "news": "Friday from 4 to 10 pm: double points in the app",
        "notice": "Announcement", "shelves": "Departments", "candles": "Candles",
        "scents": "Home scents",
        "table": "Table", "collection": "Winter collection", "title": "Light, slowly.",
        "lead": "Vegetable waxes poured in Grasse, stoneware thrown by hand in Berry. "
                "Things that take their time.",
        "discover": "See the collection",
        "hero": "Candles, a carafe, a plate and a diffuser on a wooden table",
        "essentials": "November essentials", "circle": "The Laurier Circle",
        "circle_lead": "Every purchase counts. Everything is explained, to the point.",
        "board": "Circle ranking", "fallback": "The ranking of the Laurier Circle.",
        "give": "One point per euro", "earn": "You will earn {n} points",
        "give_lead": "Credited when the order is paid, taken back when it is returned. "
                     "Your place follows within the second.",
        "seen_as": "Demonstration: look at the shop as", "guest": "visitor"},
}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def shopper_token(program, member, kid, secret, now=None):
    """A JWT as docs/live.md wants it: HS256, 15 minutes."""
    now = int(time.time() if now is None else now)
    head = {"alg": "HS256", "typ": "JWT", "kid": kid}
    claims = {"iss": program, "sub": member, "aud": "guerdon", "iat": now, "exp": now + TOKEN_LIFE}
    text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                    for part in (head, claims))
    return f"{text}.{base64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def widget_file(server):
    """Path and integrity of the widget: as the server says, or as it was built here."""
    try:
        with urllib.request.urlopen(f"{server}/widget/manifest.json", timeout=5) as answer:
            manifest = json.load(answer)
    except (OSError, ValueError):
        manifest = json.loads(MANIFEST.read_text())
    return manifest["files"][0]


def price(cents, lang):
    if lang == "fr":
        return f"{cents // 100},{cents % 100:02}\u00a0€"
    return f"€{cents // 100}.{cents % 100:02}"


class Shop:
    """What the page is made of. `members` is a list of {"id", "name"}; the first is looked at."""

    def __init__(self, server, key, program, board, members=(), kid=None, secret=None,
                 window=""):
        self.server = server.rstrip("/")
        self.key = key
        self.program = program
        self.board = board
        self.window = window  # empty: the board's first
        self.members = {member["id"]: member["name"] for member in members}
        self.kid = kid
        self.secret = secret
        self.widget = widget_file(self.server)

    @property
    def policy(self):
        socket = re.sub("^http", "ws", self.server)
        return ("default-src 'none'; "
                f"script-src 'self' {self.server}; style-src 'self'; img-src 'self'; "
                f"connect-src 'self' {self.server} {socket}; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'; require-trusted-types-for 'script'")

    def page(self, lang, member):
        other = "en" if lang == "fr" else "fr"
        texts = TEXTS[lang]
        values = {f"t_{name}": text for name, text in texts.items()}
        values.update(
            lang=lang, member=member, server=self.server, widget_path=self.widget["path"],
            integrity=self.widget["integrity"], board=self.board,
            window=self.window, other_lang=other,
            other_name=other.upper(), other_url=f"/{other}?as={member}",
            account=self.members.get(member, texts["guest"]).split(" ")[0])
        safe = {name: html.escape(value) for name, value in values.items()}
        safe["goods"] = "\n".join(self.good(lang, *good) for good in GOODS)
        safe["people"] = " ".join(
            self.person(lang, key, name, member)
            for key, name in [*self.members.items(), ("guest", texts["guest"])])
        return (HERE / "shop.html").read_text().format_map(safe)

    @staticmethod
    def good(lang, drawing, french, english, detail_fr, detail_en, cents):
        name, detail = (french, detail_fr) if lang == "fr" else (english, detail_en)
        earn = TEXTS[lang]["earn"].format(n=cents // 100)
        return (f'<li><img src="/drawings/{drawing}.svg" width="320" height="380" alt="">'
                f'<div class="line"><h3>{name}</h3>'
                f'<span class="price">{price(cents, lang)}</span></div>'
                f'<p class="small">{detail}</p><p class="earn">{earn}</p></li>')

    @staticmethod
    def person(lang, key, name, current):
        mark = ' aria-current="true"' if key == current else ""
        return f'<a href="/{lang}?as={html.escape(key)}"{mark}>{html.escape(name)}</a>'

    def account(self, member):
        """The script of the page: where the server is, and how to get a token."""
        settings = json.dumps({"server": self.server, "key": self.key})
        if member not in self.members or not self.secret:
            return f"window.Guerdon = {settings};\n"
        address = json.dumps(f"/token?as={urllib.parse.quote(member)}")
        return (f"window.Guerdon = {settings};\n"
                "window.Guerdon.token = async () => {\n"
                f"  const answer = await fetch({address}, {{ method: 'POST' }});\n"
                "  return answer.ok ? (await answer.json()).token : null;\n};\n")

    def token(self, member):
        if member not in self.members or not self.secret:
            return None
        return shopper_token(self.program, member, self.kid, self.secret)


class Handler(http.server.BaseHTTPRequestHandler):
    shop = None
    protocol_version = "HTTP/1.1"

    def answer(self, status, kind, body, extra=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def wanted(self):
        parts = urllib.parse.urlsplit(self.path)
        first = next(iter(self.shop.members), "guest")
        asked = urllib.parse.parse_qs(parts.query).get("as", [first])[0]
        return parts.path, asked if asked in self.shop.members else "guest"

    def do_GET(self):
        path, member = self.wanted()
        file = HERE / path.lstrip("/")
        if path in ("/", "/fr", "/en"):
            page = self.shop.page("en" if path == "/en" else "fr", member)
            policy = [("Content-Security-Policy", self.shop.policy)]
            self.answer(200, "text/html; charset=utf-8", page, policy)
        elif path == "/account.js":
            self.answer(200, "text/javascript; charset=utf-8", self.shop.account(member))
        elif path == "/shop.css" or re.fullmatch(r"/drawings/[a-z]+\.svg", path) and file.is_file():
            self.answer(200, TYPES[file.suffix], file.read_bytes())
        else:
            self.answer(404, "text/plain; charset=utf-8", "nothing here\n")

    def do_POST(self):
        path, member = self.wanted()
        token = self.shop.token(member) if path == "/token" else None
        if token is None:
            self.answer(404, "text/plain; charset=utf-8", "nothing here\n")
        else:
            self.answer(200, "application/json", json.dumps({"token": token}))

    def log_message(self, *_):
        pass


def listen(shop, port=0):
    """The shop's server on 127.0.0.1; `serve_forever` runs it. Port 0: any free one."""
    handler = type("ShopHandler", (Handler,), {"shop": shop})
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


def main():
    parser = argparse.ArgumentParser(description="The page of Maison Laurier.")
    parser.add_argument("--server", required=True, help="base address of Guerdon")
    parser.add_argument("--key", required=True, help="publishable key")
    parser.add_argument("--program", default="maison-laurier")
    parser.add_argument("--board", default="all")
    parser.add_argument("--window", default="", help="default: the board's first")
    parser.add_argument("--members", type=pathlib.Path, help="JSON list of id and name")
    parser.add_argument("--token-kid")
    parser.add_argument("--token-secret-file", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    members = json.loads(options.members.read_text()) if options.members else []
    secret = options.token_secret_file.read_bytes() if options.token_secret_file else None
    shop = Shop(options.server, options.key, options.program, options.board, members,
                options.token_kid, secret, options.window)
    server = listen(shop, options.port)
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
