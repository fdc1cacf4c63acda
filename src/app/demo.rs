//! `rota demo`: a sample team, its board and a scripted model in a temporary folder, and one simulated
//! working day of the shipped playbooks.
//!
//! Everything is real but the team, the time and the model: the embedded board and store, the
//! daemon, the claims, the tools and their guard, the outbox. The clock is moved from one instant at
//! which something is due to the next.

mod served;
mod story;
mod team;

use super::failures;
use super::open::{self, Ground};
use crate::app::failure::Failure;
use crate::app::house::{BoardOf, DemoOptions, Place};
use crate::clock::{Clock, Entropy, ManualClock, SystemEntropy};
use crate::daemon::control::{Answered, Progress};
use crate::daemon::{Daemon, Wake};
use crate::digest::blocks;
use crate::domain::{Channel, LifeId, Notice, Usage, Value};
use crate::ledger::{Ledger, RunFilter};
use crate::notify::{FileOptions, Notifier, NotifyOptions, SharedWriter};
use crate::playbook;
use served::Served;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use story::Story;
use team::{MORNING, RELEASE_NOTES, Team, at, hours, to};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// The demo's files, beside the shipped playbooks.
const FILES: [(&str, &str); 3] = [
    ("rota.toml", include_str!("demo/rota.toml")),
    ("worker.toml", include_str!("demo/worker.toml")),
    ("reviewer.toml", include_str!("demo/reviewer.toml")),
];

/// At most so many notices and runs are summed up.
const LATEST_MAX: usize = 1_000;

/// Plays the day.
pub(super) async fn play(
    options: DemoOptions,
    tell: mpsc::Sender<Progress>,
) -> Result<Answered, Failure> {
    let stage = Stage::set()?;
    let answered = Box::pin(stage.play(options, tell)).await;
    drop(stage);
    answered
}

/// A temporary folder; it goes when the demo ends.
struct Stage {
    folder: PathBuf,
    clock: Arc<ManualClock>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    fn set() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("rota-demo-{}", SystemEntropy.nonce()));
        let stage = Self { folder, clock: Arc::new(ManualClock::at(at(14, 9, 0))) };
        stage.write_files().map_err(|error| {
            failures::state_io("the demo's temporary folder cannot be written", &error)
        })?;
        Ok(stage)
    }

    fn write_files(&self) -> std::io::Result<()> {
        let agents = self.folder.join("agents");
        std::fs::create_dir_all(&agents)?;
        for (name, text) in FILES {
            std::fs::write(self.folder.join(name), text)?;
        }
        for (name, text) in playbook::shipped() {
            // The digest also goes to the demo's Slack, which is a file.
            let text = text.replace("to = [\"stdout\"]", "to = [\"file:slack\"]");
            std::fs::write(agents.join(name), text)?;
        }
        Ok(())
    }

    async fn play(
        &self,
        options: DemoOptions,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, Failure> {
        let place = Place {
            config: Some(self.folder.join("rota.toml")),
            state: self.folder.join("state"),
            is_state_named: true,
            zone: None,
            board: BoardOf::Configuration,
        };
        let mut opened = open::put_together(self.ground(&place).await?).await?;
        opened.place = Some(place);
        opened.look_after();
        let (board, ledger) = (Arc::clone(&opened.parts.board), Arc::clone(&opened.parts.ledger));
        let tools = Arc::clone(&opened.parts.tools);
        let served = if options.serve { Some(Served::of(&opened).await?) } else { None };
        let team = Team::gather(board.as_ref(), Arc::clone(&tools), &self.clock).await?;
        let daemon = Daemon::start(opened.parts, Wake::ByTicks)
            .await
            .map_err(|error| failures::start(&error))?;
        tools.set_desk(Arc::clone(&daemon) as _);
        let mut story = Story::begin(board, Arc::clone(&ledger), tell).await?;
        for line in PROLOGUE {
            story.frame(self.clock.wall(), line).await;
        }
        self.day(&daemon, &team, &mut story).await?;
        let Some(served) = served else {
            daemon.drain().await;
            return epilogue(&ledger, &mut story).await;
        };
        let mut told = epilogue(&ledger, &mut story).await?;
        for line in std::mem::take(&mut told.text).lines() {
            story.frame(self.clock.wall(), line).await;
        }
        served.stay(&daemon, self, &mut story).await?;
        daemon.drain().await;
        Ok(told)
    }

    async fn ground(&self, place: &Place) -> Result<Ground, Failure> {
        let config = open::config(place)?;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let life = LifeId::new("demo");
        open::make_state(&place.state)?;
        let store = open::open_store(&config, place, &life, &clock).await?.store;
        Ok(Ground {
            me: None,
            board: open::open_board(&config, &place.state, &clock, None).await?,
            store,
            epoch: 0,
            life,
            clock,
            entropy: Arc::new(SystemEntropy),
            notifiers: notifiers(&self.folder, &self.clock)?,
            models: open::models(&config)?,
            templates: config.templates.clone(),
            config,
            state: Some(place.state.clone()),
            composes_only: false,
            by_hand: false,
            workspaces: None,
            environment: BTreeMap::new(),
        })
    }

    /// From one instant at which something is due to the next, until the digest of the next morning.
    async fn day(&self, daemon: &Daemon, team: &Team, story: &mut Story) -> Result<(), Failure> {
        let end = at(MORNING.0 + 1, 8, 0);
        let hours = hours();
        let mut acted = 0;
        loop {
            let stirred = self.look(daemon, team).await?;
            story.go_on(stirred).await?;
            let human = hours.get(acted).copied();
            let due = daemon.next_wake().into_iter().chain(human).min().unwrap_or(end);
            if self.clock.wall() >= end {
                return Ok(());
            }
            to(&self.clock, due.min(end));
            if human.is_some_and(|human| human <= self.clock.wall()) {
                team.act(acted).await?;
                acted += 1;
            }
        }
    }

    /// A tick, and everything that follows from it; meanwhile Jonas watches the release notes.
    async fn look(&self, daemon: &Daemon, team: &Team) -> Result<bool, Failure> {
        let mut told = daemon.progress();
        daemon.tick().await;
        let idle = daemon.idle();
        tokio::pin!(idle);
        let (mut taken_over, mut stirred) = (false, false);
        loop {
            tokio::select! {
                () = &mut idle => break,
                line = told.recv() => {
                    stirred = true;
                    match line {
                    Ok(line) if !taken_over && is_at_release_notes(daemon, &line).await => {
                        taken_over = true;
                        team.jonas_takes_over().await?;
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                    }
                }
            }
        }
        stirred |= told.try_recv().is_ok();
        daemon.deliver().await;
        Ok(stirred)
    }
}

/// Whether an agent has just written something at the release notes.
async fn is_at_release_notes(daemon: &Daemon, line: &Progress) -> bool {
    let Some(run) = line.run.as_ref().filter(|_| line.kind == "tool") else { return false };
    daemon.task_of(run).await == Some(RELEASE_NOTES) && line.text.contains("addComment")
}

fn notifiers(
    folder: &Path,
    clock: &Arc<ManualClock>,
) -> Result<BTreeMap<Channel, Arc<dyn Notifier>>, Failure> {
    let channel = Channel::File("slack".to_owned());
    let file = BTreeMap::from([("slack".to_owned(), FileOptions::new(folder.join("slack.md")))]);
    let options = NotifyOptions { file, ..NotifyOptions::default() };
    let nowhere: SharedWriter = Arc::new(Mutex::new(std::io::sink()));
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let notifier = crate::notify::open(&channel, &options, &nowhere, &clock)
        .map_err(|error| Failure::internal(error.to_string()))?;
    Ok(BTreeMap::from([(channel, notifier)]))
}

const PROLOGUE: [&str; 4] = [
    "Rota demo: one simulated working day of a sample team. The board, the claims, the daemon and the",
    "tools are real and run in a temporary folder; people and time are simulated, and the model is a",
    "scripted model: it reads its answers from a file. Nothing leaves this machine.",
    "Maria and Jonas run a web shop. Agents: AI-Worker, AI-Reviewer, AI-Docs, AI-Assistant.",
];

/// The digest as people see it, and what it cost.
async fn epilogue(ledger: &Ledger, story: &mut Story) -> Result<Answered, Failure> {
    let unreadable = |error| Failure::internal("the demo's ledger cannot be read").because(&error);
    let notices = ledger.notices(LATEST_MAX, None).await.map_err(unreadable)?;
    let digest = notices.into_iter().find(|notice| notice.key.starts_with("digest:"));
    let runs = ledger.runs(&RunFilter::default(), LATEST_MAX).await.map_err(unreadable)?;
    let usage = runs.iter().fold(Usage::default(), |sum, run| sum.plus(run.usage));
    let at_tasks = runs.iter().filter(|run| run.fence.is_some()).count();
    let mut text = String::new();
    if let Some(digest) = &digest {
        text.push_str("\nThe digest of the next morning, as Slack gets it:\n\n");
        text.push_str(&slack_as_seen(digest));
    }
    let _ = write!(
        text,
        "\n\n{} runs, {at_tasks} of them with a claim; scripted model: {} tokens in, {} out, {}.{:02} USD.\n\
         Now on your own board: `rota init`, then `rota check` and `rota run-once ai-worker --dry-run`.",
        runs.len(),
        usage.tokens_in,
        usage.tokens_out,
        usage.cost_micros / 1_000_000,
        usage.cost_micros / 10_000 % 100,
    );
    let slack = digest.map(|digest| digest.body.slack).unwrap_or_default();
    let payloads: Vec<Value> =
        slack.iter().filter_map(|payload| serde_json::from_str(payload).ok()).collect();
    let value = Value::map([
        ("model", Value::from("scripted")),
        ("lines", Value::List(std::mem::take(&mut story.lines))),
        ("digest", Value::List(payloads)),
        ("runs", i64::try_from(runs.len()).unwrap_or(0).into()),
        ("tokens_in", i64::try_from(usage.tokens_in).unwrap_or(0).into()),
        ("tokens_out", i64::try_from(usage.tokens_out).unwrap_or(0).into()),
        ("cost_micros", i64::try_from(usage.cost_micros).unwrap_or(0).into()),
    ]);
    Ok(Answered { value, text })
}

/// The text of every block, in order, as Slack shows it.
fn slack_as_seen(notice: &Notice) -> String {
    let mut seen = Vec::new();
    for payload in &notice.body.slack {
        let Ok(payload) = serde_json::from_str::<Value>(payload) else { continue };
        let blocks = payload.get("blocks").and_then(Value::as_list).unwrap_or_default().to_vec();
        for block in &blocks {
            let own = block.get("text").and_then(|text| text.get("text"));
            let inside = block.get("elements").and_then(Value::as_list).unwrap_or_default();
            let inside = inside.iter().filter_map(|element| element.get("text"));
            seen.extend(
                own.into_iter().chain(inside).filter_map(Value::as_text).map(blocks::plain),
            );
        }
    }
    let boxed: Vec<String> =
        seen.join("\n\n").lines().map(|line| format!("  │ {line}").trim_end().to_owned()).collect();
    boxed.join("\n")
}
