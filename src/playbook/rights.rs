//! What a playbook is allowed to do, so that an edit that widens it does not arm itself.
//!
//! [`Rights`] holds what decides when a playbook acts, on what, by what means, and who hears of
//! it; not how it words things. Two playbooks with equal rights have equal hashes, however they
//! are written.

use super::judging::default_verdict;
use crate::domain::{
    CatchUp, Gap, Mode, Overlap, Playbook, SandboxLevel, Select, StatusSelector, Work, WriteScope,
    show_duration,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A playbook's triggers and rights, written canonically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The board user it acts as.
    pub agent: String,
    /// What wakes it, one text for each trigger.
    pub triggers: BTreeSet<String>,
    /// When, after a pause, an instant still counts; and how many runs may be at once.
    pub wakes: BTreeMap<String, String>,
    /// Which tasks it takes, one text for each thing that narrows; `None`: it takes none.
    pub select: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Whether it claims.
    pub claims: bool,
    /// Whether it tells on its task how far it is; what was armed before there was that does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub progress: bool,
    /// Tools its work may call.
    pub tools: BTreeSet<String>,
    /// Tools that read before the work.
    pub gathers: BTreeSet<String>,
    /// How far its writes reach.
    pub scope: WriteScope,
    /// At most so many calls of a tool in one run.
    pub scope_max: BTreeMap<String, u32>,
    /// Whether its writes happen.
    pub mode: Mode,
    /// Who does the work: `steps`, `model NAME`, or the command with its arguments.
    pub runner: Vec<String>,
    /// Environment variables that its program gets.
    pub env: BTreeSet<String>,
    /// The steps, written canonically.
    pub steps: Vec<String>,
    /// What its outcomes do, by name.
    pub outcomes: BTreeMap<String, Vec<String>>,
    /// Who looks at the work.
    pub review: String,
    /// Gates that a task must pass.
    pub gates: BTreeSet<String>,
    /// What it may use.
    pub limits: BTreeMap<String, u64>,
    /// Channels that hear of it.
    pub channels: BTreeSet<String>,
    /// Its workspace, one set of texts for each part; what was armed before there were any has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workspace: BTreeMap<String, BTreeSet<String>>,
}

impl Rights {
    /// SHA-256 over the canonical form, in hex.
    pub fn hash(&self) -> String {
        // Only sorted collections and plain values: the same rights are always written alike.
        super::hash(&serde_json::to_string(self).unwrap_or_default())
    }
}

fn words<T: std::fmt::Debug>(items: &[T]) -> BTreeSet<String> {
    items.iter().map(|item| format!("{item:?}").to_lowercase()).collect()
}

fn texts(items: &[String]) -> BTreeSet<String> {
    items.iter().cloned().collect()
}

fn status(status: &StatusSelector) -> String {
    match status {
        StatusSelector::Kind(kind) => format!("kind:{kind}"),
        StatusSelector::Label(label) => label.trim().to_lowercase(),
    }
}

/// What a playbook is allowed to do.
pub fn rights(playbook: &Playbook) -> Rights {
    let family = playbook.family.iter().map(|family| format!("family {family}"));
    let (runner, env, steps) = match &playbook.work {
        Work::Steps(steps) => {
            // What a step says by `set` is a part of it.
            let set = playbook.set.iter().map(|(name, value)| format!("set {name} {value:?}"));
            let steps = steps.iter().map(step).chain(set).collect();
            (vec!["steps".to_owned()], BTreeSet::new(), steps)
        }
        Work::Command { command, env, .. } => (
            vec!["command".to_owned()].into_iter().chain(command.clone()).chain(family).collect(),
            texts(env),
            Vec::new(),
        ),
        Work::Acp { command, env, permissions, .. } => (
            ["acp".to_owned(), format!("{permissions:?}").to_lowercase()]
                .into_iter()
                .chain(command.clone())
                .chain(family)
                .collect(),
            texts(env),
            Vec::new(),
        ),
        Work::Model { model, .. } => {
            (vec!["model".to_owned(), model.clone()], BTreeSet::new(), Vec::new())
        }
    };
    let report = playbook.report.iter().flat_map(|report| &report.to);
    Rights {
        agent: playbook.agent.clone(),
        triggers: triggers(playbook),
        wakes: wakes(playbook),
        select: playbook.select.as_ref().map(select),
        claims: playbook.claim.is_some(),
        progress: playbook.claim.as_ref().is_some_and(|claim| claim.progress),
        tools: texts(&playbook.tools),
        gathers: gathers(playbook),
        scope: playbook.scope.write,
        scope_max: playbook.scope.max.clone(),
        mode: playbook.mode,
        runner,
        env,
        steps,
        outcomes: outcomes(playbook),
        review: format!("{:?}", playbook.review.by),
        gates: gates(playbook),
        limits: limits(playbook),
        channels: report.chain(&playbook.on_failure.to).map(ToString::to_string).collect(),
        workspace: workspace(playbook),
    }
}

/// What reads before the work; a model that is asked about tasks reads them, too.
fn gathers(playbook: &Playbook) -> BTreeSet<String> {
    let tools = playbook.gather.values().map(|gather| gather.tool.clone());
    let rubric = playbook.suitability.rubric.iter();
    tools.chain(rubric.map(|rubric| format!("the model {}", rubric.model))).collect()
}

/// What was armed before there were any others has only those of `require`.
fn gates(playbook: &Playbook) -> BTreeSet<String> {
    let mut gates = words(&playbook.suitability.require);
    gates.extend(playbook.suitability.rubric.is_some().then(|| "rubric".to_owned()));
    gates.extend(playbook.review.independent.then(|| "independent review".to_owned()));
    gates
}

fn workspace(playbook: &Playbook) -> BTreeMap<String, BTreeSet<String>> {
    let Some(rules) = &playbook.workspace else { return BTreeMap::new() };
    let source = rules.source.as_ref().map(|source| {
        let (repository, reference) = (&source.repository, &source.reference);
        format!("{repository:?} {reference:?} path {}", source.is_path)
    });
    let check =
        |(name, check): (&String, &crate::domain::Check)| format!("{name} {:?}", check.command);
    let parts = [
        ("source", source.into_iter().collect()),
        ("repository", texts(&rules.repositories)),
        ("host", rules.hosts.iter().map(ToString::to_string).collect()),
        ("hook", rules.hooks.named().map(|(name, text)| format!("{name} {text:?}")).collect()),
        ("check", playbook.checks.iter().map(check).collect()),
        ("sandbox", BTreeSet::from([rules.sandbox.to_string()])),
    ];
    let link = rules.link.iter().map(|link| ("link", BTreeSet::from([link.clone()])));
    parts.into_iter().chain(link).map(|(name, part)| (name.to_owned(), part)).collect()
}

fn step(step: &crate::domain::Step) -> String {
    let part = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!(" {name} {text:?}")).unwrap_or_default()
    };
    let args = serde_json::to_string(&step.args).unwrap_or_default();
    let (each, when) = (part("each", &step.each), part("when", &step.when));
    format!("{} {args}{each}{when}{}", step.tool, part("once", &step.once))
}

fn triggers(playbook: &Playbook) -> BTreeSet<String> {
    let on = &playbook.on;
    let mut triggers = BTreeSet::new();
    if let Some(cron) = &on.cron {
        let cron = cron.split_whitespace().collect::<Vec<_>>().join(" ");
        triggers.insert(format!("cron {cron} in {}", on.zone));
    }
    if let Some(every) = on.every {
        triggers.insert(format!("every {}", show_duration(every)));
    }
    for event in &on.events {
        let name = crate::domain::BoardEvent::ALL.iter().find(|(known, _)| known == event);
        triggers.extend(name.map(|(_, name)| format!("event {name}")));
    }
    if let Some(webhook) = &on.webhook {
        let signed = format!("webhook signed by ${{{}}}", webhook.secret);
        let named = webhook.events.iter().map(|name| format!("{signed}: {name}"));
        triggers.extend(named);
        if webhook.events.is_empty() {
            triggers.insert(signed);
        }
    }
    triggers
}

fn wakes(playbook: &Playbook) -> BTreeMap<String, String> {
    let on = &playbook.on;
    let mut wakes = BTreeMap::new();
    let mut put = |name: &str, value: String| wakes.insert(name.to_owned(), value);
    put("overlap", format!("{:?}", on.overlap));
    put("catch_up", format!("{:?} {}", on.catch_up, on.catch_up_max));
    put("gap", format!("{:?} {:?}", on.gap, on.fold));
    put("late", on.late.map(show_duration).unwrap_or_default());
    put("runs_on", playbook.runs_on.join(" "));
    let hours = on.hours.as_ref().map(|h| format!("{:?} {}-{}", h.days, h.from, h.to));
    put("hours", hours.unwrap_or_default());
    wakes
}

fn select(select: &Select) -> BTreeMap<String, BTreeSet<String>> {
    let one = |text: String| BTreeSet::from([text]);
    let mut parts = BTreeMap::from([
        ("project", texts(&select.projects)),
        ("status", select.status.iter().map(status).collect()),
        ("tags.all", texts(&select.tags_all)),
        ("tags.any", texts(&select.tags_any)),
        ("tags.none", texts(&select.tags_none)),
        ("assignee", one(format!("{:?}", select.assignee))),
        ("type", select.kinds.iter().map(ToString::to_string).collect()),
        ("due", one(format!("{:?}", select.due))),
    ]);
    parts.insert("unchanged_for", select.unchanged_for.map(show_duration).into_iter().collect());
    parts.insert("where", select.condition.clone().into_iter().collect());
    parts.insert("limit", one(select.limit.to_string()));
    parts.into_iter().map(|(name, part)| (name.to_owned(), part)).collect()
}

fn outcomes(playbook: &Playbook) -> BTreeMap<String, Vec<String>> {
    let of = |name: &str, outcome: &crate::domain::Outcome| {
        let mut does = Vec::new();
        // Only where it is not what the name says: what was armed before stays armed.
        if outcome.verdict != default_verdict(name, outcome.rework.as_ref()) {
            does.push(format!("verdict {:?}", outcome.verdict).to_lowercase());
        }
        does.extend(outcome.status.as_ref().map(|s| format!("status {}", status(s))));
        does.extend(outcome.assign.as_ref().map(|to| format!("assign {to}")));
        does.extend(outcome.add_tags.iter().map(|tag| format!("add tag {tag}")));
        does.extend(outcome.remove_tags.iter().map(|tag| format!("remove tag {tag}")));
        does.extend(outcome.rework.as_ref().map(|name| format!("rework {name}")));
        does.extend(outcome.done_by_agent.then(|| "done by agent".to_owned()));
        does.extend(outcome.requires.iter().map(|needed| format!("requires {needed}")));
        does
    };
    playbook.outcomes.iter().map(|(name, outcome)| (name.clone(), of(name, outcome))).collect()
}

fn limits(playbook: &Playbook) -> BTreeMap<String, u64> {
    let limits = &playbook.limits;
    let seconds = limits.time.as_secs();
    // No bound is the widest bound.
    let pairs = [
        ("turns", u64::from(limits.turns)),
        ("tokens", limits.tokens),
        ("cost", limits.cost_micros.unwrap_or(u64::MAX)),
        ("time", seconds),
        ("attempts", u64::from(limits.attempts)),
        ("concurrent", u64::from(limits.concurrent)),
        ("runs_per_day", limits.runs_per_day.map_or(u64::MAX, u64::from)),
        ("waiting_max", playbook.review.waiting_max.map_or(u64::MAX, u64::from)),
    ];
    // Written only where they are set: what was armed before there were any stays armed.
    let day = [("tokens_per_day", limits.day.tokens), ("cost_per_day", limits.day.cost_micros)];
    let day = day.into_iter().filter_map(|(name, most)| Some((name, most?)));
    pairs.into_iter().chain(day).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Why `new` may do more than `old`, in words; empty when it may not. What cannot be compared
/// (another condition, another command) counts as more.
pub fn is_wider(old: &Rights, new: &Rights) -> Vec<String> {
    let mut why = Vec::new();
    if old.agent != new.agent {
        why.push(format!("it acts as {} instead of {}", new.agent, old.agent));
    }
    added(&mut why, "trigger", &old.triggers, &new.triggers);
    for (name, value) in
        new.wakes.iter().filter(|(name, value)| old.wakes.get(*name) != Some(value))
    {
        if !narrows(name, old.wakes.get(name).map_or("", String::as_str), value) {
            why.push(format!("`{name}` of its triggers changed"));
        }
    }
    why.extend(reach(old.select.as_ref(), new.select.as_ref()));
    if old.claims && !new.claims {
        why.push("it works without claiming".to_owned());
    } else if new.claims && !old.claims {
        why.push("it claims tasks".to_owned());
    }
    if new.progress && !old.progress {
        why.push("it tells on the task how far it is".to_owned());
    }
    for tool in new.tools.iter().filter(|tool| !covered(&old.tools, tool)) {
        why.push(format!("new tool: {tool}"));
    }
    added(&mut why, "gathering tool", &old.gathers, &new.gathers);
    if new.scope > old.scope {
        why.push(format!("writes reach the {:?}", new.scope).to_lowercase());
    }
    for (tool, most) in &old.scope_max {
        if new.scope_max.get(tool).is_none_or(|new| new > most) {
            why.push(format!("more calls of {tool}"));
        }
    }
    if weight(new.mode) > weight(old.mode) {
        why.push(format!("mode is {:?} instead of {:?}", new.mode, old.mode).to_lowercase());
    }
    if old.runner != new.runner {
        why.push("another runner, model or command does the work".to_owned());
    }
    added(&mut why, "environment variable", &old.env, &new.env);
    if new.steps.iter().any(|step| !old.steps.contains(step)) {
        why.push("it has a new or changed step".to_owned());
    }
    for (name, does) in &new.outcomes {
        match old.outcomes.get(name) {
            None => why.push(format!("new outcome: {name}")),
            Some(before) if before != does => why.push(format!("outcome {name} changed")),
            Some(_) => {}
        }
    }
    if old.review != new.review {
        why.push("another reviewer".to_owned());
    }
    for gate in old.gates.difference(&new.gates) {
        why.push(format!("a gate is gone: {gate}"));
    }
    for (name, most) in &new.limits {
        if old.limits.get(name).is_some_and(|old| most > old) {
            why.push(format!("a higher limit: {name}"));
        }
    }
    for name in old.limits.keys().filter(|name| !new.limits.contains_key(*name)) {
        why.push(format!("a limit is gone: {name}"));
    }
    added(&mut why, "channel", &old.channels, &new.channels);
    why.extend(surroundings(&old.workspace, &new.workspace));
    why
}

/// Why programs may see, reach or do more than before.
fn surroundings(
    old: &BTreeMap<String, BTreeSet<String>>,
    new: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let level = |parts: &BTreeMap<String, BTreeSet<String>>| {
        let word = parts.get("sandbox").and_then(BTreeSet::first).cloned();
        SandboxLevel::ALL.iter().find(|(name, _)| Some(*name) == word.as_deref()).map(|(_, l)| *l)
    };
    let mut why = Vec::new();
    match (level(old), level(new)) {
        // Without a workspace a program may do whatever the daemon's user may.
        (None, Some(_)) => why.push("it works in a workspace".to_owned()),
        (Some(_), None) => why.push("it works outside of a workspace and its sandbox".to_owned()),
        (Some(old), Some(new)) if new > old => why.push(format!("sandbox is {new}, not {old}")),
        _ => {}
    }
    let empty = BTreeSet::new();
    for (name, part) in new.iter().filter(|(name, _)| *name != "sandbox") {
        added(&mut why, &format!("{name} of its workspace"), old.get(name).unwrap_or(&empty), part);
    }
    why
}

fn added(why: &mut Vec<String>, what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) {
    why.extend(new.difference(old).map(|item| format!("new {what}: {item}")));
}

/// Whether a tool was allowed before, by its name or by a pattern that covers it.
fn covered(old: &BTreeSet<String>, tool: &str) -> bool {
    let start = tool.strip_suffix('*').unwrap_or(tool);
    old.contains(tool)
        || old.iter().any(|o| o.strip_suffix('*').is_some_and(|stem| start.starts_with(stem)))
}

fn weight(mode: Mode) -> u8 {
    match mode {
        Mode::Shadow => 0,
        Mode::Staged => 1,
        Mode::Live => 2,
    }
}

/// Whether a change to how it wakes can only mean fewer wakes.
fn narrows(name: &str, old: &str, new: &str) -> bool {
    match name {
        "overlap" => new == format!("{:?}", Overlap::Skip),
        "catch_up" => new.starts_with(&format!("{:?}", CatchUp::None)),
        "gap" => new.starts_with(&format!("{:?} First", Gap::Skip)),
        "late" | "hours" | "runs_on" => old.is_empty(),
        _ => false,
    }
}

/// Why more tasks may be taken than before.
fn reach(
    old: Option<&BTreeMap<String, BTreeSet<String>>>,
    new: Option<&BTreeMap<String, BTreeSet<String>>>,
) -> Vec<String> {
    let Some(new) = new else { return Vec::new() };
    let Some(old) = old else { return vec!["it takes tasks".to_owned()] };
    let empty = BTreeSet::new();
    let mut why = Vec::new();
    for (name, part) in new {
        let before = old.get(name).unwrap_or(&empty);
        let wider = match name.as_str() {
            // Each item allows more; no item allows everything.
            "project" | "status" | "type" | "tags.any" => {
                !before.is_empty() && (part.is_empty() || !part.is_subset(before))
            }
            // Each item allows less.
            "tags.all" | "tags.none" => !part.is_superset(before),
            "assignee" | "due" => part != before && !before.contains("Any"),
            "limit" => number(part) > number(before),
            _ => part != before && !before.is_empty(),
        };
        if wider {
            why.push(format!("`{name}` of [select] takes more tasks, or others"));
        }
    }
    why
}

fn number(part: &BTreeSet<String>) -> u64 {
    part.first().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
