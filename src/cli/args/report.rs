//! `rota report …`: sums over what agents did.

use crate::cli::call::{Args as CallArgs, Call, View};
use crate::cli::cost;
use crate::tools::desk::CostBy;
use clap::Subcommand;

/// `rota report …`.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// What runs cost: tokens, money and how many, in lines that add up
    #[command(
        after_help = "Examples:\n  rota report cost\n  rota report cost --by milestone\n  rota report cost --by day --since -7d\n  \
                            rota report cost --by model --since 2026-11-01 --json"
    )]
    Cost {
        /// Of runs that began then or later, such as -7d, yesterday or 2026-11-01 [default: 30 days]
        #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
        since: Option<String>,
        /// What a line stands for: playbook, agent, model, task, project, milestone, goal or day
        #[arg(long, value_name = "WHAT", default_value = "playbook", value_parser = by)]
        by: CostBy,
    },
}

impl ReportCommand {
    /// The call it makes.
    pub fn call(&self) -> Call {
        match self {
            Self::Cost { since, by } => {
                let args =
                    CallArgs::new().with("since", since.as_deref()).with("by", Some(by.as_str()));
                Call::look("reportCost", args, View::Detail(cost::page))
            }
        }
    }
}

fn by(text: &str) -> Result<CostBy, String> {
    CostBy::named(text).ok_or_else(CostBy::expected)
}
