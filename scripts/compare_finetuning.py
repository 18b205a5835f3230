#!/usr/bin/env python3
"""Fine-tuning side by side: electra-lab and its peers in PyTorch, alternating on one machine.

Runs `electra-lab evaluate` and scripts/peer_finetune.py (of SQuAD: scripts/peer_squad.py) in turn, seed by seed, so that a noisy machine disturbs both.
Writes one JSON line a run to OUT and, at the end, a table: mean ± standard deviation of the score over seeds, seconds of
training and prediction on both sides, and the ratio of their sums. What a run printed before is not run again,
so a stopped comparison goes on.

Needs: what scripts/peer_finetune.py needs, a built electra-lab, and a hub cache (HF_HUB_CACHE) with the model and nyu-mll/glue.
Run:   python scripts/compare_finetuning.py --program target/debug/electra-lab --out runs.jsonl
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile

from compare_step import measured

# Training examples a task: about as many tokens each.
EXAMPLES = {"rte": 400, "mrpc": 600, "stsb": 1000, "cola": 2500, "sst2": 2000}
RECIPE = {"learning_rate": 2e-4, "layer_decay": 0.8}
# SQuAD 2.0, with the paper's head: F1 at the fixed threshold.
SQUAD = {"max_train_examples": 1500, "max_validation_examples": 300, "seq_len": 256, "epochs": 2, "no_answer_threshold": 0}
SQUAD_RATE = 5e-4


def snapshot(kind, repo):
    """The newest snapshot of a repository in the hub cache."""
    name = f"{kind}s--" + repo.replace("/", "--")
    found = glob.glob(os.path.join(os.environ["HF_HUB_CACHE"], name, "snapshots", "*"))
    if not found:
        sys.exit(f"HF_HUB_CACHE has no {repo}: fetch it first")
    return max(found, key=os.path.getmtime)


def ours(arguments, task, seed, epochs):
    with tempfile.TemporaryDirectory() as folder:
        values = {"learning_rate": RECIPE["learning_rate"], "layer_decay": RECIPE["layer_decay"], "epochs": epochs,
                  "max_train_examples": EXAMPLES.get(task)}
        command = [arguments.program, "evaluate", "--offline", "--model", arguments.model, "--tasks", task, "--seeds", "1",
                   "--set", f"seeds=[{seed}]", "--results", f"{folder}/results", "--reports", f"{folder}/reports"]
        if task == "squad2":
            values = {"learning_rate": SQUAD_RATE, "layer_decay": RECIPE["layer_decay"]}
            for key, value in dict(SQUAD, repo_v2=arguments.squad).items():
                command += ["--set", f"evaluate.squad.{key}={value}"]
        for key, value in values.items():
            command += ["--set", f"evaluate.finetune.{key}={value}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(glob.glob(f"{folder}/results/*/*/outcome.json")[0]) as file:
            outcome = json.load(file)
    return dict(score=outcome["scores"][0]["value"] or 0.0, seconds=outcome["timing"]["finetune_s"])


def peer(arguments, task, seed, epochs, pad):
    is_squad = task == "squad2"
    data = snapshot("dataset", arguments.squad) + "/squad_v2" if is_squad else snapshot("dataset", "nyu-mll/glue") + f"/{task}"
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_squad.py" if is_squad else "peer_finetune.py")
    command = [sys.executable, script, "--model", snapshot("model", arguments.model), "--task", task,
               "--train", glob.glob(f"{data}/train-*.parquet")[0], "--validation", glob.glob(f"{data}/validation-*.parquet")[0],
               "--seeds", "1", "--first-seed", str(seed), "--pad", pad, "--layer-decay", str(RECIPE["layer_decay"])]
    if is_squad:
        command += ["--learning-rate", str(SQUAD_RATE), "--threshold", str(SQUAD["no_answer_threshold"])]
        for key in ("max_train_examples", "max_validation_examples", "seq_len", "epochs"):
            command += ["--" + key.replace("_", "-"), str(SQUAD[key])]
    else:
        command += ["--learning-rate", str(RECIPE["learning_rate"]), "--epochs", str(epochs),
                    "--max-train-examples", str(EXAMPLES[task])]
    line = measured(command)
    return dict(score=line["f1" if is_squad else "score"], seconds=line["train_s"] + line["predict_s"])


def spread(values):
    sd = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{sd} ({len(values)})"


def table(rows):
    print("| task | ours | peer | ours, s | peer, dynamic, s | ratio | ours, s | peer, to 128, s | ratio |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    totals = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        of = lambda side, key: [row[key] for row in rows if row["task"] == task and row["side"] == side]
        cells = [task.upper(), spread(of("ours", "score")), spread(of("longest", "score"))]
        for own, other in (("ours", "longest"), ("ours_one_epoch", "max")):
            a, b = of(own, "seconds"), of(other, "seconds")
            if not a or len(a) != len(b):
                cells += ["", "", ""]
                continue
            total = totals.setdefault(other, [0.0, 0.0])
            total[0] += sum(a)
            total[1] += sum(b)
            cells += [" ".join(f"{s:.1f}" for s in a), " ".join(f"{s:.1f}" for s in b), f"{sum(b) / sum(a):.2f}"]
        print("| " + " | ".join(cells) + " |")
    for other, (a, b) in totals.items():
        print(f"\nall tasks, peer padded to {other}: {a:.1f} s against {b:.1f} s, ratio {b / a:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/debug/electra-lab")
    parser.add_argument("--model", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--tasks", nargs="+", choices=[*EXAMPLES, "squad2"], default=list(EXAMPLES))
    parser.add_argument("--squad", default="rajpurkar/squad_v2", help="repository of SQuAD 2.0 in the cache")
    parser.add_argument("--padded", nargs="*", choices=EXAMPLES, default=list(EXAMPLES), help="tasks to time padded to 128")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in open(arguments.out)] if os.path.exists(arguments.out) else []
    sides = {
        "ours": lambda task, seed: ours(arguments, task, seed, arguments.epochs),
        "longest": lambda task, seed: peer(arguments, task, seed, arguments.epochs, "longest"),
    }
    # Padding to 128 changes no score, so one epoch of one seed is timed.
    once = {
        "ours_one_epoch": lambda task, seed: ours(arguments, task, seed, 1.0),
        "max": lambda task, seed: peer(arguments, task, seed, 1.0, "max"),
    }
    for seed in range(1, arguments.seeds + 1):
        for task in arguments.tasks:
            for side, run in {**sides, **(once if seed == 1 and task in arguments.padded else {})}.items():
                if any((row["task"], row["side"], row["seed"]) == (task, side, seed) for row in rows):
                    continue
                row = dict(task=task, side=side, seed=seed, **run(task, seed))
                rows.append(row)
                with open(arguments.out, "a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), file=sys.stderr, flush=True)
    table(rows)


if __name__ == "__main__":
    main()
