"""Compares the page's checks of JSON, TOML and YAML with Python's, for texts that are broken at random."""
import json
import random
import tomllib

import yaml

SEEDS = {
    "JSON": ['{"a": [1, -2.5e+3, true, null], "b": {"c": "d\\u00e9\\n"}, "": []}', '[[], {}, "x", 0, {"y": [false]}]', ' "text" ', "12\n"],
    "TOML": [
        'title = "x\\ty" # comment\n[owner]\nname = \'T\'\ndob = 1979-05-27T07:32:00-08:00\n[a.b]\nports = [ 1, 2,\n  0xff ]\n'
        'p = { x = 1, "y z" = 2.5e3 }\n[[list]]\nn = 1\n[[list]]\nn = 2\n[list.sub]\nq = inf\n',
        'a.b.c = 1\na.b.d = """\nlong \\\n  text"""\ns = \'\'\'raw\n\'\'\'\nt = 07:32:00.5\nd = 2024-02-29\n"q\\u00e9" = -1_000\n',
    ],
    "YAML": [
        "name: x\nitems:\n  - a\n  - b: 1\n    c: [1, 'two', {three: 3}]\nmap:\n  key: \"v # w\" # comment\n  other: plain text\n",
        "- one\n- two: 2\n  three:\n  - 3\n  - x: y\n-\n  - nested\n---\ntext: |\n  free: form\n   more\n\nfolded: >-\n  a\n  b\nend: no\n",
        "a:\n  b:\n    c: 1\n    d: 'it''s'\n  e: http://x.org:80/\nf: &x {g: h}\ni: *x\nj: !!str 12\n? k\n: l\nm: \"two\n  lines\"\n",
        "version: '3'\nservices:\n  web:\n    image: \"nginx:1\"\n    ports:\n    - \"80:80\"\n    command: [\"a\", \"-b\"]\n  db: {image: pg}\n",
    ],
}
PIECES = list(" \n:#-[]{},'\"\t.=*&!|>%@`?\\ax1") + [
    "  ", "\n  ", "- ", ": ", " #", "---", "key: ", "a = 1\n", "[a]\n", "[[a]]\n", "'''", '"""', "\\u12", "true", "é"]


def accepts(language, text):
    try:
        if language == "JSON":
            json.loads(text, parse_constant=lambda name: 1 / 0)
        elif language == "TOML":
            tomllib.loads(text)
        else:
            list(yaml.compose_all(text, yaml.SafeLoader))
    except (ValueError, ZeroDivisionError, yaml.YAMLError, RecursionError):
        return False
    return True


def broken(language, chance):
    text = chance.choice(SEEDS[language])
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 6])):
        place = chance.randrange(len(text) + 1)
        length = chance.choice([0, 0, 1, 1, 2, 8])
        text = text[:place] + chance.choice([*PIECES, "", "", "", ""]) + text[place + length:]
    return text


def check(page, count, seed):
    """For JSON and TOML, the page finds an error where Python does, and no other; for YAML, none that PyYAML does not find."""
    chance = random.Random(seed)
    story = []
    for language in SEEDS:
        texts = [broken(language, chance) for _ in range(count)]
        found = page.run(f"{json.dumps(texts)}.map((text) => check{language}(text))")
        invalid = 0
        for text, error in zip(texts, found):
            is_valid = accepts(language, text)
            invalid += not is_valid
            if error and is_valid or not error and not is_valid and language != "YAML":
                raise SystemExit(f"page: for the {language} text {text!r} the page says {error}, and Python {is_valid}")
        errors = sum(error is not None for error in found)
        story.append(f"{language}: {errors} errors found in {invalid} invalid texts of {count}")
    print("; ".join(story))
