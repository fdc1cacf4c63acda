//! Places at which a test can stop what passes by: before and after each write to the board, before
//! each answer of a model.

use async_trait::async_trait;
use rota::board::{
    Board, BoardError, Capabilities, Comments, History, Milestones, People, Projects, Result, Tasks,
};
use rota::domain::*;
use rota::model::{Exchange, Message, Model, ModelError, Reply};
use std::collections::{BTreeMap, VecDeque};
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

    /// Lets whoever stands there go on.
    pub fn open(self) {
        let _ = self.open.send(());
    }
}

/// A board with a gate before and after each write (`before editTask`, `after addComment`, …), and
/// before a task is read for a claim (`raiseFence`, `readTask`) and after comments are read.
#[derive(Debug)]
pub struct GatedBoard {
    pub below: Arc<dyn Board>,
    pub gates: Arc<Gates>,
    /// Reads fail while it is set.
    pub down: std::sync::atomic::AtomicBool,
}

impl GatedBoard {
    fn up(&self) -> Result<()> {
        if self.down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(BoardError::Unavailable { what: "it is down".into(), source: None });
        }
        Ok(())
    }
}

#[async_trait]
impl Board for GatedBoard {
    fn name(&self) -> BoardName {
        self.below.name()
    }
    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }
    async fn raise_fence(&self, task: TaskId, fence: Fence) -> Result<()> {
        self.gates.pass("raiseFence").await;
        self.below.raise_fence(task, fence).await
    }
    async fn effect_of(&self, mark: &Mark) -> Result<EffectState> {
        self.below.effect_of(mark).await
    }
}

#[async_trait]
impl People for GatedBoard {
    async fn people(&self) -> Result<Vec<Person>> {
        self.up()?;
        self.below.people().await
    }
    async fn person(&self, id: PersonId) -> Result<Person> {
        self.below.person(id).await
    }
    async fn add_person(&self, stamp: &Stamp, new: NewPerson) -> Result<Written<Person>> {
        self.below.add_person(stamp, new).await
    }
}

#[async_trait]
impl Projects for GatedBoard {
    async fn projects(&self) -> Result<Vec<Project>> {
        self.up()?;
        self.below.projects().await
    }
    async fn project(&self, id: ProjectId) -> Result<Project> {
        self.below.project(id).await
    }
    async fn add_project(&self, stamp: &Stamp, new: NewProject) -> Result<Written<Project>> {
        self.below.add_project(stamp, new).await
    }
    async fn edit_project(
        &self,
        stamp: &Stamp,
        id: ProjectId,
        edits: &[ProjectEdit],
    ) -> Result<Written<Project>> {
        self.below.edit_project(stamp, id, edits).await
    }
}

#[async_trait]
impl Tasks for GatedBoard {
    async fn task(&self, id: TaskId) -> Result<Task> {
        self.gates.pass("readTask").await;
        self.up()?;
        self.below.task(id).await
    }
    async fn tasks(&self, query: &TaskQuery) -> Result<Page<Task>> {
        self.up()?;
        self.below.tasks(query).await
    }
    async fn add_task(&self, stamp: &Stamp, new: NewTask) -> Result<Written<Task>> {
        self.gates.pass("before addTask").await;
        let written = self.below.add_task(stamp, new).await;
        self.gates.pass("after addTask").await;
        written
    }
    async fn edit_task(
        &self,
        stamp: &Stamp,
        id: TaskId,
        edits: &[TaskEdit],
    ) -> Result<Written<Task>> {
        self.gates.pass("before editTask").await;
        let written = self.below.edit_task(stamp, id, edits).await;
        self.gates.pass("after editTask").await;
        written
    }
    async fn delete_task(&self, stamp: &Stamp, id: TaskId) -> Result<Written<Task>> {
        self.below.delete_task(stamp, id).await
    }
}

#[async_trait]
impl Milestones for GatedBoard {
    async fn milestone(&self, id: MilestoneId) -> Result<Milestone> {
        self.below.milestone(id).await
    }
    async fn milestones(&self, query: &MilestoneQuery) -> Result<Vec<Milestone>> {
        self.below.milestones(query).await
    }
    async fn add_milestone(&self, stamp: &Stamp, new: NewMilestone) -> Result<Written<Milestone>> {
        self.below.add_milestone(stamp, new).await
    }
    async fn edit_milestone(
        &self,
        stamp: &Stamp,
        id: MilestoneId,
        edits: &[MilestoneEdit],
    ) -> Result<Written<Milestone>> {
        self.below.edit_milestone(stamp, id, edits).await
    }
}

#[async_trait]
impl Comments for GatedBoard {
    async fn comments(&self, query: &CommentQuery) -> Result<Page<Comment>> {
        let page = self.below.comments(query).await;
        self.gates.pass("after comments").await;
        page
    }
    async fn add_comment(&self, stamp: &Stamp, new: NewComment) -> Result<Written<Comment>> {
        self.gates.pass("before addComment").await;
        let written = self.below.add_comment(stamp, new).await;
        self.gates.pass("after addComment").await;
        written
    }
    async fn delete_comment(&self, stamp: &Stamp, id: CommentId) -> Result<Written<Comment>> {
        self.below.delete_comment(stamp, id).await
    }
}

#[async_trait]
impl History for GatedBoard {
    async fn activity(&self, query: &ActivityQuery) -> Result<Page<Activity>> {
        self.below.activity(query).await
    }
    async fn latest_activity(&self) -> Result<ActivityId> {
        self.up()?;
        self.below.latest_activity().await
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

#[async_trait]
impl Model for GatedModel {
    fn describe(&self) -> String {
        format!("gated:{}", self.name)
    }

    async fn exchange(&self, exchange: &Exchange) -> std::result::Result<Reply, ModelError> {
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
        self.scripts[number.min(self.scripts.len() - 1)].exchange(exchange).await
    }
}
