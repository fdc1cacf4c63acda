//! All that the fake knows, and who may see what of it.

use super::dates;
use super::error::RpcError;
use super::limits::Windows;
use super::options::Options;
use super::rows::{Columns as _, Row, Table, row};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    pub id: i64,
    /// The global role.
    pub role: i64,
}

/// The tables.
#[derive(Debug)]
pub struct State {
    pub options: Options,
    /// Stands still until a test moves it.
    pub now: DateTime<Utc>,
    pub users: Table,
    pub projects: Table,
    /// User and project, with the role there; empty for the global one.
    pub members: BTreeMap<(i64, i64), String>,
    /// Statuses of projects that do not have the usual ones.
    pub labels: BTreeMap<i64, Vec<Row>>,
    pub tickets: Table,
    pub comments: Table,
    pub boards: Table,
    pub goals: Table,
    pub events: Table,
    pub sheets: Table,
    /// Ticket and user, with the beginning.
    pub timers: BTreeMap<(i64, i64), DateTime<Utc>>,
    pub sprints: Table,
    pub notices: Table,
    /// Mails by the person they went to.
    pub mails: BTreeMap<i64, usize>,
    /// What stands in the headers, and whose it is.
    pub credentials: BTreeMap<String, i64>,
    pub requests: Windows,
    pub failures: Windows,
    /// What was refused once.
    pub refused: BTreeSet<String>,
    pub violations: Vec<String>,
    /// What a person does right after a call of a method, within the same request: ticket, column and
    /// value.
    pub amid: Vec<(String, i64, String, serde_json::Value)>,
}

impl State {
    pub fn new(options: Options, now: DateTime<Utc>) -> Self {
        Self {
            options,
            now,
            users: Table::default(),
            projects: Table::default(),
            members: BTreeMap::new(),
            labels: BTreeMap::new(),
            tickets: Table::default(),
            comments: Table::default(),
            boards: Table::default(),
            goals: Table::default(),
            events: Table::default(),
            sheets: Table::default(),
            timers: BTreeMap::new(),
            sprints: Table::default(),
            notices: Table::default(),
            mails: BTreeMap::new(),
            credentials: BTreeMap::new(),
            requests: Windows::default(),
            failures: Windows::default(),
            refused: BTreeSet::new(),
            violations: Vec::new(),
            amid: Vec::new(),
        }
    }

    /// Writes down what a careful client never does.
    pub fn violation(&mut self, what: &str) {
        if self.options.strict {
            self.violations.push(what.to_owned());
        }
    }

    pub fn stamp(&self) -> String {
        dates::stored(self.now)
    }

    /// In the server's zone, as many columns are kept although nothing says so.
    pub fn local_stamp(&self) -> String {
        dates::stored_local(self.now, self.options.zone)
    }

    pub fn caller(&self, id: i64) -> Option<Caller> {
        let user = self.users.get(id)?;
        Some(Caller { id, role: user.int("role") })
    }

    /// A column of a user, or null where there is no such user.
    pub fn user(&self, id: i64, column: &str) -> Value {
        self.users.get(id).map(|user| user.value(column).clone()).unwrap_or_default()
    }

    pub fn is_api_key(&self, id: i64) -> bool {
        self.user(id, "source") == "api"
    }

    pub fn project(&self, id: i64, column: &str) -> Value {
        self.projects.get(id).map(|project| project.value(column).clone()).unwrap_or_default()
    }

    /// The highest role that the caller has anywhere.
    pub fn best_role(&self, caller: &Caller) -> i64 {
        let own = self.members.iter().filter(|((user, _), _)| *user == caller.id);
        own.filter_map(|(_, role)| role.parse().ok()).fold(caller.role, i64::max)
    }

    pub fn can_see(&self, caller: &Caller, project: i64) -> bool {
        let is_for_all = self.project(project, "psettings") == "all";
        caller.role >= super::rpc::ADMIN
            || is_for_all
            || self.members.contains_key(&(caller.id, project))
    }

    /// Whether the caller has this role in the project; below manager the project's role counts.
    pub fn demand(&self, caller: &Caller, project: i64, need: i64) -> Result<(), RpcError> {
        if !self.can_see(caller, project) {
            return Err(RpcError::denied());
        }
        let own = self.members.get(&(caller.id, project)).and_then(|role| role.parse().ok());
        let is_free = caller.role >= super::rpc::MANAGE || !self.options.version.is_gated();
        let role = if is_free { caller.role } else { own.unwrap_or(caller.role) };
        let is_enough = role >= need || !self.options.version.is_gated();
        if is_enough { Ok(()) } else { Err(RpcError::denied()) }
    }

    /// A ticket that the caller can see.
    pub fn seen_ticket(&self, caller: &Caller, id: i64) -> Option<&Row> {
        self.tickets.get(id).filter(|ticket| self.can_see(caller, ticket.int("projectId")))
    }

    /// Tells a project's people: a row in the inbox and a mail each. API keys are not told.
    pub fn notify(&mut self, project: i64, author: i64, module: &str, entity: i64, message: &str) {
        let members = self.members.keys().filter(|(_, own)| *own == project);
        let members: Vec<i64> = members.map(|(user, _)| *user).collect();
        for user in members.into_iter().filter(|user| *user != author) {
            if self.is_api_key(user) || self.user(user, "notifications") != 1 {
                continue;
            }
            let url = format!("/dashboard/home#/tickets/showTicket/{entity}");
            self.notice(user, author, "projectUpdate", (module, entity), &url, message);
            *self.mails.entry(user).or_default() += 1;
        }
    }

    /// A row for each one that a text mentions, API keys too.
    pub fn mention(&mut self, html: &str, author: i64, about: (&str, i64), ticket: i64) {
        let begin = "data-tagged-user-id=\"";
        let ids = html
            .match_indices(begin)
            .filter_map(|(at, _)| html[at + begin.len()..].split('"').next()?.parse::<i64>().ok());
        for user in ids.collect::<BTreeSet<_>>() {
            let url = format!("/dashboard/home#/tickets/showTicket/{ticket}");
            self.notice(user, author, "mention", about, &url, "mentioned you");
        }
    }

    fn notice(
        &mut self,
        user: i64,
        author: i64,
        kind: &str,
        (module, entity): (&str, i64),
        url: &str,
        message: &str,
    ) {
        let at = self.local_stamp();
        let notice = json!({
            "userId": user, "read": 0, "type": kind, "module": module, "moduleId": entity,
            "datetime": at, "url": url, "message": message, "authorId": author,
        });
        self.notices.insert(row(notice));
    }
}
