//! Makes one tool call and shows its answer.

use super::Session;
use crate::app::failure::{Failure, FailureKind, run_exit_code};
use crate::cli::answer;
use crate::cli::args::outside::UpstreamCommand;
use crate::cli::call::{Call, View};
use crate::cli::connection::{RETRY, reach};
use crate::cli::output::progress_page;
use crate::cli::page::{Page, Style};
use crate::cli::progress::Waiting;
use crate::cli::report;
use crate::daemon::control::{Answer, Answered, ErrorKind, Progress, ToolRequest};
use crate::daemon::signals::{self, Signal};
use crate::domain::{Reason, Value};
use crate::tools::desk::RunReport;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What may happen while nobody looks, before some of it is left out.
const PROGRESS_MAX: usize = 256;

/// So often a call is offered to somebody new when whoever was asked had just ended.
const TRIES_MAX: u32 = 10;

/// How long the house may take to give back its locks.
const CLOSE_TIME: Duration = Duration::from_secs(10);

/// What a call came to.
pub(super) enum Asked {
    /// It was answered.
    Answered(Answered),
    /// Whoever typed did not wait for the answer.
    Interrupted,
    /// Whoever was asked had just ended: nothing was done.
    NotBegun(Failure),
}

impl Session<'_> {
    /// Reaches the house, calls, shows; the exit code.
    pub(super) async fn ask(&self, call: Call) -> Result<u8, Failure> {
        let answered = self.answer_to(&call).await?;
        self.show(&call, &answered)
    }

    /// `rota audit …`. What could not be compared is not said to be whole.
    pub(super) async fn audit(&self, call: &Call) -> Result<u8, Failure> {
        let answered = self.answer_to(call).await?;
        let code = self.show(call, &answered)?;
        let is_compared = !matches!(answered.value.get("intact"), Some(Value::Null));
        Ok(if is_compared { code } else { FailureKind::Refused.exit_code() })
    }

    /// `rota upstream …`. What is accepted was looked at first.
    pub(super) async fn upstream(&self, command: &UpstreamCommand) -> Result<u8, Failure> {
        let call = command.call()?;
        let answered = self.answer_to(&call).await?;
        match command.after(&answered.value)? {
            Some(accepting) => self.ask(accepting).await,
            None => self.show(&call, &answered),
        }
    }

    /// Reaches the house and calls.
    pub(super) async fn answer_to(&self, call: &Call) -> Result<Answered, Failure> {
        let mut tries = 0;
        let (house, asked) = loop {
            let house = reach(self.house.as_ref(), &self.place, call.need).await?;
            let asked = self.ask_of(house.as_ref(), call).await;
            // A pipe that lets the folder go, or a daemon that ends: somebody else has it next, or
            // we have.
            if tries == TRIES_MAX || !matches!(asked, Ok(Asked::NotBegun(_))) {
                break (house, asked);
            }
            tries += 1;
            tokio::time::sleep(RETRY).await;
        };
        if !matches!(asked, Ok(Asked::Interrupted)) {
            // What cannot be closed in time is left to the recovery of the next start.
            let _ = tokio::time::timeout(CLOSE_TIME, house.close()).await;
        }
        match asked? {
            Asked::Answered(answered) => Ok(answered),
            Asked::Interrupted => Err(interrupted(house.outlives_us())),
            Asked::NotBegun(failure) => Err(failure),
        }
    }

    /// Calls, and shows what happens meanwhile.
    pub(super) async fn ask_of(&self, house: &dyn Answer, call: &Call) -> Result<Asked, Failure> {
        let request = ToolRequest {
            tool: call.tool.to_owned(),
            args: call.args.clone(),
            zone: self.place.zone.clone(),
            dry_run: call.dry_run,
            token: None,
            assistant: false,
        };
        let (tell, mut told) = mpsc::channel(PROGRESS_MAX);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut signals = signals::listen(&tracker, stop.clone())
            .map_err(|error| Failure::internal("cannot listen for signals").because(&error))?;
        let _stop = stop.drop_guard();
        let what = if matches!(call.view, View::Run { .. }) { "running" } else { "asking" };
        let waiting = Waiting::start(self.output, what);
        let mut answering = house.answer(request, tell);
        let mut closing = None;
        loop {
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    Some(Signal::Drain) if !house.outlives_us() => {
                        self.remark("stopping; once more to stop at once");
                        closing = Some(house.close());
                    }
                    Some(Signal::Drain | Signal::StopNow) => return Ok(Asked::Interrupted),
                    Some(Signal::Reload) | None => {}
                },
                Some(progress) = told.recv() => self.show_progress(call, &waiting, &progress)?,
                answered = &mut answering => {
                    while let Ok(progress) = told.try_recv() {
                        self.show_progress(call, &waiting, &progress)?;
                    }
                    return match answered {
                        Err(error) if error.kind == ErrorKind::NotBegun => {
                            Ok(Asked::NotBegun(error.into()))
                        }
                        answered => Ok(Asked::Answered(answered?)),
                    };
                }
                () = async {
                    match closing.as_mut() {
                        Some(closing) => closing.await,
                        None => std::future::pending().await,
                    }
                } => closing = None,
            }
        }
    }

    fn show_progress(
        &self,
        call: &Call,
        waiting: &Waiting,
        progress: &Progress,
    ) -> Result<(), Failure> {
        if matches!(call.view, View::Story) {
            if self.output.is_json() {
                return self.output.json_line(progress);
            }
            return self.output.page(&progress_page(progress));
        }
        waiting.show(progress);
        Ok(())
    }

    /// Shows an answer; the exit code.
    pub(super) fn show(&self, call: &Call, answered: &Answered) -> Result<u8, Failure> {
        if let View::Run { tell_nothing } = call.view {
            let report: RunReport = read(&answered.value)?;
            let dry = call.dry_run.is_some();
            self.output.result(&report, &report::page(&report, dry))?;
            return Ok(run_exit_code(report.state, report.reason, tell_nothing));
        }
        if matches!(call.view, View::Story) && self.output.is_json() {
            self.output.json_line(&answered.value)?;
            return Ok(0);
        }
        self.output.result(&answered.value, &answer::page(answered, call.view))?;
        Ok(0)
    }

    pub(super) fn remark(&self, text: &str) {
        let mut page = Page::new();
        for line in text.lines() {
            page.line(Style::Plain, line);
        }
        self.output.remark(&page);
    }
}

/// What is answered as one of the house's own words.
fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    serde_json::to_value(value).and_then(serde_json::from_value).map_err(|error| {
        Failure::internal("the answer is not of the form that was expected")
            .because(&error)
            .hint("restart the daemon if it is of another version than this command")
    })
}

/// Whoever typed did not wait for the answer.
pub(super) fn interrupted(goes_on: bool) -> Failure {
    let failure = Failure::new(FailureKind::Refused, "interrupted").reason(Reason::Cancelled);
    if goes_on {
        failure.hint("the daemon goes on with it; see `rota runs list`, `rota runs stop RUN`")
    } else {
        failure
    }
}
