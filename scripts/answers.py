#!/usr/bin/env python3
"""README's table of answers, from the committed reports.

Reads reports/*/small/report.md (question, expectation, verdict) and paper.csv beside it (the paper's values or ranks
and ours), and writes the table between the marks `<!-- answers:begin -->` and `<!-- answers:end -->` of README.md.
Nothing in the table is computed here. The paper's order has signs, `>` and `=`. Ours has none, since the verdict alone
says whether a difference is more than the seeds explain.

Needs: Python 3.9 or later, nothing else.
Run:   python scripts/answers.py            writes the table
       python scripts/answers.py --check    exits with 1 if README.md has another table
"""

import argparse
import csv
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = "<!-- answers:begin -->\n", "<!-- answers:end -->"
# The first row of the table of contrasts, which is the primary one.
CONTRAST = re.compile(
    r"^\| contrast .*\n\|[ :|-]+\n\| (?P<name>.+?) +\| (?P<measure>.+?) +\| +(?P<difference>\S+) \| +(?P<interval>.+?) "
    r"\| +(?P<n>.+?) \| +(?P<p>.+?) \| +(?P<holm>.+?) \| (?P<word>\w+) +\|$",
    re.MULTILINE,
)


def found(pattern, text, path):
    """What a pattern finds in a report; a report without it is an error."""
    match = re.search(pattern, text)
    if match is None:
        sys.exit(f"{path}: nothing fits {pattern if isinstance(pattern, str) else pattern.pattern}")
    return match


def by_rank(rows):
    """The paper's rows from the best to the worst, those that are level joined by `=`."""
    groups = {}
    for row in rows:
        text = f"{row['row']}: {float(row['paper']):.1f}" if row["paper"] else row["row"]
        groups.setdefault(float(row["paper_rank"]), []).append(text)
    return " > ".join(" = ".join(groups[rank]) for rank in sorted(groups))


def by_mean(rows):
    """Our rows from the highest to the lowest mean."""
    rows = sorted(rows, key=lambda row: -float(row["measured"]))
    return ", ".join(f"{row['row']}: {float(row['measured']):.2f}" for row in rows)


def answer(path):
    """A report as one row of the table."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(os.path.dirname(path), "paper.csv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    name = found(r"^# (\w+): ", text, path)[1]
    claim = found(r"\*\*Expected\.\*\* (.*?)(?:; the best mean|; planned contrasts|\.\n| \([A-Z])", text, path)[1]
    contrast = found(CONTRAST, text, path)
    link = os.path.relpath(path, ROOT).replace(os.sep, "/")
    cells = [
        f"{claim} ({rows[0]['source']})",
        by_rank(rows),
        by_mean(rows),
        contrast["n"],
        f"[{contrast['word']}]({link}): {contrast['name']}, {contrast['difference']}, 95 % interval {contrast['interval']}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in [f"`{name}`: {cells[0]}", *cells[1:]]) + " |\n"


def table():
    """The whole table."""
    paths = sorted(glob.glob(os.path.join(ROOT, "reports", "*", "small", "report.md")))
    head = "| claim | paper | our means, from the highest | n | verdict on the primary contrast |\n| --- | --- | --- | ---: | --- |\n"
    return head + "".join(answer(path) for path in paths)


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
