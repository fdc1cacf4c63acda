//! Which runs start: tables for selection, gates, limits, order and overlap.

use super::given::{at, person, playbook, project, select, task};
use rota::domain::*;
use rota::schedule::*;
use std::collections::BTreeMap;
use std::sync::Arc;
pub const NOW: &str = "2026-11-10T09:00:00Z";
fn facts(playbook: Playbook) -> PlaybookFacts {
    PlaybookFacts {
        playbook: Arc::new(playbook),
        condition: None,
        paused: false,
        armed: true,
        running: 0,
        runs_today: 0,
        waiting_review: 0,
        no_budget: None,
        fits: Fits::Here,
    }
}

pub fn queued(playbook: &str, planned: &str) -> OpenOccurrence {
    let (playbook, planned) = (PlaybookName::new(playbook), at(planned));
    let occurrence = Occurrence {
        id: Occurrence::id_of(&playbook, Trigger::Cron, planned),
        playbook,
        trigger: Trigger::Cron,
        planned,
        task: None,
        decided: planned,
        state: OccurrenceState::Queued,
        covers: None,
        status: None,
    };
    OpenOccurrence { occurrence, started: 0, taken: Vec::new(), retry: Vec::new(), closed: false }
}

pub fn named(playbook: &str, planned: &str, task: i64) -> OpenOccurrence {
    let mut open = queued(playbook, planned);
    open.occurrence.trigger = Trigger::Rework;
    open.occurrence.task = Some(TaskId(task));
    open
}

pub fn snapshot(playbooks: Vec<Playbook>, open: Vec<OpenOccurrence>, tasks: Vec<Task>) -> Snapshot {
    Snapshot {
        now: at(NOW),
        daemon: DaemonFacts { slots_free: 10, ..DaemonFacts::default() },
        playbooks: playbooks.into_iter().map(|p| (p.name.clone(), facts(p))).collect(),
        occurrences: open,
        tasks: Arc::new(Candidates::new(tasks.into_iter().map(Arc::new))),
        projects: Arc::new(vec![project(1, "Alpha"), project(2, "Code Review")]),
        people: Arc::new(vec![
            person(1, "Ada", PersonKind::Person),
            person(2, "AI-Worker", PersonKind::Agent),
            person(3, "AI-Reviewer", PersonKind::Agent),
        ]),
        claims: BTreeMap::new(),
        attempts: BTreeMap::new(),
        objections: BTreeMap::new(),
        blockers: BTreeMap::new(),
        guarded: BTreeMap::new(),
    }
}

/// The tasks that are started, in order.
fn started(plan: &Plan) -> Vec<i64> {
    let task = |action: &Action| match action {
        Action::Start { task: Some(task), .. } => Some(task.0),
        _ => None,
    };
    plan.actions.iter().filter_map(task).collect()
}

fn reasons(plan: &Plan) -> Vec<(Option<i64>, Reason)> {
    plan.refusals.iter().map(|refusal| (refusal.task.map(|t| t.0), refusal.reason)).collect()
}

/// What one task is refused for when a playbook selects so.
pub fn refused(change: impl Fn(&mut Select), edit: impl Fn(&mut Task)) -> Option<(Reason, String)> {
    let mut playbook = playbook("worker");
    change(playbook.select.as_mut().unwrap());
    let mut task = task(7);
    edit(&mut task);
    judged(&playbook, task, false, &snapshot(vec![], vec![], vec![]))
}

pub fn judged(
    playbook: &Playbook,
    task: Task,
    named: bool,
    on: &Snapshot,
) -> Option<(Reason, String)> {
    let criteria = Criteria::new(playbook, &on.projects, &on.people);
    let facts = facts(playbook.clone());
    let situation = on.situation(&facts, task.id);
    let refused = judge(&criteria, &Arc::new(task), named, &situation).err()?;
    Some((refused.reason, refused.detail))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be none")]
fn because(reason: Reason, detail: &str) -> Option<(Reason, String)> {
    Some((reason, detail.to_owned()))
}

#[test]
fn every_key_of_select_narrows_and_says_how() {
    let none = |_: &mut Task| {};
    assert_eq!(refused(|_| {}, none), None);
    let review = |s: &mut Select| s.projects = vec!["code review".into()];
    assert_eq!(refused(review, none), because(Reason::OtherProject, "it is in project \"Alpha\""));
    assert_eq!(refused(|s| s.projects = vec!["1".into()], none), None);
    let done = |s: &mut Select| s.status = vec![StatusSelector::Label("done".into())];
    assert_eq!(refused(done, none), because(Reason::OtherStatus, "its status is \"New\""));
    assert_eq!(refused(|s| s.status = vec![StatusSelector::Kind(StatusKind::New)], none), None);
    assert_eq!(refused(|s| s.status = vec![StatusSelector::Label("3".into())], none), None);
    let bugs = |s: &mut Select| s.kinds = vec![TaskKind::Bug];
    assert_eq!(refused(bugs, none), because(Reason::OtherKind, "it is a task"));
    let all = |s: &mut Select| s.tags_all = vec!["a".into(), "B ".into()];
    let tagged = |t: &mut Task| t.tags = vec!["A".into()];
    assert_eq!(refused(all, tagged), because(Reason::MissingTag, "it has no tag \"b\""));
    let any = |s: &mut Select| s.tags_any = vec!["x".into(), "y".into()];
    assert_eq!(refused(any, tagged), because(Reason::MissingTag, "it has none of the tags x, y"));
    let off = |s: &mut Select| s.tags_none = vec!["a".into()];
    assert_eq!(refused(off, tagged), because(Reason::ExcludedTag, "it has the tag \"a\""));
    let changed = |s: &mut Select| s.unchanged_for = parse_duration("7d").ok();
    assert_eq!(refused(changed, none), None);
    assert_eq!(
        refused(changed, |t| t.modified = at("2026-11-10T07:30:00Z")),
        because(Reason::ChangedRecently, "it changed 1h30m ago")
    );
}

#[test]
fn assignees_are_selected_by_who_they_are() {
    let by = |selector: AssigneeSelector, assignee: Option<i64>| {
        refused(|s| s.assignee = selector.clone(), |t| t.assignee = assignee.map(PersonId))
    };
    assert_eq!(by(AssigneeSelector::Nobody, None), None);
    assert_eq!(
        by(AssigneeSelector::Nobody, Some(1)),
        because(Reason::Assigned, "it is assigned to Ada")
    );
    assert_eq!(by(AssigneeSelector::Me, Some(2)), None);
    assert_eq!(
        by(AssigneeSelector::Me, None),
        because(Reason::OtherAssignee, "it is assigned to nobody")
    );
    assert_eq!(by(AssigneeSelector::Agent, Some(3)), None);
    assert!(by(AssigneeSelector::Agent, Some(1)).is_some());
    assert_eq!(by(AssigneeSelector::Person, Some(1)), None);
    assert!(by(AssigneeSelector::Person, Some(99)).is_some());
    assert_eq!(by(AssigneeSelector::Named("ada".into()), Some(1)), None);
    assert!(by(AssigneeSelector::Named("ada".into()), Some(2)).is_some());
    assert!(by(AssigneeSelector::Named("nobody".into()), None).is_some());
}

#[test]
fn gates_hold_for_tasks_that_are_named_too() {
    let mut playbook = playbook("worker");
    playbook.select.as_mut().unwrap().projects = vec!["Code Review".into()];
    playbook.suitability.require =
        vec![Gate::AcceptanceCriteria, Gate::Estimate, Gate::NoOpenBlockers, Gate::Description];
    let mut board = snapshot(vec![], vec![], vec![task(9)]);
    board.blockers.insert(TaskId(10), Blocker::Done);
    board.blockers.insert(TaskId(11), Blocker::Open("Blocked".into()));
    let by = |edit: fn(&mut Task)| {
        let mut task = task(7);
        edit(&mut task);
        judged(&playbook, task, true, &board)
    };
    assert_eq!(by(|_| {}), None);
    assert_eq!(by(|t| t.acceptance_criteria = " ".into()).unwrap().0, Reason::NoAcceptanceCriteria);
    assert_eq!(by(|t| t.storypoints = None).unwrap().0, Reason::NoEstimate);
    assert_eq!(by(|t| (t.storypoints, t.plan_hours) = (None, Some(2.0))), None);
    assert_eq!(by(|t| t.description.clear()).unwrap().0, Reason::NoDescription);
    assert_eq!(by(|t| t.blocked_by = vec![TaskId(10)]), None);
    assert_eq!(
        by(|t| t.blocked_by = vec![TaskId(9)]),
        because(Reason::OpenBlockers, "task 9 blocks it, its status is \"New\"")
    );
    assert_eq!(
        by(|t| t.blocked_by = vec![TaskId(10), TaskId(11)]),
        because(Reason::OpenBlockers, "task 11 blocks it, its status is \"Blocked\"")
    );
    assert!(by(|t| t.blocked_by = vec![TaskId(12)]).unwrap().1.contains("could not be read"));
    assert_eq!(by(|t| t.tags = vec!["ai-stop".into()]).unwrap().0, Reason::StopTag);
    assert_eq!(judged(&playbook, task(7), false, &board).unwrap().0, Reason::OtherProject);
}

#[test]
fn claims_attempts_and_backoff_hold_a_task_back() {
    let mut playbook = playbook("worker");
    let mut board = snapshot(vec![], vec![], vec![]);
    let (run, other) = (RunId::new("r-1"), PlaybookName::new("other"));
    board
        .claims
        .insert(TaskId(7), TakenBy { run, playbook: other, parked: false, by_newer: false });
    assert_eq!(
        judged(&playbook, task(7), false, &board),
        because(Reason::AlreadyClaimed, "run r-1 of other holds it")
    );
    playbook.claim = None;
    assert_eq!(judged(&playbook, task(7), false, &board), None);
    let key = (PlaybookName::new("worker"), TaskId(8));
    board
        .attempts
        .insert(key.clone(), Attempts { failed: 1, not_before: at("2026-11-10T09:00:10Z") });
    assert_eq!(
        judged(&playbook, task(8), false, &board),
        because(Reason::BackingOff, "attempt 2 in 10s")
    );
    board.attempts.insert(key, Attempts { failed: 3, not_before: at("2026-11-10T08:00:00Z") });
    assert_eq!(judged(&playbook, task(8), false, &board).unwrap().0, Reason::AttemptsUsedUp);
}

#[derive(Debug)]
struct UpTo(i64);

impl Condition for UpTo {
    fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        assert_eq!((subject.agent, subject.project.map(|p| p.id.0)), ("AI-Worker", Some(1)));
        if subject.task.id.0 == 13 {
            Err("no such key: x".into())
        } else {
            Ok(subject.task.id.0 <= self.0)
        }
    }
}

#[test]
fn a_condition_narrows_and_its_faults_are_told() {
    let mut worker = playbook("worker");
    worker.select.as_mut().unwrap().condition = Some("task.id <= 2".into());
    let tasks = vec![task(1), task(2), task(3), task(13)];
    let mut given = snapshot(vec![worker], vec![queued("worker", NOW)], tasks);
    for facts in given.playbooks.values_mut() {
        facts.condition = Some(Arc::new(UpTo(2)));
    }
    let plan = plan(&given);
    assert_eq!(started(&plan), [1, 2]);
    let expected = [(Some(3), Reason::ConditionFalse), (Some(13), Reason::ConditionFailed)];
    assert_eq!(reasons(&plan), expected);
    assert_eq!(plan.refusals[1].detail, "no such key: x");
}

#[test]
fn tasks_come_in_the_playbooks_order_up_to_its_limit() {
    let mut worker = playbook("worker");
    worker.limits.concurrent = 9;
    let chosen = worker.select.as_mut().unwrap();
    (chosen.limit, chosen.order) = (3, vec![OrderKey::Priority, OrderKey::Due]);
    let make = |id, priority, due: Option<&str>| Task { priority, due: due.map(at), ..task(id) };
    let tasks = vec![
        make(1, None, None),
        make(2, Some(2), None),
        make(3, Some(2), Some("2026-12-01T00:00:00Z")),
        make(4, Some(1), None),
        make(5, Some(2), Some("2026-12-01T00:00:00Z")),
    ];
    let plan = plan(&snapshot(vec![worker], vec![queued("worker", NOW)], tasks));
    assert_eq!(started(&plan), [4, 3, 5]);
    assert_eq!(reasons(&plan), [(Some(2), Reason::BeyondLimit), (Some(1), Reason::BeyondLimit)]);
    assert!(matches!(plan.actions.last(), Some(Action::Close { .. })));
}

#[test]
fn no_task_is_started_twice_in_one_plan() {
    let open =
        vec![queued("worker", "2026-11-10T08:59:00Z"), queued("other", "2026-11-10T08:58:00Z")];
    let tasks = vec![task(1), task(2)];
    let plan = plan(&snapshot(vec![playbook("worker"), playbook("other")], open, tasks));
    assert_eq!(started(&plan), [1, 2]);
    assert!(
        plan.actions.iter().all(|action| match action {
            Action::Start { playbook, .. } => playbook.as_str() == "other",
            _ => true,
        }),
        "the older occurrence comes first"
    );
    assert_eq!(reasons(&plan), [(Some(1), Reason::LostRace), (Some(2), Reason::LostRace)]);
}

#[test]
fn nothing_to_do_is_told_in_one_word() {
    let plan = plan(&snapshot(vec![playbook("worker")], vec![queued("worker", NOW)], vec![]));
    let occurrence = queued("worker", NOW).occurrence.id;
    assert_eq!(plan.actions, [Action::Finish { occurrence, reason: Reason::NothingToDo }]);
}

#[test]
fn without_a_slot_an_occurrence_waits_and_goes_on_where_it_was() {
    let tasks = vec![task(1), task(2), task(3)];
    let mut given = snapshot(vec![playbook("worker")], vec![queued("worker", NOW)], tasks);
    given.daemon.slots_free = 1;
    let first = plan(&given);
    assert_eq!(started(&first), [1]);
    assert!(matches!(first.actions[1], Action::Wait { reason: Reason::NoSlot, .. }));
    given.daemon.slots_free = 5;
    let open = &mut given.occurrences[0];
    (open.started, open.taken) = (1, vec![TaskId(1)]);
    open.occurrence.state = OccurrenceState::Running;
    let second = plan(&given);
    assert_eq!(started(&second), [2, 3], "concurrent is 2, the first run has ended");
    assert!(matches!(second.actions.last(), Some(Action::Close { .. })));
}

#[test]
fn limits_of_a_playbook_hold() {
    let given = |change: fn(&mut Playbook), known: fn(&mut PlaybookFacts)| {
        let mut worker = playbook("worker");
        change(&mut worker);
        let tasks = vec![task(1), task(2), task(3)];
        let mut given = snapshot(vec![worker], vec![queued("worker", NOW)], tasks);
        given.playbooks.values_mut().for_each(known);
        let plan = plan(&given);
        (started(&plan), plan.actions.last().cloned())
    };
    let (runs, last) = given(|_| {}, |f| f.running = 1);
    assert_eq!(runs, [1]);
    assert!(matches!(last, Some(Action::Wait { reason: Reason::ConcurrentLimit, .. })));
    let (runs, last) = given(|p| p.limits.runs_per_day = Some(4), |f| f.runs_today = 3);
    assert_eq!(runs, [1]);
    assert!(matches!(last, Some(Action::Close { .. })));
    let (runs, last) = given(|p| p.review.waiting_max = Some(5), |f| f.waiting_review = 5);
    assert_eq!(runs, [0; 0]);
    assert!(matches!(last, Some(Action::Finish { reason: Reason::ReviewQueueFull, .. })));
    let (runs, last) = given(|p| p.agent = "AI-Ghost".into(), |_| {});
    assert_eq!(runs, [0; 0]);
    assert!(matches!(last, Some(Action::Finish { reason: Reason::UnknownAgent, .. })));
}

#[test]
fn a_report_starts_once_and_takes_no_task() {
    let mut digest = playbook("digest");
    (digest.select, digest.claim, digest.agent) = (None, None, "nobody".into());
    let plan = plan(&snapshot(vec![digest], vec![queued("digest", NOW)], vec![task(1)]));
    assert!(matches!(
        plan.actions[..],
        [Action::Start { task: None, attempt: 1, .. }, Action::Close { .. }]
    ));
}

#[test]
fn a_named_task_passes_select_and_counts_its_attempts() {
    let mut worker = playbook("worker");
    worker.select = Some(Select { projects: vec!["Code Review".into()], ..select() });
    let mut given = snapshot(vec![worker], vec![named("worker", NOW, 7)], vec![task(7)]);
    let key = (PlaybookName::new("worker"), TaskId(7));
    given.attempts.insert(key, Attempts { failed: 2, not_before: at("2026-11-10T08:00:00Z") });
    let first = plan(&given);
    assert!(matches!(
        first.actions[..],
        [Action::Start { task: Some(TaskId(7)), attempt: 3, .. }, Action::Close { .. }]
    ));
    given.occurrences = vec![named("worker", NOW, 99)];
    assert_eq!(reasons(&plan(&given)), [(Some(99), Reason::NotFound)]);
}

#[test]
fn stopped_draining_paused_and_gone() {
    let given = |change: fn(&mut Snapshot)| {
        let mut given =
            snapshot(vec![playbook("worker")], vec![queued("worker", NOW)], vec![task(1)]);
        change(&mut given);
        plan(&given).actions
    };
    let skip =
        |reason| vec![Action::Skip { occurrence: queued("worker", NOW).occurrence.id, reason }];
    assert_eq!(given(|s| s.daemon.stopped = true), skip(Reason::Stopped));
    let pause = |s: &mut Snapshot| s.playbooks.values_mut().for_each(|f| f.paused = true);
    assert_eq!(given(pause), skip(Reason::Paused));
    assert_eq!(given(|s| s.playbooks.clear()), skip(Reason::PlaybookGone));
    assert!(matches!(
        given(|s| s.daemon.draining = true)[..],
        [Action::Wait { reason: Reason::Draining, .. }]
    ));
}

#[test]
fn a_queued_occurrence_waits_for_the_one_before_or_takes_its_place() {
    let given = |overlap| {
        let mut worker = playbook("worker");
        worker.on.overlap = overlap;
        let mut running = queued("worker", "2026-11-10T08:00:00Z");
        running.occurrence.state = OccurrenceState::Running;
        (running.started, running.closed) = (1, true);
        let open = vec![running, queued("worker", "2026-11-10T08:30:00Z"), queued("worker", NOW)];
        plan(&snapshot(vec![worker], open, vec![task(1)])).actions
    };
    assert!(matches!(
        given(Overlap::Queue)[..],
        [
            Action::Wait { reason: Reason::Overlap, .. },
            Action::Wait { reason: Reason::Overlap, .. }
        ]
    ));
    assert!(matches!(
        &given(Overlap::Replace)[..],
        [
            Action::Skip { reason: Reason::Replaced, .. },
            Action::Cancel { reason: Reason::Replaced, occurrence },
            Action::Wait { reason: Reason::Replaced, .. }
        ] if occurrence.as_str().ends_with("08:00:00Z")
    ));
    assert!(matches!(given(Overlap::Allow)[0], Action::Start { .. }));
}

#[test]
fn names_that_resolve_to_nothing_are_told_once() {
    let mut worker = playbook("worker");
    let chosen = worker.select.as_mut().unwrap();
    chosen.projects = vec!["Alpha".into(), "Omega".into()];
    chosen.status = vec![StatusSelector::Label("Shipped".into())];
    let plan = plan(&snapshot(vec![worker], vec![queued("worker", NOW)], vec![task(1)]));
    assert_eq!(started(&plan), [0; 0]);
    assert_eq!(reasons(&plan), [(None, Reason::NotFound), (None, Reason::UnknownStatus)]);
    assert_eq!(plan.refusals[0].detail, "select.project: no project is named \"Omega\"");
}

#[test]
fn ten_thousand_refusals_are_counted_not_told() {
    let mut worker = playbook("worker");
    worker.select.as_mut().unwrap().kinds = vec![TaskKind::Bug];
    let tasks = (1..=10_000).map(task).collect();
    let plan = plan(&snapshot(vec![worker], vec![queued("worker", NOW)], tasks));
    assert_eq!(plan.refusals.len(), 100);
    assert_eq!(plan.untold, [(PlaybookName::new("worker"), Reason::OtherKind, 9_900)]);
}

#[test]
fn the_same_snapshot_gives_the_same_plan() {
    let names: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    let open = names.iter().map(|name| queued(name, NOW)).collect();
    let books = names.iter().map(|name| playbook(name)).collect();
    let given = snapshot(books, open, (1..60).map(task).collect());
    assert_eq!(plan(&given), plan(&given.clone()));
    let mut turned = given.clone();
    turned.occurrences.reverse();
    assert_eq!(plan(&given).actions, plan(&turned).actions);
}

#[test]
fn an_events_task_has_to_pass_select() {
    let mut worker = playbook("worker");
    worker.select.as_mut().unwrap().status = vec![StatusSelector::Label("Done".into())];
    let mut open = named("worker", NOW, 7);
    open.occurrence.trigger = Trigger::Event;
    let given = snapshot(vec![worker], vec![open.clone()], vec![task(7)]);
    let refused = plan(&given);
    assert_eq!(reasons(&refused), [(Some(7), Reason::OtherStatus)]);
    let finished = [Action::Finish { occurrence: open.occurrence.id, reason: Reason::NothingToDo }];
    assert_eq!(refused.actions, finished);
    let done = Task { status: StatusId(0), ..task(7) };
    let tasks = Arc::new(Candidates::new([Arc::new(done)]));
    assert_eq!(started(&plan(&Snapshot { tasks, ..given })), [7]);
}

#[test]
fn a_failed_task_is_tried_again_when_its_backoff_is_over() {
    let mut worker = playbook("worker");
    // In between it is ours, not unassigned: `[select]` alone would not take it again.
    worker.select.as_mut().unwrap().assignee = AssigneeSelector::Nobody;
    let mut open = queued("worker", "2026-11-10T08:00:00Z");
    open.occurrence.state = OccurrenceState::Running;
    (open.started, open.closed) = (1, true);
    (open.taken, open.retry) = (vec![TaskId(7)], vec![TaskId(7)]);
    let ours = Task { assignee: Some(PersonId(2)), ..task(7) };
    let mut given = snapshot(vec![worker], vec![open], vec![ours, task(8)]);
    let key = (PlaybookName::new("worker"), TaskId(7));
    let not_before = at("2026-11-10T09:00:10Z");
    given.attempts.insert(key, Attempts { failed: 1, not_before });
    let first = plan(&given);
    assert!(matches!(first.actions[..], [Action::Wait { reason: Reason::BackingOff, .. }]));
    assert_eq!(first.again_at, Some(not_before));
    given.now = not_before;
    let second = plan(&given);
    assert!(
        matches!(
            second.actions[..],
            [Action::Start { task: Some(TaskId(7)), attempt: 2, .. }, Action::Close { .. }]
        ),
        "{:?}",
        second.actions
    );
    assert_eq!(second.again_at, None);
}
