//! What the loop of turns costs by itself: time per turn with a model that answers at once, and memory
//! with a thousand runs that wait for models over sockets. The server of these is a process of its own,
//! so that only their end of the sockets is measured.
//!
//! `cargo bench --bench loop` does both; `-- turns waiting` chooses, `--runs 1000` is how many wait.
//! Linux only: it reads `/proc`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, spawns what it measures, and ends at the first error"
)]

use async_trait::async_trait;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rota::board::overlay::Overlay;
use rota::board::{Board, People as _, Projects as _, Tasks as _};
use rota::clock::{Clock, SeededEntropy, SystemClock};
use rota::domain::{
    BoardName, DaemonId, EffectActor, Initiative, LifeId, Mode, NewPerson, NewProject, NewTask,
    Person, PersonId, PersonKind, Playbook, Principal, ProjectId, Role, RunId, RunState, Stamp,
    TaskId, Usage, Value,
};
use rota::ledger::{Ledger, LedgerOptions};
use rota::model::open::{ModelOptions, ServerOptions, Wire, open};
use rota::model::{Call, Exchange, Heard, Model, ModelError, Reply};
use rota::runner::model_loop::ModelRunner;
use rota::runner::{Job, Runner as _, Signs, ToolSession};
use rota::store::memory::MemoryStore;
use rota::tools::{Context, Parts, RunContext, Tally, ToolRegistry, Trust};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

/// The word by which this program becomes the server that others wait for.
const SERVER: &str = "serve";
/// Turns of one run.
const TURNS: u32 = 200;
/// Runs, of which the middle one counts.
const RUNS: usize = 21;

const PLAYBOOK: &str = "agent = \"AI-Worker\"\n[work]\nrunner = \"model\"\nmodel = \"m\"\n\
                        prompt = \"work.md.hbs\"\ntools = [\"getTicket\", \"addComment\", \"findTasks\", \
                        \"finish\"]\n[outcome.done]\n[limits]\nturns = 100_000\ntokens = 1_000_000_000\n\
                        time = \"1h\"\nidle = \"1h\"\n";

/// Calls a tool that reads, so many times, at once.
#[derive(Debug)]
struct AtOnce {
    turns: u32,
}

#[async_trait]
impl Model for AtOnce {
    fn describe(&self) -> String {
        "at once".to_owned()
    }

    async fn exchange(&self, exchange: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        let (tool, args) = if exchange.turn < self.turns {
            ("getTicket", Value::map([("id", 1_i64)]))
        } else {
            ("finish", Value::map([("outcome", "done")]))
        };
        let calls = vec![Call::new(format!("c{}", exchange.turn), tool, args)];
        let usage = Usage { tokens_in: 1, tokens_out: 1, ..Usage::default() };
        Ok(Reply { calls, usage, ..Reply::default() })
    }
}

struct Shop {
    tools: Arc<ToolRegistry>,
    agent: Person,
    playbook: Arc<Playbook>,
}

impl Shop {
    async fn open() -> Self {
        let clock: Arc<dyn Clock> = SystemClock::shared();
        let board = Arc::new(Overlay::empty(BoardName::new("main"), Arc::clone(&clock)));
        let by = Stamp::by(PersonId(1));
        let new = NewPerson {
            name: "AI-Worker".into(),
            email: None,
            kind: PersonKind::Agent,
            role: Role::Owner,
        };
        board.add_person(&by, new).await.unwrap();
        let new = NewProject { name: "Website".into(), details: String::new(), statuses: vec![] };
        board.add_project(&by, new).await.unwrap();
        board.add_task(&by, NewTask::new(ProjectId(1), "Fix the login")).await.unwrap();
        let agent = board.people().await.unwrap().remove(0);
        let options = LedgerOptions {
            board: BoardName::new("main"),
            daemon: DaemonId::new("d"),
            life: LifeId::new("l"),
            margin: Duration::from_secs(5),
            epoch: 1,
        };
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let ledger = Arc::new(Ledger::new(store, Arc::clone(&clock), entropy, options));
        let parts = Parts::new(board as Arc<dyn Board>, ledger, clock);
        let defaults =
            rota::playbook::Defaults { zone: Some(chrono_tz::UTC), ..Default::default() };
        let playbook = rota::playbook::parse(PLAYBOOK, "bench", &defaults).unwrap().playbook;
        let tools = Arc::new(ToolRegistry::new(parts));
        Self { tools, agent, playbook: Arc::new(playbook) }
    }

    /// A job and its tools.
    fn job(&self, number: usize) -> (Job, ToolSession) {
        let run = RunId::new(format!("r-{number:012}"));
        let by = Initiative::Agent(run.clone());
        let principal = Principal { person: self.agent.clone(), by };
        let mut context = Context::person(principal, chrono_tz::UTC);
        context.run = Some(RunContext {
            run: run.clone(),
            playbook: Arc::clone(&self.playbook),
            task: Some(TaskId(1)),
            claim: None,
            projects: vec![],
            trust: Trust::without_lease(),
            actor: EffectActor::Agent,
            mode: Mode::Live,
            revision: None,
            marker: None,
            once: None,
            applies: None,
            workspace: None,
            tally: Arc::new(Tally::default()),
            span: tracing::Span::none(),
        });
        let job = Job {
            run,
            playbook: Arc::clone(&self.playbook),
            task: Some(TaskId(1)),
            // As long as the shipped ones with a task of some length.
            prompt: "Work at the task.\n".repeat(400),
            context: Value::Null,
            command: vec![],
            env: vec![],
            folder: std::env::temp_dir(),
            workspace: None,
            grant: None,
            answered: None,
        };
        (job, ToolSession::new(Arc::clone(&self.tools), context))
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let chosen = |part: &str| {
        let known = ["turns", "waiting"];
        words.iter().any(|w| w == part) || !words.iter().any(|w| known.contains(&w.as_str()))
    };
    let runs = words.iter().position(|word| word == "--runs");
    let runs = runs.map_or(1_000, |at| words[at + 1].parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if words.iter().any(|word| word == SERVER) {
        return runtime.block_on(serve());
    }
    if chosen("turns") {
        runtime.block_on(turns());
    }
    if chosen("waiting") {
        runtime.block_on(waiting(runs));
    }
}

/// Time per turn; the mark is less than a millisecond.
async fn turns() {
    let shop = Shop::open().await;
    let mut each = Vec::new();
    for number in 0..RUNS {
        let (job, tools) = shop.job(number);
        let (signs, mut told) = Signs::channel(256);
        let listener = tokio::spawn(async move {
            let mut count = 0_usize;
            while told.recv().await.is_some() {
                count += 1;
            }
            count
        });
        let began = Instant::now();
        let runner = ModelRunner::new(Arc::new(AtOnce { turns: TURNS }));
        let end = runner.work(&job, &tools, &signs, CancellationToken::new()).await;
        let took = began.elapsed();
        assert_eq!((end.state, end.usage.turns), (RunState::Succeeded, TURNS + 1), "{end:?}");
        drop(signs);
        assert!(listener.await.unwrap() > 0);
        each.push(took / (TURNS + 1));
    }
    each.sort_unstable();
    println!(
        "turns: {TURNS} of a run, each with one call that reads, a model that answers at once"
    );
    println!(
        "  a turn: middle {:?}, longest {:?} of {RUNS} runs (mark: less than 1ms)",
        each[RUNS / 2],
        each[RUNS - 1]
    );
}

/// Memory while so many runs wait for an answer that has begun; the mark for 1,000 is 150 MiB.
async fn waiting(runs: usize) {
    many_files();
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .arg(SERVER)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = told.next().unwrap();
    let shop = Shop::open().await;
    let options = Box::new(ServerOptions::new("m", Some(url)));
    let model = open(&ModelOptions::Server { wire: Wire::Completions, options }).unwrap();
    let before = resident();
    let end = CancellationToken::new();
    let tasks: Vec<_> = (0..runs)
        .map(|number| {
            let (job, tools) = shop.job(number);
            let (model, end) = (Arc::clone(&model), end.clone());
            tokio::spawn(async move {
                let (signs, _told) = Signs::channel(256);
                ModelRunner::new(model).work(&job, &tools, &signs, end).await
            })
        })
        .collect();
    // A line for each answer that has begun.
    let begun = tokio::task::spawn_blocking(move || told.take(runs).count());
    assert_eq!(begun.await.unwrap(), runs, "the server ended");
    // Its first piece is on its way for a moment yet.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(tasks.iter().all(|task| !task.is_finished()), "a run ended");
    let during = resident();
    println!("waiting: {runs} runs, each with a prompt of 7 KiB and an answer that has begun");
    println!(
        "  resident: {} MiB before, {} MiB with all of them (mark for 1,000: less than 150 MiB)",
        before / 1_024,
        during / 1_024
    );
    end.cancel();
    for task in tasks {
        assert_eq!(task.await.unwrap().state, RunState::Cancelled);
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// A socket for each run.
fn many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

/// The server that begins answers: says where it is, and a line for each that it has begun.
async fn serve() {
    many_files();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(hold(socket));
    }
}

/// Begins an answer and never ends it.
async fn hold(mut socket: tokio::net::TcpStream) {
    let mut piece = [0; 4_096];
    // The head of the request at least; the rest waits in the socket.
    if socket.read(&mut piece).await.unwrap_or(0) == 0 {
        return;
    }
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let _ = socket.write_all(format!("{head}9\r\n: begins\n\r\n").as_bytes()).await;
    println!("begun");
    while socket.read(&mut piece).await.is_ok_and(|count| count > 0) {}
}

/// In KiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
