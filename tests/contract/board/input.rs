//! Input is checked before anything is written (contract 8 and 10).

use super::{World, contract, malformed};
use rota::domain::{
    MilestoneId, NewMilestone, NewTask, PersonId, Stamp, StatusId, TaskEdit, TaskId, TaskKind,
    TaskQuery,
};

contract! {
    blank_headlines_are_refused
    unknown_people_are_refused
    labels_of_other_projects_are_refused
    priorities_are_from_one_to_five
    a_task_never_blocks_itself
    a_parent_is_of_the_same_project_and_no_part_of_the_task
    milestones_of_other_projects_are_refused
    texts_and_lists_are_bounded
    lists_are_sorted_and_free_of_doubles
    a_revision_where_there_is_none_is_refused
}

async fn blank_headlines_are_refused(w: World) {
    let task = w.task("One").await;
    for blank in ["", "  ", "\n\t\u{a0}"] {
        malformed(w.add(NewTask::new(w.alpha, blank)).await);
        malformed(w.edit(task.id, &[TaskEdit::Headline(blank.into())]).await);
    }
    assert_eq!(w.find(TaskQuery::default()).await, [task.id]);
}

async fn unknown_people_are_refused(w: World) {
    let task = w.task("One").await;
    let nobody = PersonId(99);
    malformed(w.edit(task.id, &[TaskEdit::Assignee(Some(nobody))]).await);
    malformed(w.edit(task.id, &[TaskEdit::Collaborators(vec![w.ann, nobody])]).await);
    malformed(w.board.edit_task(&Stamp::by(nobody), task.id, &[TaskEdit::Sort(1)]).await);
    malformed(w.board.add_task(&Stamp::by(nobody), NewTask::new(w.alpha, "x")).await);
    malformed(w.add(NewTask::new(w.alpha, "x").with(TaskEdit::Assignee(Some(nobody)))).await);
}

async fn labels_of_other_projects_are_refused(w: World) {
    let task = w.task("One").await;
    malformed(w.edit(task.id, &[TaskEdit::Status(StatusId(77))]).await);
    malformed(w.add(NewTask { status: Some(StatusId(77)), ..NewTask::new(w.alpha, "x") }).await);
}

async fn priorities_are_from_one_to_five(w: World) {
    let task = w.task("One").await;
    for priority in [0, 6, 255] {
        malformed(w.edit(task.id, &[TaskEdit::Priority(Some(priority))]).await);
    }
    for priority in 1..=5 {
        w.edit(task.id, &[TaskEdit::Priority(Some(priority))]).await.unwrap();
    }
    assert_eq!(w.edit(task.id, &[TaskEdit::Priority(None)]).await.unwrap().priority, None);
}

async fn a_task_never_blocks_itself(w: World) {
    let mut tasks = Vec::new();
    for name in ["a", "b", "c", "d"] {
        tasks.push(w.add_below(NewTask::new(w.alpha, name)).await.id);
    }
    malformed(w.edit(tasks[0], &[TaskEdit::AddBlocker(tasks[0])]).await);
    malformed(w.edit(tasks[0], &[TaskEdit::AddBlocker(TaskId(4_711))]).await);
    for pair in tasks.windows(2) {
        w.edit(pair[0], &[TaskEdit::AddBlocker(pair[1])]).await.unwrap();
    }
    for first in &tasks[..3] {
        malformed(w.edit(tasks[3], &[TaskEdit::AddBlocker(*first)]).await);
    }
    w.edit(tasks[0], &[TaskEdit::AddBlocker(tasks[3])]).await.unwrap();
    w.edit(tasks[1], &[TaskEdit::RemoveBlocker(tasks[2])]).await.unwrap();
    w.edit(tasks[3], &[TaskEdit::AddBlocker(tasks[1])]).await.unwrap();
    let waits = TaskQuery { blocked_by: Some(tasks[1]), ..TaskQuery::default() };
    assert_eq!(w.find(waits).await, [tasks[0], tasks[3]]);
}

async fn a_parent_is_of_the_same_project_and_no_part_of_the_task(w: World) {
    let (top, other) = (w.task("Top").await, w.add(NewTask::new(w.beta, "x")).await.unwrap());
    let sub = |parent| NewTask { kind: TaskKind::Subtask, parent, ..NewTask::new(w.alpha, "Sub") };
    malformed(w.add(sub(None)).await);
    malformed(w.add(sub(Some(other.id))).await);
    malformed(w.add(sub(Some(TaskId(4_711)))).await);
    let part = w.add(sub(Some(top.id))).await.unwrap();
    let deeper = w.add(sub(Some(part.id))).await.unwrap();
    malformed(w.edit(part.id, &[TaskEdit::Parent(None)]).await);
    malformed(w.edit(part.id, &[TaskEdit::Parent(Some(other.id))]).await);
    for below in [top.id, part.id, deeper.id] {
        malformed(w.edit(top.id, &[TaskEdit::Parent(Some(below))]).await);
    }
    w.edit(part.id, &[TaskEdit::Parent(None), TaskEdit::Kind(TaskKind::Task)]).await.unwrap();
    let parts = TaskQuery { parent: Some(part.id), ..TaskQuery::default() };
    assert_eq!(w.find(parts).await, [deeper.id]);
}

async fn milestones_of_other_projects_are_refused(w: World) {
    let task = w.task("One").await;
    let new = NewMilestone {
        project: w.beta,
        headline: "M".into(),
        color: "#ABCDEF".into(),
        assignee: None,
        from: super::noon(),
        to: super::noon(),
        depends_on: None,
    };
    let other = w.board.add_milestone(&w.by(), new).await.unwrap().after.id;
    malformed(w.edit(task.id, &[TaskEdit::Milestone(Some(other))]).await);
    malformed(w.edit(task.id, &[TaskEdit::Milestone(Some(MilestoneId(4_711)))]).await);
}

async fn texts_and_lists_are_bounded(w: World) {
    let task = w.task("One").await;
    for edit in [
        TaskEdit::Headline("x".repeat(256)),
        TaskEdit::Description("x".repeat(65_536)),
        TaskEdit::AcceptanceCriteria("x".repeat(65_536)),
        TaskEdit::AddTag(" ".into()),
        TaskEdit::AddTag("x".repeat(65)),
        TaskEdit::Storypoints(Some(f64::INFINITY)),
        TaskEdit::PlanHours(Some(f64::NAN)),
        TaskEdit::HoursRemaining(Some(-0.5)),
        TaskEdit::Field("f".into(), Some("x".repeat(65_536))),
    ] {
        malformed(w.edit(task.id, &[edit]).await);
    }
    let tags: Vec<_> = (0..101).map(|number| TaskEdit::AddTag(format!("t{number}"))).collect();
    malformed(w.edit(task.id, &tags).await);
    let fields: Vec<_> =
        (0..51).map(|number| TaskEdit::Field(format!("f{number}"), Some("x".into()))).collect();
    malformed(w.edit(task.id, &fields).await);
    w.edit(task.id, &tags[..100]).await.unwrap();
    w.edit(task.id, &fields[..50]).await.unwrap();
    assert_eq!(w.board.task(task.id).await.unwrap().revision, 3);
}

async fn lists_are_sorted_and_free_of_doubles(w: World) {
    let (one, two) = (w.task("1").await.id, w.task("2").await.id);
    let task = w.task("One").await;
    let edits = [
        TaskEdit::AddTag("zebra".into()),
        TaskEdit::AddTag(" Ape ".into()),
        TaskEdit::AddTag("ZEBRA".into()),
        TaskEdit::AddBlocker(two),
        TaskEdit::AddBlocker(one),
        TaskEdit::AddBlocker(two),
        TaskEdit::Collaborators(vec![w.bob, w.ann, w.bob]),
    ];
    w.edit(task.id, &edits).await.unwrap();
    let task = w.board.task(task.id).await.unwrap();
    assert_eq!(task.tags, ["Ape", "zebra"]);
    assert_eq!(task.blocked_by, [one, two]);
    assert_eq!(task.collaborators, [w.ann, w.bob]);
}

async fn a_revision_where_there_is_none_is_refused(w: World) {
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.add_task(&stamp, NewTask::new(w.alpha, "x")).await);
    malformed(w.board.add_project(&stamp, super::project("Gamma")).await);
    malformed(w.board.add_person(&stamp, super::person("Dora")).await);
}
