"""Golden training examples: ELECTRA's packing of a few documents, written again in Python from its rules.

Versions: Python 3.9 or later, nothing else (no torch, no transformers).

    python scripts/golden_packing.py

Writes tests/golden/packing.json. The random numbers are given: `draws` holds integers k of uniform numbers k / 2**53, so
that no digit is lost. A document takes them in order from its `first_draw` on, and `n_draws` of them.

A document is a list of line lengths; its tokens are 10, 11, 12, ... through all lines. The rules are those of
google-research/electra's build_pretraining_dataset.py with one documented difference: the target length begins anew with
each document, so none is drawn after an example that the end of the document made.
"""

import json
import math
import random
from collections import Counter
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "packing.json"
CLS, SEP = 2, 3
FIRST_TOKEN = 10
N_DRAWS = 800


def documents():
    lengths = random.Random(29)
    some = lambda n, low, high: [lengths.randint(low, high) for _ in range(n)]
    return {
        "six lines": [7, 4, 9, 3, 12, 5],
        "short lines": some(120, 1, 5),
        "middling lines": some(160, 3, 12),
        "long lines": some(40, 10, 40),
        "lines longer than any example": [50, 3, 70, 2, 33, 90],
        "one short line": [4],
        "one long line": [45],
        "a line of one token": [1],
        "one token a line": [1] * 90,
        "lines of nothing among others": [0, 5, 0, 0, 7, 12, 0, 3, 0, 20, 0],
        "only lines of nothing": [0, 0, 0],
        "no line": [],
        "lines that fill an example exactly": [16, 16, 8, 8, 13, 3, 32, 10, 6],
    }


class Draws:
    """Uniform numbers in the order in which the rules ask for them."""

    def __init__(self, numbers, position):
        self.numbers, self.position, self.n_used = numbers, position, 0

    def uniform(self):
        number = self.numbers[(self.position + self.n_used) % len(self.numbers)]
        self.n_used += 1
        return number / 2**53

    def integer(self, low, high):
        return low + math.floor(self.uniform() * (high - low + 1))


def deal(sentences, target, draws, seen):
    """The two segments, before they are trimmed."""
    if draws.uniform() < 0.1:
        seen["single segment"] += 1
        limit = 100_000
    else:
        limit = (target - 3) // 2
    segments = ([], [])
    for sentence in sentences:
        first, second = segments
        if not first:
            to = 0
        elif len(first) + len(sentence) < limit:
            to = 0
            seen["returned to the first segment"] += bool(second)
        elif not second and len(first) < limit:
            to = 0 if draws.uniform() < 0.5 else 1
            seen[f"coin to segment {to}"] += 1
        else:
            to = 1
        segments[to].extend(sentence)
    return segments


def finish(first, second, max_length, seen):
    room_first = max_length - 2
    seen["first segment trimmed"] += len(first) > room_first
    first = first[:room_first]
    room_second = max(0, max_length - len(first) - 3)
    if len(second) > room_second:
        seen["second segment trimmed" if room_second else "second segment dropped"] += 1
    second = second[:room_second]
    ids = [CLS, *first, SEP]
    types = [0] * len(ids)
    if second:
        ids += [*second, SEP]
        types += [1] * (len(second) + 1)
    return {"ids": ids, "types": types}


def pack(lines, max_length, draws, seen):
    examples, pending, target = [], [], max_length
    for line in lines:
        pending.append(line)
        if sum(map(len, pending)) >= target:
            examples.append(finish(*deal(pending, target, draws, seen), max_length, seen))
            pending = []
            if draws.uniform() < 0.05:
                target = draws.integer(5, max_length)
                seen["random length"] += 1
            else:
                target = max_length
    if any(pending):
        examples.append(finish(*deal(pending, target, draws, seen), max_length, seen))
        seen["made by the end of a document"] += 1
    return examples


def main():
    source = random.Random(2020)
    numbers = [int(source.random() * 2**53) for _ in range(N_DRAWS)]
    cases, position = [], 0
    for max_length in (16, 32):
        seen = Counter()
        for name, lengths in documents().items():
            ids = iter(range(FIRST_TOKEN, FIRST_TOKEN + sum(lengths)))
            lines = [[next(ids) for _ in range(n)] for n in lengths]
            draws = Draws(numbers, position)
            examples = pack(lines, max_length, draws, seen)
            place = {"first_draw": position, "n_draws": draws.n_used}
            cases.append({"name": name, "max_length": max_length, "lengths": lengths, **place, "examples": examples})
            position = (position + draws.n_used) % N_DRAWS
        print(f"{max_length}: {dict(seen)}")
        events = ["single segment", "random length", "coin to segment 0", "coin to segment 1", "first segment trimmed"]
        events += ["second segment trimmed", "second segment dropped", "returned to the first segment"]
        assert all(seen[event] > 1 for event in events), "an event is rare: take another seed"
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.write_text(f'{{"made_by": "scripts/golden_packing.py",\n"draws": {json.dumps(numbers)},\n"cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {sum(len(case['examples']) for case in cases)} examples")


if __name__ == "__main__":
    main()
