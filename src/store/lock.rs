//! A folder's own lock, taken before anything in there is touched, so that whoever comes second is told
//! who holds it. The lock is the kernel's: it ends with the process, whatever the file says.

use super::{Result, StoreError};
use crate::clock::Clock;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// More of a holder's description is not shown.
const HOLDER_BYTES_MAX: u64 = 256;

/// Held as long as it lives.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing alone does not do: a child that is being started just now has the file, too, until
        // it becomes another program.
        let _ = self.file.unlock();
    }
}

impl FolderLock {
    /// Takes the lock of a folder and notes who did: process, life, since when.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the holder.
    pub fn take(dir: &Path, life: &str, clock: &dyn Clock) -> Result<Self> {
        let failed = |error: std::io::Error| StoreError::Failed(Box::new(error));
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = describe(file);
                return Err(StoreError::Locked { path: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let since = clock.wall().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let life = if life.is_empty() { "none" } else { life };
        let holder = format!("process {}, life {life}, since {since}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
        Ok(Self { file })
    }
}

/// Who holds the lock, as its file says; anybody could have written it.
fn describe(file: File) -> String {
    let mut bytes = Vec::new();
    let read = file.take(HOLDER_BYTES_MAX).read_to_end(&mut bytes);
    let text: String =
        String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}
