//! The stream of events: what is heard, what is gone on with after a break, and who hears nothing.

use super::{Api, SAYS};
use crate::mcp::{team, token};
use crate::support::rota::until;
use serde_json::{Value, json};
use std::time::Duration;

/// So long an event is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug, Default)]
struct Heard {
    id: String,
    name: String,
    data: Value,
}

/// A stream that is read event by event.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(api: &Api, last: Option<&str>) -> Self {
        let mut request = api.request("GET", "/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                return Some(heard(&event));
            }
            let bytes = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let bytes = bytes.expect("no event came").ok()??;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event of this name, whatever comes before it.
    async fn named(&mut self, name: &str) -> Heard {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the end before {name}"));
            if event.name == name {
                return event;
            }
        }
    }
}

fn heard(text: &str) -> Heard {
    let mut event = Heard::default();
    for line in text.lines() {
        match line.split_once(": ").or_else(|| line.split_once(':')) {
            Some(("id", id)) => event.id = id.to_owned(),
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    event
}

async fn rename(api: &Api, task: i64, headline: &str) {
    let edit = json!({ "id": task, "params": { "headline": headline } });
    api.tool("editTask", edit).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_and_gone_on_with_after_a_break() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let mut stream = Stream::open(&api, None).await;
    let hello = stream.next().await.unwrap();
    assert_eq!((hello.name.as_str(), &hello.data["resumed"]), ("hello", &json!(false)));
    rename(&api, 1, "One").await;
    let first = stream.named("changed").await;
    assert_eq!(first.data, json!({ "task": 1 }));
    // What happens meanwhile is told to whoever comes back.
    let mut other = Stream::open(&api, None).await;
    other.named("hello").await;
    drop(stream);
    rename(&api, 1, "Two").await;
    let second = other.named("changed").await;
    let mut again = Stream::open(&api, Some(&first.id)).await;
    let hello = again.next().await.unwrap();
    assert_eq!(hello.data["resumed"], true, "{hello:?}");
    let told = again.named("changed").await;
    assert_eq!((&told.id, &told.data), (&second.id, &second.data));
    assert_eq!(serving.stop(), 0);
    assert!(again.named("over").await.data["why"].is_string());
    assert!(again.next().await.is_none(), "the stream ends with the daemon");

    // Another process does not remember, and says so; what changed on the board it knows.
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    rename(&api, 1, "Three").await;
    let mut later = Stream::open(&api, Some(&second.id)).await;
    assert_eq!(later.next().await.unwrap().name, "missed");
    assert_eq!(later.named("changed").await.data, json!({ "task": 1 }));
    let mut strange = Stream::open(&api, Some("nonsense")).await;
    assert_eq!(strange.next().await.unwrap().name, "missed");
    assert_eq!(strange.next().await.unwrap().name, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_what_they_may_not_ask_for() {
    let rota = team();
    rota.run(["project", "add", "Secret"]).ok();
    rota.run(["task", "add", "Hidden", "--project", "Secret"]).ok();
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    rota.write("agents/says.toml", SAYS);
    let ada = token(&rota, &["laptop"]);
    let partner = token(&rota, &["partner", "--project", "Website"]);
    let serving = rota.serve(Vec::<&str>::new());
    let ada = Api::of(&serving, Some(&ada));
    let mut all = Stream::open(&ada, None).await;
    let mut some = Stream::open(&Api::of(&serving, Some(&partner)), None).await;
    all.named("hello").await;
    some.named("hello").await;
    ada.post("/api/v1/playbooks/says/run", json!({})).await.ok();
    rename(&ada, 2, "Still hidden").await;
    assert!(all.named("progress").await.data["kind"].is_string());
    while all.named("changed").await.data != json!({ "task": 2 }) {}
    rename(&ada, 1, "Seen").await;
    let heard = some.next().await.unwrap();
    assert_eq!((heard.name.as_str(), &heard.data), ("changed", &json!({ "task": 1 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_has_so_many_streams_and_each_is_free_again() {
    let rota = team().with_env("MCP_RATE_LIMIT", "1000");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let mut open = Vec::new();
    for _ in 0..128 {
        open.push(Stream::open(&api, None).await);
    }
    assert_eq!(api.get("/api/v1/events").await.problem(429), "too_many_requests");
    drop(open);
    let handle = tokio::runtime::Handle::current();
    until("a stream that is free again", || {
        let asking = api.request("GET", "/api/v1/events").send();
        let answer = tokio::task::block_in_place(|| handle.block_on(asking)).unwrap();
        (answer.status() == 200).then_some(())
    });
}
