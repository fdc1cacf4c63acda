//! Copied again later, rehearsed, in part, from a board that lies.

use super::seen::seen;
use super::{End, Scene, count, options, whole};
use rota::board::Board;
use rota::domain::*;
use rota::transfer::{Early, Kind, Options, Report};
use std::sync::Arc;

const PROJECTS: &[&str] = &["Website", "Shop"];

async fn edit(board: &Arc<dyn Board>, by: PersonId, task: TaskId, edit: TaskEdit) {
    board.edit_task(&Stamp::by(by), task, &[edit]).await.unwrap();
}

fn ticket(s: &Scene, headline: &str) -> serde_json::Value {
    s.fake.tickets().into_iter().find(|ticket| ticket["headline"] == headline).unwrap()
}

fn left_of(report: &Report) -> Vec<String> {
    report.left.iter().map(|left| format!("{}: {}", left.name, left.what)).collect()
}

#[tokio::test]
async fn a_second_copy_writes_what_is_new_or_changed_and_nothing_else() {
    let s = Scene::new().await;
    whole(s.copy(&s.home(), &s.there()).await);
    let before = s.fake.tickets();
    let idle = whole(s.copy(&s.home(), &s.there()).await);
    assert_eq!(idle.written(), 0, "{idle:#?}");
    assert_eq!(s.fake.tickets(), before);
    let ann = s.sample.ann;
    edit(&s.home, ann, s.sample.banner, TaskEdit::Headline("Draw a better banner".into())).await;
    edit(&s.home, ann, s.sample.banner, TaskEdit::RemoveTag("design".into())).await;
    let new = NewTask::new(s.sample.website, "Write the imprint");
    s.home.add_task(&Stamp::by(ann), new).await.unwrap();
    let second = whole(s.copy(&s.home(), &s.there()).await);
    let tasks = count(&second, Kind::Task);
    assert_eq!((tasks.new, tasks.changed, tasks.same), (1, 1, 6), "{second:#?}");
    assert_eq!(second.written(), 2);
    let changed = ticket(&s, "Draw a better banner");
    assert_eq!(changed["tags"], "AI-Suitable");
    s.is_careful();
}

#[tokio::test]
async fn what_people_changed_there_stays_and_is_told() {
    let s = Scene::new().await;
    whole(s.copy(&s.home(), &s.there()).await);
    let id = ticket(&s, "Draw the banner")["id"].as_i64().unwrap();
    s.fake.as_person(1).edit(id, "headline", "Banner, please".into());
    let ann = s.sample.ann;
    edit(&s.home, ann, s.sample.banner, TaskEdit::Headline("Paint the banner".into())).await;
    edit(&s.home, ann, s.sample.banner, TaskEdit::Priority(Some(1))).await;
    for _ in 0..2 {
        let report = whole(s.copy(&s.home(), &s.there()).await);
        let now = s.fake.ticket(id).unwrap();
        // Field by field: what nobody touched there is carried over.
        assert_eq!((&now["headline"], &now["priority"]), (&"Banner, please".into(), &"1".into()));
        let told = left_of(&report);
        let said = |line: &String| line.contains("headline changed on both sides");
        assert!(told.iter().any(said), "{told:#?}");
    }
    // Once both say the same, there is nothing to tell.
    edit(&s.home, ann, s.sample.banner, TaskEdit::Headline("Banner, please".into())).await;
    let report = whole(s.copy(&s.home(), &s.there()).await);
    assert!(!left_of(&report).iter().any(|line| line.contains("headline")), "{report:#?}");
    // What was removed there does not come again.
    s.fake.as_person(1).delete(id);
    edit(&s.home, ann, s.sample.banner, TaskEdit::Priority(Some(5))).await;
    let report = whole(s.copy(&s.home(), &s.there()).await);
    assert!(left_of(&report).iter().any(|line| line.contains("removed there")), "{report:#?}");
    assert_eq!(s.fake.ticket(id), None);
}

#[tokio::test]
async fn a_rehearsal_says_what_would_be_done_and_writes_nothing_anywhere() {
    let s = Scene::new().await;
    let rows = s.store.scan("", None, 1_000).await.unwrap();
    let dry = Options { dry_run: true, ..options() };
    let report = whole(s.copy_as(&s.home(), &s.there(), dry.clone()).await);
    assert!(report.dry_run);
    let writes = ["add", "edit", "patch", "log", "create", "quickAdd", "save", "delete"];
    for asked in s.fake.asked() {
        for method in &asked.methods {
            let name = method.rsplit('.').next().unwrap();
            assert!(!writes.iter().any(|write| name.starts_with(write)), "{method}");
        }
    }
    assert!(s.fake.tickets().is_empty());
    assert_eq!(s.store.scan("", None, 1_000).await.unwrap(), rows);
    let real = whole(s.copy(&s.home(), &s.there()).await);
    for kind in [Kind::Person, Kind::Project, Kind::Sprint, Kind::Milestone, Kind::Task] {
        let (planned, done) = (count(&report, kind), count(&real, kind));
        assert_eq!((planned.new, &planned.first), (done.new, &done.first), "{kind:?}");
    }
    // Who may not be added is not planned either.
    let other = Scene::new().await;
    let stay = Options { adds_people: false, ..dry.clone() };
    let report = whole(other.copy_as(&other.home(), &other.there(), stay).await);
    let people = count(&report, Kind::Person);
    assert_eq!((people.new, people.left), (0, 2), "{report:#?}");
    // And of a later change.
    let ann = s.sample.ann;
    edit(&s.home, ann, s.sample.colours, TaskEdit::Priority(Some(1))).await;
    let before = s.fake.tickets();
    let report = whole(s.copy_as(&s.home(), &s.there(), dry).await);
    let tasks = count(&report, Kind::Task);
    assert_eq!((tasks.new, tasks.changed), (0, 1), "{report:#?}");
    assert_eq!(tasks.first.as_deref(), Some("Choose colours"));
    assert_eq!(s.fake.tickets(), before);
    s.is_careful();
}

#[tokio::test]
async fn one_project_is_copied_with_what_hangs_on_it_and_the_other_one_later() {
    let s = Scene::new().await;
    let shop = Options { projects: vec!["shop".into()], ..options() };
    let report = whole(s.copy_as(&s.home(), &s.there(), shop).await);
    assert_eq!((count(&report, Kind::Project).new, count(&report, Kind::Task).new), (1, 3));
    assert!(report.notes.iter().any(|note| note.contains("events")), "{:?}", report.notes);
    // It waits for a task that is not there yet.
    assert!(left_of(&report).iter().any(|line| line.contains("blocked_by")), "{report:#?}");
    whole(s.copy(&s.home(), &s.there()).await);
    let there = seen(s.leantime().as_ref(), PROJECTS).await;
    let home = seen(s.home.as_ref(), PROJECTS).await;
    assert_eq!(there.of("blockers"), home.of("blockers"));
    assert_eq!(there.of("tasks"), home.of("tasks"));
    let none = Options { projects: vec!["Nobody".into()], ..options() };
    let report = s.copy_as(&s.home(), &s.there(), none).await;
    let Some(Early::Failed(why)) = &report.ended_early else { panic!("{report:#?}") };
    assert!(why.contains("\"Nobody\"") && why.contains("Website"), "{why}");
}

#[tokio::test]
async fn who_is_not_there_is_named_and_what_is_theirs_follows_once_they_are() {
    let s = Scene::new().await;
    s.fake.add_person("Ann", "Able", crate::support::leantime::Role::Editor);
    let stay = Options { adds_people: false, ..options() };
    let report = whole(s.copy_as(&s.home(), &s.there(), stay.clone()).await);
    let people = count(&report, Kind::Person);
    assert_eq!((people.met, people.new, people.left), (2, 0, 1), "{report:#?}");
    let told = left_of(&report);
    for line in ["Bob Baker: nobody there", "Draw the banner: assignee: Bob Baker is not there"] {
        assert!(told.iter().any(|told| told.starts_with(line)), "{line}: {told:#?}");
    }
    s.fake.add_person("Bob", "Baker", crate::support::leantime::Role::Editor);
    s.fake.advance(std::time::Duration::from_mins(2));
    whole(s.copy_as(&s.home(), &s.there(), stay).await);
    let there = seen(s.leantime().as_ref(), PROJECTS).await;
    let home = seen(s.home.as_ref(), PROJECTS).await;
    for noun in ["tasks", "time", "milestones"] {
        assert_eq!(there.of(noun), home.of(noun), "{noun}");
    }
}

#[tokio::test]
async fn what_the_other_board_does_not_take_is_left_out_alone() {
    let s = Scene::new().await;
    let by = Stamp::by(s.sample.ann);
    let odd = NewTask::new(s.sample.website, "Odd")
        .with(TaskEdit::AddTag("red, green".into()))
        .with(TaskEdit::Priority(Some(1)));
    let odd = s.home.add_task(&by, odd).await.unwrap().after.id;
    let on = CommentTarget::Task(odd);
    let long = NewComment { on, text: "x".repeat(65_530), parent: None, rating: None };
    s.home.add_comment(&by, long).await.unwrap();
    let short = NewComment { on, text: "short".into(), parent: None, rating: None };
    s.home.add_comment(&by, short).await.unwrap();
    let report = whole(s.copy(&s.home(), &s.there()).await);
    let there = ticket(&s, "Odd");
    assert_eq!((&there["priority"], &there["tags"]), (&"1".into(), &"".into()));
    let told = left_of(&report);
    assert!(told.iter().any(|line| line.starts_with("Odd: tags: ")), "{told:#?}");
    let is_long = |line: &String| line.starts_with("xxx") && line.contains("at most 65535");
    assert!(told.iter().any(is_long), "{told:#?}");
    assert_eq!(s.fake.comments("ticket", there["id"].as_i64().unwrap()).len(), 1);
    s.is_careful();
}

#[tokio::test]
async fn a_board_that_lies_gives_nobody_rights_and_speaks_for_nobody() {
    let s = Scene::new().await;
    let by = Stamp::by(s.sample.ann);
    let eve = NewPerson {
        name: "Eve**\n\n**Ada Admin".into(),
        email: Some("eve@example.com".into()),
        kind: PersonKind::Person,
        role: Role::Owner,
    };
    let eve = s.home.add_person(&by, eve).await.unwrap().after.id;
    let member = Member { project: s.sample.shop, person: eve, role: Some(Role::Owner) };
    s.home.put_member(&by, member).await.unwrap();
    let on = CommentTarget::Task(s.sample.banner);
    let text = "**Ada Admin** wrote on 2026-01-01 00:00 UTC:\n\n<script>x</script> do it".into();
    let said = NewComment { on, text, parent: None, rating: None };
    s.home.add_comment(&Stamp::by(eve), said).await.unwrap();
    let new = s.sqlite("new").await;
    let first =
        NewPerson { name: "Zoe".into(), email: None, kind: PersonKind::Person, role: Role::Owner };
    let zoe = new.add_person(&Stamp::by(PersonId(0)), first).await.unwrap().after.id;
    whole(s.copy(&s.home(), &End(Arc::clone(&new), "new", zoe)).await);
    let people = new.people().await.unwrap();
    let copied = people.iter().find(|person| person.email.as_deref() == Some("eve@example.com"));
    assert_eq!(copied.unwrap().role, Role::Editor);
    let members = new.members(&MemberQuery::default()).await.unwrap().items;
    assert!(members.iter().all(|m| m.role.is_none_or(|role| role <= Role::Editor)), "{members:?}");
    let query = CommentQuery { limit: 1_000, ..CommentQuery::default() };
    let comments = new.comments(&query).await.unwrap().items;
    let own = comments.iter().find(|comment| comment.text.contains("do it")).unwrap();
    // The first line is ours and names who really wrote it, in one line.
    assert!(own.text.starts_with("**Eve\\*\\*  \\*\\*Ada Admin** wrote on "), "{:?}", own.text);
    assert_eq!(own.author, zoe);
}
