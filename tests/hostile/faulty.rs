//! Faulty playbooks and configurations: what each says is golden, and none shows a secret.

use super::{faults, faults_of_config, obeys};
use rota::fault::{Fault, render_all};
use std::fmt::Write as _;

const PLAYBOOKS: &str = include_str!("../fixtures/faulty-playbooks.txt");
const CONFIGURATIONS: &str = include_str!("../fixtures/faulty-configurations.txt");

/// Files that no text file can hold as they are.
const AWKWARD: &[(&str, &str)] = &[
    ("an empty file", ""),
    ("blanks and comments", "  \n# nothing\n\r\n"),
    ("only a mark of byte order", "\u{feff}"),
    ("a mark of byte order before a fault", "\u{feff}agnt = \"AI-Worker\"\n"),
    ("a mark of byte order in the middle", "agent = \"AI-Worker\"\n\u{feff}mode = \"live\"\n"),
    ("lines of Windows", "agent = \"AI-Worker\"\r\n[limits]\r\nturns = \"x\"\r\nidel = \"5m\"\r\n"),
    ("lines of an old Mac", "agent = \"AI-Worker\"\rmode = \"live\"\r"),
    ("a NUL in a text", "agent = \"AI-\0Worker\"\n"),
    ("a NUL in a key", "agent = \"AI-Worker\"\nli\0mits = 3\n"),
    ("an escape in a key", "agent = \"AI-Worker\"\n\"\\u001b]0;owned\\u0007limits\" = 3\n"),
    ("an escape in a comment", "agent = \"AI-Worker\" # \u{1b}[2J\n"),
    ("an escape in a file", "agent = \"AI-Worker\"\nmode = \"\u{1b}[31mlive\"\n"),
    ("a key written from right to left", "agent = \"AI-Worker\"\n\"\u{202e}stimil\" = 3\n"),
    ("a key with a character of no width", "agent = \"AI-Worker\"\n\"lim\u{200b}its\" = 3\n"),
    ("a key with tags that nobody sees", "agent = \"AI-Worker\"\n\"limits\u{e0041}\" = 3\n"),
    ("a key that looks like another", "agent = \"AI-Worker\"\n\"l\u{456}mits\" = 3\n"),
    (
        "a value written from right to left",
        "agent = \"AI-Worker\"\nmode = \"\u{202e}evil\u{61c}\"\n",
    ),
    ("a line separator", "agent = \"AI-Worker\"\nmode = \"li\u{2028}ve\"\n"),
];

/// The texts of a fixture, by name.
fn cases(fixture: &'static str) -> Vec<(&'static str, &'static str)> {
    let cases = fixture.split("=== ").skip(1);
    cases.map(|case| case.split_once('\n').expect("a name, then a text")).collect()
}

fn tell(told: &mut String, name: &str, found: &[Fault]) {
    assert!(!found.is_empty(), "{name}: no fault");
    let shown = render_all(found, false);
    for text in [&shown, &format!("{found:?}")] {
        assert!(!text.contains("SECRET"), "{name}: {text}");
        assert!(!text.contains("hunter2"), "{name}: {text}");
    }
    assert_eq!(obeys(&shown), None, "{name}: {shown:?}");
    for fault in found {
        assert!(fault.line > 0 && fault.column > 0, "{name} stands nowhere: {fault:?}");
        let shown = fault.render(false);
        let place = format!("--> {}:{}:{}", fault.path, fault.line, fault.column);
        assert!(shown.contains(&place), "{name}: {place} is not in\n{shown}");
        assert!(shown.contains('^'), "{name}: no caret\n{shown}");
        assert!(fault.to_string().lines().count() == 1, "{name}: {fault}");
        assert_eq!(obeys(&fault.to_string()), None, "{name}: {fault}");
    }
    writeln!(told, "## {name}\n{shown}\n").unwrap();
}

#[test]
fn there_are_many_faulty_files() {
    let count = cases(PLAYBOOKS).len() + cases(CONFIGURATIONS).len() + AWKWARD.len();
    assert!(count >= 110, "{count}");
    let mut names: Vec<&str> =
        cases(PLAYBOOKS).into_iter().chain(AWKWARD.iter().copied()).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases(PLAYBOOKS).len() + AWKWARD.len(), "two have one name");
}

#[test]
fn every_faulty_playbook_is_told_what_is_wrong_and_where_and_shows_no_secret() {
    let mut told = String::new();
    for (name, text) in cases(PLAYBOOKS).into_iter().chain(AWKWARD.iter().copied()) {
        tell(&mut told, name, &faults(text));
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("hostile_playbooks", told);
    });
}

#[test]
fn every_faulty_configuration_is_told_what_is_wrong_and_where_and_shows_no_secret() {
    let mut told = String::new();
    for (name, text) in cases(CONFIGURATIONS) {
        tell(&mut told, name, &faults_of_config(text));
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("hostile_configurations", told);
    });
}

#[test]
fn a_key_that_may_be_a_secret_is_known_however_it_is_mistyped() {
    for key in [
        "token",
        "tokn",
        "toekn",
        "tokne",
        "tken",
        "secret",
        "scret",
        "secrt",
        "sercet",
        "password",
        "pasword",
        "passwrod",
        "pwd",
        "passwd",
        "webhook",
        "webhok",
        "webhok_url",
        "wehbook",
        "api_key",
        "apikey",
        "api_kye",
        "apikye",
        "credentials",
        "credentail",
        "bearer",
        "berer",
        "Authorization",
        "slack_tokn",
        "SlackTokn",
        "key",
        "private_key",
    ] {
        let text = format!("agent = \"A\"\non = {{ every = \"often\", {key} = \"hunter2\" }}\n");
        let shown = render_all(&faults(&text), false);
        assert!(shown.contains("often"), "the fault's own line is shown: {shown}");
        assert!(!shown.contains("hunter2"), "{key}: {shown}");
    }
}
