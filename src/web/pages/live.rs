//! `GET /live`: what happens, for a page that is open. It hears that something changed, and asks for itself anew.

use super::sign_in;
use super::visit::Visit;
use crate::mcp::Caller;
use crate::web::events::Hearer;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Extension;
use axum::http::{HeaderMap, Response, StatusCode};
use tokio::sync::watch;

/// So many pages of one person hear at one time; the others look from time to time.
const STREAMS_MAX: usize = 32;

/// The stream.
pub(super) async fn stream(
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Response<Body> {
    let pages = std::sync::Arc::clone(&visit.pages);
    let endings = pages.endings.subscribe();
    let hearer = SignedIn { visit, endings };
    pages.feed.open(Box::new(hearer), &headers).unwrap_or_else(|| {
        let why = "Too many pages of yours are open; this one looks from time to time.";
        sign_in::refusal(StatusCode::TOO_MANY_REQUESTS, why)
    })
}

/// Somebody who is signed in.
struct SignedIn {
    visit: Visit,
    endings: watch::Receiver<u64>,
}

#[async_trait]
impl Hearer for SignedIn {
    fn caller(&self) -> &Caller {
        &self.visit.caller
    }

    fn share(&self) -> (String, usize) {
        (format!("person {}", self.visit.caller.principal.person.id), STREAMS_MAX)
    }

    async fn looks_again(&mut self) -> bool {
        let house = &self.visit.pages.house;
        let Some(now) = house.again(&self.visit.session, &self.visit.caller).await else {
            return false;
        };
        self.visit.caller = now;
        true
    }

    async fn stirred(&mut self) {
        if self.endings.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
