//! Whatever can work: programs, models, plain steps.

mod code;
mod code_history;
mod code_notes;
mod command;
mod model_loop;
mod model_pauses;
mod model_troubles;
mod model_wires;
mod sandbox;
mod steps;
mod ways_out;
mod workspace;

use crate::support::house::House;
use rota::domain::{Playbook, RunId, Value};
use rota::runner::{Job, ToolSession};
use std::sync::Arc;

/// A job for the house's agent, and its tools.
pub async fn job(house: &House, playbook: Playbook, prompt: &str) -> (Job, ToolSession) {
    let context = house.agent(playbook.clone()).await;
    let job = Job {
        run: RunId::new("r-aaaaaaaaaaaa"),
        playbook: Arc::new(playbook),
        task: Some(house.task),
        prompt: prompt.to_owned(),
        context: Value::map([("now", "2026-11-03T11:00:00Z")]),
        command: vec![],
        env: vec![],
        folder: std::env::temp_dir(),
        workspace: None,
        grant: None,
        answered: None,
    };
    (job, ToolSession::new(house.tools.clone(), context))
}
