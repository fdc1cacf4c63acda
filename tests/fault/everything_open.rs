//! The daemon dies at every step that has a name while a model is thinking, a program is at work and a
//! question waits for a person: nothing of that is lost, and nothing of it goes on by itself.

use super::checker::{Moment, acquit};
use super::evidence::{Evidence, Known};
use super::left_over::is_gone;
use super::scene::{SCRIPT, WORKER};
use super::{asked, say};
use crate::support::rota::{Rota, until};
use nix::unistd::Pid;
use rota::crash::STEPS;
use rota::domain::{PlaybookName, Reason, Run, RunState, StatusKind, TaskId};
use std::process::{Child, Stdio};

const ASKED: TaskId = TaskId(1);
const THOUGHT: TaskId = TaskId(2);
const PROGRAM: TaskId = TaskId(3);
const WORKED: TaskId = TaskId(4);

const CONFIG: &str = r#"
arm = "auto"
[people]
me = "Ada"
[daemon]
id = "crashing"
tick = "1s"
drain = "30s"
slots = 6
[claims]
lease = "60s"
[models.worker]
kind = "scripted"
script = "model.toml"
[notify.file.told]
path = "told.md"
"#;

const PROMPT: &str = "task_id: {{task.id}}\nheadline: {{task.headline}}\n\
                      {{#each earlier}}did {{tool}} at {{entity}}\n{{/each}}";

/// What playbooks by hand have in common.
const BY_HAND: &str = r#"
agent = "AI-Helper"
[select]
status = "kind:new"
[claim]
[work]
WORK
[outcome.ready]
status = "kind:waiting"
[outcome.blocked]
ask = "question.md.hbs"
[limits]
attempts = 1
time = "10m"
idle = "10m"
"#;

const BY_MODEL: &str = r#"runner = "model"
model = "worker"
prompt = "crash.md.hbs"
tools = ["finish"]"#;

const CONVERSATIONS: &str = r#"
[[conversation]]
match = ["headline: Ask"]
[[conversation.turn]]
call = [{ tool = "finish", args = { outcome = "blocked", summary = "Which colour is it to be?" } }]
[[conversation.turn]]
expect = "Green, like the door."
call = [{ tool = "finish", args = { outcome = "ready", summary = "It is green." } }]

[[conversation]]
match = ["headline: Think"]
[[conversation.turn]]
wait_ms = 600000
"#;

/// A folder in which a question is parked, and a task each for a model and a program.
fn scene() -> Rota {
    let rota = Rota::new();
    rota.write("rota.toml", CONFIG);
    rota.write("agents/worker.toml", WORKER);
    let pid = rota.path().join("pid");
    let program = format!(
        "runner = \"command\"\ncommand = [\"sh\", \"-c\", \"echo $$ > '{}'; exec sleep 600\"]",
        pid.display()
    );
    for (name, work) in [("asker", BY_MODEL), ("thinker", BY_MODEL), ("program", &program)] {
        rota.write(&format!("agents/{name}.toml"), &BY_HAND.replace("WORK", work));
    }
    rota.write("templates/crash.md.hbs", PROMPT);
    rota.write("templates/told.txt.hbs", "told {{#each tasks}}{{state}} {{/each}}");
    rota.write("model.toml", &format!("{CONVERSATIONS}{SCRIPT}"));
    rota.run(["project", "add", "Web"]).ok();
    for headline in ["Ask", "Think", "Work"] {
        rota.run(["task", "add", headline]).ok();
    }
    rota.run(["run-once", "asker", "--task", "1"]).ok();
    rota
}

/// A daemon that dies at a step, with whoever asked it to run something.
struct Dying {
    daemon: Child,
    asking: Vec<Child>,
}

impl Dying {
    fn start(rota: &Rota, crash_at: Option<&str>) -> Self {
        let mut command = rota.command(["serve"]);
        if let Some(step) = crash_at {
            command.env("ROTA_CRASH_AT", step);
        }
        let log = std::fs::File::create(rota.path().join("dying.log")).unwrap();
        let daemon = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut dying = Self { daemon, asking: Vec::new() };
        // Without a daemon a command answers by itself, and would then be the one that has the state.
        let serves = || rota.run(["status"]).out.contains("serving since");
        until("it answers", || serves().then_some(()));
        for (playbook, task) in [("thinker", THOUGHT), ("program", PROGRAM)] {
            let task = task.to_string();
            let mut command = rota.command(["run-once", playbook, "--task", &task]);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            dying.asking.push(child);
            until(&format!("{playbook} is at work"), || {
                let ended = dying.daemon.try_wait().unwrap();
                let log = || rota.read("dying.log");
                assert!(ended.is_none(), "it died too early, at {crash_at:?}: {}", log());
                at_work(rota, &task)
            });
        }
        dying
    }

    /// Waits for its end; whether a signal ended it.
    fn has_died(mut self, what: &str) {
        let status = until(&format!("it dies at {what}"), || self.daemon.try_wait().unwrap());
        assert_eq!(status.code(), None, "{what}: {status:?}");
        for mut child in self.asking.drain(..) {
            child.wait().unwrap();
        }
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        for child in self.asking.iter_mut().chain([&mut self.daemon]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The journal's length of a run that is at work at a task and has announced itself.
fn at_work(rota: &Rota, task: &str) -> Option<usize> {
    // Where the daemon died meanwhile there is no answer, and whoever asks looks after that.
    let asked = |args: &[&str]| Some(rota.run(args)).filter(|ran| ran.code == 0);
    let listed = asked(&["runs", "list", "--task", task, "--json"])?.json();
    let run = listed["items"][0]["id"].as_str()?.to_owned();
    let shown = asked(&["runs", "show", &run, "--json"])?.json();
    // The prompt is recorded once the work begins; a program says that it works by its file.
    let has_begun = match task {
        "3" => !std::fs::read_to_string(rota.path().join("pid")).unwrap_or_default().is_empty(),
        _ => shown["prompt"].as_str().is_some_and(|prompt| !prompt.is_empty()),
    };
    has_begun.then(|| shown["effects"].as_array().map_or(0, Vec::len))
}

/// How often the two runs that are at work have passed a step, so that the third dies at it next.
fn passes_before(step: &str, effects: usize) -> usize {
    match step.split('.').next() {
        Some("effect") => effects,
        _ if step.starts_with("announce") || step == "claim.reserved" || step == "run.started" => 2,
        _ => 0,
    }
}

fn known(rota: &Rota) -> Known {
    Known {
        reporting: [PlaybookName::new("worker")].into(),
        told: std::fs::read_to_string(rota.path().join("told.md")).unwrap_or_default(),
        kills: 1,
        ..Known::default()
    }
}

fn run_at(evidence: &Evidence, task: TaskId) -> Vec<&Run> {
    let mut runs: Vec<_> = evidence.runs.values().filter(|run| run.task == Some(task)).collect();
    runs.sort_by_key(|run| run.fence);
    runs
}

fn kind(evidence: &Evidence, task: TaskId) -> (StatusKind, bool) {
    let found = evidence.tasks.iter().find(|(found, _)| found.id == task).unwrap();
    (found.1, found.0.assignee.is_some())
}

/// A new daemon sees to everything, and the question is answered.
fn is_seen_to(rota: &Rota, what: &str) {
    let pid: i32 = rota.read("pid").trim().parse().unwrap();
    let serving = rota.serve(Vec::<&str>::new());
    assert!(is_gone(Pid::from_raw(pid)), "{what}: the program still works");
    let waiting = rota.run(["review", "list", "--json"]).ok();
    assert!(waiting.out.contains("Which colour is it to be?"), "{what}: {waiting:#?}");
    rota.run(["review", "answer", "1", "--text", "Green, like the door."]).ok();
    until(&format!("{what}: the question is settled"), || {
        let task = rota.run(["task", "show", "1", "--json"]).ok().json();
        (task["status_kind"] == "waiting").then_some(())
    });
    until(&format!("{what}: the rest is settled"), || {
        let status = rota.run(["status", "--json"]).ok().json();
        (status["runs"].as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    assert_eq!(serving.stop(), 0, "{what}");
    let evidence = Evidence::read(&rota.state(), known(rota));
    acquit(&evidence, Moment::AtRest);
    for task in [THOUGHT, PROGRAM] {
        let runs = run_at(&evidence, task);
        // The attempt that was broken off, and the run that handed the task back.
        let reasons: Vec<_> = runs.iter().map(|run| run.reason).collect();
        let expected = [Some(Reason::Interrupted), Some(Reason::AttemptsUsedUp)];
        assert_eq!(reasons, expected, "{what}: {runs:#?}");
        assert_eq!(kind(&evidence, task), (StatusKind::New, false), "{what}: task {task}");
    }
    let runs = run_at(&evidence, ASKED);
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Waiting, RunState::Succeeded], "{what}: {runs:#?}");
    let worked = kind(&evidence, WORKED);
    assert!(
        matches!(worked, (StatusKind::New, false) | (StatusKind::Waiting, _)),
        "{what}: {worked:?}"
    );
}

#[test]
fn a_crash_at_any_step_beside_a_call_a_program_and_a_question_loses_nothing() {
    let rota = scene();
    let dying = Dying::start(&rota, None);
    let effects = ["2", "3"].iter().filter_map(|task| at_work(&rota, task)).sum();
    drop(dying);
    let steps: Vec<&str> = match asked("ROTA_FULL") {
        Some(_) => STEPS.to_vec(),
        // Those at which something differs when others are at work.
        None => STEPS.iter().copied().step_by(3).collect(),
    };
    for step in &steps {
        let pass = passes_before(step, effects) + 1;
        let what = format!("{step}:{pass}");
        let rota = scene();
        let dying = Dying::start(&rota, Some(&what));
        let mut command =
            rota.command(["task", "add", "Do it", "--tag", "AI-Suitable", "--acceptance", "done"]);
        // The daemon may die before it has answered.
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        dying.has_died(&what);
        is_seen_to(&rota, &what);
    }
    say(&format!("{} crashes beside {effects} effects of others", steps.len()));
}
