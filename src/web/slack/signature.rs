//! Whether Slack sent it: the signature of version 0 over time and body, compared in constant time,
//! within five minutes, each once.

use crate::clock::Clock;
use crate::domain::{Timestamp, from_millis};
use async_trait::async_trait;
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// So old, or so far ahead, a request may be.
const WINDOW_SECONDS: i64 = 300;
/// Knows what Slack has signed.
pub struct Signatures {
    secret: SecretString,
    clock: Arc<dyn Clock>,
    once: Arc<dyn Once>,
}

/// Whoever remembers what came, also across restarts.
#[async_trait]
pub trait Once: Send + Sync {
    /// Whether this signature comes for the first time; after `until` it need not be remembered.
    async fn first(&self, signature: &str, until: Timestamp) -> Result<(), Refusal>;
}

/// Why a request is not believed to be Slack's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no signature, or no time.
    #[error("it is not signed")]
    Unsigned,
    /// It was signed too long ago, or it will be.
    #[error("it is too old, or our clock is wrong")]
    Old,
    /// The signature is another one.
    #[error("its signature is not Slack's; is `signing_secret` that of this app?")]
    Wrong,
    /// It came before.
    #[error("it came before")]
    Repeated,
    /// So many came that none can be remembered any more.
    #[error("too many came")]
    TooMany,
    /// Whether it came before cannot be told.
    #[error("what came before cannot be read or written")]
    Unknown,
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signatures").finish_non_exhaustive()
    }
}

impl Signatures {
    /// With the app's signing secret.
    pub fn new(secret: SecretString, clock: Arc<dyn Clock>, once: Arc<dyn Once>) -> Self {
        Self { secret, clock, once }
    }

    /// Whether Slack has sent this just now, for the first time.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let time = text("x-slack-request-timestamp").ok_or(Refusal::Unsigned)?;
        let signature = text("x-slack-signature").ok_or(Refusal::Unsigned)?;
        let at: i64 = time.parse().map_err(|_| Refusal::Unsigned)?;
        let signature = signature.strip_prefix("v0=").and_then(unhex).ok_or(Refusal::Unsigned)?;
        let now = self.clock.wall().timestamp();
        if now.saturating_sub(at).unsigned_abs() > WINDOW_SECONDS.unsigned_abs() {
            return Err(Refusal::Old);
        }
        let secret = self.secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Refusal::Wrong)?;
        for piece in [b"v0:", time.as_bytes(), b":", body] {
            mac.update(piece);
        }
        mac.verify_slice(&signature).map_err(|_| Refusal::Wrong)?;
        let until = from_millis((at + WINDOW_SECONDS).saturating_mul(1_000));
        self.once.first(&hex(&signature), until).await
    }
}

/// In one spelling, whichever it came in.
fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::sync::Mutex;

    /// The example of Slack's own page.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const AT: &str = "1531420618";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&\
        channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&\
        command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2F\
        T1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.\
        803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    #[derive(Default)]
    struct Kept(Mutex<Vec<(String, Timestamp)>>);

    #[async_trait]
    impl Once for Kept {
        async fn first(&self, signature: &str, until: Timestamp) -> Result<(), Refusal> {
            let mut kept = self.0.lock().unwrap();
            if kept.iter().any(|(known, _)| known == signature) {
                return Err(Refusal::Repeated);
            }
            kept.push((signature.to_owned(), until));
            Ok(())
        }
    }

    fn signatures(seconds_later: i64) -> Signatures {
        let at = AT.parse::<i64>().unwrap() + seconds_later;
        let clock = Arc::new(ManualClock::at(from_millis(at * 1_000)));
        Signatures::new(SecretString::from(SECRET), clock, Arc::<Kept>::default())
    }

    fn headers(at: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", at.parse().unwrap());
        headers.insert("x-slack-signature", signature.parse().unwrap());
        headers
    }

    #[tokio::test]
    async fn what_slack_signed_is_believed_once() {
        let signatures = signatures(20);
        assert!(!format!("{signatures:?}").contains(SECRET));
        let check = async |signature: &str| {
            signatures.check(&headers(AT, signature), BODY.as_bytes()).await
        };
        assert_eq!(check(SIGNATURE).await, Ok(()));
        assert_eq!(check(SIGNATURE).await, Err(Refusal::Repeated));
        let other_spelling = SIGNATURE.to_uppercase().replace("V0=", "v0=");
        assert_eq!(check(&other_spelling).await, Err(Refusal::Repeated));
    }

    #[tokio::test]
    async fn another_body_time_or_signature_is_refused() {
        let signatures = signatures(0);
        let check = async |at: &str, signature: &str, body: &str| {
            signatures.check(&headers(at, signature), body.as_bytes()).await
        };
        assert_eq!(check(AT, SIGNATURE, &format!("{BODY}&x=1")).await, Err(Refusal::Wrong));
        assert_eq!(check("1531420619", SIGNATURE, BODY).await, Err(Refusal::Wrong));
        let other = SIGNATURE.replace("a2114", "a2115");
        assert_eq!(check(AT, &other, BODY).await, Err(Refusal::Wrong));
        for unsigned in ["", "v0=", "v1=a2", &SIGNATURE[..60], "v0=zz", &format!("{SIGNATURE}0")] {
            assert_eq!(check(AT, unsigned, BODY).await, Err(Refusal::Unsigned), "{unsigned}");
        }
        assert_eq!(check("soon", SIGNATURE, BODY).await, Err(Refusal::Unsigned));
        let unsigned = signatures.check(&HeaderMap::new(), BODY.as_bytes()).await;
        assert_eq!(unsigned, Err(Refusal::Unsigned));
        assert_eq!(check(AT, SIGNATURE, BODY).await, Ok(()), "what was refused is not remembered");
    }

    #[tokio::test]
    async fn after_five_minutes_or_before_its_time_nothing_is_believed() {
        for (later, expected) in
            [(300, Ok(())), (301, Err(Refusal::Old)), (-300, Ok(())), (-301, Err(Refusal::Old))]
        {
            let found = signatures(later).check(&headers(AT, SIGNATURE), BODY.as_bytes()).await;
            assert_eq!(found, expected, "{later}");
        }
        let huge = i64::MIN.to_string();
        let found = signatures(0).check(&headers(&huge, SIGNATURE), b"").await;
        assert_eq!(found, Err(Refusal::Old));
    }
}
