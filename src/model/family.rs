//! Which family a model is of, by its name: models of one family err alike, so one of them is no
//! independent judge of another's work.

/// Words in models' names, and the family that they mean; the first that occurs counts.
const KNOWN: [(&str, &str); 19] = [
    ("claude", "claude"),
    ("chatgpt", "gpt"),
    ("gpt", "gpt"),
    ("codex", "gpt"),
    ("gemini", "gemini"),
    ("gemma", "gemini"),
    ("deepseek", "deepseek"),
    ("qwen", "qwen"),
    ("qwq", "qwen"),
    ("mixtral", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("mistral", "mistral"),
    ("grok", "grok"),
    ("kimi", "kimi"),
    ("glm", "glm"),
    ("phi", "phi"),
    ("granite", "granite"),
    ("llama", "llama"),
];

/// The family that a model's name tells; `None`: it tells none, and `family` has to be stated.
pub fn family_of(model: &str) -> Option<String> {
    let name = model.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let known = |word: &str| {
        let found = KNOWN.iter().find(|(known, _)| word.starts_with(known));
        found.map(|(_, family)| (*family).to_owned())
    };
    // `o1`, `o3-mini` and their like are of the same house.
    let is_numbered = |word: &str| {
        word.strip_prefix('o').is_some_and(|rest| rest.len() == 1 && rest.parse::<u8>().is_ok())
    };
    words.find_map(|word| known(word).or_else(|| is_numbered(word).then(|| "gpt".to_owned())))
}

/// Whether a text can name a family.
///
/// # Errors
/// What is expected.
pub fn check_family(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err("expected small letters, digits, - _ and ., such as claude".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_family_or_none() {
        for (model, family) in [
            ("claude-sonnet-4-5", "claude"),
            ("us.anthropic.claude-opus-4:0", "claude"),
            ("gpt-5.1", "gpt"),
            ("openai/gpt-oss-120b", "gpt"),
            ("o3-mini", "gpt"),
            ("chatgpt-4o-latest", "gpt"),
            ("gemini-2.5-pro", "gemini"),
            ("qwen2.5-coder:7b", "qwen"),
            ("mistralai/Mixtral-8x7B", "mistral"),
            ("deepseek-r1-distill-llama-70b", "deepseek"),
            ("Llama-3.3", "llama"),
        ] {
            assert_eq!(family_of(model).as_deref(), Some(family), "{model}");
        }
        for unknown in ["", "our-deployment", "model-1", "o", "of-3", "prod"] {
            assert_eq!(family_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_family_is_a_plain_word() {
        assert!(check_family("claude").is_ok() && check_family("in-house.2").is_ok());
        for bad in ["", "Claude", "a b", "a\n", &"x".repeat(65)] {
            assert!(check_family(bad).is_err(), "{bad}");
        }
    }
}
