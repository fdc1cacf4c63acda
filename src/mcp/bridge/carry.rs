//! The way of one message to the server, and of what comes back: tried again where that is safe, in a
//! new session where the old one was lost.

use super::message::{Kind, Message, error_of, repeatable_tools, settled_version};
use super::session::{Memory, Session};
use super::stream::{Heard, Stream};
use super::trouble::{Fate, Trouble};
use super::wire::{self, Wire};
use super::{BridgeError, Options};
use crate::clock::Entropy;
use reqwest::Response;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// The longest wait between two attempts, whatever the server asks for: no host waits longer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the server may take for what the bridge itself says.
pub(super) const OWN_TIME: Duration = Duration::from_secs(30);

/// One bridge: a host, a server, and what lies between them.
#[derive(Debug)]
pub(super) struct Bridge {
    pub wire: Wire,
    pub out: mpsc::Sender<Vec<u8>>,
    pub tracker: TaskTracker,
    retries_max: u32,
    retry_delay: Duration,
    logs_troubles: bool,
    entropy: Arc<dyn Entropy>,
    memory: Mutex<Memory>,
    /// Held while a session is opened again, so that many lost calls open one.
    renewing: tokio::sync::Mutex<()>,
    listening: Mutex<Option<AbortHandle>>,
}

/// Something to carry.
#[derive(Debug)]
pub(super) struct Letter {
    pub message: Message,
    pub text: String,
}

impl Bridge {
    pub fn new(
        options: &Options,
        out: mpsc::Sender<Vec<u8>>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, BridgeError> {
        Ok(Self {
            wire: Wire::new(options)?,
            out,
            tracker: TaskTracker::new(),
            retries_max: options.retries_max,
            retry_delay: options.retry_delay,
            logs_troubles: options.logs_troubles,
            entropy,
            memory: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            listening: Mutex::default(),
        })
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the host; whether it still listens, the pump learns elsewhere.
    pub async fn tell(&self, line: Vec<u8>) {
        let _ = self.out.send(line).await;
    }

    /// Carries a request; the host is answered in any case.
    pub async fn request(self: Arc<Self>, letter: Letter) {
        if letter.message.method() == "initialize" {
            self.memory().start_over(&letter.text);
        }
        match self.carry(&letter).await {
            Ok(()) => self.memory().keep(&letter.message, &letter.text),
            Err(trouble) => {
                if self.logs_troubles {
                    tracing::warn!(
                        method = letter.message.method(),
                        code = trouble.code,
                        "{}",
                        trouble.message
                    );
                }
                self.tell(trouble.line(&letter.message.id())).await;
            }
        }
    }

    /// Carries a notification, or the host's answer to the server. Nobody waits for what comes of it.
    pub async fn aside(self: Arc<Self>, letter: Letter) {
        let method = letter.message.method();
        let sent = tokio::time::timeout(OWN_TIME, self.carry(&letter)).await;
        match sent {
            Ok(Ok(())) if method == "notifications/initialized" => {
                self.memory().greeted = Some(letter.text.as_str().into());
                self.listen();
            }
            Ok(Ok(())) => {}
            // Whoever looks for troubles is told of them by the answers.
            _ if !self.logs_troubles => {}
            Ok(Err(trouble)) => {
                tracing::warn!(method, code = trouble.code, "not delivered: {}", trouble.message);
            }
            Err(_) => tracing::warn!(method, "not delivered: the server does not answer"),
        }
    }

    async fn carry(self: &Arc<Self>, letter: &Letter) -> Result<(), Trouble> {
        let is_answer = letter.message.kind() == Kind::Response;
        let (mut attempts, mut renewed) = (0, false);
        loop {
            let session = self.memory().session.clone();
            let Err(trouble) = self.once(letter, &session).await else { return Ok(()) };
            let wait = match trouble.fate {
                // What the host answers belongs to the session that asked.
                Fate::SessionLost if !renewed && !is_answer => {
                    renewed = true;
                    self.renew(&session).await?;
                    continue;
                }
                Fate::NotSent => None,
                Fate::Later(wait) if wait.unwrap_or_default() <= WAIT_MAX => wait,
                Fate::Unknown if self.memory().is_repeatable(&letter.message) => None,
                _ => return Err(trouble),
            };
            if attempts >= self.retries_max {
                return Err(trouble);
            }
            let pause = wait.unwrap_or_else(|| self.pause(attempts));
            tracing::info!(method = letter.message.method(), code = trouble.code, ?pause, "again");
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }

    /// The wait after so many attempts: doubled each time, a quarter more or less.
    pub fn pause(&self, attempts: u32) -> Duration {
        let whole = self.retry_delay.saturating_mul(1 << attempts.min(16)).min(WAIT_MAX);
        // Of 512 equal steps from three to five quarters.
        let step = u32::try_from(self.entropy.next_u64() % 513).unwrap_or_default();
        whole * 3 / 4 + whole / 2 * step / 512
    }

    /// One attempt. What the server answers has been told to the host when it returns.
    async fn once(self: &Arc<Self>, letter: &Letter, session: &Session) -> Result<(), Trouble> {
        let Letter { message, text } = letter;
        let response = self.wire.post(message, text, session).await?;
        let status = response.status();
        if !status.is_success() {
            let wait = wire::retry_after(&response);
            let body = self.wire.refusal(response).await;
            let had_session = session.id.is_some() && message.modern().is_none();
            let trouble = Trouble::of_status(status.as_u16(), wait, &body, had_session);
            return Err(trouble.in_its_words(&body, &message.id()));
        }
        if message.kind() != Kind::Request {
            self.tracker.spawn(wire::drain(response));
            return Ok(());
        }
        match wire::media_type(&response).as_str() {
            "text/event-stream" => self.read_stream(message, session, response).await,
            _ => self.read_body(message, response).await,
        }
    }

    async fn read_body(&self, message: &Message, response: Response) -> Result<(), Trouble> {
        let bad = |what: &str| Err(Trouble::new("bad_answer", Fate::Final, what));
        let opened = wire::session_id(&response);
        let body = self.wire.body(response).await?;
        if body.trim().is_empty() {
            return bad("the server took the request and gave no answer");
        }
        let Ok(answer) = Message::read(&body) else {
            return bad("the answer is no JSON-RPC message: is this the URL of an MCP server?");
        };
        if answer.kind() != Kind::Response {
            return bad("the answer is no JSON-RPC response");
        }
        if answer.id() == message.id() {
            self.answered(message, opened, body).await;
            return Ok(());
        }
        match error_of(&body, &message.id()).filter(|_| answer.id().is_null()) {
            Some(line) => self.tell(line).await,
            None => return bad("the answer is to another request"),
        }
        Ok(())
    }

    /// The host's answer came.
    async fn answered(&self, message: &Message, opened: Option<http::HeaderValue>, text: String) {
        match message.method() {
            "initialize" if message.modern().is_none() => {
                if let Some(version) = settled_version(&text) {
                    self.memory().begin(opened, Some(version));
                }
            }
            "tools/list" => {
                let tools = repeatable_tools(&text);
                self.memory().learn(tools);
            }
            _ => {}
        }
        self.tell(text.into_bytes()).await;
    }

    async fn read_stream(
        self: &Arc<Self>,
        message: &Message,
        session: &Session,
        response: Response,
    ) -> Result<(), Trouble> {
        let opened = wire::session_id(&response);
        let mut stream = Stream::new(response);
        let mut resumes = 0;
        loop {
            let broken = match stream.next(&self.wire).await {
                Ok(Some(heard)) => {
                    if let Some(text) = self.pass(heard, Some(message)).await {
                        self.answered(message, opened, text).await;
                        // Its connection is used again once the stream has come to its end.
                        self.tracker.spawn(wire::drain(stream.into_response()));
                        return Ok(());
                    }
                    resumes = 0;
                    continue;
                }
                Ok(None) => Trouble::broken("the stream ended without an answer"),
                Err(trouble) => trouble,
            };
            // A server may end a stream on purpose and be asked for its rest.
            let again = stream.last_id().filter(|_| broken.fate != Fate::Final);
            let again = again.filter(|_| message.modern().is_none() && resumes < self.retries_max);
            let Some(last_id) = again else { return Err(broken) };
            let pause = stream.retry().unwrap_or_else(|| self.pause(resumes));
            tokio::time::sleep(pause).await;
            resumes += 1;
            match self.wire.listen(session, Some(&last_id)).await {
                Ok(rest) if wire::media_type(&rest) == "text/event-stream" => stream.resume(rest),
                Ok(_) => return Err(broken),
                Err(_) => {}
            }
        }
    }

    /// Passes what came on a stream to the host. The answer to `asked` is given back instead.
    pub async fn pass(&self, heard: Heard, asked: Option<&Message>) -> Option<String> {
        let Heard { message, text } = heard;
        match message.kind() {
            Kind::Request | Kind::Notification => self.tell(text.into_bytes()).await,
            Kind::Response if asked.is_some_and(|asked| asked.id() == message.id()) => {
                return Some(text);
            }
            Kind::Response | Kind::Nonsense => {
                tracing::warn!("the server sent an answer that nobody asked for; it is dropped");
            }
        }
        None
    }

    /// Opens a session again as the host had begun it, unless somebody else has meanwhile.
    async fn renew(self: &Arc<Self>, lost: &Session) -> Result<(), Trouble> {
        let _one = self.renewing.lock().await;
        let (hello, greeted, kept) = {
            let memory = self.memory();
            if memory.session.number != lost.number {
                return Ok(());
            }
            (memory.hello.clone(), memory.greeted.clone(), memory.kept())
        };
        let failed = |why: &str| {
            let message = format!("the server lost the session, and {why}: restart the client");
            Trouble::new("session_lost", Fate::Final, message)
        };
        let Some(hello) = hello else { return Err(failed("the client never began one")) };
        let begun = tokio::time::timeout(OWN_TIME, self.begin_again(&hello)).await;
        let session = match begun {
            Ok(Ok(session)) => session,
            Ok(Err(trouble)) => return Err(failed(&trouble.message)),
            Err(_) => return Err(failed("it does not answer")),
        };
        if session.version != lost.version {
            tracing::warn!(
                was = lost.version,
                is = session.version,
                "another revision than before"
            );
        }
        for text in greeted.into_iter().chain(kept) {
            let Ok(message) = Message::read(&text) else { continue };
            let sent = self.wire.post(&message, &text, &session);
            match tokio::time::timeout(OWN_TIME, sent).await {
                Ok(Ok(response)) => wire::drain(response).await,
                Ok(Err(trouble)) => return Err(failed(&trouble.message)),
                Err(_) => return Err(failed("it does not answer")),
            }
        }
        tracing::info!("the server lost the session; it was opened again");
        self.listen();
        Ok(())
    }

    async fn begin_again(&self, hello: &str) -> Result<Session, Trouble> {
        let bad = || Trouble::new("bad_answer", Fate::Final, "it does not begin a new one");
        let message = Message::read(hello).map_err(|_| bad())?;
        let response = self.wire.post(&message, hello, &Session::default()).await?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(Trouble::of_status(
                status,
                None,
                &self.wire.refusal(response).await,
                false,
            ));
        }
        let opened = wire::session_id(&response);
        let text = if wire::media_type(&response) == "text/event-stream" {
            let mut stream = Stream::new(response);
            loop {
                let heard = stream.next(&self.wire).await?.ok_or_else(bad)?;
                if let Some(text) = self.pass(heard, Some(&message)).await {
                    self.tracker.spawn(wire::drain(stream.into_response()));
                    break text;
                }
            }
        } else {
            self.wire.body(response).await?
        };
        let version = settled_version(&text).ok_or_else(bad)?;
        Ok(self.memory().begin(opened, Some(version)))
    }

    /// Listens to what the server says unasked, in the session there is now.
    fn listen(self: &Arc<Self>) {
        let session = self.memory().session.clone();
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = listening.take() {
            before.abort();
        }
        if session.can_listen() {
            let task = super::stream::listen(Arc::clone(self), session);
            *listening = Some(self.tracker.spawn(task).abort_handle());
        }
    }

    /// Ends the session, where there is one.
    pub async fn end(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listening) = listening {
            listening.abort();
        }
        let session = self.memory().session.clone();
        if session.id.is_some() {
            self.wire.end(&session).await;
        }
    }
}
