//! Files of a trial's folder that outlive no need, and those that are beside the scores: predictions for further splits,
//! and the weights of an intermediate task.

use std::path::PathBuf;

use super::{FINETUNED, PREDICTIONS, TrialFolder};
use crate::disk::{create_folder, storage_error};
use crate::error::Result;
use crate::experiment::TaskName;
use crate::records::split_predictions::SplitPredictions;

fn split_name(task: TaskName, finetune_seed: u64, split: &str) -> String {
    format!("{PREDICTIONS}/{task}-{finetune_seed}-{split}.json")
}

impl TrialFolder {
    /// What a fine-tuned model said of a further split, if it was saved.
    pub fn split_predictions(
        &self,
        task: TaskName,
        finetune_seed: u64,
        split: &str,
    ) -> Result<Option<SplitPredictions>> {
        self.read(&split_name(task, finetune_seed, split))
    }

    /// Where those predictions are, for messages.
    pub fn split_predictions_path(&self, task: TaskName, finetune_seed: u64, split: &str) -> PathBuf {
        self.path.join(split_name(task, finetune_seed, split))
    }

    /// Saves what a fine-tuned model said of a further split.
    pub fn write_split_predictions(&self, predictions: &SplitPredictions) -> Result<()> {
        create_folder(&self.path.join(PREDICTIONS))?;
        let SplitPredictions { task, finetune_seed, split, .. } = predictions;
        self.write(&split_name(*task, *finetune_seed, split), predictions)
    }

    /// Deletes the weights of a fine-tuned model, and their folder with the last of them.
    pub fn remove_finetuned(&self, task: TaskName, finetune_seed: u64) -> Result<()> {
        let path = self.finetuned(task, finetune_seed);
        if path.is_file() {
            std::fs::remove_file(&path).map_err(|error| storage_error(&path, "delete", &error))?;
        }
        // Other weights in it keep it.
        let _ = std::fs::remove_dir(self.path.join(FINETUNED));
        Ok(())
    }
}
