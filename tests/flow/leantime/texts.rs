//! Texts and dates: HTML there, Markdown here, and neither harms the other.

use super::{Scene, unlimited};
use crate::support::leantime::Options as Fake;
use rota::board::{BoardError, Comments, Tasks};
use rota::domain::{
    CommentQuery, CommentTarget, NewComment, NewTask, TaskEdit, TaskQuery, Timestamp,
};
use serde_json::json;

const HOSTILE: &[&str] = &[
    "'; drop table tasks; --",
    "nul \u{0} inside \u{0}",
    "👩‍👩‍👧‍👦 e\u{301} \u{202e}thgir ot tfel\u{202c} \u{feff}",
    "line\r\nbreak\ttab\u{7f}\u{1b}[31m",
    "<script>alert(1)</script> &amp; <b>bold</b>",
    "  leading and trailing  ",
    "*a* **b** _c_ `d` [e](f) # g",
    "$1 ?1 :name @name {{handlebars}} ${shell} `rm`",
];

#[tokio::test]
async fn what_we_wrote_comes_back_to_the_byte_and_stays_so_when_others_change_something_else() {
    let s = Scene::new(unlimited()).await;
    let mut long: Vec<String> = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
    long.push("é".repeat(32_767) + "x");
    for text in long {
        let line: String = text.chars().take(255).collect();
        let new = NewTask::new(s.project, line.clone())
            .with(TaskEdit::Description(text.clone()))
            .with(TaskEdit::AcceptanceCriteria(text.clone()))
            .with(TaskEdit::Field("branch".into(), Some(text.clone())));
        let id = s.board.add_task(&s.by(), new).await.unwrap().after.id;
        s.fake.as_person(s.hugo).edit(id.0, "priority", json!("2"));
        let task = s.board.task(id).await.unwrap();
        assert_eq!((&task.headline, &task.description), (&line, &text));
        assert_eq!((&task.acceptance_criteria, &task.fields["branch"]), (&text, &text));
        assert_eq!(task.priority, Some(2));
        let on = CommentTarget::Task(id);
        let new = NewComment { on, text: text.clone(), parent: None, rating: None };
        s.board.add_comment(&s.by(), new).await.unwrap();
        let query = CommentQuery { on: Some(on), ..CommentQuery::default() };
        assert_eq!(s.board.comments(&query).await.unwrap().items[0].text, text);
        let stored = s.fake.ticket(id.0).unwrap()["description"].as_str().unwrap().to_owned();
        assert!(!stored.contains("<script"), "{stored}");
    }
    s.is_careful();
}

#[tokio::test]
async fn what_people_wrote_is_read_as_harmless_markdown() {
    let s = Scene::new(unlimited()).await;
    let html = "<p>Do <b>this</b></p><ul><li>one</li><li>two</li></ul><script>alert(1)</script>";
    let id = s.fake.as_person(s.hugo).add_ticket(json!({
        "projectId": s.project.0, "headline": "<img src=x>", "description": html,
        "acceptanceCriteria": "<ol><li>works</li></ol>", "tags": "b, a,b", "editorId": "",
    }));
    let found = s.board.tasks(&TaskQuery::default()).await.unwrap().items;
    let task = found.iter().find(|task| task.id.0 == id).unwrap();
    assert_eq!(task.description, "Do **this**\n\n- one\n- two");
    // Lists leave it out; a page has it all the same.
    assert_eq!(task.acceptance_criteria, "1. works");
    assert_eq!((task.tags.clone(), task.assignee), (vec!["a".to_owned(), "b".to_owned()], None));
}

#[tokio::test]
async fn what_the_server_would_cut_off_is_refused_before_it_is_sent() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let before = s.board.requests();
    let tags: Vec<_> = (0..5).map(|n| TaskEdit::AddTag(format!("{n}{}", "t".repeat(60)))).collect();
    let comma = [TaskEdit::AddTag("a,b".into())];
    let grows = [TaskEdit::Description("<".repeat(60_000))];
    for edits in [&tags[..], &comma, &grows, &[TaskEdit::Sort(1 << 40)]] {
        let answer = s.board.edit_task(&s.by(), task.id, edits).await;
        assert!(matches!(answer, Err(BoardError::Malformed(_))), "{answer:?}");
    }
    assert_eq!(s.board.task(task.id).await.unwrap(), task);
    assert_eq!(s.fake.calls("tickets.patchTicket"), 0);
    assert!(s.board.requests() > before);
    s.is_careful();
}

#[tokio::test]
async fn dates_survive_the_servers_zone() {
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    for zone in [chrono_tz::UTC, chrono_tz::America::Los_Angeles, chrono_tz::Asia::Kolkata] {
        let s = Scene::new(Fake { zone, ..unlimited() }).await;
        for due in ["2026-12-24T15:30:00Z", "2026-12-24T15:30:00.123Z", "2026-12-25T07:59:59Z"] {
            let edits = [
                TaskEdit::Due(Some(at(due))),
                TaskEdit::WorkFrom(Some(at("2026-12-01T00:00:00Z"))),
                TaskEdit::WorkTo(Some(at("2026-12-01T08:15:00Z"))),
            ];
            let task = s.task("One").await;
            s.board.edit_task(&s.by(), task.id, &edits).await.unwrap();
            let now = s.board.task(task.id).await.unwrap();
            assert_eq!(now.due, Some(at(due)), "{zone}");
            let stored = s.fake.ticket(task.id.0).unwrap();
            let whole = &due[..19].replace('T', " ");
            let is_whole_day = due == "2026-12-25T07:59:59Z" && zone.name().contains("Angeles");
            let expected = if is_whole_day { "2026-12-24 00:00:00" } else { whole.as_str() };
            assert_eq!(stored["dateToFinish"], expected, "{zone}");
            assert_eq!(stored["editFrom"], "2026-12-01 00:00:00", "{zone}");
            let none = [TaskEdit::Due(None), TaskEdit::WorkFrom(None), TaskEdit::WorkTo(None)];
            s.board.edit_task(&s.by(), task.id, &none).await.unwrap();
            let now = s.board.task(task.id).await.unwrap();
            assert_eq!((now.due, now.work_from, now.work_to), (None, None, None));
        }
        s.is_careful();
    }
}

#[tokio::test]
async fn pictures_and_tables_that_people_put_in_are_not_overwritten() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let person = s.fake.as_person(s.hugo);
    for html in ["<p>See <IMG src=\"/a.png\"></p>", "<table><tr><td>a</td></tr></table>"] {
        person.edit(task.id.0, "description", json!(html));
        let edits = [TaskEdit::Priority(Some(1)), TaskEdit::Description("New".into())];
        let answer = s.board.edit_task(&s.by(), task.id, &edits).await;
        let Err(BoardError::Unsupported(what)) = answer else { panic!("{answer:?}") };
        assert!(what.contains("pictures"), "{what}");
        assert_eq!(s.fake.ticket(task.id.0).unwrap()["description"], json!(html));
    }
    // Everything else may be changed, and so may a text that holds no more than was written here.
    s.edit(&task, TaskEdit::Priority(Some(1))).await.unwrap();
    person.edit(task.id.0, "description", json!("<p>Text</p>"));
    let table = "| a | b |\n|---|---|\n| 1 | 2 |";
    s.edit(&task, TaskEdit::Description(table.into())).await.unwrap();
    let seen = s.latest().await;
    s.edit(&task, TaskEdit::Description("Ours".into())).await.unwrap();
    assert_eq!(s.rows_after(seen).await.len(), 1);
    s.is_careful();
}
