//! What people and programs see of an answer.

use super::commands::report;
use crate::support::backend::{Expected, StrictBackend, TestHouse, Typed, expect, type_to};
use rota::daemon::control::{Answered, DryRun};
use rota::domain::{Reason, RunState};
use serde_json::{Value, json};
use std::sync::Arc;

async fn answered(words: &[&str], call: Expected) -> Typed {
    let backend = StrictBackend::expecting([call]);
    let house = TestHouse { backend: Arc::clone(&backend), ..TestHouse::default() };
    let typed = type_to(Arc::new(house), words).await;
    backend.finish();
    typed
}

fn full_report() -> Value {
    let mut value = report(RunState::Succeeded, Reason::HandedOver);
    let more = json!({
        "detail": "the tests pass\nand the text is written",
        "tasks": [{"id": 7, "run": "r-1", "claim": {"fence": 4_294_967_297_u64},
                   "state": "succeeded", "reason": "handed_over", "outcome": "approved",
                   "effects": 2}],
        "effects": [
            {"tool": "editTask", "entity": "task 7", "before": {"status": 3, "tags": []},
             "after": {"status": 4, "tags": ["AI-Agent"]}},
            {"tool": "addComment", "entity": "comment 12", "before": null,
             "after": {"text": "line one\nline two"}}
        ],
        "notices": [{"to": "slack:team", "format": "text", "body": "Done:\n- task 7"}],
        "usage": {"tokens_in": 1200, "tokens_out": 80, "cost": 0.0123, "seconds": 3.25}
    });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn run_once(value: Value) -> Expected {
    expect("runPlaybook", json!({"playbook": "x"}), value)
}

#[tokio::test]
async fn a_run_is_told_with_every_write_and_why_it_ended() {
    let typed = answered(&["run-once", "x"], run_once(full_report())).await;
    insta::assert_snapshot!(typed.out, @r"
    task 7  claimed (fence 4294967297)
      succeeded with outcome approved, the work is done and waits for a person's review [handed_over]  r-1
    task 7  editTask
      status: 3 → 4
      tags: – → AI-Agent
    comment 12  addComment
      text: – → line one…
    message to slack:team  text
      | Done:
      | - task 7

    daily-digest: succeeded, the work is done and waits for a person's review [handed_over]
      the tests pass
      and the text is written
      occurrence daily-digest@1
      rota runs show r-1
      used 1200 tokens in, 80 out, cost 0.0123, 3.2 s
    ");
}

#[tokio::test]
async fn a_run_is_one_document_in_the_order_of_its_description() {
    let typed = answered(&["run-once", "x", "--json"], run_once(full_report())).await;
    assert_eq!(typed.document(), full_report());
    let keys = [
        "run",
        "playbook",
        "occurrence",
        "state",
        "reason",
        "tasks",
        "effects",
        "notices",
        "usage",
    ];
    let places: Vec<_> =
        keys.iter().map(|key| typed.out.find(&format!("\n  \"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{}", typed.out);
    assert_eq!(typed.err, "");
}

#[tokio::test]
async fn a_dry_run_prints_every_change_of_the_overlay() {
    let mut value = report(RunState::Succeeded, Reason::Done);
    let change = |id: i64, entity: Value, field: &str, before: Value, after: Value| {
        json!({"id": id, "at": "2026-03-02T08:00:00Z", "actor": 2, "entity": entity, "task": 7,
               "project": 1, "field": field, "before": before, "after": after, "mark": null})
    };
    value["changes"] = json!([
        change(1, json!({"task": 7}), "status", json!(3), json!(4)),
        change(2, json!({"task": 7}), "assignee", json!(null), json!(2)),
        change(3, json!({"comment": 5}), "created", json!(null), json!("I take this.")),
    ]);
    let call = Expected { dry_run: Some(DryRun::default()), ..run_once(value) };
    let typed = answered(&["run-once", "x", "--dry-run"], call).await;
    insta::assert_snapshot!(typed.out, @r"
    dry run: nothing outside was changed
    task 7
      status: 3 → 4
      assignee: – → 2
    comment 5
      created
      | I take this.

    daily-digest: succeeded, it did what it was to do [done]
      occurrence daily-digest@1
    ");
}

#[tokio::test]
async fn a_refused_run_says_its_reason_code() {
    let typed =
        answered(&["run-once", "x"], run_once(report(RunState::Refused, Reason::NotArmed))).await;
    assert_eq!(typed.code, 1);
    insta::assert_snapshot!(typed.out, @r"
    daily-digest: refused, a person has to arm the playbook first [not_armed]
      occurrence daily-digest@1
      rota runs show r-1
    ");
}

fn tasks() -> Expected {
    expect(
        "findTasks",
        json!({"status": ["open"], "limit": 50}),
        json!({"items": [
            {"id": 7, "project_name": "Website", "status_label": "New", "priority": 2,
             "due_day": "2026-03-04", "assignee_name": null, "headline": "Größe prüfen",
             "tags": ["a", "b"]},
            {"id": 1234, "project_name": "日本", "status_label": "In Progress", "priority": null,
             "due_day": null, "assignee_name": "Ada", "headline": "x", "tags": []}
        ], "next": "c2"}),
    )
}

#[tokio::test]
async fn a_list_is_a_table_and_says_when_there_is_more() {
    let typed = answered(&["task", "list"], tasks()).await;
    insta::assert_snapshot!(typed.out, @r"
    ID    PROJECT  STATUS       PRIO  DUE         ASSIGNEE  HEADLINE      TAGS
    7     Website  New          2     2026-03-04            Größe prüfen  a, b
    1234  日本     In Progress                    Ada       x
    there are more (after c2); ask for more with -n
    ");
}

#[tokio::test]
async fn an_empty_list_says_so() {
    let call = expect("listClaims", json!({}), json!({"items": []}));
    assert_eq!(answered(&["claims", "list"], call).await.out, "no claims\n");
}

#[tokio::test]
async fn colour_is_shown_only_when_asked_for_and_never_to_programs() {
    let plain = answered(&["task", "list"], tasks()).await;
    assert!(!plain.out.contains('\u{1b}'));
    let coloured = answered(&["task", "list", "--color", "always"], tasks()).await;
    assert!(coloured.out.contains("\u{1b}[2m"));
    let document = answered(&["task", "list", "--color", "always", "--json"], tasks()).await;
    assert!(!document.out.contains('\u{1b}'));
    document.document();
}

#[tokio::test]
async fn a_write_is_told_field_by_field() {
    let call = expect(
        "editTask",
        json!({"id": 7, "params": {"status": 4}}),
        json!({"id": 7, "entity": "task 7", "changed": true, "before": {"status": 3},
               "after": {"status": 4}}),
    );
    let typed = answered(&["task", "edit", "7", "--status", "4"], call).await;
    assert_eq!(typed.out, "task 7\n  status: 3 → 4\n");
}

#[tokio::test]
async fn a_run_is_shown_with_what_it_was_told_and_what_it_wrote() {
    let mark = json!({"run": "r-1", "seq": 5});
    let done = json!({"done": {"entity": {"task": 7}, "before": {"status": 3},
                               "after": {"status": 4}, "inverse": null, "at": "x"}});
    let value = json!({
        "run": {"id": "r-1", "playbook": "x", "task": 7, "attempt": 1, "state": "failed",
                "reason": "work_failed", "started": "2026-03-02T08:00:00Z", "ended": null,
                "detail": "no tests", "summary": "", "outcome": null,
                "usage": {"tokens_in": 5}},
        "effects": [
            {"mark": mark, "tool": "editTask", "result": done},
            {"mark": mark, "tool": "addComment", "result": {"failed": {"code": "c", "message": "no"}}},
            {"mark": mark, "tool": "addTag", "result": "unknown"}
        ],
        "earlier_writes": 4, "writes": 7, "evidence": [
            {"kind": "said", "name": "it works"},
            {"kind": "check", "name": "tests", "state": "passed", "text": "exit status: 0", "bytes": 3}
        ],
        "prompt": "Do it.\neffects", "earlier": 3, "lines": 5, "transcript": [
            {"number": 1, "at": "2026-03-02T08:00:01Z", "kind": "model", "text": "one", "data": {"turn": 1}},
            {"number": 2, "at": "2026-03-02T08:00:02Z", "kind": "note", "text": "two"},
        ], "definition": "name = \"x\""
    });
    let typed =
        answered(&["runs", "show", "r-1"], expect("showRun", json!({"run": "r-1"}), value)).await;
    insta::assert_snapshot!(typed.out, @r#"
    r-1  failed [work_failed]
      playbook: x
      task: 7
      attempt: 1
      started: 2026-03-02T08:00:00Z
      usage: tokens_in: 5

    detail
      | no tests

    effects
      4 earlier ones are not shown: rota runs show r-1 --effects-before 5
      editTask  task 7
        status: 3 → 4
      addComment  failed: no
      addTag  unknown

    evidence
      | said  it works
      | check  tests  passed  exit status: 0

    prompt
      | Do it.
      | effects

    transcript
      | model: one
      | note: two
      3 earlier lines are not shown

    definition
      | name = "x"
    "#);
}

#[tokio::test]
async fn why_tells_what_would_be_decided_now_and_what_was() {
    let value = json!({
        "subject": "task 7", "headline": "Write it", "claim": null,
        "now": [{"playbook": "ai-worker", "reason": "missing_tag",
                 "text": "it lacks a tag that is asked for", "detail": "AI-Suitable"}],
        "decisions": [{"at": "2026-03-02T08:00:00Z", "playbook": "ai-worker", "reason": "assigned",
                       "text": "it is assigned to somebody", "detail": "Ada", "run": null}],
        "runs": []
    });
    let typed = answered(&["why", "7"], expect("whyNot", json!({"subject": "7"}), value)).await;
    insta::assert_snapshot!(typed.out, @r#"
    task 7  Write it

    now
    PLAYBOOK   REASON
    ai-worker  missing_tag  it lacks a tag that is asked for  AI-Suitable

    decisions
    AT                    PLAYBOOK   REASON
    2026-03-02T08:00:00Z  ai-worker  assigned  it is assigned to somebody  Ada
    "#);
}

#[tokio::test]
async fn a_task_is_shown_with_what_was_said_about_it() {
    let value = json!({
        "id": 7, "headline": "Write it", "project_name": "Website", "status_label": "New",
        "priority": null, "tags": ["a", "b"], "description": "All of it.\nstatus: Done",
        "subtasks": [{"id": 8, "status_label": "New", "headline": "A part"}],
        "comments": [{"author_name": "Ada", "created": "2026-03-02T08:00:00Z", "text": "Soon?"}]
    });
    let typed =
        answered(&["task", "show", "7"], expect("getTicket", json!({"id": 7}), value)).await;
    insta::assert_snapshot!(typed.out, @r#"
    task 7  Write it
      project: Website
      status: New
      tags: a, b

    description
      | All of it.
      | status: Done

    subtasks
    ID  STATUS  HEADLINE
    8   New     A part

    Ada  2026-03-02T08:00:00Z
      | Soon?
    "#);
}

const HOSTILE: &str = "x\u{1b}]0;owned\u{7}\u{1b}[2J\rok\u{202e}txt\nstatus: Done";

fn obeys(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'))
}

#[tokio::test]
async fn hostile_text_from_the_board_is_never_obeyed_by_the_terminal() {
    let mut value = full_report();
    value["detail"] = json!(HOSTILE);
    value["effects"][0]["after"]["status"] = json!(HOSTILE);
    value["effects"][0]["entity"] = json!(HOSTILE);
    value["notices"][0]["body"] = json!(HOSTILE);
    value["notices"][0]["to"] = json!(HOSTILE);
    value["playbook"] = json!(HOSTILE);
    let typed = answered(&["run-once", "x"], run_once(value)).await;
    assert!(!obeys(&typed.out), "{typed:?}");

    let item = json!({"id": 1, "headline": HOSTILE, "assignee_name": HOSTILE, "tags": [HOSTILE]});
    let list =
        expect("findTasks", json!({"status": ["open"], "limit": 50}), json!({"items": [item]}));
    let typed = answered(&["task", "list"], list).await;
    assert!(!obeys(&typed.out), "{typed:?}");
    assert_eq!(typed.out.lines().count(), 2, "one row a task: {typed:?}");

    let text = Answered { text: HOSTILE.to_owned(), ..Answered::default() };
    let call = Expected { answer: Ok(text), ..expect("getStatus", json!({}), json!(null)) };
    let typed = answered(&["status"], call).await;
    assert!(!obeys(&typed.out), "{typed:?}");

    let error = rota::daemon::control::AnswerError {
        causes: vec![HOSTILE.to_owned()],
        ..rota::daemon::control::AnswerError::rejected(Reason::NotFound, HOSTILE)
    };
    let call = Expected { answer: Err(error), ..expect("getStatus", json!({}), json!(null)) };
    let typed = answered(&["status"], call).await;
    assert!(!obeys(&typed.err), "{typed:?}");
}
