//! What conditions answer, and what is refused before it is asked.

use super::*;
use proptest::prelude::*;

fn scope() -> Scope {
    let task = Value::map([
        ("headline", Value::from("Fix é")),
        ("acceptance_criteria", Value::from("works")),
        ("priority", Value::from(2)),
        ("storypoints", Value::from(3.0)),
        ("due", Value::from("2026-11-20T08:00:00Z")),
        ("assignee", Value::Null),
        ("tags", Value::from(vec!["a", "b"])),
        ("fields", Value::map([("branch", "main")])),
    ]);
    Scope::new("2026-11-22T08:00:00Z".parse().unwrap()).with("task", task).with("agent", "AI")
}

fn ask(text: &str) -> Result<bool, String> {
    Expression::compile(text, &SELECT_NAMES).map_err(|f| f.message)?.evaluate(&scope())
}

#[test]
fn conditions_are_answered() {
    for (text, answer) in [
        ("size(task.acceptance_criteria) > 0 && task.priority <= 3", true),
        ("task.due < now", true),
        ("now - task.due > duration('24h')", true),
        ("task.due + duration('72h') < now", false),
        ("task.assignee == null", true),
        ("task.assignee != null && task.assignee > 3", false),
        ("'a' in task.tags && !('c' in task.tags)", true),
        ("task.tags.exists(t, t.startsWith('b'))", true),
        ("task.storypoints <= 5 && task.storypoints > 2.5", true),
        ("has(task.fields.branch) && !has(task.fields.repository)", true),
        ("task.headline.matches('^Fix')", true),
        ("agent == 'AI' ? true : false", true),
        ("now.getFullYear() == 2026", true),
    ] {
        assert_eq!(ask(text), Ok(answer), "{text}");
    }
}

#[test]
fn what_cannot_be_answered_says_why() {
    for (text, why) in [
        ("task.nope == 1", "there is no `nope`"),
        ("task.priority", "condition gives int, not true or false"),
        ("1 / 0 == 1", "division by zero"),
        ("task.assignee > 3", "`>` cannot take null"),
        ("task.headline > 3", "`>` cannot take string"),
    ] {
        let error = ask(text).unwrap_err();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}

#[test]
fn what_is_no_condition_is_refused_at_its_place() {
    for (text, offset, why) in [
        ("tsak.id == 1", 0, "unknown name `tsak`; did you mean `task`?"),
        ("true && os == 1", 8, "unknown name `os`; there are `task`"),
        ("'é' == 'é' && tsak.id == 1", 16, "unknown name `tsak`"),
        ("sizze(task.tags) > 1", 5, "unknown function `sizze`; did you mean `size`?"),
        ("task.headline.matches(agent)", 21, "`matches` needs a pattern in quotes"),
        ("task.id == ", 11, "condition cannot be read"),
        ("", 0, "condition is empty"),
        ("Type{a: 1} == 1", 4, "there are no types"),
    ] {
        let fault = Expression::compile(text, &SELECT_NAMES).unwrap_err();
        assert!(fault.message.starts_with(why), "{text}: {fault:?}");
        assert_eq!(fault.offset, offset, "{text}: {fault:?}");
    }
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let deep = format!("{}true{}", "(".repeat(500), ")".repeat(500));
    let signs = format!("{}true", "!".repeat(1500));
    let sum = format!("1{} == 3", " + 1".repeat(400));
    let chosen = "true ? true : ".repeat(100) + "true";
    let dots = format!("task{}", ".a".repeat(900));
    let indexed = format!("task{}", "[0]".repeat(600));
    let loops = "task.tags.all(a, task.tags.all(b, task.tags.all(c, true)))";
    for text in [&deep, &signs, &sum, &chosen, &dots, &indexed, loops] {
        assert!(Expression::compile(text, &SELECT_NAMES).is_err(), "{text}");
    }
    assert!(Expression::compile(&"a".repeat(3000), &SELECT_NAMES).is_err());
    // Chains within the bound are answered.
    let all = vec!["true"; 150].join(" && ");
    assert_eq!(ask(&all), Ok(true));
}

#[test]
fn an_answer_that_would_take_too_long_is_not_begun() {
    let many: Vec<i64> = (0..10_000).collect();
    let expression =
        Expression::compile("task.all(a, task.all(b, a + b >= 0))", &SELECT_NAMES).unwrap();
    let scope = Scope::new(Timestamp::default()).with("task", Value::from(many));
    assert!(expression.evaluate(&scope).unwrap_err().contains("too long"));
}

#[test]
fn values_of_the_board_do_not_show_in_errors() {
    let scope = Scope::new(Timestamp::default()).with("task", Value::from("hunter2"));
    for text in ["task > 3", "task[0] == 1", "task + 3 == 1", "{task: 1}[3] == 1"] {
        let error = Expression::compile(text, &SELECT_NAMES).unwrap().evaluate(&scope).unwrap_err();
        assert!(!error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn a_condition_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expression>();
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        if let Ok(expression) = Expression::compile(&text, &SELECT_NAMES) {
            let _ = expression.evaluate(&scope());
        }
    }

    #[test]
    fn no_mix_of_words_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "task", ".", "due", "(", ")", "[", "]", "{", "}", "'a'", "1", "-", "9223372036854775807",
            "+", "*", "/", "%", "==", "<", "&&", "||", "!", "?", ":", "in", "now", "size", "all", ",",
            "x", "has", "map", "\"", "\\", "0u", "1.5", "null", "true", "duration", "timestamp", "int",
            "b'x'", "r'", "priority", "tags", "matches", "`", "\\u",
        ]), 0..24)) {
        let text = words.join(" ");
        if let Ok(expression) = Expression::compile(&text, &SELECT_NAMES) {
            let _ = expression.evaluate(&scope());
        }
    }
}
