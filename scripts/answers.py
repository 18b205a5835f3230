#!/usr/bin/env python3
"""README's table of answers, from the committed reports.

Reads the table of contrasts of every reports/*/*/report.md and writes a table between the marks
`<!-- answers:begin -->` and `<!-- answers:end -->` of README.md: the primary contrast of every report, and the others
that are decided. Nothing in the table is computed here.

Needs: Python 3.9 or later, nothing else.
Run:   python scripts/answers.py            writes the table
       python scripts/answers.py --check    exits with 1 if README.md has another table
"""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = "<!-- answers:begin -->\n", "<!-- answers:end -->"
TABLE = re.compile(r"^\| contrast +\| measure .*\n\|[ :|-]+\n(?P<rows>(?:\|.*\n)+)", re.MULTILINE)
COLUMNS = 8


def contrasts(path):
    """The rows of a report's table of contrasts, the primary one first; a report without it is an error."""
    with open(path, encoding="utf-8") as file:
        match = TABLE.search(file.read())
    if match is None:
        sys.exit(f"{path}: there is no table of contrasts")
    rows = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in match["rows"].splitlines()]
    if any(len(row) != COLUMNS for row in rows):
        sys.exit(f"{path}: a row of the table of contrasts has not {COLUMNS} cells")
    return rows


def answers(path):
    """The rows of README's table that a report gives."""
    name, profile = path.split("/")[1:3]
    for index, (claim, measure, difference, interval, n, _, holm, word) in enumerate(contrasts(os.path.join(ROOT, path))):
        if index > 0 and word == "open":
            continue
        cells = [f"[`{name}`, {profile}]({path})", claim, measure, f"{difference}, {interval}", n, holm, f"**{word}**"]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def table():
    """The whole table."""
    listed = subprocess.run(["git", "ls-files", "reports/*/*/report.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    head = "| experiment, profile | claim | measure | difference, 95 % interval | n | p (Holm) | verdict |\n"
    head += "| --- | --- | --- | --- | ---: | ---: | --- |\n"
    return head + "".join(row for path in sorted(listed.stdout.split()) for row in answers(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if README.md differs")
    arguments = parser.parse_args()
    readme = os.path.join(ROOT, "README.md")
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit("README.md: the marks answers:begin and answers:end must stand there once each")
    head, rest = text.split(BEGIN)
    wanted = head + BEGIN + table() + END + rest.split(END)[1]
    if arguments.check and wanted != text:
        sys.exit("README.md: the table of answers differs from the reports; run python scripts/answers.py")
    if not arguments.check:
        with open(readme, "w", encoding="utf-8") as file:
            file.write(wanted)


if __name__ == "__main__":
    main()
