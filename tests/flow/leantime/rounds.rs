//! When a server is looked at: seldom if it is slow, at once if an agent is mentioned, and never with
//! more than two requests, however many projects there are.

use super::{Scene, unlimited};
use crate::support::leantime::{Moment, Role};
use rota::board::Projects;
use rota::domain::{ActivityId, CommentTarget, Entity, ProjectId};
use std::time::Duration;

/// Time goes by for the board alone.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A look of which the server takes so long to answer.
async fn slow_look(s: &Scene, took: Duration) -> ActivityId {
    let mut gate = s.fake.gate("tickets.getAll", Moment::Before);
    let server = async {
        gate.reached().await;
        pass(took).await;
        gate.open();
    };
    tokio::join!(s.latest(), server).0
}

#[tokio::test]
async fn whoever_mentions_an_agent_is_heard_before_a_slow_server_is_looked_at_again() {
    let every = Duration::from_secs(20);
    let s = Scene::with(unlimited(), |options| options.look_every = every).await;
    let task = s.task("One").await;
    let first = slow_look(&s, Duration::from_secs(10)).await;
    let looks = || s.fake.calls("tickets.getAll");
    let (person, before) = (s.fake.as_person(s.hugo), looks());
    // It took half of what may pass from look to look, so the next one is a while away.
    person.comment(task.id.0, "<p>Nice</p>");
    pass(every).await;
    assert_eq!(s.latest().await, first);
    assert_eq!((looks(), s.fake.calls("notifications.getUnreadCount")), (before, 1));
    let mention = format!("<p><a data-tagged-user-id=\"{}\">@AI-Agent</a> go on</p>", s.agent);
    let comment = person.comment(task.id.0, &mention);
    assert_eq!(s.latest().await, first, "the inbox is not asked at every breath");
    pass(every).await;
    let rows = s.rows_after(first).await;
    assert_eq!(looks(), before + 1);
    assert!(matches!(rows.last().unwrap().entity, Entity::Comment(id) if id.0 == comment));
    // What was told once is no news.
    pass(every).await;
    s.latest().await;
    assert_eq!(looks(), before + 2, "that look was quick, so the next one is due");
    s.is_careful();
}

#[tokio::test]
async fn an_agent_with_a_key_of_its_own_has_an_inbox_of_its_own() {
    let every = Duration::from_secs(20);
    let mut s = Scene::with(unlimited(), |options| options.look_every = every).await;
    let (other, key) = s.fake.add_key("AI-Reviewer", Role::Editor, &[s.project.0]);
    let key = rota::board::leantime::options::Credential::read(&key).unwrap();
    s.options.identities.insert(rota::domain::PersonId(other), key);
    s.reopen();
    let task = s.task("One").await;
    let first = slow_look(&s, Duration::from_secs(10)).await;
    let looks = s.fake.calls("tickets.getAll");
    let mention = format!("<a data-tagged-user-id=\"{other}\">@AI-Reviewer</a>");
    s.fake.as_person(s.hugo).comment(task.id.0, &mention);
    pass(every).await;
    assert!(s.latest().await > first);
    assert_eq!(s.fake.calls("tickets.getAll"), looks + 1);
    assert_eq!(s.fake.calls("notifications.getUnreadCount"), 2);
}

#[tokio::test]
async fn of_hundreds_of_projects_a_look_takes_two_requests_and_misses_nothing_for_long() {
    let s = Scene::new(unlimited()).await;
    let person = s.fake.as_person(s.hugo);
    let added = (0..200).map(|number| s.fake.add_project(&format!("P{number}"), &[s.agent.0]));
    let projects: Vec<i64> = added.collect();
    for project in &projects {
        person.comment_on_project(*project, "<p>old</p>");
    }
    let mut latest = s.latest().await;
    assert_eq!(latest, ActivityId(0), "what is there at the first look is no news");
    for _ in 0..6 {
        let before = s.board.requests();
        assert!(s.rows_after(latest).await.is_empty());
        let requests = s.board.requests() - before;
        assert!(requests <= 2, "{requests} requests");
    }
    // 201 projects, 40 in each look.
    let far = projects[170];
    let comment = person.comment_on_project(far, "<p>new</p>");
    let mut found = Vec::new();
    for _ in 0..6 {
        found.extend(s.rows_after(latest).await);
        latest = found.last().map_or(latest, |row| row.id);
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(matches!(found[0].entity, Entity::Comment(id) if id.0 == comment));
    assert_eq!(found[0].project, Some(ProjectId(far)));
    person.delete_comment(comment);
    let mut gone = Vec::new();
    for _ in 0..6 {
        let before = s.board.requests();
        gone.extend(s.rows_after(latest).await);
        latest = gone.last().map_or(latest, |row| row.id);
        assert!(s.board.requests() - before <= 2);
    }
    assert_eq!(gone.iter().map(|row| row.field.as_str()).collect::<Vec<_>>(), ["deleted"]);
    // Whoever asks for a thread has all of it at once, and so has whoever asks for all projects.
    let on = CommentTarget::Project(ProjectId(projects[5]));
    let query = rota::domain::CommentQuery { on: Some(on), ..Default::default() };
    let thread = rota::board::Comments::comments(&s.board, &query).await.unwrap();
    assert_eq!(thread.items.len(), 1);
    assert_eq!(s.board.projects().await.unwrap().len(), 201);
    s.is_careful();
}
