//! What waits for a person: asking, handing over, deciding.

use super::operate::desk_error;
use super::records::{Anything, Nothing};
use super::tasks::refuse;
use crate::domain::{
    Fence, PersonId, Reason, Role, RunId, TaskId, Value, Verdict, WaitItem, Waiting,
};
use crate::tools::arguments::{Id, IdOrName};
use crate::tools::definition::{Annotations, Definition, Words};
use crate::tools::desk::{
    AnswerAsk, DecideAsk, Leave, QuestionAsk, ReleaseAsk, Seen, Tend, TendAsk,
};
use crate::tools::guard::told;
use crate::tools::limited;
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show::{self, Items};
use crate::tools::{Context, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// For so many days an answer is waited for when nothing is said.
const DAYS_DEFAULT: u32 = 3;
/// The longest that an answer is waited for.
const DAYS_MAX: u32 = 30;
/// The longest question, summary or comment.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// What is decided about work.
const DECISIONS: [&str; 3] = ["approve", "request_changes", "answer"];
/// At most so many pieces of evidence.
const EVIDENCE_MAX: usize = 50;

pub(super) fn tools() -> Vec<Definition> {
    let mut tools = of_agents();
    tools.extend(of_people());
    tools
}

fn of_agents() -> Vec<Definition> {
    vec![
        Definition::operate::<AskPerson, Anything>(
            Words {
                name: "askPerson",
                title: "Ask a person",
                description: "Asks a person about a task that you hold when you cannot go on without an answer. The \
                    claim waits; claimTask gives it back to you together with the answer. Example: {\"task\": 7, \
                    \"fence\": 3, \"question\": \"Which footer?\", \"person\": \"Ada\"}.",
                example: r#"{"task": 7, "fence": 3, "question": "Which footer is meant?", "person": "Ada"}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| Box::pin(ask(parts, context, args)),
        ),
        Definition::operate::<SubmitForReview, Anything>(
            Words {
                name: "submitForReview",
                title: "Submit for review",
                description: "Ends your claim: the task waits for a person to approve it. Say what you did and what \
                    shows it. Example: {\"task\": 7, \"fence\": 3, \"summary\": \"Fixed the footer.\", \
                    \"evidence\": [\"https://example.com/pr/12\"], \"reviewer\": \"Ada\"}.",
                example: r#"{"task": 7, "fence": 3, "summary": "Fixed the footer.", "evidence": ["tests pass"], "reviewer": "Ada"}"#,
            },
            Role::Editor,
            false,
            |parts, context, args| Box::pin(submit(parts, context, args)),
        ),
    ]
}

fn of_people() -> Vec<Definition> {
    let decide = Definition::operate::<DecideReview, Anything>(
        Words {
            name: "decideReview",
            title: "Decide about a task that waits",
            description: "In a person's name: approves work that was handed over, asks for changes, or answers an \
                open question; of proposed writes it applies all, only some, or some with other arguments. Also arms a \
                playbook, grants a budget or ends a claim that waits (`item`), puts off, takes note or passes on. \
                Whoever handed it over does not decide. Example: {\"task\": 7, \"decision\": \
                \"request_changes\", \"comment\": \"The link is missing.\"}.",
            example: r#"{"task": 7, "decision": "request_changes", "comment": "The link is missing."}"#,
        },
        Role::Editor,
        true,
        |parts, context, args| Box::pin(decide(parts, context, args)),
    );
    // An assistant asks its person first.
    let annotations = Annotations { destructive: true, ..decide.annotations };
    vec![
        Definition::read::<Nothing, Items<WaitingView>>(
            Words {
                name: "listReviews",
                title: "List what waits for a person",
                description: "What waits for a person, longest first: work that was handed over, questions, \
                    proposed writes, playbooks to arm or out of budget, claims to end. Example: {}.",
                example: "{}",
            },
            Role::Readonly,
            |parts, context, _| Box::pin(list(parts, context)),
        ),
        Definition::read::<ShowReview, Anything>(
            Words {
                name: "showReview",
                title: "Show what is proposed",
                description: "The writes that a staged run proposes for a task, each with its number, as \
                    `field: from → to`, its arguments, and what became of it. Example: {\"task\": 7}.",
                example: r#"{"task": 7}"#,
            },
            Role::Readonly,
            |parts, _, args| Box::pin(show_review(parts, args)),
        ),
        Definition { annotations, ..decide },
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShowReview {
    /// The task.
    task: Id,
}

async fn show_review(parts: &Parts, args: ShowReview) -> Result<Value, ToolError> {
    let task = seen(parts, "showReview", TaskId(args.task.0)).await?;
    parts.desk()?.proposals(task).await.map_err(desk_error)
}

/// A task that waits, as it is shown.
#[derive(Serialize, JsonSchema)]
struct WaitingView {
    /// Its name: a task's id, `arming:PLAYBOOK`, `budget:PLAYBOOK` or `release:ID`.
    item: String,
    task: Option<i64>,
    headline: String,
    /// `hand_over`, `question`, `proposals`, `unverified`, `arming`, `budget` or `release`.
    kind: String,
    /// Who handed it over or asks.
    from: String,
    /// See showRun.
    run: Option<String>,
    /// Whose turn it is.
    owner: Option<String>,
    since: String,
    /// How long that is: `2d 3h`.
    age: String,
    /// Until when an answer is waited for.
    until: Option<String>,
    /// Put off until then.
    snoozed: Option<String>,
    /// Who has seen it.
    seen_by: Option<String>,
    /// What was done, or what is asked.
    text: String,
}

async fn list(parts: &Parts, context: &Context) -> Result<Value, ToolError> {
    let people = parts.board.people().await.map_err(|error| told(&error))?;
    let mut items = Vec::new();
    for waiting in parts.desk()?.waiting().await.map_err(desk_error)? {
        // The daemon knows all projects; there is nothing of the others for whom there are some.
        let is_there = match waiting.task {
            Some(task) => limited::shows(parts, task).await?,
            None => context.only_projects.is_empty(),
        };
        if is_there {
            let owner = people.iter().find(|person| Some(person.id) == waiting.owner);
            let age = age(parts.clock.wall() - waiting.since);
            items.push(view(waiting, owner.map(|person| person.name.clone()), age));
        }
    }
    Ok(show::value(&Items::all(items)))
}

/// In the two largest units that are something.
fn age(span: chrono::TimeDelta) -> String {
    let minutes = span.num_minutes().max(0);
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

fn view(waiting: Waiting, owner: Option<String>, age: String) -> WaitingView {
    let text_of = |value: Value| value.as_text().unwrap_or_default().to_owned();
    WaitingView {
        item: waiting.item.to_string(),
        task: waiting.task.map(|task| task.0),
        headline: waiting.headline,
        kind: text_of(show::value(&waiting.kind)),
        from: waiting.from,
        run: waiting.run.map(|run| run.to_string()),
        owner,
        since: text_of(show::value(&waiting.since)),
        age,
        until: waiting.until.map(|until| text_of(show::value(&until))),
        snoozed: waiting.snoozed.map(|until| text_of(show::value(&until))),
        seen_by: waiting.seen_by,
        text: waiting.text,
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskPerson {
    /// The task.
    task: Id,
    /// The fence that claimTask gave you.
    fence: u64,
    /// What you have to know, in Markdown.
    question: String,
    /// Who is asked, by id or name; anybody may answer.
    person: Option<IdOrName>,
    /// For how long an answer is waited for, 1 to 30 (default 3).
    days: Option<u32>,
}

async fn ask(parts: &Parts, context: &Context, args: AskPerson) -> Result<Value, ToolError> {
    let question = text("question", &args.question)?;
    let days = args.days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(refuse(&format!("days: expected 1 to {DAYS_MAX}, not {days}")));
    }
    let task = seen(parts, "askPerson", TaskId(args.task.0)).await?;
    let person = match &args.person {
        Some(name) => {
            let id = Directory::read(parts, context).await?.person(name)?;
            Some(parts.board.person(id).await.map_err(|error| told(&error))?)
        }
        None => None,
    };
    let ask = QuestionAsk {
        task,
        fence: Fence(args.fence),
        question,
        person,
        within: Duration::from_secs(u64::from(days) * 86_400),
        principal: context.principal.clone(),
    };
    let hold = parts.desk()?.ask_person(ask).await.map_err(desk_error)?;
    Ok(show::value(&hold))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SubmitForReview {
    /// The task.
    task: Id,
    /// The fence that claimTask gave you.
    fence: u64,
    /// What was done and what is left, in Markdown.
    summary: String,
    /// What shows it: addresses, results of tests.
    #[serde(default)]
    evidence: Vec<String>,
    /// Who is to look at it, by id or name; the task is assigned to them.
    reviewer: Option<IdOrName>,
}

async fn submit(
    parts: &Parts,
    context: &Context,
    args: SubmitForReview,
) -> Result<Value, ToolError> {
    let summary = text("summary", &args.summary)?;
    if args.evidence.len() > EVIDENCE_MAX {
        return Err(refuse(&format!("evidence: at most {EVIDENCE_MAX} pieces")));
    }
    let evidence: Vec<&str> =
        args.evidence.iter().map(|piece| piece.trim()).filter(|piece| !piece.is_empty()).collect();
    let comment = match evidence.join("\n- ") {
        shown if shown.is_empty() => summary,
        shown => format!("{summary}\n\n- {shown}"),
    };
    let task = seen(parts, "submitForReview", TaskId(args.task.0)).await?;
    let reviewer = match &args.reviewer {
        Some(name) => Some(reviewer(parts, context, name).await?),
        None => None,
    };
    let ask = ReleaseAsk {
        task,
        fence: Fence(args.fence),
        comment: text("summary and evidence", &comment)?,
        leave: Leave::Review,
        reviewer,
        evidence: args.evidence,
        principal: context.principal.clone(),
    };
    let hold = parts.desk()?.release_task(ask).await.map_err(desk_error)?;
    Ok(show::value(&hold))
}

/// A reviewer is somebody else.
async fn reviewer(
    parts: &Parts,
    context: &Context,
    name: &IdOrName,
) -> Result<PersonId, ToolError> {
    let id = Directory::read(parts, context).await?.person(name)?;
    let is_agent = context.principal.person.kind == crate::domain::PersonKind::Agent;
    if is_agent && id == context.principal.person.id {
        return Err(refuse("reviewer: you do not review your own work; name a person"));
    }
    Ok(id)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DecideReview {
    /// The task.
    task: Option<Id>,
    /// Instead of a task: what waits, by its name in listReviews.
    item: Option<String>,
    /// `approve`, `request_changes`, `answer`, `snooze`, `acknowledge` or `reassign`.
    decision: String,
    /// What is said with it; needed but for approval.
    #[serde(default)]
    comment: String,
    /// Of proposals, the numbers of those to apply; all when left out.
    #[serde(default)]
    only: Vec<u32>,
    /// Arguments to apply instead of proposed ones, by number: {"2": {…}}.
    #[serde(default)]
    edits: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// When it is to be shown again (snooze; default tomorrow).
    until: Option<String>,
    /// Whose turn it is, by id or name (reassign).
    to: Option<IdOrName>,
    /// Only if it still is what was seen: `run` in listReviews.
    run: Option<String>,
    /// The same: `since` there.
    since: Option<String>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

async fn decide(parts: &Parts, context: &Context, args: DecideReview) -> Result<Value, ToolError> {
    let item = meant(&args)?;
    let decision = args.decision.trim();
    let task = match item {
        WaitItem::Task(task) if DECISIONS.contains(&decision) => task,
        item => return tend(parts, context, item, args).await,
    };
    let verdict = match decision {
        "approve" => Some(Verdict::Approved),
        "request_changes" => Some(Verdict::ChangesRequested),
        _ => None,
    };
    let comment = match verdict {
        Some(Verdict::Approved) if args.comment.trim().is_empty() => String::new(),
        _ => text("comment", &args.comment)?,
    };
    let (task, known) = (seen(parts, "decideReview", task).await?, known(&args)?);
    let (dry_run, context) = (args.dry_run, context.clone());
    let desk = parts.desk()?;
    if let Some(verdict) = verdict {
        let (only, edits) = (args.only, edited(args.edits)?);
        let ask = DecideAsk { task, verdict, comment, only, edits, seen: known, dry_run, context };
        Ok(show::value(&desk.decide(ask).await.map_err(desk_error)?))
    } else {
        let ask = AnswerAsk { task, text: comment, seen: known, dry_run, context };
        Ok(show::value(&desk.answer(ask).await.map_err(desk_error)?))
    }
}

/// What is to be decided about.
fn meant(args: &DecideReview) -> Result<WaitItem, ToolError> {
    match (&args.task, &args.item) {
        (Some(task), None) => Ok(WaitItem::Task(TaskId(task.0))),
        (None, Some(item)) => item.parse().map_err(|error| refuse(&format!("item: {error}"))),
        _ => Err(refuse("task or item: name one of them, as listReviews does")),
    }
}

/// What whoever decides says that they have seen.
fn known(args: &DecideReview) -> Result<Seen, ToolError> {
    let text = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let since = text(&args.since).map(|since| {
        let read = chrono::DateTime::parse_from_rfc3339(&since);
        read.map(|at| at.to_utc()).map_err(|_| refuse("since: expected it as listReviews tells it"))
    });
    Ok(Seen { run: text(&args.run).map(RunId::new), since: since.transpose()? })
}

/// Anything but a decision about work.
async fn tend(
    parts: &Parts,
    context: &Context,
    item: WaitItem,
    args: DecideReview,
) -> Result<Value, ToolError> {
    let of_task = match &item {
        WaitItem::Task(task) | WaitItem::Release(task) => {
            seen(parts, "decideReview", *task).await?;
            true
        }
        WaitItem::Arming(_) | WaitItem::Budget(_) => false,
    };
    if !of_task && !context.only_projects.is_empty() {
        return Err(refuse("item: this token is for tasks of some projects only"));
    }
    let how = match args.decision.trim() {
        "snooze" => {
            let until = args.until.as_deref().unwrap_or("tomorrow");
            let until = super::records::instant(parts, context, "until", Some(until))?;
            Tend::Snooze(until.ok_or_else(|| refuse("until: say when it is to be shown again"))?)
        }
        "acknowledge" => Tend::Acknowledge,
        "reassign" => {
            let to = args.to.as_ref().ok_or_else(|| refuse("to: say whose turn it is"))?;
            Tend::PassOn(Directory::read(parts, context).await?.person(to)?)
        }
        "approve" => Tend::Settle(true),
        "request_changes" => Tend::Settle(false),
        _ => {
            let expected = "approve, request_changes, answer, snooze, acknowledge or reassign; answer only a question";
            return Err(refuse(&format!("decision: expected {expected}")));
        }
    };
    let is_for_managers = !matches!(item, WaitItem::Task(_));
    if is_for_managers && context.principal.person.role < Role::Manager {
        let message = format!("{item} is for somebody with the role manager");
        return Err(ToolError::rejected(Reason::RoleTooLow, message));
    }
    let comment = match args.comment.trim() {
        "" => String::new(),
        comment => text("comment", comment)?,
    };
    let (seen, dry_run, context) = (known(&args)?, args.dry_run, context.clone());
    let ask = TendAsk { item, how, comment, seen, dry_run, context };
    parts.desk()?.tend(ask).await.map_err(desk_error)
}

/// What a person wrote in the place of proposed arguments, by number.
fn edited(
    edits: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
) -> Result<BTreeMap<u32, Value>, ToolError> {
    let one = |(number, args): (String, BTreeMap<String, serde_json::Value>)| {
        let number = number
            .trim()
            .parse()
            .map_err(|_| refuse(&format!("edits: {number:?} is not the number of a proposal")))?;
        Ok((number, show::value(&args)))
    };
    edits.into_iter().map(one).collect()
}

/// A task that whoever asks may know of.
async fn seen(parts: &Parts, tool: &str, task: TaskId) -> Result<TaskId, ToolError> {
    limited::task_for(parts, tool, task).await.map(|task| task.id)
}

/// A text that is there, and not too long.
fn text(argument: &str, text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse(&format!("{argument}: write something, for people")));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(refuse(&format!("{argument}: at most {} KiB", TEXT_BYTES_MAX / 1024)));
    }
    Ok(text.to_owned())
}
