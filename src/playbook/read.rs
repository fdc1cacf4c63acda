//! From TOML to a playbook: what each table says.

use super::words;
use super::{Defaults, keys};
use crate::domain::{
    AssigneeSelector, BoardEvent, CatchUp, Channel, ClaimRules, CostBy, DayBudget, Fold, Gap,
    Gather, HandBack, Hours, Limits, Mode, On, OnFailure, OrderKey, Outcome, Overlap, Playbook,
    PlaybookName, Report, ReportWhen, Scope, Select, StatusKind, StatusSelector, TaskKind, Value,
    Webhook, WriteScope, show_duration,
};
use crate::expression::{Expression, SELECT_NAMES};
use crate::fault::table::Table;
use crate::fault::{did_you_mean, shown};
use crate::template::{lint_text, vocabulary};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Nothing is planned further ahead than a year.
const YEAR: Duration = Duration::from_hours(366 * 24);

fn from(least: Duration) -> RangeInclusive<Duration> {
    least..=YEAR
}

fn seconds(count: u64) -> RangeInclusive<Duration> {
    from(Duration::from_secs(count))
}

/// Reports the keys of a table that nobody asked for.
fn finish(table: &Table<'_, '_>) {
    table.finish(keys::elsewhere);
}

/// Whether a text of a playbook is a template over these names.
pub(super) fn template(
    names: fn() -> Vec<&'static str>,
) -> impl Fn(&str) -> Result<(), (usize, String)> {
    move |text| {
        lint_text(text, &names()).map_err(|error| {
            let lines: usize = text.split_inclusive('\n').take(error.line - 1).map(str::len).sum();
            let line = text.get(lines..).unwrap_or_default();
            let column = line.char_indices().nth(error.column.saturating_sub(1));
            (lines + column.map_or(line.len(), |(at, _)| at), error.message)
        })
    }
}

/// Whether a text of a playbook is a condition over these names.
pub(super) fn condition(names: &[&str]) -> impl Fn(&str) -> Result<(), (usize, String)> {
    move |text| {
        Expression::compile(text, names).map(drop).map_err(|fault| (fault.offset, fault.message))
    }
}

/// A playbook, with defaults where something is wrong (the faults say so).
pub(super) fn playbook(root: &Table<'_, '_>, file_name: &str, defaults: &Defaults) -> Playbook {
    let name = root.parsed("name", words::name).unwrap_or_else(|| {
        words::name(file_name).unwrap_or_else(|error| {
            if !root.has("name") {
                let message = format!("the file's name cannot name a playbook: {error}");
                root.add(root.own_fault(message).with_help("write `name = \"…\"`"));
            }
            PlaybookName::new("unnamed")
        })
    });
    if !root.has("agent") {
        let fault = root.own_fault("`agent` is missing");
        root.add(fault.with_help("name the board user it acts as: `agent = \"AI-Worker\"`"));
    }
    let agent = root.needed_text("agent").unwrap_or_default();
    let on = on(&root.table("on"), defaults);
    let select_table = root.table("select");
    let select = select_table.is_present().then(|| select(&select_table));
    let steps = super::steps::read(root);
    let work_table = root.table("work");
    let (work, family, tools) = super::steps::work(root, &work_table, steps);
    let claim_table = root.table("claim");
    let claim = claim_table.is_present().then(|| claim(&claim_table, defaults));
    let report_table = root.table("report");
    let report = report_table.is_present().then(|| report(&report_table));
    let playbook = Playbook {
        name,
        description: root.text("description").unwrap_or_default(),
        agent,
        runs_on: root.texts("runs_on", false).unwrap_or_default(),
        mode: mode(root),
        on,
        select,
        set: set(root),
        gather: gather(&root.table("gather")),
        suitability: super::judging::suitability(&root.table("suitability")),
        claim,
        workspace: super::workspace::workspace(root),
        checks: super::workspace::checks(root),
        work,
        family,
        tools,
        outcomes: outcomes(&root.table("outcome")),
        review: super::judging::review(&root.table("review")),
        scope: scope(&root.table("scope")),
        limits: limits(&root.table("limits"), defaults),
        report,
        on_failure: on_failure(&root.table("on_failure")),
        hash: String::new(),
        source: String::new(),
        path: String::new(),
    };
    finish(root);
    playbook
}

/// Whether its writes happen.
fn mode(root: &Table<'_, '_>) -> Mode {
    const MODES: [(&str, Mode); 3] =
        [("live", Mode::Live), ("staged", Mode::Staged), ("shadow", Mode::Shadow)];
    root.choice("mode", &MODES).unwrap_or_default()
}

fn on(table: &Table<'_, '_>, defaults: &Defaults) -> On {
    let cron = table.text("cron");
    let every = table.duration("every", seconds(10));
    if table.has("cron") && table.has("every") {
        table.add(table.fault("every", "write `cron` or `every`, not both"));
    }
    let zone = table.parsed("timezone", |text| {
        text.parse::<Tz>().map_err(|_| {
            let near =
                crate::fault::nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("expected an IANA zone such as Europe/Berlin{near}")
        })
    });
    let hours_table = table.table("hours");
    let hours = hours_table.is_present().then(|| hours(&hours_table)).flatten();
    let timed = ["cron", "every", "hours"].into_iter().find(|key| table.has(key));
    if let (Some(key), None, None, false) = (timed, zone, defaults.zone, table.has("timezone")) {
        let message = format!("`{key}` needs a zone, and rota.toml names none");
        let help = "write `timezone = \"Europe/Berlin\"` in rota.toml, or in [on]";
        table.add(table.fault(key, message).with_help(help));
    }
    let events = table.items("event", true, |text| {
        let found = BoardEvent::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(event, _)| *event).ok_or_else(|| {
            did_you_mean(text, BoardEvent::ALL.map(|(_, name)| name)).unwrap_or_default()
        })
    });
    let on = On {
        cron,
        every,
        events: events.unwrap_or_default(),
        webhook: webhook(&table.table("webhook")),
        zone: zone.or(defaults.zone).unwrap_or(Tz::UTC),
        gap: table.choice("gap", &[("next", Gap::Next), ("skip", Gap::Skip)]).unwrap_or_default(),
        fold: table
            .choice(
                "fold",
                &[("first", Fold::First), ("second", Fold::Second), ("both", Fold::Both)],
            )
            .unwrap_or_default(),
        catch_up: table
            .choice(
                "catch_up",
                &[("none", CatchUp::None), ("latest", CatchUp::Latest), ("all", CatchUp::All)],
            )
            .unwrap_or_default(),
        catch_up_max: table.count("catch_up_max", 1).unwrap_or(10),
        late: table.duration("late", seconds(1)),
        overlap: table
            .choice(
                "overlap",
                &[
                    ("skip", Overlap::Skip),
                    ("queue", Overlap::Queue),
                    ("replace", Overlap::Replace),
                    ("allow", Overlap::Allow),
                ],
            )
            .unwrap_or_default(),
        jitter: table.duration("jitter", seconds(0)).unwrap_or_default(),
        hours,
    };
    finish(table);
    on
}

/// `webhook = { secret, events }`. The secret itself never stands in a playbook, whose text is kept.
fn webhook(table: &Table<'_, '_>) -> Option<Webhook> {
    if !table.is_present() {
        return None;
    }
    let secret = table.secret_text("secret");
    let named = secret.as_deref().and_then(words::variable);
    if named.is_none() {
        let message = "`secret` is to name a variable of the environment";
        let fault = table.secret_fault("secret", message);
        table.add(fault.with_help("write `secret = \"${NAME}\"`"));
    }
    let not_blank = |text: &str| match text.trim() {
        "" => Err("is empty".to_owned()),
        text => Ok(text.to_owned()),
    };
    let events = table.items("events", false, not_blank).unwrap_or_default();
    finish(table);
    Some(Webhook { secret: named?.to_owned(), events })
}

/// `hours = { days, from, to, holidays }`.
pub fn hours(table: &Table<'_, '_>) -> Option<Hours> {
    let days = table.items("days", true, words::days);
    let all = || words::days("MON-SUN").unwrap_or_default();
    let mut list = Vec::new();
    for day in days.map_or_else(all, |days| days.into_iter().flatten().collect()) {
        if !list.contains(&day) {
            list.push(day);
        }
    }
    for key in ["from", "to"] {
        if !table.has(key) {
            table.add(table.own_fault(format!("`{key}` is missing in `hours`")));
        }
    }
    let (from, to) =
        (table.parsed("from", words::time_of_day), table.parsed("to", words::time_of_day));
    let holidays = table.items("holidays", false, words::date).unwrap_or_default();
    finish(table);
    let (from, to) = (from?, to?);
    if from == to {
        table.add(table.fault("to", "`from` and `to` are the same: no time is left"));
    }
    Some(Hours { days: list, from, to, holidays })
}

fn select(table: &Table<'_, '_>) -> Select {
    let tags = table.table("tags");
    let not_blank = |text: &str| match text.trim() {
        "" => Err("is empty".to_owned()),
        text => Ok(text.to_owned()),
    };
    let select = Select {
        projects: table.items("project", true, not_blank).unwrap_or_default(),
        status: table.items("status", true, words::status).unwrap_or_default(),
        tags_all: tags.items("all", false, not_blank).unwrap_or_default(),
        tags_any: tags.items("any", false, not_blank).unwrap_or_default(),
        tags_none: tags.items("none", false, not_blank).unwrap_or_default(),
        assignee: table.parsed("assignee", words::assignee).unwrap_or(AssigneeSelector::Any),
        kinds: table.items("type", true, str::parse::<TaskKind>).unwrap_or_default(),
        due: table.parsed("due", words::due).unwrap_or_default(),
        unchanged_for: table.duration("unchanged_for", seconds(1)),
        condition: table.checked("where", condition(&SELECT_NAMES)),
        order: table
            .parsed("order", words::order)
            .unwrap_or_else(|| vec![OrderKey::Priority, OrderKey::Due, OrderKey::Created]),
        limit: table.count("limit", 1).map_or(3, |limit| limit as usize),
    };
    finish(&tags);
    finish(table);
    select
}

/// What `--set` may say: texts, by name. A number or a truth is its text.
fn set(root: &Table<'_, '_>) -> BTreeMap<String, String> {
    let written = root.args("set", |_| Ok(())).unwrap_or_else(super::no_args);
    let mut set = BTreeMap::new();
    for (name, value) in written.as_map().into_iter().flatten() {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_plain = !matches!(value, Value::Null | Value::List(_) | Value::Map(_));
        if !name.chars().all(fits) || !is_plain {
            let message = format!("`{}` of [set]: expected a name and a text", shown(name));
            root.add(root.fault("set", message));
            continue;
        }
        set.insert(name.clone(), value.to_string());
    }
    set
}

fn gather(table: &Table<'_, '_>) -> BTreeMap<String, Gather> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        let gather = Gather {
            tool: table.needed_text("tool").unwrap_or_default(),
            args: table.args("args", template(vocabulary::args)).unwrap_or_else(super::no_args),
            limit: table.count("limit", 1).map_or(1000, |limit| limit as usize),
        };
        finish(&table);
        out.insert(name, gather);
    }
    out
}

fn claim(table: &Table<'_, '_>, defaults: &Defaults) -> ClaimRules {
    let lease = table.duration("lease", seconds(5)).unwrap_or(defaults.lease);
    if table.has("lease") && defaults.renew.saturating_mul(3) > lease {
        let message = format!(
            "`lease` must be at least three times `renew` of rota.toml ({})",
            show_duration(defaults.renew)
        );
        table.add(table.fault("lease", message));
    }
    let rules = ClaimRules {
        status: table
            .parsed("status", words::status)
            .unwrap_or(StatusSelector::Kind(StatusKind::InProgress)),
        add_tags: table.texts("add_tags", false).unwrap_or_else(|| vec!["AI-Agent".to_owned()]),
        comment: table.needed_if_written("comment").unwrap_or_else(|| "claim.md.hbs".to_owned()),
        lease,
        hand_back: table
            .choice("hand_back", &[("restore", HandBack::Restore), ("leave", HandBack::Leave)])
            .unwrap_or_default(),
        progress: table.truth("progress").unwrap_or_default(),
    };
    if rules.status == StatusSelector::Kind(StatusKind::Done) {
        table.add(table.fault("status", "a claimed task cannot be done"));
    }
    finish(table);
    rules
}

fn outcomes(table: &Table<'_, '_>) -> BTreeMap<String, Outcome> {
    let mut out = BTreeMap::new();
    for (name, table) in table.named() {
        if words::name(&name).is_err() {
            table.add(table.own_fault("an outcome's name has small letters, digits, - and _"));
        }
        let outcome = outcome(&table, &name);
        finish(&table);
        out.insert(name, outcome);
    }
    out
}

fn outcome(table: &Table<'_, '_>, name: &str) -> Outcome {
    let evidence = |text: &str| match text.split_once(':') {
        Some(("tool", tool)) if !tool.is_empty() => Ok(text.to_owned()),
        Some(("check", check)) if !check.is_empty() => Ok(text.to_owned()),
        _ => Err("expected tool:NAME or check:NAME".to_owned()),
    };
    let rework = table.parsed("rework", words::name);
    let outcome = Outcome {
        verdict: super::judging::verdict(table, name, rework.as_ref()),
        requires: table.items("requires", false, evidence).unwrap_or_default(),
        status: table.parsed("status", words::status),
        assign: table.checked("assign", template(vocabulary::args)),
        comment: table.needed_if_written("comment"),
        add_tags: table.texts("add_tags", false).unwrap_or_default(),
        remove_tags: table.texts("remove_tags", false).unwrap_or_default(),
        ask: table.needed_if_written("ask"),
        answer_within: table
            .duration("answer_within", seconds(60))
            .unwrap_or(Duration::from_hours(72)),
        done_by_agent: table
            .choice("done_by", &[("person", false), ("agent", true)])
            .unwrap_or_default(),
        rework,
    };
    if outcome.status == Some(StatusSelector::Kind(StatusKind::Done)) && !outcome.done_by_agent {
        let fault = table.fault("status", "only a person sets a task to done");
        table.add(fault.with_help("write `done_by = \"agent\"` if the agent may"));
    }
    if table.has("answer_within") && outcome.ask.is_none() {
        table.add(table.fault("answer_within", "`answer_within` without `ask` has no meaning"));
    }
    if outcome.ask.is_some() && outcome.rework.is_some() {
        table
            .add(table.fault("rework", "an outcome asks a person or passes the task on, not both"));
    }
    outcome
}

fn scope(table: &Table<'_, '_>) -> Scope {
    let max = table.table("max");
    let scope = Scope {
        write: table
            .choice(
                "write",
                &[
                    ("claimed", WriteScope::Claimed),
                    ("project", WriteScope::Project),
                    ("board", WriteScope::Board),
                ],
            )
            .unwrap_or_default(),
        max: max.named_counts().into_iter().collect(),
    };
    finish(table);
    scope
}

fn limits(table: &Table<'_, '_>, defaults: &Defaults) -> Limits {
    let time = table.duration("time", seconds(1)).unwrap_or(Duration::from_mins(30));
    let idle = table.duration("idle", seconds(1));
    if table.has("idle") && idle.is_some_and(|idle| idle > time) {
        table.add(table.fault("idle", "`idle` must not be longer than `time`"));
    }
    let backoff = table.parsed("backoff", words::backoff);
    let (backoff_min, backoff_max) =
        backoff.unwrap_or((Duration::from_secs(10), Duration::from_mins(5)));
    let limits = Limits {
        turns: table.count("turns", 1).unwrap_or(40),
        tokens: table
            .int("tokens", 1..=1_000_000_000)
            .and_then(|tokens| u64::try_from(tokens).ok())
            .unwrap_or(400_000),
        cost_micros: table.parsed("cost", |text| words::money(text, &defaults.currency)),
        time,
        idle: idle.unwrap_or(Duration::from_mins(5).min(time)),
        attempts: table.count("attempts", 1).unwrap_or(3),
        backoff_min,
        backoff_max,
        concurrent: table.count("concurrent", 1).unwrap_or(1),
        runs_per_day: table.count("runs_per_day", 1),
        day: DayBudget {
            tokens: table
                .int("tokens_per_day", 1..=1_000_000_000_000)
                .and_then(|tokens| u64::try_from(tokens).ok()),
            cost_micros: table
                .parsed("cost_per_day", |text| words::money(text, &defaults.currency)),
        },
    };
    finish(table);
    limits
}

fn channel(text: &str) -> Result<Channel, String> {
    text.parse()
}

fn report(table: &Table<'_, '_>) -> Report {
    if !table.has("to") {
        table.add(table.own_fault("`to` is missing in [report]"));
    }
    let report = Report {
        template: table.needed_text("template").unwrap_or_default(),
        to: table.items("to", true, channel).unwrap_or_default(),
        when: table
            .choice(
                "when",
                &[
                    ("always", ReportWhen::Always),
                    ("changes", ReportWhen::Changes),
                    ("problems", ReportWhen::Problems),
                ],
            )
            .unwrap_or_default(),
        cost_by: table
            .items("cost_by", false, words::cost_by)
            .unwrap_or_else(|| vec![CostBy::Playbook]),
    };
    finish(table);
    report
}

fn on_failure(table: &Table<'_, '_>) -> OnFailure {
    let on_failure = OnFailure {
        to: table.items("to", true, channel).unwrap_or_default(),
        pause_after: table.count("pause_after", 1),
    };
    finish(table);
    on_failure
}
