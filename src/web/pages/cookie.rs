//! The cookie that a browser has while somebody is signed in.

use super::{Pages, Wire};
use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

/// No secret of ours is longer.
const SECRET_BYTES_MAX: usize = 128;

/// What it is called, and whether it travels over TLS only. Browsers do not tell ports of one machine
/// apart: two daemons there have two cookies.
pub(super) struct Jar {
    name: String,
    is_secure: bool,
}

impl Jar {
    /// For whoever asks at this host. Beyond loopback there is TLS, here or before us, unless it was said
    /// that plain HTTP is meant; a proxy may have spoken TLS all the same.
    pub(super) fn of(pages: &Pages, headers: &HeaderMap) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let is_local = crate::mcp::http::names_us(headers, &[]);
        let said = headers.get("x-forwarded-proto").and_then(|said| said.to_str().ok());
        let is_secure = match pages.wire {
            Wire::Tls => true,
            // A proxy that does not pass the name on may say what it speaks.
            Wire::Proxied => !is_local || said == Some("https"),
            Wire::Plain => !is_local && said == Some("https"),
        };
        let port = host.rsplit_once(':').map(|(_, port)| port);
        let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix = if is_secure { "__Host-" } else { "" };
        let name = match port {
            Some(port) => format!("{prefix}rota_{port}"),
            None => format!("{prefix}rota"),
        };
        Self { name, is_secure }
    }

    /// Whether it is asked over TLS, here or before us.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The secret that came with a request.
    pub(super) fn secret(&self, headers: &HeaderMap) -> Option<SecretString> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';'));
        let found = pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.name).then_some(value)
        })?;
        (!found.is_empty() && found.len() <= SECRET_BYTES_MAX).then(|| SecretString::from(found))
    }

    /// The header that gives the browser this secret, or takes away what it has.
    pub(super) fn set(&self, secret: Option<&SecretString>) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let (value, age) = match secret {
            Some(secret) => (secret.expose_secret(), ""),
            None => ("", "; Max-Age=0"),
        };
        let name = &self.name;
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
