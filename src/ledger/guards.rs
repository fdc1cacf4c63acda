//! What keeps agents from keeping each other busy, task by task: how often it changed hands between
//! them since a person acted, and how deep a task is that agents made for agents.

use super::records::{self, Found, Record, contended};
use super::{Ledger, NEWER, Result, TRIES_MAX, keys};
use crate::domain::{
    ActivityId, Effect, EffectActor, EffectResult, Entity, Exchange, MAKES_TASKS, OccurrenceId,
    PlaybookName, Run, TaskId, Timestamp,
};
use crate::store::Batch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many tasks that are stopped are looked at together.
const TASKS_MAX: usize = 1_000;

/// A place in a list: when what it points to was written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct At {
    pub(super) at: Timestamp,
}

/// How deep something is that agents delegated.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Depth {
    depth: u32,
    at: Timestamp,
}

impl Ledger {
    /// Agents' writes on a task since a person acted on it.
    ///
    /// # Errors
    /// Also where only a newer Rota can read how many there were.
    pub async fn exchange(&self, task: TaskId) -> Result<Option<Exchange>> {
        let key = keys::exchange(&self.options.board, task);
        Ok(self.read(&key).await?.map(|record| record.value))
    }

    /// Those of the tasks that changed hands so often, or more often.
    pub async fn exchanges_of(&self, count: u32) -> Result<BTreeMap<TaskId, Exchange>> {
        let list = keys::exchanges_by_count(&self.options.board);
        let mut found = BTreeMap::new();
        for task in self.tasks_from(&list, count).await? {
            let exchange = match self.find(&keys::exchange(&self.options.board, task)).await? {
                Found::Known(exchange) => exchange.value,
                Found::Nothing => continue,
                Found::Newer => Self::uncounted(ActivityId(0), self.clock.wall()),
            };
            found.insert(task, exchange);
        }
        Ok(found)
    }

    /// What counts where only a newer Rota can read how often a task changed hands: it was often enough, whoever
    /// would come next.
    pub fn uncounted(row: ActivityId, at: Timestamp) -> Exchange {
        let (agent, playbook) = (NEWER.to_owned(), PlaybookName::new(""));
        Exchange { agent, playbook, count: u32::MAX, first: row, row, at, told: true }
    }

    /// Writes them down; of two, the one that has seen more of the board counts.
    pub async fn put_exchange(&self, task: TaskId, exchange: &Exchange) -> Result<()> {
        self.change_exchange(task, |found| {
            let is_known = found.is_some_and(|found| found.row >= exchange.row);
            (!is_known).then(|| Some(exchange.clone()))
        })
        .await?;
        Ok(())
    }

    /// A person acted on the task: what agents wrote before that counts no more.
    pub async fn end_exchange(&self, task: TaskId) -> Result<()> {
        self.change_exchange(task, |found| found.map(|_| None)).await?;
        Ok(())
    }

    /// People are told that it was stopped; false if they were told before.
    pub async fn exchange_told(&self, task: TaskId) -> Result<bool> {
        self.change_exchange(task, |found| {
            let untold = found.filter(|found| !found.told)?;
            Some(Some(Exchange { told: true, ..untold.clone() }))
        })
        .await
    }

    /// What becomes of a task's exchange (`None`: it ends), if anything; whether it did.
    async fn change_exchange(
        &self,
        task: TaskId,
        change: impl Fn(Option<&Exchange>) -> Option<Option<Exchange>>,
    ) -> Result<bool> {
        let board = &self.options.board;
        let key = keys::exchange(board, task);
        for _ in 0..TRIES_MAX {
            let found: Option<Record<Exchange>> = match self.read(&key).await {
                // Whoever wrote it counts on.
                Err(error) if error.is_of_newer() => return Ok(false),
                found => found?,
            };
            let Some(next) = change(found.as_ref().map(|found| &found.value)) else {
                return Ok(false);
            };
            let mut batch = Batch::new();
            // Of one key both put and deleted nobody could say what becomes.
            let stays = |count: u32| next.as_ref().is_some_and(|next| next.count == count);
            if let Some(found) = found.as_ref().filter(|found| !stays(found.value.count)) {
                batch = batch.delete(keys::exchange_by_count(board, found.value.count, task));
            }
            batch = match (&next, &found) {
                (Some(next), _) => {
                    let place = keys::exchange_by_count(board, next.count, task);
                    let batch = records::replace(batch, &key, next, found.as_ref())?;
                    records::put::<_, ()>(batch, &place, &At { at: next.at }, None)?
                }
                (None, Some(found)) => records::remove(batch, &key, found),
                (None, None) => return Ok(false),
            };
            if self.try_commit(batch).await? {
                return Ok(true);
            }
        }
        Err(contended(key))
    }

    /// How deep a task is: 0 for a person's, one more than the task it was made at for a run's; deeper than
    /// anything where only a newer Rota can read it.
    pub async fn depth(&self, task: TaskId) -> Result<u32> {
        Ok(match self.find::<Depth>(&keys::delegated(&self.options.board, task)).await? {
            Found::Known(record) => record.value.depth,
            Found::Nothing => 0,
            Found::Newer => u32::MAX,
        })
    }

    /// The tasks that are deeper than this.
    pub async fn deeper_than(&self, depth: u32) -> Result<BTreeMap<TaskId, u32>> {
        let list = keys::delegations_by_depth(&self.options.board);
        let mut found = BTreeMap::new();
        for task in self.tasks_from(&list, depth.saturating_add(1)).await? {
            found.insert(task, self.depth(task).await?);
        }
        Ok(found)
    }

    /// An occurrence about no task was woken by one that is so deep: what it makes is deeper.
    pub async fn wake_at_depth(&self, occurrence: &OccurrenceId, depth: u32) -> Result<()> {
        let key = keys::woken_deep(occurrence);
        let depth = Depth { depth, at: self.clock.wall() };
        let found: Option<Record<Depth>> = self.read(&key).await?;
        self.store.commit(records::put(Batch::new(), &key, &depth, found.as_ref())?).await?;
        Ok(())
    }

    /// With the result of an effect that made a task: how deep that is.
    pub(super) async fn deepen(
        &self,
        batch: Batch,
        effect: &Effect,
        result: &EffectResult,
    ) -> Result<Batch> {
        let EffectResult::Done { entity: Entity::Task(task), at, .. } = result else {
            return Ok(batch);
        };
        let makes = MAKES_TASKS.contains(&effect.tool.as_str());
        if !makes || effect.actor != EffectActor::Agent {
            return Ok(batch);
        }
        let depth = self.depth_at(effect).await?.saturating_add(1);
        let key = keys::delegated(&self.options.board, *task);
        let found: Option<Record<Depth>> = self.read(&key).await?;
        let place = keys::delegation_by_depth(&self.options.board, depth, *task);
        let batch = records::put::<_, ()>(batch, &place, &At { at: *at }, None)?;
        Ok(records::put(batch, &key, &Depth { depth, at: *at }, found.as_ref())?)
    }

    /// How deep a run is that does something: as deep as its task, or as what woke it.
    async fn depth_at(&self, effect: &Effect) -> Result<u32> {
        let run: Option<Record<Run>> = self.read(&keys::run(&effect.mark.run)).await?;
        let Some(run) = run.map(|run| run.value) else { return Ok(0) };
        let woken = self.read::<Depth>(&keys::woken_deep(&run.occurrence)).await?;
        let woken = woken.map_or(0, |record| record.value.depth);
        match run.task {
            Some(task) => Ok(self.depth(task).await?.max(woken)),
            None => Ok(woken),
        }
    }

    /// The tasks of a list by number, from this number on.
    async fn tasks_from(&self, list: &str, number: u32) -> Result<Vec<TaskId>> {
        let after = format!("{list}{}", keys::number(number.into()));
        let rows = self.store.scan(list, Some(&after), TASKS_MAX).await?;
        let task = |key: &str| key.rsplit('/').next()?.parse().ok();
        Ok(rows.iter().filter_map(|row| task(&row.key)).collect())
    }
}
