//! The pages for people: what agents and people are doing, and the ways to step in.
//!
//! # What stays true
//! - Everything on a page was answered by a tool, called as the person who signed in; whatever a page
//!   does is a call of a tool. What somebody may do their role says, in the tools.
//! - Every page reads, and every decision is made, without a script; a script only saves a reload.
//! - What people, agents and models wrote is text: it is escaped where it is put into a page, and no
//!   page lets a script, a style or an image in that is not ours.
//! - Nothing is changed by looking. A form counts from our own pages alone, and for whom it was shown.
//! - So much is read of a request, and so much is shown at once.
//! - What changes is heard of by the same stream of events as over REST: a page looks again then, as whoever
//!   is signed in; nothing of the stream is put into a page.

mod answer;
mod assets;
mod board;
mod cookie;
mod costs;
mod digest;
mod entry;
mod form;
mod layout;
mod live;
mod markdown;
mod now;
mod playbooks;
mod review;
mod runs;
mod settings;
mod shown;
mod sign_in;
mod slack;
mod task;
#[cfg(test)]
mod tests;
mod visit;

use crate::clock::Clock;
use crate::domain::{PersonId, Value};
use crate::mcp::http::{Door, Rate};
use crate::mcp::{CallError, Called, Caller, Denied};
use crate::web::events::Feed;
use async_trait::async_trait;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use visit::Remarks;

/// Requests of one session in a minute: people click, they do not poll.
const RATE_PER_MINUTE: u32 = 600;
/// Sign-ins of one person in ten minutes: each is a session, and stands in the record.
const SIGN_INS_MAX: u32 = 20;

/// Whoever keeps the sessions and carries out what is asked.
#[async_trait]
pub trait Household: Send + Sync {
    /// A person signs in with a token that counts: the secret of their new session.
    async fn begin(&self, token: &SecretString) -> Result<SecretString, SignInError>;
    /// Somebody signs in by a link, which counts once; `None`: it does not count.
    async fn begin_by_link(&self, link: &SecretString)
    -> Result<Option<SecretString>, SignInError>;
    /// Who has this secret; `None`: nobody, or not any more.
    async fn known(&self, secret: &SecretString) -> Result<Option<Known>, SignInError>;
    /// Somebody signs out.
    async fn end(&self, secret: &SecretString) -> Result<(), SignInError>;
    /// Who somebody is by now who was known in this session as `before`; `None`: it is over.
    async fn again(&self, session: &str, before: &Caller) -> Option<Caller>;
    /// Calls a tool as somebody who clicked themselves.
    async fn call(&self, caller: &Caller, tool: &str, args: Value) -> Result<Called, CallError>;
    /// What time it is.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Known {
    /// Who, with what their token leaves of their rights.
    pub caller: Caller,
    /// The session's name, which is not secret.
    pub session: String,
    /// What stands in every form that is theirs.
    pub mark: String,
    /// The secret that their browser is to have from now on, where it is time for another.
    pub next: Option<SecretString>,
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Their token does not count.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is a program's.
    #[error("this token is not a person's: sign in with a personal token (`rota token create`)")]
    NotAPersons,
}

/// What stands behind the pages.
pub struct Pages {
    house: Arc<dyn Household>,
    door: Arc<Door>,
    rate: Rate<String>,
    sign_ins: Rate<PersonId>,
    remarks: Remarks,
    wire: Wire,
    feed: Arc<Feed>,
    /// Somebody signed out, or a token was revoked: who hears the stream is asked after at once.
    endings: watch::Sender<u64>,
}

/// What is spoken here, and so which cookies a browser sends back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// TLS.
    Tls,
    /// HTTP on loopback, and TLS by whoever stands before us beyond it.
    Proxied,
    /// HTTP, also beyond loopback.
    Plain,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("wire", &self.wire).finish_non_exhaustive()
    }
}

impl Pages {
    /// A session or a token may have ended just now.
    fn somebody_left(&self) {
        self.endings.send_modify(|count| *count += 1);
    }
}

/// The routes.
pub fn router(house: Arc<dyn Household>, door: Arc<Door>, wire: Wire, feed: Arc<Feed>) -> Router {
    let rate = Rate::new(house.clock(), RATE_PER_MINUTE, Duration::from_mins(1));
    let sign_ins = Rate::new(house.clock(), SIGN_INS_MAX, Duration::from_mins(10));
    let (remarks, endings) = (Remarks::default(), watch::Sender::new(0));
    let pages = Arc::new(Pages { house, door, rate, sign_ins, remarks, wire, feed, endings });
    let inside = Router::new()
        .route("/", get(now::page))
        .route("/live", get(live::stream))
        .route("/review", get(review::page).post(review::decide))
        .route("/board", get(board::page).post(board::add))
        .route("/task/{id}", get(task::page))
        .route("/task/{id}/answer", post(task::answer))
        .route("/task/{id}/comment", post(task::comment))
        .route("/task/{id}/delete-comment", post(task::delete_comment))
        .route("/task/{id}/edit", post(task::edit))
        .route("/task/{id}/move", post(task::move_to))
        .route("/task/{id}/subtask", post(task::subtask))
        .route("/task/{id}/release", post(task::release))
        .route("/runs", get(runs::page))
        .route("/runs/{id}", get(runs::one))
        .route("/runs/{id}/stop", post(runs::stop))
        .route("/runs/{id}/undo", get(runs::undo).post(runs::put_back))
        .route("/playbooks", get(playbooks::page))
        .route("/playbooks/{name}", get(playbooks::one).post(playbooks::act))
        .route("/playbooks/{name}/dry-run", post(playbooks::rehearse))
        .route("/digest", get(digest::page))
        .route("/costs", get(costs::page))
        .route("/settings", get(settings::page).post(settings::act))
        .route("/stop-all", post(now::stop_all))
        .route("/start-all", post(now::start_all))
        .route("/sign-out", post(sign_in::out))
        .route_layer(from_fn_with_state(Arc::clone(&pages), entry::signed_in));
    let outside = Router::new()
        .route("/sign-in", get(sign_in::page).post(sign_in::by_token))
        .route("/open/{link}", get(sign_in::link).post(sign_in::by_link))
        .route_layer(from_fn_with_state(Arc::clone(&pages), entry::anybody));
    let assets = Router::new().route("/assets/{name}", get(assets::serve));
    // `route_layer`, not `layer`: what is not found here is not ours.
    inside.merge(outside).merge(assets).route_layer(from_fn(answer::harden))
}
