//! What a daemon does with an occurrence of a playbook whose labels it lacks, or when it takes no new work.

use super::given::{playbook, task};
use super::plan::{NOW, named, queued, snapshot};
use chrono::TimeDelta;
use rota::domain::{OccurrenceState, Reason, TaskId};
use rota::schedule::{Action, Fits, GRACE, OpenOccurrence, Plan, plan};

/// What is planned for one occurrence of a playbook that runs there, decided so long ago.
fn planned(open: OpenOccurrence, fits: Fits, ago: TimeDelta) -> Plan {
    let mut given = snapshot(vec![playbook("worker")], vec![open], vec![task(1)]);
    given.playbooks.values_mut().for_each(|facts| facts.fits = fits);
    let now = given.now;
    given.occurrences.iter_mut().for_each(|open| open.occurrence.decided = now - ago);
    plan(&given)
}

fn waits(plan: &Plan, why: Reason) -> bool {
    matches!(plan.actions[..], [Action::Wait { reason, .. }] if reason == why)
}

#[test]
fn what_another_daemon_may_run_is_left_to_it_however_long_and_nobody_is_told_of_a_refusal() {
    for ago in [TimeDelta::zero(), TimeDelta::days(3)] {
        for open in [queued("worker", NOW), named("worker", NOW, 1)] {
            let left = planned(open, Fits::Elsewhere, ago);
            assert!(waits(&left, Reason::NotThisDaemon), "{left:?}");
            assert_eq!(left.refusals, [], "it is no decision of this daemon");
        }
    }
}

#[test]
fn what_no_daemon_may_run_is_skipped_when_none_came_for_the_time_of_grace() {
    let grace = TimeDelta::from_std(GRACE).unwrap();
    let early = planned(queued("worker", NOW), Fits::Nowhere, grace - TimeDelta::seconds(1));
    assert!(waits(&early, Reason::NotThisDaemon), "{early:?}");
    let late = planned(queued("worker", NOW), Fits::Nowhere, grace);
    let reason = Reason::NotThisDaemon;
    assert!(
        matches!(late.actions[..], [Action::Skip { reason: why, .. }] if why == reason),
        "{late:?}"
    );
    assert_eq!(late.refusals.iter().map(|it| it.reason).collect::<Vec<_>>(), [reason]);
    // What a reviewer asked for is still to be done when one comes.
    let mut sent_back = named("worker", NOW, 1);
    sent_back.occurrence.status = Some(task(1).status);
    let sent_back = planned(sent_back, Fits::Nowhere, TimeDelta::days(3));
    assert!(waits(&sent_back, reason), "{sent_back:?}");
}

#[test]
fn a_daemon_with_one_of_the_labels_runs_it() {
    let begun = planned(queued("worker", NOW), Fits::Here, TimeDelta::zero());
    assert!(
        matches!(begun.actions[..], [Action::Start { task: Some(TaskId(1)), .. }, ..]),
        "{begun:?}"
    );
}

#[test]
fn a_drained_daemon_begins_nothing_and_lets_what_it_has_come_to_its_end() {
    let of = |state: OccurrenceState| {
        let mut open = queued("worker", NOW);
        open.occurrence.state = state;
        let mut given = snapshot(vec![playbook("worker")], vec![open], vec![task(1)]);
        given.daemon.drained = true;
        plan(&given)
    };
    assert!(waits(&of(OccurrenceState::Queued), Reason::Draining));
    let begun = of(OccurrenceState::Running);
    assert!(matches!(begun.actions[..], [Action::Close { .. }]), "{begun:?}");
}
