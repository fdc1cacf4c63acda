//! The emergency stop. It is a file, so that it works without a daemon and without the store; a
//! daemon that is there is told besides, so that it ends its runs at once, and tells those that share its
//! store. Where none is here, these are told by the command itself.

use super::Session;
use super::ask::{Asked, interrupted};
use crate::app::failure::Failure;
use crate::cli::args::operate::{start_all_call, stop_all_call};
use crate::cli::call::Call;
use crate::cli::connection::to_daemon;
use crate::cli::page::{Page, Style};
use crate::daemon::control::Answered;
use crate::domain::Value;

impl Session<'_> {
    /// `rota stop-all`: the file first, whatever becomes of the rest.
    pub(super) async fn stop_all(&self, reason: &str) -> Result<u8, Failure> {
        let written = self.house.stop_all(&self.place, reason);
        let told = self.tell_daemon(&stop_all_call(reason)).await;
        match (written, told) {
            (_, Ok(Some(answered))) => self.show_stop(&answered, "everything is stopped"),
            (Ok(value), Ok(None)) => self.stop_elsewhere(value, reason).await,
            (Ok(value), Err(failure)) => {
                // Whatever comes of that: it is the daemon here that people are told of.
                let _ = self.house.stop_everywhere(&self.place, Some(reason)).await;
                self.remark("the stop is written, but the daemon could not be told:");
                let answered = Answered { value, text: String::new() };
                self.show_stop(&answered, "nothing more will be started")?;
                // The document has been printed: only people are told the rest.
                self.remark(&failure.message);
                Ok(failure.kind.exit_code())
            }
            (Err(failure), _) => self.stop_only_elsewhere(failure, reason).await,
        }
    }

    /// Nothing is stopped here by its file; daemons elsewhere need not work on because of that.
    async fn stop_only_elsewhere(&self, failure: Failure, reason: &str) -> Result<u8, Failure> {
        if !matches!(self.house.stop_everywhere(&self.place, Some(reason)).await, Ok(true)) {
            return Err(failure);
        }
        let value = Value::map([("stopped", Value::from(true)), ("reason", reason.into())]);
        let answered = Answered { value, text: String::new() };
        self.show_stop(&answered, "everything is stopped at all daemons that share the store")?;
        // The document has been printed: only people are told the rest.
        self.remark(&failure.message);
        Ok(failure.kind.exit_code())
    }

    /// It is stopped here, where no daemon runs; those that share the store read it there.
    async fn stop_elsewhere(&self, value: Value, reason: &str) -> Result<u8, Failure> {
        let answered = Answered { value, text: String::new() };
        match self.house.stop_everywhere(&self.place, Some(reason)).await {
            Ok(true) => {
                let said = "everything is stopped at all daemons that share the store; none is \
                            running here";
                self.show_stop(&answered, said)
            }
            Ok(false) => self.show_stop(&answered, "everything is stopped; no daemon is running"),
            Err(failure) => {
                self.remark("the stop is written here, but daemons elsewhere could not be told:");
                self.show_stop(&answered, "nothing more will be started here")?;
                self.remark(&failure.message);
                Ok(failure.kind.exit_code())
            }
        }
    }

    /// `rota start-all`.
    pub(super) async fn start_all(&self) -> Result<u8, Failure> {
        let answered = if let Some(answered) = self.tell_daemon(&start_all_call()).await? {
            answered
        } else {
            // First where others read it: what cannot be lifted there is not lifted here.
            self.house.stop_everywhere(&self.place, None).await?;
            Answered { value: self.house.start_all(&self.place)?, text: String::new() }
        };
        self.show_stop(&answered, "the emergency stop is lifted")
    }

    /// Calls the daemon, if there is one.
    async fn tell_daemon(&self, call: &Call) -> Result<Option<Answered>, Failure> {
        match to_daemon(&self.place.state).await? {
            Some(daemon) => match self.ask_of(&daemon, call).await? {
                Asked::Answered(answered) => Ok(Some(answered)),
                Asked::Interrupted => Err(interrupted(true)),
                // It had just ended.
                Asked::NotBegun(_) => Ok(None),
            },
            None => Ok(None),
        }
    }

    fn show_stop(&self, answered: &Answered, said: &str) -> Result<u8, Failure> {
        let mut page = Page::new();
        page.line(Style::Bold, said);
        if let Some(reason) = answered.value.get("reason").and_then(Value::as_text)
            && !reason.is_empty()
        {
            page.add(Style::Plain, &format!(": {reason}"));
        }
        self.output.result(&answered.value, &page)?;
        Ok(0)
    }
}
