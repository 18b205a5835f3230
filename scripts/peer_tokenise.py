#!/usr/bin/env python3
"""The peer of `electra-lab bench corpus`: `datasets.map` with the fast tokenizer of the same vocabulary.

The same documents, tokenised without special tokens; nothing is packed, which ours does besides. Times the map alone: neither
the loading of the data set before it nor a cache from an earlier run is counted. Memory with several
processes is an upper bound: the peak of the first and so many times the largest peak of the others.

Prints one JSON line: seconds, tokens, tokens/s, peak resident memory, versions.

Needs: pip install datasets transformers==5.23.0
Run:   python scripts/peer_tokenise.py --tokenizer tokenizer.json --documents 20000 --processes 2 train-*.parquet
"""

import argparse
import json
import platform
import resource
import tempfile
import time

import datasets
import transformers
from transformers import PreTrainedTokenizerFast


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="Parquet files of the training text")
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, help="reads at most this many (default: all)")
    parser.add_argument("--processes", type=int, default=1, help="1 leaves the threads to the tokenizer")
    arguments = parser.parse_args()

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=arguments.tokenizer)
    split = "train" if arguments.documents is None else f"train[:{arguments.documents}]"
    with tempfile.TemporaryDirectory() as cache:
        texts = datasets.load_dataset("parquet", data_files=sorted(arguments.files), split=split, cache_dir=cache)
        texts = texts.select_columns([arguments.column])

        def tokenise(batch):
            ids = tokenizer(batch[arguments.column], add_special_tokens=False, truncation=False)["input_ids"]
            return {"input_ids": ids}

        began = time.perf_counter()
        mapped = texts.map(
            tokenise, batched=True, remove_columns=[arguments.column],
            num_proc=arguments.processes if arguments.processes > 1 else None, load_from_cache_file=False,
        )
        seconds = time.perf_counter() - began
        tokens = sum(len(ids) for ids in mapped["input_ids"])
    workers = arguments.processes if arguments.processes > 1 else 0
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kib += workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({
        "seconds": seconds, "tokens": tokens, "tokens_per_s": tokens / seconds, "processes": arguments.processes,
        "peak_rss_mib": kib // 1024,
        "peer": f"datasets {datasets.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}",
    }))


if __name__ == "__main__":
    main()
