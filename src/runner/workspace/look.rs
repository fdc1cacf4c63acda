//! Looking at the files of a workspace: what there is, what stands in it, where a text stands.
//!
//! Everything here blocks, and is called where that is allowed. However large a file, a line or a
//! folder is, what is held in memory and what is told is bounded.

use super::tree::{Patience, Tree};
use super::walk::{DEPTH_MAX, Go, Walk, glob, is_meant};
use crate::tools::code::{
    CodeError, Entry, EntryKind, Found, ListAsk, Listing, Match, Passage, ReadAsk, SearchAsk,
};
use regex::bytes::{Regex, RegexBuilder};
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};

/// So much text is told at once.
pub(super) const TEXT_BYTES_MAX: usize = 24 * 1024;
/// At most so many entries, lines, matches.
const ENTRIES_MAX: usize = 500;
const LINES_MAX: u64 = 2_000;
const MATCHES_MAX: usize = 500;
/// So many characters of a line are shown.
const LINE_CHARS_MAX: usize = 500;
const MATCH_CHARS_MAX: usize = 240;
/// So many bytes of a line are held.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// A file is text unless there is a NUL in its begin.
const BEGIN_BYTES: usize = 8 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;
/// So much is read after what was asked for, to know how many lines there are.
const COUNTED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A search reads so much.
const SEARCHED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The longest expression, and the most memory for what is made of it.
const PATTERN_BYTES_MAX: usize = 1_000;
const PATTERN_MEMORY_MAX: usize = 1 << 20;
/// How often it is asked whether it takes too long.
const LOOK_EVERY: u64 = 1_024;

/// Files and folders.
pub(super) fn list(tree: &Tree, ask: &ListAsk, patience: &Patience) -> Result<Listing, CodeError> {
    let parts = tree.parts(&ask.path)?;
    let after = ask.after.as_deref().map(|after| tree.parts(after)).transpose()?;
    let glob = glob(ask.glob.as_deref())?;
    let limit = ask.limit.clamp(1, ENTRIES_MAX);
    let mut listing = Listing { path: parts.join("/"), ..Listing::default() };
    let mut bytes = 0;
    let mut walk = Walk::new(tree, patience, ask.depth.clamp(1, DEPTH_MAX), ask.ignored);
    walk.below(&parts, &mut |seen| {
        let is_before = after
            .as_ref()
            .is_some_and(|after| seen.path.split('/').le(after.iter().map(String::as_str)));
        let is_meant = match seen.kind {
            EntryKind::Folder => glob.is_none(),
            _ => is_meant(glob.as_ref(), seen.path),
        };
        if is_before || !is_meant {
            return Go::On;
        }
        if listing.entries.len() >= limit || bytes > TEXT_BYTES_MAX {
            listing.next = listing.entries.last().map(|entry| entry.path.clone());
            return Go::Home;
        }
        let target = seen.target().filter(|_| seen.kind == EntryKind::Link);
        let target = target.map(|target| clipped(&target, LINE_CHARS_MAX));
        bytes += seen.path.len() + target.as_ref().map_or(0, String::len) + 16;
        listing.entries.push(Entry {
            path: seen.path.to_owned(),
            kind: seen.kind,
            bytes: (seen.kind == EntryKind::File).then_some(seen.bytes),
            target,
        });
        Go::On
    })?;
    listing.left_out = joined(walk.left_out());
    Ok(listing)
}

/// Lines of a file.
pub(super) fn read(tree: &Tree, ask: &ReadAsk, patience: &Patience) -> Result<Passage, CodeError> {
    let parts = tree.parts(&ask.path)?;
    let (file, bytes) = tree.file(&parts)?;
    let mut passage =
        Passage { path: parts.join("/"), bytes, from: ask.from.max(1), ..Passage::default() };
    let mut lines = Lines::new(file);
    if lines.is_binary()? {
        passage.binary = true;
        passage.left_out = Some("it is no text".to_owned());
        return Ok(passage);
    }
    let last = passage.from.saturating_add(ask.lines.clamp(1, LINES_MAX));
    let (mut cut, mut is_odd) = (0_u64, false);
    let (mut counted, mut told) = (0_u64, 0);
    let is_whole = loop {
        if lines.number.is_multiple_of(LOOK_EVERY) && patience.is_over()
            || counted > COUNTED_BYTES_MAX
        {
            break false;
        }
        let Some(length) = lines.next()? else { break true };
        let number = lines.number;
        if number < passage.from {
            continue;
        }
        if number >= last || told >= TEXT_BYTES_MAX {
            passage.next.get_or_insert(number);
        }
        if passage.next.is_some() {
            counted = counted.saturating_add(length);
            continue;
        }
        let text = String::from_utf8_lossy(&lines.line);
        is_odd |= matches!(text, std::borrow::Cow::Owned(_));
        let shown = clipped(&text, LINE_CHARS_MAX);
        if shown.len() < text.len() || (lines.line.len() as u64) < length {
            cut += 1;
        }
        // Its number is told, too.
        told += shown.len() + 8;
        passage.text.push_str(&shown);
        passage.text.push('\n');
    };
    passage.lines = is_whole.then_some(lines.number);
    if !is_whole && passage.next.is_none() {
        passage.left_out = Some("it took too long to get to that line".to_owned());
        return Ok(passage);
    }
    if passage.text.is_empty() && passage.from > 1 {
        let lines = lines.number;
        return Err(CodeError::Refused(format!("from: {:?} has {lines} lines", passage.path)));
    }
    let mut left_out = Vec::new();
    if cut > 0 {
        left_out.push(format!("the ends of {cut} long lines"));
    }
    if is_odd {
        left_out.push("signs that are no UTF-8, shown as \u{fffd}".to_owned());
    }
    passage.left_out = joined(left_out.into_iter());
    Ok(passage)
}

/// How many lines a file has; whoever asks waits no longer than for others.
pub(super) fn count(tree: &Tree, path: &str, patience: &Patience) -> Result<u64, CodeError> {
    let (file, _) = tree.file(&tree.parts(path)?)?;
    let mut lines = Lines::new(file);
    while lines.next()?.is_some() {
        if lines.number.is_multiple_of(LOOK_EVERY) && patience.is_over() {
            // Of one that is too long to be counted, no line is too far.
            return Ok(u64::MAX);
        }
    }
    Ok(lines.number)
}

/// Lines that match.
pub(super) fn search(
    tree: &Tree,
    ask: &SearchAsk,
    patience: &Patience,
) -> Result<Found, CodeError> {
    let parts = tree.parts(&ask.path)?;
    let glob = glob(ask.glob.as_deref())?;
    let mut search = Search {
        pattern: pattern(ask)?,
        patience,
        limit: ask.limit.clamp(1, MATCHES_MAX),
        found: Found::default(),
        bytes: 0,
        told: 0,
        binary: 0,
        long: 0,
        unread: 0,
        why: None,
    };
    let mut left_out = Vec::new();
    if tree.kind(&parts)? == EntryKind::Folder {
        let mut walk = Walk::new(tree, patience, DEPTH_MAX, ask.ignored);
        walk.below(&parts, &mut |seen| {
            if seen.kind != EntryKind::File || !is_meant(glob.as_ref(), seen.path) {
                return Go::On;
            }
            if let Ok(file) = seen.open() {
                return search.file(file, seen.path);
            }
            search.unread += 1;
            Go::On
        })?;
        left_out.extend(walk.left_out());
    } else {
        let (file, _) = tree.file(&parts)?;
        search.file(file, &parts.join("/"));
    }
    left_out.extend(search.left_out());
    Ok(Found { left_out: joined(left_out.into_iter()), ..search.found })
}

fn pattern(ask: &SearchAsk) -> Result<Regex, CodeError> {
    if ask.pattern.is_empty() || ask.pattern.len() > PATTERN_BYTES_MAX {
        let why = format!("pattern: expected 1 to {PATTERN_BYTES_MAX} bytes");
        return Err(CodeError::Refused(why));
    }
    let mut builder = RegexBuilder::new(&ask.pattern);
    builder.case_insensitive(ask.ignores_case);
    builder.size_limit(PATTERN_MEMORY_MAX).dfa_size_limit(PATTERN_MEMORY_MAX).nest_limit(64);
    builder.build().map_err(|error| CodeError::Refused(format!("pattern: {error}")))
}

/// A search under way.
struct Search<'a> {
    pattern: Regex,
    patience: &'a Patience,
    limit: usize,
    found: Found,
    bytes: u64,
    told: usize,
    binary: u64,
    long: u64,
    unread: u64,
    why: Option<&'static str>,
}

impl Search<'_> {
    fn file(&mut self, file: File, path: &str) -> Go {
        let mut lines = Lines::new(file);
        match lines.is_binary() {
            Ok(false) => self.found.files += 1,
            Ok(true) => {
                self.binary += 1;
                return Go::On;
            }
            Err(_) => {
                self.unread += 1;
                return Go::On;
            }
        }
        loop {
            let Ok(length) = lines.next() else {
                self.unread += 1;
                return Go::On;
            };
            let Some(length) = length else { return Go::On };
            self.bytes = self.bytes.saturating_add(length);
            if self.bytes > SEARCHED_BYTES_MAX {
                self.why = Some("more than 512 MiB: name a folder, or a glob");
                return Go::Home;
            }
            if lines.number.is_multiple_of(LOOK_EVERY) && self.patience.is_over() {
                self.why = Some("it took too long: name a folder, or a glob");
                return Go::Home;
            }
            self.long += u64::from((lines.line.len() as u64) < length);
            let Some(at) = self.pattern.find(&lines.line).map(|found| found.start()) else {
                continue;
            };
            if self.found.matches.len() >= self.limit || self.told >= TEXT_BYTES_MAX {
                self.why = Some("more matches: ask for less at once");
                return Go::Home;
            }
            let text = around(&lines.line, at);
            self.told += path.len() + text.len() + 16;
            let line = lines.number;
            self.found.matches.push(Match { path: path.to_owned(), line, text });
        }
    }

    fn left_out(&self) -> Vec<String> {
        let mut left_out: Vec<String> = self.why.into_iter().map(str::to_owned).collect();
        let counted = [
            (self.binary, "files that are no text"),
            (self.unread, "files that cannot be read"),
            (self.long, "long lines, from their 65,537th byte on"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        left_out.extend(counted.map(|(count, what)| format!("{count} {what}")));
        left_out
    }
}

/// A line around what matched.
fn around(line: &[u8], at: usize) -> String {
    let from = at.saturating_sub(MATCH_CHARS_MAX / 4);
    let shown = line.get(from..).unwrap_or_default();
    let shown = shown.get(..shown.len().min(4 * MATCH_CHARS_MAX)).unwrap_or(shown);
    let text = clipped(&String::from_utf8_lossy(shown), MATCH_CHARS_MAX);
    if from > 0 { format!("…{text}") } else { text }
}

/// The begin of a line that is too long, and a word about the rest.
fn clipped(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (begin, rest) = text.split_at(end);
            format!("{begin}… [{} more bytes]", rest.len())
        }
    }
}

fn joined(left_out: impl Iterator<Item = String>) -> Option<String> {
    let all: Vec<String> = left_out.collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The lines of a file, one at a time; of a very long one only its begin is held.
struct Lines {
    file: BufReader<File>,
    /// The number of the last line that was read, from 1.
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    fn new(file: File) -> Self {
        Self { file: BufReader::with_capacity(BUFFER_BYTES, file), number: 0, line: Vec::new() }
    }

    /// Whether it is no text; asked before the first line.
    fn is_binary(&mut self) -> Result<bool, CodeError> {
        let begin = self.file.fill_buf().map_err(|error| failed(&error))?;
        Ok(begin.iter().take(BEGIN_BYTES).any(|byte| *byte == 0))
    }

    /// Reads the next line; how many bytes it has without its end.
    fn next(&mut self) -> Result<Option<u64>, CodeError> {
        self.line.clear();
        let most = LINE_BYTES_MAX as u64;
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut self.line);
        if read.map_err(|error| failed(&error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut length = self.line.len() as u64;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            length -= 1;
        } else if length == most {
            let rest = self.file.skip_until(b'\n').map_err(|error| failed(&error))?;
            length += rest as u64;
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
            length -= 1;
        }
        Ok(Some(length))
    }
}

fn failed(error: &std::io::Error) -> CodeError {
    CodeError::Failed(format!("it cannot be read: {error}"))
}
