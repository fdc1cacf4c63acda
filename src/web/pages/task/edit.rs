//! The form in which a task is edited, and what of it was changed.

use super::Facts;
use super::fields::{self, Fields};
use crate::domain::Value;
use crate::web::pages::form::Form;
use crate::web::pages::shown::{int, list, text};
use crate::web::pages::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Texts by their names in a form, on the board, and in the tool.
const TEXTS: [(&str, &str, &str); 3] = [
    ("headline", "headline", "headline"),
    ("description", "description", "description"),
    ("criteria", "acceptance_criteria", "acceptanceCriteria"),
];

/// Numbers by the same.
const NUMBERS: [(&str, &str, &str); 3] = [
    ("status", "status", "status"),
    ("assignee", "assignee", "editorId"),
    ("priority", "priority", "priority"),
];

/// Everything that people edit most.
pub(super) fn form(visit: &Visit, facts: &Facts) -> Markup {
    let task = &facts.task;
    let id = int(task, "id").unwrap_or_default();
    let said = said(task);
    let fields = Fields {
        ids: "",
        said: &said,
        statuses: list(&facts.statuses, "items"),
        people: list(&facts.people, "items"),
    };
    html! {
        details {
            summary { "Edit" }
            form method="post" action={ "/task/" (id) "/edit" } {
                (visit.seal())
                input type="hidden" name="revision" value=(int(task, "revision").unwrap_or_default());
                (fields.shown())
                button.primary type="submit" { "Save" }
            }
        }
    }
}

/// A task as its form says it.
fn said(task: &Value) -> Form {
    let texts = TEXTS.iter().map(|(field, own, _)| (*field, text(task, own).to_owned()));
    let numbers = NUMBERS.iter().map(|(field, own, _)| {
        let number = int(task, own).map(|number| number.to_string());
        (*field, number.unwrap_or_default())
    });
    let more = [("due", text(task, "due_day").to_owned()), ("tags", tags(task))];
    Form::of(texts.chain(numbers).chain(more))
}

fn tags(task: &Value) -> String {
    let tags: Vec<String> = list(task, "tags").iter().map(ToString::to_string).collect();
    tags.join(", ")
}

/// What the form says otherwise than the task: nothing else is written.
pub(super) fn changed(form: &Form, task: &Value) -> BTreeMap<String, Value> {
    let mut params = BTreeMap::new();
    for (field, own, name) in TEXTS {
        if form.has(field) && form.text(field) != text(task, own).trim() {
            params.insert(name.to_owned(), form.text(field).into());
        }
    }
    for (field, own, name) in NUMBERS {
        let said = form.text(field).parse::<i64>().ok();
        if form.has(field) && said != int(task, own) {
            params.insert(name.to_owned(), said.into());
        }
    }
    if form.has("due") && form.text("due") != text(task, "due_day") {
        params.insert("dateToFinish".to_owned(), form.filled("due").into());
    }
    if form.has("tags") && form.text("tags") != tags(task) {
        params.insert("tags".to_owned(), fields::tags(form.text("tags")).into());
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_changed_is_written() {
        let task = Value::map([
            ("headline", Value::from("A")),
            ("description", "one\ntwo".into()),
            ("status", 3.into()),
            ("assignee", Value::Null),
            ("priority", 2.into()),
            ("due_day", "2026-12-01".into()),
            ("tags", vec!["x", "y"].into()),
        ]);
        let same = b"headline=A&description=one%0D%0Atwo&status=3&assignee=&priority=2&due=2026-12-01&tags=x%2C+y";
        assert_eq!(changed(&Form::read(same), &task), BTreeMap::new());
        let other = b"headline=B&status=4&assignee=7&priority=&due=&tags=y%2C";
        let expected = Value::map([
            ("headline", Value::from("B")),
            ("status", 4.into()),
            ("editorId", 7.into()),
            ("priority", Value::Null),
            ("dateToFinish", Value::Null),
            ("tags", vec!["y"].into()),
        ]);
        assert_eq!(Value::Map(changed(&Form::read(other), &task)), expected);
    }
}
