"""The objectives in PyTorch: transformers' networks under the names of our parameters, and the losses.

`scripts/check_trace.py` gives them the weights, batches, masks, samples and crops of a trace, and compares what they
compute. Random numbers are the trace's; every formula is written here again, from the papers (docs/objectives.md).
T tokens lie end to end in a step's tensors, and M slots are indices into them.
"""

import copy
import sys

import torch
import transformers
from torch.nn import functional
from transformers.models.electra.modeling_electra import ElectraGeneratorPredictions


def heads_of(model, hidden, ratio):
    """Attention heads of an encoder, as `ModelSpec` chooses them."""
    if model["heads"] is None:
        return max(1, hidden // 64)
    return max(1, round(model["heads"] * ratio))


def config_of(initial, prefix, model, ratio, word, causal=False):
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
        is_decoder=causal,
        use_cache=False,
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


def head_parts(ours, predictions, bias):
    return dense_parts(f"{ours}.dense", predictions.dense) | {
        f"{ours}.norm.weight_and_bias": [predictions.LayerNorm.weight, predictions.LayerNorm.bias],
        f"{ours}.bias": [bias],
    }


def discriminator_parts(network):
    predictions = network.discriminator_predictions
    parts = dense_parts("discriminator_head.dense", predictions.dense)
    return parts | dense_parts("discriminator_head.prediction", predictions.dense_prediction)


def padded(values, offsets):
    """Rows of equal length from values laid end to end, and which places are real."""
    sequences = [values[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)]
    rows = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return rows, torch.arange(rows.shape[1])[None] < lengths[:, None]


def encode(electra, ids, types, offsets, positions=None):
    """Hidden states [T, H] of an encoder, end to end again. Positions count from 0 in each sequence if not given."""
    rows, real = padded(ids, offsets)
    kinds, _ = padded(types, offsets)
    places = None if positions is None else padded(positions, offsets)[0]
    output = electra(input_ids=rows, attention_mask=real.long(), token_type_ids=kinds, position_ids=places)
    return output.last_hidden_state[real]


class TwoTowers(torch.nn.Module):
    """Electric's cloze model: two causal encoders, one of which reads every sequence backwards, and one head."""

    def __init__(self, config):
        super().__init__()
        self.left, self.right = transformers.ElectraModel(config), transformers.ElectraModel(config)
        both = copy.deepcopy(config)
        both.hidden_size = 2 * config.hidden_size
        self.predictions = ElectraGeneratorPredictions(both)
        self.bias = torch.nn.Parameter(torch.zeros(config.vocab_size))

    def share(self, embeddings):
        """Makes both towers read these embeddings, whose word table is also the output's."""
        self.left.embeddings = self.right.embeddings = embeddings

    def forward(self, ids, types, offsets):
        """Context [T, 2·H] of every token: the left tower at its left neighbour, the right one at its right one."""
        starts, ends = offsets[:-1].tolist(), offsets[1:].tolist()
        places = torch.cat([torch.arange(end - start) for start, end in zip(starts, ends, strict=True)])
        backwards = torch.cat([torch.arange(start, end).flip(0) for start, end in zip(starts, ends, strict=True)])
        left = encode(self.left, ids, types, offsets, places)
        right = encode(self.right, ids[backwards], types[backwards], offsets, places[backwards])[backwards]
        no_left, no_right = torch.zeros_like(left), torch.zeros_like(right)
        no_left[1:], no_right[:-1] = left[:-1], right[1:]
        inside = torch.ones(len(ids), 1)
        first, last = inside.clone(), inside.clone()
        first[starts], last[[end - 1 for end in ends]] = 0.0, 0.0
        return torch.cat([no_left * first, no_right * last], dim=1)

    def predict(self, context):
        """Logits [N, V] of contexts [N, 2·H]."""
        return functional.linear(self.predictions(context), self.left.embeddings.word_embeddings.weight, self.bias)


def join(name, tensors):
    """One tensor of ours from transformers' pieces: γ and β are rows, queries, keys and values are stacked."""
    return torch.stack(tensors) if name.endswith("weight_and_bias") else torch.cat(tensors)


# What the encoder that is fine-tuned learns.
RESTORES = ("replace_mlm", "all_tokens_mlm", "coco_lm")


class Networks:
    """The networks of a trial with the trace's initial weights.

    `main` is the encoder that is fine-tuned, with its head; `generator` a masked language model, Electric's two towers,
    or None; `gate` and `baseline` are linear units, or None. `parts` maps our parameters to transformers' pieces.
    """

    def __init__(self, trace):
        initial, spec = trace.parameters("initial"), trace.spec
        model, kind = spec["model"], spec["objective"]["kind"]
        self.generator = self.gate = self.baseline = None
        word = initial.get("embeddings.word.weight", initial.get("embeddings.word.delta"))
        full = config_of(initial, "encoder", model, 1.0, word)
        if kind in ("mlm", "script") or kind in RESTORES:
            self.main = transformers.ElectraForMaskedLM(full)
            self.parts = head_parts("mlm_head", self.main.generator_predictions, self.main.generator_lm_head.bias)
        else:
            self.main = transformers.ElectraForPreTraining(full)
            self.parts = discriminator_parts(self.main)
        self.parts |= encoder_parts("encoder", self.main.electra)
        if kind == "electric":
            config = config_of(initial, "generator.left.encoder", model, model["generator_ratio"], word, causal=True)
            self.generator = TwoTowers(config)
            self.share(model["sharing"], self.generator.left.embeddings)
            self.parts |= encoder_parts("generator.left.encoder", self.generator.left)
            self.parts |= encoder_parts("generator.right.encoder", self.generator.right)
            self.parts |= head_parts("generator.mlm_head", self.generator.predictions, self.generator.bias)
        elif kind in ("mlm", "script") or spec["objective"].get("generator", "network") != "network":
            self.parts |= embedding_parts("embeddings", self.main.electra.embeddings)
        else:
            own = "encoder" if model["sharing"] == "all" else "generator.encoder"
            small = config_of(initial, own, model, model["generator_ratio"], word)
            self.generator = transformers.ElectraForMaskedLM(small)
            self.share(model["sharing"], self.generator.electra.embeddings)
            if model["sharing"] == "all":
                self.generator.electra = self.main.electra
            else:
                self.parts |= encoder_parts("generator.encoder", self.generator.electra)
            head = self.generator.generator_lm_head
            self.parts |= head_parts("generator.mlm_head", self.generator.generator_predictions, head.bias)
        if "copy_gate.weight" in initial:
            self.gate = torch.nn.Linear(full.hidden_size, 1)
            self.parts |= dense_parts("copy_gate", self.gate)
        if "baseline.weight" in initial:
            self.baseline = torch.nn.Linear(initial["baseline.weight"].shape[1], 1, bias=False)
            self.parts["baseline.weight"] = [self.baseline.weight]
        self.load(initial)

    def share(self, sharing, base):
        """Gives the generator, whose own embeddings are `base`, what it reads by `model.sharing`."""
        embeddings = self.main.electra.embeddings
        if sharing == "gdes":
            self.parts |= disentangle("embeddings", embeddings, base)
        else:
            self.parts |= embedding_parts("embeddings", embeddings)
        if sharing in ("none", "gdes"):
            self.parts |= embedding_parts("generator.embeddings", base)
        else:
            base = embeddings
        if isinstance(self.generator, TwoTowers):
            self.generator.share(base)
        else:
            self.generator.electra.embeddings = base
            self.generator.generator_lm_head.weight = base.word_embeddings.weight

    def load(self, initial):
        if self.parts.keys() != initial.keys():
            sys.exit(f"parameters that only one side has: {sorted(self.parts.keys() ^ initial.keys())}")
        modules = [it for it in (self.generator, self.main, self.gate, self.baseline) if it is not None]
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

    @torch.no_grad()
    def start_from_generator(self):
        """Makes the main encoder and its embeddings copies of the generator's (two_stage)."""
        for name, pieces in self.parts.items():
            if name.startswith(("embeddings.", "encoder.")):
                for piece, source in zip(pieces, self.parts[f"generator.{name}"], strict=True):
                    piece.copy_(source)

    def values(self):
        return {name: join(name, [piece.detach() for piece in pieces]) for name, pieces in self.parts.items()}

    def gradients(self):
        """Gradients of the parameters that have one."""
        grads = {name: [piece.grad for piece in pieces] for name, pieces in self.parts.items()}
        return {name: join(name, pieces) for name, pieces in grads.items() if all(it is not None for it in pieces)}

    def zero_gradients(self):
        for pieces in self.parts.values():
            for piece in pieces:
                piece.grad = None

    def predict(self, hidden):
        """Logits [N, V] of the main network's hidden states [N, H]."""
        return self.main.generator_lm_head(self.main.generator_predictions(hidden))

    def detect(self, ids, step):
        """Logits [T] of the main network."""
        return self.main.discriminator_predictions(encode(self.main.electra, ids, step["types"], step["offsets"]))


def filled(ids, positions, samples):
    """The tokens with the samples in place; several for one position give the floor of their mean."""
    out = ids.clone()
    for position in positions.unique():
        drawn = samples[positions == position]
        out[position] = drawn.sum() // len(drawn)
    return out


def generated(network, step):
    """Hidden states, logits and loss of a masked language model at the slots."""
    positions = step["masked_positions"]
    hidden = encode(network.electra, step["generator_input"], step["types"], step["offsets"])[positions]
    logits = network.generator_lm_head(network.generator_predictions(hidden))
    return hidden, {
        "generator_logits": logits,
        "mlm_loss": functional.cross_entropy(logits, step["ids"][positions]),
    }


def detected(networks, step):
    """What the discriminator reads and should say, what it says, and its loss at every token."""
    read = filled(step["ids"], step["masked_positions"], step["samples"])
    labels = (read != step["ids"]).long()
    logits = networks.detect(read, step)
    each = functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    return each, {"discriminator_input": read, "labels": labels, "discriminator_logits": logits}


def mlm(networks, step, objective, **_):
    _, mine = generated(networks.main, step)
    return mine | {"loss": mine["mlm_loss"]}


def rtd(networks, step, objective, **_):
    mine, loss = {}, 0.0
    if networks.generator is not None:
        _, mine = generated(networks.generator, step)
        loss = mine["mlm_loss"]
    each, found = detected(networks, step)
    return mine | found | {"rtd_loss": each.mean(), "loss": loss + objective["disc_weight"] * each.mean()}


def electra_15(networks, step, objective, **_):
    _, mine = generated(networks.generator, step)
    each, found = detected(networks, step)
    each = each[step["masked_positions"].unique()]
    divisor = len(step["ids"]) if objective.get("normalise") == "all_tokens" else len(each)
    loss = mine["mlm_loss"] + objective["disc_weight"] * each.sum() / divisor
    return mine | found | {"rtd_loss": each.mean(), "loss": loss}


def two_stage(networks, step, objective, generator_trains):
    is_joint = objective.get("second_stage") == "joint"
    with torch.set_grad_enabled(generator_trains or is_joint):
        _, mine = generated(networks.generator, step)
    if generator_trains:
        return mine | {"loss": mine["mlm_loss"]}
    each, found = detected(networks, step)
    loss = each.mean()
    if is_joint:
        loss = mine["mlm_loss"] + objective.get("disc_weight", 50.0) * loss
    return mine | found | {"rtd_loss": each.mean(), "loss": loss}


def script(networks, step, objective, **_):
    _, mine = generated(networks.main, step)
    read = filled(step["ids"], step["masked_positions"], step["samples"])
    labels = (read != step["ids"]).long()
    logits = networks.predict(encode(networks.main.electra, read, step["types"], step["offsets"])).logsumexp(dim=1)
    rtd_loss = functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return mine | {
        "discriminator_input": read,
        "labels": labels,
        "discriminator_logits": logits,
        "rtd_loss": rtd_loss,
        "loss": mine["mlm_loss"] + objective["critic_weight"] * rtd_loss,
    }


def adversarial(networks, step, objective, **_):
    hidden, mine = generated(networks.generator, step)
    each, found = detected(networks, step)
    rewards = each[step["masked_positions"]].detach()
    expected = networks.baseline(hidden.detach()).squeeze(1)
    advantages = rewards + functional.logsigmoid(expected).detach()
    log_p = mine["generator_logits"].log_softmax(dim=1)
    policy_loss = -(advantages * log_p.gather(1, step["samples"][:, None]).squeeze(1)).mean()
    baseline_loss = functional.binary_cross_entropy_with_logits(expected, (-rewards).exp())
    entropy = -(log_p.exp() * log_p).sum(dim=1).mean()
    loss = objective["disc_weight"] * each.mean()
    loss = loss + objective["policy_weight"] * policy_loss + objective["baseline_weight"] * baseline_loss
    loss = loss + objective["mle_weight"] * mine["mlm_loss"] - objective["entropy_bonus"] * entropy
    return mine | found | {
        "rtd_loss": each.mean(),
        "rewards": rewards,
        "advantages": advantages,
        "policy_loss": policy_loss,
        "baseline_loss": baseline_loss,
        "loss": loss,
    }


def log_restored(gate, log_p, kept):
    """log(kept·D + (1 - D)·p) for the logits of D."""
    written = functional.logsigmoid(-gate) + log_p
    return torch.where(kept, torch.logaddexp(functional.logsigmoid(gate), written), written)


def replace_mlm(networks, step, objective, **_):
    _, mine = generated(networks.generator, step)
    read, positions = filled(step["ids"], step["masked_positions"], step["samples"]), step["masked_positions"]
    hidden = encode(networks.main.electra, read, step["types"], step["offsets"])
    restore_loss = functional.cross_entropy(networks.predict(hidden[positions]), step["ids"][positions])
    loss = mine["mlm_loss"] + objective["restore_weight"] * restore_loss
    return mine | {"restorer_input": read, "restore_loss": restore_loss, "loss": loss}


def all_tokens_mlm(networks, step, objective, **_):
    _, mine = generated(networks.generator, step)
    ids, read = step["ids"], filled(step["ids"], step["masked_positions"], step["samples"])
    hidden = encode(networks.main.electra, read, step["types"], step["offsets"])
    gate = networks.gate(hidden).squeeze(1)
    log_p = networks.predict(hidden).log_softmax(dim=1).gather(1, ids[:, None]).squeeze(1)
    each = -log_restored(gate, log_p, read == ids)
    divisor = len(step["masked_positions"]) if objective.get("normalise") == "masked" else len(ids)
    loss = mine["mlm_loss"] + objective["restore_weight"] * each.sum() / divisor
    return mine | {"restorer_input": read, "gate_logits": gate, "restore_loss": each.mean(), "loss": loss}


def coco_lm(networks, step, objective, **_):
    _, mine = generated(networks.generator, step)
    ids, positions = step["ids"], step["masked_positions"]
    read = filled(ids, positions, step["samples"])
    mine["restorer_input"], loss = read, mine["mlm_loss"]
    # The first view is what was corrupted; the second is the trace's crop.
    views = torch.cat([read, step["view_ids"][len(ids):]])
    hidden = encode(networks.main.electra, views, step["view_types"], step["view_offsets"])
    if objective["clm_weight"] > 0:
        kept = read == ids
        gate = networks.gate(hidden[: len(ids)]).squeeze(1)
        mine["gate_logits"] = gate
        mine["copy_loss"] = functional.binary_cross_entropy_with_logits(gate, kept.to(gate.dtype))
        logits = networks.predict(hidden[positions])
        log_p = logits.log_softmax(dim=1).gather(1, ids[positions][:, None]).squeeze(1)
        constant = gate.detach()[positions]
        if objective["correction"] == "released_code":
            each = torch.sigmoid(-constant) * -log_p
        else:
            each = -log_restored(constant, log_p, kept[positions])
        mine["lm_loss"] = each.mean()
        loss = loss + objective["clm_weight"] * (objective["copy_weight"] * mine["copy_loss"] + mine["lm_loss"])
    if objective["scl_weight"] > 0:
        vectors = functional.normalize(hidden[step["view_offsets"][:-1]], dim=1)
        similar = vectors @ vectors.T / objective["scl_temperature"]
        similar = similar.masked_fill(torch.eye(len(vectors), dtype=torch.bool), float("-inf"))
        others = torch.arange(len(vectors)).roll(len(vectors) // 2)
        mine["contrast_loss"] = functional.cross_entropy(similar, others)
        loss = loss + objective["scl_weight"] * mine["contrast_loss"]
    return mine | {"loss": loss}


def electric(networks, step, objective, never_masked, **_):
    ids, positions, fraction = step["ids"], step["masked_positions"], objective["mask_fraction"]
    logits = networks.generator.predict(networks.generator(ids, step["types"], step["offsets"]))
    log_p = logits.log_softmax(dim=1)
    candidates = ~torch.isin(ids, torch.tensor(never_masked))
    cloze_loss = -log_p.gather(1, ids[:, None]).squeeze(1)[candidates].mean()
    read = filled(ids, positions, step["samples"])
    # What the encoder reads at a position is what q gave a probability to.
    log_q = log_p.gather(1, read[:, None]).squeeze(1).detach()
    noise = torch.zeros(len(ids))
    noise[positions] = 1.0
    odds = torch.tensor(fraction / (1.0 - fraction)).log()
    noise_logits = networks.detect(read, step) + log_q + odds
    nce_loss = functional.binary_cross_entropy_with_logits(noise_logits, noise)
    return {
        "generator_logits": logits[positions],
        "discriminator_input": read,
        "discriminator_logits": noise_logits,
        "log_q": log_q,
        "cloze_loss": cloze_loss,
        "nce_loss": nce_loss,
        "loss": cloze_loss + objective["disc_weight"] * nce_loss,
    }


# From the word in the experiment file to the numbers of a step.
OBJECTIVES = {
    it.__name__: it
    for it in (
        mlm, rtd, electra_15, replace_mlm, all_tokens_mlm, two_stage, script, adversarial, coco_lm, electric,
    )
}


def generator_steps(spec, total_steps):
    """Steps that train only the generator: two_stage's first stage, with at least one step for each stage."""
    share = spec["objective"].get("generator_share")
    if share is None:
        return 0
    # Half is rounded up, as in Rust.
    return min(max(1, int(total_steps * share + 0.5)), total_steps - 1)


def losses(networks, step, header, k):
    """What PyTorch computes of step `k`, `loss` last; leaves the gradients in the networks."""
    spec = header["spec"]
    objective = spec["objective"]
    settings = {}
    if objective["kind"] == "two_stage":
        settings["generator_trains"] = k < generator_steps(spec, header["total_steps"])
    if objective["kind"] == "electric":
        settings["never_masked"] = header["never_masked"]
    mine = OBJECTIVES[objective["kind"]](networks, step, objective, **settings)
    networks.zero_gradients()
    mine["loss"].backward()
    return {name: value.detach().clone() for name, value in mine.items()}
