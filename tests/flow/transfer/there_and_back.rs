//! The whole sample onto a Leantime and from there onto a new board of our own, and what both then say.

use super::seen::seen;
use super::{End, Scene, count, whole};
use crate::support::leantime::Asked;
use rota::domain::{NewPerson, NewTask, PersonId, PersonKind, Role, Stamp};
use rota::transfer::Kind;
use serde_json::json;

const PROJECTS: &[&str] = &["Website", "Shop"];

impl Scene {
    /// What the sample needs on a Leantime that no program can make there: a goal board, which is known
    /// by a goal on it.
    pub(super) async fn prepare_goals(&self) {
        let project = self.fake.add_project("Website", &[1]);
        let board = self.fake.add_board(project, "Targets");
        let values = json!({
            "canvasId": board, "title": "Begun there", "description": "", "box": "goal",
            "author": 1, "status": "status_ontrack", "startValue": 0, "currentValue": 1,
            "endValue": 10, "metricType": "number",
        });
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "leantime.rpc.goalcanvas.createGoal",
            "params": { "values": values },
        });
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.post(format!("{}/api/jsonrpc", self.fake.url()));
        let request = request.bearer_auth(self.fake.add_token(1)).json(&call);
        let said = request.send().await.unwrap().text().await.unwrap();
        assert!(said.contains("result"), "{said}");
    }
}

#[tokio::test]
async fn what_is_copied_there_and_back_is_what_it_was() {
    let s = Scene::new().await;
    s.prepare_goals().await;
    let before = seen(s.home.as_ref(), PROJECTS).await;
    let there = whole(s.copy(&s.home(), &s.there()).await);
    let on_leantime = seen(s.leantime().as_ref(), PROJECTS).await;
    // What cannot be compared, and why: the goal that was begun there is not ours; Ada is a member there
    // since she made the project; Ann's calendar cannot be written to by another.
    for noun in ["milestones", "sprints", "tasks", "blockers", "comments", "time"] {
        assert_eq!(on_leantime.of(noun), before.of(noun), "{noun}");
    }
    for noun in ["goals", "members", "events"] {
        for line in before.of(noun).iter().filter(|line| !line.starts_with("Dentist")) {
            assert!(on_leantime.of(noun).contains(line), "{noun}: {line} {on_leantime:#?}");
        }
    }
    assert_eq!(count(&there, Kind::Task).new, 7);
    assert_eq!((count(&there, Kind::Project).new, count(&there, Kind::Project).met), (1, 1));
    let reasons: Vec<String> = there
        .reasons()
        .into_iter()
        .map(|((noun, what), names)| format!("{noun:?} {names:?} {what}"))
        .collect();
    assert!(reasons.iter().any(|r| r.contains("Dentist")), "{reasons:#?}");
    assert!(reasons.iter().any(|r| r.contains("\"QA\" (waiting) is")), "{reasons:#?}");
    // The project was there, so its own details stay.
    assert_eq!(there.left_count, 2, "{:#?}", there.left);
    s.is_careful();

    // Back, onto a board with nobody on it but who writes.
    let new = s.sqlite("new").await;
    let nobody = Stamp::by(PersonId(0));
    let writer = new
        .add_person(
            &nobody,
            NewPerson {
                name: "Ann Able".into(),
                email: Some("ann@example.com".into()),
                kind: PersonKind::Person,
                role: Role::Owner,
            },
        )
        .await
        .unwrap()
        .after
        .id;
    let back = whole(s.copy(&s.there(), &End(new.clone(), "new", writer)).await);
    let after = seen(new.as_ref(), PROJECTS).await;
    for noun in ["milestones", "sprints", "tasks", "blockers", "comments", "time"] {
        assert_eq!(after.of(noun), before.of(noun), "{noun}");
    }
    for noun in ["goals", "members", "events"] {
        assert_eq!(after.of(noun), on_leantime.of(noun), "{noun}");
    }
    assert_eq!(back.left_count, 0, "{:#?}", back.left);
    s.is_careful();
}

#[tokio::test]
async fn a_copy_back_to_where_it_came_from_makes_nothing_twice() {
    let s = Scene::new().await;
    let before = seen(s.home.as_ref(), PROJECTS).await;
    whole(s.copy(&s.home(), &s.there()).await);
    let ticket = s.fake.tickets().into_iter().find(|t| t["headline"] == "Logo is cut off").unwrap();
    let ticket = ticket["id"].as_i64().unwrap();
    s.fake.as_person(1).edit(ticket, "headline", "Logo is whole".into());
    s.fake.as_person(1).comment(ticket, "Mended it");
    let back = whole(s.copy(&s.there(), &s.home()).await);
    let task = count(&back, Kind::Task);
    assert_eq!((task.new, task.changed, task.same), (0, 1, 6), "{back:#?}");
    assert_eq!(count(&back, Kind::Comment).new, 1, "{back:#?}");
    let after = seen(s.home.as_ref(), PROJECTS).await;
    let renamed = |lines: &[String]| -> Vec<String> {
        let mut lines: Vec<String> =
            lines.iter().map(|line| line.replace("Logo is cut off", "Logo is whole")).collect();
        lines.sort();
        lines
    };
    assert_eq!(after.of("tasks"), renamed(before.of("tasks")));
    assert_eq!(after.of("comments").len(), before.of("comments").len() + 1);
    assert_eq!(after.of("time"), before.of("time"));
    // And there again: it is known already.
    let again = whole(s.copy(&s.home(), &s.there()).await);
    assert_eq!(again.written(), 0, "{again:#?}");
    s.is_careful();
}

#[tokio::test]
async fn many_items_go_in_few_requests() {
    let s = Scene::new().await;
    let by = Stamp::by(s.sample.ann);
    for number in 0..200 {
        let new = NewTask::new(s.sample.website, format!("Task {number}"));
        s.home.add_task(&by, new).await.unwrap();
    }
    let before = s.fake.asked().len();
    let report = whole(s.copy(&s.home(), &s.there()).await);
    assert_eq!(count(&report, Kind::Task).new, 207);
    let asked = s.fake.asked().split_off(before);
    let adds = |asked: &&Asked| asked.methods.iter().any(|method| method == "tickets.addTicket");
    let adding = asked.iter().filter(adds).count();
    println!("207 tasks in {adding} requests that add, all in all {} requests", asked.len());
    assert!(adding <= 16 && asked.len() < 140, "{adding} {}", asked.len());
    assert_eq!(seen(s.leantime().as_ref(), PROJECTS).await.of("tasks").len(), 207);
    s.is_careful();
}
