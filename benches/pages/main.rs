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

#[path = "../house/door.rs"]
mod door;
#[path = "../house/mod.rs"]
mod house;

use anyhow::{Context as _, ensure};
use house::House;
use reqwest::Client;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use sqlx::{Connection as _, SqliteConnection};
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
    let (house, token) = filled()?;
    let (_serving, ready) = house.serve()?;
    let base = format!("http://{}", door::address(&ready)?);
    // As the program does it in its `main`.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let missed = runtime.block_on(async {
        let mut browser = Browser::signed_in(&base, &token).await?;
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

/// A house with the tasks, and a token of its owner.
fn filled() -> anyhow::Result<(House, String)> {
    let house = House::new(door::CONFIG)?;
    for name in ["Bob", "Eve"] {
        house.rota(&["person", "add", name])?;
    }
    house.rota(&["project", "add", "Website"])?;
    let token = door::token(&house)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let file = house.path("state/board.sqlite");
    runtime.block_on(async {
        let mut board = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
        sqlx::raw_sql(TASKS).execute(&mut board).await?;
        board.close().await
    })?;
    Ok((house, token))
}
