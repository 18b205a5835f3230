//! The order in which workers take the trials of a run.
//!
//! A trial waits while an earlier one with the same pre-training is running: it would train the same steps
//! again, and can continue from where the other one stops. Must never: change what a trial computes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::experiment::TrialSpec;

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended,
}

/// The trials that no worker has taken yet, and those that are running.
pub struct Queue {
    states: Mutex<Vec<State>>,
    /// For each trial, the earlier ones that it waits for.
    sources: Vec<Vec<usize>>,
    changed: Condvar,
}

/// A trial that a worker has taken; it has ended when this is dropped.
pub struct Taken<'q> {
    queue: &'q Queue,
    /// Its place in the list.
    pub index: usize,
}

impl Queue {
    /// All trials of a run, in order.
    pub fn new(specs: &[&TrialSpec]) -> Self {
        let sources_of = |(index, spec): (usize, &&TrialSpec)| {
            let earlier = specs.iter().take(index).enumerate();
            earlier.filter(|(_, other)| other.pretrains_like(spec)).map(|(other, _)| other).collect()
        };
        Self {
            states: Mutex::new(vec![State::Waiting; specs.len()]),
            sources: specs.iter().enumerate().map(sources_of).collect(),
            changed: Condvar::new(),
        }
    }

    /// The first trial that waits for no other one; blocks while each of those that are left does. None once
    /// all are taken.
    pub fn take(&self) -> Option<Taken<'_>> {
        let mut states = self.lock();
        loop {
            let is_ready = |index: &usize| {
                states[*index] == State::Waiting
                    && self.sources[*index].iter().all(|source| states[*source] == State::Ended)
            };
            if let Some(index) = (0..states.len()).find(is_ready) {
                states[index] = State::Running;
                return Some(Taken { queue: self, index });
            }
            if states.iter().all(|state| *state != State::Waiting) {
                return None;
            }
            states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The states are plain values, so a panic elsewhere leaves them whole.
    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.queue.lock().get_mut(self.index) {
            *state = State::Ended;
        }
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::a_trial;

    /// Of seed 1 a half and a whole run, then seed 2: the whole run comes after the half one has ended.
    #[test]
    fn a_trial_waits_for_an_earlier_one_with_the_same_pretraining() {
        let (mut half, whole, other) = (a_trial(1).spec, a_trial(1).spec, a_trial(2).spec);
        half.train.stop_at = 0.5;
        let queue = Queue::new(&[&half, &whole, &other]);
        let (first, second) = (queue.take().unwrap(), queue.take().unwrap());
        assert_eq!((first.index, second.index), (0, 2));
        std::thread::scope(|scope| {
            let third = scope.spawn(|| queue.take().map(|taken| taken.index));
            drop(first);
            assert_eq!(third.join().unwrap(), Some(1));
        });
        assert!(queue.take().is_none());
    }
}
