//! Eight processes with eight threads each, all at one daemon's socket: every thread asks for a run
//! at every task. Of each task's sixty-four requests one is granted; the ledger, the board's history
//! and the answers agree on it.
//!
//! The winner's run ends by putting the stop tag on its task, so that nobody may follow.
//! With `ROTA_FULL=1` they race for two thousand tasks, each asked for by one thread of every process,
//! which takes some minutes.

use super::crowd::say;
use super::one_store::is_full;
use crate::support::rota::Rota;
use rota::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Barrier;

/// Set in the processes that race: the socket and how many tasks.
const ROLE: &str = "ROTA_TEST_RACER";
const PROCESSES: usize = 8;
const THREADS: usize = 8;

const GRAB: &str = r#"
description = "Takes the task it is given, and lets nobody follow."
agent = "AI-Worker"
[select]
tags = { any = ["of-no-task"] }
[claim]
[[step]]
tool = "finish"
args = { outcome = "taken", summary = "It is mine." }
[outcome.taken]
status = "Ready for Review"
add_tags = ["AI-Stop"]
[limits]
concurrent = 64
"#;

/// So many tasks share a playbook: its planner reads all its runs of some days each time.
const TASKS_OF_PLAYBOOK: i64 = 50;

fn playbook(task: i64) -> String {
    format!("grab-{}", task / TASKS_OF_PLAYBOOK)
}

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
[daemon]
slots = 64
tick = "1h"
"#;

/// A connection that says one thing at a time.
struct Line {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    last: u64,
}

impl Line {
    fn to(socket: &Path) -> Self {
        let writer = UnixStream::connect(socket).unwrap();
        let mut line =
            Self { reader: BufReader::new(writer.try_clone().unwrap()), writer, last: 0 };
        let hello = line.read();
        assert_eq!(hello["protocol"], 1, "{hello}");
        line
    }

    fn read(&mut self) -> Value {
        let mut text = String::new();
        self.reader.read_line(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// Calls a tool; its structured result.
    fn call(&mut self, tool: &str, args: &Value) -> Value {
        self.last += 1;
        writeln!(self.writer, "{}", json!({ "id": self.last, "tool": tool, "args": args }))
            .unwrap();
        loop {
            let mut reply = self.read();
            assert_eq!(reply["id"], self.last, "{reply}");
            if reply.get("result").is_some() {
                return reply["result"]["value"].take();
            }
            assert!(reply.get("progress").is_some(), "{tool}: {reply}");
        }
    }

    /// All items of a list, page after page.
    fn list(&mut self, tool: &str, args: &Value) -> Vec<Value> {
        let mut items = Vec::new();
        let mut args = args.clone();
        loop {
            let mut page = self.call(tool, &args);
            items.append(page["items"].as_array_mut().unwrap());
            if page["next"].is_null() {
                return items;
            }
            args["cursor"] = page["next"].take();
        }
    }
}

/// Not a test of its own: what the racing processes do. Each line of their output is one answer:
/// task, state, reason and, if it was granted, run and fence.
#[test]
#[expect(clippy::disallowed_methods, reason = "the role is handed over by the environment")]
fn the_racer() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (tasks, socket) = role.split_once(' ').unwrap();
    let (tasks, socket): (i64, _) = (tasks.parse().unwrap(), Path::new(socket));
    let barrier = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let barrier = &barrier;
            scope.spawn(move || {
                let mut line = Line::to(socket);
                barrier.wait();
                barrier.wait();
                for task in (1..=tasks).filter(|task| asks(tasks, *task, thread)) {
                    let args = json!({ "playbook": playbook(task), "task": task });
                    let report = line.call("runPlaybook", &args);
                    let fence = &report["tasks"][0]["claim"]["fence"];
                    println!(
                        "answer {task} {} {} {} {fence}",
                        report["state"], report["reason"], report["run"]
                    );
                }
            });
        }
        barrier.wait();
        println!("ready");
        let mut go = String::new();
        std::io::stdin().read_line(&mut go).unwrap();
        barrier.wait();
    });
}

/// So many tasks are asked for by all threads.
const TASKS: i64 = 12;
/// Of more, each is asked for by one thread of every process.
const TASKS_FULL: i64 = 2_000;

fn asks(tasks: i64, task: i64, thread: usize) -> bool {
    tasks == TASKS || usize::try_from(task).unwrap() % THREADS == thread
}

/// Starts a racer and waits until all its threads are connected.
fn racer(rota: &Rota, socket: &Path, tasks: i64) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = rota
        .command(["--exact", "races::socket::the_racer", "--nocapture"])
        .env(ROLE, format!("{tasks} {}", socket.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it was ready");
    }
    (child, out)
}

/// One answer to a racer.
#[derive(Debug)]
struct Answer {
    task: i64,
    state: String,
    reason: String,
    run: String,
    fence: Option<u64>,
}

fn answer(line: &str) -> Option<Answer> {
    let mut words = line.split("answer ").nth(1)?.split_whitespace();
    let mut word = || words.next().unwrap().trim_matches('"').to_owned();
    let task = word().parse().unwrap();
    let (state, reason, run) = (word(), word(), word());
    Some(Answer { task, state, reason, run, fence: word().parse().ok() })
}

/// All processes race; what they were answered.
fn race(socket: &Path, tasks: i64) -> Vec<Answer> {
    let racers = Rota::of(std::env::current_exe().unwrap(), Vec::new());
    let mut started: Vec<_> = (0..PROCESSES).map(|_| racer(&racers, socket, tasks)).collect();
    for (child, _) in &mut started {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    std::thread::scope(|scope| {
        let readers: Vec<_> = started
            .into_iter()
            .map(|(mut child, out)| {
                scope.spawn(move || {
                    let lines = out.lines().map(Result::unwrap);
                    let answers: Vec<_> = lines.filter_map(|line| answer(&line)).collect();
                    assert!(child.wait().unwrap().success(), "a racer failed");
                    answers
                })
            })
            .collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    })
}

/// What the answers say: one granted, all others refused before they did anything. The winners by
/// task, and how often each reason was given to the others.
fn granted(answers: &[Answer], tasks: i64) -> (BTreeMap<i64, &Answer>, BTreeMap<&str, u32>) {
    let mut granted: BTreeMap<i64, &Answer> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    for answer in answers {
        if answer.state == "succeeded" {
            let other = granted.insert(answer.task, answer);
            assert!(other.is_none(), "two winners: {other:?} and {answer:?}");
        } else {
            assert_eq!(answer.state, "refused", "{answer:?}");
            *reasons.entry(&answer.reason).or_default() += 1;
        }
    }
    assert_eq!(granted.len(), usize::try_from(tasks).unwrap(), "a task without a winner");
    (granted, reasons)
}

#[test]
fn of_sixty_four_threads_in_eight_processes_one_gets_each_task_through_the_socket() {
    let tasks = if is_full() { TASKS_FULL } else { TASKS };
    let rota = Rota::new();
    rota.run(["init"]).ok();
    rota.run(["project", "add", "Website"]).ok();
    std::fs::remove_dir_all(rota.path().join("agents")).unwrap();
    for task in (0..=tasks).step_by(usize::try_from(TASKS_OF_PLAYBOOK).unwrap()) {
        rota.write(&format!("agents/{}.toml", playbook(task)), GRAB);
    }
    rota.write("rota.toml", CONFIG);
    let serving = rota.serve(Vec::<&str>::new());
    let socket = rota.state().join("control.sock");
    let mut line = Line::to(&socket);
    for number in 1..=tasks {
        let added = line.call("addTask", &json!({ "headline": format!("Task {number}") }));
        assert_eq!(added["id"], number, "{added}");
    }
    drop(line);
    let watch = SystemClock::new();
    let started = watch.boot();
    let answers = race(&socket, tasks);
    let raced = watch.boot().saturating_sub(started);
    let askers = if is_full() { PROCESSES } else { PROCESSES * THREADS };
    assert_eq!(answers.len(), usize::try_from(tasks).unwrap() * askers);
    let (granted, reasons) = granted(&answers, tasks);
    let mut line = Line::to(&socket);
    by_the_ledger(&mut line, &granted);
    by_the_board(&mut line, &granted);
    drop(line);
    assert_eq!(serving.stop(), 0);
    say(&format!(
        "socket: {PROCESSES} processes of {THREADS} threads, {tasks} tasks, {} requests, {} granted, \
         others refused: {reasons:?}, {:.1} s",
        answers.len(),
        granted.len(),
        raced.as_secs_f64()
    ));
}

/// The ledger knows one run that did anything for each task: the winner's. Nobody holds one now.
fn by_the_ledger(line: &mut Line, granted: &BTreeMap<i64, &Answer>) {
    assert!(line.list("listClaims", &json!({})).is_empty());
    for (task, winner) in granted {
        let runs = line.list("listRuns", &json!({ "task": task, "limit": 1000 }));
        let (won, others): (Vec<_>, Vec<_>) =
            runs.iter().partition(|run| run["id"] == winner.run.as_str());
        assert_eq!(won.len(), 1, "{winner:?}: {runs:#?}");
        assert_eq!(won[0]["state"], "succeeded", "{runs:#?}");
        assert_eq!(won[0]["fence"].as_u64(), winner.fence, "{runs:#?}");
        assert!(others.iter().all(|run| run["state"] == "refused"), "{runs:#?}");
    }
}

/// The board shows for each task one assignment, one start and one end, all by the winner.
fn by_the_board(line: &mut Line, granted: &BTreeMap<i64, &Answer>) {
    for (task, winner) in granted {
        let rows = line.list("getActivity", &json!({ "taskId": task, "limit": 1000 }));
        let by_agents: Vec<_> = rows.iter().filter(|row| row["run"].is_string()).collect();
        assert!(by_agents.iter().all(|row| row["run"] == winner.run), "{winner:?}: {rows:#?}");
        let count = |field: &str| by_agents.iter().filter(|row| row["field"] == field).count();
        assert_eq!((count("assignee"), count("status")), (1, 2), "task {task}: {rows:#?}");
        assert_eq!(count("created"), 1, "task {task}: announced once: {rows:#?}");
    }
}
