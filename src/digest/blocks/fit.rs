//! From a filled template to messages.

use super::kinds::{Few, SECTION_CHARS_MAX};
use super::{
    Block, BlockError, CONTEXT_ELEMENTS_MAX, Element, FALLBACK_CHARS_MAX, FIELDS_MAX, Field,
    HEADER_CHARS_MAX, Header, MESSAGE_BLOCKS_MAX, MESSAGE_CHARS_MAX, Message, Mrkdwn, PlainText,
    plain, split,
};
use crate::notify::text::{printable, slack_escaped, slack_plain};

/// The most characters that the texts of one fields or context block have together: written as
/// JSON they may double, and have to leave room in [`MESSAGE_CHARS_MAX`].
const LIST_CHARS_MAX: usize = 4_000;

/// What is kept free in a message for the line that numbers it.
const NUMBER_CHARS: usize = 150;

/// Whether a line means something to [`fit`].
pub fn is_directive(line: &str) -> bool {
    line == "---" || ["# ", "-# ", "| "].iter().any(|mark| line.starts_with(mark))
}

/// Makes messages from a document in mrkdwn.
///
/// Paragraphs (parted by blank lines) become sections; a line `# …` a header, `---` a divider,
/// `-# …` small print, `| …` a field in two columns. What does not fit into one block or message
/// goes on in the next; a word is never cut unless it is longer than a block. Several messages
/// are numbered at their ends. A blank document makes no message.
///
/// `fallback` is plain text for notifications; if blank, the document's begin stands for it.
pub fn fit(document: &str, fallback: &str) -> Result<Vec<Message>, BlockError> {
    let document = printable(document);
    let blocks = blocks(&document)?;
    if blocks.is_empty() {
        return Ok(Vec::new());
    }
    let groups = group(blocks);
    let count = groups.len();
    let fallback = if fallback.trim().is_empty() {
        first_lines(&plain(&document))
    } else {
        fallback.to_owned()
    };
    let mut messages = Vec::with_capacity(count);
    for (place, group) in groups.into_iter().enumerate() {
        let number = (count > 1).then(|| format!("Part {} of {count}", place + 1));
        let mut message = Message::new(fallback_text(&fallback, number.as_deref())?);
        let number = number.map(|text| small_print(&[text])).transpose()?;
        for block in group.into_iter().chain(number.into_iter().flatten()) {
            let pushed = message.push(block);
            // Groups are made with room to spare: a block that is given back would be lost here.
            pushed.map_err(|block| BlockError::TooLong {
                what: "message",
                chars: block.weight(),
                max: MESSAGE_CHARS_MAX,
            })?;
        }
        messages.push(message);
    }
    Ok(messages)
}

/// A stretch of lines of one sort.
enum Stretch {
    Text(Vec<String>),
    Fields(Vec<String>),
    Small(Vec<String>),
}

/// The document as blocks.
fn blocks(document: &str) -> Result<Vec<Block>, BlockError> {
    let mut blocks = Vec::new();
    let mut open = Stretch::Text(Vec::new());
    for line in document.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            close(&mut open, &mut blocks)?;
            blocks.extend(header(text)?);
        } else if line == "---" {
            close(&mut open, &mut blocks)?;
            blocks.push(Block::Divider);
        } else if let Some(text) = line.strip_prefix("-# ") {
            if !matches!(open, Stretch::Small(_)) {
                close(&mut open, &mut blocks)?;
                open = Stretch::Small(Vec::new());
            }
            open.push(text);
        } else if let Some(text) = line.strip_prefix("| ") {
            if !matches!(open, Stretch::Fields(_)) {
                close(&mut open, &mut blocks)?;
                open = Stretch::Fields(Vec::new());
            }
            open.push(text);
        } else if line.trim().is_empty() {
            close(&mut open, &mut blocks)?;
        } else {
            if !matches!(open, Stretch::Text(_)) {
                close(&mut open, &mut blocks)?;
            }
            open.push(line);
        }
    }
    close(&mut open, &mut blocks)?;
    Ok(blocks)
}

impl Stretch {
    fn push(&mut self, line: &str) {
        let (Self::Text(lines) | Self::Fields(lines) | Self::Small(lines)) = self;
        lines.push(line.to_owned());
    }
}

/// Turns the open stretch into blocks and begins a text.
fn close(open: &mut Stretch, blocks: &mut Vec<Block>) -> Result<(), BlockError> {
    match std::mem::replace(open, Stretch::Text(Vec::new())) {
        Stretch::Text(lines) => {
            for part in split(&lines.join("\n"), SECTION_CHARS_MAX) {
                blocks.push(Block::Section { text: Mrkdwn::new(part)? });
            }
        }
        Stretch::Small(lines) => blocks.extend(small_print(&lines)?),
        Stretch::Fields(lines) => {
            for texts in chunks(&lines, Field::CHARS_MAX, FIELDS_MAX) {
                let fields = texts.into_iter().map(Field::new).collect::<Result<_, _>>()?;
                blocks.push(Block::Fields { fields: Few::new(fields)? });
            }
        }
    }
    Ok(())
}

fn header(text: &str) -> Result<Vec<Block>, BlockError> {
    split(&slack_plain(&plain(text)), HEADER_CHARS_MAX)
        .into_iter()
        .map(|part| Header::new(part).map(|text| Block::Header { text }))
        .collect()
}

fn small_print(lines: &[String]) -> Result<Vec<Block>, BlockError> {
    let mut blocks = Vec::new();
    for texts in chunks(lines, Element::CHARS_MAX, CONTEXT_ELEMENTS_MAX) {
        let elements = texts.into_iter().map(Element::new).collect::<Result<_, _>>()?;
        blocks.push(Block::Context { elements: Few::new(elements)? });
    }
    Ok(blocks)
}

/// Lines in lists, each short enough for one block.
fn chunks(lines: &[String], chars_max: usize, count_max: usize) -> Vec<Vec<String>> {
    let mut lists: Vec<Vec<String>> = Vec::new();
    let mut chars = 0;
    for text in lines.iter().flat_map(|line| split(line, chars_max)) {
        let length = text.chars().count();
        match lists.last_mut() {
            Some(list) if list.len() < count_max && chars + length <= LIST_CHARS_MAX => {
                list.push(text);
                chars += length;
            }
            _ => {
                lists.push(vec![text]);
                chars = length;
            }
        }
    }
    lists
}

/// Blocks by message, with room for the number.
fn group(blocks: Vec<Block>) -> Vec<Vec<Block>> {
    let mut groups: Vec<Vec<Block>> = Vec::new();
    let mut weight = 0;
    for block in blocks {
        let more = block.weight();
        let has_room = weight + more <= MESSAGE_CHARS_MAX - NUMBER_CHARS;
        match groups.last_mut() {
            Some(group) if has_room && group.len() < MESSAGE_BLOCKS_MAX - 1 => {
                group.push(block);
                weight += more;
            }
            _ => {
                groups.push(vec![block]);
                weight = more;
            }
        }
    }
    groups
}

/// What notifications show: the text's begin, escaped, and which part this is.
fn fallback_text(fallback: &str, number: Option<&str>) -> Result<PlainText, BlockError> {
    let parts = split(&slack_escaped(&printable(fallback)), FALLBACK_CHARS_MAX - NUMBER_CHARS);
    let mut text = parts.first().cloned().unwrap_or_else(|| "Message".to_owned());
    if parts.len() > 1 {
        text.push_str(" …");
    }
    if let Some(number) = number {
        text = format!("{text} ({number})");
    }
    PlainText::new(text)
}

/// The first two lines that say something.
fn first_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).take(2).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(document: &str) -> Vec<String> {
        let messages = fit(document, "f").unwrap();
        let blocks = messages.iter().flat_map(Message::blocks);
        blocks
            .map(|block| {
                let json = serde_json::to_value(block).unwrap();
                let kind = json["type"].as_str().unwrap().to_owned();
                if json.get("fields").is_some() { "fields".to_owned() } else { kind }
            })
            .collect()
    }

    #[test]
    fn each_mark_makes_its_block() {
        let document = "# Title\nline\nline\n\nparagraph\n---\n-# small\n-# print\n| a\n| b\ntext";
        assert_eq!(
            kinds(document),
            ["header", "section", "section", "divider", "context", "fields", "section"]
        );
    }

    #[test]
    fn a_blank_document_makes_no_message() {
        assert_eq!(fit(" \n\n", "f").unwrap(), []);
    }

    #[test]
    fn fifty_blocks_are_one_message_too_many_only_with_their_number() {
        let document = |count| vec!["line"; count].join("\n\n");
        assert_eq!(fit(&document(49), "f").unwrap().len(), 1);
        let messages = fit(&document(120), "f").unwrap();
        let counts: Vec<_> = messages.iter().map(|message| message.blocks().len()).collect();
        assert_eq!(counts, [50, 50, 23]);
        assert_eq!(messages[1].fallback().as_str(), "f (Part 2 of 3)");
    }

    #[test]
    fn fields_and_small_print_go_on_in_the_next_block() {
        assert_eq!(kinds(&"| f\n".repeat(21)).len(), 3);
        assert_eq!(kinds(&format!("| {}\n", "x".repeat(2_000)).repeat(3)).len(), 2);
        assert_eq!(kinds(&"-# f\n".repeat(11)), ["context", "context"]);
    }

    #[test]
    fn a_long_title_goes_on_in_the_next_header() {
        assert_eq!(kinds(&format!("# {}", "word ".repeat(60))), ["header", "header"]);
    }

    #[test]
    fn the_fallback_is_escaped_and_never_blank() {
        let message = &fit("text", "a <!channel> & b").unwrap()[0];
        assert_eq!(message.fallback().as_str(), "a &lt;!channel&gt; &amp; b");
        assert_eq!(fit("# only\n\nthis", "").unwrap()[0].fallback().as_str(), "only\nthis");
        assert_eq!(fit("---", "").unwrap()[0].fallback().as_str(), "---");
    }
}
