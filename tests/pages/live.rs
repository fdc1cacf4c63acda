//! Pages hear what happens while they are open: for as long as somebody is signed in, and no more than they may.

use super::{Browser, somebody};
use crate::mcp::{Client, team, token};
use crate::support::heard::Stream;
use crate::support::rota::until;
use serde_json::json;

impl Browser {
    /// Opens the stream, as a page of ours does.
    async fn asks_to_hear(&self) -> reqwest::Response {
        let request = self.http.get(format!("{}/live", self.base));
        let cookie = self.cookie.clone().unwrap_or_default();
        request.header("cookie", cookie).send().await.unwrap()
    }

    pub(super) async fn hears(&self) -> Stream {
        let mut stream = Stream::of(self.asks_to_hear().await);
        assert_eq!(stream.next().await.unwrap().name, "hello");
        stream
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_person_does_is_heard_until_somebody_signs_out() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let stranger = Browser::of(&serving);
    assert_eq!(stranger.asks_to_hear().await.status(), 303, "nobody hears who is not signed in");

    let (mut adas, mut bobs) = (ada.hears().await, bob.hears().await);
    ada.submit("/task/1/comment", &[("text", "Look here.")]).await;
    bobs.until("changed", &json!({ "task": 1 })).await;
    ada.submit("/stop-all", &[("reason", "Lunch.")]).await;
    bobs.until("acted", &json!({ "tool": "stopAll" })).await;
    ada.submit("/start-all", &[]).await;
    bobs.until("acted", &json!({ "tool": "startAll" })).await;

    // Whoever signs out hears at once that it is over, and nothing after that.
    let mark = bob.mark.clone();
    assert_eq!(bob.post("/sign-out", &[("mark", &mark)]).await.status, 303);
    assert!(bobs.named("over").await.data["why"].as_str().unwrap().contains("session"));
    assert!(bobs.next().await.is_none());
    ada.submit("/task/1/comment", &[("text", "Still here.")]).await;
    adas.until("changed", &json!({ "task": 1 })).await;

    // So does every other browser of somebody who signs out everywhere; others hear on.
    let mut other = somebody(&rota, &serving, "Ada").await;
    let (mut others, mut bobs) =
        (other.hears().await, somebody(&rota, &serving, "Bob").await.hears().await);
    let mark = ada.mark.clone();
    let reply = ada.post("/settings", &[("mark", &mark), ("act", "end-sessions")]).await;
    assert_eq!((reply.status, reply.place()), (303, "/settings"));
    assert_eq!(ada.get("/settings").await.place(), "/sign-in?next=%2Fsettings");
    for stream in [&mut adas, &mut others] {
        stream.named("over").await;
        assert!(stream.next().await.is_none());
    }
    assert_eq!(other.get("/").await.status, 303, "its cookie is worth nothing any more");
    let ada = somebody(&rota, &serving, "Ada").await;
    ada.clone().submit("/task/1/comment", &[("text", "Back.")]).await;
    bobs.until("changed", &json!({ "task": 1 })).await;
    assert_eq!(serving.stop(), 0);
    assert!(bobs.named("over").await.data["why"].as_str().unwrap().contains("stopping"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_by_a_token_hears_until_the_token_is_revoked() {
    let rota = team();
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let browser = Browser::signed_in(&serving, &secret).await;
    let mut stream = browser.hears().await;
    let id = secret.split('_').nth(1).unwrap();
    somebody(&rota, &serving, "Ada")
        .await
        .submit("/settings", &[("act", "revoke"), ("token", id)])
        .await;
    stream.named("over").await;
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_project_hears_of_no_other() {
    let rota = team();
    rota.run(["project", "add", "Secret"]).ok();
    rota.run(["task", "add", "Hidden", "--project", "Secret"]).ok();
    let narrow = token(&rota, &["narrow", "--project", "Website"]);
    let whole = token(&rota, &["whole"]);
    let serving = rota.serve(Vec::<&str>::new());
    let narrow = Browser::signed_in(&serving, &narrow).await;
    let (mut stream, client) = (narrow.hears().await, Client::of(&serving, Some(&whole)));
    let mut all = somebody(&rota, &serving, "Ada").await.hears().await;
    for (task, headline) in [(2, "Still hidden"), (1, "Seen")] {
        let edit = json!({ "id": task, "params": { "headline": headline } });
        assert_eq!(client.call("editTask", edit).await["isError"], false);
        client.call("stopAll", json!({ "reason": "x" })).await;
        client.call("startAll", json!({})).await;
        all.until("changed", &json!({ "task": task })).await;
    }
    let heard = stream.next().await.unwrap();
    assert_eq!((heard.name.as_str(), &heard.data), ("changed", &json!({ "task": 1 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_so_many_streams_and_each_is_free_again() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let ada = somebody(&rota, &serving, "Ada").await;
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(ada.hears().await);
    }
    assert_eq!(ada.asks_to_hear().await.status(), 429);
    somebody(&rota, &serving, "Bob").await.hears().await;
    drop(open);
    let handle = tokio::runtime::Handle::current();
    until("a stream that is free again", || {
        let answer = tokio::task::block_in_place(|| handle.block_on(ada.asks_to_hear()));
        (answer.status() == 200).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_looks_again_takes_no_remark_away() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let mark = ada.mark.clone();
    let said = [("mark", mark.as_str()), ("text", "Hello.")];
    assert_eq!(ada.post("/task/1/comment", &said).await.status, 303);
    let looked = ada.get_with("/task/1", &[("hx-request", "true")]).await;
    assert_eq!(looked.page().remark(), "");
    looked.page().says("Hello.");
    assert!(ada.get("/task/1").await.page().remark().contains("on the board"));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_open_pages_cost_little_memory() {
    let rota = team();
    rota.run(["person", "add", "Zoe", "--role", "editor"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    let mut people = Vec::new();
    for name in ["Ada", "Bob", "Eve", "Zoe"] {
        people.push(somebody(&rota, &serving, name).await);
    }
    let mut ada = people[0].clone();
    // What the first one takes is there anyhow.
    let mut first = ada.hears().await;
    ada.submit("/task/1/comment", &[("text", "First.")]).await;
    first.until("changed", &json!({ "task": 1 })).await;
    let before = serving.kib();
    let mut all = Vec::new();
    for person in &people {
        for _ in 0..25 {
            all.push(person.hears().await);
        }
    }
    let held = serving.kib();
    for round in 0..5 {
        ada.submit("/task/1/comment", &[("text", &format!("Round {round}."))]).await;
        for stream in &mut all {
            stream.until("changed", &json!({ "task": 1 })).await;
        }
    }
    let after = serving.kib();
    println!("{before} KiB before, {held} KiB with 100 pages, {after} KiB after 500 events");
    let most = before + 20 * 1024;
    assert!(after.max(held) < most, "{before} KiB before, {held} KiB, {after} KiB");
}
