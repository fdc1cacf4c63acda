//! What a reviewer sent back, while its playbook may not run.

use super::given::{playbook, task};
use super::plan::{NOW, named, snapshot};
use rota::domain::{Reason, TaskId, Trigger};
use rota::schedule::{Action, Snapshot, plan};

#[test]
fn what_a_reviewer_sent_back_waits_until_its_playbook_may_run() {
    let given = |change: fn(&mut Snapshot)| {
        let mut sent_back = named("worker", NOW, 1);
        sent_back.occurrence.trigger = Trigger::Rework;
        sent_back.occurrence.status = Some(task(1).status);
        let mut given = snapshot(vec![playbook("worker")], vec![sent_back], vec![task(1)]);
        change(&mut given);
        plan(&given).actions
    };
    let waits = |actions: &[Action], why: Reason| matches!(actions, [Action::Wait { reason, .. }] if *reason == why);
    assert!(waits(&given(|s| s.daemon.stopped = true), Reason::Stopped));
    let pause = |s: &mut Snapshot| s.playbooks.values_mut().for_each(|f| f.paused = true);
    assert!(waits(&given(pause), Reason::Paused));
    let disarm = |s: &mut Snapshot| s.playbooks.values_mut().for_each(|f| f.armed = false);
    assert!(waits(&given(disarm), Reason::NotArmed));
    let begun = given(|_| {});
    assert!(matches!(begun[..], [Action::Start { task: Some(TaskId(1)), .. }, ..]), "{begun:?}");
}
