//! `rota backup` and `rota restore`: what the state folder holds of ledger and board, in one file.
//!
//! # What stays true
//! - Both parts are as one instant had each of them, while others work on: the ledger's is its export, the
//!   board's a copy within one transaction. The ledger's is the older one, as after a lost ledger: what a
//!   restore finds on the board beyond it is what a person has to look at, so everything is stopped.
//! - A file is there whole or not at all, and takes the place of no other. Restoring takes the place of
//!   nothing, too.
//! - Nothing of a file is used before all of it was read and found to be what it says.

mod archive;

use super::{failures, open};
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{BackupReport, Place};
use crate::board::sql::SqlBoard;
use crate::clock::{Clock as _, Entropy as _, SystemClock, SystemEntropy};
use crate::config::{BoardConfig, Config, StoreConfig};
use crate::domain::BoardName;
use crate::ledger::export::{begin_restore, export_path, restore_mark};
use archive::{Part, Unread, read, write};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The parts by their names in the file.
const LEDGER: &str = "export.jsonl";
const BOARD: &str = "board.sqlite";

/// How the name of a folder begins in which a file becomes whole, and when it was left behind.
const SCRATCH: &str = ".rota-backup-";
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// Writes the file; the ledger was exported just now.
pub(super) async fn backup(place: &Place, file: &Path) -> Result<BackupReport, Failure> {
    let config = open::config(place)?;
    has_ledger(&config)?;
    if file.exists() {
        return Err(taken(file));
    }
    let unwritten = |error: io::Error| {
        let what = format!("{}: the backup cannot be written", file.display());
        Failure::io(FailureKind::State, what, &error).hint("make room, or give another path")
    };
    let folder = Scratch::beside(file)?;
    // Opened before the board is copied: the daemon puts a newer export in its place meanwhile.
    let export = export_path(&place.state);
    let opened = File::open(&export).map_err(|error| {
        failures::state_io(&format!("{} cannot be read", export.display()), &error)
    })?;
    let mut parts = vec![Part { name: LEDGER, file: opened }];
    if let Some(board) = board_of(&config, place) {
        let copy = folder.0.join(BOARD);
        SqlBoard::copy(&board, &copy).await.map_err(|error| failures::board(&error))?;
        parts.push(Part { name: BOARD, file: File::open(&copy).map_err(unwritten)? });
    }
    let written = folder.0.join("whole");
    let at = SystemClock::new().wall();
    let manifest = write(&written, parts, at).map_err(unwritten)?;
    give_name(&written, file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => taken(file),
        _ => unwritten(error),
    })?;
    File::open(folder_of(file)).and_then(|folder| folder.sync_all()).map_err(unwritten)?;
    Ok(manifest.report(file))
}

/// Puts back what a file holds, into a state folder that holds nothing of it yet.
pub(super) async fn restore(place: &Place, file: &Path) -> Result<BackupReport, Failure> {
    let config = open::config(place)?;
    has_ledger(&config)?;
    let board = board_of(&config, place);
    let (ledger, store) = (export_path(&place.state), open::store_options(&config));
    let store = store.folder(&place.state);
    // What is left of another board's log would be written into this one.
    let beside = |ending: &str| board.as_ref().map(|board| with_ending(board, ending));
    let parts = [Some(ledger.clone()), Some(store), board.clone(), beside("-wal"), beside("-shm")];
    for there in parts.into_iter().flatten().chain([restore_mark(&place.state)]) {
        if there.exists() {
            let message = format!("{} is there already", there.display());
            return Err(Failure::new(FailureKind::Refused, message).hint(
                "nothing was changed; end the daemon and move the state folder away, or give another \
                 with --state",
            ));
        }
    }
    open::make_state(&place.state)?;
    let folder = Scratch::beside(&ledger)?;
    let manifest = read(file, &folder.0, &[LEDGER, BOARD]).map_err(|fault| match fault {
        Unread::Faulty(fault) => {
            Failure::new(FailureKind::Usage, format!("{}: {fault}", file.display()))
                .hint("nothing was changed; give a file that `rota backup` wrote")
        }
        Unread::Unwritten(error) => {
            failures::state_io(&format!("{} cannot be unpacked", file.display()), &error)
                .hint("nothing was changed; make room and try again")
        }
    })?;
    let kept = folder.0.join(BOARD);
    match (&board, kept.exists()) {
        (Some(board), true) => {
            // A board of a newer program is refused before anything is in its place.
            let clock = SystemClock::shared();
            let opened =
                SqlBoard::open(&kept, BoardName::new(config.board_name.as_str()), clock).await;
            opened.map_err(|error| failures::board(&error))?.close().await;
            // Broken off from here on, whoever starts next finds everything stopped.
            begin_restore(&place.state).map_err(|error| {
                failures::state_io("that a restore has begun cannot be written", &error)
            })?;
            place_at(&kept, board)?;
        }
        (Some(_), false) => {
            let message = "the backup holds no board: it was one of a board on a server";
            return Err(Failure::new(FailureKind::Usage, message)
                .hint("configure that server as [board], as it was then"));
        }
        (None, true) => {
            let message = "the backup holds a board, and [board] names a server";
            return Err(Failure::new(FailureKind::Usage, message)
                .hint("leave kind out of [board], or copy the board there: `rota board export`"));
        }
        (None, false) => {}
    }
    // Last: by it the next start knows that there is something to restore.
    place_at(&folder.0.join(LEDGER), &ledger)?;
    Ok(manifest.report(file))
}

/// Whether there is a ledger in the state folder at all.
fn has_ledger(config: &Config) -> Result<(), Failure> {
    match &config.store {
        StoreConfig::Sled { .. } => Ok(()),
        StoreConfig::Memory => {
            let message = "the ledger is in memory alone ([store] kind): there is nothing to keep";
            Err(Failure::new(FailureKind::Refused, message))
        }
        StoreConfig::Postgres(_) => {
            let message = "the ledger is on PostgreSQL ([store] kind), not in the state folder";
            Err(Failure::new(FailureKind::Refused, message).hint(
                "back up and restore the database with its own means, pg_dump or pg_basebackup: \
                 docs/scaling.md, \"Backup\"",
            ))
        }
    }
}

/// The file of the board, where it is one.
fn board_of(config: &Config, place: &Place) -> Option<PathBuf> {
    match &config.board {
        BoardConfig::Sqlite { path } => Some(place.state.join(path)),
        BoardConfig::Leantime(_) | BoardConfig::Postgres(_) => None,
    }
}

fn taken(file: &Path) -> Failure {
    Failure::new(FailureKind::Refused, format!("{} is there already", file.display()))
        .hint("give the name of a file that is not there: backups take the place of nothing")
}

/// Gives a file its place, which may be on another disk.
fn place_at(from: &Path, to: &Path) -> Result<(), Failure> {
    let placed = || {
        let folder = folder_of(to);
        std::fs::create_dir_all(folder)?;
        if give_name(from, to).is_err() {
            // On another disk: beside its place first, so that it is there whole or not at all.
            let whole = Scratch::beside(to).map_err(io::Error::other)?;
            let copy = whole.0.join("copy");
            let mut out =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy)?;
            io::copy(&mut File::open(from)?, &mut out)?;
            out.sync_all()?;
            give_name(&copy, to)?;
        }
        File::open(folder)?.sync_all()
    };
    placed().map_err(|error: io::Error| {
        failures::state_io(&format!("{} cannot be written", to.display()), &error)
    })
}

/// Gives a file another name, on the same disk, which nothing has yet.
fn give_name(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        // Unlike a rename, a second name takes nobody's place; some file systems know none.
        Err(error)
            if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
        {
            if to.exists() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        done => done,
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder for what is not whole yet, for our user alone and on the disk of what it will be; it goes when
/// this goes.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(file: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let folder = folder_of(file);
        sweep(folder);
        let path = folder.join(format!("{SCRATCH}{}", SystemEntropy.nonce()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            failures::state_io(&format!("{} cannot be made", path.display()), &error)
        })?;
        Ok(Self(path))
    }
}

/// Removes what a backup left that was killed; a day later no other is at work on it.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(SCRATCH);
        let age = entry.metadata().and_then(|about| about.modified()).map(|at| at.elapsed());
        if is_ours && matches!(age, Ok(Ok(age)) if age > LEFT_BEHIND) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody takes what is left behind for a backup.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
