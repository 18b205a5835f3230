//! Scores of minimal pairs by the networks of a trial, without fine-tuning.
//!
//! The sums of every pair are saved, and the measures are made of what was read back. Must never: train.
//! Next: `tasks/minimal_pairs/`.

use crate::error::Result;
use crate::experiment::{Control, ObjectiveSpec, TrialSpec};
use crate::objective::{Objective, build};
use crate::records::Measure;
use crate::run::context::TrialContext;
use crate::run::prepared_data::PreparedText;
use crate::run::tasks::Tasks;
use crate::tasks::{PairScoring, PairSet, measure_of_pairs, score_pairs, scorer_names};
use crate::train::Checkpoint;

/// The measures of all sets of pairs by all networks of the trial that score text.
///
/// `spec` has a known number of steps.
pub fn measure_pairs(
    spec: &TrialSpec,
    context: &TrialContext,
    text: &PreparedText,
    tasks: &Tasks,
    checkpoint: &Checkpoint,
) -> Result<Vec<Measure>> {
    let mut measures = Vec::new();
    if tasks.pair_sets().next().is_none() {
        return Ok(measures);
    }
    let objectives = networks(spec, context, text, checkpoint)?;
    let scoring = PairScoring {
        tokenizer: &text.tokenizer,
        positions: spec.model.positions,
        stop: &|| context.stop.check(),
    };
    for set in tasks.pair_sets() {
        context.sink.phase(&format!("scoring the minimal pairs {}", set.word));
        for objective in &objectives {
            let scorers = match spec.evaluate.generator_pairs {
                true => objective.scorers(),
                false => objective.scorers().without_generators(),
            };
            let is_saved = |scorer: &str| context.folder.pair_scores_file(set.word, scorer).is_file();
            for scored in score_pairs(set, &scorers, &scoring, &is_saved)? {
                context.folder.write_pair_scores(set.word, scored.scorer, &scored.scores)?;
            }
            for scorer in scorer_names(&scorers) {
                measures.push(saved_measure(context, set, scorer, None)?);
            }
        }
    }
    Ok(measures)
}

/// The measure of saved scores.
pub fn saved_measure(
    context: &TrialContext,
    set: &PairSet,
    scorer: &str,
    baseline: Option<&str>,
) -> Result<Measure> {
    let scores = context.folder.pair_scores(set.word, scorer, set.pairs.len())?;
    let name = match baseline {
        None => format!("pairs.{}.{scorer}", set.word),
        Some(_) => format!("pairs.{}", set.word),
    };
    let measure = measure_of_pairs(&name, &scores, set.synthetic);
    Ok(Measure { baseline: baseline.map(String::from), ..measure })
}

/// The objectives whose networks score, with the trial's weights. An untrained control scores as a masked
/// language model too, since it stands beside trials of either kind.
fn networks(
    spec: &TrialSpec,
    context: &TrialContext,
    text: &PreparedText,
    checkpoint: &Checkpoint,
) -> Result<Vec<Box<dyn Objective>>> {
    let objective = build(spec, &text.vocabulary(&spec.objective), &context.device)?;
    checkpoint.load_parameters(objective.parameters(), |_| true)?;
    let mut objectives = vec![objective];
    if spec.control == Some(Control::Untrained) {
        let objective = ObjectiveSpec::default_mlm();
        let mlm = TrialSpec { objective, ..spec.clone() };
        objectives.push(build(&mlm, &text.vocabulary(&mlm.objective), &context.device)?);
    }
    Ok(objectives)
}
