//! Dying on purpose: every step after which a crash must lose nothing has a name here, and a test
//! that starts the binary with `ROTA_CRASH_AT=step` (or `step:3` for the third pass) sees it die there.
//!
//! The environment is read once, by the command line, which calls [`arm`]; unarmed, [`reached`] costs one
//! atomic read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every step at which the daemon can be told to die, in the order of a run.
pub const STEPS: &[&str] = &[
    "claim.reserved",
    "announce.begun",
    "announce.done",
    "run.started",
    "effect.intended",
    "effect.acted",
    "effect.concluded",
    "run.ended",
    "settle.begun",
    "settle.done",
    "claim.released",
    "notice.delivered",
];

static ARMED: OnceLock<Armed> = OnceLock::new();

#[derive(Debug)]
struct Armed {
    step: String,
    passes_left: AtomicU32,
}

/// Arms one step: `effect.intended`, or `effect.intended:3` for its third pass. Once in a process.
///
/// # Errors
/// A text that names the steps there are, when this is none of them.
pub fn arm(text: &str) -> Result<(), String> {
    let (step, pass) = parse(text)?;
    let armed = Armed { step: step.to_owned(), passes_left: AtomicU32::new(pass) };
    ARMED.set(armed).map_err(|_| "a crash is armed already".to_owned())
}

/// A step has been passed; if it is the armed one, the process aborts here.
pub fn reached(step: &str) {
    debug_assert!(STEPS.contains(&step), "{step} is missing in crash::STEPS");
    let Some(armed) = ARMED.get() else { return };
    if armed.step == step && armed.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}

fn parse(text: &str) -> Result<(&str, u32), String> {
    let (step, pass) = text.split_once(':').unwrap_or((text, "1"));
    let pass: u32 = pass.parse().unwrap_or(0);
    if pass == 0 || !STEPS.contains(&step) {
        return Err(format!("expected one of {}, with `:n` for the n-th pass", STEPS.join(", ")));
    }
    Ok((step, pass))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_name_its_pass() {
        assert_eq!(parse("effect.acted"), Ok(("effect.acted", 1)));
        assert_eq!(parse("effect.acted:3"), Ok(("effect.acted", 3)));
    }

    #[test]
    fn a_step_that_is_not_there_is_refused_with_the_list() {
        for text in ["", "effect", "effect.acted:0", "effect.acted:x", "effect.acted:"] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains("effect.intended"), "{refusal}");
        }
    }

    #[test]
    fn unarmed_steps_are_passed() {
        for step in STEPS {
            reached(step);
        }
    }
}
