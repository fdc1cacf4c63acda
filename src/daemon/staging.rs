//! A staged run's end: what it proposes waits for a person, and its claim with it.

use super::announce::claim_trouble;
use super::earlier;
use super::worker::{Worker, store_trouble};
use crate::domain::{Proposal, ProposalState, Reason, RunState, Staging, Task, Verdict, to_delta};
use crate::ledger::ClaimError;
use crate::runner::WorkEnd;

impl Worker {
    /// Lets everything that was proposed wait for a person; `None`: nothing was.
    pub(super) async fn stage(
        &mut self,
        task: &Task,
        end: &WorkEnd,
    ) -> Result<Option<WorkEnd>, WorkEnd> {
        let unread = |error: crate::ledger::LedgerError| store_trouble(&error);
        let before = earlier::runs_before(&self.parts, &self.run).await.map_err(unread)?;
        let proposed = earlier::proposed(&self.parts, &before, &self.run).await.map_err(unread)?;
        if proposed.is_empty() {
            return Ok(None);
        }
        let items = proposed.into_iter().map(|(number, effect)| Proposal {
            number,
            mark: effect.mark,
            state: ProposalState::Open,
            why: String::new(),
        });
        let since = self.parts.clock.wall();
        let new = Staging {
            task: task.id,
            run: self.run.id.clone(),
            playbook: self.run.playbook.clone(),
            since,
            until: since + to_delta(self.job.playbook.review.apply_within),
            outcome: end.outcome.clone(),
            summary: end.summary.clone(),
            items: items.collect(),
            decided: None,
            expired: false,
            closed: None,
        };
        // Before the claim waits for a decision about them: whoever decides finds them.
        self.parts.ledger.put_staging(&new).await.map_err(unread)?;
        let stands = self.parts.ledger.staging(task.id).await.map_err(unread)?.unwrap_or(new);
        // Whoever applies them begins with a marker of their own.
        self.close_marker().await;
        let detail = match stands.items.len() {
            1 => "one write is proposed".to_owned(),
            count => format!("{count} writes are proposed"),
        };
        if let Some(held) = &mut self.held {
            let (ledger, what) = (&self.parts.ledger, (detail.as_str(), &self.run.id));
            let mut parked = ledger.park_staged(held, what, stands.until).await;
            if matches!(parked, Err(ClaimError::Store(_))) {
                // Whether it waits is unknown; letting it wait alike twice is allowed.
                parked = ledger.park_staged(held, what, stands.until).await;
            }
            parked.map_err(|error| claim_trouble(&error))?;
        }
        let (state, reason) = (RunState::Waiting, Reason::Proposed);
        Ok(Some(WorkEnd { state, reason, detail, ..end.clone() }))
    }
}

/// What a decision comes to, as one word for people.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approved => "applies",
        Verdict::ChangesRequested => "rejects",
    }
}
