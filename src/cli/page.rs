//! A page of text for people. Whatever is put on it is made harmless first: boards, models and
//! files hold text of strangers, and a terminal obeys control characters.

use std::fmt::Write as _;

/// How a piece of text looks, where colour is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// A heading.
    Bold,
    /// Less important.
    Dim,
    /// Well.
    Good,
    /// Somebody should look.
    Warn,
    /// Wrong.
    Bad,
}

impl Style {
    fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain => return None,
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
        })
    }
}

/// Lines of styled pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    lines: Vec<Vec<(Style, String)>>,
}

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// A page of plain lines.
    pub fn of(text: &str) -> Self {
        let mut page = Self::new();
        page.text(text);
        page
    }

    /// Begins a new line with a piece; control characters, line ends too, are shown, not obeyed.
    pub fn line(&mut self, style: Style, text: &str) -> &mut Self {
        self.lines.push(vec![(style, harmless(text))]);
        self
    }

    /// Adds a piece to the last line.
    pub fn add(&mut self, style: Style, text: &str) -> &mut Self {
        if self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        if let Some(line) = self.lines.last_mut() {
            line.push((style, harmless(text)));
        }
        self
    }

    /// Adds a text of several lines.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.indented("", Style::Plain, text)
    }

    /// Adds a text of several lines behind a margin.
    pub fn indented(&mut self, margin: &str, style: Style, text: &str) -> &mut Self {
        for line in text.trim_end().lines() {
            self.lines.push(vec![(style, format!("{margin}{}", harmless(line)))]);
        }
        self
    }

    /// Adds an empty line.
    pub fn gap(&mut self) -> &mut Self {
        self.lines.push(Vec::new());
        self
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The page as it is written, each line with its end.
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            for (style, text) in line {
                match style.code().filter(|_| colour && !text.is_empty()) {
                    Some(code) => {
                        let _ = write!(out, "\u{1b}[{code}m{text}\u{1b}[0m");
                    }
                    None => out.push_str(text),
                }
            }
            let blanks = out.len() - out.trim_end_matches(' ').len();
            out.truncate(out.len() - blanks);
            out.push('\n');
        }
        out
    }
}

/// The text with everything that a terminal would obey, or that hides or reorders text, spelled
/// out; tabs become blanks. Never longer than ten times the original.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if is_obeyed(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a terminal obeys a character, or a reader is deceived by it.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || is_deceptive(c)
}

/// Marks that reorder or hide what is read: bidirectional overrides, separators, zero widths.
/// The zero-width joiner stays: emoji are made with it.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{061c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Columns with headings, as wide as their widest cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<(Style, String)>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<'a>(headings: impl IntoIterator<Item = &'a str>) -> Self {
        Self { headings: headings.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Adds a row; a missing cell is empty, one too many is left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (Style, String)>) {
        let mut row: Vec<_> =
            cells.into_iter().map(|(style, text)| (style, harmless(&text))).collect();
        row.resize(self.headings.len(), (Style::Plain, String::new()));
        self.rows.push(row);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts it on a page.
    pub fn onto(&self, page: &mut Page) {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| width(&row[column].1));
                cells.chain([width(&self.headings[column])]).max().unwrap_or(0)
            })
            .collect();
        let headings = self.headings.iter().map(|text| (Style::Dim, text.clone())).collect();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = Vec::new();
            for (column, (style, text)) in row.iter().enumerate() {
                line.push((*style, text.clone()));
                if column + 1 < row.len() {
                    let blanks = widths[column].saturating_sub(width(text)) + 2;
                    line.push((Style::Plain, " ".repeat(blanks)));
                }
            }
            page.lines.push(line);
        }
    }
}

/// How many columns of a terminal a text takes: two for wide signs, none for marks that combine.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x0300..=0x036f | 0x200c..=0x200d | 0xfe00..=0xfe0f | 0x1ab0..=0x1aff => 0,
            0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        let text = "a\u{1b}]0;owned\u{7}b\rc\u{202e}d\u{9b}31me\0f";
        assert_eq!(harmless(text), "a\\u{1b}]0;owned\\u{7}b\\u{d}c\\u{202e}d\\u{9b}31me\\u{0}f");
    }

    #[test]
    fn emoji_and_umlauts_stay_as_they_are() {
        for text in ["Größe", "👩‍💻", "日本語", "naïve"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_piece_never_makes_a_line_of_its_own() {
        let mut page = Page::new();
        page.line(Style::Plain, "one\ntwo");
        assert_eq!(page.render(false), "one\\u{a}two\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "HEADLINE", "X"]);
        for (id, headline) in [("7", "日本"), ("1234", "Write")] {
            table.row([id, headline, "x"].map(|text| (Style::Plain, text.to_owned())));
        }
        let mut page = Page::new();
        table.onto(&mut page);
        assert_eq!(page.render(false), "ID    HEADLINE  X\n7     日本      x\n1234  Write     x\n");
    }

    #[test]
    fn colour_is_only_around_pieces() {
        let mut page = Page::new();
        page.line(Style::Bad, "no").add(Style::Plain, " way");
        assert_eq!(page.render(true), "\u{1b}[31mno\u{1b}[0m way\n");
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_survives(text in any::<String>()) {
            let page = Page::of(&text).render(false);
            prop_assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
