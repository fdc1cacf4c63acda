//! What must hold between the tables of a playbook.

use super::Defaults;
use crate::domain::{DayBudget, DueSelector, Mode, Playbook, Reviewer, Work, WriteScope};
use crate::fault::shown;
use crate::fault::table::Table;

/// Adds the faults of a playbook that was read.
pub(super) fn check(root: &Table<'_, '_>, playbook: &Playbook, defaults: &Defaults) {
    zone(root, playbook, defaults);
    budgets(root, playbook, defaults);
    work(root, playbook);
    claim(root, playbook);
    if playbook.mode == Mode::Staged && playbook.claim.is_none() {
        let fault = root.fault(
            "mode",
            "`staged` needs a claim that waits for the decision: [claim] is missing",
        );
        root.add(fault.with_help("write [select] and [claim], or mode = \"shadow\""));
    }
    let own = playbook.name.clone();
    if playbook.review.by == Reviewer::Playbook(own.clone()) {
        root.add(root.fault("review", "a playbook does not review itself"));
    }
    if playbook.outcomes.values().any(|outcome| outcome.rework.as_ref() == Some(&own)) {
        root.add(root.fault("outcome", "`rework` names this playbook itself"));
    }
    if let Some(report) = &playbook.report
        && report.to.is_empty()
        && root.has("report")
    {
        let fault = root.fault("report", "nobody hears this report: `to` is empty");
        root.add(fault.as_warning());
    }
}

/// A day needs a zone: nothing falls back to UTC in silence.
fn zone(root: &Table<'_, '_>, playbook: &Playbook, defaults: &Defaults) {
    let named = defaults.zone.is_some() || root.holds("on", "timezone");
    let today = playbook.select.as_ref().is_some_and(|s| s.due == DueSelector::Today);
    let key = match (named, today, playbook.limits.runs_per_day) {
        (false, true, _) => "select",
        (false, _, Some(_)) => "limits",
        _ => return,
    };
    let what = if key == "select" { "`due = \"today\"`" } else { "`runs_per_day`" };
    let fault = root.fault(key, format!("{what} needs a zone, and rota.toml names none"));
    root.add(fault.with_help("write `timezone = \"Europe/Berlin\"` in rota.toml, or in [on]"));
}

/// A budget of the day lasts for one run at least, and its day is the team's.
fn budgets(root: &Table<'_, '_>, playbook: &Playbook, defaults: &Defaults) {
    let (limits, day) = (&playbook.limits, playbook.limits.day);
    let named = defaults.zone.is_some() || root.holds("on", "timezone");
    if day != DayBudget::default() && !named {
        let message = "a budget of the day needs the team's zone, and rota.toml names none";
        let fault = root.fault("limits", message);
        root.add(fault.with_help("write `timezone = \"Europe/Berlin\"` in rota.toml"));
    }
    let is_short = day.tokens.is_some_and(|most| most < limits.tokens);
    if is_short || day.cost_micros.is_some_and(|most| limits.cost_micros.unwrap_or(0) > most) {
        let (run, all) =
            if is_short { ("tokens", "tokens_per_day") } else { ("cost", "cost_per_day") };
        let message =
            format!("one run may use more than a day (`{run}`, `{all}`): none would begin");
        root.add(
            root.fault("limits", message).with_help(format!("write `{run}`, at most `{all}`")),
        );
    }
}

fn work(root: &Table<'_, '_>, playbook: &Playbook) {
    match &playbook.work {
        Work::Steps(steps) => {
            for step in steps {
                if !step.tool.is_empty() && !allows(&playbook.tools, &step.tool) {
                    let tool = shown(&step.tool);
                    let message = format!("step calls `{tool}`, which `tools` leaves out");
                    root.add(root.fault("work", message));
                }
            }
            let said = !root.has("work") || root.holds("work", "runner");
            if steps.is_empty() && playbook.report.is_none() && said {
                let fault = root.own_fault("playbook does nothing: no step, no report");
                root.add(fault.with_help("write [work], [[step]] or [report]"));
            }
            if playbook.outcomes.values().any(|outcome| outcome.ask.is_some()) {
                root.add(root.fault("outcome", "steps cannot ask a question"));
            }
        }
        Work::Model { .. } | Work::Command { .. } | Work::Acp { .. } => {
            if playbook.outcomes.is_empty() {
                let fault = root.fault("work", "work has no outcome to end by");
                root.add(fault.with_help("write [outcome.NAME] for each way it may end"));
            }
        }
    }
}

fn claim(root: &Table<'_, '_>, playbook: &Playbook) {
    if playbook.claim.is_some() && playbook.select.is_none() {
        let fault = root.fault("claim", "nothing is claimed: [select] is missing");
        root.add(fault.with_help("write [select], or leave [claim] out"));
    }
    if playbook.claim.is_none() {
        let needs = playbook
            .outcomes
            .iter()
            .find(|(_, outcome)| outcome.ask.is_some() || outcome.rework.is_some());
        if let Some((name, _)) = needs {
            let name = shown(name);
            let message = format!("outcome `{name}` needs a claimed task: [claim] is missing");
            root.add(root.fault("outcome", message));
        }
        if playbook.scope.write == WriteScope::Claimed && root.holds("scope", "write") {
            let fault =
                root.fault("scope", "`write = \"claimed\"`, but this playbook claims nothing");
            root.add(fault.with_help("write \"project\" or \"board\", or [claim]"));
        }
    }
    let judged = &playbook.suitability;
    let is_judged = !judged.require.is_empty() || judged.rubric.is_some();
    if judged.when_unsuitable.is_some() && !is_judged {
        let message = "`when_unsuitable` has no meaning: `require` is empty";
        root.add(root.fault("suitability", message).as_warning());
    }
    if playbook.select.is_none() && is_judged {
        root.add(root.fault("suitability", "there is no task to judge: [select] is missing"));
    }
}

/// Whether a list of tools (with `*` at an end) allows a tool.
pub(super) fn allows(tools: &[String], name: &str) -> bool {
    tools.iter().any(|tool| match tool.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => tool == name,
    })
}
