"""The frame of a page, and where the pages are. Every page stands alone: no script, no font, no network."""
import html
import os
import pathlib

STYLE = (pathlib.Path(__file__).parent / "style.css").read_text()

escape = html.escape


class Site:
    """The folder that the pages are written to."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def write(self, path, title, body, language="en"):
        """Writes a page. `path` is relative to the site."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        home = relative("index.html", path)
        file.write_text(f"""<!DOCTYPE html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{STYLE}</style>
<nav><a href="{home}">sharedmem</a></nav>
<main>
{body}
</main>
""")

    def add(self, path, content):
        """Writes any other file."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def relative(target, page):
    """The reference from one page of the site to another file."""
    return os.path.relpath(target, os.path.dirname(page) or ".").replace("(", "%28").replace(")", "%29")
