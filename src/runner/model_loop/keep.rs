//! What is kept of a conversation while a person is asked: all of it, without what can be nothing but a
//! secret.

use crate::domain::Value;
use crate::fault::REDACTED;
use crate::model::{Call, Message};
use crate::runner::Signs;
use crate::runner::conversation::Messages;

/// What a call came to that was made beside the one that asked.
const NOT_DONE: &str = "not done: the run waits for a person's answer; call it again";

/// How names end under which nothing but secrets stand, without what joins their words. Keys and tokens are
/// also what issues and pages go by.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "apikey",
    "privatekey",
    "accesskey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "bearertoken",
    "authorization",
];

/// A conversation that ends with the result of the call that asked; why it cannot be kept.
pub(super) fn kept(
    mut messages: Vec<Message>,
    (model, turns): (String, u32),
    signs: &Signs,
) -> Result<Messages, &'static str> {
    let Some(Message::ToolResult { id: asked, .. }) = messages.last() else {
        return Err("it does not end with a question");
    };
    let asked = asked.clone();
    messages.extend(unanswered(&messages));
    // Not more: a commit's name looks like a secret, and whoever goes on needs it.
    let clean = |text: &str| signs.harmless(text);
    let messages = messages.into_iter().map(|message| redacted(message, &clean, signs));
    Ok(Messages { model, turns, asked, messages: messages.collect::<Result<_, _>>()? })
}

/// A result for each of the last calls that has none.
fn unanswered(messages: &[Message]) -> Vec<Message> {
    let last = messages.iter().enumerate().rev().find_map(|(place, message)| match message {
        Message::Assistant { calls, .. } => Some((place, calls)),
        _ => None,
    });
    let Some((place, calls)) = last else { return Vec::new() };
    let without = calls.iter().skip(messages.len() - place - 1);
    let not_done = |call: &Call| Message::ToolResult {
        id: call.id.clone(),
        text: NOT_DONE.to_owned(),
        is_error: true,
    };
    without.map(not_done).collect()
}

fn redacted(
    message: Message,
    clean: &dyn Fn(&str) -> String,
    signs: &Signs,
) -> Result<Message, &'static str> {
    Ok(match message {
        Message::User(text) => Message::User(clean(&text)),
        Message::ToolResult { id, text, is_error } => {
            Message::ToolResult { id, text: clean(&text), is_error }
        }
        Message::Assistant { text, calls, echo } => {
            // What a model signed counts only as it is.
            if holds_secret(&echo, signs) {
                return Err("what the model wants to see again as it was holds a secret");
            }
            let calls = calls.into_iter().map(|call| {
                let args = call.args.map(|args| value(args, clean)).map_err(|why| clean(&why));
                Call { args, ..call }
            });
            Message::Assistant { text: clean(&text), calls: calls.collect(), echo }
        }
    })
}

fn value(given: Value, clean: &dyn Fn(&str) -> String) -> Value {
    match given {
        Value::Text(text) => clean(&text).into(),
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| value(item, clean)).collect())
        }
        Value::Map(map) => {
            let map = map.into_iter().map(|(name, given)| {
                let is_one = is_secret(&name, &given);
                let given = if is_one { REDACTED.into() } else { value(given, clean) };
                (name, given)
            });
            Value::Map(map.collect())
        }
        plain => plain,
    }
}

/// Whether there is what can be nothing but a secret. Signatures look like some, and are none.
fn holds_secret(echo: &Value, signs: &Signs) -> bool {
    match echo {
        Value::Text(text) => signs.harmless(text) != *text,
        Value::List(items) => items.iter().any(|item| holds_secret(item, signs)),
        Value::Map(map) => {
            map.iter().any(|(name, given)| is_secret(name, given) || holds_secret(given, signs))
        }
        _ => false,
    }
}

/// Whether what stands under a name can be nothing but a secret. Whether there is one is none.
fn is_secret(name: &str, given: &Value) -> bool {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    let name: String = letters.flat_map(char::to_lowercase).collect();
    let is_named = SECRET_NAMES.iter().any(|secret| name.ends_with(secret));
    is_named && !matches!(given, Value::Null | Value::Bool(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(result: &str, echo: Value) -> Vec<Message> {
        let args = Value::map([("password", "hunter2"), ("note", "with ghp_abcdefgh1234, go")]);
        let calls = vec![
            Call::new("c1", "addComment", args),
            Call::new("c2", "finish", Value::Null),
            Call::new("c3", "getTicket", Value::Null),
        ];
        let told = |id: &str| Message::ToolResult {
            id: id.to_owned(),
            text: result.to_owned(),
            is_error: false,
        };
        vec![
            Message::User("Your key is sk-abcdefgh1234.".into()),
            Message::Assistant { text: "I use xoxb-abcdefgh1234 now.".into(), calls, echo },
            told("c1"),
            told("c2"),
        ]
    }

    fn signs() -> Signs {
        Signs::channel(1).0
    }

    #[test]
    fn no_secret_is_kept_and_all_the_rest_is() {
        let signs = signs();
        signs.hide("OUR_KEY", "correct-horse".to_owned().into());
        let of = ("m".to_owned(), 3);
        let told = "It says correct-horse twice, at 31f2f4fdd3dd93bc66d19981c536e6990a1b2c3d.";
        let kept = kept(talk(told, Value::Null), of, &signs).unwrap();
        assert_eq!((kept.asked.as_str(), kept.turns, kept.messages.len()), ("c2", 3, 5));
        let text = serde_json::to_string(&kept.messages).unwrap();
        for secret in ["hunter2", "ghp_", "sk-abc", "xoxb-", "correct-horse"] {
            assert!(!text.contains(secret), "{text}");
        }
        for word in [
            "Your key is ",
            "I use ",
            " now.",
            "go",
            "It says ",
            " twice, at 31f2f4fdd3dd93bc66d19981c536e699",
        ] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_call_that_was_not_made_any_more_has_its_one_result() {
        let kept = kept(talk("ok", Value::Null), ("m".to_owned(), 1), &signs()).unwrap();
        let last = Message::ToolResult { id: "c3".into(), text: NOT_DONE.into(), is_error: true };
        assert_eq!(kept.messages.last(), Some(&last));
        let ids = kept.messages.iter().filter_map(|message| match message {
            Message::ToolResult { id, .. } => Some(id.as_str()),
            _ => None,
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["c1", "c2", "c3"]);
    }

    #[test]
    fn what_a_model_signed_is_kept_as_it_is_or_the_conversation_is_not() {
        let thought = |text: &str| {
            let signature = "EqQBCkYIBxgCKkDx9f0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6";
            Value::List(vec![Value::map([("thinking", text), ("signature", signature)])])
        };
        let keep = |echo: Value| kept(talk("ok", echo), ("m".to_owned(), 1), &signs());
        let fine = thought("It is commit 31f2f4fdd3dd93bc66d19981c536e699.");
        let Message::Assistant { echo, .. } = &keep(fine.clone()).unwrap().messages[1] else {
            panic!("no reply")
        };
        assert_eq!(*echo, fine);
        assert!(keep(thought("I use ghp_abcdefgh1234.")).is_err());
        let call = |name: &str| {
            Value::List(vec![Value::map([("input", Value::map([(name, "PROJ-12")]))])])
        };
        for name in ["password", "API-Key", "client_secret", "Authorization", "accessToken"] {
            assert!(keep(call(name)).is_err(), "{name}");
        }
        for name in ["key", "token", "cursor_token", "cookies", "secretary", "keys"] {
            assert!(keep(call(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_goes_by_the_name_of_a_key_or_token_stays_in_the_arguments() {
        let args = Value::map([
            ("key", Value::from("PROJ-12")),
            ("token", "page-2".into()),
            ("has_password", true.into()),
            ("db_password", "hunter2".into()),
        ]);
        let call = vec![Call::new("c1", "tracker:getIssue", args.clone())];
        let said = Message::Assistant { text: String::new(), calls: call, echo: Value::Null };
        let told = Message::ToolResult { id: "c1".into(), text: "ok".into(), is_error: false };
        let talk = vec![Message::User("The prompt.".into()), said, told];
        let kept = kept(talk, ("m".to_owned(), 1), &signs()).unwrap();
        let Message::Assistant { calls, .. } = &kept.messages[1] else { panic!("no reply") };
        let Value::Map(mut expected) = args else { unreachable!() };
        expected.insert("db_password".to_owned(), REDACTED.into());
        assert_eq!(calls[0].args, Ok(Value::Map(expected)));
    }
}
