//! Places at which a test can stop what passes by: before and after each write to the board, before
//! each answer of a model.

use super::watched::{Call, Watch, Watched, What};
use async_trait::async_trait;
use rota::board::{Board, BoardError, Result};
use rota::model::{Exchange, Heard, Message, Model, ModelError, Reply};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Whoever passes a place for which nothing was set up is not stopped.
#[derive(Debug, Default)]
pub struct Gates(Mutex<BTreeMap<String, VecDeque<Stop>>>);

/// What waits at a place: let so many pass, then tell, then wait.
#[derive(Debug)]
struct Stop {
    let_pass: usize,
    reached: oneshot::Sender<()>,
    open: oneshot::Receiver<()>,
}

/// The test's side of a stop. Dropped without being opened, whoever stands there stays there: it is
/// as if its process had ended.
#[derive(Debug)]
pub struct Gate {
    place: String,
    reached: Option<oneshot::Receiver<()>>,
    open: oneshot::Sender<()>,
}

impl Gates {
    /// Stops the next one that comes to a place.
    pub fn stop(&self, place: &str) -> Gate {
        self.stop_after(place, 0)
    }

    /// Stops one that comes to a place after so many others.
    pub fn stop_after(&self, place: &str, let_pass: usize) -> Gate {
        let (tell, reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let stop = Stop { let_pass, reached: tell, open: opened };
        self.0.lock().unwrap().entry(place.to_owned()).or_default().push_back(stop);
        Gate { place: place.to_owned(), reached: Some(reached), open }
    }

    /// Comes by.
    pub async fn pass(&self, place: &str) {
        let stop = {
            let mut stops = self.0.lock().unwrap();
            let Some(waiting) = stops.get_mut(place) else { return };
            match waiting.front_mut() {
                None => return,
                Some(stop) if stop.let_pass > 0 => {
                    stop.let_pass -= 1;
                    return;
                }
                Some(_) => waiting.pop_front().unwrap(),
            }
        };
        let _ = stop.reached.send(());
        if stop.open.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Gate {
    /// Returns when somebody stands there; fails the test when nobody comes.
    pub async fn reached(&mut self) {
        let reached = self.reached.take().expect("asked twice");
        let patience = std::time::Duration::from_hours(1);
        let came = tokio::time::timeout(patience, reached).await;
        assert!(matches!(came, Ok(Ok(()))), "nobody came to {:?}", self.place);
    }

    /// Returns when whoever stood there has gone away by itself.
    pub async fn left(&mut self) {
        self.open.closed().await;
    }

    /// Lets whoever stands there go on.
    pub fn open(self) {
        let _ = self.open.send(());
    }
}

/// A gate before and after each write to the board (`before editTask`, `after addComment`, …), and
/// before a task is read for a claim (`raiseFence`, `readTask`) and after comments are read.
#[derive(Debug)]
pub struct AtGates {
    pub gates: Arc<Gates>,
    /// Questions fail while it is set.
    pub down: AtomicBool,
    /// Only questions for lists of tasks do.
    pub lists_nothing: AtomicBool,
}

/// A board with gates.
pub type GatedBoard = Watched<AtGates>;

impl GatedBoard {
    pub fn new(below: Arc<dyn Board>, gates: &Arc<Gates>) -> Self {
        let watch = AtGates {
            gates: Arc::clone(gates),
            down: AtomicBool::new(false),
            lists_nothing: AtomicBool::new(false),
        };
        Self { below, watch }
    }
}

#[async_trait]
impl Watch for AtGates {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        match call.what {
            What::Write(..) => self.gates.pass(&format!("before {}", call.tool())).await,
            What::Fence(..) => self.gates.pass("raiseFence").await,
            What::Question => {
                if call.name == "task" {
                    self.gates.pass("readTask").await;
                }
                let lists_nothing = self.lists_nothing.load(Ordering::SeqCst);
                if self.down.load(Ordering::SeqCst) || call.name == "tasks" && lists_nothing {
                    let what = "it is down".to_owned();
                    return Err(BoardError::Unavailable { what, source: None });
                }
            }
        }
        Ok(())
    }

    async fn after(
        &self,
        call: &Call<'_>,
        _: std::result::Result<bool, &BoardError>,
    ) -> Result<()> {
        if call.is_write() || call.name == "comments" {
            self.gates.pass(&format!("after {}", call.tool())).await;
        }
        Ok(())
    }
}

/// A model with a gate before each answer (`model`), that remembers the prompts and may answer by
/// how many prompts it has seen.
#[derive(Debug)]
pub struct GatedModel {
    pub name: String,
    /// Answers a conversation; the first has number 0. The last one answers all that follow.
    pub scripts: Vec<Box<dyn Model>>,
    pub gates: Arc<Gates>,
    pub prompts: Arc<Mutex<Vec<String>>>,
}

/// A model that `rota.toml` gives no price.
#[derive(Debug)]
pub struct Unpriced(pub Arc<dyn Model>);

#[async_trait]
impl Model for Unpriced {
    fn describe(&self) -> String {
        self.0.describe()
    }

    async fn exchange(
        &self,
        exchange: &Exchange,
        heard: &Heard<'_>,
    ) -> std::result::Result<Reply, ModelError> {
        self.0.exchange(exchange, heard).await
    }

    fn is_priced(&self) -> bool {
        false
    }
}

#[async_trait]
impl Model for GatedModel {
    fn describe(&self) -> String {
        format!("gated:{}", self.name)
    }

    async fn exchange(
        &self,
        exchange: &Exchange,
        heard: &Heard<'_>,
    ) -> std::result::Result<Reply, ModelError> {
        let Some(Message::User(prompt)) = exchange.messages.first() else {
            return Err(ModelError::OffScript("no prompt".into()));
        };
        let number = {
            let mut prompts = self.prompts.lock().unwrap();
            let known = prompts.iter().position(|known| known == prompt);
            known.unwrap_or_else(|| {
                prompts.push(prompt.clone());
                prompts.len() - 1
            })
        };
        self.gates.pass("model").await;
        self.scripts[number.min(self.scripts.len() - 1)].exchange(exchange, heard).await
    }
}
