//! Texts with the character 0, which no text of PostgreSQL can hold.
//!
//! It and the three characters after it stand in a column as three characters each: the first of them
//! is always 1, the others 2 or 3, and nothing else is written with these. So a text comes back as it
//! was, and one text holds another in the columns where it does so here. All other texts stand as they are.

use std::borrow::Cow;

/// How the characters 0 to 3 stand in a column.
const CODES: [&str; 4] =
    ["\u{1}\u{2}\u{2}", "\u{1}\u{2}\u{3}", "\u{1}\u{3}\u{2}", "\u{1}\u{3}\u{3}"];

/// A text as a column holds it.
pub(in crate::board::sql) fn to_column(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| usize::from(byte) >= CODES.len()) {
        return Cow::Borrowed(text);
    }
    let mut column = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match CODES.get(letter as usize) {
            Some(code) => column.push_str(code),
            None => column.push(letter),
        }
    }
    Cow::Owned(column)
}

/// The text that a column holds.
pub(in crate::board::sql) fn from_column(column: &str) -> String {
    let mut text = String::with_capacity(column.len());
    let mut rest = column;
    while let Some(at) = rest.find('\u{1}') {
        let (before, code) = rest.split_at(at);
        text.push_str(before);
        let found = CODES.iter().zip('\0'..).find(|(known, _)| code.starts_with(**known));
        if let Some((known, letter)) = found {
            text.push(letter);
            rest = &code[known.len()..];
        } else {
            // Written past the board.
            text.push('\u{1}');
            rest = &code[1..];
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All texts of at most three of these letters.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut longest = all.clone();
        for _ in 0..3 {
            longest = longest
                .iter()
                .flat_map(|text| {
                    ['\0', '\u{1}', '\u{2}', '\u{3}', 'é'].map(|c| format!("{text}{c}"))
                })
                .collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    #[test]
    fn every_text_comes_back_and_no_column_holds_the_character_0() {
        for text in texts() {
            let column = to_column(&text);
            assert!(!column.contains('\0'), "{text:?}");
            assert_eq!(from_column(&column), text);
        }
        assert!(matches!(to_column("plain\ttext"), Cow::Borrowed(_)));
        assert_eq!(from_column("by hand: \u{1}"), "by hand: \u{1}");
    }

    #[test]
    fn a_column_holds_another_where_its_text_does() {
        let texts = texts();
        for text in &texts {
            let column = to_column(text);
            for part in &texts {
                let found = column.contains(&*to_column(part));
                assert_eq!(found, text.contains(part.as_str()), "{text:?} {part:?}");
            }
        }
    }
}
