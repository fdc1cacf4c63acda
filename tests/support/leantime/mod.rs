//! A fake Leantime: the part of its JSON-RPC interface that a board needs, with its traps.
//!
//! It keeps everything in memory, its clock stands still until a test moves it, and its answers were
//! held against recordings of a real 3.9.8 (`tests/contract/leantime`). Where it is strict it writes
//! down what the real one takes without a word and a careful client never sends. What it does not
//! know: files, wikis, ideas, other canvases, plugins, the web.

#![expect(clippy::unnecessary_wraps, reason = "all methods of the table have one signature")]

mod calendar;
mod comments;
mod dates;
mod error;
mod faults;
mod goals;
mod http;
mod inbox;
mod limits;
mod milestones;
mod options;
mod person;
mod projects;
mod rows;
mod rpc;
mod signature;
mod sprints;
mod state;
mod system;
mod ticket_lists;
mod ticket_rows;
mod tickets;
mod timers;
mod timesheets;
mod users;
mod widths;

pub use faults::{Fault, Gate, Moment, Trouble};
pub use http::Asked;
pub use options::{Options, Version};
pub use person::Person;

use axum::Router;
use chrono::{DateTime, Duration, TimeZone as _, Utc};
use faults::Faults;
use rows::{Columns as _, row};
use serde_json::{Value, json};
use state::State;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The roles, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Readonly = 5,
    Commenter = 10,
    Editor = 20,
    Manager = 30,
    Admin = 40,
    Owner = 50,
}

/// What requests share.
#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    faults: Faults,
    asked: Mutex<Vec<Asked>>,
    /// How many were carried out, or refused.
    over: watch::Sender<usize>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn log(&self, asked: Asked) -> usize {
        let mut all = self.asked.lock().unwrap();
        all.push(asked);
        all.len() - 1
    }

    fn answered(&self, number: usize, status: u16) {
        self.asked.lock().unwrap()[number].status = Some(status);
        self.over.send_modify(|count| *count += 1);
    }
}

/// The server. It ends with this value.
#[derive(Debug)]
pub struct FakeLeantime {
    address: SocketAddr,
    inner: Arc<Inner>,
    serving: JoinHandle<()>,
}

impl Drop for FakeLeantime {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl FakeLeantime {
    /// As it is after an installation: Ada, the owner, is user 1, and hers is project 1.
    ///
    /// # Panics
    ///
    /// If the address of this machine cannot be bound.
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let now = Utc.with_ymd_and_hms(2026, 11, 22, 14, 0, 0).unwrap();
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(options, now)),
            faults: Faults::default(),
            asked: Mutex::default(),
            over: watch::Sender::default(),
        });
        let app = Router::new().fallback(http::handle).with_state(Arc::clone(&inner));
        #[expect(clippy::disallowed_methods, reason = "no daemon is here; it ends with the value")]
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        let fake = Self { address, inner, serving };
        let ada = fake.add_person("Ada", "Admin", Role::Owner);
        fake.add_project("My Project", &[ada]);
        fake
    }

    /// Where it is, without the interface's path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state()
    }

    /// Somebody who logs in; gets mails.
    pub fn add_person(&self, first: &str, last: &str, role: Role) -> i64 {
        let mut state = self.state();
        let name = format!("{}@example.com", first.to_lowercase());
        let user = users::new(&state, first, last, &name, role as i64, &Value::Null);
        state.users.insert(user)
    }

    /// A program and its key: the value of `x-api-key`.
    pub fn add_key(&self, name: &str, role: Role, projects: &[i64]) -> (i64, String) {
        system::new_key(&mut self.state(), name, role as i64, projects)
    }

    /// A personal token, for `Authorization: Bearer`.
    pub fn add_token(&self, user: i64) -> String {
        let token = format!("faketoken{user:031}");
        self.state().credentials.insert(format!("bearer {token}"), user);
        token
    }

    /// No longer valid, whatever it was.
    pub fn revoke(&self, credential: &str) {
        self.state().credentials.retain(|own, _| own.split(' ').next_back() != Some(credential));
    }

    /// A project with these members.
    pub fn add_project(&self, name: &str, members: &[i64]) -> i64 {
        let mut state = self.state();
        let project = projects::new(&state, name, "");
        let id = state.projects.insert(project);
        for user in members {
            state.members.insert((*user, id), String::new());
        }
        id
    }

    /// Makes somebody a member, with a role there or with the own one.
    pub fn add_member(&self, user: i64, project: i64, role: Option<Role>) {
        let role = role.map(|role| (role as i64).to_string()).unwrap_or_default();
        self.state().members.insert((user, project), role);
    }

    /// Statuses of a project: number, name, `NEW`, `INPROGRESS`, `DONE` or `NONE`.
    pub fn set_statuses(&self, project: i64, statuses: &[(i64, &str, &str)]) {
        let label = |(place, (id, name, kind)): (i64, &(i64, &str, &str))| {
            row(json!({
                "id": id, "name": name, "class": "label-info", "statusType": kind,
                "kanbanCol": true, "sortKey": place,
            }))
        };
        self.state().labels.insert(project, (1..).zip(statuses).map(label).collect());
    }

    /// A board for goals, which no program can make.
    pub fn add_board(&self, project: i64, title: &str) -> i64 {
        self.state().boards.insert(row(json!({ "projectId": project, "title": title })))
    }

    /// What a person does in the browser.
    pub fn as_person(&self, user: i64) -> Person<'_> {
        Person::new(self, user)
    }

    /// Moves the clock.
    pub fn advance(&self, by: std::time::Duration) {
        self.state().now += Duration::from_std(by).unwrap_or(Duration::MAX);
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.state().now
    }

    /// Lets something go wrong.
    pub fn trouble(&self, trouble: Trouble) {
        self.inner.faults.add(trouble);
    }

    /// Stops the next request that asks for a method, as `tickets.patchTicket`.
    pub fn gate(&self, method: &str, moment: Moment) -> Gate {
        self.inner.faults.gate(method, moment)
    }

    /// A person's edit right after the next call of a method, before the next call of that request.
    pub fn amid(&self, method: &str, ticket: i64, column: &str, value: Value) {
        self.state().amid.push((method.to_owned(), ticket, column.to_owned(), value));
    }

    /// Returns when so many requests were held by a fault since the beginning.
    pub async fn until_held(&self, count: usize) {
        self.inner.faults.until_held(count).await;
    }

    /// Returns when so many requests were carried out or refused, answered or not.
    ///
    /// # Panics
    ///
    /// Never: this holds the other end.
    pub async fn until_over(&self, count: usize) {
        self.inner.over.subscribe().wait_for(|over| *over >= count).await.unwrap();
    }

    /// Lets held requests go on.
    pub fn release(&self) {
        self.inner.faults.release();
    }

    /// All requests so far.
    ///
    /// # Panics
    ///
    /// If a request panicked before.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// How many requests came so far, and how many of them are over.
    ///
    /// # Panics
    ///
    /// If a request panicked before.
    pub fn requests(&self) -> (usize, usize) {
        let came = self.inner.asked.lock().unwrap().len();
        (came, *self.inner.over.borrow())
    }

    /// How often a method was asked for, in batches, too.
    pub fn calls(&self, method: &str) -> usize {
        let asked = self.asked();
        asked.iter().flat_map(|asked| &asked.methods).filter(|own| *own == method).count()
    }

    /// What a careful client never does, and this one did.
    pub fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// As the database has it.
    pub fn ticket(&self, id: i64) -> Option<Value> {
        self.state().tickets.get(id).map(|ticket| json!(ticket))
    }

    pub fn tickets(&self) -> Vec<Value> {
        self.state().tickets.iter().map(|ticket| json!(ticket)).collect()
    }

    /// Of one thing, as `ticket` or `project`, the oldest first.
    pub fn comments(&self, module: &str, entity: i64) -> Vec<Value> {
        let state = self.state();
        let is_on = |comment: &&rows::Row| {
            comment.text("module") == module && comment.int("moduleId") == entity
        };
        state.comments.iter().filter(is_on).map(|comment| json!(comment)).collect()
    }

    pub fn sheets(&self) -> Vec<Value> {
        self.state().sheets.iter().map(|sheet| json!(sheet)).collect()
    }

    pub fn goals(&self) -> Vec<Value> {
        self.state().goals.iter().map(|goal| json!(goal)).collect()
    }

    pub fn events(&self) -> Vec<Value> {
        self.state().events.iter().map(|event| json!(event)).collect()
    }

    /// Whose timers run on a ticket.
    pub fn timers(&self, ticket: i64) -> Vec<i64> {
        let state = self.state();
        let on = state.timers.keys().filter(|(own, _)| *own == ticket);
        on.map(|(_, user)| *user).collect()
    }

    /// How many rows a user has in the inbox.
    pub fn notices(&self, user: i64) -> usize {
        self.state().notices.iter().filter(|notice| notice.int("userId") == user).count()
    }

    /// How many mails a user got.
    pub fn mails(&self, user: i64) -> usize {
        self.state().mails.get(&user).copied().unwrap_or_default()
    }
}
