#!/usr/bin/env python3
"""The peer of `electra-lab evaluate --tasks squad,squad2`: transformers' Trainer fine-tunes a BERT checkpoint with the same
questions, windows, heads and recipe, and its answers are read out by the same rules.

Same as ours: windows of at most --seq-len tokens, 128 apart, questions of at most 64; the simple head (one dense layer to a
start and an end logit) and the paper's (start; end by concat(start, token) -> 512 -> GELU -> 1 from the gold start,
beam of 20 x 20 in prediction; of SQuAD 2.0 a classifier of questions without an answer, weight 0.5); Adam without bias
correction, epsilon 1e-6, clip by the global norm 1; linear decay times warm-up over the first tenth; layer-wise decay of the
rate; batches of 32 windows in a new order each epoch; floor(n / 32 * epochs) steps; n-best of 20, answers of at most 30
tokens that start in the window with most context around them; F1 and exact match at the threshold.
Different: PyTorch's random numbers; an epoch's last batch is smaller, ours is filled from the next epoch; and padding,
`longest` of each batch or `max` (--seq-len).

Prints one JSON line a seed: exact, F1, seconds of training and of prediction, and tokens/s without padding.

Needs: what scripts/peer_finetune.py needs, whose training loop this takes.
Run:   python scripts/peer_squad.py --model DIR --train FILE.parquet --validation FILE.parquet --task squad2 --seeds 3
"""

import collections
import re
import string
import time

import polars
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, gelu
from transformers import AutoModel, AutoTokenizer, set_seed

from peer_finetune import arguments_of, run_seeds, trained

INPUTS = ("input_ids", "token_type_ids", "attention_mask")
QUERY, STRIDE, N_BEST, ANSWER, BEAM, INNER = 64, 128, 20, 30, 20, 512


class Question:
    def __init__(self, row, tokenizer, seq_len):
        self.id, self.context, answers = row["id"], row["context"], row["answers"]
        self.golds = answers["text"]
        query = tokenizer(row["question"], add_special_tokens=False)["input_ids"][:QUERY]
        encoded = tokenizer(self.context, add_special_tokens=False, return_offsets_mapping=True)
        tokens, self.places = encoded["input_ids"], encoded["offset_mapping"]
        span = None
        if self.golds:
            start = answers["answer_start"][0]
            end = start + len(self.golds[0])
            inside = [i for i, (a, b) in enumerate(self.places) if a < end and b > start]
            span = (inside[0], inside[-1]) if inside else None
        self.first = len(query) + 2
        room = seq_len - len(query) - 3
        self.windows, begin = [], 0
        while True:
            part = tokens[begin : begin + room]
            ids = [tokenizer.cls_token_id, *query, tokenizer.sep_token_id, *part, tokenizer.sep_token_id]
            types = [0] * self.first + [1] * (len(part) + 1)
            target = (0, 0)
            if span and span[0] >= begin and span[1] < begin + len(part):
                target = tuple(self.first + token - begin for token in span)
            self.windows.append(dict(ids=ids, types=types, target=target, begin=begin, n=len(part), question=self))
            if begin + len(part) >= len(tokens):
                break
            begin += min(len(part), STRIDE)

    def best_window(self, token):
        def around(window):
            end = window["begin"] + window["n"]
            if not window["begin"] <= token < end:
                return -1
            return min(token - window["begin"], end - 1 - token) + 0.01 * window["n"]

        return max(range(len(self.windows)), key=lambda i: around(self.windows[i]))

    def decode(self, offered):
        """Of (candidates, null) a window: the best text, and how much speaks against any answer."""
        spans, nulls = [], []
        for index, (candidates, null) in enumerate(offered):
            window = self.windows[index]
            nulls.append(null)
            for start, end, score in candidates:
                a, b = start - self.first, end - self.first
                if a < 0 or b >= window["n"] or b < a or b - a >= ANSWER:
                    continue
                a, b = a + window["begin"], b + window["begin"]
                if self.best_window(a) == index:
                    spans.append((score, self.context[self.places[a][0] : self.places[b][1]]))
        score, text = max(spans, key=lambda span: span[0], default=(0.0, ""))
        return text, score, min(nulls)


class Reader(torch.nn.Module):
    def __init__(self, model, head, classify):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(model, add_pooling_layer=False)
        hidden = self.encoder.config.hidden_size
        self.head = torch.nn.ModuleDict()
        if head == "simple":
            self.head["outputs"] = torch.nn.Linear(hidden, 2)
            torch.nn.init.trunc_normal_(self.head["outputs"].weight, std=0.02, a=-0.04, b=0.04)
        else:
            sizes = dict(start=(hidden, 1), end_inner=(2 * hidden, INNER), end=(INNER, 1))
            if classify:
                sizes.update(null_inner=(2 * hidden, INNER), null=(INNER, 1))
            for name, (inputs, outputs) in sizes.items():
                self.head[name] = torch.nn.Linear(inputs, outputs)
                torch.nn.init.xavier_uniform_(self.head[name].weight)
        for layer in self.head.values():
            torch.nn.init.zeros_(layer.bias)
        self.kind, self.classify = head, classify

    def forward(self, target, **batch):
        return dict(loss=self.read(batch, target))

    def read(self, batch, target=None):
        """With targets the loss, without them (start, end, null) scores; end is a function of a window and starts."""
        hidden = self.encoder(**{key: batch[key] for key in INPUTS}).last_hidden_state
        if self.kind == "simple":
            logits = self.head["outputs"](hidden) + batch["padding"][:, :, None]
            start, end = logits[:, :, 0], logits[:, :, 1]
            if target is not None:
                return (cross_entropy(start, target[:, 0]) + cross_entropy(end, target[:, 1])) / 2
            return start, end, start[:, 0] + end[:, 0]
        start = self.head["start"](hidden)[:, :, 0] + batch["mask"]
        null = None
        if self.classify:
            mean = torch.einsum("bt,bth->bh", start.softmax(-1), hidden)
            null = self.head["null"](gelu(self.head["null_inner"](torch.cat([hidden[:, 0], mean], -1))))[:, 0]
        if target is None:
            return start.log_softmax(-1), lambda b, starts: self.ends(hidden[b], hidden[b][starts], batch["mask"][b]), null
        gold = hidden[torch.arange(len(hidden)), target[:, 0]][:, None, :].expand_as(hidden)
        end = self.head["end"](gelu(self.head["end_inner"](torch.cat([gold, hidden], -1))))[:, :, 0] + batch["mask"]
        loss = (cross_entropy(start, target[:, 0]) + cross_entropy(end, target[:, 1])) / 2
        if null is not None:
            loss = loss + 0.5 * binary_cross_entropy_with_logits(null, batch["impossible"])
        return loss

    def ends(self, tokens, starts, mask):
        shape = (len(starts), *tokens.shape)
        pairs = torch.cat([starts[:, None, :].expand(shape), tokens[None].expand(shape)], -1)
        return (self.head["end"](gelu(self.head["end_inner"](pairs)))[:, :, 0] + mask).log_softmax(-1)


def batch_of(windows, arguments):
    longest = arguments.seq_len if arguments.pad == "max" else max(len(window["ids"]) for window in windows)
    fill = lambda values, value=0: values + [value] * (longest - len(values))
    inputs = dict(
        input_ids=torch.tensor([fill(window["ids"]) for window in windows]),
        token_type_ids=torch.tensor([fill(window["types"]) for window in windows]),
        attention_mask=torch.tensor([fill([1] * len(window["ids"])) for window in windows]),
    )
    allowed = inputs["token_type_ids"].clone()
    allowed[:, 0] = 1
    impossible = torch.tensor([float(not window["question"].golds) for window in windows])
    padding = 1000.0 * (inputs["attention_mask"] - 1)
    return dict(inputs, mask=1000.0 * (allowed - 1), padding=padding, impossible=impossible)


class Collator:
    """A batch with its targets, and the number of its real tokens counted."""

    def __init__(self, arguments):
        self.arguments, self.tokens = arguments, 0

    def __call__(self, windows):
        self.tokens += sum(len(window["ids"]) for window in windows)
        return dict(batch_of(windows, self.arguments), target=torch.tensor([window["target"] for window in windows]))


def answers(model, windows, arguments):
    """What each window offers, in order: candidates and null score."""
    offered = []
    for first in range(0, len(windows), 16):
        part = windows[first : first + 16]
        starts, ends, nulls = model.read(batch_of(part, arguments))
        for b, window in enumerate(part):
            n = len(window["ids"])
            breadth = min(N_BEST if arguments.head == "simple" else BEAM, n)
            start_scores, start_at = starts[b, :n].topk(breadth)
            candidates = []
            if arguments.head == "simple":
                end_scores, end_at = ends[b, :n].topk(breadth)
                end_scores, end_at = end_scores.expand(breadth, -1), end_at.expand(breadth, -1)
            else:
                end_scores, end_at = ends(b, start_at)[:, :n].topk(breadth)
            for i, start in enumerate(start_at.tolist()):
                totals = (start_scores[i] + end_scores[i]).tolist()
                candidates += [(start, end, total) for end, total in zip(end_at[i].tolist(), totals)]
            offered.append((candidates, float(nulls[b]) if nulls is not None else 0.0))
    return offered


def words(text):
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def measures(gold, said):
    gold, said = words(gold), words(said)
    if not gold or not said:
        return float(gold == said), float(gold == said)
    common = sum((collections.Counter(gold) & collections.Counter(said)).values())
    return float(gold == said), 2 * common / (len(gold) + len(said))


def run(arguments, train, validation, seed, scratch):
    set_seed(seed)
    classify = arguments.task == "squad2" and arguments.head == "paper"
    model = Reader(arguments.model, arguments.head, classify)
    windows = [window for question in train for window in question.windows]
    collator = Collator(arguments)
    _, steps, train_s = trained(model, windows, collator, arguments, seed, scratch)
    tokens, began = collator.tokens, time.perf_counter()
    model.eval()
    with torch.no_grad():
        offered = answers(model, [window for question in validation for window in question.windows], arguments)
    scores = []
    for question in validation:
        own, offered = offered[: len(question.windows)], offered[len(question.windows) :]
        text, best, null = question.decode(own)
        null = null - best if arguments.head == "simple" else null
        if arguments.task == "squad2" and null > arguments.threshold:
            scores.append((float(not question.golds),) * 2)
        else:
            golds = [gold for gold in question.golds if words(gold)] or [""]
            scores.append(tuple(map(max, zip(*(measures(gold, text) for gold in golds)))))
    exact, f1 = (100 * sum(column) / len(scores) for column in zip(*scores))
    return dict(
        task=arguments.task, head=arguments.head, seed=seed, pad=arguments.pad, exact=exact, f1=f1, n_train=len(train),
        n_windows=len(windows), n_validation=len(validation), steps=steps, train_s=train_s,
        predict_s=time.perf_counter() - began, tokens_per_s=tokens / train_s,
    )


def main():
    arguments = arguments_of(
        __doc__, ["squad", "squad2"], epochs=2.0,
        head=dict(choices=["paper", "simple"], default="paper"), seq_len=dict(type=int, default=512),
        threshold=dict(type=float, default=-2.75), max_validation_examples=dict(type=int),
    )
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    rows = lambda path: polars.read_parquet(path).to_dicts()
    train = [Question(row, tokenizer, arguments.seq_len) for row in rows(arguments.train)]
    held_out = rows(arguments.validation)[: arguments.max_validation_examples]
    validation = [Question(row, tokenizer, arguments.seq_len) for row in held_out]
    run_seeds(run, arguments, train, validation)


if __name__ == "__main__":
    main()
