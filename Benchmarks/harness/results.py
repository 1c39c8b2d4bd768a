"""The results: medians, quartiles, and the verdicts of the thresholds."""
import json
import statistics
from dataclasses import dataclass

from .samples import HERE

THRESHOLDS = HERE / "thresholds.json"


def load_thresholds():
    return json.loads(THRESHOLDS.read_text())


class Results:
    def __init__(self, data):
        self.data = data

    def row(self, key):
        """The row with the key `figure/row`; None if it was not measured."""
        figure, _, row = key.partition("/")
        return self.data["figures"].get(figure, {}).get(row)

    def median(self, key):
        return statistics.median(self.row(key)["values"])

    def quartiles(self, key):
        values = self.row(key)["values"]
        if len(values) < 2:
            return values[0], values[0]
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        return first, third

    def errors(self, key):
        return self.row(key).get("notes", {}).get("errors", 0)


@dataclass
class Verdict:
    title: str
    value: float | None  # None if it was not measured
    word: str  # `at least` or `at most`
    goal: float
    keep: float | None
    errors: int = 0
    why: str = ""  # the reason, if the goal is missed

    def holds(self, bound):
        return not self.errors and (self.value >= bound if self.word == "at least" else self.value <= bound)

    @property
    def is_reached(self):
        return self.holds(self.goal)


def rows_of(threshold):
    return [threshold["of"], *([threshold["to"]] if "to" in threshold else [])]


def is_time(threshold):
    """Whether this is an absolute time, which differs between machines."""
    return "to" not in threshold and not threshold["of"].startswith(("memory/", "backing/"))


def judge(threshold, results):
    word = "at least" if "at least" in threshold else "at most"
    verdict = Verdict(threshold["title"], None, word, threshold[word], threshold.get("keep"), why=threshold.get("why", ""))
    rows = rows_of(threshold)
    if all(results.row(key) for key in rows):
        verdict.value = results.median(rows[0]) / (
            results.median(rows[1]) if len(rows) > 1 else threshold.get("scale", 1))
        verdict.errors = sum(results.errors(key) for key in rows)
    return verdict


def keep(results, slack):
    """Writes the ratios that later changes must keep: the measured ones, with some slack. Absolute times are left out."""
    thresholds = load_thresholds()
    for threshold in thresholds["ratios"]:
        verdict = judge(threshold, results)
        if verdict.value is not None and not verdict.errors and not is_time(threshold):
            threshold["keep"] = float(f"{verdict.value * (1 - slack if verdict.word == 'at least' else 1 + slack):.3g}")
    thresholds["instructions"] = results.data.get("instructions") or thresholds["instructions"]
    ratios = ",\n".join("    " + json.dumps(threshold, ensure_ascii=False) for threshold in thresholds["ratios"])
    instructions = json.dumps(thresholds["instructions"], indent=4).replace("\n}", "\n  }")
    THRESHOLDS.write_text(f'{{\n  "ratios": [\n{ratios}\n  ],\n  "instructions": {instructions}\n}}\n')
