#!/usr/bin/env python3
"""Makes tests/golden/logits.json: logits of transformers' ELECTRA at many shapes.

Weights and tokens follow a formula that the Rust test knows too (`weight`, `token` below), so that the file holds
logits alone. Sequences of different lengths are padded into one batch with an attention mask, as transformers does
it; only real tokens are kept. Of a generator's logits the file keeps some words at some positions and the
logarithm of the sum over the whole vocabulary.

Needs: pip install torch==2.15.0 transformers==5.23.0
Run:   python scripts/golden_logits.py > tests/golden/logits.json
"""

import json
import sys

import numpy
import torch
import transformers
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining

VOCAB = 30522
WORDS = [0, 5, 103, 999, 2023, 15261, 29999, 30521]
U64 = numpy.uint64


def mixed(name, n):
    """n pseudo-random 64-bit numbers: splitmix64 counted up from the FNV-1a hash of the name."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with numpy.errstate(over="ignore"):
        x = U64(state) + (numpy.arange(n, dtype=U64) + U64(1)) * U64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
        return x ^ (x >> U64(31))


def weight(name, shape):
    """Uniform numbers far from their usual small start, so that every path counts; exact in f32."""
    n = int(numpy.prod(shape))
    unit = (mixed(name, n) >> U64(40)).astype(numpy.float32) * numpy.float32(2**-24) - numpy.float32(0.5)
    if name.endswith("LayerNorm.weight"):
        values = numpy.float32(1) + unit * numpy.float32(0.5)
    elif len(shape) == 1 or "embeddings." in name:
        values = unit * numpy.float32(0.25)
    elif "dense_prediction" in name:
        values = unit * numpy.float32(2)
    else:
        values = unit * numpy.float32(0.125)
    return torch.from_numpy(values.reshape(shape))


def sequence(index, length):
    """[CLS], words, [SEP]; every second sequence has a second segment from two thirds of its length on."""
    ids = [101] + [1000 + int(x % U64(29000)) for x in mixed(f"ids.{index}", length - 2)] + [102]
    split = length * 2 // 3 if index % 2 else length
    return ids, [int(place >= split) for place in range(length)]


def fill(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    return model.eval()


def case(name, role, hidden, layers, embedding, lengths):
    heads = max(1, hidden // 64)
    config = ElectraConfig(
        vocab_size=VOCAB, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * hidden, embedding_size=embedding, attn_implementation="eager",
    )
    model = fill((ElectraForPreTraining if role == "discriminator" else ElectraForMaskedLM)(config))
    rows = [sequence(index, length) for index, length in enumerate(lengths)]
    longest = max(lengths)
    pad = lambda values: values + [0] * (longest - len(values))
    ids = torch.tensor([pad(ids) for ids, _ in rows])
    types = torch.tensor([pad(types) for _, types in rows])
    mask = torch.tensor([[int(place < length) for place in range(longest)] for length in lengths])
    with torch.no_grad():
        logits = model(input_ids=ids, token_type_ids=types, attention_mask=mask).logits
    golden = dict(name=name, role=role, hidden=hidden, layers=layers, heads=heads, embedding=embedding, lengths=lengths)
    short = lambda value: float(f"{value:.7g}")
    if role == "discriminator":
        real = [logits[row, :length].tolist() for row, length in enumerate(lengths)]
        golden["logits"] = [short(value) for row in real for value in row]
    else:
        golden["words"] = WORDS
        golden["positions"] = [[row, place] for row, length in enumerate(lengths) for place in (1, length // 2, length - 1)]
        golden["logits"] = [[short(logits[r, p, word].item()) for word in WORDS] for r, p in golden["positions"]]
        golden["log_sums"] = [short(logits[r, p].logsumexp(0).item()) for r, p in golden["positions"]]
    print(name, tuple(logits.shape), f"largest {logits.abs().max():.2f}", file=sys.stderr)
    return golden


def main():
    torch.manual_seed(0)
    cases = [
        case("tiny", "discriminator", 128, 4, 128, [512, 37, 5, 2]),
        case("small", "discriminator", 256, 12, 128, [512, 64, 3]),
        case("base", "discriminator", 768, 12, 768, [20, 512]),
        case("generator of base, ratio 1/3", "generator", 256, 12, 768, [33, 9]),
    ]
    for label, ratio in [("1/8", 1 / 8), ("1/4", 1 / 4), ("1/3", 1 / 3), ("1/2", 1 / 2), ("3/4", 3 / 4), ("1", 1.0)]:
        cases.append(case(f"generator of small, ratio {label}", "generator", round(256 * ratio), 12, 128, [512, 11] if label == "1/4" else [64, 11]))
    made = f"scripts/golden_logits.py, torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"
    lines = ",\n".join(json.dumps(one) for one in cases)
    print(f'{{"made_by": "{made}", "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
