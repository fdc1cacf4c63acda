//! The witness: the number of the last durable commit, in a small file beside the engine.
//!
//! An engine whose log was damaged or went missing may open without a word, emptier than it was, and
//! then fences would come twice. The witness tells. It is written after a commit is durable and is
//! not flushed itself: after a power cut it may lag behind the engine, but it is never ahead of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file, open for as long as the store is.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
}

impl Witness {
    /// Opens or creates it; the number it holds, 0 where it holds none.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, u64)> {
        let path = dir.join("witness");
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = [0; 16];
        let number = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => decode(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        Ok((Self { file }, number))
    }

    /// Notes that everything up to this commit is durable. One that cannot be noted is no fault of
    /// the store: a later one will be.
    pub(super) fn note(&self, version: u64) {
        let _ = self.file.write_all_at(&encode(version), 0);
    }
}

/// The number and its complement, so that half a write is not taken for a number.
fn encode(version: u64) -> [u8; 16] {
    ((u128::from(version) << 64) | u128::from(!version)).to_be_bytes()
}

fn decode(bytes: [u8; 16]) -> u64 {
    let both = u128::from_be_bytes(bytes);
    let version = u64::try_from(both >> 64).unwrap_or(0);
    if encode(version) == bytes { version } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_the_last_number_and_takes_nothing_else_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let (witness, number) = Witness::open(dir.path()).unwrap();
        assert_eq!(number, 0);
        witness.note(7);
        witness.note(u64::MAX - 1);
        assert_eq!(Witness::open(dir.path()).unwrap().1, u64::MAX - 1);
        for torn in [&b"\0\0\0"[..], &[0; 16], &[1; 16]] {
            std::fs::write(dir.path().join("witness"), torn).unwrap();
            assert_eq!(Witness::open(dir.path()).unwrap().1, 0);
        }
    }
}
