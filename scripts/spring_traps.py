"""Springs known traps on purpose and shows that the tests which guard them fail.

tests/suite/traps.rs lists the traps of reproducing ELECTRA with the tests that catch each. This program makes the
mistake of a trap in a copy of the sources, one edit each, and runs the trap's unit tests there: at least one must fail.

    python3 scripts/spring_traps.py             every trap that has an edit below, one build each
    python3 scripts/spring_traps.py 5 21 36     these traps
    python3 scripts/spring_traps.py --check     only whether every edit still finds its line, without a build
    python3 scripts/spring_traps.py --together  all edits in one build: quicker, and a weaker check, since one mistake
                                                may make the tests of another trap fail

Exit code 1 if the tests of a sprung trap pass. CARGO_TARGET_DIR names the folder of the builds.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Trap: (file below src/, the right line or part of it, the mistake). The part must occur once.
EDITS = {
    3: ("experiment/format/model.rs", "(hidden / 64).max(1)", "hidden / 64"),
    4: (
        "ops/gelu/cpu.rs",
        "0.5 + 0.5 * vector::erf(x * std::f32::consts::FRAC_1_SQRT_2)",
        "0.5 + 0.5 * (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()",
    ),
    5: ("ops/layer_norm/cpu.rs", "(variance + epsilon).sqrt()", "(variance + 1e-5).sqrt()"),
    8: (
        "ops/corruption/mod.rs",
        "now.iter().zip(input_ids).map(|(now, id)| f32::from(now != id)).collect();",
        "now.iter().zip(input_ids).map(|(now, id)| f32::from(now == id)).collect();",
    ),
    10: (
        "ops/corruption/mod.rs",
        "now.iter().zip(input_ids).map(|(now, id)| f32::from(now != id)).collect();",
        "(0..n as u32).map(|at| f32::from(positions.contains(&at))).collect();",
    ),
    15: (
        "ops/row_stats/sampler.rs",
        "self.step, self.first + row as u64).uniform()",
        "self.step, self.first + row as u64).uniform().clamp(0.02, 0.98)",
    ),
    16: ("ops/corruption/mod.rs", "(sum / same.len() as u64) as u32", "sum as u32"),
    12: ("objective/masking.rs", "!self.vocabulary.never_masked.contains(&id)", "id < u32::MAX"),
    14: ("ops/row_stats/sampler.rs", "Stream::new(self.seed, Purpose::Sample, self.step, self.first + row as u64).uniform()", "0.0"),
    17: ("ops/row_stats/sampler.rs", "1.0 / self.temperature as f32", "1.0 + 0.0 * self.temperature as f32"),
    18: ("objective/masking.rs", "(length as f64 * fraction).round_ties_even()", "(length as f64 * fraction).ceil()"),
    19: (
        "objective/masking.rs",
        "Stream::new(seed, Purpose::Mask, step, sequence as u64)",
        "Stream::new(seed, Purpose::Mask, 0, sequence as u64)",
    ),
    20: (
        "objective/rtd.rs",
        "MaskProbabilities { mask: 1.0, random: 0.0 }",
        "MaskProbabilities { mask: 0.8, random: 0.1 }",
    ),
    21: (
        "train/optimizer.rs",
        "OptimizerKind::Electra => (1.0, 1.0),",
        "OptimizerKind::Electra => ((1.0 / (1.0 - beta1.powi(n))) as f32, (1.0 / (1.0 - beta2.powi(n))) as f32),",
    ),
    22: ("experiment/format/train.rs", "epsilon: 1e-6,", "epsilon: 1e-8,"),
    23: ("train/schedule.rs", "self.peak * decay * warmup", "self.peak * decay.min(warmup)"),
    24: ("nn/parameters.rs", "matches!(init, Init::TruncatedNormal | Init::Glorot | Init::Difference)", "true"),
    25: ("train/optimizer.rs", "(clip_norm / norm.max(clip_norm)) as f32", "(clip_norm / norm.min(clip_norm)) as f32"),
    26: ("tasks/steps.rs", "recipe.layer_decay.powi(exponent)", "recipe.layer_decay.powi(exponent + 1)"),
    27: ("objective/batch_share.rs", "(mean * (n as f64 / n_full as f64))", "(mean * (1.0 + 0.0 * n as f64))"),
    28: ("ops/row_stats/sampler.rs", "vector::exp((logit - max) * sharpness)", "vector::exp((logit - 0.0 * max) * sharpness)"),
    31: ("tasks/table.rs", '&["entailment", "neutral", "contradiction"]', '&["contradiction", "entailment", "neutral"]'),
    32: ("tasks/table.rs", 'Some("validation_matched")', 'Some("validation_mismatched")'),
    33: ("tasks/table.rs", "metric: Spearman,", "metric: Pearson,"),
    36: ("records/median.rs", ".map(|((_, lower), _)| lower)", ".map(|(_, (_, upper))| upper)"),
    37: ("text/corpus/build.rs", '{FORMAT_VERSION}\\n{seq_len}\\n{tokenizer_hash}\\n{identity}', '{FORMAT_VERSION}\\n{seq_len}\\n{identity}'),
}


def guards():
    """Trap number → the names of its unit tests."""
    text = (ROOT / "tests/suite/traps.rs").read_text()
    found = {}
    for number, body in re.findall(r"\n    \(\s*(\d+),(.*?)\n?\s*\),(?=\n    \(|\n\];)", text, re.S):
        tests = re.findall(r'"([\w/]+\.rs)::(\w+)"', body)
        found[int(number)] = [name for file, name in tests if not file.startswith("suite/")]
    return found


def sprung(tree, trap):
    """The file of a trap and its text with the mistake."""
    file, right, mistake = EDITS[trap]
    path = tree / "src" / file
    text = path.read_text()
    if text.count(right) != 1:
        sys.exit(f"trap {trap}: src/{file} has {right!r} {text.count(right)} times, expected once; mend EDITS")
    return path, text.replace(right, mistake)


def spring(tree, trap):
    """Makes the mistake in a copy of the sources."""
    path, text = sprung(tree, trap)
    path.write_text(text)


def failing(tree, names):
    """Which of these unit tests fail in a copy of the sources, and which pass."""
    command = ["cargo", "test", "--offline", "--no-fail-fast", "--lib", "--", *names]
    output = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    results = re.findall(r"^test (\S+) \.\.\. (ok|FAILED)", output.stdout, re.M)
    if not results:
        sys.exit(f"the copy did not build or has none of the tests {names}:\n{output.stderr[-3000:]}")
    wanted = [(test.rsplit("::", 1)[-1], result) for test, result in results]
    return {name for name, result in wanted if name in names and result == "FAILED"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traps", type=int, nargs="*", help="numbers of traps [default: all that have an edit]")
    parser.add_argument("--check", action="store_true", help="only whether every edit still finds its line")
    parser.add_argument("--together", action="store_true", help="all edits in one build")
    arguments = parser.parse_args()
    traps = arguments.traps or sorted(EDITS)
    unknown = [trap for trap in traps if trap not in EDITS]
    if unknown:
        parser.error(f"no edit springs the traps {unknown}; there are edits for {sorted(EDITS)}")
    tests = guards()
    if arguments.check:
        for trap in traps:
            sprung(ROOT, trap)
            if not tests.get(trap):
                sys.exit(f"trap {trap}: tests/suite/traps.rs names no unit test")
        return
    silent = []
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "copy"
        ignored = shutil.ignore_patterns("target", ".git", "results", "reports")
        for group in [traps] if arguments.together else [[trap] for trap in traps]:
            shutil.rmtree(tree, ignore_errors=True)
            shutil.copytree(ROOT, tree, ignore=ignored)
            for trap in group:
                spring(tree, trap)
            names = sorted({name for trap in group for name in tests[trap]})
            failed = failing(tree, names)
            for trap in group:
                caught = [name for name in tests[trap] if name in failed]
                print(f"trap {trap}: " + (f"caught by {', '.join(caught)}" if caught else "NOT CAUGHT"), flush=True)
                silent += [] if caught else [trap]
    sys.exit(1 if silent else 0)


if __name__ == "__main__":
    main()
