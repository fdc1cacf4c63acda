//! `run-once`, and what is told of runs afterwards, without a daemon.

use super::team::{content, json, keys, team, team_with};
use crate::support::rota::Rota;
use serde_json::Value;

/// The members of the document, and of what is in it.
fn has_the_shape_of_a_report(report: &Value, dry: bool) {
    let mut expected = vec![
        "detail",
        "effects",
        "notices",
        "occurrence",
        "playbook",
        "reason",
        "run",
        "state",
        "tasks",
        "usage",
    ];
    if dry {
        expected.insert(0, "changes");
    }
    assert_eq!(keys(report), expected);
    for task in report["tasks"].as_array().unwrap() {
        for key in ["id", "claim", "outcome", "effects"] {
            assert!(task.get(key).is_some(), "{key} is missing in {task}");
        }
        assert!(task["claim"]["fence"].is_u64() && task["effects"].is_u64(), "{task}");
    }
    for effect in report["effects"].as_array().unwrap() {
        assert_eq!(keys(effect), ["after", "before", "entity", "tool"]);
    }
    for notice in report["notices"].as_array().unwrap() {
        assert_eq!(keys(notice), ["body", "format", "to"]);
    }
    assert_eq!(keys(&report["usage"]), ["cost", "seconds", "tokens_in", "tokens_out"]);
}

#[test]
fn a_run_claims_works_and_hands_over_and_says_so() {
    let rota = team();
    let ran = rota.run(["run-once", "ai-worker"]).ok();
    for line in [
        "task 1  claimed (fence 1)",
        "assignee: – → AI-Worker",
        "status: New → In Progress",
        "status: In Progress → Ready for Review",
        "[handed_over]",
        "rota runs show r-",
    ] {
        assert!(ran.out.contains(line), "{line}: {ran:#?}");
    }
    assert_eq!(ran.err, "");
    let task = json(&rota, &["task", "show", "1"]);
    assert_eq!(
        (&task["status_label"], &task["assignee_name"]),
        (&"Ready for Review".into(), &"AI-Worker".into())
    );
    assert_eq!(task["comments"].as_array().unwrap().len(), 3, "{task}");

    let review = json(&rota, &["run-once", "code-review"]);
    assert_eq!(review["tasks"][0]["outcome"], "approved", "{review}");
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "Approved");
}

#[test]
fn a_run_is_one_document_of_the_documented_shape() {
    let rota = team();
    let ran = rota.run(["run-once", "ai-worker", "--json"]).ok();
    let report = ran.json();
    has_the_shape_of_a_report(&report, false);
    assert_eq!(report["state"], "succeeded");
    assert_eq!(report["reason"], "handed_over");
    assert_eq!(
        (&report["tasks"][0]["id"], &report["tasks"][0]["claim"]["fence"]),
        (&1.into(), &1.into())
    );
    let effects = report["effects"].as_array().unwrap();
    assert_eq!(effects[0]["before"]["status"], 0);
    assert_eq!(effects[0]["after"]["status"], 1);
    assert_eq!(
        u64::try_from(effects.len()).unwrap(),
        report["tasks"][0]["effects"].as_u64().unwrap()
    );
    // The digest goes to `stdout`: the document is still the only thing there, and tells it.
    let digest = rota.run(["run-once", "daily-digest", "--json"]).ok();
    let report = digest.json();
    has_the_shape_of_a_report(&report, false);
    assert_eq!(report["notices"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["notices"][0]["to"], "stdout");
    assert_eq!(digest.err, "");
}

#[test]
fn a_message_is_told_once() {
    let rota = team();
    let ran = rota.run(["run-once", "daily-digest"]).ok();
    assert_eq!(ran.out.matches("Nothing to report for").count(), 1, "{ran:#?}");
    assert_eq!(ran.err, "");
}

#[test]
fn a_rehearsal_leaves_the_state_folder_as_it_is_byte_for_byte() {
    let rota = team();
    rota.run(["run-once", "documentation"]).ok();
    let before = content(&rota.state());
    assert!(before.len() > 3, "{:?}", before.keys());
    let ran = rota.run(["run-once", "ai-worker", "--dry-run"]).ok();
    for line in [
        "dry run: nothing outside was changed",
        "assignee: – → AI-Worker",
        "status: New → In Progress",
    ] {
        assert!(ran.out.contains(line), "{line}: {ran:#?}");
    }
    assert!(!ran.out.contains("rota runs show r-\n"), "{ran:#?}");
    let report = json(&rota, &["run-once", "ai-worker", "--dry-run"]);
    has_the_shape_of_a_report(&report, true);
    let ran = rota.run(["run-once", "daily-digest", "--dry-run"]).ok();
    assert!(!ran.err.contains("channel"), "nobody is told anything: {}", ran.err);
    assert!(content(&rota.state()) == before, "the rehearsal touched the state folder");
    assert_eq!(json(&rota, &["task", "show", "1"])["status_label"], "New");
}

#[test]
fn a_rehearsal_without_state_makes_none() {
    let rota = Rota::new();
    rota.run(["init"]).ok();
    let report = rota.run(["run-once", "daily-digest", "--dry-run", "--json"]).ok().json();
    assert_eq!(report["state"], "succeeded");
    assert!(!rota.state().exists());
}

#[test]
fn one_task_an_instant_and_values_may_be_named() {
    let rota = team();
    rota.run(["task", "add", "Another", "--tag", "AI-Suitable", "--acceptance", "It is there"])
        .ok();
    let report = json(&rota, &["run-once", "ai-worker", "--task", "2"]);
    assert_eq!(report["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(report["tasks"][0]["id"], 2);
    let missing = rota.run(["run-once", "ai-worker", "--task", "77", "--json"]).ended(1).json();
    assert_eq!((&missing["state"], &missing["reason"]), (&"refused".into(), &"not_found".into()));
    rota.run(["task", "add", "Vague"]).ok();
    let vague = rota.run(["run-once", "ai-worker", "--task", "3", "--json"]).ended(1).json();
    assert_eq!(vague["reason"], "no_acceptance_criteria", "{vague}");
    let day = json(&rota, &["run-once", "daily-digest", "--at", "2027-03-04T08:00:00Z"]);
    assert!(day["notices"][0]["body"].as_str().unwrap().contains("March 2027"), "{day}");

    let playbook = "agent = \"AI-Assistant\"\n[[step]]\ntool = \"addComment\"\nargs = { module = \"ticket\", entityId = 1, text = \"Said by {{set.who}}\" }\n[scope]\nwrite = \"board\"\n";
    rota.write("agents/say.toml", playbook);
    json(&rota, &["run-once", "say", "--set", "who=a test"]);
    let task = rota.run(["task", "show", "1"]).ok();
    assert!(task.out.contains("Said by a test"), "{task:#?}");
}

#[test]
fn nothing_to_do_is_told_and_has_a_code_of_its_own_on_request() {
    let rota = team();
    let report = json(&rota, &["run-once", "stale"]);
    assert_eq!(
        (&report["state"], &report["reason"]),
        (&"nothing_to_do".into(), &"nothing_to_do".into())
    );
    assert_eq!(report["notices"].as_array().unwrap().len(), 0);
    rota.run(["run-once", "stale", "--exit-code"]).ended(5);
    rota.run(["run-once", "ai-worker", "--exit-code"]).ok();
    let refused = rota.run(["run-once", "ai-worker", "--exit-code"]);
    assert_eq!(refused.code, 5, "{refused:#?}");
}

#[test]
fn a_playbook_that_is_not_there_is_refused_with_those_that_are() {
    let rota = team();
    let failed = rota.run(["run-once", "ai-workr"]).ended(1);
    assert!(failed.err.contains("ai-worker"), "{failed:#?}");
    let document = rota.run(["run-once", "ai-workr", "--json"]).ended(1).json();
    assert_eq!(document["error"]["reason"], "not_found", "{document}");
    let document = rota.run(["run-once", "ai-workr", "--dry-run", "--json"]).ended(1).json();
    assert_eq!(document["error"]["reason"], "not_found", "{document}");
}

#[test]
fn why_tells_what_would_be_decided_and_what_was() {
    let rota = team();
    rota.run(["task", "add", "Vague", "--tag", "AI-Suitable"]).ok();
    let before = rota.run(["why", "2"]).ok();
    assert!(before.out.contains("no_acceptance_criteria"), "{before:#?}");
    let first = json(&rota, &["why", "1"]);
    let now =
        first["now"].as_array().unwrap().iter().find(|row| row["playbook"] == "ai-worker").unwrap();
    assert_eq!(now["reason"], "would_be_taken");
    let early = json(&rota, &["status"])["since"].as_str().unwrap().to_owned();
    rota.run(["run-once", "ai-worker"]).ok();
    let task = json(&rota, &["why", "task 1"]);
    assert_eq!(task["decisions"][0]["reason"], "handed_over", "{task}");
    let past = json(&rota, &["why", "1", "--at", &early]);
    assert_eq!(past["decisions"].as_array().unwrap().len(), 0, "{past}");
    let playbook = rota.run(["why", "ai-worker"]).ok();
    assert!(
        playbook.out.contains("not_armed") && playbook.out.contains("ran [handed_over]"),
        "{playbook:#?}"
    );
    let neither = rota.run(["why", "nonsense"]).ended(1);
    assert!(neither.err.contains("ai-worker"), "{neither:#?}");
}

#[test]
fn runs_are_listed_and_shown_with_everything() {
    let rota = team();
    assert_eq!(rota.run(["runs", "list"]).ok().out, "no runs\n");
    let run = json(&rota, &["run-once", "ai-worker"])["run"].as_str().unwrap().to_owned();
    let list = rota.run(["runs", "list", "--task", "1", "--in-state", "succeeded"]).ok();
    assert!(list.out.contains(&run), "{list:#?}");
    assert_eq!(
        json(&rota, &["runs", "list", "--playbook", "stale"])["items"].as_array().unwrap().len(),
        0
    );
    let shown = rota.run(["runs", "show", &run]).ok();
    for part in [
        "effects",
        "status: New → In Progress",
        "prompt",
        "You are AI-Worker",
        "definition",
        "transcript",
    ] {
        assert!(shown.out.contains(part), "{part}: {shown:#?}");
    }
    // A run that has ended is shown at once.
    rota.run(["runs", "follow", &run]).ok();
    rota.run(["runs", "stop", &run]).ended(1);
    rota.run(["runs", "show", "r-000000000000"]).ended(1);
    assert_eq!(rota.run(["claims", "list"]).ok().out, "no claims\n");
    rota.run(["claims", "release", "1", "--reason", "x"]).ended(1);
    rota.run(["claims", "release", "1"]).ended(2);
}

#[test]
fn coming_occurrences_are_told_in_the_zone_with_odd_days_marked() {
    let playbook = "agent = \"AI-Assistant\"\n[on]\ncron = \"30 2 * * *\"\n[report]\ntemplate = \"digest\"\nto = [\"stdout\"]\n";
    let rota = team_with("nightly", playbook);
    let words =
        ["next", "nightly", "--from", "2027-03-27T00:00:00Z", "--to", "2027-03-29T12:00:00Z"];
    let next = rota.run(words).ok();
    assert!(next.out.contains("Europe/Berlin"), "{next:#?}");
    assert!(next.out.contains("the clock skips the planned time"), "{next:#?}");
    let items = json(&rota, &words);
    let items = items["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{items:?}");
    assert_eq!(items[1]["planned"], "2027-03-28T01:00:00Z");
    // The configuration of this team arms its playbooks by itself.
    assert_eq!(items[1]["state"], "armed");
    assert!(!next.out.contains("not armed"), "{next:#?}");
    rota.write("rota.toml", &rota.read("rota.toml").replace("\"auto\"", "\"ask\""));
    assert!(rota.run(words).ok().out.contains("not armed: skipped"));
    assert_eq!(json(&rota, &words)["items"][1]["state"], "not_armed");
    assert_eq!(json(&rota, &["next", "-n", "2"])["items"].as_array().unwrap().len(), 2);
    rota.run(["next", "nightlyy"]).ended(1);
}

#[test]
fn a_digest_that_is_asked_for_again_says_when_it_was_told() {
    let rota = team();
    let first = json(&rota, &["run-once", "daily-digest"]);
    assert_eq!((first["reason"].as_str(), first["detail"].as_str()), (Some("done"), Some("")));
    let again = json(&rota, &["run-once", "daily-digest"]);
    assert_eq!(again["reason"], "already_told");
    assert!(again["detail"].as_str().unwrap().contains("stdout was told at "), "{again}");
    let shown = rota.run(["run-once", "daily-digest"]).ok();
    assert!(shown.out.contains("[already_told]"), "{shown:#?}");
    assert!(shown.out.contains("stdout was told at "), "{shown:#?}");
}

#[test]
fn the_doctor_warns_of_words_that_the_board_does_not_know() {
    let rota = team();
    let doctor = rota.run(["doctor"]).ok();
    assert!(!doctor.out.contains("has no status"), "{doctor:#?}");
    let text = rota.read("agents/ai-worker.toml");
    assert!(text.contains("Ready for Review"));
    rota.write("agents/ai-worker.toml", &text.replace("Ready for Review", "Redy for Review"));
    let doctor = rota.run(["doctor"]).ok();
    let line = doctor.out.lines().find(|line| line.contains("playbook ai-worker")).unwrap();
    assert!(line.starts_with("warn") && line.contains("Redy for Review"), "{doctor:#?}");
}

#[test]
fn playbooks_are_armed_paused_and_resumed() {
    let rota = team();
    let of = |name: &str| {
        let list = json(&rota, &["playbooks"]);
        list["items"].as_array().unwrap().iter().find(|p| p["name"] == name).unwrap().clone()
    };
    assert_eq!(of("stale")["armed"], false);
    assert_eq!(rota.run(["arm", "stale"]).ok().out, "stale  armed\n");
    assert_eq!(of("stale")["armed"], true);
    rota.run(["pause", "stale"]).ok();
    assert_eq!((&of("stale")["armed"], &of("stale")["paused"]), (&true.into(), &true.into()));
    let shown = rota.run(["playbooks"]).ok();
    let line = shown.out.lines().find(|line| line.starts_with("stale")).unwrap();
    assert!(line.contains("paused"), "{shown:#?}");
    rota.run(["resume", "stale"]).ok();
    assert_eq!(of("stale")["paused"], false);
    // Wider rights than those that were armed are asked about again.
    let text = rota.read("agents/stale.toml").replace("30 9 * * MON-FRI", "*/5 * * * *");
    rota.write("agents/stale.toml", &text);
    assert_eq!(of("stale")["armed"], false, "{}", of("stale"));
    rota.run(["arm", "stal"]).ended(1);
}

#[test]
fn the_emergency_stop_holds_until_it_is_lifted() {
    let rota = team();
    let stopped = rota.run(["stop-all", "--reason", "wrong comments"]).ok();
    assert!(stopped.out.contains("no daemon is running"), "{stopped:#?}");
    assert!(rota.state().join("STOPPED").exists());
    let refused = rota.run(["run-once", "ai-worker"]).ended(1);
    assert!(refused.err.contains("rota start-all"), "{refused:#?}");
    let status = rota.run(["status"]).ok();
    assert!(
        status.out.contains("everything is stopped") && status.out.contains("wrong comments"),
        "{status:#?}"
    );
    assert!(rota.run(["doctor"]).ok().out.contains("warn  emergency stop"));
    assert!(rota.run(["why", "ai-worker"]).ok().out.contains("wrong comments"));
    rota.run(["start-all"]).ok();
    rota.run(["run-once", "ai-worker"]).ok();
}

#[test]
fn state_that_cannot_be_used_ends_with_six() {
    let rota = team();
    rota.write("plain", "a file");
    rota.run(["--state", "plain", "status"]).ended(6);
    let document = rota.run(["--state", "plain/below", "status", "--json"]).ended(6).json();
    assert_eq!(document["error"]["kind"], "state");
}

#[test]
fn costs_are_told_in_a_line_for_whatever_was_asked_for() {
    let rota = team();
    rota.run(["run-once", "ai-worker"]).ok();
    for (by, line) in [
        ("playbook", "ai-worker "),
        ("agent", "AI-Worker "),
        ("task", "1 "),
        ("project", "Website (project 1) "),
        ("milestone", "no milestone "),
        ("goal", "no goal "),
    ] {
        let told = rota.run(["report", "cost", "--by", by]).ok().out;
        let head = told.lines().nth(1).unwrap();
        assert!(head.starts_with(&by.to_uppercase()), "{told}");
        for column in ["COST", "HOURS", "PLANNED", "ACCEPTED", "EACH"] {
            assert!(head.contains(column), "{column}: {told}");
        }
        assert!(told.lines().any(|own| own.starts_with(line)), "{line}: {told}");
    }
    let refused = rota.run(["report", "cost", "--by", "colour"]).ended(2);
    let words = "expected one of playbook, agent, model, task, project, milestone, goal, day";
    assert!(refused.err.contains(words), "{refused:#?}");
}
