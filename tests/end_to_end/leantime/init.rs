//! `rota init --leantime`: the server is tried, and only then is anything written.

use super::Scene;
use crate::support::leantime::{Options, Role};
use crate::support::rota::Rota;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_is_written_that_works_at_once() {
    let scene = Scene::new().await;
    let rota = Rota::new().with_env("LEANTIME_API_KEY", &scene.key);
    let ran = rota.run(["init", "--leantime", &scene.fake.url()]).ok();
    assert!(ran.err.contains("version 3.9.8"), "{ran:#?}");
    assert!(ran.out.contains("wrote rota.toml") && ran.out.contains("rota doctor"), "{ran:#?}");
    let written = rota.read("rota.toml");
    assert!(written.contains("key = { env = \"LEANTIME_API_KEY\" }"), "{written}");
    scene.is_silent(&ran);
    assert!(!written.contains(&scene.key));
    rota.run(["check"]).ok();
    rota.run(["task", "add", "Tune", "--project", "Orchestra"]).ok();
    assert_eq!(scene.fake.tickets()[0]["headline"], "Tune");
    let again = rota.run(["init", "--leantime", &scene.fake.url()]).ended(1);
    assert!(again.err.contains("rota.toml is there already"), "{again:#?}");
    assert_eq!(rota.read("rota.toml"), written);
    scene.is_careful();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_can_stand_in_another_variable_or_a_file() {
    let scene = Scene::new().await;
    let rota = Rota::new().with_env("OUR_KEY", &scene.key);
    rota.write("secret", &scene.key);
    let url = scene.fake.url();
    rota.run(["init", "one", "--leantime", &url, "--key-from", "env:OUR_KEY"]).ok();
    assert!(rota.read("one/rota.toml").contains("key = { env = \"OUR_KEY\" }"));
    let json = rota.run(["init", "two", "--leantime", &url, "--key-from", "file:secret", "--json"]);
    assert_eq!(json.ok().json()["written"][0], "rota.toml");
    let file = rota.path().join("secret");
    assert!(rota.read("two/rota.toml").contains(&format!("file = \"{}\"", file.display())));
    let listed = rota.command(["project", "list", "--config", "two/rota.toml"]);
    let listed = Rota::finish(listed).ok();
    assert!(listed.out.contains("Orchestra"), "{listed:#?}");
    let typed = rota.run(["init", "three", "--leantime", &url, "--key-from", &scene.key]).ended(2);
    assert!(typed.err.contains("env:NAME or file:PATH"), "{typed:#?}");
    let unset = rota.run(["init", "three", "--leantime", &url, "--key-from", "env:NONE"]).ended(2);
    assert!(unset.err.contains("NONE"), "{unset:#?}");
    assert!(!rota.path().join("three").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_for_a_server_that_cannot_be_worked_with() {
    let scene = Scene::with(Options::default(), Role::Readonly).await;
    let url = scene.fake.url();
    let rota = Rota::new().with_env("LEANTIME_API_KEY", &scene.key);
    let low = rota.run(["init", "team", "--leantime", &url]).ended(1);
    assert!(low.err.contains("readonly") && low.err.contains("the role editor"), "{low:#?}");
    scene.fake.revoke(&scene.key);
    let refused = rota.run(["init", "team", "--leantime", &url]).ended(1);
    assert!(refused.err.contains("refuses the credential"), "{refused:#?}");
    let odd = rota.run(["init", "team", "--leantime", "projects.example.org"]).ended(3);
    assert!(odd.err.contains("https://"), "{odd:#?}");
    let silent = Rota::new().run(["init", "team", "--leantime", &url]).ended(2);
    assert!(silent.err.contains("--key-from"), "{silent:#?}");
    assert!(!rota.path().join("team").exists());
    assert_eq!(scene.refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sits_at_a_terminal_is_asked_and_what_is_typed_is_not_shown() {
    let scene = Scene::new().await;
    let rota = Rota::new();
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = rota.command(["init", "team", "--leantime", &scene.fake.url()]);
    command.stdin(std::process::Stdio::from(terminal.slave.try_clone().unwrap()));
    let mut person = std::fs::File::from(terminal.master);
    // The terminal keeps what is typed before it is asked for.
    let typing = std::thread::spawn({
        let (key, mut person) = (scene.key.clone(), person.try_clone().unwrap());
        move || {
            until_unseen(&terminal.slave);
            writeln!(person, "{key}").unwrap();
            terminal.slave
        }
    });
    let ran = Rota::finish(command).ok();
    let slave = typing.join().unwrap();
    drop(slave);
    let mut shown = Vec::new();
    // The other end is closed: what was shown comes, and then an error.
    let _ = person.read_to_end(&mut shown);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(!shown.contains(&scene.key), "{shown:?}");
    scene.is_silent(&ran);
    assert!(ran.err.contains("it is not shown"), "{ran:#?}");
    let kept = rota.path().join("team/keys/leantime.key");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&kept).unwrap().trim(), scene.key);
    assert_eq!(rota.read("team/keys/.gitignore"), "*\n");
    let listed = rota.run(["project", "list", "--config", "team/rota.toml"]).ok();
    assert!(listed.out.contains("Orchestra"), "{listed:#?}");
}

/// Returns when the terminal no longer shows what is typed.
fn until_unseen(slave: &std::os::fd::OwnedFd) {
    use nix::sys::termios::{LocalFlags, tcgetattr};
    crate::support::rota::until("the question", || {
        let flags = tcgetattr(slave).unwrap().local_flags;
        (!flags.contains(LocalFlags::ECHO)).then_some(())
    });
}
