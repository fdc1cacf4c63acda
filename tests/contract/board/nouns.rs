//! People, projects with their own labels, milestones, comments and status updates.

use super::{World, conflict, contract, malformed, noon, not_found, person, project};
use chrono::TimeDelta;
use rota::domain::{
    CommentId, CommentQuery, CommentTarget, Cursor, MilestoneEdit, MilestoneId, MilestoneQuery,
    NewComment, NewMilestone, NewPerson, NewProject, NewTask, PersonId, PersonKind, ProjectEdit,
    Rating, Role, Stamp, Status, StatusId, StatusKind, TaskEdit, TaskId, TaskQuery,
};

contract! {
    names_are_taken_without_regard_to_case
    people_are_kept_whole
    a_project_has_labels_of_its_own
    a_label_that_tasks_have_cannot_be_left_out
    what_a_label_means_can_change
    a_project_can_be_renamed_and_closed
    milestones_come_by_deadline
    milestones_change_under_their_own_revision
    a_milestone_never_waits_for_itself
    comments_come_oldest_first_in_pages
    a_comment_changes_modified_but_not_the_revision
    a_comment_is_given_another_text
    status_updates_are_rated_comments_on_projects
    an_answer_is_on_the_same_thing
}

async fn names_are_taken_without_regard_to_case(w: World) {
    for name in ["Ann", "ann", " ANN "] {
        conflict(w.board.add_person(&w.by(), person(name)).await);
    }
    for name in ["Alpha", "ALPHA", " alpha"] {
        conflict(w.board.add_project(&w.by(), project(name)).await);
        conflict(w.board.edit_project(&w.by(), w.beta, &[ProjectEdit::Name(name.into())]).await);
    }
    malformed(w.board.add_person(&w.by(), person(" ")).await);
    malformed(w.board.add_project(&w.by(), project("")).await);
    assert_eq!(
        (w.board.people().await.unwrap().len(), w.board.projects().await.unwrap().len()),
        (3, 2)
    );
}

async fn people_are_kept_whole(w: World) {
    for (role, kind) in [
        (Role::Readonly, PersonKind::Agent),
        (Role::Commenter, PersonKind::Person),
        (Role::Manager, PersonKind::Agent),
        (Role::Admin, PersonKind::Person),
        (Role::Owner, PersonKind::Agent),
    ] {
        let new = NewPerson {
            name: format!("{role:?}"),
            email: Some("a@example.org".into()),
            kind,
            role,
        };
        let added = w.board.add_person(&w.by(), new.clone()).await.unwrap().after;
        assert_eq!(
            (&added.name, &added.email, added.kind, added.role),
            (&new.name, &new.email, kind, role)
        );
        assert_eq!(w.board.person(added.id).await.unwrap(), added);
        assert_eq!(w.board.people().await.unwrap().last(), Some(&added));
    }
}

fn label(id: i64, label: &str, kind: StatusKind, order: i32) -> Status {
    Status { id: StatusId(id), label: label.into(), kind, order }
}

async fn a_project_has_labels_of_its_own(w: World) {
    let statuses = vec![
        label(12, "Shipped", StatusKind::Done, 3),
        label(10, "Idea", StatusKind::New, 1),
        label(11, "Doing", StatusKind::InProgress, 2),
    ];
    let new = NewProject { statuses, ..project("Own") };
    let own = w.board.add_project(&w.by(), new).await.unwrap().after;
    let ids: Vec<i64> = own.statuses.iter().map(|status| status.id.0).collect();
    assert_eq!(ids, [10, 11, 12], "in the order of the columns");
    assert_eq!(w.board.project(own.id).await.unwrap(), own);
    let task = w.add(NewTask::new(own.id, "x")).await.unwrap();
    assert_eq!(task.status, StatusId(10));
    malformed(w.edit(task.id, &[TaskEdit::Status(StatusId(3))]).await);
    malformed(w.edit(w.task("y").await.id, &[TaskEdit::Status(StatusId(10))]).await);
    let done = vec![label(1, "Done", StatusKind::Done, 0)];
    let only = w
        .board
        .add_project(&w.by(), NewProject { statuses: done, ..project("Only") })
        .await
        .unwrap()
        .after;
    malformed(w.add(NewTask::new(only.id, "x")).await);
    w.add(NewTask { status: Some(StatusId(1)), ..NewTask::new(only.id, "x") }).await.unwrap();
    let twice = vec![label(1, "a", StatusKind::New, 0), label(1, "b", StatusKind::New, 1)];
    malformed(w.board.edit_project(&w.by(), own.id, &[ProjectEdit::Statuses(twice)]).await);
    malformed(w.board.edit_project(&w.by(), own.id, &[ProjectEdit::Statuses(vec![])]).await);
}

async fn a_label_that_tasks_have_cannot_be_left_out(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "x")).await;
    let mut statuses = w.board.project(w.alpha).await.unwrap().statuses;
    statuses.retain(|status| status.id != task.status);
    let edit = [ProjectEdit::Statuses(statuses)];
    conflict(w.board.edit_project(&w.by(), w.alpha, &edit).await);
    w.edit(task.id, &[TaskEdit::Status(StatusId(0))]).await.unwrap();
    let after = w.board.edit_project(&w.by(), w.alpha, &edit).await.unwrap().after;
    assert_eq!(after.statuses.len(), 4);
}

async fn what_a_label_means_can_change(w: World) {
    let tagged = NewTask::new(w.alpha, "x").with(TaskEdit::AddTag("t".into()));
    let task = w.add_below(tagged.with(TaskEdit::Assignee(Some(w.bob)))).await;
    let other = w.add_below(NewTask::new(w.beta, "y")).await;
    let mut statuses = w.board.project(w.alpha).await.unwrap().statuses;
    statuses[0].kind = StatusKind::Done;
    w.board.edit_project(&w.by(), w.alpha, &[ProjectEdit::Statuses(statuses)]).await.unwrap();
    let of = |kind| TaskQuery { kinds_of_status: vec![kind], ..TaskQuery::default() };
    let assigned = rota::domain::AssigneeFilter::OneOf(vec![w.bob]);
    let tags_all = vec!["t".to_owned()];
    for query in [
        of(StatusKind::Done),
        TaskQuery { tags_all, ..of(StatusKind::Done) },
        TaskQuery { assignee: assigned, ..of(StatusKind::Done) },
        TaskQuery { projects: vec![w.alpha], ..of(StatusKind::Done) },
    ] {
        assert_eq!(w.find(query.clone()).await, [task.id], "{query:?}");
    }
    assert_eq!(w.find(of(StatusKind::New)).await, [other.id]);
    assert_eq!(w.board.task(task.id).await.unwrap(), task, "the task itself did not change");
}

async fn a_project_can_be_renamed_and_closed(w: World) {
    let latest = w.board.latest_activity().await.unwrap();
    let edits = [
        ProjectEdit::Name("ALPHA".into()),
        ProjectEdit::Details("d".into()),
        ProjectEdit::Closed(true),
        ProjectEdit::Closed(true),
    ];
    let after = w.board.edit_project(&w.by(), w.alpha, &edits).await.unwrap().after;
    assert_eq!((after.name.as_str(), after.details.as_str(), after.closed), ("ALPHA", "d", true));
    assert_eq!(w.board.project(w.alpha).await.unwrap(), after);
    let rows = w.rows_after(latest).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["name", "details", "closed"]);
    assert!(!w.board.edit_project(&w.by(), w.alpha, &edits).await.unwrap().changed);
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.edit_project(&stamp, w.alpha, &edits).await);
}

fn milestone(w: &World, days: i64) -> NewMilestone {
    NewMilestone {
        project: w.alpha,
        headline: format!("In {days} days"),
        color: "#12abEF".into(),
        assignee: Some(w.bob),
        from: noon(),
        to: noon() + TimeDelta::days(days),
        depends_on: None,
    }
}

async fn milestones_come_by_deadline(w: World) {
    let mut ids = Vec::new();
    for days in [3, 1, 2, 1] {
        let added = w.board.add_milestone(&w.by(), milestone(&w, days)).await.unwrap().after;
        assert_eq!(w.board.milestone(added.id).await.unwrap(), added);
        ids.push(added.id);
    }
    let find = async |query: MilestoneQuery| -> Vec<MilestoneId> {
        w.board.milestones(&query).await.unwrap().iter().map(|m| m.id).collect()
    };
    let all = MilestoneQuery::default;
    assert_eq!(find(all()).await, [ids[1], ids[3], ids[2], ids[0]]);
    let at = |days| Some(noon() + TimeDelta::days(days));
    assert_eq!(find(MilestoneQuery { to_from: at(2), to_before: at(3), ..all() }).await, [ids[2]]);
    assert!(find(MilestoneQuery { projects: vec![w.beta], ..all() }).await.is_empty());
    w.board.edit_milestone(&w.by(), ids[1], &[MilestoneEdit::Done(true)]).await.unwrap();
    assert_eq!(find(MilestoneQuery { done: Some(true), ..all() }).await, [ids[1]]);
    let task =
        w.add(NewTask::new(w.alpha, "x").with(TaskEdit::Milestone(Some(ids[0])))).await.unwrap();
    let towards = TaskQuery { milestone: Some(ids[0]), ..TaskQuery::default() };
    assert_eq!(w.find(towards).await, [task.id]);
}

async fn milestones_change_under_their_own_revision(w: World) {
    let first = w.board.add_milestone(&w.by(), milestone(&w, 1)).await.unwrap().after;
    let at = |revision| Stamp { revision: Some(revision), ..w.by() };
    let edits =
        [MilestoneEdit::Headline("New".into()), MilestoneEdit::To(noon() + TimeDelta::days(9))];
    let latest = w.board.latest_activity().await.unwrap();
    let written = w.board.edit_milestone(&at(1), first.id, &edits).await.unwrap();
    assert_eq!((written.changed, written.after.revision), (true, 2));
    assert_eq!(w.rows_after(latest).await.len(), 2);
    conflict(w.board.edit_milestone(&at(1), first.id, &edits).await);
    assert!(!w.board.edit_milestone(&at(2), first.id, &edits).await.unwrap().changed);
    for edit in [
        MilestoneEdit::Headline(" ".into()),
        MilestoneEdit::Color("red".into()),
        MilestoneEdit::Color("#12345g".into()),
        MilestoneEdit::To(noon() - TimeDelta::days(1)),
        MilestoneEdit::Assignee(Some(PersonId(99))),
        MilestoneEdit::DependsOn(Some(MilestoneId(99))),
    ] {
        malformed(w.board.edit_milestone(&w.by(), first.id, &[edit]).await);
    }
    malformed(
        w.board
            .add_milestone(&w.by(), NewMilestone { color: "x".into(), ..milestone(&w, 1) })
            .await,
    );
    let nowhere = NewMilestone { project: rota::domain::ProjectId(99), ..milestone(&w, 1) };
    not_found(w.board.add_milestone(&w.by(), nowhere).await);
}

async fn a_milestone_never_waits_for_itself(w: World) {
    let first = w.board.add_milestone(&w.by(), milestone(&w, 1)).await.unwrap().after.id;
    let new = NewMilestone { depends_on: Some(first), ..milestone(&w, 2) };
    let second = w.board.add_milestone(&w.by(), new).await.unwrap().after.id;
    for id in [first, second] {
        let edit = [MilestoneEdit::DependsOn(Some(id))];
        malformed(w.board.edit_milestone(&w.by(), first, &edit).await);
    }
}

fn comment(on: CommentTarget, text: &str) -> NewComment {
    NewComment { on, text: text.into(), parent: None, rating: None }
}

async fn comments_come_oldest_first_in_pages(w: World) {
    let (one, two) = (w.add_below(NewTask::new(w.alpha, "1")).await.id, w.task("2").await.id);
    let mut ids = Vec::new();
    for number in 0..7 {
        w.pass();
        let new = comment(CommentTarget::Task(one), &format!("{number}"));
        let board = w.below.as_ref().filter(|_| number < 3).unwrap_or(&w.board);
        let added = board.add_comment(&Stamp::by(w.bob), new).await.unwrap().after;
        assert_eq!((added.author, added.created), (w.bob, rota::clock::Clock::wall(&*w.clock)));
        ids.push(added.id);
    }
    w.board.add_comment(&w.by(), comment(CommentTarget::Task(two), "x")).await.unwrap();
    w.board.delete_comment(&w.by(), ids[1]).await.unwrap();
    ids.remove(1);
    let mut query =
        CommentQuery { on: Some(CommentTarget::Task(one)), limit: 2, ..CommentQuery::default() };
    let mut met = Vec::new();
    loop {
        let page = w.board.comments(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        met.extend(page.items.iter().map(|comment| comment.id));
        let Some(Cursor(next)) = page.next else { break };
        query.after = Some(next.parse().unwrap());
        assert_eq!(query.after, met.last().copied());
    }
    assert_eq!(met, ids);
    query = CommentQuery { latest_first: true, after: None, ..query };
    let mut met = Vec::new();
    loop {
        let page = w.board.comments(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        met.extend(page.items.iter().map(|comment| comment.id));
        let Some(Cursor(next)) = page.next else { break };
        query.after = Some(next.parse().unwrap());
    }
    assert!(met.iter().rev().eq(&ids), "latest first: {met:?}");
    let from = noon() + TimeDelta::seconds(6);
    let late = CommentQuery {
        on: Some(CommentTarget::Task(one)),
        from: Some(from),
        ..CommentQuery::default()
    };
    assert_eq!(w.board.comments(&late).await.unwrap().items.len(), 2);
    let early = CommentQuery { to: Some(from), ..CommentQuery::default() };
    assert_eq!(w.board.comments(&early).await.unwrap().items.len(), 4);
}

async fn a_comment_is_given_another_text(w: World) {
    let task = w.task("1").await.id;
    let new = comment(CommentTarget::Task(task), "one");
    let id = w.board.add_comment(&w.by(), new).await.unwrap().after.id;
    let before = w.board.task(task).await.unwrap();
    w.pass();
    let written = w.board.edit_comment(&w.by(), id, "two".into()).await.unwrap();
    assert_eq!((written.changed, written.after.text.as_str()), (true, "two"));
    let again = w.board.edit_comment(&w.by(), id, "two".into()).await.unwrap();
    assert!(!again.changed);
    let query =
        CommentQuery { on: Some(CommentTarget::Task(task)), limit: 9, ..CommentQuery::default() };
    let now = w.board.comments(&query).await.unwrap().items;
    assert_eq!(now.iter().map(|c| (c.id, c.text.as_str())).collect::<Vec<_>>(), [(id, "two")]);
    assert_eq!(w.board.task(task).await.unwrap(), before, "no change of what it is on");
    malformed(w.board.edit_comment(&w.by(), id, "  ".into()).await);
    not_found(w.board.edit_comment(&w.by(), CommentId(9_999), "x".into()).await);
}

async fn a_comment_changes_modified_but_not_the_revision(w: World) {
    let task = w.task("x").await;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let on = CommentTarget::Task(task.id);
    let added = w.board.add_comment(&w.by(), comment(on, "Hello")).await.unwrap().after;
    let now = w.board.task(task.id).await.unwrap();
    assert_eq!((now.revision, now.modified), (1, noon() + TimeDelta::seconds(1)));
    w.board.delete_comment(&w.by(), added.id).await.unwrap();
    let rows = w.rows_after(latest).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["created", "deleted"]);
    assert!(rows.iter().all(|row| row.task == Some(task.id) && row.project == Some(w.alpha)));
}

async fn status_updates_are_rated_comments_on_projects(w: World) {
    let on = CommentTarget::Project(w.alpha);
    for rating in [Rating::Green, Rating::Yellow, Rating::Red] {
        let new = NewComment { rating: Some(rating), ..comment(on, "Update") };
        assert_eq!(w.board.add_comment(&w.by(), new).await.unwrap().after.rating, Some(rating));
    }
    w.board.add_comment(&w.by(), comment(on, "Plain")).await.unwrap();
    w.board.add_comment(&w.by(), comment(CommentTarget::Project(w.beta), "Other")).await.unwrap();
    let task = w.task("x").await.id;
    let new = NewComment { rating: Some(Rating::Red), ..comment(CommentTarget::Task(task), "x") };
    malformed(w.board.add_comment(&w.by(), new).await);
    let count = async |query: CommentQuery| w.board.comments(&query).await.unwrap().items.len();
    let all = CommentQuery::default;
    assert_eq!(count(CommentQuery { rated: true, ..all() }).await, 3);
    assert_eq!(count(CommentQuery { rated: true, from: Some(noon()), ..all() }).await, 3);
    assert_eq!(count(CommentQuery { projects: vec![w.alpha], ..all() }).await, 4);
    assert_eq!(count(CommentQuery { on: Some(on), ..all() }).await, 4);
    assert_eq!(count(all()).await, 5);
}

async fn an_answer_is_on_the_same_thing(w: World) {
    let (one, two) = (w.task("1").await.id, w.task("2").await.id);
    let (on, other) = (CommentTarget::Task(one), CommentTarget::Task(two));
    let first = w.board.add_comment(&w.by(), comment(on, "First")).await.unwrap().after.id;
    let answer = |on, parent| NewComment { parent: Some(parent), ..comment(on, "Answer") };
    let second = w.board.add_comment(&w.by(), answer(on, first)).await.unwrap().after.id;
    malformed(w.board.add_comment(&w.by(), answer(other, first)).await);
    malformed(w.board.add_comment(&w.by(), answer(on, CommentId(99))).await);
    malformed(w.board.add_comment(&w.by(), comment(on, " \n")).await);
    malformed(w.board.add_comment(&w.by(), comment(on, &"x".repeat(65_536))).await);
    malformed(w.board.add_comment(&Stamp::by(PersonId(99)), comment(on, "x")).await);
    not_found(w.board.add_comment(&w.by(), comment(CommentTarget::Task(TaskId(4_711)), "x")).await);
    w.board.delete_comment(&w.by(), first).await.unwrap();
    let left =
        w.board.comments(&CommentQuery { on: Some(on), ..CommentQuery::default() }).await.unwrap();
    assert_eq!(left.items.iter().map(|c| (c.id, c.parent)).collect::<Vec<_>>(), [(second, None)]);
}
