//! The experiment file that `electra-lab evaluate` writes and runs: how good is one published checkpoint?

use super::task_name::TaskName;
use crate::papers::PaperNumbers;

/// Name of the experiment about `model`: `evaluate-` and the last part of the model's name, in the letters
/// that are allowed.
pub fn evaluation_name(model: &str) -> String {
    let last = model.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let spelled: String = last
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(48)
        .collect();
    format!("evaluate-{spelled}")
}

/// The name of the experiment where another model, or another revision, has [`evaluation_name`] already: the
/// same, and the beginning of a hash of both.
pub fn distinct_evaluation_name(model: &str, revision: &str) -> String {
    let hash = blake3::hash(format!("{model}\n{revision}").as_bytes()).to_hex();
    format!("{}-{}", evaluation_name(model), &hash[..6])
}

/// Whether the text of an experiment file, as [`evaluation_file`] writes it, is about this model.
pub fn is_evaluation_of(text: &str, model: &str, revision: &str) -> bool {
    text.contains(&published_line(model, revision))
}

fn published_line(model: &str, revision: &str) -> String {
    format!("base:\n  published: {{ model: {}, revision: {} }}\n", quoted(model), quoted(revision))
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of the file for the experiment `name`: one trial on GLUE from the hub.
pub fn evaluation_file(
    name: &str,
    model: &str,
    revision: &str,
    tasks: &[TaskName],
    finetune_seeds: u32,
) -> String {
    let words: Vec<&str> = tasks.iter().map(|task| task.as_str()).collect();
    // The default of the y axis is a mean over GLUE tasks.
    let y = match tasks {
        [first, ..] if tasks.iter().all(|task| task.is_squad()) => format!("report: {{ y: {first} }}\n"),
        _ => String::new(),
    };
    let published = PaperNumbers::published().ok().and_then(|numbers| numbers.of_checkpoint(model));
    let expect = published.map_or_else(String::new, |(table, row)| {
        let (source, name) = (quoted(&table.source), quoted(&row.name));
        format!("expect:\n  source: {source}\n  paper: {{ table: {}, rows: {{ {name}: {{}} }} }}\n", table.id)
    });
    format!(
        "# Written by `electra-lab evaluate`.\n\
         name: {name}\n\
         about: {}\n{expect}\
         {}\
         evaluate:\n  source: {{ kind: hub }}\n  tasks: [{}]\n  finetune_seeds: {finetune_seeds}\n{y}",
        quoted(&format!("How good is {model} after fine-tuning?")),
        published_line(model, revision),
        words.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_one_last_name_are_told_apart() {
        let (one, other) = ("run-a/best", "run-b/best");
        assert_eq!(evaluation_name(one), evaluation_name(other));
        let text = evaluation_file("evaluate-best", one, "main", &[TaskName::Cola], 3);
        assert!(is_evaluation_of(&text, one, "main"));
        assert!(!is_evaluation_of(&text, other, "main") && !is_evaluation_of(&text, one, "v2"));
        let names = [(one, "main"), (other, "main"), (one, "v2")]
            .map(|(model, revision)| distinct_evaluation_name(model, revision));
        assert!(names[0] != names[1] && names[0] != names[2], "{names:?}");
        let long = distinct_evaluation_name(&"x".repeat(100), "main");
        assert!(long.len() == 64 && long.starts_with("evaluate-xxx"), "{long}");
    }

    #[test]
    fn without_glue_tasks_squad_is_on_the_y_axis() {
        let text = |tasks: &[TaskName]| evaluation_file("evaluate-m", "m", "main", tasks, 1);
        assert!(text(&[TaskName::Squad2, TaskName::Squad]).ends_with("report: { y: squad2 }\n"));
        assert!(!text(&[TaskName::Squad2, TaskName::Cola]).contains("report"));
    }

    #[test]
    fn a_released_checkpoint_is_compared_with_its_published_scores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluate.yaml");
        let text =
            evaluation_file("evaluate-m", "google/electra-small-discriminator", "main", &[TaskName::Cola], 3);
        std::fs::write(&path, &text).unwrap();
        let paper = crate::experiment::load::load(&path, None, &[]).unwrap().spec.expect.paper.unwrap();
        assert_eq!(
            (paper.table.as_str(), paper.rows.keys().next().unwrap().as_str()),
            ("released", "ELECTRA-Small++")
        );
    }

    #[test]
    fn the_file_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluate.yaml");
        let tasks = [TaskName::Cola, TaskName::Rte];
        std::fs::write(
            &path,
            evaluation_file(
                &evaluation_name("a \"b\"/My: Model.v2/"),
                "a \"b\"/My: Model.v2/",
                "main",
                &tasks,
                3,
            ),
        )
        .unwrap();
        let experiment =
            crate::experiment::load::load(&path, None, &["evaluate.finetune.epochs=1".into()]).unwrap();
        assert_eq!(experiment.spec.name, "evaluate-my__model_v2");
        let [trial] = experiment.trials.as_slice() else { panic!("one trial") };
        assert_eq!(trial.spec.published.as_ref().unwrap().model, "a \"b\"/My: Model.v2/");
        assert_eq!(trial.spec.evaluate.tasks, tasks);
        assert_eq!((trial.spec.evaluate.finetune_seeds, trial.spec.evaluate.finetune.epochs), (3, 1.0));
    }
}
