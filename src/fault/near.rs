//! "Did you mean": the nearest of what was possible.

/// The candidate that is most like a word, if one is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word is never meant by a short one; distances of huge words cost their product.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let candidates: Vec<&str> = candidates.into_iter().collect();
    near(&lower, &candidates).or_else(|| {
        // `webhook_url` is `webhook` with something more.
        let (first, _) = lower.split_once(['_', '-'])?;
        near(first, &candidates).filter(|_| first.len() >= 4)
    })
}

fn near<'a>(lower: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .copied()
        .map(|candidate| (strsim::damerau_levenshtein(lower, &candidate.to_lowercase()), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= (1 + candidate.chars().count() / 4).min(3))
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `…`?`` for the nearest candidate, else the list of candidates if it is short.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    (1..=16).contains(&all.len()).then(|| format!("expected one of `{}`", all.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_and_the_far_is_not() {
        assert_eq!(nearest("limti", ["limit", "order"]), Some("limit"));
        assert_eq!(nearest("Crno", ["cron", "every"]), Some("cron"));
        assert_eq!(nearest("zzzz", ["limit", "order"]), None);
        assert_eq!(nearest("webhok_url", ["webhook", "token"]), Some("webhook"));
        assert_eq!(
            did_you_mean("zzzz", ["a1", "b2"]).as_deref(),
            Some("expected one of `a1`, `b2`")
        );
    }
}
