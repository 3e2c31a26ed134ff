#!/usr/bin/python3
"""Operations: health, metrics, the published contract, HTTP limits, and the command line."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time

import support
from support import order, raw_exchange


class EndpointTest(support.ServerTest):
    def setUp(self):
        self.client = self.server.client("")

    def test_health(self):
        for path in ("/healthz", "/readyz"):
            with self.subTest(path):
                self.assertEqual(self.client.get(path).status, 200)

    def test_metrics_name_what_the_documentation_alerts_on(self):
        program = self.server.program()
        program.paid(order("2", "59.00"))
        stray = program.post(support.refund(order("3"), {1: "1.00"}, final=True))
        program.attach(stray.json["seq"], "absent")
        text = self.server.client().get("/metrics").text
        for name in ("guerdon_events_total", "guerdon_view_lag_seconds",
                     "guerdon_checkpoints_total", "guerdon_view_records_total",
                     "guerdon_group_size", "guerdon_commit_seconds", "guerdon_sync_seconds"):
            with self.subTest(name):
                self.assertRegex(text, rf"(?m)^{name}(_count|_bucket)?[{{ ]")
        self.assertRegex(text, r'(?m)^guerdon_\w*rejected\w*\{[^}]*order_not_found[^}]*\} [1-9]')

    def test_every_alert_names_a_metric_that_exists(self):
        page = support.ROOT / "docs/operating.md"
        names = set(re.findall(r"guerdon_[a-z_]+", page.read_text()))
        self.assertTrue(names, "docs/operating.md names no metric")
        text = self.server.client().get("/metrics").text
        there = {re.sub(r"_(bucket|count|sum)$", "", name)
                 for name in re.findall(r"(?m)^(guerdon_[a-z_]+)", text)} | set(
                     re.findall(r"(?m)^# TYPE (guerdon_[a-z_]+)", text))
        missing = {name for name in names
                   if re.sub(r"_(bucket|count|sum)$", "", name) not in there}
        self.assertEqual(missing - {"guerdon_unsynced"}, set())

    def test_openapi_and_docs(self):
        answer = self.client.get("/openapi.json")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.json["openapi"].startswith("3.1"))
        page = self.client.get("/docs", checked=False)
        self.assertEqual(page.status, 200)
        self.assertIn("html", page.type)

    def test_what_is_not_built_is_not_found_and_not_documented(self):
        program = self.server.program()
        for path in ("/leagues", "/rewards", "/reports/liability", "/feed"):
            with self.subTest(path):
                self.assert_problem(program.get(path), 404, "not_found")
                self.assertIsNone(self.server.openapi().find("GET", program.base + path))

    def test_unknown_paths_and_methods(self):
        self.assert_problem(self.client.get("/nothing"), 404, "not_found")
        answer = self.client.request("DELETE", "/healthz", checked=False)
        self.assert_problem(answer, 405, "method_not_allowed")
        self.assertIn("GET", answer.headers["Allow"])

    def test_head(self):
        answer = self.client.request("HEAD", "/healthz")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_version(self):
        answer = support.run_guerdon("version")
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stdout, r"\d+\.\d+")


class LimitTest(support.ServerTest):
    flags = ("--header-timeout", "500ms", "--body-timeout", "500ms", "--idle-timeout", "1s")

    def setUp(self):
        self.program = self.server.program()

    def head(self, *lines, method="POST", path=None):
        path = path or self.program.base + "/events"
        rows = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1",
                "Authorization: Bearer " + self.server.admin_key, *lines, "", ""]
        return "\r\n".join(rows).encode()

    def answer_of(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head else None
        return status, json.loads(body).get("code") if body.startswith(b"{") else None

    def test_a_body_over_the_limit_is_refused_before_it_is_sent(self):
        data = raw_exchange(self.server, self.head(
            "Content-Type: application/cloudevents+json", "Content-Length: 1048577"))
        self.assertEqual(self.answer_of(data), (413, "body_too_large"))

    def test_a_batch_may_be_larger(self):
        events = [order("2", "1.00", note="x" * 3000) for _ in range(700)]
        self.assertEqual(len(self.program.batch(events)), 700)
        data = raw_exchange(self.server, self.head(
            "Content-Type: application/cloudevents-batch+json", "Content-Length: 8388609"))
        self.assertEqual(self.answer_of(data), (413, "body_too_large"))

    def test_a_chunked_body_over_the_limit(self):
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        data = raw_exchange(self.server, self.head(
            "Content-Type: application/json", "Transfer-Encoding: chunked") + chunk * 17)
        self.assertEqual(self.answer_of(data), (413, "body_too_large"))

    def test_headers_over_the_limit(self):
        data = raw_exchange(self.server, self.head("X-Long: " + "x" * 17_000))
        self.assertEqual(self.answer_of(data), (431, "headers_too_large"))

    def test_a_header_that_never_completes_is_closed_without_an_answer(self):
        self.assertEqual(raw_exchange(self.server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n"), b"")
        self.assertEqual(raw_exchange(self.server, b""), b"")

    def test_a_body_that_never_completes(self):
        data = raw_exchange(self.server, self.head(
            "Content-Type: application/json", "Content-Length: 100") + b'{"spec')
        self.assertEqual(self.answer_of(data), (408, "request_timeout"))

    def test_a_body_cut_off(self):
        data = raw_exchange(self.server, self.head(
            "Content-Type: application/json", "Content-Length: 100") + b'{"spec', half_close=True)
        self.assertEqual(data, b"")
        self.assertEqual(self.program.checkpoint()["seq"], 0)

    def test_no_http(self):
        for text in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\x05hello",
                     b"GET  /healthz  HTTP/1.1\r\n\r\n", b"\r\n" * 50):
            with self.subTest(text):
                data = raw_exchange(self.server, text)
                self.assertEqual(self.answer_of(data), (400, "malformed_http"))

    def test_conflicting_lengths_are_refused(self):
        for lines in (("Content-Length: 5", "Content-Length: 6"),
                      ("Content-Length: 5", "Transfer-Encoding: chunked"),
                      ("Content-Length: -1",), ("Content-Length: 99999999999999999999999",)):
            with self.subTest(lines):
                data = raw_exchange(self.server, self.head(*lines) + b"hello")
                self.assertEqual(self.answer_of(data), (400, "malformed_http"), data[:200])

    def test_garbage_behind_a_request_harms_only_its_connection(self):
        data = raw_exchange(self.server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                                         b"\x00\xffgarbage\r\n\r\n")
        self.assertTrue(data.startswith(b"HTTP/1.1 200"), data[:100])
        self.assertEqual(self.server.client("").get("/healthz").status, 200)

    def test_pipelined_requests_are_answered_in_order(self):
        one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
        two = b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        data = raw_exchange(self.server, one + two)
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", data), [b"200", b"404"])

    def test_an_idle_connection_is_closed(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=15) as peer:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            received = b""
            while chunk := peer.recv(4096):
                received += chunk
        self.assertTrue(received.startswith(b"HTTP/1.1 200"))

    def test_many_half_open_sockets_do_not_stop_the_others(self):
        held = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(300)]
        try:
            for peer in held:
                peer.sendall(b"POST /v1")
            self.assert_applied(self.program.post(order("2", "1.00")))
        finally:
            for peer in held:
                peer.close()

    def test_a_slow_reader_is_answered_whole(self):
        items = [order("2", "1.00") for _ in range(1000)]
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("POST", self.program.base + "/events", json.dumps(items),
                           {"Authorization": "Bearer " + self.server.admin_key,
                            "Content-Type": support.BATCH})
        answer = connection.getresponse()
        body = b""
        while piece := answer.read(1024):
            body += piece
        self.assertEqual(len(json.loads(body)), 1000)


class CommandLineTest(support.unittest.TestCase):
    def refused(self, *flags, **environment):
        folder = support.pathlib.Path(support.tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        answer = support.run_guerdon("serve", "--data", folder / "data", "--listen", "127.0.0.1:0",
                                     *flags, environment=environment, limit_s=30)
        self.assertEqual(answer.returncode, 2, answer.stdout + answer.stderr)
        self.assertFalse((folder / "data").exists())
        return answer.stderr

    def test_unknown_settings_are_named(self):
        self.assertIn("--no-such-flag", self.refused("--no-such-flag"))
        self.assertIn("GUERDON_NO_SUCH", self.refused(GUERDON_NO_SUCH="1"))
        with support.tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write("no_such_key = 1\n")
            config.flush()
            self.assertIn("no_such_key", self.refused("--config", config.name))

    def test_faulty_values_are_named(self):
        self.assertIn("idle", self.refused("--idle-timeout", "soon"))

    def test_a_public_address_needs_tls_or_a_proxy(self):
        folder = support.pathlib.Path(support.tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        answer = support.run_guerdon("serve", "--data", folder / "data", "--listen", "0.0.0.0:0",
                                     limit_s=30)
        self.assertEqual(answer.returncode, 2)
        self.assertIn("behind-proxy", answer.stderr)

    def test_flags_win_over_environment_over_file(self):
        folder = support.pathlib.Path(support.tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        config = folder / "guerdon.toml"
        config.write_text('listen = "127.0.0.1:1"\n')
        server = support.Server("--config", str(config), folder=folder,
                                environment={"GUERDON_LISTEN": "127.0.0.1:2"})
        self.addCleanup(server.close)
        server.start()
        self.assertGreater(server.port, 2)
        # One step down each: the environment over the file, then the file alone.
        config.write_text('batch-events-max = 3\nbody-bytes-max = "2KiB"\n')
        server.environment = {"GUERDON_BATCH_EVENTS_MAX": "2"}
        server.restart()
        program = server.program()
        self.assertEqual(len(program.batch([order("2", "1.00") for _ in range(2)])), 2)
        too_many = program.post([order("2", "1.00") for _ in range(3)], support.BATCH)
        self.assertEqual((too_many.status, too_many.code), (413, "too_many_events"))
        too_large = program.post(order("2", "1.00", note="x" * 2048))
        self.assertEqual((too_large.status, too_large.code), (413, "body_too_large"))
        server.environment = {}
        server.restart()
        program = support.Program(server.client(), program.name)
        self.assertEqual(len(program.batch([order("2", "1.00") for _ in range(3)])), 3)

    def test_a_folder_is_no_configuration(self):
        folder = support.pathlib.Path(support.tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        ended = support.run_guerdon("serve", "--data", folder / "data", "--config", folder,
                                    "--listen", "127.0.0.1:0", limit_s=20)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertIn(str(folder), ended.stderr)

    def test_usage(self):
        self.assertEqual(support.run_guerdon("--help").returncode, 0)
        self.assertEqual(support.run_guerdon("no-such-command").returncode, 2)
        self.assertEqual(support.run_guerdon().returncode, 2)


class TlsTest(support.unittest.TestCase):
    """HTTPS by the binary's own flags, and SIGHUP."""

    def certificate(self, folder, name):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout", folder / "key.pem",
             "-out", folder / "cert.pem"],
            check=True, capture_output=True)

    def name_of(self, server):
        """The name in the certificate that the server shows."""
        context = ssl.create_default_context(cafile=server.folder / "cert.pem")
        context.check_hostname = False
        try:
            with (socket.create_connection(("127.0.0.1", server.port), timeout=15) as peer,
                  context.wrap_socket(peer) as secure):
                secure.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: secure.recv(4096), b""))
                subject = dict(pair[0] for pair in secure.getpeercert()["subject"])
        except (OSError, ssl.SSLError):
            return None
        return subject["commonName"] if answer.startswith(b"HTTP/1.1 200") else None

    def test_https_and_a_new_certificate_on_sighup(self):
        folder = support.pathlib.Path(support.tempfile.mkdtemp(prefix="guerdon-e2e-"))
        self.addCleanup(support.shutil.rmtree, folder, ignore_errors=True)
        self.certificate(folder, "first.example")
        server = support.Server("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem",
                                folder=folder)
        self.addCleanup(server.close)
        server.listen()
        support.wait_until(lambda: self.name_of(server) == "first.example", "HTTPS")
        self.certificate(folder, "second.example")
        server.process.send_signal(support.signal.SIGHUP)
        support.wait_until(lambda: self.name_of(server) == "second.example", "the new certificate")
        (folder / "key.pem").write_text("no key")
        server.process.send_signal(support.signal.SIGHUP)
        support.wait_until(lambda: "tls_not_reloaded" in server.output, "a line about it")
        self.assertEqual(self.name_of(server), "second.example")
        self.assertEqual(server.stop(), 0)


class DrainTest(support.unittest.TestCase):
    def test_sigterm_under_load_answers_what_it_accepted_and_exits_0(self):
        server = support.Server()
        self.addCleanup(server.close)
        server.start()
        program = server.program()
        acknowledged = []

        def load():
            caller = support.Program(server.client(), program.name)
            try:
                while True:
                    acknowledged.append(caller.paid(order("2", "1.00"))["seq"])
            except (OSError, http.client.HTTPException, AssertionError):
                pass  # the server went away or said 503

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        support.wait_until(lambda: len(acknowledged) > 200, "some load")
        began = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - began, 15)
        for thread in threads:
            thread.join()
        server.start()
        program.client.close()
        balance = program.balance("2")
        self.assertGreaterEqual(balance, len(acknowledged))
        self.assertLessEqual(balance, len(acknowledged) + len(threads))


if __name__ == "__main__":
    support.main()
