//! Commands for the board: tasks and projects from a terminal, by the same verbs as agents have.

use crate::app::failure::Failure;
use crate::cli::call::{Args as CallArgs, Call, View, number_or_name};
use crate::cli::{detail, overview};
use crate::domain::{StatusKind, Value};
use clap::{Args, Subcommand, ValueEnum};

/// `rota task …`.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Add a task, or with --parent a subtask
    #[command(
        after_help = "Example:\n  rota task add \"Write the release notes\" --project Website --due 2026-04-01 --tag docs"
    )]
    Add(TaskAdd),
    /// Tasks that match
    #[command(
        after_help = "Example:\n  rota task list --project Website --status open --tag AI-Suitable"
    )]
    List(TaskList),
    /// A task, with its subtasks and comments
    #[command(after_help = "Example:\n  rota task show 42")]
    Show {
        /// The task
        id: i64,
    },
    /// Change a task
    #[command(
        after_help = "Examples:\n  rota task edit 42 --status \"In Progress\" --assign Ada\n  rota task edit 42 --due none --add-tag AI-Stop"
    )]
    Edit(TaskEdit),
    /// Comment on a task
    #[command(
        after_help = "Example:\n  rota task comment 42 \"The logo is in the shared folder.\""
    )]
    Comment {
        /// The task
        id: i64,
        /// The comment, in Markdown
        text: String,
    },
    /// Delete a task for good
    #[command(after_help = "Example:\n  rota task delete 42 --yes")]
    Delete {
        /// The task
        id: i64,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
    },
}

/// What `add` and `edit` have in common.
#[derive(Debug, Default, Args)]
pub struct TaskFields {
    /// Its text, in Markdown
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// When it counts as done, in Markdown
    #[arg(long, value_name = "TEXT")]
    pub acceptance: Option<String>,
    /// One of its project's labels, by name or number
    #[arg(long, value_name = "LABEL")]
    pub status: Option<String>,
    /// From 1, critical, to 5, lowest
    #[arg(long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub priority: Option<u8>,
    /// Who is to do it, by name or number; `none` for nobody
    #[arg(long, value_name = "PERSON")]
    pub assign: Option<String>,
    /// When it is to be finished: a day, an instant, `today`, `+3d`; `none` for no date
    #[arg(long, value_name = "DATE")]
    pub due: Option<String>,
    /// Effort in points: 1 XS, 2 S, 3 M, 5 L, 8 XL, 13 XXL
    #[arg(long, value_name = "POINTS")]
    pub effort: Option<f64>,
    /// Hours planned
    #[arg(long, value_name = "HOURS")]
    pub plan_hours: Option<f64>,
    /// The milestone it counts towards, by headline or number; `none` for none
    #[arg(long, value_name = "MILESTONE")]
    pub milestone: Option<String>,
    /// The sprint it is in, by number (`rota sprint list`); `none` for none
    #[arg(long, value_name = "SPRINT")]
    pub sprint: Option<String>,
    /// task, story or bug
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
}

/// `rota task add`.
#[derive(Debug, Args)]
pub struct TaskAdd {
    /// One line
    pub headline: String,
    /// The project, by name or number; may be left out when there is only one
    #[arg(short, long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// The task of which it is a part
    #[arg(long, value_name = "ID")]
    pub parent: Option<i64>,
    /// A tag; may be repeated
    #[arg(short, long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// The rest
    #[command(flatten)]
    pub fields: TaskFields,
}

/// `rota task edit`.
#[derive(Debug, Args)]
pub struct TaskEdit {
    /// The task
    pub id: i64,
    /// Its one line
    #[arg(long, value_name = "TEXT")]
    pub headline: Option<String>,
    /// One more tag; may be repeated
    #[arg(long = "add-tag", value_name = "TAG")]
    pub add_tags: Vec<String>,
    /// One tag less; may be repeated
    #[arg(long = "remove-tag", value_name = "TAG")]
    pub remove_tags: Vec<String>,
    /// The rest
    #[command(flatten)]
    pub fields: TaskFields,
}

/// `rota task list`.
#[derive(Debug, Args)]
pub struct TaskList {
    /// Only of this project, by name or number; may be repeated
    #[arg(short, long = "project", value_name = "PROJECT")]
    pub projects: Vec<String>,
    /// open, done, all, a label, or kind:new, kind:blocked …; may be repeated
    #[arg(short, long = "status", value_name = "STATUS", default_value = "open")]
    pub statuses: Vec<String>,
    /// Only those of this person, by name or number; `none` for those of nobody
    #[arg(short, long, value_name = "PERSON")]
    pub assignee: Option<String>,
    /// Only with this tag; may be repeated
    #[arg(short, long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only due at or after: a day, an instant, `today`, `-1w`
    #[arg(long, value_name = "DATE")]
    pub due_from: Option<String>,
    /// Only due by then
    #[arg(long, value_name = "DATE")]
    pub due_to: Option<String>,
    /// Only with this in headline or description
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub count: u32,
}

/// `rota project …`.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Add a project
    #[command(
        after_help = "Example:\n  rota project add Website --label New=new --label \"Ready for Review=waiting\" --label Done=done"
    )]
    Add {
        /// Its name
        name: String,
        /// What it is about, in Markdown
        #[arg(long, value_name = "TEXT")]
        details: Option<String>,
        /// A status label and its kind (new, `in_progress`, blocked, waiting, done), from the left;
        /// may be repeated [default: the columns that the shipped playbooks use]
        #[arg(long = "label", value_name = "LABEL=KIND", value_parser = label)]
        labels: Vec<(String, StatusKind)>,
    },
    /// The projects
    #[command(after_help = "Example:\n  rota project list --closed")]
    List {
        /// Closed ones too
        #[arg(long)]
        closed: bool,
    },
    /// A project, with its status labels
    #[command(after_help = "Example:\n  rota project show Website")]
    Show {
        /// The project, by name or number
        project: String,
    },
    /// Change a project
    #[command(after_help = "Example:\n  rota project edit Website --close")]
    Edit {
        /// The project, by name or number
        project: String,
        /// Its name
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// What it is about, in Markdown
        #[arg(long, value_name = "TEXT")]
        details: Option<String>,
        /// Work on it has ended
        #[arg(long, conflicts_with = "reopen")]
        close: bool,
        /// Work on it goes on
        #[arg(long)]
        reopen: bool,
    },
    /// Say how a project is doing
    #[command(
        after_help = "Example:\n  rota project update Website yellow \"The designer is ill until Friday.\""
    )]
    Update {
        /// The project, by name or number
        project: String,
        /// How it is doing
        rating: RatingWord,
        /// The update, in Markdown
        text: String,
    },
}

/// How a project is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RatingWord {
    /// As planned.
    Green,
    /// At risk.
    Yellow,
    /// In trouble.
    Red,
}

impl RatingWord {
    fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

impl TaskCommand {
    /// The call it makes.
    pub fn call(&self) -> Result<Call, Failure> {
        Ok(match self {
            Self::Add(add) => add.call(),
            Self::List(list) => list.call(),
            Self::Show { id } => Call::look(
                "getTicket",
                CallArgs::new().with("id", Some(*id)),
                View::Detail(detail::ticket),
            ),
            Self::Edit(edit) => edit.call()?,
            Self::Comment { id, text } => {
                Call::act("addComment", about(*id).with("text", Some(text.as_str())))
            }
            Self::Delete { id, yes: true } => {
                Call::act("deleteTask", CallArgs::new().with("id", Some(*id)))
            }
            Self::Delete { id, yes: false } => {
                return Err(Failure::usage("a deleted task cannot be brought back")
                    .hint(format!("if you mean it: rota task delete {id} --yes")));
            }
        })
    }
}

/// `LABEL=KIND`.
fn label(text: &str) -> Result<(String, StatusKind), String> {
    let (label, kind) = text
        .rsplit_once('=')
        .filter(|(label, _)| !label.trim().is_empty())
        .ok_or("expected LABEL=KIND such as \"Ready for Review=waiting\"")?;
    Ok((label.trim().to_owned(), kind.trim().parse()?))
}

/// A task, as tools about comments name it.
fn about(task: i64) -> CallArgs {
    CallArgs::new().with("module", Some("ticket")).with("entityId", Some(task))
}

impl TaskFields {
    fn onto(&self, args: CallArgs) -> CallArgs {
        args.with("description", self.description.as_deref())
            .with("acceptanceCriteria", self.acceptance.as_deref())
            .with("status", self.status.as_deref().map(number_or_name))
            .with("priority", self.priority)
            .with("editorId", self.assign.as_deref().map(unless_none(number_or_name)))
            .with("dateToFinish", self.due.as_deref().map(unless_none(|date| date.into())))
            .with("effort", self.effort)
            .with("planHours", self.plan_hours)
            .with("milestone", self.milestone.as_deref().map(unless_none(number_or_name)))
            .with("sprint", self.sprint.as_deref().map(unless_none(number_or_name)))
            .with("type", self.kind.as_deref())
    }
}

/// `none` is sent as `null`: the field is emptied.
fn unless_none(read: impl Fn(&str) -> Value) -> impl Fn(&str) -> Value {
    move |text| if text == "none" { Value::Null } else { read(text) }
}

impl TaskAdd {
    fn call(&self) -> Call {
        let args = CallArgs::new()
            .with("headline", Some(self.headline.as_str()))
            .with("projectId", self.project.as_deref().map(number_or_name))
            .with("parentTicket", self.parent)
            .with_list("tags", self.tags.clone());
        let tool = if self.parent.is_some() { "addSubtask" } else { "addTask" };
        Call::act(tool, self.fields.onto(args))
    }
}

impl TaskEdit {
    fn call(&self) -> Result<Call, Failure> {
        let params = CallArgs::new()
            .with("headline", self.headline.as_deref())
            .with_list("addTags", self.add_tags.clone())
            .with_list("removeTags", self.remove_tags.clone());
        let params = self.fields.onto(params);
        if params.is_empty() {
            return Err(Failure::usage("nothing was said to change")
                .hint("for example: rota task edit 42 --status Done"));
        }
        let args = CallArgs::new().with("id", Some(self.id));
        Ok(Call::act("editTask", args.with("params", Some(params.into_value()))))
    }
}

impl TaskList {
    fn call(&self) -> Call {
        let projects = self.projects.iter().map(|text| number_or_name(text)).collect();
        let statuses = self.statuses.iter().map(|text| number_or_name(text)).collect();
        let args = CallArgs::new()
            .with_list("projectIds", projects)
            .with_list("status", statuses)
            .with("assignee", self.assignee.as_deref().map(number_or_name))
            .with_list("tags", self.tags.clone())
            .with("dueFrom", self.due_from.as_deref())
            .with("dueTo", self.due_to.as_deref())
            .with("text", self.text.as_deref())
            .with("limit", Some(self.count));
        Call::look("findTasks", args, TASKS)
    }
}

const TASKS: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("PROJECT", "project_name"),
        ("STATUS", "status_label"),
        ("PRIO", "priority"),
        ("DUE", "due_day"),
        ("ASSIGNEE", "assignee_name"),
        ("HEADLINE", "headline"),
        ("TAGS", "tags"),
    ],
    empty: "no tasks",
};

const PROJECTS: View = View::Table {
    columns: &[("ID", "id"), ("NAME", "name"), ("CLOSED", "closed"), ("DETAILS", "details")],
    empty: "no projects",
};

/// The columns of a project for which none were named: those that the shipped playbooks use.
const LABELS: [(&str, StatusKind); 8] = [
    ("New", StatusKind::New),
    ("In Progress", StatusKind::InProgress),
    ("Blocked", StatusKind::Blocked),
    ("Ready for Review", StatusKind::Waiting),
    ("Changes Requested", StatusKind::InProgress),
    ("Approved", StatusKind::Waiting),
    ("Waiting for Approval", StatusKind::Waiting),
    ("Done", StatusKind::Done),
];

impl ProjectCommand {
    /// The call it makes.
    pub fn call(&self) -> Result<Call, Failure> {
        let of =
            |name: &str, project: &str| CallArgs::new().with(name, Some(number_or_name(project)));
        Ok(match self {
            Self::Add { name, details, labels } => {
                let named =
                    |label: &str, kind: &str| Value::map([("label", label), ("kind", kind)]);
                let labels: Vec<Value> = if labels.is_empty() {
                    LABELS.iter().map(|(label, kind)| named(label, kind.as_str())).collect()
                } else {
                    labels.iter().map(|(label, kind)| named(label, kind.as_str())).collect()
                };
                let args = CallArgs::new()
                    .with("name", Some(name.as_str()))
                    .with("details", details.as_deref())
                    .with_list("statuses", labels);
                Call::act("addProject", args)
            }
            Self::List { closed } => {
                let args = CallArgs::new().with("showClosedProjects", closed.then_some(true));
                Call::look("getAllProjects", args, PROJECTS)
            }
            Self::Show { project } => {
                let view = View::Detail(overview::project);
                Call::look("getProject", of("projectId", project), view)
            }
            Self::Edit { project, name, details, close, reopen } => {
                let state = close.then_some(1_u8).or(reopen.then_some(0));
                let args = CallArgs::new()
                    .with("name", name.as_deref())
                    .with("details", details.as_deref())
                    .with("state", state);
                if args.is_empty() {
                    return Err(Failure::usage("nothing was said to change")
                        .hint("for example: rota project edit Website --close"));
                }
                Call::act("editProject", args.with("id", Some(number_or_name(project))))
            }
            Self::Update { project, rating, text } => {
                let args = of("projectId", project)
                    .with("status", Some(rating.as_str()))
                    .with("text", Some(text.as_str()));
                Call::act("addProjectStatusUpdate", args)
            }
        })
    }
}
