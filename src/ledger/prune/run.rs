//! Runs that are forgotten. In one commit the run leaves every list and is noted as forgotten; the
//! rows of its transcript and effects follow in steps. So nobody ever sees a run with half its
//! effects, which could be undone by half.

use super::super::records::{self, Found, Record};
use super::super::{Ledger, Result, keys};
use super::{PAGE, Step, further, older_than, rows_of};
use crate::domain::{Run, RunId};
use crate::store::Batch;

impl Ledger {
    /// Runs that ended before; where to go on, `None` at the end.
    pub(super) async fn prune_runs(
        &self,
        step: &mut Step,
        after: Option<String>,
    ) -> Result<Option<String>> {
        let list = keys::runs_all();
        let after = further(after, older_than(&list, step.before));
        let page: Vec<(String, Record<RunId>)> =
            records::scan(self.store.as_ref(), &list, Some(&after), PAGE.min(step.left)).await?;
        let mut end = None;
        for (place, id) in page {
            let key = keys::run(&id.value);
            match self.find::<Run>(&key).await? {
                Found::Known(run) if is_over(&run.value, step) => {
                    self.forget(step, &key, &run).await?;
                }
                Found::Known(_) | Found::Newer => step.spend(1),
                Found::Nothing => self.drop_row(step, &place).await?,
            }
            end = Some(place);
            if step.left == 0 {
                break;
            }
        }
        Ok(end)
    }

    async fn forget(&self, step: &mut Step, key: &str, run: &Record<Run>) -> Result<()> {
        let places = self.places_of(&run.value);
        let rows = rows_of(places.len());
        let batch = records::remove(Batch::new(), key, run);
        let batch = places.into_iter().fold(batch, Batch::delete);
        let note = keys::forgotten(&run.value.id);
        let batch = records::put::<_, ()>(batch, &note, &run.value.id, None)?;
        if self.try_commit(batch).await? {
            step.remove(rows);
        }
        Ok(())
    }

    /// The rows that forgotten runs have left; where to go on, `None` at the end.
    pub(super) async fn prune_forgotten(&self, step: &mut Step) -> Result<Option<String>> {
        let page: Vec<(String, Record<RunId>)> =
            records::scan(self.store.as_ref(), keys::FORGOTTEN, None, PAGE).await?;
        let is_last = page.len() < PAGE;
        for (note, id) in page {
            if !self.clear(step, &id.value).await? {
                return Ok(Some(note));
            }
            let of_lines = [keys::transcript_head(&id.value), keys::transcript_prompts(&id.value)];
            let batch = of_lines.into_iter().fold(Batch::new(), Batch::delete);
            self.store.commit(batch.delete(note.as_str())).await?;
            step.remove(3);
        }
        Ok((!is_last).then(|| keys::FORGOTTEN.to_owned()))
    }

    /// Removes rows of a run; true when none is left but those that only a newer Rota can read.
    async fn clear(&self, step: &mut Step, run: &RunId) -> Result<bool> {
        let lists = [keys::transcript(run), keys::effects(run), keys::notices_of(run)];
        let parts = lists.clone().map(|list| keys::parts_under(&list));
        // The lists first: what is kept there keeps its parts.
        let mut kept: Vec<String> = Vec::new();
        for prefix in lists.iter().chain(&parts) {
            let mut after: Option<String> = None;
            loop {
                if step.left == 0 {
                    return Ok(false);
                }
                let rows = self.store.scan(prefix, after.as_deref(), PAGE.min(step.left)).await?;
                let Some(last) = rows.last() else { break };
                after = Some(last.key.clone());
                let mut batch = Batch::new();
                for row in rows {
                    let is_part = kept.iter().any(|parts| row.key.starts_with(parts));
                    // What is kept spends nothing: it is met again by the next step, and where it spent
                    // that one, too, there would be no end.
                    if is_part {
                        continue;
                    }
                    if records::is_marked(self.store.as_ref(), &row).await? {
                        if row.value.first() == Some(&records::PARTS_MARK) {
                            kept.push(keys::parts_under(&format!("{}/", row.key)));
                        }
                    } else {
                        step.remove(1);
                        batch = batch.delete(row.key);
                    }
                }
                if !batch.deletes.is_empty() {
                    self.store.commit(batch).await?;
                }
            }
        }
        Ok(true)
    }
}

fn is_over(run: &Run, step: &Step) -> bool {
    run.ended.is_some_and(|ended| ended < step.before)
        && run.task.is_none_or(|task| !step.spared.tasks.contains(&task))
        && !step.spared.occurrences.contains(&run.occurrence)
}
