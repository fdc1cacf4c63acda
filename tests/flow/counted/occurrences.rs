//! What became of occurrences and their runs, how late they began, and how playbooks stand.

use super::counting;
use crate::support::counted::Counted;
use crate::support::daemon::Team;
use rota::domain::{OccurrenceState, PlaybookName, Reason};
use rota::ledger::RunFilter;
use rota::tools::desk::{Desk as _, Switch};

/// A run that is over at once and asks nobody.
const TICKER: &str = r#"
agent = "AI-Docs"
[on]
cron = "* * * * *"
[gather.people]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
[[step]]
tool = "findTasks"
args = { projectIds = "{{all_project_ids}}" }
"#;

#[tokio::test(start_paused = true)]
async fn occurrences_are_counted_by_reason_and_the_clocks_by_how_late_they_began() {
    let counted = Counted::begin();
    let team = Team::at("2026-11-03T09:00:30Z").await;
    team.playbook("ticker", TICKER);
    let life = counting(&team).await;
    life.work().await;
    team.clock.advance_to("2026-11-03T09:01:07Z");
    life.work().await;
    let late = |part: &str| format!("rota_occurrence_lateness_seconds{part}");
    let (five, fifteen) = (late("_bucket{le=\"5\"}"), late("_bucket{le=\"15\"}"));
    assert_eq!(counted.count(&late("_count")), 1);
    assert_eq!((counted.count(&five), counted.count(&fifteen)), (0, 1));
    let sum = counted.sample(&late("_sum"));
    assert!((7.0..8.0).contains(&sum), "{sum}");
    // What somebody asks for by hand is not late.
    let report = life.run("ticker").await;
    assert_eq!(counted.count(&late("_count")), 1);
    let reason = report.reason.code();
    for occurrence in life.occurrences("ticker").await {
        let OccurrenceState::Ran { reason: own, .. } = occurrence.state else {
            panic!("{occurrence:?}")
        };
        assert_eq!(own.code(), reason);
    }
    let ran = format!("rota_occurrences_total{{result=\"ran\",reason=\"{reason}\"}}");
    assert_eq!(counted.count(&ran), 2);
    let runs = life.ledger.runs(&RunFilter::default(), 10).await.unwrap();
    let ended = runs.iter().map(|run| {
        let reason = run.reason.map_or("none", Reason::code);
        format!("rota_runs_ended_total{{state=\"{}\",reason=\"{reason}\"}}", run.state.as_str())
    });
    let ended: Vec<String> = ended.collect();
    assert_eq!((ended.len(), &ended[0]), (2, &ended[1]), "both alike");
    assert_eq!(counted.count(&ended[0]), 2);
    assert_eq!(counted.count("rota_run_duration_seconds_count"), 2);

    life.daemon.set_playbook(&PlaybookName::new("ticker"), Switch::Pause, "Ada").await.unwrap();
    team.clock.advance_to("2026-11-03T09:02:00Z");
    life.work().await;
    assert_eq!(counted.count("rota_occurrences_total{result=\"skipped\",reason=\"paused\"}"), 1);
    assert_eq!((counted.count(&ran), counted.count(&late("_count"))), (2, 1), "nothing began");
    life.daemon.measure().await;
    let playbooks = ["armed", "paused"]
        .map(|state| counted.count(&format!("rota_playbooks{{state=\"{state}\"}}")));
    assert_eq!(playbooks, [0, 1]);
    life.stop().await;
}
