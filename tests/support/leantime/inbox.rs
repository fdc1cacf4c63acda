//! What people are told inside Leantime.

use super::error::Outcome;
use super::rows::{Columns as _, Row};
use super::rpc::{Method, OPEN};
use super::state::{Caller, State};
use serde_json::{Value, json};

pub const METHODS: &[Method] = &[
    ("notifications.getInbox", "showNewOnly?: int, limitStart?: int, limitEnd?: int", OPEN, inbox),
    ("notifications.getUnreadCount", "", OPEN, unread),
    ("notifications.markRead", "id: any", OPEN, mark_read),
];

fn own<'a>(state: &'a State, caller: &Caller) -> impl Iterator<Item = &'a Row> {
    let id = caller.id;
    state.notices.iter().rev().filter(move |notice| notice.int("userId") == id)
}

/// The newest first.
fn inbox(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let size = |name: &str, usual: i64| {
        let wanted = if args.contains_key(name) { args.int(name) } else { usual };
        usize::try_from(wanted).unwrap_or_default()
    };
    let is_asked = |notice: &&Row| args.int("showNewOnly") == 0 || notice.int("read") == 0;
    let found = own(state, caller).filter(is_asked);
    let rows = found.skip(size("limitStart", 0)).take(size("limitEnd", 100)).map(|notice| {
        let mut row = notice.clone();
        let author = notice.int("authorId");
        row.insert("firstname".to_owned(), state.user(author, "firstname"));
        row.insert("lastname".to_owned(), state.user(author, "lastname"));
        Value::Object(row)
    });
    Ok(rows.collect())
}

fn unread(state: &mut State, caller: &Caller, _: &Row) -> Outcome {
    Ok(json!(own(state, caller).filter(|notice| notice.int("read") == 0).count()))
}

fn mark_read(state: &mut State, caller: &Caller, args: &Row) -> Outcome {
    let notice = state.notices.get_mut(args.int("id"));
    if let Some(notice) = notice.filter(|notice| notice.int("userId") == caller.id) {
        notice.insert("read".to_owned(), json!(1));
    }
    Ok(json!(true))
}
