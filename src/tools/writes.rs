//! The writes of a run as they are told: so many at once, and so much of each. Put back and looked at for
//! what they were, they are read whole, elsewhere.

use super::desk::WritesAsk;
use super::{evidence, show};
use crate::domain::{Effect, EffectResult, Run, Timestamp, ToolCall, Value};
use std::collections::{BTreeMap, VecDeque};

/// So many bytes of writes are told at once.
const BYTES_MAX: usize = 1024 * 1024;
/// So much of one text in them.
const TEXT_BYTES_MAX: usize = 4_000;
/// So much of arguments, of what was before, of what was after, of what would put it back.
const PART_BYTES_MAX: usize = 16_000;
/// So much of a name.
const NAME_BYTES_MAX: usize = 256;
/// What an item or a number takes.
const ITEM_BYTES: usize = 8;
/// What a write takes beside its parts.
const WRITE_BYTES: usize = 512;

/// What is told of a run's writes; they come in one by one, in order.
#[derive(Debug)]
pub(super) struct Writes {
    ask: WritesAsk,
    /// Only those that were about to be done then or before.
    until: Option<Timestamp>,
    told: VecDeque<(Effect, usize)>,
    bytes: usize,
    earlier: u64,
    all: u64,
    evidence: VecDeque<Value>,
}

/// The same, told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) effects: Vec<Value>,
    pub(super) earlier: u64,
    pub(super) all: u64,
    pub(super) evidence: Vec<Value>,
}

impl Writes {
    pub(super) fn new(ask: WritesAsk, until: Option<Timestamp>) -> Self {
        Self {
            ask,
            until,
            told: VecDeque::new(),
            bytes: 0,
            earlier: 0,
            all: 0,
            evidence: VecDeque::new(),
        }
    }

    /// The next one.
    pub(super) fn add(&mut self, effect: Effect) {
        self.all += 1;
        let mut room = PART_BYTES_MAX;
        let piece = evidence::of_effect(&effect).map(|piece| within(piece, &mut room));
        self.evidence.extend(piece);
        if self.evidence.len() > evidence::PIECES_MAX {
            self.evidence.pop_front();
        }
        let is_asked = self.ask.before.is_none_or(|before| effect.mark.seq < before)
            && self.until.is_none_or(|until| effect.intended <= until);
        if !is_asked {
            return;
        }
        let (effect, bytes) = bounded(effect);
        self.told.push_back((effect, bytes));
        self.bytes += bytes;
        while self.told.len() > self.ask.most || (self.bytes > BYTES_MAX && self.told.len() > 1) {
            let Some((_, bytes)) = self.told.pop_front() else { break };
            self.bytes -= bytes;
            self.earlier += 1;
        }
    }

    /// All of them have come.
    pub(super) fn told(self, run: &Run) -> Told {
        Told {
            effects: self.told.iter().map(|(effect, _)| show::value(effect)).collect(),
            earlier: self.earlier,
            all: self.all,
            evidence: evidence::of(run, self.evidence),
        }
    }
}

/// A write of which no part is longer than is told, and how many bytes it has.
fn bounded(mut effect: Effect) -> (Effect, usize) {
    let mut bytes = WRITE_BYTES;
    let mut part = |value: Value| {
        let mut room = PART_BYTES_MAX;
        let told = within(value, &mut room);
        bytes += PART_BYTES_MAX - room;
        told
    };
    effect.args = part(effect.args);
    effect.result = effect.result.map(|result| match result {
        EffectResult::Done { entity, before, after, inverse, at } => {
            let (before, after) = (part(before), part(after));
            let inverse =
                inverse.map(|ToolCall { tool, args }| ToolCall { tool, args: part(args) });
            EffectResult::Done { entity, before, after, inverse, at }
        }
        EffectResult::Proposed { number, entity, before, after, revision } => {
            let (before, after) = (part(before), part(after));
            EffectResult::Proposed { number, entity, before, after, revision }
        }
        EffectResult::Failed { code, message } => {
            let message = part(message.into()).as_text().unwrap_or_default().to_owned();
            EffectResult::Failed { code, message }
        }
        plain @ (EffectResult::Unknown | EffectResult::Recorded) => plain,
    });
    (effect, bytes)
}

/// A value of which so much is told as there is room; what is left out is counted in its place.
fn within(value: Value, room: &mut usize) -> Value {
    match value {
        Value::Text(text) => {
            let text = cut(text, TEXT_BYTES_MAX.min(*room));
            take(room, text.len());
            Value::Text(text)
        }
        Value::List(items) => {
            let (mut told, mut left) = (Vec::new(), 0);
            for item in items {
                if *room == 0 {
                    left += 1;
                    continue;
                }
                take(room, ITEM_BYTES);
                told.push(within(item, room));
            }
            told.extend((left > 0).then(|| Value::from(format!("… [{left} more]"))));
            Value::List(told)
        }
        Value::Map(map) => {
            let (mut told, mut left) = (BTreeMap::new(), 0);
            for (name, value) in map {
                if *room == 0 {
                    left += 1;
                    continue;
                }
                let name = cut(name, NAME_BYTES_MAX);
                take(room, ITEM_BYTES + name.len());
                told.insert(name, within(value, room));
            }
            told.extend((left > 0).then(|| ("…".to_owned(), format!("[{left} more]").into())));
            Value::Map(told)
        }
        plain => {
            take(room, ITEM_BYTES);
            plain
        }
    }
}

fn take(room: &mut usize, bytes: usize) {
    *room = room.saturating_sub(bytes);
}

/// The beginning of a text, with how much is left out.
fn cut(text: String, bytes_max: usize) -> String {
    let kept = text.floor_char_boundary(bytes_max);
    match text.len() - kept {
        0 => text,
        left => format!("{}… [{left} more bytes]", &text[..kept]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        EffectActor, Entity, Mark, OccurrenceId, PlaybookName, RunId, RunState, TaskId, Usage,
        from_millis,
    };

    fn effect(seq: u32, args: Value) -> Effect {
        Effect {
            mark: Mark { run: RunId::new("r-1"), seq },
            actor: EffectActor::Agent,
            tool: "editTask".to_owned(),
            bulk: None,
            args: args.clone(),
            claimed: None,
            fence: None,
            intended: from_millis(i64::from(seq)),
            result: Some(EffectResult::Done {
                entity: Entity::Task(TaskId(7)),
                before: args.clone(),
                after: args.clone(),
                inverse: Some(ToolCall { tool: "editTask".to_owned(), args }),
                at: from_millis(i64::from(seq)),
            }),
        }
    }

    fn run() -> Run {
        Run {
            id: RunId::new("r-1"),
            playbook: PlaybookName::new("p"),
            definition: String::new(),
            occurrence: OccurrenceId::new("o"),
            task: None,
            attempt: 1,
            fence: None,
            state: RunState::Succeeded,
            reason: None,
            detail: String::new(),
            outcome: None,
            summary: String::new(),
            started: from_millis(0),
            ended: None,
            usage: Usage::default(),
            daemon: None,
            settle_from: None,
            left: None,
            reviewer: None,
            by: None,
            looked_at: None,
            evidence: Vec::new(),
        }
    }

    fn told(ask: WritesAsk, until: Option<i64>, effects: impl IntoIterator<Item = Effect>) -> Told {
        let mut writes = Writes::new(ask, until.map(from_millis));
        effects.into_iter().for_each(|effect| writes.add(effect));
        writes.told(&run())
    }

    fn numbers(told: &Told) -> Vec<i64> {
        let seq = |effect: &Value| effect.get("mark")?.get("seq")?.as_int();
        told.effects.iter().filter_map(seq).collect()
    }

    fn json(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn the_latest_writes_that_are_asked_for_are_told_and_the_earlier_ones_counted() {
        let all: Vec<i64> = (1..=20).collect();
        for (most, before, until, expected, earlier) in [
            (3, None, None, &all[17..], 17),
            (99, None, None, &all[..], 0),
            (3, Some(18), None, &all[14..17], 14),
            (3, None, Some(9), &all[6..9], 6),
            (3, Some(2), Some(9), &all[..1], 0),
            (0, None, None, &all[..0], 20),
        ] {
            let effects = (1..=20).map(|seq| effect(seq, Value::Null));
            let told = told(WritesAsk { most, before }, until, effects);
            assert_eq!(numbers(&told), expected, "{most} {before:?} {until:?}");
            assert_eq!((told.earlier, told.all), (earlier, 20), "{most} {before:?} {until:?}");
        }
    }

    #[test]
    fn however_large_they_are_so_much_is_told_and_no_more() {
        const COUNT: u32 = 400;
        let long = Value::from("é".repeat(20_000));
        let many = Value::List(vec![Value::from(1_i64); 5_000]);
        let hollow = Value::List(vec![Value::List(Vec::new()); 5_000]);
        let names = Value::map((0..1_000).map(|n| (format!("{n}{}", "k".repeat(900)), n)));
        for args in [long, many, hollow, names] {
            let ask = WritesAsk { most: 1_000, before: None };
            let told = told(ask, None, (1..=COUNT).map(|seq| effect(seq, args.clone())));
            let bytes: usize = told.effects.iter().map(|effect| json(effect).len()).sum();
            assert!(bytes < 3 * BYTES_MAX, "{bytes}");
            let count = u64::try_from(told.effects.len()).unwrap();
            assert_eq!((told.earlier + count, told.all), (u64::from(COUNT), u64::from(COUNT)));
            assert!(told.earlier > 0 && numbers(&told).last() == Some(&i64::from(COUNT)));
        }
        // One alone is told, however large.
        let ask = WritesAsk { most: 1, before: None };
        let wide = Value::map((0..1_000).map(|n| (n.to_string(), "x".repeat(5_000))));
        assert_eq!(numbers(&told(ask, None, [effect(1, wide)])), [1]);
    }

    #[test]
    fn of_what_is_cut_it_is_said_how_much_is_left_out_and_the_rest_stands_as_it_was() {
        let text = "x".repeat(TEXT_BYTES_MAX + 7);
        let items = Value::List(vec![Value::Null; PART_BYTES_MAX]);
        let small = Value::map([("status", Value::from(3_i64)), ("tags", vec!["a", "b"].into())]);
        let ask = WritesAsk { most: 9, before: None };
        let of = |args: &Value| told(ask, None, [effect(1, args.clone())]).effects.remove(0);
        let shown = of(&Value::map([("text", text.as_str())]));
        let cut = shown.get("args").unwrap().get("text").unwrap().as_text().unwrap();
        assert_eq!(cut, format!("{}… [7 more bytes]", "x".repeat(TEXT_BYTES_MAX)));
        let shown = json(&of(&items));
        let kept = PART_BYTES_MAX / (2 * ITEM_BYTES);
        assert!(shown.contains(&format!("… [{} more]", PART_BYTES_MAX - kept)), "{shown}");
        assert_eq!(of(&small), show::value(&effect(1, small.clone())));
    }
}
