#!/usr/bin/python3
"""Tests that README, --help, manual page, constants and tests agree on the exit codes of cradle run.

Runs no VM: reads the README's table, and in the tests of this folder which codes they assert.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[2]
failed = False
count = 0


def verdict(name, problem):
    global failed, count
    count += 1
    failed = failed or bool(problem)
    print(f"{'not ' if problem else ''}ok {count} - {name}")
    if problem:
        print(f"# {problem}")


def table():
    """The rows of the README's table: first cell to second."""
    text = (TOP / "README.md").read_text()
    body = text[text.index("| exit code of `cradle run` |"):].split("\n\n")[0]
    return dict(tuple(cell.strip() for cell in line.strip("|").split("|", 1)) for line in body.splitlines()[2:])


def numbers(text):
    """128 itself is only the base of what signals make."""
    return {int(word) for word in re.findall(r"\b1[2-5]\d\b", text)} - {128}


def asserted():
    """The codes that a test asserts, each with the tests' words around it."""
    found = {}
    for file in sorted(HERE.glob("test_*")):
        for line in file.read_text().splitlines():
            # expect NAME CODE, explained NAME CODE and its relatives; killed(SIGNAL, CODE) in Python.
            match = re.match(r'\s*(?:expect|expect_out|explained|guest|hostile|running|early)\s+"[^"]*"\s+(\d+)', line) or \
                re.match(r"\s*command (\d+) ", line) or re.search(r"run\.wait\(\) != (\d+)|killed\(signal\.\w+, (\d+)\)", line)
            if match:
                code = int(next(group for group in match.groups() if group))
                found.setdefault(code, []).append(line)
    return found


def constants():
    text = (TOP / "host-tools/command_table.h").read_text()
    return {int(code) for code in re.findall(r"#define EXIT_\w+\s+(\d+)", text)}


rows, seen = table(), asserted()
documented = set().union(*(numbers(f"{codes} {meaning}") for codes, meaning in rows.items()))
verdict("the README's table was found", "" if len(rows) >= 5 and len(documented) >= 8 else f"only {rows}")
verdict("each code of the table is asserted by a test", ", ".join(map(str, sorted(documented - set(seen)))))
# 128 + n covers the rest: a code from 125 on that is no row of its own must be a signal's that ended the container.
verdict("each code from 125 on that a test asserts is in the table",
        ", ".join(str(code) for code in sorted(seen) if code >= 125 and code not in documented and not (
            "128 + n" in rows and 128 < code < 128 + 65)))
verdict("the constants are rows of the table", ", ".join(map(str, sorted(constants() - documented))))
for name, path, begin, end in (("--help", "host-tools/run/run_help.h", "Exit code:", "Examples:"),
                               ("the manual page", "docs/man/cradle.1", ".SH EXIT STATUS", ".SH FILES")):
    text = (TOP / path).read_text()
    text = text[text.index(begin):text.index(end)]
    missing = constants() | {137}
    verdict(f"{name} names the codes that are cradle's", ", ".join(map(str, sorted(missing - numbers(text)))))
# The words of a row are the words of a failure: 137 has its three reasons, each asserted.
reasons = {"killed for memory": "OOM-killed", "--timeout": "ran longer than --timeout", "SIGTERM": "does not handle SIGTERM"}
tests = "".join(file.read_text() for file in HERE.glob("test_*.sh"))
verdict("137: each reason of the table is said and asserted",
        ", ".join(reason for reason, words in reasons.items() if reason not in rows.get("128 + n", "") or words not in tests))
print(f"1..{count}")
sys.exit(failed)
