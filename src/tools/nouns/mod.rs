//! The table of tools, one file a noun: arguments, and what a call looks up or plans to write.

mod assigned;
mod audit;
mod bulk;
mod calendar;
mod claims;
mod code;
mod comments;
mod daemons;
mod feed;
mod find;
mod findings;
mod finish;
mod goals;
mod history;
mod log_time;
mod members;
mod milestones;
mod occurrences;
mod operate;
mod outbox;
mod overview;
mod params;
mod people;
mod planning;
mod projects;
mod records;
mod reports;
mod reviews;
mod sessions;
mod spent;
mod sprints;
mod talk;
mod tasks;
mod timesheets;
mod tokens;
mod undo;
mod upstreams;

pub(super) use operate::desk_error;

use super::Toolset;
use super::definition::Definition;

/// Every tool.
pub(super) fn all() -> Vec<Definition> {
    let sets = [
        (Toolset::Tasks, find::tools()),
        (Toolset::Tasks, tasks::tools()),
        (Toolset::Tasks, claims::tools()),
        (Toolset::Comments, comments::tools()),
        (Toolset::Projects, projects::tools()),
        (Toolset::Comments, talk::tools()),
        (Toolset::Projects, assigned::tools()),
        (Toolset::Projects, overview::tools()),
        (Toolset::Time, log_time::tools()),
        (Toolset::Time, timesheets::tools()),
        (Toolset::Milestones, milestones::tools()),
        (Toolset::Goals, goals::tools()),
        (Toolset::Sprints, sprints::tools()),
        (Toolset::Members, members::tools()),
        (Toolset::Reviews, reviews::tools()),
        (Toolset::Reports, reports::tools()),
        (Toolset::Calendar, calendar::tools()),
        (Toolset::Tasks, bulk::tasks()),
        (Toolset::Milestones, bulk::milestones()),
        (Toolset::Calendar, bulk::events()),
        (Toolset::Time, bulk::time()),
        (Toolset::Calendar, planning::tools()),
        (Toolset::Calendar, feed::tools()),
        (Toolset::People, people::tools()),
        (Toolset::Records, records::tools()),
        (Toolset::Records, undo::digest_tools()),
        (Toolset::Audit, occurrences::tools()),
        (Toolset::Audit, audit::tools()),
        (Toolset::Audit, spent::tools()),
        (Toolset::Audit, outbox::tools()),
        (Toolset::Audit, daemons::tools()),
        (Toolset::Operate, operate::tools()),
        (Toolset::Operate, undo::tools()),
        (Toolset::Tokens, tokens::tools()),
        (Toolset::Tokens, sessions::tools()),
        (Toolset::Upstreams, upstreams::tools()),
        (Toolset::Code, code::tools()),
        (Toolset::Code, history::tools()),
        (Toolset::Code, findings::tools()),
        (Toolset::Run, comments::run_tools()),
        (Toolset::Run, finish::tools()),
    ];
    let mut all = Vec::new();
    for (set, tools) in sets {
        all.extend(tools.into_iter().map(|tool| Definition { set, ..tool }));
    }
    all
}
