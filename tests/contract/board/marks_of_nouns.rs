//! Marks and fences (contract 3 and 5) of goals, calendars, time, timers, sprints and members.

use super::{World, conflict, contract, day, mark};
use rota::board::BoardError;
use rota::domain::{
    Activity, EffectState, Entity, EventEdit, Fence, GoalEdit, Member, NewEvent, NewGoal,
    NewGoalBoard, NewSprint, NewTimer, Role, SprintEdit, StopTimer, TaskId, TimeAmount, TimeChange,
    TimeKind, TimerKind, TimerLog, When,
};

contract! {
    every_write_of_a_noun_is_done_once_under_one_mark
    every_write_of_a_noun_is_refused_under_an_older_fence
    a_mark_of_one_noun_is_a_conflict_for_another
}

fn board(w: &World) -> NewGoalBoard {
    NewGoalBoard { project: w.alpha, title: "B".into(), description: String::new() }
}

fn goal(board: rota::domain::GoalBoardId) -> NewGoal {
    NewGoal { board, title: "G".into(), start_value: 0.0, end_value: 1.0, edits: Vec::new() }
}

fn event(w: &World) -> NewEvent {
    let (title, description, location) = ("E".to_owned(), String::new(), String::new());
    let when = When::Days { first: day(0), last: day(0) };
    NewEvent { owner: w.ann, title, description, location, when }
}

fn sprint(w: &World) -> NewSprint {
    NewSprint { project: w.alpha, name: "S".into(), from: day(0), to: day(1) }
}

fn time(w: &World, task: TaskId, amount: TimeAmount) -> TimeChange {
    let kind = TimeKind::Testing;
    TimeChange { task, person: w.ann, day: day(0), kind, amount, description: Some("x".into()) }
}

fn timer(w: &World, task: TaskId) -> NewTimer {
    let (kind, person) = (TimerKind::Work, w.ann);
    NewTimer { person, task: Some(task), kind, started: None, planned: None }
}

fn stop(w: &World, task: TaskId) -> StopTimer {
    let log = TimerLog { day: day(0), kind: TimeKind::Testing, description: None };
    StopTimer { person: w.ann, task: Some(task), log: Some(log) }
}

async fn every_write_of_a_noun_is_done_once_under_one_mark(w: World) {
    let task = w.task("x").await.id;
    macro_rules! twice {
        ($seq:literal, $write:ident($($argument:expr),*)) => {{
            let before = w.board.latest_activity().await.unwrap();
            let first = w.board.$write(&w.marked($seq), $($argument),*).await.unwrap();
            let rows: Vec<Activity> = w.rows_after(before).await;
            assert!(!rows.is_empty() && rows.iter().all(|row| row.mark == Some(mark($seq))));
            w.clock.advance(std::time::Duration::from_secs(1));
            let again = w.board.$write(&w.marked($seq), $($argument),*).await.unwrap();
            assert!(first.changed && !again.changed, stringify!($write));
            assert_eq!(first.after, again.after);
            assert_eq!(w.board.latest_activity().await.unwrap(), rows.last().unwrap().id);
            let effect = w.board.effect_of(&mark($seq)).await.unwrap();
            assert!(matches!(effect, EffectState::Applied(_)));
            first.after
        }};
    }
    let added = twice!(1, add_goal_board(board(&w)));
    let g = twice!(2, add_goal(goal(added.id)));
    twice!(3, edit_goal(g.id, &[GoalEdit::CurrentValue(1.0)]));
    twice!(4, delete_goal(g.id));
    twice!(5, delete_goal_board(added.id));
    let e = twice!(6, add_event(event(&w)));
    twice!(7, edit_event(e.id, &[EventEdit::Location("here".into())]));
    twice!(8, delete_event(e.id));
    let s = twice!(9, add_sprint(sprint(&w)));
    twice!(10, edit_sprint(s.id, &[SprintEdit::To(day(5))]));
    twice!(11, delete_sprint(s.id));
    twice!(12, log_time(time(&w, task, TimeAmount::Add(60))));
    twice!(13, log_time(time(&w, task, TimeAmount::Set(30))));
    twice!(14, start_timer(timer(&w, task)));
    let stopped = twice!(15, stop_timer(stop(&w, task)));
    assert_eq!((stopped.logged, stopped.entry.unwrap().seconds), (60, 90));
    twice!(16, log_time(time(&w, task, TimeAmount::Set(0))));
    let member = Member { project: w.alpha, person: w.bob, role: None };
    twice!(17, put_member(member.clone()));
    twice!(18, put_member(Member { role: Some(Role::Editor), ..member.clone() }));
    twice!(19, remove_member(member.project, member.person));
}

async fn every_write_of_a_noun_is_refused_under_an_older_fence(w: World) {
    let (claimed, task) = (w.task("Claimed").await.id, w.task("Other").await.id);
    let by = w.by();
    let goals = w.board.add_goal_board(&by, board(&w)).await.unwrap().after.id;
    let first = w.board.add_goal(&by, goal(goals)).await.unwrap().after.id;
    let meeting = w.board.add_event(&by, event(&w)).await.unwrap().after.id;
    let weeks = w.board.add_sprint(&by, sprint(&w)).await.unwrap().after.id;
    w.board.start_timer(&by, timer(&w, task)).await.unwrap();
    let member = Member { project: w.alpha, person: w.bob, role: None };
    w.board.put_member(&by, member.clone()).await.unwrap();
    w.board.raise_fence(claimed, Fence(7)).await.unwrap();
    let latest = w.board.latest_activity().await.unwrap();
    let old = w.fenced(claimed, 6);
    macro_rules! fenced {
        ($($write:ident($($argument:expr),*);)*) => { $(
            let answer = w.board.$write(&old, $($argument),*).await;
            assert!(matches!(answer, Err(BoardError::Fenced { .. })), "{answer:?}");
        )* };
    }
    fenced! {
        add_goal_board(board(&w));
        delete_goal_board(goals);
        add_goal(goal(goals));
        edit_goal(first, &[GoalEdit::CurrentValue(1.0)]);
        delete_goal(first);
        add_event(event(&w));
        edit_event(meeting, &[EventEdit::Location("here".into())]);
        delete_event(meeting);
        add_sprint(sprint(&w));
        edit_sprint(weeks, &[SprintEdit::To(day(5))]);
        delete_sprint(weeks);
        log_time(time(&w, task, TimeAmount::Add(60)));
        start_timer(timer(&w, claimed));
        stop_timer(stop(&w, task));
        put_member(Member { role: Some(Role::Editor), ..member.clone() });
        remove_member(member.project, member.person);
    }
    assert_eq!(w.board.latest_activity().await.unwrap(), latest);
    let same = w.fenced(claimed, 7);
    assert!(w.board.log_time(&same, time(&w, task, TimeAmount::Add(60))).await.unwrap().changed);
}

async fn a_mark_of_one_noun_is_a_conflict_for_another(w: World) {
    let task = w.task("x").await.id;
    let b = w.board.add_goal_board(&w.marked(1), board(&w)).await.unwrap().after.id;
    let effect = w.board.effect_of(&mark(1)).await.unwrap();
    assert_eq!(effect, EffectState::Applied(Entity::GoalBoard(b)));
    conflict(w.board.add_goal(&w.marked(1), goal(b)).await);
    conflict(w.board.add_event(&w.marked(1), event(&w)).await);
    conflict(w.board.add_sprint(&w.marked(1), sprint(&w)).await);
    conflict(w.board.log_time(&w.marked(1), time(&w, task, TimeAmount::Add(1))).await);
    conflict(w.board.start_timer(&w.marked(1), timer(&w, task)).await);
    conflict(w.board.stop_timer(&w.marked(1), stop(&w, task)).await);
    let member = |person| Member { project: w.alpha, person, role: None };
    conflict(w.board.put_member(&w.marked(1), member(w.bob)).await);
    w.board.put_member(&w.marked(2), member(w.bob)).await.unwrap();
    conflict(w.board.put_member(&w.marked(2), member(w.ann)).await);
    conflict(w.board.remove_member(&w.marked(2), w.beta, w.bob).await);
    conflict(w.board.add_goal_board(&w.marked(2), board(&w)).await);
    let first = w.board.add_goal(&w.marked(3), goal(b)).await.unwrap().after;
    let second = w.board.add_goal(&w.by(), goal(b)).await.unwrap().after;
    conflict(w.board.edit_goal(&w.marked(3), second.id, &[]).await);
    conflict(w.board.delete_goal(&w.marked(3), second.id).await);
    assert!(!w.board.edit_goal(&w.marked(3), first.id, &[]).await.unwrap().changed);
}
