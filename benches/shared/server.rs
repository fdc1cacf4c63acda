//! A PostgreSQL server of the bench's own, on this machine's disk and with every flush made, and
//! pgbench's loops on it: what they write is as large as a claim's record.

use anyhow::{Context as _, Result, bail};
use rota::postgres::{Address, Cluster, PostgresOptions, Schema};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What has to be there.
const PROGRAMS: [&str; 4] = ["initdb", "postgres", "psql", "pgbench"];

/// As it comes, but for checkpoints in the middle of a turn; nobody outside can reach it.
const SETTINGS: &str = "
listen_addresses = ''
max_connections = 200
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 1h
";

/// Tasks for the bare loops.
pub const TASKS: u32 = 100_000;

const UPDATE: &str = "\\set id random(1, 100000)
update tasks set holder = :client_id, version = version + 1, record = repeat('y', 560) where id = :id \
returning version;
";

const SKIP_LOCKED: &str = "update waiting set holder = :client_id, record = repeat('y', 560) where id = \
(select id from waiting where holder is null order by id for update skip locked limit 1) returning id;
";

/// What decides how long a commit takes.
const DURABILITY: &str = "select string_agg(name || '=' || setting, ', ' order by name) from pg_settings \
where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_sync_method', 'commit_delay')";

/// The loop that people write.
#[derive(Clone, Copy)]
pub enum Bare {
    /// A task that is known by its number.
    Update,
    /// The next one that is free.
    SkipLocked,
}

pub struct Server {
    programs: PathBuf,
    /// Who runs them, if that may not be this user.
    user: Option<(u32, u32)>,
    /// The data, on the disk.
    data: TempDir,
    /// The socket and the scripts: a socket's path has to be short.
    place: TempDir,
    child: Child,
}

impl Server {
    /// Makes one and starts it.
    pub fn start() -> Result<Self> {
        let programs = programs().context("initdb, postgres, psql and pgbench are not here")?;
        let user = user()?;
        // Not the temporary folder, which may be memory: a flush there costs nothing.
        let data = folder(Path::new(env!("CARGO_TARGET_TMPDIR")), user)?;
        let place = folder(Path::new("/tmp"), user)?;
        let path = data.path().display().to_string();
        let made = command(&programs.join("initdb"), user)
            .args(["-D", &path, "-U", "rota", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .output()?;
        succeeded("initdb", &made)?;
        let socket = place.path().display();
        let conf = data.path().join("postgresql.conf");
        let settings = std::fs::read_to_string(&conf)? + SETTINGS;
        std::fs::write(&conf, format!("{settings}unix_socket_directories = '{socket}'\n"))?;
        let log = std::fs::File::create(place.path().join("log"))?;
        let child = command(&programs.join("postgres"), user)
            .args(["-D", &path])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Self { programs, user, data, place, child };
        server.wait()?;
        server.fill()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.psql("select 1").is_err() {
            let has_ended = self.child.try_wait()?.is_some();
            if has_ended || begun.elapsed() > Duration::from_mins(1) {
                bail!("{}", std::fs::read_to_string(self.place.path().join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn fill(&self) -> Result<()> {
        self.psql(&format!(
            "create table tasks (id int primary key, holder int, version bigint not null, \
             record text not null) with (fillfactor = 70); \
             insert into tasks select n, null, 1, repeat('x', 560) from generate_series(1, {TASKS}) n; \
             create table waiting (id int primary key, holder int, record text) with (fillfactor = 70); \
             create index waiting_free on waiting (id) where holder is null"
        ))?;
        self.psql("vacuum analyze tasks")?;
        std::fs::write(self.place.path().join("update.sql"), UPDATE)?;
        std::fs::write(self.place.path().join("skip_locked.sql"), SKIP_LOCKED)?;
        Ok(())
    }

    /// Which server it is.
    pub fn version(&self) -> Result<String> {
        self.psql("show server_version")
    }

    /// Whether and how it flushes: the same for all that is measured on it.
    pub fn durability(&self) -> Result<String> {
        self.psql(DURABILITY)
    }

    pub fn psql(&self, sql: &str) -> Result<String> {
        let mut psql = self.client("psql");
        let output = psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql]).output()?;
        succeeded("psql", &output)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Claims a second of pgbench, prepared, with as many threads as there are processors.
    pub fn bare(&self, bare: Bare, clients: usize, turn: Duration) -> Result<f64> {
        let script = match bare {
            Bare::Update => "update.sql",
            Bare::SkipLocked => {
                // More than are taken in a turn.
                let rows = 50_000 * turn.as_secs();
                self.psql(&format!(
                    "truncate waiting; insert into waiting select n from generate_series(1, {rows}) n; \
                     analyze waiting"
                ))?;
                "skip_locked.sql"
            }
        };
        let threads = std::thread::available_parallelism()?.get().min(clients);
        let output = self
            .client("pgbench")
            .args(["-n", "-M", "prepared", "-c", &clients.to_string(), "-j", &threads.to_string()])
            .args(["-T", &turn.as_secs().to_string(), "-f"])
            .arg(self.place.path().join(script))
            .output()?;
        succeeded("pgbench", &output)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.context("pgbench said no figure")?.parse()?)
    }

    /// Where it is.
    pub fn address(&self) -> String {
        let socket = self.place.path().display().to_string().replace('/', "%2F");
        format!("postgres://rota@{socket}/postgres")
    }

    /// As a daemon of a team with this schema connects.
    pub fn cluster(&self, schema: &str, connections: u32) -> Result<Cluster> {
        cluster(&self.address(), schema, connections)
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    fn client(&self, program: &str) -> Command {
        let mut command = command(&self.programs.join(program), self.user);
        command.env("PGHOST", self.place.path());
        command.env("PGUSER", "rota").env("PGDATABASE", "postgres");
        command
    }
}

/// A pool of so many connections to the schema of a team.
pub fn cluster(address: &str, schema: &str, connections: u32) -> Result<Cluster> {
    Ok(Cluster::new(PostgresOptions {
        address: Address::parse(address, false).map_err(anyhow::Error::msg)?,
        schema: Schema::parse(schema).map_err(anyhow::Error::msg)?,
        connections,
        statement_timeout: Duration::from_mins(1),
    }))
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).map(nix::unistd::Pid::from_raw);
        // Its quickest orderly end.
        let told =
            pid.is_ok_and(|pid| nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).is_ok());
        if !told {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// They refuse to work for root.
fn user() -> Result<Option<(u32, u32)>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = nix::unistd::User::from_name(name)? {
            return Ok(Some((user.uid.as_raw(), user.gid.as_raw())));
        }
    }
    bail!("they refuse root, and there is no user postgres or nobody")
}

fn folder(place: &Path, user: Option<(u32, u32)>) -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix("rota-bench-").tempdir_in(place)?;
    if let Some((user, group)) = user {
        std::os::unix::fs::chown(made.path(), Some(user), Some(group))?;
    }
    Ok(made)
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

fn succeeded(program: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())
}

/// The folder that has all of them: on the path, or where Debian puts them, the newest first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |folder: &PathBuf| {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        std::cmp::Reverse(name.parse::<u32>().unwrap_or(0))
    };
    let mut versions: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    versions.sort_by_key(number);
    folders.extend(versions.into_iter().map(|version| version.join("bin")));
    folders.into_iter().find(|folder| PROGRAMS.iter().all(|name| folder.join(name).exists()))
}
