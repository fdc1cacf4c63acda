//! The composition root: the only room that opens adapters and puts the house together.
//!
//! [`App`] is the house behind the commands. `open` makes the daemon's parts from configuration and a
//! state folder, `front` answers tool calls over them, `rehearsal` puts the same parts over an
//! overlay board and a store in memory, `demo` plays a sample day.

mod api;
mod backup;
mod calendar;
mod channels;
mod check;
mod counted;
mod demo;
mod doctor;
mod door;
mod everywhere;
pub mod failure;
mod failures;
mod front;
pub mod house;
mod http;
mod instants;
mod lately;
mod leantime;
mod migrate;
mod models;
mod moved;
mod notebook;
mod open;
mod outside;
mod people;
mod postgres;
mod rehearsal;
mod rooms;
mod serve;
mod shared;
mod signed_in;
mod slack;
mod spoken;
mod starter;
mod steward;
mod storage;
mod transfer;
mod upstreams;
mod visit;

use crate::app::failure::Failure;
use crate::app::house::{
    AddAgent, AgentAdded, AtPipe, BackupReport, CheckReport, DemoOptions, Finding, House,
    LeantimeStart, LeantimeStarted, MigrateOptions, MoveReport, MoveStep, Need, Place, Ready,
    SchemaKind, ServeOptions, StarterFile, TransferOptions,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Transport;
use crate::daemon::Wake;
use crate::daemon::control::{Answer, Answered, Progress};
use crate::daemon::signals::Signal;
use crate::domain::Value;
use crate::ledger::stop;
use crate::mcp::bridge;
use crate::transfer::{Report, Step};
use async_trait::async_trait;
use open::Speak;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// The house, as the binary has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct App;

async fn started(place: &Place, wake: Wake) -> Result<Arc<dyn Answer>, Failure> {
    let house = Box::pin(open::house(place, Speak::Held, wake)).await?;
    Box::pin(house.start(wake)).await
}

#[async_trait]
impl House for App {
    async fn open(&self, place: &Place, need: Need) -> Result<Arc<dyn Answer>, Failure> {
        match need {
            // Boxed: opening holds much, and whoever waits for it need not.
            Need::Share => Box::pin(shared::open(place)).await,
            Need::Rehearse => Box::pin(rehearsal::open_copy(place)).await,
            Need::Look => started(place, Wake::ToLook).await,
            Need::Act => {
                crate::runner::process::adopt_orphans();
                started(place, Wake::ByHand).await
            }
        }
    }

    async fn serve(
        &self,
        place: &Place,
        _options: ServeOptions,
        signals: mpsc::Receiver<Signal>,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), Failure> {
        Box::pin(serve::serve(place, signals, ready)).await
    }

    fn at_pipe(&self, place: &Place) -> Result<AtPipe, Failure> {
        let found = leantime::place(place)?;
        let config = open::config(&found)?;
        Ok(AtPipe {
            limits: config.mcp.limits,
            selection: config.mcp.http.selection,
            zone: config.timezone.map(|zone| zone.name().to_owned()),
            wants_http: config.mcp.transport == Transport::Http,
            place: Some(found),
        })
    }

    async fn demo(
        &self,
        options: DemoOptions,
        tell: mpsc::Sender<Progress>,
    ) -> Result<Answered, Failure> {
        demo::play(options, tell).await
    }

    async fn check(&self, place: &Place, paths: &[PathBuf]) -> Result<CheckReport, Failure> {
        check::check(place, paths).await
    }

    async fn transfer(
        &self,
        place: &Place,
        options: TransferOptions,
        tell: watch::Sender<Step>,
        stop: CancellationToken,
    ) -> Result<Report, Failure> {
        transfer::transfer(place, options, tell, stop).await
    }

    async fn migrate(
        &self,
        place: &Place,
        options: MigrateOptions,
        tell: watch::Sender<MoveStep>,
        stop: CancellationToken,
    ) -> Result<MoveReport, Failure> {
        Box::pin(migrate::migrate(place, options, tell, stop)).await
    }

    async fn backup(&self, place: &Place, file: &Path) -> Result<BackupReport, Failure> {
        backup::backup(place, file).await
    }

    async fn restore(&self, place: &Place, file: &Path) -> Result<BackupReport, Failure> {
        backup::restore(place, file).await
    }

    fn written(&self, place: &Place) -> Result<Vec<PathBuf>, Failure> {
        open::written(place)
    }

    async fn doctor(&self, place: &Place, asks_models: bool) -> Result<Vec<Finding>, Failure> {
        doctor::examine(place, asks_models, None).await
    }

    async fn visit(&self, server: &bridge::Options) -> Result<Vec<Finding>, Failure> {
        visit::examine(server).await
    }

    fn stop_all(&self, place: &Place, reason: &str) -> Result<Value, Failure> {
        let by = people::typist();
        std::fs::create_dir_all(&place.state)
            .and_then(|()| stop::set(&place.state, &by, reason, SystemClock::new().wall()))
            .map_err(|error| failures::state_io("the stop file cannot be written", &error))?;
        Ok(Value::map([
            ("stopped", Value::from(true)),
            ("by", by.into()),
            ("reason", reason.into()),
        ]))
    }

    fn start_all(&self, place: &Place) -> Result<Value, Failure> {
        stop::clear(&place.state)
            .map_err(|error| failures::state_io("the stop file cannot be removed", &error))?;
        Ok(Value::map([("stopped", Value::from(false)), ("by", people::typist().into())]))
    }

    async fn stop_everywhere(&self, place: &Place, why: Option<&str>) -> Result<bool, Failure> {
        Box::pin(everywhere::stop(place, why)).await
    }

    async fn new_epoch(&self, place: &Place) -> Result<Value, Failure> {
        Box::pin(everywhere::new_epoch(place)).await
    }

    fn starter_files(&self) -> Vec<StarterFile> {
        starter::files()
    }

    async fn leantime_start(&self, start: &LeantimeStart) -> Result<LeantimeStarted, Failure> {
        leantime::start(start).await
    }

    async fn add_agent(&self, place: &Place, agent: &AddAgent) -> Result<AgentAdded, Failure> {
        leantime::add_agent(place, agent).await
    }

    fn schema(&self, kind: SchemaKind) -> Result<String, Failure> {
        let schema = match kind {
            SchemaKind::Playbook => crate::playbook::schema::schema(),
            SchemaKind::Config => crate::config::schema(),
        };
        serde_json::to_string_pretty(&schema)
            .map_err(|error| Failure::internal("the schema cannot be written").because(&error))
    }
}
