"""Does the steps of a trace again in PyTorch with transformers' ELECTRA, and compares every number.

A trace is what `electra-lab trace` writes (its --help lists the names). From it this script takes the initial
weights, the batches, the masks, the samples and COCO-LM's crops, which are random; all else it computes itself by
`scripts/twins.py`, which has every objective, twice:

- on its own path, whose weights go through all steps and are never set back to the trace's: losses, the learning
  rate, clipping, the optimizer, updated weights, the copy between the stages of two_stage;
- at the trace's weights before each step: logits, rewards, and gradients by autograd.

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

from twins import Networks, generator_steps, losses

FORMAT_VERSION = 1

# Largest deviations: of logits, losses and weights in absolute terms, of gradients the norm of the difference over
# the gradient's own norm.
LIMITS = {"logits": 1e-4, "gradient": 1e-4, "loss": 1e-3, "weights": 1e-4}

# What follows from the trace's random numbers without arithmetic.
EXACT = ("discriminator_input", "labels", "restorer_input")
# Numbers of tokens and slots that are compared at the trace's weights.
LOGITS = ("generator_logits", "discriminator_logits", "gate_logits", "rewards", "advantages", "log_q")

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


def written_mistakes(step, header, released):
    """What is wrong with the tokens that the masked language model reads, in words."""
    ids, positions, read, mistakes = step["ids"], step["masked_positions"], step["generator_input"], []
    untouched = torch.ones(len(ids), dtype=torch.bool)
    untouched[positions] = False
    if not torch.equal(read[untouched], ids[untouched]):
        mistakes.append("the generator reads another token where nothing is masked")
    is_mask = read[positions] == header["mask_token"]
    if header["spec"]["objective"]["kind"] != "mlm" and not released and not is_mask.all():
        mistakes.append("a chosen token is not [MASK]")
    if released and not (is_mask | (read[positions] == ids[positions])).all():
        mistakes.append("a chosen token is neither [MASK] nor the original")
    return mistakes


def crop_mistakes(step, share):
    """What is wrong with the second views of COCO-LM, in words: each is a run of its text's tokens, with both ends."""
    ids, offsets, views, bounds = (step[name].tolist() for name in ("ids", "offsets", "view_ids", "view_offsets"))
    texts, n = len(offsets) - 1, len(ids)
    mistakes = []
    if views[:n] != step["restorer_input"].tolist() or bounds[: texts + 1] != offsets:
        mistakes.append("the first views are not the corrupted texts")
    for text in range(texts if len(bounds) > texts + 1 else 0):
        whole = ids[offsets[text]:offsets[text + 1]]
        crop = views[bounds[texts + text]:bounds[texts + text + 1]]
        between = len(whole) - 2
        # Half is rounded up, as in Rust.
        kept = min(max(min(between, 1), int(between * share + 0.5)), between)
        runs = [whole[:1] + whole[1 + at:1 + at + kept] + whole[-1:] for at in range(between - kept + 1)]
        if crop not in runs:
            mistakes.append(f"the crop of text {text} is no run of {kept} of its {between} tokens")
    return mistakes


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
    if objective["kind"] != "electric":
        mistakes += written_mistakes(step, header, released)
    if objective.get("disallow_correct") and (step["samples"] == step["originals"]).any():
        mistakes.append("a sample is the original")
    if "view_ids" in step:
        mistakes += crop_mistakes(step, objective["crop"])
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

    def __init__(self, parts, train, total_steps, k=0):
        self.train, self.total_steps, self.k = train, total_steps, k
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
        """Updates what has a gradient; returns the rate and the norm before clipping."""
        train, rate = self.train, self.rate()
        trained = [piece for piece, _ in self.decays if piece.grad is not None]
        norm = sum((piece.grad.double() ** 2).sum() for piece in trained).sqrt().item()
        for piece in trained:
            piece.grad *= train["clip_norm"] / max(norm, train["clip_norm"])
        if train["optimizer"] == "adamw":
            for group in self.adamw.param_groups:
                group["lr"] = rate
            self.adamw.step()
        else:
            for (piece, decay), (first, second) in zip(self.decays, self.moments, strict=True):
                if piece.grad is None:
                    continue
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


def relative(theirs, mine):
    """Norm of the difference over the norm of `mine`; 0 if both are zero, as in a network that is saturated."""
    return (theirs - mine).norm() / mine.norm() if (theirs != 0).any() or (mine != 0).any() else 0.0


class OwnPath:
    """Networks and optimizer that go through the steps by themselves, stage by stage."""

    def __init__(self, trace):
        self.networks, self.spec, self.total_steps = Networks(trace), trace.spec, trace.header["total_steps"]
        self.second = generator_steps(self.spec, self.total_steps)
        self.optimizer = self.new_optimizer(0)

    def new_optimizer(self, first):
        """The optimizer of the stage that begins with step `first`."""
        steps = self.total_steps
        if self.second and self.spec["objective"]["schedule"] == "restart":
            steps, first = (self.second if first == 0 else steps - self.second), 0
        return Optimizer(self.networks.parts, self.spec["train"], steps, first)

    def begins_second_stage(self, k):
        return k > 0 and k == self.second

    def begin(self, k):
        """What happens before step k: nothing, but before the second stage of two_stage."""
        if self.begins_second_stage(k):
            self.copy(self.networks)
            self.optimizer = self.new_optimizer(k)

    def copy(self, networks):
        if self.spec["objective"]["initialise"]:
            networks.start_from_generator()


def check_step(trace, own, followed, k):
    """Does step k on PyTorch's own path, and at the trace's weights with `followed`.

    Returns the step as traced, PyTorch's numbers and gradients, the deviations, and mistakes in words.
    """
    step, deviations = trace.step(k), Deviations()
    mistakes = masking_mistakes(step, trace.header)

    followed.load(trace.parameters("initial" if k == 0 else f"step.{k - 1}/updated"))
    if own.begins_second_stage(k):
        own.copy(followed)
    mine = losses(followed, step, trace.header, k)
    for name in LOGITS:
        if name in mine:
            deviations.add("logits", name, (step[name] - mine[name]).abs().max())
    for name in EXACT:
        if name in mine and not torch.equal(mine[name], step[name]):
            mistakes.append(f"{name} are not what the samples give")
    missed = {name for name in mine if name not in step}
    if missed:
        mistakes.append(f"the trace has no {sorted(missed)}")
    gradients, theirs = followed.gradients(), trace.parameters(f"step.{k}/gradient")
    if gradients.keys() != theirs.keys():
        mistakes.append(f"only one side has gradients of {sorted(gradients.keys() ^ theirs.keys())}")
    for name in gradients.keys() & theirs.keys():
        deviations.add("gradient", name, relative(theirs[name], gradients[name]))

    own.begin(k)
    mine |= losses(own.networks, step, trace.header, k)
    gradients = own.networks.gradients()
    rate, norm = own.optimizer.step()
    mine |= {"learning_rate": torch.tensor(rate), "gradient_norm": torch.tensor(norm)}
    for name in loss_names(mine):
        deviations.add("loss", name, (step[name] - mine[name]).abs())
    if abs(step["learning_rate"].item() - rate) > 1e-6 * rate:
        mistakes.append(f"the learning rate is {step['learning_rate'].item()}, not {rate}")
    for name, value in own.networks.values().items():
        deviations.add("weights", name, (trace[f"step.{k}/updated/{name}"] - value).abs().max())
    return step, mine, gradients, deviations, mistakes


def loss_names(mine):
    return [name for name in mine if name == "loss" or name.endswith("_loss")]


def golden_step(k, step, mine, gradients, begins_stage):
    """What a golden file keeps of a step: inputs as they were given, results as PyTorch has them."""
    inputs = ["ids", "masked_positions", "generator_input", "samples", "view_ids", "view_offsets"]
    inputs += ["types", "offsets"] if k == 0 else []
    kept = {name: step[name].to(torch.int16) for name in inputs if name in step}
    kept |= {name: mine[name].float() for name in [*loss_names(mine), "gradient_norm"]}
    if begins_stage:
        kept |= {name: mine[name].to(torch.int16) for name in EXACT if name in mine}
        kept |= {name: mine[name].float() for name in LOGITS if name in mine and name != "generator_logits"}
        if "generator_logits" in mine:
            kept["generator_logits"] = mine["generator_logits"][:GOLDEN_SLOTS].clone()
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
    own, followed = OwnPath(trace), Networks(trace)
    initial = trace.parameters("initial")
    # The first number of each parameter, by name: shows whether a run starts from these weights.
    golden = {"initial_first": torch.stack([initial[name].flatten()[0] for name in sorted(initial)])}
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"trial {header['trial']}: largest deviations from {versions}")
    print(f"{'step':>5}{'loss':>12}" + "".join(f"{kind:>12}" for kind in LIMITS) + "  largest gradient deviation")
    complaints, largest = [], dict.fromkeys(LIMITS, 0.0)
    for k in range(header["n_steps"]):
        step, mine, gradients, deviations, mistakes = check_step(trace, own, followed, k)
        values = {kind: deviations.worst[kind][0] for kind in LIMITS}
        largest = {kind: max(largest[kind], values[kind]) for kind in LIMITS}
        print(f"{k:>5}{mine['loss'].item():>12.5f}{line(values)}  {deviations.worst['gradient'][1]}")
        complaints += [f"step {k}: {text}" for text in [*mistakes, *deviations.complaints()]]
        golden |= golden_step(k, step, mine, gradients, k == 0 or own.begins_second_stage(k))
    print(f"{'all':>5}{'':>12}{line(largest)}")
    print(f"{'limit':>5}{'':>12}{line(LIMITS)}")
    for complaint in complaints:
        print(complaint)
    if arguments.write_golden and not complaints:
        golden |= {f"final/{name}": value.clone() for name, value in own.networks.values().items()}
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
