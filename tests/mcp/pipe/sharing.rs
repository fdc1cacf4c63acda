//! Several pipes on one folder, and what a pipe says when whoever answers goes away.

use super::Piped;
use crate::mcp::team;
use crate::support::rota::{Rota, until};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

/// Rounds of [`until`], each a twentieth of a second and more, that take longer than a pipe keeps a
/// folder for which nobody calls.
const ROUNDS: usize = 80;

fn two(rota: &Rota) -> (Piped, Piped) {
    let (mut one, mut other) = (Piped::start(rota, &[]), Piped::start(rota, &[]));
    one.shake_hands();
    other.shake_hands();
    (one, other)
}

fn add(headline: &str) -> Value {
    json!({ "projectId": 1, "headline": headline })
}

fn holder(rota: &Rota) -> String {
    rota.read("state/store/lock")
}

#[test]
fn two_pipes_work_on_one_folder() {
    let rota = team();
    let (mut one, mut other) = two(&rota);
    for round in 0..5 {
        assert_eq!(one.call("addTask", add(&format!("one {round}")))["isError"], false);
        let added = other.call("addTask", add(&format!("other {round}")));
        assert_eq!(added["isError"], false, "{added:#}");
    }
    let first = format!("process {},", one.pid());
    assert!(holder(&rota).contains(&first), "{}", holder(&rota));
    // The one who serves has nothing to do itself for longer than its idle time.
    let mut round = 0;
    until("many calls of the other", || {
        let edited = other
            .call("editTask", json!({ "id": 1, "params": { "headline": format!("{round}") } }));
        assert_eq!(edited["isError"], false, "round {round}: {edited:#}");
        round += 1;
        (round == ROUNDS).then_some(())
    });
    assert!(holder(&rota).contains(&first), "it still serves: {}", holder(&rota));
    let found = other.call("findTasks", json!({ "projectIds": [1] }));
    assert_eq!(found["structuredContent"]["items"].as_array().unwrap().len(), 11);
    assert_eq!((one.hang_up(), other.hang_up()), (0, 0));
}

#[test]
fn a_pipe_whose_server_ends_in_good_order_goes_on() {
    let rota = team();
    let (mut one, mut other) = two(&rota);
    for round in 0..6 {
        assert_eq!(one.call("addTask", add(&format!("one {round}")))["isError"], false);
        assert_eq!(other.call("addTask", add(&format!("other {round}")))["isError"], false);
        // The one who serves leaves; the other has the folder from then on.
        assert_eq!(one.hang_up(), 0);
        let added = other.call("addTask", add(&format!("alone {round}")));
        assert_eq!(added["isError"], false, "{added:#}");
        (one, other) = (other, Piped::start(&rota, &[]));
        other.shake_hands();
    }
    let found = one.call("findTasks", json!({ "projectIds": [1] }));
    assert_eq!(found["structuredContent"]["items"].as_array().unwrap().len(), 19);
    assert_eq!((one.hang_up(), other.hang_up()), (0, 0));
}

#[test]
fn a_pipe_whose_server_was_killed_recovers_by_itself() {
    let rota = team();
    let (mut one, mut other) = two(&rota);
    assert_eq!(one.call("addTask", add("one"))["isError"], false);
    assert_eq!(other.call("addTask", add("other"))["isError"], false);
    one.kill();
    let added = other.call("addTask", add("after"));
    assert_eq!(added["isError"], false, "{added:#}");
    let found = other.call("findTasks", json!({ "projectIds": [1] }));
    assert_eq!(found["structuredContent"]["items"].as_array().unwrap().len(), 4);
    assert_eq!(other.hang_up(), 0);
}

/// A daemon that does what a test says, once per connection.
struct Played(UnixListener);

impl Played {
    fn at(rota: &Rota) -> Self {
        std::fs::create_dir_all(rota.state()).unwrap();
        let listener = UnixListener::bind(rota.state().join("control.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// Greets the next caller and reads its request; the stream, and the tool it asked for.
    fn asked(&self) -> (UnixStream, String) {
        let mut stream = until("a caller", || self.0.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        let pid = std::process::id();
        let hello = json!({ "rota": "0.1.0", "protocol": 1, "pid": pid, "daemon": "played" });
        writeln!(stream, "{hello}").unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let request: Value = serde_json::from_str(&line).unwrap();
        (stream, request["tool"].as_str().unwrap().to_owned())
    }

    fn answers(&self, reply: &Value) -> String {
        let (mut stream, tool) = self.asked();
        writeln!(stream, "{reply}").unwrap();
        tool
    }
}

fn done() -> Value {
    json!({ "id": 1, "result": { "value": {}, "text": "done" } })
}

#[test]
fn whether_a_write_was_done_is_unknown_when_nobody_answered_it() {
    let rota = Rota::new();
    let played = Played::at(&rota);
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    client.begin("editTask", json!({ "id": 1, "params": { "headline": "x" } }));
    assert_eq!(played.asked().1, "editTask");
    let answer = client.next();
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("outcome_unknown"), &json!(false)));
    assert!(error["message"].as_str().unwrap().contains("editTask"), "{answer:#}");
    // The next call looks for whoever is there by then.
    client.begin("editTask", json!({ "id": 1, "params": { "headline": "y" } }));
    assert_eq!(played.answers(&done()), "editTask");
    assert_eq!(client.next()["result"]["content"][0]["text"], "done");
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_look_that_nobody_answered_is_repeated_once() {
    let rota = Rota::new();
    let played = Played::at(&rota);
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    client.begin("getTicket", json!({ "id": 1 }));
    assert_eq!(played.asked().1, "getTicket");
    assert_eq!(played.answers(&done()), "getTicket");
    assert_eq!(client.next()["result"]["content"][0]["text"], "done");
    client.begin("getTicket", json!({ "id": 1 }));
    assert_eq!(played.asked().1, "getTicket");
    assert_eq!(played.asked().1, "getTicket");
    let answer = client.next();
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("unavailable"), &json!(true)));
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_write_that_was_not_begun_is_sent_again() {
    let rota = Rota::new();
    let played = Played::at(&rota);
    let mut client = Piped::start(&rota, &[]);
    client.shake_hands();
    client.begin("editTask", json!({ "id": 1, "params": { "headline": "x" } }));
    let bye = json!({ "id": null, "error": { "kind": "not_begun", "message": "closing" } });
    assert_eq!(played.answers(&bye), "editTask");
    assert_eq!(played.answers(&done()), "editTask");
    assert_eq!(client.next()["result"]["content"][0]["text"], "done");
    assert_eq!(client.hang_up(), 0);
}
