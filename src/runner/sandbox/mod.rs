//! What a program in a workspace may see, reach and use.
//!
//! | what | by what means |
//! |---|---|
//! | files | Landlock: its own folders for reading and writing, the system's for reading |
//! | network (`strict`) | seccomp: no socket at all; with `hosts`, TCP to one port alone (Landlock), at which a proxy of ours lets the listed hosts through |
//! | other processes | Landlock: none outside may be traced, nor signalled (Linux 6.12) |
//! | privileges | none: all capabilities are dropped, and none can be gained |
//! | memory, processes | its supervisor counts all of it together; `setrlimit` stops the fast ones |
//! | processor time, open files, size of a file | `setrlimit`, for each process |
//! | what it leaves behind | its supervisor, which adopts it and ends it |
//!
//! The program is not started by the daemon itself: the daemon starts `rota` again, which stays as
//! the supervisor and starts `rota` once more, which restricts itself and becomes the program
//! (`process/supervise.rs`, `process/restrict.rs`). Nothing of this needs privileges. Where the
//! system cannot do what a level promises, nothing is started at all.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
pub mod limits;
#[cfg(target_os = "linux")]
mod privileges;
pub mod proxy;

use crate::domain::SandboxLevel;
use limits::ResourceLimits;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The word by which `rota` is started as a supervisor or a program's beginning.
pub const CONFINE: &str = "__confine";

/// Everything that holds for one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// How far it may reach.
    pub level: SandboxLevel,
    /// What it may read besides the system's folders.
    pub read: Vec<PathBuf>,
    /// What it may read and write.
    pub write: Vec<PathBuf>,
    /// The TCP ports of this machine that it may connect to: the way to its hosts, if it has any, and
    /// the run's own tools.
    pub ports: Vec<u16>,
    /// What it may use.
    pub limits: ResourceLimits,
}

/// What the sandbox can do on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Every level; `signals`: processes outside cannot be signalled either.
    All {
        /// Whether signals are kept in.
        signals: bool,
    },
    /// Only the level `none`, or `workspace` as well.
    Less {
        /// The strictest level that can be kept.
        level: SandboxLevel,
        /// What is missing.
        why: String,
    },
}

impl Ability {
    /// Whether a level can be kept.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, level: SandboxLevel) -> Result<(), &str> {
        match self {
            Self::Less { level: most, why } if level < *most => Err(why),
            _ => Ok(()),
        }
    }
}

/// Finds out what the sandbox can do here; nothing is restricted by asking.
#[cfg(target_os = "linux")]
pub fn ability() -> Ability {
    let less = |level, why: &str| Ability::Less { level, why: why.to_owned() };
    if !files::is_there(files::Wanted::Files) {
        let why = "this kernel has no Landlock that keeps files apart (Linux 6.2 with it enabled)";
        return less(SandboxLevel::None, why);
    }
    if !files::is_there(files::Wanted::Ports) {
        let why = "this kernel's Landlock knows no TCP ports (Linux 6.7)";
        return less(SandboxLevel::Workspace, why);
    }
    if let Err(error) = calls::program(false) {
        return less(SandboxLevel::Workspace, &format!("no filter of system calls: {error}"));
    }
    Ability::All { signals: files::is_there(files::Wanted::Signals) }
}

/// Finds out what the sandbox can do here.
#[cfg(not(target_os = "linux"))]
pub fn ability() -> Ability {
    let why = "the sandbox needs Linux".to_owned();
    Ability::Less { level: SandboxLevel::None, why }
}

/// Restricts this process, for good, to what a program may see and reach.
///
/// # Errors
/// What could not be done: the program must not be started then.
#[cfg(target_os = "linux")]
pub(super) fn restrict(confinement: &Confinement) -> Result<(), String> {
    if confinement.level == SandboxLevel::None {
        return Ok(());
    }
    privileges::drop_all()?;
    files::restrict(confinement)?;
    if confinement.level == SandboxLevel::Strict {
        calls::restrict(!confinement.ports.is_empty())?;
    }
    Ok(())
}

/// Restricts this process, for good, to what a program may see and reach.
#[cfg(not(target_os = "linux"))]
pub(super) fn restrict(confinement: &Confinement) -> Result<(), String> {
    match confinement.level {
        SandboxLevel::None => Ok(()),
        _ => Err("the sandbox needs Linux".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_cannot_be_kept_is_refused_and_never_weakened() {
        let none = Ability::Less { level: SandboxLevel::None, why: "no Landlock".into() };
        assert_eq!(none.allows(SandboxLevel::Strict), Err("no Landlock"));
        assert_eq!(none.allows(SandboxLevel::Workspace), Err("no Landlock"));
        assert_eq!(none.allows(SandboxLevel::None), Ok(()));
        let some = Ability::Less { level: SandboxLevel::Workspace, why: "no ports".into() };
        assert_eq!(some.allows(SandboxLevel::Strict), Err("no ports"));
        assert_eq!(some.allows(SandboxLevel::Workspace), Ok(()));
        assert_eq!(Ability::All { signals: false }.allows(SandboxLevel::Strict), Ok(()));
    }
}
