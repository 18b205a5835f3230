#!/usr/bin/env python3
"""The pre-training step side by side: `electra-lab bench step` and its peers in PyTorch, alternating on one machine.

A round runs ours, the tuned peer and the typical peer of each case, one after the other, so that a noisy machine disturbs all; a
ratio is taken within a round. Appends one JSON line a run to OUT/step.jsonl, and writes OUT/step.md and OUT/step.csv: medians over the
rounds with the range, ratios, memory, and what machine it was. A round that OUT/step.jsonl already has is not run again.

With --device cuda the case is ELECTRA-Small at 128 × 128 in f32, tf32 and bf16, the tuned peer is compiled, memory is the device's, and
the files are OUT/step_cuda.*.

Needs: what scripts/peer_step.py needs, and a built electra-lab. Let nothing else run meanwhile.
Run:   python scripts/compare_step.py --program target/debug/electra-lab --out reports/bench
       python scripts/compare_step.py --program target/release/electra-lab --device cuda --steps 50
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Size, sequences a step, tokens a sequence, precision.
CASES = {
    "cpu": [("tiny", 32, 128, "f32"), ("small", 32, 128, "f32"), ("base", 8, 128, "f32")],
    "cuda": [("small", 128, 128, "f32"), ("small", 128, 128, "tf32"), ("small", 128, 128, "bf16")],
}
SIDES = ("ours", "tuned", "typical")


def measured(command):
    """What a program printed as its last line, a line of JSON."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def run(arguments, side, size, batch, seq, precision):
    shape = ["--size", size, "--batch", str(batch), "--seq", str(seq), "--threads", str(arguments.threads),
             "--steps", str(arguments.steps), "--device", arguments.device, "--precision", precision]
    command = [arguments.program, "bench", "step", *shape, "--json"]
    if side != "ours":
        command = [sys.executable, os.path.join(HERE, "peer_step.py"), *shape, "--style", side]
        if arguments.device == "cuda" and side == "tuned":
            command.append("--compile")
    return measured(command)


def case_of(row):
    """Rows that were measured before there was a precision are f32."""
    return row["size"], row["batch"], row["seq"], row.get("precision", "f32")


def driver():
    """Model and driver of the CUDA device, in words."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[0]


def machine():
    """Processor, cores and memory in words."""
    name, memory = platform.processor() or platform.machine(), ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            lines = [line.split(":", 1) for line in file if ":" in line]
        flags = next((value.split() for key, value in lines if key.strip() == "flags"), [])
        name = next((value.strip() for key, value in lines if key.strip() == "model name"), name)
        widest = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "no AVX")
        memory = f", {widest}, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return f"{name}, {os.cpu_count()} cores{memory}, {platform.system()} {platform.release()}"


def spread(values, digits=0):
    middle = f"{statistics.median(values):.{digits}f}"
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else middle


def tables(rows, device):
    header = ["size", "batch", "precision", "side", "rounds", "tokens/s", "ours / it", "peak MiB", "it / ours", "share of GEMM rate"]
    lines = []
    peak = "peak_device_mib" if device == "cuda" else "peak_rss_mib"
    for size, batch, seq, precision in CASES[device]:
        case = [row for row in rows if case_of(row) == (size, batch, seq, precision)]
        of = {side: {row["round"]: row for row in case if row["side"] == side} for side in SIDES}
        for side in SIDES:
            both = sorted(set(of[side]) & set(of["ours"]))
            if not both:
                continue
            rate = lambda name, index: of[name][index]["tokens_per_s_median"]
            memory = lambda name, index: of[name][index][peak]
            ratios = "" if side == "ours" else spread([rate("ours", i) / rate(side, i) for i in both], 2)
            heavier = "" if side == "ours" else spread([memory(side, i) / memory("ours", i) for i in both], 1)
            share = spread([of[side][i]["gemm_share"] for i in both], 2) if side == "ours" else ""
            lines.append([size, f"{batch} × {seq}", precision, side, len(both), spread([rate(side, i) for i in both]), ratios,
                          spread([memory(side, i) for i in both]), heavier, share])
    return header, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/debug/electra-lab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="timed steps a run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=CASES, default="cpu")
    parser.add_argument("--sizes", nargs="+", choices=["tiny", "small", "base"], default=["tiny", "small", "base"])
    parser.add_argument("--out", default="reports/bench")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    name = "step" if arguments.device == "cpu" else "step_cuda"
    log = os.path.join(arguments.out, name + ".jsonl")
    rows = [json.loads(line) for line in open(log)] if os.path.exists(log) else []
    for index in range(1, arguments.rounds + 1):
        for case in [case for case in CASES[arguments.device] if case[0] in arguments.sizes]:
            for side in SIDES:
                if any((row["round"], row["side"], case_of(row)) == (index, side, case) for row in rows):
                    continue
                row = dict(run(arguments, side, *case), round=index, side=side)
                rows.append(row)
                with open(log, "a") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"round {index}, {case[0]} in {case[3]}, {side}: {row['tokens_per_s_median']:.0f} tokens/s", file=sys.stderr, flush=True)
    header, lines = tables(rows, arguments.device)
    with open(os.path.join(arguments.out, name + ".csv"), "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    peer = next((row["peer"] for row in rows if "peer" in row), "no peer")
    version = next((row["version"] for row in rows if "version" in row), "")
    command = "python scripts/compare_step.py " + " ".join(sys.argv[1:])
    page = [
        "# One joint pre-training step, ours and PyTorch's", "",
        "The whole step: generator, sampling, discriminator, backward, clipping, optimizer; dropout 0.1, generator a quarter as wide.",
        "Medians over alternating rounds, with the range; a ratio is taken within a round. `tuned` and `typical` are the styles of",
        "`scripts/peer_step.py`. The last column is what our step reaches of the rate of one large matrix product.", "",
        f"- ours: electra-lab {version}", f"- peer: {peer}", f"- machine: {machine()}; {arguments.threads} threads",
        *([f"- device: {driver()}"] if arguments.device == "cuda" else []),
        f"- command: `{command}`", "",
        "| " + " | ".join(header) + " |", "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines), "",
    ]
    with open(os.path.join(arguments.out, name + ".md"), "w") as file:
        file.write("\n".join(page))
    print("\n".join(page))


if __name__ == "__main__":
    main()
