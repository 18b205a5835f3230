#!/usr/bin/env python3
"""The peer of `electra-lab bench step`: one whole joint pre-training step of ELECTRA in transformers on PyTorch, timed.

The same work as ours on the same shapes: a generator `--ratio` as wide as the discriminator and as deep, shared embeddings, 15 %
of the positions masked, one sample a position, mean cross-entropy at the masked positions plus 50 times the discriminator's over
all tokens, dropout 0.1, gradients clipped to the global norm 1, AdamW. Random words, so that no text is needed.

  --style tuned    masked positions are gathered before the vocabulary is projected on, scaled-dot-product attention, AdamW
                   over lists of tensors: as fast as we know to write it with these libraries
  --style typical  logits of the vocabulary at every position, picked by a mask afterwards: as public re-implementations do

On a CUDA device every step is waited for, as ours is; bf16 is autocast with f32 weights, and --compile compiles both networks.

Prints one JSON line: median and best tokens/s over the timed steps, peak memory of the process and of the device, versions.

Needs: pip install torch==2.15.0 transformers==5.23.0
Run:   python scripts/peer_step.py --size small --batch 32 --seq 128 --threads 2
       python scripts/peer_step.py --size small --batch 128 --device cuda --precision bf16 --compile
"""

import argparse
import json
import platform
import resource
import statistics
import time

import torch
import transformers
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining

VOCABULARY, MASK_ID, FIRST_WORD = 30522, 103, 1000
# Width, layers, embedding.
SHAPES = {"tiny": (128, 4, 128), "small": (256, 12, 128), "base": (768, 12, 768)}


def config(hidden, layers, embedding, positions):
    return ElectraConfig(
        vocab_size=VOCABULARY, embedding_size=embedding, hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 64), intermediate_size=4 * hidden, max_position_embeddings=positions,
    )


class Pair(torch.nn.Module):
    """Generator and discriminator with one set of embeddings."""

    def __init__(self, size, ratio, positions):
        super().__init__()
        hidden, layers, embedding = SHAPES[size]
        self.generator = ElectraForMaskedLM(config(round(hidden * ratio), layers, embedding, positions))
        self.discriminator = ElectraForPreTraining(config(hidden, layers, embedding, positions))
        shared = self.discriminator.electra.embeddings
        self.generator.electra.embeddings = shared
        self.generator.generator_lm_head.weight = shared.word_embeddings.weight
        self.read, self.judge = self.generator.electra, self.discriminator

    def vocabulary_logits(self, hidden):
        return self.generator.generator_lm_head(self.generator.generator_predictions(hidden))

    def compile(self):
        """Compiles the two networks that take the time; what lies between them stays as it is."""
        self.read = torch.compile(self.generator.electra)
        self.judge = torch.compile(self.discriminator)

    def loss(self, words, masked_at, style):
        """words [B, T], masked_at [B, M]: positions of the masked words of each sequence."""
        inputs = words.scatter(1, masked_at, MASK_ID)
        hidden = self.read(inputs).last_hidden_state
        if style == "tuned":
            wanted = masked_at[:, :, None].expand(-1, -1, hidden.shape[-1])
            logits = self.vocabulary_logits(hidden.gather(1, wanted)).flatten(0, 1)
            originals = words.gather(1, masked_at).flatten()
        else:
            is_masked = torch.zeros_like(words, dtype=torch.bool).scatter(1, masked_at, True)
            logits = self.vocabulary_logits(hidden)[is_masked]
            originals = words[is_masked]
        logits = logits.float()
        generator_loss = cross_entropy(logits, originals)
        with torch.no_grad():
            # The largest of logits plus Gumbel noise is a sample of their softmax.
            noise = torch.empty_like(logits).exponential_().log()
            samples = (logits - noise).argmax(-1)
            if style == "tuned":
                corrupted = words.scatter(1, masked_at, samples.view_as(masked_at))
            else:
                corrupted = words.clone()
                corrupted[is_masked] = samples
            replaced = (corrupted != words).float()
        scores = self.judge(corrupted).logits
        return generator_loss + 50.0 * binary_cross_entropy_with_logits(scores.float(), replaced)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="small")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--ratio", type=float, default=0.25)
    parser.add_argument("--steps", type=int, default=6, help="timed steps, after two that are not counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--style", choices=["tuned", "typical"], default="tuned")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--compile", action="store_true", help="torch.compile for both networks")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    device, on_cuda = torch.device(arguments.device), arguments.device == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = arguments.precision != "f32"
    pair = Pair(arguments.size, arguments.ratio, max(512, arguments.seq)).train().to(device)
    if arguments.compile:
        pair.compile()
    parameters = list(pair.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, eps=1e-6, weight_decay=0.01, foreach=True)
    n_masked = round(0.15 * arguments.seq)
    seconds = []
    for step in range(2 + arguments.steps):
        began = time.perf_counter()
        words = torch.randint(FIRST_WORD, VOCABULARY, (arguments.batch, arguments.seq), device=device)
        masked_at = torch.rand(words.shape, device=device).topk(n_masked, dim=1).indices
        with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.precision == "bf16"):
            loss = pair.loss(words, masked_at, arguments.style)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        if on_cuda:
            torch.cuda.synchronize()
        if step >= 2:
            seconds.append(time.perf_counter() - began)
    tokens = arguments.batch * arguments.seq
    print(json.dumps(dict(
        peer=f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}, Python {platform.python_version()}",
        style=arguments.style, device=torch.cuda.get_device_name() if on_cuda else "cpu", precision=arguments.precision,
        compiled=arguments.compile, size=arguments.size, batch=arguments.batch, seq=arguments.seq, threads=arguments.threads,
        tokens_per_s_median=tokens / statistics.median(seconds), tokens_per_s_best=tokens / min(seconds),
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        peak_device_mib=torch.cuda.max_memory_allocated() // 2**20 if on_cuda else None,
    )))


if __name__ == "__main__":
    main()
