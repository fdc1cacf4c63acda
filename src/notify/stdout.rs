//! Messages as plain text on a writer that was given.

use super::{Delivered, Notifier, NotifyError, Post, SharedWriter};
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;

/// The longest a writer may block.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Writes the plain text.
pub struct WriterNotifier {
    out: SharedWriter,
}

impl WriterNotifier {
    /// Writes to this.
    pub fn new(out: SharedWriter) -> Self {
        Self { out }
    }
}

impl fmt::Debug for WriterNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterNotifier").finish_non_exhaustive()
    }
}

#[async_trait]
impl Notifier for WriterNotifier {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let whole = Delivered { is_last: true, ..Delivered::default() };
        if post.part > 0 {
            return Ok(whole);
        }
        let out = std::sync::Arc::clone(&self.out);
        let text = shown(&post.body.text);
        // A pipe that nobody reads blocks its writer: that must not stop the daemon's other work.
        let write = tokio::task::spawn_blocking(move || {
            let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        });
        let fault = match tokio::time::timeout(TIME_LIMIT, write).await {
            Ok(Ok(Ok(()))) => return Ok(whole),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => "the writer broke off".to_owned(),
            Err(_) => "nobody reads it".to_owned(),
        };
        Err(NotifyError::passing(format!("standard output did not take the message: {fault}")))
    }
}

/// One message, ending in one line feed, without anything that a terminal would obey.
fn shown(text: &str) -> String {
    let mut text: String =
        text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
