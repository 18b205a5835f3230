//! What stands beside the points: the same encoders before training, and what needs no encoder.
//!
//! Must never: take a control's number for one of a point. Next: `tables.rs`, `contrast.rs`, `gates.rs`.

use std::collections::BTreeMap;

use super::axes::{Axes, Point, last_word};
use super::quantity::{Quantity, QuantityKind, is_in_the_mean};
use super::values::{Cell, Measurements, TrialValues, cells, mean_of, trial_values};
use crate::error::Result;
use crate::experiment::{Control, MeasureName, Reference, ReportSpec, Trial, TrialId, value_label};
use crate::records::Measure;

/// The references that models of word counts measure, in the order of the table.
const TEXT_MODELS: [Reference; 4] =
    [Reference::BagOfWords, Reference::Unigram, Reference::Trigram, Reference::Ceiling];

/// The controls of a report.
#[derive(Default)]
pub struct Controls {
    /// One row per distinct encoder before training.
    pub untrained: Vec<UntrainedRow>,
    /// One row per baseline, in the order of the table.
    pub baselines: Vec<Baseline>,
    /// For every point of the sweep and every quantity the same encoders before training, seed by seed.
    pub of_points: Vec<Vec<Cell>>,
    /// For every point of the sweep the control trials of its encoders before training, and whether each is
    /// done.
    untrained_trials: Vec<Vec<(TrialId, bool)>>,
    /// For every point of the sweep the baselines of its own models of word counts.
    text_models: Vec<Vec<Baseline>>,
}

/// An encoder before training.
pub struct UntrainedRow {
    /// `untrained`, with what tells it from other encoders.
    pub name: String,
    /// One cell per quantity.
    pub cells: Vec<Cell>,
    /// Finished control trials.
    pub n_done: usize,
    /// Planned control trials.
    pub n_trials: usize,
}

/// A value without an encoder: the majority class, guessing, a model of word counts, the best possible value.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// One value per quantity, as it is shown; None if it does not apply.
    pub values: Vec<Option<f64>>,
}

impl Controls {
    /// The value of a baseline that a point is compared with; None if it has none. Where points differ in
    /// their text, each has its own models of word counts.
    pub fn baseline(&self, reference: Reference, point: usize, quantity: usize) -> Option<f64> {
        let baselines = match reference.is_text_model() {
            true => self.text_models.get(point)?,
            false => &self.baselines,
        };
        let named = baselines.iter().filter(|baseline| baseline.name == reference.label());
        named.filter_map(|baseline| *baseline.values.get(quantity)?).next()
    }

    /// The encoders of a point before training.
    pub fn untrained_of(&self, point: usize, quantity: usize) -> Option<&Cell> {
        self.of_points.get(point)?.get(quantity)
    }

    /// Finished and planned control trials of the encoders of some points before training. Points may share
    /// them.
    pub fn untrained_progress(&self, points: &[usize]) -> (usize, usize) {
        let trials: BTreeMap<&TrialId, bool> = points
            .iter()
            .filter_map(|point| self.untrained_trials.get(*point))
            .flatten()
            .map(|(id, is_done)| (id, *is_done))
            .collect();
        (trials.values().filter(|is_done| **is_done).count(), trials.len())
    }
}

/// Summarises the finished controls.
pub fn of(axes: &Axes, measurements: &Measurements, quantities: &[Quantity]) -> Result<Controls> {
    let values = trial_values(measurements.control_frames, quantities)?;
    let untrained: Vec<Trial> = measurements
        .controls
        .iter()
        .filter(|one| one.spec.control == Some(Control::Untrained))
        .cloned()
        .collect();
    let untrained_trials = untrained_trials(axes, measurements.trials, &values);
    Ok(Controls {
        of_points: of_points(&untrained_trials, &values, quantities.len()),
        untrained_trials,
        text_models: text_models(axes, measurements, quantities),
        untrained: untrained_rows(&untrained, &values, quantities.len()),
        baselines: baselines(measurements, quantities),
    })
}

/// The rows of the untrained encoders, each named by the swept settings that tell it from the others.
fn untrained_rows(trials: &[Trial], values: &[TrialValues], n_quantities: usize) -> Vec<UntrainedRow> {
    let axes = Axes::new(&ReportSpec::default(), trials);
    let row = |point: &Point| {
        let ids: Vec<&TrialId> =
            point.trials.iter().filter_map(|trial| Some(&trials.get(*trial)?.id)).collect();
        let own: Vec<&TrialValues> =
            values.iter().filter(|one| ids.iter().any(|id| id.0 == one.id)).collect();
        let name = match point.values.is_empty() {
            true => "untrained".into(),
            false => {
                let settings = point.values.iter();
                let words =
                    settings.map(|(path, value)| format!("{} {}", last_word(path), value_label(value)));
                format!("untrained, {}", words.collect::<Vec<_>>().join(", "))
            }
        };
        UntrainedRow {
            name,
            cells: cells(&own, n_quantities),
            n_done: own.len(),
            n_trials: point.trials.len(),
        }
    };
    axes.points.iter().map(row).collect()
}

/// The cells of the untrained encoders of every point, seed by seed.
fn of_points(
    untrained_trials: &[Vec<(TrialId, bool)>],
    values: &[TrialValues],
    n_quantities: usize,
) -> Vec<Vec<Cell>> {
    let by_id: BTreeMap<&str, &TrialValues> = values.iter().map(|one| (one.id.as_str(), one)).collect();
    let of_point = |trials: &Vec<(TrialId, bool)>| {
        let controls = trials.iter().filter_map(|(id, _)| by_id.get(id.0.as_str()).copied());
        cells(&controls.collect::<Vec<_>>(), n_quantities)
    };
    untrained_trials.iter().map(of_point).collect()
}

/// The control trials of the encoders of every point before training, and whether each is done.
fn untrained_trials(axes: &Axes, trials: &[Trial], values: &[TrialValues]) -> Vec<Vec<(TrialId, bool)>> {
    let with_progress = |id: TrialId| {
        let is_done = values.iter().any(|one| one.id == id.0);
        (id, is_done)
    };
    let of_point =
        |point| control_ids(point, trials, Control::Untrained).into_iter().map(with_progress).collect();
    axes.points.iter().map(of_point).collect()
}

/// The ids of the controls of a point's trials.
fn control_ids(point: &Point, trials: &[Trial], control: Control) -> Vec<TrialId> {
    let of_trial = |trial: &usize| Some(trials.get(*trial)?.spec.control(control)?.id());
    point.trials.iter().filter_map(of_trial).collect()
}

/// The baselines of the models of word counts of every point.
fn text_models(axes: &Axes, measurements: &Measurements, quantities: &[Quantity]) -> Vec<Vec<Baseline>> {
    let of_point = |point: &Point| {
        let ids = control_ids(point, measurements.trials, Control::TextModels);
        let done = measurements.control_records.done.iter().filter(|done| ids.contains(&done.trial.id));
        let measures: Vec<&Measure> = done.flat_map(|done| &done.outcome.measures).collect();
        let named = |reference: Reference| {
            let is_named = |measure: &&Measure| measure.baseline.as_deref() == Some(reference.label());
            let own: Vec<&Measure> = measures.iter().copied().filter(is_named).collect();
            Baseline { name: reference.label().into(), values: values_of(&own, quantities) }
        };
        TEXT_MODELS.map(named).to_vec()
    };
    axes.points.iter().map(of_point).collect()
}

/// The baselines: the majority class, guessing, then those of the control trials in the order of the table.
fn baselines(measurements: &Measurements, quantities: &[Quantity]) -> Vec<Baseline> {
    let given = |reference: Reference, value: fn(&Quantity) -> Option<f64>| Baseline {
        name: reference.label().into(),
        values: quantities.iter().map(value).collect(),
    };
    let mut baselines = vec![
        given(Reference::Majority, |quantity| quantity.majority),
        given(Reference::Chance, |quantity| quantity.chance),
    ];
    let measured: Vec<(&Trial, &Measure)> = measurements
        .control_records
        .done
        .iter()
        .flat_map(|done| done.outcome.measures.iter().map(move |measure| (done.trial, measure)))
        .filter(|(_, measure)| measure.baseline.is_some())
        .collect();
    let several = measured.iter().any(|(trial, _)| !trial.point.is_empty());
    let mut names: Vec<String> = TEXT_MODELS.map(|reference| reference.label().to_string()).to_vec();
    for (_, measure) in &measured {
        let name = measure.baseline.clone().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let mut points: Vec<String> = Vec::new();
        for (trial, _) in measured.iter().filter(|(_, one)| one.baseline.as_ref() == Some(&name)) {
            let label = if several { format!("{name}, {}", trial.point.label()) } else { name.clone() };
            if !points.contains(&label) {
                points.push(label);
                let own = measured.iter().filter(|(other, measure)| {
                    other.id == trial.id && measure.baseline.as_ref() == Some(&name)
                });
                let own: Vec<&Measure> = own.map(|(_, measure)| *measure).collect();
                let label = points.last().cloned().unwrap_or_default();
                baselines.push(Baseline { name: label, values: values_of(&own, quantities) });
            }
        }
    }
    baselines.retain(|baseline| baseline.values.iter().any(Option::is_some));
    baselines
}

/// The values of one baseline for every quantity; the mean of the tasks is over the tasks' own.
fn values_of(measures: &[&Measure], quantities: &[Quantity]) -> Vec<Option<f64>> {
    let value = |quantity: &Quantity| {
        let measure = measures.iter().find(|measure| stands_beside(&measure.name, quantity))?;
        Some(measure.value? * quantity.factor())
    };
    let mut values: Vec<Option<f64>> = quantities.iter().map(value).collect();
    let tasks = quantities.iter().zip(&values).filter(|(quantity, _)| is_in_the_mean(quantity));
    let mean = mean_of(&tasks.map(|(_, value)| *value).collect::<Vec<_>>());
    for (quantity, value) in quantities.iter().zip(&mut values) {
        if quantity.kind == QuantityKind::Mean {
            *value = mean;
        }
    }
    values
}

/// Whether a baseline of this name stands beside a quantity: `pairs.blimp` beside all scorers of that set,
/// `cola` beside the fine-tuned and the probed task, the loss at masked words under either of its names.
fn stands_beside(name: &str, quantity: &Quantity) -> bool {
    let is_masked_loss = |name: &str| {
        matches!(MeasureName::parse(name), Some(MeasureName::HeldOut("mlm_loss" | "masked_loss")))
    };
    let is_probed = matches!(quantity.kind, QuantityKind::Probe(task) if task.as_str() == name);
    let is_set = quantity.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    name == quantity.name || is_set || is_probed || (is_masked_loss(name) && is_masked_loss(&quantity.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;

    #[test]
    fn controls_stand_beside_the_points() {
        let fixture = Fixture::with_controls();
        let summary = fixture.summary();
        let controls = &summary.controls;
        let names: Vec<&str> = controls.baselines.iter().map(|baseline| baseline.name.as_str()).collect();
        assert_eq!(names, ["majority class", "chance", "bag of words", "trigram", "ceiling"]);
        let place = |name: &str| summary.quantities.iter().position(|one| one.name == name).unwrap();
        assert_eq!(controls.baseline(Reference::BagOfWords, 0, place("cola")), Some(12.0));
        assert_eq!(controls.baseline(Reference::BagOfWords, 0, place("probe.cola")), Some(12.0));
        // The mean needs the value of every task.
        assert_eq!(controls.baseline(Reference::BagOfWords, 0, place("glue.mean")), None);
        assert_eq!(controls.baseline(Reference::Trigram, 1, place("pairs.language.disc_sum")), Some(80.0));
        assert_eq!(controls.baseline(Reference::Ceiling, 2, place("held_out.disc_auc")), Some(0.93));
        // All points of this sweep have one encoder, so that there is one row, and each point has its seeds.
        assert_eq!((controls.untrained.len(), controls.untrained[0].name.as_str()), (1, "untrained"));
        let pairs = place("pairs.language.disc_sum");
        for point in 0..summary.points.len() {
            assert_eq!(controls.untrained_of(point, pairs), controls.untrained[0].cells.get(pairs));
        }
        let seeds: Vec<u64> =
            controls.untrained[0].cells[pairs].seeds.iter().map(|(seed, _)| *seed).collect();
        assert_eq!(seeds, [1, 2, 3]);
    }

    /// Two lengths of a sequence have two ceilings: a point is compared with that of its own control.
    #[test]
    fn points_with_other_texts_have_their_own_models_of_word_counts() {
        let points = [64, 128].map(|length| vec![("train.seq_len".to_string(), serde_json::json!(length))]);
        let report = ReportSpec { x: "train.seq_len".into(), ..ReportSpec::default() };
        let fixture = Fixture::of(points.to_vec(), &[1, 2], report).and_controls();
        let of_texts = |one: &&Trial| one.spec.control == Some(Control::TextModels);
        let texts: Vec<&Trial> = fixture.controls.iter().filter(of_texts).collect();
        assert_eq!(texts.len(), 2);
        let mut outcome = crate::report::fixture::measured(texts[1]);
        for measure in &mut outcome.measures {
            measure.value = measure.value.map(|value| value + 1.0);
        }
        fixture.write(texts[1], &outcome);
        let summary = fixture.summary();
        let trigram = |point: usize| {
            let pairs = summary.quantities.iter().position(|one| one.name == "pairs.language.disc_sum");
            summary.controls.baseline(Reference::Trigram, point, pairs.unwrap())
        };
        assert_eq!((trigram(0), trigram(1), trigram(2)), (Some(80.0), Some(81.0), None));
    }

    /// A results folder from before there were controls still makes a report, and the page lists them.
    #[test]
    fn absent_controls_are_listed_and_break_nothing() {
        let mut fixture = Fixture::new();
        fixture.controls = crate::experiment::controls(&fixture.trials);
        let summary = fixture.build().unwrap();
        assert_eq!((summary.n_done, summary.n_trials), (6, 6));
        let page = std::fs::read_to_string(fixture.out().join("report.md")).unwrap();
        assert!(page.contains("These controls are not done"), "{page}");
        assert!(page.contains(" untrained seed=1: new"), "{page}");
    }
}
