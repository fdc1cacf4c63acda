//! How rows are kept in the engine: eight bytes of version, then the value; and how a group of
//! commits is written down before its rows are set.

/// Says how the rest is written. Not UTF-8, so never a caller's key.
pub(super) const FORMAT_KEY: &[u8] = b"\xffformat";
/// The format that this code writes.
pub(super) const FORMAT: &[u8] = b"2";
/// One that it reads: there the version of the last commit has a row, and no group is written down.
pub(super) const FORMAT_BEFORE: &[u8] = b"1";
/// The last group; what goes beyond one row stands under this and a number.
pub(super) const GROUP_KEY: &[u8] = b"\xffgroup";
/// A group's record is cut into rows of this size: a page of the engine holds up to 17 of them, and one
/// of more than 131,052 bytes would leave the log for a file that nobody syncs.
const PART_BYTES: usize = 4 * 1024;

/// A key, and its row or that it goes.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

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

/// Commits that become durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Of the last of them.
    pub(super) version: u64,
    /// What they leave behind.
    pub(super) rows: Vec<Change>,
}

impl Group {
    /// The rows of its record, in the order in which they are to be set: the one under
    /// [`GROUP_KEY`], which makes the record count, is the last. That one holds the number of the
    /// others and, where there are none, the group itself.
    pub(super) fn record(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let bytes = self.bytes();
        let head = |parts: u32, rest: &[u8]| {
            let head = encode(self.version, &[&parts.to_be_bytes(), rest].concat());
            (GROUP_KEY.to_vec(), head)
        };
        if bytes.len() <= PART_BYTES {
            return vec![head(0, &bytes)];
        }
        let parts = (0..).zip(bytes.chunks(PART_BYTES));
        let mut record: Vec<_> =
            parts.map(|(number, part)| (part_key(number), encode(self.version, part))).collect();
        let parts = u32::try_from(record.len()).unwrap_or(u32::MAX);
        record.push(head(parts, &[]));
        record
    }

    /// The keys of its record but the last.
    pub(super) fn parts(&self) -> Vec<Vec<u8>> {
        // Counted, not made again: this is asked after each commit.
        let length = |row: &Change| 8 + row.0.len() + row.1.as_ref().map_or(0, Vec::len);
        let bytes: usize = self.rows.iter().map(length).sum();
        let parts = if bytes <= PART_BYTES { 0 } else { bytes.div_ceil(PART_BYTES) };
        (0..).take(parts).map(part_key).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, row) in &self.rows {
            put(&mut bytes, Some(key));
            put(&mut bytes, row.as_deref());
        }
        bytes
    }

    /// The group whose record is there; none if its parts are no longer: then its rows are. The
    /// error: what is there is no record.
    pub(super) fn read<E>(
        get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Result<Option<Self>, Damaged>, E> {
        let Some(head) = get(GROUP_KEY)? else { return Ok(Ok(None)) };
        let Some((version, head)) = decode(&head) else { return Ok(Err(Damaged)) };
        let Some((parts, rest)) = head.split_first_chunk::<4>() else { return Ok(Err(Damaged)) };
        let mut bytes = rest.to_vec();
        for number in 0..u32::from_be_bytes(*parts) {
            match get(&part_key(number))?.as_deref().and_then(decode) {
                Some((of, part)) if of == version => bytes.extend_from_slice(&part),
                _ => return Ok(Ok(None)),
            }
        }
        let rows = changes(&bytes).ok_or(Damaged);
        Ok(rows.map(|rows| Some(Self { version, rows })))
    }
}

/// A record that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

fn part_key(number: u32) -> Vec<u8> {
    [GROUP_KEY, &number.to_be_bytes()].concat()
}

/// Stands for the length of what is not there.
const NOTHING: u32 = u32::MAX;

fn put(bytes: &mut Vec<u8>, of: Option<&[u8]>) {
    let length = of.map_or(Ok(NOTHING), |of| u32::try_from(of.len()));
    bytes.extend_from_slice(&length.unwrap_or(NOTHING).to_be_bytes());
    bytes.extend_from_slice(of.unwrap_or_default());
}

fn changes(mut bytes: &[u8]) -> Option<Vec<Change>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let key = take(&mut bytes)??;
        rows.push((key, take(&mut bytes)?));
    }
    Some(rows)
}

/// What [`put`] put; the outer `None`: nothing that it put.
#[expect(clippy::option_option, reason = "nothing to read is not the same as what is not there")]
fn take(bytes: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length);
    if length == NOTHING {
        *bytes = rest;
        return Some(None);
    }
    let (taken, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(taken.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    fn read(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Option<Group>, Damaged> {
        let Ok(group) = Group::read(|key| Ok::<_, Infallible>(rows.get(key).cloned()));
        group
    }

    fn group(version: u64, values: &[usize]) -> Group {
        let row = |place: usize| (format!("k{place}").into_bytes(), None);
        let mut rows: Vec<Change> = (0..=values.len()).map(row).collect();
        for (row, length) in rows.iter_mut().zip(values) {
            row.1 = Some(encode(version, &vec![7; *length]));
        }
        Group { version, rows }
    }

    #[test]
    fn a_group_is_read_back_from_its_record_in_whatever_many_rows() {
        assert_eq!(read(&BTreeMap::new()), Ok(None));
        for values in [&[][..], &[0], &[3, 4], &[4_096], &[8_192], &[8_000; 9]] {
            let group = group(9, values);
            let record = group.record();
            let (last, parts) = record.split_last().unwrap();
            assert_eq!(last.0, GROUP_KEY);
            let keys: Vec<_> = parts.iter().map(|(key, _)| key.clone()).collect();
            assert_eq!(keys, group.parts());
            assert!(record.iter().all(|(_, row)| row.len() <= PART_BYTES + 16), "{values:?}");
            assert_eq!(read(&record.into_iter().collect()), Ok(Some(group)), "{values:?}");
        }
    }

    #[test]
    fn a_record_whose_parts_are_anothers_or_gone_is_none_and_a_torn_one_is_damage() {
        let mut rows: BTreeMap<_, _> = group(9, &[8_000; 3]).record().into_iter().collect();
        let mut gone = rows.clone();
        gone.remove(&part_key(1));
        assert_eq!(read(&gone), Ok(None));
        // The next group, cut off before its last row.
        rows.extend(group(10, &[8_000; 3]).record().into_iter().take(2));
        assert_eq!(read(&rows), Ok(None));
        let (key, head) = group(9, &[20]).record().remove(0);
        for length in [0, 7, 9, 14, 30] {
            let torn = BTreeMap::from([(key.clone(), head[..length].to_vec())]);
            assert_eq!(read(&torn), Err(Damaged), "{length}");
        }
    }
}
