//! Stands between a daemon and its database, so that the way between the two can be cut, slowed and
//! healed while both go on.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// A port on loopback that leads to another one.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    way: Arc<Way>,
    taking: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Way {
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    /// Both ends of what is connected.
    open: Vec<TcpStream>,
    /// How many were let through.
    taken: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Open,
    /// Each piece comes so much later.
    Slow(Duration),
    /// Nothing comes, and nobody is told: as where a cable is pulled out.
    Silent,
    /// Nobody is let through.
    Cut,
    /// It ends.
    Over,
}

impl Proxy {
    /// Leads to this port.
    pub(crate) fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(Way { target, state: Mutex::default(), changed: Condvar::new() });
        let taken = Arc::clone(&way);
        let taking = thread::spawn(move || {
            for client in listener.incoming() {
                match client {
                    Ok(client) if taken.lock().mode != Mode::Over => connect(&taken, client),
                    _ => return,
                }
            }
        });
        Self { port, way, taking: Some(taking) }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many were let through so far.
    pub(crate) fn taken(&self) -> usize {
        self.way.lock().taken
    }

    /// Ends what is connected, and lets nobody through.
    pub(crate) fn cut(&self) {
        self.way.turn(Mode::Cut);
    }

    /// Lets nothing through and tells nobody; what was sent comes when it is healed.
    pub(crate) fn silence(&self) {
        self.way.turn(Mode::Silent);
    }

    /// Each piece comes so much later, in both directions.
    pub(crate) fn slow(&self, by: Duration) {
        self.way.turn(Mode::Slow(by));
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        self.way.turn(Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.turn(Mode::Over);
        // So that it looks up.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(taking) = self.taking.take() {
            let _ = taking.join();
        }
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn turn(&self, mode: Mode) {
        let mut state = self.lock();
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::Over) {
            for end in state.open.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    /// Waits until a piece may go on; whether it may.
    fn passes(&self) -> bool {
        let state = self.lock();
        let state = self.changed.wait_while(state, |state| state.mode == Mode::Silent).unwrap();
        let mode = state.mode;
        drop(state);
        if let Mode::Slow(by) = mode {
            thread::sleep(by);
        }
        !matches!(mode, Mode::Cut | Mode::Over)
    }
}

/// Connects somebody with the other side, unless the way is cut.
fn connect(way: &Arc<Way>, client: TcpStream) {
    if way.lock().mode == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, way.target)) else { return };
    for end in [&client, &server] {
        let _ = end.set_nodelay(true);
    }
    let [Ok(from), Ok(to)] = [client.try_clone(), server.try_clone()] else { return };
    let mut state = way.lock();
    if matches!(state.mode, Mode::Cut | Mode::Over) {
        return;
    }
    state.taken += 1;
    for end in [&client, &server] {
        state.open.extend(end.try_clone());
    }
    drop(state);
    for (from, to) in [(from, server), (to, client)] {
        let way = Arc::clone(way);
        thread::spawn(move || carry(&way, from, to));
    }
}

/// Carries what comes from one end to the other, until one of them ends.
fn carry(way: &Way, mut from: TcpStream, mut to: TcpStream) {
    let mut piece = [0; 16 * 1024];
    loop {
        let read = from.read(&mut piece).unwrap_or(0);
        if read == 0 || !way.passes() || to.write_all(&piece[..read]).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}
