"""The configurations in docs/proxies.md.

A proxy's own block forwards without TLS. A block `diff PROXY FORM` changes it, and a block `PROXY FORM` replaces it.
"""
import pathlib
import re

from checks import expect

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/proxies.md"
PLAIN, TLS, ENCRYPTED, PASSED = "plain", "tls", "tls-to-server", "pass-through"


def block(information):
    found = re.search(rf"^```{information}\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return found and found[1]


def configuration(proxy, form):
    """The text of a form's configuration; None if the document has none."""
    if form == PASSED:
        return block(f"{proxy} {form}")
    text = block(proxy)
    expect(text, f"{DOCUMENT} has no block {proxy}")
    for each in {PLAIN: [], TLS: [TLS], ENCRYPTED: [TLS, ENCRYPTED]}[form]:
        change = block(f"diff {proxy} {each}")
        if not change:
            return None
        text = changed(text, change)
    return text


def changed(text, change):
    """Applies the hunks of a diff, which blank lines separate; a hunk's first lines must occur exactly once."""
    for hunk in change.strip("\n").split("\n\n"):
        lines = hunk.split("\n")
        expect(all(line[0] in " -+" for line in lines), f"not a diff: {hunk}")
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] != left) for left in "+-")
        expect(f"\n{text}".count(f"\n{old}") == 1, f"the configuration does not have this once: {old}")
        text = f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
    return text
