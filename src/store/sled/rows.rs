//! How rows are kept in the engine: eight bytes of version, then the value.

/// Says how the rest is written. Not UTF-8, so never a caller's key.
pub(super) const FORMAT_KEY: &[u8] = b"\xffformat";
/// The version of the last commit; in the same batch as the commit.
pub(super) const VERSION_KEY: &[u8] = b"\xffversion";
/// The format that this code writes.
pub(super) const FORMAT: &[u8] = b"1";

/// A row as it is stored.
pub(super) fn encode(version: u64, value: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(8 + value.len());
    stored.extend_from_slice(&version.to_be_bytes());
    stored.extend_from_slice(value);
    stored
}

/// The version of a stored row; `None` if it is not one.
pub(super) fn version_of(stored: &[u8]) -> Option<u64> {
    stored.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The version and value of a stored row; `None` if it is not one.
pub(super) fn decode(stored: &[u8]) -> Option<(u64, Vec<u8>)> {
    stored
        .split_first_chunk::<8>()
        .map(|(version, value)| (u64::from_be_bytes(*version), value.to_vec()))
}
