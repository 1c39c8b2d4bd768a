"""Writes docs/benchmarks.md, its plots and the README's table from the results."""
import re

from . import plots
from .figures import FIGURES, OURS_TOO, PARTS, PEERS, size_title
from .results import judge, load_thresholds
from .samples import ROOT

DOCUMENT, PLOTS, README = ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks", ROOT / "README.md"
MAIN = ("read", "write", "get", "get-large", "put", "wake")  # the figures in the README
BEGIN, END = "<!-- Written by make bench, from here -->", "<!-- … to here -->"


def show(value, unit):
    if unit == "ns":
        for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= factor:
                return f"{digits(value / factor)} {name}"
        return f"{digits(value)} ns"
    if unit == "bytes":
        for factor, name in ((1e6, "MB"), (1e3, "kB")):
            if value >= factor:
                return f"{digits(value / factor)} {name}"
        return f"{value:.0f} B"
    if unit == "/s" and value >= 1e6:
        return f"{digits(value / 1e6)} M/s"
    return f"{value:,.0f}{unit}" if unit == "/s" else digits(value) + unit


def digits(value):
    """Rounds to three significant digits."""
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2}f}"


def plain(title):
    return re.sub(r"\*\*|`", "", title)


def table(figure, results):
    rows = [row for row in figure.rows if results.row(f"{figure.key}/{row.key}")]
    first = results.median(f"{figure.key}/{rows[0].key}")
    lines = [f"| | median | quartiles | relative to {plain(rows[0].title)} | guarantees and limits |", "|---|---:|---:|---:|---|"]
    for row in rows:
        key = f"{figure.key}/{row.key}"
        median, quartiles = results.median(key), results.quartiles(key)
        ratio = median / first if first else 1
        notes = "; ".join(f"{show(value, figure.unit) if name == 'p99' else f'{value:,.0f}'} {name}"
                          for name, value in results.row(key).get("notes", {}).items() if value)
        promise = "" if row.peer in OURS_TOO else PEERS[row.peer].promise
        lines.append(f"| {row.title}{f' ({notes})' if notes else ''} | {show(median, figure.unit)} | "
                     f"{' – '.join(show(value, figure.unit) for value in quartiles)} | {digits(ratio)} | {promise} |")
    return "\n".join(lines)


def lines_table(figure, results):
    xs = sorted({row.x for row in figure.rows})
    names = list(dict.fromkeys((row.peer, row.title) for row in figure.rows))
    lines = [f"| {figure.axis} | " + " | ".join(title for _, title in names) + " |", "|---:|" + "---:|" * len(names)]
    for x in xs:
        values = (results.median(f"{figure.key}/{peer}@{x}") for peer, _ in names)
        label = size_title(x) if figure.axis == "bytes" else f"{x:,}"
        lines.append(f"| {label} | " + " | ".join(show(value, figure.unit) for value in values) + " |")
    return "\n".join(lines)


def plot(figure, results):
    if figure.axis:
        points = {}
        for row in figure.rows:
            points.setdefault(row.title, []).append((row.x, results.median(f"{figure.key}/{row.key}")))
        return plots.lines(figure.title, figure.axis, list(points.items()),
                           size_title if figure.axis == "bytes" else lambda x: f"{x:,}",
                           lambda y: show(y, figure.unit))
    rows = [(plain(row.title), row.peer in OURS_TOO, results.median(f"{figure.key}/{row.key}"),
             *results.quartiles(f"{figure.key}/{row.key}")) for row in figure.rows]
    return plots.bars(figure.title, rows, lambda value: show(value, figure.unit))


def threshold_lines(results):
    lines, reasons = ["| | goal | measured | |", "|---|---:|---:|---|"], []
    for threshold in load_thresholds()["ratios"]:
        verdict = judge(threshold, results)
        if verdict.value is None:
            value, word = "", "not measured"
        else:
            value, word = digits(verdict.value), "reached" if verdict.is_reached else "**missed**"
            if verdict.errors:
                word = f"**missed**: {verdict.errors} errors"
            elif not verdict.is_reached and verdict.why:
                if verdict.why not in reasons:
                    reasons.append(verdict.why)
                word += f" ({reasons.index(verdict.why) + 1})"
        lines.append(f"| {verdict.title} | {verdict.word} {verdict.goal:g} | {value} | {word} |")
    return lines + [""] + [f"{number}. {with_medians(reason, results)}" for number, reason in enumerate(reasons, 1)]


def with_medians(text, results):
    """Replaces each `{figure/row}` with the median that was measured."""
    units = {figure.key: figure.unit for figure in FIGURES}
    return re.sub(r"\{((\S+?)/\S+?)\}", lambda found: show(results.median(found[1]), units[found[2]])
                  if results.row(found[1]) else "(not measured)", text)


def circumstances(data):
    machine = data["machine"]
    busy = f" **The machine was not quiet: its load was {machine['load']} at the start.**" if machine["load"] > 0.5 else ""
    return (f"Measured on {data['date']}: {machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}. "
            f"Each figure is the median of {data['rounds']} rounds, run in turns.{busy}")


def document(results):
    data = results.data
    parts = [
        "# Benchmarks", "",
        "`make bench` writes this page. It installs the peers from Debian, measures all of them in turns on one machine "
        "(A B A B), and writes the results here, into the plots and into [results.json](../Benchmarks/results.json). Ratios "
        "carry over to other machines. Absolute figures do not.", "", circumstances(data), "",
        "## Goals", "", "This table shows the project's goals, and whether they are reached. `make bench-check` fails if a "
        "change loses ground that was gained before ([thresholds.json](../Benchmarks/thresholds.json)).", "",
        *threshold_lines(results), ""]
    for figure in FIGURES:
        if figure.key not in data["figures"]:
            continue
        parts += [f"## {figure.title}", ""]
        if figure.axis or figure.key in MAIN:
            PLOTS.joinpath(f"{figure.key}.svg").write_text(plot(figure, results))
            parts += [f"![{figure.title}](benchmarks/{figure.key}.svg)", ""]
        parts += [lines_table(figure, results) if figure.axis else table(figure, results), ""]
    if data["instructions"]:
        parts += ["## Instructions for one operation", "", "Operations on 64 bytes, counted by callgrind. The kernel's "
                  "instructions are not included.", "", "| | instructions |", "|---|---:|",
                  *(f"| {name} | {count:,.0f} |" for name, count in data["instructions"].items()), ""]
    parts += ["## The peers, and how they were configured", "", "| | version | configuration |", "|---|---|---|",
              *(f"| {peer.title} | {data['versions'][key]} | {peer.configuration} |" for key, peer in PEERS.items()), "",
              "For local figures, each process is bound to a core and works in pieces of about 100 µs, of which the median "
              "counts. If there are more processes than cores, the mean counts. All text is ASCII. HTTP load comes from wrk with "
              "one thread, on the same two cores, and no process is bound. The programs are in "
              "[Benchmarks/Peers](../Benchmarks/Peers) and [Benchmarks/Sources](../Benchmarks/Sources)."]
    return "\n".join(parts) + "\n"


def readme_table(results):
    """One line for each main figure: our first row, and the first row of each peer."""
    lines = [circumstances(results.data), "", "![Reading 64 bytes](docs/benchmarks/read.svg)", "",
             "| | sharedmem | others |", "|---|---:|---|"]
    for figure in FIGURES:
        if figure.key not in MAIN or figure.key not in results.data["figures"]:
            continue
        medians = {}
        for row in figure.rows:
            medians.setdefault(row.peer, results.median(f"{figure.key}/{row.key}"))
        ours = f"**{show(medians.pop('ours'), figure.unit)}**"
        if "reader" in medians:
            ours += f", with a Reader **{show(medians.pop('reader'), figure.unit)}**"
        peers = (f"{PEERS[peer].title} {show(median, figure.unit)}" for peer, median in medians.items() if peer not in PARTS)
        lines.append(f"| {figure.title} | {ours} | {', '.join(peers)} |")
    return "\n".join(lines)


def write(results):
    PLOTS.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(results))
    readme = README.read_text()
    begin, end = readme.index(BEGIN) + len(BEGIN), readme.index(END)
    README.write_text(f"{readme[:begin]}\n{readme_table(results)}\n{readme[end:]}")
