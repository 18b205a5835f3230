//! The model card of an exported trial: description, use, scores, provenance.

use std::fmt::Write;

use crate::escape::{markdown, visible_line};
use crate::experiment::{DataSpec, HeadKind, MainTask};
use crate::records::{Outcome, TrialRecord, WeightsProvenance};

/// Stands in every card.
const MAKER: &str = "with electra-lab";

/// README.md of the exported folder, with the hub's metadata on top.
pub fn card(record: &TrialRecord, outcome: Option<&Outcome>, license: &str) -> String {
    let mut text = metadata(record, license);
    let _ = write!(text, "\n# {} {}\n\n{}\n", record.experiment, record.id, description(record));
    let _ = write!(text, "\n## Use\n\n```python\n{}```\n", usage(record));
    if record.spec.evaluate.finetune.keep_models {
        let _ = write!(text, "\n{}\n", tasks_text(record.spec.evaluate.finetune.head));
    }
    let _ = write!(text, "\n## Scores\n\n{}", scores(outcome));
    let _ = write!(text, "\n## Provenance\n\n{}", provenance(record, outcome));
    let _ = write!(
        text,
        "\n## Licence\n\nThe metadata says `{license}`. The publisher of these weights decides on their licence, \
         within the limits of the licence of the training text.\n"
    );
    text
}

/// Whether a README.md is one of these cards.
pub fn is_card(text: &str) -> bool {
    text.contains(MAKER)
}

fn metadata(record: &TrialRecord, license: &str) -> String {
    let task = match record.spec.objective.main_task() {
        MainTask::Unmask | MainTask::UnmaskAndDetect => "pipeline_tag: fill-mask\n",
        MainTask::Detect | MainTask::Restore | MainTask::RestoreAll | MainTask::Correct => "",
    };
    let datasets = match &record.spec.data {
        DataSpec::Hub { repo, .. } => format!("datasets:\n- {}\n", visible_line(repo)),
        DataSpec::Language { .. } | DataSpec::Files { .. } => String::new(),
    };
    format!("---\nlicense: {license}\nlibrary_name: transformers\ntags:\n- electra\n{task}{datasets}---\n")
}

fn description(record: &TrialRecord) -> String {
    let shape = record.spec.model.discriminator();
    let kind = record.spec.objective.kind();
    let (objective, folder) = match record.spec.objective.main_task() {
        MainTask::Unmask => ("masked language modelling".into(), "This folder is the whole model."),
        MainTask::UnmaskAndDetect => (
            "masked language modelling and self-criticism (SCRIPT)".into(),
            "This folder is the whole model; the log of the summed exponentials of its logits at a token is the logit \
             that the token was replaced.",
        ),
        MainTask::Detect if kind == "rtd" => {
            ("replaced-token detection (ELECTRA)".into(), "This folder is the discriminator")
        }
        MainTask::Detect if kind == "electric" => (
            "noise-contrastive estimation (Electric)".into(),
            "This folder is the encoder, whose logit is a token's energy (a higher one is a less likely token), without \
             the noise distribution that transformers has no place for",
        ),
        MainTask::Detect => {
            (format!("replaced-token detection ({kind})"), "This folder is the discriminator")
        }
        MainTask::Restore => (format!("restoring replaced tokens ({kind})"), "This folder is the encoder"),
        MainTask::RestoreAll | MainTask::Correct => (
            format!("restoring replaced tokens ({kind})"),
            "This folder is the encoder, without the copy gate that transformers has no place for",
        ),
    };
    let folders = match has_generator_folder(record) {
        true => format!("{folder}; `generator/` is the generator that it was trained with."),
        false => format!("{}.", folder.trim_end_matches('.')),
    };
    let synthetic = match record.provenance.corpus.synthetic {
        true => {
            "\n\nIt has only seen the built-in miniature language of electra-lab: it knows no natural language."
        }
        false => "",
    };
    format!(
        "An encoder of {} layers, {} wide, with {} attention heads and embeddings of {}, pre-trained by \
         {objective} {MAKER}. {folders}{synthetic}",
        shape.layers, shape.hidden, shape.heads, shape.embedding
    )
}

fn has_generator_folder(record: &TrialRecord) -> bool {
    record.spec.objective.has_generator() && !record.spec.objective.has_two_towers()
}

fn usage(record: &TrialRecord) -> String {
    let (class, name) = match record.spec.objective.main_task() {
        MainTask::Unmask
        | MainTask::UnmaskAndDetect
        | MainTask::Restore
        | MainTask::RestoreAll
        | MainTask::Correct => ("AutoModelForMaskedLM", "model"),
        MainTask::Detect => ("AutoModelForPreTraining", "discriminator"),
    };
    let has_generator = has_generator_folder(record);
    let mut classes = vec![class, "AutoTokenizer"];
    let mut generator = "";
    if has_generator {
        classes.push("AutoModelForMaskedLM");
        generator = "generator = AutoModelForMaskedLM.from_pretrained(\"DIR\", subfolder=\"generator\")\n";
    }
    classes.sort_unstable();
    classes.dedup();
    format!(
        "from transformers import {}\n\ntokenizer = AutoTokenizer.from_pretrained(\"DIR\")\n\
         {name} = {class}.from_pretrained(\"DIR\")\n{generator}",
        classes.join(", ")
    )
}

/// How to load the fine-tuned models.
fn tasks_text(head: HeadKind) -> String {
    let class = match head {
        HeadKind::Paper => {
            "`AutoModelForTokenClassification`: the paper's head is one dense layer on [CLS], so the answer is \
             `logits[:, 0]`"
        }
        HeadKind::Huggingface => "`AutoModelForSequenceClassification`",
    };
    format!(
        "The models that were fine-tuned from it are in `tasks/TASK-SEED/`, for {class}. Scores of STS-B are \
         divided by 5."
    )
}

fn scores(outcome: Option<&Outcome>) -> String {
    let Some(outcome) = outcome else {
        return "Not evaluated: the trial has no outcome yet.\n".into();
    };
    if outcome.scores.is_empty() {
        return "The trial was evaluated on no task.\n".into();
    }
    let mut text = String::from(
        "On the validation split, one row per fine-tuning run from this checkpoint.\n\n\
         | task | metric | score × 100 | majority class | fine-tuning seed | examples | trained on |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
    );
    for score in &outcome.scores {
        let value = score.value.map_or("undefined".into(), |value| format!("{value:.2}"));
        let task = if score.synthetic {
            format!("{} (built-in language)", score.task)
        } else {
            score.task.to_string()
        };
        let _ = writeln!(
            text,
            "| {task} | {} | {value} | {:.2} | {} | {} | {} |",
            score.metric, score.majority, score.finetune_seed, score.n_examples, score.n_train
        );
    }
    text
}

fn provenance(record: &TrialRecord, outcome: Option<&Outcome>) -> String {
    let made = &record.provenance;
    let text = &made.corpus;
    let mut facts = vec![
        ("trial", record.id.to_string()),
        (
            "point",
            record.point.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>().join(" "),
        ),
        ("seed", record.spec.seed.to_string()),
        ("electra-lab", made.crate_version.clone()),
        ("commit", made.commit.clone().unwrap_or_default()),
        ("device", record.devices()),
        ("begun", made.started_at.clone()),
        ("text", format!("{}, revision {}", text.source, text.revision)),
        ("hash of the packed text", text.corpus_hash.clone()),
        ("hash of the tokenizer", text.tokenizer_hash.clone()),
    ];
    let started_from = |key: &str| {
        made.init.get(key).map(|weights| {
            let WeightsProvenance { source, revision, loaded, .. } = weights;
            format!("{source}, revision {revision}: {}", loaded.join(", "))
        })
    };
    facts.extend(
        ["discriminator", "generator"]
            .into_iter()
            .filter_map(|key| Some(("started from", started_from(key)?))),
    );
    if let Some(outcome) = outcome {
        facts.push(("steps", outcome.steps.to_string()));
        facts.push(("tokens", outcome.tokens.to_string()));
        facts.push(("training FLOPs (exact counter)", format!("{:.3e}", outcome.flops)));
    }
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let mut text: String = facts.map(|(name, value)| format!("- {name}: {}\n", markdown(&value))).collect();
    let spec = serde_json::to_string_pretty(&record.spec).unwrap_or_default();
    let _ = write!(text, "\nThe whole specification:\n\n```json\n{spec}\n```\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TrialId;
    use crate::run::fixture::{a_trial_record, an_outcome};

    #[test]
    fn a_card_reads_well() {
        let id = TrialId("0123456789ab".into());
        let text = card(&a_trial_record(&id), Some(&an_outcome(&id)), "apache-2.0");
        let (before, _) = text.split_once("The whole specification").unwrap();
        insta::assert_snapshot!(before, @r#"
        ---
        license: apache-2.0
        library_name: transformers
        tags:
        - electra
        ---

        # test 0123456789ab

        An encoder of 4 layers, 128 wide, with 2 attention heads and embeddings of 128, pre-trained by replaced-token detection (ELECTRA) with electra-lab. This folder is the discriminator; `generator/` is the generator that it was trained with.

        ## Use

        ```python
        from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained("DIR")
        discriminator = AutoModelForPreTraining.from_pretrained("DIR")
        generator = AutoModelForMaskedLM.from_pretrained("DIR", subfolder="generator")
        ```

        ## Scores

        The trial was evaluated on no task.

        ## Provenance

        - trial: 0123456789ab
        - seed: 1
        - text: , revision 
        - steps: 1000
        - tokens: 4000000
        - training FLOPs (exact counter): 1.000e12
        "#);
    }

    #[test]
    fn a_card_names_the_folders_that_there_are() {
        let text = |objective: &str| {
            let mut record = a_trial_record(&TrialId("0123456789ab".into()));
            record.spec.objective = serde_json::from_str(objective).unwrap();
            let text = card(&record, None, "mit");
            text.split_once("## Scores").unwrap().0.to_string()
        };
        let unigram = text(r#"{"kind": "rtd", "generator": "unigram"}"#);
        assert!(
            unigram.contains("This folder is the discriminator.") && !unigram.contains("generator/"),
            "{unigram}"
        );
        let electric = text(r#"{"kind": "electric"}"#);
        assert!(electric.contains("token's energy") && !electric.contains("generator/"), "{electric}");
        let restorer = text(r#"{"kind": "all_tokens_mlm"}"#);
        for part in ["copy gate", "`generator/`", "model = AutoModelForMaskedLM.from_pretrained"] {
            assert!(restorer.contains(part), "{restorer}");
        }
    }
}
