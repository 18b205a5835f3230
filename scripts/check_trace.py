"""Does the steps of a trace again in PyTorch with transformers' ELECTRA, and compares every number.

A trace is what `electra-lab trace` writes (its --help lists the names). From it this script takes the initial
weights, the batches, the masks and the samples, which are random; all else it computes itself, twice:

- on its own path, whose weights go through all steps and are never set back to the trace's: losses, the learning
  rate, clipping, the optimizer, updated weights;
- at the trace's weights before each step: logits, and gradients by autograd.

Two frameworks round differently, and training amplifies that, the more the further a step goes: where losses and
weights drift apart slowly while logits and gradients stay close, look at fewer steps or at a lower learning rate.

    pip install torch==2.15.0 transformers==5.23.0
    electra-lab trace EXPERIMENT --steps 10 --out trace.safetensors \\
        --set model.dropout=0 --set model.attention_dropout=0
    python scripts/check_trace.py trace.safetensors

It prints a line a step and exits with 1 if a deviation is too large. `--write-golden OUT` also writes PyTorch's
numbers, which the Rust tests compare with (tests/golden/README.md).
"""

import argparse
import json
import sys

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional

FORMAT_VERSION = 1

# Largest deviations: of logits, losses and weights in absolute terms, of gradients the norm of the difference over
# the gradient's own norm.
LIMITS = {"logits": 1e-4, "gradient": 1e-4, "loss": 1e-3, "weights": 1e-4}

# Masking slots whose generator logits go into a golden file: each is as wide as the vocabulary.
GOLDEN_SLOTS = 2


class Trace:
    """A trace file."""

    def __init__(self, path):
        self.file = safe_open(path, "pt")
        self.names = set(self.file.keys())
        header = json.loads((self.file.metadata() or {}).get("trace", "{}"))
        if header.get("format_version") != FORMAT_VERSION:
            sys.exit(f"{path}: not a trace of format {FORMAT_VERSION}")
        self.header = header
        self.spec = header["spec"]
        model = self.spec["model"]
        if model["dropout"] or model["attention_dropout"]:
            sys.exit(f"{path}: dropout was on, and its masks are not in the file: trace again without it")

    def __getitem__(self, name):
        return self.file.get_tensor(name)

    def step(self, k):
        """All tensors of step k that do not belong to a parameter."""
        names = [name.split("/") for name in self.names if name.startswith(f"step.{k}/")]
        return {name[1]: self["/".join(name)] for name in names if len(name) == 2}

    def parameters(self, kind):
        """The parameters under `initial`, `step.<k>/gradient` or `step.<k>/updated`, by name."""
        prefix = f"{kind}/"
        return {name[len(prefix):]: self[name] for name in sorted(self.names) if name.startswith(prefix)}


def heads_of(model, hidden, ratio):
    """Attention heads of an encoder, as `ModelSpec` chooses them."""
    if model["heads"] is None:
        return max(1, hidden // 64)
    return max(1, round(model["heads"] * ratio))


def config_of(initial, prefix, model, ratio, word):
    """transformers' configuration of the encoder whose parameters begin with `prefix`."""
    hidden = initial[f"{prefix}.layer.0.output.bias"].shape[0]
    layers = sum(name.startswith(f"{prefix}.layer.") and name.endswith(".intermediate.bias") for name in initial)
    return transformers.ElectraConfig(
        vocab_size=word.shape[0],
        embedding_size=word.shape[1],
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads_of(model, hidden, ratio),
        intermediate_size=initial[f"{prefix}.layer.0.intermediate.bias"].shape[0],
        max_position_embeddings=model["positions"],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        # transformers would keep the gradient from the padding token's embedding; the released code does not, and
        # the token can be drawn as a replacement.
        pad_token_id=None,
        attn_implementation="eager",
    )


def embedding_parts(ours, embeddings):
    return {
        f"{ours}.word.weight": [embeddings.word_embeddings.weight],
        f"{ours}.position.weight": [embeddings.position_embeddings.weight],
        f"{ours}.type.weight": [embeddings.token_type_embeddings.weight],
        f"{ours}.norm.weight_and_bias": [embeddings.LayerNorm.weight, embeddings.LayerNorm.bias],
    }


class Difference(torch.nn.Module):
    """An embedding table that is another one, without its gradient, plus a difference from it."""

    def __init__(self, base):
        super().__init__()
        # In a list, so that it is no parameter of this module.
        self.base = [base]
        self.delta = torch.nn.Parameter(torch.zeros_like(base))

    def forward(self, ids):
        return functional.embedding(ids, self.base[0].detach() + self.delta)


def disentangle(ours, embeddings, base):
    """Makes word and position tables of `embeddings` differences from those of `base`; returns the parts."""
    embeddings.word_embeddings = Difference(base.word_embeddings.weight)
    embeddings.position_embeddings = Difference(base.position_embeddings.weight)
    return {
        f"{ours}.word.delta": [embeddings.word_embeddings.delta],
        f"{ours}.position.delta": [embeddings.position_embeddings.delta],
        f"{ours}.type.weight": [embeddings.token_type_embeddings.weight],
        f"{ours}.norm.weight_and_bias": [embeddings.LayerNorm.weight, embeddings.LayerNorm.bias],
    }


def dense_parts(ours, *layers):
    return {f"{ours}.{kind}": [getattr(layer, kind) for layer in layers] for kind in ("weight", "bias")}


def encoder_parts(ours, electra):
    parts = {}
    if hasattr(electra, "embeddings_project"):
        parts |= dense_parts(f"{ours}.embeddings_project", electra.embeddings_project)
    for index, layer in enumerate(electra.encoder.layer):
        name = f"{ours}.layer.{index}"
        read, written = layer.attention.self, layer.attention.output
        parts |= dense_parts(f"{name}.attention.qkv", read.query, read.key, read.value)
        parts |= dense_parts(f"{name}.attention.output", written.dense)
        parts |= dense_parts(f"{name}.intermediate", layer.intermediate.dense)
        parts |= dense_parts(f"{name}.output", layer.output.dense)
        parts[f"{name}.attention.norm.weight_and_bias"] = [written.LayerNorm.weight, written.LayerNorm.bias]
        norm = layer.output.LayerNorm
        parts[f"{name}.output.norm.weight_and_bias"] = [norm.weight, norm.bias]
    return parts


def head_parts(ours, network):
    predictions = network.generator_predictions
    return dense_parts(f"{ours}.dense", predictions.dense) | {
        f"{ours}.norm.weight_and_bias": [predictions.LayerNorm.weight, predictions.LayerNorm.bias],
        f"{ours}.bias": [network.generator_lm_head.bias],
    }


def join(name, tensors):
    """One tensor of ours from transformers' pieces: γ and β are rows, queries, keys and values are stacked."""
    return torch.stack(tensors) if name.endswith("weight_and_bias") else torch.cat(tensors)


class Networks:
    """transformers' networks with the trace's initial weights."""

    def __init__(self, trace):
        initial, spec = trace.parameters("initial"), trace.spec
        model = spec["model"]
        word = initial.get("embeddings.word.weight", initial.get("embeddings.word.delta"))
        full = config_of(initial, "encoder", model, 1.0, word)
        self.discriminator = None
        if spec["objective"]["kind"] == "mlm":
            self.generator = transformers.ElectraForMaskedLM(full)
            self.parts = embedding_parts("embeddings", self.generator.electra.embeddings)
            self.parts |= encoder_parts("encoder", self.generator.electra)
            self.parts |= head_parts("mlm_head", self.generator)
        else:
            sharing = model["sharing"]
            own = "encoder" if sharing == "all" else "generator.encoder"
            small = config_of(initial, own, model, model["generator_ratio"], word)
            self.generator = transformers.ElectraForMaskedLM(small)
            self.discriminator = transformers.ElectraForPreTraining(full)
            embeddings = self.discriminator.electra.embeddings
            base = self.generator.electra.embeddings
            if sharing == "gdes":
                self.parts = disentangle("embeddings", embeddings, base)
            else:
                self.parts = embedding_parts("embeddings", embeddings)
            if sharing in ("none", "gdes"):
                self.parts |= embedding_parts("generator.embeddings", base)
            else:
                self.generator.electra.embeddings = embeddings
                self.generator.generator_lm_head.weight = embeddings.word_embeddings.weight
            self.parts |= encoder_parts("encoder", self.discriminator.electra)
            if sharing == "all":
                self.generator.electra = self.discriminator.electra
            else:
                self.parts |= encoder_parts("generator.encoder", self.generator.electra)
            self.parts |= head_parts("generator.mlm_head", self.generator)
            predictions = self.discriminator.discriminator_predictions
            self.parts |= dense_parts("discriminator_head.dense", predictions.dense)
            self.parts |= dense_parts("discriminator_head.prediction", predictions.dense_prediction)
        self.load(initial)

    def load(self, initial):
        if self.parts.keys() != initial.keys():
            sys.exit(f"parameters that only one side has: {sorted(self.parts.keys() ^ initial.keys())}")
        modules = [module for module in (self.generator, self.discriminator) if module is not None]
        known = {id(parameter) for pieces in self.parts.values() for parameter in pieces}
        named = [entry for module in modules for entry in module.named_parameters()]
        missed = [name for name, parameter in named if id(parameter) not in known]
        if missed:
            sys.exit(f"transformers has parameters that the trace does not have: {missed}")
        with torch.no_grad():
            for name, pieces in self.parts.items():
                whole = initial[name]
                rows = whole.unbind() if name.endswith("weight_and_bias") else whole.chunk(len(pieces))
                for piece, row in zip(pieces, rows, strict=True):
                    piece.copy_(row)
        for module in modules:
            module.eval()

    def values(self):
        return {name: join(name, [piece.detach() for piece in pieces]) for name, pieces in self.parts.items()}

    def gradients(self):
        return {name: join(name, [piece.grad for piece in pieces]) for name, pieces in self.parts.items()}

    def zero_gradients(self):
        for pieces in self.parts.values():
            for piece in pieces:
                piece.grad = None


def padded(values, offsets):
    """Rows of equal length from values laid end to end, and which places are real."""
    sequences = [values[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    rows = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return rows, torch.arange(rows.shape[1])[None] < lengths[:, None]


def run(network, ids, types, offsets):
    """Logits of the real tokens, end to end again."""
    rows, real = padded(ids, offsets)
    kinds, _ = padded(types, offsets)
    return network(input_ids=rows, attention_mask=real.long(), token_type_ids=kinds).logits[real]


def filled(ids, positions, samples):
    """The tokens with the samples in place; several for one position give the floor of their mean."""
    out = ids.clone()
    for position in positions.unique():
        drawn = samples[positions == position]
        out[position] = drawn.sum() // len(drawn)
    return out


def masking_mistakes(step, header):
    """What breaks the masking rule of the specification, in words."""
    objective, train = header["spec"]["objective"], header["spec"]["train"]
    ids, positions, offsets = step["ids"], step["masked_positions"], step["offsets"]
    released = objective.get("masking", "paper") == "released_code"
    fraction, mistakes = objective["mask_fraction"], []
    if not torch.equal(ids[positions], step["originals"]):
        mistakes.append("originals are not the tokens at the masked positions")
    if torch.isin(ids[positions], torch.tensor(header["never_masked"])).any():
        mistakes.append("a special token is masked")
    untouched = torch.ones(len(ids), dtype=torch.bool)
    untouched[positions] = False
    if not torch.equal(step["generator_input"][untouched], ids[untouched]):
        mistakes.append("the generator reads another token where nothing is masked")
    written = step["generator_input"][positions]
    is_mask = written == header["mask_token"]
    if objective["kind"] == "rtd" and not released and not is_mask.all():
        mistakes.append("a chosen token is not [MASK]")
    if released and not (is_mask | (written == ids[positions])).all():
        mistakes.append("a chosen token is neither [MASK] nor the original")
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        inside = positions[(positions >= start) & (positions < end)]
        candidates = int((~torch.isin(ids[start:end], torch.tensor(header["never_masked"]))).sum())
        if released:
            asked = int(torch.round(torch.tensor(float(end - start)) * torch.tensor(fraction)))
            expected = max(1, min(int((fraction + 0.005) * train["seq_len"]), asked)) if candidates else 0
        else:
            expected = min(max(1, round((end - start) * fraction)), candidates)
            if len(inside.unique()) != len(inside):
                mistakes.append("a position is masked twice")
        if len(inside) != expected:
            mistakes.append(f"{len(inside)} slots in a sequence of {end - start} tokens, expected {expected}")
    return mistakes


class Optimizer:
    """Clipping by the global norm, then ELECTRA's Adam (no bias correction, decoupled decay) or PyTorch's AdamW."""

    def __init__(self, parts, train, total_steps):
        self.train, self.total_steps, self.k = train, total_steps, 0
        groups = {True: [], False: []}
        for name, pieces in parts.items():
            groups[name.endswith((".weight", ".delta"))] += pieces
        decays = {True: train["weight_decay"], False: 0.0}
        self.decays = [(piece, decays[group]) for group, pieces in groups.items() for piece in pieces]
        if train["optimizer"] == "adamw":
            self.adamw = torch.optim.AdamW(
                [{"params": pieces, "weight_decay": decays[group]} for group, pieces in groups.items()],
                lr=0.0,
                betas=(train["beta1"], train["beta2"]),
                eps=train["epsilon"],
            )
        else:
            self.moments = [(torch.zeros_like(piece), torch.zeros_like(piece)) for piece, _ in self.decays]

    def rate(self):
        """Linear decay times the warm-up factor, as google-research/electra's optimization.py has it."""
        train = self.train
        warmup = min(1.0, self.k / train["warmup"]) if train["warmup"] else 1.0
        return train["learning_rate"] * (1.0 - self.k / self.total_steps) * warmup

    @torch.no_grad()
    def step(self):
        """Updates; returns the rate and the norm before clipping."""
        train, rate = self.train, self.rate()
        norm = sum((piece.grad.double() ** 2).sum() for piece, _ in self.decays).sqrt().item()
        for piece, _ in self.decays:
            piece.grad *= train["clip_norm"] / max(norm, train["clip_norm"])
        if train["optimizer"] == "adamw":
            for group in self.adamw.param_groups:
                group["lr"] = rate
            self.adamw.step()
        else:
            for (piece, decay), (first, second) in zip(self.decays, self.moments, strict=True):
                first.mul_(train["beta1"]).add_(piece.grad, alpha=1 - train["beta1"])
                second.mul_(train["beta2"]).add_(piece.grad**2, alpha=1 - train["beta2"])
                piece -= rate * (first / (second.sqrt() + train["epsilon"]) + decay * piece)
        self.k += 1
        return rate, norm


class Deviations:
    """The largest deviation of each kind in a step, and what is too large."""

    def __init__(self):
        self.worst, self.too_large = {}, {}

    def add(self, kind, name, value):
        value = float(value)
        if value >= self.worst.get(kind, (-1.0,))[0]:
            self.worst[kind] = (value, name)
        # Written so that NaN is too large as well.
        if not value <= LIMITS[kind]:
            self.too_large.setdefault(kind, []).append((value, name))

    def complaints(self):
        for kind, found in self.too_large.items():
            value, name = max(found)
            others = f", and {len(found) - 1} more beyond it" if len(found) > 1 else ""
            yield f"{kind}: {name} deviates by {value:.1e}, the limit is {LIMITS[kind]:.0e}{others}"


def losses(networks, step, objective):
    """Logits and losses of a step, and what the discriminator reads and should say, from the samples."""
    types, offsets, positions = step["types"], step["offsets"], step["masked_positions"]
    logits = run(networks.generator, step["generator_input"], types, offsets)[positions]
    mlm_loss = functional.cross_entropy(logits, step["ids"][positions])
    mine = {"generator_logits": logits, "mlm_loss": mlm_loss, "loss": mlm_loss}
    if networks.discriminator is not None:
        mine["discriminator_input"] = filled(step["ids"], positions, step["samples"])
        mine["labels"] = (mine["discriminator_input"] != step["ids"]).long()
        logits = run(networks.discriminator, mine["discriminator_input"], types, offsets)
        rtd_loss = functional.binary_cross_entropy_with_logits(logits, mine["labels"].to(logits.dtype))
        mine |= {"discriminator_logits": logits, "rtd_loss": rtd_loss}
        mine["loss"] = mlm_loss + objective["disc_weight"] * rtd_loss
    networks.zero_gradients()
    mine["loss"].backward()
    return {name: value.detach().clone() for name, value in mine.items()}


def check_step(trace, networks, followed, optimizer, k):
    """Does step k with `networks`, whose path is their own, and at the trace's weights with `followed`.

    Returns the step as traced, PyTorch's numbers and gradients, the deviations, and mistakes in words.
    """
    step = trace.step(k)
    objective, deviations = trace.spec["objective"], Deviations()
    mistakes = masking_mistakes(step, trace.header)

    followed.load(trace.parameters("initial" if k == 0 else f"step.{k - 1}/updated"))
    mine = losses(followed, step, objective)
    for name in ("generator_logits", "discriminator_logits"):
        if name in mine:
            deviations.add("logits", name, (step[name] - mine[name]).abs().max())
    for name in ("discriminator_input", "labels"):
        if name in mine and not torch.equal(mine[name], step[name]):
            mistakes.append(f"{name} are not what the samples give")
    gradients = followed.gradients()
    for name, theirs in trace.parameters(f"step.{k}/gradient").items():
        deviations.add("gradient", name, (theirs - gradients[name]).norm() / gradients[name].norm())

    mine |= losses(networks, step, objective)
    gradients = networks.gradients()
    rate, norm = optimizer.step()
    mine |= {"learning_rate": torch.tensor(rate), "gradient_norm": torch.tensor(norm)}
    for name in ("mlm_loss", "rtd_loss", "loss"):
        if name in mine:
            deviations.add("loss", name, (step[name] - mine[name]).abs())
    if abs(step["learning_rate"].item() - rate) > 1e-6 * rate:
        mistakes.append(f"the learning rate is {step['learning_rate'].item()}, not {rate}")
    for name, value in networks.values().items():
        deviations.add("weights", name, (trace[f"step.{k}/updated/{name}"] - value).abs().max())
    return step, mine, gradients, deviations, mistakes


def golden_step(k, step, mine, gradients):
    """What a golden file keeps of a step: inputs as they were given, results as PyTorch has them."""
    inputs = ["ids", "masked_positions", "generator_input", "samples"]
    inputs += ["types", "offsets"] if k == 0 else []
    kept = {name: step[name].to(torch.int16) for name in inputs if name in step}
    kept |= {name: mine[name].float() for name in ("mlm_loss", "rtd_loss", "loss", "gradient_norm") if name in mine}
    if k == 0:
        kept |= {name: mine[name].to(torch.int16) for name in ("discriminator_input", "labels") if name in mine}
        kept["generator_logits"] = mine["generator_logits"][:GOLDEN_SLOTS].clone()
        if "discriminator_logits" in mine:
            kept["discriminator_logits"] = mine["discriminator_logits"]
        kept |= {f"gradient/{name}": gradient.clone() for name, gradient in gradients.items()}
    return {f"step.{k}/{name}": tensor.contiguous() for name, tensor in kept.items()}


def line(values):
    return "".join(f"{values[kind]:>12.1e}" for kind in LIMITS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", metavar="FILE", help="what `electra-lab trace` wrote")
    parser.add_argument("--write-golden", metavar="OUT", help="also write PyTorch's numbers for the Rust tests")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    trace = Trace(arguments.trace)
    header = trace.header
    networks, followed = Networks(trace), Networks(trace)
    optimizer = Optimizer(networks.parts, trace.spec["train"], header["total_steps"])
    initial = trace.parameters("initial")
    # The first number of each parameter, by name: shows whether a run starts from these weights.
    golden = {"initial_first": torch.stack([initial[name].flatten()[0] for name in sorted(initial)])}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"trial {header['trial']}: largest deviations from {versions}")
    print(f"{'step':>5}{'loss':>12}" + "".join(f"{kind:>12}" for kind in LIMITS) + "  largest gradient deviation")
    complaints, largest = [], dict.fromkeys(LIMITS, 0.0)
    for k in range(header["n_steps"]):
        step, mine, gradients, deviations, mistakes = check_step(trace, networks, followed, optimizer, k)
        values = {kind: deviations.worst[kind][0] for kind in LIMITS}
        largest = {kind: max(largest[kind], values[kind]) for kind in LIMITS}
        print(f"{k:>5}{mine['loss'].item():>12.5f}{line(values)}  {deviations.worst['gradient'][1]}")
        complaints += [f"step {k}: {text}" for text in [*mistakes, *deviations.complaints()]]
        golden |= golden_step(k, step, mine, gradients)
    print(f"{'all':>5}{'':>12}{line(largest)}")
    print(f"{'limit':>5}{'':>12}{line(LIMITS)}")
    for complaint in complaints:
        print(complaint)
    if arguments.write_golden and not complaints:
        golden |= {f"final/{name}": value.clone() for name, value in networks.values().items()}
        made_by = {
            "made_by": "scripts/check_trace.py --write-golden",
            "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__,
            "trial": header["trial"],
            "n_steps": header["n_steps"],
        }
        save_file(golden, arguments.write_golden, metadata={"golden": json.dumps(made_by)})
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
