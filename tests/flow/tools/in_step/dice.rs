//! Choices that a number repeats.

use serde_json::{Map, Value as Json};

/// Random numbers from a seed (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// One of these numbers, or seldom one that is not there.
    pub fn id(&mut self, there: &[i64]) -> Json {
        if there.is_empty() || self.once_in(30) { 999.into() } else { self.one_of(there).into() }
    }

    /// One or two of these members, where they are more.
    pub fn some(&mut self, members: Vec<(&str, Json)>, seldom: usize) -> Map<String, Json> {
        let mut some = Map::new();
        for (name, value) in members {
            if self.once_in(seldom) {
                some.insert(name.to_owned(), value);
            }
        }
        some
    }
}
