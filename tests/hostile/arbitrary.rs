//! Bounded fuzzing: arbitrary texts, and good ones with something changed. Nothing panics, nothing
//! takes long, and what is told stays short and harmless.

use super::{defaults, faults, faults_of_config, obeys};
use proptest::prelude::*;
use rota::cron::{Interval, Pattern};
use rota::daemon::control::lines::LineReader;
use rota::domain::{Fold, Gap, Timestamp, Value};
use rota::expression::{Expression, SELECT_NAMES};
use rota::fault::render_all;
use rota::template::{Templates, fill_text, fill_value};
use std::time::{Duration, Instant};

const EVERYTHING: &str = include_str!("../../src/playbook/everything.toml");
const CONFIG: &str = include_str!("../../src/app/starter/rota.toml");
const WORDS: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\\",
    "\\u0000",
    "\\U0010ffff",
    "0x",
    "1e400",
    "inf",
    "nan",
    "-0",
    "1979-05-27",
    "9223372036854775808",
    "true",
    "on",
    "step",
    "limits",
    "{{",
    "}}",
    "{{#each tasks}}",
    "{{/each}}",
    "{{> x}}",
    "${HOME}",
    "xoxb-1234567-SECRET",
    "🐙",
    "é",
    " ",
    "\t",
    "*",
    "/",
    "L",
    "W",
    "#5",
    "?",
    "MON",
    "-",
    "(",
    ")",
    "==",
    "&&",
    "||",
    "!",
    "task",
    "task.headline",
    ".matches('a')",
    "[0]",
    "duration('1h')",
    "now",
    "in",
    "size(",
    ".map(x, ",
    ".exists(t, ",
    "null",
    "1u",
    "b'x'",
    "r'x'",
];

/// Words of the formats, and whatever else there is.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<String>().prop_map(|text| text.chars().take(8).collect()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A good text in which some parts are replaced, doubled or left out.
fn mutated(good: &'static str) -> impl Strategy<Value = String> {
    let change = (0..good.len(), 0..24_usize, soup(), any::<bool>());
    prop::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut text = good.to_owned();
        for (at, length, new, doubles) in changes {
            let floor = |at: usize| (0..=at.min(text.len())).rfind(|i| text.is_char_boundary(*i));
            let (from, to) = (floor(at).unwrap(), floor(at + length).unwrap());
            let old = text[from..to].to_owned();
            text.replace_range(from..to, &if doubles { old.repeat(2) + &new } else { new });
        }
        text
    })
}

fn quickly<T>(work: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    let begun = Instant::now();
    let result = work();
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
    result
}

fn check_told(found: &[rota::fault::Fault]) {
    let shown = render_all(found, false);
    assert_eq!(obeys(&shown), None, "{shown:?}");
    assert!(!shown.contains("xoxb-1234567-SECRET"), "{shown}");
    assert!(found.len() <= 200 && shown.len() < 400_000, "{} {}", found.len(), shown.len());
}

fn context() -> Value {
    let json = serde_json::json!({
        "task": {"headline": "x", "tags": ["a"], "priority": 1, "due": "2026-11-22T08:00:00Z"},
        "tasks": [{"id": 1}, {"id": 2}], "agent": "AI", "zone": "UTC", "set": {}, "now": "2026-11-22T08:00:00Z",
    });
    serde_json::from_value(json).unwrap()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A good text with a token in the place of, or before, each of its values in turn.
fn pasted(good: &str) -> impl Iterator<Item = String> {
    let quotes: Vec<usize> = good.match_indices('"').map(|(at, _)| at).collect();
    let values = quotes.chunks_exact(2).map(|pair| (pair[0] + 1, pair[1])).collect::<Vec<_>>();
    values.into_iter().flat_map(move |(from, to)| {
        [from, to].map(|to| format!("{}xoxb-1234567-SECRET{}", &good[..from], &good[to..]))
    })
}

#[test]
fn a_token_that_is_pasted_in_the_wrong_place_is_not_shown() {
    let texts: Vec<_> = pasted(EVERYTHING).collect();
    assert!(texts.len() > 100);
    let told = texts.iter().filter(|text| !faults(text).is_empty()).count();
    assert!(told > 60, "{told} of {} are faults", texts.len());
    for text in &texts {
        check_told(&faults(text));
    }
    for text in pasted(CONFIG) {
        check_told(&faults_of_config(&text));
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_playbook_of_anything_is_read_or_told(text in prop_oneof![soup(), mutated(EVERYTHING)]) {
        check_told(&quickly(|| faults(&text)));
    }

    #[test]
    fn a_configuration_of_anything_is_read_or_told(text in prop_oneof![soup(), mutated(CONFIG)]) {
        check_told(&quickly(|| faults_of_config(&text)));
    }

    #[test]
    fn a_template_of_anything_is_rendered_or_told(text in soup(), about in soup()) {
        let texts = [("a.md.hbs", text.as_str()), ("_b.slack.hbs", about.as_str()), ("x", "{{agent}}")];
        let (templates, faults) = quickly(|| Templates::from_texts(texts));
        check_told(&faults);
        for name in ["a.md.hbs", "_b.slack.hbs", "x"] {
            if let Err(error) = quickly(|| templates.render(name, &context(), "nonce")) {
                prop_assert_eq!(obeys(&error.to_string()), None);
            }
        }
        let _ = quickly(|| fill_text(&text, &context()));
        let _ = quickly(|| fill_value(&format!("{{{{{text}}}}}"), &context()));
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_condition_of_anything_is_answered_or_told(
        text in prop_oneof![
            soup(),
            mutated("size(task.tags) > 0 && task.tags.exists(t, t == 'a') || task.due < now + duration('72h')"),
        ],
    ) {
        match quickly(|| Expression::compile(&text, &SELECT_NAMES)) {
            Ok(condition) => {
                let answer = quickly(|| condition.evaluate(&super::text::scope("x")));
                if let Err(error) = answer {
                    prop_assert_eq!(obeys(&error), None);
                }
            }
            Err(fault) => {
                prop_assert!(fault.offset <= text.len());
                prop_assert!(fault.message.len() < 600);
                prop_assert_eq!(obeys(&fault.message), None);
            }
        }
    }

    #[test]
    fn a_cron_of_anything_is_read_or_told_and_its_instants_grow(
        text in prop_oneof![
            1 => soup(),
            1 => "[0-9*/,LW#?A-Z-]{1,4}( [0-9*/,LW#?A-Z-]{1,4}){4,5}",
            2 => "([0-9]|[1-5][0-9]|\\*|\\*/[1-9]) ([0-9]|\\*|\\*/[1-9]) ([1-9]|2[89]|3[01]|L|\\*|15W|LW) ([1-9]|\\*) ([0-7]|\\*|MON#5|FRIL)",
        ],
        zone in prop::sample::select(vec![
            chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe,
            chrono_tz::America::Santiago, chrono_tz::Africa::Casablanca, chrono_tz::Pacific::Apia,
        ]),
        from in -4_000_000_000_i64..8_000_000_000,
    ) {
        let from = Timestamp::from_timestamp(from, 0).unwrap();
        match quickly(|| Pattern::parse(&text)) {
            Ok(pattern) => {
                let mut last = from;
                for at in quickly(|| pattern.iter(from, zone, Gap::Next, Fold::Both).take(5).collect::<Vec<_>>()) {
                    prop_assert!(at > last, "{text} in {zone}: {at} after {last}");
                    last = at;
                }
            }
            Err(error) => {
                prop_assert_eq!(obeys(&error.to_string()), None);
                prop_assert!(error.to_string().len() < 2_500);
            }
        }
    }

    #[test]
    fn an_interval_of_anything_goes_on(every in 1_u64..u64::MAX / 4, from in -4_000_000_000_i64..8_000_000_000) {
        let from = Timestamp::from_timestamp(from, 0).unwrap();
        let interval = Interval::new(Duration::from_secs(every), chrono_tz::Europe::Berlin);
        if let Some(next) = quickly(|| interval.after(from)) {
            prop_assert!(next > from);
        }
    }

}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_line_of_anything_on_the_control_socket_is_read_or_refused(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"'), Just(b'{')], 0..400),
        chunk in 1..64_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let lines = runtime.block_on(async {
            let (mut to, from) = tokio::io::duplex(chunk);
            let mut reader = LineReader::new(from, 100, Duration::from_secs(10));
            let writing = async {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut to, &bytes).await;
                drop(to);
            };
            let reading = async move {
                let mut lines = Vec::new();
                while let Ok(Some(line)) = reader.next().await {
                    lines.push(line);
                }
                lines
            };
            tokio::join!(writing, reading).1
        });
        let whole: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        let good = whole[..whole.len() - 1].iter().take_while(|line| line.len() <= 100).count();
        prop_assert_eq!(lines.len(), good);
        for (line, sent) in lines.iter().zip(whole) {
            prop_assert_eq!(line.as_slice(), sent);
            let _ = serde_json::from_slice::<Value>(line);
        }
    }
}

#[test]
fn a_deep_document_on_the_control_socket_overflows_nothing() {
    for deep in ["[".repeat(1_000_000), "{\"a\":".repeat(200_000), "[{\"a\":".repeat(200_000)] {
        assert!(serde_json::from_str::<Value>(&deep).is_err());
        assert!(serde_json::from_str::<rota::daemon::control::ToolRequest>(&deep).is_err());
    }
}

#[test]
fn the_texts_that_are_changed_are_good() {
    assert!(rota::playbook::parse(EVERYTHING, "agents/x.toml", &defaults()).is_ok());
    assert_eq!(faults_of_config(CONFIG), []);
}
