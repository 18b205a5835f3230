#!/usr/bin/env python3
"""Shows that an exported trial is transformers' model, and that `probe` reads what transformers writes.

For the folder that `electra-lab export TRIAL --to DIR` wrote:
  1. every network in it loads with its Auto class, with no missing, unexpected or mismatched tensor and not one
     warning in the log;
  2. `electra-lab probe` on the folder gives the logits of transformers;
  3. the same after transformers has saved the model elsewhere with save_pretrained, as safetensors in one file
     and in shards, and as pytorch_model.bin in today's format and that of before PyTorch 1.6;
  4. tokenizer and ids agree;
  5. fine-tuned models below DIR/tasks load with the class that their config.json names.
Prints the largest deviation of each comparison and exits with 1 where one is above 1e-4.

Needs: pip install torch==2.15.0 transformers==5.23.0
Run:   python scripts/check_export.py DIR [--program target/debug/electra-lab]
"""

import argparse
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import AutoConfig, AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer
from transformers.utils import logging as transformers_logging

TOLERANCE = 1e-4
TEXTS = [
    ("the cat sat on the [MASK] and saw the dog .", None),
    ("[MASK] is in the garden .", "the man [MASK] a book in the house ."),
]


class Warnings(logging.Handler):
    """Collects what transformers logs from warnings on."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def load(auto, folder, warnings):
    model, report = auto.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if report.get(kind):
            sys.exit(f"{folder}: {kind}: {report[kind]}")
    if warnings.lines:
        sys.exit(f"{folder}: transformers warned: {warnings.lines}")
    return model.eval()


def ask(program, folder, text, pair, generator):
    words = [program, "probe", "--model", str(folder), "--text", text, "--json", "--offline"]
    words += ["--pair", pair] if pair else []
    words += ["--generator", "--top", "1000000"] if generator else []
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed: {done.stderr}")
    return json.loads(done.stdout)


def compare(program, folder, model, tokenizer, generator):
    """Largest absolute deviation of a logit over all texts."""
    worst = 0.0
    for text, pair in TEXTS:
        encoded = tokenizer(text, pair, return_tensors="pt")
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        answer = ask(program, folder, text, pair, generator)
        ids = encoded["input_ids"][0].tolist()
        if generator:
            places = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
            assert places == [mask["position"] for mask in answer["masks"]], (places, answer)
            for mask in answer["masks"]:
                row = logits[mask["position"]]
                probabilities = row.softmax(-1)
                assert len(mask["fills"]) == len(row)
                for fill in mask["fills"]:
                    worst = max(worst, abs(fill["logit"] - row[fill["id"]].item()))
                    assert abs(fill["probability"] - probabilities[fill["id"]].item()) < TOLERANCE
        else:
            assert ids == [token["id"] for token in answer["tokens"]], (ids, answer)
            for token, logit in zip(answer["tokens"], logits.tolist()):
                worst = max(worst, abs(token["logit"] - logit))
                assert abs(token["replaced"] - torch.tensor(logit).sigmoid().item()) < TOLERANCE
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="target/debug/electra-lab")
    arguments = parser.parse_args()
    warnings = Warnings()
    transformers_logging.get_logger("transformers").addHandler(warnings)
    transformers_logging.set_verbosity_warning()
    worst = 0.0
    for folder in [arguments.folder, arguments.folder / "generator"]:
        if not (folder / "config.json").exists():
            continue
        architecture = AutoConfig.from_pretrained(folder).architectures[0]
        generator = architecture == "ElectraForMaskedLM"
        auto = AutoModelForMaskedLM if generator else AutoModelForPreTraining
        model, tokenizer = load(auto, folder, warnings), AutoTokenizer.from_pretrained(folder)
        assert type(model).__name__ == architecture
        deviation = compare(arguments.program, folder, model, tokenizer, generator)
        print(f"{folder} as {architecture}: {deviation:.2e}")
        worst = max(worst, deviation)
        with tempfile.TemporaryDirectory() as saved:
            saved = pathlib.Path(saved)
            model.save_pretrained(saved / "one")
            model.save_pretrained(saved / "shards", max_shard_size="100KB")
            (saved / "pickle").mkdir()
            model.config.save_pretrained(saved / "pickle")
            torch.save(model.state_dict(), saved / "pickle" / "pytorch_model.bin")
            (saved / "legacy").mkdir()
            model.config.save_pretrained(saved / "legacy")
            old = saved / "legacy" / "pytorch_model.bin"
            torch.save(model.state_dict(), old, _use_new_zipfile_serialization=False)
            for kind in ["one", "shards", "pickle", "legacy"]:
                tokenizer.save_pretrained(saved / kind)
                deviation = compare(arguments.program, saved / kind, model, tokenizer, generator)
                print(f"  saved by transformers, {kind}: {deviation:.2e}")
                worst = max(worst, deviation)
    for folder in sorted((arguments.folder / "tasks").glob("*")):
        architecture = AutoConfig.from_pretrained(folder).architectures[0]
        model = load(getattr(transformers, architecture), folder, warnings)
        print(f"{folder} as {architecture}: {model.config.num_labels} outputs")
    if worst > TOLERANCE:
        sys.exit(f"a logit deviates by {worst:.2e}")


if __name__ == "__main__":
    main()
