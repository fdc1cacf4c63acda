//! Bodies of requests to `/mcp`: whatever they say, what is answered is JSON-RPC and no fault of the server's.
#![no_main]

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use libfuzzer_sys::fuzz_target;
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{Initiative, Person, PersonId, PersonKind, Principal, Role, Value};
use rota::mcp::http::{
    Behind, Gate, HttpOptions, KeptSession, SessionError, SessionKeeper, router,
};
use rota::mcp::{
    About, Access, CallError, Called, Caller, Calls, Denied, Handler, Limits, News, NewsError,
    Seals, Selection,
};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// What the header says of the revision; nothing where it is empty.
const VERSIONS: [&str; 4] = ["", "2025-03-26", "2025-11-25", "2026-07-28"];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, body) = input;
    let version = VERSIONS[usize::from(which) % VERSIONS.len()];
    let mut request = Request::post("/mcp")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
    if !version.is_empty() {
        request = request.header("mcp-protocol-version", version);
    }
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let (runtime, server) = &*SERVER;
    runtime.block_on(async {
        let Ok(response) = server.clone().oneshot(request).await;
        let status = response.status();
        assert!(!status.is_server_error(), "{status}");
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        // What is a stream may have no end.
        if kind.is_some_and(|kind| kind.starts_with("application/json")) {
            let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
            let bytes = bytes.expect("the whole answer");
            let answer: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            assert_eq!(answer["jsonrpc"], "2.0", "{answer:#}");
            assert_ne!(answer["error"]["code"], -32_603, "{answer:#}");
        }
    });
});

/// One for all: who asks what has no effect on who asks next.
static SERVER: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let server = {
        let _within = runtime.enter();
        server()
    };
    (runtime, server)
});

/// The endpoint behind its guard, without a token; its tools do nothing.
fn server() -> Router {
    let clock = SystemClock::shared();
    let options =
        HttpOptions { requires_auth: false, rate_per_minute: 1_000_000, ..HttpOptions::default() };
    let gate = Gate::new(Arc::new(Nothing), options, Arc::clone(&clock));
    let seals = Seals::new(&SystemEntropy);
    let handler = Handler::for_http(Arc::new(Nothing), clock, seals, Limits::default());
    let (sessions, news) = (Arc::new(Nothing), Arc::new(Nothing));
    let behind = Behind { handler, gate, sessions, news, metrics: None };
    router(behind, &CancellationToken::new(), &TaskTracker::new())
}

/// What stands behind the endpoint: somebody who may do everything, and nothing to do.
struct Nothing;

#[async_trait]
impl Access for Nothing {
    async fn caller(&self, _: &SecretString) -> Result<Caller, Denied> {
        Err(Denied::Unknown)
    }

    async fn anybody(&self) -> Result<Caller, Denied> {
        let (kind, role) = (PersonKind::Person, Role::Owner);
        let person = Person { id: PersonId(1), name: "Ada".into(), email: None, kind, role };
        Ok(Caller {
            id: "anybody".into(),
            principal: Principal { person, by: Initiative::Person },
            zone: chrono_tz::Europe::Berlin,
            tools: Vec::new(),
            projects: Vec::new(),
            selection: Selection::default(),
            run: None,
        })
    }

    async fn still_counts(&self, _: &str) -> bool {
        true
    }
}

#[async_trait]
impl Calls for Nothing {
    async fn call(
        &self,
        _: &Caller,
        _: &str,
        _: Value,
        _: mpsc::Sender<String>,
    ) -> Result<Called, CallError> {
        Ok(Called::default())
    }
}

#[async_trait]
impl SessionKeeper for Nothing {
    async fn load(&self, _: &str) -> Result<Option<KeptSession>, SessionError> {
        Ok(None)
    }

    async fn keep(&self, _: &KeptSession) -> Result<(), SessionError> {
        Ok(())
    }

    async fn subscribe(&self, _: &str, _: &str, _: bool) -> Result<(), SessionError> {
        Ok(())
    }

    async fn forget(&self, _: &str) -> Result<(), SessionError> {
        Ok(())
    }
}

#[async_trait]
impl News for Nothing {
    async fn since(&self, last: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError> {
        Ok((BTreeSet::new(), last.unwrap_or(0)))
    }

    async fn sees(&self, _: &Caller, _: About) -> bool {
        true
    }

    async fn sees_run(&self, _: &Caller, _: Option<&str>) -> bool {
        true
    }
}
