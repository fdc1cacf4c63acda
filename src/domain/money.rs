//! Amounts of money as people write them.

/// Millionths in full, at least to the hundredth: sums of what is shown are what is shown.
pub fn show_money(micros: u64, currency: &str) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let least = text.len() - 4;
    let kept = text.trim_end_matches('0').len().max(least);
    format!("{} {currency}", &text[..kept])
}

/// An amount such as `2.00 USD` (the currency may be left out) in millionths.
///
/// # Errors
/// What was expected.
pub fn parse_money(text: &str, currency: &str) -> Result<u64, String> {
    let expected = || format!("expected an amount such as \"2.00 {currency}\"");
    let mut words = text.split_whitespace();
    let amount = words.next().ok_or_else(expected)?;
    if let Some(word) = words.next()
        && word != currency
    {
        let known = word.chars().all(|c| c.is_ascii_uppercase()) && word.len() == 3;
        return Err(if known {
            format!("the currency of rota.toml is {currency}")
        } else {
            expected()
        });
    }
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if words.next().is_some() || !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(expected());
    }
    format!("{whole}{part:0<6}").parse::<u64>().map_err(|_| expected())
}
