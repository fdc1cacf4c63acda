//! Splits mrkdwn between lines, then between words; links and entities stay whole.

/// Parts of at most `max` characters each that together hold every word.
pub fn split(text: &str, max: usize) -> Vec<String> {
    let _ = (text, max);
    todo!()
}

/// What mrkdwn reads like: links by label and address, entities as characters.
pub fn plain(mrkdwn: &str) -> String {
    let _ = mrkdwn;
    todo!()
}
