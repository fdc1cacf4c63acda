//! The table of tools, one file a noun: arguments, and what a call looks up or plans to write.

mod comments;
mod find;
mod finish;
mod milestones;
mod operate;
mod params;
mod people;
mod projects;
mod records;
mod tasks;

use super::definition::Definition;

/// Every tool.
pub(super) fn all() -> Vec<Definition> {
    [
        find::tools(),
        tasks::tools(),
        comments::tools(),
        projects::tools(),
        milestones::tools(),
        people::tools(),
        records::tools(),
        operate::tools(),
        finish::tools(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
