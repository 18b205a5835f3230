//! The control of word counts: what a bag of words, unigrams and trigrams of the same text reach.
//!
//! Must never: read a network. Next: `text/ngram.rs`, `tasks/bag_of_words.rs`.

use crate::error::Result;
use crate::records::Measure;
use crate::run::context::TrialContext;
use crate::run::prepared_data::PreparedText;
use crate::run::tasks::Tasks;
use crate::tasks::{PairScoring, measure_of_pairs, score_pairs_by_model};
use crate::text::{CountModels, TokenModel};

/// Measures of every set of pairs by unigrams and trigrams, of the classification tasks by a bag of words, and
/// of the held-out text.
pub fn measure_text_models(
    context: &TrialContext,
    text: &PreparedText,
    tasks: &Tasks,
) -> Result<Vec<Measure>> {
    context.sink.phase("counting words");
    let models = CountModels::of_corpus(&text.corpus, text.tokenizer.special());
    let named: [(&str, &dyn TokenModel); 2] = [("unigram", &models.unigram), ("trigram", &models.trigram)];
    let scoring =
        PairScoring { tokenizer: &text.tokenizer, positions: usize::MAX, stop: &|| context.stop.check() };
    let mut measures = held_out(&models, text);
    for set in tasks.pair_sets() {
        for (name, model) in named {
            let scores = score_pairs_by_model(set, model, &scoring)?;
            let measure = measure_of_pairs(&format!("pairs.{}", set.word), &scores, set.synthetic);
            measures.push(Measure { baseline: Some(name.into()), ..measure });
        }
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
