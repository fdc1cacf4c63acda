//! What commands do besides their call, and with which code they end.

use crate::support::backend::{
    Expected, StrictBackend, TestHouse, expect, progress, type_in, type_to,
};
use rota::app::house::{
    CheckFault, CheckReport, Direction, Finding, Health, StarterFile, TransferOptions,
};
use rota::daemon::control::{AnswerError, ErrorKind};
use rota::domain::{Reason, RunState};
use rota::transfer::{Early, Kind, Left, Report};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A report of a run that ended so.
pub fn report(state: RunState, reason: Reason) -> Value {
    json!({
        "run": "r-1", "playbook": "daily-digest", "occurrence": "daily-digest@1",
        "state": state.as_str(), "reason": reason.code(), "detail": "", "tasks": [],
        "effects": [], "notices": [],
        "usage": {"tokens_in": 0, "tokens_out": 0, "cost": 0.0, "seconds": 0.0}
    })
}

async fn run_once(state: RunState, reason: Reason, more: &[&str]) -> u8 {
    let call = expect("runPlaybook", json!({"playbook": "daily-digest"}), report(state, reason));
    let backend = StrictBackend::expecting([call]);
    let house = TestHouse { backend, ..TestHouse::default() };
    let words = [&["run-once", "daily-digest"], more].concat();
    type_to(Arc::new(house), &words).await.code
}

#[tokio::test]
async fn a_run_ends_with_the_code_of_its_state() {
    use RunState::{Failed, NothingToDo, Refused, Succeeded, TimedOut, Unverified, Waiting};
    for (state, reason, code) in [
        (Succeeded, Reason::Done, 0),
        (NothingToDo, Reason::NothingToDo, 0),
        (Waiting, Reason::Waiting, 0),
        (Refused, Reason::NotArmed, 1),
        (TimedOut, Reason::TimedOut, 1),
        (Unverified, Reason::Unverified, 1),
        (Failed, Reason::WorkFailed, 1),
        (Failed, Reason::InvalidArguments, 1),
        (Failed, Reason::BoardUnavailable, 4),
        (Failed, Reason::ModelFailed, 4),
        (Failed, Reason::StoreFailed, 6),
    ] {
        assert_eq!(run_once(state, reason, &[]).await, code, "{state} {reason}");
    }
    assert_eq!(run_once(NothingToDo, Reason::NothingToDo, &["--exit-code"]).await, 5);
    assert_eq!(run_once(Succeeded, Reason::Done, &["--exit-code"]).await, 0);
}

async fn fail_with(error: AnswerError, words: &[&str]) -> crate::support::backend::Typed {
    let call = Expected { answer: Err(error), ..expect("getStatus", json!({}), json!(null)) };
    let backend = StrictBackend::expecting([call]);
    type_to(Arc::new(TestHouse { backend, ..TestHouse::default() }), words).await
}

#[tokio::test]
async fn a_refused_call_ends_with_the_code_of_its_reason() {
    for (error, code) in [
        (AnswerError::rejected(Reason::NotFound, "no such run"), 1),
        (AnswerError::rejected(Reason::InvalidArguments, "expected a date"), 2),
        (AnswerError::fatal(Reason::BoardUnavailable, "no board", None), 4),
        (AnswerError::of(ErrorKind::Busy, "", "later"), 4),
        (AnswerError::of(ErrorKind::Gone, "", "hung up"), 4),
        (AnswerError::fatal(Reason::StoreFailed, "disk full", None), 6),
        (AnswerError::of(ErrorKind::Fatal, "", "broke off"), 70),
        (AnswerError::of(ErrorKind::Protocol, "", "what?"), 70),
    ] {
        let typed = fail_with(error.clone(), &["status"]).await;
        assert_eq!((typed.code, typed.out.as_str()), (code, ""), "{error:?}");
        assert!(typed.err.starts_with(&format!("error: {}", error.message)), "{typed:?}");
    }
}

#[tokio::test]
async fn a_failure_is_one_document_too() {
    let error = AnswerError {
        causes: vec!["disk full".to_owned()],
        ..AnswerError::rejected(Reason::NotFound, "no such run")
    };
    let typed = fail_with(error, &["status", "--json"]).await;
    let document = typed.document();
    assert_eq!(document["error"]["reason"], "not_found");
    assert_eq!(document["error"]["exit_code"], 1);
    assert_eq!(document["error"]["causes"], json!(["disk full"]));
    assert!(typed.err.contains("because disk full"), "{typed:?}");
}

#[tokio::test]
async fn a_held_lock_is_waited_for_and_then_told() {
    let backend = StrictBackend::expecting([expect("getStatus", json!({}), json!({"ok": 1}))]);
    let house = TestHouse { backend, locked: Mutex::new(3), ..TestHouse::default() };
    assert_eq!(type_to(Arc::new(house), &["status"]).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_never_given_back_ends_with_six() {
    let house = TestHouse { locked: Mutex::new(u32::MAX), ..TestHouse::default() };
    let typed = type_to(Arc::new(house), &["status"]).await;
    assert_eq!(typed.code, 6, "{typed:?}");
    assert!(typed.err.contains("somebody holds the state folder"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_opened() {
    for words in [
        &["task", "delete", "7"][..],
        &["task", "edit", "7"],
        &["project", "edit", "Web"],
        &["run-once", "x", "--at", "2026-03-29T02:30"],
    ] {
        let house = Arc::new(TestHouse::default());
        let typed = type_to(Arc::clone(&house) as _, words).await;
        assert_eq!(typed.code, 2, "{words:?} {typed:?}");
        assert!(house.opened.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_emergency_stop_needs_no_daemon() {
    let house = Arc::new(TestHouse::default());
    let typed = type_to(Arc::clone(&house) as _, &["stop-all", "--reason", "panic"]).await;
    assert_eq!(
        (typed.code, typed.out.as_str()),
        (0, "everything is stopped; no daemon is running\n")
    );
    let typed = type_to(Arc::clone(&house) as _, &["start-all", "--json"]).await;
    assert_eq!(typed.document(), json!({"stopped": false}));
    assert_eq!(*house.stops.lock().unwrap(), ["stop panic", "start"]);
    assert!(house.opened.lock().unwrap().is_empty(), "the store was opened");
}

#[tokio::test]
async fn the_emergency_stop_reaches_daemons_elsewhere_that_share_the_store() {
    let house = Arc::new(TestHouse { shares: true, ..TestHouse::default() });
    let typed = type_to(Arc::clone(&house) as _, &["stop-all", "--reason", "panic"]).await;
    assert_eq!(typed.code, 0);
    assert!(typed.out.contains("at all daemons that share the store"), "{typed:?}");
    let typed = type_to(Arc::clone(&house) as _, &["start-all"]).await;
    assert_eq!(typed.code, 0, "{typed:?}");
    let said = ["stop panic", "stop panic everywhere", "start everywhere", "start"];
    assert_eq!(*house.stops.lock().unwrap(), said);
}

#[tokio::test]
async fn a_stop_that_cannot_be_written_here_reaches_daemons_elsewhere_all_the_same() {
    let words = ["stop-all", "--reason", "panic"];
    let house = Arc::new(TestHouse { stop_fails: true, shares: true, ..TestHouse::default() });
    let typed = type_to(Arc::clone(&house) as _, &words).await;
    assert_eq!(*house.stops.lock().unwrap(), ["stop panic everywhere"]);
    let said = "everything is stopped at all daemons that share the store: panic\n";
    assert_eq!((typed.code, typed.out.as_str()), (6, said), "{typed:?}");
    assert!(typed.err.contains("the disk is full"), "{typed:?}");
    let house = Arc::new(TestHouse { stop_fails: true, ..TestHouse::default() });
    let typed = type_to(house, &words).await;
    assert_eq!((typed.code, typed.out.as_str()), (6, ""), "{typed:?}");
    assert!(typed.err.contains("the disk is full"), "{typed:?}");
}

#[tokio::test]
async fn an_audit_log_that_was_not_compared_as_a_whole_does_not_end_with_zero() {
    for (intact, code) in [(json!(true), 0), (json!(null), 1)] {
        let verdict = json!({"intact": intact, "entries": 4});
        let backend = StrictBackend::expecting([expect("verifyAudit", json!({}), verdict)]);
        let house = TestHouse { backend, ..TestHouse::default() };
        let typed = type_to(Arc::new(house), &["audit", "verify"]).await;
        assert_eq!(typed.code, code, "{typed:?}");
        assert!(typed.out.contains("text of verifyAudit"), "{typed:?}");
    }
}

#[tokio::test]
async fn what_a_database_has_put_back_begins_a_new_epoch() {
    let house = Arc::new(TestHouse::default());
    let typed = type_to(Arc::clone(&house) as _, &["restore", "--database"]).await;
    assert_eq!(typed.code, 0, "{typed:?}");
    assert!(typed.out.contains("fences go on in epoch 7"), "{typed:?}");
    assert!(typed.out.contains("everything is stopped"), "{typed:?}");
    assert!(house.opened.lock().unwrap().is_empty(), "the ledger was opened before that");
}

#[tokio::test]
async fn faults_end_a_check_with_three_and_warnings_do_not() {
    let fault = |fatal| CheckFault {
        fatal,
        file: "agents/a.toml".into(),
        line: 3,
        column: 7,
        message: "unknown key `crom`".to_owned(),
        rendered: "error: unknown key `crom`\n --> agents/a.toml:3:7\n".to_owned(),
    };
    for (fatal, code) in [(true, 3), (false, 0)] {
        let check = CheckReport { files: vec!["agents/a.toml".into()], faults: vec![fault(fatal)] };
        let house = Arc::new(TestHouse { check, ..TestHouse::default() });
        let typed = type_to(Arc::clone(&house) as _, &["check"]).await;
        assert_eq!(typed.code, code);
        assert!(typed.out.contains("agents/a.toml:3:7"), "{typed:?}");
        let typed = type_to(house, &["check", "--json"]).await;
        assert_eq!(typed.document()["faults"][0]["column"], 7);
    }
}

#[tokio::test]
async fn the_doctor_ends_with_one_when_something_does_not_work() {
    let finding = |health| Finding {
        what: "board".to_owned(),
        health,
        found: "reachable".to_owned(),
        advice: "look at it".to_owned(),
    };
    for (health, word, code) in
        [(Health::Ok, "ok", 0), (Health::Warn, "warn", 0), (Health::Fail, "fail", 1)]
    {
        let house = TestHouse { findings: vec![finding(health)], ..TestHouse::default() };
        let house = Arc::new(house);
        let typed = type_to(Arc::clone(&house) as _, &["doctor"]).await;
        assert_eq!(typed.code, code);
        assert!(typed.out.lines().nth(1).unwrap().starts_with(word), "{typed:?}");
        let typed = type_to(house, &["doctor", "--json"]).await;
        assert_eq!(typed.document()["checks"][0]["health"], word);
    }
}

#[tokio::test]
async fn init_writes_what_is_missing_and_keeps_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let team = folder.path().join("my team");
    let starter = vec![
        StarterFile { path: "rota.toml", content: "ours" },
        StarterFile { path: "agents/daily-digest.toml", content: "digest" },
    ];
    let house = Arc::new(TestHouse { starter, ..TestHouse::default() });
    std::fs::create_dir(&team).unwrap();
    std::fs::write(team.join("rota.toml"), "theirs").unwrap();
    let words = ["init", team.to_str().unwrap()];
    let typed = type_to(Arc::clone(&house) as _, &words).await;
    assert_eq!(typed.code, 0);
    assert!(typed.out.contains("wrote agents/daily-digest.toml"), "{typed:?}");
    assert!(typed.out.contains("kept  rota.toml"), "{typed:?}");
    assert!(typed.out.contains("' && rota check\n"), "a folder with blanks is quoted: {typed:?}");
    assert_eq!(std::fs::read_to_string(team.join("rota.toml")).unwrap(), "theirs");
    assert_eq!(std::fs::read_to_string(team.join("agents/daily-digest.toml")).unwrap(), "digest");
    let again = type_to(house, &[words[0], words[1], "--json"]).await.document();
    assert_eq!(again["written"], json!([]));
    assert_eq!(again["next"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn init_never_leads_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let starter = vec![StarterFile { path: "../evil", content: "" }];
    let house = TestHouse { starter, ..TestHouse::default() };
    let dir = folder.path().join("in");
    let typed = type_to(Arc::new(house), &["init", dir.to_str().unwrap()]).await;
    assert_eq!(typed.code, 70);
    assert!(!folder.path().join("evil").exists());
}

#[tokio::test]
async fn serve_says_when_it_is_ready_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let house = Arc::new(TestHouse::default());
    let typed = type_in(Arc::clone(&house) as _, folder.path().to_owned(), &["serve"]).await;
    let socket = folder.path().join("control.sock").display().to_string();
    assert_eq!(
        (typed.code, typed.out),
        (0, format!("ready addr=127.0.0.1:3001 socket={socket}\n"))
    );
    let typed = type_in(house, folder.path().to_owned(), &["serve", "--json"]).await;
    assert_eq!(typed.document()["socket"], socket);
    let house = Arc::new(TestHouse { serve_fails: true, ..TestHouse::default() });
    let typed = type_in(house, folder.path().to_owned(), &["serve"]).await;
    assert_eq!((typed.code, typed.out.as_str()), (6, ""));
}

#[tokio::test]
async fn a_story_is_told_line_by_line_to_people_and_as_a_whole_to_programs() {
    let house = Arc::new(TestHouse::default());
    let typed = type_to(Arc::clone(&house) as _, &["demo"]).await;
    assert_eq!(typed.out, "08:00:00  the day begins\nthe day is over\n");
    assert_eq!(type_to(house, &["demo", "--json"]).await.document(), json!({"tasks": 3}));
    let call = Expected {
        progress: vec![progress("claimed task 7"), progress("done")],
        ..expect("followRun", json!({"run": "r-1"}), json!({"state": "succeeded"}))
    };
    let backend = StrictBackend::expecting([call]);
    let house = TestHouse { backend, ..TestHouse::default() };
    let typed = type_to(Arc::new(house), &["runs", "follow", "r-1"]).await;
    assert_eq!(typed.out, "08:00:00  claimed task 7\n08:00:00  done\ntext of followRun\n");
}

#[tokio::test]
async fn an_answer_of_another_form_is_a_fault_and_not_a_success() {
    let call = expect("runPlaybook", json!({"playbook": "x"}), json!({"state": "fine"}));
    let backend = StrictBackend::expecting([call]);
    let house = TestHouse { backend, ..TestHouse::default() };
    let typed = type_to(Arc::new(house), &["run-once", "x", "--json"]).await;
    assert_eq!(typed.code, 70);
    assert_eq!(typed.document()["error"]["kind"], "internal");
}

#[tokio::test]
async fn copying_a_board_is_asked_of_the_house_as_it_was_typed() {
    let house = Arc::new(TestHouse::default());
    let words: [&[&str]; 2] = [
        &["board", "import", "old.db", "--project", "Website", "--project", "7", "--dry-run"],
        &["board", "export", "leantime.toml", "--add-people"],
    ];
    for words in words {
        let typed = type_to(Arc::clone(&house) as _, words).await;
        assert_eq!(typed.code, 0, "{words:?} {typed:?}");
    }
    let asked = |direction, other: &str, projects: &[&str], adds_people, dry_run| TransferOptions {
        direction,
        other: other.into(),
        projects: projects.iter().map(|&name| name.to_owned()).collect(),
        adds_people,
        dry_run,
    };
    let expected = [
        asked(Direction::Import, "old.db", &["Website", "7"], false, true),
        asked(Direction::Export, "leantime.toml", &[], true, false),
    ];
    assert_eq!(*house.transfers.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_copy_that_ended_early_says_so_how_to_go_on_and_shows_names_harmlessly() {
    for (early, code, words) in [
        (Early::Stopped, 1, "the same command goes on from here"),
        (Early::Failed("it is gone".into()), 4, "it is gone"),
    ] {
        let name = "\u{1b}[31mred\u{202e}".to_owned();
        let left = Left { noun: Kind::Task, id: 1, name, what: "tags: \u{7}".into() };
        let report = Report {
            ended_early: Some(early),
            left: vec![left],
            left_count: 1,
            ..Report::default()
        };
        let house = Arc::new(TestHouse { report, ..TestHouse::default() });
        let typed = type_to(house, &["board", "export", "leantime.toml"]).await;
        assert_eq!(typed.code, code, "{typed:?}");
        assert!(typed.out.contains(words) && typed.out.contains("red"), "{typed:?}");
        let obeyed = ['\u{1b}', '\u{202e}', '\u{7}'];
        assert!(!typed.out.contains(obeyed), "{typed:?}");
    }
}
