"""What is done with a code block of each language. A block of any other language is a fault."""
import json
import re
import subprocess
import threading

from blocks import FRAGMENT, ROOT
from stage import INSTANCE, first_line

# From Tests/Service, where Scripts/proxies has them, too.
from checks import Wrong
from proxy_commands import PROXIES
from proxy_document import ENCRYPTED, PASSED, PLAIN, TLS, configuration

# Scripts/examples builds and runs these; Tests/Documented/generate finds them.
ELSEWHERE = {"swift"}


def check(stage, block):
    """Yields each step of a block's check, and what is wrong with it: nothing if all is well."""
    notes = block.notes
    if "first" in notes:
        stage.run(notes["first"])
    if "server" in notes:
        stage.serve(*notes["server"].split())
    if "file" in notes:
        stage.directory.joinpath(notes["file"]).write_text(block.text)
    if check_kind := KINDS.get(block.language):
        yield from check_kind(stage, block)
    elif block.document == "docs/proxies.md":
        yield from proxy(block)
    elif block.language in ELSEWHERE:
        pass
    elif "then" not in notes:
        yield block.language or "no language", "nothing checks a block of this language"
    if "then" in notes:
        yield notes["then"], stage.fails(notes["then"])


def proxy(block):
    """Is a configuration, or a change to one, with which Scripts/proxies runs a proxy."""
    name, *form = block.language.removeprefix("diff ").split()
    if name not in PROXIES or form and form[0] not in (TLS, ENCRYPTED, PASSED):
        yield block.language, "Scripts/proxies runs no such proxy"
        return
    try:
        yield block.language, None if configuration(name, form[0] if form else PLAIN) else "Scripts/proxies does not find it"
    except Wrong as error:
        yield block.language, str(error)


# MARK: Commands

def console(stage, block):
    """Each command prints what the block shows."""
    examples = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    for index, example in enumerate(examples):
        command, _, expected = example.partition("\n")
        while command.endswith("\\"):
            line, _, expected = expected.partition("\n")
            command += f"\n{line}"
        timer = None
        if "meanwhile" in block.notes and index == len(examples) - 1:
            timer = threading.Timer(0.5, stage.run, [block.notes["meanwhile"]])
            timer.start()
        actual = stage.run(command)
        if timer:
            timer.join()
        yield command, differs(expected, actual, "keys" in block.notes)


def sh(stage, block):
    """Each command succeeds: a server listens, and what would take long is only checked for its syntax."""
    for command in block.text.splitlines():
        if not command:
            continue
        if "background" in block.notes:
            yield command, stage.keep_running(command)
        else:
            yield command, succeeds(stage, command)


def succeeds(stage, command):
    command = re.sub(r"\s+#.*", "", command.removeprefix("sudo "))
    if command.startswith(("docker ", "kubectl ")):
        return None
    if re.match(r"sharedmem( serve|$)", command):
        return serves(stage, command)
    if command.startswith("Models/"):
        return None if (ROOT / command.split()[0]).is_file() else "there is no such file"
    command = re.sub(r"^make\b", f"make --dry-run --directory '{ROOT}'", command)
    command = re.sub(r"^bash ", f"bash -n '{ROOT}'/", command)
    command = re.sub(r"^curl\b", "curl --fail", command)
    return stage.fails(command, SHAREDMEM_LISTEN="127.0.0.1:0")


def serves(stage, command):
    """What is wrong with a server's command line; nothing if the server listens."""
    command = command.replace(":8080", ":0")
    server = subprocess.Popen(["bash", "-c", f"exec {command}"], text=True,
                              stdout=subprocess.PIPE, env={**stage.environment, "SHAREDMEM_LISTEN": "127.0.0.1:0"},
                              cwd=stage.directory)
    line = first_line(server)
    server.terminate()
    server.stdout.close()
    status = server.wait(30)
    return None if line.startswith("listening on ") and status == 0 else f"status {status}, printed: {line}"


def normal(text):
    text = INSTANCE.sub("INSTANCE", text)
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "DATE", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def differs(expected, actual, keys=False):
    expected, actual = normal(expected), normal(actual)
    if keys:
        found = {line.split()[0] for line in actual if line.strip()}
        missing = [line for line in expected if line.strip() and not line.startswith(" ") and line.split()[0] not in found]
        return f"no line begins like: {missing}" if missing else None
    if "…" not in expected:
        return None if expected == actual else f"expected: {expected}\n  printed: {actual}"
    rest = iter(actual)
    missing = [line for line in expected if line and line != "…" and line not in rest]
    return f"missing: {missing}\n  printed: {actual}" if missing else None


# MARK: Programs

def c(stage, block):
    """Compiles without a warning and, unless it is a file that a later command builds, runs."""
    flags = "-Wall -Wextra -Werror $(pkg-config --cflags sharedmem)"
    if "file" in block.notes:
        yield block.notes["file"], stage.fails(f"cc -fsyntax-only {flags} {block.notes['file']}")
        return
    stage.directory.joinpath("example.c").write_text(block.text)
    yield "cc example.c", stage.fails(f"cc {flags} example.c -o example $(pkg-config --libs sharedmem)")
    yield from runs(stage, block, "./example")


def c_fragment(stage, block):
    """Compiles without a warning in a function that has a `segment`."""
    stage.directory.joinpath("fragment.c").write_text(
        "#include <sharedmem.h>\n#include <stdio.h>\n\nvoid example(sharedmem_t *segment);\n"
        f"void example(sharedmem_t *segment) {{\n(void)segment;\n{{\n{block.text}}}\n}}\n")
    yield "cc fragment.c", stage.fails("cc -fsyntax-only -Wall -Wextra -Werror $(pkg-config --cflags sharedmem) fragment.c")


def python(stage, block):
    """Runs, unless it is a file that a later command uses."""
    if "file" in block.notes:
        yield block.notes["file"], stage.fails(f"python3 -c 'compile(open(\"{block.notes['file']}\").read(), \"\", \"exec\")'")
        return
    stage.directory.joinpath("example.py").write_text(block.text)
    yield from runs(stage, block, "python3 example.py")


def runs(stage, block, command):
    """The program succeeds, and prints what the note says."""
    if "prints" in block.notes:
        yield command, differs(block.notes["prints"], stage.run(command))
    else:
        yield command, stage.fails(command)


def js(stage, block):
    """Is a valid script: it may use what only a browser has."""
    stage.directory.joinpath("example.js").write_text(block.text)
    yield "node --check", stage.fails("node --check example.js")


# MARK: Data

def json_lines(_, block):
    """Is a JSON value, or one in each line."""
    for text in [block.text] if block.text.startswith(("{\n", "[\n")) else block.text.splitlines():
        try:
            json.loads(text)
        except ValueError as error:
            yield text, str(error)
        else:
            yield text, None


def yaml(stage, block):
    """Is valid YAML, without an anchor or a tag that is not defined."""
    stage.directory.joinpath("example.yaml").write_text(block.text)
    python3 = ROOT / ".build/venv/bin/python3"
    yield "yaml", stage.fails(f"'{python3}' -c 'import yaml; list(yaml.safe_load_all(open(\"example.yaml\")))'")


KINDS = {"console": console, "sh": sh, "c": c, FRAGMENT: c_fragment, "python": python, "js": js, "json": json_lines, "yaml": yaml}
