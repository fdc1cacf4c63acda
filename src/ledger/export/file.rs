//! The export's file: a header, a line for each row, a footer with their number and sum. Written
//! and read line by line, so that neither takes memory by the size of the store.

use crate::domain::Timestamp;
use crate::ledger::keys;
use crate::store::VALUE_BYTES_MAX;
use crate::store::watched::Change;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

/// The format that is written. Format 1 had each key once and no deletions.
pub(super) const FORMAT: u32 = 2;
/// A line is a row in JSON; escaping makes it at most six times as long.
const LINE_BYTES_MAX: u64 = (VALUE_BYTES_MAX as u64 + 1024) * 6;

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) rota_export: u32,
    pub(super) at: Timestamp,
    pub(super) epoch: u32,
}

/// A row; of a key that comes twice the later line counts.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) k: String,
    /// `None`: it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) v: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Footer {
    rows: u64,
    sha256: String,
}

/// The turn to write an export.
pub(super) type Turn = tokio::sync::OwnedMutexGuard<()>;

/// An export that is being written.
pub(super) struct Writer {
    /// Kept to the very end: a step that nobody waits for any more still works at the same file.
    _turn: Turn,
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    rows: u64,
}

impl Writer {
    pub(super) fn begin(path: &Path, header: &Header, turn: Turn) -> io::Result<Self> {
        let temporary = path.with_extension("tmp");
        // One that was broken off may still be written to: not this file.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let out = BufWriter::new(File::create_new(&temporary)?);
        let (path, hash) = (path.to_owned(), Sha256::new());
        let mut writer = Self { _turn: turn, path, temporary, out, hash, rows: 0 };
        writer.line(&serde_json::to_string(header)?)?;
        Ok(writer)
    }

    pub(super) fn add(&mut self, change: Change) -> io::Result<()> {
        let text = |bytes| String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData);
        let line = Line { k: change.key, v: change.value.map(text).transpose()? };
        self.rows += 1;
        self.line(&serde_json::to_string(&line)?)
    }

    /// Makes it durable and gives it its name; the number of lines.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let sha256 = keys::hex(&self.hash.finalize());
        let footer = serde_json::to_string(&Footer { rows: self.rows, sha256 })?;
        writeln!(self.out, "{footer}")?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        super::sync_folder(&self.path)?;
        Ok(self.rows)
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.hash.update(text.as_bytes());
        self.hash.update(b"\n");
        writeln!(self.out, "{text}")
    }
}

/// Reads an export through; what is wrong with it, in words, if it is not whole.
pub(super) fn check(path: &Path) -> Result<Header, String> {
    let (header, mut lines) = read(path)?;
    lines.try_for_each(|line| line.map(|_| ()))?;
    Ok(header)
}

/// Opens an export: its header and its lines. Only after the last line is it known to be whole.
pub(super) fn read(path: &Path) -> Result<(Header, Lines), String> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no export".to_owned(),
        _ => format!("the export cannot be opened: {error}"),
    })?;
    let (reader, hash) = (BufReader::new(file), Sha256::new());
    let mut lines = Lines { reader, hash, rows: 0, is_over: false };
    let line = lines.read_line()?;
    let header: Header = serde_json::from_str(&line).map_err(not_json)?;
    if header.rota_export == 0 || header.rota_export > FORMAT {
        return Err(format!("the export has format {}, not 1 to {FORMAT}", header.rota_export));
    }
    lines.take_in(&line);
    Ok((header, lines))
}

/// The lines of an export, one after the other; an error is the last.
pub(super) struct Lines {
    reader: BufReader<File>,
    hash: Sha256,
    rows: u64,
    is_over: bool,
}

impl Lines {
    fn read_line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX);
        let read = bounded.read_line(&mut line);
        read.map_err(|error| format!("the export cannot be read: {error}"))?;
        line.pop().filter(|end| *end == '\n').ok_or("the export breaks off")?;
        Ok(line)
    }

    fn take_in(&mut self, line: &str) {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
    }

    fn read_row(&mut self) -> Result<Option<Line>, String> {
        let line = self.read_line()?;
        if let Ok(footer) = serde_json::from_str::<Footer>(&line) {
            let sum = keys::hex(&self.hash.clone().finalize());
            return if footer.rows == self.rows && footer.sha256 == sum {
                Ok(None)
            } else {
                Err("the export is damaged: its sum does not fit".to_owned())
            };
        }
        self.take_in(&line);
        self.rows += 1;
        serde_json::from_str(&line).map(Some).map_err(not_json)
    }
}

impl Iterator for Lines {
    type Item = Result<Line, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let row = self.read_row().transpose();
        self.is_over = !matches!(row, Some(Ok(_)));
        row
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn not_json(error: serde_json::Error) -> String {
    format!("the export is damaged: {error}")
}
