//! Where there is no supervisor: a workspace's programs are started as they are, and every level of
//! the sandbox but `none` is refused before.

use super::super::sandbox::Confinement;
use std::ffi::OsString;

/// Program and arguments as they are.
pub(crate) fn wrapped(
    _: &str,
    _: &Confinement,
    words: &[String],
) -> Result<(String, Vec<String>), serde_json::Error> {
    let (program, args) = words
        .split_first()
        .map_or((String::new(), &[][..]), |(program, args)| (program.clone(), args));
    Ok((program, args.to_vec()))
}

/// Nothing is confined here.
pub(crate) fn confined(_: &[OsString]) -> u8 {
    125
}
