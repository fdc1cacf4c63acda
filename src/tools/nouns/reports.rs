//! Answers that take several questions and some reckoning: standup, plans, health, pace, load. They look
//! only; what a plan proposes is written by the tools for it. The reckoning itself is `crate::reckon`.

mod blocked;
mod focus;
mod goals;
mod health;
mod kickoff;
mod project_plan;
mod read;
mod sprint;
mod standup;
mod time_gaps;
mod view;
mod week;
mod workload;

use crate::tools::definition::Definition;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        standup::tool(),
        week::tool(),
        project_plan::tool(),
        health::tool(),
        goals::tool(),
        workload::tool(),
        sprint::tool(),
        time_gaps::tool(),
        kickoff::tool(),
        blocked::tool(),
        focus::tool(),
    ]
}
