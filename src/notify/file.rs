//! Messages appended to a file, as Markdown.

use super::{FileOptions, Notifier, NotifyError};
use crate::domain::Body;
use async_trait::async_trait;

/// Appends to one file.
#[derive(Debug)]
pub struct FileNotifier {
    options: FileOptions,
}

impl FileNotifier {
    /// Appends to this file; nothing is opened yet.
    pub fn new(options: FileOptions) -> Self {
        Self { options }
    }
}

#[async_trait]
impl Notifier for FileNotifier {
    async fn deliver(&self, _key: &str, _body: &Body, _from: usize) -> Result<(), NotifyError> {
        let _ = &self.options;
        todo!()
    }
}
