//! One request of somebody who is signed in: what they may do, what is done, what they are told next.

use super::answer::{html, see};
use super::form::Form;
use super::shown::Moment;
use super::{Pages, layout};
use crate::domain::{Role, Value};
use crate::mcp::{CallError, Caller};
use crate::tools::catalogue;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use maud::{Markup, html};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// At most so many remarks wait to be read.
const REMARKS_MAX: usize = 1_000;
/// No remark is longer.
const REMARK_CHARS_MAX: usize = 2_000;

/// No page is made of more.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What somebody is told on the page that they see next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// Whether it went as they wanted.
    pub is_good: bool,
    pub text: String,
}

/// Remarks that wait, by session.
#[derive(Debug, Default)]
pub(super) struct Remarks(Mutex<HashMap<String, Remark>>);

impl Remarks {
    fn put(&self, session: &str, remark: Remark) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Most were never read: their readers went elsewhere.
        if waiting.len() >= REMARKS_MAX {
            waiting.clear();
        }
        waiting.insert(session.to_owned(), remark);
    }

    fn take(&self, session: &str) -> Option<Remark> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session)
    }
}

/// The request.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) pages: Arc<Pages>,
    pub(super) caller: Caller,
    pub(super) session: String,
    pub(super) mark: String,
    /// Which page it is.
    pub(super) place: String,
    /// What the address says after the question mark.
    pub(super) query: Form,
    /// What the form says; empty where none was sent.
    pub(super) form: Form,
    /// So much was answered for this page.
    pub(super) taken: Arc<AtomicUsize>,
    /// Whether a page that is open already looks again: what somebody is told is for the page that they go
    /// to next.
    pub(super) is_look: bool,
}

impl Visit {
    /// Whether they may call a tool.
    pub(super) fn may(&self, tool: &str) -> bool {
        let definition = catalogue().iter().find(|definition| definition.name == tool);
        definition.is_some_and(|definition| {
            self.role() >= definition.role
                && (self.caller.projects.is_empty() || definition.keeps_to_projects())
        }) && self.caller.may_reach(tool)
    }

    pub(super) fn role(&self) -> Role {
        self.caller.principal.person.role
    }

    pub(super) fn name(&self) -> &str {
        &self.caller.principal.person.name
    }

    /// How instants are told to them.
    pub(super) fn moment(&self) -> Moment {
        let clock = self.pages.house.clock();
        Moment { now: clock.wall(), store: clock.store_time(), zone: self.caller.zone }
    }

    /// Calls a tool: what it answers.
    pub(super) async fn call(
        &self,
        tool: &str,
        args: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Value, CallError> {
        let answer = self.pages.house.call(&self.caller, tool, Value::map(args)).await?.value;
        let size = size(&answer);
        let before = self.taken.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > PAGE_BYTES_MAX {
            let message = format!("with the answer of {tool} there is more than fits on a page");
            return Err(CallError::of("response_too_large", message));
        }
        Ok(answer)
    }

    /// The same, for whoever may ask it.
    pub(super) async fn call_if_allowed(
        &self,
        tool: &str,
        args: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Option<Value>, CallError> {
        if !self.may(tool) {
            return Ok(None);
        }
        match self.call(tool, args).await {
            Ok(answer) => Ok(Some(answer)),
            // Some are not there in every house, and some are of more than there is for them.
            Err(error) if matches!(error.code.as_str(), "unsupported" | "out_of_scope") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of theirs.
    pub(super) fn page(&self, title: &str, body: &Markup) -> Response<Body> {
        self.page_with(StatusCode::OK, title, body)
    }

    fn page_with(&self, status: StatusCode, title: &str, body: &Markup) -> Response<Body> {
        let remark = if self.is_look { None } else { self.pages.remarks.take(&self.session) };
        html(status, layout::page(self, title, remark.as_ref(), body))
    }

    /// What they wanted to see cannot be shown.
    pub(super) fn trouble(&self, error: &CallError) -> Response<Body> {
        let (status, title) = match error.code.as_str() {
            "not_found" => (StatusCode::NOT_FOUND, "Not found"),
            code if is_forbidden(code) => (StatusCode::FORBIDDEN, "Not allowed"),
            _ if error.retryable => (StatusCode::BAD_GATEWAY, "This did not work"),
            _ => (StatusCode::BAD_REQUEST, "This cannot be done"),
        };
        let body = html! {
            div.card {
                p { (error.message) }
                p.quiet { "Code: " code { (error.code) } }
            }
        };
        self.page_with(status, title, &body)
    }

    /// After a form: what came of it is told at this place.
    pub(super) fn done(&self, place: &str, outcome: Result<String, CallError>) -> Response<Body> {
        match outcome {
            Ok(text) => self.remark(true, &text),
            Err(error) if is_forbidden(&error.code) => return self.trouble(&error),
            Err(error) if self.form.has_texts() => return self.returned(place, &error),
            Err(error) => self.remark(false, &format!("This was not done: {}", error.message)),
        }
        see(place)
    }

    /// What they wanted was not done, and what they wrote for it is not lost.
    fn returned(&self, place: &str, error: &CallError) -> Response<Body> {
        let body = html! {
            p.remark.bad role="alert" { "This was not done: " (error.message) }
            (super::sign_in::written(&self.form))
            p { a href=(place) { "Back to where you were" } }
        };
        self.page_with(StatusCode::CONFLICT, "Not done", &body)
    }

    /// What they wanted was not done: why, beside the form as they filled it in.
    pub(super) fn once_more(&self, error: &CallError, form: &Markup) -> Response<Body> {
        if is_forbidden(&error.code) {
            return self.trouble(error);
        }
        let body = html! {
            p.remark.bad role="alert" { "This was not done: " (error.message) }
            (form)
        };
        self.page_with(StatusCode::CONFLICT, "Not done", &body)
    }

    /// They are told this on the page that they see next.
    pub(super) fn remark(&self, is_good: bool, text: &str) {
        let text = text.chars().take(REMARK_CHARS_MAX).collect();
        self.pages.remarks.put(&self.session, Remark { is_good, text });
    }

    /// What every form holds.
    pub(super) fn seal(&self) -> Markup {
        html! { input type="hidden" name="mark" value=(self.mark); }
    }
}

/// About so many bytes an answer has.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.iter().map(size).sum::<usize>() + items.len(),
        Value::Map(map) => map.iter().map(|(name, value)| name.len() + size(value)).sum(),
        _ => 8,
    }
}

/// Whether nobody with these rights may do it, however it is asked for.
fn is_forbidden(code: &str) -> bool {
    matches!(code, "role_too_low" | "token_refused" | "out_of_scope")
}
