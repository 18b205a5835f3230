//! What a fine-tuned model says of further examples, later or in another process than its fine-tuning.

use super::classifier::Classifier;
use super::encode::Encoded;
use super::finetune::Finetuning;
use crate::error::Result;
use crate::nn::Parameters;
use crate::records::PredictedExample;

impl Finetuning<'_> {
    /// Predicts `examples` with the parameters that a run of this task left, in their order.
    pub fn predict_split(
        &self,
        finetuned: &Parameters,
        examples: &[Encoded],
    ) -> Result<Vec<PredictedExample>> {
        let mut parameters = Parameters::new(0, self.device);
        let (labels, head) = (self.task.labels, self.recipe.head);
        let classifier = Classifier::new(&mut parameters, &self.pretrained.network, labels, head)?;
        let find = |name: &str| finetuned.iter().find(|parameter| parameter.name == name);
        parameters.load(|_| true, |name| Some(find(name)?.var.as_detached_tensor()))?;
        self.predict(&classifier, examples)
    }
}
