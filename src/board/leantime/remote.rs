//! Nouns that are kept under an id, found by questions and given in pages: what the server does for
//! each of them.

use super::LeantimeBoard;
use super::governor::Lane;
use super::session::LeantimeSession;
use crate::board::kept::{self, Asked, Kept};
use crate::board::{BoardError, Result};
use crate::domain::Page;
use async_trait::async_trait;

/// A noun and the server's ways with it.
#[async_trait]
pub(super) trait Remote: Kept {
    /// One of them; [`BoardError::NotFound`] if it is not there.
    async fn one(board: &LeantimeBoard, lane: Lane, id: Self::Id) -> Result<Self>;
    /// All that a question may mean; more do no harm.
    async fn all(board: &LeantimeBoard, lane: Lane, query: &Self::Query) -> Result<Vec<Self>>;
    /// Adds it; answers with it under its id.
    async fn add(session: &mut LeantimeSession<'_>, thing: &Self) -> Result<Self>;
    /// Makes it as it is given.
    async fn change(session: &mut LeantimeSession<'_>, thing: &Self) -> Result<()>;
    /// Removes it.
    async fn remove(session: &mut LeantimeSession<'_>, id: Self::Id) -> Result<()>;
}

/// What is addressed is not there.
pub(super) fn not_there<T: Kept>(id: T::Id) -> BoardError {
    BoardError::NotFound { what: T::entity(id).to_string() }
}

impl LeantimeBoard {
    /// A page of those that a question means.
    pub(super) async fn some<T: Remote>(&self, query: &T::Query) -> Result<Page<T>> {
        let (size, after) = kept::begin(query)?;
        let mut whole = query.clone();
        *whole.after() = None;
        let mut found = T::all(self, Lane::People, &whole).await?;
        found.retain(|thing| thing.is_meant(query) && after.is_none_or(|at| thing.place() > at));
        found.sort_by_key(T::place);
        let more = found.len() > size;
        found.truncate(size);
        let next = found.last().filter(|_| more).map(|last| kept::cursor(last.place()));
        Ok(Page { items: found, next })
    }
}
