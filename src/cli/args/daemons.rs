//! Commands about the daemons that share a store.

use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::page::{Page, Style};
use crate::domain::Value;
use clap::Subcommand;

/// `rota daemons …`.
#[derive(Debug, Subcommand)]
pub enum DaemonsCommand {
    /// The daemons that share the store: what each runs, its labels, when it was seen
    #[command(after_help = "Example:\n  rota daemons list")]
    List,
    /// Let a daemon finish what it has and take no new work, also after a restart
    #[command(
        after_help = "Examples:\n  rota daemons drain build-1\n  rota daemons drain build-1 --undo"
    )]
    Drain {
        /// Its name in `rota daemons list`
        daemon: String,
        /// Let it take new work again
        #[arg(long)]
        undo: bool,
    },
}

impl DaemonsCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::List => Call::look("listDaemons", CallArgs::new(), DAEMONS),
            Self::Drain { daemon, undo } => {
                let args = CallArgs::new()
                    .with("daemon", Some(daemon.as_str()))
                    .with("undo", undo.then_some(true));
                Call { view: View::Detail(drained), ..Call::act("drainDaemon", args) }
            }
        }
    }
}

const DAEMONS: View = View::Table {
    columns: &[
        ("DAEMON", "daemon"),
        ("STATE", "state"),
        ("RUNS", "runs"),
        ("SLOTS", "slots"),
        ("LABELS", "labels"),
        ("VERSION", "version"),
        ("SINCE", "since"),
        ("SEEN", "seen_seconds_ago"),
        ("DRAINED BY", "drained"),
        ("PLAYBOOKS", "playbooks"),
    ],
    empty: "no daemon is at work; `rota serve` starts one",
};

fn drained(value: &Value) -> Option<Page> {
    let daemon = value.get("daemon")?.as_text()?;
    let said = match (value.get("drained")?.as_bool()?, value.get("changed")?.as_bool()?) {
        (true, true) => "takes no new work; what it has it finishes",
        (true, false) => "took no new work already",
        (false, true) => "takes new work again",
        (false, false) => "took new work already",
    };
    let mut page = Page::new();
    page.line(Style::Bold, daemon).add(Style::Plain, &format!(" {said}"));
    Some(page)
}
