//! Pages of tasks, in an order that holds while they are followed.

use super::LeantimeBoard;
use crate::board::Result;
use crate::board::page::{self, Frozen, Place, ROWS_BETWEEN_MAX};
use crate::domain::{ActivityId, ActivityQuery, Page, Task, TaskId, TaskOrder, TaskQuery};

impl LeantimeBoard {
    pub(super) async fn task_page(&self, query: &TaskQuery) -> Result<Page<Task>> {
        let scope = format!("leantime {}", self.name);
        let place = page::begin(&scope, query)?;
        let size = query.page_size();
        let found = self.matching(query).await?;
        let since = match &place {
            Some(place) => place.since,
            None => self.book.latest().await?.0,
        };
        let frozen = match (&place, query.order) {
            (None, _) | (_, TaskOrder::Id) => Frozen::default(),
            (Some(place), order) => {
                let rows = self.book.rows_since(place.since, ROWS_BETWEEN_MAX + 1).await?;
                if rows.len() > ROWS_BETWEEN_MAX {
                    return Err(page::too_old());
                }
                Frozen::from_rows(order, &rows)
            }
        };
        let after = place.map(|place| (place.key, place.id));
        let mut placed = Vec::new();
        for task in found {
            let key = match frozen.keys.get(&task.id) {
                Some(None) => self
                    .modified_by(task.id, since)
                    .await?
                    .unwrap_or_else(|| -task.created.timestamp_millis()),
                _ => frozen.key(query.order, &task),
            };
            if after.is_none_or(|after| (key, task.id.0) > after) {
                placed.push((key, task));
            }
        }
        placed.sort_by_key(|(key, task)| (*key, task.id));
        let more = placed.len() > size;
        placed.truncate(size);
        let next = placed.last().filter(|_| more).map(|(key, task)| {
            let below = String::new();
            page::seal(&scope, query, &Place { since, key: *key, id: task.id.0, below })
        });
        let mut items: Vec<Task> = placed.into_iter().map(|(_, task)| task).collect();
        self.complete(&mut items).await?;
        Ok(Page { items, next })
    }

    /// Where a task stood in the order of changes when a row was the latest.
    async fn modified_by(&self, task: TaskId, row: i64) -> Result<Option<i64>> {
        let query = ActivityQuery {
            task: Some(task),
            after: Some(ActivityId(row + 1)),
            latest_first: true,
            limit: 1,
            ..ActivityQuery::default()
        };
        let rows = self.book.activity(&query).await?.items;
        Ok(rows.first().map(|row| -row.at.timestamp_millis()))
    }
}
