//! The playbooks that ship with the program, on one sample board.

mod golden;
mod golden_of_work;
mod hostile;
mod large;
mod plans;
mod with_a_model;
mod workflows;

use crate::support::daemon::{ADA, Life, Team, request};
use rota::domain::{Body, RunState};
use rota::tools::desk::{Desk as _, RunReport};

/// Every channel hears it.
const EVERYWHERE: (&str, &str) =
    ("to = [\"stdout\"] ", "to = [\"stdout\", \"file:log\", \"slack:ops\"] ");

/// Runs a shipped playbook by hand with these values.
async fn run(life: &Life, name: &str, set: &[(&str, &str)]) -> RunReport {
    let mut request = request(name);
    request.set = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let report = life.daemon.run_playbook(request).await.unwrap();
    life.daemon.deliver().await;
    report
}

/// The same, which has to go well.
async fn run_well(life: &Life, name: &str, set: &[(&str, &str)]) -> RunReport {
    let report = run(life, name, set).await;
    assert_eq!(report.state, RunState::Succeeded, "{name}: {report:#?}");
    report
}

/// What a playbook tells, by hand, on a board.
async fn told(team: &Team, name: &str, set: &[(&str, &str)]) -> Body {
    team.shipped(name, &[EVERYWHERE]);
    let life = team.start().await;
    let before = team.told.0.lock().unwrap().len();
    run_well(&life, name, set).await;
    let told = team.told.0.lock().unwrap()[before..].to_vec();
    assert_eq!(told.len(), 3, "one for each channel: {told:#?}");
    life.stop().await;
    told[0].1.clone()
}

/// What a tool of the toolset `reports` answers Ada.
async fn asked(team: &Team, life: &Life, tool: &str, args: serde_json::Value) -> serde_json::Value {
    let ada = team.person(ADA).await;
    let answer = life.call(&ada, tool, args).await.unwrap();
    serde_json::to_value(&answer).unwrap()
}
