//! The control of word counts: what a bag of words, unigrams and trigrams of the same text reach.
//!
//! Must never: read a network. Next: `text/ngram.rs`, `tasks/bag_of_words.rs`.

use super::pairs::saved_measure;
use crate::error::Result;
use crate::experiment::{DataSpec, TrialSpec};
use crate::records::Measure;
use crate::run::context::TrialContext;
use crate::run::prepared_data::PreparedText;
use crate::run::tasks::Tasks;
use crate::tasks::{BagOfWords, PairScoring, encode, score_pairs_by_model, task_info};
use crate::text::{CountModels, TokenModel, ceiling};

/// Hidden tokens below which the estimate of the best possible loss is not shown.
const MIN_TOKENS: u64 = 100;

/// Scores of every set of pairs by unigrams and trigrams, of the classification tasks by a bag of words, and
/// of the held-out text.
pub fn measure_text_models(
    spec: &TrialSpec,
    context: &TrialContext,
    text: &PreparedText,
    tasks: &Tasks,
) -> Result<Vec<Measure>> {
    context.sink.phase("counting words");
    let models = CountModels::of_corpus(&text.corpus, text.tokenizer.special());
    context.stop.check()?;
    let named: [(&str, &dyn TokenModel); 2] = [("unigram", &models.unigram), ("trigram", &models.trigram)];
    let scoring =
        PairScoring { tokenizer: &text.tokenizer, positions: usize::MAX, stop: &|| context.stop.check() };
    let mut measures = held_out(&models, text);
    measures.extend(best_possible(spec, context)?);
    for set in tasks.pair_sets() {
        for (name, model) in named {
            context.stop.check()?;
            let scores = score_pairs_by_model(set, model, &scoring)?;
            context.folder.write_pair_scores(set.word, name, &scores)?;
            measures.push(saved_measure(context, set, name, Some(name))?);
        }
    }
    let recipe = &spec.evaluate.finetune;
    for data in tasks.glue() {
        context.stop.check()?;
        context.sink.phase(&format!("{} by a bag of words", data.task));
        let encoded = |examples: &[_]| encode(examples, &text.tokenizer, recipe.seq_len);
        let bag = BagOfWords {
            task: task_info(data.task),
            synthetic: data.synthetic,
            train: &encoded(&data.train)?,
            max_train_examples: recipe.max_train_examples,
            validation: &encoded(&data.validation)?,
            special: text.tokenizer.special(),
        };
        measures.push(bag.run()?);
    }
    Ok(measures)
}

/// What the models lose on held-out text, beside the loss at `[MASK]`.
fn held_out(models: &CountModels, text: &PreparedText) -> Vec<Measure> {
    let Some(loss) = models.held_out_loss(&text.corpus) else { return Vec::new() };
    let measure = |baseline: &str, value: f64| Measure {
        name: "held_out.masked_loss".into(),
        baseline: Some(baseline.into()),
        value: Some(value),
        n: loss.n_tokens,
        synthetic: text.corpus.provenance().synthetic,
        ..Measure::default()
    };
    vec![measure("unigram", loss.unigram), measure("trigram", loss.trigram)]
}

/// The best possible loss on held-out text of the built-in language, at the longest sequence of the trial.
fn best_possible(spec: &TrialSpec, context: &TrialContext) -> Result<Option<Measure>> {
    let DataSpec::Language { documents, seed } = spec.data else { return Ok(None) };
    context.sink.phase("estimating the best possible loss");
    let stop = context.stop;
    let best = ceiling(seed, documents, spec.train.seq_len, &|| stop.check())?;
    let Some(best) = best else { return Ok(None) };
    if best.n_tokens < MIN_TOKENS {
        return Ok(None);
    }
    Ok(Some(Measure {
        name: "held_out.masked_loss".into(),
        baseline: Some("ceiling".into()),
        value: Some(best.mlm_loss),
        standard_error: Some(best.standard_error),
        n: best.n_tokens,
        synthetic: true,
        ..Measure::default()
    }))
}
