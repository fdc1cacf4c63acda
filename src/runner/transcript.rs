//! What a run's transcript holds of turns and calls of tools: bounded, and without what looks like a secret.

use super::Signs;
use crate::domain::{Usage, Value};
use crate::fault::{REDACTED, masked};
use crate::model::{Call, Reply};

/// So much of a call's arguments is kept, in bytes of text.
const ARGS_BYTES_MAX: usize = 3_000;
/// So much of one text in them.
const TEXT_BYTES_MAX: usize = 1_000;
/// So much of a result is kept.
const RESULT_BYTES_MAX: usize = 2_000;
/// What a place in a list takes.
const ITEM_BYTES: usize = 4;
/// So many items of a list or table.
const ITEMS_MAX: usize = 50;
/// So deep.
const DEPTH_MAX: usize = 8;

/// Parts of names under which secrets stand.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "bearer",
    "private_key",
    "cookie",
];

/// The parts of a reply.
pub(super) fn reply(turn: u32, reply: &Reply) -> Value {
    let calls = reply.calls.iter().map(|call| {
        Value::map([("id", Value::from(call.id.as_str())), ("tool", named(&call.tool).into())])
    });
    Value::map([
        ("turn", Value::from(turn)),
        ("stop", reply.stop.as_str().into()),
        ("calls", Value::List(calls.collect())),
        ("usage", usage(reply.usage)),
    ])
}

/// What came of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made<'a> {
    /// What whoever called was told.
    pub(super) told: &'a str,
    pub(super) is_error: bool,
    /// The first and the last of the run's writes that were made meanwhile; the daemon's own may be among them.
    pub(super) writes: Option<(u32, u32)>,
}

/// The parts of a model's call and of what came of it.
pub(super) fn call(turn: u32, call: &Call, made: &Made<'_>, signs: &Signs) -> Value {
    let args = match &call.args {
        Ok(args) => shown(args, signs),
        Err(why) => Value::map([("broken", kept(why, TEXT_BYTES_MAX, signs))]),
    };
    let parts = [("turn", Value::from(turn)), ("id", call.id.as_str().into())];
    Value::map(parts.into_iter().chain(came(&call.tool, args, made, signs)))
}

/// The parts of a call of a program, which knows no turns.
pub(super) fn granted(tool: &str, args: &Value, made: &Made<'_>, signs: &Signs) -> Value {
    Value::map(came(tool, shown(args, signs), made, signs))
}

fn came(tool: &str, args: Value, made: &Made<'_>, signs: &Signs) -> Vec<(&'static str, Value)> {
    let mut parts = vec![
        ("tool", named(&signs.harmless(tool)).into()),
        ("args", args),
        ("is_error", made.is_error.into()),
        ("result", kept(made.told, RESULT_BYTES_MAX, signs).into()),
        ("result_bytes", i64::try_from(made.told.len()).unwrap_or(i64::MAX).into()),
    ];
    if let Some((first, last)) = made.writes {
        parts.push(("writes", vec![first, last].into()));
    }
    parts
}

/// A name that a model may have made up.
fn named(tool: &str) -> String {
    begin(tool, 128)
}

fn usage(usage: Usage) -> Value {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    Value::map([
        ("tokens_in", count(usage.tokens_in)),
        ("tokens_cached", count(usage.tokens_cached)),
        ("tokens_out", count(usage.tokens_out)),
        ("cost_micros", count(usage.cost_micros)),
    ])
}

/// The beginning of a text. What is to be hidden is hidden first: of a secret over the cut a part would stay.
fn kept(text: &str, bytes_max: usize, signs: &Signs) -> String {
    begin(&masked(&signs.harmless(text)), bytes_max)
}

fn shown(args: &Value, signs: &Signs) -> Value {
    let mut room = ARGS_BYTES_MAX;
    value(args, &mut room, 0, signs)
}

fn value(given: &Value, room: &mut usize, depth: usize, signs: &Signs) -> Value {
    if depth > DEPTH_MAX || *room == 0 {
        return "…".into();
    }
    match given {
        Value::Text(text) => {
            let text = kept(text, TEXT_BYTES_MAX.min(*room), signs);
            *room = room.saturating_sub(text.len());
            text.into()
        }
        Value::List(items) => {
            let items = items.iter().take(ITEMS_MAX);
            let item = |item| {
                // What is empty takes its place, too.
                *room = room.saturating_sub(ITEM_BYTES);
                value(item, room, depth + 1, signs)
            };
            Value::List(items.map(item).collect())
        }
        Value::Map(map) => {
            let map = map.iter().take(ITEMS_MAX).map(|(name, given)| {
                *room = room.saturating_sub(name.len().min(64));
                let is_hidden = is_secret(name);
                let given =
                    if is_hidden { REDACTED.into() } else { value(given, room, depth + 1, signs) };
                (kept(name, 64, signs), given)
            });
            Value::Map(map.collect())
        }
        plain => {
            *room = room.saturating_sub(8);
            plain.clone()
        }
    }
}

/// Whether what stands under a name is a secret, whatever it looks like.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    SECRET_NAMES.iter().any(|part| lower.contains(part))
        || matches!(lower.as_str(), "token" | "key")
}

fn begin(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(bytes_max)];
    format!("{kept}… [{} more bytes]", text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    fn signs() -> Signs {
        Signs::channel(8).0
    }

    #[test]
    fn of_a_named_secret_no_part_is_kept_wherever_a_text_is_cut() {
        let (signs, secret) = (signs(), "correct horse battery staple");
        signs.hide("pass", secret.to_owned().into());
        for place in [TEXT_BYTES_MAX, RESULT_BYTES_MAX, 64] {
            for before in (place - secret.len()..place).map(|bytes| ". ".repeat(bytes / 2)) {
                let text = format!("{before}{secret}");
                let args = Value::map([("text", Value::from(text.as_str()))]);
                let args = Value::List(vec![args, Value::map([(text.clone(), 1_i64)])]);
                let made = Made { told: &text, is_error: false, writes: None };
                let of_program = granted("addComment", &args, &made, &signs);
                let of_model = call(1, &Call::new("c1", "addComment", args), &made, &signs);
                for kept in [json(&of_program), json(&of_model)] {
                    assert!(!kept.contains("corr"), "{place}: {kept}");
                }
            }
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let args: Value = serde_json::from_str(
            r#"{"id": 7, "password": "hunter2", "api_key": ["hunter2"], "note":
                "use sk-abcdefgh1234, then go", "deep": {"Authorization": "Bearer hunter2"}}"#,
        )
        .unwrap();
        let made =
            Made { told: "token ghp_abcdefgh1234 ok", is_error: false, writes: Some((3, 4)) };
        let kept = call(1, &Call::new("c1", "addComment", args.clone()), &made, &signs());
        let of_program = granted("addComment", &args, &made, &signs());
        for name in ["tool", "args", "is_error", "result", "result_bytes", "writes"] {
            assert_eq!(of_program.get(name), kept.get(name), "{name}");
        }
        assert_eq!(kept.get("writes"), Some(&vec![3_i64, 4].into()));
        let text = json(&kept);
        for secret in ["hunter2", "sk-abcdefgh", "ghp_abcdefgh"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("then go") && text.contains(" ok"), "{text}");
        assert!(text.contains("\"id\":7"), "{text}");
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let mut deep = Value::from("x");
        for _ in 0..50 {
            deep = Value::map([("inside", deep)]);
        }
        let long = Value::from("é".repeat(100_000));
        let many = Value::List(vec![long.clone(); 1_000]);
        let names = Value::map((0..1_000).map(|n| (format!("{n}{}", "k".repeat(500)), 1_i64)));
        let hollow = |inner: &Value| Value::List(vec![inner.clone(); 50]);
        let empty = hollow(&hollow(&hollow(&Value::List(Vec::new()))));
        for args in [deep, long, many, names, empty] {
            let told = "r".repeat(99_999);
            let made = Made { told: &told, is_error: true, writes: None };
            let kept = call(1, &Call::new("c1", "t".repeat(9_000), args), &made, &signs());
            let text = json(&kept);
            assert!(text.len() < 12_000, "{}", text.len());
        }
    }

    #[test]
    fn broken_arguments_are_told_as_such() {
        let broken = Call { id: "c1".into(), tool: "x".into(), args: Err("not JSON".into()) };
        let made = Made { told: "no", is_error: true, writes: None };
        let kept = call(3, &broken, &made, &signs());
        assert_eq!(kept.get("args").and_then(|args| args.get("broken")), Some(&"not JSON".into()));
        assert_eq!(kept.get("turn"), Some(&Value::Int(3)));
    }
}
