//! What tokens cost.

use crate::domain::Usage;

/// Prices in millionths of the currency for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Tokens that are sent.
    pub input: u64,
    /// Tokens that are sent and were read before.
    pub cached: u64,
    /// Tokens that are sent and kept to be read again.
    pub cache_write: u64,
    /// Tokens that come back.
    pub output: u64,
}

/// The tokens of one exchange; none is in two of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Sent, and neither read before nor kept.
    pub fresh: u64,
    /// Sent, and read before.
    pub cached: u64,
    /// Sent, and kept to be read again.
    pub written: u64,
    /// Come back.
    pub output: u64,
}

impl Tokens {
    /// What an exchange with these tokens used.
    pub fn usage(self, prices: Option<&Prices>) -> Usage {
        Usage {
            tokens_in: self.fresh.saturating_add(self.cached).saturating_add(self.written),
            tokens_cached: self.cached,
            tokens_out: self.output,
            cost_micros: prices.map_or(0, |prices| prices.cost(self)),
            turns: 1,
            elapsed_ms: 0,
        }
    }
}

impl Prices {
    /// What they cost, in millionths of the currency; a begun millionth counts whole.
    pub fn cost(&self, tokens: Tokens) -> u64 {
        let parts = [
            (tokens.fresh, self.input),
            (tokens.cached, self.cached),
            (tokens.written, self.cache_write),
            (tokens.output, self.output),
        ];
        let costs = parts.iter().map(|(n, price)| u128::from(*n) * u128::from(*price));
        let sum = costs.fold(0, u128::saturating_add);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Prices =
        Prices { input: 3_000_000, cached: 300_000, cache_write: 3_750_000, output: 15_000_000 };

    #[test]
    fn each_sort_of_token_has_its_price_and_a_begun_millionth_counts() {
        let tokens = Tokens { fresh: 1_000, cached: 10_000, written: 2_000, output: 500 };
        // 3,000 + 3,000 + 7,500 + 7,500
        assert_eq!(PRICES.cost(tokens), 21_000);
        assert_eq!(PRICES.cost(Tokens { cached: 1, ..Tokens::default() }), 1);
        assert_eq!(PRICES.cost(Tokens::default()), 0);
        let usage = tokens.usage(Some(&PRICES));
        assert_eq!((usage.tokens_in, usage.tokens_cached, usage.tokens_out), (13_000, 10_000, 500));
        assert_eq!((usage.cost_micros, usage.turns), (21_000, 1));
        assert_eq!(tokens.usage(None).cost_micros, 0);
    }

    #[test]
    fn no_number_of_tokens_overflows() {
        let all = u64::MAX;
        let tokens = Tokens { fresh: all, cached: all, written: all, output: all };
        let usage =
            tokens.usage(Some(&Prices { input: all, cached: all, cache_write: all, output: all }));
        assert_eq!((usage.tokens_in, usage.cost_micros), (all, all));
    }
}
