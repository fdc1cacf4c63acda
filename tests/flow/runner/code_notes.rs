//! What a run leaves in its journal and not on the board: findings, and checks that it has run.

use crate::support::bench::Bench;
use crate::support::den::{git, has_git, has_sandbox};
use rota::domain::*;
use rota::tools::Trust;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

fn check(script: &str) -> Check {
    let command = ["sh", "-c", script].map(str::to_owned).into();
    Check { command, time: Duration::from_mins(1) }
}

async fn bench(change: impl FnOnce(&mut Playbook)) -> Bench {
    let bench = Bench::new(SandboxLevel::None, false, |book| {
        book.checks.insert("tests".into(), check("test -e mended || { echo broken; exit 3; }"));
        book.checks.insert("lint".into(), check("echo clean"));
        change(book);
    });
    let bench = bench.await;
    bench.write("src/lib.rs", "one\ntwo\n");
    bench
}

fn finding(file: &str, line: u32, text: &str) -> Json {
    json!({ "file": file, "line": line, "severity": "major", "text": text })
}

/// What the journal holds after an effect.
fn after(effect: &Effect) -> &Value {
    match effect.result.as_ref().unwrap() {
        EffectResult::Done {
            entity: Entity::Outside, before: Value::Null, after, inverse, ..
        } => {
            assert!(inverse.is_none());
            after
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn findings_are_numbered_on_journaled_and_nothing_is_written_to_the_board() {
    let bench = bench(|_| {}).await;
    let before = bench.den.house.the_task().await;
    let one = bench.call("codeComment", finding("src/lib.rs", 2, "It may panic.")).await;
    assert_eq!(
        (&one["number"], &one["at"], &one["open"]),
        (&json!(1), &json!("src/lib.rs:2"), &json!(1))
    );
    let whole = json!({ "severity": "note", "text": "Fine otherwise.", "suggestion": "Go on." });
    assert_eq!(bench.call("codeComment", whole).await["number"], 2);
    let settled = bench.call("codeComment", json!({ "settles": 1 })).await;
    assert_eq!((&settled["is_settled"], &settled["open"]), (&json!(true), &json!(1)));
    let effects = bench.effects();
    assert_eq!(effects.len(), 3);
    let noted: Vec<Finding> = effects
        .iter()
        .map(|effect| {
            assert_eq!((effect.actor, effect.tool.as_str()), (EffectActor::Agent, CODE_COMMENT));
            serde_json::from_value(serde_json::to_value(after(effect)).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(
        (noted[0].number, noted[0].severity, noted[0].is_settled),
        (1, Severity::Major, false)
    );
    assert_eq!(noted[1].suggestion.as_deref(), Some("Go on."));
    assert_eq!(noted[2], Finding { is_settled: true, ..noted[0].clone() });
    assert_eq!(bench.den.house.the_task().await, before);
    let log = bench.den.house.happened();
    let own: Vec<&str> =
        log.iter().map(String::as_str).filter(|l| !l.starts_with("read")).collect();
    assert!(
        own.iter().all(|line| line.starts_with("intend")
            || line.starts_with("conclude")
            || line.contains("fence")),
        "{own:?}"
    );
}

#[tokio::test]
async fn numbers_go_on_after_those_of_earlier_rounds_which_may_be_settled() {
    let bench = bench(|_| {}).await;
    let tally = Arc::clone(&bench.context.run.as_ref().unwrap().tally);
    let earlier = |number, is_settled| Finding {
        number,
        file: None,
        line: None,
        severity: Severity::Minor,
        text: "earlier".into(),
        suggestion: None,
        is_settled,
    };
    tally.begin_findings(vec![earlier(3, false), earlier(7, true)]);
    assert_eq!(bench.call("codeComment", finding("src/lib.rs", 1, "x")).await["number"], 8);
    let settled = bench.call("codeComment", json!({ "settles": 3 })).await;
    assert_eq!((&settled["number"], &settled["open"]), (&json!(3), &json!(1)));
    for gone in [3, 7, 99] {
        let (reason, why) = bench.refuses("codeComment", json!({ "settles": gone })).await;
        assert!(reason == Reason::InvalidArguments && why.contains("open are: 8"), "{why}");
    }
    let both = json!({ "settles": 8, "text": "and this" });
    assert_eq!(bench.refuses("codeComment", both).await.0, Reason::InvalidArguments);
}

#[tokio::test]
async fn a_finding_is_about_something_that_is_there_and_of_a_bounded_length() {
    let bench = bench(|book| {
        book.scope.max.insert("codeComment".into(), 3);
    })
    .await;
    for (args, why) in [
        (finding("src/none.rs", 1, "x"), "there is no"),
        (finding("src/lib.rs", 3, "x"), "has 2 lines"),
        (finding("src/lib.rs", 0, "x"), "counted from 1"),
        (json!({ "line": 2, "severity": "note", "text": "x" }), "of which file"),
        (json!({ "severity": "grave", "text": "x" }), "note, minor, major, blocker"),
        (json!({ "text": "x" }), "severity"),
        (json!({ "severity": "note", "text": "  " }), "say what is wrong"),
        (finding("src/lib.rs", 1, &"x".repeat(5_000)), "at most 4000 characters"),
        (finding("../secret", 1, "x"), ".."),
        (finding(".git/config", 1, "x"), ".git"),
    ] {
        let (_, told) = bench.refuses("codeComment", args.clone()).await;
        assert!(told.contains(why), "{args}: {told}");
    }
    assert!(bench.effects().is_empty(), "what is refused is not journaled and not counted");
    for _ in 0..3 {
        bench.call("codeComment", finding("src/lib.rs", 1, "x")).await;
    }
    let (reason, _) = bench.refuses("codeComment", finding("src/lib.rs", 1, "x")).await;
    assert_eq!(reason, Reason::ScopeMax);
    let bench = self::bench(|_| {}).await;
    for _ in 0..200 {
        bench.call("codeComment", json!({ "severity": "note", "text": "x" })).await;
    }
    let (reason, _) =
        bench.refuses("codeComment", json!({ "severity": "note", "text": "x" })).await;
    assert_eq!(reason, Reason::ScopeMax);
}

#[tokio::test]
async fn a_finding_may_be_about_a_file_that_was_removed() {
    if !has_git() {
        return;
    }
    let bench = Bench::new(SandboxLevel::None, true, |_| {}).await;
    git(&bench.folder(), &["rm", "-q", "README"]);
    let args = finding("README", 1, "Why is it gone?");
    assert_eq!(bench.call("codeComment", args).await["number"], 1);
    let never = bench.refuses("codeComment", finding("never", 1, "x")).await;
    assert_eq!(never.0, Reason::NotFound, "{}", never.1);
}

#[tokio::test]
async fn a_check_is_journaled_before_and_after_and_says_how_it_ended() {
    let bench = bench(|_| {}).await;
    let bad = bench.call("runCheck", json!({ "name": "tests" })).await;
    assert_eq!(
        (&bad["passed"], &bad["exit_code"], &bad["output"]),
        (&json!(false), &json!(3), &json!("broken"))
    );
    bench.write("mended", "");
    let good = bench.call("runCheck", json!({ "name": "tests" })).await;
    assert_eq!((&good["passed"], &good["exit_code"]), (&json!(true), &json!(0)));
    let effects = bench.effects();
    assert_eq!(effects.len(), 2);
    for (effect, passed) in effects.iter().zip([false, true]) {
        assert_eq!((effect.tool.as_str(), effect.actor), (RUN_CHECK, EffectActor::Agent));
        assert_eq!(effect.args.get("name"), Some(&Value::from("tests")));
        assert_eq!(after(effect).get("passed"), Some(&Value::from(passed)));
        assert!(after(effect).get("status").is_some());
    }
    let log = bench.den.house.happened();
    let order: Vec<&str> = log
        .iter()
        .map(String::as_str)
        .filter(|l| l.starts_with("intend") || l.starts_with("conclude"))
        .collect();
    assert_eq!(order, ["intend runCheck", "conclude done", "intend runCheck", "conclude done"]);
}

#[tokio::test]
async fn only_the_playbooks_checks_are_run() {
    let bench = bench(|_| {}).await;
    for name in ["test", "rm -rf /", "", "tests; id", "../tests", "TESTS"] {
        let (reason, why) = bench.refuses("runCheck", json!({ "name": name })).await;
        assert_eq!(reason, Reason::InvalidArguments, "{name}: {why}");
        assert!(why.contains("lint, tests"), "{why}");
    }
    assert!(bench.refuses("runCheck", json!({ "name": "test" })).await.1.contains("did you mean"));
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn a_run_that_may_not_act_runs_no_check_and_a_shadow_runs_it() {
    let mut bench = bench(|_| {}).await;
    for mode in [Mode::Shadow, Mode::Staged] {
        bench.context.run.as_mut().unwrap().mode = mode;
        assert_eq!(bench.call("runCheck", json!({ "name": "lint" })).await["passed"], true);
        bench.call("codeComment", json!({ "severity": "note", "text": "x" })).await;
    }
    let count = bench.effects().len();
    assert_eq!(count, 4);
    assert!(bench.effects().iter().all(|e| matches!(e.result, Some(EffectResult::Done { .. }))));
    bench.context.run.as_mut().unwrap().trust = Trust::when(|| false);
    let error = bench.try_to("runCheck", json!({ "name": "lint" })).await.unwrap_err();
    assert!(error.is_fatal() && error.reason() == Reason::TrustWindow);
    bench.context.run.as_mut().unwrap().trust = Trust::without_lease();
    *bench.den.house.journal.claim_lost.lock().unwrap() = true;
    let error = bench.try_to("runCheck", json!({ "name": "lint" })).await.unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert_eq!(bench.effects().len(), count);
}

#[tokio::test]
async fn a_run_that_is_stopped_stops_its_check_and_nothing_of_it_is_left() {
    let bench = bench(|book| {
        book.checks.insert("slow".into(), check("echo $$ >pid; touch begun; sleep 600"));
    })
    .await;
    let begun = bench.folder().join("begun");
    let running = bench.try_to("runCheck", json!({ "name": "slow" }));
    tokio::pin!(running);
    loop {
        tokio::select! {
            done = &mut running => panic!("{done:?}"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        if begun.exists() {
            break;
        }
    }
    bench.stop.cancel();
    let error = running.await.unwrap_err();
    assert!(!error.is_fatal() && error.reason() == Reason::Cancelled, "{error}");
    let pid = std::fs::read_to_string(bench.folder().join("pid")).unwrap();
    assert!(!crate::support::den::runs(&pid));
    let effects = bench.effects();
    assert!(matches!(effects[0].result, Some(EffectResult::Failed { .. })), "{effects:?}");
    // Nothing more is begun.
    assert!(bench.try_to("codeList", json!({})).await.is_err());
}

#[tokio::test]
async fn a_check_beside_the_runs_own_program_does_not_end_that() {
    if !has_sandbox() {
        return;
    }
    let bench = Bench::new(SandboxLevel::Strict, false, |book| {
        book.checks.insert("tests".into(), check("touch checked"));
        book.work =
            Work::Command { command: vec!["sh".into()], prompt: String::new(), env: vec![] };
    })
    .await;
    let waits = "touch begun; while [ ! -e checked ]; do sleep 0.05; done; sleep 0.5; echo alive";
    let program = async { bench.den.play(&bench.workspace, &["sh", "-c", waits]).await };
    let checks = async {
        while !bench.folder().join("begun").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bench.call("runCheck", json!({ "name": "tests" })).await
    };
    let (played, checked) = tokio::join!(program, checks);
    assert_eq!(checked["passed"], true);
    assert_eq!((played.end.state, played.lines), (RunState::Succeeded, vec!["alive".to_owned()]));
}
