//! What a run may use of the day: set aside before its task is claimed, noted exchange by exchange.

use super::brief::text_of;
use super::dispatcher::failed;
use super::look::civil_midnight;
use super::parts::Parts;
use super::worker::Worker;
use crate::domain::{
    DayBudget, Limits, Playbook, PlaybookName, Reason, RunId, Timestamp, Usage, Value, Work,
};
use crate::ledger::{Ledger, LedgerError, ReserveAsk};
use crate::model::{Exchange, Heard, Look, Model, ModelError, Reply};
use crate::tools::desk::DeskError;
use async_trait::async_trait;
use chrono::NaiveDate;
use std::sync::Arc;

/// The civil day in the team's zone: its budget begins anew at that zone's midnight, whatever the
/// clocks there do.
pub(super) fn day_of(parts: &Parts, now: Timestamp) -> NaiveDate {
    now.with_timezone(&parts.settings.zone).date_naive()
}

/// What a run of a playbook asks for; `None`: plain steps cost nothing.
async fn ask(
    parts: &Parts,
    playbook: &Playbook,
    run: RunId,
) -> Result<Option<ReserveAsk>, LedgerError> {
    let metered = match playbook.work {
        Work::Steps(_) => return Ok(None),
        Work::Model { .. } => true,
        Work::Command { .. } | Work::Acp { .. } => false,
    };
    let day = day_of(parts, parts.clock.wall());
    let granted = async |whose| parts.ledger.budget_granted(day, whose).await;
    Ok(Some(ReserveAsk {
        run,
        playbook: playbook.name.clone(),
        day,
        tokens: playbook.limits.tokens,
        cost_micros: playbook.limits.cost_micros,
        team: times(parts.settings.budget, granted(None).await?),
        own: times(playbook.limits.day, granted(Some(&playbook.name)).await?),
        metered,
    }))
}

/// A budget, and so many times the same.
fn times(budget: DayBudget, granted: u32) -> DayBudget {
    let more = |amount: u64| amount.saturating_mul(u64::from(granted) + 1);
    DayBudget { tokens: budget.tokens.map(more), cost_micros: budget.cost_micros.map(more) }
}

/// How often people granted a playbook's day once more.
pub(super) async fn granted(parts: &Parts, playbook: &PlaybookName) -> Result<u32, LedgerError> {
    let day = day_of(parts, parts.clock.wall());
    let own = parts.ledger.budget_granted(day, Some(playbook)).await?;
    Ok(own + parts.ledger.budget_granted(day, None).await?)
}

/// The team's budget of the day, with what people granted once more, and what is left of it; nothing where
/// it has none. What runs at work have set aside counts once they have spent it: most of them spend little
/// of it.
pub(super) async fn team(parts: &Parts) -> Result<(DayBudget, DayBudget), LedgerError> {
    let day = day_of(parts, parts.clock.wall());
    let team = times(parts.settings.budget, parts.ledger.budget_granted(day, None).await?);
    let used = parts.ledger.spent(None, day).await?;
    let left = DayBudget {
        tokens: team.tokens.map(|most| most.saturating_sub(used.spent.tokens)),
        cost_micros: team.cost_micros.map(|most| most.saturating_sub(used.spent.cost_micros)),
    };
    Ok((team, left))
}

/// Every budget of the day, as somebody looks at it: whose it is (nothing: everybody's), of what, how much of it
/// is used, and when it begins anew.
pub(super) async fn of_day(parts: &Parts) -> Result<Vec<Value>, LedgerError> {
    let (now, zone) = (parts.clock.wall(), parts.settings.zone);
    let day = day_of(parts, now);
    // Whatever the clocks do there, a day and a half after its beginning is the next one.
    let next = civil_midnight(now, zone) + chrono::TimeDelta::hours(36);
    let resets = text_of(civil_midnight(next, zone));
    let team = times(parts.settings.budget, parts.ledger.budget_granted(day, None).await?);
    let mut all = vec![(None, team)];
    for playbook in parts.playbooks() {
        if playbook.limits.day != DayBudget::default() {
            let granted = parts.ledger.budget_granted(day, Some(&playbook.name)).await?;
            all.push((Some(playbook.name.clone()), times(playbook.limits.day, granted)));
        }
    }
    let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    let mut told = Vec::new();
    for (whose, most) in all {
        let used = parts.ledger.spent(whose.as_ref(), day).await?.spent;
        let of =
            [("cost", most.cost_micros, used.cost_micros), ("tokens", most.tokens, used.tokens)];
        for (of, most, used) in of {
            let Some(most) = most else { continue };
            told.push(Value::map([
                ("playbook", Value::from(whose.as_ref().map(PlaybookName::as_str))),
                ("of", of.into()),
                ("used", whole(used).into()),
                ("most", whole(most).into()),
                ("resets", resets.as_str().into()),
            ]));
        }
    }
    Ok(told)
}

/// Grants whosever budget of this day is short once more: the playbook's own, or everybody's.
pub(super) async fn grant(
    parts: &Parts,
    playbook: &PlaybookName,
    by: &str,
) -> Result<(), DeskError> {
    let Some(known) = parts.playbook(playbook) else { return Ok(()) };
    let Some(now) = ask(parts, &known, RunId::new("")).await.map_err(failed)? else {
        return Ok(());
    };
    let more = |budget: DayBudget, base: DayBudget| DayBudget {
        tokens: budget.tokens.zip(base.tokens).map(|(now, base)| now.saturating_add(base)),
        cost_micros: budget
            .cost_micros
            .zip(base.cost_micros)
            .map(|(now, base)| now.saturating_add(base)),
    };
    let own = ReserveAsk { own: more(now.own, known.limits.day), ..now.clone() };
    let team = ReserveAsk { team: more(now.team, parts.settings.budget), ..now.clone() };
    let both = ReserveAsk { team: team.team, ..own.clone() };
    for (then, whose) in
        [(own, vec![Some(playbook)]), (team, vec![None]), (both, vec![Some(playbook), None])]
    {
        if parts.ledger.no_budget(&then).await.map_err(failed)?.is_none() {
            for whose in whose {
                parts.ledger.grant_budget(now.day, whose, by).await.map_err(failed)?;
            }
            return Ok(());
        }
    }
    Err(DeskError::Refused {
        reason: Reason::BudgetDay,
        message: format!(
            "once more would not be enough for one run of {playbook}: raise its budget, or lower what a \
             run may use"
        ),
    })
}

/// Why no run of a playbook may begin now, if the day's budget is why.
pub(super) async fn missing(
    parts: &Parts,
    playbook: &Playbook,
) -> Result<Option<String>, LedgerError> {
    match ask(parts, playbook, RunId::new("")).await? {
        Some(ask) => parts.ledger.no_budget(&ask).await,
        None => Ok(None),
    }
}

impl Worker {
    /// Sets aside what the run may use. One that only finishes or hands back uses nothing.
    pub(super) async fn reserve_budget(&mut self) -> Result<(), (Reason, String)> {
        let uses_none = |resume: &super::recovery::Resume| {
            resume.applies || resume.give_up.is_some() || resume.settling.is_some()
        };
        let is_next = self.run.attempt != self.job.attempt;
        if !is_next && self.job.resume.as_ref().is_some_and(uses_none) {
            return Ok(());
        }
        let ask = match ask(&self.parts, &self.job.playbook, self.run.id.clone()).await {
            Ok(Some(ask)) => ask,
            Ok(None) => return Ok(()),
            Err(error) => return Err((Reason::StoreFailed, error.to_string())),
        };
        let mut answer = self.parts.ledger.reserve(&ask).await;
        if matches!(answer, Err(LedgerError::Store(_))) {
            // Whether it was set aside is unknown; asking alike twice is allowed.
            answer = self.parts.ledger.reserve(&ask).await;
        }
        match answer {
            Ok(Ok(amount)) => {
                self.budget = Some(amount);
                Ok(())
            }
            Ok(Err(why)) => Err((Reason::BudgetDay, why)),
            Err(error) => Err((Reason::StoreFailed, error.to_string())),
        }
    }

    /// What was set aside is given back where the task is not to be had.
    pub(super) async fn or_give_back<T, E>(&self, got: Result<T, E>) -> Result<T, E> {
        if got.is_err() {
            self.give_back_budget().await;
        }
        got
    }

    /// It does not begin after all.
    pub(super) async fn give_back_budget(&self) {
        if self.budget.is_none() {
            return;
        }
        if let Err(error) = self.parts.ledger.give_back_budget(&self.run.id).await {
            tracing::warn!(run = %self.run.id, %error, "what was set aside is given back later");
        }
    }

    /// The playbook with the limits of what was set aside for this run.
    pub(super) fn bounded(&self) -> Arc<Playbook> {
        let Some(amount) = self.budget.filter(|amount| amount.cost_micros > 0) else {
            return Arc::clone(&self.job.playbook);
        };
        let limits = &self.job.playbook.limits;
        let limits = Limits { cost_micros: Some(amount.cost_micros), ..limits.clone() };
        Arc::new(Playbook { limits, ..(*self.job.playbook).clone() })
    }

    /// A model whose every exchange is noted.
    pub(super) fn metered(&self, below: &Arc<dyn Model>) -> Arc<dyn Model> {
        self.metered_as(below, &self.run.id)
    }

    /// The same under the name of something else that budget was set aside for.
    pub(super) fn metered_as(&self, below: &Arc<dyn Model>, run: &RunId) -> Arc<dyn Model> {
        let (ledger, run) = (Arc::clone(&self.parts.ledger), run.clone());
        Arc::new(Metered { below: Arc::clone(below), ledger, run })
    }
}

/// Notes what each exchange used, before its answer is used.
#[derive(Debug)]
struct Metered {
    below: Arc<dyn Model>,
    ledger: Arc<Ledger>,
    run: RunId,
}

#[async_trait]
impl Model for Metered {
    fn describe(&self) -> String {
        self.below.describe()
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let answer = self.below.exchange(exchange, heard).await;
        // What an answer that broke off used was used, too.
        let used = match &answer {
            Ok(reply) => reply.usage,
            Err(error) => error.usage(),
        };
        if answer.is_err() && used == Usage::default() {
            return answer;
        }
        let mut noted = self.ledger.meter(&self.run, used).await;
        if matches!(noted, Err(LedgerError::Contended { .. })) {
            noted = self.ledger.meter(&self.run, used).await;
        }
        match noted {
            Ok(()) => answer,
            // Whoever does not know what was used must not go on using.
            Err(error) => {
                let what = format!("its answer came, and what it used could not be noted: {error}");
                Err(ModelError::Refused(what))
            }
        }
    }

    fn context(&self) -> Option<u64> {
        self.below.context()
    }

    fn reply_max(&self) -> Option<u64> {
        self.below.reply_max()
    }

    fn is_priced(&self) -> bool {
        self.below.is_priced()
    }

    async fn look(&self) -> Result<Look, ModelError> {
        self.below.look().await
    }
}
