//! What a stopped state folder holds: every record of the ledger, read row by row and not through the
//! ledger's own code, the board's activity, and what people were told.

use rota::board::Board;
use rota::board::open::{BoardKind, BoardOptions};
use rota::clock::{Clock, SystemClock};
use rota::domain::{
    Activity, ActivityQuery, Claim, Effect, EffectState, LifeId, Mark, Notice, Occurrence,
    PersonId, PersonKind, PlaybookName, Run, RunId, StatusKind, Task, TaskId, TaskQuery, Timestamp,
};
use rota::store::open::{StoreOptions, open as open_store};
use rota::store::{Row, Store};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What is known beside the state folder, and is held against it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Playbooks that wake at a fixed pace, and how long it is.
    pub paces: BTreeMap<PlaybookName, Duration>,
    /// Playbooks that tell of each occurrence that ran.
    pub reporting: BTreeSet<PlaybookName>,
    /// What the file of notices holds.
    pub told: String,
    /// How often the daemon was killed: so often may a notice have been told once more.
    pub kills: usize,
    /// Whether several daemons were at work: which of two runs began first by their clocks then says
    /// nothing about which had the task first, and an occurrence may be ended by another daemon than the
    /// one that carries its runs out.
    pub several: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub known: Known,
    pub runs: BTreeMap<RunId, Run>,
    pub effects: BTreeMap<RunId, Vec<Effect>>,
    pub claims: BTreeMap<TaskId, Claim>,
    /// Keys of rows that say that an ended claim was not seen to.
    pub orphans: Vec<String>,
    pub occurrences: Vec<Occurrence>,
    pub watermarks: BTreeMap<PlaybookName, Timestamp>,
    pub notices: Vec<Notice>,
    pub tasks: Vec<(Task, StatusKind)>,
    pub agents: BTreeSet<PersonId>,
    pub activity: Vec<Activity>,
    /// Journaled writes that the board knows.
    pub applied: BTreeSet<Mark>,
}

/// A row of the journal.
#[derive(serde::Deserialize)]
struct Kept {
    effect: Effect,
}

/// Does something with a folder's store, and closes it.
pub fn with_store<T>(state: &Path, what: impl AsyncFnOnce(&dyn Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let life = LifeId::new("a look");
    let (options, clock) = (StoreOptions::default(), SystemClock::shared());
    let store = open_store(&options, state, &life, clock).unwrap();
    let done = runtime.block_on(what(store.as_ref()));
    drop(store);
    runtime.shutdown_timeout(Duration::from_secs(10));
    done
}

/// The rows under a prefix, those in parts put together.
pub async fn rows(store: &dyn Store, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let after = found.last().map(|(key, _)| key.clone());
        let page = store.scan(prefix, after.as_deref(), 500).await.unwrap();
        if page.is_empty() {
            return found;
        }
        for row in page {
            let whole = whole(store, &row).await;
            found.push((row.key, whole));
        }
    }
}

async fn whole(store: &dyn Store, row: &Row) -> Vec<u8> {
    let Some(parts) = row.value.strip_prefix(b"#") else { return row.value.clone() };
    let count = String::from_utf8_lossy(parts);
    let count: u32 = count.split(' ').next().unwrap().parse().unwrap();
    let mut whole = Vec::new();
    for index in 0..count {
        let part = format!("part/{}/{index:06}", row.key);
        whole.extend(store.get(&part).await.unwrap().expect("a part is missing").value);
    }
    whole
}

/// The records under a prefix.
pub async fn records<T: DeserializeOwned>(store: &dyn Store, prefix: &str) -> Vec<(String, T)> {
    let read = |(key, value): (String, Vec<u8>)| {
        let record = serde_json::from_slice(&value)
            .unwrap_or_else(|error| panic!("{key}: {error}: {}", String::from_utf8_lossy(&value)));
        (key, record)
    };
    rows(store, prefix).await.into_iter().map(read).collect()
}

impl Evidence {
    /// Reads a folder that nobody uses.
    pub fn read(state: &Path, known: Known) -> Self {
        let mut evidence =
            with_store(state, async |store: &dyn Store| Self::of_ledger(store).await);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { evidence.read_board(open_board(state).await.as_ref()).await });
        runtime.shutdown_timeout(Duration::from_secs(10));
        evidence.known = known;
        evidence
    }

    /// The same of a store and a board that are open.
    pub async fn of(store: &dyn Store, board: &dyn Board, known: Known) -> Self {
        let mut evidence = Self::of_ledger(store).await;
        evidence.read_board(board).await;
        evidence.known = known;
        evidence
    }

    async fn of_ledger(store: &dyn Store) -> Self {
        let runs = records::<Run>(store, "run/").await;
        let mut effects: BTreeMap<RunId, Vec<Effect>> = BTreeMap::new();
        for (_, Kept { effect }) in records::<Kept>(store, "effect/").await {
            effects.entry(effect.mark.run.clone()).or_default().push(effect);
        }
        let claims = records::<Claim>(store, "claim/").await;
        let orphans = rows(store, "orphan/").await;
        let watermarks = records::<Timestamp>(store, "watermark/").await;
        let name = |key: String| PlaybookName::new(key.trim_start_matches("watermark/"));
        Self {
            runs: runs.into_iter().map(|(_, run)| (run.id.clone(), run)).collect(),
            effects,
            claims: claims.into_iter().map(|(_, claim)| (claim.task, claim)).collect(),
            orphans: orphans.into_iter().map(|(key, _)| key).collect(),
            occurrences: values(records(store, "occurrence/").await),
            watermarks: watermarks.into_iter().map(|(key, at)| (name(key), at)).collect(),
            notices: values(records(store, "notice/").await),
            ..Self::default()
        }
    }

    async fn read_board(&mut self, board: &dyn Board) {
        let mut kinds = BTreeMap::new();
        for project in board.projects().await.unwrap() {
            kinds.insert(project.id, project);
        }
        let mut query = TaskQuery { limit: 200, ..TaskQuery::default() };
        loop {
            let page = board.tasks(&query).await.unwrap();
            let judged = page.items.into_iter().map(|task| {
                let kind = kinds[&task.project].kind_of(task.status);
                (task, kind)
            });
            self.tasks.extend(judged);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        for person in board.people().await.unwrap() {
            if person.kind == PersonKind::Agent {
                self.agents.insert(person.id);
            }
        }
        let mut query = ActivityQuery { limit: 1_000, ..ActivityQuery::default() };
        loop {
            let page = board.activity(&query).await.unwrap().items;
            let Some(last) = page.last() else { break };
            query.after = Some(last.id);
            self.activity.extend(page);
        }
        for effect in self.effects.values().flatten() {
            if let EffectState::Applied(_) = board.effect_of(&effect.mark).await.unwrap() {
                self.applied.insert(effect.mark.clone());
            }
        }
    }
}

fn values<T>(records: Vec<(String, T)>) -> Vec<T> {
    records.into_iter().map(|(_, record)| record).collect()
}

/// The board of a state folder.
pub async fn open_board(state: &Path) -> Arc<dyn Board> {
    let clock: Arc<dyn Clock> = SystemClock::shared();
    let board = BoardOptions {
        kind: BoardKind::Sqlite,
        path: Some("board.sqlite".into()),
        name: "main".to_owned(),
    };
    rota::board::open::open(&board, state, clock).await.unwrap()
}
