//! A day of a daemon over a Leantime: people wake it, it works and hands over, gives way, comes back
//! after a crash, and tells how it was; and it does so quietly.

use super::{LABELS, WORKER, office};
use crate::support::daemon::request;
use crate::support::office::{Office, unlimited};
use crate::support::playbooks::{BREAKS_OFF, DILIGENT, QUICK};
use rota::domain::*;
use rota::tools::desk::Desk as _;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The daemon that takes what is tagged as soon as somebody tags it.
async fn listening() -> Office {
    let office = Office::new(unlimited()).await;
    let on = ("[select]", "[on]\nevent = [\"task.changed\", \"task.created\"]\n[select]");
    office.playbook("ai-worker", WORKER, &[LABELS, &[on]].concat());
    office
}

#[tokio::test]
async fn who_tags_a_ticket_in_leantime_wakes_a_playbook_that_works_and_hands_over_quietly() {
    let office = listening().await;
    let ticket = office.ticket("Fix the login");
    let person = office.fake.as_person(office.hugo);
    person.edit(ticket, "tags", json!("design"));
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    life.work().await;
    assert!(life.runs(ticket).await.is_empty(), "news from before the first look is no news");
    let (mails, patches) =
        (office.fake.mails(office.hugo), office.fake.calls("tickets.patchTicket"));
    person.edit(ticket, "tags", json!("design,AI-Suitable"));
    for _ in 0..4 {
        life.work().await;
        office.advance(Duration::from_secs(5));
    }
    let runs = life.runs(ticket).await;
    assert_eq!(runs.iter().map(|run| run.reason).collect::<Vec<_>>(), [Some(Reason::HandedOver)]);
    let column = |name| office.column(ticket, name);
    assert_eq!((column("status").as_str(), column("editorId")), ("2", office.hugo.to_string()));
    assert!(column("tags").contains("AI-Agent"), "{}", column("tags"));
    // One comment and one change of the ticket for each of the two phases, and as many mails.
    let comments = office.comments(ticket);
    assert_eq!(comments.len(), 2, "{comments:#?}");
    assert_eq!(office.fake.calls("tickets.patchTicket") - patches, 2);
    assert_eq!(office.fake.mails(office.hugo) - mails, 4);
    office.is_careful();
    life.stop().await;
}

/// Answers whatever is said or changed on a ticket, as the agent whose key it is.
const ANSWERS: &str = r#"
agent = "AI-Worker"
[on]
event = ["comment.added", "task.changed", "task.created", "task.status_changed"]
[gather.tasks]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
[[step]]
each = "{{gathered.tasks}}"
tool = "addComment"
args = { module = "ticket", entityId = "{{item.id}}", text = "Seen." }
[[step]]
each = "{{gathered.tasks}}"
tool = "editTask"
args = { id = "{{item.id}}", params = { priority = 2 } }
[scope]
write = "board"
max = { addComment = 50, editTask = 50 }
"#;

#[tokio::test]
async fn what_an_agent_writes_in_leantime_wakes_none_of_its_playbooks_however_often_it_is_looked_at()
 {
    let office = Office::new(unlimited()).await;
    office.playbook("answers", ANSWERS, &[]);
    office.playbook("also", ANSWERS, &[]);
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    life.work().await;
    let person = office.fake.as_person(office.hugo);
    person.edit(ticket, "tags", json!("design"));
    for _ in 0..6 {
        life.work().await;
        office.advance(Duration::from_secs(5));
    }
    let mut woken = 0;
    for name in ["answers", "also"] {
        woken += life.ledger.occurrences(&PlaybookName::new(name), 100).await.unwrap().len();
    }
    assert_eq!(woken, 2, "once for each, by what Hugo did");
    assert_eq!(office.comments(ticket).len(), 2);
    // A daemon that begins anew on the same record does not hear them either.
    life.stop().await;
    let life = office.start(&home, QUICK).await;
    for _ in 0..3 {
        life.work().await;
        office.advance(Duration::from_secs(5));
    }
    assert_eq!(office.comments(ticket).len(), 2);
    life.stop().await;
}

#[tokio::test]
async fn the_changes_of_one_step_are_one_change_of_the_ticket() {
    let office = office().await;
    office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    let patches: Vec<Json> = office
        .fake
        .asked()
        .iter()
        .filter_map(|asked| serde_json::from_str::<Json>(&asked.body).ok())
        .flat_map(|body| body.as_array().cloned().unwrap_or_else(|| vec![body]))
        .filter(|call| call["method"] == "leantime.rpc.tickets.patchTicket")
        .map(|call| call["params"]["values"].clone())
        .collect();
    let columns = |patch: &Json| {
        let mut columns: Vec<_> = patch.as_object().unwrap().keys().cloned().collect();
        columns.sort();
        columns
    };
    let columns: Vec<_> = patches.iter().map(columns).collect();
    assert_eq!(columns, [vec!["editorId", "status", "tags"], vec!["editorId", "status"]]);
}

#[tokio::test]
async fn however_many_attempts_a_run_takes_it_announces_once_and_hands_back_once() {
    let office = Office::new(unlimited()).await;
    let soon = [LABELS, &[("backoff = \"10s..1m\"", "backoff = \"1s..1s\"")]].concat();
    office.playbook("ai-worker", WORKER, &soon);
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, BREAKS_OFF).await;
    let report = life.run("ai-worker").await;
    assert_eq!(report.tasks.len(), 3, "{report:#?}");
    let comments = office.comments(ticket);
    let of = |part: &str| comments.iter().filter(|text| text.contains(part)).count();
    assert_eq!((of("takes this task"), of("I try."), comments.len()), (1, 3, 5), "{comments:#?}");
    assert_eq!((office.column(ticket, "status").as_str(), office.markers(ticket)), ("3", 0));
    assert_eq!(office.fake.calls("tickets.patchTicket"), 2);
    office.is_careful();
}

#[tokio::test]
async fn whatever_a_person_changes_in_leantime_stays_and_the_run_gives_way() {
    for (column, value) in
        [("status", json!(1)), ("editorId", json!("")), ("tags", json!("AI-Stop"))]
    {
        let office = office().await;
        let ticket = office.ticket("Fix the login");
        let home = office.home("laptop");
        let life = office.start(&home, DILIGENT).await;
        let mut gate = home.gates.stop_after("model", 1);
        let person = async {
            gate.reached().await;
            office.fake.as_person(office.hugo).edit(ticket, column, value.clone());
            gate.open();
        };
        let (report, ()) = tokio::join!(life.run("ai-worker"), person);
        assert_eq!(report.state, RunState::Yielded, "{column}: {report:#?}");
        let comments = office.comments(ticket);
        assert_eq!(comments.len(), 2, "announced and given up, nothing in between: {comments:#?}");
        assert_eq!(
            office.column(ticket, column),
            value.as_str().map_or(value.to_string(), str::to_owned)
        );
        assert_ne!(office.column(ticket, "editorId"), office.agent.to_string());
        assert_eq!(office.markers(ticket), 0);
        office.is_careful();
    }
}

#[tokio::test]
async fn after_a_crash_at_each_write_the_next_life_brings_the_ticket_to_its_end() {
    for (place, let_pass) in [
        ("after addComment", 0),
        ("after editTask", 0),
        ("model", 1),
        ("before addComment", 1),
        ("after addComment", 2),
        ("before editTask", 1),
        ("after editTask", 1),
    ] {
        let office = office().await;
        let ticket = office.ticket("Fix the login");
        let home = office.home("laptop");
        let dead = office.start(&home, DILIGENT).await;
        let mut gate = home.gates.stop_after(place, let_pass);
        tokio::select! {
            report = dead.daemon.run_playbook(request("ai-worker")) => panic!("{place}: {report:?}"),
            () = gate.reached() => {}
        }
        drop(gate);
        office.advance(Duration::from_secs(1));
        let life = office.start(&home, QUICK).await;
        life.work().await;
        life.run("ai-worker").await;
        life.work().await;
        assert!(life.ledger.orphans().await.unwrap().is_empty(), "{place} {let_pass}");
        assert_eq!(life.claim(ticket).await.unwrap().phase, Phase::Free, "{place} {let_pass}");
        assert_eq!(office.markers(ticket), 0, "{place} {let_pass}");
        let assigned = office.column(ticket, "editorId");
        assert_ne!(
            assigned,
            office.agent.to_string(),
            "{place} {let_pass}: it stays with the agent"
        );
        office.is_careful();
    }
}

#[tokio::test]
async fn the_digest_tells_what_was_done_on_a_leantime() {
    let office = office().await;
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/agents/daily-digest.toml"));
    let agent = ("agent = \"AI-Assistant\"", "agent = \"AI-Worker\"");
    office.playbook("daily-digest", &text.unwrap(), &[agent]);
    office.ticket("Fix the login");
    let late = office.ticket("Pay the invoice");
    let person = office.fake.as_person(office.hugo);
    person.edit(late, "tags", json!(""));
    person.edit(late, "dateToFinish", json!("2026-11-22 20:00:00"));
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    life.run("ai-worker").await;
    office.advance(Duration::from_hours(20));
    assert_eq!(life.run("daily-digest").await.state, RunState::Succeeded);
    let told = home.told.texts().join("\n");
    assert!(told.contains("Pay the invoice") && told.contains("Fix the login"), "{told}");
    office.is_careful();
}
