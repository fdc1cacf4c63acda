//! What servers say of what went wrong, in the many words that they have for it.

use super::Server;
use crate::domain::Usage;
use crate::model::ModelError;
use std::time::Duration;

/// What a server says of what went wrong, whichever words it has for it.
#[derive(Debug, Default)]
pub struct Said {
    pub message: String,
    /// Codes and types, one after the other.
    codes: String,
    /// Whether a filter names itself.
    is_filtered: bool,
}

/// A conversation that is too long, in the words of the servers that there are.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size",
    "model_context_window_exceeded",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "input token count",
    "request_too_large",
    "string_above_max_length",
];

/// Money or allowance is used up: waiting does not help.
const NO_MONEY: &[&str] =
    &["insufficient_quota", "billing", "credit balance", "insufficient balance"];

impl Said {
    /// Reads a body, JSON or not.
    pub fn read(bytes: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice(bytes) {
            return Self::of(&value);
        }
        let text = String::from_utf8_lossy(bytes);
        // A page of a gateway says nothing that helps.
        let is_page = text.trim_start().starts_with('<');
        let message = if is_page { String::new() } else { text.into_owned() };
        Self { message, ..Self::default() }
    }

    /// Reads an error as `OpenAI`, Anthropic, Azure, `FastAPI` and others write it.
    pub fn of(value: &serde_json::Value) -> Self {
        let texts = |paths: &[&str]| {
            let found = paths.iter().filter_map(|path| value.pointer(path));
            let found = found.filter_map(|found| match found {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            });
            found.collect::<Vec<_>>()
        };
        let messages = texts(&["/error/message", "/error", "/message", "/detail"]);
        let raw = texts(&["/error/metadata/raw"]);
        let codes =
            texts(&["/error/code", "/error/type", "/code", "/type", "/error/innererror/code"]);
        let is_filtered = codes
            .iter()
            .any(|code| matches!(code.as_str(), "content_filter" | "ResponsibleAIPolicyViolation"));
        let message =
            messages.into_iter().next().into_iter().chain(raw).collect::<Vec<_>>().join(": ");
        Self { message, codes: codes.join(" "), is_filtered }
    }

    fn says(&self, words: &[&str]) -> bool {
        let text = format!("{} {}", self.codes, self.message).to_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// The error that a status and these words are.
    pub fn as_error(&self, status: u16, retry_after: Option<Duration>, told: String) -> ModelError {
        if self.is_filtered {
            return ModelError::Declined(told);
        }
        let is_too_long = (400..=500).contains(&status) && self.says(TOO_LONG);
        match status {
            401 | 403 => ModelError::Denied(told),
            429 if self.says(NO_MONEY) => ModelError::Refused(told),
            429 => ModelError::RateLimited { retry_after },
            _ if status == 413 || is_too_long => ModelError::ContextTooLong(told),
            503 | 529 => ModelError::Overloaded { retry_after },
            408 | 409 | 425 | 500..=599 if self.says(&["overloaded"]) => {
                ModelError::Overloaded { retry_after }
            }
            408 | 409 | 425 | 500..=599 => ModelError::Unavailable(told),
            300..=399 => ModelError::Refused(format!(
                "status {status}: it sends us elsewhere, and we do not follow"
            )),
            _ => ModelError::Refused(told),
        }
    }

    /// The error that these words are in the middle of an answer.
    pub fn in_answer(&self, server: &Server) -> ModelError {
        let told = server.told(&format!("{} {}", self.codes, self.message));
        if self.is_filtered {
            ModelError::Declined(told)
        } else if self.says(TOO_LONG) {
            ModelError::ContextTooLong(told)
        } else if self.says(&["overloaded"]) {
            ModelError::Overloaded { retry_after: None }
        } else if self.says(NO_MONEY) {
            ModelError::Refused(told)
        } else if self.says(&["rate_limit", "rate limit"]) {
            ModelError::RateLimited { retry_after: None }
        } else {
            ModelError::BrokenOff { what: told, usage: Usage::default() }
        }
    }
}
