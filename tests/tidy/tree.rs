//! The source tree as text, and what of a text is code.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file.
#[derive(Clone, Debug)]
pub struct File {
    /// From the repository's root, with slashes.
    pub path: String,
    /// The whole of it.
    pub text: String,
}

impl File {
    /// A file that a test makes up.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// The lines that are compiled into the product, numbered from 1: no comments, no literals,
    /// no `#[cfg(test)]` module at the end.
    pub fn code(&self) -> Vec<(usize, String)> {
        if self.path.ends_with("/tests.rs") {
            return Vec::new();
        }
        let mut lines: Vec<(usize, String)> =
            (1..).zip(without_literals(&self.text).lines().map(str::to_owned)).collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].1.trim() == "#[cfg(test)]" && pair[1].1.trim_start().starts_with("mod ")
        });
        if let Some(begin) = tests.filter(|begin| lines[*begin + 1].1.ends_with('{')) {
            lines.truncate(begin);
        }
        lines
    }

    /// The room: the first name below `src`; empty for anything else.
    pub fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or_default();
        let room = inside.split('/').next().unwrap_or_default();
        room.strip_suffix(".rs").unwrap_or(room)
    }
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, by path; none if there is no such folder.
pub fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push(File { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The text with comments and the insides of string and character literals blanked out, line for
/// line.
pub fn without_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skip(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().filter(|c| **c == '\n'));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins here ends; `at` if none does.
fn skip(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let starts =
        |text: &str| text.chars().zip(rest.iter()).filter(|(a, b)| a == *b).count() == text.len();
    let until = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        let found = (from..chars.len()).find(|i| chars[*i..].starts_with(&end));
        found.map_or(chars.len(), |found| found + end.len())
    };
    let is_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if starts("//") {
        return (at..chars.len()).find(|i| chars[*i] == '\n').unwrap_or(chars.len());
    }
    if starts("/*") {
        return until(at + 2, "*/");
    }
    if !is_word && (starts("r\"") || starts("r#") || starts("br\"") || starts("br#")) {
        let hashes =
            rest.iter().skip_while(|c| **c != '#' && **c != '"').take_while(|c| **c == '#');
        let hashes = hashes.count();
        let open = at + 1 + usize::from(rest[0] == 'b') + hashes;
        if chars.get(open) == Some(&'"') {
            return until(open + 1, &format!("\"{}", "#".repeat(hashes)));
        }
        return at;
    }
    if rest[0] == '"' {
        let mut i = at + 1;
        while i < chars.len() && chars[i] != '"' {
            i += 1 + usize::from(chars[i] == '\\');
        }
        return (i + 1).min(chars.len());
    }
    if rest[0] == '\'' && rest.len() > 2 {
        if rest[1] == '\\' {
            return until(at + 3, "'");
        }
        if rest[2] == '\'' {
            return at + 3;
        }
    }
    at
}

/// The names that stand directly after a path's beginning: `a` and `b` in `crate::{a::X, b}`.
pub fn names_after(code: &[(usize, String)], begin: &str) -> Vec<(usize, String)> {
    let text: String = code.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    let mut found = Vec::new();
    for (at, _) in text.match_indices(begin) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = text[..at].matches('\n').count();
        let number = code[line].0;
        let rest = &text[at + begin.len()..];
        for name in first_names(rest) {
            found.push((number, name));
        }
    }
    found
}

/// One name, or those at the top of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begin = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.push(word(&group[begin..at]));
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let text = "use a; // crate::b\nlet s = \"crate::c\"; let t = r#\"x\"crate::d\"#;\n\
                let c = '\"'; /* crate::e\n */ fn f<'a>() {}\n#[cfg(test)]\nmod tests {\ncrate::g\n}\n";
    let code = File::new("src/x.rs", text).code();
    let all: String = code.iter().map(|(_, line)| line.as_str()).collect();
    assert!(!all.contains("crate::"), "{all}");
    assert!(all.contains("fn f<'a>() {}"), "{all}");
    assert_eq!(code.len(), 4);
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let code =
        File::new("src/x.rs", "use crate::{board::{A, b}, store,\n  digest::C};\ncrate::x::y()")
            .code();
    let names: Vec<_> = names_after(&code, "crate::").into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["board", "store", "digest", "x"]);
}
