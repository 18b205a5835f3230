#!/usr/bin/env python3
"""Scores minimal pairs with transformers, and shows that electra-lab's scores are the same.

For the folder that `electra-lab export TRIAL --to DIR` wrote, and a folder of Parquet files with the columns
sentence_good, sentence_bad and UID (BLiMP, Zorro):
  1. every network in DIR is loaded with its Auto class: a discriminator scores as disc_sum and disc_diff, a masked
     language model as pll and pll_word_l2r, the generator as generator_pll and generator_pll_word_l2r;
  2. each sentence is scored on its own: sums over its tokens without [CLS] and [SEP], in double precision from
     float32 logits;
  3. with --to, the scores are written as `score pairs` reads them;
  4. with --against, they are compared pair by pair with the files of a trial, predictions/pairs-SET-SCORER.csv.
Prints the largest difference of a sum for each scorer and exits with 1 where one is above 1e-4, or where tokens or pairs
differ.

  disc_sum      sum of log(1 - D), D the probability of the discriminator that the token was replaced
  disc_diff     the same over tokens between the longest common beginning and the longest common end of the pair
  pll           sum of log p(token | the others), one masked copy per token (Salazar et al. 2020)
  pll_word_l2r  the same with the pieces of the token's word to its right masked too (Kauf and Ivanova 2023)

Needs: pip install torch==2.15.0 transformers==5.23.0 pyarrow==26.0.1
Run:   python scripts/check_pairs.py DIR --pairs BLIMP/ --set blimp --against results/x/ID/predictions/pairs-blimp-*.csv
"""

import argparse
import csv
import pathlib
import sys
import time
from collections import defaultdict

import pyarrow.parquet as parquet
import torch
from torch.nn.functional import logsigmoid
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

TOLERANCE = 1e-4
COLUMNS = ["set", "paradigm", "phenomenon", "pair", "scorer", "good", "bad", "n_good", "n_bad"]


def read_pairs(folder, max_pairs):
    """(paradigm, phenomenon, good, bad) of every pair, file by file."""
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        sys.exit(f"{folder} has no .parquet file")
    pairs = []
    for file in files:
        table = parquet.read_table(file)
        terms = "linguistics_term" in table.column_names
        for row in table.slice(0, max_pairs).to_pylist():
            pairs.append((row["UID"], row["linguistics_term"] if terms else "", row["sentence_good"], row["sentence_bad"]))
    return pairs


def batches(items, length, tokens):
    """Indices of items of the same length, about `tokens` tokens at a time: no padding."""
    by_length = defaultdict(list)
    for index, item in enumerate(items):
        by_length[length(item)].append(index)
    for n, indices in sorted(by_length.items()):
        size = max(1, tokens // n)
        for first in range(0, len(indices), size):
            yield indices[first : first + size]


def discriminator_scores(model, sentences, tokens):
    """log(1 - D) of every token of every sentence, [CLS] and [SEP] left out."""
    scores = [None] * len(sentences)
    for indices in batches(sentences, len, tokens):
        ids = torch.tensor([sentences[index] for index in indices])
        rows = logsigmoid(-model(input_ids=ids).logits.double())[:, 1:-1]
        for index, row in zip(indices, rows.tolist()):
            scores[index] = row
    return scores


def masked_scores(model, sentences, masked_tokens, mask, tokens):
    """log p of every token of every sentence; masked_tokens[i][t] are the places that are masked for token t."""
    queries = [(index, place) for index, ids in enumerate(sentences) for place in range(1, len(ids) - 1)]
    scores = [[None] * (len(ids) - 2) for ids in sentences]
    for chosen in batches(queries, lambda query: len(sentences[query[0]]), tokens):
        ids = torch.tensor([sentences[queries[number][0]] for number in chosen])
        rows, places = torch.arange(len(chosen)), torch.tensor([queries[number][1] for number in chosen])
        targets = ids[rows, places]
        for row, number in enumerate(chosen):
            index, place = queries[number]
            ids[row, masked_tokens[index][place - 1]] = mask
        hidden = model.electra(input_ids=ids).last_hidden_state[rows, places]
        logits = model.generator_lm_head(model.generator_predictions(hidden))
        answers = logits.double().log_softmax(-1)[rows, targets]
        for number, answer in zip(chosen, answers.tolist()):
            index, place = queries[number]
            scores[index][place - 1] = answer
    return scores


def rest_of_word(tokenizer, ids, place):
    """The place and those of the following pieces of the same word."""
    end = place + 1
    while tokenizer.convert_ids_to_tokens(ids[end]).startswith("##"):
        end += 1
    return list(range(place, end))


def differing(good, bad):
    """The bounds of the tokens that differ in both sentences, [CLS] and [SEP] left out."""
    good, bad = good[1:-1], bad[1:-1]
    shorter = min(len(good), len(bad))
    start = next((i for i in range(shorter) if good[i] != bad[i]), shorter)
    end = next((i for i in range(shorter - start) if good[-1 - i] != bad[-1 - i]), shorter - start)
    return (start, len(good) - end), (start, len(bad) - end)


def score_folder(folder, prefix, pairs, tokens):
    """Per scorer the sums and numbers of tokens of every pair: (good, bad, n_good, n_bad)."""
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    masked = architecture == "ElectraForMaskedLM"
    auto = AutoModelForMaskedLM if masked else AutoModelForPreTraining
    model = auto.from_pretrained(folder, attn_implementation="eager").eval()
    assert type(model).__name__ == architecture, architecture
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = [tokenizer(text)["input_ids"] for pair in pairs for text in pair[2:]]
    cls, sep, mask = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", "[MASK]"])
    assert {(ids[0], ids[-1]) for ids in encoded} == {(cls, sep)}
    whole = [((0, len(ids) - 2)) for ids in encoded]
    if masked:
        alone = [[[place] for place in range(1, len(ids) - 1)] for ids in encoded]
        words = [[rest_of_word(tokenizer, ids, place) for place in range(1, len(ids) - 1)] for ids in encoded]
        scorers = {
            f"{prefix}pll": (masked_scores(model, encoded, alone, mask, tokens), whole),
            f"{prefix}pll_word_l2r": (masked_scores(model, encoded, words, mask, tokens), whole),
        }
    else:
        scores = discriminator_scores(model, encoded, tokens)
        middle = [bounds for good, bad in zip(encoded[::2], encoded[1::2]) for bounds in differing(good, bad)]
        scorers = {f"{prefix}disc_sum": (scores, whole), f"{prefix}disc_diff": (scores, middle)}
    return {name: list(sums(scores, bounds)) for name, (scores, bounds) in scorers.items()}


def sums(scores, bounds):
    parts = [row[start:end] for row, (start, end) in zip(scores, bounds)]
    for good, bad in zip(parts[::2], parts[1::2]):
        yield sum(good), sum(bad), len(good), len(bad)


def numbered(rows):
    """Rows by paradigm and by their order in it."""
    by_paradigm = defaultdict(list)
    for row in rows:
        by_paradigm[row["paradigm"]].append(row)
    for paradigm, group in by_paradigm.items():
        for order, row in enumerate(sorted(group, key=lambda row: int(row["pair"]))):
            yield (paradigm, order), row


def compare(scorer, theirs, file):
    """The largest difference of a sum from those in a file of electra-lab."""
    with open(file, newline="") as opened:
        ours = dict(numbered(row for row in csv.DictReader(opened) if row["scorer"] == scorer))
    theirs = dict(numbered(theirs))
    if ours.keys() != theirs.keys():
        sys.exit(f"{file}: {len(ours)} pairs, not the {len(theirs)} that were scored here")
    worst, verdicts = 0.0, 0
    for key, row in theirs.items():
        other = ours[key]
        if (int(other["n_good"]), int(other["n_bad"])) != (row["n_good"], row["n_bad"]):
            sys.exit(f"{file}: {key} has {other['n_good']} and {other['n_bad']} tokens, not {row['n_good']} and {row['n_bad']}")
        for side in ("good", "bad"):
            worst = max(worst, abs(float(other[side]) - row[side]))
        sign = lambda one: (float(one["good"]) > float(one["bad"])) - (float(one["good"]) < float(one["bad"]))
        verdicts += sign(other) != sign(row)
    print(f"{scorer}: {len(theirs)} pairs, largest difference {worst:.2e}, {verdicts} pairs decided otherwise")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pairs", type=pathlib.Path, required=True, help="folder of Parquet files")
    parser.add_argument("--set", default="blimp", help="name of the set in the scores")
    parser.add_argument("--max-pairs", type=int, help="only the first pairs of each file")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--to", type=pathlib.Path, help="file to write the scores to")
    parser.add_argument("--against", type=pathlib.Path, nargs="+", default=[], help="scores of electra-lab")
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.pairs, arguments.max_pairs)
    rows = []
    for folder, prefix in [(arguments.folder, ""), (arguments.folder / "generator", "generator_")]:
        if not (folder / "config.json").exists():
            continue
        started = time.monotonic()
        with torch.inference_mode():
            scored = score_folder(folder, prefix, pairs, arguments.batch_tokens)
        print(f"{folder}: {', '.join(scored)} of {len(pairs)} pairs in {time.monotonic() - started:.0f} s")
        for scorer, scores in scored.items():
            for number, ((paradigm, phenomenon, _, _), values) in enumerate(zip(pairs, scores)):
                names = (arguments.set, paradigm, phenomenon, number, scorer)
                rows.append(dict(zip(COLUMNS, names + values)))
    if arguments.to:
        with open(arguments.to, "w", newline="") as opened:
            writer = csv.DictWriter(opened, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    worst, missing = 0.0, []
    for file in arguments.against:
        scorer = file.stem.removeprefix(f"pairs-{arguments.set}-")
        theirs = [row for row in rows if row["scorer"] == scorer]
        if theirs:
            worst = max(worst, compare(scorer, theirs, file))
        else:
            missing.append(scorer)
    if missing:
        sys.exit(f"no network in {arguments.folder} scores as {', '.join(missing)}")
    if worst >= TOLERANCE:
        sys.exit(f"a sum differs by {worst:.2e}")


if __name__ == "__main__":
    main()
