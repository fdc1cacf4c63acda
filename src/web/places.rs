//! So many connections at one time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// In all: well below what a process may have open by default.
const MAX: usize = 512;
/// From one address beyond loopback, behind which a proxy may stand for many.
const MAX_OF_ONE: usize = 128;

/// The places that are taken.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// One of them; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// A place for somebody at this address, if there is one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut taken = self.lock();
        let own = taken.of.get(&address).copied().unwrap_or(0);
        if taken.all >= MAX || own >= MAX_OF_ONE && !address.is_loopback() {
            return None;
        }
        taken.all += 1;
        taken.of.insert(address, own + 1);
        Some(Place { places: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        let left = taken.of.get(&self.address).copied().unwrap_or(1) - 1;
        if left == 0 {
            taken.of.remove(&self.address);
        } else {
            taken.of.insert(self.address, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_ended() {
        let places = Arc::new(Places::default());
        let far: IpAddr = "192.0.2.1".parse().unwrap();
        let near: IpAddr = "127.0.0.1".parse().unwrap();
        let mut held: Vec<_> = (0..MAX_OF_ONE).map(|_| places.take(far).unwrap()).collect();
        assert!(places.take(far).is_none(), "one address takes no more");
        held.extend((MAX_OF_ONE..MAX).map(|_| places.take(near).unwrap()));
        assert!(places.take(near).is_none(), "nor do all together");
        held.remove(0);
        assert!(places.take(far).is_some());
        drop(held);
        assert!(places.lock().of.is_empty() && places.lock().all == 0);
    }
}
