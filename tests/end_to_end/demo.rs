//! `rota demo` on the real binary: the shop window must be true, quick, and leave nothing behind.

use crate::support::rota::Rota;

/// Names of runs differ from day to day.
fn without_run_names(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("r-") {
        let name: String =
            rest[at + 2..].chars().take_while(char::is_ascii_alphanumeric).take(12).collect();
        out.push_str(&rest[..at]);
        out.push_str(if name.len() == 12 { "RUN" } else { "r-" });
        rest = &rest[at + 2 + if name.len() == 12 { 12 } else { 0 }..];
    }
    out.push_str(rest);
    out
}

#[test]
fn the_day_tells_who_claimed_what_who_took_over_what_was_refused_and_what_it_cost() {
    let rota = Rota::new();
    let text = rota.run(["demo"]).ok().out;
    for part in [
        "scripted model",
        "AI-Worker     task 5 “Write the release notes for 2.4”: tags +AI-Agent, status New → In Progress, assignee nobody → AI-Worker",
        "Jonas         task 5 “Write the release notes for 2.4”: assignee AI-Worker → Jonas",
        "ai-worker: yielded (person_took_over): the task was assigned to Jonas",
        "not taken by ai-worker: no_acceptance_criteria",
        "not taken by ai-worker: open_blockers",
        "not taken by ai-worker: excluded_tag",
        "code-review: succeeded (sent_back): round 1 of 3: back to ai-worker",
        "ai-worker: waiting (waiting)",
        "task 11 “Update documentation for Dark mode”: added",
        "Daily digest, Wednesday 25 November 2026",
        "tokens in",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    // Jonas took the task over: what he did stays, and no draft of the agent follows.
    assert!(!text.contains("Draft: Rota 2.4"), "the agent went on after the task was taken over");
}

#[test]
fn what_is_told_is_what_activity_and_ledger_hold() {
    let rota = Rota::new();
    let text = rota.run(["demo"]).ok().out;
    let document = rota.run(["demo", "--json"]).ok().json();
    let lines = document["lines"].as_array().unwrap();
    assert!(lines.len() > 50, "{} lines", lines.len());
    let text = without_run_names(&text);
    // Runs that go on side by side may be told in another order: each line is there, as often.
    for line in lines.iter().filter(|line| line["kind"] != "run") {
        let line = without_run_names(line["text"].as_str().unwrap());
        assert!(text.contains(line.trim_end()), "{line:?} is missing in\n{text}");
    }
    for payload in document["digest"].as_array().unwrap() {
        assert!(payload["blocks"].as_array().unwrap().len() <= 50);
    }
    assert_eq!(document["model"], "scripted");
}
