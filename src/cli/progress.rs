//! Shows a person at a terminal that something goes on, and what.

use super::output::{Output, progress_text};
use crate::app::house::MoveStep;
use crate::daemon::control::Progress;
use crate::transfer::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A line that moves while a command waits; it vanishes when dropped. Where nobody watches it does
/// nothing.
#[derive(Debug)]
pub struct Waiting {
    bar: Option<ProgressBar>,
}

impl Waiting {
    /// Begins to wait for `what`.
    pub fn start(output: &Output, what: &str) -> Self {
        let bar = output.is_watched().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_message(super::page::harmless(what));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Shows what happens now.
    pub fn show(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_message(progress_text(progress));
        }
    }
}

/// A bar that grows while many things are done one after the other; it vanishes when dropped. Where
/// nobody watches it does nothing.
#[derive(Debug)]
pub struct Counting {
    bar: Option<ProgressBar>,
}

impl Counting {
    /// Begins to count.
    pub fn start(output: &Output) -> Self {
        let bar = output.is_watched().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_message("reading");
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Shows how far it is.
    pub fn show(&self, step: Step) {
        if let Some(noun) = step.noun {
            self.count(noun.plural().to_owned(), len(step.done), len(step.of));
        }
    }

    /// The same of a move.
    pub fn show_move(&self, step: MoveStep) {
        if !step.part.is_empty() {
            let what = if step.is_check { "comparing" } else { "moving" };
            self.count(format!("{what} {} {}", step.part, step.table), step.done, step.of);
        }
    }

    fn count(&self, what: String, done: u64, of: u64) {
        let Some(bar) = &self.bar else { return };
        let template = "{spinner} {elapsed} {msg:14} {wide_bar} {pos}/{len} {eta}";
        if bar.length() != Some(of) || bar.message() != what {
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(what);
            bar.set_length(of);
            bar.reset_eta();
        }
        bar.set_position(done);
    }
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
