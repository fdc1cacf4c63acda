//! The seam to the ledger: what the guard needs of the journal of effects and of claims.

use super::desk::{
    DeskError, Feeds, IssuedToken, LinesAsk, OccurrenceQuery, RecordAsk, Records, Repeats,
    RunQuery, RunRecord, Sessions, Tokens,
};
use super::outer::Pins;
use super::writes::Writes;
use crate::domain::{
    Claim, Effect, EffectResult, Fence, Mark, NewToken, Occurrence, OccurrenceId, PersonId,
    PlaybookName, Reason, Run, RunId, TaskId, Timestamp, Token, Value,
};
use crate::ledger::{
    AuditEntry, AuditVerdict, ClaimError, Issued, Ledger, LedgerError, PROMPT, PageSession, Pin,
    Repeat, RunFilter,
};
use async_trait::async_trait;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::time::Duration;

/// The journal of effects.
///
/// When [`Journal::intend`] returns, the intent survives `kill -9` and a power cut.
#[async_trait]
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Writes down an effect that is about to be done. With `once`, an effect of the same playbook
    /// and key that was done before is not intended again.
    async fn intend(
        &self,
        effect: &Effect,
        once: Option<(&PlaybookName, &str)>,
    ) -> Result<Intended, JournalError>;

    /// Writes down what came of it.
    async fn conclude(&self, mark: &Mark, result: EffectResult) -> Result<(), JournalError>;

    /// Whether this is still the task's claim, held by this run.
    async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), JournalError>;
}

/// What the journal said to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intended {
    /// It is written down; go on.
    Journaled,
    /// The `once` key was used: this earlier effect did it.
    DoneBefore(Mark),
    /// The mark is another effect's: whoever held the run's claim before wrote that down.
    Taken,
}

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The claim has ended or is another run's.
    #[error("the claim of task {task} is no longer this run's")]
    ClaimLost {
        /// The task.
        task: TaskId,
        /// `claim_lost`, `stale_fence`, or why it ended (`person_took_over`, `force_released`).
        reason: Reason,
    },
    /// It is too large to be journaled: nothing was done.
    #[error("{0}")]
    TooLarge(String),
    /// The store failed.
    #[error("the journal failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[async_trait]
impl Journal for Ledger {
    async fn intend(
        &self,
        effect: &Effect,
        once: Option<(&PlaybookName, &str)>,
    ) -> Result<Intended, JournalError> {
        let once = once.map(|(playbook, key)| (playbook.clone(), key.to_owned()));
        match Self::intend(self, effect, once).await {
            Ok(()) => Ok(Intended::Journaled),
            Err(LedgerError::AlreadyDone { mark }) => Ok(Intended::DoneBefore(mark)),
            Err(LedgerError::Conflict { .. }) => Ok(Intended::Taken),
            Err(error) => Err(error.into()),
        }
    }

    async fn conclude(&self, mark: &Mark, result: EffectResult) -> Result<(), JournalError> {
        Self::conclude(self, mark, result, Vec::new()).await.map_err(Into::into)
    }

    async fn check_fence(
        &self,
        task: TaskId,
        fence: Fence,
        run: &RunId,
    ) -> Result<(), JournalError> {
        match Self::check_fence(self, task, fence, run).await {
            Ok(()) => Ok(()),
            Err(ClaimError::Store(error)) => Err(JournalError::Failed(Box::new(error))),
            Err(ClaimError::Lost { reason, .. }) => Err(JournalError::ClaimLost { task, reason }),
            Err(_) => Err(JournalError::ClaimLost { task, reason: Reason::ClaimLost }),
        }
    }
}

impl From<LedgerError> for JournalError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::TooLarge { .. } => Self::TooLarge(error.to_string()),
            error => Self::Failed(Box::new(error)),
        }
    }
}

/// Some lines of a transcript.
#[expect(clippy::struct_field_names, reason = "they are what it holds, beside how many there are")]
struct Lines {
    prompt: String,
    lines: Vec<Value>,
    earlier: u64,
    all: u64,
}

/// The lines that are asked for; what the work was told is apart, and whole, whichever they are.
async fn lines_of(ledger: &Ledger, run: &RunId, ask: LinesAsk) -> Result<Lines, LedgerError> {
    let all = ledger.transcript_end(run).await?;
    let end = ask.before.map_or(all, |before| all.min(before.saturating_sub(1)));
    let earlier = end.saturating_sub(u64::try_from(ask.most).unwrap_or(u64::MAX));
    let told = ledger.prompts(run).await?.into_iter();
    let mut prompts: BTreeMap<u64, String> =
        told.map(|line| (line.number, line.line.text)).collect();
    let most = usize::try_from(end - earlier).unwrap_or(usize::MAX);
    let found = if most > 0 { ledger.transcript(run, earlier, most).await? } else { Vec::new() };
    let mut lines = Vec::new();
    for line in found {
        if line.line.kind == PROMPT {
            prompts.insert(line.number, line.line.text);
        } else {
            lines.push(crate::tools::show::value(&line));
        }
    }
    let prompt: Vec<String> = prompts.into_values().collect();
    Ok(Lines { prompt: prompt.join("\n"), lines, earlier, all })
}

/// The writes that are asked for, and whether there are others, which only a newer Rota can read. Where lines
/// before one are asked for, those writes that had begun when it was written.
async fn writes_of(
    ledger: &Ledger,
    run: &RunId,
    ask: RecordAsk,
) -> Result<(Writes, bool), LedgerError> {
    let until = match ask.lines.before.filter(|_| ask.writes.before.is_none()) {
        Some(before) => ledger.transcript(run, before.saturating_sub(1), 1).await?.pop(),
        None => None,
    };
    let mut writes = Writes::new(ask.writes, until.map(|line| line.line.at));
    let has_newer = ledger.walk_effects(run, |effect| writes.add(effect)).await?;
    Ok((writes, has_newer))
}

#[async_trait]
impl Records for Ledger {
    async fn claims(&self) -> Result<(Vec<Claim>, Vec<TaskId>), DeskError> {
        let error = |source: ClaimError| failed("reading the claims", source);
        self.claims_and_newer().await.map_err(error)
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, DeskError> {
        let filter = RunFilter {
            playbook: query.playbook.clone(),
            task: query.task,
            state: query.state,
            after: query.after.clone(),
            ..RunFilter::default()
        };
        Self::runs(self, &filter, query.limit).await.map_err(|e| unpaged("reading the runs", e))
    }

    async fn occurrences(&self, query: &OccurrenceQuery) -> Result<Vec<Occurrence>, DeskError> {
        let (playbook, after) = (query.playbook.as_ref(), query.after.as_ref());
        let found = self.occurrences_after(playbook, after, query.limit).await;
        found.map_err(|error| unpaged("reading the occurrences", error))
    }

    async fn occurrence(&self, id: &OccurrenceId) -> Result<Option<Occurrence>, DeskError> {
        let found = Self::occurrence(self, id).await;
        found.map_err(|error| failed("reading the occurrence", error))
    }

    async fn audit(&self) -> Result<AuditVerdict, DeskError> {
        self.verify().await.map_err(|error| failed("reading the audit log", error))
    }

    async fn audit_log(
        &self,
        limit: usize,
        before: Option<u64>,
    ) -> Result<Vec<AuditEntry>, DeskError> {
        let found = Self::audit_log(self, limit, before).await;
        found.map_err(|error| failed("reading the audit log", error))
    }

    async fn task_of(&self, run: &RunId) -> Result<Option<Option<TaskId>>, DeskError> {
        let found = Self::run(self, run.as_str()).await;
        let found = found.map_err(|error| failed("reading the run", error))?;
        Ok(found.map(|run| run.task))
    }

    async fn run(&self, run: &RunId, ask: RecordAsk) -> Result<Option<RunRecord>, DeskError> {
        let error = |source: LedgerError| match source {
            LedgerError::Ambiguous { .. } => DeskError::NotFound(source.to_string()),
            source => failed("reading the run", source),
        };
        let Some(run) = Self::run(self, run.as_str()).await.map_err(error)? else {
            return Ok(None);
        };
        let lines = lines_of(self, &run.id, ask.lines).await.map_err(error)?;
        let (writes, has_newer_writes) = writes_of(self, &run.id, ask).await.map_err(error)?;
        let writes = writes.told(&run);
        Ok(Some(RunRecord {
            occurrence: self.occurrence(&run.occurrence).await.map_err(error)?,
            effects: writes.effects,
            earlier_writes: writes.earlier,
            writes: writes.all,
            has_newer_writes,
            evidence: writes.evidence,
            definition: self.definition(&run.definition).await.map_err(error)?.unwrap_or_default(),
            prompt: lines.prompt,
            transcript: lines.lines,
            earlier: lines.earlier,
            lines: lines.all,
            run,
        }))
    }

    async fn effects(&self, run: &RunId) -> Result<Vec<Effect>, DeskError> {
        let error = |source: LedgerError| failed("reading what a run wrote", source);
        match Self::run(self, run.as_str()).await.map_err(error)? {
            Some(run) => Self::effects(self, &run.id).await.map_err(error),
            None => Ok(Vec::new()),
        }
    }
}

/// Why there is no page: where it was to go on may be gone by now.
fn unpaged(doing: &'static str, error: LedgerError) -> DeskError {
    match error {
        LedgerError::NotFound { what } => DeskError::Refused {
            reason: Reason::InvalidArguments,
            message: format!("cursor: there is no {what} (any more); begin at the first page"),
        },
        error => failed(doing, error),
    }
}

#[async_trait]
impl Tokens for Ledger {
    async fn issue(&self, new: NewToken, by: &str) -> Result<IssuedToken, DeskError> {
        self.issue_token(new, by).await.map(issued).map_err(|e| of_token("making a token", e))
    }

    async fn list(&self) -> Result<Vec<Token>, DeskError> {
        self.tokens().await.map_err(|error| of_token("reading the tokens", error))
    }

    async fn revoke(&self, which: &str, by: &str) -> Result<Token, DeskError> {
        let revoked = self.revoke_token(which, by).await;
        revoked.map_err(|error| of_token("revoking a token", error))
    }

    async fn rotate(
        &self,
        which: &str,
        overlap: Duration,
        by: &str,
    ) -> Result<IssuedToken, DeskError> {
        let rotated = self.rotate_token(which, overlap, by).await;
        rotated.map(issued).map_err(|error| of_token("rotating a token", error))
    }
}

#[async_trait]
impl Sessions for Ledger {
    async fn sessions(&self) -> Result<Vec<PageSession>, DeskError> {
        self.page_sessions().await.map_err(|error| failed("reading the sessions", error))
    }

    async fn end_sessions(
        &self,
        person: PersonId,
        which: Option<&str>,
        by: &str,
    ) -> Result<usize, DeskError> {
        let ended = self.end_page_sessions(person, which, by).await;
        ended.map_err(|error| failed("ending sessions", error))
    }
}

#[async_trait]
impl Repeats for Ledger {
    async fn begin(&self, who: &str, key: &str, call: &str) -> Result<Repeat, DeskError> {
        let begun = self.begin_repeatable(who, key, call).await;
        begun.map_err(|error| failed("reading what was called before", error))
    }

    async fn end(&self, who: &str, key: &str, answer: Option<Value>) -> Result<(), DeskError> {
        let ended = self.end_repeatable(who, key, answer).await;
        ended.map_err(|error| failed("keeping an answer", error))
    }
}

#[async_trait]
impl Feeds for Ledger {
    async fn since(&self, person: PersonId) -> Result<Option<Timestamp>, DeskError> {
        let since = self.feed_since(person).await;
        since.map_err(|error| failed("reading a calendar's address", error))
    }

    async fn make(&self, person: PersonId, by: &str) -> Result<SecretString, DeskError> {
        let made = self.make_feed(person, by).await;
        made.map_err(|error| failed("making a calendar's address", error))
    }

    async fn end(&self, person: PersonId, by: &str) -> Result<bool, DeskError> {
        let ended = self.end_feed(person, by).await;
        ended.map_err(|error| failed("ending a calendar's address", error))
    }
}

#[async_trait]
impl Pins for Ledger {
    async fn pins(&self) -> Result<Vec<Pin>, DeskError> {
        Self::pins(self).await.map_err(|error| failed("reading the accepted tools", error))
    }

    async fn accept(&self, tool: &str, fingerprint: &str, by: &str) -> Result<Pin, DeskError> {
        let accepted = self.accept_tool(tool, fingerprint, by).await;
        accepted.map_err(|error| failed("accepting a tool", error))
    }
}

fn issued(Issued { token, secret }: Issued) -> IssuedToken {
    IssuedToken { token, secret }
}

fn of_token(what: &str, error: LedgerError) -> DeskError {
    match error {
        LedgerError::NotFound { .. } => DeskError::NotFound(error.to_string()),
        LedgerError::Conflict { .. } => {
            DeskError::Refused { reason: Reason::InvalidArguments, message: error.to_string() }
        }
        error => failed(what, error),
    }
}

fn failed(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> DeskError {
    DeskError::Failed { what: what.to_owned(), source: Some(Box::new(source)) }
}
