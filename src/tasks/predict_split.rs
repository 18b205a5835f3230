//! Predictions of a fine-tuned model for more examples, even in another process than its fine-tuning.

use super::classifier::Classifier;
use super::encode::EncodedExample;
use super::finetune::Finetuning;
use crate::error::Result;
use crate::nn::Parameters;
use crate::records::PredictedExample;

impl Finetuning<'_> {
    /// Predicts `examples`, in order, with the fine-tuned parameters of a run of this task.
    pub fn predict_split(
        &self,
        finetuned: &Parameters,
        examples: &[EncodedExample],
    ) -> Result<Vec<PredictedExample>> {
        let mut parameters = Parameters::new(0, self.device);
        let (labels, head) = (self.task.labels, self.recipe.head);
        let classifier = Classifier::new(&mut parameters, &self.pretrained.network, labels, head)?;
        let find = |name: &str| finetuned.iter().find(|parameter| parameter.name == name);
        parameters.load(|_| true, |name| Some(find(name)?.var.as_detached_tensor()))?;
        self.predict(&classifier, examples)
    }
}
