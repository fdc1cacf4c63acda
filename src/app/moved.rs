//! What a state folder says of a move: that one is under way, or that what was in it is elsewhere.
//! While it says so, nothing in it is opened: two boards would go on beside each other. A board's file says
//! it itself, too, by a file beside it: other state folders may name it by its path.

use super::failures;
use crate::app::failure::{Failure, FailureKind};
use crate::clock::{Clock, Entropy as _, SystemEntropy};
use crate::domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A move that is under way.
const UNDER_WAY: &str = "moving.json";
/// One that has come to its end: what lies here is of then.
const AWAY: &str = "moved.json";

/// What is noted of a move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What tells this move from all others.
    pub id: String,
    /// Where to, for people.
    pub to: String,
    /// When it began.
    pub at: Timestamp,
    /// All of it is there and was compared: only notes are left to be put right.
    #[serde(default)]
    pub is_whole: bool,
}

/// Unless the folder says that it is, or was, moved.
pub(super) fn refuse(state: &Path) -> Result<(), Failure> {
    let refused =
        |message: String, hint: String| Err(Failure::new(FailureKind::Refused, message).hint(hint));
    if let Some(mark) = read(&state.join(UNDER_WAY))? {
        return refused(
            format!("the state folder {} is being moved to {}", state.display(), mark.to),
            under_way(state, &mark),
        );
    }
    if let Some(mark) = away(state)? {
        return refused(
            format!("what was in the state folder {} is at {}", state.display(), mark.to),
            format!(
                "say so in [board] and [store] of rota.toml; to work with what was here on {}, without \
                 anything since, remove {}",
                mark.at.format("%Y-%m-%d"),
                state.join(AWAY).display()
            ),
        );
    }
    Ok(())
}

/// Unless what stands beside a board's file says that the board was moved.
pub(super) fn refuse_board(board: &Path) -> Result<(), Failure> {
    let beside = beside(board);
    let Some(mark) = read(&beside)? else { return Ok(()) };
    let message = format!("what was in {} is at {}", board.display(), mark.to);
    Err(Failure::new(FailureKind::Refused, message).hint(format!(
        "say so in [board] and [store] of rota.toml; to read what was here on {}, without anything \
         since, remove {}",
        mark.at.format("%Y-%m-%d"),
        beside.display()
    )))
}

/// What was in a board's file is elsewhere.
pub(super) fn leave_board(board: &Path, mark: &Mark) -> Result<(), Failure> {
    let folder = board.parent().unwrap_or(Path::new("/"));
    put(folder, &beside(board), mark).map_err(|error| unwritten(folder, &error))
}

fn beside(board: &Path) -> PathBuf {
    let mut name = board.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(AWAY);
    board.with_file_name(name)
}

/// What to do about a move that is under way: once all of it is there, some of it may be in use.
fn under_way(state: &Path, mark: &Mark) -> String {
    let on = "the same `rota migrate` goes on where it stopped";
    if mark.is_whole {
        return on.to_owned();
    }
    format!(
        "{on}; to give it up, remove {}, and drop the schema that was being filled (one that was \
         being left stays closed until it is opened again: docs/scaling.md, \"Moving back\")",
        state.join(UNDER_WAY).display()
    )
}

/// The move after which nothing of use is here.
pub(super) fn away(state: &Path) -> Result<Option<Mark>, Failure> {
    read(&state.join(AWAY))
}

/// Notes that a move is under way, or finds that this one was; whether it is new.
pub(super) fn begin(state: &Path, to: &str, clock: &dyn Clock) -> Result<(Mark, bool), Failure> {
    match read(&state.join(UNDER_WAY))? {
        Some(mark) if mark.to == to => Ok((mark, false)),
        Some(mark) => {
            let message = format!("a move to {} is under way", mark.to);
            Err(Failure::new(FailureKind::Refused, message)
                .hint("let that one come to its end: give the address as it was given then"))
        }
        None => {
            let id = format!("move-{}", SystemEntropy.nonce());
            let mark = Mark { id, to: to.to_owned(), at: clock.wall(), is_whole: false };
            write(state, &mark)?;
            Ok((mark, true))
        }
    }
}

/// Notes a move that is under way.
pub(super) fn write(state: &Path, mark: &Mark) -> Result<(), Failure> {
    put(state, &state.join(UNDER_WAY), mark).map_err(|error| unwritten(state, &error))
}

fn put(folder: &Path, path: &Path, mark: &Mark) -> io::Result<()> {
    let temporary = folder.join("moving.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(serde_json::to_string(mark)?.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Nothing is under way.
pub(super) fn forget(state: &Path) -> Result<(), Failure> {
    gone(&state.join(UNDER_WAY))
        .and_then(|()| File::open(state)?.sync_all())
        .map_err(|error| unwritten(state, &error))
}

/// What was here is elsewhere from now on.
pub(super) fn leave(state: &Path) -> Result<(), Failure> {
    std::fs::rename(state.join(UNDER_WAY), state.join(AWAY))
        .and_then(|()| File::open(state)?.sync_all())
        .map_err(|error| unwritten(state, &error))
}

/// It is here from now on, and the board, where one has come, in this file.
pub(super) fn arrive(state: &Path, board: Option<&Path>) -> Result<(), Failure> {
    gone(&state.join(AWAY))
        .and_then(|()| board.map_or(Ok(()), |board| gone(&beside(board))))
        .map_err(|error| unwritten(state, &error))?;
    forget(state)
}

/// Whether a move of this folder has begun and not come to its end.
pub(super) fn is_under_way(state: &Path) -> bool {
    state.join(UNDER_WAY).exists()
}

fn gone(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn unwritten(state: &Path, error: &io::Error) -> Failure {
    let what = format!("what the folder {} says of a move cannot be written", state.display());
    failures::state_io(&what, error)
}

fn read(path: &Path) -> Result<Option<Mark>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| {
            failures::state_io(&format!("{} cannot be read", path.display()), &error)
        })?,
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Failure::new(FailureKind::State, format!("{} says nothing of a move", path.display()))
            .because(&error)
            .hint("remove it if nothing was moved")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_folder_that_is_moved_is_refused_until_it_is_said_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let told = || refuse(state).map_err(|failure| (failure.message, failure.hints[0].clone()));
        assert_eq!(told(), Ok(()));
        let clock = ManualClock::at("2026-12-01T08:00:00Z".parse().unwrap());
        let (mark, is_new) = begin(state, "db1:5432", &clock).unwrap();
        assert!(is_new);
        assert_eq!(begin(state, "db1:5432", &clock), Ok((mark.clone(), false)));
        let other = begin(state, "db2:5432", &clock).unwrap_err();
        assert_eq!(other.message, "a move to db1:5432 is under way");
        let (message, hint) = told().unwrap_err();
        assert!(message.ends_with("is being moved to db1:5432"), "{message}");
        assert!(hint.contains("moving.json") && hint.contains("drop the schema"), "{hint}");
        write(state, &Mark { is_whole: true, ..mark.clone() }).unwrap();
        let (_, hint) = told().unwrap_err();
        assert_eq!(hint, "the same `rota migrate` goes on where it stopped");
        leave(state).unwrap();
        let (message, hint) = told().unwrap_err();
        assert!(message.ends_with("is at db1:5432"), "{message}");
        assert!(hint.contains("2026-12-01") && hint.contains("moved.json"), "{hint}");
        write(state, &mark).unwrap();
        arrive(state, None).unwrap();
        assert_eq!(told(), Ok(()));
        std::fs::write(state.join("moved.json"), "{").unwrap();
        assert!(told().unwrap_err().0.contains("says nothing of a move"));
    }

    #[test]
    fn a_board_in_another_place_says_itself_that_it_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let (board, other) =
            (folder.path().join("team.sqlite"), folder.path().join("other.sqlite"));
        assert_eq!(refuse_board(&board), Ok(()));
        let clock = ManualClock::at("2026-12-01T08:00:00Z".parse().unwrap());
        let (id, to) = ("move-1".to_owned(), "db1:5432".to_owned());
        let mark = Mark { id, to, at: clock.wall(), is_whole: true };
        leave_board(&board, &mark).unwrap();
        let refused = refuse_board(&board).unwrap_err();
        assert!(refused.message.ends_with("is at db1:5432"), "{refused:?}");
        assert!(refused.hints[0].contains("team.sqlite.moved.json"), "{refused:?}");
        assert_eq!(refuse_board(&other), Ok(()));
        arrive(folder.path(), Some(&board)).unwrap();
        assert_eq!(refuse_board(&board), Ok(()));
    }
}
