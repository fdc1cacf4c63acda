//! What happens on the board wakes playbooks: once for each change, and never by their own writes.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, BO, Life, Team};
use rota::domain::*;

/// Comments on everything new, and listens to its own comments too.
const GREETER: &str = r#"
agent = "AI-Docs"
[on]
event = ["task.status_changed", "task.created", "task.changed", "comment.added"]
[gather.tasks]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
[[step]]
each = "{{gathered.tasks}}"
tool = "addComment"
args = { module = "ticket", entityId = "{{item.id}}", text = "Seen." }
[scope]
write = "board"
max = { addComment = 50 }
"#;

async fn woken(life: &Life, playbook: &str) -> usize {
    let occurrences = life.occurrences(playbook).await;
    assert!(occurrences.iter().all(|o| o.trigger == Trigger::Event), "{occurrences:#?}");
    occurrences.len()
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_a_playbook_once_and_its_own_writes_never_do() {
    let team = Team::new().await;
    team.playbook("greeter", GREETER);
    team.task("From before").await;
    let life = team.start().await;
    life.work().await;
    assert_eq!(woken(&life, "greeter").await, 0, "news from before the first look is no news");
    let task = team.task("Fix the login").await;
    for _ in 0..5 {
        life.work().await;
    }
    assert_eq!(woken(&life, "greeter").await, 1);
    assert_eq!(team.comments(task).await.len(), 1);
    let progress = team.labelled("In Progress").await;
    team.edit(BO, task, TaskEdit::Status(progress)).await;
    for _ in 0..5 {
        life.work().await;
    }
    assert_eq!(woken(&life, "greeter").await, 2);
    assert_eq!(team.comments(task).await.len(), 2);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_while_the_daemon_was_off_is_heard_once_when_it_is_back() {
    let team = Team::new().await;
    team.playbook("greeter", GREETER);
    let life = team.start().await;
    life.work().await;
    life.stop().await;
    let task = team.task("Fix the login").await;
    for _ in 0..3 {
        let life = team.start().await;
        life.work().await;
        assert_eq!(woken(&life, "greeter").await, 1);
        assert_eq!(team.comments(task).await.len(), 1);
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_task_is_taken_at_once_and_its_hand_over_wakes_another_playbook() {
    let mut team = Team::new().await;
    let on = "[on]\nevent = [\"task.created\", \"task.status_changed\"]\n[select]";
    team.playbook("ai-worker", &WORKER_PLAYBOOK.replace("[select]", on));
    team.playbook(
        "greeter",
        &GREETER.replace(", \"task.created\", \"task.changed\", \"comment.added\"", ""),
    );
    team.model("worker", &[QUICK]);
    let life = team.start().await;
    life.work().await;
    let task = team.task("Fix the login").await;
    for _ in 0..6 {
        life.work().await;
    }
    assert_eq!(life.the_run(task).await.reason, Some(Reason::HandedOver));
    assert_eq!(woken(&life, "ai-worker").await, 1);
    // In progress, then ready for review: at most one for each look, at least one.
    let heard = woken(&life, "greeter").await;
    assert!((1..=2).contains(&heard), "{heard}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_playbook_does_not_hear_and_does_not_make_up_for_it() {
    use rota::tools::desk::{Desk as _, Switch};
    let team = Team::new().await;
    team.playbook("greeter", GREETER);
    let life = team.start().await;
    life.work().await;
    let name = PlaybookName::new("greeter");
    life.daemon.set_playbook(&name, Switch::Pause, "Ada").await.unwrap();
    let task = team.task("Fix the login").await;
    life.work().await;
    life.daemon.set_playbook(&name, Switch::Resume, "Ada").await.unwrap();
    life.work().await;
    assert_eq!(woken(&life, "greeter").await, 0);
    team.say(ADA, task, "Hello?").await;
    life.work().await;
    assert_eq!(woken(&life, "greeter").await, 1);
    life.stop().await;
}
