//! What runs cost: tokens, money and runs since an instant, in lines that add up to the total.
//!
//! A run counts by the civil day of the team's zone on which it began, as budgets do. Money that nobody
//! can know, because `rota.toml` gave the model no price or a program did not say, is never told as
//! nothing: its runs are counted apart.

use super::belongs::Belongs;
use super::brief::text_of;
use super::budget::day_of;
use super::dispatcher::failed;
use super::look::civil_midnight;
use super::parts::Parts;
use crate::digest::{Costs, Spent, SpentOf};
use crate::domain::{
    Playbook, PlaybookName, ProjectId, Run, RunState, Timestamp, Usage, Value, Work,
};
use crate::ledger::{Amount, LedgerError, RunFilter};
use crate::tools::desk::{CostAsk, CostBy, DeskError};
use chrono::{Days, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// So many days are told when nobody says since when, the present one included.
const DAYS: i64 = 30;
/// No more runs are looked at.
pub(super) const RUNS_MAX: usize = 100_000;
/// More lines are told as one.
const LINES_MAX: usize = 500;
/// What the others are called.
const OTHERS: &str = "(others)";

/// One line: what some runs used together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line {
    runs: u64,
    usage: Usage,
    /// Of so many runs the money is not known.
    unpriced: u64,
    /// The work of so many was accepted.
    accepted: u64,
    /// What was planned for their tasks, where a task is in one line only.
    planned_minutes: u64,
}

impl Line {
    fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            usage: self.usage.plus(other.usage),
            unpriced: self.unpriced + other.unpriced,
            accepted: self.accepted + other.accepted,
            planned_minutes: self.planned_minutes + other.planned_minutes,
        }
    }

    fn shown(&self) -> Vec<(&'static str, Value)> {
        let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        vec![
            ("runs", number(self.runs)),
            ("tokens_in", number(self.usage.tokens_in)),
            ("tokens_cached", number(self.usage.tokens_cached)),
            ("tokens_out", number(self.usage.tokens_out)),
            // Where no run's money is known there is no sum to tell.
            ("cost_micros", self.has_sum().then(|| number(self.usage.cost_micros)).into()),
            ("unpriced_runs", number(self.unpriced)),
            ("hours", hours(self.usage.elapsed_ms / 60_000).into()),
            ("plan_hours", hours(self.planned_minutes).into()),
            ("accepted", number(self.accepted)),
            ("cost_micros_per_accepted", self.per_accepted().map(number).into()),
        ]
    }

    /// What each accepted piece of work cost, with all that came to nothing.
    fn per_accepted(&self) -> Option<u64> {
        self.usage.cost_micros.checked_div(self.accepted).filter(|_| self.has_sum())
    }

    fn has_sum(&self) -> bool {
        self.unpriced == 0 || self.unpriced < self.runs || self.usage.cost_micros > 0
    }
}

/// Minutes as hours, to the hundredth.
fn hours(minutes: u64) -> f64 {
    let minutes = f64::from(u32::try_from(minutes).unwrap_or(u32::MAX));
    (minutes / 60.0 * 100.0).round() / 100.0
}

/// By which definition runs worked.
#[derive(Clone, Debug, Default)]
pub(super) struct Definition {
    agent: String,
    model: String,
    /// Whether its money is counted: its model has a price, or it needs none.
    is_priced: bool,
    /// Whether its tokens are counted here, so that a run without any cost nothing.
    is_metered: bool,
}

impl Definition {
    /// Whether the money of what was used so is known.
    pub(super) fn knows(&self, usage: &Usage) -> bool {
        // What was counted in money was priced then, whatever stands in `rota.toml` now.
        let used_none = self.is_metered && usage.tokens_in == 0 && usage.tokens_out == 0;
        self.is_priced || usage.cost_micros > 0 || used_none
    }
}

/// What runs cost, for whoever asks.
pub(super) async fn cost(parts: &Parts, ask: CostAsk) -> Result<Value, DeskError> {
    let now = parts.clock.wall();
    let zone = parts.settings.zone;
    let since = ask.since.unwrap_or_else(|| {
        let first = now - chrono::TimeDelta::days(DAYS - 1);
        civil_midnight(first, zone)
    });
    let filter = RunFilter { since: Some(since), ..RunFilter::default() };
    let runs = parts.ledger.runs(&filter, RUNS_MAX).await.map_err(failed)?;
    let is_cut = runs.len() >= RUNS_MAX;
    let mut belongs = Belongs::within(parts, ask.projects.clone());
    let runs = match &ask.projects {
        Some(projects) => at_tasks_of(projects, runs, &mut belongs).await?,
        None => runs,
    };
    let (under_way, ended): (Vec<Run>, Vec<Run>) =
        runs.into_iter().partition(|run| run.state == RunState::Running);
    let lines = ordered(lines(parts, &ended, (ask.by, &mut belongs)).await?, ask.by);
    let beyond = match &ask.projects {
        // Days are counted whole: of what was broken off nobody knows where it was.
        Some(_) => Amount::default(),
        None => beyond(parts, &ended, (since, now)).await.map_err(failed)?,
    };
    let total = lines.iter().fold(Line::default(), |sum, (_, line)| sum.plus(*line));
    let items = lines.iter().map(|(key, line)| {
        let named = std::iter::once((ask.by.as_str(), Value::from(key.name())));
        Value::map(named.chain(line.shown()))
    });
    let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    Ok(Value::map([
        ("by", Value::from(ask.by.as_str())),
        ("since", text_of(since).into()),
        ("until", text_of(now).into()),
        ("zone", zone.name().into()),
        ("currency", parts.settings.currency.as_str().into()),
        ("items", Value::List(items.collect())),
        ("total", Value::map(total.shown())),
        ("under_way", number(u64::try_from(under_way.len()).unwrap_or(u64::MAX))),
        ("beyond_tokens", number(beyond.tokens)),
        ("beyond_cost_micros", number(beyond.cost_micros)),
        ("cut", is_cut.into()),
        ("narrowed", ask.projects.is_some().into()),
    ]))
}

/// Those of these runs that are about a task of one of these projects.
async fn at_tasks_of(
    projects: &[ProjectId],
    runs: Vec<Run>,
    belongs: &mut Belongs<'_>,
) -> Result<Vec<Run>, DeskError> {
    belongs.know(runs.iter().filter_map(|run| run.task)).await?;
    let mut kept = Vec::new();
    for run in runs {
        let Some(task) = run.task else { continue };
        let task = belongs.task(task).await?;
        kept.extend(task.filter(|task| projects.contains(&task.project)).map(|_| run));
    }
    Ok(kept)
}

/// What these runs used together, for a digest.
pub(super) async fn for_digest(
    parts: &Parts,
    ended: &[Run],
    by: CostBy,
) -> Result<Costs, DeskError> {
    let mut belongs = Belongs::new(parts);
    let lines = lines(parts, ended, (by, &mut belongs)).await?;
    let spent = ordered(lines, by).into_iter().map(|(of, line)| Spent {
        of,
        runs: line.runs,
        usage: line.usage,
        unpriced: line.unpriced,
        accepted: line.accepted,
        planned_minutes: line.planned_minutes,
    });
    Ok(Costs { by, spent: spent.collect() })
}

/// What these runs used together, by what a line stands for.
async fn lines(
    parts: &Parts,
    ended: &[Run],
    (by, belongs): (CostBy, &mut Belongs<'_>),
) -> Result<BTreeMap<SpentOf, Line>, DeskError> {
    if by.is_of_tasks() {
        belongs.know(ended.iter().filter_map(|run| run.task)).await?;
    }
    let accepted = super::accepted::of(parts, ended, belongs).await?;
    let mut definitions = BTreeMap::new();
    let mut lines: BTreeMap<SpentOf, Line> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for run in ended {
        let definition = definition(parts, run, &mut definitions).await.map_err(failed)?;
        let key = key_of(parts, run, &definition, (by, &mut *belongs)).await?;
        let line = lines.entry(key).or_default();
        if let Some(task) = run.task.filter(|task| by.is_of_tasks() && counted.insert(*task)) {
            line.planned_minutes += belongs.planned_minutes(task).await?;
        }
        let own = line_of(run, &definition);
        *line = line.plus(Line { accepted: u64::from(accepted.contains(&run.id)), ..own });
    }
    Ok(lines)
}

fn line_of(run: &Run, definition: &Definition) -> Line {
    let is_known = definition.knows(&run.usage);
    Line { runs: 1, usage: run.usage, unpriced: u64::from(!is_known), ..Line::default() }
}

async fn key_of(
    parts: &Parts,
    run: &Run,
    definition: &Definition,
    (by, belongs): (CostBy, &mut Belongs<'_>),
) -> Result<SpentOf, DeskError> {
    let named = SpentOf::Named;
    Ok(match (by, run.task) {
        (CostBy::Playbook, _) => SpentOf::Playbook(run.playbook.clone()),
        (CostBy::Agent, _) => named(definition.agent.clone()),
        (CostBy::Model, _) => named(definition.model.clone()),
        (CostBy::Day, _) => named(day_of(parts, run.started).to_string()),
        (CostBy::Task | CostBy::Project | CostBy::Milestone | CostBy::Goal, None) => {
            named("none".to_owned())
        }
        (CostBy::Task, Some(task)) => SpentOf::Task(task),
        (CostBy::Project, Some(task)) => belongs.project(task).await?,
        (CostBy::Milestone, Some(task)) => belongs.milestone(task).await?,
        (CostBy::Goal, Some(task)) => belongs.goal(task).await?,
    })
}

/// Days as they came, everything else the dearest first; many small ones together.
fn ordered(lines: BTreeMap<SpentOf, Line>, by: CostBy) -> Vec<(SpentOf, Line)> {
    let mut lines: Vec<(SpentOf, Line)> = lines.into_iter().collect();
    if by == CostBy::Day {
        return lines;
    }
    let weight = |line: &Line| {
        let tokens = line.usage.tokens_in.saturating_add(line.usage.tokens_out);
        (line.usage.cost_micros, tokens, line.runs)
    };
    lines.sort_by(|(a, one), (b, other)| weight(other).cmp(&weight(one)).then(a.cmp(b)));
    if lines.len() > LINES_MAX {
        let others = lines.split_off(LINES_MAX - 1);
        let sum = others.iter().fold(Line::default(), |sum, (_, line)| sum.plus(*line));
        lines.push((SpentOf::Named(OTHERS.to_owned()), sum));
    }
    lines
}

async fn definition(
    parts: &Parts,
    run: &Run,
    known: &mut BTreeMap<(PlaybookName, String), Definition>,
) -> Result<Definition, LedgerError> {
    let key = (run.playbook.clone(), run.definition.clone());
    if let Some(found) = known.get(&key) {
        return Ok(found.clone());
    }
    let current = parts.playbook(&run.playbook).filter(|p| p.hash == run.definition);
    let playbook = match current {
        Some(playbook) => Some(playbook),
        None => parts.ledger.definition(&run.definition).await?.and_then(|text| {
            let library = parts.library.lock().unwrap_or_else(PoisonError::into_inner);
            library.old(&run.playbook, &text)
        }),
    };
    let unknown = || "unknown".to_owned();
    let found = match playbook {
        None => Definition { agent: unknown(), model: unknown(), ..Definition::default() },
        Some(playbook) => definition_of(parts, &playbook),
    };
    known.insert(key, found.clone());
    Ok(found)
}

/// The part of a playbook that says what its runs' money is worth.
pub(super) fn definition_of(parts: &Parts, playbook: &Playbook) -> Definition {
    let (model, is_priced) = match &playbook.work {
        Work::Steps(_) => ("none".to_owned(), true),
        Work::Command { .. } => ("command".to_owned(), false),
        Work::Acp { .. } => ("acp".to_owned(), false),
        Work::Model { model, .. } => {
            let priced = parts.models.get(model).is_some_and(|known| known.is_priced());
            (model.clone(), priced)
        }
    };
    let is_metered = playbook.work.program().is_none();
    Definition { agent: playbook.agent.clone(), model, is_priced, is_metered }
}

/// What the budgets of whole days counted beyond what the runs' records say: runs that were broken off
/// had no time to write it down.
async fn beyond(
    parts: &Parts,
    ended: &[Run],
    (since, now): (Timestamp, Timestamp),
) -> Result<Amount, LedgerError> {
    let mut said: BTreeMap<NaiveDate, Amount> = BTreeMap::new();
    for run in ended {
        let sum = said.entry(day_of(parts, run.started)).or_default();
        let Amount { tokens, cost_micros } = Amount::from(run.usage);
        sum.tokens = sum.tokens.saturating_add(tokens);
        sum.cost_micros = sum.cost_micros.saturating_add(cost_micros);
    }
    let (last, mut day) = (day_of(parts, now), day_of(parts, since));
    if civil_midnight(since, parts.settings.zone) < since {
        day = day.checked_add_days(Days::new(1)).unwrap_or(day);
    }
    let mut beyond = Amount::default();
    // The sums of days are kept for 400 of them.
    for _ in 0..400 {
        if day > last {
            break;
        }
        let counted = parts.ledger.spent(None, day).await?.spent;
        let said = said.get(&day).copied().unwrap_or_default();
        beyond.tokens += counted.tokens.saturating_sub(said.tokens);
        beyond.cost_micros += counted.cost_micros.saturating_sub(said.cost_micros);
        day = day.checked_add_days(Days::new(1)).unwrap_or(day);
    }
    Ok(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(runs: u64, cost_micros: u64, unpriced: u64) -> Line {
        let usage = Usage { cost_micros, ..Usage::default() };
        Line { runs, usage, unpriced, ..Line::default() }
    }

    #[test]
    fn the_dearest_come_first_days_as_they_came_and_nothing_is_left_out() {
        let many: BTreeMap<SpentOf, Line> = (0..LINES_MAX as u64 + 9)
            .map(|n| (SpentOf::Named(format!("{n:04}")), line(1, n, 0)))
            .collect();
        let sum = |lines: &[(SpentOf, Line)]| {
            lines.iter().fold(Line::default(), |sum, (_, line)| sum.plus(*line))
        };
        let all: Vec<_> = many.clone().into_iter().collect();
        let told = ordered(many.clone(), CostBy::Task);
        assert_eq!((told.len(), sum(&told)), (LINES_MAX, sum(&all)));
        assert_eq!(told[0].0.name(), format!("{:04}", LINES_MAX + 8));
        assert_eq!(told[LINES_MAX - 1].0.name(), OTHERS);
        assert_eq!(ordered(many, CostBy::Day), all);
    }

    #[test]
    fn what_has_no_price_has_no_sum() {
        assert!(!line(2, 0, 2).has_sum());
        assert!(line(2, 0, 1).has_sum() && line(2, 0, 0).has_sum() && line(0, 0, 0).has_sum());
    }
}
