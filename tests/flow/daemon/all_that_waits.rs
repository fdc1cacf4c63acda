//! One list of everything that waits for a person, whatever it is, with its age and whose turn it is.

use super::playbooks::{ASKS, QUICK, WORKER as WORKER_PLAYBOOK};
use super::review_queue::{held, submitted};
use crate::support::daemon::{ADA, BO, Life, Team};
use crate::support::playbooks::changed;
use rota::domain::*;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The list, by its items.
async fn listed(team: &Team, life: &Life) -> Vec<Json> {
    let listed = life.call(&team.person(ADA).await, "listReviews", json!({})).await.unwrap();
    serde_json::to_value(&listed).unwrap()["items"].as_array().unwrap().clone()
}

/// A worker of its own tag and agent.
fn worker(tag: &str, model: &str) -> String {
    let model = format!("model = \"{model}\"");
    changed(WORKER_PLAYBOOK, &[("AI-Suitable", tag), ("model = \"worker\"", &model)])
}

async fn tagged(team: &Team, headline: &str, tag: &str) -> TaskId {
    let task = team.task(headline).await;
    team.edit(ADA, task, TaskEdit::AddTag(tag.into())).await;
    team.edit(ADA, task, TaskEdit::RemoveTag("AI-Suitable".into())).await;
    task
}

/// A playbook of each sort of what waits, and a task for each that works.
async fn team() -> Team {
    let mut team = Team::new().await;
    team.arms_itself = false;
    team.budget = DayBudget { tokens: Some(1_000_000), cost_micros: None };
    team.playbook("asking", &worker("asks", "asks"));
    let staged = worker("staged", "writes");
    team.playbook("staging", &format!("mode = \"staged\"\n{staged}"));
    let needs = ("[outcome.ready]", "[outcome.ready]\nrequires = [\"tool:addComment\"]");
    team.playbook(
        "claiming",
        &changed(&worker("unproven", "quick"), &[needs, ("attempts = 3", "attempts = 1")]),
    );
    let limits = ("[limits]", "[limits]\ntokens = 900\ntokens_per_day = 1_000");
    team.playbook("spending", &changed(&worker("spends", "spends"), &[limits]));
    team.playbook(
        "waking",
        &changed(
            &worker("never", "quick"),
            &[("[select]", "[on]\ncron = \"0 12 * * *\"\n[select]")],
        ),
    );
    let spends = QUICK.replace(
        "[[conversation.turn]]",
        "[[conversation.turn]]\nusage = { tokens_in = 400, tokens_out = 100 }",
    );
    let writes = QUICK.replacen(
        "[[conversation.turn]]",
        "[[conversation.turn]]\ncall = [{ tool = \"addSubtask\", args = { parentTicket = \"${task_id}\", headline = \"Write the test\" } }]\n[[conversation.turn]]",
        1,
    );
    team.model("asks", &[ASKS]);
    team.model("writes", &[&writes]);
    team.model("quick", &[QUICK]);
    team.model("spends", &[&spends]);
    for (headline, tag) in
        [("Ask", "asks"), ("Stage", "staged"), ("Prove", "unproven"), ("Spend", "spends")]
    {
        tagged(&team, headline, tag).await;
    }
    team
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_what_waits_is_in_one_list_longest_first_with_its_age_and_owner() {
    let team = team().await;
    let life = team.start().await;
    life.work().await;
    for name in ["asking", "staging", "claiming", "spending", "spending"] {
        team.clock.advance(Duration::from_mins(1));
        life.run(name).await;
    }
    let handed = submitted(&team, &life).await;
    let (claimed, _) = held(&team, &life).await;
    let ask = json!({ "task": claimed.0, "reason": "It hangs." });
    life.call(&team.person(BO).await, "releaseClaim", ask).await.unwrap();
    let to = json!({ "item": handed.to_string(), "decision": "reassign", "to": "Bo" });
    life.call(&team.person(ADA).await, "decideReview", to).await.unwrap();
    team.clock.advance(Duration::from_mins(26 * 60 + 5));
    let all = listed(&team, &life).await;
    let of = |kind: &str| {
        let found: Vec<&Json> = all.iter().filter(|item| item["kind"] == kind).collect();
        assert!(!found.is_empty(), "no {kind}: {all:#?}");
        found[0].clone()
    };
    for kind in ["hand_over", "question", "proposals", "unverified", "arming", "release"] {
        let item = of(kind);
        assert!(item["age"].as_str().unwrap().starts_with("1d 2h"), "{item:#}");
        assert!(item["since"].as_str().unwrap().starts_with("2026-11-03T09:0"), "{item:#}");
        assert!(!item["from"].as_str().unwrap().is_empty(), "{item:#}");
    }
    let submitted = all.iter().find(|item| item["item"] == json!(handed.to_string())).unwrap();
    assert_eq!((&submitted["kind"], &submitted["owner"]), (&json!("hand_over"), &json!("Bo")));
    assert_eq!(of("release")["from"], "Bo");
    let since: Vec<&str> = all.iter().map(|item| item["since"].as_str().unwrap()).collect();
    assert!(since.is_sorted(), "{since:#?}");
    life.stop().await;
}
