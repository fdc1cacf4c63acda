//! How large, how quick and how punctual the real program is: its start, its rest, a run, and many
//! playbooks due in one second.
//!
//! `cargo bench --bench daemon` does all; `-- start idle run crowd alarm` chooses. `--playbooks 490` is the
//! size of the crowd (`--ahead 30`: so many seconds before it is due the daemon is started),
//! `--seconds 60` how long rest is watched. Each figure stands beside a bare
//! counterpart of the same run. Linux only: it reads `/proc`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, starts the real program, and ends at the first error"
)]

#[path = "daemon/bare.rs"]
mod bare;
#[path = "house/mod.rs"]
mod house;
#[path = "board/load.rs"]
mod load;

use house::{House, Running};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use rota::board::sql::SqlBoard;
use rota::clock::SystemClock;
use rota::daemon::alarm::{Alarm, Woken};
use rota::domain::{BoardName, Occurrence, OccurrenceState, Timestamp};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TASKS: i64 = 10_000;
const STARTS: usize = 21;
const RUNS: usize = 31;
const ALARMS: usize = 10_000;
/// Tool calls of the longer runs.
const CALLS: usize = 16;
/// The daemon looks about for so long before its rest is watched.
const SETTLE: Duration = Duration::from_secs(5);
/// A daemon that does less than this in a second does nothing.
const QUIET: Duration = Duration::from_millis(15);

const CONFIG: &str = "arm = \"auto\"\ntimezone = \"UTC\"\n[people]\nme = \"owner\"\n[models.reads]\nkind = \"scripted\"\n\
                      script = \"reads.toml\"\n[models.writes]\nkind = \"scripted\"\n\
                      script = \"writes.toml\"\n[models.ends]\nkind = \"scripted\"\nscript = \"ends.toml\"\n";
/// Wakes once a year: a playbook at rest.
const RESTING: &str = "agent = \"AI-Docs\"\n[on]\ncron = \"CRON\"\n[select]\nstatus = \"kind:new\"\n\
                       tags = { any = [\"nothing has this\"] }\nwhere = 'task.priority <= 3'\n[claim]\n\
                       [work]\nrunner = \"model\"\nmodel = \"reads\"\nprompt = \"work.md.hbs\"\n\
                       tools = [\"getTicket\", \"finish\"]\n[outcome.ready]\n\
                       status = \"Ready for Review\"\n";
const WORKING: &str = "agent = \"AI-Worker\"\n[select]\nstatus = \"kind:new\"\n\
                       tags = { any = [\"NAME\"] }\nassignee = \"none\"\nlimit = 1\n[claim]\n[work]\n\
                       runner = \"model\"\nmodel = \"NAME\"\nprompt = \"work.md.hbs\"\n\
                       tools = [\"getTicket\", \"addComment\", \"finish\"]\n[outcome.ready]\n\
                       status = \"Ready for Review\"\n[scope]\nwrite = \"claimed\"\n\
                       max = { addComment = 20 }\n";

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let given = |name: &str, default: usize| {
        let at = words.iter().position(|word| word == name);
        at.map_or(default, |at| words[at + 1].parse().unwrap())
    };
    let known = ["start", "idle", "run", "crowd", "alarm"];
    let chosen = |part: &str| {
        words.iter().any(|w| w == part) || !words.iter().any(|w| known.contains(&w.as_str()))
    };
    let seconds = u64::try_from(given("--seconds", 60))?;
    load_line("at the beginning");
    let team = Team::of(TASKS);
    if chosen("start") {
        starts(&team);
    }
    if chosen("idle") {
        idle(&team, Duration::from_secs(seconds));
    }
    if chosen("run") {
        let alone = runs(&team, "ends");
        runs(&team, "reads");
        let written = runs(&team, "writes");
        let bare = bare::writes(&team.path("bare-writes"), CALLS - 1, RUNS);
        let bare = show("  the same writes, bare: processor time", bare, Some(written));
        println!("  with a run that only ends, {:?}: {:?}", alone, alone + bare);
    }
    drop(team);
    if chosen("crowd") {
        let ahead = u64::try_from(given("--ahead", 30))?;
        crowd(given("--playbooks", 490), Duration::from_secs(ahead));
    }
    if chosen("alarm") {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(rings());
    }
    load_line("at the end");
    Ok(())
}

fn load_line(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    println!("load {when}: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
}

/// A house with a board of tasks.
struct Team {
    house: House,
}

impl Team {
    fn of(tasks: i64) -> Self {
        let team = Self { house: House::new("").unwrap() };
        team.rota(&["project", "add", "Website"]);
        std::fs::write(team.path("rota.toml"), CONFIG).unwrap();
        for name in ["reads", "writes", "ends"] {
            std::fs::write(team.path(&format!("{name}.toml")), script(name)).unwrap();
            team.playbook(name, &WORKING.replace("NAME", name));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(fill(&team.path("state/board.sqlite"), tasks)).unwrap();
        team
    }

    fn path(&self, name: &str) -> PathBuf {
        self.house.path(name)
    }

    fn playbook(&self, name: &str, text: &str) {
        std::fs::write(self.path(&format!("agents/{name}.toml")), text).unwrap();
    }

    fn rota(&self, words: &[&str]) -> Vec<u8> {
        self.house.rota(words).unwrap()
    }

    /// Starts the daemon; how long it took to its line `ready`.
    fn serve(&self) -> (Serving, Duration) {
        let begun = Instant::now();
        let (running, _) = self.house.serve().unwrap();
        (Serving(running), begun.elapsed())
    }
}

/// Fifteen calls and `finish`.
fn script(name: &str) -> String {
    let call = match name {
        "ends" => String::new(),
        "reads" => "{ tool = \"getTicket\", args = { id = \"${task_id}\" } }".to_owned(),
        _ => "{ tool = \"addComment\", args = { module = \"ticket\", entityId = \"${task_id}\", text = \
              \"A note of some words.\" } }"
            .to_owned(),
    };
    let mut script = "[[conversation]]\nmatch = []\n".to_owned();
    for _ in 1..calls(name) {
        let _ = write!(script, "[[conversation.turn]]\ncall = [{call}]\n");
    }
    script.push_str(
        "[[conversation.turn]]\ncall = [{ tool = \"finish\", args = { outcome = \"ready\", \
         summary = \"Done.\" } }]\n",
    );
    script
}

/// Tool calls of a run by this script, the last of them `finish`.
fn calls(name: &str) -> usize {
    if name == "ends" { 1 } else { CALLS }
}

async fn fill(file: &Path, tasks: i64) -> anyhow::Result<()> {
    let now = chrono::Utc::now();
    let board = SqlBoard::open(file, BoardName::new("main"), SystemClock::shared()).await?;
    load::surroundings(&board, now).await?;
    board.close().await;
    load::tasks(file, tasks, now).await
}

/// A daemon.
struct Serving(Running);

impl Serving {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.0.id()).unwrap())
    }

    /// The processor time of the whole process, threads that have ended included.
    fn cpu(&self) -> Duration {
        let clock = clock_getcpuclockid(self.pid()).unwrap();
        Duration::from(clock_gettime(clock).unwrap())
    }

    fn memory(&self, line: &str) -> f64 {
        memory(&self.pid().to_string(), line)
    }

    /// Waits until it does nothing any more.
    fn until_quiet(&self) {
        let mut quiet = 0;
        while quiet < 3 {
            let before = self.cpu();
            std::thread::sleep(Duration::from_secs(1));
            quiet = if self.cpu().saturating_sub(before) < QUIET { quiet + 1 } else { 0 };
        }
    }
}

/// A line of `/proc/PID/status`, in MiB.
fn memory(pid: &str, line: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = text.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    let kib: u32 = found.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap();
    f64::from(kib) / 1024.0
}

fn starts(team: &Team) {
    let (mut bare, mut ready) = (Vec::new(), Vec::new());
    drop(team.serve());
    for _ in 0..STARTS {
        let begun = Instant::now();
        team.rota(&["--version"]);
        bare.push(begun.elapsed());
        ready.push(team.serve().1);
    }
    println!("start, {TASKS} tasks on the board, {STARTS} times:");
    let bare = show("  `rota --version`, start to end", bare, None);
    let median = show("  `rota serve`, start to `ready`", ready, Some(bare));
    verdict("  start to ready", median, Duration::from_millis(50));
}

fn idle(team: &Team, watched: Duration) {
    println!("rest, {TASKS} tasks on the board, watched for {} s:", watched.as_secs());
    let (base, base_share) = at_rest(team, watched, "  2 playbooks by hand");
    for number in 0..100 {
        team.playbook(&format!("resting-{number:03}"), &RESTING.replace("CRON", "0 3 1 1 *"));
    }
    team.rota(&["check"]);
    let (rss, share) = at_rest(team, watched, "  and 100 that wake once a year");
    println!("  ratio: memory ×{:.2}, processor ×{:.2}", rss / base, share / base_share);
    println!("  memory: mark 40 MiB {}", word(rss < 40.0));
    println!("  processor: mark 0.5 % of a core {}", word(share < 0.005));
    for number in 0..100 {
        std::fs::remove_file(team.path(&format!("agents/resting-{number:03}.toml"))).unwrap();
    }
}

fn at_rest(team: &Team, watched: Duration, what: &str) -> (f64, f64) {
    let (serving, _) = team.serve();
    std::thread::sleep(SETTLE);
    let (cpu, begun) = (serving.cpu(), Instant::now());
    std::thread::sleep(watched);
    let share = serving.cpu().saturating_sub(cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    let (rss, most) = (serving.memory("VmRSS"), serving.memory("VmHWM"));
    println!("{what:44} {rss:.1} MiB (at most {most:.1}), {:.3} % of a core", share * 100.0);
    (rss, share)
}

/// Runs one after the other, each with a task and a claim of its own, by the daemon.
/// Answers with the processor time of the daemon.
fn runs(team: &Team, name: &str) -> Duration {
    let (serving, _) = team.serve();
    for number in 0..=RUNS {
        let headline = format!("{name} {number}");
        let words = ["task", "add", &headline, "-p", "Website", "--tag", name];
        team.rota(&words);
    }
    let (mut bare, mut wall, mut whole, mut cpu): (Vec<_>, Vec<_>, Vec<_>, Vec<_>) =
        Default::default();
    for round in 0..=RUNS {
        let synced = bare_syncs(&team.path("bare"));
        let (before, begun) = (serving.cpu(), Instant::now());
        let report: Value =
            serde_json::from_slice(&team.rota(&["run-once", name, "--json"])).unwrap();
        let (took, used) = (begun.elapsed(), serving.cpu().saturating_sub(before));
        assert_eq!(report["state"], "succeeded", "{report}");
        assert_eq!(report["tasks"][0]["reason"], "handed_over", "{report}");
        let run: Value = serde_json::from_slice(&team.rota(&[
            "runs",
            "show",
            report["tasks"][0]["run"].as_str().unwrap(),
            "--json",
        ]))
        .unwrap();
        let at = |key: &str| run["run"][key].as_str().unwrap().parse::<Timestamp>().unwrap();
        // The first one warms what is opened once.
        if round > 0 {
            bare.push(synced);
            wall.push((at("ended") - at("started")).to_std().unwrap());
            whole.push(took);
            cpu.push(used);
        }
    }
    let calls = calls(name);
    println!("a run of {calls} calls that {name} (the last is `finish`), {RUNS} times:");
    let bare = show(&format!("  {CALLS} bare appends, each synced"), bare, None);
    let wall = show("  the run, begin to end", wall, Some(bare));
    show("  `rota run-once`, start to end", whole, Some(bare));
    let cpu = show("  processor time of the daemon", cpu, Some(bare));
    verdict("  wall", wall, Duration::from_millis(60));
    verdict("  processor", cpu, Duration::from_millis(20));
    cpu
}

/// What a disk takes for as many durable notes as the run has calls.
fn bare_syncs(file: &Path) -> Duration {
    let mut file = std::fs::File::options().create(true).append(true).open(file).unwrap();
    let begun = Instant::now();
    for _ in 0..CALLS {
        file.write_all(&[b'x'; 560]).unwrap();
        file.sync_data().unwrap();
    }
    begun.elapsed()
}

/// All playbooks are due in the same second, and find nothing to do.
fn crowd(playbooks: usize, ahead: Duration) {
    let team = Team::of(TASKS);
    let due = chrono::Utc::now() + ahead;
    let cron = due.format("%S %M %H * * *").to_string();
    for number in 0..playbooks {
        team.playbook(&format!("crowd-{number:05}"), &RESTING.replace("CRON", &cron));
    }
    let checking = Instant::now();
    team.rota(&["check"]);
    println!("`rota check` of {playbooks}: {:.1?}", checking.elapsed());
    let (serving, took) = team.serve();
    let asking = Instant::now();
    // Of very many the answer is longer than the daemon gives.
    let next = team.house.command(&["next"]).output().unwrap().status;
    println!("`rota next` of {playbooks}: {:.1?}, {next}", asking.elapsed());
    let before = serving.memory("VmRSS");
    let Ok(ahead) = (due - chrono::Utc::now()).to_std() else {
        println!("  not ready in time: give more with `--ahead`");
        return;
    };
    std::thread::sleep(ahead);
    let (cpu, quiet) = (serving.cpu(), Instant::now());
    serving.until_quiet();
    println!("{playbooks} playbooks due in one second:");
    println!(
        "  ready after {took:.1?}, {before:.1} MiB; afterwards {:.1}",
        serving.memory("VmRSS")
    );
    println!(
        "  processor {:.2?} within {:.1?}",
        serving.cpu().saturating_sub(cpu),
        quiet.elapsed()
    );
    drop(serving);
    let (mut woken, mut settled) = (Vec::new(), Vec::new());
    for occurrence in occurrences(&team.path("state/export.jsonl")) {
        let late = |at: Timestamp| (at - occurrence.planned).to_std().unwrap_or_default();
        woken.push(late(occurrence.decided));
        if let OccurrenceState::Ran { at, .. } = occurrence.state {
            settled.push(late(at));
        }
    }
    println!("  {} recorded, {} of them settled", woken.len(), settled.len());
    show("  lateness of the wake", woken, None);
    show("  lateness of the end", settled, None);
}

/// The alarm clock alone: entries due in the same second, beside as many bare timers.
async fn rings() {
    let clock = SystemClock::shared();
    let (tell, mut told) = tokio::sync::mpsc::channel(1_024);
    let alarm = Alarm::new(clock.clone(), tell).await.unwrap();
    let before = memory("self", "VmRSS");
    alarm.start().await.unwrap();
    for number in 0..ALARMS {
        alarm.set(&format!("entry {number}"), None).await.unwrap();
    }
    let after = memory("self", "VmRSS");
    let due = clock.wall() + chrono::TimeDelta::seconds(2);
    for number in 0..ALARMS {
        alarm.set(&format!("entry {number}"), Some(due)).await.unwrap();
    }
    let mut late = Vec::new();
    while late.len() < ALARMS {
        if let Some(Woken::Entry { at, .. }) = told.recv().await {
            late.push((clock.wall() - at).to_std().unwrap_or_default());
        }
    }
    alarm.stop().await.unwrap();
    let due = tokio::time::Instant::now() + Duration::from_secs(1);
    let timers = (0..ALARMS).map(|_| {
        tokio::spawn(async move {
            tokio::time::sleep_until(due).await;
            due.elapsed()
        })
    });
    let mut bare = Vec::new();
    for timer in timers.collect::<Vec<_>>() {
        bare.push(timer.await.unwrap());
    }
    println!("{ALARMS} alarms due in one second: {before:.1} MiB before, {after:.1} with them");
    let bare = show("  lateness of bare timers", bare, None);
    show("  lateness of the alarm", late, Some(bare));
}

/// What the daemon exported at its end; of a row that stands there twice the later counts.
fn occurrences(export: &Path) -> Vec<Occurrence> {
    let text = std::fs::read_to_string(export).unwrap();
    let mut found = std::collections::BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(key) = line["k"].as_str().filter(|key| key.starts_with("occurrence/")) else {
            continue;
        };
        let Some(value) = line["v"].as_str() else { continue };
        found.insert(key.to_owned(), serde_json::from_str(value).unwrap());
    }
    found.into_values().collect()
}

/// Prints a line and answers with the median.
fn show(what: &str, mut times: Vec<Duration>, bare: Option<Duration>) -> Duration {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let median = at(50);
    let ratio = bare.map_or(String::new(), |bare| {
        format!("  ×{:.2}", median.as_secs_f64() / bare.as_secs_f64())
    });
    println!("{what:44} p50 {median:>9.1?}  best {:>9.1?}  p99 {:>9.1?}{ratio}", at(0), at(99));
    median
}

fn verdict(what: &str, found: Duration, mark: Duration) {
    println!("{what}: {found:.1?}, mark {mark:.0?} {}", word(found < mark));
}

fn word(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "MISSED" }
}
