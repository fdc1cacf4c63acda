//! Files made to hurt: deep, long, many. Each is answered quickly, with faults, and without a
//! stack that overflows.

use super::{faults, faults_of_config, obeys, promptly};
use rota::cron::Pattern;
use rota::expression::{Expression, SELECT_NAMES};
use rota::fault::render_all;
use rota::playbook::PLAYBOOK_BYTES_MAX;
use std::fmt::Write as _;

/// Half of what a playbook may be long: enough for what grows with the square to be seen.
const SIZE: usize = PLAYBOOK_BYTES_MAX / 2;

/// Nearly as much of a text.
fn full(piece: &str) -> String {
    piece.repeat((SIZE - 100) / piece.len())
}

fn numbered(write: impl Fn(&mut String, usize)) -> String {
    let mut text = String::new();
    for number in 0.. {
        let before = text.len();
        write(&mut text, number);
        if text.len() > SIZE {
            text.truncate(before);
            break;
        }
    }
    text
}

/// Each with its name.
pub fn bombs() -> Vec<(&'static str, String)> {
    let many = SIZE / 2 - 100;
    vec![
        ("deep lists", format!("agent = {}", "[".repeat(many))),
        ("deep lists, closed", format!("agent = {}{}", "[".repeat(many), "]".repeat(many))),
        ("deep inline tables", format!("agent = {}", full("{a="))),
        ("deep lists and tables", format!("agent = {}", full("[{a="))),
        ("a dotted key of many parts", format!("{}a = 1", full("a."))),
        ("a table of many parts", format!("[{}a]", full("a."))),
        ("a list of tables of many parts", format!("[[{}a]]", full("a."))),
        ("many dotted keys", numbered(|text, n| writeln!(text, "a.b{n}.c.d.e.f = 1").unwrap())),
        ("many keys", numbered(|text, n| writeln!(text, "k{n}=1").unwrap())),
        (
            "many keys in one line",
            format!(
                "on = {{ {}x = 1 }}",
                numbered(|text, n| {
                    write!(text, "k{n}=1,").unwrap();
                })
                .split_at(100_000)
                .0
                .rsplit_once(',')
                .unwrap()
                .0
                .to_owned()
                    + ","
            ),
        ),
        ("many tables", numbered(|text, n| writeln!(text, "[t{n}]").unwrap())),
        ("many steps", full("[[step]]\n")),
        ("many outcomes", numbered(|text, n| writeln!(text, "[outcome.o{n}]").unwrap())),
        ("many models", numbered(|text, n| writeln!(text, "[models.m{n}]").unwrap())),
        ("one key many times", full("a=1\n")),
        ("many broken lines", full("=\n")),
        ("many open texts", full("a=\"\n")),
        ("many open brackets", full("[\n")),
        ("many long texts", full("\"\"\"")),
        ("a very long key", format!("{} = 1", full("k"))),
        ("a very long key of signs", format!("\"{}\" = 1", full("\u{202e}"))),
        ("a very long value", format!("mode = \"{}\"", &full("v")[20..])),
        ("a very long secret", format!("tokn = \"{}\"", &full("SECRET")[20..])),
        ("many faults in a list", format!("runs_on = [{}1]", &full("1,")[40..])),
        ("quotes without an end", full("'")),
        (
            "a long line of quotes before a fault",
            format!("on={{every=1,a=[{}]}}", &full("'',")[64..]),
        ),
        ("many escapes", format!("mode = \"{}\"", &full("\\u202e")[64..])),
        ("lines without an end", full("\r")),
        ("NUL", full("\0")),
        ("blanks", full(" ")),
        ("empty lines", full("\n")),
        ("comments", full("#\n")),
    ]
}

#[test]
fn a_file_made_to_hurt_is_answered_quickly_and_with_few_faults() {
    for (name, text) in bombs() {
        assert!(text.len() <= PLAYBOOK_BYTES_MAX, "{name}: {}", text.len());
        let of_playbook = promptly(name, || faults(&text));
        assert!(!of_playbook.is_empty(), "{name}: no fault");
        for found in [of_playbook, promptly(name, || faults_of_config(&text))] {
            assert!(found.len() <= 200, "{name}: {}", found.len());
            let shown = promptly(name, || render_all(&found, false));
            assert!(shown.len() < 200_000, "{name}: {} bytes are shown", shown.len());
            assert!(!shown.contains("SECRET"), "{name}");
            assert_eq!(obeys(&shown), None, "{name}");
        }
    }
}

#[test]
fn warnings_do_not_crowd_out_what_is_wrong() {
    let mut text = String::new();
    for number in 0..300 {
        let line = format!("[notify.slack.t{number}]\nwebhook = \"https://example.org/x\"\n");
        text.push_str(&line);
    }
    text.push_str("[claims]\nlease = \"never\"\n");
    let found = faults_of_config(&text);
    assert!(found.iter().any(|fault| fault.message.contains("lease")), "the fault was lost");
}

#[test]
fn a_condition_made_to_hurt_is_answered_quickly() {
    for text in [
        "(".repeat(2_000),
        "!".repeat(2_000),
        "-".repeat(1_999) + "1",
        "[".repeat(2_000),
        "{".repeat(2_000),
        "task.".repeat(399) + "a",
        "1+".repeat(999) + "1",
        "true?".repeat(399) + "1",
        "true||".repeat(333),
        "a[".repeat(999),
        "\"".repeat(1_999),
        "[1].map(x,".repeat(150),
        "1 == ".repeat(300) + "1",
        "'''".repeat(600),
        "\\".repeat(2_000),
        "task.headline.matches('(a+)+(a+)+(a+)+(a+)+$')".to_owned(),
        format!("'{}'.matches('{}')", "a".repeat(1_000), "(a{1,900}){1,900}"),
        "\u{0}".repeat(2_000),
        "x".repeat(1_000_000),
    ] {
        let shown: String = text.chars().take(12).collect();
        let read = promptly(&shown, || Expression::compile(&text, &SELECT_NAMES));
        if let Ok(condition) = read {
            let scope = super::text::scope("x");
            let answer = promptly(&shown, || condition.evaluate(&scope));
            assert!(answer.is_err() || text.contains("matches") || text.contains("=="), "{shown}");
        }
    }
}

#[test]
fn a_cron_that_never_fires_is_told_quickly() {
    for text in [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "* * * 31 4 *",
        "0 0 31W 2 *",
        "59 59 23 30 2 ?",
        "0 0 30 2 */2",
        "@never",
        "",
        "* * * *",
        "* * * * * * *",
        "0 0 0 0 0",
        "99999999999 * * * *",
        "*/99999999999999999999 * * * *",
        "0-0-0 * * * *",
        ",,, * * * *",
        "🐙 * * * *",
        "0 0 30 2 *#5",
        &"*,".repeat(10_000),
        &"* ".repeat(10_000),
        &"1-".repeat(10_000),
        "0 0 L-99 * *",
        "0 0 * * 9#9",
        "\0 * * * *",
        "0 0 * * MON-",
        "0 0 -1 * *",
        "1e3 * * * *",
    ] {
        let shown: String = text.chars().take(30).collect();
        let read = promptly(&shown, || Pattern::parse(text));
        let error = read.map(|pattern| format!("{pattern:?}")).expect_err(&shown).to_string();
        assert!(error.len() < 400 && error.lines().count() == 1, "{shown}: {error}");
    }
}
