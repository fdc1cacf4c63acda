//! Who hears, while their rights change: a stream of somebody who is made up.

use super::*;
use crate::domain::{ProjectId, TaskId};
use crate::mcp::{Caller, NewsError};
use async_trait::async_trait;
use axum::body::BodyDataStream;
use axum::http::HeaderMap;
use futures::StreamExt as _;
use std::collections::BTreeSet;

/// Who somebody is by now; nobody, once they may hear nothing more.
type Now = Arc<Mutex<Option<Caller>>>;

struct Somebody {
    known: Caller,
    now: Now,
}

#[async_trait]
impl Hearer for Somebody {
    fn caller(&self) -> &Caller {
        &self.known
    }

    fn share(&self) -> (String, usize) {
        ("somebody".to_owned(), 1)
    }

    async fn looks_again(&mut self) -> bool {
        let now = self.now.lock().unwrap().clone();
        now.is_some_and(|now| {
            self.known = now;
            true
        })
    }
}

/// Nothing ever happens on the board by itself.
struct Quiet;

#[async_trait]
impl News for Quiet {
    async fn since(&self, _: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError> {
        Ok((BTreeSet::new(), 0))
    }

    async fn sees(&self, caller: &Caller, about: About) -> bool {
        let is_theirs = match about {
            About::Task(task) => task == TaskId(1),
            About::Project(project) => caller.projects.contains(&project),
        };
        caller.projects.is_empty() || is_theirs
    }

    async fn sees_run(&self, caller: &Caller, run: Option<&str>) -> bool {
        caller.projects.is_empty() || run == Some("r-1")
    }
}

/// A stream of an owner, who may be somebody else from then on.
async fn opened() -> (Arc<Feed>, Now, BodyDataStream) {
    let feed = Feed::new("life".to_owned(), Arc::new(Quiet), CancellationToken::new());
    let now: Now = Arc::new(Mutex::new(Some(Caller::owner())));
    let hearer = Somebody { known: Caller::owner(), now: Arc::clone(&now) };
    let response = feed.open(Box::new(hearer), &HeaderMap::new()).unwrap();
    let mut stream = response.into_body().into_data_stream();
    assert!(heard(&mut stream).await.unwrap().contains("event: hello"));
    (feed, now, stream)
}

/// The next event as it is sent; `None`: the stream is at its end.
async fn heard(stream: &mut BodyDataStream) -> Option<String> {
    Some(String::from_utf8(stream.next().await?.unwrap().to_vec()).unwrap())
}

/// A line of a run.
fn line(feed: &Feed, text: &str) {
    let (kind, at) = ("ended".to_owned(), "2026-11-30T10:00:00Z".to_owned());
    let data = Value::Null;
    feed.tell(Happened::Progress { kind, text: text.to_owned(), run: None, at, data });
}

#[tokio::test(start_paused = true)]
async fn whoever_has_other_rights_by_now_hears_by_those() {
    let (feed, now, mut stream) = opened().await;
    line(&feed, "of an owner");
    assert!(heard(&mut stream).await.unwrap().contains("of an owner"));
    feed.tell(Happened::Changed(About::Project(ProjectId(2))));
    assert!(heard(&mut stream).await.unwrap().contains(r#"{"project":2}"#));

    *now.lock().unwrap() = Some(Caller { projects: vec![ProjectId(1)], ..Caller::owner() });
    tokio::time::advance(Duration::from_secs(3)).await;
    line(&feed, "of whoever may ask for runs");
    feed.tell(Happened::Changed(About::Project(ProjectId(2))));
    feed.tell(Happened::Changed(About::Task(TaskId(2))));
    feed.tell(Happened::Changed(About::Task(TaskId(1))));
    let next = heard(&mut stream).await.unwrap();
    assert!(next.contains(r#"{"task":1}"#), "the others are not theirs any more: {next}");

    *now.lock().unwrap() = Some(Caller::owner());
    tokio::time::advance(Duration::from_secs(3)).await;
    line(&feed, "once more");
    assert!(heard(&mut stream).await.unwrap().contains("once more"));
}

#[tokio::test(start_paused = true)]
async fn whose_leave_ended_hears_so_before_what_ended_it_and_nothing_after() {
    let (feed, now, mut stream) = opened().await;
    line(&feed, "before");
    assert!(heard(&mut stream).await.unwrap().contains("before"));
    *now.lock().unwrap() = None;
    // Without any time between: what takes leave away is looked at at once.
    feed.tell(Happened::Acted { tool: "revokeToken" });
    line(&feed, "after");
    let last = heard(&mut stream).await.unwrap();
    assert!(last.contains("event: over") && last.contains("does not count"), "{last}");
    assert_eq!(heard(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_ends_within_a_heartbeat_of_its_token() {
    let (_feed, now, mut stream) = opened().await;
    let began = tokio::time::Instant::now();
    assert!(heard(&mut stream).await.unwrap().starts_with(':'), "it is silent");
    *now.lock().unwrap() = None;
    let last = heard(&mut stream).await.unwrap();
    assert!(last.contains("event: over"), "{last}");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
    assert_eq!(heard(&mut stream).await, None);
}
