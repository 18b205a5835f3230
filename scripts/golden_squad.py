"""Golden scores of SQuAD answers: the official script's figures, written again in Python from what it computes.

Versions: Python 3.11, nothing else (its Unicode tables are those of version 14).

    python scripts/golden_squad.py [--official evaluate-v2.0.py]

Writes tests/golden/squad.json: pairs of answers with their normal forms, exact match and F1; whole data sets with
predictions and, some of them, probabilities of no answer; and the code points that Unicode calls alphabetic though
Python's re does not take them for letters, as `signs`, with some that it does take for letters or digits, as `letters`.

With --official, every figure is held to that of the official script, a copy of which you download yourself.
"""

import argparse
import importlib.util
import json
import random
import re
import string
import sys
import unicodedata
from collections import Counter
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "squad.json"
N_RANDOM_PAIRS, N_RANDOM_SETS = 60, 14

ARTICLE = re.compile(r"\b(?:a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

NASTY_PAIRS = [
    ("", ""),
    ("", "cat"),
    ("cat", ""),
    ("", "the"),
    ("the", ""),
    ("The", "a an the"),
    ("...", ""),
    ("!?", "cat"),
    (" \t\n", ""),
    ("cat", "CAT"),
    ("the cat", "cat"),
    ("The  Cat.", " a cat "),
    ("theatre", "atre"),
    ("an apple a day", "apple day"),
    ("cat the dog", "cat dog"),
    ("A-list", "Alist"),
    ("a.b", "ab"),
    ("a. b", "b"),
    ("the.", ""),
    ("_the_", ""),
    ("t-h-e cat", "cat"),
    ("U.S.A.", "USA"),
    ("the the the cat", "cat"),
    ("cat cat dog", "cat dog dog"),
    ("one two three", "three one four"),
    ("don't", "dont"),
    ("don’t", "dont"),
    ("“the cat”", "cat"),
    ("“the” cat", "“ ” cat"),
    ("the’s", "’s"),
    ("cat—dog", "cat dog"),
    ("cat – dog", "cat dog"),
    ("$5", "5"),
    ("£5", "5"),
    ("1,000", "1000"),
    ("É", "é"),
    ("E\u0301", "É"),
    ("a\u0301 cat", "cat"),
    ("thé", "th"),
    ("the\u0301", "\u0301"),
    ("ß", "ss"),
    ("STRASSE", "straße"),
    ("ẞ", "ß"),
    ("İstanbul", "istanbul"),
    ("İ", "i\u0307"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("ΑΣ. ΑΣΑ Σ", "ας ασα σ"),
    ("a\u00a0cat", "cat"),
    ("new\u00a0york", "new york"),
    ("new\u3000york\u2009city", "new york city"),
    ("new\u200byork", "new york"),
    ("a\u200bb", "b"),
    ("the\u00adcat", "cat"),
    ("new\x1fyork\x1ccity", "new york city"),
    ("new\u0085york\u2028city", "new york city"),
    ("\ufeffcat", "cat"),
    ("中国", "中 国"),
    ("the中", "中"),
    ("the 中", "中"),
    ("中，国。", "中国"),
    ("ａ cat", "cat"),
    ("the：cat", "cat"),
    ("٣", "3"),
    ("the٣", "٣"),
    ("a½", "½"),
    ("aⅧ", "ⅷ"),
    ("a² b", "² b"),
    ("aⒶ", "ⓐ"),
    ("a\u0345", "\u0345"),
    ("a\u093e", "\u093e"),
    ("aः b", "ः b"),
    ("an🄰x", "🄰x"),
    ("a👍 the👍", "👍 👍"),
    ("aª", "ª"),
    ("á an", "á"),
    ("`a` cat", "cat"),
    ("\\the\\", ""),
    ("{a} [an] (the) cat", "cat"),
    ("Ὀδυσσεύς a", "ὀδυσσεύς"),
    ("ǅ ﬁ", "ǆ ﬁ"),
]


def normal(text):
    words = ARTICLE.sub(" ", text.lower().translate(NO_PUNCTUATION)).split()
    return " ".join(words)


def exact(gold, said):
    return int(normal(gold) == normal(said))


def f1(gold, said):
    gold, said = normal(gold).split(), normal(said).split()
    if not gold or not said:
        return int(gold == said)
    shared = (Counter(gold) & Counter(said)).total()
    if shared == 0:
        return 0
    precision, recall = shared / len(said), shared / len(gold)
    return (2 * precision * recall) / (precision + recall)


def best_over_golds(measure, answers, said):
    golds = [answer for answer in answers if normal(answer)] or [""]
    return max(measure(gold, said) for gold in golds)


def best_threshold(scores, case):
    """The highest score of any threshold, and the first probability that reaches it."""
    answerable = {question["id"]: bool(question["answers"]) for question in case["questions"]}
    total = sum(not yes for yes in answerable.values())
    best = (total, 0.0)
    for qid, probability in sorted(case["no_answer"].items(), key=lambda item: item[1]):
        if qid not in scores:
            continue
        if answerable[qid]:
            total += scores[qid]
        elif case["predictions"][qid] != "":
            total -= 1
        if total > best[0]:
            best = (total, probability)
    return 100.0 * best[0] / len(scores), best[1]


def figures(case):
    """The official script's figures of a case whose questions all have predictions."""
    raw = {"exact": {}, "f1": {}}
    for question in case["questions"]:
        for name, measure in [("exact", exact), ("f1", f1)]:
            said = case["predictions"][question["id"]]
            raw[name][question["id"]] = best_over_golds(measure, question["answers"], said)
    answerable = {question["id"]: bool(question["answers"]) for question in case["questions"]}
    probabilities = case.get("no_answer") or dict.fromkeys(answerable, 0.0)
    silent = {qid for qid in answerable if probabilities[qid] > case["threshold"]}
    kept = {
        name: {qid: float(not answerable[qid]) if qid in silent else score for qid, score in scores.items()}
        for name, scores in raw.items()
    }
    found = {}
    for prefix, ids in [
        ("", list(answerable)),
        ("HasAns_", [qid for qid, yes in answerable.items() if yes]),
        ("NoAns_", [qid for qid, yes in answerable.items() if not yes]),
    ]:
        if ids:
            for name in kept:
                found[prefix + name] = 100.0 * sum(kept[name][qid] for qid in ids) / len(ids)
            found[prefix + "total"] = len(ids)
    if "no_answer" in case:
        for name, scores in raw.items():
            found["best_" + name], found[f"best_{name}_thresh"] = best_threshold(scores, case)
    return found


def case(name, rows, no_answer=None, threshold=1.0):
    """Rows are (id, gold answers, prediction)."""
    made = {
        "name": name,
        "questions": [{"id": qid, "answers": answers} for qid, answers, _ in rows],
        "predictions": {qid: said for qid, _, said in rows},
        "threshold": threshold,
    }
    if no_answer is not None:
        made["no_answer"] = no_answer
    made["scores"] = figures(made)
    return made


def nasty_sets():
    two = [("q1", ["cat"], "cat"), ("q2", [], "dog")]
    four = [("q1", ["cat"], "cat"), ("q2", ["big dog"], "dog"), ("q3", [], ""), ("q4", [], "fish")]
    return [
        case("a question with an answer", [("q1", ["cat"], "the cat")]),
        case("a question without", [("q1", [], "")]),
        case("a question without, answered", [("q1", [], "cat")]),
        case("only questions with answers", [("q1", ["cat", "a big cat"], "big cat"), ("q2", ["dog"], "")]),
        case("an article says nothing where there is no answer", [("q1", [], "the"), ("q2", ["x"], "x")], {"q1": 0.1, "q2": 0.2}),
        case("a gold answer that is an article", [("q1", ["the"], ""), ("q2", ["a", "cat"], "")]),
        case("gold answers that normalise to nothing", [("q1", ["...", " "], "the"), ("q2", ["..."], "x")]),
        case("the threshold is exclusive", four, {"q1": 0.5, "q2": 0.5, "q3": 0.4, "q4": 0.6}, 0.5),
        case("everything above the threshold", four, {"q1": 2, "q2": 2, "q3": 2, "q4": 2}),
        case("a threshold of logits", four, {"q1": -9.5, "q2": -2.75, "q3": -2.5, "q4": 8}, -2.75),
        case("ties in the file's order", four, {"q4": 0.5, "q2": 0.5, "q1": 0.5, "q3": 0.5}),
        case("ties in another order", four, {"q1": 0.5, "q2": 0.5, "q3": 0.5, "q4": 0.5}),
        case("nothing beats silence", [("q1", ["cat"], "dog"), ("q2", [], "x")], {"q1": -5.5, "q2": -3}),
        case("an equal score does not move the threshold", four + [("q5", [], "x"), ("q6", ["y"], "y")], {"q1": 0.1, "q4": 0.2, "q6": 0.3, "q5": 0.4, "q2": 0.9, "q3": 0.95}),
        case("all probabilities are 0", four, dict.fromkeys(["q1", "q2", "q3", "q4"], 0)),
        case("zero and negative zero", four, {"q1": 0.0, "q4": -0.0, "q2": 0.0, "q3": -0.0}),
        case("probabilities of questions that are not there", two, {"x": 0.1, "q2": 0.3, "q1": 0.2, "y": -1}),
        case("sums that depend on their order", [(f"q{i}", ["b c d e f g h"], "b " * (i % 3) + "c d"[: i % 4] + " z") for i in range(9)], {f"q{i}": (i * 5 % 9) / 8 for i in range(9)}),
    ]


WORDS = "the a an A The AN cat cats, cat dog. Dog U.S. don't don’t an-other é É ß STRASSE İstanbul “the” the’s naïve 中 中国 ， 。 ٣ ½ — $5 1,000 a\u0301 \u0345 Ⓐ _a_ the_ \u200b x y".split(" ")
SPACES = [" ", " ", " ", " ", "  ", "\u00a0", "\t", "\u2009", "\u3000", "\x1f", ""]


def phrase(draw, n):
    return "".join(draw.choice(WORDS) + draw.choice(SPACES) for _ in range(n))


def near(draw, gold):
    """The words of an answer, some of them lost or replaced."""
    words = [word for word in gold.split(" ") if draw.random() < 0.8]
    return " ".join(draw.choice(WORDS) if draw.random() < 0.2 else word for word in words)


def random_set(draw, i):
    rows = []
    for q in range(draw.randint(3, 14)):
        golds = [] if draw.random() < 0.4 else [phrase(draw, draw.randint(1, 4)) for _ in range(draw.randint(1, 3))]
        said = "" if draw.random() < 0.3 else near(draw, draw.choice(golds or ["x the"]))
        rows.append((f"q{q}", golds, said))
    ids = [qid for qid, _, _ in rows]
    draw.shuffle(ids)
    probabilities = {qid: draw.choice([draw.randint(-2, 4) / 4, draw.randint(-9, 9)]) for qid in ids}
    return case(f"random {i}", rows, probabilities if i % 4 else None, draw.choice([1.0, 0.5, -2.75]))


def is_letter(character):
    return re.fullmatch(r"\w", character) is not None


def signs():
    """Ranges of marks and symbols; in Unicode 14 no other category holds what is alphabetic but no letter or number."""
    ranges = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "So"):
            assert not is_letter(chr(code))
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return ranges


def letters(draw):
    """A sample of what is a letter or a number, from every category of either."""
    by_category = {}
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category[0] in "LN":
            assert is_letter(chr(code))
            by_category.setdefault(category, []).append(code)
    return sorted(code for codes in by_category.values() for code in draw.sample(codes, min(40, len(codes))))


def check_against(path, pairs, sets):
    """Holds every figure to that of the official script."""
    spec = importlib.util.spec_from_file_location("official", path)
    official = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(official)
    for pair in pairs:
        gold, said = pair["gold"], pair["prediction"]
        assert official.normalize_answer(gold) == pair["normal_gold"], pair
        assert official.normalize_answer(said) == pair["normal_prediction"], pair
        assert official.compute_exact(gold, said) == pair["exact"], pair
        assert official.compute_f1(gold, said) == pair["f1"], pair
    for one in sets:
        qas = [{"id": q["id"], "answers": [{"text": text} for text in q["answers"]]} for q in one["questions"]]
        dataset, said = [{"paragraphs": [{"qas": qas}]}], one["predictions"]
        has = official.make_qid_to_has_ans(dataset)
        probabilities = one.get("no_answer") or dict.fromkeys(has, 0.0)
        raw = official.get_raw_scores(dataset, said)
        kept = [official.apply_no_ans_threshold(scores, probabilities, has, one["threshold"]) for scores in raw]
        found = official.make_eval_dict(*kept)
        for prefix, kind in [("HasAns", True), ("NoAns", False)]:
            ids = [qid for qid in has if has[qid] == kind]
            if ids:
                official.merge_eval(found, official.make_eval_dict(*kept, qid_list=ids), prefix)
        if "no_answer" in one:
            official.find_all_best_thresh(found, said, *raw, probabilities, has)
        assert dict(found) == one["scores"], (one["name"], found, one["scores"])
    print(f"the official script agrees on {len(pairs)} pairs and {len(sets)} data sets")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--official", help="the official evaluate-v2.0.py")
    arguments = parser.parse_args()
    draw = random.Random(23)
    golds = [phrase(draw, draw.randint(1, 5)) for _ in range(N_RANDOM_PAIRS)]
    pairs = [
        {
            "gold": gold,
            "prediction": said,
            "normal_gold": normal(gold),
            "normal_prediction": normal(said),
            "exact": exact(gold, said),
            "f1": f1(gold, said),
        }
        for gold, said in NASTY_PAIRS + [(gold, near(draw, gold)) for gold in golds]
    ]
    sets = nasty_sets() + [random_set(draw, i) for i in range(N_RANDOM_SETS)]
    if arguments.official:
        check_against(arguments.official, pairs, sets)
    made_by = f"scripts/golden_squad.py, Python {sys.version.split()[0]}, Unicode {unicodedata.unidata_version}"
    compact = lambda value: json.dumps(value, separators=(",", ":"))
    block = lambda values: ",\n".join(map(compact, values))
    parts = [
        f'{{"made_by": {compact(made_by)}',
        f'"pairs": [\n{block(pairs)}\n]',
        f'"sets": [\n{block(sets)}\n]',
        f'"signs": {compact(signs())}',
        f'"letters": {compact(letters(draw))}}}',
    ]
    text = ",\n".join(parts) + "\n"
    OUT.write_text(text, encoding="ascii")
    print(f"{len(pairs)} pairs, {len(sets)} data sets, {len(text)} bytes")


if __name__ == "__main__":
    main()
