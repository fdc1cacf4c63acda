//! Several writes in one step (contract 12).

use super::{World, conflict, contract, day, malformed, mark};
use rota::board::{BATCH_MAX, BatchError, BoardError, OneWrite, Wrote};
use rota::domain::{
    EffectState, Entity, EventEdit, Fence, NewEvent, NewMilestone, NewTask, ProjectId, Stamp, Task,
    TaskEdit, TaskKind, TimeAmount, TimeChange, TimeKind, TimeQuery, When,
};

contract! {
    several_writes_happen_in_their_order_each_under_its_own_stamp
    if_one_of_several_fails_none_of_them_happened_and_it_is_named
    several_writes_see_those_before_them
    several_writes_are_done_once_under_their_marks
    several_writes_are_refused_under_an_older_fence
    more_writes_than_fit_in_one_step_are_refused
}

fn event(w: &World, title: &str) -> NewEvent {
    let when = When::Days { first: day(0), last: day(0) };
    let (description, location) = (String::new(), String::new());
    NewEvent { owner: w.ann, title: title.into(), description, location, when }
}

fn milestone(w: &World) -> NewMilestone {
    NewMilestone {
        project: w.alpha,
        headline: "Launch".into(),
        color: "#124f7d".into(),
        assignee: None,
        from: super::noon(),
        to: super::noon(),
        depends_on: None,
    }
}

fn time(w: &World, task: &Task) -> TimeChange {
    let (kind, amount) = (TimeKind::Testing, TimeAmount::Add(3_600));
    TimeChange { task: task.id, person: w.ann, day: day(0), kind, amount, description: None }
}

fn headline(text: &str) -> Vec<TaskEdit> {
    vec![TaskEdit::Headline(text.into())]
}

fn task_of(wrote: &Wrote) -> &Task {
    match wrote {
        Wrote::Task(task) => task,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(answer: Result<Vec<Wrote>, BatchError>) -> (Option<usize>, BoardError) {
    let BatchError { index, error } = answer.unwrap_err();
    (index, error)
}

async fn several_writes_happen_in_their_order_each_under_its_own_stamp(w: World) {
    let old = w.task("Old").await;
    let known = w.board.add_event(&w.by(), event(&w, "Known")).await.unwrap().after;
    let before = w.board.latest_activity().await.unwrap();
    let edits = vec![EventEdit::Title("Moved".into())];
    let writes = [
        (w.marked(1), OneWrite::AddTask(NewTask::new(w.alpha, "New"))),
        (Stamp::by(w.bob), OneWrite::EditTask(old.id, headline("Renamed"))),
        (w.marked(3), OneWrite::AddMilestone(milestone(&w))),
        (w.by(), OneWrite::AddEvent(event(&w, "Fair"))),
        (w.by(), OneWrite::EditEvent(known.id, edits)),
        (w.by(), OneWrite::LogTime(time(&w, &old))),
    ];
    let wrote = w.board.write_all(&writes).await.unwrap();
    assert_eq!(wrote.len(), 6);
    let (new, renamed) = (task_of(&wrote[0]), task_of(&wrote[1]));
    assert_eq!((&*new.headline, &*renamed.headline), ("New", "Renamed"));
    assert_eq!(w.board.task(new.id).await.unwrap(), *new);
    let Wrote::Milestone(milestone) = &wrote[2] else { panic!() };
    assert_eq!(w.board.milestone(milestone.id).await.unwrap(), *milestone);
    let Wrote::Event(moved) = &wrote[4] else { panic!() };
    assert_eq!((moved.id, &*moved.title), (known.id, "Moved"));
    let Wrote::TimeEntry(entry) = &wrote[5] else { panic!() };
    assert_eq!(w.board.time_entry(entry.id).await.unwrap().seconds, 3_600);
    let rows = w.rows_after(before).await;
    let by_bob: Vec<_> = rows.iter().filter(|row| row.actor == Some(w.bob)).collect();
    assert!(by_bob.len() == 1 && by_bob[0].entity == Entity::Task(old.id), "{rows:?}");
    let marked: Vec<_> = rows.iter().filter_map(|row| row.mark.clone()).collect();
    assert_eq!(marked, [mark(1), mark(3)]);
    let applied = w.board.effect_of(&mark(3)).await.unwrap();
    assert_eq!(applied, EffectState::Applied(Entity::Milestone(milestone.id)));
}

async fn if_one_of_several_fails_none_of_them_happened_and_it_is_named(w: World) {
    let old = w.task("Old").await;
    let before = w.board.latest_activity().await.unwrap();
    let nowhere = NewTask::new(ProjectId(99), "Nowhere");
    let stale = Stamp { revision: Some(old.revision + 7), ..w.by() };
    for (index, (stamp, bad)) in [
        (w.marked(5), OneWrite::AddTask(nowhere)),
        (stale, OneWrite::EditTask(old.id, headline("x"))),
        (w.by(), OneWrite::EditTask(old.id, headline(" "))),
    ]
    .into_iter()
    .enumerate()
    {
        let writes = [
            (w.marked(1), OneWrite::AddTask(NewTask::new(w.alpha, "New"))),
            (w.marked(2), OneWrite::EditTask(old.id, headline("Renamed"))),
            (w.marked(3), OneWrite::AddEvent(event(&w, "Fair"))),
            (w.marked(4), OneWrite::LogTime(time(&w, &old))),
            (stamp, bad),
            (w.by(), OneWrite::AddTask(NewTask::new(w.alpha, "Never"))),
        ];
        let (which, error) = failed(w.board.write_all(&writes).await);
        assert_eq!(which, Some(4), "{error}");
        match index {
            0 => assert!(matches!(error, BoardError::NotFound { .. }), "{error}"),
            1 => conflict::<()>(Err(error)),
            _ => malformed::<()>(Err(error)),
        }
        assert_eq!(w.board.task(old.id).await.unwrap(), old);
        assert!(w.rows_after(before).await.is_empty());
        assert_eq!(w.find(rota::domain::TaskQuery::default()).await, [old.id]);
        for seq in 1..=5 {
            assert_eq!(w.board.effect_of(&mark(seq)).await.unwrap(), EffectState::Absent);
        }
        let entries = w.board.time_entries(&TimeQuery::default()).await.unwrap();
        assert!(entries.items.is_empty());
    }
    // What follows finds nothing left behind.
    w.board.add_task(&w.marked(1), NewTask::new(w.alpha, "New")).await.unwrap();
}

async fn several_writes_see_those_before_them(w: World) {
    let task = w.task("Old").await;
    let blocker = w.task("Blocker").await;
    let seen = |revision| Stamp { revision: Some(revision), ..w.by() };
    let writes = [
        (seen(task.revision), OneWrite::EditTask(task.id, headline("One"))),
        (seen(task.revision + 1), OneWrite::EditTask(task.id, vec![TaskEdit::AddTag("t".into())])),
        (w.by(), OneWrite::LogTime(time(&w, &task))),
        (w.by(), OneWrite::LogTime(time(&w, &task))),
        (w.by(), OneWrite::EditTask(task.id, vec![TaskEdit::AddBlocker(blocker.id)])),
    ];
    let wrote = w.board.write_all(&writes).await.unwrap();
    let after = w.board.task(task.id).await.unwrap();
    assert_eq!((&*after.headline, after.tags.as_slice()), ("One", ["t".to_owned()].as_slice()));
    assert_eq!(after.revision, task.revision + 3);
    let Wrote::TimeEntry(entry) = &wrote[3] else { panic!() };
    assert_eq!(entry.seconds, 7_200, "added to what was logged a moment before");
    // A circle that only exists because of the first of the two.
    let (which, error) = failed(
        w.board
            .write_all(&[
                (w.by(), OneWrite::EditTask(task.id, vec![TaskEdit::RemoveBlocker(blocker.id)])),
                (w.by(), OneWrite::EditTask(blocker.id, vec![TaskEdit::AddBlocker(task.id)])),
                (w.by(), OneWrite::EditTask(task.id, vec![TaskEdit::AddBlocker(blocker.id)])),
            ])
            .await,
    );
    assert_eq!(which, Some(2));
    malformed::<()>(Err(error));
    let mut part = NewTask::new(w.alpha, "Part");
    (part.kind, part.parent) = (TaskKind::Subtask, Some(task.id));
    let wrote = w.board.write_all(&[(w.by(), OneWrite::AddTask(part))]).await.unwrap();
    assert_eq!(task_of(&wrote[0]).parent, Some(task.id));
}

async fn several_writes_are_done_once_under_their_marks(w: World) {
    let old = w.task("Old").await;
    let writes = [
        (w.marked(1), OneWrite::AddTask(NewTask::new(w.alpha, "New"))),
        (w.marked(2), OneWrite::EditTask(old.id, headline("Renamed"))),
    ];
    let first = w.board.write_all(&writes).await.unwrap();
    let before = w.board.latest_activity().await.unwrap();
    w.pass();
    let again = w.board.write_all(&writes).await.unwrap();
    assert_eq!(first, again);
    assert!(w.rows_after(before).await.is_empty());
    // One mark for two writes of one step is one write.
    let same = [
        (w.marked(7), OneWrite::AddTask(NewTask::new(w.alpha, "Once"))),
        (w.marked(7), OneWrite::AddTask(NewTask::new(w.alpha, "Once"))),
    ];
    let wrote = w.board.write_all(&same).await.unwrap();
    assert_eq!(task_of(&wrote[0]).id, task_of(&wrote[1]).id);
}

async fn several_writes_are_refused_under_an_older_fence(w: World) {
    let task = w.task("Claimed").await;
    w.board.raise_fence(task.id, Fence(5)).await.unwrap();
    let under = |fence| {
        [
            (w.by(), OneWrite::AddTask(NewTask::new(w.alpha, "Free"))),
            (w.fenced(task.id, fence), OneWrite::EditTask(task.id, headline("Mine"))),
        ]
    };
    let (which, error) = failed(w.board.write_all(&under(4)).await);
    assert_eq!(which, Some(1));
    assert!(matches!(error, BoardError::Fenced { .. }), "{error}");
    assert_eq!(w.find(rota::domain::TaskQuery::default()).await, [task.id]);
    w.board.write_all(&under(6)).await.unwrap();
    // The higher fence of a step counts within the same step.
    let down = [
        (w.fenced(task.id, 8), OneWrite::EditTask(task.id, headline("Eight"))),
        (w.fenced(task.id, 7), OneWrite::EditTask(task.id, headline("Seven"))),
    ];
    let (which, _) = failed(w.board.write_all(&down).await);
    assert_eq!(which, Some(1));
    assert_eq!(w.board.task(task.id).await.unwrap().headline, "Mine");
}

async fn more_writes_than_fit_in_one_step_are_refused(w: World) {
    let new = |_| (w.by(), OneWrite::AddTask(NewTask::new(w.alpha, "x")));
    let many: Vec<_> = (0..=BATCH_MAX).map(new).collect();
    let (which, error) = failed(w.board.write_all(&many).await);
    assert_eq!(which, None);
    malformed::<()>(Err(error));
    assert_eq!(w.board.write_all(&many[1..]).await.unwrap().len(), BATCH_MAX);
    assert!(w.board.write_all(&[]).await.unwrap().is_empty());
}
