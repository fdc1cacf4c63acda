//! Staged over a Leantime: what waits for a person is written once, by the agent's own user, and what
//! somebody changed meanwhile stays.

use super::LABELS;
use crate::support::office::{Life, Office, unlimited};
use crate::support::playbooks::{WORKER, changed};
use rota::board::People as _;
use rota::domain::*;
use rota::tools::Context;
use serde_json::{Value as Json, json};
use std::time::Duration;

const THOROUGH: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [
  { tool = "editTask", args = { id = "${task_id}", params = { description = "A guess." } } },
  { tool = "addComment", args = { module = "ticket", entityId = "${task_id}", text = "I found it." } },
]

[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now." } }]
"#;

/// A run over a Leantime has proposed an edit, a comment, and its outcome's comment and edit.
async fn proposed() -> (Office, Life, i64) {
    let office = Office::new(unlimited()).await;
    let text = changed(WORKER, LABELS);
    let text = changed(&text, &[("tools = [", "tools = [\"editTask\", ")]);
    office.playbook("ai-worker", &format!("mode = \"staged\"\n{text}"), &[]);
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, THOROUGH).await;
    let report = life.run("ai-worker").await;
    assert_eq!((report.state, report.reason), (RunState::Waiting, Reason::Proposed), "{report:#?}");
    // Leantime's instants are whole seconds.
    office.advance(Duration::from_secs(5));
    (office, life, ticket)
}

async fn decide(office: &Office, life: &Life, args: Json) -> Json {
    let people = life.board.people().await.unwrap();
    let hugo = people.into_iter().find(|person| person.id.0 == office.hugo).unwrap();
    let principal = Principal { person: hugo, by: Initiative::Person };
    let context = Context::person(principal, chrono_tz::UTC);
    let args = serde_json::from_value(args).unwrap();
    let ruling = life.tools.call("decideReview", args, &context).await.unwrap();
    serde_json::to_value(&ruling.value).unwrap()
}

#[tokio::test]
async fn what_is_approved_is_written_once_and_the_ticket_is_handed_over() {
    let (office, life, ticket) = proposed().await;
    // Announced for everybody to see, and nothing else is written.
    assert_eq!(office.column(ticket, "editorId"), office.agent.to_string());
    assert_eq!(
        (office.comments(ticket).len(), office.column(ticket, "description").as_str()),
        (1, "")
    );
    let ruling = decide(&office, &life, json!({ "task": ticket, "decision": "approve" })).await;
    assert_eq!(ruling["what"], "4 of 4 proposals were applied", "{ruling:#}");
    for _ in 0..3 {
        life.work().await;
        office.advance(Duration::from_secs(5));
    }
    assert!(office.column(ticket, "description").contains("A guess."));
    assert_eq!((office.column(ticket, "status").as_str(), office.markers(ticket)), ("2", 0));
    let comments = office.comments(ticket);
    let of = |part: &str| comments.iter().filter(|text| text.contains(part)).count();
    // Whoever applies it says so first, for other daemons on this board.
    let counts = (of("takes this task"), of("I found it."), of("hands this over"));
    assert_eq!((counts, comments.len()), ((2, 1, 1), 4), "{comments:#?}");
    assert_eq!(life.claim(ticket).await.unwrap().phase, Phase::Free);
    office.is_careful();
    life.stop().await;
}

#[tokio::test]
async fn what_somebody_changed_in_leantime_meanwhile_stays_and_is_told() {
    let (office, life, ticket) = proposed().await;
    office.fake.as_person(office.hugo).edit(ticket, "description", json!("<p>I know better.</p>"));
    office.advance(Duration::from_secs(5));
    let ruling = decide(&office, &life, json!({ "task": ticket, "decision": "approve" })).await;
    assert!(ruling["what"].as_str().unwrap().contains("of 4"), "{ruling:#}");
    life.work().await;
    assert!(office.column(ticket, "description").contains("I know better."));
    let staging = life.ledger.staging(TaskId(ticket)).await.unwrap().unwrap();
    assert_eq!(staging.items[0].state, ProposalState::Conflict, "{staging:#?}");
    office.is_careful();
    life.stop().await;
}
