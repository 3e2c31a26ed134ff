#!/usr/bin/python3
"""Publishable and shopper keys: how they are made, listed and revoked, what they open, and what
CORS makes of their origins."""

import pathlib
import tempfile
import time

import shopper
import support
from support import unique

SHOP = "https://shop.example"


class PageKeyTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def create(self, **body):
        return self.program.request("POST", "/keys", body)

    def made(self, **body):
        answer = self.create(**body)
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    def row(self, id_):
        rows = support.rows_of(self.program.get("/keys"))
        return next(row for row in rows if row["id"] == id_)

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)


class ShopperKeyTest(PageKeyTest):
    def test_hs256_answers_its_secret_once(self):
        answer = self.create(kind="shopper", algorithm="HS256", label="web shop")
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        made = answer.json
        self.assertEqual(made["kid"], str(made["id"]))
        self.assertRegex(made["secret"], r"\A[A-Za-z0-9_-]{43}\Z")
        self.assertNotIn("key", made)
        self.assertNotIn(made["secret"], self.program.get("/keys").text)
        row = self.row(made["id"])
        self.assertEqual((row["kind"], row["algorithm"], row["kid"], row["label"]),
                         ("shopper", "HS256", made["kid"], "web shop"))
        other = self.made(kind="shopper", algorithm="HS256")
        self.assertNotEqual(other["secret"], made["secret"])

    def test_es256_takes_the_public_key_of_the_shop(self):
        key = shopper.Es256Key(self.folder())
        made = self.made(kind="shopper", algorithm="ES256", public_key=key.pem)
        self.assertEqual((made["algorithm"], made["kid"]), ("ES256", str(made["id"])))
        self.assertNotIn("secret", made)
        self.server.restart()
        self.program.client.close()
        row = self.row(made["id"])
        self.assertEqual((row["kind"], row["algorithm"], row["revoked"]),
                         ("shopper", "ES256", False))

    def test_refused_requests(self):
        folder = self.folder()
        pem = shopper.Es256Key(folder).pem
        other_curve = shopper.Es256Key(folder, "P-384").pem
        hs = {"kind": "shopper", "algorithm": "HS256"}
        es = {"kind": "shopper", "algorithm": "ES256", "public_key": pem}
        for body, code, pointer in (
                ({"kind": "shopper"}, "missing_field", "/algorithm"),
                ({"kind": "shopper", "algorithm": "RS256"}, "invalid_parameter", "/algorithm"),
                ({"kind": "shopper", "algorithm": "none"}, "invalid_parameter", "/algorithm"),
                (hs | {"public_key": pem}, "invalid_parameter", "/public_key"),
                (hs | {"scopes": ["admin"]}, "invalid_parameter", "/scopes"),
                (hs | {"origins": [SHOP]}, "invalid_parameter", "/origins"),
                (es | {"public_key": ""}, "missing_field", "/public_key"),
                (es | {"public_key": other_curve}, "invalid_parameter", "/public_key"),
                (es | {"public_key": "P-256"}, "invalid_parameter", "/public_key"),
                (es | {"public_key": pem * 20}, "too_large", "/public_key"),
                (es | {"public_key": 1}, "wrong_type", "/public_key"),
                ({"kind": "secret", "scopes": ["admin"], "algorithm": "HS256"},
                 "invalid_parameter", "/algorithm"),
                ({"kind": "publishable", "origins": [SHOP], "public_key": pem},
                 "invalid_parameter", "/public_key")):
            with self.subTest(body):
                answer = self.create(**body)
                self.assert_problem(answer, 400 if code == "invalid_parameter" else 422, code)
                self.assertEqual([fault["pointer"] for fault in answer.json["errors"]], [pointer])

    def test_neither_secret_nor_token_is_an_api_key(self):
        made = self.made(kind="shopper", algorithm="HS256")
        token = shopper.hs256_token(made, shopper.claims(self.program.name, "2"))
        for text in (made["secret"], token, made["kid"]):
            caller = self.program.with_key(text)
            self.assert_problem(caller.get(), 401, "unauthenticated")
            caller.client.close()

    def test_a_shopper_key_is_revoked_like_another(self):
        made = self.made(kind="shopper", algorithm="HS256")
        for _ in range(2):
            answer = self.program.request("DELETE", f"/keys/{made['id']}")
            self.assertEqual(answer.status, 200, answer)
        self.assertTrue(self.row(made["id"])["revoked"])


class PublishableKeyTest(PageKeyTest):
    PATHS = ("/boards", "/boards/week", "/me")

    def preflight(self, path, origin, program=None):
        headers = {"Access-Control-Request-Method": "GET",
                   "Access-Control-Request-Headers": "authorization"}
        if origin:
            headers["Origin"] = origin
        client = self.server.client("")
        answer = client.request("OPTIONS", (program or self.program).base + path, headers=headers)
        client.close()
        return answer

    def test_it_is_no_api_key(self):
        made = self.made(kind="publishable", origins=[SHOP])
        self.assertTrue(made["key"].startswith("pk_"))
        caller = self.program.with_key(made["key"])
        self.assert_problem(caller.get(), 401, "unauthenticated")

    def test_origins_are_written_as_browsers_send_them(self):
        for origin in ("https://shop.example", "http://127.0.0.1:8088", "https://[::1]:8443",
                       "http://localhost", "https://xn--bcher-kva.example:8443"):
            with self.subTest(origin):
                self.assertEqual(self.made(kind="publishable", origins=[origin])["origins"],
                                 [origin])
        for origin in ("shop.example", "https://", "https://Shop.example", "https://shop.example/",
                       "https://shop.example:443", "http://shop.example:80", "https://shop:",
                       "https://shop.example:8443/x", "https://*.example", "*", "null",
                       "https://user@shop.example", "https://shop.example:123456",
                       "https://bücher.example", "file://x", "https://[::1", "https://[::1]x",
                       "https://[[::1]]", "https://[]", "https://a b"):
            with self.subTest(origin):
                answer = self.create(kind="publishable", origins=[SHOP, origin])
                self.assert_problem(answer, 400, "invalid_parameter")
                self.assertEqual(answer.json["errors"][0]["pointer"], "/origins/1")

    def test_preflight_is_for_the_listed_origins_exactly(self):
        blog = "http://127.0.0.1:8088"
        self.made(kind="publishable", origins=[SHOP])
        self.made(kind="publishable", origins=[blog])
        other = self.server.program()
        for path in self.PATHS:
            for origin in (SHOP, blog):
                answer = self.preflight(path, origin)
                self.assertEqual(answer.status, 204, answer)
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
                self.assertEqual(answer.headers["Vary"], "Origin")
                self.assertNotIn("Access-Control-Allow-Credentials", answer.headers)
            for origin, program in (("https://evil.example", None), ("http://127.0.0.1:8089", None),
                                    ("null", None), ("", None), (SHOP, other)):
                with self.subTest(origin):
                    answer = self.preflight(path, origin, program)
                    self.assert_problem(answer, 403, "origin_refused")
                    self.assertFalse([name for name in answer.headers
                                      if name.lower().startswith("access-control-")])

    def test_a_revoked_key_takes_its_origins_with_it(self):
        made = self.made(kind="publishable", origins=[SHOP])
        self.assertEqual(self.preflight("/boards", SHOP).status, 204)
        self.program.request("DELETE", f"/keys/{made['id']}")
        self.assert_problem(self.preflight("/boards", SHOP), 403, "origin_refused")


class WhoMayLookTest(PageKeyTest):
    """What is shown is with the boards; here, to whom."""

    def setUp(self):
        super().setUp()
        self.program.paid(support.order("2", "10.00"))
        self.page = self.made(kind="publishable", origins=[SHOP])
        self.hs256 = self.made(kind="shopper", algorithm="HS256")

    def look(self, path, credential, origin=None):
        headers = {"Origin": origin} if origin else {}
        client = self.server.client(credential)

        def ready():
            answer = client.request("GET", self.program.base + path, headers=headers,
                                    checked=False)
            return answer if answer.status != 503 else None

        answer = support.wait_until(ready, "the boards")
        client.close()
        return answer

    def token(self, member="2", key=None, **changes):
        return shopper.hs256_token(key or self.hs256,
                                   shopper.claims(self.program.name, member, **changes))

    def assert_readable(self, answer, origin):
        """A page of this origin may read it, or nobody's page if it is None."""
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        self.assertEqual(answer.headers["Vary"], "Authorization, Origin")

    def test_a_page_sees_boards_and_nothing_of_a_member(self):
        for path in ("/boards", "/boards/all"):
            answer = self.look(path, self.page["key"], SHOP)
            self.assertEqual(answer.status, 200, answer)
            self.assert_readable(answer, SHOP)
        self.assert_problem(self.look("/me", self.page["key"], SHOP), 403, "missing_scope")
        reader = self.program.create_key("members:read")["key"]
        self.assertEqual(self.look("/boards/all", reader).status, 200)
        writer = self.program.create_key("events:write")["key"]
        self.assert_problem(self.look("/boards/all", writer), 403, "missing_scope")

    def test_a_token_of_either_algorithm_is_its_member(self):
        key = shopper.Es256Key(self.folder())
        made = self.made(kind="shopper", algorithm="ES256", public_key=key.pem)
        for token in (self.token(),
                      key.token(made["kid"], shopper.claims(self.program.name, "2"))):
            answer = self.look("/me", token, SHOP)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["balances"][0]["available"], 10)
            self.assert_readable(answer, SHOP)

    def test_another_origin_is_refused_and_told_nothing(self):
        for credential in (self.page["key"], self.token()):
            answer = self.look("/boards", credential, "https://evil.example")
            self.assert_problem(answer, 403, "origin_refused")
            self.assert_readable(answer, None)
            self.assertEqual(self.look("/boards", credential).status, 200)

    def test_a_page_can_read_why_it_was_refused(self):
        now = int(time.time())
        for token in (self.token(iat=now - 1000, exp=now - 100), self.token(exp=now + 3600),
                      self.token(aud="loyalty-live"), self.token(sub=None), "x.y.z",
                      self.token(iss="other"),
                      shopper.hs256_token(self.hs256, {}, alg="none"),
                      shopper.hs256_token(self.hs256 | {"secret": "guess"},
                                          shopper.claims(self.program.name, "2"))):
            with self.subTest(token):
                answer = self.look("/me", token, SHOP)
                self.assert_problem(answer, 401, "unauthenticated")
                self.assert_readable(answer, SHOP)

    def test_a_token_of_another_program_opens_nothing(self):
        other = self.server.program()
        made = other.request("POST", "/keys", {"kind": "shopper", "algorithm": "HS256"}).json
        token = shopper.hs256_token(made, shopper.claims(self.program.name, "2"))
        self.assert_problem(self.look("/me", token), 401, "unauthenticated")
        token = shopper.hs256_token(self.hs256, shopper.claims(other.name, "2"))
        self.assert_problem(self.look("/me", token), 401, "unauthenticated")

    def test_revoking_a_key_ends_its_tokens_and_a_restart_does_not(self):
        token = self.token()
        self.server.restart()
        self.program.client.close()
        self.assertEqual(self.look("/me", token).status, 200)
        self.program.request("DELETE", f"/keys/{self.hs256['id']}")
        self.assert_problem(self.look("/me", token), 401, "unauthenticated")
        self.program.request("DELETE", f"/keys/{self.page['id']}")
        self.assert_problem(self.look("/boards", self.page["key"], SHOP), 401, "unauthenticated")


class CommandTest(PageKeyTest):
    def keys(self, verb, *more):
        return support.run_guerdon("keys", verb, "--server", self.server.url, "--key-file",
                                   self.server.data / "admin.key", "--program",
                                   self.program.name, *more)

    def create_by_command(self, *more):
        made = self.keys("create", *more)
        self.assertEqual(made.returncode, 0, made.stderr)
        return dict(line.split() for line in made.stdout.splitlines())

    def test_create_list_revoke(self):
        folder = self.folder()
        label = unique("shop")
        hs256 = self.create_by_command("--kind", "shopper", "--algorithm", "HS256", "--label",
                                       label)
        self.assertEqual((hs256["kid"], hs256["algorithm"]), (hs256["id"], "HS256"))
        self.assertEqual(len(hs256["secret"]), 43)
        es256 = self.create_by_command("--kind", "shopper", "--algorithm", "ES256", "--public-key",
                                       shopper.Es256Key(folder).public)
        self.assertNotIn("secret", es256)
        page = self.create_by_command("--kind", "publishable", "--origin", SHOP)
        self.assertTrue(page["key"].startswith("pk_"))
        self.assertEqual(self.keys("revoke", es256["id"]).returncode, 0)
        listed = self.keys("list").stdout
        rows = {line.split("\t")[0]: line.split("\t") for line in listed.splitlines()}
        self.assertEqual(rows[hs256["id"]][1], "shopper HS256")
        self.assertEqual(rows[es256["id"]][1], "shopper ES256")
        self.assertEqual(rows[es256["id"]][-1], "revoked")
        self.assertEqual(rows[page["id"]][1], "publishable")
        self.assertNotIn(hs256["secret"], listed)

    def test_failures_are_one_line(self):
        folder = self.folder()
        for more in (("--kind", "shopper"),
                     ("--kind", "shopper", "--algorithm", "ES256", "--public-key",
                      folder / "absent.pem"),
                     ("--kind", "shopper", "--algorithm", "ES256", "--public-key",
                      shopper.Es256Key(folder, "P-384").public)):
            with self.subTest(more):
                refused = self.keys("create", *more)
                self.assertEqual(refused.returncode, 1, refused)
                self.assertEqual(len(refused.stderr.strip().splitlines()), 1)


if __name__ == "__main__":
    support.main()
