//! Signs of life: what a run shows while it works, and the limits that watch it.

use crate::domain::{Limits, Reason, RunState, Value};
use crate::fault::without_secrets;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Something that a run showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Sign {
    /// A line for the transcript.
    Line(String),
    /// The same, with its parts by name for those who read it by program.
    Entry {
        /// What sort: `model`, `tool`, `retry`, `compact`, …
        kind: &'static str,
        /// What people read.
        text: String,
        /// The parts.
        data: Value,
    },
}

/// Where a run shows that it lives. Never waits: when nobody listens fast enough, lines are
/// dropped and counted.
#[derive(Clone, Debug)]
pub struct Signs {
    sender: mpsc::Sender<Sign>,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    shown: Notify,
    dropped: AtomicU64,
    /// Those of them that the transcript does not tell of yet.
    missed: AtomicU64,
    /// Secrets, with what stands in a line in place of each.
    hidden: Mutex<Vec<(SecretString, String)>>,
}

/// A shorter secret could be part of any word.
const HIDDEN_BYTES_MIN: usize = 8;
/// The longest line that is passed on; the rest of it is cut.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// The kind of the line that holds what the work is told first.
pub const PROMPT: &str = crate::ledger::PROMPT;

/// The end at which signs are read.
pub type SignsEnd = mpsc::Receiver<Sign>;

impl Signs {
    /// A channel that holds so many signs.
    pub fn channel(capacity: usize) -> (Self, SignsEnd) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Self { sender, inner: Arc::new(Inner::default()) }, receiver)
    }

    /// It lives; nothing to tell. However often it is said, it takes no line's place.
    pub fn alive(&self) {
        self.inner.shown.notify_one();
    }

    /// From now on this is in no line; its name stands there. What is too short to be told from other
    /// words is not hidden.
    pub fn hide(&self, name: &str, secret: SecretString) {
        if secret.expose_secret().len() >= HIDDEN_BYTES_MIN {
            self.hidden().push((secret, format!("[{name}]")));
        }
    }

    /// A text without what is to be hidden, and without what can be nothing but a secret.
    pub(super) fn harmless(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, name) in self.hidden().iter() {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), name);
            }
        }
        without_secrets(&text)
    }

    /// The same with all texts of a value.
    fn harmless_value(&self, value: Value) -> Value {
        match value {
            Value::Text(text) => self.harmless(&text).into(),
            Value::List(items) => {
                Value::List(items.into_iter().map(|item| self.harmless_value(item)).collect())
            }
            Value::Map(map) => {
                let map = map
                    .into_iter()
                    .map(|(name, value)| (self.harmless(&name), self.harmless_value(value)));
                Value::Map(map.collect())
            }
            plain => plain,
        }
    }

    fn hidden(&self) -> MutexGuard<'_, Vec<(SecretString, String)>> {
        self.inner.hidden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It lives, and this is what it did.
    pub fn line(&self, text: &str) {
        self.show(|| Sign::Line(begin_of(&self.harmless(text)).to_owned()));
    }

    /// The same with its parts; whoever calls has bounded them.
    pub fn entry(&self, kind: &'static str, text: &str, data: Value) {
        self.show(|| {
            let text = begin_of(&self.harmless(text)).to_owned();
            Sign::Entry { kind, text, data: self.harmless_value(data) }
        });
    }

    /// What it is told first, whole.
    pub(super) fn prompt(&self, text: &str) {
        let entry = || Sign::Entry { kind: PROMPT, text: self.harmless(text), data: Value::Null };
        self.show(entry);
    }

    /// How many signs nobody had room for.
    pub fn dropped(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    /// Nothing more will be shown: what is missing at the end is told, too. Waits for room.
    pub async fn settle(&self) {
        let missed = self.inner.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            // Nobody listens any more: there is nobody to tell.
            let _ = self.sender.send(gap(missed)).await;
        }
    }

    /// What nobody has room for is not made.
    fn show(&self, sign: impl FnOnce() -> Sign) {
        self.inner.shown.notify_one();
        let missed = self.inner.missed.swap(0, Ordering::Relaxed);
        // What is missing is told where it is missing, before what comes next.
        let told = missed == 0 || self.sender.try_send(gap(missed)).is_ok();
        let missed = if told { 0 } else { missed };
        match self.sender.try_reserve() {
            Ok(room) if told => room.send(sign()),
            _ => {
                self.inner.dropped.fetch_add(1, Ordering::Relaxed);
                self.inner.missed.fetch_add(missed + 1, Ordering::Relaxed);
            }
        }
    }

    /// Waits because somebody asked for it, which is no silence; why the run has to end before, if so.
    pub(super) async fn pause(
        &self,
        watch: &mut Watch,
        stop: &CancellationToken,
        pause: Duration,
    ) -> Option<Overrun> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            watch.last_sign = Instant::now();
            let next = until.min(watch.last_sign + watch.idle / 2 + Duration::from_millis(1));
            tokio::select! {
                biased;
                overrun = self.overrun(watch, stop) => return Some(overrun),
                () = tokio::time::sleep_until(next) => {}
            }
        }
        None
    }

    /// Returns when the run has to end: too long, too silent, or told to stop. One at a time.
    pub(super) async fn overrun(&self, watch: &mut Watch, stop: &CancellationToken) -> Overrun {
        loop {
            let silent_at = watch.last_sign + watch.idle;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Overrun::Stopped,
                () = tokio::time::sleep_until(watch.ends) => return Overrun::TimedOut,
                () = self.inner.shown.notified() => watch.last_sign = Instant::now(),
                () = tokio::time::sleep_until(silent_at) => return Overrun::Stalled,
            }
        }
    }
}

/// In the place of lines for which there was no room.
fn gap(missed: u64) -> Sign {
    let lines = if missed == 1 { "line is" } else { "lines are" };
    let text =
        format!("{missed} {lines} missing here: they came faster than they could be written");
    let missed = i64::try_from(missed).unwrap_or(i64::MAX);
    Sign::Entry { kind: "gap", text, data: Value::map([("missed", missed)]) }
}

fn begin_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(LINE_BYTES_MAX)]
}

/// The limits of one run, counted from its start.
#[derive(Debug)]
pub(super) struct Watch {
    started: Instant,
    ends: Instant,
    idle: Duration,
    last_sign: Instant,
}

impl Watch {
    /// Starts now.
    pub(super) fn start(limits: &Limits) -> Self {
        let now = Instant::now();
        // A limit beyond what the timer can hold is no limit.
        let century = Duration::from_hours(24 * 36_500);
        Self {
            started: now,
            ends: now + limits.time.min(century),
            idle: limits.idle.min(century),
            last_sign: now,
        }
    }

    /// Until the run has to end.
    pub(super) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Starts now, for something that may take so long in silence.
    pub(super) fn of(time: Duration) -> Self {
        let now = Instant::now();
        Self { started: now, ends: now + time, idle: time, last_sign: now }
    }

    /// Since the start.
    pub(super) fn elapsed_ms(&self) -> u64 {
        crate::domain::millis(self.started.elapsed())
    }
}

/// Why a run has to end before its work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    Stopped,
    TimedOut,
    Stalled,
}

impl Overrun {
    /// The state and reason of such an end.
    pub(super) fn state(self) -> (RunState, Reason) {
        match self {
            Self::Stopped => (RunState::Cancelled, Reason::Cancelled),
            Self::TimedOut => (RunState::TimedOut, Reason::TimedOut),
            Self::Stalled => (RunState::Stalled, Reason::Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sign: Sign) -> String {
        match sign {
            Sign::Line(text) => text,
            Sign::Entry { kind, text, .. } => format!("{kind}: {text}"),
        }
    }

    #[tokio::test]
    async fn lines_for_which_there_was_no_room_are_told_where_they_are_missing() {
        let (signs, mut end) = Signs::channel(2);
        for n in 1..=5 {
            signs.line(&n.to_string());
        }
        let mut read = vec![text(end.recv().await.unwrap()), text(end.recv().await.unwrap())];
        signs.line("6");
        read.extend([text(end.recv().await.unwrap()), text(end.recv().await.unwrap())]);
        for n in 7..=9 {
            signs.line(&n.to_string());
        }
        let settling = signs.settle();
        let reading = async {
            let mut read = Vec::new();
            for _ in 0..3 {
                read.push(text(end.recv().await.unwrap()));
            }
            read
        };
        let ((), rest) = tokio::join!(settling, reading);
        read.extend(rest);
        let gap = "missing here: they came faster than they could be written";
        let three = format!("gap: 3 lines are {gap}");
        let one = format!("gap: 1 line is {gap}");
        assert_eq!(read, ["1", "2", &three, "6", "7", "8", &one]);
        assert_eq!(signs.dropped(), 4);
    }
}
