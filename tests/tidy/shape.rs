//! How files look: headers, lengths, names, and what must not stand in them.

use super::tree::{File, files, without_literals};
use super::{faults, hold};

/// The most lines of a file.
const FILE_LINES_MAX: usize = 500;
/// The most lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

fn everything() -> Vec<File> {
    ["src", "tests", "examples", "benches"].iter().flat_map(|folder| files(folder)).collect()
}

fn has_header(file: &File) -> Vec<String> {
    let says_something = file.text.lines().next().is_some_and(|line| {
        line.strip_prefix("//! ").is_some_and(|header| header.trim().len() > 3)
    });
    let fault = format!("{}: no `//!` header says what it is for", file.path);
    if says_something { Vec::new() } else { vec![fault] }
}

fn is_short(file: &File) -> Vec<String> {
    let count = file.text.lines().count();
    let fault = format!("{}: {count} lines, at most {FILE_LINES_MAX}", file.path);
    if count > FILE_LINES_MAX { vec![fault] } else { Vec::new() }
}

/// Relies on rustfmt: a function ends at the first `}` that is indented as its signature is.
fn functions_are_short(file: &File) -> Vec<String> {
    let clean = without_literals(&file.text);
    let lines: Vec<&str> = clean.lines().collect();
    let mut found = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let signature = lines[place..].iter().position(|line| {
            let line = line.trim_end();
            line.ends_with('{') || line.ends_with(';') || line.ends_with('}')
        });
        let Some(opened) = signature.filter(|at| lines[place + at].trim_end().ends_with('{'))
        else {
            continue;
        };
        let is_end =
            |line: &str| line.trim() == "}" && line.len() - line.trim_start().len() == indent;
        let length = lines[place + opened..].iter().position(|line| is_end(line)).unwrap_or(0);
        let length = opened + length + 1;
        if length > FUNCTION_LINES_MAX {
            let fault = format!("`{name}` has {length} lines, at most {FUNCTION_LINES_MAX}");
            found.push(format!("{}:{}: {fault}", file.path, place + 1));
        }
    }
    found
}

/// The name, if the line begins a function.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    loop {
        let begin = rest;
        for word in ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "default "] {
            rest = rest.strip_prefix(word).unwrap_or(rest);
        }
        if let Some(inside) = rest.strip_prefix("pub(in ") {
            rest = inside.split_once(") ")?.1;
        }
        if begin == rest {
            break;
        }
    }
    let name = rest.strip_prefix("fn ")?;
    Some(name.split(['(', '<']).next().unwrap_or(name))
}

fn leaves_nothing_undone(file: &File) -> Vec<String> {
    // Put together here, or this file would hold them itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!(")];
    let places = [concat!("/work", "/wt"), concat!("../sha", "red")];
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let has_word = |word: &&str| line.split(|c: char| !c.is_alphanumeric()).any(|w| w == *word);
        let fault = words.iter().find(|word| has_word(word));
        let fault =
            fault.or_else(|| calls.iter().chain(&places).find(|text| line.contains(**text)));
        found.extend(fault.map(|fault| format!("{}:{number}: `{fault}`", file.path)));
    }
    found
}

fn has_plain_names(file: &File) -> Vec<String> {
    let parts = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let is_vague = |part: &&str| {
        ["util", "utils", "common", "helper", "helpers", "manager", "misc"].contains(part)
    };
    // Handlebars calls its functions helpers; the name is the field's word there.
    let is_field_word = file.path.starts_with("src/template/");
    let vague = parts.filter(is_vague).filter(|_| !is_field_word);
    vague.map(|part| format!("{}: `{part}` says nothing", file.path)).collect()
}

fn excuses_are_given(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    let clean = without_literals(&file.text);
    for (at, _) in clean.match_indices("#[").chain(clean.match_indices("#![")) {
        let attribute = clean[at..].split("]\n").next().unwrap_or_default();
        let line = clean[..at].matches('\n').count() + 1;
        let head = attribute.trim_start_matches(['#', '!', '[']);
        if head.starts_with("allow(") {
            found.push(format!("{}:{line}: expect it with a reason, do not allow it", file.path));
        }
        if head.starts_with("expect(") && !attribute.contains("reason") {
            found.push(format!("{}:{line}: an exception without a reason", file.path));
        }
    }
    found
}

/// Looking again and again at another process needs a pause; that loop is shared in `support`.
fn waits_on_a_state(file: &File) -> Vec<String> {
    if file.path.starts_with("tests/support/") {
        return Vec::new();
    }
    let code = without_literals(&file.text);
    let lines = (1..).zip(code.lines()).filter(|(_, line)| line.contains("thread::sleep"));
    lines
        .map(|(number, _)| format!("{}:{number}: wait on a state, never sleep", file.path))
        .collect()
}

/// Files that no `mod` line names are not compiled, and nobody would notice.
fn is_reachable(file: &File, all: &[File]) -> Vec<String> {
    let parts: Vec<&str> = file.path.trim_end_matches(".rs").split('/').collect();
    let (mut name, mut folder) = (parts[parts.len() - 1], parts[..parts.len() - 1].to_vec());
    let is_root = folder.len() == 1 && ["main", "lib"].contains(&name);
    if is_root || folder == ["src", "bin"] {
        return Vec::new();
    }
    if name == "mod" {
        let Some(last) = folder.pop() else { return Vec::new() };
        name = last;
    }
    let folder = folder.join("/");
    let roots = [
        format!("{folder}/mod.rs"),
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
    ];
    let is_named = all.iter().filter(|parent| roots.contains(&parent.path)).any(|parent| {
        parent.text.lines().any(|line| {
            let line = line.trim().trim_end_matches(" {");
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            line.strip_prefix("pub ").unwrap_or(line) == format!("mod {name};")
        })
    });
    let fault = format!("{}: no `mod {name};` leads to it", file.path);
    if is_named { Vec::new() } else { vec![fault] }
}

#[test]
fn every_file_says_what_it_is_for() {
    hold("headers", &faults(&everything(), has_header));
}

#[test]
fn files_and_functions_fit_on_a_few_screens() {
    hold("lengths", &faults(&everything(), is_short));
    hold("lengths", &faults(&everything(), functions_are_short));
}

#[test]
fn nothing_is_left_undone() {
    hold("undone", &faults(&everything(), leaves_nothing_undone));
}

#[test]
fn names_say_something() {
    hold("names", &faults(&everything(), has_plain_names));
}

#[test]
fn exceptions_have_reasons() {
    hold("exceptions", &faults(&everything(), excuses_are_given));
}

#[test]
fn tests_wait_on_states() {
    hold("waiting", &faults(&files("tests"), waits_on_a_state));
}

#[test]
fn every_file_is_compiled() {
    for folder in ["src", "tests"] {
        let all = files(folder);
        hold("reach", &faults(&all, |file| is_reachable(file, &all)));
    }
}

#[test]
fn ill_shaped_files_are_found() {
    let found = |law: fn(&File) -> Vec<String>, text: &str| law(&File::new("src/x.rs", text)).len();
    assert_eq!(found(has_header, "use std::fmt;\n"), 1);
    assert_eq!(found(has_header, "//!\n"), 1);
    assert_eq!(found(has_header, "//! What it is for.\n"), 0);
    assert_eq!(found(is_short, &"x\n".repeat(501)), 1);
    assert_eq!(found(is_short, &"x\n".repeat(500)), 0);
    let function = |lines: usize| {
        format!(
            "impl X {{\n    pub async fn f(\n    ) {{\n{}    }}\n}}\n",
            "        x();\n".repeat(lines)
        )
    };
    assert_eq!(found(functions_are_short, &function(67)), 0);
    assert_eq!(found(functions_are_short, &function(68)), 1);
    assert_eq!(found(leaves_nothing_undone, concat!("// TO", "DO: later")), 1);
    assert_eq!(found(leaves_nothing_undone, concat!("fn f() { to", "do!() }")), 1);
    assert_eq!(found(leaves_nothing_undone, "let todos = 1;"), 0);
    assert_eq!(has_plain_names(&File::new("src/board/utils.rs", "")).len(), 1);
    assert_eq!(has_plain_names(&File::new("src/helpers/a.rs", "")).len(), 1);
    assert_eq!(found(excuses_are_given, "#[allow(dead_code)]\nfn f() {}"), 1);
    assert_eq!(found(excuses_are_given, "#![expect(dead_code)]\nfn f() {}"), 1);
    assert_eq!(found(excuses_are_given, "#[expect(\n    a,\n    reason = \"b\"\n)]\nfn f() {}"), 0);
    assert_eq!(found(waits_on_a_state, "std::thread::sleep(d)"), 1);
}

#[test]
fn a_file_that_nobody_names_is_found() {
    let all = [
        File::new("tests/main.rs", "mod flow;\npub mod support;"),
        File::new("tests/flow/mod.rs", "mod day;"),
        File::new("tests/flow/day.rs", ""),
        File::new("tests/flow/night.rs", ""),
        File::new("tests/support.rs", ""),
        File::new("tests/stray.rs", ""),
    ];
    let lost = faults(&all, |file| is_reachable(file, &all));
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].contains("night") && lost[1].contains("stray"));
}
