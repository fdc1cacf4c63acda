//! The stream of events: what is heard, what is gone on with after a break, and who hears nothing.

use super::{Api, SAYS};
use crate::mcp::{team, token};
use crate::support::heard::Stream;
use crate::support::rota::until;
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// So much may 100 streams add to what the daemon holds.
const KIB_MAX: u64 = 20 * 1024;

async fn opened(api: &Api, last: Option<&str>) -> Stream {
    let mut request = api.request("GET", "/api/v1/events");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    Stream::of(request.send().await.unwrap())
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
    let mut stream = opened(&api, None).await;
    let hello = stream.next().await.unwrap();
    assert_eq!((hello.name.as_str(), &hello.data["resumed"]), ("hello", &json!(false)));
    rename(&api, 1, "One").await;
    let first = stream.named("changed").await;
    assert_eq!(first.data, json!({ "task": 1 }));
    // What happens meanwhile is told to whoever comes back.
    let mut other = opened(&api, None).await;
    other.named("hello").await;
    drop(stream);
    rename(&api, 1, "Two").await;
    let second = other.named("changed").await;
    let mut again = opened(&api, Some(&first.id)).await;
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
    let mut later = opened(&api, Some(&second.id)).await;
    assert_eq!(later.next().await.unwrap().name, "missed");
    assert_eq!(later.named("changed").await.data, json!({ "task": 1 }));
    let mut strange = opened(&api, Some("nonsense")).await;
    assert_eq!(strange.next().await.unwrap().name, "missed");
    assert_eq!(strange.next().await.unwrap().name, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_alone_misses_nothing_by_a_break() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let mut stream = opened(&api, None).await;
    stream.named("hello").await;
    rename(&api, 1, "First").await;
    let mut last = stream.named("changed").await.id;
    for round in 0..3 {
        drop(stream);
        rename(&api, 1, &format!("Round {round}")).await;
        stream = opened(&api, Some(&last)).await;
        assert_eq!(stream.next().await.unwrap().data["resumed"], true);
        last = stream.named("changed").await.id;
    }
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
    let mut all = opened(&ada, None).await;
    let mut some = opened(&Api::of(&serving, Some(&partner)), None).await;
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

/// The stream is at its end, because whoever hears it may not any more.
async fn assert_over(stream: &mut Stream) {
    let why = stream.named("over").await.data["why"].as_str().unwrap().to_owned();
    assert!(why.contains("does not count any more"), "{why}");
    assert!(stream.next().await.is_none(), "nothing comes after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_token_or_the_secret_by_which_it_was_opened() {
    let rota = team();
    let secrets = ["revoked", "rotated", "kept"].map(|name| token(&rota, &[name]));
    let serving = rota.serve(Vec::<&str>::new());
    let [revoked, rotated, kept] = secrets.map(|secret| Api::of(&serving, Some(&secret)));
    let mut others = opened(&kept, None).await;
    others.named("hello").await;
    for (api, words) in
        [(&revoked, ["token", "revoke", "revoked"]), (&rotated, ["token", "rotate", "rotated"])]
    {
        let mut stream = opened(api, None).await;
        stream.named("hello").await;
        rota.run(words).ok();
        assert_over(&mut stream).await;
        rename(&kept, 1, words[1]).await;
        others.until("changed", &json!({ "task": 1 })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_role_does_not_suffice_any_more_hears_no_more() {
    let rota = team();
    let bobs = token(&rota, &["bobs", "--person", "Bob"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut stream = opened(&Api::of(&serving, Some(&bobs)), None).await;
    stream.named("hello").await;
    // As where people are managed elsewhere: no tool of ours changes a role.
    let board = SqliteConnectOptions::new().filename(rota.state().join("board.sqlite"));
    let mut board = SqliteConnection::connect_with(&board).await.unwrap();
    let lower = "update people set role = 'readonly' where name = 'Bob'";
    assert_eq!(board.execute(lower).await.unwrap().rows_affected(), 1);
    board.close().await.unwrap();
    // What is written past the board is seen with the next change of a person.
    rota.run(["person", "add", "Zoe"]).ok();
    assert_over(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_has_so_many_streams_and_each_is_free_again() {
    let rota = team().with_env("MCP_RATE_LIMIT", "1000");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let mut open = Vec::new();
    for _ in 0..128 {
        open.push(opened(&api, None).await);
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

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_streams_cost_little_memory() {
    let rota = team().with_env("MCP_RATE_LIMIT", "10000");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    // What the first one takes is there anyhow.
    let mut first = opened(&api, None).await;
    first.named("hello").await;
    rename(&api, 1, "First").await;
    first.until("changed", &json!({ "task": 1 })).await;
    let before = serving.kib();
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(opened(&api, None).await);
    }
    for stream in &mut all {
        stream.named("hello").await;
    }
    let held = serving.kib();
    for round in 0..5 {
        rename(&api, 1, &format!("Round {round}")).await;
        for stream in &mut all {
            stream.until("changed", &json!({ "task": 1 })).await;
        }
    }
    let after = serving.kib();
    println!("{before} KiB before, {held} KiB with 100 streams, {after} KiB after 500 events");
    assert!(after.max(held) < before + KIB_MAX, "{before} KiB before, {held} KiB, {after} KiB");
}

/// A stream that is opened, and read no further than its first event.
async fn opened_and_left(api: &Api) -> TcpStream {
    let address = api.url.strip_prefix("http://").unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    // So that the kernels' buffers hold little.
    socket.set_recv_buffer_size(4_096).unwrap();
    setsockopt(&socket, sockopt::TcpMaxSeg, &536).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let secret = api.token.as_ref().unwrap();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {secret}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains("event: hello") {
        let mut bytes = [0; 256];
        let count = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_too_slowly_is_told_what_they_missed_and_cut_off() {
    let rota = team().with_env("MCP_RATE_LIMIT", "10000");
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let api = Api::of(&serving, Some(&secret));
    let (mut slow, mut quick) = (opened_and_left(&api).await, opened(&api, None).await);
    quick.named("hello").await;
    // More than is remembered, and than the buffers between hold.
    let reading = async {
        let last = json!({ "task": 4_001 });
        quick.until("changed", &last).await;
    };
    let adding = async {
        for _ in 0..40 {
            let tasks = vec![json!({ "projectId": 1, "headline": "One of many" }); 100];
            api.tool("bulkAddTasks", json!({ "tasks": tasks })).await.ok();
        }
    };
    tokio::join!(reading, adding);
    let mut text = String::new();
    slow.read_to_string(&mut text).await.unwrap();
    let end = &text[text.len().saturating_sub(400)..];
    assert!(end.contains("event: missed") && end.contains("read too slowly"), "{end}");
    assert!(!text.contains("\"task\":4001}"), "it was not cut off");
    // Others are not held up, and it may come again.
    opened(&api, None).await.named("hello").await;
}
