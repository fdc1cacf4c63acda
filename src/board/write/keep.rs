//! What the steps of a write need of an adapter for any noun that is kept under an id.

use super::super::Result;
use super::super::kept::Kept;
use super::{Session, not_found};
use async_trait::async_trait;

/// What a transaction does with one noun.
#[async_trait]
pub(in crate::board) trait Keeps<T: Kept>: Send {
    async fn find(&mut self, id: T::Id) -> Result<Option<T>>;
    /// Those that a question means, in their order, at most `max`; its limit and place do not count.
    async fn list(&mut self, query: &T::Query, max: usize) -> Result<Vec<T>>;
    /// Keeps it under a new id, if it has one of its own; answers with it.
    async fn insert(&mut self, thing: &T) -> Result<T>;
    async fn update(&mut self, thing: &T) -> Result<()>;
    async fn remove(&mut self, id: T::Id) -> Result<()>;
}

/// One, if it is there.
pub(super) async fn find<T: Kept, S: Session + Keeps<T>>(
    session: &mut S,
    id: T::Id,
) -> Result<Option<T>> {
    Keeps::<T>::find(session, id).await
}

/// One that must be there.
pub(super) async fn get<T: Kept, S: Session + Keeps<T>>(session: &mut S, id: T::Id) -> Result<T> {
    find(session, id).await?.ok_or_else(|| not_found(T::entity(id)))
}

/// What goes, as it is remembered under a mark.
pub(super) fn remembered<T: serde::Serialize>(thing: &T) -> Option<String> {
    serde_json::to_string(thing).ok()
}
