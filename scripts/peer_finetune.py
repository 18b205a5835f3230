#!/usr/bin/env python3
"""The peer of `electra-lab evaluate`: transformers' Trainer fine-tunes a BERT checkpoint with the same data, head and recipe.

Same as ours: one dense layer (Glorot) on [CLS] behind dropout 0.1; a score regressed as value / range with squared error;
Adam without bias correction, epsilon 1e-6, clip by the global norm 1; linear decay times warm-up over the first
tenth; layer-wise decay of the rate by the paper's rule; batches of 32 in a new order each epoch;
floor(n / 32 * epochs) steps; at most 128 tokens, the longer segment cut first.
Different: PyTorch's random numbers; an epoch's last batch is smaller, ours is filled from the next epoch; and padding,
`longest` of each batch or `max` (128).

Prints one JSON line a seed: score, seconds of training and of prediction, and tokens/s without padding.

Needs: pip install torch==2.15.0 transformers==5.23.0 accelerate==1.15.0 polars scipy scikit-learn
Run:   python scripts/peer_finetune.py --model DIR --train FILE.parquet --validation FILE.parquet --task rte --seeds 3
"""

import argparse
import json
import math
import random
import tempfile
import time

import polars
import torch
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, matthews_corrcoef
from transformers import AutoModel, AutoTokenizer, Trainer, TrainingArguments, set_seed

TASKS = {
    "cola": ("sentence", None, 2), "sst2": ("sentence", None, 2), "mrpc": ("sentence1", "sentence2", 2),
    "stsb": ("sentence1", "sentence2", 1), "rte": ("sentence1", "sentence2", 2), "qnli": ("question", "sentence", 2),
}


def encode(tokenizer, path, task):
    first, second, _ = TASKS[task]
    examples = []
    for row in polars.read_parquet(path).iter_rows(named=True):
        a = tokenizer(row[first], add_special_tokens=False)["input_ids"]
        b = tokenizer(row[second], add_special_tokens=False)["input_ids"] if second else []
        while len(a) + len(b) > 128 - (3 if second else 2):
            (a if len(a) > len(b) else b).pop()
        ids = [tokenizer.cls_token_id] + a + [tokenizer.sep_token_id]
        types = [0] * len(ids)
        if second:
            ids += b + [tokenizer.sep_token_id]
            types += [1] * (len(b) + 1)
        examples.append((ids, types, row["label"]))
    return examples


class Collator:
    """A batch, padded, with the number of its real tokens counted."""

    def __init__(self, pad):
        self.pad, self.tokens = pad, 0

    def __call__(self, examples):
        longest = 128 if self.pad == "max" else max(len(ids) for ids, _, _ in examples)
        fill = lambda values: values + [0] * (longest - len(values))
        self.tokens += sum(len(ids) for ids, _, _ in examples)
        return dict(
            input_ids=torch.tensor([fill(ids) for ids, _, _ in examples]),
            token_type_ids=torch.tensor([fill(types) for _, types, _ in examples]),
            attention_mask=torch.tensor([fill([1] * len(ids)) for ids, _, _ in examples]),
            labels=torch.tensor([e[2] for e in examples]),
        )


class Classifier(torch.nn.Module):
    def __init__(self, model, outputs):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(model, add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, outputs)
        torch.nn.init.xavier_uniform_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, input_ids, token_type_ids, attention_mask, labels):
        encoded = self.encoder(input_ids=input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask)
        logits = self.head(self.dropout(encoded.last_hidden_state[:, 0]))
        if logits.shape[1] == 1:
            loss = ((logits[:, 0] - labels.float() / 5) ** 2).mean()
        else:
            loss = torch.nn.functional.cross_entropy(logits, labels)
        return dict(loss=loss, logits=logits)


class Adam(torch.optim.Optimizer):
    """Adam as the released ELECTRA code has it: no bias correction."""

    def __init__(self, parameters):
        super().__init__(parameters, dict(lr=0.0))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                m, v = state["m"], state["v"]
                m.mul_(0.9).add_(p.grad, alpha=0.1)
                v.mul_(0.999).addcmul_(p.grad, p.grad, value=1 - 0.999)
                p.addcdiv_(m, v.sqrt().add_(1e-6), value=-group["lr"])


def groups(model, decay, peak):
    """Parameters with their peak rates: the head has the whole rate, each layer below one factor less."""
    layers = model.encoder.config.num_hidden_layers
    by_depth = {}
    for name, parameter in model.named_parameters():
        depth = 0
        if name.startswith("head"):
            depth = layers + 1
        elif ".layer." in name:
            depth = int(name.split(".layer.")[1].split(".")[0]) + 1
        by_depth.setdefault(depth, []).append(parameter)
    return [dict(params=ps, lr=peak * decay ** (layers + 1 - depth)) for depth, ps in by_depth.items()]


def trained(model, examples, collator, arguments, seed, scratch):
    """The Trainer after training by the recipe, its optimizer steps, and the seconds that they took."""
    steps = max(1, math.floor(len(examples) / 32 * arguments.epochs))
    warmup = round(0.1 * steps)
    optimizer = Adam(groups(model, arguments.layer_decay, arguments.learning_rate))
    factor = lambda step: (1 - step / steps) * (min(1.0, step / warmup) if warmup else 1.0)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=scratch, max_steps=steps, per_device_train_batch_size=32, per_device_eval_batch_size=64,
            max_grad_norm=1.0, seed=seed, use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no",
            disable_tqdm=True, remove_unused_columns=False, dataloader_pin_memory=False,
        ),
        train_dataset=examples,
        data_collator=collator,
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)),
    )
    began = time.perf_counter()
    trainer.train()
    return trainer, steps, time.perf_counter() - began


def run(arguments, train, validation, seed, scratch):
    set_seed(seed)
    model, collator = Classifier(arguments.model, TASKS[arguments.task][2]), Collator(arguments.pad)
    trainer, steps, train_s = trained(model, train, collator, arguments, seed, scratch)
    tokens, began = collator.tokens, time.perf_counter()
    answered = trainer.predict(validation)
    predict_s, gold = time.perf_counter() - began, answered.label_ids
    said = answered.predictions[:, 0] if TASKS[arguments.task][2] == 1 else answered.predictions.argmax(-1)
    score = {"cola": matthews_corrcoef, "stsb": lambda g, s: spearmanr(g, s).statistic}.get(arguments.task, accuracy_score)
    return dict(
        task=arguments.task, seed=seed, pad=arguments.pad, score=100 * float(score(gold, said)), n_train=len(train),
        steps=steps, train_s=train_s, predict_s=predict_s, tokens_per_s=tokens / train_s,
    )


def arguments_of(description, tasks, epochs, **others):
    """What both peers are told; `others` are further options, each with what argparse is to know of it."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--task", choices=tasks, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--pad", choices=["longest", "max"], default="longest")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--layer-decay", type=float, default=0.8)
    parser.add_argument("--epochs", type=float, default=epochs)
    parser.add_argument("--max-train-examples", type=int)
    parser.add_argument("--threads", type=int, default=2)
    for name, option in others.items():
        parser.add_argument("--" + name.replace("_", "-"), **option)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return arguments


def run_seeds(run, arguments, train, validation):
    """Prints what `run` finds with each seed, on that seed's own choice of training examples where there is a cap."""
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            chosen = list(train)
            if arguments.max_train_examples:
                random.Random(1000 + seed).shuffle(chosen)
                chosen = chosen[: arguments.max_train_examples]
            print(json.dumps(run(arguments, chosen, validation, seed, scratch)), flush=True)


def main():
    arguments = arguments_of(__doc__, TASKS, epochs=3.0)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    train = encode(tokenizer, arguments.train, arguments.task)
    validation = encode(tokenizer, arguments.validation, arguments.task)
    run_seeds(run, arguments, train, validation)


if __name__ == "__main__":
    main()
