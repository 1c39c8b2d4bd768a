"""Renders what `docc convert` has written, without its scripts, so that it can be read from a file."""
import json
import pathlib
import posixpath

from page import escape, relative


class Archive:
    """One module: docc's output folder."""

    def __init__(self, site, directory):
        self.site, self.directory = site, pathlib.Path(directory)
        self.data = self.directory / "data/documentation"

    def render(self):
        """Renders all pages. Returns what is wrong with the topic groups."""
        wrong = []
        for file in sorted(self.data.rglob("*.json")):
            page = Page(self, json.loads(file.read_text()))
            page.write()
            wrong += page.ungrouped()
        for image in (self.directory / "images").rglob("*.svg"):
            self.site.add(f"swift/images/{image.name}", image.read_bytes())
        return wrong


def address(url):
    """Where the page of docc's `/documentation/…` is. A colon would look like the end of a scheme."""
    return "swift/" + url.removeprefix("/documentation/").replace(":", "-") + ".html"


class Page:
    # A type with more members than this has them in groups.
    LONG = 10

    def __init__(self, archive, data):
        self.archive, self.data = archive, data
        self.metadata = data["metadata"]
        self.url = data["variants"][0]["paths"][0]
        self.path = address(self.url)

    def ungrouped(self):
        """The members that docc had to sort by their kind, where there are too many to read or it is the module itself."""
        sections = self.data.get("topicSections", [])
        count = sum(len(section["identifiers"]) for section in sections)
        if self.metadata["role"] == "collection" or count > self.LONG:
            for section in sections:
                if section.get("generated") and section["title"] != "Default Implementations":
                    yield f"{self.url}: in no topic group: {', '.join(section['identifiers'])}"

    def write(self):
        title = self.metadata["title"]
        parts = [self.breadcrumbs()]
        if self.data["kind"] == "symbol":
            parts.append(f'<p class="kind">{escape(self.metadata["roleHeading"])}</p>')
        parts.append(f"<h1>{escape(title)}</h1>")
        if abstract := self.data.get("abstract"):
            parts.append(f"<p>{self.inline(abstract)}</p>")
        parts += [self.section(section) for section in self.data.get("primaryContentSections", [])]
        for name, key in ("Topics", "topicSections"), ("Relationships", "relationshipsSections"), ("See also", "seeAlsoSections"):
            if sections := self.data.get(key):
                parts.append(f"<h2>{name}</h2>")
                parts += [self.group(section) for section in sections]
        self.archive.site.write(self.path, title, "\n".join(parts))

    def breadcrumbs(self):
        paths = self.data["hierarchy"]["paths"]
        links = [self.link(identifier) for identifier in (paths[0] if paths else [])]
        return f'<p class="kind">{" / ".join(links)}</p>' if links else ""

    def group(self, section):
        items = "".join(f"<dt>{self.link(name, declared=True)}</dt>{self.summary(name)}" for name in section["identifiers"])
        return f"<h3>{escape(section.get('title', ''))}</h3>\n<dl>{items}</dl>"

    def summary(self, identifier):
        abstract = self.data["references"].get(identifier, {}).get("abstract")
        return f"<dd>{self.inline(abstract)}</dd>" if abstract else ""

    def link(self, identifier, declared=False):
        reference = self.data["references"][identifier]
        if declared and "fragments" in reference:
            label = "<code>" + escape("".join(fragment["text"] for fragment in reference["fragments"])) + "</code>"
        elif reference.get("kind") == "symbol":
            label = f"<code>{escape(reference['title'])}</code>"
        else:
            label = escape(reference.get("title", identifier))
        # What another module declares has no page here.
        if not reference.get("url"):
            return label
        return f'<a href="{self.href(reference["url"])}">{label}</a>'

    def href(self, url):
        if not url.startswith("/documentation/"):
            return escape(url)
        path, _, fragment = url.partition("#")
        return relative(address(path), self.path) + (f"#{fragment}" if fragment else "")

    # MARK: Content

    def section(self, section):
        if section["kind"] == "declarations":
            return "\n".join(f"<pre><code>{self.tokens(declaration['tokens'])}</code></pre>"
                             for declaration in section["declarations"])
        if section["kind"] == "parameters":
            items = "".join(f"<dt><code>{escape(parameter['name'])}</code></dt><dd>{self.blocks(parameter['content'])}</dd>"
                            for parameter in section["parameters"])
            return f"<h2>Parameters</h2>\n<dl>{items}</dl>"
        if section["kind"] == "content":
            return self.blocks(section["content"])
        raise ValueError(f"{self.url}: a section of the kind {section['kind']}")

    def tokens(self, tokens):
        return "".join(f'<a href="{self.href(self.data["references"][token["identifier"]]["url"])}">{escape(token["text"])}</a>'
                       if "identifier" in token else escape(token["text"]) for token in tokens)

    def blocks(self, blocks):
        return "\n".join(self.block(block) for block in blocks)

    def block(self, block):
        match block["type"]:
            case "heading":
                return f'<h{block["level"]} id="{escape(block["anchor"])}">{escape(block["text"])}</h{block["level"]}>'
            case "paragraph":
                return f"<p>{self.inline(block['inlineContent'])}</p>"
            case "codeListing":
                return f"<pre><code>{escape(chr(10).join(block['code']))}</code></pre>"
            case "aside":
                return f"<aside><p><b>{escape(block['name'])}</b></p>{self.blocks(block['content'])}</aside>"
            case "unorderedList" | "orderedList" as kind:
                tag = "ul" if kind == "unorderedList" else "ol"
                return f"<{tag}>" + "".join(f"<li>{self.blocks(item['content'])}</li>" for item in block["items"]) + f"</{tag}>"
            case "table":
                head, *rows = block["rows"]
                cells = ["".join(f"<th>{self.blocks(cell)}</th>" for cell in head)]
                cells += ["".join(f"<td>{self.blocks(cell)}</td>" for cell in row) for row in rows]
                return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
        raise ValueError(f"{self.url}: a block of the type {block['type']}")

    def inline(self, content):
        return "".join(self.span(span) for span in content)

    def span(self, span):
        match span["type"]:
            case "text":
                return escape(span["text"])
            case "codeVoice":
                return f"<code>{escape(span['code'])}</code>"
            case "emphasis":
                return f"<em>{self.inline(span['inlineContent'])}</em>"
            case "strong":
                return f"<strong>{self.inline(span['inlineContent'])}</strong>"
            case "reference":
                return self.link(span["identifier"])
            case "image":
                return self.image(self.data["references"][span["identifier"]])
        raise ValueError(f"{self.url}: text of the type {span['type']}")

    def image(self, reference):
        """The drawing, in the reader's color scheme."""
        names = {"dark" if "dark" in variant["traits"] else "light": posixpath.basename(variant["url"])
                 for variant in reference["variants"]}
        source = {scheme: relative(f"swift/images/{name}", self.path) for scheme, name in names.items()}
        return (f'<picture><source srcset="{source["dark"]}" media="(prefers-color-scheme: dark)">'
                f'<img src="{source["light"]}" alt="{escape(reference["alt"])}"></picture>')
