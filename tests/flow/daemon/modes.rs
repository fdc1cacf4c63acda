//! Shadow: what reaches the board when a playbook only shows what it would do.

use super::playbooks::{DILIGENT, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::Team;
use rota::domain::*;

#[tokio::test(start_paused = true)]
async fn in_shadow_nothing_at_all_reaches_the_board_and_everything_stands_in_the_journal() {
    let mut team = Team::new().await;
    team.playbook("ai-worker", &format!("mode = \"shadow\"\n{WORKER_PLAYBOOK}"));
    team.model("worker", &[DILIGENT]);
    let task = team.task("Fix the login").await;
    let before = team.activity(task).await;
    let seen = team.look(task).await;
    let life = team.start().await;
    life.run("ai-worker").await;
    assert_eq!(team.activity(task).await, before);
    assert_eq!(team.look(task).await, seen);
    assert!(team.comments(task).await.is_empty());
    let run = life.the_run(task).await;
    assert_eq!(run.state, RunState::Succeeded);
    let effects = life.ledger.effects(&run.id).await.unwrap();
    let tools: Vec<_> = effects.iter().map(|effect| effect.tool.as_str()).collect();
    assert_eq!(tools, ["addComment", "addSubtask"]);
    assert!(effects.iter().all(|effect| effect.result == Some(EffectResult::Recorded)));
    assert_eq!(life.claim(task).await.holder, None);
    life.stop().await;
}
