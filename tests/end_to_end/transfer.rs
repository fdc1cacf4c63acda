//! The real program copies its board onto a Leantime, played by the fake, and back.

use crate::support::leantime::{FakeLeantime, Moment, Options, Role};
use crate::support::rota::Rota;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

/// The fake serves on this runtime's threads while the program is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_goes_to_a_leantime_and_comes_back() {
    let options = Options { zone: chrono_tz::UTC, ..Options::default() };
    let fake = FakeLeantime::start(options).await;
    let (_, key) = fake.add_key("Rota", Role::Admin, &[]);
    let rota = Rota::new().with_env("LEANTIME_API_KEY", &key);
    rota.write("agents/.keep", "");
    rota.write("rota.toml", "[people]\nme = \"Ada Admin\"\n");
    let there = format!(
        "[board]\nkind = \"leantime\"\nurl = \"{}\"\nkey = {{ env = \"LEANTIME_API_KEY\" }}\n",
        fake.url()
    );
    rota.write("leantime.toml", &there);
    rota.run(["project", "add", "Website"]).ok();
    for headline in ["Draw the banner", "Choose a logo", "Write the imprint"] {
        rota.run(["task", "add", headline, "--project", "Website", "--tag", "design"]).ok();
    }
    rota.run(["task", "comment", "1", "In **red**, please"]).ok();

    let dry = rota.run(["board", "export", "leantime.toml", "--dry-run"]).ok();
    assert!(dry.out.contains("nothing was written"), "{dry:#?}");
    assert!(dry.out.contains("Draw the banner"), "{dry:#?}");
    assert!(fake.tickets().is_empty() && dry.err.is_empty());

    let real = rota.run(["board", "export", "leantime.toml"]).ok();
    assert!(real.out.contains("done: 5 written"), "{real:#?}");
    assert_eq!(fake.tickets().len(), 3);
    // Tickets are made together, so that any may be the first.
    let tickets = fake.tickets();
    let banner = tickets.iter().find(|ticket| ticket["headline"] == "Draw the banner").unwrap();
    let said = fake.comments("ticket", banner["id"].as_i64().unwrap());
    let comment = said[0]["text"].as_str().unwrap().to_owned();
    assert!(comment.contains("<strong>Ada Admin</strong> wrote on 20"), "{comment}");
    let again = rota.run(["board", "export", "leantime.toml", "--json"]).ok().json();
    assert!(again["counts"].as_array().unwrap().iter().all(|count| count["new"] == 0), "{again}");

    fake.as_person(1).edit(2, "headline", "Choose two logos".into());
    let words = ["board", "import", "leantime.toml", "--project", "Website"];
    let back = rota.run(words).ok();
    assert!(back.out.contains("done: 1 written"), "{back:#?}");
    let shown = rota.run(["task", "list"]).ok();
    assert!(shown.out.contains("Choose two logos") && shown.out.lines().count() == 4, "{shown:#?}");

    // Onto a new file, and from a file that is not there.
    let file = rota.run(["board", "export", "copy.sqlite", "--project", "Website"]);
    assert!(file.ok().out.contains("done: 5 written"));
    let none = rota.run(["board", "import", "none.sqlite"]).ended(2);
    assert!(none.err.contains("no such board") && !rota.path().join("none.sqlite").exists());
    let same = rota.run(["board", "export", "state/board.sqlite"]).ended(2);
    assert!(same.err.contains("both boards are"), "{same:#?}");
    for ran in [&real, &back, &dry] {
        assert!(!ran.out.contains(&key) && !ran.err.contains(&key));
    }
    assert!(fake.violations().is_empty(), "{:#?}", fake.violations());

    fake.revoke(&key);
    let refused = rota.run(["board", "export", "leantime.toml"]);
    assert_eq!(refused.code, 4, "{refused:#?}");
    assert!(refused.err.contains("refuses the credential"), "{refused:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interrupted_it_says_what_was_done_and_goes_on_later() {
    let fake = FakeLeantime::start(Options { zone: chrono_tz::UTC, ..Options::default() }).await;
    let (_, key) = fake.add_key("Rota", Role::Admin, &[]);
    let rota = Rota::new().with_env("LEANTIME_API_KEY", &key);
    rota.write("agents/.keep", "");
    rota.write("rota.toml", "[people]\nme = \"Ada Admin\"\n");
    let there = format!(
        "[board]\nkind = \"leantime\"\nurl = \"{}\"\nkey = {{ env = \"LEANTIME_API_KEY\" }}\n",
        fake.url()
    );
    rota.write("leantime.toml", &there);
    rota.run(["project", "add", "Website"]).ok();
    rota.run(["task", "add", "Draw the banner", "--project", "Website"]).ok();
    rota.run(["task", "comment", "1", "In red"]).ok();
    let mut gate = fake.gate("tickets.addTicket", Moment::Before);
    let mut child = rota
        .command(["board", "export", "leantime.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    gate.reached().await;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("stopping after what is under way"), "{said}");
    gate.open();
    let ended = child.wait_with_output().unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{out}");
    assert!(out.contains("stopped: 2 written"), "{out}");
    assert!(out.contains("the same command goes on from here"), "{out}");
    // What was under way was finished, and is not made again.
    assert_eq!((fake.tickets().len(), fake.comments("ticket", 1).len()), (1, 0));
    let rest = rota.run(["board", "export", "leantime.toml"]).ok();
    assert!(rest.out.contains("done: 1 written"), "{rest:#?}");
    assert_eq!((fake.tickets().len(), fake.comments("ticket", 1).len()), (1, 1));
}
