#!/usr/bin/python3
"""API keys: shown once, scoped to a program, revocable; and the `guerdon keys` command."""

import os
import stat

import support
from support import order, unique


class KeyTest(support.ServerTest):
    def setUp(self):
        self.program = self.server.program()

    def test_a_key_is_shown_once(self):
        made = self.program.create_key("events:write")
        self.assertTrue(made["key"].startswith("gk_"))
        answer = self.program.get("/keys")
        self.assertEqual(answer.status, 200, answer)
        row = next(row for row in support.rows_of(answer) if row["id"] == made["id"])
        self.assertNotIn("key", row)
        self.assertNotIn(made["key"], answer.text)
        self.assertEqual(row["scopes"], ["events:write"])

    def test_a_revoked_key_is_nobody(self):
        made = self.program.create_key("events:write")
        caller = self.program.with_key(made["key"])
        self.assert_applied(caller.post(order("2", "1.00")))
        answer = self.program.request("DELETE", f"/keys/{made['id']}")
        self.assertIn(answer.status, (200, 204), answer)
        self.assert_problem(caller.post(order("2", "1.00")), 401, "unauthenticated")
        self.assert_problem(self.program.request("DELETE", "/keys/999999"), 404, "not_found")

    def test_scopes(self):
        self.program.paid(order("2", "5.00"))
        calls = {
            "events:write": lambda program: program.post(order("2", "1.00")),
            "members:read": lambda program: program.member("2"),
            "members:write": lambda program: program.put_member(unique("m"), {}),
            "points:write": lambda program: program.adjust("2", 1),
            "program:write": lambda program: program.put(support.MINIMAL),
            "admin": lambda program: program.request(
                "POST", "/keys", {"kind": "secret", "scopes": ["members:read"]},
                headers={"Idempotency-Key": unique("k")}),
        }
        for scope in calls:
            caller = self.program.with_key(self.program.create_key(scope)["key"])
            for needed, call in calls.items():
                if scope == "admin" and needed != "admin":
                    continue
                with self.subTest(scope=scope, needed=needed):
                    answer = call(caller)
                    if scope == needed:
                        self.assertIn(answer.status, (200, 201), answer)
                    else:
                        self.assert_problem(answer, 403, "missing_scope")
            caller.client.close()

    def test_backfill_includes_write(self):
        caller = self.program.with_key(self.program.create_key("events:backfill")["key"])
        self.assert_applied(caller.post(order("2", "1.00")))

    def test_backfill_lifts_the_late_window(self):
        document = support.copy_of(support.MINIMAL)
        award = document["campaigns"][0]["rules"][0]["effects"][0]["award"]
        award["points"] = "now == event.time ? 1 : 2"
        program = self.server.program(document)
        old = "2026-03-02T10:15:30Z"
        clamped = program.with_key(program.create_key("events:write")["key"])
        answer = clamped.paid(order("2", "1.00", time_=old))
        self.assertEqual(answer["awards"][0]["amount"], 2)
        entry = program.get(f"/entries/{answer['seq']}").json
        self.assertEqual(entry["occurred_at"], old)
        self.assertLess(old, entry["evaluated_at"])
        self.assertLess(entry["evaluated_at"], entry["recorded_at"])
        lifted = program.with_key(program.create_key("events:backfill")["key"])
        answer = lifted.paid(order("2", "1.00", time_=old))
        self.assertEqual(answer["awards"][0]["amount"], 1)
        self.assertNotIn("evaluated_at", program.get(f"/entries/{answer['seq']}").json)

    def test_a_key_of_one_program_opens_no_other(self):
        other = self.server.program()
        key = self.program.create_key("members:read", "events:write")["key"]
        caller = other.with_key(key)
        answer = caller.post(order("2", "1.00"))
        self.assertIn((answer.status, answer.code),
                      {(403, "missing_scope"), (404, "program_not_found"),
                       (401, "unauthenticated")})
        self.assertEqual(support.rows_of(other.get("/members", query="2")), [])

    def test_wrong_keys(self):
        for header in ("", "Bearer", "Bearer ", "Bearer gk_wrong", "Basic dTpw",
                       "Bearer " + "x" * 5000):
            with self.subTest(header[:20]):
                headers = {"Authorization": header} if header else {}
                answer = self.server.client("").get(self.program.base + "/members/2",
                                                    headers=headers)
                self.assert_problem(answer, 401, "unauthenticated")

    def test_wrong_keys_of_others_do_not_lock_out_the_right_one(self):
        with support.Server() as server:
            program = server.program()
            wrong = server.client("gk_wrong")
            answers = [wrong.get(program.base) for _ in range(302)]
            self.assertEqual(answers[299].status, 401)
            self.assert_problem(answers[301], 429, "rate_limited")
            self.assertGreater(int(answers[301].headers["Retry-After"]), 5)
            self.assertLessEqual(int(answers[301].headers["Retry-After"]), 60)
            program.paid(order("2", "1.00"))
            self.assertEqual(program.balance("2"), 1)

    def test_bad_requests(self):
        def create(body):
            return self.program.request("POST", "/keys", body,
                                        headers={"Idempotency-Key": unique("k")})

        for body in ({"kind": "secret"}, {"kind": "secret", "scopes": ["everything"]},
                     {"kind": "master", "scopes": ["admin"]},
                     {"kind": "secret", "scopes": "admin"}):
            with self.subTest(body):
                answer = create(body)
                self.assertIn((answer.status, answer.code),
                              {(422, "missing_field"), (422, "wrong_type"),
                               (422, "invalid_document"), (400, "invalid_parameter")})


class AdminKeyTest(support.ServerTest):
    def test_written_once_for_the_owner_only_and_named_in_the_output(self):
        path = self.server.data / "admin.key"
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertIn(str(path), self.server.output)
        self.assertNotIn(self.server.admin_key, self.server.output)
        before = self.server.admin_key
        self.server.restart()
        self.assertEqual(self.server.admin_key, before)

    def test_a_new_one_when_the_old_one_is_lost(self):
        with support.Server() as server:
            program = server.program()
            lost = server.admin_key
            (server.data / "admin.key").unlink()
            server.restart("--new-admin-key")
            self.assertIn("new_admin_key", server.output)
            self.assertEqual(stat.S_IMODE(os.stat(server.data / "admin.key").st_mode), 0o600)
            self.assertNotEqual(server.admin_key, lost)
            self.assertEqual(server.client().get(program.base).status, 200)
            self.assertEqual(server.client(lost).get(program.base).status, 401)
            server.restart()
            self.assertEqual(server.client().get(program.base).status, 200)
            self.assertEqual(server.client(lost).get(program.base).status, 401)


class CommandTest(support.ServerTest):
    def keys(self, verb, *more):
        return support.run_guerdon("keys", verb, "--server", self.server.url, "--key-file",
                                   self.server.data / "admin.key", "--program",
                                   self.program.name, *more)

    def setUp(self):
        self.program = self.server.program()

    def test_create_list_revoke(self):
        made = self.keys("create", "--scope", "events:write", "--scope", "members:read")
        self.assertEqual(made.returncode, 0, made.stderr)
        key = next(word for word in made.stdout.split() if word.startswith("gk_"))
        caller = self.program.with_key(key)
        self.assert_applied(caller.post(order("2", "1.00")))
        listed = self.keys("list")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertNotIn(key, listed.stdout)
        rows = support.rows_of(self.program.get("/keys"))
        id_ = next(row["id"] for row in rows if "events:write" in row["scopes"])
        self.assertIn(str(id_), listed.stdout)
        revoked = self.keys("revoke", str(id_))
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        self.assert_problem(caller.post(order("2", "1.00")), 401, "unauthenticated")

    def test_a_wrong_scope_fails_with_a_line(self):
        refused = self.keys("create", "--scope", "everything")
        self.assertNotEqual(refused.returncode, 0)
        self.assertTrue(refused.stderr.strip())


if __name__ == "__main__":
    support.main()
