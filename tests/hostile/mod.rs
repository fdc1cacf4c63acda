//! Bad input: faulty files, files made to hurt, and text on the board that wants to be obeyed.

mod arbitrary;
mod bombs;
mod faulty;
mod files;
mod hurting_templates;
mod injection;
mod memory;
mod terminal;
mod text;

use rota::domain::{Channel, PlaybookName};
use rota::fault::Fault;
use rota::playbook::{Defaults, Vocabulary};
use rota::template::Templates;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than anything here takes by far, and shorter than what grows with the square of a file.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `work` gives; fails when it took longer than anybody would wait.
#[track_caller]
fn promptly<T>(what: &str, work: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    assert!(took < PATIENCE, "{what} took {took:?}");
    result
}

/// Whether a terminal would obey something in a text, or a reader be deceived by it.
fn obeys(text: &str) -> Option<char> {
    text.chars().find(|c| {
        *c != '\n' && c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
            || matches!(c, '\u{e0000}'..='\u{e007f}')
    })
}

fn cron(text: &str) -> Result<(), String> {
    rota::cron::Pattern::parse(text).map(drop).map_err(|error| error.to_string())
}

fn vocabulary() -> Vocabulary {
    let names = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let tools = [
        ("findTasks", false),
        ("getTicket", false),
        ("addComment", true),
        ("addTask", true),
        ("codeList", false),
        ("runCheck", true),
    ];
    Vocabulary {
        tools: tools.map(|(name, writes)| (name.to_owned(), writes)).into(),
        models: names(&["worker"]),
        families: [].into(),
        workers: [].into(),
        unpriced: names(&[]),
        withheld: names(&[]),
        why_no_secret: |_| None,
        channels: [Channel::Stdout, Channel::Slack("team".to_owned())].into(),
        agents: Some(names(&["AI-Worker", "AI-Docs"])),
        playbooks: ["ai-worker"].map(PlaybookName::new).into(),
        cron,
        templates: Arc::new(Templates::shipped()),
    }
}

fn defaults() -> Defaults {
    Defaults { zone: Some(chrono_tz::Europe::Berlin), ..Defaults::default() }
}

/// Every fault of a playbook: of the file, or, where it can be read, of what it names.
fn faults(text: &str) -> Vec<Fault> {
    match rota::playbook::parse(text, "agents/x.toml", &defaults()) {
        Err(faults) => faults,
        Ok(parsed) => rota::playbook::check(&parsed, &vocabulary()),
    }
}

/// Every fault of a configuration.
fn faults_of_config(text: &str) -> Vec<Fault> {
    let path = std::path::Path::new("rota.toml");
    let env = |name: &str| (name == "HOOK").then(|| "https://example.org/SECRET".to_owned());
    rota::config::Config::parse(text, path, &env).err().unwrap_or_default()
}
