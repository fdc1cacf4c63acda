//! What waits for a person besides work: playbooks to arm, budgets, claims to end; and what people do with
//! what waits: put it off, take note, pass it on. Who waits too long is told of.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use super::review_queue::{HOUR, held, submitted};
use crate::support::daemon::{ADA, BO, Life, Team, WORKER};
use crate::support::playbooks::changed;
use rota::domain::*;
use rota::tools::ToolError;
use serde_json::{Value as Json, json};
use std::time::Duration;

async fn listed(team: &Team, life: &Life) -> Vec<Json> {
    let listed = life.call(&team.person(ADA).await, "listReviews", json!({})).await.unwrap();
    serde_json::to_value(&listed).unwrap()["items"].as_array().unwrap().clone()
}

async fn names(team: &Team, life: &Life) -> Vec<String> {
    let items = listed(team, life).await;
    items.iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
}

async fn tend(
    team: &Team,
    life: &Life,
    who: PersonId,
    (item, decision): (&str, &str),
    more: Json,
) -> Result<Json, ToolError> {
    let mut args = json!({ "item": item, "decision": decision });
    args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let done = life.call(&team.person(who).await, "decideReview", args).await?;
    Ok(serde_json::to_value(&done).unwrap())
}

fn waking() -> String {
    changed(WORKER_PLAYBOOK, &[("[select]", "[on]\ncron = \"0 12 * * *\"\n\n[select]")])
}

#[tokio::test(start_paused = true)]
async fn a_playbook_that_is_not_armed_waits_and_a_manager_arms_it_once() {
    let mut team = Team::new().await;
    team.arms_itself = false;
    team.playbook("ai-worker", &waking());
    team.model("worker", &[]);
    let life = team.start().await;
    life.work().await;
    let item = listed(&team, &life).await.remove(0);
    assert_eq!((&item["item"], &item["kind"]), (&json!("arming:ai-worker"), &json!("arming")));
    assert_eq!((&item["text"], &item["task"]), (&json!("it was never armed"), &Json::Null));
    let arming = ("arming:ai-worker", "approve");
    let refused = tend(&team, &life, BO, arming, json!({})).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RoleTooLow);
    let tried = tend(&team, &life, ADA, arming, json!({ "dryRun": true })).await.unwrap();
    assert_eq!(tried["what"], "would: ai-worker is armed");
    assert_eq!(names(&team, &life).await, ["arming:ai-worker"]);
    let before = json!({ "since": "2020-01-01T00:00:00Z" });
    let unseen = tend(&team, &life, ADA, arming, before).await.unwrap_err();
    assert_eq!(unseen.reason(), Reason::ReviewChanged, "{unseen}");
    let seen = json!({ "since": item["since"] });
    let done = tend(&team, &life, ADA, arming, seen).await.unwrap();
    assert_eq!((&done["what"], &done["repeated"]), (&json!("ai-worker is armed"), &json!(false)));
    assert!(names(&team, &life).await.is_empty());
    let switch = life.ledger.playbook_switch(&PlaybookName::new("ai-worker")).await.unwrap();
    assert!(switch.armed.is_some());
    let again =
        tend(&team, &life, ADA, ("arming:ai-worker", "request_changes"), json!({})).await.unwrap();
    assert_eq!(again["repeated"], true, "{again:#}");
    assert!(again["what"].as_str().unwrap().starts_with("Ada has granted"), "{again:#}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_waits_no_more_until_it_is_something_else() {
    let mut team = Team::new().await;
    team.arms_itself = false;
    team.playbook("ai-worker", &waking());
    team.model("worker", &[]);
    let life = team.start().await;
    life.work().await;
    let refuse = ("arming:ai-worker", "request_changes");
    let done = tend(&team, &life, ADA, refuse, json!({ "comment": "Not yet." })).await.unwrap();
    assert_eq!(done["what"], "arming:ai-worker is refused");
    assert!(names(&team, &life).await.is_empty());
    let again = tend(&team, &life, ADA, ("arming:ai-worker", "approve"), json!({})).await.unwrap();
    assert!(again["what"].as_str().unwrap().starts_with("Ada has refused"), "{again:#}");
    team.clock.advance(Duration::from_secs(1));
    team.playbook("ai-worker", &changed(&waking(), &[("0 12", "0 13")]));
    life.daemon.reload().await;
    assert_eq!(names(&team, &life).await, ["arming:ai-worker"], "another file waits anew");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_take_a_claim_away_asks_and_who_may_decides() {
    let team = Team::new().await;
    let life = team.start().await;
    let (task, _) = held(&team, &life).await;
    let (bo, ada) = (team.person(BO).await, team.person(ADA).await);
    let args = json!({ "task": task.0, "reason": "It hangs." });
    let asked = life.call(&bo, "releaseClaim", args.clone()).await.unwrap();
    assert_eq!(asked.get("repeated"), Some(&Value::Bool(false)));
    let asked = life.call(&bo, "releaseClaim", args).await.unwrap();
    assert_eq!(asked.get("repeated"), Some(&Value::Bool(true)));
    let item = listed(&team, &life).await.remove(0);
    assert_eq!((&item["kind"], &item["from"]), (&json!("release"), &json!("Bo")));
    assert_eq!((&item["text"], &item["task"]), (&json!("It hangs."), &json!(task.0)));
    let release = format!("release:{task}");
    let refused = tend(&team, &life, BO, (&release, "approve"), json!({})).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RoleTooLow);
    assert_ne!(life.claim(task).await.phase, Phase::Free);
    tend(&team, &life, ADA, (&release, "approve"), json!({})).await.unwrap();
    assert_eq!(life.claim(task).await.phase, Phase::Free);
    assert!(names(&team, &life).await.is_empty());
    // The same decision about a claim that was taken since takes nothing away.
    life.call(&team.person(WORKER).await, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let again = tend(&team, &life, ADA, (&release, "approve"), json!({})).await;
    assert!(again.is_ok_and(|again| again["repeated"] == true));
    assert_ne!(life.claim(task).await.phase, Phase::Free);
    life.call(&ada, "releaseClaim", json!({ "task": task.0, "reason": "Mine." })).await.unwrap();
    // What was refused may be asked for again.
    team.clock.advance(Duration::from_secs(1));
    life.call(&team.person(WORKER).await, "claimTask", json!({ "task": task.0 })).await.unwrap();
    let ask = json!({ "task": task.0, "reason": "Please." });
    life.call(&bo, "releaseClaim", ask.clone()).await.unwrap();
    team.clock.advance(Duration::from_mins(1));
    tend(&team, &life, ADA, (&release, "request_changes"), json!({})).await.unwrap();
    assert!(names(&team, &life).await.is_empty());
    life.call(&bo, "releaseClaim", ask).await.unwrap();
    assert_eq!(names(&team, &life).await, std::slice::from_ref(&release));
    life.call(&ada, "releaseClaim", json!({ "task": task.0, "reason": "Mine." })).await.unwrap();
    // One that has ended by itself waits for nobody.
    team.clock.advance(Duration::from_secs(1));
    life.call(&team.person(WORKER).await, "claimTask", json!({ "task": task.0 })).await.unwrap();
    life.call(&bo, "releaseClaim", json!({ "task": task.0, "reason": "Again." })).await.unwrap();
    assert_eq!(names(&team, &life).await, [release]);
    life.call(&ada, "releaseClaim", json!({ "task": task.0, "reason": "Mine." })).await.unwrap();
    assert!(names(&team, &life).await.is_empty());
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_day_that_is_used_up_is_granted_once_more_and_no_further() {
    let mut team = Team::new().await;
    let spends = QUICK.replace(
        "[[conversation.turn]]",
        "[[conversation.turn]]\nusage = { tokens_in = 900, tokens_out = 100 }",
    );
    let limited = changed(WORKER_PLAYBOOK, &[("[limits]", "[limits]\ntokens = 5_000")]);
    team.playbook("ai-worker", &limited);
    team.model("worker", &[&spends]);
    team.budget = DayBudget { tokens: Some(5_500), cost_micros: None };
    for n in 0..9 {
        team.task(&format!("Task {n}")).await;
    }
    let life = team.start().await;
    assert!(names(&team, &life).await.is_empty());
    life.run("ai-worker").await;
    assert_eq!(life.run("ai-worker").await.reason, Reason::BudgetDay);
    let item = listed(&team, &life).await.into_iter().find(|item| item["kind"] == "budget");
    let item = item.expect("the budget waits");
    assert_eq!(item["item"], "budget:ai-worker");
    assert!(item["text"].as_str().unwrap().contains("are left for 2026-11-03"), "{item:#}");
    tend(&team, &life, ADA, ("budget:ai-worker", "approve"), json!({})).await.unwrap();
    assert!(!names(&team, &life).await.contains(&"budget:ai-worker".to_owned()));
    for _ in 0..8 {
        life.run("ai-worker").await;
    }
    let day = "2026-11-03".parse().unwrap();
    let spent = life.ledger.spent(None, day).await.unwrap().spent.tokens;
    assert!((6_000..=11_000).contains(&spent), "{spent}");
    assert_eq!(life.run("ai-worker").await.reason, Reason::BudgetDay);
    assert!(names(&team, &life).await.contains(&"budget:ai-worker".to_owned()), "it waits anew");
    let refuse = ("budget:ai-worker", "request_changes");
    tend(&team, &life, ADA, refuse, json!({})).await.unwrap();
    assert!(!names(&team, &life).await.contains(&"budget:ai-worker".to_owned()));
    let log = life.ledger.audit_log(100, None).await.unwrap();
    let grants = log.iter().filter(|entry| entry.what == "grant-budget").count();
    assert_eq!(grants, 1, "only what all may use together was short: {log:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_put_off_seen_and_passed_on() {
    let team = Team::new().await;
    let life = team.start().await;
    let (first, second) = (submitted(&team, &life).await, submitted(&team, &life).await);
    let [one, two] = [first.to_string(), second.to_string()];
    assert_eq!(names(&team, &life).await, [one.clone(), two.clone()]);
    let put_off = json!({ "until": "2026-11-04T09:00:00Z" });
    tend(&team, &life, BO, (&one, "snooze"), put_off).await.unwrap();
    assert_eq!(names(&team, &life).await, [two.clone(), one.clone()], "it comes last");
    let item = listed(&team, &life).await.remove(1);
    assert_eq!(item["snoozed"], "2026-11-04T09:00:00Z");
    for until in ["yesterday", "2027-11-04"] {
        let until = json!({ "until": until });
        let refused = tend(&team, &life, BO, (&one, "snooze"), until).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::InvalidArguments);
    }
    tend(&team, &life, BO, (&one, "acknowledge"), json!({})).await.unwrap();
    let seen = tend(&team, &life, ADA, (&one, "acknowledge"), json!({})).await.unwrap();
    assert!(seen["what"].as_str().unwrap().starts_with("Bo has seen"), "{seen:#}");
    tend(&team, &life, ADA, (&two, "reassign"), json!({ "to": "Bo" })).await.unwrap();
    let item = listed(&team, &life).await.remove(0);
    assert_eq!((&item["owner"], &item["item"]), (&json!("Bo"), &json!(two)));
    assert_eq!(team.look(second).await.assignee, Some(BO));
    // It still waits, and can be decided.
    let args = json!({ "task": second.0, "decision": "approve" });
    life.call(&team.person(BO).await, "decideReview", args).await.unwrap();
    // Who handed it over does not take note of it.
    let own = super::review_queue::submitted_by(&team, &life, BO).await;
    let refused = tend(&team, &life, BO, (&own.to_string(), "acknowledge"), json!({})).await;
    assert!(refused.unwrap_err().to_string().contains("does not decide itself"));
    let args = json!({ "task": own.0, "decision": "approve" });
    life.call(&team.person(ADA).await, "decideReview", args).await.unwrap();
    team.clock.advance(25 * HOUR);
    let item = listed(&team, &life).await.remove(0);
    assert_eq!((&item["snoozed"], &item["seen_by"]), (&Json::Null, &json!("Bo")));
    for (item, decision) in [("999", "snooze"), ("arming:x", "approve"), ("x", "approve")] {
        assert!(tend(&team, &life, ADA, (item, decision), json!({})).await.is_err(), "{item}");
    }
    life.stop().await;
}

/// What was told, but for reports and failures of playbooks.
async fn told(life: &Life) -> Vec<(String, String)> {
    life.daemon.escalate().await;
    let notices = life.ledger.notices(100, None).await.unwrap();
    let about = notices.into_iter().filter(|notice| notice.key.starts_with("escalated:"));
    let mut told: Vec<_> = about.map(|n| (n.to.to_string(), n.body.text)).collect();
    told.reverse();
    told
}

fn rules() -> ReviewRules {
    ReviewRules {
        decide_within: Some(24 * HOUR),
        escalate: vec![Channel::Slack("leads".into()), Channel::Stdout],
        expire_after: None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_told_to_one_after_the_other_until_somebody_looks() {
    let mut team = Team::new().await;
    team.review = rules();
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    team.clock.advance(23 * HOUR);
    assert!(told(&life).await.is_empty());
    team.clock.advance(2 * HOUR);
    let first = told(&life).await;
    assert_eq!((first.len(), first[0].0.as_str()), (1, "slack:leads"));
    let text = &first[0].1;
    assert!(text.starts_with("work waits for a decision: Fix the footer"), "{text}");
    assert!(text.contains(&format!("rota review seen {task}")), "{text}");
    assert_eq!(told(&life).await.len(), 1, "once");
    team.clock.advance(24 * HOUR);
    assert_eq!(told(&life).await.last().unwrap().0, "stdout");
    team.clock.advance(240 * HOUR);
    assert_eq!(told(&life).await.len(), 2, "there is nobody else");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_has_seen_it_puts_it_off_decides_or_acts_on_the_task_ends_that() {
    for how in ["acknowledge", "snooze", "reassign", "approve", "a comment"] {
        let mut team = Team::new().await;
        team.review = rules();
        let life = team.start().await;
        let task = submitted(&team, &life).await;
        team.clock.advance(25 * HOUR);
        assert_eq!(told(&life).await.len(), 1, "{how}");
        if how == "a comment" {
            team.say(BO, task, "I look at it on Friday.").await;
        } else {
            let more = json!({ "until": "2026-11-20" });
            let more = match how {
                "snooze" => more,
                "reassign" => json!({ "to": "Bo" }),
                _ => json!({}),
            };
            tend(&team, &life, ADA, (&task.to_string(), how), more).await.unwrap();
        }
        team.clock.advance(48 * HOUR);
        assert_eq!(told(&life).await.len(), 1, "{how}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_ever_decides_about_leaves_the_list_and_its_task_stays() {
    let mut team = Team::new().await;
    team.review = ReviewRules { expire_after: Some(100 * HOUR), ..rules() };
    let life = team.start().await;
    let task = submitted(&team, &life).await;
    let status = team.status(task).await;
    team.clock.advance(101 * HOUR);
    let told = told(&life).await;
    assert!(told.iter().any(|(_, text)| text.contains("taken off the list")), "{told:#?}");
    assert!(names(&team, &life).await.is_empty());
    assert_eq!(team.status(task).await, status);
    life.stop().await;
}
