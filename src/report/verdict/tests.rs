//! Verdicts on made-up records.

use std::fs;

use serde_json::{Value, json};

use super::Word;
use crate::experiment::{
    Collapsed, ContrastSpec, Control, GateSpec, PairSpec, Reference, ReportSpec, TaskName,
};
use crate::records::Outcome;
use crate::report::fixture::{Fixture, outcome};

/// Rewrites the outcome of every trial.
fn change(fixture: &Fixture, edit: impl Fn(usize, &mut Outcome)) {
    for (index, trial) in fixture.trials.iter().enumerate() {
        let mut changed = outcome(trial);
        edit(index, &mut changed);
        fixture.write(trial, &changed);
    }
}

/// Sets the scores of every trial: its point's level and a deviation for its seed.
fn levels(fixture: &Fixture, n_seeds: usize, levels: &[f64], deviations: &[f64]) {
    change(fixture, |index, outcome| {
        for score in &mut outcome.scores {
            score.value = Some(levels[index / n_seeds] + deviations[index % deviations.len()]);
        }
    });
}

fn selector(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn contrast(name: &str, better: Value, than: Value) -> ContrastSpec {
    ContrastSpec {
        name: name.into(),
        measure: None,
        better: selector(better),
        than,
        by_more_than: None,
        smallest_effect: None,
    }
}

fn kinds(seeds: &[u64]) -> Fixture {
    let point = |kind: &str, steps: u64| {
        vec![("objective.kind".to_string(), json!(kind)), ("train.steps".to_string(), json!(steps))]
    };
    let points = vec![point("mlm", 200), point("rtd", 200), point("mlm", 800), point("rtd", 800)];
    let report =
        ReportSpec { x: "objective.kind".into(), series: "train.steps".into(), ..ReportSpec::default() };
    let mut fixture = Fixture::of(points, seeds, report);
    fixture.experiment.expect.best_at = vec![json!("rtd")];
    fixture
}

#[test]
fn the_expected_points_are_held_against_the_others() {
    let fixture = Fixture::sweep(&[0.25, 0.5, 1.0], &[1, 2, 3]);
    let deviations = [0.3, -0.1, 0.2, 0.0, 0.1, -0.2, 0.1, 0.2, 0.0];
    levels(&fixture, 3, &[60.0, 62.0, 55.0], &deviations);
    let verdict = fixture.verdict();
    assert_eq!(verdict.word, Some(Word::Agrees));
    insta::assert_snapshot!(verdict.text, @r"
    agrees: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +5.95, 95 % interval [+5.62, +6.28], n = 3 paired seeds, p < 0.001.
    The best mean of cola, rte is 61.97 ± 0.15 (sd), n = 3, at 0.5.
    ");
    levels(&fixture, 3, &[50.0, 51.0, 55.0], &deviations);
    let verdict = fixture.verdict();
    assert_eq!(verdict.word, Some(Word::Contradicts));
    insta::assert_snapshot!(verdict.text, @r"
    contradicts: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is -4.55, 95 % interval [-4.88, -4.22], n = 3 paired seeds, p < 0.001.
    The best mean of cola, rte is 55.10 ± 0.10 (sd), n = 3, at 1.0.
    ");
    levels(&fixture, 3, &[55.0, 55.0, 54.9], &deviations);
    insta::assert_snapshot!(fixture.verdict().text, @r"
    open: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +0.05, 95 % interval [-0.28, +0.38], n = 3 paired seeds, p = 0.580. About 57 seeds would decide it (80 % power for the measured difference, 0.05, with the measured spread).
    The best mean of cola, rte is 55.13 ± 0.21 (sd), n = 3, at 0.25.
    ");
}

#[test]
fn a_tie_is_called_one() {
    let fixture = Fixture::sweep(&[0.25, 0.5, 1.0], &[1, 2, 3]);
    levels(&fixture, 3, &[55.0, 55.0, 55.0], &[0.1, -0.1, 0.2]);
    insta::assert_snapshot!(fixture.verdict().text, @r"
    open: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +0.00, a tie, n = 3 paired seeds. Open, since the sides tie on every seed.
    The best mean of cola, rte is 55.07 ± 0.15 (sd), n = 3, at 0.25, 0.5 and 1.0, which tie.
    ");
}

#[test]
fn one_seed_concludes_nothing() {
    insta::assert_snapshot!(Fixture::sweep(&[0.25, 1.0], &[1]).verdict().text, @r"
    open: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +5.83, n = 1 paired seed. Open, since the seeds show no spread: run more of them.
    The best mean of cola, rte is 46.96, n = 1, at 0.25.
    ");
}

#[test]
fn nothing_is_concluded_while_trials_are_missing() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.results().join(&fixture.trials[0].id.0).join("outcome.json")).unwrap();
    insta::assert_snapshot!(fixture.verdict().text, @r"
    open: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +6.09, n = 1 paired seed. Open, since 5 of 6 trials are done.
    The best mean of cola, rte is 46.77, n = 1, at 0.25.
    ");
}

#[test]
fn expectations_outside_the_sweep_are_open() {
    let mut fixture = Fixture::new();
    fixture.experiment.expect.best_at = vec![json!(0.75)];
    insta::assert_snapshot!(fixture.verdict().text, @r"
    open: 0.75 above the others. No point of this sweep over the generator ratio is 0.75.
    The best mean of cola, rte is 46.86 ± 0.13 (sd), n = 2, at 0.25.
    ");
    fixture.experiment.expect.best_at = vec![json!(0.25), json!(0.5), json!(1.0)];
    assert!(fixture.verdict().text.contains("There is no other point to compare with."));
    fixture.experiment.expect.best_at.clear();
    let verdict = fixture.verdict();
    assert!(verdict.word.is_none() && verdict.text.starts_with("Nothing to judge"), "{}", verdict.text);
    let unswept = Fixture::of(vec![vec![]], &[1, 2], ReportSpec::default());
    assert!(unswept.verdict().text.starts_with("open: nothing is compared"), "{}", unswept.verdict().text);
}

#[test]
fn every_line_has_a_contrast_of_one_family() {
    let mut fixture = kinds(&[1, 2, 3]);
    let verdict = fixture.verdict();
    assert_eq!(verdict.contrasts.len(), 2);
    insta::assert_snapshot!(verdict.text, @r"
    agrees: steps 200: rtd above the others (primary). The mean of cola, rte should be higher at rtd than at the other points; the difference is +5.34, 95 % interval [+2.83, +7.84], n = 3 paired seeds, p = 0.012, p = 0.012 after Holm's correction for 2 contrasts.
    agrees: steps 800: rtd above the others. The mean of cola, rte should be higher at rtd than at the other points; the difference is +4.96, 95 % interval [+3.69, +6.23], n = 3 paired seeds, p = 0.004, p = 0.007 after Holm's correction for 2 contrasts.
    The best mean of cola, rte is 48.15 ± 0.32 (sd), n = 3, at rtd, steps 800.
    ");
    // Over FLOPs the expectation names a line: the ends of the lines are compared.
    fixture.experiment.report =
        ReportSpec { x: "flops".into(), series: "objective.kind".into(), ..ReportSpec::default() };
    let verdict = fixture.verdict();
    let sides: Vec<Vec<usize>> =
        verdict.contrasts[0].planned.sides.iter().map(|side| side.points.clone()).collect();
    assert_eq!(sides, [[3], [2]]);
    assert!(verdict.text.contains("the end of rtd above the other ends"), "{}", verdict.text);
}

/// An interaction: the gain of a long run is larger under one objective.
#[test]
fn contrasts_are_those_of_the_file() {
    let mut fixture = kinds(&[1, 2, 3, 4]);
    levels(&fixture, 4, &[50.0, 50.05, 52.0, 58.0], &[0.3, -0.2, 0.1, 0.4, -0.3, 0.2, 0.0, -0.1, 0.5, 0.1]);
    let rtd = |steps: u64| json!({"objective.kind": "rtd", "train.steps": steps});
    let mlm = |steps: u64| json!({"objective.kind": "mlm", "train.steps": steps});
    let interaction = ContrastSpec {
        by_more_than: Some(PairSpec { better: selector(rtd(200)), than: mlm(200) }),
        ..contrast("larger after more steps", rtd(800), mlm(800))
    };
    let both =
        contrast("RTD above MLM", json!({"objective.kind": "rtd"}), json!({"objective.kind": ["mlm"]}));
    let null = ContrastSpec {
        smallest_effect: Some(3.0),
        ..contrast("MLM above RTD after few steps", mlm(200), rtd(200))
    };
    fixture.experiment.expect.contrasts = vec![interaction, both, null];
    let verdict = fixture.verdict();
    let words: Vec<Word> = verdict.contrasts.iter().map(|contrast| contrast.word).collect();
    assert_eq!((words, verdict.word), (vec![Word::Agrees, Word::Agrees, Word::Open], Some(Word::Agrees)));
    let effects: Vec<f64> =
        verdict.contrasts.iter().map(|one| one.estimate.as_ref().unwrap().effect).collect();
    assert!((effects[0] - 5.95).abs() < 0.7 && (effects[1] - 3.0).abs() < 0.5, "{effects:?}");
    insta::assert_snapshot!(verdict.text, @r"
    agrees: larger after more steps (primary). The mean of cola, rte should be higher at rtd, steps 800 than at mlm, steps 800, by more than at rtd, steps 200 than at mlm, steps 200; the difference of differences is +6.08, 95 % interval [+5.13, +7.02], n = 4 paired seeds, p < 0.001, p < 0.001 after Holm's correction for 3 contrasts.
    agrees: RTD above MLM. The mean of cola, rte should be higher at rtd than at mlm; the difference is +2.89, 95 % interval [+2.29, +3.48], n = 4 paired seeds, p < 0.001, p = 0.001 after Holm's correction for 3 contrasts.
    open: MLM above RTD after few steps. The mean of cola, rte should be higher at mlm, steps 200 than at rtd, steps 200; the difference is +0.15, 95 % interval [-0.57, +0.87], n = 4 paired seeds, p = 0.556, p = 0.556 after Holm's correction for 3 contrasts. The whole interval lies within ± 3, the smallest effect of interest: a difference that matters is unlikely.
    The best mean of cola, rte is 58.10 ± 0.29 (sd), n = 4, at rtd, steps 800.
    ");
}

/// Recorded trials may be of another sweep than the file's. What is left of a list is another contrast: it is
/// not tested in its place, and the correction is for the contrasts that this sweep can ask.
#[test]
fn a_listed_value_outside_the_sweep_leaves_its_contrast_open() {
    let mut fixture = Fixture::sweep(&[0.25, 0.5, 1.0], &[1, 2, 3]);
    let better = json!({"model.generator_ratio": [0.25, 0.5]});
    let than = |values: Value| json!({"model.generator_ratio": values});
    fixture.experiment.expect.contrasts = vec![
        contrast("above an eighth and the full width", better.clone(), than(json!([0.125, 1.0]))),
        contrast("above the full width", better, than(json!(1.0))),
    ];
    fixture.experiment.expect.gates =
        vec![GateSpec { at_least: Some(1.0), at: selector(than(json!([0.125, 1.0]))), ..gate("cola") }];
    let failures = fixture.verdict().gates[0].failures.clone();
    assert_eq!(failures, ["no point of this sweep has model.generator_ratio = 0.125"]);
    fixture.experiment.expect.gates.clear();
    let verdict = fixture.verdict();
    let [first, second] = &verdict.contrasts[..] else { panic!("two contrasts") };
    assert_eq!((first.word, &first.estimate, first.adjusted_p), (Word::Open, &None, None));
    assert_eq!((second.word, second.adjusted_p), (Word::Agrees, second.estimate.as_ref().unwrap().p()));
    let sentence = "open: above an eighth and the full width (primary). Open, since no point of this sweep has \
                    model.generator_ratio = 0.125.";
    assert!(verdict.text.contains(sentence) && !verdict.text.contains("Holm"), "{}", verdict.text);
}

#[test]
fn lower_is_better_for_losses() {
    let mut fixture = Fixture::sweep(&[0.25, 1.0], &[1, 2, 3]);
    let deviations = [0.02, -0.01, 0.01, 0.0, 0.01, -0.02];
    change(&fixture, |index, outcome| {
        let loss = [3.0, 3.4][index / 3] + deviations[index];
        outcome.validation.insert("masked_loss".into(), loss);
    });
    let lower = ContrastSpec {
        measure: Some("held_out.masked_loss".into()),
        ..contrast("learns more", json!({"model.generator_ratio": 0.25}), json!({"model.generator_ratio": 1}))
    };
    fixture.experiment.expect.contrasts = vec![lower];
    let verdict = fixture.verdict();
    assert_eq!(verdict.word, Some(Word::Agrees));
    assert!(verdict.text.contains("should be lower at"), "{}", verdict.text);
    assert!(verdict.contrasts[0].estimate.as_ref().unwrap().effect < -0.3);
    fixture.experiment.report.y = "held_out.masked_loss".into();
    assert!(fixture.verdict().text.contains("is 3.007"), "{}", fixture.verdict().text);
}

/// The losses of two objectives are on two scales; those of one objective have a best point.
#[test]
fn no_objective_has_the_best_loss() {
    let losses = |mut fixture: Fixture| {
        change(&fixture, |index, outcome| {
            outcome.validation.insert("loss".into(), 3.0 + index as f64);
        });
        fixture.experiment.report.y = "held_out.loss".into();
        fixture.verdict().text
    };
    let between = losses(kinds(&[1, 2]));
    assert!(between.contains("No point is called the best"), "{between}");
    assert!(!between.contains("The best held-out loss"), "{between}");
    let within = losses(Fixture::sweep(&[0.25, 1.0], &[1, 2]));
    assert!(within.contains("The best held-out loss is 3.500"), "{within}");
}

fn gate(measure: &str) -> GateSpec {
    GateSpec { measure: measure.into(), ..GateSpec::default() }
}

#[test]
fn gates_hold_against_the_controls() {
    let mut fixture = Fixture::with_controls();
    fixture.experiment.expect.gates = vec![
        GateSpec { above: Some(Reference::Untrained), ..gate("pairs.language.disc_sum") },
        GateSpec { above: Some(Reference::Majority), ..gate("probe.cola") },
        GateSpec { at_least: Some(0.65), ..gate("held_out.disc_auc") },
        GateSpec { collapsed: Some(Collapsed::None), ..GateSpec::default() },
    ];
    let verdict = fixture.verdict();
    assert!(verdict.gates.iter().all(super::Gate::holds), "{:?}", verdict.gates);
    assert!(!verdict.text.contains("gate"), "{}", verdict.text);
    assert!(verdict.gates[0].evidence[0].contains("from untrained, 95 % interval [+"), "{:?}", verdict.gates);
    // A point is compared with its own untrained encoder, also by a contrast.
    fixture.experiment.expect.contrasts = vec![ContrastSpec {
        measure: Some("pairs.language.disc_sum".into()),
        ..contrast("learnt something", json!({}), json!("untrained"))
    }];
    let verdict = fixture.verdict();
    assert_eq!(verdict.word, Some(Word::Agrees));
    insta::assert_snapshot!(verdict.text, @r"
    agrees: learnt something. The accuracy on language pairs (disc_sum, %) should be higher at all points than before training; the difference is +23.76, 95 % interval [+19.10, +28.42], n = 3 paired seeds, p = 0.002.
    The best mean of cola, rte is 46.56 ± 0.53 (sd), n = 3, at 0.25.
    ");
}

/// The seeds whose control is done might be the good ones: a claim about training waits for all of them.
#[test]
fn nothing_is_concluded_while_untrained_controls_are_missing() {
    let mut fixture = Fixture::with_controls();
    let all = json!({});
    let learnt = ContrastSpec {
        measure: Some("pairs.language.disc_sum".into()),
        ..contrast("learnt something", all.clone(), json!("untrained"))
    };
    let more = ContrastSpec {
        by_more_than: Some(PairSpec { better: selector(all), than: json!("untrained") }),
        ..ContrastSpec {
            than: json!({"model.generator_ratio": 0.5}),
            better: selector(json!({"model.generator_ratio": 0.25})),
            ..learnt.clone()
        }
    };
    fixture.experiment.expect.contrasts = vec![learnt, more];
    let words =
        |fixture: &Fixture| fixture.verdict().contrasts.iter().map(|one| one.word).collect::<Vec<_>>();
    // The difference of 2 points minus the gain of 24 is as clear as the gain.
    assert_eq!(words(&fixture), [Word::Agrees, Word::Contradicts]);
    let control = fixture.controls.iter().find(|one| one.spec.control == Some(Control::Untrained)).unwrap();
    fs::remove_file(fixture.results().join(&control.id.0).join("outcome.json")).unwrap();
    assert_eq!(words(&fixture), [Word::Open, Word::Open]);
    let verdict = fixture.verdict();
    assert!(verdict.contrasts.iter().all(|one| one.adjusted_p.is_none()));
    let sentence = "Open, since 2 of 3 untrained controls are done.";
    assert_eq!(verdict.text.matches(sentence).count(), 2, "{}", verdict.text);

    fixture.experiment.expect.contrasts.clear();
    fixture.experiment.expect.gates =
        vec![GateSpec { above: Some(Reference::Untrained), ..gate("pairs.language.disc_sum") }];
    let gate = &fixture.verdict().gates[0];
    assert_eq!(gate.failures[0], "0.25: 2 of 3 untrained controls done");
    assert_eq!(gate.failures.len(), 3, "every point has this encoder");
}

#[test]
fn a_gate_that_does_not_hold_is_said_first_and_leaves_all_open() {
    let mut fixture = Fixture::with_controls();
    fixture.experiment.expect.gates = vec![
        GateSpec { above: Some(Reference::Trigram), ..gate("pairs.language.disc_sum") },
        GateSpec {
            at_least: Some(0.99),
            at: selector(json!({"model.generator_ratio": 1})),
            ..gate("held_out.disc_auc")
        },
        GateSpec { above: Some(Reference::Unigram), ..gate("cola") },
        GateSpec { below: Some(Reference::Unigram), ..gate("held_out.masked_loss") },
    ];
    let verdict = fixture.verdict();
    assert!(verdict.gates.iter().all(|gate| !gate.holds()));
    assert_eq!(verdict.word, Some(Word::Open));
    insta::assert_snapshot!(verdict.text, @r"
    Nothing is concluded, since 4 of 4 gates do not hold.
    Gate that does not hold: pairs.language.disc_sum above trigram (0.25: -4.34 from trigram, 95 % interval [-5.65, -3.02], n = 3; 0.5: -4.66 from trigram, 95 % interval [-5.36, -3.96], n = 3; 1.0: -10.33 from trigram, 95 % interval [-11.71, -8.95], n = 3).
    Gate that does not hold: held_out.disc_auc at least 0.99 at model.generator_ratio = 1 (1.0: 0.702, n = 3).
    Gate that does not hold: cola above unigram (0.25: unigram was not measured; 0.5: unigram was not measured; 1.0: unigram was not measured).
    Gate that does not hold: held_out.masked_loss below unigram (no finished trial has held_out.masked_loss).
    open: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +5.83, 95 % interval [+4.83, +6.82], n = 3 paired seeds, p = 0.002. Open, since a gate does not hold.
    The best mean of cola, rte is 46.56 ± 0.53 (sd), n = 3, at 0.25.
    ");
}

#[test]
fn a_run_that_predicts_one_class_is_found() {
    let mut fixture = Fixture::new();
    fixture.experiment.expect.gates =
        vec![GateSpec { collapsed: Some(Collapsed::None), ..GateSpec::default() }];
    let with = |value: Option<f64>, task: TaskName| {
        change(&fixture, |index, outcome| {
            let first = outcome.scores.iter_mut().find(|score| index == 0 && score.task == task);
            first.into_iter().for_each(|score| score.value = value);
        });
        fixture.verdict().gates[0].failures.clone()
    };
    assert!(with(Some(60.0), TaskName::Rte).is_empty());
    // rte's majority class has 52.5 %, the other one the rest; a constant has no correlation.
    for (value, task) in [
        (Some(52.5), TaskName::Rte),
        (Some(47.5), TaskName::Rte),
        (None, TaskName::Cola),
        (Some(0.0), TaskName::Cola),
    ] {
        let failures = with(value, task);
        assert_eq!(failures, [format!("0.25, seed 1: 1 of 3 runs on {task}")]);
    }
}
