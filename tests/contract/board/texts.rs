//! Hostile texts come back to the byte, and mean nothing but themselves (contract 10).

use super::{World, contract};
use rota::domain::{CommentQuery, CommentTarget, NewComment, NewTask, TaskEdit, TaskQuery, Value};

contract! {
    hostile_texts_come_back_to_the_byte
    wildcards_are_ordinary_characters_in_a_search
    a_search_does_not_mind_case_in_any_script
}

fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'; drop table tasks; --",
        "\"quoted\" 'single' `back` \\back\\slash",
        "nul \u{0} inside \u{0}",
        "👩‍👩‍👧‍👦 e\u{301} \u{202e}thgir ot tfel\u{202c} \u{feff}",
        "line\r\nbreak\ttab\u{7f}\u{1b}[31m",
        "100% _under_ %%",
        "$1 ?1 :name @name {{handlebars}} ${shell} `rm`",
        "[1,2] {\"a\":null}",
        "  leading and trailing  ",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("\u{10ffff}".repeat(63));
    texts
}

async fn hostile_texts_come_back_to_the_byte(w: World) {
    let mut long = hostile();
    long.push("é".repeat(32_767) + "x");
    for text in long {
        let line: String = text.chars().take(255).collect();
        let word: String = text.chars().take(64).collect();
        let new = NewTask::new(w.alpha, line.clone())
            .with(TaskEdit::Description(text.clone()))
            .with(TaskEdit::AcceptanceCriteria(text.clone()))
            .with(TaskEdit::AddTag(word.clone()))
            .with(TaskEdit::Field(word.clone(), Some(text.clone())));
        let id = w.add(new).await.unwrap().id;
        let task = w.board.task(id).await.unwrap();
        assert_eq!((&task.headline, &task.description), (&line, &text));
        assert_eq!((&task.acceptance_criteria, &task.fields[&word]), (&text, &text));
        assert_eq!(task.tags, [word.trim()]);
        assert_eq!(w.find(TaskQuery { tags_all: vec![word], ..TaskQuery::default() }).await, [id]);
        let before = w.board.latest_activity().await.unwrap();
        w.edit(id, &[TaskEdit::Description(String::new())]).await.unwrap();
        assert_eq!(w.rows_after(before).await[0].before, Value::Text(text.clone()));
        let on = CommentTarget::Task(id);
        let new = NewComment { on, text: text.clone(), parent: None, rating: None };
        w.board.add_comment(&w.by(), new).await.unwrap();
        let query = CommentQuery { on: Some(on), ..CommentQuery::default() };
        assert_eq!(w.board.comments(&query).await.unwrap().items[0].text, text);
    }
}

async fn wildcards_are_ordinary_characters_in_a_search(w: World) {
    let mut ids = Vec::new();
    for text in hostile() {
        ids.push(w.add_below(NewTask::new(w.alpha, text)).await.id);
    }
    for (text, id) in hostile().into_iter().zip(&ids) {
        let query = TaskQuery { text: Some(text.clone()), ..TaskQuery::default() };
        assert_eq!(w.find(query).await, [*id], "{text:?}");
    }
    for (text, found) in [("%", 1), ("_", 1), ("*", 0), ("100%_", 0), ("\u{0}", 1), ("'", 2)] {
        let query = TaskQuery { text: Some(text.into()), ..TaskQuery::default() };
        assert_eq!(w.find(query).await.len(), found, "{text:?}");
    }
    let all = TaskQuery { text: Some(String::new()), ..TaskQuery::default() };
    assert_eq!(w.find(all).await.len(), ids.len());
}

async fn a_search_does_not_mind_case_in_any_script(w: World) {
    let new = NewTask::new(w.alpha, "x").with(TaskEdit::Description("ΟΔΟΣ Straße ÄÖÜ".into()));
    let id = w.add_below(new).await.id;
    for text in ["οδοσ", "STRAße", "äöü", "X"] {
        let query = TaskQuery { text: Some(text.into()), ..TaskQuery::default() };
        assert_eq!(w.find(query).await, [id], "{text:?}");
    }
}
