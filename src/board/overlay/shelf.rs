//! Nouns that are kept under an id: what was written, over what is below.
//!
//! Pages are merged by places, which never change: what is written here waits until the board below
//! has come so far.

use super::super::kept::{self, Kept};
use super::super::write::Keeps;
use super::super::{Board, BoardError, Result};
use super::layer::{Layer, next};
use super::session::OverlaySession;
use super::{Overlay, there};
use crate::domain::{
    CalendarEvent, EventId, Goal, GoalBoard, GoalBoardId, GoalId, Member, MemberQuery, Page,
    Sprint, SprintId, TimeEntry, TimeEntryId, Timer, TimerId,
};
use async_trait::async_trait;
use std::collections::BTreeMap;

/// What was written of one noun; `None`: removed.
pub(super) type Shelf<T> = BTreeMap<<T as Kept>::Id, Option<T>>;

/// The shelves of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelves {
    pub(super) goal_boards: Shelf<GoalBoard>,
    pub(super) goals: Shelf<Goal>,
    pub(super) events: Shelf<CalendarEvent>,
    pub(super) time_entries: Shelf<TimeEntry>,
    pub(super) timers: Shelf<Timer>,
    pub(super) sprints: Shelf<Sprint>,
    pub(super) members: Shelf<Member>,
}

impl Shelves {
    /// The write happened.
    pub(super) fn absorb(&mut self, draft: Self) {
        self.goal_boards.extend(draft.goal_boards);
        self.goals.extend(draft.goals);
        self.events.extend(draft.events);
        self.time_entries.extend(draft.time_entries);
        self.timers.extend(draft.timers);
        self.sprints.extend(draft.sprints);
        self.members.extend(draft.members);
    }
}

/// A noun with a shelf.
#[async_trait]
pub(super) trait Shelved: Kept {
    fn shelf(layer: &Layer) -> &Shelf<Self>;
    fn shelf_mut(layer: &mut Layer) -> &mut Shelf<Self>;
    /// With the next id, if it has one of its own.
    #[must_use]
    fn numbered(self, layer: &mut Layer) -> Self;
    async fn one_below(below: &dyn Board, id: Self::Id) -> Result<Option<Self>>;
    async fn page_below(below: &dyn Board, query: &Self::Query) -> Result<Page<Self>>;
}

macro_rules! shelved {
    ($($noun:ident($id:ident) on $shelf:ident by $last:ident: $one:ident $some:ident;)*) => { $(
        #[async_trait]
        impl Shelved for $noun {
            fn shelf(layer: &Layer) -> &Shelf<Self> {
                &layer.shelves.$shelf
            }
            fn shelf_mut(layer: &mut Layer) -> &mut Shelf<Self> {
                &mut layer.shelves.$shelf
            }
            fn numbered(self, layer: &mut Layer) -> Self {
                Self { id: $id(next(&mut layer.last.$last)), ..self }
            }
            async fn one_below(below: &dyn Board, id: Self::Id) -> Result<Option<Self>> {
                there(below.$one(id).await)
            }
            async fn page_below(below: &dyn Board, query: &Self::Query) -> Result<Page<Self>> {
                below.$some(query).await
            }
        }
    )* };
}
shelved! {
    GoalBoard(GoalBoardId) on goal_boards by goal_board: goal_board goal_boards;
    Goal(GoalId) on goals by goal: goal goals;
    CalendarEvent(EventId) on events by event: event events;
    TimeEntry(TimeEntryId) on time_entries by time_entry: time_entry time_entries;
    Timer(TimerId) on timers by timer: timer timers;
    Sprint(SprintId) on sprints by sprint: sprint sprints;
}

#[async_trait]
impl Shelved for Member {
    fn shelf(layer: &Layer) -> &Shelf<Self> {
        &layer.shelves.members
    }
    fn shelf_mut(layer: &mut Layer) -> &mut Shelf<Self> {
        &mut layer.shelves.members
    }
    fn numbered(self, _: &mut Layer) -> Self {
        self
    }
    async fn one_below(below: &dyn Board, (project, person): Self::Id) -> Result<Option<Self>> {
        let query = MemberQuery {
            projects: vec![project],
            people: vec![person],
            limit: 1,
            ..MemberQuery::default()
        };
        Ok(below.members(&query).await?.items.pop())
    }
    async fn page_below(below: &dyn Board, query: &MemberQuery) -> Result<Page<Self>> {
        below.members(query).await
    }
}

impl Overlay {
    pub(super) async fn find<T: Shelved>(&self, id: T::Id) -> Result<Option<T>> {
        let found = T::shelf(&self.layer()).get(&id).cloned();
        match (found, &self.below) {
            (None, Some(below)) => T::one_below(below.as_ref(), id).await,
            (found, _) => Ok(found.flatten()),
        }
    }

    /// One that must be there.
    pub(super) async fn one<T: Shelved>(&self, id: T::Id) -> Result<T> {
        let found = self.find(id).await?;
        found.ok_or_else(|| BoardError::NotFound { what: T::entity(id).to_string() })
    }

    /// A page of those that a question means.
    pub(super) async fn some<T: Shelved>(&self, query: &T::Query) -> Result<Page<T>> {
        use super::super::kept::Asked;
        let (size, after) = kept::begin(query)?;
        let mut found = BTreeMap::new();
        let mut ask = query.clone();
        let mut reached = None;
        while let Some(below) = &self.below {
            let answer = T::page_below(below.as_ref(), &ask).await?;
            reached = answer.next.as_ref().and(answer.items.last().map(Kept::place));
            let layer = self.layer();
            let hidden = T::shelf(&layer);
            let shown = answer.items.into_iter().filter(|thing| !hidden.contains_key(&thing.id()));
            found.extend(shown.map(|thing| (thing.place(), thing)));
            if reached.is_none() || found.len() >= size {
                break;
            }
            *ask.after() = answer.next;
        }
        let layer = self.layer();
        let own = T::shelf(&layer).values().flatten().filter(|thing| {
            let place = thing.place();
            thing.is_meant(query)
                && after.is_none_or(|after| place > after)
                && reached.is_none_or(|reached| place <= reached)
        });
        found.extend(own.map(|thing| (thing.place(), thing.clone())));
        let more = reached.is_some() || found.len() > size;
        let items: Vec<T> = found.into_values().take(size).collect();
        let next = items.last().filter(|_| more).map(|last| kept::cursor(last.place()));
        Ok(Page { items, next })
    }
}

#[async_trait]
impl<T: Shelved> Keeps<T> for OverlaySession<'_> {
    async fn find(&mut self, id: T::Id) -> Result<Option<T>> {
        match T::shelf(&self.draft).get(&id) {
            Some(found) => Ok(found.clone()),
            None => self.board.find(id).await,
        }
    }

    async fn list(&mut self, query: &T::Query, max: usize) -> Result<Vec<T>> {
        use super::super::kept::Asked;
        let mut query = query.clone();
        *query.limit() = 1_000;
        *query.after() = None;
        let mut found = BTreeMap::new();
        let drafted = T::shelf(&self.draft);
        loop {
            let answer = self.board.some::<T>(&query).await?;
            found.extend(answer.items.into_iter().map(|thing| (thing.place(), thing)));
            *query.after() = answer.next;
            if query.after().is_none() || found.len() >= max.saturating_add(drafted.len()) {
                break;
            }
        }
        found.retain(|_, thing| !drafted.contains_key(&thing.id()));
        let own = drafted.values().flatten().filter(|thing| thing.is_meant(&query));
        found.extend(own.map(|thing| (thing.place(), thing.clone())));
        Ok(found.into_values().take(max).collect())
    }

    async fn insert(&mut self, thing: &T) -> Result<T> {
        let kept = thing.clone().numbered(&mut self.draft);
        T::shelf_mut(&mut self.draft).insert(kept.id(), Some(kept.clone()));
        Ok(kept)
    }

    async fn update(&mut self, thing: &T) -> Result<()> {
        T::shelf_mut(&mut self.draft).insert(thing.id(), Some(thing.clone()));
        Ok(())
    }

    async fn remove(&mut self, id: T::Id) -> Result<()> {
        T::shelf_mut(&mut self.draft).insert(id, None);
        Ok(())
    }
}
