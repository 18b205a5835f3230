#!/usr/bin/env python3
"""Tokenising a corpus side by side: `electra-lab bench corpus` and `datasets.map`, alternating on one machine.

A round runs ours, the peer with one process (its tokenizer's threads) and the peer with as many processes as threads; a ratio is taken
within a round. Ours also packs the tokens into examples and writes them, which the peer does not. Writes OUT/corpus.jsonl
and OUT/corpus.md. A round that OUT/corpus.jsonl already has is not run again.

Needs: what scripts/peer_tokenise.py needs, and a built electra-lab. Let nothing else run meanwhile.
Run:   python scripts/compare_corpus.py --tokenizer tokenizer.json --documents 20000 --out reports/bench train-*.parquet
"""

import argparse
import json
import os
import sys

from compare_step import HERE, machine, measured, spread


def experiment(arguments):
    """One trial over the files, as little else as an experiment needs."""
    data = {"kind": "files", "paths": sorted(arguments.files), "column": arguments.column,
            "tokenizer": {"kind": "file", "path": arguments.tokenizer}}
    if arguments.documents:
        data["max_documents"] = arguments.documents
    path = os.path.join(arguments.out, "corpus.yaml")
    with open(path, "w") as file:
        json.dump({"name": "corpus", "about": "How long does this text take?",
                   "base": {"data": data, "train": {"seq_len": 128}}}, file)
    return path


def run(arguments, side, spec):
    threads = arguments.threads
    command = [arguments.program, "bench", "corpus", spec, "--threads", str(threads), "--offline", "--json"]
    if side != "ours":
        limit = ["--documents", str(arguments.documents)] if arguments.documents else []
        command = [sys.executable, os.path.join(HERE, "peer_tokenise.py"), "--tokenizer", arguments.tokenizer, "--column",
                   arguments.column, *limit, "--processes", str(threads if side == "processes" else 1), *arguments.files]
    return measured(command)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="Parquet files of the training text")
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, help="reads at most this many (default: all)")
    parser.add_argument("--program", default="target/debug/electra-lab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="reports/bench")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    log = os.path.join(arguments.out, "corpus.jsonl")
    rows = [json.loads(line) for line in open(log)] if os.path.exists(log) else []
    spec = experiment(arguments)
    for index in range(1, arguments.rounds + 1):
        for side in ("ours", "threads", "processes"):
            if any(row["round"] == index and row["side"] == side for row in rows):
                continue
            row = dict(run(arguments, side, spec), round=index, side=side)
            row.pop("source", None)
            rows.append(row)
            with open(log, "a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"round {index}, {side}: {row['seconds']:.1f} s", file=sys.stderr, flush=True)
    os.remove(spec)
    of = {side: {row["round"]: row for row in rows if row["side"] == side} for side in ("ours", "threads", "processes")}
    names = {"ours": "ours, packed and written", "threads": "datasets.map, one process",
             "processes": f"datasets.map, {arguments.threads} processes"}
    lines = []
    for side, name in names.items():
        values = lambda key: [row[key] for row in of[side].values()]
        ratios = [row["seconds"] / of["ours"][index]["seconds"] for index, row in of[side].items() if index in of["ours"]]
        lines.append([name, str(len(of[side])), spread(values("seconds"), 1), spread(values("tokens")),
                      spread(values("peak_rss_mib")), "" if side == "ours" else spread(ratios, 1)])
    version = next((row["version"] for row in rows if "version" in row), "")
    peer = next((row["peer"] for row in rows if "peer" in row), "no peer")
    files = " ".join(os.path.basename(path) for path in sorted(arguments.files))
    limit = f"--documents {arguments.documents} " if arguments.documents else ""
    command = f"python scripts/compare_corpus.py --tokenizer {os.path.basename(arguments.tokenizer)} {limit}{files}"
    page = [
        "# Tokenising a corpus, ours and datasets.map", "",
        f"{arguments.documents or 'All'} documents, the same fast tokenizer. Medians over alternating rounds, with the range; a ratio is taken",
        "within a round. Ours reads, tokenises, packs into examples of 128 tokens and writes the file; the peer's time is the map alone,",
        "without packing, and its tokens are without [CLS] and [SEP] and before packing drops any.", "",
        f"- ours: electra-lab {version}", f"- peer: {peer}", f"- machine: {machine()}; {arguments.threads} threads",
        f"- command: `{command}`", "",
        "- The peer's memory with several processes is an upper bound: that of the first and so many times the largest of the others.", "",
        "| side | rounds | seconds | tokens | peak MiB | it / ours |", "| --- | ---: | ---: | ---: | ---: | ---: |",
        *("| " + " | ".join(line) + " |" for line in lines), "",
    ]
    with open(os.path.join(arguments.out, "corpus.md"), "w") as file:
        file.write("\n".join(page))
    print("\n".join(page))


if __name__ == "__main__":
    main()
