//! A server that answers for a model: one HTTP client, what it is told who we are by, answers within
//! bounds and times, refusals by class.
//!
//! The key goes to the server that is configured and nowhere else: redirects are not followed, errors
//! are told in our own words, and what a server says is looked through for it. HTTP/1 only: the HTTP/2
//! crate logs headers at trace level.

mod said;

pub(super) use said::Said;

use super::calls::{estimated, estimated_of};
use super::{Exchange, Heard, ModelError, Prices, Tokens};
use crate::domain::{Usage, Value, is_loopback};
use crate::sse::{Event, Parser};
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// The largest answer, and the largest list of models.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest event of a stream.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// So much of a refusal is read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// So much of what a server says is told.
const TOLD_CHARS_MAX: usize = 400;
/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a look may take.
const LOOK_TIME: Duration = Duration::from_secs(10);

/// How a server is reached and what is asked of it.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address that all paths are added to; `None`: the provider's own.
    pub url: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Who we are; local servers need none.
    pub key: Option<SecretString>,
    /// Further headers.
    pub headers: Vec<(String, SecretString)>,
    /// What is added to every address.
    pub query: Vec<(String, SecretString)>,
    /// The proxy between us; `None`: that of the environment.
    pub proxy: Option<SecretString>,
    /// How long an exchange may take.
    pub request_time: Duration,
    /// How long nothing may come.
    pub idle_time: Duration,
    /// The most tokens of a reply.
    pub tokens_max: u64,
    /// How many tokens a conversation may have.
    pub context: Option<u64>,
    /// Further members of each request, as they are.
    pub extra: Value,
    /// What tokens cost.
    pub price: Option<Prices>,
    /// Whether the server is asked to keep what it read.
    pub cache: bool,
    /// Whether answers come in pieces.
    pub stream: bool,
}

impl ServerOptions {
    /// A model at an address, everything else by default.
    pub fn new(model: impl Into<String>, url: Option<String>) -> Self {
        Self {
            url,
            model: model.into(),
            key: None,
            headers: Vec::new(),
            query: Vec::new(),
            proxy: None,
            request_time: Duration::from_mins(10),
            idle_time: Duration::from_mins(4),
            tokens_max: 16_384,
            context: None,
            extra: Value::Null,
            price: None,
            cache: true,
            stream: true,
        }
    }
}

/// The client for one model.
pub(super) struct Server {
    pub options: ServerOptions,
    client: Client,
    base: Url,
}

/// Neither key nor address is shown: an address may hold a key.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("model", &self.options.model).finish_non_exhaustive()
    }
}

/// How the key is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Auth {
    /// `Authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    ApiKey,
}

/// A base address: `http` or `https`, without user, query or fragment.
///
/// # Errors
/// What is expected.
pub(super) fn base(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "expected an address that begins with https:// or http://, \
                            without a password, query or fragment";
    let url = Url::parse(text.trim()).map_err(|_| EXPECTED)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain || !is_bare {
        return Err(EXPECTED.to_owned());
    }
    Ok(url)
}

impl Server {
    /// A client; nothing is sent. The error holds no secret.
    pub fn new(
        options: ServerOptions,
        base: Url,
        auth: Auth,
        fixed: &[(&'static str, &'static str)],
    ) -> Result<Self, String> {
        // Somebody else may have chosen a provider before us; theirs will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIME)
            .user_agent(concat!("rota/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&options, auth, fixed)?);
        if let Some(proxy) = &options.proxy {
            let proxy = Proxy::all(proxy.expose_secret());
            client = client.proxy(proxy.map_err(|_| "the proxy's address cannot be read")?);
        } else if base.host_str().is_some_and(is_loopback) {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|_| "the HTTP client could not be set up")?;
        Ok(Self { options, client, base })
    }

    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let own = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{own}/{path}"));
        if !self.options.query.is_empty() {
            let mut query = url.query_pairs_mut();
            for (name, value) in &self.options.query {
                query.append_pair(name, value.expose_secret());
            }
        }
        url
    }

    /// Posts a request.
    async fn post<'a>(
        &'a self,
        path: &str,
        body: String,
        heard: &'a Heard<'a>,
    ) -> Result<Answer<'a>, ModelError> {
        let deadline = Instant::now() + self.options.request_time;
        let request = self.client.post(self.url(path)).header(CONTENT_TYPE, "application/json");
        let first = deadline.min(Instant::now() + self.options.idle_time);
        let sent = tokio::time::timeout_at(first, request.body(body).send()).await;
        let response = match sent {
            Err(_) => {
                return Err(ModelError::Unavailable("it did not begin to answer in time".into()));
            }
            Ok(Err(error)) => return Err(ModelError::Unavailable(self.broke(&error))),
            Ok(Ok(response)) => response,
        };
        heard();
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        // Some servers send a stream under another name.
        let kind = media_type(&response);
        let is_other = kind.ends_with("json") || kind == "text/html";
        let is_stream = kind == "text/event-stream" || (self.options.stream && !is_other);
        let body = Body { server: self, response, bytes: 0, deadline, heard };
        Ok(if is_stream { Answer::Events(Events::new(body)) } else { Answer::Whole(body) })
    }

    /// Posts a request, and reads what comes to its end.
    pub async fn read<R: Reading>(
        &self,
        path: &str,
        body: String,
        exchange: &Exchange,
        heard: &Heard<'_>,
    ) -> Result<R, ModelError> {
        let mut reading = R::default();
        let answer = self.post(path, body, heard).await?;
        match self.read_answer(answer, &mut reading).await {
            Ok(()) => Ok(reading),
            // Whoever began to answer is paid for it.
            Err(error) => Err(self.spent(error, &reading, exchange)),
        }
    }

    async fn read_answer(
        &self,
        answer: Answer<'_>,
        reading: &mut impl Reading,
    ) -> Result<(), ModelError> {
        let broken_off = |what| ModelError::BrokenOff { what, usage: Usage::default() };
        let mut events = match answer {
            Answer::Whole(body) => {
                let text = body.text().await.map_err(broken_off)?;
                return reading.whole(&text, self);
            }
            Answer::Events(events) => events,
        };
        loop {
            let event = match events.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                // Whatever is missing after the end, it is not the answer.
                Err(_) if reading.has_ended() => return Ok(()),
                Err(what) => return Err(broken_off(what)),
            };
            let data = event.data.trim();
            if !data.is_empty() && reading.event(data, self)? {
                return Ok(());
            }
        }
    }

    /// An error in an answer, with what that answer used.
    fn spent(&self, error: ModelError, reading: &impl Reading, exchange: &Exchange) -> ModelError {
        let usage = reading.spent(exchange).usage(self.options.price.as_ref());
        match error {
            ModelError::BrokenOff { what, .. } => ModelError::BrokenOff { what, usage },
            error => ModelError::Spent { error: Box::new(error), usage },
        }
    }

    /// What the server lists; `None` where it has no list.
    pub async fn list(&self, path: &str) -> Result<Option<serde_json::Value>, ModelError> {
        let heard = || ();
        let deadline = Instant::now() + LOOK_TIME;
        let sent = tokio::time::timeout_at(deadline, self.client.get(self.url(path)).send()).await;
        let sent = sent.map_err(|_| ModelError::Unavailable("it did not answer in time".into()))?;
        let response = sent.map_err(|error| ModelError::Unavailable(self.broke(&error)))?;
        if matches!(response.status().as_u16(), 404 | 405 | 501) {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let body = Body { server: self, response, bytes: 0, deadline, heard: &heard };
        let text = body.text().await.map_err(ModelError::Unavailable)?;
        Ok(serde_json::from_str(&text).ok())
    }

    /// What a server says, without what is secret and in bounds.
    pub fn told(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let headers = self.options.headers.iter().chain(&self.options.query);
        let secrets = headers.map(|(_, value)| value).chain(&self.options.key);
        for secret in secrets.chain(&self.options.proxy) {
            let secret = secret.expose_secret();
            // A word this short is in every text.
            if secret.len() >= 6 {
                text = text.replace(secret, "[secret]");
            }
        }
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|w| !w.is_empty())
            .collect();
        let told = words.join(" ");
        if told.chars().count() <= TOLD_CHARS_MAX {
            return told;
        }
        told.chars().take(TOLD_CHARS_MAX).chain("…".chars()).collect()
    }

    /// Why a connection came to nothing. The address is left out of it.
    fn broke(&self, error: &reqwest::Error) -> String {
        let what = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection"
        } else {
            "the connection broke"
        };
        let causes = std::iter::successors(std::error::Error::source(error), |e| e.source());
        match causes.last() {
            Some(cause) => self.told(&format!("{what}: {cause}")),
            None => what.to_owned(),
        }
    }

    async fn refusal(&self, mut response: Response) -> ModelError {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
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
        let _ = tokio::time::timeout(LOOK_TIME, reading).await;
        let said = Said::read(&bytes);
        let told = match self.told(&said.message) {
            told if told.is_empty() => format!("status {status}"),
            told => format!("status {status}: {told}"),
        };
        said.as_error(status, retry_after, told)
    }
}

fn headers(
    options: &ServerOptions,
    auth: Auth,
    fixed: &[(&'static str, &'static str)],
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let secret = |text: &str| {
        let mut value =
            HeaderValue::from_str(text.trim()).map_err(|_| "it cannot stand in a header")?;
        value.set_sensitive(true);
        Ok::<_, &str>(value)
    };
    if let Some(key) = &options.key {
        let key = key.expose_secret().trim();
        let (name, value) = match auth {
            Auth::Bearer => (reqwest::header::AUTHORIZATION, format!("Bearer {key}")),
            Auth::ApiKey => (HeaderName::from_static("x-api-key"), key.to_owned()),
        };
        headers.insert(name, secret(&value).map_err(|what| format!("key: {what}"))?);
    }
    for (name, value) in &options.headers {
        let known = HeaderName::from_bytes(name.as_bytes());
        let known = known.map_err(|_| format!("headers: {name:?} is no header's name"))?;
        let value = secret(value.expose_secret());
        headers.insert(known, value.map_err(|what| format!("headers.{name}: {what}"))?);
    }
    Ok(headers)
}

fn media_type(response: &Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// `Retry-After` in seconds or as an instant, which is measured by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(ms));
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = after.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (until, now) = (DateTime::parse_from_rfc2822(after).ok()?, text("date")?);
    (until - DateTime::parse_from_rfc2822(now).ok()?).to_std().ok()
}

/// What came of a request.
enum Answer<'a> {
    /// Pieces.
    Events(Events<'a>),
    /// All at once.
    Whole(Body<'a>),
}

/// What one wire makes of an answer while it comes.
pub(super) trait Reading: Default {
    /// An answer that came at once.
    fn whole(&mut self, text: &str, server: &Server) -> Result<(), ModelError>;
    /// The data of one event; whether nothing follows it.
    fn event(&mut self, data: &str, server: &Server) -> Result<bool, ModelError>;
    /// Whether the other side said why it ended.
    fn has_ended(&self) -> bool;
    /// What was counted so far, where the other side counts.
    fn tokens(&self) -> Option<Tokens>;
    /// About how many bytes it has said so far.
    fn bytes(&self) -> usize;

    /// What was used so far, by estimate where nobody has counted.
    fn spent(&self, exchange: &Exchange) -> Tokens {
        self.tokens().unwrap_or_else(|| Tokens {
            fresh: estimated_of(exchange),
            output: estimated(self.bytes()),
            ..Tokens::default()
        })
    }
}

/// A body within its bounds.
struct Body<'a> {
    server: &'a Server,
    response: Response,
    bytes: usize,
    deadline: Instant,
    heard: &'a Heard<'a>,
}

impl Body<'_> {
    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, String> {
        let idle = Instant::now() + self.server.options.idle_time;
        let piece = tokio::time::timeout_at(idle.min(self.deadline), self.response.chunk()).await;
        let piece = match piece {
            Err(_) if idle < self.deadline => return Err("nothing came for too long".to_owned()),
            Err(_) => return Err("it took too long".to_owned()),
            Ok(piece) => piece.map_err(|error| self.server.broke(&error))?,
        };
        if let Some(piece) = &piece {
            self.bytes = self.bytes.saturating_add(piece.len());
            if self.bytes > ANSWER_BYTES_MAX {
                return Err(format!("it is larger than {} MiB", ANSWER_BYTES_MAX / 1024 / 1024));
            }
            (self.heard)();
        }
        Ok(piece)
    }

    /// All of it.
    pub async fn text(mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            bytes.extend_from_slice(piece.as_ref());
        }
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    }
}

/// A stream of events.
struct Events<'a> {
    body: Body<'a>,
    parser: Parser,
    waiting: VecDeque<Event>,
}

impl<'a> Events<'a> {
    fn new(body: Body<'a>) -> Self {
        Self { body, parser: Parser::new(EVENT_BYTES_MAX), waiting: VecDeque::new() }
    }

    /// The next event; `None` at the end. The error says how the stream broke.
    pub async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let Some(piece) = self.body.piece().await? else { return Ok(None) };
            let mut events = Vec::new();
            let fed = self.parser.feed(piece.as_ref(), &mut events);
            fed.map_err(|error| error.to_string())?;
            self.waiting.extend(events);
        }
    }
}

#[cfg(test)]
mod tests;
