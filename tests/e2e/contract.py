"""A small validator of HTTP exchanges against an OpenAPI 3.1 document."""

import json
import re
import urllib.parse

import jsonschema

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class ContractError(AssertionError):
    """An exchange that the document does not allow."""


class Operation:
    def __init__(self, method, template, item, operation):
        self.method = method
        self.template = template
        self.definition = operation
        self.parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template))
        self.pattern = re.compile(pattern + r"\Z")
        # Literal segments win over parameters.
        self.weight = template.count("{")

    @property
    def name(self):
        return f"{self.method.upper()} {self.template}"


class Contract:
    """Checks exchanges and remembers which operations succeeded."""

    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.operations = []
        self.covered = set()
        for template, item in document.get("paths", {}).items():
            for method, operation in item.items():
                if method in METHODS:
                    self.operations.append(Operation(method, template, item, operation))
        self.operations.sort(key=lambda operation: operation.weight)

    def resolve(self, value):
        while isinstance(value, dict) and "$ref" in value:
            _, value = self.resolver.resolve(value["$ref"])
        return value

    def find(self, method, path):
        wanted = "get" if method == "HEAD" else method.lower()
        for operation in self.operations:
            if operation.method == wanted and operation.pattern.match(path):
                return operation
        return None

    def check(self, method, target, headers, body, answer):
        """Raises ContractError unless the exchange is as documented. Requests are only checked
        when the server accepted them; answers always."""
        path, _, query = target.partition("?")
        operation = self.find(method, path)
        if operation is None:
            if answer.status not in (400, 401, 404, 405):
                raise ContractError(
                    f"{method} {path} is not documented and answers {answer.status}")
            return
        if 200 <= answer.status < 300:
            self._check_parameters(operation, query, headers)
            self._check_request(operation, headers, body)
            self.covered.add(operation.name)
        self._check_answer(operation, method, answer)

    def _check_parameters(self, operation, query, headers):
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        known = set()
        sent = {name.lower() for name in headers}
        for parameter in map(self.resolve, operation.parameters):
            if parameter["in"] == "query":
                known.add(parameter["name"])
                if parameter.get("required") and parameter["name"] not in given:
                    raise ContractError(f"{operation.name}: accepted without {parameter['name']}")
            if (parameter["in"] == "header" and parameter.get("required")
                    and parameter["name"].lower() not in sent):
                raise ContractError(f"{operation.name}: accepted without {parameter['name']}")
        for name in given.keys() - known:
            raise ContractError(f"{operation.name}: query parameter {name} is not documented")

    def _check_request(self, operation, headers, body):
        request = self.resolve(operation.definition.get("requestBody"))
        if body is None:
            if request and request.get("required"):
                raise ContractError(f"{operation.name}: accepted without its required body")
            return
        if request is None:
            raise ContractError(f"{operation.name}: a body is not documented")
        kind = media_type({name.lower(): value for name, value in headers.items()}["content-type"])
        media = request["content"].get(kind)
        if media is None:
            raise ContractError(f"{operation.name}: request type {kind} is not documented")
        if kind.endswith("json") and not kind.endswith("ndjson"):
            self._check_schema(operation, "request", json.loads(body), media)

    def _check_answer(self, operation, method, answer):
        responses = operation.definition["responses"]
        key = str(answer.status)
        response = responses.get(key) or responses.get(key[0] + "XX") or responses.get("default")
        if response is None:
            raise ContractError(f"{operation.name}: status {key} is not documented")
        response = self.resolve(response)
        for name, header in response.get("headers", {}).items():
            if self.resolve(header).get("required") and name not in answer.headers:
                raise ContractError(f"{operation.name} {key}: header {name} is missing")
        if method == "HEAD":
            return
        content = response.get("content")
        if not answer.body:
            if content:
                raise ContractError(f"{operation.name} {key}: the documented body is missing")
            return
        kind = media_type(answer.headers.get("Content-Type", ""))
        media = (content or {}).get(kind)
        if media is None:
            raise ContractError(f"{operation.name} {key}: answer type {kind} is not documented")
        if kind.endswith("ndjson"):
            for text in answer.body.splitlines():
                self._check_schema(operation, key, json.loads(text), media)
        elif kind.endswith("json"):
            self._check_schema(operation, key, json.loads(answer.body), media)

    def _check_schema(self, operation, where, value, media):
        schema = media.get("schema")
        if schema is None:
            return
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            pointer = "/" + "/".join(map(str, error.absolute_path))
            raise ContractError(f"{operation.name} {where}: {pointer}: {error.message[:400]}")

    def uncovered(self):
        return sorted({operation.name for operation in self.operations} - self.covered)


def media_type(text):
    return text.split(";")[0].strip().lower()
