//! Which of several fine-tuning runs stands for all of them.
//!
//! Must never: take the best. Next: `report/runs.rs` shows it with the spread of the others.

use super::schema::Score;

/// The run with the median score: of an even number the lower of the two in the middle, so that it is a run that took
/// place; of equal scores the one with the smaller seed. Runs with undefined scores take no part; None of none.
pub fn median_run<'a>(runs: impl IntoIterator<Item = &'a Score>) -> Option<&'a Score> {
    let mut defined: Vec<(f64, &Score)> =
        runs.into_iter().filter_map(|run| Some((run.value?, run))).collect();
    defined.sort_by(|(a, one), (b, other)| a.total_cmp(b).then(one.finetune_seed.cmp(&other.finetune_seed)));
    defined.get(defined.len().checked_sub(1)? / 2).map(|(_, run)| *run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;

    fn run(finetune_seed: u64, value: Option<f64>) -> Score {
        Score {
            task: TaskName::Rte,
            synthetic: false,
            finetune_seed,
            metric: "accuracy".into(),
            value,
            interval: None,
            others: Default::default(),
            majority: 50.0,
            n_examples: 1,
            n_train: 1,
            steps: 1,
        }
    }

    #[test]
    fn the_lower_median_is_a_run_and_never_the_best() {
        let seed = |values: &[Option<f64>]| {
            let runs: Vec<Score> = (1..).zip(values).map(|(seed, value)| run(seed, *value)).collect();
            median_run(&runs).map(|run| run.finetune_seed)
        };
        assert_eq!(seed(&[Some(3.0), Some(1.0), Some(2.0)]), Some(3));
        assert_eq!(seed(&[Some(4.0), Some(1.0), Some(3.0), Some(2.0)]), Some(4));
        assert_eq!(seed(&[Some(9.0), Some(8.0)]), Some(2));
        assert_eq!(seed(&[Some(7.0), Some(7.0), Some(7.0), Some(7.0)]), Some(2));
        assert_eq!(seed(&[None, Some(5.0), None]), Some(2));
        assert_eq!(seed(&[None]), None);
    }
}
