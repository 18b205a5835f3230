//! The messages about wrong files.

use super::load;
use super::tests::{GEN_RATIO, load_text};

fn refusal(text: &str, profile: Option<&str>, sets: &[&str]) -> String {
    match load_text(text, profile, sets) {
        Ok(experiment) => format!("accepted with {} trials", experiment.trials.len()),
        Err(error) => error.message,
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "\
name: ../escape
about: Ten things are wrong here
base:
  model:
    size: tny
    generator_ratio: 0.3   # fine
  train:
    stesp: 2000
    warmup: 2500
    steps: 2000
    batch: \"32\"
  objective: { kind: mlm, disc_weight: 3 }
sweep:
  model.generator_ratio: [0.25,
                          7]
  modle.hidden: [128]
seeds: [1, 1]
evaluate: { tasks: [cola, mnil], source: { kind: hub } }
report: { x: model.generator_ratios, y: sst2 }
profiles:
  quick: {}
  small:
    name: other
    base: { train: { steps: 1.5 } }
";
    insta::assert_snapshot!(load_text(text, None, &["train.seq_len=1024", "seed=3"]).unwrap_err(), @r#"
    a.yaml has 17 mistakes
     1. a.yaml:1: name = "../escape": cannot name a folder under results/ and reports/
        hint: use up to 64 lower-case letters, digits, `_` and `-`, a letter or digit first, such as gen_ratio
     2. a.yaml:5: base.model.size = "tny": is not a known word here
        hint: did you mean tiny? Known are tiny, small, base, large
     3. a.yaml:8: base.train.stesp: unknown key
        hint: did you mean `steps`?
     4. a.yaml:9: base.train.warmup = 2500: is longer than train.steps (2000)
        hint: lower train.warmup to at most 2000, or raise train.steps
     5. a.yaml:11: base.train.batch = "32": must be a whole number, not text
        hint: write 32 without quotes or separators
     6. a.yaml:12: base.objective.disc_weight: unknown key for kind mlm
        hint: it belongs to the kinds rtd, electra_15, two_stage, adversarial, electric; known here are kind, mask_fraction, masking
     7. a.yaml:15: sweep.model.generator_ratio[1] = 7: is out of range
        hint: use a number from 0.01 to 4; the default is 0.25
     8. a.yaml:16: sweep.modle.hidden: unknown path `modle.hidden`
        hint: did you mean `model.hidden`?
     9. a.yaml:17: seeds[1] = 1: is listed twice
        hint: use another seed: the same seed gives the same numbers
    10. a.yaml:18: evaluate.tasks[1] = "mnil": is not a known word here
        hint: did you mean mnli? Known are cola, sst2, mrpc, stsb, rte, qnli, qqp, mnli, wnli, squad, squad2
    11. a.yaml:18: evaluate.source = { kind: hub, … }: has English tasks, but the model knows only the vocabulary of the built-in language
        hint: set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }
    12. a.yaml:19: report.x = "model.generator_ratios": is not swept
        hint: did you mean model.generator_ratio?
    13. a.yaml:19: report.y = "sst2": is a task that is not evaluated
        hint: add sst2 to evaluate.tasks, or use glue.mean or one of cola
    14. a.yaml:23: profiles.small.name: unknown key
        hint: remove it; known here are about, expect, base, sweep, seeds, evaluate, report
    15. a.yaml:24: profiles.small.base.train.steps = 1.5: must be a whole number
        hint: round it
    16. --set seed=3: unknown key
        hint: did you mean `seeds`?
    17. --set train.seq_len=1024: is longer than the position table, model.positions (512)
        hint: lower it to at most 512, or raise model.positions to 1024
    hint: `electra-lab schema` prints every key of the format with its type, range and default
    "#);
}

/// The time grows with the number of mistakes, not with its square: with that it was minutes.
#[test]
fn thousands_of_mistakes_take_no_time() {
    let keys: String = (0..10_000).map(|key| format!("key{key}: 1\n")).collect();
    let began = std::time::Instant::now();
    let text = refusal(&format!("name: a\nabout: b\n{keys}"), None, &[]);
    assert!(
        text.contains("a.yaml has 10000 mistakes") && text.contains("\nand 9950 more"),
        "{}",
        &text[..300]
    );
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn one_mistake_reads_as_a_paragraph() {
    let text = "name: a\nabout: b\nbase:\n  train:\n    warmup: 2500\n    steps: 2000\n";
    insta::assert_snapshot!(load_text(text, None, &[]).unwrap_err(), @r"
        a.yaml:5: base.train.warmup = 2500: is longer than train.steps (2000)
        hint: lower train.warmup to at most 2000, or raise train.steps
        hint: `electra-lab schema` prints every key of the format with its type, range and default
    ");
    insta::assert_snapshot!(refusal(text, None, &["base.train.warmup=9000"]), @r"
        --set base.train.warmup=9000: is longer than train.steps (2000)
        hint: lower train.warmup to at most 2000, or raise train.steps
    ");
    insta::assert_snapshot!(refusal("name: a\nabout: b\nbase: { train: { steps: 50 } }\n", None, &[]), @r"
        a.yaml:3: base.train.warmup = 100 (default): is longer than train.steps (50)
        hint: lower train.warmup to at most 50, or raise train.steps
    ");
}

#[test]
fn a_mistake_of_some_points_names_them() {
    let text = "name: a\nabout: b\nbase: { train: { warmup: 60 } }\nsweep:\n  train.steps: [50, 100, 55]\n  model.hidden: [128, 250]\n";
    insta::assert_snapshot!(refusal(text, None, &[]), @r"
        a.yaml has 2 mistakes
         1. a.yaml:3: base.train.warmup = 60: is longer than train.steps (50) (at train.steps=50 model.hidden=128 and 3 other points)
            hint: lower train.warmup to at most 50, or raise train.steps
         2. a.yaml:6: sweep.model.hidden[1] = 250: cannot be split into 3 equal heads (one per 64)
            hint: use 249 or 252, or set model.heads to 2 or 5
    ");
    let grid = "name: a\nabout: b\nsweep:\n  objective.kind: [rtd, mlm]\n  objective.disc_weight: [1, 50]\n";
    insta::assert_snapshot!(refusal(grid, None, &[]), @r"
        a.yaml has 2 mistakes
         1. a.yaml:5: sweep.objective.disc_weight[0]: unknown key for kind mlm
            hint: it belongs to the kinds rtd, electra_15, two_stage, adversarial, electric; known here are kind, mask_fraction, masking
         2. a.yaml:5: sweep.objective.disc_weight[1]: unknown key for kind mlm
            hint: it belongs to the kinds rtd, electra_15, two_stage, adversarial, electric; known here are kind, mask_fraction, masking
    ");
}

#[test]
fn sweeps_that_are_too_large_or_empty() {
    let many = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
    let text = format!(
        "name: a\nabout: b\nsweep:\n  train.batch: {many}\n  train.steps: {many}\n  model.layers: {many}\n  \
         model.positions: {many}\n  data.seed: {many}\n  evaluate.finetune_seeds: {many}\n"
    );
    insta::assert_snapshot!(refusal(&text, None, &[]), @r"
        a.yaml:3: sweep: makes 1000000 trials (10 × 10 × 10 × 10 × 10 × 10 points × 1 seed), more than 1000
        hint: shorten the lists, or split the question over several files
    ");
    insta::assert_snapshot!(refusal("name: a\nabout: b\nsweep: { train.batch: [] }\n", None, &[]), @r"
        a.yaml:3: sweep.train.batch = []: is an empty list
        hint: write at least one entry, or remove the key
    ");
    insta::assert_snapshot!(refusal("name: a\nabout: b\nsweep:\n", None, &[]), @r"
        a.yaml:3: sweep = null: has no value, and must be a mapping (keys with values)
        hint: give it a value, or remove the key to use its default
    ");
    assert_eq!(refusal("name: a\nabout: b\nsweep: {}\n", None, &[]), "accepted with 1 trials");
}

#[test]
fn reports_show_what_is_swept_and_scored() {
    let text = "name: a\nabout: b\nsweep: { train.steps: [1000, 2000] }\nevaluate: { tasks: [cola] }\n\
                report: { x: train.step, series: model.size, y: sst2, log_x: true }\n";
    insta::assert_snapshot!(refusal(text, None, &["train.steps=5"]), @r#"
        a.yaml has 4 mistakes
         1. a.yaml:5: report.x = "train.step": is not swept
            hint: did you mean train.steps?
         2. a.yaml:5: report.series = "model.size": is not swept
            hint: use a swept path (train.steps), or remove report.series
         3. a.yaml:5: report.y = "sst2": is a task that is not evaluated
            hint: add sst2 to evaluate.tasks, or use glue.mean or one of cola
         4. --set train.steps=5: has no effect: the sweep sets this value
            hint: override the sweep instead: --set 'sweep.train.steps=[5]'
    "#);
    let no_task = "name: a\nabout: b\nreport: { y: glue.mean }\n";
    insta::assert_snapshot!(refusal(no_task, None, &[]), @r#"
        a.yaml:3: report.y = "glue.mean": has no value, since no task is evaluated
        hint: list tasks under evaluate.tasks, or use another measure
    "#);
    assert_eq!(refusal("name: a\nabout: b\nreport: {}\n", None, &[]), "accepted with 1 trials");
    let log = "name: a\nabout: b\nsweep: { train.weight_decay: [0, 0.5] }\nreport: { x: train.weight_decay, log_x: true }";
    insta::assert_snapshot!(refusal(log, None, &[]), @r"
        a.yaml:4: report.log_x = true: does not fit train.weight_decay, which has the value 0
        hint: a logarithmic axis needs positive numbers: remove report.log_x
    ");
}

#[test]
fn profiles_that_do_not_exist_or_are_wrong() {
    insta::assert_snapshot!(refusal(GEN_RATIO, Some("smal"), &[]), @r"
        a.yaml: there is no profile `smal`
        hint: did you mean --profile small? The file has quick, small
    ");
    insta::assert_snapshot!(refusal("name: a\nabout: b\n", Some("paper"), &[]), @r"
        a.yaml: there is no profile `paper`
        hint: leave --profile out: the file has no profiles
    ");
    let wrong = "name: a\nabout: b\nprofiles:\n  one: { base: { data: { kind: hub } } }\n  two: { sedes: [1], base: { objective: { kind: mlm, temperature: 2 } } }\n  three: ~\n";
    insta::assert_snapshot!(refusal(wrong, None, &[]), @r"
        a.yaml has 4 mistakes
         1. a.yaml:4: base.data: the key `repo` is missing, which kind hub needs
            hint: add `repo:` (Repository, `owner/name`)
         2. a.yaml:5: profiles.two.sedes: unknown key
            hint: did you mean `seeds`?
         3. a.yaml:5: profiles.two.base.objective.temperature: unknown key for kind mlm
            hint: it belongs to the kinds rtd, electra_15, replace_mlm, all_tokens_mlm, two_stage, coco_lm, script; known here are kind, mask_fraction, masking
         4. a.yaml:6: profiles.three = null: has no value, and must be a mapping (keys with values)
            hint: give it a value, or remove the key to use its default
    ");
}

#[test]
fn overrides_that_are_wrong() {
    let sets =
        ["steps", "train.stpes=4", "train.steps.x=1", "seeds=[1", "data.kind=hub", "sweep.train.batch=4"];
    insta::assert_snapshot!(refusal("name: a\nabout: b\nbase: { train: { steps: 200 } }\n", None, &sets), @r"
        a.yaml has 6 mistakes
         1. --set data.kind=hub: base.data: the key `repo` is missing, which kind hub needs
            hint: add `repo:` (Repository, `owner/name`)
         2. --set seeds=[1: the value is not valid YAML: did not find expected ',' or ']', while parsing a flow sequence
            hint: close brackets and quotes, and write lists as seeds=[1, 2]
         3. --set steps: has no `=`
            hint: write --set path=value, such as --set base.train.steps=100
         4. --set sweep.train.batch=4: must be a list, not a number
            hint: write a list, even for one entry: [4]
         5. --set train.steps.x=1: nothing can be set below base.train.steps, which is not a mapping
            hint: see the paths with `electra-lab schema`
         6. --set train.stpes=4: unknown key
            hint: did you mean `steps`?
    ");
}

#[test]
fn texts_that_are_not_experiments() {
    let message = |text: &str| load_text(text, None, &[]).unwrap_err().to_string();
    insta::assert_snapshot!(message(""), @r"
        a.yaml: is empty, so it holds no experiment
        hint: start with `name: …`, `about: …` and `base: …`; `electra-lab schema` prints every key
    ");
    insta::assert_snapshot!(message("- a\n"), @r"
        a.yaml: must be a mapping (keys with values), not a list
        hint: write keys and values below it, or {} for none
        hint: `electra-lab schema` prints every key of the format with its type, range and default
    ");
    insta::assert_snapshot!(message("name: a\n\tabout: b\n"), @r"
        a.yaml:2:1: is not valid YAML: found a tab character that violates indentation, while scanning a plain scalar at line 1 column 7
        hint: check this line and the one above it: indent with spaces, not tabs; close quotes and brackets; quote a text that contains `: ` or ` #`
    ");
    insta::assert_snapshot!(message("name: a\nname: b\n"), @r"
        a.yaml:2:1: the key `name` is written twice
        hint: remove one of the two
    ");
    insta::assert_snapshot!(message("base: 3\n"), @r"
        a.yaml has 3 mistakes
         1. a.yaml: the key `name` is missing
            hint: add `name:` (Folder name under results/ and reports/: lower-case letters, digits, `_` and `-`)
         2. a.yaml: the key `about` is missing
            hint: add `about:` (The question, in a sentence)
         3. a.yaml:1: base = 3: must be a mapping (keys with values), not a number
            hint: write keys and values below it, or {} for none
        hint: `electra-lab schema` prints every key of the format with its type, range and default
    ");
}

#[test]
fn paths_without_a_readable_file() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |name: &str| {
        let error = load(&folder.path().join(name), None, &[]).unwrap_err();
        error.to_string().replace(&format!("{}", folder.path().display()), "")
    };
    insta::assert_snapshot!(shown("gen_ratoi.yaml"), @r"
        /gen_ratoi.yaml: no such file
        hint: give the path of an experiment file (YAML), such as experiments/gen_ratio.yaml
    ");
    std::fs::write(folder.path().join("gen_ratio.yaml"), "x").unwrap();
    std::fs::write(folder.path().join("latin.yaml"), b"name: a\nabout: caf\xe9\n").unwrap();
    insta::assert_snapshot!(shown("gen_ratoi.yaml"), @r"
        /gen_ratoi.yaml: no such file
        hint: did you mean /gen_ratio.yaml?
    ");
    insta::assert_snapshot!(shown("nothing_like_it.yaml"), @r"
        /nothing_like_it.yaml: no such file
        hint: experiment files there: /gen_ratio.yaml, /latin.yaml
    ");
    insta::assert_snapshot!(shown(""), @r"
        / is a folder, not an experiment file
        hint: experiment files there: /gen_ratio.yaml, /latin.yaml
    ");
    insta::assert_snapshot!(shown("latin.yaml"), @r"
        /latin.yaml:2: is not text in UTF-8
        hint: experiment files are text in UTF-8: save it again in that encoding
    ");
}

#[test]
fn a_published_row_must_be_known() {
    let file = |paper: &str| format!("name: a\nabout: Which row?\nexpect:\n  paper: {paper}\n");
    let message = refusal(&file("{ table: tabel5, rows: { BERT: { objective.kind: mlm } } }"), None, &[]);
    assert!(
        message.starts_with("a.yaml:4: expect.paper.table = \"tabel5\": is not a published table"),
        "{message}"
    );
    assert!(message.contains("hint: did you mean table5? Known are table1, table2"), "{message}");
    let message = refusal(&file("{ table: table5, rows: { BERTT: {}, ELECTRA: mlm } }"), None, &[]);
    for words in [
        "expect.paper.rows.BERTT: is not a row of ELECTRA, Table 5",
        "did you mean BERT?",
        "expect.paper.rows.ELECTRA = \"mlm\": ",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let accepted = refusal(&file("{ table: table5, rows: { BERT: {} } }"), None, &[]);
    assert_eq!(accepted, "accepted with 1 trials");
}

const CLAIM: &str = "\
name: a
about: Does it?
sweep: { objective.kind: [rtd, mlm] }
evaluate: { tasks: [cola], minimal_pairs: [{ kind: language }], controls: { text_models: false } }
";

#[test]
fn a_gate_has_one_condition_and_a_measure_that_is_measured() {
    let gates = "expect:
  gates:
    - { measure: pairs.language.disc_sum, above: untrained, at: { objective.kind: rtd } }
    - { collapsed: none }
    - { measure: held_out.disc_auc, at_least: 0.75 }
";
    assert_eq!(refusal(&format!("{CLAIM}{gates}"), None, &[]), "accepted with 2 trials");
    let wrong = "expect:
  gates:
    - { measure: pairs.language.disc_summ, above: untrained }
    - { measure: pairs.blimp.pll, above: untrained }
    - { measure: probe.rte, above: majority, below: ceiling }
    - { measure: probe.rte, above: majority }
    - { measure: held_out.disc_acu, at_least: 0.75 }
    - { measure: rte, above: unigram }
    - { above: untrained }
    - { measure: cola, collapsed: none }
    - { measure: glue.maen, above: untraind }
    - { measure: cola, at_least: 3, at: { objective.knid: rtd } }
    - { measure: cola, at_least: 3, at: { objective.kind: electric } }
";
    insta::assert_snapshot!(refusal(&format!("{CLAIM}{wrong}"), None, &[]), @r#"
    a.yaml has 13 mistakes
     1. a.yaml:7: expect.gates[0].measure = "pairs.language.disc_summ": has a scorer that is not known
        hint: did you mean disc_sum?
     2. a.yaml:8: expect.gates[1].measure = "pairs.blimp.pll": is of minimal pairs that are not scored
        hint: add { kind: blimp } to evaluate.minimal_pairs
     3. a.yaml:9: expect.gates[2]: needs exactly one condition
        hint: write one of above, below, at_least, at_most, or collapsed: none; another condition is another gate
     4. a.yaml:10: expect.gates[3].measure = "probe.rte": is a task that is not probed
        hint: add rte to evaluate.probe.tasks
     5. a.yaml:11: expect.gates[4].measure = "held_out.disc_acu": is not a value on held-out text
        hint: did you mean held_out.disc_auc?
     6. a.yaml:12: expect.gates[5].measure = "rte": is a task that is not evaluated
        hint: add rte to evaluate.tasks, or use glue.mean or one of cola
     7. a.yaml:12: expect.gates[5].above = "unigram": never stands beside rte, so that the gate could not hold
        hint: it is for pairs and held_out.masked_loss: use bag_of_words for tasks and probes
     8. a.yaml:13: expect.gates[6]: the key `measure` is missing
        hint: add `measure:`; use glue.mean, a task, pairs.SET.SCORER, probe.TASK or held_out.NAME
     9. a.yaml:14: expect.gates[7].measure = "cola": has no meaning beside collapsed
        hint: remove the measure: collapsed looks at every fine-tuning run
    10. a.yaml:15: expect.gates[8].above = "untraind": is not a known word here
        hint: did you mean untrained? Known are untrained, majority, chance, bag_of_words, unigram, trigram, ceiling
    11. a.yaml:15: expect.gates[8]: needs exactly one condition
        hint: write one of above, below, at_least, at_most, or collapsed: none; another condition is another gate
    12. a.yaml:16: expect.gates[9].at.objective.knid: is not swept
        hint: did you mean objective.kind?
    13. a.yaml:17: expect.gates[10].at.objective.kind = "electric": is no value of the sweep
        hint: the sweep has rtd, mlm
    "#);
}

/// Each of these could be asked, and no control has the number it asks for.
#[test]
fn a_reference_that_never_stands_beside_a_measure_is_refused() {
    let wrong = [
        ("cola", "chance"),
        ("pairs.language.pll", "majority"),
        ("pairs.language.pll", "bag_of_words"),
        ("held_out.masked_loss", "majority"),
        ("held_out.disc_auc", "unigram"),
        ("glue.mean", "trigram"),
        ("pairs.language.pll", "ceiling"),
        ("pairs.language.electric", "untrained"),
        ("pairs.language.restore", "untrained"),
    ];
    for (measure, reference) in wrong {
        let text = format!("{CLAIM}expect:\n  gates:\n    - {{ measure: {measure}, above: {reference} }}\n");
        let refused = refusal(&text, None, &[]);
        let what = format!(
            "expect.gates[0].above = {reference:?}: never stands beside {measure}, so that the gate could not hold"
        );
        assert!(refused.contains(&what) && refused.contains("hint: "), "{refused}");
    }
    let accepted = [
        ("pairs.language.pll", "chance"),
        ("held_out.disc_auc", "chance"),
        ("cola", "majority"),
        ("pairs.language.disc_sum", "untrained"),
    ];
    for (measure, reference) in accepted {
        let text = format!("{CLAIM}expect:\n  gates:\n    - {{ measure: {measure}, above: {reference} }}\n");
        assert_eq!(refusal(&text, None, &[]), "accepted with 2 trials", "{measure} {reference}");
    }
    let contrasts = "expect:
  contrasts:
    - { name: ' ', better: { objective.kind: rtd }, than: { objective.kind: mlm } }
    - { name: one, measure: pairs.language.electric, better: {}, than: untrained }
    - { name: two, measure: pairs.language.causal, better: {}, than: untrained }
";
    let refused = refusal(&format!("{CLAIM}{contrasts}"), None, &[]);
    for words in [
        "a.yaml has 3 mistakes",
        "expect.contrasts[0].name = \" \": is empty",
        "expect.contrasts[1].than = \"untrained\": never has pairs.language.electric",
        "pairs.language.causal\": has a scorer that is not known",
    ] {
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_contrast_selects_points_and_has_a_name_of_its_own() {
    let contrasts = "expect:
  contrasts:
    - { name: one, better: { objective.kind: rtd }, than: { objective.kind: [mlm] }, smallest_effect: 1 }
    - { name: two, measure: held_out.masked_loss, better: {}, than: untrained }
";
    assert_eq!(refusal(&format!("{CLAIM}{contrasts}"), None, &[]), "accepted with 2 trials");
    let shorter = "expect:
  contrasts:
    - { name: one, better: { objective.kind: rtd }, than: { objective.kind: [mlm, electric] } }
";
    insta::assert_snapshot!(refusal(&format!("{CLAIM}{shorter}"), None, &[]), @r#"
    a.yaml:7: expect.contrasts[0].than.objective.kind = "electric": is no value of the sweep
    hint: the sweep has rtd, mlm: remove it from the list, or sweep it
    "#);
    // An overridden sweep may lack points that the file speaks of: its report leaves the contrast open.
    let without = ["sweep={objective.kind: [rtd, mlm]}"];
    assert_eq!(refusal(&format!("{CLAIM}{shorter}"), None, &without), "accepted with 2 trials");
    let one_point = ["sweep={objective.kind: [rtd]}"];
    assert_eq!(refusal(&format!("{CLAIM}{contrasts}"), None, &one_point), "accepted with 1 trials");
    let wrong = "expect:
  contrasts:
    - { name: one, better: { objective.kind: rtd }, than: mlm, smallest_effect: 0 }
    - { name: one, measure: sst2, better: { objective.kind: [rtdd, electric] }, than: { model.hidden: 3 } }
    - { name: three, better: {} }
    - { name: four, better: {}, than: { objective.kind: mlm } }
";
    insta::assert_snapshot!(refusal(&format!("{CLAIM}{wrong}"), None, &[]), @r#"
    a.yaml has 8 mistakes
     1. a.yaml:7: expect.contrasts[0].than = "mlm": selects no points
        hint: write swept paths and values, such as { objective.kind: mlm }, or untrained
     2. a.yaml:7: expect.contrasts[0].smallest_effect = 0.0: is not above 0
        hint: write the smallest difference that matters, above 0, or remove the key
     3. a.yaml:8: expect.contrasts[1].measure = "sst2": is a task that is not evaluated
        hint: add sst2 to evaluate.tasks, or use glue.mean or one of cola
     4. a.yaml:8: expect.contrasts[1].name = "one": names another contrast, too
        hint: give every contrast a name of its own
     5. a.yaml:8: expect.contrasts[1].better.objective.kind = ["rtdd","electric"]: is no value of the sweep
        hint: the sweep has rtd, mlm
     6. a.yaml:8: expect.contrasts[1].than.model.hidden: is not swept
        hint: use a swept path: objective.kind
     7. a.yaml:9: expect.contrasts[2]: the key `than` is missing
        hint: add `than:` (The points that they are better than, in the same form; or `untrained`, the points of `better` before
        training)
     8. a.yaml:9: expect.contrasts[2].than = {"objective.kind":"mlm"}: selects a point that `better` selects, too: objective.kind=mlm
        hint: select points that differ in a value, so that there is something to compare
    "#);
}

#[test]
fn a_profile_adds_its_own_gates() {
    let text = format!(
        "{CLAIM}expect: {{ best_at: [rtd], gates: [{{ collapsed: none }}] }}\nprofiles:\n  quick: {{}}\n  \
         other: {{ expect: {{ gates: [{{ measure: cola, at_least: 5 }}] }} }}\n"
    );
    let expect = |profile| load_text(&text, Some(profile), &[]).unwrap().spec.expect;
    let (quick, other) = (expect("quick"), expect("other"));
    assert_eq!((quick.gates.len(), quick.gates[0].at_least), (1, None));
    assert_eq!((other.gates.len(), other.gates[0].at_least), (1, Some(5.0)));
    assert_eq!(other.best_at, quick.best_at);
}
