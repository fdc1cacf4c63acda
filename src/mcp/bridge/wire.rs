//! The server's side: one HTTP client, the headers of each message, bodies within bounds.

use super::message::Message;
use super::session::Session;
use super::trouble::{Fate, Trouble};
use super::{Auth, BridgeError, Options};
use crate::domain::is_loopback;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The largest answer, and the largest event of a stream.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// So much of a refusal's body is read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// The longest name that goes into a header.
const NAME_BYTES_MAX: usize = 4 * 1024;

/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Connections that are kept open for the next message.
const IDLE_MAX: usize = 8;

/// How long what follows an answer is waited for, so that its connection can be used again.
const DRAIN_TIME: Duration = Duration::from_secs(2);

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// The client for one server.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    url: Url,
    token: Option<SecretString>,
    trusts_anybody: bool,
}

impl Wire {
    pub fn new(options: &Options) -> Result<Self, BridgeError> {
        let url = Url::parse(&options.url).map_err(|_| BridgeError::Url)?;
        let is_loopback = url.host_str().is_some_and(is_loopback);
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(BridgeError::Url);
        }
        // Somebody else may have chosen a provider before us; theirs will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIME)
            .pool_max_idle_per_host(IDLE_MAX)
            .user_agent(concat!("rota-bridge/", env!("CARGO_PKG_VERSION")))
            .default_headers(credentials(options)?);
        if is_loopback {
            client = client.no_proxy();
        }
        let trusts_anybody = options.insecure && url.scheme() == "https";
        client = match &options.ca {
            // Reading the system's certificates takes longer than all else at the start.
            _ if url.scheme() == "http" => client.tls_certs_only(std::iter::empty()),
            _ if trusts_anybody => client.tls_danger_accept_invalid_certs(true),
            Some(pem) => client.tls_certs_merge(
                Certificate::from_pem_bundle(pem)
                    .ok()
                    .filter(|found| !found.is_empty())
                    .ok_or(BridgeError::Authorities)?,
            ),
            None => client,
        };
        let client = client.build().map_err(|error| BridgeError::Client(Box::new(error)))?;
        if url.scheme() == "http" && !is_loopback && options.token.is_some() {
            tracing::warn!("the token goes over plain HTTP to another machine: use https");
        }
        if trusts_anybody {
            tracing::warn!(
                "the server's certificate is not checked (--insecure): anybody on the way can read the token and change what is said"
            );
        }
        Ok(Self { client, url, token: options.token.clone(), trusts_anybody })
    }

    /// Posts a message; the response's body is not read yet.
    pub async fn post(
        &self,
        message: &Message,
        text: &str,
        session: &Session,
    ) -> Result<Response, Trouble> {
        let mut headers = headers_of(message, session)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, both);
        let request = self.client.post(self.url.clone()).headers(headers).body(text.to_owned());
        request.send().await.map_err(|error| self.broke(&error))
    }

    /// Asks for the stream on which a server speaks unasked, or for the rest of one that broke off.
    pub async fn listen(
        &self,
        session: &Session,
        last_event: Option<&str>,
    ) -> Result<Response, Trouble> {
        let mut headers = HeaderMap::new();
        in_session(&mut headers, session);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            headers.insert(LAST_EVENT, id);
        }
        let request = self.client.get(self.url.clone()).headers(headers);
        request.send().await.map_err(|error| self.broke(&error))
    }

    /// Ends the session.
    pub async fn end(&self, session: &Session) {
        let mut headers = HeaderMap::new();
        in_session(&mut headers, session);
        // A server that does not let us is no trouble to anybody.
        let _ = self.client.delete(self.url.clone()).headers(headers).send().await;
    }

    /// The next piece of a body.
    pub async fn piece(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Trouble> {
        response.chunk().await.map_err(|error| self.broke(&error))
    }

    fn broke(&self, error: &reqwest::Error) -> Trouble {
        Trouble::of_transport(error, !self.trusts_anybody)
    }

    /// A whole answer.
    pub async fn body(&self, mut response: Response) -> Result<String, Trouble> {
        let too_large = || {
            Trouble::new("too_large", Fate::Final, "the answer is larger than 16 MiB: ask for less")
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > ANSWER_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.broke(&error))? {
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes)
            .map_err(|_| Trouble::new("bad_answer", Fate::Final, "the answer is not UTF-8"))
    }

    /// The begin of a refusal's body; what cannot be read is nothing. A server that repeats the token
    /// is not repeated.
    pub async fn refusal(&self, mut response: Response) -> String {
        let mut bytes = Vec::new();
        let reading = async {
            while let Ok(Some(piece)) = response.chunk().await {
                let room = REFUSAL_BYTES_MAX.saturating_sub(bytes.len()).min(piece.len());
                bytes.extend_from_slice(&piece[..room]);
                if room < piece.len() {
                    break;
                }
            }
        };
        // A server that does not come to an end has said enough.
        let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
        let said = String::from_utf8_lossy(&bytes).into_owned();
        match self.token.as_ref().map(ExposeSecret::expose_secret) {
            Some(token) if !token.is_empty() => said.replace(token, "[the token]"),
            _ => said,
        }
    }
}

/// Reads what follows an answer, a little while.
pub(super) async fn drain(mut response: Response) {
    let mut room = REFUSAL_BYTES_MAX;
    let reading = async {
        while let Ok(Some(piece)) = response.chunk().await {
            room = room.saturating_sub(piece.len());
            if room == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

/// What sort of body it is, without parameters.
pub(super) fn media_type(response: &Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// The session that an answer to `initialize` opens.
pub(super) fn session_id(response: &Response) -> Option<HeaderValue> {
    let id = response.headers().get(&SESSION)?;
    let is_plain = id.as_bytes().iter().all(|byte| (0x21..=0x7E).contains(byte));
    (is_plain && (1..=1_024).contains(&id.len())).then(|| id.clone())
}

/// `Retry-After` in seconds. As a date it says nothing: our clocks may differ.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn credentials(options: &Options) -> Result<HeaderMap, BridgeError> {
    let mut headers = HeaderMap::new();
    let Some(token) = &options.token else { return Ok(headers) };
    let token = token.expose_secret();
    let (name, value) = match options.auth {
        Auth::Bearer => (AUTHORIZATION, format!("Bearer {token}")),
        Auth::ApiKey => (HeaderName::from_static("x-api-key"), token.to_owned()),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| BridgeError::Token)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

fn headers_of(message: &Message, session: &Session) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    let Some(version) = message.modern() else {
        if message.method() != "initialize" {
            in_session(&mut headers, session);
        }
        return Ok(headers);
    };
    let words = [(VERSION, version), (METHOD, message.method())];
    for (name, value) in words.into_iter().chain(message.name().map(|value| (NAME, value))) {
        if value.len() > NAME_BYTES_MAX {
            let what = "a name that goes into a header is longer than 4 KiB";
            return Err(Trouble::new("bad_request", Fate::Final, what));
        }
        let value = HeaderValue::from_str(&as_header(value));
        let value = value.map_err(|_| {
            Trouble::new("bad_request", Fate::Final, "a name cannot go into a header")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn in_session(headers: &mut HeaderMap, session: &Session) {
    if let Some(id) = &session.id {
        headers.insert(SESSION, id.clone());
    }
    // Revisions before it knew no such header.
    if let Some(version) = session.version.as_deref().filter(|version| *version >= "2025-06-18")
        && let Ok(value) = HeaderValue::from_str(version)
    {
        headers.insert(VERSION, value);
    }
}

/// A text as MCP puts it into a header: as it is where it can be, else in base64.
fn as_header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
    let is_trimmed = text.trim_matches([' ', '\t']).len() == text.len();
    let looks_wrapped = text.starts_with("=?base64?") && text.ends_with("?=");
    if is_plain && is_trimmed && !looks_wrapped {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_into_headers_as_the_standard_says() {
        for (name, header) in [
            ("getTicket", "getTicket"),
            ("", ""),
            (" a", "=?base64?IGE=?="),
            ("ä", "=?base64?w6Q=?="),
            ("a\r\nX: y", "=?base64?YQ0KWDogeQ==?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(as_header(name), header, "{name:?}");
        }
    }

    #[test]
    fn the_headers_of_a_message_follow_from_its_body_and_the_session() {
        let session = Session {
            id: Some(HeaderValue::from_static("s-1")),
            version: Some("2025-11-25".to_owned()),
            ..Session::default()
        };
        let headers = |text: &str, session: &Session| {
            headers_of(&Message::read(text).unwrap(), session).unwrap()
        };
        let old = headers(r#"{"id":1,"method":"tools/list"}"#, &session);
        assert_eq!(
            (&old[SESSION], &old[VERSION]),
            (&"s-1".parse().unwrap(), &"2025-11-25".parse().unwrap())
        );
        assert!(!old.contains_key(METHOD));
        assert!(headers(r#"{"id":1,"method":"initialize"}"#, &session).is_empty());
        let first = Session { version: Some("2024-11-05".to_owned()), ..Session::default() };
        assert!(headers(r#"{"id":1,"method":"tools/list"}"#, &first).is_empty());
        let modern = r#"{"id":1,"method":"tools/call","params":{"name":"a",
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let modern = headers(modern, &session);
        assert!(!modern.contains_key(SESSION), "there are no sessions in it");
        assert_eq!(
            (&modern[VERSION], &modern[METHOD], &modern[NAME]),
            (&"2026-07-28".parse().unwrap(), &"tools/call".parse().unwrap(), &"a".parse().unwrap())
        );
    }
}
