//! Sprints, and who belongs to a project.

use super::{World, conflict, contract, day, malformed, not_found, person, project};
use rota::domain::{
    Entity, Member, MemberQuery, NewSprint, NewTask, PersonId, ProjectId, Role, Sprint, SprintEdit,
    SprintId, SprintQuery, Stamp, TaskEdit, TaskQuery, Value,
};

contract! {
    a_sprint_is_kept_whole_and_changes_under_its_own_revision
    sprints_are_found_by_project_and_day
    a_task_is_in_a_sprint_of_its_project
    a_sprint_with_tasks_does_not_go
    what_makes_no_sprint_is_malformed
    members_have_a_role_or_that_of_the_board
    members_come_in_pages
    a_change_of_members_is_one_of_the_project
    a_project_that_lists_nobody_is_everybodys
    members_are_on_the_board
}

fn new(project: ProjectId, from: i64, to: i64) -> NewSprint {
    NewSprint { project, name: "S".into(), from: day(from), to: day(to) }
}

async fn a_sprint_is_kept_whole_and_changes_under_its_own_revision(w: World) {
    let first = w.low().add_sprint(&w.by(), new(w.alpha, 0, 13)).await.unwrap().after;
    assert_eq!((first.from, first.to, first.revision), (day(0), day(13), 1));
    assert_eq!(w.board.sprint(first.id).await.unwrap(), first);
    let at = |revision| Stamp { revision: Some(revision), ..w.by() };
    let edits = [SprintEdit::Name("Two".into()), SprintEdit::From(day(1)), SprintEdit::To(day(1))];
    let back: Vec<SprintEdit> = edits.iter().map(|edit| edit.inverse(&first)).collect();
    let latest = w.board.latest_activity().await.unwrap();
    let written = w.board.edit_sprint(&at(1), first.id, &edits).await.unwrap();
    assert_eq!((written.changed, written.after.revision), (true, 2));
    let rows = w.rows_after(latest).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["name", "from", "to"]);
    assert!(rows.iter().all(|row| row.project == Some(w.alpha)));
    conflict(w.board.edit_sprint(&at(1), first.id, &edits).await);
    conflict(w.board.delete_sprint(&at(1), first.id).await);
    assert!(!w.board.edit_sprint(&at(2), first.id, &edits).await.unwrap().changed);
    let after = w.board.edit_sprint(&at(2), first.id, &back).await.unwrap().after;
    assert_eq!(after, Sprint { revision: 3, ..first });
    assert_eq!(w.board.sprint(first.id).await.unwrap(), after);
}

async fn sprints_are_found_by_project_and_day(w: World) {
    let one = w.low().add_sprint(&w.by(), new(w.alpha, 0, 6)).await.unwrap().after.id;
    let two = w.board.add_sprint(&w.by(), new(w.alpha, 7, 13)).await.unwrap().after.id;
    let other = w.board.add_sprint(&w.by(), new(w.beta, 0, 13)).await.unwrap().after.id;
    let find = async |query: SprintQuery| -> Vec<SprintId> {
        w.board.sprints(&query).await.unwrap().items.iter().map(|sprint| sprint.id).collect()
    };
    let all = SprintQuery::default;
    assert_eq!(find(all()).await, [one, two, other]);
    assert_eq!(find(SprintQuery { projects: vec![w.alpha], ..all() }).await, [one, two]);
    for (on, expected) in
        [(-1, vec![]), (0, vec![one]), (6, vec![one]), (7, vec![two]), (14, vec![])]
    {
        let query = SprintQuery { projects: vec![w.alpha], on: Some(day(on)), ..all() };
        assert_eq!(find(query).await, expected, "day {on}");
    }
    let first = w.board.sprints(&SprintQuery { limit: 1, ..all() }).await.unwrap();
    let rest = find(SprintQuery { after: first.next, ..all() }).await;
    assert_eq!((first.items[0].id, rest), (one, vec![two, other]));
}

async fn a_task_is_in_a_sprint_of_its_project(w: World) {
    let own = w.low().add_sprint(&w.by(), new(w.alpha, 0, 6)).await.unwrap().after.id;
    let foreign = w.low().add_sprint(&w.by(), new(w.beta, 0, 6)).await.unwrap().after.id;
    let task = w.add_below(NewTask::new(w.alpha, "x").with(TaskEdit::Sprint(Some(own)))).await;
    assert_eq!(task.sprint, Some(own));
    for id in [foreign, SprintId(99)] {
        malformed(w.edit(task.id, &[TaskEdit::Sprint(Some(id))]).await);
        malformed(w.add(NewTask::new(w.alpha, "y").with(TaskEdit::Sprint(Some(id)))).await);
    }
    let of = |id| TaskQuery { sprint: Some(id), ..TaskQuery::default() };
    assert_eq!(w.find(of(own)).await, [task.id]);
    assert!(w.find(of(foreign)).await.is_empty());
    w.edit(task.id, &[TaskEdit::Sprint(None)]).await.unwrap();
    assert!(w.find(of(own)).await.is_empty());
}

async fn a_sprint_with_tasks_does_not_go(w: World) {
    let first = w.low().add_sprint(&w.by(), new(w.alpha, 0, 6)).await.unwrap().after;
    let task = w.add_below(NewTask::new(w.alpha, "x").with(TaskEdit::Sprint(Some(first.id)))).await;
    conflict(w.board.delete_sprint(&w.by(), first.id).await);
    w.edit(task.id, &[TaskEdit::Sprint(None)]).await.unwrap();
    let gone = w.board.delete_sprint(&w.by(), first.id).await.unwrap();
    assert_eq!((gone.changed, gone.after), (true, first.clone()));
    not_found(w.board.sprint(first.id).await);
    not_found(w.board.delete_sprint(&w.by(), first.id).await);
    malformed(w.edit(task.id, &[TaskEdit::Sprint(Some(first.id))]).await);
    assert!(w.board.add_sprint(&w.by(), new(w.alpha, 0, 6)).await.unwrap().after.id > first.id);
}

async fn what_makes_no_sprint_is_malformed(w: World) {
    malformed(w.board.add_sprint(&w.by(), new(w.alpha, 1, 0)).await);
    malformed(
        w.board.add_sprint(&w.by(), NewSprint { name: " ".into(), ..new(w.alpha, 0, 1) }).await,
    );
    let to = chrono::NaiveDate::MAX;
    malformed(w.board.add_sprint(&w.by(), NewSprint { to, ..new(w.alpha, 0, 1) }).await);
    not_found(w.board.add_sprint(&w.by(), new(ProjectId(99), 0, 1)).await);
    malformed(w.board.add_sprint(&Stamp::by(PersonId(99)), new(w.alpha, 0, 1)).await);
    let first = w.board.add_sprint(&w.by(), new(w.alpha, 0, 1)).await.unwrap().after;
    malformed(w.board.edit_sprint(&w.by(), first.id, &[SprintEdit::From(day(2))]).await);
    not_found(w.board.edit_sprint(&w.by(), SprintId(99), &[]).await);
    assert_eq!(w.board.sprint(first.id).await.unwrap(), first);
}

fn member(project: ProjectId, person: PersonId, role: Option<Role>) -> Member {
    Member { project, person, role }
}

async fn members(w: &World, query: MemberQuery) -> Vec<Member> {
    w.board.members(&query).await.unwrap().items
}

async fn members_have_a_role_or_that_of_the_board(w: World) {
    let all = MemberQuery::default;
    for role in
        [Role::Readonly, Role::Commenter, Role::Editor, Role::Manager, Role::Admin, Role::Owner]
    {
        let with = member(w.alpha, w.bob, Some(role));
        assert!(w.board.put_member(&w.by(), with.clone()).await.unwrap().changed);
        assert_eq!(members(&w, all()).await, std::slice::from_ref(&with));
        assert!(!w.board.put_member(&w.by(), with).await.unwrap().changed);
    }
    let without = member(w.alpha, w.bob, None);
    assert!(w.board.put_member(&w.by(), without.clone()).await.unwrap().changed);
    assert_eq!(members(&w, all()).await, std::slice::from_ref(&without));
    let gone = w.board.remove_member(&w.by(), w.alpha, w.bob).await.unwrap();
    assert_eq!((gone.changed, gone.after), (true, without.clone()));
    assert!(members(&w, all()).await.is_empty());
    not_found(w.board.remove_member(&w.by(), w.alpha, w.bob).await);
    assert!(w.board.put_member(&w.by(), without).await.unwrap().changed);
}

async fn members_come_in_pages(w: World) {
    let mut all = Vec::new();
    for number in 0..6 {
        let someone = w.low().add_person(&w.by(), person(&format!("P{number}"))).await.unwrap();
        for of in [w.beta, w.alpha] {
            let to = if number % 2 == 0 { w.low() } else { &w.board };
            let new = member(of, someone.after.id, None);
            all.push(to.put_member(&w.by(), new).await.unwrap().after);
        }
    }
    w.board.remove_member(&w.by(), all[0].project, all[0].person).await.unwrap();
    all.remove(0);
    all.sort_by_key(|member| (member.project, member.person));
    let mut query = MemberQuery { limit: 2, ..MemberQuery::default() };
    let mut met = Vec::new();
    loop {
        let page = w.board.members(&query).await.unwrap();
        met.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(met, all);
    let one = MemberQuery { people: vec![all[1].person], ..MemberQuery::default() };
    assert_eq!(members(&w, one).await.len(), 2);
    let one = MemberQuery { projects: vec![w.beta], ..MemberQuery::default() };
    assert_eq!(members(&w, one).await.len(), 5);
}

async fn a_change_of_members_is_one_of_the_project(w: World) {
    let latest = w.board.latest_activity().await.unwrap();
    let of = async |role| w.board.put_member(&w.by(), member(w.alpha, w.bob, role)).await.unwrap();
    of(None).await;
    of(Some(Role::Commenter)).await;
    w.board.remove_member(&w.by(), w.alpha, w.bob).await.unwrap();
    let rows = w.rows_after(latest).await;
    let told: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row.before, &row.after)).collect();
    let (plain, less) = (Value::from("member"), Value::from("commenter"));
    assert_eq!(told, [(&Value::Null, &plain), (&plain, &less), (&less, &Value::Null)]);
    for row in rows {
        assert_eq!((row.entity, row.project), (Entity::Project(w.alpha), Some(w.alpha)));
        assert_eq!(row.field, format!("members.{}", w.bob));
    }
}

async fn a_project_that_lists_nobody_is_everybodys(w: World) {
    let gamma = w.low().add_project(&w.by(), project("Gamma")).await.unwrap().after.id;
    let of = async |who| -> Vec<ProjectId> {
        w.board.projects_of(who).await.unwrap().iter().map(|project| project.id).collect()
    };
    assert_eq!(of(w.ann).await, [w.alpha, w.beta, gamma]);
    w.low().put_member(&w.by(), member(w.alpha, w.ann, None)).await.unwrap();
    w.board.put_member(&w.by(), member(w.beta, w.bob, None)).await.unwrap();
    assert_eq!(of(w.ann).await, [w.alpha, gamma]);
    assert_eq!(of(w.bob).await, [w.beta, gamma]);
    w.board.remove_member(&w.by(), w.alpha, w.ann).await.unwrap();
    assert_eq!(of(w.bob).await, [w.alpha, w.beta, gamma]);
}

async fn members_are_on_the_board(w: World) {
    malformed(w.board.put_member(&w.by(), member(w.alpha, PersonId(99), None)).await);
    not_found(w.board.put_member(&w.by(), member(ProjectId(99), w.bob, None)).await);
    not_found(w.board.remove_member(&w.by(), ProjectId(99), w.bob).await);
    malformed(w.board.put_member(&Stamp::by(PersonId(99)), member(w.alpha, w.bob, None)).await);
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.put_member(&stamp, member(w.alpha, w.bob, None)).await);
    assert!(members(&w, MemberQuery::default()).await.is_empty());
}
