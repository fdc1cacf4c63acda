//! HTML becomes Markdown: a tokenizer's stream, written down as it comes, without any recursion.

use super::is_harmless;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};

/// Deeper lists and quotes are written flat.
const DEPTH_MAX: usize = 32;

/// Elements whose inside is no text.
const SILENT: &[&[u8]] = &[
    b"script",
    b"style",
    b"iframe",
    b"object",
    b"noscript",
    b"template",
    b"head",
    b"title",
    b"noembed",
    b"noframes",
    b"xmp",
];

/// Text in which everything that would mean something else to Markdown is escaped.
pub(in super::super) fn from_html(html: &str) -> String {
    let mut writer = Writer::default();
    let mut emitter = DefaultEmitter::default();
    // The inside of scripts and the like is no markup.
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => writer.open(&tag),
            Token::EndTag(tag) => writer.close(&tag.name),
            Token::String(text) => writer.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    writer.finish()
}

/// A list or a quote that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Box {
    Bullets,
    Numbers(u32),
    /// An item, with the blanks that its further lines begin with.
    Item(usize),
    Quote,
}

#[derive(Debug, Default)]
struct Writer {
    out: String,
    boxes: Vec<Box>,
    /// What the next line begins with, once, instead of blanks.
    marker: Option<String>,
    silent: Option<Vec<u8>>,
    /// Inside of `pre`: the text so far, and the language.
    pre: Option<(String, String)>,
    /// Inside of inline code.
    code: Option<String>,
    /// Marks and links that wait for text.
    pending: String,
    marks: Vec<&'static str>,
    link: Option<String>,
    /// A gap before what comes next.
    gap: Gap,
    is_at_line_start: bool,
    has_blank: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Line,
    Paragraph,
}

fn mark(name: &[u8]) -> Option<&'static str> {
    match name {
        b"b" | b"strong" => Some("**"),
        b"i" | b"em" => Some("*"),
        b"s" | b"del" | b"strike" => Some("~~"),
        _ => None,
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let found = tag.attributes.iter().find(|(known, _)| &known[..] == name.as_bytes());
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

impl Writer {
    fn open(&mut self, tag: &StartTag<()>) {
        let name: &[u8] = &tag.name;
        if self.silent.is_some() {
            return;
        }
        if SILENT.contains(&name) && !tag.self_closing {
            self.silent = Some(name.to_vec());
            return;
        }
        if let Some((_, language)) = &mut self.pre {
            if name == b"code" {
                let class = attribute(tag, "class").unwrap_or_default();
                let word = class.strip_prefix("language-").unwrap_or_default();
                *language = word.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
            }
            return;
        }
        match name {
            b"br" => self.line_break(),
            b"p" | b"div" | b"section" | b"article" | b"table" | b"tr" => self.block(),
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => {
                self.block();
                self.pending = format!("{} ", "#".repeat(usize::from(name[1] - b'0')));
            }
            b"hr" => {
                self.block();
                self.raw("---");
                self.block();
            }
            b"ul" => self.list(Box::Bullets),
            b"ol" => self.list(Box::Numbers(0)),
            b"li" => self.item(),
            b"blockquote" if self.boxes.len() < DEPTH_MAX => {
                self.block();
                self.boxes.push(Box::Quote);
            }
            b"pre" => {
                self.block();
                self.pre = Some((String::new(), String::new()));
            }
            b"code" => self.code = Some(String::new()),
            b"td" | b"th" if !self.is_at_line_start && self.gap == Gap::None => self.raw(" | "),
            b"img" => self.text(&attribute(tag, "alt").unwrap_or_default()),
            b"input" if attribute(tag, "type").is_some_and(|kind| kind == "checkbox") => {
                let is_set = tag.attributes.iter().any(|(known, _)| &known[..] == b"checked");
                self.raw(if is_set { "[x]" } else { "[ ]" });
            }
            b"a" => self.open_link(tag),
            _ => self.open_mark(name),
        }
    }

    fn open_link(&mut self, tag: &StartTag<()>) {
        let to = attribute(tag, "href").filter(|to| is_harmless(to) && to != "#");
        // A mention is a name.
        let is_mention = attribute(tag, "data-tagged-user-id").is_some();
        if let Some(to) = to.filter(|_| !is_mention && self.link.is_none()) {
            self.link = Some(to);
            self.pending.push('[');
        }
    }

    fn open_mark(&mut self, name: &[u8]) {
        if let Some(mark) = mark(name).filter(|mark| !self.marks.contains(mark)) {
            self.marks.push(mark);
            self.pending.push_str(mark);
        }
    }

    fn close(&mut self, name: &[u8]) {
        if let Some(silent) = &self.silent {
            if silent.as_slice() == name {
                self.silent = None;
            }
            return;
        }
        if self.pre.is_some() {
            if name == b"pre" {
                self.close_pre();
            }
            return;
        }
        match name {
            b"p" | b"div" | b"section" | b"article" | b"table" | b"tr" | b"h1" | b"h2" | b"h3"
            | b"h4" | b"h5" | b"h6" => self.block(),
            b"ul" | b"ol" => {
                let list = |one: &Box| matches!(one, Box::Bullets | Box::Numbers(_));
                if let Some(place) = self.boxes.iter().rposition(list) {
                    self.boxes.truncate(place);
                }
                self.marker = None;
                self.end_inline();
                self.gap =
                    self.gap.max(if self.boxes.is_empty() { Gap::Paragraph } else { Gap::Line });
            }
            b"li" => {
                self.end_inline();
                if let Some(Box::Item(_)) = self.boxes.last() {
                    self.boxes.pop();
                }
                self.gap = self.gap.max(Gap::Line);
            }
            b"blockquote" => {
                self.end_inline();
                if let Some(place) = self.boxes.iter().rposition(|one| *one == Box::Quote) {
                    self.boxes.truncate(place);
                }
                self.gap = Gap::Paragraph;
            }
            b"code" => self.close_code(),
            b"a" => self.close_link(),
            name => {
                if let Some(mark) = mark(name).filter(|mark| self.marks.last() == Some(mark)) {
                    self.marks.pop();
                    self.close_with(mark, mark);
                }
            }
        }
    }

    fn list(&mut self, list: Box) {
        self.end_inline();
        let is_nested = matches!(self.boxes.last(), Some(Box::Item(_)));
        self.gap = self.gap.max(if is_nested { Gap::Line } else { Gap::Paragraph });
        if self.boxes.len() < DEPTH_MAX {
            self.boxes.push(list);
        }
    }

    fn item(&mut self) {
        self.end_inline();
        if let Some(Box::Item(_)) = self.boxes.last() {
            self.boxes.pop();
        }
        self.gap = self.gap.max(Gap::Line);
        let marker = match self.boxes.last_mut() {
            Some(Box::Numbers(number)) => {
                *number += 1;
                format!("{number}. ")
            }
            _ => "- ".to_owned(),
        };
        if self.boxes.len() < DEPTH_MAX {
            self.boxes.push(Box::Item(marker.len()));
            self.marker = Some(marker);
        }
    }

    /// What comes next is a paragraph of its own.
    fn block(&mut self) {
        self.end_inline();
        // The first paragraph of an item stands beside its marker, and so does the next item.
        let is_in_item = matches!(self.boxes.last(), Some(Box::Item(_)));
        if self.marker.is_none() {
            self.gap = self.gap.max(if is_in_item { Gap::Line } else { Gap::Paragraph });
        }
    }

    /// Marks do not reach over the end of a block.
    fn end_inline(&mut self) {
        self.close_code();
        self.close_link();
        while let Some(mark) = self.marks.pop() {
            self.close_with(mark, mark);
        }
        self.pending.clear();
        self.has_blank = false;
    }

    /// Ends a mark; one around nothing was never begun.
    fn close_with(&mut self, opened: &str, closing: &str) {
        if let Some(before) = self.pending.strip_suffix(opened) {
            self.pending.truncate(before.len());
        } else if self.pending.is_empty() {
            self.out.push_str(closing);
        }
    }

    fn close_link(&mut self) {
        if let Some(to) = self.link.take() {
            let to: String = to.replace('(', "%28").replace(')', "%29").replace('<', "%3C");
            self.close_with("[", &format!("]({to})"));
        }
    }

    fn close_code(&mut self) {
        let Some(text) = self.code.take().filter(|text| !text.trim().is_empty()) else { return };
        let text = text.replace('\n', " ");
        let fence = "`".repeat(longest_run(&text, '`') + 1);
        let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        self.raw(&format!("{fence}{pad}{text}{pad}{fence}"));
    }

    fn close_pre(&mut self) {
        let Some((text, language)) = self.pre.take() else { return };
        let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
        self.raw(&format!("{fence}{language}"));
        for line in text.trim_end_matches('\n').split('\n') {
            self.gap = Gap::Line;
            self.start_line();
            self.out.push_str(line);
            self.is_at_line_start = false;
        }
        self.gap = Gap::Line;
        self.raw(&fence);
        self.block();
    }

    fn line_break(&mut self) {
        if self.code.is_some()
            || self.is_at_line_start
            || self.gap != Gap::None
            || self.out.is_empty()
        {
            return;
        }
        self.has_blank = false;
        self.out.push('\\');
        self.gap = Gap::Line;
    }

    fn text(&mut self, text: &str) {
        if self.silent.is_some() {
            return;
        }
        let is_kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        let text = text.replace('\u{0}', "\u{fffd}");
        if let Some((code, _)) = &mut self.pre {
            code.extend(text.chars().filter(is_kept));
            return;
        }
        if let Some(code) = &mut self.code {
            code.extend(text.chars().filter(is_kept));
            return;
        }
        let chars: Vec<char> = text.chars().filter(is_kept).collect();
        for (place, c) in chars.iter().copied().enumerate() {
            if matches!(c, ' ' | '\n' | '\t') {
                self.has_blank = true;
                continue;
            }
            self.begin_text();
            let next = chars.get(place + 1).copied();
            if self.is_special(c, next) {
                self.out.push('\\');
            }
            self.out.push(c);
            self.is_at_line_start = false;
        }
    }

    /// Whether a character would mean something to Markdown here.
    fn is_special(&self, c: char, next: Option<char>) -> bool {
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let before = self.out.chars().next_back();
        match c {
            '\\' | '`' | '<' | '[' | ']' | '~' => true,
            '*' => !(before == Some(' ') && next == Some(' ')),
            '_' => !(is_word(before) && is_word(next)),
            '&' => next.is_some_and(|next| next == '#' || next.is_ascii_alphabetic()),
            '#' | '+' | '-' | '>' | '=' | '|' => self.is_at_line_start,
            '.' | ')' => {
                let line = self.out.rsplit('\n').next().unwrap_or_default();
                let line = line.trim_start_matches([' ', '>']);
                (1..=9).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_digit())
            }
            _ => false,
        }
    }

    fn begin_text(&mut self) {
        let blank = std::mem::take(&mut self.has_blank);
        self.start_line();
        if blank && !self.is_at_line_start {
            self.out.push(' ');
        }
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.out.push_str(&pending);
        }
    }

    fn raw(&mut self, text: &str) {
        self.begin_text();
        self.out.push_str(text);
        self.is_at_line_start = false;
    }

    /// Ends the line if there is a gap to be made, and begins the next one in its boxes.
    fn start_line(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        if self.out.is_empty() {
            self.is_at_line_start = true;
        } else if gap != Gap::None {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            if gap == Gap::Paragraph {
                self.out.push('\n');
                let quotes = self.prefix(None);
                self.out.push_str(quotes.trim_end());
            }
            self.out.push('\n');
            self.is_at_line_start = true;
        } else if self.marker.is_none() {
            return;
        }
        let marker = self.marker.take();
        let prefix = self.prefix(marker.as_deref());
        self.out.push_str(&prefix);
    }

    /// What a line begins with; the innermost item with its marker.
    fn prefix(&self, marker: Option<&str>) -> String {
        let last = self.boxes.iter().rposition(|one| matches!(one, Box::Item(_)));
        let parts = self.boxes.iter().enumerate().map(|(place, one)| match one {
            Box::Quote => "> ".to_owned(),
            Box::Item(_) if marker.is_some() && Some(place) == last => {
                marker.unwrap_or_default().to_owned()
            }
            Box::Item(width) => " ".repeat(*width),
            Box::Bullets | Box::Numbers(_) => String::new(),
        });
        parts.collect()
    }

    fn finish(mut self) -> String {
        self.close_pre();
        self.end_inline();
        self.out.truncate(self.out.trim_end_matches(['\n', ' ']).len());
        // A hard break before nothing is none.
        while self.out.ends_with('\\') && !self.out.ends_with("\\\\") {
            self.out.pop();
        }
        self.out
    }
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
