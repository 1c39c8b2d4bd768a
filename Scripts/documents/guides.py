"""Renders the Markdown documents, each at its own path. A link to a file that does not exist is an error."""
import posixpath
import re
import urllib.parse

import blocks
from blocks import ROOT
from markdown_it import MarkdownIt
from page import escape

MARKDOWN = MarkdownIt("commonmark").enable("table")
HEADING = re.compile(r"# (.*)")


def documents():
    """The Markdown files of the repository, except the articles of DocC."""
    return [name for name in blocks.documents() if ".docc/" not in name]


def title(name):
    return HEADING.match((ROOT / name).read_text())[1].replace("`", "")


def slug(text, taken):
    """The anchor that GitHub gives a heading."""
    anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    count = taken.get(anchor, 0)
    taken[anchor] = count + 1
    return f"{anchor}-{count}" if count else anchor


def render(site):
    """Renders all documents. Returns the links that lead nowhere."""
    names, wrong = documents(), []
    for name in names:
        tokens = MARKDOWN.parse((ROOT / name).read_text())
        taken = {}
        for index, token in enumerate(tokens):
            if token.type == "heading_open":
                text = "".join(child.content for child in tokens[index + 1].children if child.type in ("text", "code_inline"))
                token.attrSet("id", slug(text, taken))
            for child in token.children or []:
                for attribute in ("href", "src"):
                    if reference := child.attrGet(attribute):
                        if (target := resolve(site, name, reference, names)) is None:
                            wrong.append(f"{name}: {urllib.parse.unquote(reference)} does not exist")
                        else:
                            child.attrSet(attribute, target)
        body = MARKDOWN.renderer.render(tokens, MARKDOWN.options, {})
        site.write(html(name), title(name), body, "es" if name.endswith(".es.md") else "en")
    return wrong


def html(name):
    return name.removesuffix(".md") + ".html"


def resolve(site, name, reference, names):
    """Where a document's link leads in the site; None if it leads to no file. Other files are copied into the site."""
    parts = urllib.parse.urlsplit(reference)
    if parts.scheme or not parts.path:
        return reference
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), urllib.parse.unquote(parts.path)))
    file = ROOT / path
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    up = posixpath.relpath(".", posixpath.dirname(name) or ".")
    if file.is_dir():
        readme = posixpath.join(path, "README.md")
        if readme in names:
            return posixpath.join(up, html(readme)) + fragment
        entries = sorted(entry.name for entry in file.iterdir())
        site.write(f"{path}/index.html", path, f"<h1>{escape(path)}</h1>\n<ul>"
                   + "".join(f"<li>{escape(entry)}</li>" for entry in entries) + "</ul>")
        return posixpath.join(up, path, "index.html")
    if not file.exists():
        return None
    if path in names:
        return posixpath.join(up, html(path)) + fragment
    site.add(path, file.read_bytes())
    return posixpath.join(up, path) + fragment
