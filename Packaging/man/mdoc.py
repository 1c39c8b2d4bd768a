"""Text as mdoc(7), the language of manual pages."""

import re
import textwrap


def page(title, section, lines, date, version):
    """A whole page."""
    head = [f".Dd {date:%B} {date.day}, {date.year}", f".Dt {title.upper()} {section}", f".Os sharedmem {version}"]
    return "\n".join([*head, *lines]) + "\n"


def prose(text):
    """Paragraphs, with a new line for each sentence."""
    for index, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if index:
            yield ".Pp"
        for sentence in re.split(r"(?<=[^.][.!?:])\s+(?=[^\s]*[A-Z'])", " ".join(paragraph.split())):
            for each in textwrap.wrap(word(sentence), 76, break_long_words=False, break_on_hyphens=False):
                yield line(each)


def line(text):
    """A line that cannot be taken for a macro."""
    return "\\&" + text if text.startswith((".", "'")) else text


def word(text):
    """Text with its special characters. What is in backticks is bold; the hyphens of an option can be copied."""
    text = re.sub(r"`([^`\n]*)`", r"\\fB\1\\fR", text.replace("\\", "\\e"))
    return re.sub(r"(?<![\w-])--?(?=\w)", lambda dashes: "\\-" * len(dashes[0]), text)


def literal(lines):
    """Lines shown as they are."""
    yield ".Bd -literal -offset indent"
    for each in lines:
        yield line(each.replace("\\", "\\e").replace("-", "\\-"))
    yield ".Ed"
