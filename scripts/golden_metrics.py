"""Golden values of GLUE's metrics: what scikit-learn and SciPy make of random and of nasty predictions.

Versions: pip install scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6

    python scripts/golden_metrics.py

Writes tests/golden/metrics.json. A case of classes holds labels and predictions as strings of one digit an example and
its accuracy, Matthews correlation and, of two classes, F1. A case of scores holds numbers and its Pearson and Spearman
correlations. null stands for nan, and for an input that the reference refuses.
"""

import json
import math
import random
import warnings
from pathlib import Path

import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "metrics.json"
N_RANDOM_CLASSES, N_RANDOM_SCORES = 140, 110

NASTY_CLASSES = {
    "no example": ("", ""),
    "one example, hit": ("1", "1"),
    "one example, missed": ("1", "0"),
    "one example of class 0, hit": ("0", "0"),
    "one example of class 0, missed": ("0", "1"),
    "two examples, hit": ("01", "01"),
    "two examples, missed": ("01", "10"),
    "all of class 1, all hit": ("1111", "1111"),
    "all of class 0, all hit": ("0000", "0000"),
    "all of class 1, all missed": ("1111", "0000"),
    "all of class 0, all missed": ("0000", "1111"),
    "labels constant at 1": ("11111", "10101"),
    "labels constant at 0": ("00000", "10101"),
    "predictions constant at 1": ("10101", "11111"),
    "predictions constant at 0": ("10101", "00000"),
    "one positive in 300, never predicted": ("1" + "0" * 299, "0" * 300),
    "one positive in 300, hit": ("0" * 299 + "1", "0" * 299 + "1"),
    "one positive in 300, one false alarm": ("0" * 299 + "1", "1" + "0" * 298 + "1"),
    "one negative in 300, missed": ("0" + "1" * 299, "1" * 300),
    "anticorrelated": ("0011" * 20, "1100" * 20),
    "independent": ("0011" * 25, "0101" * 25),
    "three classes, all hit": ("012012", "012012"),
    "three classes, all missed": ("012012", "120120"),
    "three classes, constant": ("012012", "000000"),
    "three classes, one never a label": ("010101", "012012"),
    "three classes, one never predicted": ("012012", "010101"),
    "classes with a gap": ("0202", "0220"),
    "two classes that are not 0 and 1": ("5959", "5995"),
    "ten classes": ("0123456789" * 3, "0123456798" * 3),
}

NASTY_SCORES = {
    "no example": ([], []),
    "one example": ([1.5], [2.5]),
    "two examples, rising": ([1, 2], [3, 5]),
    "two examples, falling": ([1, 2], [5, 3]),
    "two examples, predictions tied": ([1, 2], [3, 3]),
    "labels constant": ([2, 2, 2, 2], [1, 2, 3, 4]),
    "predictions constant": ([1, 2, 3, 4], [2, 2, 2, 2]),
    "both constant": ([1, 1, 1], [2, 2, 2]),
    "constant at a number that no mean hits": ([1, 2, 3], [0.1, 0.1, 0.1]),
    "constant at 0.3 over 7": ([1, 2, 3, 4, 5, 6, 7], [0.3] * 7),
    "nan among predictions": ([1, 2, 3], [1, None, 3]),
    "nan among labels": ([1, None, 3], [1, 2, 3]),
    "equal": ([1, 2, 3, 5], [1, 2, 3, 5]),
    "opposite": ([1, 2, 3, 5], [-1, -2, -3, -5]),
    "a line on another scale": ([0, 1.25, 2.5, 5], [0, 0.25, 0.5, 1]),
    "labels of 0 to 5 and predictions of 0 to 1, clipped": ([0, 1, 2, 3, 4, 5], [0, 0, 0.4, 0.6, 1, 1]),
    "all labels tied but one": ([0] * 20 + [5], list(range(21))),
    "all predictions tied but the first": (list(range(10)), [9] + [1] * 9),
    "two tied groups, crosswise": ([0, 0, 5, 5], [0, 5, 0, 5]),
    "two tied groups, alike": ([0, 0, 5, 5], [1, 1, 2, 2]),
    "ties at both ends": ([1, 1, 2, 3, 4, 4], [4, 4, 3, 2, 2, 1]),
    "zero and negative zero": ([1, 2, 3, 4], [0.0, -0.0, 1, -1]),
    "a far outlier": ([1, 2, 3, 4, 5], [1, 2, 3, 4, 1e9]),
    "close together far from zero": ([1, 2, 3], [1e7, 1e7 + 0.001, 1e7 + 0.003]),
    "very large": ([1, 2, 3], [1e200, -1e200, 3e200]),
    "very small": ([1, 2, 4], [1e-300, 2e-300, 5e-300]),
    "negative": ([-5, -4, -1, -3], [-2.5, -2, -8, -1]),
    "long runs of ties": ([i // 30 for i in range(150)], [i // 50 for i in range(150)]),
}


def of(metric, labels, predictions):
    """The reference's value, or None where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = float(metric(labels, predictions))
    except ValueError:
        return None
    return None if math.isnan(value) else value


def case_of_classes(name, labels, predictions):
    gold, said = [int(c) for c in labels], [int(c) for c in predictions]
    case = {
        "name": name,
        "labels": labels,
        "predictions": predictions,
        "accuracy": of(accuracy_score, gold, said),
        "matthews": of(matthews_corrcoef, gold, said),
    }
    if set(gold + said) <= {0, 1}:
        case["f1"] = of(f1_score, gold, said)
    return case


def case_of_scores(name, labels, predictions):
    gold, said = ([math.nan if v is None else float(v) for v in side] for side in (labels, predictions))
    return {
        "name": name,
        "labels": labels,
        "predictions": predictions,
        "pearson": of(lambda x, y: pearsonr(x, y).statistic, gold, said),
        "spearman": of(lambda x, y: spearmanr(x, y).statistic, gold, said),
    }


def size(draw):
    """From 2 to 300, small ones as often as large ones."""
    return round(math.exp(draw.uniform(math.log(2), math.log(300))))


def random_classes(draw):
    n, n_classes = size(draw), draw.choice([2, 2, 2, 3, 4, 7])
    weights = [draw.random() ** draw.choice([0, 1, 4]) + 1e-3 for _ in range(n_classes)]
    gold = draw.choices(range(n_classes), weights, k=n)
    skill = draw.random()
    said = [g if draw.random() < skill else draw.randrange(n_classes) for g in gold]
    return "".join(map(str, gold)), "".join(map(str, said))


def random_scores(draw):
    n = size(draw) if draw.random() < 0.4 else draw.randint(2, 40)
    steps, noise = draw.choice([1, 2, 5, 20]), draw.choice([0.1, 1, 5])
    gold = [round(draw.uniform(0, 5) * steps) / steps for _ in range(n)]
    said = [round(draw.choice([1, 1, -1]) * g + draw.gauss(0, noise), draw.choice([0, 1, 2])) for g in gold]
    return [round(g, 2) for g in gold], said


def main():
    draw = random.Random(17)
    classes = [case_of_classes(name, *sides) for name, sides in NASTY_CLASSES.items()]
    scores = [case_of_scores(name, *sides) for name, sides in NASTY_SCORES.items()]
    classes += [case_of_classes(f"random {i}", *random_classes(draw)) for i in range(N_RANDOM_CLASSES)]
    scores += [case_of_scores(f"random {i}", *random_scores(draw)) for i in range(N_RANDOM_SCORES)]
    made_by = f"scripts/golden_metrics.py, scikit-learn {sklearn.__version__}, scipy {scipy.__version__}"
    block = lambda cases: ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    text = f'{{"made_by": {json.dumps(made_by)},\n"classes": [\n{block(classes)}\n],\n"scores": [\n{block(scores)}\n]}}\n'
    OUT.write_text(text, encoding="ascii")
    print(f"{len(classes)} cases of classes, {len(scores)} of scores, {len(text)} bytes")


if __name__ == "__main__":
    main()
