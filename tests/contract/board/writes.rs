//! What a write does: whole or not at all, one revision, one row per field (contract 1, 2, 4, 6, 7).

use super::{World, conflict, contract, malformed, not_found};
use rota::domain::{
    ActivityId, NewSprint, NewTask, PersonId, Stamp, StatusId, StatusKind, TaskEdit, TaskId,
    TaskKind, Value, default_statuses,
};

contract! {
    a_write_that_returned_is_seen
    a_bare_task_has_the_projects_first_new_status
    edits_of_a_new_task_are_applied_in_order
    a_real_change_grows_the_revision_by_one_and_moves_modified
    a_change_is_recorded_with_one_row_per_field
    a_write_that_changes_nothing_leaves_no_trace
    edits_that_cancel_each_other_change_nothing
    another_revision_is_a_conflict
    a_failed_write_changes_nothing_at_all
    what_is_not_there_is_not_found
    a_board_knows_its_name_and_what_it_can_do
    edits_and_their_inverses_come_back_to_the_start
}

async fn a_write_that_returned_is_seen(w: World) {
    for number in 0..20 {
        let task = w.task(&format!("Task {number}")).await;
        assert_eq!(w.board.task(task.id).await.unwrap(), task);
        let edited = w.edit(task.id, &[TaskEdit::Sort(number + 1)]).await.unwrap();
        assert_eq!(w.board.task(task.id).await.unwrap(), edited);
        assert_eq!(
            w.board.latest_activity().await.unwrap(),
            w.rows_after(ActivityId(0)).await.last().unwrap().id
        );
    }
}

async fn a_bare_task_has_the_projects_first_new_status(w: World) {
    let task = w.task("One").await;
    let statuses = default_statuses();
    let first = statuses.iter().find(|status| status.kind == StatusKind::New).unwrap();
    assert_eq!((task.status, task.kind, task.revision), (first.id, TaskKind::Task, 1));
    assert_eq!((task.author, task.assignee), (Some(w.ann), None));
    assert_eq!((task.created, task.modified), (super::noon(), super::noon()));
}

async fn edits_of_a_new_task_are_applied_in_order(w: World) {
    let new = NewTask::new(w.alpha, "One")
        .with(TaskEdit::Priority(Some(1)))
        .with(TaskEdit::Headline("Two".into()))
        .with(TaskEdit::Priority(Some(2)))
        .with(TaskEdit::AddTag("x".into()))
        .with(TaskEdit::Field("branch".into(), Some("main".into())));
    let task = w.add(new).await.unwrap();
    assert_eq!((task.headline.as_str(), task.priority, task.revision), ("Two", Some(2), 1));
    assert_eq!(w.board.task(task.id).await.unwrap(), task);
    assert_eq!(task.fields["branch"], "main");
}

async fn a_real_change_grows_the_revision_by_one_and_moves_modified(w: World) {
    let task = w.task("One").await;
    w.pass();
    let edits = [TaskEdit::Headline("Two".into()), TaskEdit::Priority(Some(3))];
    let written = w.board.edit_task(&w.by(), task.id, &edits).await.unwrap();
    assert!(written.changed);
    assert_eq!(written.after.revision, 2);
    assert_eq!(written.after.modified, task.modified + chrono::TimeDelta::seconds(1));
    assert_eq!(written.after.created, task.created);
}

async fn a_change_is_recorded_with_one_row_per_field(w: World) {
    let task = w.task("One").await;
    let before = w.board.latest_activity().await.unwrap();
    let edits = [
        TaskEdit::AddTag("b".into()),
        TaskEdit::AddTag("a".into()),
        TaskEdit::Headline("One".into()),
        TaskEdit::Status(StatusId(4)),
    ];
    w.board.edit_task(&w.marked(1), task.id, &edits).await.unwrap();
    let rows = w.rows_after(before).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["tags", "status"]);
    assert_eq!((&rows[0].before, &rows[0].after), (&Value::List(vec![]), &vec!["a", "b"].into()));
    assert_eq!((&rows[1].before, &rows[1].after), (&Value::Int(3), &Value::Int(4)));
    for row in &rows {
        assert_eq!((row.actor, row.task, row.project), (Some(w.ann), Some(task.id), Some(w.alpha)));
        assert_eq!(row.mark, Some(super::mark(1)));
    }
}

async fn a_write_that_changes_nothing_leaves_no_trace(w: World) {
    let task = w.task("One").await;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let edits = [TaskEdit::Headline("One".into()), TaskEdit::RemoveTag("absent".into())];
    for edits in [&edits[..], &[]] {
        let written = w.board.edit_task(&w.by(), task.id, edits).await.unwrap();
        assert!(!written.changed);
        assert_eq!(written.after, task);
    }
    assert_eq!(w.board.latest_activity().await.unwrap(), latest);
}

async fn edits_that_cancel_each_other_change_nothing(w: World) {
    let task = w.task("One").await;
    let edits = [TaskEdit::AddTag("x".into()), TaskEdit::RemoveTag("X ".into())];
    let written = w.board.edit_task(&w.by(), task.id, &edits).await.unwrap();
    assert!(!written.changed);
    assert_eq!(written.after.revision, 1);
}

async fn another_revision_is_a_conflict(w: World) {
    let task = w.task("One").await;
    let at = |revision| Stamp { revision: Some(revision), ..w.by() };
    let edit = |text: &str| vec![TaskEdit::Headline(text.into())];
    w.board.edit_task(&at(1), task.id, &edit("Two")).await.unwrap();
    for revision in [0, 1, 3, u64::MAX] {
        conflict(w.board.edit_task(&at(revision), task.id, &edit("Three")).await);
        conflict(w.board.delete_task(&at(revision), task.id).await);
    }
    assert_eq!(w.board.task(task.id).await.unwrap().headline, "Two");
    w.board.edit_task(&at(2), task.id, &edit("Three")).await.unwrap();
}

async fn a_failed_write_changes_nothing_at_all(w: World) {
    let task = w.task("One").await;
    let latest = w.board.latest_activity().await.unwrap();
    let edits = [TaskEdit::Headline("Two".into()), TaskEdit::Assignee(Some(PersonId(999)))];
    malformed(w.board.edit_task(&w.marked(1), task.id, &edits).await);
    assert_eq!(w.board.task(task.id).await.unwrap(), task);
    assert_eq!(w.board.latest_activity().await.unwrap(), latest);
    let effect = w.board.effect_of(&super::mark(1)).await.unwrap();
    assert_eq!(effect, rota::domain::EffectState::Absent);
}

async fn what_is_not_there_is_not_found(w: World) {
    let id = TaskId(4_711);
    not_found(w.board.task(id).await);
    not_found(w.board.edit_task(&w.by(), id, &[]).await);
    not_found(w.board.delete_task(&w.by(), id).await);
    not_found(w.board.person(PersonId(4_711)).await);
    not_found(w.board.project(rota::domain::ProjectId(4_711)).await);
    not_found(w.board.milestone(rota::domain::MilestoneId(4_711)).await);
    not_found(w.board.delete_comment(&w.by(), rota::domain::CommentId(4_711)).await);
    not_found(w.add(NewTask::new(rota::domain::ProjectId(4_711), "x")).await);
}

async fn a_board_knows_its_name_and_what_it_can_do(w: World) {
    assert_eq!(w.board.name().as_str(), "main");
    let can = w.board.capabilities();
    assert!(can.fencing && can.marks && can.actors && can.blockers);
}

async fn edits_and_their_inverses_come_back_to_the_start(w: World) {
    let other = w.task("Other").await;
    let task = w.task("One").await;
    let day = super::day(0);
    let sprint = NewSprint { project: w.alpha, name: "S".into(), from: day, to: day };
    let sprint = w.board.add_sprint(&w.by(), sprint).await.unwrap().after.id;
    let at = super::noon() + chrono::TimeDelta::milliseconds(7);
    let edits = [
        TaskEdit::Description("d".into()),
        TaskEdit::AcceptanceCriteria("a".into()),
        TaskEdit::Kind(TaskKind::Bug),
        TaskEdit::Storypoints(Some(0.5)),
        TaskEdit::PlanHours(Some(1.25)),
        TaskEdit::HoursRemaining(Some(3.0)),
        TaskEdit::Collaborators(vec![w.bob, w.ann, w.bob]),
        TaskEdit::Due(Some(at)),
        TaskEdit::WorkFrom(Some(at)),
        TaskEdit::WorkTo(Some(at)),
        TaskEdit::Sprint(Some(sprint)),
        TaskEdit::Parent(Some(other.id)),
        TaskEdit::AddBlocker(other.id),
        TaskEdit::Sort(-5),
        TaskEdit::Field("repository".into(), Some("r".into())),
    ];
    let mut now = task.clone();
    let mut back = Vec::new();
    for edit in &edits {
        back.push(edit.inverse(&now).unwrap());
        now = w.edit(task.id, std::slice::from_ref(edit)).await.unwrap();
        assert_eq!(w.board.task(task.id).await.unwrap(), now);
    }
    assert_eq!((now.collaborators.clone(), now.due), (vec![w.ann, w.bob], Some(at)));
    back.reverse();
    let after = w.edit(task.id, &back).await.unwrap();
    let start = rota::domain::Task { revision: after.revision, ..task };
    assert_eq!(after, start);
}
