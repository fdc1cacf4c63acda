//! The guard: each check alone refuses, in its order, and nothing is done that is not journaled.

use crate::support::house::{House, Mishap, json, playbook};
use rota::domain::{EffectActor, EffectResult, Entity, Mode, Outcome, Reason, Role, TaskId, Value};
use rota::tools::{Context, Tally, ToolError, ToolResult, Trust};
use std::sync::Arc;

const COMMENT: &str = r#"{"module": "ticket", "entityId": 1, "text": "hello"}"#;

async fn comment(house: &House, context: &Context) -> Result<ToolResult, ToolError> {
    house.tools.call("addComment", json(COMMENT), context).await
}

async fn working(house: &House) -> Context {
    house.agent(playbook(&["add*", "editTask", "removeTag", "getTicket", "deleteTask"])).await
}

#[tokio::test]
async fn a_write_is_checked_journaled_done_and_concluded_in_this_order() {
    let house = House::build().await;
    let context = working(&house).await;
    let result = comment(&house, &context).await.unwrap();
    assert_eq!(house.happened(), ["fence", "intend addComment", "act addComment", "conclude done"]);
    let effect = result.effect.unwrap();
    assert_eq!((effect.mark.seq, effect.claimed), (1, Some(house.task)));
    let Some(EffectResult::Done { entity, after, inverse, .. }) = effect.result else { panic!() };
    let id = match entity {
        Entity::Comment(id) => id.0,
        other => panic!("{other}"),
    };
    assert_eq!(after.get("comment"), Some(&"hello".into()));
    let inverse = inverse.unwrap();
    assert_eq!((inverse.tool.as_str(), inverse.args), ("deleteComment", Value::map([("id", id)])));
}

#[tokio::test]
async fn a_tool_that_the_playbook_does_not_list_is_neither_offered_nor_carried_out() {
    let house = House::build().await;
    let context = house.agent(playbook(&["getTicket", "find*"])).await;
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ToolNotListed);
    let names: Vec<&str> = house.tools.offered(&context).iter().map(|tool| tool.name).collect();
    let others = names.iter().filter(|name| !name.starts_with("find"));
    assert_eq!(others.collect::<Vec<_>>(), [&"finish", &"getTicket"]);
    assert!(names.contains(&"findTasks") && names.contains(&"findSprints"), "{names:?}");
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn no_agent_works_the_daemon_even_if_the_playbook_lists_it() {
    let house = House::build().await;
    let context = house.agent(playbook(&["*"])).await;
    for tool in ["stopAll", "runPlaybook", "armPlaybook", "releaseClaim"] {
        let error = house.tools.call(tool, Value::Null, &context).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ToolNotListed, "{tool}");
    }
}

#[tokio::test]
async fn rights_end_with_the_role_on_the_board() {
    let house = House::build().await;
    let mut context = house.agent(playbook(&["*"])).await;
    context.principal.person.role = Role::Readonly;
    assert_eq!(comment(&house, &context).await.unwrap_err().reason(), Reason::RoleTooLow);
    context.principal.person.role = Role::Commenter;
    comment(&house, &context).await.unwrap();
    let error = house.tools.call("addTag", json(r#"{"id":1,"tag":"x"}"#), &context).await;
    assert_eq!(error.unwrap_err().reason(), Reason::RoleTooLow);
    let bo = house.person("Bo").await;
    let error = house.tools.call("deleteTask", json(r#"{"id":1}"#), &bo).await.unwrap_err();
    assert_eq!(error.reason(), Reason::RoleTooLow);
}

#[tokio::test]
async fn a_tool_is_called_no_oftener_than_scope_max_and_earlier_attempts_count() {
    let house = House::build().await;
    let mut book = playbook(&["addComment"]);
    book.scope.max.insert("addComment".into(), 3);
    let mut context = house.agent(book).await;
    let run = context.run.as_mut().unwrap();
    run.tally = Arc::new(Tally::new(7, [("addComment".to_owned(), 1)].into()));
    let first = comment(&house, &context).await.unwrap();
    assert_eq!(first.effect.unwrap().mark.seq, 8);
    comment(&house, &context).await.unwrap();
    house.happened();
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::ScopeMax, false));
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn a_call_that_came_to_nothing_does_not_count_against_scope_max() {
    let house = House::build().await;
    let mut book = playbook(&["addComment"]);
    book.scope.max.insert("addComment".into(), 1);
    let context = house.agent(book).await;
    house.board.next(Mishap::Denied);
    assert!(comment(&house, &context).await.is_err());
    comment(&house, &context).await.unwrap();
    assert!(comment(&house, &context).await.is_err());
}

#[tokio::test]
async fn outside_the_trust_window_nothing_is_even_journaled() {
    let house = House::build().await;
    let mut context = working(&house).await;
    context.run.as_mut().unwrap().trust = Trust::when(|| false);
    for mode in [Mode::Live, Mode::Shadow] {
        context.run.as_mut().unwrap().mode = mode;
        let error = comment(&house, &context).await.unwrap_err();
        assert_eq!((error.reason(), error.is_fatal()), (Reason::TrustWindow, true), "{mode:?}");
    }
    assert!(house.happened().is_empty());
}

#[tokio::test]
async fn a_holder_whose_claim_ended_learns_it_at_its_next_effect() {
    let house = House::build().await;
    let context = working(&house).await;
    *house.journal.claim_lost.lock().unwrap() = true;
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::ClaimLost, true));
    assert_eq!(house.happened(), ["fence"]);
}

#[tokio::test]
async fn a_run_without_a_claim_has_no_fence_to_check() {
    let house = House::build().await;
    let mut context = working(&house).await;
    context.run.as_mut().unwrap().claim = None;
    *house.journal.claim_lost.lock().unwrap() = true;
    comment(&house, &context).await.unwrap();
    assert_eq!(house.happened(), ["intend addComment", "act addComment", "conclude done"]);
}

#[tokio::test]
async fn without_a_durable_intent_nothing_reaches_the_board() {
    let house = House::build().await;
    let context = working(&house).await;
    *house.journal.failing_intent.lock().unwrap() = true;
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::StoreFailed, true));
    assert_eq!(house.happened(), ["fence", "intend addComment"]);
}

#[tokio::test]
async fn marks_that_a_holder_before_wrote_down_are_passed_over() {
    let house = House::build().await;
    let context = working(&house).await;
    *house.journal.taken.lock().unwrap() = 2;
    let result = comment(&house, &context).await.unwrap();
    assert_eq!(result.effect.unwrap().mark.seq, 3);
    assert_eq!(house.journal.effects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn where_every_mark_is_taken_nothing_is_done() {
    let house = House::build().await;
    let context = working(&house).await;
    *house.journal.taken.lock().unwrap() = u32::MAX;
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::StoreFailed, true));
    assert!(house.happened().iter().all(|step| !step.starts_with("act")));
}

#[tokio::test]
async fn a_result_that_cannot_be_journaled_ends_the_run() {
    let house = House::build().await;
    let context = working(&house).await;
    *house.journal.failing_result.lock().unwrap() = true;
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::StoreFailed, true));
    assert!(house.journal.effects.lock().unwrap()[0].result.is_none());
}

#[tokio::test]
async fn the_writes_of_a_shadow_are_recorded_and_not_done() {
    let house = House::build().await;
    let mut context = working(&house).await;
    context.run.as_mut().unwrap().mode = Mode::Shadow;
    let args = json(r#"{"id": 1, "params": {"headline": "New", "priority": 2}}"#);
    let result = house.tools.call("editTask", args, &context).await.unwrap();
    assert_eq!(house.happened(), ["fence", "intend editTask", "conclude recorded"]);
    assert_eq!(result.value.get("note"), Some(&"recorded_only".into()));
    assert_eq!(result.value.get("changed"), Some(&false.into()));
    let before = result.value.get("before").unwrap();
    assert_eq!(before.get("headline"), Some(&"Fix the login".into()));
    assert_eq!(result.effect.unwrap().result, Some(EffectResult::Recorded));
    assert_eq!(house.the_task().await.headline, "Fix the login");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_and_counts_as_done() {
    let house = House::build().await;
    let context = working(&house).await;
    house.board.next(Mishap::AnswerLost);
    let result = comment(&house, &context).await.unwrap();
    assert_eq!(
        house.happened(),
        ["fence", "intend addComment", "act addComment", "ask", "conclude done"]
    );
    assert!(result.value.get("id").and_then(Value::as_int).is_some_and(|id| id > 0));
}

#[tokio::test]
async fn a_write_that_never_arrived_has_failed_and_may_be_tried_again() {
    let house = House::build().await;
    let context = working(&house).await;
    house.board.next(Mishap::NeverArrived);
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::BoardUnavailable, false));
    assert_eq!(
        house.happened(),
        ["fence", "intend addComment", "act addComment", "ask", "conclude failed"]
    );
    assert_eq!(comment(&house, &context).await.unwrap().effect.unwrap().mark.seq, 2);
}

#[tokio::test]
async fn an_unknown_effect_ends_the_run_and_is_never_repeated() {
    let house = House::build().await;
    let context = working(&house).await;
    house.board.next(Mishap::NobodyKnows);
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::UnknownEffect, true));
    assert_eq!(
        house.happened(),
        ["fence", "intend addComment", "act addComment", "ask", "conclude unknown"]
    );
    let effects = house.journal.effects.lock().unwrap();
    assert_eq!(effects[0].result, Some(EffectResult::Unknown));
}

#[tokio::test]
async fn a_write_under_an_old_fence_ends_the_run() {
    let house = House::build().await;
    let context = working(&house).await;
    house.board.next(Mishap::Fenced);
    let error = comment(&house, &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::ClaimLost, true));
    assert_eq!(house.happened().last().unwrap(), "conclude failed");
}

#[tokio::test]
async fn the_board_refuses_what_the_journal_did_not_know_to_be_fenced() {
    use rota::board::Board as _;
    let house = House::build().await;
    let context = working(&house).await;
    house.board.raise_fence(house.task, rota::domain::Fence(6)).await.unwrap();
    assert_eq!(comment(&house, &context).await.unwrap_err().reason(), Reason::ClaimLost);
}

#[tokio::test]
async fn an_edit_looks_again_when_somebody_was_quicker_unless_a_revision_was_named() {
    let house = House::build().await;
    let context = working(&house).await;
    let args = json(r#"{"id": 1, "params": {"headline": "Mine"}}"#);
    house.board.next(Mishap::EditedBefore);
    house.tools.call("editTask", args, &context).await.unwrap();
    let task = house.the_task().await;
    assert_eq!((&*task.headline, &*task.description), ("Mine", "somebody was quicker"));
    let args = format!(
        r#"{{"id": 1, "params": {{"headline": "Late"}}, "revision": {}}}"#,
        task.revision - 1
    );
    let error = house.tools.call("editTask", json(&args), &context).await.unwrap_err();
    assert_eq!((error.reason(), error.is_fatal()), (Reason::RevisionConflict, false));
    assert_eq!(house.the_task().await.headline, "Mine");
}

#[tokio::test]
async fn once_means_once_and_the_second_call_changes_nothing() {
    let house = House::build().await;
    let mut context = working(&house).await;
    context.run.as_mut().unwrap().once = Some("hello:1".into());
    comment(&house, &context).await.unwrap();
    house.happened();
    let again = comment(&house, &context).await.unwrap();
    assert_eq!(house.happened(), ["fence", "intend addComment"]);
    assert_eq!(again.value.get("note"), Some(&"done_before".into()));
    assert!(again.effect.is_none());
}

#[tokio::test]
async fn done_is_set_by_a_person_unless_the_playbook_lets_the_agent() {
    let house = House::build().await;
    let args = r#"{"id": 1, "params": {"status": "Done"}}"#;
    let context = working(&house).await;
    let error = house.tools.call("editTask", json(args), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
    let args_new = r#"{"parentTicket": 1, "headline": "x", "status": "kind:done"}"#;
    let error = house.tools.call("addSubtask", json(args_new), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
    let mut book = playbook(&["editTask"]);
    let outcome = Outcome { done_by_agent: true, ..Outcome::default() };
    book.outcomes.insert("done".into(), outcome);
    let context = house.agent(book).await;
    house.tools.call("editTask", json(args), &context).await.unwrap();
}

#[tokio::test]
async fn an_agent_cannot_take_off_the_tag_that_stops_it() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    house.tools.call("addTag", json(r#"{"id":1,"tag":"AI-Stop"}"#), &ada).await.unwrap();
    let context = working(&house).await;
    for (tool, args) in [
        ("removeTag", r#"{"id": 1, "tag": "ai-stop"}"#),
        ("editTask", r#"{"id": 1, "params": {"tags": ["other"]}}"#),
    ] {
        let error = house.tools.call(tool, json(args), &context).await.unwrap_err();
        assert_eq!(error.reason(), Reason::OutOfScope, "{tool}");
    }
    house.tools.call("removeTag", json(r#"{"id":1,"tag":"ai-stop"}"#), &ada).await.unwrap();
}

#[tokio::test]
async fn the_daemon_acts_for_the_claim_without_list_or_budget_but_on_its_task_only() {
    let house = House::build().await;
    let mut book = playbook(&[]);
    book.scope.max.insert("addComment".into(), 0);
    book.scope.write = rota::domain::WriteScope::Board;
    let mut context = house.agent(book).await;
    context.run.as_mut().unwrap().actor = EffectActor::Rota;
    comment(&house, &context).await.unwrap();
    let args = json(r#"{"id": 1, "params": {"status": "kind:done", "editorId": "Ada"}}"#);
    house.tools.call("editTask", args, &context).await.unwrap();
    let elsewhere = json(&format!(r#"{{"id": {}, "tag": "x"}}"#, house.neighbour));
    let error = house.tools.call("addTag", elsewhere, &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
}

#[tokio::test]
async fn people_write_without_a_journal_and_are_named() {
    use rota::board::History as _;
    let house = House::build().await;
    let ada = house.person("Ada").await;
    comment(&house, &ada).await.unwrap();
    assert_eq!(house.happened(), ["act addComment"]);
    let query = rota::domain::ActivityQuery { latest_first: true, limit: 1, ..Default::default() };
    let row = house.board.activity(&query).await.unwrap().items.remove(0);
    assert_eq!(
        (row.actor, row.task, row.mark),
        (Some(ada.principal.person.id), Some(TaskId(1)), None)
    );
}
