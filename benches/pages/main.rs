//! How quickly the pages come that show the most, of a board with 50,000 tasks in one project, and how long they
//! are. Fails where a mark is missed: 200 ms and 1 MiB.
//!
//! `cargo bench --bench pages` asks each page 101 times (`-- --rounds 101`), one after the other, signed in as a
//! browser is. The time is from the request to the last byte of its answer, over loopback: what the server
//! takes, and a little more. Linux only: it reads `/proc`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it prints, and starts the real program"
)]

use anyhow::{Context as _, ensure};
use reqwest::Client;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The tasks, made far faster than by the board: with SQL, while nobody has it open.
const TASKS: &str = include_str!("tasks.sql");
/// What is asked for. The first is the mark's; the others show parts of the same tasks.
const PAGES: [&str; 4] =
    ["/board?project=1", "/board?project=1&tag=web", "/board?project=1&column=3", "/"];
/// No page takes longer, but for one in twenty.
const TIME_MAX: Duration = Duration::from_millis(200);
/// And none is longer.
const BYTES_MAX: usize = 1024 * 1024;
/// So often each is asked for.
const ROUNDS: usize = 101;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = match words.iter().position(|word| word == "--rounds") {
        Some(at) => words.get(at + 1).context("--rounds: how many?")?.parse()?,
        None => ROUNDS,
    };
    ensure!(rounds > 0, "--rounds: at least one");
    load_line("at the beginning")?;
    let house = House::filled()?;
    let serving = house.serve()?;
    // As the program does it in its `main`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let missed = runtime.block_on(async {
        let mut browser = Browser::signed_in(&serving.base, &house.token).await?;
        let mut missed = Vec::new();
        for page in PAGES {
            missed.extend(measure(&mut browser, page, rounds).await?);
        }
        anyhow::Ok(missed)
    })?;
    load_line("at the end")?;
    ensure!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
    Ok(())
}

/// Asks for a page again and again; which marks it misses.
async fn measure(browser: &mut Browser, page: &str, rounds: usize) -> anyhow::Result<Vec<String>> {
    // What is opened once is opened before.
    let mut bytes = browser.get(page).await?.len();
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let begun = Instant::now();
        let text = browser.get(page).await?;
        took.push(begun.elapsed());
        bytes = bytes.max(text.len());
    }
    took.sort_unstable();
    let (middle, most) = (took[took.len() / 2], took[took.len() * 95 / 100]);
    println!("{page}: {bytes} bytes, {middle:?} in the middle, {most:?} for 95 of 100");
    let mut missed = Vec::new();
    if most >= TIME_MAX {
        missed.push(format!("{page}: {most:?}, at most {TIME_MAX:?}"));
    }
    if bytes > BYTES_MAX {
        missed.push(format!("{page}: {bytes} bytes, at most {BYTES_MAX}"));
    }
    Ok(missed)
}

fn load_line(when: &str) -> anyhow::Result<()> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("load {when}: {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// Somebody of the team, signed in as on the page for that.
struct Browser {
    http: Client,
    base: String,
    cookie: String,
}

impl Browser {
    async fn signed_in(base: &str, token: &str) -> anyhow::Result<Self> {
        let none = reqwest::redirect::Policy::none();
        let http = Client::builder().no_proxy().redirect(none).build()?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("token", token).finish();
        let request = http
            .post(format!("{base}/sign-in"))
            .header(ORIGIN, base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let response = request.send().await?;
        ensure!(response.status() == 303, "signing in: {}", response.status());
        let mut browser = Self { http, base: base.to_owned(), cookie: String::new() };
        browser.keep(&response)?;
        ensure!(!browser.cookie.is_empty(), "no cookie was given");
        Ok(browser)
    }

    async fn get(&mut self, page: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{page}", self.base)).header(COOKIE, &self.cookie);
        let response = request.send().await?;
        ensure!(response.status() == 200, "{page}: {}", response.status());
        self.keep(&response)?;
        Ok(response.text().await?)
    }

    /// Another cookie is given now and then.
    fn keep(&mut self, response: &reqwest::Response) -> anyhow::Result<()> {
        if let Some(cookie) = response.headers().get(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            pair.clone_into(&mut self.cookie);
        }
        Ok(())
    }
}

/// A house with the tasks. Not in the temporary folder, which may be memory.
struct House {
    folder: tempfile::TempDir,
    token: String,
}

impl House {
    fn filled() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut house = Self { folder, token: String::new() };
        house.rota(&["init"])?;
        std::fs::remove_dir_all(house.path("agents"))?;
        std::fs::create_dir(house.path("agents"))?;
        std::fs::write(
            house.path("rota.toml"),
            "timezone = \"UTC\"\n[people]\nme = \"owner\"\n[mcp]\nport = 0\nrate_limit = 1000000\n",
        )?;
        for name in ["Bob", "Eve"] {
            house.rota(&["person", "add", name])?;
        }
        house.rota(&["project", "add", "Website"])?;
        let made: Value =
            serde_json::from_slice(&house.rota(&["token", "create", "bench", "--json"])?)?;
        made["secret"].as_str().context("no secret")?.clone_into(&mut house.token);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let file = house.path("state/board.sqlite");
        runtime.block_on(async {
            let mut board =
                SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
            sqlx::raw_sql(TASKS).execute(&mut board).await?;
            board.close().await
        })?;
        Ok(house)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rota"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("USER", "owner")
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }

    fn rota(&self, words: &[&str]) -> anyhow::Result<Vec<u8>> {
        let ran = self.command(words).output()?;
        ensure!(ran.status.success(), "{words:?} {ran:#?}");
        Ok(ran.stdout)
    }

    /// Starts the daemon.
    fn serve(&self) -> anyhow::Result<Serving> {
        let log = std::fs::File::create(self.path("log"))?;
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("no output")?);
        let mut serving = Serving { child, base: String::new() };
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            ensure!(out.read_line(&mut line)? > 0, "the daemon is not ready");
        }
        // Nobody reads on: a daemon without notices prints nothing more.
        std::mem::forget(out);
        let address = line.split("addr=").nth(1).context("no address")?;
        let address = address.split_whitespace().next().unwrap_or_default();
        serving.base = format!("http://{address}");
        Ok(serving)
    }
}

/// A daemon; SIGTERM when dropped.
struct Serving {
    child: Child,
    base: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}
