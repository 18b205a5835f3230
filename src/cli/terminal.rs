//! Progress on stderr: one bar per trial on a terminal, otherwise a plain line every ten seconds.
//!
//! `NO_COLOR` turns off the colours, `TERM=dumb` the bars. Output to a closed pipe is dropped. Must never:
//! write to stdout, which is for data.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::escape::{visible, visible_line};
use crate::records::{Display, Event, Sink, Split};
use crate::run::duration_text;

/// Time between two plain lines of one trial.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The display of progress; clones share it.
#[derive(Clone)]
pub struct Terminal {
    screen: Screen,
    colours: bool,
}

#[derive(Clone)]
enum Screen {
    Bars(MultiProgress),
    Lines { out: Arc<Mutex<dyn Write + Send>>, every: Duration },
}

/// Whether an environment variable is set and not empty.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Whether stderr is a terminal with control sequences.
pub fn stderr_is_rich() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether stderr shows colours.
pub fn stderr_has_colours() -> bool {
    stderr_is_rich() && !is_set("NO_COLOR")
}

impl Terminal {
    /// Progress on stderr: bars if it can show them, else plain lines.
    pub fn on_stderr() -> Self {
        let screen = if stderr_is_rich() {
            Screen::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(5)))
        } else {
            Screen::Lines { out: Arc::new(Mutex::new(io::stderr())), every: LINE_EVERY }
        };
        Self { screen, colours: stderr_has_colours() }
    }

    /// Progress as plain lines, at most one per trial in the time `every`.
    #[cfg(test)]
    fn lines(out: Arc<Mutex<dyn Write + Send>>, every: Duration) -> Self {
        Self { screen: Screen::Lines { out, every }, colours: false }
    }

    /// Prints a sentence, above the bars if there are any.
    pub fn say(&self, text: &str) {
        let text = visible(text);
        match &self.screen {
            Screen::Bars(bars) => bars.suspend(|| {
                let _ = writeln!(io::stderr(), "{text}");
            }),
            Screen::Lines { out, .. } => {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(out, "{text}");
            }
        }
    }

    /// Shows the progress of one trial (or other work), until the returned value is dropped.
    pub fn watch(&self, name: &str) -> WorkProgress {
        let bar = match &self.screen {
            Screen::Bars(bars) => bars.add(ProgressBar::new(1).with_style(bar_style(self.colours))),
            Screen::Lines { .. } => ProgressBar::hidden(),
        };
        let name = visible_line(name);
        bar.set_prefix(name.clone());
        WorkProgress { terminal: self.clone(), name, bar, view: Mutex::default() }
    }
}

impl Display for Terminal {
    fn watch(&self, name: &str) -> Box<dyn Sink> {
        Box::new(Self::watch(self, name))
    }

    fn say(&self, text: &str) {
        Self::say(self, text);
    }
}

const PLAIN_BAR: &str = "{prefix} {bar:16} {pos}/{len} {wide_msg}";
const COLOURED_BAR: &str = "{prefix:.cyan} {bar:16.cyan/dim} {pos}/{len} {wide_msg}";

fn bar_style(colours: bool) -> ProgressStyle {
    ProgressStyle::with_template(if colours { COLOURED_BAR } else { PLAIN_BAR })
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// The progress of one trial or other work.
pub struct WorkProgress {
    terminal: Terminal,
    name: String,
    bar: ProgressBar,
    view: Mutex<View>,
}

/// What is known so far.
#[derive(Default)]
struct View {
    phase: String,
    done: u64,
    total: u64,
    loss: Option<f64>,
    first: Option<Event>,
    latest: Option<Event>,
    last_line: Option<Instant>,
}

impl WorkProgress {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, view: &mut View, at_once: bool) {
        match &self.terminal.screen {
            Screen::Bars(_) => {
                self.bar.set_length(view.total.max(1));
                self.bar.set_position(view.done);
                self.bar.set_message(view.words(false));
            }
            Screen::Lines { every, .. } => {
                let due = view.last_line.is_none_or(|at| at.elapsed() >= *every);
                if due || at_once {
                    view.last_line = Some(Instant::now());
                    self.terminal.say(&format!("{}: {}", self.name, view.words(true)));
                }
            }
        }
    }
}

impl View {
    /// `step 200/2000, loss 12.31, 340 tokens/s, 1m 20s left`
    fn words(&self, with_counts: bool) -> String {
        let mut words = Vec::new();
        if !self.phase.is_empty() {
            words.push(self.phase.clone());
        }
        if with_counts && self.total > 0 {
            words.push(format!("{}/{}", self.done, self.total));
        }
        if let Some(loss) = self.loss {
            words.push(format!("loss {loss:.4}"));
        }
        if let (Some(first), Some(latest)) = (&self.first, &self.latest) {
            let elapsed_s = latest.elapsed_s - first.elapsed_s;
            if elapsed_s > 0.0 && latest.step > first.step {
                let tokens = latest.tokens.saturating_sub(first.tokens);
                words.push(format!("{:.0} tokens/s", tokens as f64 / elapsed_s));
                let step_s = elapsed_s / (latest.step - first.step) as f64;
                let left = self.total.saturating_sub(self.done);
                words.push(format!("{} left", duration_text(step_s * left as f64)));
            }
        }
        words.join(", ")
    }
}

impl Sink for WorkProgress {
    fn event(&self, event: &Event) {
        if event.split == Split::Validation {
            return;
        }
        let mut view = self.view();
        view.loss = event.values.get("loss").copied();
        view.first.get_or_insert_with(|| event.clone());
        view.latest = Some(event.clone());
        self.show(&mut view, false);
    }

    fn phase(&self, text: &str) {
        let mut view = self.view();
        // The rate of one phase does not predict the next.
        *view = View { phase: visible_line(text), last_line: view.last_line, ..View::default() };
        self.show(&mut view, true);
    }

    fn note(&self, text: &str) {
        self.terminal.say(text);
    }

    fn progress(&self, done: u64, total: u64) {
        let mut view = self.view();
        (view.done, view.total) = (done, total);
        self.show(&mut view, false);
    }
}

impl Drop for WorkProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(split: Split, step: u64) -> Event {
        let values = [("loss".to_string(), 10.0 / step as f64)].into();
        Event { split, step, tokens: step * 1000, flops: 0.0, elapsed_s: step as f64 * 2.0, values }
    }

    fn lines_of(every: Duration, work: impl FnOnce(&WorkProgress)) -> String {
        let out = Arc::new(Mutex::new(Vec::new()));
        work(&Terminal::lines(out.clone(), every).watch("seed=1"));
        let bytes = out.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn plain_lines_show_progress_and_remaining_time() {
        let text = lines_of(Duration::ZERO, |progress| {
            progress.phase("tokenising");
            progress.progress(1, 4);
            progress.phase("pre-training");
            progress.event(&event(Split::Train, 10));
            progress.progress(20, 100);
            progress.event(&event(Split::Train, 20));
            progress.event(&event(Split::Validation, 20));
        });
        insta::assert_snapshot!(text, @r"
        seed=1: tokenising
        seed=1: tokenising, 1/4
        seed=1: pre-training
        seed=1: pre-training, loss 1.0000
        seed=1: pre-training, 20/100, loss 1.0000
        seed=1: pre-training, 20/100, loss 0.5000, 500 tokens/s, 2m 40s left
        ");
    }

    #[test]
    fn plain_lines_are_limited_but_a_new_phase_shows_at_once() {
        let text = lines_of(Duration::from_secs(3600), |progress| {
            (1..=50).for_each(|step| progress.progress(step, 50));
            progress.phase("fine-tuning cola");
        });
        insta::assert_snapshot!(text, @r"
        seed=1: 1/50
        seed=1: fine-tuning cola
        ");
    }

    #[test]
    fn both_bar_templates_are_valid() {
        for template in [PLAIN_BAR, COLOURED_BAR] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
