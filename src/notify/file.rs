//! Messages appended to a file, as Markdown.

use super::text::{markdown_escaped, printable};
use super::{Delivered, FileOptions, Notifier, NotifyError, Post};
use crate::domain::Body;
use async_trait::async_trait;
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest a disk may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Appends to one file; what was delivered is on disk.
#[derive(Debug)]
pub struct FileNotifier {
    /// One writer at a time: looking at the size, moving and appending belong together.
    options: Arc<Mutex<FileOptions>>,
}

impl FileNotifier {
    /// Appends to this file; nothing is opened yet.
    pub fn new(options: FileOptions) -> Self {
        Self { options: Arc::new(Mutex::new(options)) }
    }
}

#[async_trait]
impl Notifier for FileNotifier {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let whole = Delivered { is_last: true, ..Delivered::default() };
        if post.part > 0 {
            return Ok(whole);
        }
        let entry = entry(post.key, post.body);
        let options = Arc::clone(&self.options);
        let write = tokio::task::spawn_blocking(move || {
            let options = options.lock().unwrap_or_else(PoisonError::into_inner);
            append(&options, &entry)
        });
        let (fault, is_transient) = match tokio::time::timeout(TIME_LIMIT, write).await {
            Ok(Ok(Ok(()))) => return Ok(whole),
            Ok(Ok(Err(error))) => {
                let is_wrong_kind =
                    matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotADirectory);
                (error.to_string(), !is_wrong_kind)
            }
            Ok(Err(_)) => ("the writer broke off".to_owned(), true),
            Err(_) => ("the disk does not answer".to_owned(), true),
        };
        let what = format!("the file did not take the message: {fault}");
        Err(NotifyError { what, is_transient, retry_after: None })
    }
}

/// One message: its key where readers of the Markdown do not see it, then the text.
fn entry(key: &str, body: &Body) -> String {
    let text = if body.markdown.trim().is_empty() {
        Cow::Owned(markdown_escaped(&printable(&body.text)))
    } else {
        Cow::Borrowed(body.markdown.as_str())
    };
    // A comment ends at `-->`, and a line at its feed: keys with either would show.
    let key: String = key.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect();
    format!("<!-- {key} -->\n\n{}\n\n", text.trim_end())
}

fn append(options: &FileOptions, entry: &str) -> io::Result<()> {
    let path = &options.path;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let size = fs::metadata(path).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
    let is_full = size > 0 && size.saturating_add(entry.len() as u64) > options.size_bytes_max;
    if is_full {
        fs::rename(path, older(path))?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(entry.as_bytes())?;
    file.sync_all()?;
    if size == 0 || is_full {
        // A new name is on disk only when its folder is.
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Where a full file goes, in place of the one before it.
fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_within_its_comment() {
        let body = Body { text: "t\n\n".into(), ..Body::default() };
        assert_eq!(entry("a-->\n<b>", &body), "<!-- a--b -->\n\nt\n\n");
    }

    #[test]
    fn markdown_goes_before_text() {
        let body = Body { text: "t".into(), markdown: "m".into(), ..Body::default() };
        assert!(entry("k", &body).ends_with("\n\nm\n\n"));
    }

    #[test]
    fn a_text_reads_in_markdown_as_it_was_written() {
        let body = Body { text: "# a [x](https://evil.example) <b>".into(), ..Body::default() };
        let written = "\n\n\\# a \\[x\\](https://evil.example) \\<b\\>\n\n";
        assert!(entry("k", &body).ends_with(written));
    }
}
