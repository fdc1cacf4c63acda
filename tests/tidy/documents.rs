//! What stands beside the source: the top level, the manifest, the changelog, the reasons.

use super::hold;
use super::tree::{File, files, root};
use rota::domain::Reason;
use std::fs;

/// What may stand at the top, besides dot files.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "agents",
    "templates",
    "state",
    "tests",
    "examples",
    "benches",
    "fuzz",
    "docs",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "build.rs",
    "migrations",
    // What building and running leave behind; `.gitignore` names them.
    "target",
    "rota.toml",
];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn strangers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let strange = names.into_iter().filter(|name| !name.starts_with('.') && !TOP.contains(name));
    strange.map(|name| format!("`{name}` does not belong at the top")).collect()
}

/// Every lint that is allowed has a comment above it that says why.
fn unexplained_lints(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_lints = false;
    let mut above = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_lints = line.starts_with("[lints");
        }
        let is_allowed = line.contains("\"allow\"") && !line.trim_start().starts_with('#');
        if is_lints && is_allowed && !above.trim_start().starts_with("# ") {
            found.push(format!("Cargo.toml: `{line}` without a reason above it"));
        }
        above = line;
    }
    found
}

/// Every reason has one row with its meaning and something to do; nothing else has one.
fn missing_reasons(page: &str) -> Vec<String> {
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").collect())
        .collect();
    let mut found = Vec::new();
    for reason in Reason::ALL {
        let code = format!("{}`", reason.code());
        let own: Vec<_> = rows.iter().filter(|row| row[0] == code).collect();
        match own[..] {
            [row] if row.len() == 3 && row[1] == reason.text() && row[2].len() > 5 => {}
            [_] => found.push(format!("`{reason}` is not explained as in src/domain/reason.rs")),
            _ => found.push(format!("`{reason}` has {} rows", own.len())),
        }
    }
    let is_known =
        |row: &&Vec<&str>| Reason::ALL.iter().any(|reason| row[0] == format!("{}`", reason.code()));
    found.extend(
        rows.iter().filter(|row| !is_known(row)).map(|row| format!("`{} is no reason", row[0])),
    );
    found
}

fn changelog_faults(text: &str) -> Vec<String> {
    let has_section = text.lines().any(|line| line.starts_with("## Unreleased"));
    let fault = "CHANGELOG.md has no section `## Unreleased`".to_owned();
    if has_section { Vec::new() } else { vec![fault] }
}

#[test]
fn the_top_level_is_that_of_the_architecture() {
    let names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    hold("top level", &strangers(names.iter().map(String::as_str)));
}

#[test]
fn allowed_lints_have_reasons() {
    hold("lints", &unexplained_lints(&read("Cargo.toml")));
}

#[test]
fn every_reason_is_explained() {
    hold("reasons", &missing_reasons(&read("docs/reasons.md")));
}

#[test]
fn changes_and_licences_are_told() {
    hold("changelog", &changelog_faults(&read("CHANGELOG.md")));
    let licence = read("LICENSE");
    assert!(licence.contains("MIT License") && licence.contains("Apache License"));
}

#[test]
fn faults_in_documents_are_found() {
    assert_eq!(strangers(["src", ".ci", "notes.txt"]), ["`notes.txt` does not belong at the top"]);
    let manifest = "[lints.clippy]\n# it is noise\na = \"allow\"\nb = { level = \"allow\" }\n[x]\nc = \"allow\"\n";
    assert_eq!(unexplained_lints(manifest).len(), 1);
    let page = read("docs/reasons.md");
    let without = page.replacen("| `done` |", "| `doe` |", 1);
    assert_eq!(missing_reasons(&without), ["`done` has 0 rows", "`doe` is no reason"]);
    let other = page.replacen("the task was claimed", "it was claimed", 1);
    assert_eq!(missing_reasons(&other).len(), 1);
    assert_eq!(changelog_faults("# Changelog\n").len(), 1);
}

/// Every command that a text names between backquotes, or after a `$ `.
fn named_commands(text: &str) -> Vec<Vec<String>> {
    let quoted = text.split("`rota ").skip(1).map(|rest| rest.split(['`', '\n']).next().unwrap());
    let typed = text.lines().filter_map(|line| line.strip_prefix("$ rota "));
    quoted.chain(typed).map(|words| words.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Commands that are named and not there.
fn missing_commands(text: &str) -> Vec<String> {
    use clap::CommandFactory as _;
    let mut found = Vec::new();
    for words in named_commands(text) {
        let mut command = rota::cli::args::Cli::command();
        for word in &words {
            if !command.has_subcommands() {
                break;
            }
            let Some(below) = command.find_subcommand(word) else {
                if word.starts_with(|c: char| c.is_ascii_lowercase()) {
                    found.push(format!("`rota {}` does not exist", words.join(" ")));
                }
                break;
            };
            command = below.clone();
        }
    }
    found
}

#[test]
fn no_text_names_a_command_that_does_not_exist() {
    let mut texts = vec![("README.md".to_owned(), read("README.md"))];
    for folder in ["docs", "docs/playbooks", "templates", "agents"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    for file in super::tree::files("src") {
        texts.push((file.path.clone(), file.text.clone()));
    }
    let faults: Vec<String> = texts
        .iter()
        .flat_map(|(path, text)| {
            missing_commands(text).into_iter().map(move |fault| format!("{path}: {fault}"))
        })
        .collect();
    hold("commands", &faults);
    assert_eq!(missing_commands("see `rota runs forget r-1` and `rota why 7`").len(), 1);
}

#[test]
fn every_key_of_a_playbook_is_explained() {
    fn walk(schema: &serde_json::Value, names: &mut std::collections::BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
            names.extend(properties.keys().cloned());
        }
        match schema {
            serde_json::Value::Object(members) => members.values().for_each(|m| walk(m, names)),
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, names)),
            _ => {}
        }
    }
    let mut names = std::collections::BTreeSet::new();
    walk(&serde_json::from_str(&read("docs/schema/playbook.json")).unwrap(), &mut names);
    assert!(names.len() > 70, "{names:?}");
    let page = read("docs/playbooks.md");
    let missing: Vec<String> =
        names.into_iter().filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    hold("keys", &missing);
}

/// What the page of a playbook says under these headings, and what it printed.
const HEADINGS: [&str; 4] =
    ["## What it needs", "## What it changes", "## How to tune it", "## What it says"];

/// What the page of a playbook lacks.
fn page_faults(name: &str, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for pair in HEADINGS.iter().zip(HEADINGS.iter().skip(1).chain(&["\u{0}"])) {
        let rest = page.split_once(&format!("\n{}\n", pair.0)).map(|(_, rest)| rest);
        let body = rest.map(|rest| rest.split(&format!("\n{}\n", pair.1)).next().unwrap_or(rest));
        if body.is_none_or(|body| body.trim().is_empty()) {
            found.push(format!("{name}.md says nothing under {}", pair.0));
        }
    }
    let typed = format!("\n$ rota run-once {name} ");
    let printed = page.split_once(&typed).and_then(|(_, rest)| rest.split_once('\n'));
    let is_rehearsal = |(typed, printed): &(&str, &str)| {
        let ended = format!("\n{name}: ");
        typed.ends_with("--dry-run") && printed.contains(&ended)
    };
    if printed.is_none_or(|text| !is_rehearsal(&text)) {
        found.push(format!("{name}.md shows no `$ rota run-once {name} --dry-run`"));
    }
    if !page.contains(&format!("agents/{name}.toml")) {
        found.push(format!("{name}.md does not name its file"));
    }
    found
}

#[test]
fn every_shipped_playbook_is_listed_and_has_its_page() {
    let index = read("docs/playbooks.md");
    let mut faults = Vec::new();
    for (file, _) in rota::playbook::shipped() {
        let name = file.trim_end_matches(".toml");
        if !index.contains(&format!("\n| [`{name}`](playbooks/{name}.md) |")) {
            faults.push(format!("docs/playbooks.md does not list {name}"));
        }
        match fs::read_to_string(root().join(format!("docs/playbooks/{name}.md"))) {
            Ok(page) => faults.extend(page_faults(name, &page)),
            Err(_) => faults.push(format!("there is no docs/playbooks/{name}.md")),
        }
    }
    hold("playbooks", &faults);
    let page = read("docs/playbooks/standup.md");
    let without = page.replace("## How to tune it", "## Tuning").replace("--dry-run", "");
    // What stood under the heading belongs to the one before it now.
    assert_eq!(page_faults("standup", &without).len(), 2);
    assert_eq!(page_faults("stale", &page).len(), 2);
}

/// Every test and file of tests that a page names is there.
fn missing_proofs(page: &str, tests: &[File]) -> Vec<String> {
    let is_name = |name: &str| {
        name.contains('_')
            && name.chars().all(|c| c.is_ascii_lowercase() || "0123456789_".contains(c))
    };
    let mut found = Vec::new();
    for word in page.split('`').skip(1).step_by(2) {
        let is_there = match word.strip_suffix('…').unwrap_or(word) {
            path if path.starts_with("tests/") => tests.iter().any(|file| file.path == path),
            name if is_name(name) && (name.len() > 25 || word != name) => {
                tests.iter().any(|file| file.text.contains(name))
            }
            _ => true,
        };
        if !is_there {
            found.push(format!("docs/claims.md: there is no test `{word}`"));
        }
    }
    found
}

#[test]
fn the_proofs_that_the_claim_protocol_names_are_there() {
    let tests = files("tests");
    hold("proofs that exist", &missing_proofs(&read("docs/claims.md"), &tests));
    let planted = "`tests/none.rs`, `c99_…`, `nobody_has_ever_written_this_very_test` and `lease`";
    let planted = missing_proofs(planted, &[File::new("tests/a.rs", "fn c1_x() {}")]);
    assert_eq!(planted.len(), 3, "{planted:?}");
}
