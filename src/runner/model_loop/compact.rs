//! A conversation that became too long for the model is made shorter: old results first, then whole
//! turns, of which a list of calls remains. The prompt stays, and every call keeps its one result.

use super::told::END;
use crate::domain::Value;
use crate::model::{Call, Message};

/// So much of an old result stays.
const OLD_RESULT_BYTES: usize = 512;
/// So much of a result of the last turn stays, when nothing else helps.
const LAST_RESULT_BYTES: usize = 2_048;
/// At most so many calls of turns that were left out are named.
const NAMED_MAX: usize = 100;
/// So much of a call's arguments is named.
const NAMED_CHARS_MAX: usize = 120;

/// How the list of calls begins.
const LEFT_OUT: &str = "Earlier turns were left out to make room. What was called in them:";

/// About how long a conversation is, in bytes.
pub(super) fn bytes(messages: &[Message]) -> usize {
    messages.iter().map(Message::bytes).sum()
}

/// Makes a conversation shorter, if it can to `target` bytes; whether it is shorter now.
pub(super) fn compact(messages: &mut Vec<Message>, target: usize) -> bool {
    let before = bytes(messages);
    let last = messages.iter().rposition(is_reply).unwrap_or(0);
    for place in 1..last {
        if bytes(messages) <= target {
            break;
        }
        shorten(&mut messages[place], OLD_RESULT_BYTES);
    }
    while bytes(messages) > target && leave_out_a_turn(messages) {}
    if bytes(messages) > target {
        // Many results at once may be too long together.
        messages.iter_mut().skip(1).for_each(|message| shorten(message, LAST_RESULT_BYTES));
    }
    bytes(messages) < before
}

fn is_reply(message: &Message) -> bool {
    matches!(message, Message::Assistant { .. })
}

fn shorten(message: &mut Message, keep: usize) {
    let Message::ToolResult { text, .. } = message else { return };
    let (inside, end) = match text.strip_suffix(END) {
        Some(inside) => (inside, END),
        None => (text.as_str(), ""),
    };
    // The word about the rest is about this long itself.
    if inside.len() <= keep.saturating_add(100) {
        return;
    }
    let (kept, rest) = inside.split_at(inside.floor_char_boundary(keep));
    let rest = rest.len();
    *text = format!(
        "{kept}\n[{rest} bytes were left out to make room; call the tool again if you need them]{end}"
    );
}

/// Leaves out the oldest turn but the last; whether there was one.
fn leave_out_a_turn(messages: &mut Vec<Message>) -> bool {
    let replies: Vec<usize> =
        (0..messages.len()).filter(|place| is_reply(&messages[*place])).take(2).collect();
    let [first, second] = replies[..] else { return false };
    let turn: Vec<Message> = messages.drain(first..second).collect();
    let results = |id: &str| {
        turn.iter().any(|message| match message {
            Message::ToolResult { id: own, is_error, .. } => own == id && !*is_error,
            _ => false,
        })
    };
    let mut lines: Vec<String> = Vec::new();
    for message in &turn {
        if let Message::Assistant { calls, .. } = message {
            lines.extend(calls.iter().map(|call| named(call, results(&call.id))));
        }
    }
    let noted = match messages.get(1) {
        Some(Message::User(text)) if text.starts_with(LEFT_OUT) => {
            let noted = text.lines().skip(1).map(str::to_owned).collect();
            messages.remove(1);
            noted
        }
        _ => Vec::new(),
    };
    let all: Vec<String> = noted.into_iter().chain(lines).collect();
    let skipped = all.len().saturating_sub(NAMED_MAX);
    let mut note = vec![LEFT_OUT.to_owned()];
    note.extend(all.into_iter().skip(skipped));
    messages.insert(1, Message::User(note.join("\n")));
    true
}

fn named(call: &Call, was_done: bool) -> String {
    let args = call.args.as_ref().map_or_else(|_| "?".to_owned(), Value::to_string);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let args: String = args.chars().take(NAMED_CHARS_MAX).map(plain).collect();
    let what = if was_done { "done" } else { "refused" };
    format!("- {} ({args}): {what}", call.tool)
}

#[cfg(test)]
mod tests {
    use super::super::told::as_data;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A turn of calls with results of this size.
    fn turn(number: usize, sizes: &[usize]) -> Vec<Message> {
        let id = |place: usize| format!("c{number}-{place}");
        let call = |place| {
            Call::new(id(place), "getTicket", Value::map([("id", i64::try_from(number).unwrap())]))
        };
        let calls = (0..sizes.len()).map(call).collect();
        let text = format!("Turn {number}.");
        let mut out = vec![Message::Assistant { text, calls, echo: Value::Null }];
        out.extend(sizes.iter().enumerate().map(|(place, size)| Message::ToolResult {
            id: id(place),
            text: as_data("getTicket", &"é".repeat(size / 2)),
            is_error: place % 2 == 1,
        }));
        out
    }

    fn talk(turns: &[Vec<usize>]) -> Vec<Message> {
        let prompt = Message::User("The prompt.".repeat(20));
        let turns = turns.iter().enumerate().flat_map(|(number, sizes)| turn(number, sizes));
        std::iter::once(prompt).chain(turns).collect()
    }

    /// Each call has one result, right after it; the prompt is first; the last turn is there.
    fn is_whole(before: &[Message], after: &[Message]) {
        assert_eq!(before[0], after[0], "the prompt stays");
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for message in after {
            match message {
                Message::ToolResult { id, text, .. } => {
                    assert!(open.remove(id.as_str()), "{id} has no call");
                    assert!(text.starts_with("<<<UNTRUSTED") && text.ends_with(END), "{text}");
                }
                other => {
                    assert!(open.is_empty(), "{open:?} have no result");
                    if let Message::Assistant { calls, .. } = other {
                        open.extend(calls.iter().map(|call| call.id.as_str()));
                    }
                }
            }
        }
        assert!(open.is_empty(), "{open:?} have no result");
        let last = |messages: &[Message]| messages.iter().rfind(|m| is_reply(m)).cloned();
        assert_eq!(last(before), last(after));
    }

    #[test]
    fn old_results_go_first_and_the_last_turn_stays_as_it_is() {
        let mut messages = talk(&[vec![8_000], vec![8_000], vec![8_000]]);
        let before = messages.clone();
        assert!(compact(&mut messages, 12_000));
        is_whole(&before, &messages);
        assert!(bytes(&messages) <= 12_000, "{}", bytes(&messages));
        assert_eq!(messages.len(), before.len(), "no turn is left out");
        let Message::ToolResult { text, .. } = &messages[2] else { panic!("{:?}", messages[2]) };
        assert!(text.contains("were left out to make room"), "{text}");
    }

    #[test]
    fn of_turns_that_are_left_out_the_calls_are_named_once() {
        let mut messages = talk(&vec![vec![3_000, 3_000]; 30]);
        let before = messages.clone();
        assert!(compact(&mut messages, 20_000));
        assert!(compact(&mut messages, 9_000));
        is_whole(&before, &messages);
        let Message::User(note) = &messages[1] else { panic!("{:?}", messages[1]) };
        assert!(note.contains("- getTicket (id: 0): done"), "{note}");
        assert!(note.contains("- getTicket (id: 0): refused"), "{note}");
        assert_eq!(note.matches(LEFT_OUT).count(), 1);
        let notes = messages.iter().filter(|m| matches!(m, Message::User(_))).count();
        assert_eq!(notes, 2, "the prompt and one note");
    }

    #[test]
    fn what_cannot_be_shorter_says_so() {
        let mut messages = vec![Message::User("x".repeat(9_000))];
        assert!(!compact(&mut messages, 10));
        let mut messages = talk(&[vec![10]]);
        assert!(!compact(&mut messages, 10));
    }

    proptest! {
        #[test]
        fn whatever_the_conversation_it_stays_whole(
            turns in proptest::collection::vec(
                proptest::collection::vec(0_usize..9_000, 0..5), 0..12,
            ),
            target in 0_usize..60_000,
        ) {
            let mut messages = talk(&turns);
            let before = messages.clone();
            let is_shorter = compact(&mut messages, target);
            if !turns.is_empty() {
                is_whole(&before, &messages);
            }
            prop_assert_eq!(is_shorter, bytes(&messages) < bytes(&before));
            prop_assert!(bytes(&before) > target || messages == before);
        }
    }
}
