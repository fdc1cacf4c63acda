//! Errors of the rooms, as whoever typed reads them: the kind decides the exit code.

use crate::app::failure::{Failure, FailureKind};
use crate::board::BoardError;
use crate::daemon::StartError;
use crate::domain::Reason;
use crate::fault::Fault;
use crate::ledger::export::ExportError;
use crate::postgres::moves::MoveError;
use crate::store::StoreError;

/// A file of local state could not be read or written.
pub(super) fn state_io(what: &str, error: &std::io::Error) -> Failure {
    Failure::io(FailureKind::State, what, error)
}

/// The store could not be opened.
pub(super) fn store(error: &StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => Failure::locked(error.to_string())
            .hint("stop that process, or give another folder with --state"),
        _ => Failure::new(FailureKind::State, "local state cannot be used").because(error),
    }
}

/// The store that daemons share could not be opened.
pub(super) fn shared_store(error: &StoreError, place: &str) -> Failure {
    let kind = match error {
        StoreError::Unusable { .. } | StoreError::Corrupt { .. } | StoreError::Newer { .. } => {
            FailureKind::State
        }
        _ => FailureKind::Unreachable,
    };
    let message = format!("the store on PostgreSQL ({place}) cannot be used");
    Failure::new(kind, message).because(error).hint("`rota doctor` says how the server is")
}

/// Whether a schema can be worked in could not be found out, or it cannot.
pub(super) fn of_move(error: &MoveError) -> Failure {
    let message = match error {
        MoveError::Connect(_) => "PostgreSQL cannot be reached",
        MoveError::Failed { .. } => "PostgreSQL did not do what it was asked",
    };
    Failure::new(FailureKind::Unreachable, message)
        .because(error)
        .hint("`rota doctor` says how the server is")
}

/// The last export could not be read back.
pub(super) fn export(error: &ExportError) -> Failure {
    Failure::new(FailureKind::State, "local state could not be restored").because(error)
}

/// The export of the shutdown could not be written.
pub(super) fn not_exported(error: &ExportError) -> Failure {
    Failure::new(FailureKind::State, "local state could not be exported")
        .because(error)
        .hint("nothing is lost: the store has everything; the next start exports it")
}

/// Local state failed under a daemon, for good.
pub(super) fn state_lost(why: String) -> Failure {
    Failure {
        causes: vec![why],
        ..Failure::new(FailureKind::State, "local state failed, and the daemon has ended")
    }
    .hint(
        "mend what is said above (make room, look at the disk: `rota doctor`), then start it again",
    )
    .hint("nothing that was acknowledged is lost; claims end with their lease, and are seen to")
}

/// The board could not be opened or read.
pub(super) fn board(error: &BoardError) -> Failure {
    let kind = match error {
        BoardError::Unusable { .. } => FailureKind::State,
        _ => FailureKind::Unreachable,
    };
    let failure = Failure::new(kind, "the board cannot be used").because(error);
    match error {
        BoardError::Denied(_) => failure.reason(Reason::RoleTooLow),
        _ => failure,
    }
}

/// The daemon did not start.
pub(super) fn start(error: &StartError) -> Failure {
    match error {
        StartError::SameName { daemon, .. } => Failure::locked(error.to_string())
            .hint(format!(
                "stop that one, if it is another than you think: `rota daemons list` shows {daemon}"
            ))
            .hint("or give this one a name of its own: `id` in [daemon] of rota.toml"),
        StartError::Ledger(cause) if cause.is_of_newer() => {
            Failure::new(FailureKind::State, "the daemon cannot start")
                .because(error)
                .hint("start the newer program, which wrote that")
                .hint("or give this one a name of its own: `id` in [daemon] of rota.toml")
        }
        _ => Failure::new(FailureKind::State, "the daemon cannot start").because(error),
    }
}

/// Configuration has faults.
pub(super) fn config(faults: &[Fault]) -> Failure {
    Failure::new(FailureKind::Config, crate::fault::render_all(faults, false))
        .hint("`rota check` tells every fault of configuration, playbooks and templates")
}
