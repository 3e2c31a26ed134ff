#!/usr/bin/python3
"""Writes the readable page of an OpenAPI document: api_page.py OPENAPI OUTPUT.

One file, no script, nothing loaded from elsewhere; its own Content-Security-Policy allows only the
style sheet inside it, by hash.
"""

import base64
import hashlib
import html
import json
import pathlib
import re
import sys

METHODS = ("get", "put", "post", "delete")
STYLE = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#5b6472;--line:#dfe3ea;--page:#fff;
  --box:#f5f7fa;--link:#7a3b12;--get:#1f6f43;--post:#8a4b00;--put:#2c4f9e;--delete:#a4262c}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ef;--soft:#9aa5b5;--line:#303846;
  --page:#12161d;--box:#1a2029;--link:#f0b27a;--get:#6fce9a;--post:#f0b27a;--put:#90b4ff;
  --delete:#ff9a9f}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
.frame{max-width:78rem;margin:0 auto;display:grid;grid-template-columns:17rem minmax(0,1fr);
  gap:2.5rem;padding:0 1.25rem 4rem}
nav{position:sticky;top:0;max-height:100vh;overflow:auto;padding:1.5rem 0;font-size:.875rem}
nav h2{font-size:.75rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);
  margin:1.25rem 0 .25rem}
nav ul{list-style:none;margin:0;padding:0}
nav a{display:block;padding:.15rem 0;color:inherit;text-decoration:none}
nav a:hover,nav a:focus-visible{text-decoration:underline}
a{color:var(--link)}
h1{font-size:2rem;margin:1.5rem 0 .25rem}
h2.part{font-size:1.4rem;margin:3rem 0 .25rem;border-bottom:1px solid var(--line)}
article{margin:1.75rem 0;padding-bottom:1rem}
article h3{font-size:1.05rem;margin:0 0 .25rem}
h4{margin:1rem 0 .25rem;font-size:.875rem;color:var(--soft)}
p{margin:.4rem 0}
code,pre{font:.875em/1.5 ui-monospace,monospace}
pre{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:.75rem;
  overflow:auto;max-height:24rem}
.call{display:flex;gap:.6rem;flex-wrap:wrap;background:var(--box);border:1px solid var(--line);
  border-radius:6px;padding:.4rem .75rem;overflow-wrap:anywhere}
.call b{font-family:ui-monospace,monospace}
.get b{color:var(--get)}
.post b{color:var(--post)}
.put b{color:var(--put)}
.delete b{color:var(--delete)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;
  border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
td:first-child{white-space:nowrap}
.soft{color:var(--soft)}
summary{cursor:pointer;color:var(--soft)}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--page);padding:.5rem}
@media(max-width:60rem){.frame{display:block}
nav{position:static;max-height:none}}
@media print{nav{display:none}
.frame{display:block}}
"""


def escape(text):
    return html.escape(str(text))


def prose(text):
    """`code` spans; everything else as it is."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def anchor(name):
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()


class Page:
    def __init__(self, document):
        self.document = document
        self.operations = [(template, method, item[method])
                           for template, item in document["paths"].items()
                           for method in METHODS if method in item]

    def resolve(self, value):
        while "$ref" in value:
            found = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def kind(self, schema):
        """A schema as a few words, with links to named ones."""
        if schema is True or schema == {}:
            return "anything"
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return f'<a href="#schema-{anchor(name)}">{escape(name)}</a>'
        if "anyOf" in schema:
            return " or ".join(self.kind(part) for part in schema["anyOf"])
        if "const" in schema:
            return f"<code>{escape(json.dumps(schema['const']))}</code>"
        if "enum" in schema:
            return " · ".join(f"<code>{escape(value)}</code>" for value in schema["enum"])
        name = schema.get("type", "anything")
        if name == "array":
            return "list of " + self.kind(schema.get("items", True))
        return escape(" or ".join(name) if isinstance(name, list) else name) + self.bounds(schema)

    @staticmethod
    def bounds(schema):
        low = schema.get("minimum")
        high = schema.get("maximum")
        huge = 2 ** 53 - 1
        parts = []
        if low is not None and low != -huge:
            parts.append(f"≥ {low}")
        if high is not None and high != huge:
            parts.append(f"≤ {high}")
        if "maxLength" in schema:
            parts.append(f"≤ {schema['maxLength']} characters")
        if "default" in schema:
            parts.append(f"default {json.dumps(schema['default'])}")
        return f' <span class="soft">({escape(", ".join(parts))})</span>' if parts else ""

    def fields(self, schema):
        required = set(schema.get("required", ()))
        rows = []
        for name, field in schema.get("properties", {}).items():
            text = "" if field is True else field.get("description", "")
            need = "" if name in required else ' <span class="soft">optional</span>'
            rows.append(f"<tr><td><code>{escape(name)}</code>{need}</td>"
                        f"<td>{self.kind(field)}</td><td>{prose(text)}</td></tr>")
            if field is not True and field.get("properties"):
                rows.append(f"<tr><td></td><td colspan=2>{self.fields(field)}</td></tr>")
        if not rows:
            return ""
        return ("<div class=scroll><table><thead><tr><th>Field<th>Type<th>Meaning</thead><tbody>"
                + "".join(rows) + "</tbody></table></div>")

    def parameters(self, operation):
        rows = []
        for given in operation.get("parameters", ()):
            parameter = self.resolve(given)
            need = "" if parameter.get("required") else ' <span class="soft">optional</span>'
            rows.append(f"<tr><td><code>{escape(parameter['name'])}</code>{need}</td>"
                        f"<td>{parameter['in']}, {self.kind(parameter['schema'])}</td>"
                        f"<td>{prose(parameter.get('description', ''))}</td></tr>")
        if not rows:
            return ""
        return ("<h4>Parameters</h4><div class=scroll><table><tbody>" + "".join(rows)
                + "</tbody></table></div>")

    def example(self, media):
        schema = self.resolve(media.get("schema", {}))
        value = media.get("example", next(iter(schema.get("examples", ())), None))
        if value is None:
            return ""
        text = json.dumps(value, indent=1, ensure_ascii=False)
        return f"<details><summary>Example</summary><pre>{escape(text)}</pre></details>"

    def body(self, operation):
        request = operation.get("requestBody")
        if not request:
            return ""
        parts = [f"<h4>Body</h4><p>{prose(request.get('description', ''))}</p>"]
        for kind, media in request["content"].items():
            parts.append(f"<p><code>{escape(kind)}</code>: {self.kind(media['schema'])}</p>"
                         + self.example(media))
        return "".join(parts)

    def answers(self, operation):
        rows = []
        for status, given in operation["responses"].items():
            response = self.resolve(given)
            kinds = ""
            if status[0] == "2":
                kinds = "<br>" + "<br>".join(
                    f"<code>{escape(kind)}</code>: {self.kind(media['schema'])}"
                    + self.example(media) for kind, media in response["content"].items())
            text = prose(response["description"])
            rows.append(f"<tr><td>{status}</td><td>{text}{kinds}</td></tr>")
        good = "".join(row for row in rows if row.startswith("<tr><td>2"))
        bad = "".join(row for row in rows if not row.startswith("<tr><td>2"))
        return (f"<h4>Answers</h4><div class=scroll><table><tbody>{good}</tbody></table></div>"
                f"<details><summary>Problems</summary><div class=scroll><table><tbody>{bad}"
                "</tbody></table></div></details>")

    def article(self, template, method, operation):
        return (f'<article id="{operation["operationId"]}"><h3>{escape(operation["summary"])}</h3>'
                f'<div class="call {method}"><b>{method.upper()}</b><code>{escape(template)}</code>'
                f"</div><p>{prose(operation.get('description', ''))}</p>"
                + self.parameters(operation) + self.body(operation) + self.answers(operation)
                + "</article>")

    def schemas(self):
        parts = []
        for name, schema in self.document["components"]["schemas"].items():
            listed = self.fields(schema) or f"<p>{self.kind(schema)}</p>"
            parts.append(f'<article id="schema-{anchor(name)}"><h3>{escape(name)}</h3>'
                         f"<p>{prose(schema.get('description', ''))}</p>{listed}</article>")
        return "".join(parts)

    def render(self):
        info = self.document["info"]
        menu, parts = [], []
        for tag in self.document["tags"]:
            mine = [(template, method, operation) for template, method, operation
                    in self.operations if tag["name"] in operation["tags"]]
            menu.append(f"<h2>{escape(tag['name'])}</h2><ul>" + "".join(
                f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a>'
                for _, _, operation in mine) + "</ul>")
            parts.append(f'<h2 class="part">{escape(tag["name"])}</h2>'
                         f"<p>{prose(tag['description'])}</p>"
                         + "".join(self.article(*operation) for operation in mine))
        menu.append('<h2>Reference</h2><ul><li><a href="#schemas">Schemas</a>'
                    '<li><a href="/openapi.json">openapi.json</a></ul>')
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        security = self.document["components"]["securitySchemes"]["apiKey"]["description"]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta http-equiv="Content-Security-Policy" '
            f"content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'\">"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
            '<a class="skip" href="#main">Skip to the operations</a><div class="frame">'
            f'<nav aria-label="Operations">{"".join(menu)}</nav><main id="main">'
            f"<h1>{escape(info['title'])} API</h1><p>{prose(info['summary'])}</p>"
            f"<p>{prose(info['description'])}</p>"
            f"<p>Send <code>Authorization: Bearer gk_…</code>. {prose(security)}</p>"
            + "".join(parts) +
            f'<h2 class="part" id="schemas">Schemas</h2>{self.schemas()}'
            "</main></div></body></html>\n")


def main():
    document = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = Page(document).render()
    output = pathlib.Path(sys.argv[2])
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
