//! Further files of a trial's folder: predictions for other splits, and the weights of an intermediate task.

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
    /// The predictions of a fine-tuned model for another split, if they were saved.
    pub fn split_predictions(
        &self,
        task: TaskName,
        finetune_seed: u64,
        split: &str,
    ) -> Result<Option<SplitPredictions>> {
        self.read(&split_name(task, finetune_seed, split))
    }

    /// The path of those predictions, for messages.
    pub fn split_predictions_path(&self, task: TaskName, finetune_seed: u64, split: &str) -> PathBuf {
        self.path.join(split_name(task, finetune_seed, split))
    }

    /// Saves the predictions of a fine-tuned model for another split.
    pub fn write_split_predictions(&self, predictions: &SplitPredictions) -> Result<()> {
        create_folder(&self.path.join(PREDICTIONS))?;
        let SplitPredictions { task, finetune_seed, split, .. } = predictions;
        self.write(&split_name(*task, *finetune_seed, split), predictions)
    }

    /// Deletes the weights of a fine-tuned model, and their folder if it is then empty.
    pub fn remove_finetuned(&self, task: TaskName, finetune_seed: u64) -> Result<()> {
        let path = self.finetuned(task, finetune_seed);
        if path.is_file() {
            std::fs::remove_file(&path).map_err(|error| storage_error(&path, "delete", &error))?;
        }
        // Fails, as it should, if the folder has other weights.
        let _ = std::fs::remove_dir(self.path.join(FINETUNED));
        Ok(())
    }
}
