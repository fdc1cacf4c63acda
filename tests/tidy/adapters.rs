//! Only `app.rs` opens adapters; an adapter knows its port and no other adapter.

use super::tree::{File, files, names_after};
use super::{faults, hold};

/// The ports, their traits, and the files or folders of their adapters.
const PORTS: &[(&str, &str, &[&str])] = &[
    ("board", "Board", &["sql", "leantime", "overlay"]),
    ("store", "Store", &["memory", "sled", "postgres"]),
    ("model", "Model", &["openai", "anthropic", "scripted"]),
    ("notify", "Notifier", &["slack", "webhook", "email", "stdout", "file"]),
    ("upstream", "Upstream", &["pipe"]),
];

/// The file's port and adapter, if it belongs to one.
fn adapter_of(path: &str) -> Option<(&'static str, &'static str)> {
    PORTS.iter().find_map(|(port, _, adapters)| {
        let inside = path.strip_prefix(&format!("src/{port}/"))?;
        let adapter = adapters.iter().find(|name| {
            inside == format!("{name}.rs") || inside.starts_with(&format!("{name}/"))
        })?;
        Some((*port, *adapter))
    })
}

fn apart(file: &File) -> Vec<String> {
    let Some((port, own)) = adapter_of(&file.path) else { return Vec::new() };
    let (_, _, adapters) = PORTS.iter().find(|(name, ..)| *name == port).unwrap();
    let code = file.code();
    ["super::".to_owned(), "super::super::".to_owned(), format!("crate::{port}::")]
        .iter()
        .flat_map(|begin| names_after(&code, begin))
        .filter(|(_, name)| name != own && adapters.contains(&name.as_str()))
        .filter(|_| !is_deep_in(&file.path, own))
        .map(|(line, name)| format!("{}:{line}: adapter `{own}` knows `{name}`", file.path))
        .collect()
}

/// Below an adapter's folder, `super::file` may be a neighbour of that name.
fn is_deep_in(path: &str, own: &str) -> bool {
    path.contains(&format!("/{own}/")) && !path.ends_with("/mod.rs")
}

/// The types that implement a port.
fn implementors(files: &[File]) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for file in files {
        let Some((port, _)) = adapter_of(&file.path) else { continue };
        let (_, port_trait, _) = PORTS.iter().find(|(name, ..)| *name == port).unwrap();
        let begin = format!("impl {port_trait} for ");
        let names = names_after(&file.code(), &begin);
        found.extend(names.into_iter().map(|(_, name)| (name, port)));
    }
    found
}

fn named_by_app_only(file: &File, implementors: &[(String, &'static str)]) -> Vec<String> {
    if file.path == "src/app.rs" || file.path.starts_with("src/app/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, text) in file.code() {
        for (name, port) in implementors {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if file.room() != *port && words.into_iter().any(|word| word == name) {
                found.push(format!("{}:{line}: only `app` names `{name}`", file.path));
            }
        }
    }
    let code = file.code();
    for (port, _, adapters) in PORTS.iter().filter(|(port, ..)| *port != file.room()) {
        for (line, name) in names_after(&code, &format!("crate::{port}::")) {
            if adapters.contains(&name.as_str()) {
                found.push(format!("{}:{line}: only `app` names `{port}::{name}`", file.path));
            }
        }
    }
    found
}

#[test]
fn adapters_do_not_know_each_other() {
    hold("adapters", &faults(&files("src"), apart));
}

#[test]
fn only_the_composition_root_names_adapters() {
    let sources = files("src");
    let implementors = implementors(&sources);
    assert!(implementors.iter().any(|(name, _)| name == "SlackWebhook"), "{implementors:?}");
    hold("adapters", &faults(&sources, |file| named_by_app_only(file, &implementors)));
}

#[test]
fn acquaintances_are_found() {
    let sql = File::new("src/board/sql/mod.rs", "use crate::board::overlay::Overlay;");
    assert_eq!(apart(&sql).len(), 1);
    assert_eq!(apart(&File::new("src/notify/file.rs", "use super::slack::X;")).len(), 1);
    assert_eq!(apart(&File::new("src/notify/open.rs", "use super::slack::X;")).len(), 0);
    let memory = File::new("src/store/memory.rs", "#[async_trait]\nimpl Store for Memory {}");
    let known = implementors(&[memory]);
    assert_eq!(known, [("Memory".to_owned(), "store")]);
    let daemon = File::new("src/daemon/mod.rs", "let store = Memory::new();");
    assert_eq!(named_by_app_only(&daemon, &known).len(), 1);
    let by_path = File::new("src/daemon/mod.rs", "use crate::store::{memory, Store};");
    assert_eq!(named_by_app_only(&by_path, &known).len(), 1);
    assert_eq!(named_by_app_only(&File::new("src/app.rs", "Memory::new()"), &known).len(), 0);
}
