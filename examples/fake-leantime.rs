//! A fake Leantime to try things against by hand: the one of the tests, with a clock that runs.
//!
//! ```text
//! fake-leantime [--version 3.5.12|3.8.0|3.9.0|3.9.8] [--zone NAME] [--requests N]
//! ```
//! It listens on 127.0.0.1 only, keeps everything in memory, and says at its end what a careful client
//! would not have sent.

#![expect(clippy::print_stdout, reason = "its standard output is its interface")]

#[expect(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the tests use the rest, and may panic"
)]
#[path = "../tests/support/leantime/mod.rs"]
mod leantime;

use leantime::{FakeLeantime, Options, Role, Version};
use serde_json::json;
use std::time::Duration;

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--version" => {
                let wanted = value()?;
                let mut all = Version::ALL.into_iter();
                let found = all.find(|version| version.name() == wanted);
                options.version = found.ok_or_else(|| format!("there is no {wanted} here"))?;
            }
            "--requests" => {
                let wanted = value()?.parse().map_err(|_| "--requests: as 120, in a minute")?;
                options.rate_per_minute = Some(wanted);
            }
            "--zone" => options.zone = value()?.parse().map_err(|_| "--zone: as Europe/Berlin")?,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(options)
}

/// Something to look at: two people, two programs, a goal board, two tickets.
fn furnish(fake: &FakeLeantime) {
    let hugo = fake.add_person("Hugo", "Human", Role::Editor);
    fake.add_member(hugo, 1, None);
    fake.add_board(1, "Goals");
    for headline in ["Write the report", "Read the report"] {
        fake.as_person(1).add_ticket(json!({ "headline": headline, "projectId": 1 }));
    }
    println!("This is a fake Leantime: nothing in it is real, and nothing is kept.");
    println!("URL     {}", fake.url());
    let (_, admin) = fake.add_key("admin-bot", Role::Admin, &[1]);
    println!("admin   x-api-key: {admin}");
    let (_, editor) = fake.add_key("editor-bot", Role::Editor, &[1]);
    println!("editor  x-api-key: {editor}");
    println!("Ada     Authorization: Bearer {}", fake.add_token(1));
}

#[tokio::main]
async fn main() -> Result<(), String> {
    let fake = FakeLeantime::start(options()?).await;
    furnish(&fake);
    let second = Duration::from_secs(1);
    loop {
        tokio::select! {
            () = tokio::time::sleep(second) => fake.advance(second),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    for violation in fake.violations() {
        println!("seen: {violation}");
    }
    Ok(())
}
