//! What the server's noes and silences mean for the board.

use super::call::{
    BAD_PARAMS, DENIED, INSIDE, NO_METHOD, NO_PLUGIN, NOT_THERE, Refusal, TWICE, Trouble,
};
use crate::board::BoardError;

/// A call that was answered with a no; `what`: what was attempted.
pub(super) fn refused(refusal: &Refusal, what: &str) -> BoardError {
    let said = &refusal.message;
    match refusal.code {
        DENIED => BoardError::Denied(format!(
            "Leantime does not let this user {what}: give it a higher role, or add it to the project"
        )),
        NOT_THERE => BoardError::NotFound { what: format!("what is needed to {what}") },
        NO_METHOD => BoardError::Unsupported(format!(
            "this Leantime has no way to {what}: do it in its web pages, or update it"
        )),
        NO_PLUGIN => BoardError::Unsupported(format!(
            "Leantime needs a plugin to {what}: do it in its web pages"
        )),
        TWICE => BoardError::Conflict(format!("Leantime has it already: {said}")),
        BAD_PARAMS => BoardError::Malformed(format!(
            "Leantime does not take what it was given to {what} ({said}): expected what its API names"
        )),
        INSIDE => unavailable(format!(
            "Leantime failed inside when it was asked to {what}; its log says why"
        )),
        code => unavailable(format!("Leantime refused to {what} with error {code}: {said}")),
    }
}

/// A request that came to nothing.
pub(super) fn troubled(trouble: Trouble) -> BoardError {
    match trouble {
        Trouble::Unauthorized => BoardError::Denied(
            "Leantime refuses the credential; nothing more is sent with it, since twenty refusals \
             in a minute shut out everybody at this address: set another one and start again"
                .to_owned(),
        ),
        Trouble::Limited { wait, .. } => BoardError::RateLimited { retry_after: wait },
        Trouble::Unreachable { what, .. } => unavailable(format!("Leantime: {what}")),
    }
}

/// A write that the server says it did and did not, or says it did not.
pub(super) fn undone(what: &str, said: &str) -> BoardError {
    BoardError::Conflict(format!("Leantime did not {what}: {said}"))
}

pub(super) fn unavailable(what: String) -> BoardError {
    BoardError::Unavailable { what, source: None }
}

/// An answer that is none.
pub(super) fn no_sense(what: &str) -> BoardError {
    unavailable(format!("Leantime's answer to {what} makes no sense"))
}
