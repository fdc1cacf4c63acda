//! The form in which a task is edited, and what of it was changed.

use super::{Facts, TEXT_MAX};
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

/// The priorities, most urgent first.
const PRIORITIES: [&str; 5] = ["critical", "high", "medium", "low", "lowest"];

/// Everything that people edit most.
pub(super) fn form(visit: &Visit, facts: &Facts) -> Markup {
    let task = &facts.task;
    let id = int(task, "id").unwrap_or_default();
    html! {
        details {
            summary { "Edit" }
            form method="post" action={ "/task/" (id) "/edit" } {
                (visit.seal())
                input type="hidden" name="revision" value=(int(task, "revision").unwrap_or_default());
                div.fields {
                    div.wide {
                        label for="headline" { "Headline" }
                        input #headline name="headline" maxlength="250" required value=(text(task, "headline"));
                    }
                    (choices(facts))
                    div.wide {
                        label for="tags" { "Tags, with commas between them" }
                        input #tags name="tags" value=(tags(task));
                    }
                    div.wide {
                        label for="description" { "Description" }
                        textarea #description name="description" rows="8" maxlength=(TEXT_MAX) {
                            // A browser takes the first line end away.
                            "\n" (text(task, "description"))
                        }
                    }
                    div.wide {
                        label for="criteria" { "Done when" }
                        textarea #criteria name="criteria" rows="4" maxlength=(TEXT_MAX) { "\n" (text(task, "acceptance_criteria")) }
                    }
                }
                button.primary type="submit" { "Save" }
            }
        }
    }
}

fn choices(facts: &Facts) -> Markup {
    let task = &facts.task;
    let (status, assignee) = (int(task, "status"), int(task, "assignee"));
    html! {
        div {
            label for="status" { "Status" }
            select #status name="status" { (statuses(&facts.statuses, status)) }
        }
        div {
            label for="assignee" { "Assigned to" }
            select #assignee name="assignee" {
                option value="" selected[assignee.is_none()] { "nobody" }
                (people(&facts.people, assignee))
            }
        }
        div {
            label for="priority" { "Priority" }
            select #priority name="priority" {
                @let priority = int(task, "priority");
                option value="" selected[priority.is_none()] { "none" }
                @for (number, word) in (1..).zip(PRIORITIES) {
                    option value=(number) selected[priority == Some(number)] { (number) " " (word) }
                }
            }
        }
        div {
            label for="due" { "Due" }
            input #due type="date" name="due" value=(text(task, "due_day"));
        }
    }
}

/// The statuses of a project, as options.
pub(in crate::web::pages) fn statuses(statuses: &Value, chosen: Option<i64>) -> Markup {
    html! {
        @for status in list(statuses, "items") {
            @let id = int(status, "id");
            option value=(id.unwrap_or_default()) selected[id == chosen] { (text(status, "label")) }
        }
    }
}

/// Everybody, as options: agents are called so.
pub(in crate::web::pages) fn people(people: &Value, chosen: Option<i64>) -> Markup {
    html! {
        @for person in list(people, "items") {
            @let id = int(person, "id");
            option value=(id.unwrap_or_default()) selected[id == chosen] {
                (text(person, "name"))
                @if text(person, "kind") == "agent" { " (agent)" }
            }
        }
    }
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
    for (field, own, name) in [
        ("status", "status", "status"),
        ("assignee", "assignee", "editorId"),
        ("priority", "priority", "priority"),
    ] {
        let said = form.text(field).parse::<i64>().ok();
        if form.has(field) && said != int(task, own) {
            params.insert(name.to_owned(), said.into());
        }
    }
    if form.has("due") && form.text("due") != text(task, "due_day") {
        params.insert("dateToFinish".to_owned(), form.filled("due").into());
    }
    if form.has("tags") && form.text("tags") != tags(task) {
        let tags: Vec<&str> = form.text("tags").split(',').map(str::trim).collect();
        let tags: Vec<&str> = tags.into_iter().filter(|tag| !tag.is_empty()).collect();
        params.insert("tags".to_owned(), tags.into());
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
