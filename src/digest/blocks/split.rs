//! Splits mrkdwn between lines, then between words; links and entities stay whole.

use crate::notify::text::BREAKER;

/// Parts of at most `max` characters each (at least 16) that together hold every word in order.
///
/// A line is kept whole if it fits into a part of its own. A word is cut only if it alone is
/// longer than a part, and then between characters; of a link that long, only the label is kept.
pub fn split(text: &str, max: usize) -> Vec<String> {
    let mut parts = Parts { max: max.max(16), done: Vec::new(), open: String::new(), chars: 0 };
    for line in text.split('\n') {
        let chars = line.chars().count();
        if chars <= parts.max {
            parts.add("\n", line, chars);
            continue;
        }
        for (place, word) in words(line).into_iter().enumerate() {
            let glue = if place == 0 { "\n" } else { " " };
            let chars = word.chars().count();
            if chars <= parts.max {
                parts.add(glue, word, chars);
            } else {
                parts.add_long(glue, word);
            }
        }
    }
    parts.close();
    parts.done
}

/// Parts in the making.
struct Parts {
    max: usize,
    done: Vec<String>,
    open: String,
    chars: usize,
}

impl Parts {
    /// Adds a piece that fits into a part, after a glue that vanishes where parts meet.
    fn add(&mut self, glue: &str, piece: &str, chars: usize) {
        let glue = if self.open.is_empty() { "" } else { glue };
        if self.chars + glue.len() + chars > self.max {
            self.close();
            self.open.push_str(piece);
            self.chars = chars;
        } else {
            self.open.push_str(glue);
            self.open.push_str(piece);
            self.chars += glue.len() + chars;
        }
    }

    /// Adds a word that is longer than a part, atom by atom.
    fn add_long(&mut self, glue: &str, word: &str) {
        let label = link(word).map(|(whole, _, label)| word.replacen(whole, label, 1));
        let word = label.as_deref().unwrap_or(word);
        self.add(glue, "", 0);
        for atom in atoms(word) {
            self.add("", atom, atom.chars().count());
        }
    }

    fn close(&mut self) {
        let part = std::mem::take(&mut self.open);
        self.chars = 0;
        let part = part.trim_matches('\n').trim_end();
        if !part.trim().is_empty() {
            self.done.push(part.to_owned());
        }
    }
}

/// The words of a line: what blanks outside of links part.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        if let Some((whole, ..)) = link(rest).filter(|_| rest.starts_with('<')) {
            at += whole.len();
        } else if rest.starts_with(' ') {
            words.push(&line[begin..at]);
            at += 1;
            begin = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    words.push(&line[begin..]);
    words
}

/// What must not be cut: an entity, or a character.
fn atoms(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let entity = ["&amp;", "&lt;", "&gt;"].into_iter().find(|e| rest.starts_with(e));
        let (atom, tail) = rest.split_at(entity.map_or(first.len_utf8(), str::len));
        rest = tail;
        Some(atom)
    })
}

/// The first `<address|label>` of a text: the whole, the address and the label.
fn link(text: &str) -> Option<(&str, &str, &str)> {
    let begin = text.find('<')?;
    let length = text[begin..].find('>')?;
    let whole = &text[begin..=begin + length];
    let inner = &whole[1..whole.len() - 1];
    if inner.contains(['<', '\n']) {
        return None;
    }
    let (address, label) = inner.split_once('|').unwrap_or((inner, inner));
    Some((whole, address, label))
}

/// What mrkdwn reads like: links by label and address, entities as characters, directives of
/// [`super::fit`] without their marks.
pub fn plain(mrkdwn: &str) -> String {
    let lines: Vec<String> = mrkdwn.lines().map(plain_line).collect();
    lines.join("\n")
}

fn plain_line(line: &str) -> String {
    let marks = ["# ", "-# ", "| "];
    let mut rest = marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
    let mut out = String::with_capacity(rest.len());
    while let Some((whole, address, label)) = link(rest) {
        let (before, after) = rest.split_once(whole).unwrap_or((rest, ""));
        out.push_str(before);
        out.push_str(label);
        if address != label && !address.is_empty() {
            out.push_str(" (");
            out.push_str(address);
            out.push(')');
        }
        rest = after;
    }
    out.push_str(rest);
    // Where nothing is formatted, nothing has to be kept from it.
    out.retain(|c| c != BREAKER);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_whole_where_they_fit() {
        let parts = split("one two three\nfour five six\nseven", 20);
        assert_eq!(parts, ["one two three", "four five six\nseven"]);
    }

    #[test]
    fn long_lines_are_split_between_words() {
        let parts = split("alpha beta gamma delta epsilon zeta", 16);
        assert_eq!(parts, ["alpha beta gamma", "delta epsilon", "zeta"]);
    }

    #[test]
    fn a_word_longer_than_a_part_is_cut_between_characters_and_never_within_an_entity() {
        let word = format!("{}&amp;ä", "x".repeat(14));
        assert_eq!(split(&word, 16), ["x".repeat(14), "&amp;ä".to_owned()]);
    }

    #[test]
    fn a_link_is_one_word() {
        let line = "• <https://b.example/7|task 7> is a long one";
        let parts = split(line, 32);
        assert_eq!(parts, ["• <https://b.example/7|task 7>", "is a long one"]);
    }

    #[test]
    fn of_a_link_longer_than_a_part_the_label_is_kept() {
        let line = format!("see <https://b.example/{}|task_7> now", "x".repeat(30));
        assert_eq!(split(&line, 16), ["see task_7 now"]);
    }

    #[test]
    fn mrkdwn_reads_as_plain_text() {
        let mrkdwn = "# A &amp; B\n• <https://b.example/7|task 7> &lt;x&gt;\n-# small";
        assert_eq!(plain(mrkdwn), "A & B\n• task 7 (https://b.example/7) <x>\nsmall");
        assert_eq!(plain("a < b"), "a < b");
        assert_eq!(plain("&amp;lt;"), "&lt;");
        assert_eq!(plain("\u{200b}*\u{200b}a\u{200b}*\u{200b}"), "*a*");
    }
}
