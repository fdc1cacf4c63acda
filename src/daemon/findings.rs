//! What a reviewer found: collected from the journal, told in one comment, remembered for the next
//! round, which looks only at what changed and at what is open.

use super::brief::text_of;
use super::earlier;
use super::independence::author_of;
use super::reviews;
use super::telling::{alarmed, notice, text_body};
use super::worker::{Worker, board_trouble, store_trouble};
use crate::domain::{
    CODE_COMMENT, EffectActor, EffectResult, Finding, LinkTarget, Notice, Outcome, PersonId,
    PersonKind, Playbook, Reason, ReviewSource, Rounds, Run, RunState, StatusId, Task, TaskId,
    Value, Verdict, blockers, bounded, link_to, most_severe_first, settled_by,
};
use crate::ledger::{LedgerError, RunFilter};
use crate::runner::{WorkEnd, Workspace};
use std::fmt::Write as _;

/// So many characters of findings stand in one comment; the rest is counted.
const COMMENT_CHARS_MAX: usize = 12_000;
/// So many stand in a prompt.
const PROMPT_CHARS_MAX: usize = 40_000;
/// At most so many words of others since the last look stand in a prompt.
const ANSWERS_MAX: usize = 20;
/// At most so many runs are counted for rounds of which no record is kept.
const RUNS_MAX: usize = 100;

/// What is known once a reviewer has looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// What is open, by number.
    pub open: Vec<Finding>,
    /// The numbers of what this look settled.
    pub settled: Vec<u32>,
    /// The highest number that a finding has had.
    pub numbered: u32,
}

impl Worker {
    /// How far the review of the run's task had come before this run.
    pub(super) async fn rounds_before(&self) -> Result<Option<Rounds>, LedgerError> {
        match self.run.task {
            Some(task) => self.parts.ledger.rounds(task).await,
            None => Ok(None),
        }
    }

    /// Which look at the task this is, from 1: what was approved begins anew.
    pub(super) async fn round(&self) -> Result<u32, WorkEnd> {
        let trouble = |error: LedgerError| store_trouble(&error);
        if let Some(before) = self.rounds_before().await.map_err(trouble)? {
            return Ok(match before.verdict {
                Verdict::Approved => 1,
                Verdict::ChangesRequested => before.round.saturating_add(1),
            });
        }
        // Earlier versions kept no record: the runs say it.
        let playbook = Some(self.run.playbook.clone());
        let filter = RunFilter { playbook, task: self.run.task, ..RunFilter::default() };
        let runs = self.parts.ledger.runs(&filter, RUNS_MAX).await.map_err(trouble)?;
        let sent_back = |run: &&Run| run.id != self.run.id && run.reason == Some(Reason::SentBack);
        let earlier = runs.iter().filter(sent_back).count();
        Ok(u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1))
    }

    /// The review as templates see it: for the reviewer its round, for the author what is asked for.
    pub(super) async fn put_review(&mut self, task: TaskId, runs: &[Run]) {
        let (count, said) = reviews::rounds(&self.parts, task, runs).await;
        let before = self.rounds_before().await.unwrap_or_default();
        let open = before.filter(|before| before.verdict == Verdict::ChangesRequested);
        let is_reviewer = self.job.playbook.reviews();
        if !is_reviewer && said.is_none() {
            return;
        }
        let round = match &open {
            _ if is_reviewer => self.round().await.unwrap_or(1),
            Some(open) => open.round,
            None => count,
        };
        let findings = open.as_ref().map(|open| open.findings.clone()).unwrap_or_default();
        let said = said.map(|said| format!("{said}{}", in_words(&findings)));
        let max = self.job.playbook.review.rounds.max(round);
        let (listed, left_out) = self.described(findings, PROMPT_CHARS_MAX, open.as_ref());
        let answers = match &open {
            Some(open) => self.answers_to(open).await,
            None => Vec::new(),
        };
        self.brief.put(
            "review",
            Value::map([
                ("round", Value::from(round)),
                ("rounds", max.into()),
                ("rounds_max", max.into()),
                ("findings", said.into()),
                ("open_findings", listed.into()),
                ("left_out", left_out.into()),
                ("since", open.and_then(|open| open.commit).into()),
                ("answers", answers.into()),
                ("settled", Value::List(Vec::new())),
            ]),
        );
    }

    /// What others have said on the task since the last look.
    async fn answers_to(&self, open: &Rounds) -> Vec<Value> {
        let said = self.parts.journal.said_since(open.task, Some(open.heard), None).await;
        let (Ok(said), Ok(people)) = (said, self.parts.board.people().await) else {
            return Vec::new();
        };
        let own = &self.job.playbook.agent;
        let mut answers: Vec<Value> = said
            .iter()
            .filter_map(|comment| {
                let author = people.iter().find(|person| person.id == comment.author)?;
                let is_own = author.name.eq_ignore_ascii_case(own);
                (!is_own).then(|| {
                    Value::map([
                        ("author", Value::from(author.name.as_str())),
                        ("is_agent", (author.kind == PersonKind::Agent).into()),
                        ("text", comment.text.as_str().into()),
                        ("at", text_of(comment.created).into()),
                    ])
                })
            })
            .collect();
        let cut = answers.len().saturating_sub(ANSWERS_MAX);
        answers.drain(..cut);
        answers
    }

    /// The commit that a reviewer finds in its workspace is written down before anything is found;
    /// what is to be told of the workspace.
    pub(super) async fn begin_review(
        &mut self,
        workspace: Option<&Workspace>,
    ) -> Result<Option<String>, WorkEnd> {
        let Some(workspace) = workspace.filter(|_| self.job.playbook.reviews()) else {
            return Ok(None);
        };
        let (looked_at, note) = self.work_to_review(workspace).await?.unzip();
        self.run.looked_at = looked_at;
        let updated = self.parts.ledger.update_run(&self.run).await;
        updated.map_err(|error| store_trouble(&error))?;
        Ok(note.flatten())
    }

    /// What is open after this run, by its journal and that of the runs that it goes on with.
    pub(super) async fn found(&self) -> Result<Found, LedgerError> {
        let before = self.rounds_before().await?;
        let (open, mut numbered) = match before {
            Some(before) if before.verdict == Verdict::ChangesRequested => {
                (before.findings, before.numbered)
            }
            _ => (Vec::new(), 0),
        };
        let mut noted = Vec::new();
        let earlier = earlier::runs_before(&self.parts, &self.run).await?;
        for run in earlier.iter().rev().chain([&self.run]) {
            for effect in self.parts.ledger.effects(&run.id).await? {
                let is_noted = effect.actor == EffectActor::Agent && effect.tool == CODE_COMMENT;
                if let Some(EffectResult::Done { after, .. }) = effect.result.filter(|_| is_noted) {
                    noted.extend(read(&after));
                }
            }
        }
        let highest = open.iter().chain(&noted).map(|finding| finding.number).max();
        numbered = numbered.max(highest.unwrap_or(0));
        let is_settled = |number: u32, after: &[Finding]| after.iter().all(|f| f.number != number);
        let known: Vec<u32> = open.iter().chain(&noted).map(|finding| finding.number).collect();
        let open = settled_by(open, noted);
        let mut settled: Vec<u32> =
            known.into_iter().filter(|number| is_settled(*number, &open)).collect();
        settled.sort_unstable();
        settled.dedup();
        Ok(Found { open, settled, numbered })
    }

    /// What a reviewer may settle, and whose numbers are taken: what was noted before this attempt.
    pub(super) async fn found_before(&self) -> Result<Vec<Finding>, WorkEnd> {
        if !self.job.playbook.reviews() {
            return Ok(Vec::new());
        }
        let Found { mut open, numbered, .. } =
            self.found().await.map_err(|error| store_trouble(&error))?;
        let last = open.iter().map(|finding| finding.number).max().unwrap_or(0);
        if numbered > last {
            // Settled long ago; only its number is still known.
            open.push(Finding { number: numbered, is_settled: true, ..Finding::default() });
        }
        Ok(open)
    }

    /// The findings for the templates of an outcome.
    pub(super) async fn put_findings(&mut self) {
        let found = if self.job.playbook.reviews() { self.found().await } else { return };
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(run = %self.run.id, %error, "the findings could not be read");
            Found::default()
        });
        let (listed, left_out) = self.described(found.open, COMMENT_CHARS_MAX, None);
        self.brief.put("findings", listed);
        if let Some(Value::Map(review)) = self.brief.get("review") {
            let mut review = review.clone();
            let settled: Vec<Value> = found.settled.into_iter().map(Value::from).collect();
            review.insert("settled".to_owned(), settled.into());
            review.insert("left_out".to_owned(), left_out.into());
            self.brief.put("review", Value::Map(review));
        }
    }

    /// Findings as templates see them, the most severe first: as many as fit, and how many do not.
    fn described(
        &self,
        findings: Vec<Finding>,
        chars_max: usize,
        before: Option<&Rounds>,
    ) -> (Vec<Value>, u32) {
        let own = self.run.looked_at.as_ref().and_then(|looked| looked.commit.as_deref());
        let commit = own.or(before.and_then(|before| before.commit.as_deref()));
        let link = self.job.playbook.workspace.as_ref().and_then(|rules| rules.link.as_deref());
        let source = self.review_source();
        let branch = source.as_ref().and_then(|source| source.reference.as_deref());
        let linked = |finding: &Finding| {
            let path = finding.file.as_deref()?;
            link_to(link?, &LinkTarget { commit, branch, path, line: finding.line })
        };
        describe(findings, chars_max, linked)
    }

    /// Where the reviewed work comes from.
    fn review_source(&self) -> Option<ReviewSource> {
        let source = self.job.playbook.workspace.as_ref()?.source.as_ref()?;
        let origin = self.origin(source).ok()?;
        Some(ReviewSource { repository: origin.repository, reference: origin.reference })
    }

    /// What a person wrote goes back to them, not to the playbook that agents' work goes back to: to
    /// whoever had the task before the review, else to its author.
    pub(super) async fn to_its_author(
        &self,
        outcome: Outcome,
        task: &Task,
    ) -> Result<Outcome, WorkEnd> {
        if outcome.rework.is_none() {
            return Ok(outcome);
        }
        let author = author_of(&self.parts, task, &self.run.playbook).await;
        let author = author.map_err(|error| store_trouble(&error))?;
        if author.playbook.is_some() {
            return Ok(outcome);
        }
        let people = self.parts.board.people().await.map_err(|error| board_trouble(&error))?;
        let is_person = |id: &PersonId| {
            people.iter().any(|person| person.id == *id && person.kind == PersonKind::Person)
        };
        let before = self.held.as_ref().and_then(|held| held.claim.before.assignee);
        let whom = before.filter(is_person).or(author.person);
        let assign = outcome.assign.clone().or(whom.map(|person| person.to_string()));
        Ok(Outcome { rework: None, assign, ..outcome })
    }

    /// An approval while something is open that must not be taken in is none.
    pub(super) async fn without_open_blockers(
        &self,
        name: &str,
        verdict: Option<Verdict>,
        end: WorkEnd,
    ) -> WorkEnd {
        if verdict != Some(Verdict::Approved) || !self.job.playbook.reviews() {
            return end;
        }
        let open = match self.found().await {
            Ok(found) => found.open,
            Err(error) => return store_trouble(&error),
        };
        let count = blockers(&open);
        let Some(first) = most_severe_first(open).into_iter().next().filter(|_| count > 0) else {
            return end;
        };
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let detail = format!(
            "outcome {name:?} needs that no blocker is open, and finding {}{more} is",
            first.number
        );
        WorkEnd { state: RunState::Unverified, reason: Reason::Unverified, detail, ..end }
    }

    /// How far the review has come with this run; written with its end.
    pub(super) async fn note_rounds(
        &mut self,
        task: &Task,
        (verdict, is_over): (Verdict, bool),
        status: StatusId,
    ) -> Result<(), WorkEnd> {
        if !self.job.playbook.reviews() {
            return Ok(());
        }
        let store = |error: LedgerError| store_trouble(&error);
        let found = self.found().await.map_err(store)?;
        let author = author_of(&self.parts, task, &self.run.playbook).await.map_err(store)?;
        let heard = self.parts.journal.last_comment(task.id).await;
        // What only finishes another run's work has looked at nothing itself.
        let before = earlier::runs_before(&self.parts, &self.run).await.map_err(store)?;
        let looks = std::iter::once(&self.run).chain(&before);
        let looked_at = looks.into_iter().find_map(|run| run.looked_at.clone()).unwrap_or_default();
        self.rounds = Some(Rounds {
            task: task.id,
            round: self.round().await?,
            reviewer: self.run.playbook.clone(),
            run: self.run.id.clone(),
            verdict,
            is_over,
            author,
            status,
            findings: bounded(found.open),
            numbered: found.numbered,
            commit: looked_at.commit,
            pushed: looked_at.pushed,
            source: self.review_source(),
            heard: heard.map_err(|error| board_trouble(&error))?,
            at: self.parts.clock.wall(),
        });
        Ok(())
    }

    /// That a person decides now, for whoever hears alarms.
    pub(super) async fn last_round(&self, playbook: &Playbook) -> Vec<Notice> {
        let Some(rounds) = self.rounds.as_ref().filter(|rounds| rounds.is_over) else {
            return Vec::new();
        };
        let (name, task, round) = (&playbook.name, rounds.task, rounds.round);
        let headline = self.parts.board.task(task).await.map(|task| task.headline);
        let text = format!(
            "{name}: after round {round} of {} a person decides about task {task} ({}); findings that \
             are still open: {}. Look with `rota review list`.",
            playbook.review.rounds,
            headline.unwrap_or_default(),
            rounds.findings.len()
        );
        let key = format!("last-round:{}", self.run.id);
        let to = alarmed(playbook);
        to.iter().map(|to| notice(&self.parts, &key, to, text_body(text.clone()))).collect()
    }

    /// What a hand-over says, with what is open where a person decides now.
    pub(super) fn with_findings(&self, summary: &str) -> String {
        match &self.rounds {
            Some(rounds) if rounds.is_over => format!("{summary}{}", in_words(&rounds.findings)),
            _ => summary.to_owned(),
        }
    }
}

/// A finding as the journal holds it.
fn read(value: &Value) -> Option<Finding> {
    let finding: Finding = serde_json::from_value(serde_json::to_value(value).ok()?).ok()?;
    (finding.number > 0).then_some(finding)
}

/// Findings as templates see them, as many as fit in so many characters, cut at a finding.
fn describe(
    findings: Vec<Finding>,
    chars_max: usize,
    link: impl Fn(&Finding) -> Option<String>,
) -> (Vec<Value>, u32) {
    let findings = most_severe_first(bounded(findings));
    let (mut listed, mut chars, mut heads) = (Vec::new(), 0_usize, None);
    let count = findings.len();
    for finding in findings {
        let suggestion = finding.suggestion.as_deref().unwrap_or_default();
        let place = finding.to_string();
        chars += place.len() + finding.text.len() + suggestion.len();
        if chars > chars_max && !listed.is_empty() {
            break;
        }
        let begins_group = heads != Some(finding.severity);
        heads = Some(finding.severity);
        listed.push(Value::map([
            ("number", Value::from(finding.number)),
            ("place", place.as_str().into()),
            ("file", finding.file.as_deref().into()),
            ("line", finding.line.into()),
            ("link", link(&finding).into()),
            ("severity", finding.severity.to_string().into()),
            ("begins_group", begins_group.into()),
            ("text", indented(&finding.text).into()),
            ("suggestion", finding.suggestion.as_deref().map(indented).into()),
        ]));
    }
    let left_out = u32::try_from(count - listed.len()).unwrap_or(u32::MAX);
    (listed, left_out)
}

/// A text of several lines as one item of a list.
fn indented(text: &str) -> String {
    let lines = text.trim().lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n  ")
}

/// Findings in words, each on a line of its own; the first line is empty.
fn in_words(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut left = PROMPT_CHARS_MAX;
    for (at, finding) in most_severe_first(findings.to_vec()).into_iter().enumerate() {
        let (number, severity, place) = (finding.number, finding.severity, finding.to_string());
        let mut line = format!("\n- finding {number}, {severity}, {place}: {}", finding.text);
        if let Some(suggestion) = &finding.suggestion {
            let _ = write!(line, " Suggested: {suggestion}");
        }
        if line.len() > left {
            let _ = write!(text, "\n- and {} more", findings.len() - at);
            break;
        }
        left -= line.len();
        text.push_str(&line);
    }
    if text.is_empty() { text } else { format!("\n\nOpen findings:{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;

    fn finding(number: u32, severity: Severity, text: &str) -> Finding {
        Finding {
            number,
            file: Some("src/lib.rs".into()),
            line: Some(number),
            severity,
            text: text.to_owned(),
            suggestion: None,
            is_settled: false,
        }
    }

    #[test]
    fn findings_are_told_most_severe_first_and_cut_at_a_finding() {
        let long = "x".repeat(900);
        let findings = vec![
            finding(1, Severity::Note, &long),
            finding(2, Severity::Blocker, "a\n\nb"),
            finding(3, Severity::Blocker, &long),
        ];
        let (listed, left_out) = describe(findings, 1_000, |_| None);
        let numbers: Vec<_> = listed.iter().filter_map(|f| f.get("number")?.as_int()).collect();
        assert_eq!((numbers, left_out), (vec![2, 3], 1));
        let begins = |f: &Value| f.get("begins_group").and_then(Value::as_bool).unwrap();
        assert!(begins(&listed[0]) && !begins(&listed[1]));
        assert_eq!(listed[0].get("text"), Some(&"a\n  b".into()));
    }

    #[test]
    fn what_is_no_finding_is_none() {
        assert_eq!(read(&Value::from("text")), None);
        assert_eq!(read(&Value::map([("number", 1)])), None);
        let odd = Value::map([
            ("number", Value::from(0)),
            ("severity", "note".into()),
            ("text", "x".into()),
        ]);
        assert_eq!(read(&odd), None);
    }
}
