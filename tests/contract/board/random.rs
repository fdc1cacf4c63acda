//! The same random writes on SQLite or PostgreSQL and in memory lead to equal boards and equal answers.

use super::{World, noon};
use chrono::TimeDelta;
use proptest::prelude::*;
use rota::board::Board;
use rota::domain::{
    ActivityQuery, AssigneeFilter, CommentId, CommentQuery, CommentTarget, Fence, Mark,
    MilestoneEdit, MilestoneId, MilestoneQuery, NewComment, NewMilestone, NewTask, PersonId,
    ProjectEdit, ProjectId, Rating, RunId, Stamp, StatusId, StatusKind, TaskEdit, TaskId, TaskKind,
    TaskOrder, TaskQuery,
};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Write {
    Person(String),
    Project(String),
    EditProject(i64, ProjectEdit),
    Task(NewTask),
    EditTask(i64, Vec<TaskEdit>),
    DeleteTask(i64),
    Milestone(NewMilestone),
    EditMilestone(i64, MilestoneEdit),
    Comment(NewComment),
    DeleteComment(i64),
    RaiseFence(i64, u64),
    Pass,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c ]{1,3}", "\\PC{0,4}"]
}

fn due() -> impl Strategy<Value = Option<rota::domain::Timestamp>> {
    proptest::option::of((-3..3_i64).prop_map(|n| noon() + TimeDelta::microseconds(n * 400)))
}

fn task_edit() -> impl Strategy<Value = TaskEdit> {
    let id = || 1..8_i64;
    prop_oneof![
        text().prop_map(TaskEdit::Headline),
        text().prop_map(TaskEdit::Description),
        (0..6_i64).prop_map(|n| TaskEdit::Status(StatusId(n))),
        proptest::option::of(0..7_u8).prop_map(TaskEdit::Priority),
        proptest::option::of((-1..9_i32).prop_map(f64::from)).prop_map(TaskEdit::Storypoints),
        text().prop_map(TaskEdit::AddTag),
        text().prop_map(TaskEdit::RemoveTag),
        proptest::option::of(id().prop_map(PersonId)).prop_map(TaskEdit::Assignee),
        due().prop_map(TaskEdit::Due),
        proptest::option::of((1..4_i64).prop_map(MilestoneId)).prop_map(TaskEdit::Milestone),
        proptest::option::of(id().prop_map(TaskId)).prop_map(TaskEdit::Parent),
        id().prop_map(|n| TaskEdit::AddBlocker(TaskId(n))),
        id().prop_map(|n| TaskEdit::RemoveBlocker(TaskId(n))),
        Just(TaskEdit::Kind(TaskKind::Subtask)),
        (text(), proptest::option::of(text()))
            .prop_map(|(name, value)| TaskEdit::Field(name, value)),
    ]
}

fn statuses() -> impl Strategy<Value = ProjectEdit> {
    (0..6_usize, 0..5_usize).prop_map(|(keep, kind)| {
        let mut statuses = rota::domain::default_statuses();
        statuses[kind].kind = StatusKind::ALL[(kind + keep) % 5];
        statuses.truncate(keep);
        ProjectEdit::Statuses(statuses)
    })
}

fn write() -> impl Strategy<Value = Write> {
    let id = || 1..8_i64;
    let edits = || proptest::collection::vec(task_edit(), 0..4);
    let target = || {
        prop_oneof![
            (1..8_i64).prop_map(|n| CommentTarget::Task(TaskId(n))),
            (1..4_i64).prop_map(|n| CommentTarget::Project(ProjectId(n))),
        ]
    };
    let milestone =
        (1..4_i64, -1..5_i64, proptest::option::of(1..4_i64)).prop_map(|(project, days, on)| {
            NewMilestone {
                project: ProjectId(project),
                headline: "M".into(),
                color: "#000000".into(),
                assignee: None,
                from: noon(),
                to: noon() + TimeDelta::days(days),
                depends_on: on.map(MilestoneId),
            }
        });
    let rating = || proptest::option::of(Just(Rating::Yellow));
    prop_oneof![
        1 => text().prop_map(Write::Person),
        1 => text().prop_map(Write::Project),
        1 => (1..4_i64, text()).prop_map(|(n, name)| Write::EditProject(n, ProjectEdit::Name(name))),
        2 => (1..3_i64, statuses()).prop_map(|(n, edit)| Write::EditProject(n, edit)),
        6 => (1..4_i64, text(), edits()).prop_map(|(project, headline, edits)| {
            Write::Task(NewTask { edits, ..NewTask::new(ProjectId(project), headline) })
        }),
        12 => (id(), edits()).prop_map(|(n, edits)| Write::EditTask(n, edits)),
        1 => id().prop_map(Write::DeleteTask),
        1 => milestone.prop_map(Write::Milestone),
        2 => (id(), -1..5_i64).prop_map(|(n, days)| {
            Write::EditMilestone(n, MilestoneEdit::To(noon() + TimeDelta::days(days)))
        }),
        4 => (target(), text(), rating(), proptest::option::of(id())).prop_map(|(on, text, rating, parent)| {
            Write::Comment(NewComment { on, text, rating, parent: parent.map(CommentId) })
        }),
        1 => id().prop_map(Write::DeleteComment),
        1 => (id(), 0..4_u64).prop_map(|(task, fence)| Write::RaiseFence(task, fence)),
        2 => Just(Write::Pass),
    ]
}

pub(super) fn stamp() -> impl Strategy<Value = Stamp> {
    let mark = (1..40_u32).prop_map(|seq| Mark { run: RunId::new("r"), seq });
    let claim = (1..8_i64, 0..4_u64).prop_map(|(task, fence)| (TaskId(task), Fence(fence)));
    (
        1..5_i64,
        proptest::option::weighted(0.3, mark),
        proptest::option::weighted(0.2, claim),
        proptest::option::weighted(0.1, 1..4_u64),
    )
        .prop_map(|(actor, mark, claim, revision)| Stamp {
            actor: PersonId(actor),
            mark,
            claim,
            revision,
            marker: None,
        })
}

/// Does it, and tells all that the board answered.
async fn perform(board: &dyn Board, stamp: &Stamp, write: Write) -> String {
    use rota::domain::{NewPerson, NewProject};
    let new_person = |name: String| NewPerson { name, ..super::person("x") };
    let new_project = |name: String| NewProject { name, ..super::project("x") };
    match write {
        Write::Person(name) => format!("{:?}", board.add_person(stamp, new_person(name)).await),
        Write::Project(name) => format!("{:?}", board.add_project(stamp, new_project(name)).await),
        Write::EditProject(id, edit) => {
            format!("{:?}", board.edit_project(stamp, ProjectId(id), &[edit]).await)
        }
        Write::Task(new) => format!("{:?}", board.add_task(stamp, new).await),
        Write::EditTask(id, edits) => {
            format!("{:?}", board.edit_task(stamp, TaskId(id), &edits).await)
        }
        Write::DeleteTask(id) => format!("{:?}", board.delete_task(stamp, TaskId(id)).await),
        Write::Milestone(new) => format!("{:?}", board.add_milestone(stamp, new).await),
        Write::EditMilestone(id, edit) => {
            format!("{:?}", board.edit_milestone(stamp, MilestoneId(id), &[edit]).await)
        }
        Write::Comment(new) => format!("{:?}", board.add_comment(stamp, new).await),
        Write::DeleteComment(id) => {
            format!("{:?}", board.delete_comment(stamp, CommentId(id)).await)
        }
        Write::RaiseFence(task, fence) => {
            format!("{:?}", board.raise_fence(TaskId(task), Fence(fence)).await)
        }
        Write::Pass => String::new(),
    }
}

/// Everything that a board answers, in every order.
pub(super) async fn everything(board: &dyn Board) -> Vec<String> {
    let mut all = vec![
        format!("{:?}", board.people().await.unwrap()),
        format!("{:?}", board.projects().await.unwrap()),
        format!("{:?}", board.milestones(&MilestoneQuery::default()).await.unwrap()),
        format!("{:?}", board.comments(&CommentQuery::default()).await.unwrap()),
    ];
    let rows = ActivityQuery { limit: 1_000, ..ActivityQuery::default() };
    all.push(format!("{:?}", board.activity(&rows).await.unwrap()));
    for order in [TaskOrder::Id, TaskOrder::Priority, TaskOrder::Due, TaskOrder::Modified] {
        for query in [
            TaskQuery::default(),
            TaskQuery {
                kinds_of_status: vec![StatusKind::New, StatusKind::Done],
                ..TaskQuery::default()
            },
            TaskQuery {
                projects: vec![ProjectId(1)],
                kinds_of_status: vec![StatusKind::Blocked, StatusKind::New],
                ..TaskQuery::default()
            },
            TaskQuery { assignee: AssigneeFilter::Nobody, ..TaskQuery::default() },
            TaskQuery { tags_any: vec!["a".into(), "B".into()], ..TaskQuery::default() },
            TaskQuery { tags_none: vec!["a".into()], has_due: Some(true), ..TaskQuery::default() },
            TaskQuery {
                due_to: Some(noon() + TimeDelta::microseconds(500)),
                ..TaskQuery::default()
            },
            TaskQuery { text: Some("A".into()), ..TaskQuery::default() },
            TaskQuery {
                modified_from: Some(noon() + TimeDelta::seconds(2)),
                ..TaskQuery::default()
            },
        ] {
            let page = board.tasks(&TaskQuery { order, ..query }).await.unwrap();
            all.push(format!("{:?}", page.items));
        }
    }
    all
}

/// Does the same there and in memory.
async fn as_in_memory(one: &World, writes: Vec<(Stamp, Write)>) {
    let two = World::overlay_empty().await;
    let mut numbers = one.numbers().await;
    for (stamp, write) in writes {
        if matches!(write, Write::Pass) {
            one.clock.advance(Duration::from_secs(1));
            two.clock.advance(Duration::from_secs(1));
        }
        let first = perform(&*one.board, &stamp, write.clone()).await;
        let second = perform(&*two.board, &stamp, write.clone()).await;
        assert_eq!(first, second, "{write:?} by {stamp:?}");
        if let Some(numbers) = &mut numbers {
            numbers.give_back().await;
        }
    }
    assert_eq!(everything(&*one.board).await, everything(&*two.board).await);
}

fn writes() -> impl Strategy<Value = Vec<(Stamp, Write)>> {
    proptest::collection::vec((stamp(), write()), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_are_the_same_board(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { as_in_memory(&World::sqlite().await, writes).await });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_and_memory_are_the_same_board(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Some(one) = World::postgres().await {
                as_in_memory(&one, writes).await;
            }
        });
    }
}
