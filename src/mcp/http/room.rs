//! Room for what requests and their answers hold in memory, over all callers. A request that does not
//! fit is refused before it is read; an answer, which exists already, counts until it has been sent.

use axum::body::{Body, Bytes, HttpBody};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// How much there is, and how much is taken.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: u64,
    held: AtomicU64,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, held: AtomicU64::new(0) })
    }

    /// Takes so much; `None` when it does not fit beside what others hold. One alone always fits: its
    /// own limits bound it.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let fits = |held: u64| {
            let sum = held.saturating_add(bytes);
            (held == 0 || bytes == 0 || sum <= self.bytes_max).then_some(sum)
        };
        let taken = self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits);
        taken.ok().map(|_| Share { room: Arc::clone(self), bytes })
    }
}

impl Room {
    /// So much is taken.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::SeqCst)
    }
}

impl Share {
    /// It is so much now.
    pub(super) fn becomes(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.room.held.fetch_add(bytes - self.bytes, Ordering::SeqCst);
        } else {
            self.room.held.fetch_sub(self.bytes - bytes, Ordering::SeqCst);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.becomes(0);
    }
}

/// A body with what it holds, until it has been sent or given up.
pub(super) struct Holding<T> {
    pub body: Body,
    pub _held: T,
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_beside_the_others_waits_until_they_are_through() {
        let room = Room::new(100);
        let mut one = room.take(60).unwrap();
        assert!(room.take(41).is_none());
        let other = room.take(40).unwrap();
        assert!(room.take(1).is_none() && room.take(0).is_some());
        drop(other);
        // An answer is larger than what was asked, and there already.
        one.becomes(500);
        assert!(room.take(1).is_none());
        one.becomes(99);
        assert!(room.take(1).is_some());
        drop(one);
        assert!(room.take(1_000).is_some(), "one alone always fits");
        assert_eq!(room.held.load(Ordering::SeqCst), 0);
    }
}
