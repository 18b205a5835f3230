//! Which keys of `model` give its networks the shapes of given ones.

use serde_json::Value;

use super::model::{EncoderShape, ModelSize, ModelSpec};

impl ModelSpec {
    /// This model with the keys changed that give the encoder that is fine-tuned and the generator these
    /// shapes, as far as keys can do that: token types and the LayerNorm's epsilon have none, and heads and
    /// feed-forward layer of a generator follow from its width.
    pub fn fitted(&self, main: Option<EncoderShape>, generator: Option<EncoderShape>) -> Self {
        let mut model = self.clone();
        if let Some(wanted) = main {
            model = model.fitted_to(wanted);
        }
        if let Some(wanted) = generator {
            let main = model.discriminator();
            set(&mut model.embedding, main.embedding, wanted.embedding);
            model.positions = wanted.positions;
            let own = model.generator();
            if own.hidden != wanted.hidden {
                model.generator_ratio = ratio_for(wanted.hidden, main.hidden);
            }
            set(&mut model.generator_layers, own.layers, wanted.layers);
        }
        model
    }

    /// A named size if one alone does it, or else numbers.
    fn fitted_to(&self, wanted: EncoderShape) -> Self {
        let mut model = Self { positions: wanted.positions, ..self.clone() };
        let sizes = [self.size, ModelSize::Tiny, ModelSize::Small, ModelSize::Base, ModelSize::Large];
        let sized = sizes.into_iter().map(|size| Self { size, ..model.clone() });
        if let Some(sized) = sized.into_iter().find(|model| model.discriminator() == wanted) {
            return sized;
        }
        let own = model.discriminator();
        set(&mut model.hidden, own.hidden, wanted.hidden);
        // The other defaults may follow from the width.
        let own = model.discriminator();
        set(&mut model.layers, own.layers, wanted.layers);
        set(&mut model.heads, own.heads, wanted.heads);
        set(&mut model.ffn, own.ffn, wanted.ffn);
        set(&mut model.embedding, own.embedding, wanted.embedding);
        model
    }

    /// The keys whose values differ in another model, with the other's values: `model.hidden: 256`.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let map = |model: &Self| match serde_json::to_value(model) {
            Ok(Value::Object(map)) => map,
            _ => Default::default(),
        };
        let (own, other) = (map(self), map(other));
        let changed = other.into_iter().filter(|(key, value)| own.get(key) != Some(value));
        changed.map(|(key, value)| format!("model.{key}: {}", value.to_string().trim_matches('"'))).collect()
    }
}

/// Sets a key to the wanted size, unless the model has that size anyway.
fn set(key: &mut Option<usize>, own: usize, wanted: usize) {
    if own != wanted {
        *key = Some(wanted);
    }
}

/// The shortest decimal `model.generator_ratio` that gives a generator this width.
pub(crate) fn ratio_for(width: usize, full: usize) -> f64 {
    let exact = width as f64 / full as f64;
    let gives_width = |ratio: &f64| (full as f64 * ratio).round_ties_even() == width as f64;
    let rounded = (1..=6).map(|digits| {
        let scale = 10f64.powi(digits);
        (exact * scale).round() / scale
    });
    rounded.into_iter().find(gives_width).unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suggested value must work.
    #[test]
    fn suggested_ratios_give_the_stated_widths() {
        for (full, width) in [(256, 178), (256, 180), (1024, 683), (128, 1), (16384, 12_345)] {
            let generator_ratio = ratio_for(width, full);
            let model = ModelSpec { hidden: Some(full), generator_ratio, ..Default::default() };
            assert_eq!(model.generator().hidden, width);
        }
    }

    #[test]
    fn the_changed_keys_give_the_shapes() {
        let small = ModelSpec { size: ModelSize::Small, generator_ratio: 1.0, ..Default::default() };
        let odd = ModelSpec {
            hidden: Some(96),
            layers: Some(3),
            heads: Some(3),
            ffn: Some(100),
            embedding: Some(32),
            positions: 64,
            generator_ratio: 0.5,
            generator_layers: Some(2),
            ..Default::default()
        };
        let default = ModelSpec::default();
        for (model, changes) in [
            (&default, ""),
            (&small, "model.size: small, model.generator_ratio: 1.0"),
            (
                &odd,
                "model.hidden: 96, model.layers: 3, model.heads: 3, model.ffn: 100, model.embedding: 32, \
                 model.generator_ratio: 0.5, model.generator_layers: 2, model.positions: 64",
            ),
        ] {
            let (main, generator) = (model.discriminator(), model.generator());
            let fitted = default.fitted(Some(main), Some(generator));
            assert_eq!(default.changes(&fitted).join(", "), changes);
            assert_eq!(fitted.discriminator(), main);
        }
        let fitted = default.fitted(None, Some(small.generator()));
        assert_eq!(
            default.changes(&fitted).join(", "),
            "model.generator_ratio: 2.0, model.generator_layers: 12"
        );
        assert_eq!(fitted.generator(), small.generator());
    }
}
