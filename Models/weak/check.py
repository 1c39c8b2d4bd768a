#!/usr/bin/env python3
"""Runs GenMC over the programs here.

    check.py GENMC programs|large [WORD ...]   every configuration, in each memory model
    check.py GENMC mutants [WORD ...]          weakens one ordering at a time, and says which configuration finds it
    check.py GENMC steps [WORD ...]            leaves out or moves one step at a time, and says which configuration finds it
    check.py GENMC cheaper                     what a borrow could be made of on x86
    check.py compile                           compiles every configuration with the C compilers at hand, and runs each a few times

GENMC is the path of the checker. With WORDs, only what has all of them in its line is run. `steps` fails if a fault is not found.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time

CONFIGURATIONS = {  # program, definitions
    "publish": ("publish.c", "SLOTS=2"),
    "publish-reuse": ("publish.c", "SLOTS=2 SETS=2"),
    "publish-info": ("publish.c", "SLOTS=3 SETS=2 BORROWERS=0"),
    "publish-abandon": ("publish.c", "SLOTS=2 SETS=2 OTHER_SETS=0 ABANDONS=1"),
    "publish-twice": ("publish.c", "SLOTS=2 BORROWS=2"),
    "publish-pins": ("publish.c", "SLOTS=2 BORROWERS=2 PINS=2"),
    "publish-one-pin": ("publish.c", "SLOTS=2 BORROWERS=2 PINS=1"),
    "publish-3-slots": ("publish.c", "SLOTS=3 SETS=2"),
    "publish-1-writer": ("publish.c", "SLOTS=3 WRITERS=1 SETS=4 BORROWS=2"),
    "reader": ("reader.c", "SLOTS=2"),
    "reader-unpins": ("reader.c", "SLOTS=3 UNPINS=1"),
    "reader-2-writers": ("reader.c", "SLOTS=2 WRITERS=2 SETS=1"),
    "reader-2-readers": ("reader.c", "SLOTS=3 READERS=2 PINS=2 SETS=2"),
    "copy": ("copy.c", "SLOTS=2"),
    "copy-twice": ("copy.c", "SLOTS=2 COPIES=2"),
    "copy-2-writers": ("copy.c", "SLOTS=2 WRITERS=2 SETS=2"),
    "copy-punch": ("copy.c", "SLOTS=3 SETS=2 PUNCHES=1"),
    "copy-keeps": ("copy.c", "SLOTS=2 SETS=2 COPIES=3 KEEPS=1"),
    "copy-keeps-2-writers": ("copy.c", "SLOTS=2 WRITERS=2 SETS=1 COPIES=2 KEEPS=1"),
    "wait": ("wait.c", ""),
    "wait-2-sets": ("wait.c", "PUBLISHERS=1 SETS=3"),
    "wait-2-waiters": ("wait.c", "WAITERS=2 ROUNDS=1"),
    "wait-linux": ("wait.c", "FUTEX=2"),
    **{f"dies-{n}": ("reclaim.c", f"SLOTS=2 DIES={n} COUNT_DEAD_READS=1") for n in range(1, 9)},
    **{f"dies-{n}-successor": ("reclaim.c", f"SLOTS=2 DIES={n} SUCCESSORS=1") for n in (1, 3, 5, 8)},
    **{f"dies-{n}-unordered": ("reclaim.c", f"SLOTS=2 DIES={n} KERNEL=0 SUCCESSORS=1") for n in (1, 3, 5, 8)},
    "checked": ("checked.c", "SLOTS=2 PINS=2"),
    "checked-twice": ("checked.c", "SLOTS=2 PINS=2 SETS=1 BORROWS=2"),
    # Tables of which nothing has been in use yet, except for the first text's slot
    "marks": ("publish.c", "MARKS=1 SLOTS=2"),
    "marks-reuse": ("publish.c", "MARKS=1 SLOTS=2 WRITERS=1 SETS=3"),
    "marks-twice": ("publish.c", "MARKS=1 SLOTS=2 BORROWS=2"),
    "marks-one-pin": ("publish.c", "MARKS=1 SLOTS=2 WRITERS=1 SETS=2 BORROWERS=2 PINS=1"),
    "marks-pins": ("publish.c", "MARKS=1 SLOTS=2 WRITERS=1 SETS=2 BORROWERS=2 PINS=2"),
    "marks-step": ("publish.c", "MARKS=1 SLOTS=2 WRITERS=1 SETS=2 BORROWERS=2 PINS=2 STEP=2"),
    "marks-3-borrowers": ("publish.c", "MARKS=1 SLOTS=2 WRITERS=0 BORROWERS=3 PINS=2"),
    "marks-3-slots": ("publish.c", "MARKS=1 SLOTS=3 WRITERS=2 BORROWERS=1"),
    "marks-reader": ("reader.c", "MARKS=1 SLOTS=2 SETS=2"),
    "marks-reader-2-writers": ("reader.c", "MARKS=1 SLOTS=2 WRITERS=2 SETS=1"),
    **{f"marks-dies-{n}": ("reclaim.c", f"MARKS=1 SLOTS=2 DIES={n}") for n in range(1, 9)},
    **{f"marks-dies-{n}-successor": ("reclaim.c", f"MARKS=1 SLOTS=2 DIES={n} SUCCESSORS=1") for n in (1, 3, 5, 8)},
    "marks-dies-1-borrower": ("reclaim.c", "MARKS=1 SLOTS=2 DIES=1 SETS=1 PINS=2 BORROWERS=1"),
}
LARGE = {
    "publish-2-sets-each": ("publish.c", "SLOTS=2 SETS=2 OTHER_SETS=2"),
    "publish-as-in-the-file": ("publish.c", "SLOTS=4 SETS=2 OTHER_SETS=1"),
    "publish-pins-3-slots": ("publish.c", "SLOTS=3 BORROWERS=2 PINS=2"),
    "reader-3-reads": ("reader.c", "SLOTS=2 WRITERS=2 SETS=2 OTHER_SETS=1 READS=3"),
    "copy-punch-2-writers": ("copy.c", "SLOTS=3 WRITERS=2 SETS=1 PUNCHES=1"),
    "wait-2-sets-each": ("wait.c", "SETS=2"),
    "marks-2-sets": ("publish.c", "MARKS=1 SLOTS=2 SETS=2"),
    "marks-2-writers-one-pin": ("publish.c", "MARKS=1 SLOTS=2 BORROWERS=2 PINS=1"),
    "marks-2-writers-pins": ("publish.c", "MARKS=1 SLOTS=2 BORROWERS=2 PINS=2"),
    "marks-2-writers-3-slots": ("publish.c", "MARKS=1 SLOTS=3 SETS=2"),
    "marks-2-readers": ("reader.c", "MARKS=1 SLOTS=2 READERS=2 PINS=2 SETS=2 READS=1"),
}
PUBLISH = ["publish", "publish-info", "publish-reuse", "publish-abandon", "publish-twice", "publish-pins"]
READER = ["reader", "reader-unpins", "reader-2-writers"]
COPY = ["copy", "copy-twice", "copy-2-writers", "copy-punch", "copy-keeps"]
WAIT = ["wait", "wait-2-sets", "wait-2-waiters", "wait-linux"]
DEAD = [f"dies-{n}" for n in range(1, 9)]
MARKS = ["marks", "marks-3-borrowers", "marks-reuse", "marks-one-pin", "marks-pins", "marks-step", "marks-reader", "marks-reader-2-writers"]
MARKS_DEAD = [f"marks-dies-{n}" for n in range(1, 9)] + ["marks-dies-1-borrower"]
LOADS, STORES, EXCHANGES = ["acquire", "relaxed"], ["release", "relaxed"], ["acq_rel", "acquire", "release", "relaxed"]
PLACES = {  # weaker orderings, and the configurations in which they could show
    "CLAIM_CAS": (EXCHANGES, PUBLISH + READER + COPY + DEAD), "LOOK_CURRENT": (LOADS, PUBLISH + READER + COPY),
    "LOOK_PIN": (LOADS, PUBLISH + READER), "CLAIM_END": (["relaxed"], PUBLISH + COPY), "FILL_FENCE": (["none"], PUBLISH + COPY),
    "STAMP_END": (["relaxed"], PUBLISH + COPY), "START": (LOADS, PUBLISH + COPY), "INFO_CURRENT": (LOADS, PUBLISH + COPY),
    "INFO_TIME": (["relaxed"], PUBLISH), "INFO_COUNT": (["relaxed"], PUBLISH), "INFO_AGAIN": (LOADS, PUBLISH + WAIT),
    "PUBLISH": (EXCHANGES, PUBLISH + READER + COPY + WAIT), "BORROW_CURRENT": (LOADS, PUBLISH + DEAD[:3]),
    "PIN_CAS": (EXCHANGES, PUBLISH + READER), "BORROW_AGAIN": (LOADS, PUBLISH + ["checked"]), "PIN_AGAIN": (STORES, PUBLISH),
    "PIN_END": (["relaxed"], PUBLISH), "READ_FAST": (["relaxed"], READER + COPY[-1:]), "READ_CURRENT": (LOADS, READER),
    "READ_PIN": (STORES, READER), "READ_AGAIN": (LOADS, READER), "UNPIN": (["relaxed"], READER), "CLOSE": (["relaxed"], READER),
    "COPY_CURRENT": (LOADS, COPY), "COPY_STAMP": (["relaxed"], COPY), "COPY_FENCE": (["none"], COPY), "PUNCH_MARK": (STORES, COPY),
    "RECLAIM": (["relaxed"], DEAD), "AWAITED_LOAD": (LOADS, WAIT), "AWAITED_CAS": (EXCHANGES, WAIT), "WAIT_CURRENT": (LOADS, WAIT),
    "AWAITED_LOOK": (LOADS, WAIT), "WOKEN_CAS": (["relaxed"], WAIT),
    "PIN_MARK_LOAD": (LOADS, MARKS), "GROW_MARK": (LOADS, MARKS), "RAISE_LOOK": (LOADS, MARKS),
    "PIN_MARK_RAISE": (EXCHANGES, MARKS), "LOOK_MARK": (LOADS, MARKS),
    "SLOT_MARK_LOAD": (LOADS, MARKS + MARKS_DEAD), "SLOT_MARK_RAISE": (EXCHANGES, MARKS + MARKS_DEAD),
    "ROW_MARK_LOAD": (LOADS, MARKS_DEAD), "ROW_MARK_RAISE": (EXCHANGES, MARKS_DEAD),
    "RECLAIM_PIN_MARK": (LOADS, MARKS_DEAD), "RECLAIM_SLOT_MARK": (LOADS, MARKS_DEAD),
}
PAIRS = [  # two at once, where one alone does no harm
    ("COPY_CURRENT=relaxed COPY_STAMP=relaxed", COPY), ("STAMP_END=relaxed PUBLISH=acquire", COPY),
    ("LOOK_CURRENT=acquire LOOK_PIN=acquire", PUBLISH), ("CLAIM_CAS=acquire BORROW_CURRENT=relaxed START=relaxed INFO_CURRENT=acquire "
     "INFO_AGAIN=acquire COPY_STAMP=relaxed STAMP_END=relaxed READ_FAST=relaxed READ_CURRENT=relaxed PUNCH_MARK=relaxed",
     PUBLISH + READER + COPY),
    ("SLOT_MARK_LOAD=relaxed SLOT_MARK_RAISE=relaxed ROW_MARK_LOAD=relaxed ROW_MARK_RAISE=relaxed RECLAIM_PIN_MARK=relaxed "
     "RECLAIM_SLOT_MARK=relaxed", MARKS + MARKS_DEAD),
]
STEPS = [  # a step left out or moved
    ("NO_STAMP_BEFORE_PUNCH=1", COPY), ("NOT_ANNOUNCED=1", WAIT), ("NO_LOOK_AFTER_ANNOUNCING=1", WAIT), ("STORES_FIRST=1", ["checked"]),
    ("MARK_BEFORE_CLAIM=1", MARKS), ("MARK_BEFORE_CURRENT=1", MARKS), ("RAISED_AFTER_LOOK=1", MARKS), ("PIN_BEFORE_MARK=1", MARKS_DEAD),
    ("RAISED_BY_STORE=1", MARKS + MARKS_DEAD),
]
CHEAPER = [  # what a borrow, or a Reader's read of a new version, could be made of on x86
    ("publish.c", "SLOTS=2 SETS=2 PIN_CAS=relaxed CLAIM_CAS=relaxed PUBLISH=relaxed LOOK_CURRENT=relaxed LOOK_PIN=relaxed CLAIM_END=relaxed "
     "PIN_END=relaxed STAMP_END=relaxed INFO_TIME=relaxed INFO_COUNT=relaxed", "one full fence, that of the pin's exchange; all else plain"),
    ("publish.c", "SLOTS=2 SETS=2 PIN_AGAIN=release", "the same, but the pin is put on another slot by a plain store"),
    ("reader.c", "SLOTS=2 READ_PIN=release", "an owned pin and a plain store: no fence"),
    ("reader.c", "SLOTS=2 READ_PIN=relaxed READ_EXTRA_FENCE=seq_cst READ_AGAIN=relaxed", "a plain store and a full fence: as slow as an exchange"),
    ("reader.c", "SLOTS=2 READS=3", "a Reader: nothing but a load while the text stays the same"),
    ("copy.c", "SLOTS=2 COPIES=2 COPY_STAMP=relaxed", "a copy: no fence"),
]
X86 = "FILL_FENCE=none COPY_FENCE=none"  # no instructions there, and GenMC's TSO takes a fence of any ordering for a full one


def run(genmc, model, program, definitions, limit=280):
    command = [genmc, "--disable-estimation", "--disable-spin-assume", f"--{model}", "--", "-I."]
    definitions += f" {X86}" if model == "tso" else ""
    command += [f"-D{d}" for d in dict.fromkeys(definitions.split())] + [program]
    begin = time.time()
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        text = output.stdout + output.stderr
    except subprocess.TimeoutExpired:
        return "over time", 0, limit
    executions = re.search(r"executions explored: (\d+)", text)
    fault = re.search(r"Error: (.*)", text)
    said = re.search(r"(Assertion violation: .*)", text)
    verdict = "holds" if "No errors were detected" in text else (said or fault)[1] if said or fault else "FAILED TO RUN " + text[-300:]
    return verdict, int(executions[1]) if executions else 0, time.time() - begin


def wanted(*parts):
    return all(word in " ".join(parts) for word in sys.argv[3:])


def find(genmc, mutants):
    """Prints which configuration finds each mutant; returns those that none has found."""
    missed = []
    for mutant, where in mutants:
        for model in ("rc11", "imm"):
            if not wanted(mutant, model):
                continue
            begin, found = time.time(), "not found"
            for name in where:
                program, definitions = CONFIGURATIONS[name]
                verdict, executions, _ = run(genmc, model, program, f"{definitions} {mutant}", 100)
                if verdict == "over time":
                    found = "not found; over time in " + name
                elif verdict != "holds":
                    found = f"{name}: {verdict} ({executions})"
                    break
            if found.startswith("not found"):
                missed.append(f"{mutant} ({model})")
            print(f"| {mutant} | {model} | {time.time() - begin:.1f} | {found} |", flush=True)
    return missed


def compile_all():
    compilers = [compiler for compiler in ("gcc", "clang", "cc") if shutil.which(compiler)][:2]
    if not compilers:
        sys.exit("check.py: no C compiler: install gcc or clang")
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (program, definitions) in {**CONFIGURATIONS, **LARGE}.items():
            for compiler in compilers:
                binary = f"{folder}/{name}-{compiler}"
                command = [compiler, "-std=c11", "-O2", "-Wall", "-Wno-unused-function", "-Werror", "-pthread"]
                command += [f"-D{d}" for d in definitions.split()]
                if subprocess.run([*command, program, "-o", binary]).returncode or any(
                        subprocess.run([binary]).returncode for _ in range(5)):
                    failed.append(f"{name} ({compiler})")
    if failed:
        sys.exit(f"check.py: failed: {', '.join(failed)}")
    print(f"check.py: {len(CONFIGURATIONS) + len(LARGE)} configurations compile with {' and '.join(compilers)}, and run")


def main():
    if sys.argv[1:] == ["compile"]:
        return compile_all()
    if len(sys.argv) < 3 or sys.argv[2] not in ("programs", "large", "mutants", "steps", "cheaper"):
        sys.exit(__doc__)
    genmc, what = sys.argv[1:3]
    if what in ("programs", "large"):
        for name, (program, definitions) in (CONFIGURATIONS if what == "programs" else LARGE).items():
            for model in ("sc", "tso", "rc11", "imm"):
                if wanted(name, program, definitions, model):
                    verdict, executions, seconds = run(genmc, model, program, definitions)
                    print(f"| {name} | {program} {definitions} | {model} | {executions} | {seconds:.1f} | {verdict} |", flush=True)
    elif what == "mutants":
        find(genmc, [(f"{place}={order}", where) for place, (orders, where) in PLACES.items() for order in orders] + PAIRS)
    elif what == "steps":
        if missed := find(genmc, STEPS):
            sys.exit(f"check.py: not found: {', '.join(missed)}")
    elif what == "cheaper":
        for program, definitions, why in CHEAPER:
            verdict, executions, seconds = run(genmc, "tso", program, definitions)
            print(f"| {program} {definitions} | {why} | {executions} | {seconds:.1f} | {verdict} |", flush=True)


main()
