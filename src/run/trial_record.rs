//! Writes `trial.json`, the specification and provenance of a trial, when the trial begins or continues.
//!
//! Must never: let a trial continue on other data, or from other weights, than it began with.

use super::context::TrialContext;
use super::provenance::collect;
use super::tasks::Tasks;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::Trial;
use crate::records::{
    Continuation, DataProvenance, Provenance, RECORD_VERSION, TrialRecord, WeightsProvenance,
};

/// What makes the trial's numbers: code, machine, text and tasks.
pub fn provenance(context: &TrialContext, text: DataProvenance, tasks: &Tasks) -> Provenance {
    Provenance {
        corpus: text,
        tasks_revision: tasks.revision(),
        task_hashes: tasks.hashes(),
        ..collect(&context.device)
    }
}

/// Writes `trial.json`, or adds to the one of an earlier process.
///
/// # Errors
/// The text, the tasks or the weights that it starts from changed since the trial began; the file cannot be
/// read or written.
pub fn write_record(trial: &Trial, context: &TrialContext, provenance: Provenance) -> Result<()> {
    if let Some(earlier) = context.folder.trial()? {
        return continue_record(earlier, trial, context, provenance);
    }
    context.folder.write_trial(&TrialRecord {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        experiment: context.experiment.into(),
        profile: context.profile.into(),
        point: trial.point.clone(),
        spec: trial.spec.clone(),
        provenance: Provenance { inputs: context.data.mark_of_inputs(&trial.spec), ..provenance },
        continued: Vec::new(),
    })
}

/// Keeps the code and machine that began the trial, and adds those that continue it.
fn continue_record(
    mut record: TrialRecord,
    trial: &Trial,
    context: &TrialContext,
    now: Provenance,
) -> Result<()> {
    if let Some(what) = changed_data(&record.provenance, &now) {
        return Err(Error::new(
            ErrorKind::Data,
            format!("{}: {what} changed since this trial began", context.folder.path().display()),
            "pin the revision in the experiment file, or start the trial afresh with --force",
        ));
    }
    let reads_tasks_first = has_no_tasks(&record.provenance) && !has_no_tasks(&now);
    if reads_tasks_first {
        record.provenance.tasks_revision.clone_from(&now.tasks_revision);
        record.provenance.task_hashes.clone_from(&now.task_hashes);
    }
    let part = Continuation::of(&now, trial.spec.train.micro_batch);
    let is_new_part = !record.parts().last().is_some_and(|last| part.is_like(last));
    if is_new_part {
        record.continued.push(part);
    }
    if reads_tasks_first || is_new_part { context.folder.write_trial(&record) } else { Ok(()) }
}

/// Whether no tasks were read: there are none, or the run was for pre-training only.
fn has_no_tasks(provenance: &Provenance) -> bool {
    provenance.tasks_revision.is_empty() && provenance.task_hashes.is_empty()
}

/// Names a part of the data that changed; tasks are compared only if both runs read them.
fn changed_data(then: &Provenance, now: &Provenance) -> Option<String> {
    if !then.corpus.is_same_text(&now.corpus) {
        return Some(changed_text(&then.corpus, &now.corpus));
    }
    if let Some((key, weights)) = now.changed_init(then) {
        let WeightsProvenance { source, revision, .. } = weights;
        return Some(format!("base.init.{key}: the weights of {source} (revision {revision})"));
    }
    let both_read_tasks = !has_no_tasks(then) && !has_no_tasks(now);
    if both_read_tasks && then.tasks_revision != now.tasks_revision {
        return Some("the tasks' revision".into());
    }
    let has_changed =
        |(task, hash): &(&String, &String)| now.task_hashes.get(*task).is_some_and(|now| now != *hash);
    let (task, _) = then.task_hashes.iter().find(has_changed)?;
    Some(format!("the examples of {task} (revision {})", now.tasks_revision))
}

fn changed_text(then: &DataProvenance, now: &DataProvenance) -> String {
    if then.tokenizer_hash != now.tokenizer_hash {
        "the tokenizer".into()
    } else if then.revision != now.revision {
        format!("the revision of {} ({} to {})", now.source, then.revision, now.revision)
    } else {
        format!("the text of {}", now.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::records::folder::TrialFolder;
    use crate::run::fixture::{a_context, a_trial};
    use crate::run::interrupt::StopFlag;
    use crate::run::prepared_data::PreparedData;
    use crate::tasks::{GlueExample, TaskData};

    fn rte(text: &str) -> TaskData {
        let example = GlueExample { idx: 0, text_a: text.into(), text_b: Some("b".into()), label: 1.0 };
        TaskData {
            task: TaskName::Rte,
            train: vec![example.clone()],
            validation: vec![example],
            revision: "main".into(),
            synthetic: false,
            n_left_out: 0,
            splits: Vec::new(),
        }
    }

    fn tasks(text: &str) -> Tasks {
        [rte(text).into()].into_iter().collect()
    }

    /// Another device or another micro-batch is added to the record; the same again is not.
    #[test]
    fn each_part_of_a_trial_is_recorded() {
        let results = tempfile::tempdir().unwrap();
        let mut trial = a_trial(1);
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (data, stop) = (PreparedData::default(), StopFlag::default());
        let context = a_context(&folder, &data, &stop);
        let mut continue_on = |device: &str, micro_batch, tasks: &Tasks| {
            trial.spec.train.micro_batch = micro_batch;
            let made = provenance(&context, DataProvenance::default(), tasks);
            write_record(&trial, &context, Provenance { device: device.into(), ..made }).unwrap();
            let record = context.folder.trial().unwrap().unwrap();
            (record.continued.len(), record.devices(), record.provenance.task_hashes.len())
        };
        assert_eq!(continue_on("cuda:0", None, &Tasks::default()), (0, "cuda:0".into(), 0));
        assert_eq!(continue_on("cuda:0", None, &Tasks::default()), (0, "cuda:0".into(), 0));
        assert_eq!(continue_on("cuda:0", Some(4), &Tasks::default()), (1, "cuda:0".into(), 0));
        assert_eq!(continue_on("cpu", Some(4), &tasks("a")), (2, "cuda:0, then cpu".into(), 1));
        assert_eq!(continue_on("cpu", Some(4), &tasks("a")), (2, "cuda:0, then cpu".into(), 1));
    }

    #[test]
    fn a_trial_is_refused_other_weights_than_it_began_with() {
        let results = tempfile::tempdir().unwrap();
        let trial = a_trial(1);
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (data, stop) = (PreparedData::default(), StopFlag::default());
        let context = a_context(&folder, &data, &stop);
        let recorded = |revision: &str, hash: &str| {
            let weights = WeightsProvenance {
                source: "a/b".into(),
                revision: revision.into(),
                weights_hash: hash.into(),
                loaded: vec!["encoder".into()],
            };
            let made = provenance(&context, DataProvenance::default(), &Tasks::default());
            let init = [("discriminator".to_string(), weights)].into();
            write_record(&trial, &context, Provenance { init, ..made })
        };
        recorded("1", "abc").unwrap();
        recorded("2", "abc").unwrap();
        assert_eq!(context.folder.trial().unwrap().unwrap().provenance.init["discriminator"].revision, "1");
        let error = recorded("2", "def").unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "FOLDER"), @r"
        FOLDER: base.init.discriminator: the weights of a/b (revision 2) changed since this trial began
        hint: pin the revision in the experiment file, or start the trial afresh with --force
        ");
    }

    /// The revision of the tasks is the same, the content of their files is not.
    #[test]
    fn a_trial_is_refused_other_examples_than_it_began_with() {
        let results = tempfile::tempdir().unwrap();
        let trial = a_trial(1);
        let folder = TrialFolder::new(results.path(), "test", &trial.id);
        let _lock = folder.lock().unwrap();
        let (data, stop) = (PreparedData::default(), StopFlag::default());
        let context = a_context(&folder, &data, &stop);
        let recorded = |text| {
            write_record(&trial, &context, provenance(&context, DataProvenance::default(), &tasks(text)))
        };
        recorded("a").unwrap();
        recorded("a").unwrap();
        let error = recorded("c").unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "FOLDER"), @r"
        FOLDER: the examples of rte (revision main) changed since this trial began
        hint: pin the revision in the experiment file, or start the trial afresh with --force
        ");
    }
}
