#!/usr/bin/python3
"""The widget as the server hands it out: one address for ever, in the encoding that the browser
likes best, for pages of every origin. Skipped by a build without it."""

import base64
import gzip
import hashlib
import http.client
import shutil
import subprocess
import sys

import support

FOREVER = "public, max-age=31536000, immutable"


class WidgetAssetsTest(support.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.server.client("")
        answer = cls.client.get("/widget/manifest.json")
        if answer.status == 404:
            cls.doClassCleanups()
            print("SKIPPED: this binary was built without the widget")
            sys.exit(support.SKIPPED)
        cls.manifest = answer.json
        cls.file = cls.manifest["files"][0]

    def get(self, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("Accept-Encoding", "identity")
        return self.client.request("GET", self.file["path"], headers=sent)

    def assert_for_every_page(self, answer):
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.headers["Cross-Origin-Resource-Policy"], "cross-origin")
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")

    def test_the_manifest_is_asked_for_every_time(self):
        answer = self.client.get("/widget/manifest.json", headers={"Origin": "https://a.example"})
        self.assertEqual((answer.status, answer.type), (200, "application/json"))
        self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        self.assert_for_every_page(answer)
        again = self.client.get("/widget/manifest.json",
                                headers={"If-None-Match": answer.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))

    def test_the_file_is_what_the_manifest_says(self):
        answer = self.get(Origin="https://any.example")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], self.file["type"])
        self.assertEqual(answer.headers["Cache-Control"], FOREVER)
        self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
        self.assertEqual(answer.headers["ETag"], self.file["etag"])
        self.assert_for_every_page(answer)
        self.assertNotIn("Content-Encoding", answer.headers)
        self.assertEqual(len(answer.body), self.file["size"])
        digest = base64.b64encode(hashlib.sha384(answer.body).digest()).decode()
        self.assertEqual(f"sha384-{digest}", self.file["integrity"])

    def test_every_encoding_is_the_same_file(self):
        plain = self.get().body
        zipped = self.get(Accept_Encoding="gzip")
        self.assertEqual(len(zipped.body), self.file["gz"]["size"])
        self.assertEqual(gzip.decompress(zipped.body), plain)
        brotli = self.get(Accept_Encoding="br")
        self.assertEqual(len(brotli.body), self.file["br"]["size"])
        tags = {answer.headers["ETag"] for answer in (self.get(), zipped, brotli)}
        self.assertEqual(len(tags), 3)
        if shutil.which("node"):
            out = subprocess.run(
                ["node", "-e", "process.stdin.pipe(require('zlib').createBrotliDecompress())"
                               ".pipe(process.stdout)"],
                input=brotli.body, capture_output=True, check=True, timeout=60)
            self.assertEqual(out.stdout, plain)

    def test_the_encoding_that_is_liked_best_is_taken(self):
        for accepted, encoding in [
                ("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("br", "br"),
                ("GZIP", "gzip"), ("*", "br"), ("br;q=0, *", "gzip"), ("br;q=0,gzip;q=0", None),
                ("br;q=0.5, gzip;q=0.8", "gzip"), ("gzip;q=0.8 , br ; q=0.8", "br"),
                ("identity, br;q=0.9", None), ("identity;q=0.5, br;q=0.9", "br"),
                ("deflate", None), ("", None), ("br;q=2", None), ("br;q=x, gzip", "gzip")]:
            with self.subTest(accepted):
                answer = self.get(Accept_Encoding=accepted)
                self.assertEqual(answer.headers.get("Content-Encoding"), encoding)

    def test_a_known_tag_answers_304_in_its_own_encoding_only(self):
        tag = self.get(Accept_Encoding="br").headers["ETag"]
        for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            with self.subTest(given):
                answer = self.get(Accept_Encoding="br", If_None_Match=given)
                self.assertEqual((answer.status, answer.body), (304, b""))
                self.assertEqual(answer.headers["ETag"], tag)
                self.assertEqual(answer.headers["Cache-Control"], FOREVER)
                self.assertEqual(answer.headers["Vary"], "Accept-Encoding")
                self.assert_for_every_page(answer)
        self.assertEqual(self.get(If_None_Match=tag).status, 200)
        self.assertEqual(self.get(If_None_Match='"other"').status, 200)

    def test_head_has_the_fields_and_no_body(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("HEAD", self.file["path"], headers={"Accept-Encoding": "br"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        self.assertEqual(int(answer.headers["Content-Length"]), self.file["br"]["size"])
        self.assertEqual(answer.headers["Content-Encoding"], "br")

    def test_what_is_not_there_is_not_found(self):
        for path in ("/widget/v0.0.0/guerdon.js", f"{self.file['path']}.br", "/widget/x/..",
                     "/widget/v/manifest.json"):
            with self.subTest(path):
                self.assert_problem(self.client.get(path), 404, "not_found")
        answer = self.client.request("POST", self.file["path"], b"")
        self.assert_problem(answer, 405, "method_not_allowed")
        self.assertIn("GET", answer.headers["Allow"])


if __name__ == "__main__":
    support.main()
