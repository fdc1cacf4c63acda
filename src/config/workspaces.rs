//! `[workspaces]`: how much of the machine agents' workspaces and programs may use, and what they may
//! see.

use super::mcp::bytes;
use super::read::Env;
use crate::domain::check_repository;
use crate::fault::table::Table;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable that limits memory, for programs as for requests; it wins over the file.
const MEMORY: &str = "MCP_MEMORY_LIMIT";

/// `[workspaces]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspacesConfig {
    /// Bytes of the disk that all of them may take.
    pub bytes_max: u64,
    /// Bytes of memory of a program and all that it starts.
    pub memory_bytes_max: u64,
    /// Processor time of each process.
    pub cpu: Duration,
    /// Processes of a program at once.
    pub processes_max: u32,
    /// Open files of each process.
    pub open_files_max: u32,
    /// Bytes of each file that is written.
    pub file_bytes_max: u64,
    /// Repositories that a value from the board may name.
    pub repositories: Vec<String>,
    /// What programs may read besides the system's folders.
    pub read: Vec<PathBuf>,
    /// What programs may write besides their own folders.
    pub write: Vec<PathBuf>,
}

impl Default for WorkspacesConfig {
    fn default() -> Self {
        Self {
            bytes_max: 20 << 30,
            memory_bytes_max: 4 << 30,
            cpu: Duration::from_hours(1),
            processes_max: 512,
            open_files_max: 4_096,
            file_bytes_max: 2 << 30,
            repositories: Vec::new(),
            read: Vec::new(),
            write: Vec::new(),
        }
    }
}

/// Reads the table.
pub(super) fn workspaces(table: &Table<'_, '_>, folder: &Path, env: Env<'_>) -> WorkspacesConfig {
    let base = WorkspacesConfig::default();
    let day = Duration::from_hours(24);
    let counted = |key, most| table.int(key, 1..=most).and_then(|count| u32::try_from(count).ok());
    let path = |text: &str| match text {
        "" => Err("is empty".to_owned()),
        "/" => Err("is the whole machine".to_owned()),
        text => match text.strip_prefix("~/") {
            Some(rest) => at_home(rest, env).ok_or_else(|| "there is no HOME".to_owned()),
            None => Ok(folder.join(text)),
        },
    };
    let config = WorkspacesConfig {
        bytes_max: table.parsed("bytes_max", bytes).unwrap_or(base.bytes_max),
        memory_bytes_max: table.parsed("memory", memory).unwrap_or(base.memory_bytes_max),
        cpu: table.duration("cpu", Duration::from_secs(1)..=30 * day).unwrap_or(base.cpu),
        processes_max: counted("processes", 100_000).unwrap_or(base.processes_max),
        open_files_max: counted("open_files", 1_000_000).unwrap_or(base.open_files_max),
        file_bytes_max: table.parsed("file_size", bytes).unwrap_or(base.file_bytes_max),
        repositories: table.items("repositories", true, repository).unwrap_or_default(),
        read: table.items("read", true, path).unwrap_or_default(),
        write: table.items("write", true, path).unwrap_or_default(),
    };
    table.finish(super::schema::elsewhere);
    config
}

/// What the environment says of the memory.
pub(super) fn from_environment(config: &mut WorkspacesConfig, env: Env<'_>) {
    let text = env(MEMORY).filter(|text| !text.trim().is_empty());
    // What cannot be read is told where the server reads it.
    if let Some(Ok(bytes)) = text.map(|text| memory(&text)) {
        config.memory_bytes_max = bytes;
    }
}

/// Less than this and no program starts.
const MEMORY_BYTES_MIN: u64 = 16 << 20;

fn memory(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < MEMORY_BYTES_MIN { Err("expected at least 16M".to_owned()) } else { Ok(bytes) }
}

/// A pattern of a repository.
fn repository(text: &str) -> Result<String, String> {
    check_repository(&text.replace('*', "x"), true).map_err(str::to_owned)?;
    Ok(text.to_owned())
}

/// In the home folder of the daemon's user.
fn at_home(rest: &str, env: Env<'_>) -> Option<PathBuf> {
    env("HOME").filter(|home| home.starts_with('/')).map(|home| Path::new(&home).join(rest))
}
