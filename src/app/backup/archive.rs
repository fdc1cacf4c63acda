//! The file of a backup: a tar archive. First comes what is in it, with the length and the SHA-256 of each
//! part, then the parts in that order.

use crate::app::house::BackupReport;
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use tar::{Archive, Builder, EntryType, Header};

/// The format that is written.
const FORMAT: u32 = 1;
/// The first entry's name, and the most that is read of it.
const MANIFEST: &str = "rota-backup.json";
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// A file that goes into a backup.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) file: File,
}

/// Why a file was not read.
pub(super) enum Unread {
    /// It is not whole, or not one of ours; in words.
    Faulty(String),
    /// What is in it cannot be written down.
    Unwritten(io::Error),
}

impl From<String> for Unread {
    fn from(fault: String) -> Self {
        Self::Faulty(fault)
    }
}

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    rota_backup: u32,
    /// When it was made.
    at: Timestamp,
    /// The program that made it.
    version: String,
    parts: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: String,
}

impl Manifest {
    pub(super) fn report(&self, file: &Path) -> BackupReport {
        BackupReport {
            file: file.to_owned(),
            at: self.at,
            version: self.version.clone(),
            parts: self.parts.iter().map(|part| (part.name.clone(), part.bytes)).collect(),
        }
    }
}

/// Writes a new file, durably; it may be read by our user alone.
pub(super) fn write(path: &Path, mut parts: Vec<Part>, at: Timestamp) -> io::Result<Manifest> {
    // One handle for the sum and the copy: whoever puts another file in its place changes neither.
    let mut entries = Vec::new();
    for part in &mut parts {
        let file = &mut part.file;
        let (bytes, sha256) = summed(&mut BufReader::new(&mut *file), &mut io::sink())?;
        io::Seek::rewind(file)?;
        entries.push(Entry { name: part.name.to_owned(), bytes, sha256 });
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { rota_backup: FORMAT, at, version, parts: entries };
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut tar = Builder::new(BufWriter::new(out));
    let text = serde_json::to_vec_pretty(&manifest)?;
    tar.append(&header(MANIFEST, text.len() as u64, at)?, text.as_slice())?;
    for (entry, part) in manifest.parts.iter().zip(parts) {
        let header = header(&entry.name, entry.bytes, at)?;
        tar.append(&header, BufReader::new(part.file).take(entry.bytes))?;
    }
    let mut out = tar.into_inner()?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(manifest)
}

fn header(name: &str, bytes: u64, at: Timestamp) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(at.timestamp()).unwrap_or(0));
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// Writes the parts into a folder, each by its name, and says what they are. Only names that are `known`
/// are written.
pub(super) fn read(path: &Path, folder: &Path, known: &[&str]) -> Result<Manifest, Unread> {
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    let mut archive = Archive::new(BufReader::new(File::open(path).map_err(unreadable)?));
    let mut entries = archive.entries().map_err(unreadable)?;
    let not_ours = || "this is no backup of Rota".to_owned();
    let first = entries.next().ok_or_else(not_ours)?.map_err(|_| not_ours())?;
    if first.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(not_ours().into());
    }
    let mut text = Vec::new();
    first.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| not_ours())?;
    if manifest.rota_backup != FORMAT {
        return Err(format!(
            "it has format {}, and this program knows {FORMAT}: use the program that made it ({})",
            manifest.rota_backup, manifest.version
        )
        .into());
    }
    for part in &manifest.parts {
        let name = known.iter().find(|name| **name == part.name);
        let name =
            name.ok_or_else(|| format!("it holds {:?}, which is not known here", part.name))?;
        let entry =
            entries.next().ok_or_else(|| "it breaks off".to_owned())?.map_err(unreadable)?;
        if entry.path_bytes().as_ref() != name.as_bytes() {
            return Err(format!("{name} is not where it should be").into());
        }
        let to = folder.join(name);
        let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to);
        let mut out = out.map_err(Unread::Unwritten)?;
        // One byte more than it should be is enough to see that it is too long.
        let mut bounded = entry.take(part.bytes.saturating_add(1));
        let mut unwritten = None;
        let mut keeping = Keeping { out: &mut out, fault: &mut unwritten };
        let copied = summed(&mut bounded, &mut keeping);
        if let Some(error) = unwritten {
            return Err(Unread::Unwritten(error));
        }
        let (bytes, sha256) = copied.map_err(unreadable)?;
        if bytes != part.bytes || sha256 != part.sha256 {
            return Err(format!("{name} is damaged: it is not what was written").into());
        }
        out.sync_all().map_err(Unread::Unwritten)?;
    }
    if entries.next().is_some() {
        return Err("it holds more than it says".to_owned().into());
    }
    Ok(manifest)
}

/// Keeps what is wrong with writing apart from what is wrong with reading.
struct Keeping<'a> {
    out: &'a mut File,
    fault: &'a mut Option<io::Error>,
}

impl io::Write for Keeping<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                *self.fault = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Copies to the end; how many bytes that were, and their SHA-256 in hexadecimal.
fn summed(from: &mut impl Read, to: &mut impl io::Write) -> io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        bytes += read as u64;
    }
    let hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok((bytes, hex))
}
