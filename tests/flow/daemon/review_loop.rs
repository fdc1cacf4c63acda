//! The loop of a review: findings in one comment, back to the author, the next look only at what is
//! open, and after the last round a person.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK, changed};
use super::reviews::{APPROVES, REVIEW};
use crate::support::daemon::{ADA, BO, Life, REVIEWER, Team, WORKER, request};
use async_trait::async_trait;
use rota::domain::*;
use rota::ledger::Ledger;
use rota::model::{Call, Exchange, Heard, Message, Model, ModelError, Reply};
use rota::tools::desk::Desk as _;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A reviewer that notes findings as the tool for code does: as effects of its run; then it ends.
#[derive(Debug, Default)]
pub(super) struct Noting {
    ledger: Mutex<Option<Arc<Ledger>>>,
    /// What it notes and how it ends, look by look; the last goes on.
    looks: Mutex<VecDeque<(Vec<Finding>, &'static str)>>,
    prompts: Mutex<Vec<String>>,
}

impl Noting {
    pub(super) fn that(looks: Vec<(Vec<Finding>, &'static str)>) -> Arc<Self> {
        Arc::new(Self { looks: Mutex::new(looks.into()), ..Self::default() })
    }

    /// Before a life begins to work.
    pub(super) fn in_life(&self, life: &Life) {
        *self.ledger.lock().unwrap() = Some(Arc::clone(&life.ledger));
    }

    pub(super) fn prompts(&self) -> Vec<String> {
        self.prompts.lock().unwrap().clone()
    }
}

#[async_trait]
impl Model for Noting {
    fn describe(&self) -> String {
        "noting".to_owned()
    }

    async fn exchange(&self, exchange: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        let Some(Message::User(prompt)) = exchange.messages.first() else { panic!("no prompt") };
        self.prompts.lock().unwrap().push(prompt.clone());
        let ledger = self.ledger.lock().unwrap().clone().unwrap();
        let (findings, outcome) = {
            let mut looks = self.looks.lock().unwrap();
            if looks.len() > 1 { looks.pop_front().unwrap() } else { looks[0].clone() }
        };
        let running = ledger.running().await.unwrap();
        let run = running.iter().find(|run| run.playbook.as_str() == "code-review").unwrap();
        for (place, finding) in findings.iter().enumerate() {
            note(&ledger, run, 1_000 + u32::try_from(place).unwrap(), finding).await;
        }
        let args = Value::map([("outcome", outcome), ("summary", "I looked.")]);
        Ok(Reply { calls: vec![Call::new("c1", "finish", args)], ..Reply::default() })
    }
}

/// Journals a finding; numbers of marks are far from those that the run itself gives.
async fn note(ledger: &Ledger, run: &Run, seq: u32, finding: &Finding) {
    let mark = Mark { run: run.id.clone(), seq };
    let effect = Effect {
        mark: mark.clone(),
        actor: EffectActor::Agent,
        tool: CODE_COMMENT.to_owned(),
        bulk: None,
        args: Value::Null,
        claimed: run.task,
        fence: run.fence,
        intended: run.started,
        result: None,
    };
    let after: Value = serde_json::from_value(serde_json::to_value(finding).unwrap()).unwrap();
    let result = EffectResult::Done {
        entity: Entity::Outside,
        before: Value::Null,
        after,
        inverse: None,
        at: run.started,
    };
    ledger.intend(&effect, None).await.unwrap();
    ledger.conclude(&mark, result, Vec::new()).await.unwrap();
}

pub(super) fn finding(number: u32, severity: Severity, text: &str) -> Finding {
    Finding {
        number,
        file: Some("src/login.rs".into()),
        line: Some(number * 10),
        severity,
        text: text.to_owned(),
        suggestion: Some("do it otherwise".into()),
        is_settled: false,
    }
}

pub(super) fn settled(number: u32) -> Finding {
    Finding { is_settled: true, ..finding(number, Severity::Note, "it is mended") }
}

/// A reviewer of what people write.
pub(super) fn of_people() -> String {
    changed(REVIEW, &[("rework = \"ai-worker\"\n", "assign = \"{{task.author}}\"\n")])
}

/// A task of Ada's that is ready for review.
pub(super) async fn ready(team: &Team) -> TaskId {
    let task = team.task("Make it blue").await;
    again(team, task).await;
    task
}

async fn again(team: &Team, task: TaskId) {
    let ready = team.labelled("Ready for Review").await;
    team.edit(ADA, task, TaskEdit::Status(ready)).await;
}

pub(super) async fn person_team(looks: Vec<(Vec<Finding>, &'static str)>) -> (Team, Arc<Noting>) {
    let mut team = Team::new().await;
    team.playbook("code-review", &of_people());
    let model = Noting::that(looks);
    team.models.insert("reviewer".to_owned(), Arc::clone(&model) as _);
    (team, model)
}

async fn last_comment_of_the_reviewer(team: &Team, task: TaskId) -> String {
    let comments = team.comments(task).await;
    comments.into_iter().rev().find(|(who, _)| *who == REVIEWER).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn findings_stand_in_one_comment_the_most_severe_first_and_as_text() {
    let evil = "<img src=x> [here](http://evil) @channel\n# Not a heading";
    let (team, model) = person_team(vec![(
        vec![finding(1, Severity::Minor, evil), finding(2, Severity::Blocker, "It deletes.")],
        "changes_requested",
    )])
    .await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    let report = life.run("code-review").await;
    assert_eq!((report.state, report.reason), (RunState::Succeeded, Reason::SentBack));
    assert_eq!(team.status(task).await, "Changes Requested");
    assert_eq!(team.look(task).await.assignee, Some(ADA));
    let of_reviewer = team.comments(task).await;
    assert_eq!(of_reviewer.iter().filter(|(who, _)| *who == REVIEWER).count(), 2, "claim, outcome");
    let told = last_comment_of_the_reviewer(&team, task).await;
    let (blocker, minor) = (told.find("**blocker**").unwrap(), told.find("**minor**").unwrap());
    assert!(blocker < minor, "{told}");
    assert!(told.contains("- src/login.rs:20 (finding 2): It deletes."), "{told}");
    assert!(told.contains("*Instead:* do it otherwise"), "{told}");
    assert!(told.contains("\\<img src=x\\> \\[here\\](http://evil)"), "{told}");
    assert!(told.contains("\\# Not a heading"), "{told}");
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!((rounds.round, rounds.verdict), (1, Verdict::ChangesRequested));
    assert_eq!((rounds.findings.len(), rounds.numbered), (2, 2));
    assert_eq!(rounds.author, Author { person: Some(ADA), ..Author::default() });
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_authors_comment_wakes_the_reviewer_and_nobody_elses_does() {
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let looks = vec![(one, "changes_requested"), (vec![settled(1)], "approved")];
    let (team, model) = person_team(looks).await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    for who in [BO, WORKER, REVIEWER] {
        team.say(who, task, "I have something to say, too.").await;
        life.work().await;
        assert_eq!(life.runs(task).await.len(), 1, "{who}");
    }
    team.say(ADA, task, "It cannot panic: see line 3.").await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert_eq!((runs[0].state, runs[0].reason), (RunState::Succeeded, Some(Reason::HandedOver)));
    let occurrence = life.ledger.occurrence(&runs[0].occurrence).await.unwrap().unwrap();
    assert_eq!(occurrence.trigger, Trigger::Review);
    let prompt = &model.prompts()[1];
    for part in [
        "This is round 2 of 3",
        "Finding 1, major, src/login.rs:10",
        "It may panic.",
        "Said on the task since then",
        "It cannot panic: see line 3.",
    ] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    assert_eq!(team.status(task).await, "Approved");
    let told = last_comment_of_the_reviewer(&team, task).await;
    assert!(told.contains("Settled since the round before: 1 finding (1)."), "{told}");
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!((rounds.round, rounds.verdict), (2, Verdict::Approved));
    assert!(rounds.findings.is_empty() && life.ledger.open_rounds().await.unwrap().is_empty());
    // What was approved is over: another word of the author's wakes nobody.
    team.say(ADA, task, "Thank you.").await;
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_on_a_task_that_was_moved_on_wakes_nobody() {
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model) = person_team(vec![(one, "changes_requested")]).await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    let new = team.labelled("New").await;
    team.edit(ADA, task, TaskEdit::Status(new)).await;
    team.say(ADA, task, "I do it another time.").await;
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 1);
    // It comes back by itself: by `[select]`, and the count goes on.
    again(&team, task).await;
    life.run("code-review").await;
    assert!(model.prompts()[1].contains("This is round 2 of 3"), "{}", model.prompts()[1]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_last_round_a_person_decides_with_the_findings_at_hand() {
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model) = person_team(vec![(one, "changes_requested")]).await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("code-review").await;
    for round in 2..=3 {
        team.say(ADA, task, &format!("Answer number {round}.")).await;
        life.work().await;
        assert_eq!(life.runs(task).await.len(), round);
    }
    let run = &life.runs(task).await[0];
    assert_eq!(run.reason, Some(Reason::HandedOver), "{run:?}");
    assert!(run.detail.contains("round 3 of 3: a person decides"), "{run:?}");
    let ada = team.person(ADA).await;
    let waiting = life.call(&ada, "listReviews", serde_json::json!({})).await.unwrap();
    let text = waiting.to_string();
    assert!(text.contains("finding 1, major, src/login.rs:10: It may panic."), "{text}");
    let told = team.told.texts();
    assert!(
        told.iter().any(|text| text.contains("after round 3 of 3 a person decides")),
        "{told:?}"
    );
    // From here on no word of the author's wakes the reviewer.
    team.say(ADA, task, "Well?").await;
    life.work().await;
    assert_eq!(life.runs(task).await.len(), 3);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_agents_work_goes_back_to_it_with_every_finding() {
    let mut team = Team::new().await;
    let worker = WORKER_PLAYBOOK.replace("assign = \"{{task.author}}\"\n", "");
    team.playbook("ai-worker", &worker);
    team.playbook("code-review", REVIEW);
    team.model("worker", &[QUICK]);
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let model = Noting::that(vec![(one, "changes_requested"), (vec![settled(1)], "approved")]);
    team.models.insert("reviewer".to_owned(), Arc::clone(&model) as _);
    let task = team.task("Make it blue").await;
    let life = team.start().await;
    model.in_life(&life);
    life.run("ai-worker").await;
    life.run("code-review").await;
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!(rounds.author.playbook, Some(PlaybookName::new("ai-worker")));
    assert!(!rounds.waits_for_a_person());
    // A person's word does not wake the reviewer: it is the agent's turn.
    team.say(ADA, task, "Please hurry.").await;
    life.work().await;
    let runs = life.runs(task).await;
    assert_eq!(runs.len(), 3, "{runs:#?}");
    assert_eq!(runs[0].playbook.as_str(), "ai-worker");
    let prompt = &team.prompts()[1];
    assert!(prompt.contains("finding 1, major, src/login.rs:10: It may panic."), "{prompt}");
    assert!(prompt.contains("(round 1 of"), "{prompt}");
    life.run("code-review").await;
    assert!(model.prompts()[1].contains("This is round 2 of 3"));
    assert_eq!(team.status(task).await, "Approved");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_over_an_open_blocker_comes_to_nothing() {
    let one = vec![finding(1, Severity::Blocker, "It deletes everything.")];
    let (team, model) = person_team(vec![(one, "approved")]).await;
    let task = ready(&team).await;
    let life = team.start().await;
    model.in_life(&life);
    let report = life.run("code-review").await;
    assert_eq!(report.reason, Reason::Unverified, "{report:?}");
    assert_ne!(team.status(task).await, "Approved");
    let run = &life.runs(task).await[0];
    assert!(run.detail.contains("no blocker is open, and finding 1 is"), "{run:?}");
    assert_eq!(life.ledger.rounds(task).await.unwrap(), None);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_findings_and_comment_tells_them_once() {
    let one = vec![finding(1, Severity::Major, "It may panic.")];
    let (team, model) = person_team(vec![(one, "changes_requested")]).await;
    let task = ready(&team).await;
    let dead = team.start().await;
    model.in_life(&dead);
    // The first comment announces the claim, the second tells of the findings.
    let mut gate = team.gates.stop_after("before addComment", 1);
    tokio::select! {
        report = dead.daemon.run_playbook(request("code-review")) => panic!("{report:?}"),
        () = gate.reached() => {}
    }
    drop(gate);
    team.clock.advance(std::time::Duration::from_secs(1));
    let life = team.start().await;
    model.in_life(&life);
    life.work().await;
    let comments = team.comments(task).await;
    let told = comments.iter().filter(|(_, text)| text.contains("It may panic.")).count();
    assert_eq!(told, 1, "{comments:#?}");
    assert_eq!(model.prompts().len(), 1, "it looked once");
    assert_eq!(team.status(task).await, "Changes Requested");
    let rounds = life.ledger.rounds(task).await.unwrap().unwrap();
    assert_eq!((rounds.round, rounds.findings.len()), (1, 1));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_review_without_findings_reads_as_before() {
    let mut team = Team::new().await;
    team.playbook("code-review", &of_people());
    team.model("reviewer", &[APPROVES]);
    let task = ready(&team).await;
    let life = team.start().await;
    life.run("code-review").await;
    let told = last_comment_of_the_reviewer(&team, task).await;
    let lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "**Approved** by AI-Reviewer in round 1.");
    assert_eq!(lines[1], "All criteria hold.");
    assert!(lines[2].starts_with("A person decides when it is done."), "{told}");
    life.stop().await;
}
