//! Links from a finding to the line it is about, on GitHub, GitLab and their like.

use std::fmt::Write as _;

/// The longest template of a link, and the longest link, in bytes.
const LINK_BYTES_MAX: usize = 2_000;

/// What a template of a link may hold.
pub const LINK_PARTS: [&str; 4] = ["commit", "branch", "path", "line"];

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTarget<'a> {
    /// The commit that was looked at.
    pub commit: Option<&'a str>,
    /// The branch.
    pub branch: Option<&'a str>,
    /// The file, from the repository's root.
    pub path: &'a str,
    /// The line.
    pub line: Option<u32>,
}

/// Whether a text can be a template of links, such as
/// `https://github.com/acme/site/blob/{commit}/{path}#L{line}`.
///
/// # Errors
/// What is wrong with it.
pub fn check_link(template: &str) -> Result<(), String> {
    let rest = template.strip_prefix("https://").or_else(|| template.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err("expected an address that begins with https:// or http://".to_owned());
    };
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"'`\\()[]".contains(c);
    if template.len() > LINK_BYTES_MAX || template.chars().any(is_odd) {
        return Err("it is far too long, or holds signs that an address does not need".to_owned());
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains(['{', '}', '@']) {
        return Err("its host must be written out, without a user".to_owned());
    }
    let mut has_path = false;
    let mut left = template;
    while let Some(at) = left.find(['{', '}']) {
        let part = left[at..].strip_prefix('{').and_then(|tail| tail.split_once('}'));
        let Some((name, tail)) = part.filter(|(name, _)| LINK_PARTS.contains(name)) else {
            return Err(format!("expected {{{}}} in braces", LINK_PARTS.join("}, {")));
        };
        has_path |= name == "path";
        left = tail;
    }
    if has_path { Ok(()) } else { Err("it names no {path}".to_owned()) }
}

/// The address of a line; `None` where the template needs what is not known. Without a line, what
/// begins with `#` is left out. Every value is percent-encoded: none can lead anywhere else.
pub fn link_to(template: &str, target: &LinkTarget<'_>) -> Option<String> {
    if check_link(template).is_err() {
        return None;
    }
    let template = match target.line {
        None => template.split('#').next().unwrap_or(template),
        Some(_) => template,
    };
    let line = target.line.map(|line| line.to_string());
    let mut out = String::new();
    let mut left = template;
    while let Some((before, tail)) = left.split_once('{') {
        out.push_str(before);
        let (name, tail) = tail.split_once('}')?;
        let value = match name {
            "commit" => target.commit,
            "branch" => target.branch,
            "path" => Some(target.path),
            _ => line.as_deref(),
        };
        encode(value?, &mut out)?;
        left = tail;
    }
    out.push_str(left);
    (out.len() <= LINK_BYTES_MAX).then_some(out)
}

/// Writes a value so that it is one part of a path, or several; `None`: it climbs.
fn encode(value: &str, out: &mut String) -> Option<()> {
    if value.is_empty() || value.split('/').any(|part| part == "." || part == "..") {
        return None;
    }
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-./".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GITHUB: &str = "https://github.com/acme/site/blob/{commit}/{path}#L{line}";

    fn at(path: &str, line: Option<u32>) -> Option<String> {
        link_to(GITHUB, &LinkTarget { commit: Some("0a1b"), branch: None, path, line })
    }

    #[test]
    fn a_finding_leads_to_its_line_in_the_commit_that_was_looked_at() {
        let link = at("src/a_b c.rs", Some(7)).unwrap();
        assert_eq!(link, "https://github.com/acme/site/blob/0a1b/src/a%5Fb%20c.rs#L7");
        let whole = at("src/lib.rs", None).unwrap();
        assert_eq!(whole, "https://github.com/acme/site/blob/0a1b/src/lib.rs");
        let target = LinkTarget { commit: None, branch: None, path: "a", line: Some(1) };
        assert_eq!(link_to(GITHUB, &target), None, "the commit is not known");
        let by_branch = "https://git.lan/x/-/blob/{branch}/{path}#L{line}";
        let target = LinkTarget { branch: Some("feature/é"), ..target };
        let link = link_to(by_branch, &target).unwrap();
        assert_eq!(link, "https://git.lan/x/-/blob/feature/%C3%A9/a#L1");
    }

    #[test]
    fn no_path_leads_anywhere_else() {
        assert_eq!(at("../../evil/x", Some(1)), None);
        assert_eq!(at("", Some(1)), None);
        let odd = at("a?b#c&d)](javascript:x)\"><img>\n", Some(1)).unwrap();
        assert!(!odd.contains(['?', '&', ')', ']', '"', '<', '>', '\n']), "{odd}");
        assert_eq!(odd.matches('#').count(), 1);
        assert_eq!(at(&"é".repeat(2_000), Some(1)), None, "too long");
    }

    #[test]
    fn only_plain_addresses_are_templates() {
        assert_eq!(check_link(GITHUB), Ok(()));
        for bad in [
            "javascript:alert({path})",
            "ftp://x/{path}",
            "https://{path}/x",
            "https://user@host/{path}",
            "https://github.com/acme/site",
            "https://github.com/{file}/{path}",
            "https://github.com/{path",
            "https://github.com/path}",
            "https://github.com/{path} x",
            "https:///{path}",
        ] {
            assert!(check_link(bad).is_err(), "{bad}");
        }
    }
}
