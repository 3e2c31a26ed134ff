#!/usr/bin/python3
"""The OpenAPI validator itself: it must bite."""

import json
import unittest

import contract

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/things/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True}],
            "get": {
                "parameters": [{"name": "at", "in": "query"}],
                "responses": {
                    "200": {"headers": {"ETag": {"required": True}},
                            "content": {"application/json": {
                                "schema": {"$ref": "#/components/schemas/Thing"}}}},
                    "default": {"$ref": "#/components/responses/Problem"}}},
            "put": {
                "requestBody": {"required": True, "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"204": {"description": "stored"}}}},
        "/things/special": {"get": {"responses": {"204": {"description": "nothing"}}}}},
    "components": {
        "schemas": {"Thing": {"type": "object", "required": ["name"], "additionalProperties": False,
                              "properties": {"name": {"type": "string"}}}},
        "responses": {"Problem": {"content": {"application/problem+json": {
            "schema": {"type": "object", "required": ["code"]}}}}}},
}


class Answer:
    def __init__(self, status, body=None, kind="application/json", **headers):
        self.status = status
        self.body = b"" if body is None else json.dumps(body).encode()
        self.headers = {"Content-Type": kind} | headers


class ContractTest(unittest.TestCase):
    def setUp(self):
        self.contract = contract.Contract(DOCUMENT)

    def check(self, method, path, answer, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        text = None if body is None else json.dumps(body).encode()
        self.contract.check(method, path, headers, text, answer)

    def refused(self, *arguments, **options):
        with self.assertRaises(contract.ContractError):
            self.check(*arguments, **options)

    def test_a_documented_exchange_is_covered(self):
        self.check("GET", "/things/7?at=3", Answer(200, {"name": "a"}, ETag="1"))
        self.assertEqual(self.contract.covered, {"GET /things/{id}"})
        self.assertEqual(self.contract.uncovered(), ["GET /things/special", "PUT /things/{id}"])

    def test_a_literal_segment_wins(self):
        self.check("GET", "/things/special", Answer(204))
        self.assertEqual(self.contract.covered, {"GET /things/special"})

    def test_an_answer_that_breaks_its_schema_is_refused(self):
        self.refused("GET", "/things/7", Answer(200, {"name": 1}, ETag="1"))
        self.refused("GET", "/things/7", Answer(200, {"name": "a", "more": 1}, ETag="1"))

    def test_a_missing_header_is_refused(self):
        self.refused("GET", "/things/7", Answer(200, {"name": "a"}))

    def test_an_unknown_query_parameter_is_refused(self):
        self.refused("GET", "/things/7?before=3", Answer(200, {"name": "a"}, ETag="1"))

    def test_an_accepted_request_must_fit_and_a_refused_one_need_not(self):
        self.refused("PUT", "/things/7", Answer(204), body={"nome": "a"})
        self.refused("PUT", "/things/7", Answer(204))
        self.check("PUT", "/things/7", Answer(204), body={"name": "a"})

    def test_an_undocumented_status_or_type_is_refused(self):
        self.refused("PUT", "/things/7", Answer(200, {"name": "a"}), body={"name": "a"})
        self.refused("GET", "/things/7", Answer(404, {"code": "x"}, "text/plain"))
        self.check("GET", "/things/7", Answer(404, {"code": "x"}, "application/problem+json"))

    def test_an_undocumented_path_may_only_be_refused(self):
        self.refused("GET", "/other", Answer(200, {}))
        self.check("GET", "/other", Answer(404, {}))


if __name__ == "__main__":
    unittest.main()
