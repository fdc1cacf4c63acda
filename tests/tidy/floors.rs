//! A room uses itself and rooms on lower floors; rooms on one floor do not know each other.

use super::tree::{File, files, names_after};
use super::{faults, hold};

/// The floors, in tenths: the ground floor has steps, because everybody speaks in the words of
/// `domain`, and faults and clocks serve those beside them.
const FLOORS: &[(u32, &[&str])] = &[
    (110, &["main", "bin"]),
    (100, &["cli"]),
    (90, &["app", "demo"]),
    (80, &["web", "config"]),
    (70, &["daemon", "mcp"]),
    (60, &["runner"]),
    (50, &["tools"]),
    (40, &["digest"]),
    (30, &["schedule", "playbook", "ledger", "transfer", "reckon"]),
    (20, &["board", "store", "model", "notify", "upstream"]),
    (12, &["expression", "cron", "template", "postgres"]),
    (11, &["clock", "fault", "crash", "sse", "instruments"]),
    (10, &["domain"]),
];

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

fn law(file: &File) -> Vec<String> {
    let room = file.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some(own) = floor(room) else {
        return vec![format!("{}: room `{room}` has no floor", file.path)];
    };
    let code = file.code();
    let mut used = names_after(&code, "crate::");
    if ["main", "bin"].contains(&room) {
        used.extend(names_after(&code, "rota::"));
    }
    used.into_iter()
        .filter(|(_, name)| name != room && name.chars().next().is_some_and(char::is_lowercase))
        .filter_map(|(line, name)| match floor(&name) {
            Some(other) if other < own => None,
            Some(_) => Some(format!("{}:{line}: `{room}` must not know `{name}`", file.path)),
            None => Some(format!("{}:{line}: `{name}` has no floor", file.path)),
        })
        .collect()
}

/// What the words of the house may be made of.
const WORDS: &[&str] = &["std", "serde", "chrono", "chrono_tz", "super", "self", "crate"];

/// Nothing but that is used in `domain`.
fn domain_is_pure(file: &File) -> Vec<String> {
    if file.room() != "domain" {
        return Vec::new();
    }
    names_after(&file.code(), "use ")
        .into_iter()
        .filter(|(_, name)| name.chars().next().is_some_and(char::is_lowercase))
        .filter(|(_, name)| {
            let own = files_in_domain().contains(name);
            !WORDS.contains(&name.as_str()) && !own
        })
        .map(|(line, name)| format!("{}:{line}: `domain` must not use `{name}`", file.path))
        .collect()
}

fn files_in_domain() -> Vec<String> {
    let names = files("src/domain").into_iter().filter_map(|file| {
        Some(file.path.strip_prefix("src/domain/")?.strip_suffix(".rs")?.to_owned())
    });
    names.collect()
}

#[test]
fn every_room_looks_down_only() {
    hold("floors", &faults(&files("src"), law));
    hold("floors", &faults(&files("src"), domain_is_pure));
}

#[test]
fn looking_up_or_sideways_is_found() {
    let planted = [
        ("src/board/sql/mod.rs", "use crate::ledger::Claims;"),
        ("src/board/mod.rs", "use crate::store::Store;"),
        ("src/schedule/plan.rs", "fn f() { crate::playbook::read() }"),
        ("src/domain/task.rs", "use crate::{clock::Clock};"),
        ("src/clock.rs", "use crate::fault::Fault;"),
        ("src/attic.rs", ""),
    ];
    for (path, text) in planted {
        assert_eq!(law(&File::new(path, text)).len(), 1, "{path}: {text}");
    }
    let fine =
        "use crate::{board::Board, domain::Task};\n// crate::cli\n#[cfg(test)]\nmod tests {\n}";
    assert_eq!(law(&File::new("src/digest/collect.rs", fine)), Vec::<String>::new());
    assert_eq!(domain_is_pure(&File::new("src/domain/task.rs", "use tokio::sync;")).len(), 1);
}
