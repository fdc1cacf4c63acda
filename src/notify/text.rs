//! What every channel does to texts before it sends them: nothing that a program would obey, no
//! mentions, and parts that no word or character is cut for.

/// Word joiner: takes no room, and no program takes `@⁠here` for a mention.
pub const JOINER: char = '\u{2060}';

/// Without what a terminal, a log or a reader's eye would obey instead of showing.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' => Some('\n'),
            '\t' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
            c if c.is_control() => None,
            // Direction marks, embeddings, overrides, isolates; what is hidden in a word: soft hyphens, the
            // byte order mark, annotations, tag characters.
            '\u{200e}'
            | '\u{200f}'
            | '\u{61c}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{ad}'
            | '\u{180e}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => None,
            c => Some(c),
        })
        .collect()
}

/// Zero width space: Slack takes it for a blank, and a mark beside a blank formats nothing. There is no
/// other way to write one; what is copied keeps its letters.
pub const BREAKER: char = '\u{200b}';

/// Without the marks of no width that we put into texts ourselves: what somebody else wrote has none, so
/// that no word hides in another. What joins letters and emoji stays.
pub fn without_unseen(text: &str) -> String {
    text.chars().filter(|c| !matches!(*c, JOINER | BREAKER)).collect()
}

/// For Slack's plain texts, without links and mentions.
pub fn slack_plain(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    without_pings(&text, &["channel", "here", "everyone"])
}

/// For mrkdwn: without links and mentions, and it reads as it was written.
pub fn slack_escaped(text: &str) -> String {
    let lines = slack_plain(text);
    let lines: Vec<String> = lines.split('\n').map(|line| without_marks(&unquoted(line))).collect();
    lines.join("\n")
}

/// A line that begins with `>` would be a quotation.
fn unquoted(line: &str) -> String {
    let text = line.trim_start();
    let blanks = &line[..line.len() - text.len()];
    if text.starts_with("&gt;") { format!("{blanks}{JOINER}{text}") } else { line.to_owned() }
}

/// Bold, italic, struck through and code: no mark begins or ends any.
fn without_marks(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut before = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if is_mark(c, before, chars.peek().copied()) {
            if !out.ends_with(BREAKER) {
                out.push(BREAKER);
            }
            out.extend([c, BREAKER]);
        } else {
            out.push(c);
        }
        before = Some(c);
    }
    out
}

/// Whether a character may format what stands beside it: not within a word, nor between blanks.
fn is_mark(c: char, before: Option<char>, after: Option<char>) -> bool {
    let both = |is: fn(char) -> bool| before.is_some_and(is) && after.is_some_and(is);
    match c {
        '`' => true,
        '*' | '_' | '~' => !both(|c| c.is_ascii_alphanumeric()) && !both(char::is_whitespace),
        _ => false,
    }
}

/// Escaped for `CommonMark` with the usual extensions: it reads as it was written.
pub fn markdown_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut at_line_start = true;
    for c in text.chars() {
        let is_syntax = "\\`*_[]<>|~&".contains(c);
        if is_syntax || at_line_start && "#+-=".contains(c) {
            out.push('\\');
        }
        out.push(c);
        at_line_start = c == '\n' || at_line_start && c == ' ';
    }
    out
}

/// No `@` stands before one of these names any more.
pub fn without_pings(text: &str, names: &[&str]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        out.push(c);
        let rest = &text[at + c.len_utf8()..];
        let pings = names
            .iter()
            .any(|name| rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)));
        if c == '@' && pings {
            out.push(JOINER);
        }
    }
    out
}

/// Cuts a text into parts of at most `max` units, as `size` counts a character: between lines, else
/// between words, and only a word longer than a part between characters. A blank text has no parts.
pub fn parts(text: &str, max: usize, size: fn(char) -> usize) -> Vec<String> {
    let length = |piece: &str| piece.chars().map(size).sum::<usize>();
    let mut parts = Vec::new();
    let mut open = String::new();
    let mut used = 0;
    let mut add = |glue: &str, piece: &str, weight: usize| {
        if used + length(glue) + weight > max && !open.is_empty() {
            parts.push(std::mem::take(&mut open));
            used = 0;
        }
        if !open.is_empty() {
            open.push_str(glue);
            used += length(glue);
        }
        open.push_str(piece);
        used += weight;
    };
    for line in text.trim().lines() {
        let weight = length(line);
        if weight <= max {
            add("\n", line, weight);
            continue;
        }
        for (nth, word) in line.split(' ').enumerate() {
            let glue = if nth == 0 { "\n" } else { " " };
            let weight = length(word);
            if weight <= max {
                add(glue, word, weight);
                continue;
            }
            for (nth, c) in word.char_indices() {
                let glue = if nth == 0 { glue } else { "" };
                add(glue, c.encode_utf8(&mut [0; 4]), size(c));
            }
        }
    }
    parts.push(open);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(_: char) -> usize {
        1
    }

    #[test]
    fn parts_end_between_lines_then_between_words() {
        assert_eq!(parts("one\ntwo\nthree", 8, one), ["one\ntwo", "three"]);
        assert_eq!(parts("alpha beta gamma", 11, one), ["alpha beta", "gamma"]);
        assert_eq!(parts(" \n ", 8, one), Vec::<String>::new());
    }

    #[test]
    fn a_word_longer_than_a_part_is_cut_between_characters_and_nothing_of_it_is_lost() {
        let word = "äß🦀".repeat(40);
        let cut = parts(&format!("a {word} b"), 10, char::len_utf8);
        assert!(cut.iter().all(|part| part.len() <= 10), "{cut:?}");
        let glued: String = cut.concat().chars().filter(|c| *c != ' ').collect();
        assert_eq!(glued, format!("a{word}b"));
    }

    #[test]
    fn nobody_is_pinged() {
        let text = without_pings("@Everyone @here @heretic", &["everyone", "here"]);
        assert_eq!(text, "@\u{2060}Everyone @\u{2060}here @\u{2060}heretic");
        assert_eq!(slack_escaped("<!channel> & <@U1>"), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
    }

    /// What Slack would format: a mark that a word stands behind, up to one that a word stands before.
    fn formatted(text: &str) -> Vec<char> {
        let chars: Vec<char> = text.chars().collect();
        let at = |place: usize, step: isize| {
            place.checked_add_signed(step).and_then(|place| chars.get(place)).copied()
        };
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_blank = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || c == BREAKER);
        let mut found = Vec::new();
        for (begin, c) in chars.iter().enumerate().filter(|(_, c)| "*_~`".contains(**c)) {
            let opens = !is_word(at(begin, -1)) && !is_blank(at(begin, 1));
            let closes = |end: &usize| !is_blank(at(*end, -1)) && !is_word(at(*end, 1));
            let mut ends = (begin + 2..chars.len()).filter(|end| chars[*end] == *c);
            if opens && ends.any(|end| closes(&end)) {
                found.push(*c);
            }
        }
        found
    }

    #[test]
    fn nothing_from_the_board_is_bold_italic_struck_code_or_a_quotation_in_slack() {
        let hostile = "*bold* _it_ ~no~ `code` ```\nblock\n``` (*a*) *_b_* **c** \u{e9}*d*";
        assert!(formatted(hostile).len() > 6, "{:?}", formatted(hostile));
        let escaped = slack_escaped(hostile);
        assert!(formatted(&escaped).is_empty(), "{escaped:?}");
        assert_eq!(escaped.replace(BREAKER, ""), hostile, "it reads as it was written");
        assert_eq!(slack_escaped("> a\n  > b"), "\u{2060}&gt; a\n  \u{2060}&gt; b");
        // What formats nothing stays as it can be searched for.
        for plain in ["snake_case_name", "2 * 3 * 4", "a*b", "https://b.example/a_b"] {
            assert_eq!(slack_escaped(plain), plain);
        }
        assert_eq!(slack_plain("*a*"), "*a*");
    }
}
