//! Somebody sets the machine's clock back by a day: nothing runs twice, no lease is longer or shorter
//! for it, and the playbooks go on when the clock has caught up.

use super::orphans::{meanwhile, team};
use crate::support::daemon::{Team, instant};
use rota::clock::Clock as _;
use rota::domain::{OccurrenceState, RunState, to_delta};
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test(start_paused = true)]
async fn a_run_at_work_keeps_its_claim_and_hands_over() {
    let (team, task, life) = team(1).await;
    let report = meanwhile(&team, &life, async {
        let before = life.claim(task).await;
        team.clock.set(-to_delta(DAY));
        life.daemon.tick().await;
        let after = life.claim(task).await;
        assert_eq!((after.fence, after.phase), (before.fence, before.phase));
        // Nobody takes it for ended: by the wall clock its end is a day away, and that does not count.
        assert!(life.ledger.expire().await.unwrap().is_empty());
    })
    .await;
    assert_eq!(report.state, RunState::Succeeded, "{report:#?}");
    assert_eq!(team.status(task).await, "Ready for Review");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_renews_ends_when_it_ends_whatever_the_wall_clock_says() {
    let (team, task, life) = team(1).await;
    let report = meanwhile(&team, &life, async {
        team.clock.set(-to_delta(DAY));
        team.clock.advance(Duration::from_secs(90));
        life.daemon.tick().await;
    })
    .await;
    assert_eq!(report.state, RunState::ClaimLost, "{report:#?}");
    team.clock.advance(Duration::from_secs(31));
    life.work().await;
    assert!(life.ledger.claims().await.unwrap().is_empty());
    assert_eq!(team.status(task).await, "New");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_instant_comes_twice_and_the_playbook_goes_on_when_the_clock_has_caught_up() {
    let team = Team::at("2026-11-03T09:05:00Z").await;
    team.playbook(
        "ticker",
        "agent = \"AI-Docs\"\n[on]\ncron = \"*/30 * * * *\"\n[[step]]\ntool = \"findTasks\"\n\
         args = { projectIds = \"{{all_project_ids}}\" }\n",
    );
    let life = team.start().await;
    life.work().await;
    let to = async |end: &str| {
        while team.clock.wall() < instant(end) {
            team.clock.advance(Duration::from_mins(10));
            life.work().await;
        }
    };
    to("2026-11-03T11:05:00Z").await;
    let before = life.occurrences("ticker").await.len();
    assert_eq!(before, 4);
    team.clock.set(-to_delta(DAY));
    to("2026-11-03T11:05:00Z").await;
    assert_eq!(life.occurrences("ticker").await.len(), before, "a day came twice");
    to("2026-11-03T12:05:00Z").await;
    let occurrences = life.occurrences("ticker").await;
    let planned: BTreeSet<_> = occurrences.iter().map(|o| o.planned).collect();
    assert_eq!((planned.len(), occurrences.len()), (before + 2, before + 2), "{occurrences:#?}");
    assert!(occurrences.iter().all(|o| matches!(o.state, OccurrenceState::Ran { .. })));
    life.stop().await;
}
