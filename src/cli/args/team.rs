//! Commands for who is on the board, and for what was promised when and in which sprint.

use crate::cli::call::{Args as CallArgs, Call, View, number_or_name};
use clap::{Args, Subcommand, ValueEnum};

/// `rota person …`.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Add a person or an agent
    #[command(
        after_help = "Examples:\n  rota person add Ada --email ada@example.org --role manager\n  rota person add AI-Writer --agent"
    )]
    Add {
        /// The name shown on the board; unique
        name: String,
        /// An address for messages
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// An agent instead of a person
        #[arg(long)]
        agent: bool,
        /// What they may do
        #[arg(long, value_enum, default_value = "editor")]
        role: RoleWord,
    },
    /// Everybody on the board
    #[command(after_help = "Example:\n  rota person list")]
    List,
}

/// What somebody may do on the board, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleWord {
    /// Look.
    Readonly,
    /// Comment.
    Commenter,
    /// Change tasks.
    Editor,
    /// Change projects and milestones, arm playbooks.
    Manager,
    /// Add people.
    Admin,
    /// Everything.
    Owner,
}

impl RoleWord {
    fn as_str(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::Commenter => "commenter",
            Self::Editor => "editor",
            Self::Manager => "manager",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// `rota milestone …`.
#[derive(Debug, Subcommand)]
pub enum MilestoneCommand {
    /// Promise a date
    #[command(
        after_help = "Example:\n  rota milestone add Launch --project Website --from 2026-11-01 --to 2026-11-30"
    )]
    Add(MilestoneAdd),
    /// Milestones, soonest deadline first
    #[command(after_help = "Example:\n  rota milestone list --project Website --open")]
    List {
        /// Only of this project, by name or number; may be repeated
        #[arg(short, long = "project", value_name = "PROJECT")]
        projects: Vec<String>,
        /// Only those that are not reached yet
        #[arg(long)]
        open: bool,
    },
}

/// `rota milestone add`.
#[derive(Debug, Args)]
pub struct MilestoneAdd {
    /// One line
    pub headline: String,
    /// The project, by name or number
    #[arg(short, long, value_name = "PROJECT")]
    pub project: String,
    /// When work on it begins: a day, an instant, `today`, `+3d`
    #[arg(long, value_name = "DATE", default_value = "today")]
    pub from: String,
    /// The deadline; a day counts whole
    #[arg(long, value_name = "DATE")]
    pub to: String,
    /// Who answers for it, by name or number
    #[arg(long, value_name = "PERSON")]
    pub assign: Option<String>,
}

/// `rota member …`.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Make somebody a member of a project, or give a member another role there
    #[command(after_help = "Example:\n  rota member set Bob --project Website --role commenter")]
    Set {
        /// A person or an agent, by name or number
        person: String,
        /// The project, by name or number
        #[arg(short, long, value_name = "PROJECT")]
        project: String,
        /// The most that they may do there [default: what they may do on the board]
        #[arg(long, value_enum)]
        role: Option<RoleWord>,
    },
    /// Take somebody out of a project's members
    #[command(after_help = "Example:\n  rota member remove Bob --project Website")]
    Remove {
        /// The member, by name or number
        person: String,
        /// The project, by name or number
        #[arg(short, long, value_name = "PROJECT")]
        project: String,
    },
    /// Who may work on a project
    #[command(after_help = "Example:\n  rota member list --project Website")]
    List {
        /// The project, by name or number
        #[arg(short, long, value_name = "PROJECT")]
        project: String,
        /// Only those who are listed: not the managers, who belong everywhere
        #[arg(long)]
        listed: bool,
    },
}

/// `rota sprint …`.
#[derive(Debug, Subcommand)]
pub enum SprintCommand {
    /// Add a sprint
    #[command(
        after_help = "Example:\n  rota sprint add \"Sprint 12\" --project Website --from 2026-11-02 --to 2026-11-15"
    )]
    Add(SprintAdd),
    /// Sprints, with the numbers by which `rota task edit --sprint` takes them
    #[command(after_help = "Example:\n  rota sprint list --project Website --on today")]
    List {
        /// Only of this project, by name or number; may be repeated
        #[arg(short, long = "project", value_name = "PROJECT")]
        projects: Vec<String>,
        /// Only those with this day in them
        #[arg(long, value_name = "DATE")]
        on: Option<String>,
    },
    /// Delete a sprint that no task is in
    #[command(after_help = "Example:\n  rota sprint delete 3")]
    Delete {
        /// The sprint
        id: i64,
    },
}

/// `rota sprint add`.
#[derive(Debug, Args)]
pub struct SprintAdd {
    /// One line
    pub name: String,
    /// The project, by name or number
    #[arg(short, long, value_name = "PROJECT")]
    pub project: String,
    /// The first day: a date, `today`, `monday`, `+3d`
    #[arg(long, value_name = "DATE", default_value = "today")]
    pub from: String,
    /// The last day, which is still in it
    #[arg(long, value_name = "DATE")]
    pub to: String,
}

const PEOPLE: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("NAME", "name"),
        ("KIND", "kind"),
        ("ROLE", "role"),
        ("EMAIL", "email"),
    ],
    empty: "nobody is on the board",
};

const MILESTONES: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("HEADLINE", "headline"),
        ("FROM", "from"),
        ("DEADLINE", "to"),
        ("ASSIGNEE", "assignee_name"),
        ("REACHED", "done"),
    ],
    empty: "no milestones",
};

const MEMBERS: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("NAME", "name"),
        ("KIND", "kind"),
        ("ROLE", "project_role"),
        ("LISTED", "member"),
    ],
    empty: "nobody",
};

const SPRINTS: View = View::Table {
    columns: &[
        ("ID", "id"),
        ("NAME", "name"),
        ("PROJECT", "project_name"),
        ("FROM", "start"),
        ("TO", "end"),
    ],
    empty: "no sprints",
};

impl PersonCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::Add { name, email, agent, role } => {
                let args = CallArgs::new()
                    .with("name", Some(name.as_str()))
                    .with("email", email.as_deref())
                    .with("kind", Some(if *agent { "agent" } else { "person" }))
                    .with("role", Some(role.as_str()));
                Call::act("addPerson", args)
            }
            Self::List => Call::look("listPeople", CallArgs::new(), PEOPLE),
        }
    }
}

impl MilestoneCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::Add(add) => {
                let args = CallArgs::new()
                    .with("projectId", Some(number_or_name(&add.project)))
                    .with("headline", Some(add.headline.as_str()))
                    .with("editFrom", Some(add.from.as_str()))
                    .with("editTo", Some(add.to.as_str()))
                    .with("editorId", add.assign.as_deref().map(number_or_name));
                Call::act("addMilestone", args)
            }
            Self::List { projects, open } => {
                let projects = projects.iter().map(|text| number_or_name(text)).collect();
                let args = CallArgs::new()
                    .with_list("projectId", projects)
                    .with("done", open.then_some(false));
                Call::look("findMilestones", args, MILESTONES)
            }
        }
    }
}

impl MemberCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        let of = |project: &str| CallArgs::new().with("projectId", Some(number_or_name(project)));
        match self {
            Self::Set { person, project, role } => {
                let args = of(project)
                    .with("userId", Some(number_or_name(person)))
                    .with("role", role.map(RoleWord::as_str));
                Call::act("setMember", args)
            }
            Self::Remove { person, project } => {
                let args = of(project).with("userId", Some(number_or_name(person)));
                Call::act("removeMember", args)
            }
            Self::List { project, listed } => {
                let args = of(project).with("teamOnly", listed.then_some(true));
                Call::look("getUsersAssignedToProject", args, MEMBERS)
            }
        }
    }
}

impl SprintCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::Add(add) => {
                let args = CallArgs::new()
                    .with("projectId", Some(number_or_name(&add.project)))
                    .with("name", Some(add.name.as_str()))
                    .with("startDate", Some(add.from.as_str()))
                    .with("endDate", Some(add.to.as_str()));
                Call::act("addSprint", args)
            }
            Self::List { projects, on } => {
                let projects = projects.iter().map(|text| number_or_name(text)).collect();
                let args =
                    CallArgs::new().with_list("projectId", projects).with("on", on.as_deref());
                Call::look("findSprints", args, SPRINTS)
            }
            Self::Delete { id } => Call::act("deleteSprint", CallArgs::new().with("id", Some(*id))),
        }
    }
}
