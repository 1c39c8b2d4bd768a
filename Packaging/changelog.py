"""The releases in CHANGELOG.md, and a changelog of Debian's format made of them."""

import datetime
import email.utils
import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent


def releases(text):
    """Yields each section's version or `Unreleased`, its date or None, and its entries, without markup."""
    sections = re.split(r"^## \[(.*?)\](?: - (\d{4}-\d\d-\d\d))?[ \t]*\n", text, flags=re.MULTILINE)[1:]
    for version, date, body in zip(sections[::3], sections[1::3], sections[2::3]):
        entries = re.findall(r"^- (.*\n(?:  .*\n)*)", body, re.MULTILINE)
        yield version, date, [plain(entry) for entry in entries]


def plain(entry):
    """An entry as one line. Links keep their text alone."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(entry.split())).replace("`", "")


def debian(text, version, suffix=""):
    """Debian's changelog: the entries of each release, the newest of which must be `version`."""
    known = [each for each in releases(text) if each[0] != "Unreleased"]
    if not known or known[0][0] != version:
        raise SystemExit(f"CHANGELOG.md begins with {known[0][0] if known else 'no release'}, but this is {version}.")
    return "\n".join(paragraph(*each, suffix if index == 0 else "") for index, each in enumerate(known))


def paragraph(version, date, entries, suffix):
    """One release. A release without a date is dated now."""
    when = datetime.datetime.fromisoformat(date) if date else datetime.datetime.now()
    stamp = email.utils.format_datetime(when.replace(tzinfo=datetime.timezone.utc))
    lines = [line for entry in entries
             for line in textwrap.wrap(entry, 76, initial_indent="  * ", subsequent_indent="    ")]
    return "\n".join([f"sharedmem ({version}{suffix}) unstable; urgency=medium", "", *lines, "",
                      f" -- {maintainer()}  {stamp}", ""])


def maintainer():
    return re.search(r"^Maintainer: (.*)$", (ROOT / "Packaging/debian/control").read_text(), re.MULTILINE)[1]
