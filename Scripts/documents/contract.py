"""Renders openapi.yaml as a page: each path and method, and what the contract refers to, once."""
import json

import yaml
from blocks import ROOT
from guides import MARKDOWN
from page import escape

METHODS = ["get", "head", "put", "delete", "options"]
PAGE = "http.html"


def render(site):
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    Reference(contract).write(site)
    site.add("openapi.yaml", (ROOT / "openapi.yaml").read_bytes())


class Reference:
    def __init__(self, contract):
        self.contract, self.components = contract, contract["components"]

    def write(self, site):
        info = self.contract["info"]
        parts = ["<h1>HTTP reference</h1>", f'<p class="kind">Version {escape(info["version"])}, from '
                 '<a href="openapi.yaml">openapi.yaml</a></p>', self.contents(), self.markdown(info["description"])]
        for path, item in self.contract["paths"].items():
            parts.append(f'<h2 id="{escape(path)}"><code>{escape(path)}</code></h2>{self.markdown(item.get("description"))}')
            parts += [self.operation(path, method, item) for method in METHODS if method in item]
        parts += [self.listing("Parameters", "parameters", self.parameter), self.listing("Responses", "responses", self.response),
                  self.listing("Headers of responses", "headers", self.header), self.listing("Schemas", "schemas", self.schema),
                  self.listing("Problems", "examples", lambda example: self.sample(example["value"])),
                  self.listing("Access", "securitySchemes", lambda _: "")]
        site.write(PAGE, "HTTP reference", "\n".join(parts))

    def contents(self):
        rows = "".join(f'<tr><td><a href="#{escape(path)}"><code>{escape(path)}</code></a></td><td>'
                       + " ".join(f'<a class="method" href="#{method}-{escape(path)}">{method.upper()}</a>'
                                  for method in METHODS if method in item) + "</td></tr>"
                       for path, item in self.contract["paths"].items())
        return f"<table><tr><th>path</th><th>methods</th></tr>{rows}</table>"

    def operation(self, path, method, item):
        operation = item[method]
        parameters = item.get("parameters", []) + operation.get("parameters", [])
        parts = [f'<h3 id="{method}-{escape(path)}"><span class="method">{method.upper()}</span> '
                 f'{escape(operation["summary"])}</h3>', self.markdown(operation.get("description"))]
        if parameters:
            parts.append("<h4>Parameters</h4><dl>" + "".join(self.parameter_line(parameter) for parameter in parameters) + "</dl>")
        if body := operation.get("requestBody"):
            parts.append(f"<h4>Body</h4>{self.markdown(body.get('description'))}{self.content(body)}")
        rows = "".join(f"<tr><td>{status}</td><td>{self.named(response, 'responses')}</td>"
                       f"<td>{self.markdown(self.resolved(response)['description'])}</td></tr>"
                       for status, response in operation["responses"].items())
        parts.append(f"<h4>Responses</h4><table><tr><th>status</th><th>response</th><th></th></tr>{rows}</table>")
        return "\n".join(parts)

    # MARK: What is referred to

    def resolved(self, value):
        if "$ref" not in value:
            return value
        _, components, kind, name = value["$ref"].split("/")
        return self.contract[components][kind][name]

    def named(self, value, kind):
        name = value["$ref"].rsplit("/", 1)[1] if "$ref" in value else ""
        return f'<a href="#{kind}-{name}">{name}</a>'

    def listing(self, title, kind, describe):
        items = "".join(f'<h3 id="{kind}-{name}">{escape(value.get("name", name))}</h3>'
                        f"{self.markdown(value.get('description', value.get('summary')))}{describe(value)}"
                        for name, value in self.components[kind].items())
        return f'<h2 id="{kind}">{title}</h2>{items}'

    def parameter_line(self, parameter):
        value = self.resolved(parameter)
        label, place = f"<code>{escape(value['name'])}</code>", f"<span class=\"kind\">{value['in']}</span>"
        if "$ref" in parameter:
            return f"<dt><a href=\"#parameters-{parameter['$ref'].rsplit('/', 1)[1]}\">{label}</a> {place}</dt>"
        return f"<dt>{label} {place}</dt><dd>{self.markdown(value['description'])}</dd>"

    def parameter(self, value):
        return f'<p class="kind">in the {"query" if value["in"] == "query" else "head"}</p>{self.sample(value.get("example"))}'

    def response(self, value):
        headers = "".join(
            f"<tr><td><code>{escape(name)}</code></td><td>" + (f'{self.named(header, "headers")}' if "$ref" in header else
                                                              self.markdown(header["description"])) + "</td></tr>"
            for name, header in value.get("headers", {}).items())
        table = f"<table><tr><th>header</th><th></th></tr>{headers}</table>" if headers else ""
        return table + self.content(value)

    def header(self, value):
        return self.sample(value.get("example"))

    def content(self, value):
        return "".join(f"<p><code>{escape(media)}</code>{self.type(body.get('schema', {}))}</p>"
                       + "".join(self.example(example) for example in body.get("examples", {}).values())
                       for media, body in value.get("content", {}).items())

    def example(self, example):
        return f"<p>{self.named(example, 'examples')}</p>" if "$ref" in example else self.sample(example["value"])

    def schema(self, value):
        rows = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{self.type(field)}</td>"
                       f"<td>{self.markdown(field.get('description'))}</td></tr>"
                       for name, field in value["properties"].items())
        return f"<table><tr><th>field</th><th>type</th><th></th></tr>{rows}</table>"

    def type(self, schema):
        if "$ref" in schema:
            return " " + self.named(schema, "schemas")
        if "oneOf" in schema or "anyOf" in schema:
            return " or".join(self.type(each) for each in schema.get("oneOf", schema.get("anyOf")))
        kind = schema.get("type", "")
        if kind == "array":
            return " array of" + self.type(schema["items"])
        return " " + escape(" or ".join(kind) if isinstance(kind, list) else kind)

    @staticmethod
    def markdown(text):
        return MARKDOWN.render(text) if text else ""

    @staticmethod
    def sample(value):
        if value is None:
            return ""
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        return f"<pre><code>{escape(text)}</code></pre>"
