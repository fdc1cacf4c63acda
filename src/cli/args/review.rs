//! Commands about what waits for a person.

use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::overview;
use clap::{Args, Subcommand};

/// `rota review …`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// What was handed over or asked and waits for a person, longest first
    #[command(after_help = "Example:\n  rota review list")]
    List,
    /// Approve what was handed over: the task is done
    #[command(after_help = "Example:\n  rota review approve 42 --comment \"Well done.\"")]
    Approve {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// Said with it
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Ask for changes: the task goes back to whoever handed it over
    #[command(after_help = "Example:\n  rota review reject 42 --comment \"The link is missing.\"")]
    Reject {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// What has to be changed; the next attempt gets it
        #[arg(long, value_name = "TEXT")]
        comment: String,
    },
    /// Answer an open question
    #[command(after_help = "Example:\n  rota review answer 42 --text \"The one below.\"")]
    Answer {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// The answer
        #[arg(long, value_name = "TEXT")]
        text: String,
    },
}

/// Which task, and whether it is only tried.
#[derive(Debug, Args)]
pub struct About {
    /// The task
    pub task: i64,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

impl ReviewCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::List => Call::look("listReviews", CallArgs::new(), WAITING),
            Self::Approve { about, comment } => about.decide("approve", comment.as_deref()),
            Self::Reject { about, comment } => about.decide("request_changes", Some(comment)),
            Self::Answer { about, text } => about.decide("answer", Some(text)),
        }
    }
}

impl About {
    fn decide(&self, decision: &str, comment: Option<&str>) -> Call {
        let args = CallArgs::new()
            .with("task", Some(self.task))
            .with("decision", Some(decision))
            .with("comment", comment)
            .with("dryRun", self.dry_run.then_some(true));
        let view = View::Detail(overview::decided);
        if self.dry_run {
            Call::look("decideReview", args, view)
        } else {
            Call { view, ..Call::act("decideReview", args) }
        }
    }
}

const WAITING: View = View::Table {
    columns: &[
        ("TASK", "task"),
        ("WAITS FOR", "kind"),
        ("SINCE", "since"),
        ("FROM", "from"),
        ("OWNER", "owner"),
        ("HEADLINE", "headline"),
    ],
    empty: "nothing waits for a person",
};
