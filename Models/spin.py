"""The configurations of the models, and the check of one, for Models/run and Models/mutants."""

import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODELS = Path(__file__).parent

# Spin explores each configuration exhaustively. It looks for states that break an assertion and for deadlocks. With
# "progress", it looks instead for cycles on which every process keeps running, but no attach ever ends and no waiter ever
# makes progress. `make model` explores SMALL, and breaks its configurations with mutants.
SMALL = {
    "borrow": ("publication", "WRITERS=2 SETS=1 BORROWERS=1 CRASHES=1"),
    "writers": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=1 BORROWERS=1 CRASHES=0"),
    "reuse": ("publication", "WRITERS=1 SETS=4 BORROWERS=1 CRASHES=1"),
    "sweep": ("publication", "WRITERS=1 SETS=4 BORROWERS=1 CRASHES=0"),
    "pins": ("publication", "WRITERS=1 SETS=2 BORROWERS=2 PINS=1 CRASHES=1"),
    "keep": ("publication", "WRITERS=1 SETS=4 BORROWERS=0 READERS=1 CRASHES=1"),
    "keepers": ("publication", "WRITERS=1 SETS=3 BORROWERS=0 READERS=2 PINS=1 READS=1 CRASHES=0"),
    "marks": ("publication", "WRITERS=1 SETS=3 BORROWERS=2 CRASHES=0"),
    "copy": ("publication", "WRITERS=2 SETS=1 BORROWERS=0 COPIES=1 CRASHES=1"),
    "copies": ("publication", "WRITERS=1 SETS=4 BORROWERS=0 COPIES=3 PUNCHES=1 CRASHES=0"),
    "punch": ("publication", "WRITERS=1 SETS=4 BORROWERS=0 COPIES=2 PUNCHES=1 CRASHES=1"),
    "return": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=1 BORROWERS=0 PUNCHES=1 CRASHES=0"),
    "rows": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=1 BORROWERS=0 ROWS=2 TRANSIENT=1 CRASHES=1"),
    "one row": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=0 ROWS=1 TRANSIENT=1 CRASHES=1"),
    "turns": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=0 PINS=1 ROWS=2 TRANSIENT=1 CRASHES=0"),
    "queue": ("publication", "WRITERS=3 SETS=1 BORROWERS=0 ROWS=2 TRANSIENT=1 CRASHES=0"),
    "condition": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=0 CONDITIONAL=1 CRASHES=0"),
    "leftover": ("lifetime", "ATTACHERS=3 CRASHES=1"),
    "persistence": ("lifetime", "ATTACHERS=2 READERS=1 PERSISTENT=1 CRASHES=1"),
    "unlink": ("lifetime", "ATTACHERS=2 UNLINKS=1 CRASHES=1"),
    "progress": ("lifetime", "ATTACHERS=2 UNLINKS=1 CRASHES=0", "progress"),
    "rounds": ("lifetime", "ATTACHERS=2 ROUNDS=2 CRASHES=1"),
    "wake": ("waiting", "PUBLISHERS=2 SETS=2 OTHER_SETS=1 WAITERS=2 CRASHES=0"),
    "stopped": ("waiting", "PUBLISHERS=2 SETS=2 OTHER_SETS=1 WAITERS=2 TIMEOUTS=1 CRASHES=1"),
    "reader": ("waiting", "PUBLISHERS=2 SETS=2 OTHER_SETS=1 WAITERS=1 READERS=1 WAKES_ALWAYS=1 CRASHES=0"),
    "timeouts": ("waiting", "PUBLISHERS=2 SETS=1 OTHER_SETS=1 WAITERS=1 READERS=1 TIMEOUTS=1 CRASHES=1", "progress"),
    "requests": ("connection", "REQUESTS=2"),
    "tries": ("replication", "PUTS=2 FOLLOWS=0 RETRIES=1 HANDS=1 COMPACTIONS=1"),
    "by hand": ("replication", "PUTS=1 RETRIES=1 HANDS=1 WRITE_HANDS=1 CRASHES=1"),
    "restored": ("replication", "PUTS=2 FOLLOWS=0 RETRIES=1 ABSENT=1 RESTORES=1"),
    "servers": ("replication", "PUTS=2 CRASHES=1"),
    "history": ("replication", "PUTS=1 CONDITIONAL=0 HANDS=2 STALE=1 RESTORES=1"),
    "mark": ("mark", "CHANGES=2 CRASHES=2 RELEASES=2"),
    "mark of two": ("mark", "SERVERS=2 OLD_SETS=1"),
    "relay": ("relay", "PUTS=2"),
    "origin": ("relay", "PUTS=2 CONDITIONAL=0 OTHERS=1 PLAIN=1"),
    "relay killed": ("relay", "PUTS=1 OTHERS=1 CRASHES=1"),
    "relay restored": ("relay", "PUTS=1 CONDITIONAL=0 OTHERS=1 RESTORES=1"),
}
LARGE = {
    "two sets each": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=1 CRASHES=0"),
    "two borrowers": ("publication", "WRITERS=2 SETS=1 BORROWERS=2 PINS=1 CRASHES=0"),
    "writers and a reader": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=1 BORROWERS=0 READERS=1 READS=2 CRASHES=0"),
    "copy beside two": ("publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=0 COPIES=1 CRASHES=0"),
    "rows and a pin": ("publication", "WRITERS=2 SETS=1 BORROWERS=1 ROWS=2 TRANSIENT=1 CRASHES=1"),
    "queue and crash": ("publication", "WRITERS=3 SETS=1 BORROWERS=0 ROWS=2 TRANSIENT=1 CRASHES=1"),
    "copy beside a row": (
        "publication", "WRITERS=2 SETS=2 OTHER_SETS=2 BORROWERS=0 ROWS=1 TRANSIENT=1 COPIES=1 CRASHES=1"),
    "persistent unlink": ("lifetime", "ATTACHERS=2 UNLINKS=1 PERSISTENT=1 CRASHES=1"),
    "reader and unlink": ("lifetime", "ATTACHERS=1 READERS=1 UNLINKS=1 PERSISTENT=1 CRASHES=1"),
    "four versions": ("waiting", "PUBLISHERS=2 SETS=2 OTHER_SETS=2 WAITERS=2 CRASHES=0"),
    "three publishers": ("waiting", "PUBLISHERS=3 SETS=1 OTHER_SETS=1 WAITERS=1 TIMEOUTS=1 CRASHES=1"),
    "three waiters": ("waiting", "PUBLISHERS=2 SETS=1 OTHER_SETS=1 WAITERS=3 CRASHES=0"),
    "more requests": ("connection", "REQUESTS=6"),
    "three puts": ("replication", "PUTS=3 CONDITIONAL=0 FOLLOWS=0"),
    "all by hand": ("replication", "PUTS=2 FOLLOWS=0 RETRIES=1 HANDS=1 WRITE_HANDS=1 COMPACTIONS=1"),
    "restored and killed": ("replication", "PUTS=2 FOLLOWS=0 RETRIES=1 ABSENT=1 RESTORES=1 CRASHES=1"),
    "history of two puts": ("replication", "PUTS=2 RESTORES=1"),
    "two servers": ("replication", "PUTS=1 SERVERS=2 CONDITIONAL=0 HANDS=1 RESTORES=1"),
    "mark beside setters": ("mark", "SERVERS=2 SETTERS=2"),
    "relay in a history": ("relay", "PUTS=1 OTHERS=1 RESTORES=1 CRASHES=1"),
    "unheard reader": ("waiting", "PUBLISHERS=2 SETS=2 OTHER_SETS=1 WAITERS=1 READERS=1 TIMEOUTS=1 CRASHES=1"),
}


class Result:
    """The result of one run of the checker."""

    def __init__(self, output, seconds):
        def number(pattern):
            found = re.search(pattern, output)
            return int(float(found[1])) if found else 0

        self.output = output
        self.seconds = seconds
        self.states = number(r"([\d.e+]+) states, stored")
        self.transitions = number(r"([\d.e+]+) transitions")
        self.depth = number(r"depth reached (\d+)")
        self.megabytes = number(r"([\d.]+)\s+total actual memory usage")
        fault = re.search(r"pan:\d+: (.*) \(at depth", output)
        self.fault = fault[1] if fault else None
        # A search that reached a limit of depth, memory or time proves nothing.
        self.is_complete = "errors: 0" in output and not re.search(
            r"max search depth too small|out of memory|Search not completed", output)


def check(model, defines, kind="safety", mutation="", optimize="-O2"):
    """Builds a checker for a model with these macros defined, and runs it."""
    with tempfile.TemporaryDirectory() as directory:
        def run(*command):
            return subprocess.run(
                command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        macros = [f"-D{define}" for define in f"{defines} {mutation}".split()]
        search, options = {"safety": ("-DSAFETY", []), "progress": ("-DNP", ["-l", "-f"])}[kind]
        for command in (
            ["spin", "-a", *macros, str(MODELS / f"{model}.pml")],
            # Without partial-order reduction: it would gain little, because nearly every step uses shared memory.
            ["gcc", optimize, "-w", search, "-DNFAIR=4", "-DNOREDUCE", "-DCOLLAPSE", "-DMEMLIM=3800", "-o", "pan", "pan.c"],
        ):
            made = run(*command)
            if made.returncode or "Error" in made.stdout:
                raise SystemExit(f"{' '.join(command)}\n{made.stdout}")
        start = time.monotonic()
        output = run("./pan", "-m1000000", "-w24", *options).stdout
        return Result(output, time.monotonic() - start)


def in_parallel(function, items, workers=2):
    """Yields the results in the order of the items."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(function, items)
