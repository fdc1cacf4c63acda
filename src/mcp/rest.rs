//! What was cut off an answer that is too long: the address at which the rest is read.
//!
//! A list that has pages is asked for in shorter ones. Any other is cut between two items, and the
//! answer links to what follows: `rota://rest/getTicket/comments/120?%7B%22id%22%3A7%7D`. The address is
//! the call itself, made again with the reader's rights, from that item on; nothing is kept for it.

use super::answer;
use super::calling::too_long;
use super::resources::MIME;
use super::{CallError, Called, Caller, listing, schema};
use crate::domain::Value;
use crate::tools::{Definition, ToolKind, text_of};
use rmcp::model::{CallToolResult, ContentBlock, Resource};

/// How every such address begins.
const START: &str = "rota://rest/";
/// The longest address: arguments stand in it.
const URI_BYTES_MAX: usize = 2_048;
/// Lists that are cut in one answer.
const LISTS_MAX: usize = 4;
/// So deep a list is looked for.
const DEPTH_MAX: usize = 4;
/// The argument that says as of which instant something is told, and the member of the answer that does.
const AT: &str = "at";
/// The member that tells where what was cut off is read, by the name of the list.
const MEMBER: &str = "rest";

/// Whether whoever asks can read by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    Yes,
    /// The program of a run has tools alone: it is told how much is not shown.
    No,
}

/// Where the rest of a list is read.
#[derive(Clone)]
pub(super) struct Rest {
    /// The call.
    pub tool: &'static Definition,
    /// Its arguments.
    pub args: Value,
    /// The list: names of members, from the outside.
    path: Vec<String>,
    /// So many items are passed over.
    from: usize,
}

impl Rest {
    /// Reads an address; `None` for one that is none of these, or not for this caller.
    pub(super) fn parse(uri: &str, caller: &Caller) -> Option<Self> {
        let text = uri.strip_prefix(START).filter(|_| uri.len() <= URI_BYTES_MAX)?;
        let (place, args) = text.split_once('?')?;
        let mut parts = place.split('/');
        let tool = listing::definition_for(parts.next()?, caller)?;
        let path: Vec<String> = parts.next()?.split('.').map(str::to_owned).collect();
        let from = parts.next()?.parse().ok()?;
        let (args, _) = form_urlencoded::parse(args.as_bytes()).next()?;
        let args: Value = serde_json::from_str(&args).ok()?;
        let is_whole = parts.next().is_none() && args.as_map().is_some();
        // An address is read again and again: only what changes nothing has one.
        (is_whole && tool.kind == ToolKind::Read).then_some(Self { tool, args, path, from })
    }

    /// As it is given; `None` where the arguments are too long for one.
    fn uri(&self) -> Option<String> {
        let args = serde_json::to_string(&self.args).ok()?;
        let args: String = form_urlencoded::byte_serialize(args.as_bytes()).collect();
        let (tool, path, from) = (self.tool.name, self.path.join("."), self.from);
        let uri = format!("{START}{tool}/{path}/{from}?{args}");
        (uri.len() <= URI_BYTES_MAX).then_some(uri)
    }

    /// What follows, of the answer as it is now: as much of it as fits, and where it goes on.
    pub(super) fn read(&self, mut value: Value, bytes_max: usize) -> Result<String, CallError> {
        let Some(list) = list_in(&mut value, &self.path) else {
            let message = "there is no such list in the answer any more; call the tool again";
            return Err(CallError::of("not_found", message));
        };
        let mut items: Vec<Value> = list.drain(self.from.min(list.len())..).collect();
        let all = items.len();
        loop {
            let next = Self { from: self.from + items.len(), ..self.clone() };
            let mut shown = vec![("items", Value::List(items.clone()))];
            if items.len() < all {
                shown.push((MEMBER, next.uri().ok_or_else(|| too_long(bytes_max))?.into()));
            }
            let text = schema::without_nulls(Value::map(shown)).to_string();
            let bytes = answer::written(&text);
            if bytes <= bytes_max {
                return Ok(text);
            }
            items.truncate(fewer(items.len(), bytes, bytes_max));
            if items.is_empty() {
                return Err(too_long(bytes_max));
            }
        }
    }
}

/// What was cut off one list.
struct Cut {
    rest: Rest,
    /// How many items there were.
    of: usize,
    /// Where the rest is read, or how much there is of it.
    told: String,
}

/// An answer of a reading tool that is too long, cut so that it fits, with links to what was cut off.
///
/// # Errors
/// What is too long is no list, or cannot be asked for again.
pub(super) fn cut(
    structured: serde_json::Value,
    (tool, args): (&'static Definition, &Value),
    linked: Linked,
    bytes_max: usize,
) -> Result<CallToolResult, CallError> {
    let refused = || too_long(bytes_max);
    let mut value: Value = serde_json::from_value(structured).map_err(|_| refused())?;
    let args = &as_of(tool, args, &value);
    let mut cuts: Vec<Cut> = Vec::new();
    while cuts.len() < LISTS_MAX {
        let path = longest(&value, &cuts, tool).ok_or_else(refused)?;
        let items = list_in(&mut value, &path).map(std::mem::take).unwrap_or_default();
        let of = items.len();
        let mut cut =
            Cut { rest: Rest { tool, args: args.clone(), path, from: 0 }, of, told: String::new() };
        cut.tell(linked).ok_or_else(refused)?;
        let at = cuts.len();
        cuts.push(cut);
        // What there is without any item of it says how much room is left for them.
        let without = answer::written(&result(&value, &cuts, linked));
        if without > bytes_max {
            continue;
        }
        let each = items.iter().map(sent).sum::<usize>() / of.max(1) + 1;
        let mut keep = ((bytes_max - without) / each).min(of);
        while keep > 0 {
            if let Some(list) = list_in(&mut value, &cuts[at].rest.path) {
                list.clear();
                list.extend_from_slice(&items[..keep]);
            }
            cuts[at].rest.from = keep;
            cuts[at].tell(linked).ok_or_else(refused)?;
            let shown = result(&value, &cuts, linked);
            if answer::fits(&shown, bytes_max) {
                return Ok(shown);
            }
            // Items differ.
            keep = keep * 3 / 4;
        }
        if let Some(list) = list_in(&mut value, &cuts[at].rest.path) {
            list.clear();
        }
        cuts[at].rest.from = 0;
        cuts[at].tell(linked).ok_or_else(refused)?;
        return Ok(result(&value, &cuts, linked));
    }
    Err(refused())
}

/// The arguments by which the same answer is given later: of what is told as of an instant, that instant.
fn as_of(tool: &Definition, args: &Value, answer: &Value) -> Value {
    let takes = tool.input_schema.get("properties").is_some_and(|known| known.get(AT).is_some());
    let mut args = args.clone();
    if let (true, Some(at), Value::Map(given)) = (takes, answer.get(AT), &mut args) {
        given.insert(AT.to_owned(), at.clone());
    }
    args
}

impl Cut {
    /// Says where the rest is read, or how much there is of it.
    fn tell(&mut self, linked: Linked) -> Option<()> {
        self.told = match linked {
            Linked::Yes => self.rest.uri()?,
            Linked::No => format!("{} more are not shown", self.of - self.rest.from),
        };
        Some(())
    }
}

/// What an item takes of an answer, in its structure and in its text, nearly.
fn sent(item: &Value) -> usize {
    let structure = answer::written(&schema::without_nulls(item.clone()));
    structure + answer::written(&text_of(item))
}

/// The answer with its links: as blocks, and as members for clients that show only the structure.
fn result(value: &Value, cuts: &[Cut], linked: Linked) -> CallToolResult {
    let mut value = value.clone();
    if let (Value::Map(map), false) = (&mut value, cuts.is_empty()) {
        let told = cuts.iter().map(|cut| (cut.rest.path.join("."), Value::from(cut.told.as_str())));
        map.insert(MEMBER.to_owned(), Value::Map(told.collect()));
    }
    let mut result = answer::result(Called { text: text_of(&value), value });
    for Cut { rest, of, told } in cuts.iter().filter(|_| linked == Linked::Yes) {
        let name = format!("{} {} to {of}", rest.path.join("."), rest.from + 1);
        let about = "What was cut off this answer, since it is too long. Read it by its address.";
        let link = Resource::new(told.as_str(), name).with_description(about).with_mime_type(MIME);
        result.content.push(ContentBlock::resource_link(link));
    }
    result
}

/// How many of so many items may fit, judged by how much too long it is; always fewer.
fn fewer(items: usize, bytes: usize, bytes_max: usize) -> usize {
    // Nine tenths of it, since items differ, and halves once little is left to judge by.
    let guess = items.saturating_mul(bytes_max) / bytes.max(1) * 9 / 10;
    guess.min(items / 2 + items / 4).min(items.saturating_sub(1))
}

/// The list at this place.
fn list_in<'a>(value: &'a mut Value, path: &[String]) -> Option<&'a mut Vec<Value>> {
    match (value, path) {
        (Value::List(items), []) => Some(items),
        (Value::Map(map), [name, rest @ ..]) => list_in(map.get_mut(name)?, rest),
        _ => None,
    }
}

/// The list that takes the most room, of those that have not been cut.
fn longest(value: &Value, cuts: &[Cut], tool: &Definition) -> Option<Vec<String>> {
    // A list with pages goes on at its cursor, which would pass over what was cut off.
    let has_pages =
        tool.input_schema.get("properties").is_some_and(|known| known.get("cursor").is_some());
    let is_paged = |path: &[String]| has_pages && path.len() == 1 && path[0] == "items";
    let is_cut = |path: &Vec<String>| cuts.iter().any(|cut| cut.rest.path == *path);
    let mut found: Option<(usize, Vec<String>)> = None;
    let mut open = vec![(value, Vec::new())];
    while let Some((value, path)) = open.pop() {
        match value {
            Value::List(items)
                if !items.is_empty() && !path.is_empty() && !is_cut(&path) && !is_paged(&path) =>
            {
                let bytes = schema::without_nulls(value.clone()).to_string().len();
                if found.as_ref().is_none_or(|(most, _)| bytes > *most) {
                    found = Some((bytes, path));
                }
            }
            Value::Map(map) if path.len() < DEPTH_MAX => {
                // A name with a dot in it would be two in an address.
                for (name, value) in map.iter().filter(|(name, _)| !name.contains(['.', '/', '?']))
                {
                    let mut path = path.clone();
                    path.push(name.clone());
                    open.push((value, path));
                }
            }
            _ => {}
        }
    }
    found.map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> &'static Definition {
        listing::definition_for(name, &Caller::owner()).unwrap()
    }

    fn ticket(comments: i64, subtasks: i64) -> Value {
        let list = |word: &str, count| {
            let item = |n| {
                Value::map([("id", Value::Int(n)), ("text", format!("{word} {n} \"é\"").into())])
            };
            Value::List((0..count).map(item).collect())
        };
        let children = Value::map([("items", list("part", subtasks))]);
        Value::map([
            ("id", Value::Int(7)),
            ("headline", "Fix \"it\"".into()),
            ("comments", list("word", comments)),
            ("children", children),
        ])
    }

    fn links(result: &CallToolResult) -> Vec<String> {
        result
            .content
            .iter()
            .filter_map(|part| part.as_resource_link())
            .map(|l| l.uri.clone())
            .collect()
    }

    /// Everything of a list, by following the links from the answer on.
    fn followed(value: &Value, first: Vec<i64>, uri: &str, max: usize) -> Vec<i64> {
        let (mut ids, mut next) = (first, Some(uri.to_owned()));
        while let Some(uri) = next {
            let rest = Rest::parse(&uri, &Caller::owner()).unwrap();
            let text = rest.read(value.clone(), max).unwrap();
            assert!(answer::written(&text) <= max);
            let page: serde_json::Value = serde_json::from_str(&text).unwrap();
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
            next = page[MEMBER].as_str().map(str::to_owned);
        }
        ids
    }

    fn cut_to(value: &Value, linked: Linked, max: usize) -> Result<CallToolResult, CallError> {
        let args = Value::map([("id", 7)]);
        cut(schema::without_nulls(value.clone()), (tool("getTicket"), &args), linked, max)
    }

    #[test]
    fn an_answer_is_cut_between_items_and_its_links_lead_through_all_of_the_rest() {
        for (comments, subtasks, max) in
            [(400, 3, 4_000), (3, 400, 4_000), (300, 300, 2_500), (1, 90, 1_900)]
        {
            let value = ticket(comments, subtasks);
            let result = cut_to(&value, Linked::Yes, max).unwrap();
            assert!(answer::fits(&result, max));
            let shown = result.structured_content.clone().unwrap();
            assert_eq!(shown["headline"], "Fix \"it\"", "what is no list is whole");
            let text = result.content[0].as_text().unwrap().text.clone();
            assert!(text.contains("rota://rest/getTicket/"), "for who reads only the text: {text}");
            assert!(!links(&result).is_empty());
            for uri in links(&result) {
                let path = Rest::parse(&uri, &Caller::owner()).unwrap().path.join(".");
                assert_eq!(shown[MEMBER][&path], uri.as_str());
                let (list, all) = match path.as_str() {
                    "comments" => (&shown["comments"], comments),
                    _ => (&shown["children"]["items"], subtasks),
                };
                let first = list.as_array().unwrap().iter();
                let first = first.map(|item| item["id"].as_i64().unwrap()).collect();
                assert_eq!(followed(&value, first, &uri, max), (0..all).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn whoever_cannot_read_by_address_is_told_how_much_is_not_shown() {
        let result = cut_to(&ticket(400, 3), Linked::No, 4_000).unwrap();
        assert!(answer::fits(&result, 4_000) && links(&result).is_empty());
        let shown = result.structured_content.unwrap();
        let left = 400 - shown["comments"].as_array().unwrap().len();
        assert_eq!(shown[MEMBER]["comments"], format!("{left} more are not shown"));
    }

    #[test]
    fn the_rest_of_what_is_told_as_of_an_instant_is_read_as_of_that_instant() {
        let at = "2026-11-03T09:00:00Z";
        let item = |n: i64| Value::map([("planned", format!("{at} + {n} s"))]);
        let items = Value::List((0..200).map(item).collect());
        let answer = Value::map([("items", items), ("at", at.into())]);
        let args = Value::map([("count", 200)]);
        let cut = cut(
            schema::without_nulls(answer),
            (tool("nextOccurrences"), &args),
            Linked::Yes,
            2_000,
        )
        .unwrap();
        let rest = Rest::parse(&links(&cut)[0], &Caller::owner()).unwrap();
        let expected = Value::map([("at", Value::from(at)), ("count", 200.into())]);
        assert_eq!(rest.args, expected);
        // Of what knows no such thing the arguments are as they were.
        let result = cut_to(&ticket(400, 3), Linked::Yes, 4_000).unwrap();
        let rest = Rest::parse(&links(&result)[0], &Caller::owner()).unwrap();
        assert_eq!(rest.args, Value::map([("id", 7)]));
    }

    #[test]
    fn what_is_too_long_without_a_list_is_refused() {
        let value = Value::map([("text", "x".repeat(5_000))]);
        let refused = cut_to(&value, Linked::Yes, 2_000).unwrap_err();
        assert_eq!(refused.code, "response_too_large");
        let list = Value::map([("items", Value::List(vec![Value::from("x".repeat(5_000)); 3]))]);
        let args = Value::map::<&str, Value>([]);
        let rest = Rest { tool: tool("getAllProjects"), args, path: vec!["items".into()], from: 1 };
        assert_eq!(rest.read(list, 2_000).unwrap_err().code, "response_too_large");
    }

    #[test]
    fn an_address_reads_what_the_caller_may_read_and_changes_nothing() {
        let good = "rota://rest/getTicket/comments/120?%7B%22id%22%3A7%7D";
        let rest = Rest::parse(good, &Caller::owner()).unwrap();
        assert_eq!((rest.tool.name, rest.from), ("getTicket", 120));
        assert_eq!(rest.args, Value::map([("id", 7)]));
        assert_eq!(rest.uri().unwrap(), good);
        for wrong in [
            "rota://rest/",
            "rota://rest/deleteTask/items/1?%7B%22id%22%3A7%7D",
            "rota://rest/nothing/items/1?%7B%7D",
            "rota://rest/getTicket/comments/-1?%7B%7D",
            "rota://rest/getTicket/comments/1/2?%7B%7D",
            "rota://rest/getTicket/comments/1",
            "rota://rest/getTicket/comments/1?",
            "rota://rest/getTicket/comments/1?%5B1%5D",
            "rota://rest/getTicket/comments/1?%7B",
            &format!("rota://rest/getTicket/comments/1?%22{}%22", "x".repeat(3_000)),
        ] {
            assert!(Rest::parse(wrong, &Caller::owner()).is_none(), "{wrong}");
        }
        let narrow = Caller { tools: vec!["findTasks".to_owned()], ..Caller::owner() };
        assert!(Rest::parse(good, &narrow).is_none());
    }
}
