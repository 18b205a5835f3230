//! Which of transformers' tensors is which of our parameters (facts: transformers, modeling_electra and
//! modeling_bert).
//!
//! Some of ours are fused: queries, keys and values are the three thirds of one matrix, γ and β the two rows
//! of one parameter. All others correspond one to one.

use candle_core::Tensor;

use super::config::Family;
use crate::error::Result;

/// How one of our parameters is cut into their tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Not at all.
    Whole,
    /// Into queries, keys and values: thirds of the first dimension.
    Thirds,
    /// Into γ and β: its two rows.
    Rows,
}

fn cut(name: &str) -> Cut {
    if name.ends_with(".weight_and_bias") {
        Cut::Rows
    } else if name.contains(".attention.qkv.") {
        Cut::Thirds
    } else {
        Cut::Whole
    }
}

/// The published names of the parts of our parameter `name`, in order. `prefix` is the prefix of the
/// encoder's names (`electra.`, `bert.` or nothing). None for a parameter that no published model has.
pub fn published_names(name: &str, family: Family, prefix: &str) -> Option<Vec<String>> {
    if name == "mlm_head.bias" {
        return Some(vec![output_bias(family).into()]);
    }
    let (module, leaf) = name.rsplit_once('.')?;
    let theirs = module_name(module, family, prefix)?;
    Some(match cut(name) {
        Cut::Whole => vec![format!("{theirs}.{leaf}")],
        Cut::Thirds => {
            ["query", "key", "value"].iter().map(|part| format!("{theirs}.{part}.{leaf}")).collect()
        }
        Cut::Rows => ["weight", "bias"].iter().map(|row| format!("{theirs}.{row}")).collect(),
    })
}

/// Bias of the output over the vocabulary.
fn output_bias(family: Family) -> &'static str {
    match family {
        Family::Electra => "generator_lm_head.bias",
        Family::Bert => "cls.predictions.bias",
    }
}

/// The output matrix over the vocabulary. If it is saved, it is a copy of the word table.
pub fn output_matrix(family: Family) -> &'static str {
    match family {
        Family::Electra => "generator_lm_head.weight",
        Family::Bert => "cls.predictions.decoder.weight",
    }
}

fn module_name(module: &str, family: Family, prefix: &str) -> Option<String> {
    let head = match (family, module) {
        (Family::Electra, "discriminator_head.dense") => Some("discriminator_predictions.dense"),
        (Family::Electra, "discriminator_head.prediction") => {
            Some("discriminator_predictions.dense_prediction")
        }
        (Family::Electra, "task_head") => Some("classifier"),
        (Family::Electra, "task_head.dense") => Some("classifier.dense"),
        (Family::Electra, "task_head.out_proj") => Some("classifier.out_proj"),
        (Family::Electra, "mlm_head.dense") => Some("generator_predictions.dense"),
        (Family::Electra, "mlm_head.norm") => Some("generator_predictions.LayerNorm"),
        (Family::Bert, "mlm_head.dense") => Some("cls.predictions.transform.dense"),
        (Family::Bert, "mlm_head.norm") => Some("cls.predictions.transform.LayerNorm"),
        _ => None,
    };
    if let Some(head) = head {
        return Some(head.into());
    }
    let body = match module {
        "embeddings.word" => "embeddings.word_embeddings".into(),
        "embeddings.position" => "embeddings.position_embeddings".into(),
        "embeddings.type" => "embeddings.token_type_embeddings".into(),
        "embeddings.norm" => "embeddings.LayerNorm".into(),
        "encoder.embeddings_project" if family == Family::Electra => "embeddings_project".into(),
        _ => {
            let (layer, part) = module.strip_prefix("encoder.layer.")?.split_once('.')?;
            let part = match part {
                "attention.qkv" => "attention.self",
                "attention.output" => "attention.output.dense",
                "attention.norm" => "attention.output.LayerNorm",
                "intermediate" => "intermediate.dense",
                "output" => "output.dense",
                "output.norm" => "output.LayerNorm",
                _ => return None,
            };
            format!("encoder.layer.{layer}.{part}")
        }
    };
    Some(format!("{prefix}{body}"))
}

/// Shape of every part of our parameter `name`, which has shape `shape`.
pub fn part_shape(name: &str, shape: &[usize]) -> Vec<usize> {
    match (cut(name), shape) {
        (Cut::Thirds, [rows, rest @ ..]) => std::iter::once(rows / 3).chain(rest.iter().copied()).collect(),
        (Cut::Rows, [_, rest @ ..]) => rest.to_vec(),
        _ => shape.to_vec(),
    }
}

/// Our parameter `name` from its parts.
pub fn join(name: &str, parts: &[Tensor]) -> Result<Tensor> {
    Ok(match cut(name) {
        Cut::Rows => Tensor::stack(parts, 0)?,
        Cut::Whole | Cut::Thirds => Tensor::cat(parts, 0)?,
    })
}

/// The parts of our parameter `name`.
pub fn split(name: &str, tensor: &Tensor) -> Result<Vec<Tensor>> {
    Ok(match cut(name) {
        Cut::Whole => vec![tensor.clone()],
        Cut::Thirds => tensor.chunk(3, 0)?,
        Cut::Rows => vec![tensor.get(0)?, tensor.get(1)?],
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn names_of_both_families() {
        let electra = |name| published_names(name, Family::Electra, "electra.").unwrap().join(" ");
        for (ours, theirs) in [
            ("embeddings.word.weight", "electra.embeddings.word_embeddings.weight"),
            ("embeddings.type.weight", "electra.embeddings.token_type_embeddings.weight"),
            (
                "embeddings.norm.weight_and_bias",
                "electra.embeddings.LayerNorm.weight electra.embeddings.LayerNorm.bias",
            ),
            ("encoder.embeddings_project.bias", "electra.embeddings_project.bias"),
            (
                "encoder.layer.11.attention.qkv.bias",
                "electra.encoder.layer.11.attention.self.query.bias \
                 electra.encoder.layer.11.attention.self.key.bias \
                 electra.encoder.layer.11.attention.self.value.bias",
            ),
            (
                "encoder.layer.0.attention.norm.weight_and_bias",
                "electra.encoder.layer.0.attention.output.LayerNorm.weight \
                 electra.encoder.layer.0.attention.output.LayerNorm.bias",
            ),
            ("encoder.layer.1.output.weight", "electra.encoder.layer.1.output.dense.weight"),
            ("discriminator_head.prediction.bias", "discriminator_predictions.dense_prediction.bias"),
            (
                "mlm_head.norm.weight_and_bias",
                "generator_predictions.LayerNorm.weight generator_predictions.LayerNorm.bias",
            ),
            ("mlm_head.bias", "generator_lm_head.bias"),
        ] {
            assert_eq!(electra(ours), theirs);
        }
        let bert = |name| published_names(name, Family::Bert, "");
        assert_eq!(bert("mlm_head.dense.weight").unwrap(), ["cls.predictions.transform.dense.weight"]);
        assert_eq!(
            bert("encoder.layer.0.intermediate.bias").unwrap(),
            ["encoder.layer.0.intermediate.dense.bias"]
        );
        assert_eq!(bert("discriminator_head.dense.weight"), None);
        assert_eq!(electra("task_head.bias"), "classifier.bias");
        assert_eq!(electra("task_head.out_proj.weight"), "classifier.out_proj.weight");
    }

    #[test]
    fn joined_parts_equal_the_parameter() {
        for (name, shape) in [
            ("encoder.layer.0.attention.qkv.weight", vec![6, 2]),
            ("encoder.layer.0.attention.qkv.bias", vec![6]),
            ("embeddings.norm.weight_and_bias", vec![2, 4]),
            ("embeddings.word.weight", vec![5, 3]),
        ] {
            let n = shape.iter().product::<usize>() as u32;
            let whole = Tensor::arange(0, n, &Device::Cpu).unwrap().reshape(shape.clone()).unwrap();
            let pieces = split(name, &whole).unwrap();
            assert!(pieces.iter().all(|piece| piece.dims() == part_shape(name, &shape)), "{name}");
            let joined = join(name, &pieces).unwrap();
            let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<u32>().unwrap();
            assert_eq!((joined.dims(), values(&joined)), (whole.dims(), values(&whole)), "{name}");
        }
    }
}
