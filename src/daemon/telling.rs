//! What people are told: notices made from runs, stored with the facts that caused them.
//!
//! A notice's key names the fact and the channel, so the same fact is told once.

use super::agent_work::agent_work;
use super::brief::{Brief, text_of};
use super::changes;
use super::earlier;
use super::fitted::fitted;
use super::parts::Parts;
use super::seams::Reports;
use super::warnings;
use super::worker::Worker;
use crate::digest::{self, AgentWork, DIGEST_TEMPLATE, DigestRequest};
use crate::domain::{
    Body, Channel, Delivery, Effect, Notice, OccurrenceState, Playbook, Reason, Receipt,
    ReportWhen, Run, RunState, Task, Timestamp, Value,
};
use crate::runner::WorkEnd;
use std::collections::BTreeMap;

/// What a report says.
struct Told {
    /// The fact: whoever was told of it is not told again.
    key: String,
    body: Body,
    /// For a digest: whether it has nothing to say.
    silent: Option<bool>,
}

/// A channel that was told before.
struct Before {
    /// When, for people.
    text: String,
    /// What it was told takes another form now.
    is_edited: bool,
}

impl Worker {
    /// What people are told when this run ends, and how it ends then: who was told already is not
    /// told again, and the end says so. Runs at tasks are told of together, when the occurrence ends.
    pub(super) async fn tell(&mut self, end: WorkEnd) -> (WorkEnd, Vec<Notice>) {
        let playbook = self.job.playbook.clone();
        let mut notices = Vec::new();
        if end.state.may_retry() {
            notices.extend(self.failure(&playbook, &end));
        }
        notices.extend(self.last_round(&playbook).await);
        if end.reason == Reason::Proposed {
            notices.extend(of_proposals(&self.parts, &playbook, &self.run).await);
        }
        let Some(report) = playbook.report.clone() else { return (end, notices) };
        if self.run.task.is_some() || end.state != RunState::Succeeded {
            return (end, notices);
        }
        let told = if report.is_digest() {
            self.digest(&playbook).await.map(Some)
        } else {
            self.put_changes(&playbook).await;
            self.gathered_report(&playbook, &report.template, report.when)
        };
        match told {
            Ok(Some(told)) => {
                let before = self.told_before(&told, &report.to).await;
                let is_new = before.len() < report.to.len();
                if let (Some(silent), true) = (told.silent, is_new) {
                    notices.extend(self.silence(&playbook, silent).await);
                }
                // A digest of the same window takes the place of what was told of it.
                let replaces = told.silent.is_some();
                let notice = |to| self.notice(&told.key, to, told.body.clone());
                let told_to = report.to.iter().map(|to| Notice { replaces, ..notice(to) });
                notices.extend(told_to);
                (said(end, &told.key, &before, is_new), notices)
            }
            Ok(None) => (end, notices),
            Err(detail) => {
                tracing::error!(run = %self.run.id, %detail, "the report could not be made");
                let body =
                    text_body(format!("{}: the report could not be made: {detail}", playbook.name));
                let key = format!("report-failed:{}", self.run.id);
                notices.extend(report.to.iter().map(|to| self.notice(&key, to, body.clone())));
                (end, notices)
            }
        }
    }

    /// Which of these channels were told already, and when.
    async fn told_before(&self, told: &Told, to: &[Channel]) -> Vec<Before> {
        let mut before = Vec::new();
        for channel in to {
            let known = self.parts.ledger.notice(&key_for(&told.key, channel)).await;
            let was_given_up = |it: &Notice| matches!(it.delivery, Delivery::Undeliverable { .. });
            if let Some(first) = known.ok().flatten().filter(|it| !was_given_up(it)) {
                let at = text_of(first.created);
                let stands = !first.receipt.parts.is_empty();
                let is_edited = told.silent.is_some() && stands && first.body != told.body;
                before.push(Before {
                    text: if is_edited {
                        format!("what {channel} was told at {at} is brought up to date")
                    } else {
                        format!("{channel} was told at {at}")
                    },
                    is_edited,
                });
            }
        }
        before
    }

    fn notice(&self, key: &str, to: &Channel, body: Body) -> Notice {
        notice(&self.parts, key, to, body)
    }

    fn failure(&self, playbook: &Playbook, end: &WorkEnd) -> Vec<Notice> {
        let what = match self.run.task {
            Some(task) => format!("run {} at task {task}", self.run.id),
            None => format!("run {}", self.run.id),
        };
        let why = if end.detail.is_empty() { end.reason.text() } else { end.detail.as_str() };
        let text = format!("{}: {what} ended {} ({}): {why}", playbook.name, end.state, end.reason);
        let key = format!("failure:{}", self.run.id);
        // That nobody decided is told in any case.
        let to = match end.reason {
            Reason::ProposalsExpired => alarmed(playbook),
            _ => playbook.on_failure.to.clone(),
        };
        warnings::to(&self.parts, &key, &to, &text)
    }

    /// The digest of the window that this instant falls in.
    async fn digest(&mut self, playbook: &Playbook) -> Result<Told, String> {
        let now = self.job.now.unwrap_or_else(|| self.parts.clock.wall());
        let since = last_told(&self.parts, playbook, now).await?;
        let projects = self.parts.board.projects().await.map_err(|e| e.to_string())?;
        let request = DigestRequest {
            playbook: playbook.name.clone(),
            now,
            zone: playbook.on.zone,
            since,
            projects: super::by_rota::selected_projects(playbook, &projects),
            links: self.parts.settings.links.clone(),
            agents: AgentWork::default(),
        };
        let wanted = playbook.select.as_ref().is_some_and(|select| !select.projects.is_empty());
        let digest = if wanted && request.projects.is_empty() {
            // None of those that are selected is on the board; that is no reason to tell of all others.
            digest::Digest::nothing(&request)
        } else {
            self.collected(playbook, request).await?
        };
        let body = digest::render(&digest, &self.reports(), DIGEST_TEMPLATE)
            .map_err(|error| chain(&error))?;
        let silent = Some(digest.is_quiet());
        Ok(Told { key: digest.window, body, silent })
    }

    async fn collected(
        &self,
        playbook: &Playbook,
        request: DigestRequest,
    ) -> Result<digest::Digest, String> {
        let by = playbook.report.as_ref().map_or(&[][..], |report| report.cost_by.as_slice());
        let agents = agent_work(&self.parts, &request, by).await.map_err(|error| chain(&error))?;
        let request = DigestRequest { agents, ..request };
        let digest = digest::collect(self.parts.board.as_ref(), &request).await;
        digest.map_err(|error| chain(&error))
    }

    /// What this run wrote, and the attempts before it.
    async fn put_changes(&mut self, playbook: &Playbook) {
        let mut runs = earlier::runs_before(&self.parts, &self.run).await.unwrap_or_default();
        runs.reverse();
        runs.push(self.run.clone());
        let effects = effects_of(&self.parts, runs.iter()).await;
        self.brief.put("changes", changes::lines(&self.parts, playbook, &effects).await);
    }

    /// A report about what was gathered; nothing when there is nothing to tell.
    fn gathered_report(
        &self,
        playbook: &Playbook,
        template: &str,
        when: ReportWhen,
    ) -> Result<Option<Told>, String> {
        let gathered = self.brief.get("gathered").and_then(Value::as_map);
        let is_empty = gathered.is_none_or(|map| map.values().all(says_nothing));
        if when == ReportWhen::Problems || when == ReportWhen::Changes && is_empty {
            return Ok(None);
        }
        let body = digest::report(&self.reports(), template, &self.brief.value())
            .map_err(|error| chain(&error))?;
        let key = format!("report:{}:{}", playbook.name, self.run.occurrence);
        Ok((body != Body::default()).then_some(Told { key, body, silent: None }))
    }

    fn reports(&self) -> Reports {
        Reports { templates: self.parts.templates() }
    }
}

/// What these runs wrote, or tried to; what cannot be read is not told.
async fn effects_of(parts: &Parts, runs: impl Iterator<Item = &Run>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for run in runs {
        effects.extend(parts.ledger.effects(&run.id).await.unwrap_or_default());
    }
    effects
}

/// An empty list, or an answer that says itself that it is quiet.
fn says_nothing(gathered: &Value) -> bool {
    match gathered {
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.get("quiet").and_then(Value::as_bool).unwrap_or(true),
        _ => true,
    }
}

/// How a run ends whose report was told to some channels, or to all of them, before.
fn said(end: WorkEnd, key: &str, before: &[Before], is_new: bool) -> WorkEnd {
    if before.is_empty() {
        return end;
    }
    let texts: Vec<&str> = before.iter().map(|before| before.text.as_str()).collect();
    let is_edited = before.iter().any(|before| before.is_edited);
    let what = if is_edited { "is told again" } else { "is not told again" };
    let detail = format!("{key} {what}: {}", texts.join("; "));
    let reason = if is_new || is_edited { end.reason } else { Reason::AlreadyTold };
    WorkEnd { reason, detail, ..end }
}

/// Who hears an alarm: who hears of failures, else who hears the report, else whoever reads the
/// daemon's output.
pub(super) fn alarmed(playbook: &Playbook) -> Vec<Channel> {
    let reported = playbook.report.as_ref().map_or(&[][..], |report| &report.to);
    let wanted = [&playbook.on_failure.to[..], reported].into_iter().find(|to| !to.is_empty());
    wanted.map_or_else(|| vec![Channel::Stdout], <[Channel]>::to_vec)
}

/// What people are told of an occurrence's runs at tasks: one message for all of them.
pub(super) async fn of_occurrence(parts: &Parts, playbook: &Playbook, runs: &[Run]) -> Vec<Notice> {
    let Some(report) = &playbook.report else { return Vec::new() };
    let at_tasks: Vec<&Run> = runs.iter().filter(|run| run.task.is_some()).collect();
    let Some(last) = at_tasks.last() else { return Vec::new() };
    let failed = |run: &&Run| run.state != RunState::Succeeded && run.state != RunState::Waiting;
    let wanted = match report.when {
        ReportWhen::Always => true,
        ReportWhen::Changes => any_changed(parts, playbook, &at_tasks).await,
        ReportWhen::Problems => at_tasks.iter().any(failed),
    };
    if !wanted {
        return Vec::new();
    }
    let brief = occurrence_brief(parts, playbook, &at_tasks).await;
    let reports = Reports { templates: parts.templates() };
    let body = match digest::report(&reports, &report.template, &brief.value()) {
        Ok(body) => body,
        Err(error) => {
            text_body(format!("{}: the report could not be made: {}", playbook.name, chain(&error)))
        }
    };
    if body == Body::default() {
        return Vec::new();
    }
    let key = format!("report:{}:{}", playbook.name, last.occurrence);
    report.to.iter().map(|to| notice(parts, &key, to, body.clone())).collect()
}

/// Whether any of these runs has done something, or failed at it. Steps that were done once and for
/// all by an earlier run change nothing.
async fn any_changed(parts: &Parts, playbook: &Playbook, runs: &[&Run]) -> bool {
    for run in runs {
        let is_idle = match run.state {
            RunState::Refused | RunState::NothingToDo => true,
            RunState::Succeeded if matches!(playbook.work, crate::domain::Work::Steps(_)) => {
                parts.ledger.effects(&run.id).await.is_ok_and(|effects| effects.is_empty())
            }
            _ => false,
        };
        if !is_idle {
            return true;
        }
    }
    false
}

async fn occurrence_brief(parts: &Parts, playbook: &Playbook, runs: &[&Run]) -> Brief {
    let mut brief = Brief::new(parts.clock.wall(), playbook, &BTreeMap::new());
    let mut tasks = Vec::new();
    let mut problems = Vec::new();
    for run in runs {
        brief.put_run(run, playbook.limits.attempts);
        let mut described = Value::Null;
        if let Some(id) = run.task
            && let Ok(task) = parts.board.task(id).await
        {
            let url = parts.settings.links.task(id).url;
            if let Ok((value, _)) = super::brief::describe(parts.board.as_ref(), &task, url).await {
                described = value;
            }
        }
        if let Value::Map(map) = &mut described {
            let outcome = Value::map([
                ("name", run.outcome.clone().unwrap_or_default()),
                ("summary", run.summary.clone()),
            ]);
            map.insert("outcome".to_owned(), outcome);
            map.insert("state".to_owned(), run.state.as_str().into());
            tasks.push(described);
        }
        if run.state.may_retry() || run.state == RunState::Refused {
            problems.push(Value::map([
                ("task", Value::from(run.task.map(|task| task.0))),
                ("reason", run.reason.map(Reason::code).into()),
                ("detail", run.detail.as_str().into()),
            ]));
        }
    }
    brief.put("tasks", Value::List(tasks));
    brief.put("problems", Value::List(problems));
    let effects = effects_of(parts, runs.iter().copied()).await;
    brief.put("changes", changes::lines(parts, playbook, &effects).await);
    brief
}

/// The template of what is told of proposals.
const PROPOSALS: &str = "proposals";

/// Writes are proposed and wait for somebody.
pub(super) async fn of_proposals(parts: &Parts, playbook: &Playbook, run: &Run) -> Vec<Notice> {
    let Some(id) = run.task else { return Vec::new() };
    let Ok(Some(staging)) = parts.ledger.staging(id).await else { return Vec::new() };
    let task = parts.board.task(id).await.ok();
    let body = match proposals_body(parts, playbook, run, (task.as_ref(), staging.until)).await {
        Ok(body) => body,
        // A template of the team's that fails keeps nobody from hearing of it.
        Err(error) => {
            tracing::warn!(run = %run.id, %error, "what is told of proposals could not be made");
            text_body(format!(
                "{} proposes changes of task {id}: look with `rota review show {id}`; what nobody \
                 applies until {} is not done.",
                playbook.name,
                text_of(staging.until)
            ))
        }
    };
    let key = format!("proposed:{}", run.id);
    let heard = playbook.report.as_ref().map_or_else(|| alarmed(playbook), |r| r.to.clone());
    heard.iter().map(|to| notice(parts, &key, to, body.clone())).collect()
}

async fn proposals_body(
    parts: &Parts,
    playbook: &Playbook,
    run: &Run,
    (task, until): (Option<&Task>, Timestamp),
) -> Result<Body, String> {
    let mut brief = Brief::new(parts.clock.wall(), playbook, &BTreeMap::new());
    brief.put_run(run, playbook.limits.attempts);
    let task = task.ok_or("the task could not be read")?;
    let url = parts.settings.links.task(task.id).url;
    let described = super::brief::describe(parts.board.as_ref(), task, url).await;
    brief.put("task", described.map_err(|error| chain(&error))?.0);
    brief.put("until", text_of(until));
    let before = earlier::runs_before(parts, run).await.map_err(|error| chain(&error))?;
    let proposed = earlier::proposed(parts, &before, run).await.map_err(|error| chain(&error))?;
    let proposed: Vec<Effect> = proposed.into_iter().map(|(_, effect)| effect).collect();
    brief.put("changes", changes::lines(parts, playbook, &proposed).await);
    let reports = Reports { templates: parts.templates() };
    digest::report(&reports, PROPOSALS, &brief.value()).map_err(|error| chain(&error))
}

pub(super) fn notice(parts: &Parts, key: &str, to: &Channel, body: Body) -> Notice {
    let created = parts.clock.wall();
    Notice {
        key: key_for(key, to),
        to: to.clone(),
        body: fitted(to, body),
        created,
        delivery: Delivery::Pending { attempts: 0, not_before: created, last_error: None },
        replaces: false,
        revision: 0,
        place: 0,
        parts: 0,
        receipt: Receipt::default(),
        is_alarm: false,
    }
}

/// The same fact to the same channel has the same key.
fn key_for(key: &str, to: &Channel) -> String {
    format!("{key}|{to}")
}

/// The keys under which an occurrence's runs at tasks are told of, channel by channel.
pub(super) fn keys_of_occurrence(
    playbook: &Playbook,
    occurrence: &crate::domain::OccurrenceId,
) -> Vec<String> {
    let channels = playbook.report.iter().flat_map(|report| &report.to);
    let key = format!("report:{}:{occurrence}", playbook.name);
    channels.map(|channel| key_for(&key, channel)).collect()
}

pub(super) fn text_body(text: String) -> Body {
    Body { text, ..Body::default() }
}

/// An error with all its causes, for people.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// When this playbook told its last digest.
async fn last_told(
    parts: &Parts,
    playbook: &Playbook,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let latest =
        parts.ledger.occurrences(&playbook.name, 50).await.map_err(|error| error.to_string())?;
    Ok(latest
        .into_iter()
        .filter(|occurrence| occurrence.planned < now)
        .find(|occurrence| {
            matches!(&occurrence.state, OccurrenceState::Ran { reason: Reason::Done, .. })
        })
        .map(|occurrence| occurrence.planned))
}
