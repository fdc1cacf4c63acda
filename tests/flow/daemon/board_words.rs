//! Words of a playbook that the board does not have: noticed before the claim, not after the work.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::Team;
use rota::domain::*;
use rota::tools::desk::Desk as _;

#[tokio::test(start_paused = true)]
async fn a_word_that_the_board_lacks_is_told_before_a_task_is_claimed() {
    for (from, to, reason, word) in [
        ("Ready for Review", "Aproved", Reason::UnknownStatus, "outcome.ready.status"),
        ("\"kind:in_progress\"", "\"Doing it\"", Reason::UnknownStatus, "claim.status"),
        ("{{task.author}}", "Nobody Here", Reason::UnknownPerson, "outcome.ready.assign"),
        ("AI-Worker", "AI-Stranger", Reason::UnknownAgent, "agent"),
    ] {
        let mut team = Team::new().await;
        team.playbook("ai-worker", &WORKER_PLAYBOOK.replace(from, to));
        team.model("worker", &[QUICK]);
        let task = team.task("Fix the login").await;
        let before = team.activity(task).await;
        let life = team.start().await;
        let request = rota::tools::desk::RunRequest {
            task: Some(task),
            ..crate::support::daemon::request("ai-worker")
        };
        let report = life.daemon.run_playbook(request).await.unwrap();
        assert_eq!(report.reason, reason, "{report:#?}");
        assert!(report.detail.contains(word), "{}", report.detail);
        assert_eq!(report.run, None);
        assert!(life.ledger.claim(task).await.unwrap().is_none(), "it was claimed");
        assert!(team.prompts().is_empty());
        assert_eq!(team.activity(task).await, before);
        for subject in [task.to_string(), "ai-worker".to_owned()] {
            let why = life.daemon.why(&subject, None).await.unwrap().to_string();
            assert!(why.contains(reason.code()) && why.contains(word), "{subject}: {why}");
        }
        life.stop().await;
    }
}
