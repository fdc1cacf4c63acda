//! Why a command did not do what was asked, and the exit code that tells programs.

use crate::daemon::control::{AnswerError, ControlError, ErrorKind, causes_of};
use crate::domain::{Reason, RunState};

/// A failure, as the person who typed reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What sort of failure: it decides the exit code.
    pub kind: FailureKind,
    /// The reason code, where the house has one.
    pub reason: Option<String>,
    /// What is wrong; a fragment or several lines.
    pub message: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Refused, or the run ended otherwise (exit 1).
    Refused,
    /// It was typed wrongly (exit 2).
    Usage,
    /// Configuration or playbooks are faulty (exit 3).
    Config,
    /// Board, model or daemon could not be reached (exit 4).
    Unreachable,
    /// There was nothing to do, and that was to be told (exit 5).
    Nothing,
    /// Local state cannot be used (exit 6).
    State,
    /// The state folder's lock is held by another process (exit 6).
    Locked,
    /// A fault of ours (exit 70).
    Internal,
    /// Nobody reads our output any more: not a failure (exit 0).
    BrokenPipe,
}

impl FailureKind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Unreachable => 4,
            Self::Nothing => 5,
            Self::State | Self::Locked => 6,
            Self::Internal => 70,
        }
    }

    /// The kind in one word, for `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokenPipe => "broken_pipe",
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Config => "config",
            Self::Unreachable => "unreachable",
            Self::Nothing => "nothing_to_do",
            Self::State => "state",
            Self::Locked => "locked",
            Self::Internal => "internal",
        }
    }
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, reason: None, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// It was typed wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    /// The state folder's lock is held by another process.
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Locked, message)
    }

    /// With an error and its causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.causes.extend(causes_of(Some(error)));
        self
    }

    /// With a reason code.
    #[must_use]
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason.code().to_owned());
        self
    }

    /// With something to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// A file could not be read or written.
    pub fn io(kind: FailureKind, what: impl Into<String>, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(FailureKind::BrokenPipe, what);
        }
        Self::new(kind, what).because(error)
    }
}

/// What sort of failure a reason code is, where a call was refused or failed.
fn kind_of(kind: ErrorKind, reason: &str) -> FailureKind {
    let reason = Reason::try_from(reason.to_owned()).ok();
    match (kind, reason) {
        (ErrorKind::Busy | ErrorKind::Gone | ErrorKind::NotBegun, _) => FailureKind::Unreachable,
        (ErrorKind::Protocol, _) | (ErrorKind::Fatal, None) => FailureKind::Internal,
        (_, Some(reason)) => kind_of_reason(reason),
        (ErrorKind::Rejected, None) => FailureKind::Refused,
    }
}

fn kind_of_reason(reason: Reason) -> FailureKind {
    match reason {
        Reason::BoardUnavailable | Reason::ModelFailed => FailureKind::Unreachable,
        Reason::StoreFailed => FailureKind::State,
        Reason::InvalidArguments => FailureKind::Usage,
        Reason::UnknownTool => FailureKind::Internal,
        _ => FailureKind::Refused,
    }
}

/// The exit code of a run that ended so.
pub fn run_exit_code(state: RunState, reason: Reason, tell_nothing: bool) -> u8 {
    match state {
        RunState::NothingToDo if tell_nothing => FailureKind::Nothing.exit_code(),
        RunState::Succeeded | RunState::NothingToDo | RunState::Waiting => 0,
        RunState::Failed => match kind_of_reason(reason) {
            FailureKind::Usage | FailureKind::Internal => FailureKind::Refused.exit_code(),
            kind => kind.exit_code(),
        },
        _ => FailureKind::Refused.exit_code(),
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        let kind = kind_of(error.kind, &error.reason);
        let reason = Some(error.reason).filter(|reason| !reason.is_empty());
        let failure = Self { reason, causes: error.causes, ..Self::new(kind, error.message) };
        match error.kind {
            ErrorKind::Gone => failure.hint("see what became of it with `rota runs list`"),
            ErrorKind::Protocol => {
                failure.hint("restart the daemon if it is of another version than this command")
            }
            _ => failure,
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let kind = match &error {
            ControlError::AlreadyServed { .. } => FailureKind::Locked,
            ControlError::NotASocket { .. } | ControlError::PathTooLong { .. } => {
                FailureKind::State
            }
            ControlError::OtherProtocol { .. }
            | ControlError::Refused { .. }
            | ControlError::Malformed
            | ControlError::Io { .. } => FailureKind::Unreachable,
        };
        let failure = Self {
            causes: causes_of(std::error::Error::source(&error)),
            ..Self::new(kind, error.to_string())
        };
        match error {
            ControlError::OtherProtocol { .. } => {
                failure.hint("restart the daemon, or call it with the program it runs")
            }
            ControlError::NotASocket { .. } => failure.hint("move that file out of the way"),
            _ => failure,
        }
    }
}
