//! A board of very many tasks: what daemons and pages ask of it, how long that takes, and what the server
//! read for it. Its own counters tell that, after the board has let its connections go.

use super::server::Server;
use anyhow::{Context as _, Result};
use rota::board::sql::SqlBoard;
use rota::board::{
    Board as _, Comments as _, History as _, People as _, Projects as _, Tasks as _,
};
use rota::clock::{SystemClock, SystemEntropy};
use rota::domain::{
    ActivityId, ActivityQuery, AssigneeFilter, BoardName, CommentQuery, CommentTarget, Cursor,
    DaemonId, Fence, LifeId, NewPerson, NewProject, PersonId, PersonKind, PlaybookName, ProjectId,
    Role, RunId, Stamp, StatusId, StatusKind, TaskEdit, TaskId, TaskOrder, TaskQuery,
};
use rota::ledger::{Acquire, Ledger, LedgerOptions};
use rota::store::postgres::PostgresStore;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SCHEMA: &str = "large";
const PEOPLE: i64 = 200;
const PROJECTS: i64 = 50;
const ROUNDS: i64 = 200;
/// 99 of 100 looks for candidates take less.
const MARK: Duration = Duration::from_millis(50);
const FILL: &str = include_str!("../../tests/fixtures/board/many_tasks.sql");
const OPEN: [StatusKind; 4] =
    [StatusKind::New, StatusKind::InProgress, StatusKind::Blocked, StatusKind::Waiting];
/// The tables that grow with the board, and the daemons' own.
const LARGE: &str = "('tasks', 'task_tags', 'task_words', 'comments', 'activity', 'ledger')";
/// What daemons have written down before: for each task as much as a claim's record, beside those that are
/// claimed here.
const LEDGER: &str = "insert into ledger (key, version, value) \
    select 'before/' || n, nextval('ledger_version'), convert_to(repeat('x', 560), 'UTF8') \
    from generate_series(1, {tasks}) n";

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A daemon, for candidates: the mark is for it.
    Candidates,
    /// A daemon: it never reads through a table.
    Daemon,
    /// A page or a report.
    Page,
}

#[derive(Clone, Copy)]
enum Question {
    CandidatesByTag,
    CandidatesOfProject,
    Changes,
    Latest,
    Directory,
    OneTask,
    Thread,
    Claim,
    Write,
    Column,
    NextPage,
    DeepPage,
    Assigned,
    DueInAWeek,
    Activity,
    Words,
    WholeProject,
}

const QUESTIONS: [(&str, Question, Asker); 17] = [
    ("candidates: a tag, new, nobody's (1,000)", Question::CandidatesByTag, Asker::Candidates),
    ("candidates: a project, new (1,000)", Question::CandidatesOfProject, Asker::Candidates),
    ("changes since the last look (50)", Question::Changes, Asker::Daemon),
    ("the latest change", Question::Latest, Asker::Daemon),
    ("people and projects", Question::Directory, Asker::Daemon),
    ("one task", Question::OneTask, Asker::Daemon),
    ("a task's comments", Question::Thread, Asker::Daemon),
    ("a claim, in the ledger", Question::Claim, Asker::Daemon),
    ("a fence, and a fenced write", Question::Write, Asker::Daemon),
    ("a column of a project's board (100)", Question::Column, Asker::Page),
    ("its next page (100)", Question::NextPage, Asker::Page),
    ("page 50 of what is open (100)", Question::DeepPage, Asker::Page),
    ("what is somebody's, open (100)", Question::Assigned, Asker::Page),
    ("due in a week (100)", Question::DueInAWeek, Asker::Page),
    ("a project's activity (100)", Question::Activity, Asker::Page),
    ("a word that nobody wrote, a project", Question::Words, Asker::Page),
    ("all of a project, by pages of 1,000", Question::WholeProject, Asker::Page),
];

/// What questions need beside the board.
struct Team {
    board: SqlBoard,
    ledger: Ledger,
    tasks: i64,
    latest: ActivityId,
    /// Where page 50 of what is open begins.
    deep: Option<Cursor>,
}

pub fn run(server: &Server, tasks: i64) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let begun = Instant::now();
        fill(server, tasks).await?;
        let size = server.psql(&format!(
            "select pg_size_pretty(sum(pg_table_size(relid))) || ' of tables, ' || \
             pg_size_pretty(sum(pg_indexes_size(relid))) || ' of indexes, ' || \
             (select pg_size_pretty(pg_indexes_size('{SCHEMA}.tasks'))) || ' of them of the tasks' \
             from pg_stat_user_tables where schemaname = '{SCHEMA}'"
        ))?;
        println!("{tasks} tasks in {:.0?}: {size}", begun.elapsed());
        let mut is_reached = true;
        for (name, question, asker) in QUESTIONS {
            is_reached &= measure(server, tasks, name, question, asker).await?;
        }
        Ok(is_reached)
    })
}

async fn open(server: &Server) -> Result<SqlBoard> {
    let (name, clock) = (BoardName::new("main"), SystemClock::shared());
    Ok(SqlBoard::shared(server.cluster(SCHEMA, 2)?, name, clock).await?)
}

async fn fill(server: &Server, tasks: i64) -> Result<()> {
    let board = open(server).await?;
    let by = Stamp::by(PersonId(1));
    for number in 1..=PEOPLE {
        let (name, kind, role) = (format!("Person {number}"), PersonKind::Person, Role::Editor);
        board.add_person(&by, NewPerson { name, email: None, kind, role }).await?;
    }
    for number in 1..=PROJECTS {
        let (name, details) = (format!("Project {number}"), String::new());
        board.add_project(&by, NewProject { name, details, statuses: Vec::new() }).await?;
    }
    board.close().await;
    drop(PostgresStore::open(server.cluster(SCHEMA, 1)?).await?);
    println!("filling; this takes minutes");
    for sql in [FILL, LEDGER] {
        let sql = sql.replace("{tasks}", &tasks.to_string());
        server.psql(&format!("set search_path = {SCHEMA}; {sql}"))?;
    }
    server.psql("vacuum analyze")?;
    Ok(())
}

async fn team(server: &Server, tasks: i64) -> Result<Team> {
    let board = open(server).await?;
    let options = LedgerOptions {
        board: BoardName::new("main"),
        daemon: DaemonId::new("bench"),
        life: LifeId::new("bench-1"),
        margin: Duration::from_secs(5),
        epoch: 0,
    };
    let store = Arc::new(PostgresStore::open(server.cluster(SCHEMA, 4)?).await?);
    let ledger = Ledger::new(store, SystemClock::shared(), Arc::new(SystemEntropy), options);
    let latest = board.latest_activity().await?;
    Ok(Team { board, ledger, tasks, latest, deep: None })
}

fn of_kinds(kinds: &[StatusKind]) -> TaskQuery {
    TaskQuery { kinds_of_status: kinds.to_vec(), limit: 100, ..TaskQuery::default() }
}

/// Prints a line; whether its mark is reached.
async fn measure(
    server: &Server,
    tasks: i64,
    name: &str,
    question: Question,
    asker: Asker,
) -> Result<bool> {
    let mut team = team(server, tasks).await?;
    if matches!(question, Question::DeepPage) {
        team.go_deep().await?;
    }
    // What is prepared once, and the plans that come before a lasting one.
    for round in 0..10 {
        team.ask(question, round).await?;
    }
    team.board.close().await;
    let deep = team.deep.take();
    drop(team);
    quiet(server).await?;
    let before = Counters::read(server)?;
    let team = Team { deep, ..self::team(server, tasks).await? };
    let rounds = if matches!(question, Question::WholeProject) { 20 } else { ROUNDS };
    let (mut times, mut rows) = (Vec::new(), 0);
    for round in 0..rounds {
        let begun = Instant::now();
        rows += team.ask(question, 10 + round).await?;
        times.push(begun.elapsed());
    }
    team.board.close().await;
    drop(team);
    quiet(server).await?;
    let read = Counters::read(server)?.since(&before);
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied();
    let (median, tail) = (at(50).context("no time")?, at(99).context("no time")?);
    let is_slow = asker == Asker::Candidates && tail >= MARK;
    let is_scan = asker != Asker::Page && read.scans > 0;
    println!(
        "{name:42} p50 {median:>9.2?}  p99 {tail:>9.2?}  {:>6} rows, {:>7} read of tables; {}{}{}",
        rows / usize::try_from(rounds)?,
        read.rows / rounds,
        read.indexes(),
        if is_slow { "  MISSED: 50 ms" } else { "" },
        if is_scan { "  MISSED: a table was read through" } else { "" },
    );
    Ok(!is_slow && !is_scan)
}

/// Returns when no connection is left: a session tells its counts at its end.
async fn quiet(server: &Server) -> Result<()> {
    let begun = Instant::now();
    let others = "select count(*) from pg_stat_activity where usename = 'rota' \
                  and backend_type = 'client backend' and pid <> pg_backend_pid()";
    while server.psql(others)? != "0" {
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(30), "connections do not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What the server counted of the tables that grow.
struct Counters {
    /// How often one was read through.
    scans: i64,
    /// Rows that were fetched of them.
    rows: i64,
    /// How often each index was asked.
    asked: BTreeMap<String, i64>,
}

impl Counters {
    fn read(server: &Server) -> Result<Self> {
        let tables = server.psql(&format!(
            "select sum(seq_scan) || ' ' || sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) \
             from pg_stat_user_tables where schemaname = '{SCHEMA}' and relname in {LARGE}"
        ))?;
        let (scans, rows) = tables.split_once(' ').context("no counters")?;
        let indexes = server.psql(&format!(
            "select indexrelname || ' ' || idx_scan from pg_stat_user_indexes \
             where schemaname = '{SCHEMA}' and relname in {LARGE}"
        ))?;
        let asked = indexes.lines().filter_map(|line| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        });
        Ok(Self { scans: scans.parse()?, rows: rows.parse()?, asked: asked.collect() })
    }

    fn since(self, before: &Self) -> Self {
        let was = |name: &str| before.asked.get(name).copied().unwrap_or(0);
        let asked = self.asked.into_iter().map(|(name, count)| {
            let count = count - was(&name);
            (name, count)
        });
        Self {
            scans: self.scans - before.scans,
            rows: self.rows - before.rows,
            asked: asked.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// The indexes that were asked most.
    fn indexes(&self) -> String {
        let mut asked: Vec<(&String, &i64)> = self.asked.iter().collect();
        asked.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let names: Vec<&str> = asked.iter().take(3).map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

impl Team {
    /// Goes to where page 50 of what is open begins.
    async fn go_deep(&mut self) -> Result<()> {
        for _ in 1..50 {
            let query = TaskQuery { after: self.deep.take(), ..of_kinds(&OPEN) };
            self.deep = self.board.tasks(&query).await?.next;
        }
        Ok(())
    }

    /// Asks once; how many rows came.
    async fn ask(&self, question: Question, round: i64) -> Result<usize> {
        let task = TaskId(1 + round * 104_729 % self.tasks);
        Ok(match question {
            Question::Changes => {
                let after = Some(ActivityId(self.latest.0 - 50));
                let query = ActivityQuery { after, limit: 1_000, ..ActivityQuery::default() };
                self.board.activity(&query).await?.items.len()
            }
            Question::Latest => {
                self.board.latest_activity().await?;
                1
            }
            Question::Directory => self.board.directory().await?.people.len(),
            Question::OneTask => {
                self.board.task(task).await?;
                1
            }
            Question::Thread => {
                let on = Some(CommentTarget::Task(task));
                let query = CommentQuery { on, ..CommentQuery::default() };
                self.board.comments(&query).await?.items.len()
            }
            Question::Activity => {
                let query = ActivityQuery {
                    projects: vec![ProjectId(1 + round % PROJECTS)],
                    limit: 100,
                    latest_first: true,
                    ..ActivityQuery::default()
                };
                self.board.activity(&query).await?.items.len()
            }
            Question::Claim => {
                self.claim(task, round).await?;
                1
            }
            Question::Write => {
                let fence = Fence(u64::try_from(round)? + 1_000);
                self.board.raise_fence(task, fence).await?;
                let stamp = Stamp { claim: Some((task, fence)), ..Stamp::by(PersonId(1)) };
                self.board.edit_task(&stamp, task, &[TaskEdit::Sort(round + 1)]).await?;
                1
            }
            Question::WholeProject => self.whole_project(round).await?,
            Question::NextPage => {
                let query = tasks_of(Question::Column, round);
                let after = self.board.tasks(&query).await?.next;
                self.board.tasks(&TaskQuery { after, ..query }).await?.items.len()
            }
            Question::DeepPage => {
                let query = TaskQuery { after: self.deep.clone(), ..of_kinds(&OPEN) };
                self.board.tasks(&query).await?.items.len()
            }
            _ => self.board.tasks(&tasks_of(question, round)).await?.items.len(),
        })
    }

    async fn claim(&self, task: TaskId, round: i64) -> Result<()> {
        let nonce = self.ledger.nonce();
        let ask = Acquire {
            task,
            run: RunId::new(format!("r-{nonce}-{round}")),
            playbook: PlaybookName::new("ai-worker"),
            attempt: 1,
            lease: Duration::from_millis(1),
            nonce,
            resume: None,
            comment: None,
        };
        self.ledger.acquire(ask).await?;
        Ok(())
    }

    /// As a project's overview reads it.
    async fn whole_project(&self, round: i64) -> Result<usize> {
        let projects = vec![ProjectId(1 + round % PROJECTS)];
        let mut query = TaskQuery { projects, limit: 1_000, ..TaskQuery::default() };
        let mut rows = 0;
        loop {
            let page = self.board.tasks(&query).await?;
            rows += page.items.len();
            if page.next.is_none() {
                return Ok(rows);
            }
            query.after = page.next;
        }
    }
}

/// Questions for one page of tasks.
fn tasks_of(question: Question, round: i64) -> TaskQuery {
    let projects = vec![ProjectId(1 + round % PROJECTS)];
    let now = chrono::Utc::now();
    match question {
        Question::CandidatesByTag => TaskQuery {
            tags_any: vec![format!("tag {}", round % 200)],
            assignee: AssigneeFilter::Nobody,
            order: TaskOrder::Priority,
            limit: 1_000,
            ..of_kinds(&[StatusKind::New])
        },
        Question::CandidatesOfProject => TaskQuery {
            projects,
            assignee: AssigneeFilter::Nobody,
            order: TaskOrder::Priority,
            limit: 1_000,
            ..of_kinds(&[StatusKind::New])
        },
        Question::Column => TaskQuery {
            projects,
            statuses: vec![StatusId(3)],
            order: TaskOrder::Priority,
            limit: 100,
            ..TaskQuery::default()
        },
        Question::Assigned => TaskQuery {
            assignee: AssigneeFilter::OneOf(vec![PersonId(1 + round % PEOPLE)]),
            ..of_kinds(&OPEN)
        },
        Question::DueInAWeek => TaskQuery {
            due_from: Some(now),
            due_to: Some(now + chrono::TimeDelta::days(7)),
            order: TaskOrder::Due,
            ..of_kinds(&OPEN)
        },
        Question::Words => TaskQuery {
            projects,
            text: Some(format!("nobody wrote {round}")),
            limit: 100,
            ..TaskQuery::default()
        },
        _ => of_kinds(&OPEN),
    }
}
