//! Where a Leantime is, who acts there, and how hard it may be asked.

use crate::board::{BoardError, Result};
use crate::domain::{PersonId, StatusKind};
use chrono_tz::Tz;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;

/// What it takes to act on a Leantime.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its address, as in a browser: `https://projects.example.org`.
    pub url: String,
    /// Who reads, and who writes for everybody without a credential of their own.
    pub credential: Credential,
    /// Agents and people who act under their own names, by their ids on the board.
    pub identities: BTreeMap<PersonId, Credential>,
    /// The user that `credential` belongs to; asked for where the server can say it, since 3.8.
    pub user: Option<PersonId>,
    /// The zone that the server is set to (`LEAN_DEFAULT_TIMEZONE`).
    pub zone: Tz,
    /// Requests in a minute; a lower limit is learned from the server's refusals.
    pub requests_per_minute: u32,
    /// How long one request may take.
    pub request_time: Duration,
    /// How long a call may wait for its turn.
    pub patience: Duration,
    /// How old news of the board may be: changes are looked for so often at most.
    pub look_every: Duration,
    /// The span in which the server counts requests, if it is not a minute.
    pub window: Option<Duration>,
    /// What labels mean that do not say it themselves, by name.
    pub kinds: BTreeMap<String, StatusKind>,
}

impl Options {
    /// The usual ones.
    pub fn new(url: impl Into<String>, credential: Credential) -> Self {
        Self {
            url: url.into(),
            credential,
            identities: BTreeMap::new(),
            user: None,
            zone: Tz::UTC,
            requests_per_minute: 120,
            request_time: Duration::from_secs(30),
            patience: Duration::from_mins(3),
            look_every: Duration::from_secs(5),
            window: None,
            kinds: BTreeMap::new(),
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { url: self.url.clone(), request_time: self.request_time }
    }
}

/// Proves who somebody is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `lt_{user}_{secret}`.
    ApiKey(SecretString),
    /// A personal access token.
    Bearer(SecretString),
}

impl Credential {
    /// Tells by its look what it is: an API key sent as a bearer token would be refused.
    pub fn read(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BoardError::Malformed(
                "the credential for Leantime is blank: expected an API key or an access token"
                    .to_owned(),
            ));
        }
        if !text.starts_with("lt_") {
            return Ok(Self::Bearer(text.into()));
        }
        let parts: Vec<&str> = text.split('_').collect();
        if parts.len() != 3 || parts.iter().any(|part| part.is_empty()) {
            return Err(BoardError::Malformed(
                "the API key for Leantime is not whole: expected lt_USER_SECRET".to_owned(),
            ));
        }
        Ok(Self::ApiKey(text.into()))
    }

    pub(super) fn secret(&self) -> &SecretString {
        match self {
            Self::ApiKey(secret) | Self::Bearer(secret) => secret,
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.secret().expose_secret() == other.secret().expose_secret()
    }
}

/// The server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    url: String,
    pub(super) request_time: Duration,
}

impl Place {
    /// The address that others are joined to.
    pub(super) fn base(&self) -> Result<Url> {
        let expected = || {
            BoardError::Malformed(
                "the address of Leantime cannot be read: expected such as \
                 \"https://projects.example.org\", without a name or password in it"
                    .to_owned(),
            )
        };
        let mut base = Url::parse(self.url.trim()).map_err(|_| expected())?;
        let has_login = !base.username().is_empty() || base.password().is_some();
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() || has_login {
            return Err(expected());
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').trim_end_matches("/api/jsonrpc").to_owned();
        base.set_path(&format!("{path}/"));
        Ok(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_known_by_its_look_and_never_shown() {
        assert!(matches!(Credential::read(" lt_user_secret "), Ok(Credential::ApiKey(_))));
        assert!(matches!(Credential::read("abcdef"), Ok(Credential::Bearer(_))));
        for text in ["", "  ", "lt_", "lt_user", "lt_user_a_b", "lt__x"] {
            assert!(Credential::read(text).is_err(), "{text}");
        }
        let shown = format!("{:?}", Credential::read("lt_user_secret").unwrap());
        assert!(!shown.contains("secret_") && !shown.contains("user"), "{shown}");
    }

    #[test]
    fn an_address_is_a_base_with_or_without_the_endpoint() {
        let base = |url: &str| {
            Place { url: url.into(), request_time: Duration::ZERO }.base().map(|u| u.to_string())
        };
        assert_eq!(base("http://h/lean").unwrap(), "http://h/lean/");
        assert_eq!(base("http://h/lean/api/jsonrpc/").unwrap(), "http://h/lean/");
        assert_eq!(base("https://h?x#y").unwrap(), "https://h/");
        for url in ["", "h", "ftp://h", "http://u:p@h", "file:///x"] {
            assert!(base(url).is_err(), "{url}");
        }
    }
}
