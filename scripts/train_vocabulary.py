#!/usr/bin/env python3
"""A WordPiece vocabulary of a corpus's own words, as a vocab.txt that `tokenizer: {kind: file, path: …}` reads.

Small models on a few million tokens learn little of 30,522 tokens most of which they see once; a vocabulary of some thousands leaves the
plateau of word frequencies in a fraction of the steps (LOG.md, 2026-11-23). Uncased, BERT's normaliser and word boundaries.
The same files and arguments give the same vocabulary.

Needs: tokenizers, polars.
Run:   python scripts/train_vocabulary.py --size 4096 --documents 20000 --out vocab.txt train-*.parquet
"""

import argparse
import collections

import polars
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def documents(files, column, limit):
    """Texts in the order of the files' names, at most `limit` of them."""
    for file in sorted(files):
        for text in polars.read_parquet(file, columns=[column])[column]:
            if limit == 0:
                return
            limit -= 1
            yield text


def commonest_letters(texts, normalizer, n):
    """The library drops rare letters in an order that changes from run to run: here equals go by code point."""
    counts = collections.Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    letters = [letter for letter in counts if not letter.isspace()]
    return sorted(letters, key=lambda letter: (-counts[letter], letter))[:n]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="Parquet files of the training text")
    parser.add_argument("--column", default="text")
    parser.add_argument("--documents", type=int, default=-1, help="reads at most this many (default: all)")
    parser.add_argument("--size", type=int, default=4096, help="tokens, special ones and single letters counted")
    parser.add_argument("--letters", type=int, default=400, help="letters that are kept; rarer ones become [UNK]")
    parser.add_argument("--out", default="vocab.txt")
    arguments = parser.parse_args()

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    texts = lambda: documents(arguments.files, arguments.column, arguments.documents)
    letters = commonest_letters(texts(), tokenizer.normalizer, arguments.letters)
    trainer = trainers.WordPieceTrainer(
        vocab_size=arguments.size,
        special_tokens=SPECIAL,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    # The library numbers single letters in an order that changes too.
    tokens = [*SPECIAL, *sorted(set(tokenizer.get_vocab()) - set(SPECIAL))]
    with open(arguments.out, "w", encoding="utf-8") as file:
        file.writelines(f"{token}\n" for token in tokens)
    print(f"{len(tokens)} tokens in {arguments.out}")


if __name__ == "__main__":
    main()
