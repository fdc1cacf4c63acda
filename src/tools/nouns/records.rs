//! What the ledger remembers, and what the daemon knows: looking only.

use super::tasks::refuse;
use crate::domain::{PlaybookName, Role, Run, RunId, RunState, TaskId, Timestamp, Value};
use crate::ledger::NEWER;
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::dates::Dates;
use crate::tools::definition::{Definition, Words};
use crate::tools::desk::{LinesAsk, NextRequest, RecordAsk, RunQuery, WritesAsk};
use crate::tools::limited;
use crate::tools::registry::Parts;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The page of listRuns when nothing is said.
const RUNS_DEFAULT: usize = 20;
/// Of a transcript, so many lines are shown at once.
const LINES_MAX: usize = 10_000;
/// Of its writes, so many when nothing is said.
const WRITES_DEFAULT: usize = 200;
/// And so many at most.
const WRITES_MAX: usize = 1_000;

/// What comes from the daemon: its shape is the daemon's.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Anything(BTreeMap<String, serde_json::Value>);

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = about_runs();
    tools.extend(about_playbooks());
    tools
}

fn about_runs() -> Vec<Definition> {
    vec![
        Definition::read::<Nothing, Anything>(
            Words {
                name: "listClaims",
                title: "List claims",
                description: "The tasks that are held right now, or wait for a person's \
                    answer: holder, fence, phase, end of the lease. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, _, _| Box::pin(claims(parts)),
        ),
        Definition::read::<ListRuns, Anything>(
            Words {
                name: "listRuns",
                title: "List runs",
                description: "What agents did, latest first: state, reason, outcome, cost. Example: \
                    {\"playbook\": \"ai-worker\", \"state\": \"failed\"}.",
                example: r#"{"playbook": "ai-worker", "state": "failed"}"#,
            },
            Role::Readonly,
            |parts, _, args| Box::pin(list_runs(parts, args)),
        ),
        Definition::read::<ShowRun, Anything>(
            Words {
                name: "showRun",
                title: "Show a run",
                description: "One run: writes with before and after, evidence, prompt, transcript, definition. \
                    Example: {\"run\": \"r-4g8k2m9x1c7p\"}.",
                example: r#"{"run": "r-4g8k2m9x1c7p"}"#,
            },
            Role::Readonly,
            |parts, _, args| Box::pin(show_run(parts, args)),
        ),
        Definition::read::<Nothing, Anything>(
            Words {
                name: "getStatus",
                title: "Get the daemon's status",
                description: "What the daemon is doing: runs, slots, waiting messages, playbooks, budgets, faults. \
                    Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, _, _| Box::pin(status(parts)),
        ),
    ]
}

async fn claims(parts: &Parts) -> Result<Value, ToolError> {
    let read = parts.records()?.claims().await.map_err(super::operate::desk_error)?;
    let (claims, newer) = read;
    let mut items = Vec::new();
    for claim in &claims {
        if !limited::shows(parts, claim.task).await? {
            continue;
        }
        let mut shown = show::value(claim);
        let by = match (&claim.assistant, &claim.holder) {
            (Some(assistant), _) => assistant.name.clone(),
            (None, Some(holder)) => holder.daemon.to_string(),
            (None, None) => String::new(),
        };
        if let Value::Map(map) = &mut shown {
            map.insert("by".to_owned(), by.into());
        }
        items.push(shown);
    }
    for task in newer {
        if limited::shows(parts, task).await? {
            items.push(Value::map([
                ("task", Value::Int(task.0)),
                ("phase", "unknown".into()),
                ("by", format!("written by {NEWER}").into()),
            ]));
        }
    }
    Ok(Value::map([("items", Value::List(items))]))
}

async fn status(parts: &Parts) -> Result<Value, ToolError> {
    let desk = parts.desk()?;
    let mut status = desk.status().await.map_err(super::operate::desk_error)?;
    let books = desk.playbooks().await.map_err(super::operate::desk_error)?;
    if let Value::Map(status) = &mut status {
        for records in ["runs", "occurrences", "claims_of_newer"]
            .map(|name| status.remove_entry(name))
            .into_iter()
            .flatten()
        {
            let (name, mut records) = records;
            without_hidden(parts, &mut records).await?;
            status.insert(name, records);
        }
        // How much the runs of each playbook used says what they did in the projects of others.
        if let (Some(Value::List(budgets)), Some(_)) = (status.get_mut("budgets"), parts.within()) {
            budgets.retain(|budget| budget.get("playbook").and_then(Value::as_text).is_none());
        }
    }
    if let (Value::Map(status), Value::Map(mut books)) = (&mut status, books) {
        status.insert("playbooks".to_owned(), books.remove("items").unwrap_or_default());
        status.insert("faults".to_owned(), books.remove("faults").unwrap_or_default());
    }
    Ok(status)
}

fn about_playbooks() -> Vec<Definition> {
    vec![
        Definition::read::<ListPlaybooks, Anything>(
            Words {
                name: "listPlaybooks",
                title: "List playbooks",
                description: "The playbooks: armed, paused, faulty, next wake; of a named one its TOML, too. \
                    Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, _, args| Box::pin(playbooks(parts, args)),
        ),
        Definition::read::<NextOccurrences, Anything>(
            Words {
                name: "nextOccurrences",
                title: "Coming occurrences",
                description: "When playbooks wake next, odd days of the clock change marked. Example: \
                    {\"playbook\": \"daily-digest\", \"count\": 5}.",
                example: r#"{"playbook": "daily-digest", "count": 5}"#,
            },
            Role::Readonly,
            |parts, context, args| Box::pin(next(parts, context, args)),
        ),
        Definition::read::<WhyNot, Anything>(
            Words {
                name: "whyNot",
                title: "Why was it, or was it not, done",
                description: "Why a task or playbook was, or was not, picked, run or told: a live look and the \
                    last decisions. Example: \
                    {\"subject\": \"7\"}.",
                example: r#"{"subject": "7"}"#,
            },
            Role::Readonly,
            |parts, context, args| {
                Box::pin(async move {
                    let subject = match &args.subject {
                        IdOrName::Id(id) => id.to_string(),
                        IdOrName::Name(text) => text.trim().to_owned(),
                    };
                    is_there(parts, &subject).await?;
                    let at = instant(parts, context, "at", args.at.as_deref())?;
                    let told = parts.desk()?.why(&subject, at).await;
                    without_work_of_others(parts, told.map_err(super::operate::desk_error)?).await
                })
            },
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListPlaybooks {
    /// Only this one, with its definition.
    playbook: Option<String>,
}

async fn playbooks(parts: &Parts, args: ListPlaybooks) -> Result<Value, ToolError> {
    let desk = parts.desk()?;
    let mut books = desk.playbooks().await.map_err(super::operate::desk_error)?;
    let Some(name) = args.playbook else { return Ok(books) };
    let named = |book: &Value| book.get("name").and_then(Value::as_text) == Some(name.trim());
    if let Value::Map(map) = &mut books
        && let Some(Value::List(items)) = map.get_mut("items")
    {
        items.retain(named);
        if items.is_empty() {
            let shown = crate::tools::arguments::shown(name.trim());
            let message = format!("there is no playbook {shown}; see listPlaybooks");
            return Err(ToolError::rejected(crate::domain::Reason::NotFound, message));
        }
        // How it is written may name what is in the projects of others.
        if parts.within().is_none() {
            let source = desk.definition(&PlaybookName::new(name.trim())).await;
            let source = source.map_err(super::operate::desk_error)?;
            for item in items {
                if let Value::Map(item) = item {
                    item.insert("source".to_owned(), source.clone().into());
                }
            }
        }
    }
    Ok(books)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListRuns {
    /// Of this playbook.
    playbook: Option<String>,
    /// At this task.
    task: Option<Id>,
    /// running, succeeded, failed, waiting …
    state: Option<String>,
    /// At most so many, 1 to 1000 (default 20).
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

async fn list_runs(parts: &Parts, args: ListRuns) -> Result<Value, ToolError> {
    let state = args.state.map(|text| {
        serde_json::from_value::<RunState>(serde_json::Value::String(text.trim().to_lowercase()))
            .map_err(|_| {
                refuse(
                    "state: expected running, succeeded, nothing_to_do, refused, failed, timed_out, \
                     stalled, yielded, claim_lost, unverified, waiting, interrupted or cancelled",
                )
            })
    });
    if let Some(task) = args.task {
        limited::check_task(parts, "listRuns", TaskId(task.0)).await?;
    }
    let limit = args.limit.map_or(RUNS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(1_000));
    let limit = limit.clamp(1, 1_000);
    let query = RunQuery {
        playbook: args.playbook.map(PlaybookName::new),
        task: args.task.map(|id| TaskId(id.0)),
        state: state.transpose()?,
        after: args.cursor.map(RunId::new),
        limit: limit + 1,
    };
    let mut runs = parts.records()?.runs(&query).await.map_err(super::operate::desk_error)?;
    let has_more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| has_more).map(|run| run.id.clone());
    let mut shown: Vec<Run> = Vec::new();
    for mut run in runs {
        // A list says how they went; what shows it stands with each.
        run.evidence.clear();
        match run.task {
            Some(task) if !limited::shows(parts, task).await? => continue,
            // That a report ran everybody hears; what it said may be of all projects.
            None if parts.within().is_some() => {
                (run.detail, run.summary) = (String::new(), String::new());
                run.outcome = None;
            }
            _ => {}
        }
        shown.push(run);
    }
    let mut answer = vec![("items", show::value(&shown))];
    answer.extend(next.map(|run| ("next", run.as_str().into())));
    Ok(Value::map(answer))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ShowRun {
    /// The run, r- and twelve characters.
    run: String,
    /// Latest transcript lines (default 10000).
    lines: Option<u32>,
    /// Lines before this number.
    before: Option<u64>,
    /// Latest writes (default 200).
    effects: Option<u32>,
    /// Writes before this number.
    effects_before: Option<u32>,
}

async fn show_run(parts: &Parts, args: ShowRun) -> Result<Value, ToolError> {
    let id = RunId::new(args.run.trim());
    let most = args.lines.map_or(LINES_MAX, |lines| usize::try_from(lines).unwrap_or(LINES_MAX));
    let writes = args
        .effects
        .map_or(WRITES_DEFAULT, |effects| usize::try_from(effects).unwrap_or(WRITES_MAX));
    let ask = RecordAsk {
        lines: LinesAsk { most: most.clamp(1, LINES_MAX), before: args.before },
        writes: WritesAsk { most: writes.min(WRITES_MAX), before: args.effects_before },
    };
    let record = parts.records()?.run(&id, ask).await.map_err(super::operate::desk_error)?;
    let record = match record {
        Some(record) if is_shown(parts, &record.run).await? => Some(record),
        _ => None,
    };
    let record = record.ok_or_else(|| no_run(&id))?;
    let count = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    let shown = [
        ("run", show::value(&record.run)),
        ("occurrence", show::value(&record.occurrence)),
        ("effects", Value::List(record.effects)),
        ("earlier_writes", count(record.earlier_writes)),
        ("writes", count(record.writes)),
        ("evidence", Value::List(record.evidence)),
        ("prompt", record.prompt.into()),
        ("transcript", record.transcript.into()),
        ("earlier", count(record.earlier)),
        ("lines", count(record.lines)),
    ];
    // How it is written may name what is in the projects of others.
    let definition = parts.within().is_none().then(|| ("definition", record.definition.into()));
    let note = "there are writes of a newer Rota, which are not shown here";
    let note = record.has_newer_writes.then(|| ("note", note.into()));
    Ok(Value::map(shown.into_iter().chain(definition).chain(note)))
}

/// There is no word about a task that is not there for whoever asks.
async fn is_there(parts: &Parts, subject: &str) -> Result<(), ToolError> {
    let number = subject.strip_prefix("task").unwrap_or(subject).trim().trim_start_matches('#');
    match number.parse() {
        Ok(task) => limited::check_task(parts, "whyNot", task).await,
        Err(_) => Ok(()),
    }
}

/// What a run was told and answered may be of all projects, unless it is about one task.
pub(super) async fn is_shown(parts: &Parts, run: &Run) -> Result<bool, ToolError> {
    match run.task {
        Some(task) => limited::shows(parts, task).await,
        None => Ok(parts.within().is_none()),
    }
}

/// Records of runs or occurrences without those about tasks that are not there for whoever asks.
async fn without_hidden(parts: &Parts, records: &mut Value) -> Result<(), ToolError> {
    let (Value::List(items), Some(_)) = (records, parts.within()) else { return Ok(()) };
    let mut shown = Vec::new();
    for item in items.drain(..) {
        let is_there = match item.get("task").and_then(Value::as_int) {
            Some(task) => limited::shows(parts, TaskId(task)).await?,
            None => true,
        };
        shown.extend(is_there.then_some(item));
    }
    *items = shown;
    Ok(())
}

/// Why a playbook did what it did, without what it did at tasks that are not there for whoever asks, and
/// without what its runs said.
async fn without_work_of_others(parts: &Parts, mut told: Value) -> Result<Value, ToolError> {
    let (Value::Map(map), Some(_)) = (&mut told, parts.within()) else { return Ok(told) };
    if let Some(occurrences) = map.get_mut("occurrences") {
        without_hidden(parts, occurrences).await?;
    }
    // Of a task that is theirs they may hear all of it.
    let is_of_playbook = map.contains_key("occurrences");
    if let (true, Some(Value::List(decisions))) = (is_of_playbook, map.get_mut("decisions")) {
        for decision in decisions {
            if let Value::Map(decision) = decision
                && decision.get("run").is_some_and(|run| *run != Value::Null)
            {
                decision.remove("detail");
                decision.remove("run");
            }
        }
    }
    Ok(told)
}

/// Whether whoever asks may use this tool on a run: as on its task. Of a report there is no task.
pub(super) async fn check_run(parts: &Parts, tool: &str, id: &RunId) -> Result<(), ToolError> {
    if parts.within().is_none() {
        return Ok(());
    }
    let task = parts.records()?.task_of(id).await.map_err(super::operate::desk_error)?;
    match task.ok_or_else(|| no_run(id))? {
        None => limited::check_everywhere(parts, "a run that is about no task"),
        Some(task) => match limited::check_task(parts, tool, task).await {
            Err(error) if error.reason() == crate::domain::Reason::NotFound => Err(no_run(id)),
            checked => checked,
        },
    }
}

fn no_run(id: &RunId) -> ToolError {
    let shown = crate::tools::arguments::shown(id.as_str());
    let message = format!("there is no run {shown}; see listRuns");
    ToolError::rejected(crate::domain::Reason::NotFound, message)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct NextOccurrences {
    /// Of this playbook; absent: of all.
    playbook: Option<String>,
    /// Most for each playbook (default 10).
    count: Option<u32>,
    /// Default now.
    from: Option<String>,
    /// A day counts whole.
    to: Option<String>,
    /// As of then (default now).
    at: Option<String>,
}

async fn next(parts: &Parts, context: &Context, args: NextOccurrences) -> Result<Value, ToolError> {
    let at = instant(parts, context, "at", args.at.as_deref())?;
    let dates = Dates { zone: context.zone, now: at.unwrap_or_else(|| parts.clock.wall()) };
    let count = args.count.map(|count| usize::try_from(count).unwrap_or(1_000).clamp(1, 1_000));
    let request = NextRequest {
        playbook: args.playbook.map(PlaybookName::new),
        count,
        from: args.from.as_deref().map(|text| dates.begin("from", text)).transpose()?,
        to: args.to.as_deref().map(|text| dates.end("to", text)).transpose()?,
        at: Some(dates.now),
    };
    parts.desk()?.next(request).await.map_err(super::operate::desk_error)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhyNot {
    /// A task's id, or a playbook's name.
    subject: IdOrName,
    /// At this instant instead of now.
    at: Option<String>,
}

/// An instant, if one is given.
pub(super) fn instant(
    parts: &Parts,
    context: &Context,
    argument: &str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, ToolError> {
    let dates = Dates { zone: context.zone, now: parts.clock.wall() };
    text.map(|text| dates.begin(argument, text)).transpose()
}
