#!/usr/bin/python3
"""Every documented operation is driven once with success, and the document itself is sound.

All exchanges of the other suites are checked against the document as well (support.Client).
"""

import re

import codes_test
import shopper
import support
from support import NDJSON, order


class OpenApiTest(support.ServerTest):
    def drive(self):
        """One accepted exchange of every operation."""
        client = self.server.client()
        program = self.server.program()
        paid = order({"id": "2", "email": "anna@example.com"}, "59.00", "9.00")
        program.paid(paid)
        program.batch([order("3", "1.00"), order(None, "1.00")])
        program.post(support.json.dumps(order("4", "1.00")), NDJSON)
        headers = {f"ce-{name}": value for name, value in order("5").items()
                   if isinstance(value, str)}
        program.request("POST", "/events", order("5")["data"], headers=headers)
        program.get("/events", source=paid["source"], id_=paid["id"])
        program.put_member("2", {"name": "Anna"})
        program.member("2")
        program.get("/members", query="2")
        program.entries("2", limit=10)
        program.balances("2")
        program.lots("2")
        program.adjust("2", 5)
        seq = program.checkpoint()["seq"]
        program.get(f"/entries/{seq}")
        paid = support.order("2", "10.00")
        program.paid(paid)
        orphan = program.post(support.refund(support.order("2"), {1: "1.00"}, final=True)).json
        program.orphans()
        program.attach(orphan["seq"], support.order_id_of(paid))
        program.validate(support.MINIMAL)
        program.put(support.MINIMAL)
        program.get()
        program.get("/versions")
        program.get("/versions/1")
        key = program.create_key("members:read")
        program.get("/keys")
        program.request("DELETE", f"/keys/{key['id']}")
        shop = "https://shop.example"
        program.request("POST", "/keys", {"kind": "publishable", "origins": [shop]})
        for path in ("/boards", "/boards/all", "/me"):
            program.request("OPTIONS", path, headers={"Origin": shop})
        signing = program.request("POST", "/keys", {"kind": "shopper", "algorithm": "HS256"}).json
        anna = program.with_key(shopper.hs256_token(signing, shopper.claims(program.name, "2")))
        for path in ("/boards", "/boards/all", "/me"):
            self.assertEqual(anna.get(path).status, 200, path)
        for path in ("/v1/programs", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            answer = client.get(path)
            self.assertEqual(answer.status, 200, path)

    def test_every_operation_succeeds_as_documented(self):
        self.drive()
        contract = self.server.openapi()
        left = [name for name in contract.uncovered() if name not in NEEDS_MORE_THAN_A_CALL]
        self.assertEqual(left, [])

    def test_every_operation_documents_its_problems(self):
        contract = self.server.openapi()
        for operation in contract.operations:
            if not operation.template.startswith("/v1/"):
                continue
            with self.subTest(operation.name):
                responses = operation.definition["responses"]
                problems = [contract.resolve(response) for status, response in responses.items()
                            if status == "default" or status[0] in "45"]
                self.assertTrue(problems, "no problem answer")
                for problem in problems:
                    self.assertIn(support.PROBLEM, problem["content"])

    def test_every_reference_resolves_and_every_operation_has_one_id(self):
        contract = self.server.openapi()
        text = support.json.dumps(contract.document)
        for reference in set(re.findall(r'"\$ref": "([^"]+)"', text)):
            with self.subTest(reference):
                self.assertIsNotNone(contract.resolve({"$ref": reference}))
        ids = [operation.definition.get("operationId") for operation in contract.operations]
        self.assertNotIn(None, ids)
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_error_codes_are_the_table_of_the_documentation(self):
        schema = support.json.dumps(self.server.openapi().document["components"]["schemas"])
        for code in codes_test.read_table():
            with self.subTest(code):
                self.assertIn(f'"{code}"', schema)


# Operations whose success needs a state this suite does not make, with the suite that does.
NEEDS_MORE_THAN_A_CALL = {
    "POST /v1/ops/clock": "tests/server",
    # A binary may be built without the widget.
    "GET /widget/manifest.json": "widget_assets_test.py",
    "GET /widget/{version}/{file}": "widget_assets_test.py",
}

if __name__ == "__main__":
    support.main()
