//! Whatever people write on the board: no report pings, links elsewhere, or obeys.

use super::workflows::timesheet;
use super::{EVERYWHERE, run};
use crate::support::daemon::{ADA, Team};
use crate::support::golden::is_taken_by_slack;
use crate::support::sample_board::hostile;
use rota::domain::{Body, RunState, TaskEdit, TaskId};
use serde_json::Value as Json;

/// What every field is made of in turn.
fn texts() -> Vec<(&'static str, String)> {
    vec![
        ("mentions", "<!channel> <!here|here> @channel @EVERYONE <@U123> <!subteam^S1>".to_owned()),
        ("links", "<https://evil.example|task 1> [x](https://evil.example) <script>".to_owned()),
        (
            "markup",
            "# title\n---\n-# small\n| field\n> *a* _a_ `b` ~c~ {{agent}} {{{set}}}".to_owned(),
        ),
        ("a long word", "x".repeat(10_000)),
        ("entities", "&amp;".repeat(600)),
        (
            "another direction",
            "\u{202e}gnissim\u{2066}x\u{2067}y\u{2068}z\u{2069}\u{200f}\u{200e}\u{61c} مرحبا"
                .to_owned(),
        ),
        ("unseen", "a\u{200b}\u{feff}b\u{2060}\u{ad}c\u{180e}\u{0}\u{1b}[2J\u{e0041}".to_owned()),
        ("emoji", "🚀👩‍👩‍👧 e\u{301}".repeat(30)),
    ]
}

/// What a terminal obeys, or what turns a text around before a reader's eyes.
fn is_obeyed(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

/// What nobody sees, but for what joins letters and emoji.
fn has_no_width(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{180e}')
}

/// In Slack, marks of no width are ours alone: beside what would format, ping or begin a block.
fn unseen_is_ours(text: &str) -> bool {
    let all: Vec<char> = text.chars().collect();
    (0..all.len()).filter(|at| has_no_width(all[*at])).all(|at| {
        let before = at.checked_sub(1).map(|at| all[at]);
        let after = all.get(at + 1).copied();
        let is_mark = |c: Option<char>| c.is_some_and(|c| "*_~`".contains(c));
        match all[at] {
            '\u{200b}' => is_mark(before) || is_mark(after),
            '\u{2060}' => before == Some('@') || after.is_some_and(|after| "#-&|".contains(after)),
            _ => false,
        }
    })
}

/// A message that Slack takes, and in no text of it a link, or a mark that formats what somebody wrote.
fn check_slack(what: &str, json: &str) {
    let message: Json = serde_json::from_str(json).unwrap();
    is_taken_by_slack(what, &message);
    let mut texts = vec![message["text"].as_str().unwrap().to_owned()];
    for block in message["blocks"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            // Formats nothing.
            "header" => {}
            "section" => texts.push(block["text"]["text"].as_str().unwrap().to_owned()),
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                texts.extend(elements.iter().map(|e| e["text"].as_str().unwrap().to_owned()));
            }
            other => panic!("{what}: unexpected block {other}"),
        }
    }
    for text in texts {
        assert!(!text.contains(is_obeyed), "{what}: {text:?}");
        assert!(unseen_is_ours(&text), "{what}: {text:?}");
        assert!(!text.contains('<'), "{what}: {text:.300}");
        // Titles of ours are bold; what the board said is not, nor anything else.
        for word in ["_a_", "*a*", "~c~", "`b`"] {
            assert!(!text.contains(word), "{what}: {text:.300}");
        }
    }
}

fn check(what: &str, body: &Body) {
    for text in [&body.text, &body.markdown] {
        assert!(!text.contains(is_obeyed), "{what}: {text:?}");
        assert!(!text.contains(has_no_width), "{what}: {text:?}");
        assert!(!text.contains("AI-Assistant}"), "{what} was read as a template");
    }
    let bare = body.markdown.replace("\\<", "").replace("\\[", "");
    assert!(!bare.contains("<script") && !bare.contains("[x]("), "{what}: {bare:.300}");
    // Each line is one of ours: nobody begins one of their own.
    for line in body.text.lines().filter(|line| line.contains("title")) {
        assert!(!line.starts_with("# title"), "{what}: {line}");
    }
    assert!(!body.slack.is_empty(), "{what}");
    for json in &body.slack {
        check_slack(what, json);
    }
}

async fn body(team: &Team, name: &str, set: &[(&str, &str)]) -> Option<Body> {
    let everywhere = match name {
        // What is proposed is told to whoever hears of failures.
        "time-catch-up" => ("to = [\"stdout\"]", "to = [\"stdout\", \"slack:ops\"]"),
        _ => EVERYWHERE,
    };
    team.shipped(name, &[everywhere]);
    let life = team.start().await;
    let before = team.told.0.lock().unwrap().len();
    let report = run(&life, name, set).await;
    assert_ne!(report.state, RunState::Failed, "{name}: {report:#?}");
    life.stop().await;
    team.told.0.lock().unwrap().get(before).map(|(_, body)| body.clone())
}

#[tokio::test(start_paused = true)]
async fn every_report_makes_harmless_text_of_what_the_board_says() {
    for (kind, text) in texts() {
        let team = hostile(&text).await;
        // Bo's meeting was not logged, and the one task that is done is a feature.
        timesheet(&team).await;
        team.edit(ADA, TaskId(2), TaskEdit::AddTag("feature".to_owned())).await;
        for (name, set) in [
            ("standup", &[][..]),
            ("weekly-planning", &[]),
            (
                "project-planning",
                &[("project", "3"), ("finish_by", "2026-11-13"), ("subtasks", "yes")],
            ),
            ("client-status-report", &[("since", "2026-10-19")]),
            ("workload", &[]),
            ("sprint-planning", &[]),
            ("okr-tracking", &[]),
            ("blocked-handover", &[]),
            ("focus-time", &[("person", "1")]),
            ("daily-digest", &[]),
            ("documentation", &[]),
            ("time-catch-up", &[]),
            ("due-soon", &[]),
            ("stale", &[]),
        ] {
            let what = format!("{name} of {kind}");
            let body = body(&team, name, set).await.unwrap_or_else(|| panic!("{what}: silence"));
            check(&what, &body);
        }
    }
}
