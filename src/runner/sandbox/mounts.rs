//! All that a program may not write is read-only to it, by mounts of its own.
//!
//! Landlock does not know modes, owners, times and attributes of files: by its rules alone, a program
//! could open the daemon's files to everybody, or shut them to the daemon. On a read-only mount nobody
//! changes them. What the program may write is mounted over itself, and stays as it is.

use super::namespaces::{Own, leave};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount_bind_recursive, mount_change, mount_remount,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Finds out, at the price of this process, whether that can be done.
pub(crate) fn try_out() -> Result<(), String> {
    leave(Own { network: false, mounts: true })?;
    seal(&[])
}

/// In the mounts that this process has to itself, makes all but these paths read-only.
pub(crate) fn seal(write: &[PathBuf]) -> Result<(), String> {
    let here = std::env::current_dir().map_err(|error| format!("its folder: {error}"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|error| format!("mounts: {error}"))?;
    let own: Vec<PathBuf> = write.iter().filter_map(|path| path.canonicalize().ok()).collect();
    for path in &own {
        mount_bind_recursive(path, path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let table =
        std::fs::read("/proc/self/mountinfo").map_err(|error| format!("mounts: {error}"))?;
    for (target, flags) in table.split(|byte| *byte == b'\n').filter_map(mount_of) {
        if own.iter().any(|own| target.starts_with(own)) {
            continue;
        }
        let flags = flags | MountFlags::BIND | MountFlags::RDONLY;
        match mount_remount(&target, flags, "") {
            // One that another is mounted over, or that lies where nobody comes: no way leads there.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(error) => return Err(format!("{}: {error}", target.display())),
        }
    }
    // Where it stood is what lies below the mount now.
    std::env::set_current_dir(here).map_err(|error| format!("its folder: {error}"))
}

/// Where something is mounted, and how, by a line of `/proc/self/mountinfo`. How times of access are
/// kept need not be said again.
fn mount_of(line: &[u8]) -> Option<(PathBuf, MountFlags)> {
    let mut words = line.split(|byte| *byte == b' ');
    let target = words.nth(4)?;
    let mut flags = MountFlags::empty();
    for option in words.next()?.split(|byte| *byte == b',') {
        flags |= match option {
            b"nosuid" => MountFlags::NOSUID,
            b"nodev" => MountFlags::NODEV,
            b"noexec" => MountFlags::NOEXEC,
            _ => MountFlags::empty(),
        };
    }
    Some((plain(target), flags))
}

/// A path as it is: blanks and the like are written by their numbers there, in base eight.
fn plain(written: &[u8]) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some((first, after)) = rest.split_first() {
        let number = (*first == b'\\').then(|| after.get(..3)).flatten();
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = number.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = after.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Path::new(OsStr::from_bytes(&bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mount_its_place_and_what_must_stay_is_read() {
        let line = br"36 35 98:0 /mnt1 /my\040data rw,nosuid,noexec,relatime - ext3 /dev/root rw";
        let (target, flags) = mount_of(line).unwrap();
        assert_eq!(target, Path::new("/my data"));
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::NOEXEC);
        assert_eq!(mount_of(b""), None);
        assert_eq!(plain(br"/a\134\x"), Path::new(r"/a\\x"));
    }
}
