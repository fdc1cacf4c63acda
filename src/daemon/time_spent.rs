//! The time of runs in the timesheets, beside that of people.

use super::receipt;
use super::worker::Worker;
use crate::domain::{EffectActor, Mode, Value};
use std::time::Duration;

impl Worker {
    /// What it used besides time.
    fn money_spent(&self) -> String {
        let usage = self.run.usage;
        let tokens = usage.tokens_in.saturating_add(usage.tokens_out);
        if tokens == 0 && usage.cost_micros == 0 {
            return String::new();
        }
        let money = receipt::money(&self.parts, &self.run, usage);
        let parts = [Some(format!("{tokens} tokens")), money];
        format!(": {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// Logs how long the run worked at its claimed task, as its agent, once: in full minutes, where it
    /// was at least half of one. That it failed is no reason to end a run otherwise.
    pub(super) async fn log_time(&self) {
        let (Some(kind), Some(held)) = (self.parts.settings.log_time, &self.held) else { return };
        let is_shown = held.claim.wrote.status.is_some() && self.job.playbook.mode == Mode::Live;
        let minutes = full_minutes(self.parts.clock.boot().saturating_sub(self.began));
        if !is_shown || minutes == 0 || self.lost() || self.unfinished {
            return;
        }
        let args = Value::map([
            ("ticketId", Value::from(held.claim.task.0)),
            ("hours", (f64::from(minutes) / 60.0).into()),
            ("date", "today".into()),
            ("kind", kind.as_str().into()),
            ("description", format!("run {}{}", self.run.id, self.money_spent()).into()),
        ]);
        let logged = match self.context(EffectActor::Rota, None).await {
            Ok(mut context) => {
                if let Some(run) = &mut context.run {
                    // Whatever is tried again after a crash: the time of a run counts once.
                    run.once = Some(format!("time {}", self.run.id));
                }
                let called = self.parts.tools.call("logTime", args, &context).await;
                called.map(|_| ()).map_err(|error| error.to_string())
            }
            Err(end) => Err(end.detail),
        };
        if let Err(error) = logged {
            tracing::warn!(run = %self.run.id, %error, "the time of the run was not logged");
            self.note(&format!("its time ({minutes} min) was not logged: {error}")).await;
        }
    }
}

fn full_minutes(span: Duration) -> u32 {
    u32::try_from((span.as_secs() + 30) / 60).unwrap_or(u32::MAX)
}
