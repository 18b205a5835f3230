//! The frozen probes of a trial. Next: `tasks/probe.rs`.

use crate::error::Result;
use crate::experiment::TrialSpec;
use crate::records::Measure;
use crate::run::context::TrialContext;
use crate::run::tasks::Tasks;
use crate::tasks::{Pretrained, Probing, TaskData, encode, task_info};
use crate::text::Tokenizer;

/// One measure per probed task.
pub fn probe(
    spec: &TrialSpec,
    context: &TrialContext,
    tokenizer: &Tokenizer,
    tasks: &Tasks,
    pretrained: &Pretrained,
) -> Result<Vec<Measure>> {
    let probed = tasks.glue().filter(|data| spec.evaluate.probe.tasks.contains(&data.task));
    let measure = |data: &TaskData| {
        context.sink.phase(&format!("probing {}", data.task));
        let encoded = |examples: &[_]| encode(examples, tokenizer, spec.evaluate.finetune.seq_len);
        let probing = Probing {
            pretrained,
            spec: &spec.evaluate.probe,
            task: task_info(data.task),
            synthetic: data.synthetic,
            train: &encoded(&data.train)?,
            validation: &encoded(&data.validation)?,
            device: &context.device,
            stop: &|| context.stop.check(),
        };
        probing.run()
    };
    probed.map(measure).collect()
}
