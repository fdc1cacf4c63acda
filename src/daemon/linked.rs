//! The lines of a report get the addresses of what they rest on: tools know no addresses.

use crate::digest::LinkBase;
use crate::domain::{MilestoneId, ProjectId, TaskId, Value};

/// The same with a `url` beside each `reference` (`task 7`, `milestone 3`, `project 2`); an empty one
/// where there is none.
pub(super) fn linked(value: Value, links: &LinkBase) -> Value {
    match value {
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| linked(item, links)).collect())
        }
        Value::Map(map) => {
            let url = map.get("reference").and_then(Value::as_text).map(|name| url(name, links));
            let inner = map.into_iter().map(|(key, value)| (key, linked(value, links)));
            let url = url.map(|url| ("url".to_owned(), Value::Text(url)));
            Value::Map(inner.chain(url).collect())
        }
        plain => plain,
    }
}

fn url(reference: &str, links: &LinkBase) -> String {
    let found = reference.split_once(' ').and_then(|(what, number)| {
        let number = number.parse().ok()?;
        match what {
            "task" => links.task(TaskId(number)).url,
            "milestone" => links.milestone(MilestoneId(number)).url,
            "project" => links.project(ProjectId(number)).url,
            _ => None,
        }
    });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_get_addresses_and_everything_else_stays() {
        let links = LinkBase::parse("https://b.example").unwrap();
        let line = |reference: &str| Value::map([("reference", reference), ("headline", "x")]);
        let of = |reference: &str| {
            let made = linked(Value::List(vec![line(reference)]), &links);
            made.as_list().unwrap()[0].get("url").and_then(Value::as_text).unwrap().to_owned()
        };
        assert_eq!(of("task 7"), "https://b.example/tasks/7");
        assert_eq!(of("milestone 3"), "https://b.example/milestones/3");
        for nothing in ["", "goal 2", "task x", "task ../7"] {
            assert_eq!(of(nothing), "", "{nothing}");
        }
        let plain = Value::map([("headline", "task 7")]);
        assert_eq!(linked(plain.clone(), &links), plain);
    }
}
