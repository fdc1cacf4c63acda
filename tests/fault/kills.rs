//! `kill -9` at any instant, again and again, of the real daemon under load; then the checker judges.
//! `ROTA_KILL_SEED` chooses the instants, `ROTA_FULL=1` asks for all 200 kills.

use super::checker::{Moment, acquit};
use super::evidence::{Evidence, Known, open_board};
use super::planted::copy;
use super::scene::{SCRIPT, WORKER};
use super::{asked, say};
use crate::support::rota::{Rota, until};
use rota::board::Board;
use rota::clock::SystemClock;
use rota::domain::{
    NewTask, PersonId, PlaybookName, ProjectId, Stamp, StatusKind, TaskEdit, TaskQuery,
};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

const KILLS: usize = 200;
/// In the normal run, kills are done for so long.
const BUDGET: Duration = Duration::from_secs(22);
/// So often is a copy judged between two lives.
const JUDGE_EVERY: usize = 10;
/// How long a life may take to begin.
const PATIENCE: Duration = Duration::from_mins(1);

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
arm = "auto"
[people]
me = "Ada"
[daemon]
id = "killed"
tick = "1s"
drain = "30s"
slots = 6
[claims]
lease = "3s"
renew = "1s"
margin = "500ms"
[models.worker]
kind = "scripted"
script = "model.toml"
[notify.file.told]
path = "told.md"
"#;

/// A comment each second, on the task that is there for it.
const TICKER: &str = r#"
description = "Says that it is there."
agent = "AI-Docs"
[on]
cron = "* * * * * *"
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = 1, text = "tick" }
[scope]
write = "board"
[limits]
attempts = 9
backoff = "1s..1s"
[report]
template = "told"
to = ["file:told"]
when = "always"
"#;

/// A program works at the tasks that are for it.
const PROGRAM: &str = r#"
description = "A program takes tasks."
agent = "AI-Program"
[on]
cron = "*/2 * * * * *"
[select]
status = "kind:new"
tags = { any = ["Program"] }
assignee = "none"
limit = 3
[claim]
[work]
runner = "command"
command = ["FAKE_AGENT", "--outcome", "done"]
[outcome.done]
status = "kind:waiting"
[limits]
attempts = 9
backoff = "1s..1s"
concurrent = 3
[report]
template = "told"
to = ["file:told"]
when = "always"
"#;

/// Random numbers that a seed repeats (splitmix64).
pub struct Random(pub u64);

impl Random {
    /// One of `0..end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The folder, the load, and what was done to it.
struct Scene {
    rota: Rota,
    runtime: tokio::runtime::Runtime,
    board: Arc<dyn Board>,
    kills: usize,
}

/// How many tasks there are in each state.
#[derive(Debug, Default)]
struct Tally {
    open: usize,
    handed_over: usize,
    handed_back: usize,
}

impl Scene {
    fn new() -> Self {
        let rota = Rota::new();
        rota.write("rota.toml", CONFIG);
        for (name, text) in playbooks() {
            rota.write(&format!("agents/{name}.toml"), &text);
        }
        let prompt = "task_id: {{task.id}}\n{{#each earlier}}did {{tool}} at {{entity}}\n{{/each}}";
        rota.write("templates/crash.md.hbs", prompt);
        rota.write("templates/told.txt.hbs", "told {{#each tasks}}{{state}} {{/each}}");
        rota.write("model.toml", SCRIPT);
        rota.run(["check"]).ok();
        rota.run(["project", "add", "Web"]).ok();
        rota.run(["task", "add", "The log"]).ok();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let board = runtime.block_on(open_board(&rota.state()));
        Self { rota, runtime, board, kills: 0 }
    }

    /// Somebody adds tasks for each kind of worker.
    fn add_tasks(&self) {
        for tag in ["AI-Suitable", "Program", "AI-Suitable", "Program"] {
            let new = NewTask::new(ProjectId(1), "Do it")
                .with(TaskEdit::AddTag(tag.to_owned()))
                .with(TaskEdit::AcceptanceCriteria("done".to_owned()));
            let by = Stamp::by(PersonId(1));
            self.runtime.block_on(self.board.add_task(&by, new)).unwrap();
        }
    }

    /// A life: begun, and killed after a random time; before it is ready, or at work.
    fn life(&mut self, random: &mut Random) {
        let log = self.rota.path().join("serve.log");
        let mut child = self
            .rota
            .command(["serve"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let lines = lines_of(&mut child);
        let is_early = random.below(8) == 0;
        if !is_early {
            let ready = lines.recv_timeout(PATIENCE);
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(ready.is_ok(), "it did not become ready: {ready:?}\n{log}");
        }
        // The stimulus, not a wait: the life is over at this instant, whatever it does.
        let longest = if is_early { 150 } else { 1_200 };
        let end = Duration::from_millis(random.below(longest));
        let deaf = mpsc::channel::<()>();
        assert_eq!(deaf.1.recv_timeout(end), Err(RecvTimeoutError::Timeout));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(ended.code(), None, "it ended by itself: {ended}\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.kills += 1;
    }

    fn known(&self) -> Known {
        let pace = |name, seconds| (PlaybookName::new(name), Duration::from_secs(seconds));
        let names = ["worker", "program", "ticker"];
        Known {
            paces: [pace("worker", 1), pace("ticker", 1), pace("program", 2)].into(),
            reporting: names.map(PlaybookName::new).into(),
            told: std::fs::read_to_string(self.rota.path().join("told.md")).unwrap_or_default(),
            kills: self.kills,
            ..Known::default()
        }
    }

    /// Judges a copy, as it was left by the last kill.
    fn judge_copy(&self) {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        copy(&self.rota.state(), &state);
        acquit(&Evidence::read(&state, self.known()), Moment::Any);
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let tags_any = vec!["AI-Suitable".to_owned(), "Program".to_owned()];
        let mut query = TaskQuery { limit: 200, tags_any, ..TaskQuery::default() };
        self.runtime.block_on(async {
            let project = self.board.project(ProjectId(1)).await.unwrap();
            loop {
                let page = self.board.tasks(&query).await.unwrap();
                for task in page.items {
                    let on = Some(rota::domain::CommentTarget::Task(task.id));
                    let comments =
                        rota::domain::CommentQuery { on, limit: 100, ..Default::default() };
                    let is_back = async || {
                        let told = self.board.comments(&comments).await.unwrap().items;
                        told.iter().any(|comment| comment.text.contains("hands this task back"))
                    };
                    match project.kind_of(task.status) {
                        StatusKind::Waiting => tally.handed_over += 1,
                        StatusKind::New if is_back().await => tally.handed_back += 1,
                        _ => tally.open += 1,
                    }
                }
                query.after = Some(match page.next {
                    Some(next) => next,
                    None => return,
                });
            }
        });
        tally
    }

    /// A last life in peace: everything is done, then nothing wakes any more, then it ends.
    fn comes_to_rest(&self) -> Tally {
        let serving = self.rota.serve(Vec::<&str>::new());
        let mut tally = self.tally();
        while tally.open > 0 {
            let left = tally.open;
            tally = until("a task that is less open", || {
                let tally = self.tally();
                (tally.open < left).then_some(tally)
            });
        }
        for (name, text) in playbooks() {
            let begin = text.find("[on]").unwrap();
            let end = begin + text[begin..].find("\n[").unwrap();
            let by_hand = format!("{}{}", &text[..begin], &text[end..]);
            self.rota.write(&format!("agents/{name}.toml"), &by_hand);
        }
        serving.signal(nix::sys::signal::Signal::SIGHUP);
        until("rest", || {
            let status = self.rota.run(["--json", "status"]).ok().json();
            let is_empty = |name: &str| status[name].as_array().is_some_and(Vec::is_empty);
            let is_told = status["notices_waiting"] == 0;
            (is_empty("runs") && is_empty("occurrences") && is_told).then_some(())
        });
        assert_eq!(serving.stop(), 0);
        tally
    }
}

fn playbooks() -> [(&'static str, String); 3] {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(|deps| deps.parent()).unwrap();
    let agent = target.join("examples").join("fake_agent");
    assert!(agent.exists(), "{} is built by `cargo build --examples`", agent.display());
    let worker = WORKER
        .replace("event = [\"task.created\"]", "cron = \"* * * * * *\"")
        .replace("assignee = \"none\"", "assignee = \"none\"\nlimit = 3")
        .replace("attempts = 3", "attempts = 9\nconcurrent = 3");
    let program = PROGRAM.replace("FAKE_AGENT", &agent.display().to_string());
    [("worker", worker), ("program", program), ("ticker", TICKER.to_owned())]
}

fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    let stdout = child.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    told
}

#[test]
fn killed_at_any_instant_nothing_is_lost_done_twice_or_untold() {
    let seed = asked("ROTA_KILL_SEED").and_then(|text| text.parse().ok()).unwrap_or(20_261_123);
    let is_full = asked("ROTA_FULL").is_some();
    let clock = SystemClock::shared();
    let begun = clock.boot();
    let (mut scene, mut random) = (Scene::new(), Random(seed));
    while scene.kills < KILLS && (is_full || clock.boot().saturating_sub(begun) < BUDGET) {
        scene.add_tasks();
        scene.life(&mut random);
        if scene.kills.is_multiple_of(JUDGE_EVERY) {
            scene.judge_copy();
        }
    }
    let tally = scene.comes_to_rest();
    let evidence = Evidence::read(&scene.rota.state(), scene.known());
    acquit(&evidence, Moment::AtRest);
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for run in evidence.runs.values() {
        *ends.entry(run.state.as_str()).or_default() += 1;
    }
    let effects: usize = evidence.effects.values().map(Vec::len).sum();
    say(&format!(
        "{} kills (seed {seed}): {tally:?}, runs {ends:?}, {effects} effects, {} occurrences, \
         {} notices, {} rows of activity, in {:?}",
        scene.kills,
        evidence.occurrences.len(),
        evidence.notices.len(),
        evidence.activity.len(),
        clock.boot().saturating_sub(begun),
    ));
    assert!(tally.handed_over > 0 && ends.contains_key("interrupted"), "{tally:?} {ends:?}");
}
