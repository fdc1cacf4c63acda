//! What goes wrong on demand, and gates at which a test stops requests.

use std::sync::Mutex;
use tokio::sync::{Notify, oneshot, watch};

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A page of the web server with this status; nothing is done.
    Status(u16),
    /// A page instead of an answer, with status 200; nothing is done.
    Html,
    /// Every call is answered with an empty list, as if there were nothing; nothing is done.
    Empty,
    /// Every call fails with the server's own error (-32000); nothing is done.
    ServerError,
    /// The request is carried out, and every call that writes is answered with the server's own error
    /// (-32000): an exception after the deed.
    DoneThenError,
    /// Calls in whose text this stands fail with the server's own error and do nothing; the others of
    /// the request are carried out.
    CallError(&'static str),
    /// Every call is answered with `false`; nothing is done.
    False,
    /// JSON that is no answer of JSON-RPC; nothing is done.
    WrongJson,
    /// The request is carried out, half of its answer comes.
    Cut,
    /// The request is carried out, nothing comes: the connection breaks.
    Lost,
    /// Nothing comes and nothing is done until the test says so; then all of it.
    Held,
    /// The request is carried out at once, its answer comes when the test says so.
    Unanswered,
}

/// A fault, and whom it hits.
#[derive(Clone, Debug)]
pub struct Trouble {
    fault: Fault,
    method: Option<String>,
    skip: usize,
    times: usize,
}

impl Trouble {
    /// For the next request.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, skip: 0, times: 1 }
    }

    /// Only requests that ask for this method, as `tickets.patchTicket`.
    #[must_use]
    pub fn on(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// Hits so many, one after the other.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

/// When a gate stops a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anything is done.
    Before,
    /// When it is carried out, before it is answered.
    After,
}

/// The test's side of a gate. Dropped, it lets go.
#[derive(Debug)]
pub struct Gate {
    reached: Option<oneshot::Receiver<()>>,
    open: oneshot::Sender<()>,
}

impl Gate {
    /// Returns when a request stands there.
    ///
    /// # Panics
    ///
    /// If nobody comes because the server ended, or when it is asked twice.
    pub async fn reached(&mut self) {
        let reached = self.reached.take().expect("asked once");
        reached.await.expect("a request came to the gate");
    }

    pub fn open(self) {
        let _ = self.open.send(());
    }
}

#[derive(Debug)]
struct Stop {
    method: String,
    moment: Moment,
    reached: oneshot::Sender<()>,
    open: oneshot::Receiver<()>,
}

/// All that is set up.
#[derive(Debug, Default)]
pub struct Faults {
    troubles: Mutex<Vec<Trouble>>,
    stops: Mutex<Vec<Stop>>,
    release: Notify,
    /// How many were held so far.
    held: watch::Sender<usize>,
}

impl Faults {
    pub fn add(&self, trouble: Trouble) {
        self.troubles.lock().unwrap().push(trouble);
    }

    /// What hits a request for these methods.
    pub fn hit(&self, methods: &[String]) -> Option<Fault> {
        let mut troubles = self.troubles.lock().unwrap();
        let mut hit = None;
        for trouble in troubles.iter_mut() {
            let is_meant = trouble.method.as_ref().is_none_or(|method| methods.contains(method));
            if !is_meant || trouble.times == 0 {
                continue;
            }
            if trouble.skip > 0 {
                trouble.skip -= 1;
            } else if hit.is_none() {
                trouble.times -= 1;
                hit = Some(trouble.fault.clone());
            }
        }
        troubles.retain(|trouble| trouble.times > 0);
        hit
    }

    pub fn gate(&self, method: &str, moment: Moment) -> Gate {
        let (tell, reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let stop = Stop { method: method.to_owned(), moment, reached: tell, open: opened };
        self.stops.lock().unwrap().push(stop);
        Gate { reached: Some(reached), open }
    }

    /// Comes by the first gate that is meant.
    pub async fn pass(&self, methods: &[String], moment: Moment) {
        let stop = {
            let mut stops = self.stops.lock().unwrap();
            let is_meant = |stop: &Stop| stop.moment == moment && methods.contains(&stop.method);
            let Some(at) = stops.iter().position(is_meant) else { return };
            stops.remove(at)
        };
        let _ = stop.reached.send(());
        let _ = stop.open.await;
    }

    /// Waits until held requests may go on.
    pub async fn hold(&self) {
        let mut released = std::pin::pin!(self.release.notified());
        released.as_mut().enable();
        self.held.send_modify(|count| *count += 1);
        released.await;
    }

    /// Returns when so many requests were held since the beginning.
    ///
    /// # Panics
    ///
    /// Never: whoever asks holds the other end.
    pub async fn until_held(&self, count: usize) {
        self.held.subscribe().wait_for(|held| *held >= count).await.expect("we hold it");
    }

    /// Lets those go on that wait now.
    pub fn release(&self) {
        self.release.notify_waiters();
    }
}
