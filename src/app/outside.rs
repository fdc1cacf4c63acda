//! The house as clients from outside see it: who they are, and what they may have done.

use super::lately::Lately;
use crate::board::Board;
use crate::clock::Clock;
use crate::domain::{
    ActivityId, ActivityQuery, Entity, Initiative, Person, Principal, RunId, Token, TokenId,
    TokenKind, Value,
};
use crate::ledger::{Ledger, OutsideSession, TokenRefusal};
use crate::mcp::http::{KeptSession, SessionError, SessionKeeper};
use crate::mcp::{About, Access, CallError, Called, Caller, Calls, Denied, News, NewsError};
use crate::tools::{Context, Progress, ToolKind, ToolRegistry};
use async_trait::async_trait;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

/// The id of a caller with a token begins so.
const TOKEN: &str = "token ";
/// The id of a caller without one.
const ANYBODY: &str = "anybody";

/// What stands behind `/mcp`.
pub(super) struct Outside {
    pub ledger: Arc<Ledger>,
    pub board: Arc<dyn Board>,
    pub tools: Arc<ToolRegistry>,
    /// Whoever started the daemon: who somebody without a token is, where none is asked for.
    pub me: Principal,
    pub zone: Tz,
    /// Calls that go on when their caller does not wait for them.
    pub calls: TaskTracker,
    /// Room for those that change something.
    pub changes: Arc<Semaphore>,
    /// For what is told of a calendar.
    pub clock: Arc<dyn Clock>,
    /// For whoever listens.
    pub lately: Lately,
}

/// Tools whose work goes on elsewhere and takes its time: whoever calls them only waits for it.
const ONLY_WAITS: &[&str] = &["runPlaybook", "stopRun"];
/// Calls that change something and are under way at one time; more wait.
pub(super) const CHANGES_MAX: usize = 64;

impl Outside {
    pub(super) fn as_caller(&self, id: String, principal: Principal) -> Caller {
        let (tools, projects, selection) = Default::default();
        Caller { id, principal, zone: self.zone, tools, projects, selection, run: None }
    }

    async fn person_of(&self, token: &Token) -> Result<Person, Denied> {
        let people = self.board.people().await.map_err(|e| Denied::Unavailable(Box::new(e)))?;
        let found = people.into_iter().find(|person| person.id == token.person);
        found.ok_or_else(|| Denied::NoUser { name: token.name.clone() })
    }

    /// Whoever has this token, with what it leaves of their rights.
    pub(super) async fn caller_of(&self, token: Token) -> Result<Caller, Denied> {
        let person = self.person_of(&token).await?;
        Ok(self.with_token(token, person))
    }

    fn with_token(&self, token: Token, person: Person) -> Caller {
        let role = person.role.min(token.role);
        let by = match token.kind {
            TokenKind::Personal => Initiative::Person,
            TokenKind::Service => Initiative::Service(token.name.clone()),
        };
        let principal = Principal { person: Person { role, ..person }, by };
        let caller = self.as_caller(format!("{TOKEN}{}", token.id), principal);
        Caller { tools: token.tools, projects: token.projects, ..caller }
    }

    /// Whoever has this token, looked at again; as they were, while the board does not say. `None`: nobody of
    /// the board.
    pub(super) async fn by_now(&self, token: Token, before: &Caller) -> Option<Caller> {
        let Some(people) = self.people_lately().await else { return Some(before.clone()) };
        let person = people.iter().find(|person| person.id == token.person)?.clone();
        Some(self.with_token(token, person))
    }

    /// Everybody, as the board had them a moment ago; `None`: it does not say.
    pub(super) async fn people_lately(&self) -> Option<Arc<[Person]>> {
        self.lately.people(self.board.as_ref(), self.clock.as_ref()).await
    }

    /// Calls a tool. What changes something is never dropped half-way: what was begun under a claim is
    /// written down to its end.
    pub(super) async fn carry_out(
        &self,
        context: Context,
        tool: &str,
        args: Value,
    ) -> Result<Called, CallError> {
        if self.tools.kind(tool) == Some(ToolKind::Read) || ONLY_WAITS.contains(&tool) {
            return Ok(self.tools.call(tool, args, &context).await?.into());
        }
        let slot = Arc::clone(&self.changes).acquire_owned().await;
        let slot = slot.map_err(|_| CallError::of("unavailable", "the daemon is ending"))?;
        let (tools, tool) = (Arc::clone(&self.tools), tool.to_owned());
        let calling = async move {
            let answer = tools.call(&tool, args, &context).await;
            drop(slot);
            answer
        };
        match self.calls.spawn(calling).await {
            Ok(answer) => Ok(answer?.into()),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::of("unavailable", "the daemon is ending")),
            },
        }
    }
}

#[async_trait]
impl Access for Outside {
    async fn caller(&self, credential: &SecretString) -> Result<Caller, Denied> {
        let token = self.ledger.check_token(credential).await.map_err(denied)?;
        self.caller_of(token).await
    }

    async fn anybody(&self) -> Result<Caller, Denied> {
        Ok(self.as_caller(ANYBODY.to_owned(), self.me.clone()))
    }

    async fn still_counts(&self, caller: &str) -> bool {
        let Some(id) = caller.strip_prefix(TOKEN) else { return caller == ANYBODY };
        matches!(self.ledger.token_counts(&TokenId::new(id)).await, Ok(true))
    }

    async fn still(&self, before: &Caller) -> Option<Caller> {
        let Some(id) = before.id.strip_prefix(TOKEN) else {
            return if before.id == ANYBODY { self.anybody().await.ok() } else { None };
        };
        let token = self.ledger.counting_token(&TokenId::new(id)).await.ok()??;
        let now = self.by_now(token, before).await?;
        Some(Caller { selection: before.selection.clone(), ..now })
    }

    async fn again(&self, before: &Caller, credential: Option<&SecretString>) -> Option<Caller> {
        let Some(credential) = credential else { return self.anybody().await.ok() };
        let token = self.ledger.check_token(credential).await.ok()?;
        self.by_now(token, before).await
    }
}

pub(super) fn denied(refusal: TokenRefusal) -> Denied {
    match refusal {
        TokenRefusal::Unknown => Denied::Unknown,
        TokenRefusal::Revoked { name } => Denied::Revoked { name },
        TokenRefusal::Expired { name } => Denied::Expired { name },
        TokenRefusal::Failed(error) => Denied::Unavailable(Box::new(error)),
    }
}

#[async_trait]
impl Calls for Outside {
    async fn call(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        told: mpsc::Sender<String>,
    ) -> Result<Called, CallError> {
        let mut context = context_of(caller);
        context.progress = Progress::to(told);
        self.carry_out(context, tool, args).await
    }

    async fn call_for_run(
        &self,
        caller: &Caller,
        tool: &str,
        args: Value,
        begun: mpsc::Sender<RunId>,
    ) -> Result<Called, CallError> {
        let mut context = context_of(caller);
        context.progress = Progress::of_runs(begun);
        self.carry_out(context, tool, args).await
    }
}

#[async_trait]
impl SessionKeeper for Outside {
    async fn load(&self, id: &str) -> Result<Option<KeptSession>, SessionError> {
        let found = self.ledger.outside_session(id).await.map_err(not_kept)?;
        let id = id.to_owned();
        Ok(found.map(|OutsideSession { owner, handshake, subscribed, .. }| KeptSession {
            id,
            owner,
            handshake,
            subscribed,
        }))
    }

    async fn keep(&self, session: &KeptSession) -> Result<(), SessionError> {
        let KeptSession { id, owner, handshake, .. } = session;
        self.ledger.keep_outside_session(id, owner, handshake).await.map_err(not_kept)
    }

    async fn subscribe(&self, id: &str, uri: &str, wants: bool) -> Result<(), SessionError> {
        self.ledger.subscribe_outside_session(id, uri, wants).await.map_err(not_kept)
    }

    async fn forget(&self, id: &str) -> Result<(), SessionError> {
        self.ledger.forget_outside_session(id).await.map_err(not_kept)
    }
}

/// At most so many rows are looked at at once; the rest is told the next time. Half of what is remembered of
/// events: whoever reads quickly loses none of them.
const NEWS_MAX: usize = 500;

#[async_trait]
impl News for Outside {
    async fn since(&self, last: Option<i64>) -> Result<(BTreeSet<About>, i64), NewsError> {
        let failed = |error: crate::board::BoardError| NewsError(Box::new(error));
        let Some(last) = last else {
            let latest = self.board.latest_activity().await.map_err(failed)?;
            return Ok((BTreeSet::new(), latest.0));
        };
        let after = Some(ActivityId(last));
        let query = ActivityQuery { after, limit: NEWS_MAX, ..ActivityQuery::default() };
        let rows = self.board.activity(&query).await.map_err(failed)?.items;
        let now = rows.last().map_or(last, |row| row.id.0);
        let about = rows.iter().flat_map(|row| {
            let task = row.task.map(About::Task);
            let project = match row.entity {
                Entity::Project(id) => Some(About::Project(id)),
                _ => None,
            };
            task.into_iter().chain(project)
        });
        Ok((about.collect(), now))
    }

    async fn sees(&self, caller: &Caller, about: About) -> bool {
        let entity = match about {
            About::Task(task) => Entity::Task(task),
            About::Project(project) => Entity::Project(project),
        };
        self.tools.shows(&context_of(caller), entity).await
    }

    async fn sees_run(&self, caller: &Caller, run: Option<&str>) -> bool {
        let run = run.map(RunId::new);
        self.tools.shows_run(&context_of(caller), run.as_ref()).await
    }
}

/// Somebody outside any run.
pub(super) fn context_of(caller: &Caller) -> Context {
    Context::person(caller.principal.clone(), caller.zone).limited_to(caller.projects.clone())
}

fn not_kept(error: crate::ledger::LedgerError) -> SessionError {
    SessionError(Box::new(error))
}
