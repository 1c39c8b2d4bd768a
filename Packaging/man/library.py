"""The page of the C library, from the comments of sharedmem.h."""

import re
import textwrap

from mdoc import literal, prose, word

LIBRARY = "libsharedmem"


def page(header):
    """The lines of the page."""
    introduction, declarations = header.split("#ifndef SHAREDMEM_H", 1)
    introduction = uncomment(introduction, "//")
    summary, rest = introduction.split("\n\n", 1)
    yield from [".Sh NAME", f".Nm {LIBRARY}", f".Nd {word(summary.split(': ', 1)[1].rstrip('.'))}"]
    yield from [".Sh SYNOPSIS", ".In sharedmem.h", ".Pp", "Link with", ".Fl lSharedMem ."]
    yield from [".Sh DESCRIPTION", *comment(re.split(r"\n\n[A-Z]{3,}\. ", rest)[0].replace("Link with -lSharedMem. ", ""))]
    for title, text in re.findall(r"^([A-Z]{3,})\. (.*?)(?=\n\n[A-Z]{3,}\. |\Z)", rest, re.DOTALL | re.MULTILINE):
        yield from [f".Sh {title}", *comment(text)]
    yield from interface(declarations)
    yield from [".Sh SEE ALSO", ".Xr sharedmem 1"]


def interface(declarations):
    """A section for each `MARK`, and in it a subsection for each documented declaration."""
    for block in re.split(r"\n\s*\n(?=//|typedef|#define)", declarations.split('extern "C" {', 1)[1]):
        block = block.removeprefix("#endif\n").strip("\n")
        if block.startswith("// MARK: "):
            title, _, text = uncomment(block, "//").partition("\n")
            yield from [f".Sh {word(title.removeprefix('MARK: ').upper())}", *comment(text)]
        elif block.startswith("///"):
            # Neighbours without an empty line between them, such as the flags, are declarations of their own.
            for text, declaration in re.findall(r"((?:///[^\n]*\n)+)((?:(?!///)[^\n]*(?:\n|\Z)|(?<=\n)    ///[^\n]*\n)+)", block):
                yield from [f".Ss {word(name(declaration))}", *literal(folded(declaration.rstrip()))]
                yield from comment(uncomment(text, "///"))
        elif block.startswith(("typedef", "#define")) and "SHAREDMEM_H" not in block:
            yield from [f".Ss {word(name(block))}", *literal(folded(block))]


def name(declaration):
    """What a declaration declares."""
    return re.search(r"#define (\w+)|typedef struct \w+ (\w+);|typedef struct (\w+)|(\w+)\(", declaration).expand(
        r"\1\2\3\4")


def folded(declaration):
    """The lines of a declaration, for a terminal of 80 columns."""
    if declaration.startswith("#"):
        return declaration.splitlines()
    if not declaration.startswith("typedef"):
        return textwrap.wrap(" ".join(declaration.split()).replace("( ", "("), 66, subsequent_indent="    ")
    lines = []
    for each in re.findall(r"(?:^ *///.*\n)+|.*\n", declaration + "\n", re.MULTILINE):
        is_comment = each.lstrip().startswith("///")
        comment = " ".join(each.replace("///", "").split())
        lines += textwrap.wrap(comment, 66, initial_indent="    // ", subsequent_indent="    // ") if is_comment else [each[:-1]]
    return lines


def uncomment(text, mark):
    """The text of a comment."""
    return "\n".join(re.sub(rf"^{mark} ?", "", each) for each in text.strip().splitlines())


def comment(text):
    """A comment's paragraphs; indented lines are an example, or a list of errors."""
    lines, first = text.strip("\n").splitlines(), True
    for is_indented, group in groups(lines):
        if is_indented and re.match(r"E[A-Z]+(, E[A-Z]+)*(   |$)", group[0]):
            yield from errors(group)
        elif is_indented:
            yield from literal(group)
        else:
            yield from ([] if first else [".Pp"])
            yield from prose("\n".join(group))
        first = False


def groups(lines):
    """Neighbouring lines that are indented, without their indentation, or that are not."""
    group, kind = [], False
    for each in [*lines, ""]:
        is_indented = each.startswith("    ")
        if group and (not each.strip() or is_indented != kind):
            yield kind, group
            group = []
        if each.strip():
            kind = is_indented
            group.append(each[4:] if is_indented else each)


def errors(lines):
    """A list of errors; a line that begins with blanks continues the one before."""
    yield ".Bl -tag -width EOWNERDEAD"
    for each in lines:
        if each.startswith(" "):
            yield from prose(each)
        else:
            codes, _, meaning = re.match(r"(E[A-Z]+(?:, E[A-Z]+)*)(\s+|$)(.*)", each).groups()
            yield ".It " + " , ".join(f"Er {code}" for code in codes.split(", "))
            if meaning:
                yield from prose(meaning)
    yield ".El"
