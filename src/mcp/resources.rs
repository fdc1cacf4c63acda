//! What can be read by address: `rota://task/7`. Each address is a tool that looks, called with the
//! reader's rights; so nobody reads here what they could not ask for there.

use crate::domain::{ProjectId, TaskId, Value};
use rmcp::model::{Resource, ResourceTemplate};

/// The longest address.
const URI_BYTES_MAX: usize = 256;
/// What is read is told as.
pub(super) const MIME: &str = "application/json";

/// Addresses that are always there: name, title, what it is, the tool.
const FIXED: &[(&str, &str, &str, &str)] = &[
    ("rota://projects", "Projects", "The projects that are not closed.", "getAllProjects"),
    ("rota://people", "People", "Everybody on the board, people and agents.", "listPeople"),
    (
        "rota://claims",
        "Claims",
        "Tasks that agents hold right now, or that wait for an answer.",
        "listClaims",
    ),
    (
        "rota://digest/today",
        "Today's digest",
        "What happened since yesterday, and what is coming.",
        "getDigest",
    ),
];

/// Addresses with a number: template, title, what it is, the tool and its argument.
const TEMPLATES: &[(&str, &str, &str, &str, &str)] = &[
    (
        "rota://task/{task}",
        "Task",
        "A task with its fields, subtasks and comments.",
        "getTicket",
        "id",
    ),
    (
        "rota://project/{project}",
        "Project",
        "A project with its status labels.",
        "getProject",
        "projectId",
    ),
    (
        "rota://project/{project}/overview",
        "A project at a glance",
        "A project with progress, open milestones and latest status updates.",
        "getFullProjectOverview",
        "projectId",
    ),
];

/// What an address stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Address {
    /// As it was asked for.
    pub uri: String,
    /// The tool that reads it.
    pub tool: &'static str,
    /// Its arguments.
    pub args: Value,
    /// What on the board it shows; `None` for a list.
    pub about: Option<About>,
}

/// One thing on the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// A task.
    Task(TaskId),
    /// A project.
    Project(ProjectId),
}

impl Address {
    /// Reads an address; `None` for one that nothing has.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        if uri.len() > URI_BYTES_MAX {
            return None;
        }
        let no_args = || Value::map::<&str, Value>([]);
        let fixed = FIXED.iter().find(|(known, ..)| *known == uri);
        if let Some((_, _, _, tool)) = fixed {
            return Some(Self { uri: uri.to_owned(), tool, args: no_args(), about: None });
        }
        for (template, _, _, tool, argument) in TEMPLATES {
            let (start, rest) = template.split_once('{').unwrap_or((*template, ""));
            let end = rest.split_once('}').map_or("", |(_, end)| end);
            let number = uri.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            // One spelling only: an address is also a name under which changes are told.
            let is_plain =
                |number: &&str| number.parse().is_ok_and(|id: i64| id.to_string() == **number);
            let id = number.filter(is_plain).and_then(|number| number.parse::<i64>().ok());
            let Some(id) = id else { continue };
            let about = match *argument {
                "id" => About::Task(TaskId(id)),
                _ => About::Project(ProjectId(id)),
            };
            let args = Value::map([(*argument, id)]);
            return Some(Self { uri: uri.to_owned(), tool, args, about: Some(about) });
        }
        None
    }
}

/// The addresses that are always there.
pub(super) fn fixed() -> Vec<Resource> {
    let resource = |(uri, title, about, tool): &(&str, &str, &str, &str)| {
        Resource::new(*uri, *tool).with_title(*title).with_description(*about).with_mime_type(MIME)
    };
    FIXED.iter().map(resource).collect()
}

/// The addresses with a number.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |(uri, title, about, tool, _): &(&str, &str, &str, &str, &str)| {
        ResourceTemplate::new(*uri, *tool)
            .with_title(*title)
            .with_description(*about)
            .with_mime_type(MIME)
    };
    TEMPLATES.iter().map(template).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        let task = Address::parse("rota://task/7").unwrap();
        assert_eq!((task.tool, task.about), ("getTicket", Some(About::Task(TaskId(7)))));
        assert_eq!(Address::parse("rota://projects").unwrap().tool, "getAllProjects");
        assert_eq!(Address::parse("rota://digest/today").unwrap().tool, "getDigest");
        let overview = Address::parse("rota://project/2/overview").unwrap();
        assert_eq!(overview.tool, "getFullProjectOverview");
        assert_eq!(overview.about, Some(About::Project(ProjectId(2))));
        assert_eq!(Address::parse("rota://project/2").unwrap().tool, "getProject");
        for wrong in [
            "",
            "rota://",
            "rota://task/",
            "rota://task/07",
            "rota://task/+7",
            "rota://task/7/",
            "rota://task/7?x",
            "rota://task/7/overview",
            "rota://project//overview",
            "rota://project/02/overview",
            "rota://project/2/overview/",
            "rota://task/99999999999999999999",
            "rota://tasks/7",
            "file:///etc/passwd",
            &format!("rota://task/{}", "1".repeat(1_000)),
        ] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_address_is_read_by_a_tool_that_only_looks() {
        let tools = FIXED.iter().map(|row| row.3).chain(TEMPLATES.iter().map(|row| row.3));
        for name in tools {
            let tool = crate::tools::catalogue().iter().find(|tool| tool.name == name).unwrap();
            assert!(tool.annotations.read_only && tool.set.is_served(), "{name}");
        }
    }
}
