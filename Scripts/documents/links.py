"""Checks that each link of the pages leads somewhere, and that no page loads anything from a network."""
import html.parser
import urllib.parse


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.anchors, self.references, self.loaded = {""}, [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a" and "href" in attributes:
            self.references.append(attributes["href"])
        elif tag in ("img", "source", "script", "link", "iframe"):
            self.loaded += [attributes[name] for name in ("src", "srcset", "href") if name in attributes]


def check(directory):
    """What is wrong with the pages in a folder."""
    pages = {}
    for file in sorted(directory.rglob("*.html")):
        pages[file] = Links()
        pages[file].feed(file.read_text())
    for file, page in pages.items():
        name = file.relative_to(directory)
        for reference in page.references + page.loaded:
            parts = urllib.parse.urlsplit(reference)
            if parts.scheme or parts.netloc:
                if reference in page.loaded:
                    yield f"{name}: loads {reference}"
                continue
            target = (file.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                yield f"{name}: {reference} does not exist"
            elif target in pages and urllib.parse.unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {reference} has no such anchor"
