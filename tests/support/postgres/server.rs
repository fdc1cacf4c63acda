//! A PostgreSQL server of the tests' own: in a folder that goes with it, reached by a socket in there
//! and on loopback.
//!
//! A static is not dropped and a test may be killed: a shell keeps the server, and ends it and removes
//! the folder when the pipe from here breaks, however that came.

use super::super::asked::asked;
use super::{PATIENCE, Team, ask, lacking};
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks at something that there is no waiting for.
const STEP: Duration = Duration::from_millis(10);

/// A port that was free may be taken when the server asks for it.
const TRIES: u32 = 3;

/// A socket's path has to fit into 107 bytes.
const FOLDER_BYTES_MAX: usize = 80;

/// How the log ends when it did not start.
const ENDED: [&str; 2] = ["database system is shut down", "could not create any TCP/IP sockets"];

/// `$1`: the programs; `$2`: the folder. Ends when its input does.
const KEEPER: &str = r#"
begin() { "$1/postgres" -D "$2/data" </dev/null >>"$2/log" 2>&1 & server=$!; }
end() { kill -QUIT "$server" 2>/dev/null; wait "$server"; }
begin "$@"
while read -r word; do
  case "$word" in
    start) begin "$@" ;;
    stop) end ;;
  esac
  echo "$word"
done
end
rm -rf "$2"
"#;

/// What is the same for every server: no test outlives a power cut, and the order of texts is not that
/// of their bytes, so that whoever relies on one says so.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 200
wal_level = replica
hot_standby = on
jit = off
";
const ORDERS: [&[&str]; 2] = [&["--locale-provider=icu", "--icu-locale=en-US"], &[]];

/// A server; it ends with the last of its values.
#[derive(Clone, Debug)]
pub(crate) struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: Host,
    folder: PathBuf,
    port: u16,
    /// `None` once it is being dropped.
    keeper: Mutex<Option<Keeper>>,
}

/// Where the programs are, and who runs them.
#[derive(Clone, Debug)]
struct Host {
    programs: PathBuf,
    /// They refuse to work for root.
    user: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Keeper {
    child: Child,
    words: ChildStdin,
    echo: BufReader<ChildStdout>,
}

impl Server {
    /// A new one of one's own; `None` where none can be had, which is said.
    pub(crate) async fn start() -> Option<Self> {
        let begun = tokio::task::spawn_blocking(Self::begin).await.unwrap();
        begun.inspect_err(|why| lacking(why)).ok()
    }

    pub(super) fn begin() -> Result<Self, String> {
        let host = Host::find()?;
        let mut last = String::new();
        for _ in 0..TRIES {
            let folder = host.folder()?;
            if let Err(error) = host.make(&folder.join("data")) {
                let _ = std::fs::remove_dir_all(folder);
                return Err(error);
            }
            match Self::over(host.clone(), folder.clone()) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
            let _ = std::fs::remove_dir_all(folder);
        }
        Err(last)
    }

    /// Begins to serve what is in a folder.
    fn over(host: Host, folder: PathBuf) -> Result<Self, String> {
        let port = free_port()?;
        let settings =
            format!("{SETTINGS}port = {port}\nunix_socket_directories = '{}'\n", folder.display());
        std::fs::OpenOptions::new()
            .append(true)
            .open(folder.join("data/postgresql.conf"))
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .map_err(|error| format!("postgresql.conf: {error}"))?;
        let keeper = Mutex::new(Some(host.keep(&folder)?));
        let server = Self(Arc::new(Inner { host, folder, port, keeper }));
        server.0.until_ready(0)?;
        Ok(server)
    }

    /// A role with its schema there.
    pub(crate) fn team(&self) -> Team {
        Team::on(&self.0.url())
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// What it wrote down so far. A statement is in there before it is answered.
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    /// Asks as the superuser.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        ask(&self.0.url(), sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// Ends it at once, as a crash does: nobody is told, and nothing is written any more.
    pub(crate) async fn stop(&self) {
        self.blocking(|server| server.told("stop")).await;
    }

    /// Starts it again where it was.
    pub(crate) async fn start_again(&self) {
        self.blocking(|server| {
            let told = server.log().len();
            server.told("start");
            server.until_ready(told).unwrap();
        })
        .await;
    }

    /// Ends it at once and starts it again.
    pub(crate) async fn restart(&self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Another server that follows this one. From here on this one acknowledges what the other has,
    /// too, and waits for it where it does not come.
    pub(crate) async fn standby(&self) -> Self {
        self.blocking(|server| {
            let standby = server.followed().unwrap();
            let url = server.url();
            let of_the_other = |what: &str, wanted: &str| {
                let sql = format!("select count(*) from pg_stat_replication where {what}");
                until(wanted, || ask(&url, &sql).unwrap() == "1");
            };
            of_the_other("state = 'streaming'", "the standby follows");
            ask(&url, "alter system set synchronous_standby_names = '*'").unwrap();
            ask(&url, "select pg_reload_conf()").unwrap();
            of_the_other("sync_state = 'sync'", "the standby is waited for");
            standby
        })
        .await
    }

    /// Lets a standby take writes from here on.
    pub(crate) async fn promote(&self) {
        let url = self.0.url();
        let promoted = move || ask(&url, "select pg_promote()").unwrap();
        assert_eq!(tokio::task::spawn_blocking(promoted).await.unwrap(), "t");
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> T {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || what(&inner)).await.unwrap()
    }
}

impl Inner {
    /// The superuser's way, by the socket.
    fn url(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://rota@{folder}:{}/postgres", self.port)
    }

    /// Tells the keeper, and waits until it did it.
    fn told(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        let keeper = keeper.as_mut().unwrap();
        writeln!(keeper.words, "{word}").unwrap();
        let mut echo = String::new();
        keeper.echo.read_line(&mut echo).unwrap();
        assert_eq!(echo.trim(), word);
    }

    /// It writes down itself how far it is; what its log said before this place is of an earlier life.
    fn until_ready(&self, told: usize) -> Result<(), String> {
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            let state = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
            if state.unwrap_or_default().lines().nth(7).map(str::trim) == Some("ready") {
                return Ok(());
            }
            let log = self.log().split_off(told);
            // Nobody else is told so: clients that come too early hear other words.
            if ENDED.iter().any(|words| log.trim_end().ends_with(words)) {
                return Err(format!("the server did not start:\n{log}"));
            }
            std::thread::sleep(STEP);
            waited += STEP;
        }
        Err(format!("the server is not ready:\n{}", self.log()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A server over a copy of what is here.
    fn followed(&self) -> Result<Server, String> {
        let host = self.host.clone();
        let folder = host.folder()?;
        let (from, port) = (self.folder.display().to_string(), self.port.to_string());
        let data = folder.join("data").display().to_string();
        let whence = ["-h", &from, "-p", &port, "-U", "rota"];
        let how = ["-D", &data, "-R", "-X", "stream", "-c", "fast", "--no-sync"];
        let followed = host
            .run("pg_basebackup", &[&whence[..], &how].concat())
            .and_then(|()| Server::over(host, folder.clone()));
        followed.inspect_err(|_| {
            let _ = std::fs::remove_dir_all(folder);
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().ok().and_then(Option::take);
        if let Some(Keeper { mut child, words, .. }) = keeper {
            drop(words);
            let _ = child.wait();
        }
    }
}

impl Host {
    fn find() -> Result<Self, String> {
        let programs = programs().ok_or("initdb, postgres and pg_basebackup are not here")?;
        if !nix::unistd::geteuid().is_root() {
            return Ok(Self { programs, user: None });
        }
        let found = ["postgres", "nobody"]
            .iter()
            .find_map(|name| nix::unistd::User::from_name(name).ok().flatten());
        let user = found.ok_or("they refuse root, and there is no user postgres or nobody")?;
        Ok(Self { programs, user: Some((user.uid.as_raw(), user.gid.as_raw())) })
    }

    /// An empty folder that is theirs.
    fn folder(&self) -> Result<PathBuf, String> {
        let mut place = std::env::temp_dir();
        if place.as_os_str().len() > FOLDER_BYTES_MAX {
            place = PathBuf::from("/tmp");
        }
        let failed = |error: std::io::Error| format!("a folder in {}: {error}", place.display());
        let made = tempfile::Builder::new().prefix("rota-pg-").tempdir_in(&place);
        let folder = made.map_err(failed)?;
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).map_err(failed)?;
        }
        Ok(folder.keep())
    }

    /// Makes the files of a new server.
    fn make(&self, data: &Path) -> Result<(), String> {
        let data = data.display().to_string();
        let mut last = Ok(());
        for order in ORDERS {
            let common = ["-D", &data, "-U", "rota", "-A", "trust", "-E", "UTF8", "--no-sync"];
            let arguments: Vec<&str> = common.iter().chain(order).copied().collect();
            last = self.run("initdb", &arguments);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.command(self.programs.join(program));
        let output = command.args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn keep(&self, folder: &Path) -> Result<Keeper, String> {
        let mut command = self.command("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&self.programs).arg(folder);
        // Whoever interrupts the tests does not interrupt what tidies up behind them.
        command.process_group(0);
        let spawned =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| format!("/bin/sh: {error}"))?;
        let (words, echo) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Ok(Keeper { child, words, echo: BufReader::new(echo) })
    }

    #[expect(clippy::disallowed_methods, reason = "tests start a server as people do")]
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The folder of the programs: on the path, or where Debian puts them, the newest first.
fn programs() -> Option<PathBuf> {
    let path = asked("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |folder: &PathBuf| {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        std::cmp::Reverse(name.parse::<u32>().unwrap_or(0))
    };
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(number);
    folders.extend(versions.into_iter().map(|version| version.join("bin")));
    folders.push(PathBuf::from("/usr/local/bin"));
    folders.into_iter().find(|folder| {
        ["initdb", "postgres", "pg_basebackup"].iter().all(|name| folder.join(name).exists())
    })
}

fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|port| port.local_addr());
    bound.map(|address| address.port()).map_err(|error| format!("a port: {error}"))
}

/// Looks again and again.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while !is_so() {
        assert!(waited < PATIENCE, "never: {what}");
        std::thread::sleep(STEP);
        waited += STEP;
    }
}
