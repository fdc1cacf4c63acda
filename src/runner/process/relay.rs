//! The way from a program's own network to its ports of this machine.
//!
//! The supervisor holds the listeners that the program's beginning made in its network
//! (`sandbox/network.rs`). Whatever connects there is connected to the same port of 127.0.0.1 out
//! here, and to nothing else: whom the proxy and the run's tools let through is theirs to say.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, sleep};
use std::time::Duration;

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection to a port of this machine may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// How long is waited for what a program that has ended said last.
const LAST_WORDS: Duration = Duration::from_millis(500);
const BUFFER_BYTES: usize = 16 * 1024;

/// What passes connections on, until this process ends.
#[derive(Debug, Default)]
pub(super) struct Relay {
    places: Arc<Places>,
}

/// How many connections there are.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<usize>,
    left: Condvar,
}

impl Places {
    fn take(self: &Arc<Self>) -> Place {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |taken: &mut usize| *taken >= CONNECTIONS_MAX;
        let mut taken = self.left.wait_while(taken, full).unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_add(1);
        Place(Arc::clone(self))
    }
}

/// One connection's place.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(1);
        self.0.left.notify_all();
    }
}

impl Relay {
    /// Passes on what comes in by these listeners.
    pub(super) fn begin(doors: Vec<OwnedFd>) -> std::io::Result<Self> {
        let relay = Self::default();
        for door in doors {
            let door = TcpListener::from(door);
            let address = door.local_addr()?;
            let places = Arc::clone(&relay.places);
            Builder::new().spawn(move || serve(&door, address, &places))?;
        }
        Ok(relay)
    }

    /// Waits a moment for what the program, which has ended, said last.
    pub(super) fn finish(&self) {
        let taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is slower than that is not waited for.
        let _ = self.places.left.wait_timeout_while(taken, LAST_WORDS, |taken| *taken > 0);
    }
}

fn serve(door: &TcpListener, address: SocketAddr, places: &Arc<Places>) {
    loop {
        let Ok((inner, _)) = door.accept() else {
            sleep(PAUSE);
            continue;
        };
        let place = places.take();
        // One that there is no thread for is closed.
        let _ = Builder::new().spawn(move || {
            pass(inner, address);
            drop(place);
        });
    }
}

/// Both directions, until both have ended.
fn pass(inner: TcpStream, address: SocketAddr) {
    let Ok(outer) = TcpStream::connect_timeout(&address, CONNECT_TIME) else { return };
    for stream in [&inner, &outer] {
        // It is only slower without.
        let _ = stream.set_nodelay(true);
    }
    let (inner, outer) = (Arc::new(inner), Arc::new(outer));
    let (from, to) = (Arc::clone(&inner), Arc::clone(&outer));
    let Ok(up) = Builder::new().spawn(move || copy(&from, &to)) else { return };
    copy(&outer, &inner);
    // A direction that broke has told nobody anything that could be passed on.
    let _ = up.join();
}

/// One direction: where it ends, the other side learns that nothing more comes.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => break,
        };
        if to.write_all(buffer.get(..count).unwrap_or_default()).is_err() {
            break;
        }
    }
    // Each may be closed already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay to a listener, and where it lets in: another address of the same port.
    fn relayed() -> (Relay, TcpListener, SocketAddr) {
        let outer = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = TcpListener::bind("127.0.0.1:0").unwrap();
        let entrance = inner.local_addr().unwrap();
        let relay = Relay::default();
        let (address, places) = (outer.local_addr().unwrap(), Arc::clone(&relay.places));
        Builder::new().spawn(move || serve(&inner, address, &places)).unwrap();
        (relay, outer, entrance)
    }

    #[test]
    fn both_directions_are_passed_on_and_each_ends_by_itself() {
        let (relay, outer, entrance) = relayed();
        let mut program = TcpStream::connect(entrance).unwrap();
        let (mut server, _) = outer.accept().unwrap();
        program.write_all(b"all I have to say").unwrap();
        program.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "all I have to say");
        let answer = vec![7; 3_000_000];
        let sent = answer.clone();
        let writer = Builder::new().spawn(move || server.write_all(&sent)).unwrap();
        let mut got = Vec::new();
        program.read_to_end(&mut got).unwrap();
        writer.join().unwrap().unwrap();
        assert!(got == answer, "{} bytes", got.len());
        relay.finish();
        assert_eq!(*relay.places.taken.lock().unwrap(), 0);
    }

    #[test]
    fn more_than_there_are_places_wait_until_one_is_left() {
        let (relay, outer, entrance) = relayed();
        let programs: Vec<TcpStream> =
            (0..CONNECTIONS_MAX).map(|_| TcpStream::connect(entrance).unwrap()).collect();
        let servers: Vec<TcpStream> =
            (0..CONNECTIONS_MAX).map(|_| outer.accept().unwrap().0).collect();
        assert_eq!(*relay.places.taken.lock().unwrap(), CONNECTIONS_MAX);
        let _late = TcpStream::connect(entrance).unwrap();
        outer.set_nonblocking(true).unwrap();
        assert!(outer.accept().is_err(), "it was let through beside the others");
        outer.set_nonblocking(false).unwrap();
        drop((programs, servers));
        outer.accept().unwrap();
    }
}
