//! What people do in the browser, past everything that the interface looks at.

use super::FakeLeantime;
use super::rows::{Columns as _, Row, row};
use super::{comments, tickets};
use serde_json::{Value, json};

/// A person at work.
#[derive(Debug)]
pub struct Person<'a> {
    fake: &'a FakeLeantime,
    user: i64,
}

impl<'a> Person<'a> {
    pub(super) fn new(fake: &'a FakeLeantime, user: i64) -> Self {
        Self { fake, user }
    }

    /// A new ticket with these columns, as the database takes them.
    pub fn add_ticket(&self, columns: Value) -> i64 {
        let mut state = self.fake.state();
        let mut ticket = tickets::new(&mut state, self.user, &Row::new());
        ticket.extend(row(columns));
        state.tickets.insert(ticket)
    }

    /// Sets a column of a ticket, whatever it is.
    ///
    /// # Panics
    ///
    /// If there is no such ticket.
    pub fn edit(&self, ticket: i64, column: &str, value: Value) {
        let mut state = self.fake.state();
        let row = state.tickets.get_mut(ticket).expect("a ticket");
        row.insert(column.to_owned(), value);
        let (project, has_status) = (row.int("projectId"), column == "status");
        if has_status {
            state.notify(project, self.user, "tickets", ticket, "changed");
        }
    }

    /// Comments stay behind.
    pub fn delete(&self, ticket: i64) {
        self.fake.state().tickets.remove(ticket);
    }

    /// Returns the comment's id.
    pub fn comment(&self, ticket: i64, html: &str) -> i64 {
        let mut state = self.fake.state();
        let comment = comments::new(&mut state, self.user, ("ticket", ticket), html, &Row::new());
        let id = state.comments.insert(comment);
        let project = state.tickets.get(ticket).map_or(0, |ticket| ticket.int("projectId"));
        state.notify(project, self.user, "comments", id, "a new comment");
        state.mention(html, self.user, ("comments", id), ticket);
        id
    }

    /// A comment on a project itself; its id.
    pub fn comment_on_project(&self, project: i64, html: &str) -> i64 {
        let mut state = self.fake.state();
        let about = ("project", project);
        let comment = comments::new(&mut state, self.user, about, html, &Row::new());
        state.comments.insert(comment)
    }

    /// Takes a comment away, as those do who manage the project.
    pub fn delete_comment(&self, comment: i64) {
        self.fake.state().comments.remove(comment);
    }

    /// Starts a timer, as a click on the clock does.
    pub fn start_timer(&self, ticket: i64) {
        let mut state = self.fake.state();
        let now = state.now;
        state.timers.insert((ticket, self.user), now);
    }

    /// Takes a project out of the lists.
    pub fn close_project(&self, project: i64) {
        if let Some(project) = self.fake.state().projects.get_mut(project) {
            project.insert("state".to_owned(), json!(-1));
        }
    }

    /// Removes a user: the comments are no longer shown.
    pub fn remove_user(&self, user: i64) {
        self.fake.state().users.remove(user);
    }

    /// Locks a user out.
    pub fn deactivate(&self, user: i64) {
        if let Some(user) = self.fake.state().users.get_mut(user) {
            user.insert("status".to_owned(), json!("i"));
        }
    }
}
