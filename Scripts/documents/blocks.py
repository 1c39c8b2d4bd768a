"""Finds the fenced code blocks of the documents, the articles of DocC and the documentation comments."""
import pathlib
import re
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^( *(?:/// ?)?)```([^\n`]*)\n(.*?)^\2?```$", re.DOTALL | re.MULTILINE)
ANY_FENCE = re.compile(r"^[ >*-]*(?:///)? *(?:```|~~~)", re.MULTILINE)
INDENTED = re.compile(r"(?:^///? {5}.*\n)+", re.MULTILINE)
ERRORS = re.compile(r"///? {5}E[A-Z]+\b")
FRAGMENT = "the inside of a function in C"
FOLDERS = ["docs", "Examples", "Models", "Sources", "Tests"]


class Block(typing.NamedTuple):
    """A code block, without the marks of a comment around it."""
    document: str
    line: int
    language: str
    text: str
    notes: dict

    @property
    def place(self):
        return f"{self.document}:{self.line}"


def documents():
    """The Markdown files of the repository, relative to it."""
    paths = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
    return sorted(str(path.relative_to(ROOT)) for path in paths if not any(part.startswith(".") for part in path.parts))


def sources():
    """The Swift files that are documented, relative to the repository."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "Sources").rglob("*.swift"))


def headers():
    """The documented C headers, relative to the repository."""
    return ["Sources/CSharedMem/include/sharedmem.h"]


def blocks(document):
    """The blocks of a document, a source file or a C header, in order."""
    text = (ROOT / document).read_text()
    if document.endswith(".h"):
        yield from fragments(document, text)
        return
    matches = list(FENCE.finditer(text))
    if len(ANY_FENCE.findall(text)) != 2 * len(matches):
        raise ValueError(f"{document}: a fence is not closed, or has a form that is not looked for")
    for match in matches:
        notes = dict(re.findall(r"<!-- (\w+):? ?(.*) -->", match[1]))
        mark = match[2].rstrip()
        lines = [line.removeprefix(match[2]).removeprefix(mark) for line in match[4].splitlines()]
        yield Block(document, text.count("\n", 0, match.start(4)) + 1, match[3], "".join(f"{line}\n" for line in lines), notes)


def fragments(document, text):
    """The examples in the comments of a header: indented lines, unless they list errors."""
    for match in INDENTED.finditer(text):
        if not ERRORS.match(match[0]):
            lines = [re.sub(r"^///? {5}", "", line) for line in match[0].splitlines()]
            yield Block(document, text.count("\n", 0, match.start()) + 1, FRAGMENT, "".join(f"{line}\n" for line in lines), {})
