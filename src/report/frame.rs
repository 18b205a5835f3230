//! The records of a plan's finished trials as polars frames, from which every table and figure is made.
//!
//! The trials have more columns here than in `records/frame.rs`: `order`, their place among the finished
//! trials; `point_index`, the index of their point of the sweep; `recipe`, how they were fine-tuned; and
//! `commit`, in words. Must never: round or summarise. Next: `statistics.rs`.

use polars::prelude::{ChunkCompareEq, Column, DataFrame, IdxCa, IdxSize};

use super::axes::Axes;
use super::input::ReportInput;
use super::plan_records::DoneTrial;
use super::query::{rows_where, texts};
use crate::error::Result;
use crate::experiment::Control;
use crate::records::Provenance;
use crate::records::frame::{
    FrameTrial, Frames, MEASURE, METRICS, SCORE, broken, column, frame_of, json_column, to_csv,
};

/// The finished trials of a plan, in the plan's order.
pub struct PlanFrames {
    /// One row per trial.
    pub trials: DataFrame,
    /// One row per fine-tuning run.
    pub scores: DataFrame,
    /// One row per measure without fine-tuning of a trained or untrained encoder.
    pub measures: DataFrame,
    /// One row per fine-tuning run and per measure, baselines included.
    results: DataFrame,
    /// One row per value of a line of metrics.
    pub metrics: DataFrame,
}

impl PlanFrames {
    /// Collects finished trials. Experiment and profile are those of the report. A trial of `axes` has its
    /// point, a control has none.
    pub fn of(input: &ReportInput, axes: &Axes, done: &[&DoneTrial]) -> Result<Self> {
        let trials = done.iter().map(|done| FrameTrial {
            experiment: &input.experiment.name,
            profile: input.profile,
            record: &done.record,
            outcome: Some(&done.outcome),
            events: &done.events,
        });
        let mut frames = Frames::of(&trials.collect::<Vec<_>>())?;
        let point = |done: &&DoneTrial<'_>| {
            let is_control = done.trial.spec.control.is_some();
            let point = axes.points.iter().position(|point| point.trials.contains(&done.index));
            point.filter(|_| !is_control).map(|point| point as u32)
        };
        let orders: Vec<u32> = (0..).take(done.len()).collect();
        let more = [
            // One trial may stand at two points, so its id does not tell its rows apart.
            column("order", &orders, |order| *order),
            column("point_index", done, point),
            column("recipe", done, |done| done.trial.spec.evaluate.description()),
            column("commit", done, |done| commit(&done.record.provenance)),
        ];
        frames.trials = frames.trials.hstack(&more).map_err(broken)?;
        // A trial that was copied from another experiment's results records its point of that experiment's
        // sweep.
        let label = column("point", done, |done| match done.trial.spec.control {
            Some(control) if done.trial.point.is_empty() => control.label().to_string(),
            Some(control) => format!("{} {}", control.label(), done.trial.point.label()),
            None => done.trial.point.label(),
        });
        frames.trials.with_column(label).map_err(broken)?;
        let control = |done: &&DoneTrial<'_>| done.trial.spec.control.map(Control::label);
        frames.trials.with_column(column("control", done, control)).map_err(broken)?;
        let long = frames.long()?;
        let part = |record| rows_where(&long, "record", record);
        let mask = long.column("record").and_then(|record| Ok(record.str()?.not_equal(METRICS)));
        let results = mask.and_then(|mask| long.filter(&mask)).map_err(broken)?;
        // Every value of an encoder: baselines stand in rows of their own.
        let measures = part(MEASURE)?;
        let of_encoders = measures.column("baseline").map_err(broken)?.is_null();
        let measures = measures.filter(&of_encoders).map_err(broken)?;
        Ok(Self { scores: part(SCORE)?, measures, results, metrics: part(METRICS)?, trials: frames.trials })
    }
}

/// The commit of the code, in words.
fn commit(provenance: &Provenance) -> String {
    let dirty = if provenance.working_dirty == Some(true) { ", with uncommitted changes" } else { "" };
    let working = || provenance.working_commit.as_ref().map(|commit| format!("{commit}{dirty}"));
    provenance.commit.clone().or_else(working).unwrap_or_else(|| "unknown".into())
}

/// table.csv: one row per trial, task and fine-tuning run, one per trial and measure, and one per trial that
/// has neither. `frames` are those of `done`.
///
/// Seconds are left out, so that the same trial on another machine gives the same table.
pub fn table_csv(done: &[&DoneTrial], frames: &PlanFrames) -> Result<Vec<u8>> {
    let of_score = texts(&frames.results, "order")?;
    let mut places: Vec<(IdxSize, Option<IdxSize>)> = Vec::new();
    for (index, trial) in (0..).zip(texts(&frames.trials, "order")?) {
        let scores = (0..).zip(&of_score).filter(|(_, of)| **of == trial);
        let before = places.len();
        places.extend(scores.map(|(score, _)| (index, Some(score))));
        if places.len() == before {
            places.push((index, None));
        }
    }
    let trials: IdxCa = places.iter().map(|(trial, _)| Some(*trial)).collect();
    let scores: IdxCa = places.iter().map(|(_, score)| *score).collect();
    let trials =
        swept(done)?.hstack(frames.trials.columns()).and_then(|all| all.take(&trials)).map_err(broken)?;
    let scores = frames.results.take(&scores).map_err(broken)?;
    to_csv(&arranged(&trials, &scores)?)
}

/// The values of the swept paths, one row per finished trial.
fn swept(done: &[&DoneTrial]) -> Result<DataFrame> {
    let mut paths: Vec<&str> = Vec::new();
    for path in done.iter().flat_map(|done| done.trial.point.paths()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let values = |path: &str| {
        let values = done.iter().map(|done| done.trial.point.value(path).cloned());
        json_column(&format!("swept.{path}"), &values.collect::<Vec<_>>())
    };
    frame_of(done.len(), paths.into_iter().map(values).collect())
}

/// The columns of table.csv in their order and under its names, from frames of the same number of rows.
fn arranged(trials: &DataFrame, scores: &DataFrame) -> Result<DataFrame> {
    let mut columns: Vec<Column> = Vec::new();
    let mut take = |frame: &DataFrame, name: &str, shown: &str| -> Result<()> {
        let mut column = frame.column(name).map_err(broken)?.clone();
        column.rename(shown.into());
        columns.push(column);
        Ok(())
    };
    for name in ["experiment", "profile", "trial"] {
        take(trials, name, name)?;
    }
    for (name, path) in with_prefix(trials, "swept.") {
        take(trials, &name, &path)?;
    }
    take(trials, "seed", "seed")?;
    take(trials, "control", "control")?;
    for name in [
        "task",
        "metric",
        "baseline",
        "synthetic",
        "head",
        "starts_from",
        "finetune_seed",
        "value",
        "examples_low",
        "examples_high",
        "standard_error",
        "majority",
        "chance",
        "n_examples",
        "n_train",
        "finetune_steps",
    ] {
        let column = if name == "metric" { "measure" } else { name };
        take(scores, column, name)?;
    }
    for (name, _) in with_prefix(scores, "other_") {
        take(scores, &name, &name)?;
    }
    for name in ["steps", "tokens", "flops", "flops_paper", "n_parameters"] {
        take(trials, &format!("outcome.{name}"), name)?;
    }
    let mut held_out = with_prefix(trials, "outcome.validation.");
    held_out.sort();
    for (name, measure) in held_out {
        take(trials, &name, &format!("held_out_{measure}"))?;
    }
    take(trials, "devices", "device")?;
    take(trials, "provenance.crate_version", "crate_version")?;
    let corpus = texts(trials, "provenance.corpus.source")?
        .into_iter()
        .zip(texts(trials, "provenance.corpus.revision")?);
    let corpus: Vec<String> = corpus
        .map(|(source, revision)| format!("{}@{}", source.unwrap_or_default(), revision.unwrap_or_default()))
        .collect();
    let place = columns.len() - 2;
    columns.insert(place, column("corpus", &corpus, String::clone));
    // A trial without scores says whether its text is synthetic.
    let synthetic =
        texts(scores, "synthetic")?.into_iter().zip(texts(trials, "provenance.corpus.synthetic")?);
    let synthetic: Vec<Option<String>> = synthetic.map(|(of_score, of_text)| of_score.or(of_text)).collect();
    let mut frame = frame_of(trials.height(), columns)?;
    frame.replace("synthetic", column("synthetic", &synthetic, Option::clone)).map_err(broken)?;
    Ok(frame)
}

/// The columns whose names begin with a prefix, with what follows it.
fn with_prefix(frame: &DataFrame, prefix: &str) -> Vec<(String, String)> {
    let names = frame.get_column_names();
    let cut = |name: &str| Some((name.to_string(), name.strip_prefix(prefix)?.to_string()));
    names.into_iter().filter_map(|name| cut(name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use crate::experiment::SweepPoint;
    use crate::report::fixture::{Fixture, outcome};

    fn table(fixture: &Fixture) -> String {
        let records = fixture.records();
        let done: Vec<_> = records.done.iter().collect();
        String::from_utf8(super::table_csv(&done, &fixture.frames()).unwrap()).unwrap()
    }

    #[test]
    fn a_row_per_trial_task_and_finetune_seed() {
        let fixture = Fixture::new();
        let text = table(&fixture);
        assert_eq!(text.lines().count(), 1 + 3 * 2 * 2 * 3);
        let first: Vec<&str> = text.lines().take(2).collect();
        let id = &fixture.trials[0].id.0;
        insta::assert_snapshot!(first.join("\n").replace(id, "TRIAL"), @r"
        experiment,profile,trial,model.generator_ratio,seed,control,task,metric,baseline,synthetic,head,starts_from,finetune_seed,value,examples_low,examples_high,standard_error,majority,chance,n_examples,n_train,finetune_steps,steps,tokens,flops,flops_paper,n_parameters,held_out_disc_accuracy,held_out_disc_auc,held_out_loss,held_out_mlm_accuracy,corpus,device,crate_version
        gen_ratio,quick,TRIAL,0.25,1,,rte,accuracy,,true,paper,,0,64.06,59.06,68.06,,52.5,,400,1000,94,200,800000,3125000000000.0,5000000000000.0,900000,0.9154,0.7463,15.3667,0.466,built-in language@built-in,cpu,0.1.0
        ");
    }

    #[test]
    fn undefined_values_are_empty_and_mixed_sweeps_are_text() {
        let mut fixture = Fixture::new();
        let mut first = outcome(&fixture.trials[0]);
        first.scores[0].value = None;
        fixture.write(&fixture.trials[0], &first);
        fixture.trials[1].point =
            SweepPoint::from_iter([("model.generator_ratio".to_string(), "tuned".into())]);
        let text = table(&fixture);
        let cells = |line: usize| text.lines().nth(line).unwrap().split(',').collect::<Vec<_>>();
        assert_eq!((cells(1)[3], cells(1)[13]), ("0.25", ""));
        let second = first.scores[1].value.unwrap().to_string();
        assert_eq!((cells(7)[3], cells(2)[13]), ("tuned", second.as_str()));
    }

    #[test]
    fn a_trial_without_tasks_has_one_row() {
        let fixture = Fixture::sweep(&[0.25, 1.0], &[1]);
        let mut first = outcome(&fixture.trials[0]);
        first.scores.clear();
        fixture.write(&fixture.trials[0], &first);
        let text = table(&fixture);
        assert_eq!(text.lines().count(), 1 + 1 + 6);
        let cells: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
        assert_eq!(
            (cells[2], cells[6], cells[9], cells[22]),
            (fixture.trials[0].id.0.as_str(), "", "true", "200")
        );
    }
}
