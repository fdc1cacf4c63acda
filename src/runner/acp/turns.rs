//! The turns of a session: initialize, open or load, prompt, remind once, cancel.

use super::permissions::{Policy, answer};
use super::shown::Shown;
use super::{Grant, lines};
use crate::runner::grant::SERVER_NAME;
use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    AuthMethod, AuthenticateRequest, CancelNotification, ContentBlock, EnvVariable, ErrorCode,
    HttpHeader, Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest,
    McpServer, McpServerHttp, McpServerStdio, NewSessionRequest, PromptRequest,
    RequestPermissionRequest, SessionId, StopReason, TextContent,
};
use agent_client_protocol::{Agent, Client, Error, JsonRpcRequest, Lines};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;

/// An agent that has called `finish` ends its turn by itself; if not in this time, it is told to.
const FINISH_GRACE: Duration = Duration::from_secs(10);
/// How long a cancelled turn may take to end.
const CANCEL_TIME: Duration = Duration::from_secs(4);
/// A way to log in whose name holds this needs a key and nobody.
const KEY: &str = "api-key";
const REMINDER: &str = "You have ended your turn without ending the work. Go on with it, or end it: \
    call the tool finish of the MCP server rota with one of the outcomes.";

/// What is needed to talk.
pub(super) struct Talk {
    pub prompt: String,
    /// The session to go on with, where the agent can load it.
    pub earlier: Option<Earlier>,
    pub folder: PathBuf,
    pub turns_max: u32,
    pub grant: Arc<Grant>,
    pub policy: Policy,
    pub shown: Arc<Shown>,
    /// The run has to end.
    pub cancel: CancellationToken,
}

/// A session of an earlier run, in which a person was asked.
pub(super) struct Earlier {
    pub id: String,
    /// What is said in it first.
    pub told: String,
    /// What it had cost.
    pub cost_micros: u64,
}

/// How a talk ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It ended its turns without naming an outcome, or it named one: the tally knows.
    Silent,
    /// It used up its turns.
    TurnsSpent(u32),
    /// Its model stopped.
    Stopped(String),
    /// It does not keep to the protocol, or went away.
    Broken(String),
}

/// How one turn ended.
enum Turn {
    Ended(StopReason),
    /// We ended it; it does not matter how.
    Over,
}

impl Talk {
    /// Talks with an agent to the end.
    pub(super) async fn with(self, to: ChildStdin, from: ChildStdout) -> Said {
        let transport = Lines::new(lines::outgoing(to), lines::incoming(from, self.shown.clone()));
        let (policy, shown, cancel) =
            (self.policy.clone(), self.shown.clone(), self.cancel.clone());
        let said = Client
            .v1()
            .name("rota")
            .on_receive_request(
                async move |ask: RequestPermissionRequest, responder, _| {
                    responder.respond(answer(&policy, &shown, ask, cancel.is_cancelled()))
                },
                agent_client_protocol::on_receive_request!(),
            )
            .connect_with(transport, async |agent: ConnectionTo<Agent>| self.turns(&agent).await)
            .await;
        said.unwrap_or_else(|error| Said::Broken(told(&error)))
    }

    async fn turns(&self, agent: &ConnectionTo<Agent>) -> Result<Said, Error> {
        let me = Implementation::new("rota", env!("CARGO_PKG_VERSION"));
        let greeting = InitializeRequest::new(ProtocolVersion::V1).client_info(me);
        let greeted = agent.send_request(greeting).block_task().await?;
        if greeted.protocol_version != ProtocolVersion::V1 {
            return Ok(Said::Broken("it does not speak version 1 of the protocol".to_owned()));
        }
        let opened = match self.load(agent, &greeted).await {
            Some(loaded) => Ok(loaded),
            None => self.open(agent, &greeted).await,
        };
        if is_login_wanted(&opened) {
            let message = "it wants somebody to log in; log in once as this user, or name its key in \
                           work.env";
            return Ok(Said::Broken(message.to_owned()));
        }
        let (session, mut prompt) = opened?;
        if greeted.agent_capabilities.load_session {
            self.shown.in_session(&session.0);
        }
        if self.earlier.is_some() {
            // Only now it is known what that is.
            self.shown.prompt(prompt);
        }
        for turn in 1..=self.turns_max {
            self.shown.turn();
            let reason = match self.turn(agent, &session, prompt).await? {
                Turn::Over => return Ok(Said::Silent),
                Turn::Ended(reason) => reason,
            };
            self.shown.flush();
            if self.is_over() {
                return Ok(Said::Silent);
            }
            match reason {
                StopReason::EndTurn if turn > 1 => return Ok(Said::Silent),
                StopReason::EndTurn => prompt = REMINDER,
                other => return Ok(Said::Stopped(stopped(other))),
            }
        }
        Ok(Said::TurnsSpent(self.turns_max))
    }

    /// A new session, and the prompt that begins it.
    async fn open(
        &self,
        agent: &ConnectionTo<Agent>,
        greeted: &InitializeResponse,
    ) -> Result<(SessionId, &str), Error> {
        let server = self.server(greeted.agent_capabilities.mcp_capabilities.http);
        let open = NewSessionRequest::new(self.folder.clone()).mcp_servers(vec![server]);
        Ok((logged_in(agent, greeted, open).await?.session_id, self.prompt.as_str()))
    }

    /// The session in which a person was asked, and what is said in it now; `None`: it cannot be gone on
    /// with, and a new one begins by the prompt.
    async fn load(
        &self,
        agent: &ConnectionTo<Agent>,
        greeted: &InitializeResponse,
    ) -> Option<(SessionId, &str)> {
        let earlier = self.earlier.as_ref()?;
        if !greeted.agent_capabilities.load_session {
            self.shown.line("(it cannot load a session any more; a new one begins)");
            return None;
        }
        let server = self.server(greeted.agent_capabilities.mcp_capabilities.http);
        let id = SessionId::new(earlier.id.as_str());
        let load = LoadSessionRequest::new(id.clone(), self.folder.clone());
        // What was said before is shown again, and was told then.
        self.shown.begin_replay(earlier.cost_micros);
        let loaded = logged_in(agent, greeted, load.mcp_servers(vec![server])).await;
        self.shown.end_replay(loaded.is_ok());
        match loaded {
            Ok(_) => {
                self.shown.line("(the session in which it asked goes on with the answer)");
                Some((id, earlier.told.as_str()))
            }
            Err(error) => {
                let why = told(&error);
                self.shown
                    .line(&format!("(its session cannot be loaded, a new one begins: {why})"));
                None
            }
        }
    }

    /// The run's tools, by the way that the agent knows.
    fn server(&self, speaks_http: bool) -> McpServer {
        let (url, token) = (self.grant.url(), self.grant.secret());
        if speaks_http {
            let bearer = HttpHeader::new("Authorization", format!("Bearer {token}"));
            return McpServer::Http(McpServerHttp::new(SERVER_NAME, url).headers(vec![bearer]));
        }
        let bridge = McpServerStdio::new(SERVER_NAME, self.grant.program());
        let env = vec![EnvVariable::new("ROTA_TOKEN", token)];
        McpServer::Stdio(bridge.args(vec!["bridge".to_owned(), url]).env(env))
    }

    fn is_over(&self) -> bool {
        self.grant.is_over() || self.cancel.is_cancelled() || self.shown.spent().is_some()
    }

    /// One turn; cancelled when the run has to end.
    async fn turn(
        &self,
        agent: &ConnectionTo<Agent>,
        session: &SessionId,
        prompt: &str,
    ) -> Result<Turn, Error> {
        let text = ContentBlock::Text(TextContent::new(prompt));
        let asked = PromptRequest::new(session.clone(), vec![text]);
        let answer = agent.send_request(asked).block_task();
        tokio::pin!(answer);
        let finished = async {
            self.grant.over().await;
            tokio::time::sleep(FINISH_GRACE).await;
        };
        tokio::select! {
            answer = &mut answer => return answer.map(|answer| Turn::Ended(answer.stop_reason)),
            () = self.cancel.cancelled() => {}
            () = self.shown.until_spent() => {}
            () = finished => {}
        }
        agent.send_notification(CancelNotification::new(session.clone()))?;
        // However it ends now, it is over.
        let _ = tokio::time::timeout(CANCEL_TIME, answer).await;
        Ok(Turn::Over)
    }
}

/// Asks for a session; where the agent wants a login and can read a key from its environment, it is told
/// to first: that needs nobody.
async fn logged_in<R: JsonRpcRequest + Clone>(
    agent: &ConnectionTo<Agent>,
    greeted: &InitializeResponse,
    ask: R,
) -> Result<R::Response, Error> {
    let answer = agent.send_request(ask.clone()).block_task().await;
    let by_key = greeted.auth_methods.iter().map(AuthMethod::id).find(|id| id.0.contains(KEY));
    let Some(method) = by_key.filter(|_| is_login_wanted(&answer)) else { return answer };
    agent.send_request(AuthenticateRequest::new(method.clone())).block_task().await?;
    agent.send_request(ask).block_task().await
}

fn is_login_wanted<T>(answer: &Result<T, Error>) -> bool {
    answer.as_ref().is_err_and(|error| error.code == ErrorCode::AuthRequired)
}

fn stopped(reason: StopReason) -> String {
    match reason {
        StopReason::MaxTokens => "it used up its model's tokens",
        StopReason::MaxTurnRequests => "it used up the requests of one turn",
        StopReason::Refusal => "its model refused to go on",
        StopReason::Cancelled => "it cancelled its turn by itself",
        _ => "it stopped for a reason that is not known",
    }
    .to_owned()
}

/// An error of the protocol, in a line.
fn told(error: &Error) -> String {
    const CHARS_MAX: usize = 500;
    let data = error.data.as_ref().map(|data| format!(" ({data})")).unwrap_or_default();
    let all = format!("the protocol broke off: {}{data}", error.message);
    all.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
