#!/usr/bin/env python3
"""Kills a small sweep again and again, resumes it, and compares every number with an undisturbed run.

    cargo build
    python3 scripts/crash_campaign.py target/debug/electra-lab --kills 100
    python3 scripts/crash_campaign.py target/debug/electra-lab --kills 100 --runners 3 --full-disk --read-only

Python 3.9 or newer, nothing else; Linux or another Unix. The sweep packs a text, pre-trains two seeds with
a checkpoint every few steps, fine-tunes on two tasks with two seeds and writes a report.
A round runs it until it is done: a process gets a random signal (KILL, TERM, INT, HUP, USR1, USR2, or TERM twice)
after a random time, and the next one resumes. At the end of a round outcomes, metrics and predictions are compared
with those of the undisturbed run, without their seconds; nothing of a killed process may be left. Then the next
round begins with an empty cache and no results, until there were enough kills. The same --seed draws the same
signals and times; what they hit depends on the machine.

--runners N       up to N processes at once on the same results
--full-disk       some processes may write only small files (RLIMIT_FSIZE), as on a full disk
--read-only       some processes get a folder of results that cannot be written

Exit code 1 if a number differs, a process ends with an undocumented code, or a file is left.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

EXPERIMENT = """
name: campaign
about: Does a crash change a number?
base:
  model: { hidden: 32, layers: 1, heads: 2, embedding: 32, positions: 64, generator_ratio: 0.5 }
  data: { kind: language, documents: 4000 }
  train: { steps: 60, warmup: 6, batch: 4, seq_len: 32, learning_rate: 1.0e-3, log_every: 5, validate_every: 20,
           checkpoint_every: 7 }
seeds: [1, 2]
evaluate:
  controls: { untrained: false, text_models: false }
  source: { kind: language, train_examples: 64, validation_examples: 40 }
  tasks: [cola, stsb]
  finetune_seeds: 2
  finetune: { epochs: 3, seq_len: 32, batch: 8 }
"""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
STOPPED = 130
# Exit codes that a disturbed process may end with: done, some failed, storage, busy, stopped, killed.
EXPECTED = {0, 1, 6, 8, STOPPED, -signal.SIGKILL}


class Sweep:
    """The sweep in a folder of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        folder.mkdir(parents=True)
        (folder / "campaign.yaml").write_text(EXPERIMENT)

    def start(self, max_file_bytes=None, results="results"):
        def prepare():
            # A shell's background jobs ignore Ctrl-C: the program is to have the usual answers to signals.
            for each in SIGNALS[1:]:
                signal.signal(each, signal.SIG_DFL)
            if max_file_bytes is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))

        environment = dict(os.environ, ELECTRA_LAB_CACHE="cache", HF_HUB_OFFLINE="1", RAYON_NUM_THREADS="1")
        command = [self.binary, "run", "campaign.yaml", "--device", "cpu", "--jobs", "1", "--results", results]
        # Its output goes to pipes that are read at the end, so that no limit of file sizes reaches it.
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, preexec_fn=prepare, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )

    def clear(self):
        for name in ("results", "reports", "cache"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def trials(self):
        found = sorted(self.folder.glob("results/campaign/*/trial.json"))
        return [path.parent for path in found]

    def phase(self):
        """What a process does now, by the files that are there."""
        if not list(self.folder.glob("cache/corpora/*.corpus")):
            return "packing"
        for trial in self.trials():
            if (trial / "outcome.json").exists():
                continue
            if list(trial.glob("checkpoints/.writing-*")):
                return "checkpointing"
            return "fine-tuning" if (trial / "checkpoints/final.safetensors").exists() else "pre-training"
        return "report" if len(self.trials()) == 2 else "pre-training"

    def numbers(self):
        """All numbers by file, without seconds."""
        found = {}
        for trial in self.trials():
            outcome = json.loads((trial / "outcome.json").read_text())
            del outcome["timing"]
            found[f"{trial.name}/outcome.json"] = outcome
            events = [json.loads(line) for line in (trial / "metrics.jsonl").read_text().splitlines()]
            found[f"{trial.name}/metrics.jsonl"] = [dict(event, elapsed_s=None) for event in events]
            for path in sorted((trial / "predictions").rglob("*")):
                if path.is_file():
                    found[f"{trial.name}/{path.name}"] = path.read_text()
        return found

    def left_over(self):
        """Files that only an unfinished process has."""
        patterns = ("**/.writing-*", "**/*.unfinished.*", "**/step-*")
        return sorted(str(path.relative_to(self.folder)) for each in patterns for path in self.folder.glob(each))


class Campaign:
    def __init__(self, arguments, whole, sweep):
        self.arguments, self.sweep, self.expected = arguments, sweep, whole.numbers()
        self.draw = random.Random(arguments.seed)
        self.kills = collections.Counter()
        self.codes = collections.Counter()
        self.problems = []

    def disturbance(self):
        """Options of a process that cannot write as it wants to."""
        if self.arguments.full_disk and self.draw.random() < 0.15:
            return {"max_file_bytes": self.draw.choice([1 << 10, 1 << 14, 1 << 16, 1 << 18])}
        if self.arguments.read_only and self.draw.random() < 0.1:
            return {"results": "/proc/electra-lab-results"}
        return {}

    def step(self, duration):
        """Starts some processes and disturbs one of them; returns whether the sweep is done."""
        n = self.draw.randint(1, self.arguments.runners)
        began = time.monotonic()
        running = [(self.sweep.start(**options), options) for options in (self.disturbance() for _ in range(n))]
        victim = self.draw.randrange(n)
        number, twice = self.draw.choice(SIGNALS), self.draw.random() < 0.2
        # More often early: a process that resumes late has little left to do.
        deadline = time.monotonic() + duration * self.draw.random() ** 2
        process = running[victim][0]
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        was_young = time.monotonic() - began < 1
        if process.poll() is None:
            self.kills[self.sweep.phase(), number.name] += 1
            process.send_signal(number)
            # A second Ctrl-C ends the process at once, which the same command has to bear too.
            if twice:
                process.send_signal(number)
        done = False
        for process, options in running:
            try:
                error = process.communicate(timeout=self.arguments.patience)[1]
            except subprocess.TimeoutExpired:
                process.kill()
                error = process.communicate()[1]
                self.problems.append(f"still running after {self.arguments.patience} s")
            self.codes[process.returncode] += 1
            done = done or (process.returncode == 0 and not options)
            # A process that has just begun has not asked for signals yet, and has nothing to save.
            if process is running[victim][0] and was_young and process.returncode == -number:
                continue
            if process.returncode not in EXPECTED or (process.returncode == 1 and not self.arguments.full_disk):
                self.problems.append(f"exit {process.returncode}: {error.strip()[-400:]}")
        return done

    def finish(self):
        """Lets the sweep end in peace, and compares."""
        process = self.sweep.start()
        error = process.communicate()[1]
        if process.returncode != 0:
            self.problems.append(f"the last run: exit {process.returncode}: {error.strip()[-400:]}")
            return
        numbers = self.sweep.numbers()
        for name in sorted(set(self.expected) | set(numbers)):
            if self.expected.get(name) != numbers.get(name):
                self.problems.append(f"{name} differs")
        self.problems.extend(f"left over: {name}" for name in self.sweep.left_over())
        if not list(self.sweep.folder.glob("reports/campaign/*/*.md")):
            self.problems.append("there is no report")

    def run(self, duration):
        rounds, told = 0, 0
        while sum(self.kills.values()) < self.arguments.kills:
            self.sweep.clear()
            rounds += 1
            while not self.step(duration) and sum(self.kills.values()) < self.arguments.kills:
                pass
            self.finish()
            print(f"round {rounds}: {sum(self.kills.values())} kills, {len(self.problems)} problems", flush=True)
            for problem in self.problems[told:]:
                print("problem:", problem, flush=True)
            told = len(self.problems)
        return rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="the program")
    parser.add_argument("--kills", type=int, default=100, help="signals to send [default: 100]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runners", type=int, default=1, help="processes at once, at most [default: 1]")
    parser.add_argument("--full-disk", action="store_true")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--patience", type=float, default=300, help="seconds for a process to end [default: 300]")
    parser.add_argument("--keep", help="folder to work in and to keep [default: a temporary one]")
    arguments = parser.parse_args()
    binary = os.path.abspath(arguments.binary)
    folder = pathlib.Path(arguments.keep or tempfile.mkdtemp(prefix="campaign-")).absolute()
    try:
        whole = Sweep(binary, folder / "whole")
        began = time.monotonic()
        process = whole.start()
        error = process.communicate()[1]
        if process.returncode != 0:
            sys.exit(f"the undisturbed run: exit {process.returncode}: {error}")
        duration = time.monotonic() - began
        print(f"undisturbed: {duration:.1f} s, {len(whole.numbers())} files of numbers", flush=True)
        campaign = Campaign(arguments, whole, Sweep(binary, folder / "part"))
        rounds = campaign.run(duration)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    for (phase, name), n in sorted(campaign.kills.items()):
        print(f"{phase:<14} {name:<8} {n}")
    print("exit codes:", ", ".join(f"{code}: {n}" for code, n in sorted(campaign.codes.items())))
    print(f"{sum(campaign.kills.values())} kills in {rounds} rounds; {len(campaign.problems)} problems")
    sys.exit(1 if campaign.problems else 0)


if __name__ == "__main__":
    main()
