//! The advisory locks of a team's schema: their names and numbers are the same in every daemon and every
//! release that shares it.
//!
//! The database's own space of two numbers has those that a part takes as a whole, each by its name and the
//! schema's; that of one number has those of the store, one for each key.

use super::Schema;

/// Under which a board is written: what `pg_advisory_xact_lock` is told.
pub fn board(schema: &Schema) -> String {
    named("rota board", schema.as_str())
}

/// Under which a move begins and ends.
pub(super) fn moving(schema: &Schema) -> String {
    named("rota move", schema.as_str())
}

/// Under which tables are made.
pub(super) fn making(schema: &Schema) -> String {
    named("rota steps", schema.as_str())
}

fn named(what: &str, schema: &str) -> String {
    format!("hashtext('{what}'), hashtext('{schema}')")
}

/// How the keys of a store become the numbers of locks.
#[derive(Clone, Copy, Debug)]
pub struct StoreLocks {
    begun: u64,
}

impl StoreLocks {
    /// Those of a schema.
    pub fn of(schema: &str) -> Self {
        // 64-bit FNV-1a, from its usual beginning; a byte that no name holds ends the schema's.
        Self { begun: hashed(hashed(0xcbf2_9ce4_8422_2325, schema.as_bytes()), &[0xff]) }
    }

    /// The lock of a key. Two keys that share one only wait for each other.
    pub fn key(self, key: &str) -> i64 {
        hashed(self.begun, key.as_bytes()).cast_signed()
    }

    /// The lock of everything: every commit shares it, and whoever wants none beside takes it alone.
    pub fn whole(self) -> i64 {
        self.key("")
    }
}

fn hashed(begun: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(begun, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_locks_stay_the_same_from_release_to_release() {
        let locks = StoreLocks::of("team");
        assert_eq!(hashed(0xcbf2_9ce4_8422_2325, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_ne!(locks.key("a"), StoreLocks::of("tea").key("ma"));
        assert_ne!(locks.whole(), locks.key("a"));
    }

    #[test]
    fn the_names_of_locks_stay_the_same_from_release_to_release() {
        let team = Schema::parse("team").unwrap();
        assert_eq!(board(&team), "hashtext('rota board'), hashtext('team')");
        assert_eq!(moving(&team), "hashtext('rota move'), hashtext('team')");
        assert_eq!(making(&team), "hashtext('rota steps'), hashtext('team')");
    }
}
