//! The table of routes: which tool each calls, and with what.

use crate::mcp::{Served, served};

/// How a route is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
}

/// One route.
#[derive(Debug)]
pub(super) struct Route {
    pub method: Method,
    /// With names in braces, as the router and `OpenAPI` both write them.
    pub path: &'static str,
    /// Its name in the `OpenAPI` document.
    pub operation: &'static str,
    pub summary: &'static str,
    pub does: Does,
}

/// What a route does.
#[derive(Debug)]
pub(super) enum Does {
    /// Describes all of them.
    Describe,
    /// Tells what happens, as it happens.
    Tell,
    /// Calls the tool that the path names; the body holds its arguments.
    AnyTool,
    /// Calls one tool.
    Tool(Call),
    /// The same of a tool that lists; its answer comes in pages.
    List(Call),
    /// A task, with its entity tag.
    Task,
    /// Changes a task.
    EditTask,
}

/// A call of a tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub tool: &'static str,
    /// The argument that is the name in the path; empty where the path has none.
    pub path: &'static str,
    /// The arguments that the query may give.
    pub query: &'static [&'static str],
    /// Whether the body holds the others.
    pub has_body: bool,
}

impl Call {
    const fn of(tool: &'static str) -> Self {
        Self { tool, path: "", query: &[], has_body: false }
    }

    const fn path(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    const fn query(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    const fn body(self) -> Self {
        Self { has_body: true, ..self }
    }
}

const fn get(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    does: Does,
) -> Route {
    Route { method: Method::Get, path, operation, summary, does }
}

const fn post(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    call: Call,
) -> Route {
    Route { method: Method::Post, path, operation, summary, does: Does::Tool(call) }
}

/// Every route.
#[rustfmt::skip]
pub(super) const ROUTES: &[Route] = &[
    get("/api/v1/openapi.json", "describe", "This document", Does::Describe),
    get("/api/v1/events", "events", "What happens, as it happens", Does::Tell),
    Route { method: Method::Post, path: "/api/v1/tools/{name}", operation: "callTool",
        summary: "Calls a tool", does: Does::AnyTool },
    get("/api/v1/state", "state", "What the daemon is doing", Does::Tool(Call::of("getStatus"))),
    get("/api/v1/playbooks", "playbooks", "The playbooks, with their state",
        Does::List(Call::of("listPlaybooks"))),
    post("/api/v1/playbooks/{playbook}/run", "run", "Runs a playbook now and waits for it, or until it has begun",
        Call::of("runPlaybook").path("playbook").body()),
    post("/api/v1/playbooks/{playbook}/pause", "pause", "Keeps a playbook from starting",
        Call::of("pausePlaybook").path("playbook")),
    post("/api/v1/playbooks/{playbook}/resume", "resume", "Lets a paused playbook start again",
        Call::of("resumePlaybook").path("playbook")),
    post("/api/v1/playbooks/{playbook}/arm", "arm", "Accepts a playbook's triggers and rights",
        Call::of("armPlaybook").path("playbook")),
    get("/api/v1/runs", "runs", "What agents did, latest first",
        Does::List(Call::of("listRuns").query(&["playbook", "task", "state"]))),
    get("/api/v1/runs/{run}", "showRun", "Everything about one run",
        Does::Tool(Call::of("showRun").path("run"))),
    post("/api/v1/runs/{run}/stop", "stopRun", "Stops a run and waits until it has",
        Call::of("stopRun").path("run")),
    get("/api/v1/claims", "claims", "The tasks that are held right now",
        Does::List(Call::of("listClaims"))),
    get("/api/v1/occurrences", "occurrences", "What became of each planned or asked-for wake",
        Does::List(Call::of("listOccurrences").query(&["playbook"]))),
    get("/api/v1/occurrences/{occurrence}", "showOccurrence", "What became of one",
        Does::Tool(Call::of("showOccurrence").path("occurrence"))),
    get("/api/v1/review", "review", "What waits for a person, longest first",
        Does::List(Call::of("listReviews"))),
    get("/api/v1/review/{task}", "showReview", "The writes that are proposed for a task",
        Does::Tool(Call::of("showReview").path("task"))),
    post("/api/v1/review/{item}/decide", "decide", "Decides about what waits, by its `item`",
        Call::of("decideReview").path("item").body()),
    get("/api/v1/tasks/{id}", "task", "A task, with its entity tag", Does::Task),
    Route { method: Method::Patch, path: "/api/v1/tasks/{id}", operation: "editTask",
        summary: "Changes fields of a task, if it is as `If-Match` says", does: Does::EditTask },
];

/// A tool that is served.
pub(super) fn named(name: &str) -> Option<Served> {
    served().find(|tool| tool.definition.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::pages::Lists;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_calls_a_tool_that_is_served_with_arguments_that_it_takes() {
        for route in ROUTES {
            let (Does::Tool(call) | Does::List(call)) = &route.does else { continue };
            let tool = named(call.tool);
            let tool = tool.unwrap_or_else(|| panic!("{}: no tool {}", route.path, call.tool));
            assert!(!matches!(route.does, Does::List(_)) || Lists::of(tool).is_some());
            let takes = &tool.input["properties"];
            let given = call.query.iter().chain([&call.path]).filter(|name| !name.is_empty());
            for name in given {
                assert!(takes.get(name).is_some(), "{}: {name}", route.path);
            }
            let named = format!("{{{}}}", call.path);
            assert_eq!(route.path.contains('{'), !call.path.is_empty(), "{}", route.path);
            assert!(call.path.is_empty() || route.path.contains(&named), "{}", route.path);
        }
    }

    #[test]
    fn no_two_operations_have_one_name() {
        let names: BTreeSet<&str> = ROUTES.iter().map(|route| route.operation).collect();
        assert_eq!(names.len(), ROUTES.len());
    }
}
