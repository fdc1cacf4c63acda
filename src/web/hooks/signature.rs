//! Whether a delivery was signed with a playbook's secret, as Standard Webhooks sign: HMAC-SHA256 over
//! name, time and body, compared in constant time, within five minutes.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

/// So old, or so far ahead, a delivery may be.
const WINDOW_SECONDS: u64 = 300;
/// So many signatures of one delivery are looked at: while its secret is changed there are two.
const SIGNATURES_MAX: usize = 8;
/// A secret that begins so is written in base64.
const ENCODED: &str = "whsec_";
/// A shorter key could be guessed.
const KEY_BYTES_MIN: usize = 16;

/// What a playbook's deliveries are signed with.
#[derive(Clone, Debug)]
pub struct Key(SecretSlice<u8>);

impl Key {
    /// One that nobody has, of something that nobody knows.
    pub fn nobodys(unknown: &str) -> Self {
        Self(Sha256::digest(unknown).to_vec().into())
    }

    /// Reads a secret as it is written down.
    ///
    /// # Errors
    /// Why nothing can be signed with it.
    pub fn read(secret: &str) -> Result<Self, &'static str> {
        let secret = secret.trim();
        let key = match secret.strip_prefix(ENCODED) {
            Some(encoded) => {
                STANDARD.decode(encoded).map_err(|_| "is not base64 after `whsec_`")?
            }
            None => secret.as_bytes().to_vec(),
        };
        match key.len() {
            0 => Err("is not set"),
            1..KEY_BYTES_MIN => Err("holds a secret of fewer than 16 bytes"),
            _ => Ok(Self(key.into())),
        }
    }
}

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// It has no name, no time or no signature.
    #[error("it is not signed: webhook-id, webhook-timestamp and webhook-signature are needed")]
    Unsigned,
    /// It was signed too long ago, or it will be.
    #[error("it was signed more than five minutes ago, or its clock or ours is wrong")]
    Old,
    /// The signature is another one.
    #[error("its signature is not that of a playbook with such a webhook")]
    Wrong,
}

/// What a delivery says of itself, before its body was read.
pub struct Claimed<'a> {
    delivery: &'a str,
    time: &'a str,
    signatures: &'a str,
}

/// Reads it. What cannot be believed whatever its body holds is not read further: that tells nothing of any
/// playbook.
///
/// # Errors
/// Why it is not believed.
pub fn claimed(headers: &HeaderMap, now: i64) -> Result<Claimed<'_>, HookRefusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let delivery = text("webhook-id").ok_or(HookRefusal::Unsigned)?;
    let time = text("webhook-timestamp").ok_or(HookRefusal::Unsigned)?;
    let signatures = text("webhook-signature").ok_or(HookRefusal::Unsigned)?;
    let at: i64 = time.parse().map_err(|_| HookRefusal::Unsigned)?;
    if now.saturating_sub(at).unsigned_abs() > WINDOW_SECONDS {
        return Err(HookRefusal::Old);
    }
    Ok(Claimed { delivery, time, signatures })
}

/// The name of the delivery, if it was signed with this key.
///
/// # Errors
/// It was not.
pub fn check(key: &Key, claimed: &Claimed<'_>, body: &[u8]) -> Result<String, HookRefusal> {
    let Claimed { delivery, time, signatures } = *claimed;
    let mac = mac(key, (delivery, time), body).ok_or(HookRefusal::Wrong)?;
    let given = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let given = given.take(SIGNATURES_MAX).filter_map(|one| STANDARD.decode(one).ok());
    let is_signed = given.fold(false, |found, one| mac.clone().verify_slice(&one).is_ok() | found);
    if is_signed { Ok(delivery.to_owned()) } else { Err(HookRefusal::Wrong) }
}

fn mac(key: &Key, (delivery, time): (&str, &str), body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose_secret()).ok()?;
    for piece in [delivery.as_bytes(), b".", time.as_bytes(), b".", body] {
        mac.update(piece);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks' own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: &str = "1614265330";
    const BODY: &str = r#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check_with(
        secret: &str,
        parts: [&str; 3],
        body: &str,
        now: i64,
    ) -> Result<String, HookRefusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .into_iter()
            .zip(parts)
            .filter(|(_, value)| !value.is_empty())
        {
            headers.insert(name, value.parse().unwrap());
        }
        let key = Key::read(secret).unwrap();
        claimed(&headers, now).and_then(|claimed| check(&key, &claimed, body.as_bytes()))
    }

    #[test]
    fn what_was_signed_is_believed_within_five_minutes() {
        let at: i64 = AT.parse().unwrap();
        let now = |later: i64| check_with(SECRET, [ID, AT, SIGNATURE], BODY, at + later);
        assert_eq!(now(0).as_deref(), Ok(ID));
        for (later, is) in [(300, true), (301, false), (-300, true), (-301, false)] {
            assert_eq!(now(later).is_ok(), is, "{later}");
        }
        let several = format!("v1a,xx v1,AAAA {SIGNATURE}");
        assert!(check_with(SECRET, [ID, AT, &several], BODY, at).is_ok(), "one of several");
    }

    #[test]
    fn another_name_time_body_or_secret_is_refused() {
        let at: i64 = AT.parse().unwrap();
        let check = |parts: [&str; 3], body: &str| check_with(SECRET, parts, body, at).unwrap_err();
        assert_eq!(check(["other", AT, SIGNATURE], BODY), HookRefusal::Wrong);
        assert_eq!(check([ID, "1614265331", SIGNATURE], BODY), HookRefusal::Wrong);
        assert_eq!(check([ID, AT, SIGNATURE], "{}"), HookRefusal::Wrong);
        for wrong in ["v1,", "v1,AAAA", "v2,x", "nonsense", &SIGNATURE[3..]] {
            assert_eq!(check([ID, AT, wrong], BODY), HookRefusal::Wrong, "{wrong}");
        }
        for missing in [["", AT, SIGNATURE], [ID, "", SIGNATURE], [ID, AT, ""], [ID, "soon", "x"]] {
            assert_eq!(check(missing, BODY), HookRefusal::Unsigned, "{missing:?}");
        }
        let other =
            check_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", [ID, AT, SIGNATURE], BODY, at);
        assert_eq!(other, Err(HookRefusal::Wrong));
    }

    #[test]
    fn nothing_is_signed_with_what_could_be_guessed() {
        for (secret, why) in [
            ("", "is not set"),
            ("  ", "is not set"),
            ("whsec_", "is not set"),
            ("whsec_no base64", "is not base64 after `whsec_`"),
            ("whsec_AAAA", "holds a secret of fewer than 16 bytes"),
            ("fifteen letters", "holds a secret of fewer than 16 bytes"),
        ] {
            assert_eq!(Key::read(secret).unwrap_err(), why, "{secret:?}");
        }
        assert!(Key::read(" sixteen letters. ").is_ok());
    }
}
