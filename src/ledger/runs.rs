//! Runs, the definitions they ran with, and their transcripts.
//!
//! Every list that is asked for has its own index, newest first, written in the run's commit.

use super::records::{self, Found, Record, contended};
use super::{Ledger, LedgerError, Result, TRIES_MAX, keys};
use crate::domain::{
    HandOver, Notice, PlaybookName, Rounds, Run, RunId, RunState, TaskId, Timestamp, Value,
};
use crate::store::Batch;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// A search looks at so many runs at most.
const LOOKED_AT_MAX: usize = 100_000;
/// So many of a list are read together.
const TOGETHER: usize = 64;
/// So many lines of a transcript are written in one commit.
const LINES_MAX: usize = 64;
/// The kind of the lines that hold what the work was told.
pub const PROMPT: &str = "prompt";
/// Of so many of a run, the first, it is noted where they stand.
const PROMPTS_MAX: usize = 16;
/// Earlier versions did not note that: theirs are looked for among so many first lines.
const FIRST_LINES: usize = 16;

/// Which runs; every part narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this playbook.
    pub playbook: Option<PlaybookName>,
    /// About this task.
    pub task: Option<TaskId>,
    /// In this state.
    pub state: Option<RunState>,
    /// Started at this instant or later.
    pub since: Option<Timestamp>,
    /// Those that come after this one; none when it is not there.
    pub after: Option<RunId>,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// What sort: `prompt`, `model`, `tool`, `retry`, `compact`, `work`, `note`.
    pub kind: String,
    /// The text.
    pub text: String,
    /// Its parts by name, for those who read it by program; earlier versions kept none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl LogLine {
    /// A line without parts.
    pub fn new(at: Timestamp, kind: &str, text: impl Into<String>) -> Self {
        Self { at, kind: kind.to_owned(), text: text.into(), data: Value::Null }
    }
}

/// A line and its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// Its number in the run's transcript, from 1.
    pub number: u64,
    /// The line.
    #[serde(flatten)]
    pub line: LogLine,
}

impl Ledger {
    /// Records a run that starts, and keeps the definition it runs with under its hash.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when another run has its id.
    pub async fn start_run(&self, run: &Run, definition: &str) -> Result<()> {
        let (key, source) = (keys::run(&run.id), keys::definition(&run.definition));
        for _ in 0..TRIES_MAX {
            if let Some(found) = self.read::<Run>(&key).await? {
                return if found.value == *run { Ok(()) } else { Err(conflict(run, "it exists")) };
            }
            let mut batch = records::create(Batch::new(), &key, run)?;
            if matches!(self.find::<String>(&source).await?, Found::Nothing) {
                batch = records::create(batch, &source, &definition)?;
            }
            let batch = self.use_definition(batch, run).await?;
            if self.try_commit(self.index_run(batch, None, run)?).await? {
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Changes a run that has not ended, and does not end it.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: it has ended, or would, or a later claim carries it out;
    /// [`LedgerError::NotFound`].
    pub async fn update_run(&self, run: &Run) -> Result<()> {
        if run.ended.is_some() {
            return Err(conflict(run, "it is to be finished, not updated"));
        }
        self.write_run(run, &[], (None, None)).await
    }

    /// The one outcome of a run, with what people are told of it, in one commit. Finishing it
    /// again in the same way changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`]: it has ended otherwise, or a later claim carries it out;
    /// [`LedgerError::NotFound`].
    pub async fn finish_run(&self, run: &Run, notices: Vec<Notice>) -> Result<()> {
        if run.ended.is_none() || run.state == RunState::Running {
            return Err(conflict(run, "it says neither how nor when it ended"));
        }
        self.write_run(run, &notices, (None, None)).await
    }

    /// The same of a run that hands its task over to a person, who finds it in the queue from then on.
    ///
    /// # Errors
    /// As for [`Ledger::finish_run`].
    pub async fn finish_handed_over(
        &self,
        run: &Run,
        notices: Vec<Notice>,
        hand_over: &HandOver,
    ) -> Result<()> {
        self.write_run(run, &notices, (Some(hand_over), None)).await
    }

    /// The same of a run that ends with what waits for a person, with how far a review has come, with
    /// both or with neither.
    ///
    /// # Errors
    /// As for [`Ledger::finish_run`].
    pub async fn finish_with(
        &self,
        run: &Run,
        notices: Vec<Notice>,
        with: (Option<&HandOver>, Option<&Rounds>),
    ) -> Result<()> {
        if run.ended.is_none() || run.state == RunState::Running {
            return Err(conflict(run, "it says neither how nor when it ended"));
        }
        self.write_run(run, &notices, with).await
    }

    /// A run by its id or the beginning of it, with or without `r-`; `None` if there is none.
    ///
    /// # Errors
    /// [`LedgerError::Ambiguous`] when several begin so.
    pub async fn run(&self, id_or_prefix: &str) -> Result<Option<Run>> {
        let asked = id_or_prefix.trim();
        if asked.is_empty() {
            return Ok(None);
        }
        for id in [asked.to_owned(), format!("r-{asked}")] {
            let key = keys::run(&RunId::new(id));
            if let Some(found) = self.read::<Run>(&key).await? {
                return Ok(Some(found.value));
            }
            let mut found = records::scan::<Run>(self.store.as_ref(), &key, None, 2).await?;
            if found.len() > 1 {
                return Err(LedgerError::Ambiguous { prefix: asked.to_owned() });
            }
            if let Some((_, run)) = found.pop() {
                return Ok(Some(run.value));
            }
        }
        Ok(None)
    }

    /// Runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`]: the one after which they are asked for is not there (any more).
    pub async fn runs(&self, filter: &RunFilter, limit: usize) -> Result<Vec<Run>> {
        // The shortest list that holds them all; few runs are under way at a time.
        let list = match (filter.task, &filter.playbook, filter.state) {
            (Some(task), _, _) => keys::runs_of_task(&self.options.board, task),
            (None, Some(playbook), state) if state != Some(RunState::Running) => {
                keys::runs_of_playbook(playbook)
            }
            (None, _, Some(state)) => keys::runs_in_state(state),
            (None, _, None) => keys::runs_all(),
        };
        let (mut runs, mut looked_at) = (Vec::new(), 0);
        let mut after: Option<String> = None;
        if let Some(id) = &filter.after {
            let gone = || LedgerError::NotFound { what: format!("run {id}") };
            let shown = self.read::<Run>(&keys::run(id)).await?.ok_or_else(gone)?;
            after = Some(keys::run_in(&list, shown.value.started, id));
        }
        while runs.len() < limit && looked_at < LOOKED_AT_MAX {
            let rows = records::PAGE.min(limit.max(16));
            let page: Vec<(String, Record<RunId>)> =
                records::scan(self.store.as_ref(), &list, after.as_deref(), rows).await?;
            let Some((end, _)) = page.last() else { break };
            after = Some(end.clone());
            // Not the whole page at once: the first of them may be older than what is asked for.
            for ids in page.chunks(TOGETHER) {
                let names: Vec<String> = ids.iter().map(|(_, id)| keys::run(&id.value)).collect();
                for found in records::find_all::<Run>(self.store.as_ref(), &names).await? {
                    looked_at += 1;
                    let Found::Known(Record { value: run, .. }) = found else { continue };
                    if filter.since.is_some_and(|since| run.started < since) {
                        return Ok(runs);
                    }
                    if filter.fits(&run) && runs.len() < limit {
                        runs.push(run);
                    }
                }
            }
        }
        Ok(runs)
    }

    /// How many runs of a playbook started at this instant or later.
    pub async fn runs_started_since(
        &self,
        playbook: &PlaybookName,
        since: Timestamp,
    ) -> Result<u32> {
        let list = keys::runs_of_playbook(playbook);
        let oldest = format!("{list}{}", keys::descending(since));
        let (mut count, mut after) = (0_u32, None::<String>);
        loop {
            let page = self.store.scan(&list, after.as_deref(), records::PAGE).await?;
            for row in &page {
                // The key's instant alone, without the id after it.
                if row.key.get(..oldest.len()).is_none_or(|key| key > oldest.as_str()) {
                    return Ok(count);
                }
                count = count.saturating_add(1);
            }
            match page.last() {
                Some(end) => after = Some(end.key.clone()),
                None => return Ok(count),
            }
        }
    }

    /// Runs under way, newest first.
    pub async fn running(&self) -> Result<Vec<Run>> {
        let filter = RunFilter { state: Some(RunState::Running), ..RunFilter::default() };
        self.runs(&filter, LOOKED_AT_MAX).await
    }

    /// The text of the definition that is kept under a hash.
    pub async fn definition(&self, hash: &str) -> Result<Option<String>> {
        Ok(self.read(&keys::definition(hash)).await?.map(|record| record.value))
    }

    /// Appends to a run's transcript, in order. Many lines may become several commits.
    pub async fn log(&self, run: &RunId, lines: &[LogLine]) -> Result<()> {
        for lines in lines.chunks(LINES_MAX) {
            self.log_some(run, lines).await?;
        }
        Ok(())
    }

    /// Lines after this number, in order, at most `limit`; 0 for the beginning.
    pub async fn transcript(
        &self,
        run: &RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<TranscriptLine>> {
        let prefix = keys::transcript(run);
        let after = format!("{prefix}{}", keys::number(after));
        let lines = records::scan(self.store.as_ref(), &prefix, Some(&after), limit).await?;
        Ok(lines.into_iter().map(|(_, record)| record.value).collect())
    }

    /// The lines that hold what the work was told, in order, wherever they stand.
    pub async fn prompts(&self, run: &RunId) -> Result<Vec<TranscriptLine>> {
        let known: Option<Record<Vec<u64>>> = self.read(&keys::transcript_prompts(run)).await?;
        let Some(known) = known else {
            let mut first = self.transcript(run, 0, FIRST_LINES).await?;
            first.retain(|line| line.line.kind == PROMPT);
            return Ok(first);
        };
        let mut prompts = Vec::with_capacity(known.value.len());
        for number in known.value {
            let key = format!("{}{}", keys::transcript(run), keys::number(number));
            let found: Option<Record<TranscriptLine>> = self.read(&key).await?;
            prompts.extend(found.map(|record| record.value));
        }
        Ok(prompts)
    }

    /// The number of the last line of a run's transcript; 0 where it has none.
    pub async fn transcript_end(&self, run: &RunId) -> Result<u64> {
        let head: Option<Record<u64>> = self.read(&keys::transcript_head(run)).await?;
        Ok(head.map_or(0, |head| head.value))
    }

    async fn log_some(&self, run: &RunId, lines: &[LogLine]) -> Result<()> {
        let head_key = keys::transcript_head(run);
        for _ in 0..TRIES_MAX {
            let head: Option<Record<u64>> = self.read(&head_key).await?;
            let mut number = head.as_ref().map_or(0, |head| head.value);
            let mut batch = Batch::new();
            let mut prompts = Vec::new();
            for line in lines {
                number += 1;
                if line.kind == PROMPT {
                    prompts.push(number);
                }
                let key = format!("{}{}", keys::transcript(run), keys::number(number));
                let line = TranscriptLine { number, line: line.clone() };
                batch = records::put::<_, ()>(batch, &key, &line, None)?;
            }
            let batch = records::replace(batch, &head_key, &number, head.as_ref())?;
            let batch = self.note_prompts(batch, (run, head.is_none()), prompts).await?;
            if self.try_commit(batch).await? {
                return Ok(());
            }
        }
        Err(contended(head_key))
    }

    /// Adds to a commit where in a transcript, which may have no line before, the work is told something.
    async fn note_prompts(
        &self,
        batch: Batch,
        (run, is_new): (&RunId, bool),
        numbers: Vec<u64>,
    ) -> Result<Batch> {
        if numbers.is_empty() {
            return Ok(batch);
        }
        let key = keys::transcript_prompts(run);
        let known: Option<Record<Vec<u64>>> = if is_new { None } else { self.read(&key).await? };
        let mut all: Vec<u64> = match &known {
            Some(known) => known.value.clone(),
            None if is_new => Vec::new(),
            // Those of an earlier version, if it began then.
            None => self.prompts(run).await?.iter().map(|line| line.number).collect(),
        };
        all.extend(numbers);
        all.truncate(PROMPTS_MAX);
        Ok(records::replace(batch, &key, &all, known.as_ref())?)
    }

    async fn write_run(
        &self,
        run: &Run,
        notices: &[Notice],
        (hand_over, rounds): (Option<&HandOver>, Option<&Rounds>),
    ) -> Result<()> {
        let key = keys::run(&run.id);
        let _turn = match run.ended {
            Some(_) => Some(self.spending.lock().await),
            None => None,
        };
        for _ in 0..TRIES_MAX {
            let Some(found) = self.read::<Run>(&key).await? else {
                return Err(LedgerError::NotFound { what: format!("run {}", run.id) });
            };
            if found.value == *run {
                // Its notices were in the same commit.
                return Ok(());
            }
            if found.value.ended.is_some() {
                return Err(conflict(run, "it has ended"));
            }
            if found.value.started != run.started || found.value.playbook != run.playbook {
                return Err(conflict(run, "it began otherwise"));
            }
            // Whoever finishes it after a lost claim has a larger fence (C2 of the record).
            let batch = self.under_fence(Batch::new(), run).await?;
            let Some(batch) = batch.filter(|_| found.value.fence <= run.fence) else {
                return Err(conflict(run, "a later claim carries it out"));
            };
            let batch = records::replace(batch, &key, run, Some(&found))?;
            let batch = self.index_run(batch, Some(&found.value), run)?;
            let mut batch = self.notices_batch(batch, notices, Some(&run.id)).await?;
            if run.ended.is_some() {
                batch = self.settle_budget(batch, run).await?;
                batch = self.ending_batch(batch, run).await?;
            }
            if let Some(hand_over) = hand_over {
                batch = self.hand_over_batch(batch, hand_over).await?;
            }
            if let Some(rounds) = rounds {
                batch = self.rounds_batch(batch, rounds).await?;
            }
            if self.try_commit(batch).await? {
                if let Some(house) = self.counts().filter(|_| run.ended.is_some()) {
                    house.run_ended(run);
                }
                return Ok(());
            }
        }
        Err(contended(key))
    }

    /// Lets a run's record be written only while no later claim is held under its name; `None` when
    /// one is.
    async fn under_fence(&self, batch: Batch, run: &Run) -> Result<Option<Batch>> {
        let (Some(task), Some(fence)) = (run.task, run.fence) else { return Ok(Some(batch)) };
        let found = match self.claim_record(task).await {
            Err(error) if records::is_newer(&error) => return Ok(None),
            found => found?,
        };
        let is_taken_over = found.as_ref().is_some_and(|record| {
            let claim = &record.value;
            claim.run == run.id && claim.fence > fence && claim.holder.is_some()
        });
        let version = found.map(|record| record.version);
        let key = keys::claim(&self.options.board, task);
        Ok((!is_taken_over).then(|| batch.check(key, version)))
    }

    /// A run's places in the lists.
    fn index_run(&self, batch: Batch, old: Option<&Run>, run: &Run) -> Result<Batch> {
        let mut batch = batch;
        if let Some(old) = old.filter(|old| old.state != run.state) {
            let list = keys::runs_in_state(old.state);
            batch = batch.delete(keys::run_in(&list, old.started, &old.id));
        }
        for key in self.places_of(run) {
            batch = records::put::<_, ()>(batch, &key, &run.id, None)?;
        }
        Ok(batch)
    }

    /// Where a run stands in the lists.
    pub(super) fn places_of(&self, run: &Run) -> Vec<String> {
        let task = run.task.map(|task| keys::runs_of_task(&self.options.board, task));
        let playbook = keys::runs_of_playbook(&run.playbook);
        let state = keys::runs_in_state(run.state);
        let lists = [keys::runs_all(), playbook, state].into_iter().chain(task);
        lists.map(|list| keys::run_in(&list, run.started, &run.id)).collect()
    }

    /// Notes that a definition is in use, to the day.
    async fn use_definition(&self, batch: Batch, run: &Run) -> Result<Batch> {
        let key = keys::definition_used(&run.definition);
        match self.find::<Timestamp>(&key).await? {
            Found::Known(used) if run.started - used.value < TimeDelta::days(1) => {
                return Ok(batch);
            }
            Found::Newer => return Ok(batch),
            Found::Known(_) | Found::Nothing => {}
        }
        Ok(records::put::<_, ()>(batch, &key, &run.started, None)?)
    }
}

impl RunFilter {
    fn fits(&self, run: &Run) -> bool {
        self.playbook.as_ref().is_none_or(|playbook| run.playbook == *playbook)
            && self.task.is_none_or(|task| run.task == Some(task))
            && self.state.is_none_or(|state| run.state == state)
    }
}

fn conflict(run: &Run, why: &str) -> LedgerError {
    LedgerError::Conflict { what: format!("run {}", run.id), why: why.to_owned() }
}
