//! Commands about what waits for a person, and about what is recorded of what people decided.

use crate::app::failure::Failure;
use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::overview;
use crate::domain::Value;
use clap::{Args, Subcommand};
use std::collections::BTreeMap;

/// `rota audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk them, and name the first link that does not hold
    ///
    /// It ends with 1 where one does not, and where a newer Rota wrote what cannot be compared here.
    #[command(after_help = "Example:\n  rota audit verify")]
    Verify,
}

impl AuditCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::Verify => Call::look("verifyAudit", CallArgs::new(), View::Text),
        }
    }
}

/// `rota review …`.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// What was handed over or asked and waits for a person, longest first
    #[command(after_help = "Example:\n  rota review list")]
    List,
    /// What is proposed for a task, each write with its number, as field: from → to
    #[command(after_help = "Example:\n  rota review show 42")]
    Show {
        /// The task
        task: i64,
    },
    /// Approve what was handed over: the task is done; apply what is proposed: it is written; arm a
    /// playbook, grant its budget once more, take a claim away
    #[command(
        after_help = "Examples:\n  rota review approve 42 --comment \"Well done.\"\n  rota review approve 42 --only 1,3\n  rota review approve arming:standup"
    )]
    Approve {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// Said with it
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Of what is proposed, only these numbers
        #[arg(long, value_name = "N", value_delimiter = ',')]
        only: Vec<u32>,
        /// Apply a proposal with these arguments (a JSON object) instead of its own
        #[arg(long, value_names = ["N", "ARGS"], num_args = 2, action = clap::ArgAction::Append)]
        edit: Vec<String>,
    },
    /// Ask for changes: the task goes back to whoever handed it over; nothing that is proposed is done
    #[command(after_help = "Example:\n  rota review reject 42 --comment \"The link is missing.\"")]
    Reject {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// What has to be changed; the next attempt gets it
        #[arg(long, value_name = "TEXT")]
        comment: String,
    },
    /// Put something off: it is shown last, and nobody else is told of it, until then
    #[command(
        after_help = "Examples:\n  rota review snooze 42\n  rota review snooze 42 --until friday"
    )]
    Snooze {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// When it is to be shown again
        #[arg(long, value_name = "WHEN", default_value = "tomorrow")]
        until: String,
    },
    /// Say that you have seen it: nobody else is told of it
    #[command(after_help = "Example:\n  rota review seen 42")]
    Seen {
        /// What it is about
        #[command(flatten)]
        about: About,
    },
    /// Say whose turn it is; of work that was handed over, the task is assigned to them
    #[command(after_help = "Example:\n  rota review reassign 42 --to Ada")]
    Reassign {
        /// What it is about
        #[command(flatten)]
        about: About,
        /// Whose turn it is
        #[arg(long, value_name = "NAME")]
        to: String,
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

/// What waits, and whether it is only tried.
#[derive(Debug, Args)]
pub struct About {
    /// The task, or what `rota review list` calls it: arming:NAME, budget:NAME, release:ID
    pub item: String,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

impl ReviewCommand {
    /// The call it makes.
    ///
    /// # Errors
    /// A usage failure, when an edit is not a number and a JSON object.
    pub fn call(&self) -> Result<Call, Failure> {
        Ok(match self {
            Self::List => Call::look("listReviews", CallArgs::new(), WAITING),
            Self::Show { task } => Call::look(
                "showReview",
                CallArgs::new().with("task", Some(*task)),
                View::Detail(overview::proposed),
            ),
            Self::Approve { about, comment, only, edit } => {
                let mut call = about.decide("approve", comment.as_deref());
                if let Value::Map(args) = &mut call.args {
                    if !only.is_empty() {
                        let only = only.iter().map(|number| Value::from(*number)).collect();
                        args.insert("only".to_owned(), Value::List(only));
                    }
                    if !edit.is_empty() {
                        args.insert("edits".to_owned(), edits(edit)?);
                    }
                }
                call
            }
            Self::Reject { about, comment } => about.decide("request_changes", Some(comment)),
            Self::Answer { about, text } => about.decide("answer", Some(text)),
            Self::Snooze { about, until } => about.tend("snooze", ("until", Some(until))),
            Self::Seen { about } => about.tend("acknowledge", ("to", None)),
            Self::Reassign { about, to } => about.tend("reassign", ("to", Some(to))),
        })
    }
}

/// Pairs of a number and arguments, as one object.
fn edits(pairs: &[String]) -> Result<Value, Failure> {
    let mut edits = BTreeMap::new();
    for pair in pairs.chunks(2) {
        let [number, args] = pair else { continue };
        let args: Value = serde_json::from_str(args).map_err(|error| {
            Failure::usage(format!("--edit {number}: the arguments are not JSON: {error}"))
        })?;
        if number.parse::<u32>().is_err() || args.as_map().is_none() {
            let message = format!("--edit {number}: expected a number and a JSON object");
            return Err(Failure::usage(message));
        }
        edits.insert(number.clone(), args);
    }
    Ok(Value::Map(edits))
}

impl About {
    fn tend(&self, decision: &str, (name, value): (&'static str, Option<&str>)) -> Call {
        let mut call = self.decide(decision, None);
        if let (Value::Map(args), Some(value)) = (&mut call.args, value) {
            args.insert(name.to_owned(), value.into());
        }
        call
    }

    fn decide(&self, decision: &str, comment: Option<&str>) -> Call {
        let args = CallArgs::new()
            .with("item", Some(self.item.as_str()))
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
        ("ITEM", "item"),
        ("WAITS FOR", "kind"),
        ("AGE", "age"),
        ("FROM", "from"),
        ("OWNER", "owner"),
        ("SNOOZED UNTIL", "snoozed"),
        ("HEADLINE", "headline"),
    ],
    empty: "nothing waits for a person",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_pairs_of_a_number_and_an_object() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let read = edits(&words(&["2", r#"{"id": 7}"#, "3", "{}"])).unwrap();
        let two = Value::map([("id", Value::Int(7))]);
        assert_eq!(read, Value::map([("2", two), ("3", Value::Map(BTreeMap::new()))]));
        for wrong in [["two", "{}"], ["2", "{"], ["2", "[1]"]] {
            assert!(edits(&words(&wrong)).is_err(), "{wrong:?}");
        }
    }
}
