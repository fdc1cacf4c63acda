//! Shows a person at a terminal that something goes on, and what.

use super::output::{Output, progress_text};
use crate::daemon::control::Progress;
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

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
