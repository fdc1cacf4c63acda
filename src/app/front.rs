//! Answers tool calls over a running daemon: for commands in the same process and, across the
//! control socket, for others.

use super::outside::Outside;
use super::rehearsal::Rehearsal;
use super::spoken::Spoken;
use crate::daemon::Daemon;
use crate::daemon::control::{
    Answer, AnswerError, Answered, AskToken, EXPORT, FOLLOW, OPEN_PAGES, Progress, ToolRequest,
};
use crate::domain::{Principal, ProjectId, Reason, Value};
use crate::mcp::Access;
use crate::store::lock::FolderLock;
use crate::tools::{self, Context, ToolRegistry};
use async_trait::async_trait;
use chrono_tz::Tz;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// Lines of a call's own that wait to be sent on.
const LINES_MAX: usize = 64;

/// The face of a house.
pub(super) struct Front {
    pub daemon: Arc<Daemon>,
    pub tools: Arc<ToolRegistry>,
    pub me: Principal,
    pub zone: Tz,
    /// Finds out whose a token is, and lets people sign in.
    pub outside: Arc<Outside>,
    /// How a rehearsal is put together; `None` inside one.
    pub rehearsal: Option<Arc<Rehearsal>>,
    /// Messages to `stdout`, where standard output belongs to a command's result.
    pub spoken: Option<Spoken>,
    /// That of the state folder, where the store does not hold it.
    pub _lock: Option<FolderLock>,
}

#[async_trait]
impl Answer for Front {
    async fn answer(
        &self,
        request: ToolRequest,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        if let Some(dry_run) = request.dry_run {
            let Some(rehearsal) = &self.rehearsal else {
                let message = "a rehearsal inside a rehearsal";
                return Err(AnswerError::rejected(Reason::Unsupported, message));
            };
            return rehearsal.answer(request, dry_run, progress).await;
        }
        if request.token.is_none()
            && !request.assistant
            && [EXPORT, OPEN_PAGES].contains(&&*request.tool)
        {
            return self.typed(&request.tool).await;
        }
        let (principal, projects) = match &request.token {
            Some(token) => self.whose(token).await?,
            None => (self.me.clone(), Vec::new()),
        };
        let mut context =
            Context::person(principal, self.zone_of(request.zone.as_deref())).limited_to(projects);
        context.is_by_hand = !request.assistant;
        let (tell, mut lines) = mpsc::channel(LINES_MAX);
        // That runs begin is among what the daemon tells anyhow.
        if request.tool != "runPlaybook" {
            context.progress = tools::Progress::to(tell);
        }
        if request.tool == FOLLOW {
            return self.follow(request.args, &context, progress).await;
        }
        let call = self.tools.call(&request.tool, request.args, &context);
        let mut told = self.daemon.progress();
        let mut is_heard = true;
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                answer = &mut call => {
                    while let Ok(text) = lines.try_recv() {
                        let _ = progress.try_send(self.item(text));
                    }
                    while let Ok(line) = told.try_recv() {
                        self.pass_on(&context, line, &progress).await;
                    }
                    let answered: Answered = answer?.into();
                    if let Some(spoken) = &self.spoken {
                        spoken.told_by(&answered.value);
                    }
                    return Ok(answered);
                }
                Some(text) = lines.recv() => {
                    let _ = progress.try_send(self.item(text));
                }
                // Nobody waits for it any more: of several things, no other is begun.
                () = progress.closed(), if is_heard => {
                    is_heard = false;
                    lines.close();
                }
                line = told.recv() => match line {
                    // Whoever listens too slowly loses lines, never the answer.
                    Ok(line) => self.pass_on(&context, line, &progress).await,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(call.await?.into()),
                },
            }
        }
    }

    async fn close(&self) {
        self.daemon.stop_now().await;
        self.daemon.drain().await;
        if let Some(spoken) = &self.spoken {
            spoken.say_the_rest();
        }
    }
}

impl Front {
    /// What the daemon tells meanwhile, to whom what it is about is there.
    async fn pass_on(&self, context: &Context, line: Progress, to: &mpsc::Sender<Progress>) {
        if self.tools.shows_run(context, line.run.as_ref()).await {
            let _ = to.try_send(line);
        }
    }

    /// Whose token it is, and for which projects only; a token that only lets some tools be called is not enough here.
    async fn whose(&self, token: &AskToken) -> Result<(Principal, Vec<ProjectId>), AnswerError> {
        let refused = |error: &dyn std::fmt::Display| {
            AnswerError::rejected(Reason::TokenRefused, error.to_string())
        };
        let caller = self.outside.caller(&token.0).await.map_err(|denied| refused(&denied))?;
        if !caller.tools.is_empty() {
            return Err(refused(&"a token for some tools only is for HTTP, not for a pipe"));
        }
        Ok((caller.principal, caller.projects))
    }

    /// What is no tool, for whoever types alone: an assistant never gets hold of a person's session.
    async fn typed(&self, what: &str) -> Result<Answered, AnswerError> {
        if what == OPEN_PAGES {
            return self.outside.link(&self.me).await;
        }
        match self.daemon.export().await {
            Ok(()) => Ok(Answered { value: Value::Null, text: String::new() }),
            Err(error) => {
                let message = "the ledger cannot be exported";
                Err(AnswerError::fatal(Reason::StoreFailed, message, Some(&error)))
            }
        }
    }

    /// A line of a call's own.
    fn item(&self, text: String) -> Progress {
        let (at, kind) = (self.daemon.now(), "item".to_owned());
        Progress { at, kind, text, run: None, data: Value::Null }
    }

    fn zone_of(&self, asked: Option<&str>) -> Tz {
        asked.and_then(|name| name.parse().ok()).unwrap_or(self.zone)
    }

    /// What a run has done, and then what it does, until it has ended.
    async fn follow(
        &self,
        args: Value,
        context: &Context,
        progress: mpsc::Sender<Progress>,
    ) -> Result<Answered, AnswerError> {
        let mut told = self.daemon.progress();
        let shown = self.tools.call("showRun", args.clone(), context).await?;
        let run = shown.value.get("id").or_else(|| shown.value.get("run")?.get("id")).cloned();
        let id = run.as_ref().and_then(Value::as_text).unwrap_or_default().to_owned();
        if !self.daemon.is_running(&id).await {
            return Ok(shown.into());
        }
        loop {
            match told.recv().await {
                Ok(line) if line.run.as_ref().is_some_and(|run| run.as_str() == id) => {
                    let ended = line.kind == "ended";
                    if progress.send(line).await.is_err() {
                        return Ok(Answered::default());
                    }
                    if ended {
                        break;
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) if self.daemon.is_running(&id).await => {}
                Err(_) => break,
            }
        }
        Ok(self.tools.call("showRun", args, context).await?.into())
    }
}
