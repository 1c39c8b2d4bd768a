#!/usr/bin/env python3
"""Renders all pages, and checks them.

    render.py ARCHIVES SITE    ARCHIVES has what docc has written: MODULE.doccarchive
"""
import pathlib
import sys

import contract
import guides
import links
import swift
from page import Site, escape

FIRST = ["README.md", "docs/tutorial.md"]


def index(site, modules):
    """The page that leads to all others."""
    names = [name for name in guides.documents() if name not in FIRST]
    groups = [
        ("Start here", FIRST),
        ("Guides", [name for name in names if name.startswith("docs/") and "/coming-from/" not in name]),
        ("Coming from", [name for name in names if "/coming-from/" in name]),
        ("The project", [name for name in names if "/" not in name]),
        ("Examples and models", [name for name in names if "/" in name and not name.startswith("docs/")]),
    ]
    parts = ["<h1>sharedmem</h1>", "<h2>Reference</h2><ul>", f'<li><a href="{contract.PAGE}">HTTP</a></li>']
    parts += [f'<li><a href="swift/{module.lower()}.html">Swift: {module}</a></li>' for module in modules]
    parts.append('<li><a href="Sources/CSharedMem/include/sharedmem.h">C: sharedmem.h</a></li></ul>')
    for title, members in groups:
        items = "".join(f'<li><a href="{guides.html(name)}">{escape(guides.title(name))}</a></li>' for name in members)
        parts.append(f"<h2>{title}</h2><ul>{items}</ul>")
    site.write("index.html", "sharedmem", "\n".join(parts))


def main(archives, directory):
    site = Site(directory)
    wrong = guides.render(site)
    contract.render(site)
    modules = [archive.stem for archive in sorted(pathlib.Path(archives).glob("*.doccarchive"))]
    for module in modules:
        wrong += swift.Archive(site, f"{archives}/{module}.doccarchive").render()
    index(site, modules)
    wrong += links.check(site.directory.resolve())
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{sum(1 for _ in site.directory.rglob('*.html'))} pages in {directory}/index.html, {len(wrong)} faults")
    sys.exit(bool(wrong))


main(*sys.argv[1:])
