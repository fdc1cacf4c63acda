//! Very many playbooks that fall due in one minute, at several daemons on one schema: how long a look
//! takes each of them, what it asks the store, and that each instant is decided by one of them.

use super::child;
use super::server::Server;
use anyhow::{Context as _, Result, ensure};
use rota::board::sql::SqlBoard;
use rota::board::{People as _, Projects as _};
use rota::clock::SystemClock;
use rota::domain::{BoardName, NewPerson, NewProject, PersonId, PersonKind, Role, Stamp};
use rota::store::postgres::PostgresStore;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// 2026-11-03T09:00:30Z: between two minutes.
const BEGIN_MS: i64 = 1_793_696_430_000;
const MINUTE_MS: i64 = 60_000;
const PLAYBOOK: &str = "agent = \"AI-Worker\"\n[on]\ncron = \"* * * * *\"\n[select]\n\
                        status = \"kind:new\"\ntags = { any = [\"nothing has this\"] }\n[claim]\n[work]\n\
                        runner = \"model\"\nmodel = \"worker\"\nprompt = \"report.md.hbs\"\n\
                        tools = [\"getTicket\", \"finish\"]\n[outcome.ready]\n\
                        status = \"Ready for Review\"\n";

/// Whether playbooks are armed, in which schema, and what that means.
const WAYS: [(&str, &str, &str); 2] = [
    ("no", "unarmed", "none is armed: each instant is decided, and skipped with its reason"),
    (
        "arms",
        "armed",
        "all are armed: each instant is queued, planned, finds no task and is settled",
    ),
];

/// A daemon in a process of its own.
struct Daemon {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// What a look took.
#[derive(Clone, Copy)]
struct Look {
    took: Duration,
    questions: u64,
    commits: u64,
    decided: u64,
    settled: u64,
    memory_mib: u64,
}

pub fn run(server: &Server, playbooks: usize, daemons: usize, minutes: u64) -> Result<bool> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for name in ["agents", "templates", "state"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    std::fs::write(folder.path().join("templates/report.md.hbs"), "Report.")?;
    for number in 0..playbooks {
        let file = folder.path().join(format!("agents/due-{number:05}.toml"));
        std::fs::write(file, PLAYBOOK)?;
    }
    for (arms, schema, what) in WAYS {
        println!("\n{playbooks} playbooks, {daemons} daemons; {what}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(prepare(server, schema))?;
        let team = begin(server, schema, folder.path(), daemons, arms)?;
        measure(server, schema, team, u64::try_from(playbooks)?, minutes)?;
    }
    Ok(true)
}

/// Makes the tables, an agent and a project.
async fn prepare(server: &Server, schema: &str) -> Result<()> {
    let (name, clock) = (BoardName::new("main"), SystemClock::shared());
    let board = SqlBoard::shared(server.cluster(schema, 1)?, name, clock).await?;
    let by = Stamp::by(PersonId(1));
    let (kind, role) = (PersonKind::Agent, Role::Editor);
    board.add_person(&by, NewPerson { name: "AI-Worker".into(), email: None, kind, role }).await?;
    let new = NewProject { name: "Website".into(), details: String::new(), statuses: Vec::new() };
    board.add_project(&by, new).await?;
    board.close().await;
    drop(PostgresStore::open(server.cluster(schema, 1)?).await?);
    Ok(())
}

/// Starts the daemons, one after the other, and lets each look for the first time.
fn begin(
    server: &Server,
    schema: &str,
    folder: &Path,
    daemons: usize,
    arms: &str,
) -> Result<Vec<Daemon>> {
    let (mut team, mut looks) = (Vec::new(), Vec::new());
    for number in 0..daemons {
        let mut child = Command::new(std::env::current_exe()?)
            .args([child::WORD, &server.address(), schema, &format!("bench-{number}")])
            .arg(folder)
            .arg(arms)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().context("no output")?);
        team.push(Daemon { child, to, from });
        looks.extend(look(&mut team[number..], BEGIN_MS)?);
    }
    show("start, with the first look", &looks);
    Ok(team)
}

fn measure(
    server: &Server,
    schema: &str,
    mut team: Vec<Daemon>,
    playbooks: u64,
    minutes: u64,
) -> Result<()> {
    show("nothing is due", &look(&mut team, BEGIN_MS + 10_000)?);
    let (mut decided, mut settled) = (0, 0);
    for minute in 1..=i64::try_from(minutes)? {
        let begun = Instant::now();
        let looks = look(&mut team, BEGIN_MS + minute * MINUTE_MS)?;
        let whole = begun.elapsed().as_secs_f64();
        show(&format!("minute {minute}: all are due"), &looks);
        let now: u64 = looks.iter().map(|look| look.decided).sum();
        println!(
            "  {:.0} decided a second, by all together",
            f64::from(u32::try_from(now)?) / whole
        );
        decided += now;
        settled += looks.iter().map(|look| look.settled).sum::<u64>();
    }
    show("nothing is due", &look(&mut team, BEGIN_MS + i64::try_from(minutes)? * MINUTE_MS + 1)?);
    for daemon in &mut team {
        daemon.to = None;
    }
    for mut daemon in team {
        ensure!(daemon.child.wait()?.success(), "a daemon did not end in good order");
    }
    let rows = |begin: &str| -> Result<u64> {
        let sql = format!("select count(*) from {schema}.ledger where starts_with(key, '{begin}')");
        Ok(server.psql(&sql)?.parse()?)
    };
    let expected = playbooks * minutes;
    let (recorded, open) = (rows("occurrence/")?, rows("occurrence-open/")?);
    println!(
        "  {expected} instants: {recorded} recorded, {decided} decided by all daemons together, {settled} settled later, {open} open"
    );
    ensure!(recorded == expected, "{recorded} of {expected} instants have a record");
    ensure!(decided == expected, "{expected} instants were decided {decided} times");
    ensure!(open == 0 && settled <= expected, "{open} are open, {settled} were settled");
    Ok(())
}

/// Lets all look at once, as if it were this instant.
fn look(team: &mut [Daemon], ms: i64) -> Result<Vec<Look>> {
    for daemon in team.iter_mut() {
        let to = daemon.to.as_mut().context("it was told to end")?;
        writeln!(to, "tick {ms}")?;
        to.flush()?;
    }
    team.iter_mut().map(Daemon::answer).collect()
}

impl Daemon {
    fn answer(&mut self) -> Result<Look> {
        let mut line = String::new();
        ensure!(self.from.read_line(&mut line)? > 0, "a daemon has ended");
        let numbers: Vec<u64> =
            line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [took, questions, commits, decided, settled, memory] = numbers[..] else {
            anyhow::bail!("a daemon said {line:?}")
        };
        let took = Duration::from_micros(took);
        Ok(Look { took, questions, commits, decided, settled, memory_mib: memory / 1_024 })
    }
}

impl Drop for Daemon {
    /// One that is still there when something failed.
    fn drop(&mut self) {
        self.to = None;
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn show(what: &str, looks: &[Look]) {
    println!("  {what}:");
    for (number, look) in looks.iter().enumerate() {
        let Look { took, questions, commits, decided, settled, memory_mib } = look;
        println!(
            "    daemon {number}: {took:>10.1?}, {questions} questions and {commits} commits to the store, \
             {decided} decided, {settled} settled, {memory_mib} MiB"
        );
    }
}
