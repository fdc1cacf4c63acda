//! Asks for a secret at the terminal, unseen.

use crate::app::failure::{Failure, FailureKind};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use std::io::{IsTerminal as _, Stdin, Write as _, stderr, stdin};

/// Asks; whoever has no terminal is told how to give it otherwise.
pub(super) fn ask(what: &str) -> Result<SecretString, Failure> {
    let stdin = stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage(format!("no {what} is given, and nobody can be asked for it"))
            .hint("set LEANTIME_API_KEY, or say where it is: --key-from env:NAME or file:PATH"));
    }
    let failed = |error: &std::io::Error| {
        Failure::io(FailureKind::Refused, "the terminal cannot be asked", error)
    };
    let unseen = Unseen::begin(&stdin).map_err(|error| failed(&error))?;
    let _ = write!(stderr(), "{what} (it is not shown): ").and_then(|()| stderr().flush());
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    drop(unseen);
    let _ = writeln!(stderr());
    read.map_err(|error| failed(&error))?;
    if line.trim().is_empty() {
        return Err(Failure::usage(format!("no {what} was typed")));
    }
    Ok(SecretString::from(line.trim()))
}

/// A terminal that does not show what is typed, until this goes.
struct Unseen<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn begin(terminal: &'a Stdin) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}
