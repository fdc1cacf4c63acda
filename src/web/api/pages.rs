//! Pages of lists. A tool that knows pages makes them; of another's answer the part is taken here.
//!
//! What is told as of an instant is told as of the first page's: its cursors carry it, or what came meanwhile
//! would be missing from the later pages.

use super::Behind;
use crate::domain::Reason;
use crate::mcp::{CallError, Caller, Served, Wants};
use crate::web::problem::Problem;
use serde_json::{Map, Value as Json, json};

/// Items of a page when nothing is said.
pub(super) const PAGE_DEFAULT: usize = 50;
/// Items of the longest page.
pub(super) const PAGE_MAX: usize = 1_000;

/// What a request may say about a page.
pub(super) const LIMIT: &str = "limit";
pub(super) const CURSOR: &str = "cursor";

/// The argument that says as of which instant something is told, and the member of the answer that does.
const AT: &str = "at";
/// In a cursor, what stands between that instant and the item.
const AFTER_AT: char = '~';

/// Tools that list and know no pages, and the members that name one of their items among all; where there are
/// none its place in the list does.
#[rustfmt::skip]
const WHOLE: &[(&str, &[&str])] = &[
    ("findMilestones", &["id"]),
    ("getAllProjects", &["id"]),
    ("getCalendar", &["type", "id"]),
    ("getChildGoals", &["id"]),
    ("getGoalsByMilestone", &["id"]),
    ("getHealth", &[]),
    ("getParentKPIs", &["id"]),
    ("getStatusLabels", &["id"]),
    ("listClaims", &["task"]),
    ("listPeople", &["id"]),
    ("listPlaybooks", &["name"]),
    ("listReviews", &["item"]),
    ("nextOccurrences", &["playbook", "planned"]),
    ("reportCost", &[]),
];

/// How a tool that lists comes to its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// It makes them.
    Paged,
    /// It answers with all; an item is named by these members.
    Whole(&'static [&'static str]),
}

impl Lists {
    /// How this tool does; `None`: it does not list.
    pub(super) fn of(tool: Served) -> Option<Self> {
        if takes(tool, CURSOR) {
            return Some(Self::Paged);
        }
        let whole = WHOLE.iter().find(|(name, _)| *name == tool.definition.name);
        whole.map(|(_, names)| Self::Whole(names))
    }
}

/// Whether a tool has an argument of this name.
fn takes(tool: Served, name: &str) -> bool {
    tool.input.get("properties").is_some_and(|all| all.get(name).is_some())
}

/// The page that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    cursor: Option<String>,
}

impl Page {
    /// Takes it from what the query says; `None`: it says nothing.
    pub(super) fn taken(query: &mut Map<String, Json>) -> Result<Option<Self>, Problem> {
        let (limit, cursor) = (query.remove(LIMIT), query.remove(CURSOR));
        if limit.is_none() && cursor.is_none() {
            return Ok(None);
        }
        let cursor = cursor.and_then(|text| text.as_str().map(str::to_owned));
        let limit = match limit {
            Some(text) => {
                let limit = text.as_str().and_then(|text| text.parse().ok());
                limit
                    .filter(|limit| (1..=PAGE_MAX).contains(limit))
                    .ok_or_else(|| Problem::invalid(format!("{LIMIT}: expected 1 to {PAGE_MAX}")))?
            }
            None => PAGE_DEFAULT,
        };
        Ok(Some(Self { limit, cursor }))
    }

    /// The first one, where nothing else is asked for.
    pub(super) fn first() -> Self {
        Self { limit: PAGE_DEFAULT, cursor: None }
    }

    /// The instant that the cursor carries, and the page without it.
    fn as_of(&self) -> (Option<String>, Self) {
        let (at, cursor) = match self.cursor.as_deref().and_then(|all| all.split_once(AFTER_AT)) {
            Some((at, item)) => (Some(at.to_owned()), Some(item.to_owned())),
            None => (None, self.cursor.clone()),
        };
        (at, Self { limit: self.limit, cursor })
    }
}

/// Calls a tool that lists; the page of its answer.
pub(super) async fn called(
    behind: &Behind,
    caller: &Caller,
    (tool, lists): (Served, Lists),
    mut args: Map<String, Json>,
    page: &Page,
) -> Result<Json, Problem> {
    let name = tool.definition.name;
    let names = match lists {
        Lists::Paged => {
            if let Some(said) = [LIMIT, CURSOR].into_iter().find(|said| args.contains_key(*said)) {
                let message = format!("{said}: it is in the query, and in the body, too");
                return Err(Problem::invalid(message));
            }
            args.insert(LIMIT.to_owned(), Json::from(page.limit));
            args.extend(page.cursor.as_ref().map(|at| (CURSOR.to_owned(), at.as_str().into())));
            return Ok(behind.handler.answer_program(caller, name, args, true).await?);
        }
        Lists::Whole(names) => names,
    };
    let is_as_of = takes(tool, AT);
    let (at, page) = if is_as_of { page.as_of() } else { (None, page.clone()) };
    args.extend(at.map(|at| (AT.to_owned(), at.into())));
    // Where it would stop by itself, the later pages would be missing.
    if takes(tool, LIMIT) {
        args.entry(LIMIT).or_insert_with(|| PAGE_MAX.into());
    }
    let cut = |answer: &mut Json| -> Result<(), CallError> {
        take_page(answer, names, &page)?;
        if is_as_of {
            carry_instant(answer);
        }
        Ok(())
    };
    Ok(behind.handler.answer_as(caller, name, args, true, Wants::part(&cut)).await?)
}

/// Leaves of the items those after the one that the cursor names, so many at most.
fn take_page(answer: &mut Json, names: &[&str], page: &Page) -> Result<(), CallError> {
    let Some(Json::Array(items)) = answer.get_mut("items") else { return Ok(()) };
    let begin = match &page.cursor {
        None => 0,
        Some(cursor) => after(items, names, cursor).ok_or_else(|| {
            let message = "cursor: what it names is gone; begin at the first page";
            CallError::of(Reason::InvalidArguments.code(), message)
        })?,
    };
    items.drain(..begin);
    let has_more = items.len() > page.limit;
    items.truncate(page.limit);
    let place = begin + items.len();
    let next = items.last().filter(|_| has_more).map(|last| match names {
        [] => place.to_string(),
        _ => name_of(last, names),
    });
    if let (Some(next), Json::Object(members)) = (next, answer) {
        members.insert("next".to_owned(), json!(next));
    }
    Ok(())
}

/// Puts the instant as of which an answer is told into its cursor, where it says one.
fn carry_instant(answer: &mut Json) {
    let at = answer.get(AT).and_then(Json::as_str);
    let next = answer.get("next").and_then(Json::as_str);
    let Some((at, next)) = at.zip(next) else { return };
    let next = format!("{at}{AFTER_AT}{next}");
    answer["next"] = json!(next);
}

/// Where the list goes on after what a cursor names.
fn after(items: &[Json], names: &[&str], cursor: &str) -> Option<usize> {
    if names.is_empty() {
        return cursor.parse().ok().filter(|place| *place <= items.len());
    }
    items.iter().position(|item| name_of(item, names) == cursor).map(|at| at + 1)
}

fn name_of(item: &Json, names: &[&str]) -> String {
    let part = |name: &&str| match item.get(*name) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    names.iter().map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::served;
    use crate::tools::ToolKind;

    fn cut(all: &Json, names: &[&str], cursor: Option<&str>, limit: usize) -> Json {
        let page = Page { limit, cursor: cursor.map(str::to_owned) };
        let mut answer = all.clone();
        match take_page(&mut answer, names, &page) {
            Ok(()) => answer,
            Err(error) => json!(error.code),
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let all = json!({ "items": [{ "id": 1 }, { "id": "b" }, { "id": 3 }], "faults": [] });
        let first = cut(&all, &["id"], None, 2);
        assert_eq!(first["items"], json!([{ "id": 1 }, { "id": "b" }]));
        assert_eq!(first["next"], "b");
        assert!(first["faults"].is_array(), "what else is said stays");
        let last = cut(&all, &["id"], Some("b"), 2);
        assert_eq!(last, json!({ "items": [{ "id": 3 }], "faults": [] }));
        assert_eq!(cut(&all, &["id"], Some("1"), 9)["items"].as_array().unwrap().len(), 2);
        assert_eq!(cut(&all, &["id"], Some("gone"), 2), "invalid_arguments");
    }

    #[test]
    fn an_item_is_named_by_all_that_tells_it_apart_or_else_by_its_place() {
        let all = json!({ "items": [
            { "type": "event", "id": 1 }, { "type": "task", "id": 1 }, { "type": "task", "id": 2 },
        ] });
        let names = ["type", "id"];
        assert_eq!(cut(&all, &names, None, 1)["next"], "event/1");
        assert_eq!(
            cut(&all, &names, Some("event/1"), 1)["items"],
            json!([{ "type": "task", "id": 1 }])
        );
        let second = cut(&all, &[], Some("1"), 1);
        assert_eq!((&second["items"][0]["type"], &second["next"]), (&json!("task"), &json!("2")));
        let last = cut(&all, &[], Some("2"), 1);
        assert_eq!((&last["items"][0]["id"], last.get("next")), (&json!(2), None));
        assert_eq!(cut(&all, &[], Some("4"), 1), "invalid_arguments");
    }

    #[test]
    fn a_cursor_carries_the_instant_as_of_which_the_first_page_was_told() {
        let at = "2026-11-03T09:00:00.000000001Z";
        let items =
            json!([{ "playbook": "a", "planned": "x" }, { "playbook": "b~c", "planned": "y" }]);
        let mut first = json!({ "items": items, "at": at });
        let names = ["playbook", "planned"];
        let page = |cursor: Option<&str>| Page { limit: 1, cursor: cursor.map(str::to_owned) };
        take_page(&mut first, &names, &page(None)).unwrap();
        carry_instant(&mut first);
        assert_eq!(first["next"], format!("{at}~a/x"));
        let (carried, rest) = page(first["next"].as_str()).as_of();
        assert_eq!((carried.as_deref(), rest), (Some(at), page(Some("a/x"))));
        // Whatever a name holds: an instant holds no such sign.
        let odd = page(Some(&format!("{at}~b~c/y"))).as_of();
        assert_eq!(odd, (Some(at.to_owned()), page(Some("b~c/y"))));
        assert_eq!(page(Some("a/x")).as_of(), (None, page(Some("a/x"))));
        let mut last = json!({ "items": [], "at": at });
        carry_instant(&mut last);
        assert_eq!(last.get("next"), None);
    }

    #[test]
    fn every_tool_that_lists_has_pages() {
        for tool in served() {
            let output = tool.output.and_then(|output| output.get("properties"));
            let has_items = output.is_some_and(|members| members.get("items").is_some());
            let is_read = tool.definition.kind == ToolKind::Read;
            let lists = Lists::of(tool);
            assert!(!(has_items && is_read) || lists.is_some(), "{}", tool.definition.name);
            if lists == Some(Lists::Paged) {
                assert!(takes(tool, LIMIT) && is_read, "{}", tool.definition.name);
            }
        }
        for (name, _) in WHOLE {
            let tool = served().find(|tool| tool.definition.name == *name);
            let tool = tool.unwrap_or_else(|| panic!("{name} is not served"));
            assert!(tool.definition.kind == ToolKind::Read && !takes(tool, CURSOR), "{name}");
        }
    }
}
