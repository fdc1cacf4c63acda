//! A channel that does what a test says: takes, refuses, is not there, or dies with whoever delivers.

use async_trait::async_trait;
use rota::notify::{Delivered, Notifier, NotifyError, Post};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// What the next deliveries come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Take,
    /// Trouble that may pass.
    Pass,
    /// Trouble that stays.
    Refuse,
    /// Whoever delivers dies before it is taken.
    DieBefore,
    /// Whoever delivers dies when it is taken.
    DieAfter,
}

/// A part that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub key: String,
    pub part: usize,
    pub text: String,
    pub at: tokio::time::Instant,
}

#[derive(Debug)]
pub struct Mailbox {
    taken: Mutex<Vec<Taken>>,
    turns: Mutex<VecDeque<Turn>>,
    /// What happens when no turn is left.
    always: Mutex<Turn>,
    pub pace: Duration,
    pub deaths: Arc<Deaths>,
}

/// Who died, of all that deliver to some mailboxes.
#[derive(Debug, Default)]
pub struct Deaths {
    /// Somebody is to die now.
    pub now: Notify,
    /// How many died when something was taken.
    pub after: AtomicUsize,
}

impl Mailbox {
    pub fn new(pace: Duration) -> Arc<Self> {
        Self::among(pace, &Arc::default())
    }

    pub fn among(pace: Duration, deaths: &Arc<Deaths>) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            turns: Mutex::default(),
            always: Mutex::new(Turn::Take),
            pace,
            deaths: Arc::clone(deaths),
        })
    }

    pub fn will(&self, turns: impl IntoIterator<Item = Turn>) {
        self.turns.lock().unwrap().extend(turns);
    }

    pub fn always(&self, turn: Turn) {
        *self.always.lock().unwrap() = turn;
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.taken().into_iter().map(|taken| taken.text).collect()
    }
}

#[async_trait]
impl Notifier for Mailbox {
    /// The parts of a text are its lines that begin with `|`.
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        let always = *self.always.lock().unwrap();
        let turn = self.turns.lock().unwrap().pop_front().unwrap_or(always);
        let parts: Vec<&str> = post.body.text.split('|').collect();
        let die = async || {
            self.deaths.now.notify_one();
            std::future::pending::<()>().await;
        };
        match turn {
            Turn::Pass => return Err(NotifyError::passing("it is busy")),
            Turn::Refuse => return Err(NotifyError::lasting("it does not want it")),
            Turn::DieBefore => die().await,
            Turn::Take | Turn::DieAfter => {}
        }
        self.taken.lock().unwrap().push(Taken {
            key: post.key.to_owned(),
            part: post.part,
            text: parts[post.part].to_owned(),
            at: tokio::time::Instant::now(),
        });
        if turn == Turn::DieAfter {
            self.deaths.after.fetch_add(1, Ordering::SeqCst);
            die().await;
        }
        let is_last = post.part + 1 == parts.len();
        Ok(Delivered { is_last, ..Delivered::default() })
    }

    fn pace(&self) -> Duration {
        self.pace
    }
}
