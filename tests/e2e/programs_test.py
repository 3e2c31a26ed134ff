#!/usr/bin/python3
"""Programs: created, replaced, versions, and every complaint names its place."""

import copy
import json

import support
from support import LAURIER, MINIMAL, order, unique


def with_rule(**changes):
    """The minimal document with fields of its rule changed; None removes one."""
    document = copy.deepcopy(MINIMAL)
    rule = document["campaigns"][0]["rules"][0]
    for name, value in changes.items():
        if value is None:
            del rule[name]
        else:
            rule[name] = value
    return document


def with_points(expression):
    document = copy.deepcopy(MINIMAL)
    document["campaigns"][0]["rules"][0]["effects"][0]["award"]["points"] = expression
    return document


RULE = "/campaigns/0/rules/0"
EARLY = "2020-02-29T00:00:00Z"
# 500 lines against 500 lines.
COSTLY = "order.lines.all(a, order.lines.all(b, a.amount == b.amount)) ? 1 : 0"
POINTS = RULE + "/effects/0/award/points"


class LifeTest(support.ServerTest):
    def setUp(self):
        self.program = support.Program(self.server.client(), unique("brand"))

    def test_created_then_replaced(self):
        answer = self.program.put(MINIMAL)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["version"], 1)
        answer = self.program.put(with_points("10"))
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["version"], 2)
        # An event is decided by the version active at its own time, so this one is of the future.
        later = order("2", "1.00", time_=support.rfc3339(60))
        self.assert_applied(self.program.post(later), 10)
        self.assert_applied(self.program.post(order("2", "1.00", time_=EARLY)), 1)

    def test_the_active_document_and_old_versions_can_be_read(self):
        self.program.put(MINIMAL)
        self.program.put(with_points("10"))
        active = self.program.get()
        self.assertEqual(active.status, 200, active)
        self.assertEqual(active.json["version"], 2)
        versions = support.rows_of(self.program.get("/versions"))
        self.assertEqual(sorted(row["version"] for row in versions), [1, 2])
        first = self.program.get("/versions/1")
        self.assertEqual(first.status, 200, first)
        self.assertIn("muldiv(order.net, 1, order.unit)", first.text)
        self.assert_problem(self.program.get("/versions/9"), 404, "not_found")

    def test_the_list_names_it(self):
        self.program.put(MINIMAL)
        self.server.program()
        names, cursor = [], None
        while True:
            path = "/v1/programs?limit=1" + (f"&cursor={cursor}" if cursor else "")
            answer = self.program.client.get(path)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(len(answer.json["data"]), 1)
            names += [row["program"] for row in answer.json["data"]]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                break
        self.assertIn(self.program.name, names)
        self.assertNotIn("_system", names)
        self.assertEqual(names, sorted(set(names)))
        for query in ("limit=0", "limit=101", "cursor=%2F"):
            with self.subTest(query):
                answer = self.program.client.get("/v1/programs?" + query)
                self.assert_problem(answer, 400, "invalid_parameter")

    def test_unknown_programs(self):
        self.assert_problem(self.program.get(), 404, "program_not_found")
        self.assert_problem(self.program.post(order("2")), 404, "program_not_found")
        self.assert_problem(self.program.member("2"), 404, "program_not_found")

    def test_the_name_in_the_document_must_be_the_path(self):
        self.assertEqual(self.program.put(MINIMAL | {"program": self.program.name}).status, 201)
        answer = self.program.put(MINIMAL | {"program": "another"})
        self.assert_problem(answer, 422, "invalid_document", "/program")

    def test_the_example_of_the_demo_is_accepted(self):
        program = support.Program(self.server.client(), "maison-laurier")
        self.assertEqual(program.put(LAURIER).status, 201)
        answer = program.post(order("2", "100.00", "80.00", "20.00", channel="app"))
        self.assert_applied(answer, 200 + 25 + 60)
        states = {award["rule"]: award["state"] for award in answer.json["awards"]}
        self.assertEqual(states["mobile/large-basket"], "pending")
        wallet = program.wallet("2")
        self.assertEqual((wallet["available"], wallet["pending"]), (225, 60))
        self.assert_applied(program.post(order("3", "200.00", currency="GBP")), 220)

    def test_validation_stores_nothing(self):
        answer = self.program.validate(MINIMAL)
        self.assertEqual(answer.status, 200, answer)
        self.assert_problem(self.program.get(), 404, "program_not_found")


class ComplaintTest(support.ServerTest):
    """PUT and POST /validate complain alike; nothing is stored."""

    def setUp(self):
        self.program = support.Program(self.server.client(), unique("brand"))

    def refused(self, document, code, pointer, status=422):
        for answer in (self.program.put(document), self.program.validate(document)):
            self.assert_problem(answer, status, code, pointer)
        self.assert_problem(self.program.get(), 404, "program_not_found")
        return answer

    def test_sections_that_are_not_built_yet(self):
        for name in ("ladders", "referral", "rewards", "caps"):
            with self.subTest(name):
                self.refused(MINIMAL | {name: []}, "not_supported", "/" + name)

    def test_unknown_fields_and_wrong_shapes(self):
        self.refused(with_rule(iff="true"), "invalid_document", RULE + "/iff")
        self.refused(with_rule(effects=None), "invalid_document", RULE + "/effects")
        self.refused(MINIMAL | {"currencies": {}}, "invalid_document", "/currencies")
        self.refused(MINIMAL | {"tz": "Mars/Olympus"}, "invalid_document", "/tz")

    def test_an_award_of_an_unknown_currency(self):
        document = copy.deepcopy(MINIMAL)
        document["campaigns"][0]["rules"][0]["effects"][0]["award"]["currency"] = "stars"
        self.refused(document, "invalid_document", RULE + "/effects/0/award/currency")

    def test_equal_ids(self):
        document = copy.deepcopy(MINIMAL)
        rules = document["campaigns"][0]["rules"]
        rules.append(copy.deepcopy(rules[0]))
        self.refused(document, "invalid_document", "/campaigns/0/rules/1/id")

    def test_a_syntax_error_has_line_column_and_caret(self):
        answer = self.refused(with_rule(**{"if": "order.net > "}), "invalid_expression",
                              RULE + "/if")
        detail = answer.json["errors"][0]["detail"]
        self.assertRegex(detail, "line 1, column 13")
        self.assertIn("^", detail)

    def test_the_caret_is_below_the_fault(self):
        answer = self.refused(with_points("1 +\n order.nett"), "invalid_expression", POINTS)
        rows = answer.json["errors"][0]["detail"].splitlines()
        self.assertIn("line 2, column 8", rows[0])
        caret = next(index for index, row in enumerate(rows) if row.strip(" |") == "^")
        self.assertIn("order.nett", rows[caret - 1])
        self.assertEqual(rows[caret].index("^") - rows[caret - 1].index("order.nett"), 6)

    def test_types_are_checked(self):
        self.refused(with_rule(**{"if": "order.net"}), "invalid_expression", RULE + "/if")
        self.refused(with_points("'ten'"), "invalid_expression", POINTS)
        self.refused(with_points("order.net + 'x'"), "invalid_expression", POINTS)
        self.refused(with_points("unknown(order.net)"), "invalid_expression", POINTS)

    def test_an_expression_may_not_cost_too_much(self):
        answer = self.refused(with_points(COSTLY), "expression_too_costly", POINTS)
        self.assertRegex(answer.json["errors"][0]["detail"], r"\d")
        self.refused(with_points("1 + " * 1200 + "1"), "invalid_expression", POINTS)

    def test_malformed_and_large_documents(self):
        self.assert_problem(self.program.put("{"), 400, "malformed_json")
        self.assert_problem(self.program.put("[]"), 422, "invalid_document")
        large = MINIMAL | {"program": "x" * 300_000}
        self.assert_problem(self.program.put(large), 422, "too_large")

    def test_a_fault_while_running_costs_only_its_rule(self):
        document = copy.deepcopy(MINIMAL)
        rules = document["campaigns"][0]["rules"]
        faulty = copy.deepcopy(rules[0])
        faulty["id"] = "faulty"
        faulty["effects"][0]["award"]["points"] = "order.net / (order.net - order.net)"
        rules.insert(0, faulty)
        program = self.server.program(document)
        self.assert_applied(program.post(order("2", "59.00")), 59)


class SchemaTest(support.unittest.TestCase):
    def test_the_examples_are_json_without_duplicate_names(self):
        def refuse_duplicates(pairs):
            self.assertEqual(len(pairs), len(dict(pairs)))
            return dict(pairs)

        for path in sorted((support.ROOT / "docs/examples").glob("*.json")):
            with self.subTest(path.name):
                self.assertTrue(json.loads(path.read_text(), object_pairs_hook=refuse_duplicates))


if __name__ == "__main__":
    support.main()
