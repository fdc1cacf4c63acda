//! From a filled template to messages.

use super::{BlockError, Message};

/// Whether a line means something to [`fit`].
pub fn is_directive(line: &str) -> bool {
    line == "---" || ["# ", "-# ", "| "].iter().any(|mark| line.starts_with(mark))
}

/// Makes messages from a document in mrkdwn.
///
/// Paragraphs (parted by blank lines) become sections; a line `# …` a header, `---` a divider,
/// `-# …` small print, `| …` a field in two columns. What does not fit into one block or message
/// goes on in the next; a word is never cut unless it is longer than a block.
pub fn fit(document: &str, fallback: &str) -> Result<Vec<Message>, BlockError> {
    let _ = (document, fallback);
    todo!()
}
