//! Comparisons of published rows with the made-up records of a sweep.

use serde_json::{Value, json};

use super::compare::block_paths;
use super::*;
use crate::experiment::PaperSpec;
use crate::experiment::{
    DataSpec, FinetuneSpec, LayerDecayRule, ModelSize, PublishedSpec, ReportSpec, TaskSource, TokenizerSpec,
    Trial,
};
use crate::report::fixture::{Fixture, outcome};

fn paper(table: &str, rows: &[(&str, Value)]) -> PaperSpec {
    let rows = rows.iter().map(|(name, at)| (name.to_string(), at.clone())).collect();
    PaperSpec { table: table.into(), rows }
}

/// The section of the page, with the verdict's sentences.
fn shown(fixture: &Fixture, paper: &PaperSpec) -> String {
    let summary = fixture.summary();
    match compare(paper, &fixture.axes(), &summary, &fixture.trials, &fixture.records()).unwrap() {
        Some(comparison) => page(&comparison) + &sentences(&comparison),
        None => "nothing".into(),
    }
}

fn point(kind: &str, steps: u64) -> Vec<(String, Value)> {
    vec![("objective.kind".into(), json!(kind)), ("train.steps".into(), json!(steps))]
}

fn kinds() -> [(&'static str, Value); 2] {
    [("ELECTRA", json!({"objective.kind": "rtd"})), ("BERT", json!({"objective.kind": "mlm"}))]
}

/// Fine-tunes as the released code does.
fn as_released(trial: &mut Trial) {
    let evaluate = &mut trial.spec.evaluate;
    evaluate.finetune_seeds = 10;
    evaluate.finetune = FinetuneSpec {
        learning_rate: 1e-4,
        layer_decay_rule: LayerDecayRule::ReleasedCode,
        epochs_small_tasks: Some(10.0),
        weight_decay: 0.01,
        double_unordered: true,
        ..FinetuneSpec::default()
    };
}

/// The fixture's tasks as if they were GLUE's own.
fn as_english(fixture: &mut Fixture) {
    for index in 0..fixture.trials.len() {
        let trial = &mut fixture.trials[index];
        trial.spec.evaluate.source = TaskSource::Hub { repo: "nyu-mll/glue".into(), revision: "main".into() };
        let mut changed = outcome(trial);
        changed.scores.iter_mut().for_each(|score| score.synthetic = false);
        fixture.write(&fixture.trials[index], &changed);
    }
}

#[test]
fn a_table_of_values_with_three_seeds() {
    let fixture = Fixture::of(vec![point("rtd", 200), point("mlm", 200)], &[1, 2, 3], ReportSpec::default());
    insta::assert_snapshot!(shown(&fixture, &paper("table5", &kinds())), @r"
    ## Comparison with the paper

    ELECTRA, Table 5: what the gain comes from, GLUE development sets.

    The mean of cola, rte of each point: mean over pre-training seeds, sample standard deviation, and, from n = 2 on, the 95 % interval of the mean by Student's t.

    | ELECTRA, Table 5 | point | paper | measured |   sd |   n |  95 % interval |        comparable |
    | ---------------- | ----- | ----: | -------: | ---: | --: | -------------: | ----------------: |
    | ELECTRA          | rtd   |  85.0 |    46.56 | 0.53 |   3 | [45.24, 47.88] | in shape only [1] |
    | BERT             | mlm   |  82.2 |    41.23 | 0.61 |   3 | [39.72, 42.73] | in shape only [1] |

    - [1] measured on the built-in language, not on English
    - ELECTRA: Table 1 has 85.1 for ELECTRA-Base

    | claim                          | paper's difference | measured difference |   n |  95 % interval | p (Holm) | conclusion |
    | ------------------------------ | -----------------: | ------------------: | --: | -------------: | -------: | ---------: |
    | ELECTRA (rtd) above BERT (mlm) |               +2.8 |               +5.34 |   3 | [+2.83, +7.84] |    0.012 |     agrees |

    Kendall's τ is taken over the pairs of points that the paper orders (agreeing minus disagreeing, divided by all of them; 1 is the paper's order, 0 is the average of random orders, -1 is the reverse), on means over the pre-training seeds that all points share. The probability that a random order does as well is computed over all orders of the points. The range of τ is that of single seeds; it is no interval. A difference is taken seed by seed, with the same seed and the same text on both sides. Its 95 % interval and p are by Student's t over the seeds, from n = 2 on; p is corrected for the number of differences by Holm's method, and the last column is *agrees* or *contradicts* where the corrected p is below 0.05. If there are more than ten ordered pairs, only those with the best point have a difference. These differences were not named before the run: the verdict is that of the contrasts above.

    In the order of ELECTRA, Table 5: Kendall's τ of the mean of cola, rte is +1.00 over 1 ordered pair of 2 points (a random order does as well with probability 0.50), n = 3; single seeds range over [1.00, 1.00]. Paired differences: 1 of 1 agree with the paper, 0 contradict it, 0 are open.
    ");
}

#[test]
fn other_sweeps_make_comparisons_of_their_own() {
    let points = vec![point("rtd", 200), point("mlm", 200), point("rtd", 800), point("mlm", 800)];
    let fixture = Fixture::of(points, &[1, 2], ReportSpec::default());
    let page = shown(&fixture, &paper("figure3_right", &kinds()));
    for steps in ["200", "800"] {
        let sentence = format!(
            "steps {steps}: In the order of ELECTRA, Figure 3 (right) and section 3.2: Kendall's τ of the mean of cola, \
             rte is +1.00 over 1 ordered pair of 2 points (a random order does as well with probability 0.50), n = 2; \
             single seeds range over [1.00, 1.00]."
        );
        assert!(page.contains(&sentence), "{page}");
    }
    assert!(page.contains("rank 1 |"), "{page}");
    assert!(!page.contains("reproduced"));
}

#[test]
fn what_is_remembered_is_marked_and_a_row_without_a_point_is_named() {
    let fixture = Fixture::new();
    let rows = [
        ("transformer", json!({"model.generator_ratio": 0.25})),
        ("unigram", json!({"model.generator_ratio": 7})),
    ];
    let page = shown(&fixture, &paper("unigram", &rows));
    assert!(
        page.contains("(not checked against the paper)") && page.contains("- Not in this sweep: unigram"),
        "{page}"
    );
}

/// A path that changes with the rows' own path does not split the comparison; a path that is crossed with it
/// does.
#[test]
fn only_crossed_paths_split() {
    let moving = |kind: &str, ratio: f64| {
        vec![("objective.kind".to_string(), json!(kind)), ("model.generator_ratio".to_string(), json!(ratio))]
    };
    let fixture = Fixture::of(vec![moving("rtd", 0.25), moving("mlm", 1.0)], &[1], ReportSpec::default());
    assert!(block_paths(&paper("table5", &kinds()), &fixture.trials).is_empty());
    let crossed = vec![point("rtd", 200), point("mlm", 200), point("rtd", 800)];
    let fixture = Fixture::of(crossed, &[1], ReportSpec::default());
    assert_eq!(block_paths(&paper("table5", &kinds()), &fixture.trials), ["train.steps"]);
}

/// The README's checkpoint, fine-tuned on all examples of two tasks, is compared with the mean of the same
/// two.
#[test]
fn only_the_same_configuration_compares_in_absolute_value() {
    let mut fixture = Fixture::of(vec![vec![("train.batch".into(), json!(32))]], &[1], ReportSpec::default());
    let small = "google/electra-small-discriminator";
    let published = |model: &str| Some(PublishedSpec { model: model.into(), revision: "main".into() });
    let rows = [("ELECTRA-Small++", json!({"train.batch": 32}))];
    let released = paper("released", &rows);
    assert!(shown(&fixture, &released).contains("- [1] measured on the built-in language, not on English"));

    fixture.trials[0].spec.published = published(small);
    as_english(&mut fixture);
    let page = shown(&fixture, &released);
    let reason = "- [1] fine-tuned with learning rate 0.0003, not 0.0001, layer decay rule paper, not released_code, \
                  epochs small tasks none, not 10.0, weight decay 0.0, not 0.01; the median of 3 fine-tuning runs, not of 10";
    assert!(page.contains(reason), "{page}");
    as_released(&mut fixture.trials[0]);
    let page = shown(&fixture, &released);
    // (57.0 + 66.7) / 2, and of nothing else.
    assert!(page.contains("61.9") && page.contains("in absolute value"), "{page}");

    fixture.trials[0].spec.evaluate.finetune.max_train_examples = Some(800);
    let page = shown(&fixture, &released);
    assert!(page.contains("- [1] fine-tuned on at most 800 examples a task"), "{page}");

    fixture.trials[0].spec.evaluate.finetune.max_train_examples = None;
    fixture.trials[0].spec.published = published("google/electra-base-discriminator");
    assert!(shown(&fixture, &released).contains("- [1] the checkpoint google/electra-base-discriminator"));

    fixture.trials[0].spec.published = None;
    let page = shown(&fixture, &released);
    assert!(
        page.contains("[1] 4 layers of 128, not small; the built-in language, not XLNet's text"),
        "{page}"
    );
    assert!(shown(&fixture, &paper("table8", &[("ELECTRA-Small", rows[0].1.clone())])).contains("test sets"));
}

#[test]
fn the_same_text_size_and_length_leave_no_reason() {
    let mut fixture =
        Fixture::of(vec![vec![("train.batch".into(), json!(128))]], &[1], ReportSpec::default());
    let spec = &mut fixture.trials[0].spec;
    spec.model.size = ModelSize::Small;
    (spec.train.steps, spec.train.batch) = (1_000_000, 128);
    (spec.train.learning_rate, spec.train.warmup, spec.train.weight_decay) = (5e-4, 10_000, 0.01);
    let data = |repo: &str, max_documents| DataSpec::Hub {
        repo: repo.into(),
        revision: "main".into(),
        files: String::new(),
        validation_files: String::new(),
        column: "text".into(),
        max_documents,
        sentences: Default::default(),
        tokenizer: TokenizerSpec::default(),
    };
    spec.data = data("Skylion007/openwebtext", None);
    as_released(&mut fixture.trials[0]);
    let mut whole = outcome(&Fixture::new().trials[0]);
    whole.id = fixture.trials[0].id.clone();
    whole.steps = 1_000_000;
    whole.scores.iter_mut().for_each(|score| score.synthetic = false);
    let folder = fixture.results().join(&whole.id.0);
    std::fs::write(folder.join("outcome.json"), serde_json::to_string(&whole).unwrap()).unwrap();
    let rows = paper("released", &[("ELECTRA-Small-OWT", json!({"train.batch": 128}))]);
    assert!(shown(&fixture, &rows).contains("in absolute value"), "{}", shown(&fixture, &rows));
    fixture.trials[0].spec.train.learning_rate = 2e-4;
    assert!(shown(&fixture, &rows).contains("[1] learning rate 0.0002, not 0.0005"));
    fixture.trials[0].spec.train.learning_rate = 5e-4;
    fixture.trials[0].spec.model.generator_ratio = 1.0;
    assert!(shown(&fixture, &rows).contains("another objective, generator or sharing"));
    fixture.trials[0].spec.model.generator_ratio = 0.25;
    fixture.trials[0].spec.train.seq_len = 64;
    assert!(shown(&fixture, &rows).contains("sequences of 64, not 128"));
    fixture.trials[0].spec.train.seq_len = 128;
    fixture.trials[0].spec.data = data("Skylion007/openwebtext", Some(1000));
    assert!(shown(&fixture, &rows).contains("not OpenWebText"));
}

#[test]
fn a_table_of_another_quantity_takes_the_held_out_one() {
    let fixture = Fixture::new();
    let rows = [("maximum likelihood", json!({"model.generator_ratio": 0.25}))];
    let page = shown(&fixture, &paper("appendix_f", &rows));
    assert!(
        page.contains("The held-out accuracy at [MASK], % of each point") && page.contains(" 65.0 |"),
        "{page}"
    );
    assert_eq!(
        shown(&fixture, &paper("deberta_v3", &[("base", json!({"model.generator_ratio": 1}))])),
        "nothing"
    );
}

#[test]
fn the_file_holds_every_number() {
    let mut fixture =
        Fixture::of(vec![point("rtd", 200), point("mlm", 200)], &[1, 2, 3], ReportSpec::default());
    fixture.experiment.expect.paper = Some(paper("table5", &kinds()));
    let summary = fixture.build().unwrap();
    assert!(summary.verdict.lines().count() == 3, "{}", summary.verdict);
    let read = |name: &str| std::fs::read_to_string(fixture.out().join(name)).unwrap();
    insta::assert_snapshot!(read("paper.csv"), @r#"
    source,at,row,point,seen,paper,paper_rank,quantity,measured,sd,n,low,high,absolute,reason
    "ELECTRA, Table 5","",ELECTRA,rtd,text,85.0,1.0,"mean of cola, rte",46.56333333333333,0.5310681061157123,3,45.24408702342346,47.882579643243204,false,"measured on the built-in language, not on English"
    "ELECTRA, Table 5","",BERT,mlm,text,82.2,2.0,"mean of cola, rte",41.22666666666667,0.6058327602014723,3,39.72169466003639,42.73163867329694,false,"measured on the built-in language, not on English"
    "#);
    insta::assert_snapshot!(read("paper.tex"), @r"
    % Written by electra-lab, to be read by \input{...}; needs \usepackage{booktabs}.
    \begin{tabular}{@{}llrrrrrr@{}}
    \toprule
    ELECTRA, Table 5 & point & paper & measured & sd & n & 95 \% interval & comparable \\
    \midrule
    ELECTRA & rtd & 85.0 & 46.56 & 0.53 & 3 & [45.24, 47.88] & in shape only [1] \\
    BERT & mlm & 82.2 & 41.23 & 0.61 & 3 & [39.72, 42.73] & in shape only [1] \\
    \bottomrule
    \end{tabular}
    ");
    fixture.experiment.expect.paper = None;
    fixture.build().unwrap();
    assert!(!fixture.out().join("paper.csv").exists(), "an earlier report's comparison stays");
}
