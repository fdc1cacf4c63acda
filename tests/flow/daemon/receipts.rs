//! What stands under a hand-over: what it rests on, what it used, and how to put it back.

use super::playbooks::{BREAKS_OFF, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{Team, WORKER};
use crate::support::gates::Unpriced;
use rota::domain::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SHOWS: &str = r#"
[[conversation]]
[[conversation.turn]]
call = [{ tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "Write the test" } }]
usage = { tokens_in = 900, tokens_out = 40, cost_micros = 120000 }
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "ready", summary = "It works now.", evidence = ["https://example.com/pr/12", "all\n\n# green"] } }]
"#;

async fn hand_over(team: &Team, task: TaskId) -> String {
    let comments = team.comments(task).await;
    let found = comments.into_iter().find(|(_, text)| text.contains("hands this over"));
    found.expect("a hand-over").1
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_says_what_it_rests_on_what_all_attempts_used_and_how_to_put_it_back() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    team.model("worker", &[BREAKS_OFF, SHOWS]);
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    let runs = life.runs(task).await;
    let (run, first) = (runs[0].id.clone(), runs[1].id.clone());
    let text = hand_over(&team, task).await;
    let evidence = "Offered as evidence:\n- https://example.com/pr/12\n- all # green\n";
    assert!(text.contains(evidence), "{text}");
    assert!(text.contains(&format!("Run `{run}` (2 attempts, ")), "{text}");
    assert!(text.contains(" turns, 940 tokens, 0.12 USD)."), "{text}");
    assert!(
        text.contains(&format!("To put it back: `rota runs undo {run}; rota runs undo {first}`.")),
        "{text}"
    );
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn money_that_nobody_knows_is_said_to_be_unknown_and_nothing_is_offered_that_is_not_there() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", WORKER_PLAYBOOK);
    let script = SHOWS
        .replace(", cost_micros = 120000", "")
        .replace(", evidence = [\"https://example.com/pr/12\", \"all\\n\\n# green\"]", "");
    let script = script.replace(
        r#"call = [{ tool = "addSubtask", args = { parentTicket = "${task_id}", headline = "Write the test" } }]"#,
        r#"call = [{ tool = "getTicket", args = { id = "${task_id}" } }]"#,
    );
    team.model("worker", &[&script]);
    let priced = team.models.remove("worker").unwrap();
    team.models.insert("worker".to_owned(), Arc::new(Unpriced(priced)));
    let task = team.task("Fix the login").await;
    let life = team.start().await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::HandedOver);
    let text = hand_over(&team, task).await;
    assert!(text.contains("940 tokens, its cost is not known)."), "{text}");
    assert!(!text.contains("evidence") && !text.contains("put it back"), "{text}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_assistant_that_hands_over_leaves_its_run_its_time_and_the_way_back() {
    let team = Team::new().await;
    let life = team.start().await;
    let agent = team.person(WORKER).await;
    for writes in [true, false] {
        let task = team.task("Fix the login").await;
        let claimed = life.call(&agent, "claimTask", json!({ "task": task.0 })).await.unwrap();
        let fence = claimed.get("fence").and_then(Value::as_int).unwrap();
        if writes {
            let edit = json!({ "id": task.0, "params": { "description": "It was the cookie." } });
            life.call(&agent, "editTask", edit).await.unwrap();
        }
        team.clock.advance(Duration::from_mins(12));
        let given_up =
            json!({ "task": task.0, "fence": fence, "comment": "Done.", "outcome": "review" });
        life.call(&agent, "releaseTask", given_up).await.unwrap();
        let run = life.the_run(task).await.id;
        let text = hand_over(&team, task).await;
        let told = format!(
            "hands this over for review.\n\nRun `{run}` (12 min since the claim). Everything it did, \
             with each value before and after: `rota runs show {run}`."
        );
        assert!(text.starts_with("Done.\n\n**AI-Worker** ") && text.contains(&told), "{text}");
        let undo = format!(" To put it back: `rota runs undo {run}`.");
        assert_eq!(text.ends_with(&undo), writes, "{text}");
    }
    life.stop().await;
}
