//! What a program in a workspace may see, reach and use.
//!
//! | what | by what means |
//! |---|---|
//! | files | Landlock: its own folders for reading and writing, the system's for reading; mounts of its own, where namespaces can be made: modes, owners and times of no other file can be changed |
//! | network (`strict`) | seccomp: no socket at all; with `hosts` or a run token, a network of its own (a namespace), in which nothing but a port for each of them is there (and, a second wall, allowed by Landlock); its supervisor passes on what comes in by these |
//! | other processes | Landlock: none outside may be traced, nor signalled (Linux 6.12); seccomp: nor given other limits or priorities |
//! | privileges | none: all capabilities are dropped, and none can be gained |
//! | memory, processes | its supervisor counts all of it together; `setrlimit` stops the fast ones |
//! | processor time, open files, size of a file | `setrlimit`, for each process |
//! | what it leaves behind | its supervisor, which adopts it and ends it |
//!
//! The program is not started by the daemon itself: the daemon starts `rota` again, which stays as
//! the supervisor and starts `rota` once more, which restricts itself and becomes the program
//! (`process/supervise.rs`). Nothing of this needs privileges, but the network of its own needs a
//! system that lets users make namespaces. Where the system cannot do what is promised, nothing is
//! started at all.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
pub mod limits;
#[cfg(target_os = "linux")]
pub mod mounts;
#[cfg(target_os = "linux")]
pub mod namespaces;
#[cfg(target_os = "linux")]
pub mod network;
#[cfg(target_os = "linux")]
mod privileges;
pub mod proxy;

use crate::domain::SandboxLevel;
use limits::ResourceLimits;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The word by which `rota` is started as a supervisor or a program's beginning.
pub const CONFINE: &str = "__confine";

/// What a person can do where a program can be given no network of its own.
pub const NETWORK_ADVICE: &str = "let its user make namespaces (`sysctl user.max_net_namespaces`, \
    `kernel.unprivileged_userns_clone`; with AppArmor a profile for rota with `userns,`), or say \
    `sandbox = \"workspace\"`";

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
    /// Whether all that it may not write is read-only to it, modes and times of files included: so
    /// where [`Ability`] says that it can be done.
    pub is_sealed: bool,
    /// What it may use.
    pub limits: ResourceLimits,
}

impl Confinement {
    /// Whether it is started in a network of its own.
    pub fn has_own_network(&self) -> bool {
        self.level == SandboxLevel::Strict && !self.ports.is_empty()
    }
}

/// What the sandbox can do on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Every level.
    All {
        /// Whether signals are kept in: processes outside cannot be signalled either.
        signals: bool,
        /// Why a program cannot be given a network of its own, if so: then a strict one can be given
        /// no way to hosts, nor to its run's tools.
        no_network: Option<String>,
        /// Why what is not its own cannot be made read-only to a program, if so: then it can change
        /// modes and times of its user's other files.
        no_mounts: Option<String>,
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

    /// Whether what is not its own can be made read-only to a program of a level.
    pub fn seals(&self, level: SandboxLevel) -> bool {
        matches!(self, Self::All { no_mounts: None, .. }) && level != SandboxLevel::None
    }

    /// Whether a level can be kept of a program that has a way to a port of this machine.
    ///
    /// # Errors
    /// Why not, and what a person can do.
    pub fn allows_port(&self, level: SandboxLevel) -> Result<(), String> {
        match self {
            Self::All { no_network: Some(why), .. } if level == SandboxLevel::Strict => {
                Err(format!(
                    "a way to its hosts or its run's tools, and to nothing else, needs a network of \
                     its own: {why}; {NETWORK_ADVICE}"
                ))
            }
            _ => self.allows(level).map_err(str::to_owned),
        }
    }
}

/// Finds out what the sandbox can do here; nothing is restricted by asking. `exe`: this program, which
/// is started to try what cannot be asked.
#[cfg(target_os = "linux")]
pub fn ability(exe: &str) -> Ability {
    let less = |level, why: &str| Ability::Less { level, why: why.to_owned() };
    if !files::is_there(files::Wanted::Files) {
        let why = "this kernel has no Landlock that keeps files apart (Linux 6.2 with it enabled)";
        return less(SandboxLevel::None, why);
    }
    if !files::is_there(files::Wanted::Ports) {
        let why = "this kernel's Landlock knows no TCP ports (Linux 6.7)";
        return less(SandboxLevel::Workspace, why);
    }
    if let Err(error) = calls::programs(SandboxLevel::Strict, true) {
        return less(SandboxLevel::None, &format!("no filter of system calls: {error}"));
    }
    Ability::All {
        signals: files::is_there(files::Wanted::Signals),
        no_network: super::process::trouble_with(super::process::Probe::Network, exe),
        no_mounts: super::process::trouble_with(super::process::Probe::Mounts, exe),
    }
}

/// Finds out what the sandbox can do here.
#[cfg(not(target_os = "linux"))]
pub fn ability(_: &str) -> Ability {
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
    calls::restrict(confinement.level, !confinement.ports.is_empty())
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
        let all = Ability::All { signals: false, no_network: None, no_mounts: None };
        assert_eq!(all.allows(SandboxLevel::Strict), Ok(()));
        assert_eq!(all.allows_port(SandboxLevel::Strict), Ok(()));
        assert!(all.seals(SandboxLevel::Workspace) && !all.seals(SandboxLevel::None));
    }

    #[test]
    fn without_a_network_of_its_own_a_strict_program_has_a_way_to_nobody() {
        let none = Some("no namespace".to_owned());
        let all = Ability::All { signals: true, no_network: none.clone(), no_mounts: none };
        assert!(!all.seals(SandboxLevel::Strict));
        assert_eq!(all.allows(SandboxLevel::Strict), Ok(()));
        let why = all.allows_port(SandboxLevel::Strict).unwrap_err();
        assert!(why.contains("no namespace") && why.contains("userns,"), "{why}");
        assert_eq!(all.allows_port(SandboxLevel::Workspace), Ok(()));
        let some = Ability::Less { level: SandboxLevel::Workspace, why: "no ports".into() };
        assert_eq!(some.allows_port(SandboxLevel::Strict), Err("no ports".to_owned()));
    }
}
