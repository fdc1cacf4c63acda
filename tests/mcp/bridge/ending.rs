//! How it ends.

use super::{Bridged, said, usual};
use crate::support::http_double::{Double, Reply, Then};
use crate::support::rota::{Rota, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::mpsc;

/// A server that answers each call when it is let.
fn slow() -> (Double, mpsc::Sender<()>) {
    let (go, gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let double = Double::start(move |asked| {
        usual(asked, Some("s-1")).unwrap_or_else(|| {
            let _ = gone.lock().unwrap().recv();
            Reply::result(asked, &said("done"))
        })
    });
    (double, go)
}

#[test]
fn a_host_that_hangs_up_is_still_given_the_answers_that_are_under_way() {
    let (double, go) = slow();
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let id = host.begin("tools/call", json!({ "name": "a" }));
    drop(host.to.take());
    until("the call is there", || double.asked_for("tools/call").pop());
    go.send(()).unwrap();
    assert_eq!(host.next()["id"], id);
    assert_eq!(host.wait(), 0);
    assert!(double.asked().iter().any(|asked| asked.method == "DELETE"), "it took leave");
}

#[test]
fn a_script_may_write_everything_and_hang_up_at_once() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said(&"x".repeat(1 << 20))))
    });
    let mut host = Bridged::to(&double.url());
    host.begin("initialize", super::hello("2025-11-25"));
    host.notify("notifications/initialized", json!({}));
    for _ in 0..8 {
        host.begin("tools/call", json!({ "name": "a" }));
    }
    drop(host.to.take());
    assert_eq!(host.wait(), 0);
    let answers: Vec<String> = host.from.iter().collect();
    assert_eq!(answers.len(), 9);
}

#[test]
fn a_signal_ends_it_soon_whatever_is_under_way() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::stream([": \n"]).then(Then::Hold))
    });
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut host = Bridged::to(&double.url());
        host.shake_hands("2025-11-25");
        let before = double.asked_for("tools/call").len();
        host.begin("tools/call", json!({ "name": "slow" }));
        until("the call is there", || {
            (double.asked_for("tools/call").len() > before).then_some(())
        });
        kill(Pid::from_raw(i32::try_from(host.child.id()).unwrap()), signal).unwrap();
        assert_eq!(host.wait(), 0, "{signal}");
    }
}

#[test]
fn a_host_that_listens_no_more_ends_it() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::result(asked, &said("done")))
    });
    let rota = Rota::new();
    let mut child = rota
        .command(["bridge", &double.url()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut host = child.stdin.take().unwrap();
    writeln!(host, "{}", json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).unwrap();
    // Its input stays open.
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(host);
}

#[test]
fn what_is_still_unanswered_at_the_end_is_answered_with_an_error() {
    let double = Double::start(|asked| {
        usual(asked, None).unwrap_or_else(|| Reply::stream([": \n"]).then(Then::Hold))
    });
    let mut host = Bridged::to(&double.url());
    host.shake_hands("2025-11-25");
    let slow = [(); 3].map(|()| host.begin("tools/call", json!({ "name": "slow" })));
    let unwanted = host.begin("tools/call", json!({ "name": "slow" }));
    until("the calls are there", || (double.asked_for("tools/call").len() == 4).then_some(()));
    host.notify("notifications/cancelled", json!({ "requestId": unwanted }));
    drop(host.to.take());
    assert_eq!(host.wait(), 0);
    let answers: Vec<serde_json::Value> =
        host.from.iter().map(|line| serde_json::from_str(&line).unwrap()).collect();
    let mut ids: Vec<u64> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, slow, "each once, and none that nobody wants");
    for answer in &answers {
        assert_eq!(super::code(answer), "outcome_unknown");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("may have been done"), "{message}");
    }
}
