//! Namespaces of a program's own: what it sees of the network and of mounts, and what it does to them,
//! concerns nobody else.
//!
//! Where the daemon is not root, they need a user namespace around them, in which the program's user
//! is who it was; what privileges that brings are dropped before the program begins.

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid};
use std::fs::OpenOptions;
use std::io::Write as _;

/// What a program has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub network: bool,
    pub mounts: bool,
}

/// Moves this process into namespaces of its own, for good.
pub(crate) fn leave(own: Own) -> Result<(), String> {
    let mut wanted = CloneFlags::empty();
    wanted.set(CloneFlags::CLONE_NEWNET, own.network);
    wanted.set(CloneFlags::CLONE_NEWNS, own.mounts);
    // Who we are is no longer told once nobody is known in the new namespace.
    let (user, group) = (Uid::effective(), Gid::effective());
    if wanted.is_empty() || unshare(wanted).is_ok() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWUSER | wanted)
        .map_err(|error| format!("the kernel makes no namespace: {}", error.desc()))?;
    let told = tell("setgroups", "deny")
        .and_then(|()| tell("uid_map", &format!("{user} {user} 1")))
        .and_then(|()| tell("gid_map", &format!("{group} {group} 1")));
    told.map_err(|error| format!("the user stays unknown in its namespace: {error}"))
}

fn tell(name: &str, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(format!("/proc/self/{name}"))?;
    file.write_all(text.as_bytes())
}
