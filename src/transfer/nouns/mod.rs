//! The nouns, one file each or a few that belong together.

mod comment;
mod event;
mod goals;
mod people;
mod plans;
mod project;
mod task;
mod time;

use super::way::Way;
use crate::board::Result;
use crate::domain::{Cursor, Page};
use std::future::Future;

/// Pages that are read at most of one question.
const PAGES_MAX: usize = 10_000;

/// All pages of an answer.
pub(super) async fn all<T, F: Future<Output = Result<Page<T>>>>(
    ask: impl Fn(Option<Cursor>) -> F,
) -> Result<Vec<T>> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let page = ask(after).await?;
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
    let what = format!("an answer of more than {PAGES_MAX} pages: expected fewer");
    Err(crate::board::BoardError::Malformed(what))
}

/// A field that no item of this noun has.
fn no_field<T>(field: &str) -> std::result::Result<T, String> {
    Err(format!("there is no field {field}"))
}

/// The project of the target that a project of the source is.
fn home(way: &Way, project: crate::domain::ProjectId) -> Result<crate::domain::ProjectId> {
    super::way::needed(way.project(project), "its project")
}
