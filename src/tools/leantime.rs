//! Arguments as clients of Leantime's own server write them, where our listing has them otherwise: taken all
//! the same, so that what worked there works here. What means nothing on our boards is refused in words, and
//! never passed over in silence.

use super::arguments::shown;
use crate::domain::Value;
use std::collections::BTreeMap;

/// What Leantime's projects have and ours do not, with what to do instead.
const OF_PROJECTS: [(&str, &str); 5] = [
    ("clientId", "projects belong to no clients here; leave it out, or give 0"),
    ("parent", "projects have none here; leave it out, or give 0"),
    ("start", "projects have no dates here: give its milestones some (addMilestone)"),
    ("end", "projects have no dates here: give its milestones some (addMilestone)"),
    ("hourBudget", "projects have none here: plan hours at tasks (planHours)"),
];
/// Sizes of tasks by the letters that Leantime shows.
const SIZES: [(&str, i64); 6] = [("xs", 1), ("s", 2), ("m", 3), ("l", 5), ("xl", 8), ("xxl", 13)];

/// Fields of a new task that are listed in `params` alone, since each name costs every model: beside it
/// they are taken as well.
const IN_PARAMS_OF_TASKS: [&str; 4] = ["collaborators", "fields", "hoursRemaining", "storypoints"];
/// Those of a new subtask.
const IN_PARAMS_OF_SUBTASKS: [&str; 8] = [
    "acceptanceCriteria",
    "collaborators",
    "fields",
    "hoursRemaining",
    "milestone",
    "sprint",
    "storypoints",
    "type",
];

/// Rewrites arguments into ours. Those of one of several are rewritten where that one is called, so that
/// what is wrong with it stops no other.
///
/// # Errors
/// What is wrong with one, in words.
pub(super) fn understood(tool: &str, args: &mut Value) -> Result<(), String> {
    let Value::Map(args) = args else { return Ok(()) };
    match tool {
        "addProject" | "editProject" => without_project_extras(args),
        "patchProject" => inside(args, "params", without_project_extras),
        "getAllProjects" => match args.remove("includeProgressDetails") {
            None | Some(Value::Null | Value::Bool(false)) => Ok(()),
            Some(Value::Bool(true)) => Err("includeProgressDetails: the list does not have them; \
                 getFullProjectOverview tells how far a project is"
                .to_owned()),
            Some(_) => Err("includeProgressDetails: expected true or false".to_owned()),
        },
        "addTask" => new_task(args, &IN_PARAMS_OF_TASKS),
        "addSubtask" => new_task(args, &IN_PARAMS_OF_SUBTASKS),
        "editTask" => inside(args, "params", fields),
        _ => Ok(()),
    }
}

type Args = BTreeMap<String, Value>;

fn inside(
    args: &mut Args,
    name: &str,
    rewrite: fn(&mut Args) -> Result<(), String>,
) -> Result<(), String> {
    match args.get_mut(name) {
        Some(Value::Map(inner)) => rewrite(inner),
        _ => Ok(()),
    }
}

/// A new task, with these fields where we have them.
fn new_task(args: &mut Args, in_params: &[&str]) -> Result<(), String> {
    inside(args, "params", fields)?;
    fields(args)?;
    let beside = in_params.iter().filter_map(|name| args.remove_entry(*name));
    let beside: Vec<(String, Value)> = beside.collect();
    if beside.is_empty() {
        return Ok(());
    }
    let params = args.entry("params".to_owned()).or_insert_with(|| Value::Map(Args::new()));
    // What else it may be is refused by whoever reads it.
    let Value::Map(params) = params else { return Ok(()) };
    for (name, value) in beside {
        if params.contains_key(&name) {
            return Err(format!("{name}: params has it, too"));
        }
        params.insert(name, value);
    }
    Ok(())
}

/// The fields of a task.
fn fields(args: &mut Args) -> Result<(), String> {
    // Leantime keeps them as one text.
    if let Some(Value::Text(tags)) = args.get("tags") {
        let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        let tags = Value::List(tags.map(Value::from).collect());
        args.insert("tags".to_owned(), tags);
    }
    for name in ["milestoneid", "milestoneId"] {
        let Some(milestone) = args.remove(name) else { continue };
        if args.contains_key("milestone") {
            return Err(format!("{name}: milestone is given, too"));
        }
        // There a task without one has 0.
        let is_none = matches!(&milestone, Value::Int(0)) || milestone.as_text() == Some("0");
        args.insert("milestone".to_owned(), if is_none { Value::Null } else { milestone });
    }
    for name in ["effort", "storypoints"] {
        let Some(Value::Text(text)) = args.get(name) else { continue };
        let lower = text.trim().to_lowercase();
        let size = SIZES.iter().find(|(word, _)| *word == lower).map(|(_, size)| Value::Int(*size));
        let number = || lower.parse::<i64>().ok().map(Value::Int);
        let size = size.or_else(number).ok_or_else(|| {
            format!("{name}: expected XS, S, M, L, XL, XXL or a number, not \"{}\"", shown(text))
        })?;
        args.insert(name.to_owned(), size);
    }
    Ok(())
}

fn without_project_extras(args: &mut Args) -> Result<(), String> {
    for (name, instead) in OF_PROJECTS {
        let says_nothing = |given: &Value| match given {
            Value::Null | Value::Int(0) => true,
            Value::Text(text) => matches!(text.trim(), "" | "0"),
            _ => false,
        };
        match args.remove(name) {
            Some(given) if !says_nothing(&given) => return Err(format!("{name}: {instead}")),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tool: &str, args: &str) -> Result<String, String> {
        let mut args: Value = serde_json::from_str(args).unwrap();
        understood(tool, &mut args)?;
        Ok(serde_json::to_string(&args).unwrap())
    }

    #[test]
    fn what_leantimes_clients_write_is_ours_afterwards() {
        for (tool, theirs, ours) in [
            (
                "addProject",
                r#"{"clientId":0,"name":"a","parent":null,"start":""}"#,
                r#"{"name":"a"}"#,
            ),
            (
                "patchProject",
                r#"{"id":1,"params":{"hourBudget":"0","state":1}}"#,
                r#"{"id":1,"params":{"state":1}}"#,
            ),
            (
                "editTask",
                r#"{"id":1,"params":{"tags":"a, b,"}}"#,
                r#"{"id":1,"params":{"tags":["a","b"]}}"#,
            ),
            ("addTask", r#"{"effort":"xl","milestoneid":7}"#, r#"{"effort":8,"milestone":7}"#),
            (
                "addTask",
                r#"{"params":{"sort":1},"storypoints":"m","type":"bug"}"#,
                r#"{"params":{"sort":1,"storypoints":3},"type":"bug"}"#,
            ),
            (
                "addSubtask",
                r#"{"milestoneid":"0","parentTicket":7,"storypoints":2,"type":"bug"}"#,
                r#"{"params":{"milestone":null,"storypoints":2,"type":"bug"},"parentTicket":7}"#,
            ),
            (
                "editTask",
                r#"{"id":1,"params":{"milestoneId":"0"}}"#,
                r#"{"id":1,"params":{"milestone":null}}"#,
            ),
            ("getAllProjects", r#"{"includeProgressDetails":false}"#, "{}"),
            ("addComment", r#"{"clientId":1}"#, r#"{"clientId":1}"#),
        ] {
            assert_eq!(read(tool, theirs).as_deref(), Ok(ours), "{tool}");
        }
    }

    #[test]
    fn what_means_nothing_here_is_said() {
        for (tool, args, why) in [
            ("addProject", r#"{"clientId":3}"#, "clientId"),
            ("editProject", r#"{"end":"2026-12-31"}"#, "milestones"),
            ("getAllProjects", r#"{"includeProgressDetails":true}"#, "getFullProjectOverview"),
            ("editTask", r#"{"params":{"effort":"huge"}}"#, "XS, S, M"),
            ("addTask", r#"{"milestone":1,"milestoneid":2}"#, "too"),
            ("addSubtask", r#"{"type":"bug","params":{"type":"task"}}"#, "type: params has it"),
        ] {
            let told = read(tool, args).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
