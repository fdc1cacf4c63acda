//! Several writes in one step: each by its own steps, in one session.

use super::super::batch::{BatchError, OneWrite, Wrote};
use super::super::{Result, batch};
use super::{Session, add_event, add_milestone, add_task, edit_event, edit_task, log_time};
use crate::domain::{Stamp, Timestamp};

/// All of them, in order; after an error the session is to be dropped.
pub(in crate::board) async fn write_all<S: Session>(
    session: &mut S,
    at: Timestamp,
    writes: &[(Stamp, OneWrite)],
) -> std::result::Result<Vec<Wrote>, BatchError> {
    batch::check(writes)?;
    let mut wrote = Vec::with_capacity(writes.len());
    for (index, (stamp, write)) in writes.iter().enumerate() {
        let one = one(session, at, stamp, write).await;
        wrote.push(one.map_err(|error| BatchError { index: Some(index), error })?);
    }
    Ok(wrote)
}

async fn one<S: Session>(
    session: &mut S,
    at: Timestamp,
    stamp: &Stamp,
    write: &OneWrite,
) -> Result<Wrote> {
    Ok(match write {
        OneWrite::AddTask(new) => {
            Wrote::Task(Box::new(add_task(session, at, stamp, new.clone()).await?.after))
        }
        OneWrite::EditTask(id, edits) => {
            Wrote::Task(Box::new(edit_task(session, at, stamp, *id, edits).await?.after))
        }
        OneWrite::AddMilestone(new) => {
            Wrote::Milestone(add_milestone(session, at, stamp, new.clone()).await?.after)
        }
        OneWrite::AddEvent(new) => {
            Wrote::Event(add_event(session, at, stamp, new.clone()).await?.after)
        }
        OneWrite::EditEvent(id, edits) => {
            Wrote::Event(edit_event(session, at, stamp, *id, edits).await?.after)
        }
        OneWrite::LogTime(change) => {
            Wrote::TimeEntry(log_time(session, at, stamp, change.clone()).await?.after)
        }
    })
}
