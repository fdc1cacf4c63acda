//! What a program in a workspace cannot do: every way out that we know of is tried.

use crate::support::den::{Den, able, example, has_git, has_own_network, has_sandbox, runs};
use rota::domain::{Reason, RunState, SandboxLevel};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any check of these tests.
const LONG: Duration = Duration::from_mins(10);

/// A strict den and its workspace, with a secret outside.
async fn strict() -> (Den, Arc<rota::runner::Workspace>) {
    let den = Den::new(SandboxLevel::Strict, |_, _| {}).await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    std::fs::write(den.path().join("secret"), "of the team").unwrap();
    (den, workspace)
}

#[tokio::test]
async fn its_own_files_are_there_and_those_of_others_are_not() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let home = std::env::home_dir().unwrap();
    let secret = den.path().join("secret");
    let root = den.root();
    let state = den.path().join("state");
    let other = root.join("main-8");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("note"), "another task's").unwrap();
    let denied = [
        format!("read {}", secret.display()),
        "read ../../../secret".to_owned(),
        format!("append {}", secret.display()),
        format!("write {}", state.join("planted").display()),
        format!("write {}", root.join("planted").display()),
        format!("read {}", other.join("note").display()),
        format!("list {}", root.display()),
        format!("list {}", home.display()),
        format!("read {}", root.join(".rooms/main-7/record.json").display()),
        format!("write {}", root.join(".rooms/main-7/record.json").display()),
        format!("remove {}", secret.display()),
        format!("link {} stolen", secret.display()),
        format!("rename {} stolen", secret.display()),
        "write /tmp/rota-planted".to_owned(),
        "read /etc/shadow".to_owned(),
        "list /root".to_owned(),
        "device mem".to_owned(),
    ];
    let own =
        ["write file", "read file", "make folder", "rename file folder/file", "list /usr/bin"];
    let mut attempts: Vec<&str> = denied.iter().map(String::as_str).collect();
    attempts.extend(own);
    let played = den.try_to(&workspace, &attempts).await;
    for attempt in &denied {
        played.is_denied(attempt);
    }
    for attempt in own {
        played.is_through(attempt);
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "of the team");
}

#[tokio::test]
async fn links_lead_nowhere_also_when_they_are_swapped_in_while_it_works() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let secret = den.path().join("secret");
    symlink(&secret, workspace.folder().join("planted-before")).unwrap();
    symlink(den.path(), workspace.folder().join("folder-before")).unwrap();
    let attempts = [
        "read planted-before".to_owned(),
        "append planted-before".to_owned(),
        "read folder-before/secret".to_owned(),
        "write folder-before/state/planted".to_owned(),
        format!("symlink {} swapped", secret.display()),
        "read swapped".to_owned(),
        "append swapped".to_owned(),
        "symlink /proc/self/root way".to_owned(),
        format!("read way{}", secret.display()),
        format!("read /proc/self/root{}", secret.display()),
        "read /proc/self/cwd/../../../secret".to_owned(),
    ];
    let words: Vec<&str> = attempts.iter().map(String::as_str).collect();
    let played = den.try_to(&workspace, &words).await;
    for attempt in words.iter().filter(|attempt| !attempt.starts_with("symlink")) {
        played.is_denied(attempt);
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "of the team");
    assert!(!den.path().join("state/planted").exists());
}

#[tokio::test]
async fn the_network_is_closed_by_every_door() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    // Inside its own folder, so that no rule of files could be what keeps it off.
    let path = workspace.folder().join("socket");
    let _unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let attempts = [
        format!("tcp {}", tcp.local_addr().unwrap()),
        format!("udp {}", udp.local_addr().unwrap()),
        "listen 127.0.0.1:0".to_owned(),
        format!("unix {}", path.display()),
        "pair".to_owned(),
    ];
    let words: Vec<&str> = attempts.iter().map(String::as_str).collect();
    let played = den.try_to(&workspace, &words).await;
    for attempt in &words[..4] {
        played.is_denied(attempt);
    }
    played.is_through("pair");
    // The very same program gets everywhere without the sandbox: it is what keeps it off.
    let open = Den::new(SandboxLevel::None, |_, _| {}).await;
    let workspace = Arc::new(open.prepare("main-7", None).await.unwrap());
    let played = open.try_to(&workspace, &words).await;
    for attempt in &words {
        played.is_through(attempt);
    }
}

#[tokio::test]
async fn a_listed_host_is_reached_by_the_proxy_and_nothing_else_is() {
    if !has_own_network() {
        return;
    }
    let listed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, other) = (listed.local_addr().unwrap().port(), other.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut stream in listed.incoming().flatten() {
            let _ = stream.write_all(b"hello from the host");
        }
    });
    let den = Den::new(SandboxLevel::Strict, |book, _| {
        let rules = book.workspace.as_mut().unwrap();
        rules.hosts = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    })
    .await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    let attempts = [
        format!("proxy 127.0.0.1:{port}"),
        format!("proxy 127.0.0.1:{other}"),
        format!("proxy localhost:{port}"),
        format!("tcp 127.0.0.1:{port}"),
        format!("tcp 127.0.0.1:{other}"),
        format!("udp 127.0.0.1:{port}"),
        "listen 127.0.0.1:0".to_owned(),
    ];
    let words: Vec<&str> = attempts.iter().map(String::as_str).collect();
    let played = den.try_to(&workspace, &words).await;
    assert_eq!(played.of(words[0]), "through hello from the host");
    for attempt in &words[1..] {
        played.is_denied(attempt);
    }
    assert!(played.of(words[1]).contains("403"), "{played:#?}");
}

#[tokio::test]
async fn the_level_workspace_has_the_network_and_no_more_files() {
    if !has_sandbox() {
        return;
    }
    let den = Den::new(SandboxLevel::Workspace, |_, _| {}).await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    std::fs::write(den.path().join("secret"), "of the team").unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reach = format!("tcp {}", tcp.local_addr().unwrap());
    let read = format!("read {}", den.path().join("secret").display());
    let played = den.try_to(&workspace, &[&reach, &read, "write file"]).await;
    played.is_through(&reach);
    played.is_denied(&read);
    played.is_through("write file");
}

#[tokio::test]
async fn the_daemon_cannot_be_read_traced_or_signalled() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let own = std::process::id();
    let attempts = [
        format!("read /proc/{own}/environ"),
        format!("append /proc/{own}/mem"),
        format!("follow /proc/{own}/fd/0"),
        format!("follow /proc/{own}/cwd"),
        "read /proc/1/environ".to_owned(),
        format!("read /proc/{own}/root{}", den.path().join("secret").display()),
        format!("signal {own}"),
    ];
    let words: Vec<&str> = attempts.iter().map(String::as_str).collect();
    let played = den.try_to(&workspace, &words).await;
    for attempt in &words[..6] {
        played.is_denied(attempt);
    }
    if matches!(able(), rota::runner::sandbox::Ability::All { signals: true, .. }) {
        played.is_denied(words[6]);
    }
    let supervisor = den.play(&workspace, &["sh", "-c", "kill -KILL $PPID; echo still here"]).await;
    assert!(supervisor.lines.contains(&"still here".to_owned()), "{supervisor:#?}");
    assert_eq!(supervisor.end.state, RunState::Succeeded, "{supervisor:#?}");
}

#[tokio::test]
async fn its_environment_and_its_arguments_hold_no_secret_and_its_home_is_its_own() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let played = den.play(&workspace, &["sh", "-c", "env; cat /proc/$PPID/cmdline"]).await;
    let names: Vec<&str> =
        played.lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in ["PATH", "HOME", "TMPDIR", "ROTA_RUN", "ROTA_TASK", "ROTA_WORKSPACE"] {
        assert!(names.contains(&name), "{name}: {played:#?}");
    }
    assert!(!played.lines.concat().contains("secret"), "{played:#?}");
    let room = den.root().join(".rooms/main-7");
    assert!(played.lines.contains(&format!("HOME={}", room.join("home").display())));
    assert!(played.lines.contains(&format!("TMPDIR={}", room.join("tmp").display())));
    let script = "echo x >$HOME/a && echo x >$TMPDIR/b && mktemp >/dev/null && pwd";
    let played = den.play(&workspace, &["sh", "-c", script]).await;
    assert_eq!(played.lines, [workspace.folder().to_str().unwrap()], "{played:#?}");
}

#[tokio::test]
async fn memory_processes_files_and_time_have_an_end() {
    if !has_sandbox() {
        return;
    }
    let den = Den::new(SandboxLevel::Strict, |_, options| {
        options.limits.memory_bytes_max = 128 << 20;
        options.limits.processes_max = 20;
        options.limits.open_files_max = 64;
        options.limits.file_bytes_max = 1 << 20;
        options.limits.cpu = Duration::from_secs(1);
    })
    .await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    let played = den.try_to(&workspace, &["open 30", "open 500"]).await;
    played.is_through("open 30");
    played.is_denied("open 500");
    // Each of these ends the program: none comes back to say that it came through.
    for (attempt, told) in [
        ("start 60", "more than 20 processes"),
        ("memory 500000000", "exit status: 134"),
        ("file big 9000000", "exit status: 153"),
        ("burn", "exit status: 152"),
    ] {
        let played = den.try_to(&workspace, &[attempt]).await;
        assert_eq!(played.end.reason, Reason::CommandFailed, "{attempt}: {played:#?}");
        assert!(!played.lines.iter().any(|line| line.contains("through")), "{played:#?}");
        assert!(played.end.detail.contains(told), "{attempt}: {played:#?}");
    }
    let big = workspace.folder().join("big");
    assert!(std::fs::metadata(big).unwrap().len() <= 1 << 20);
    // Four that each stay below what one may have, and together above it.
    let script = "for i in 1 2 3 4; do $0 memory 60000000 & done; wait";
    let program = example("escape_artist");
    let played = den.play(&workspace, &["sh", "-c", script, program.to_str().unwrap()]).await;
    assert!(played.end.detail.contains("bytes of memory"), "{played:#?}");
}

#[tokio::test]
async fn what_left_session_group_and_environment_is_ended_with_the_run() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let file = workspace.folder().join("pid");
    let played = den.try_to(&workspace, &["leave pid"]).await;
    played.is_through("leave pid");
    let pid = std::fs::read_to_string(&file).unwrap();
    assert!(!runs(&pid), "{pid} lives on");
}

#[tokio::test]
async fn a_program_deaf_to_sigterm_is_killed_with_what_it_left_and_a_polite_one_is_asked() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let script = "trap '' TERM; setsid -f env -i sh -c 'trap \"\" TERM; echo $$ >pid; \
                  while :; do /usr/bin/sleep 1; done' >/dev/null 2>&1 </dev/null; \
                  until test -s pid; do :; done; echo deaf; while :; do sleep 1; done";
    let began = tokio::time::Instant::now();
    let played = den.play_until(&workspace, &["sh", "-c", script], Some("deaf")).await;
    assert_eq!(played.end.state, RunState::Cancelled, "{played:#?}");
    assert!(began.elapsed() >= Duration::from_secs(4), "it was not asked politely");
    let pid = std::fs::read_to_string(workspace.folder().join("pid")).unwrap();
    assert!(!runs(&pid), "{pid} lives on");
    let polite = "trap 'echo bye >said; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let played = den.play_until(&workspace, &["sh", "-c", polite], Some("ready")).await;
    assert_eq!(played.end.state, RunState::Cancelled, "{played:#?}");
    assert_eq!(std::fs::read_to_string(workspace.folder().join("said")).unwrap(), "bye\n");
}

#[tokio::test]
async fn odd_programs_end_as_they_do_outside() {
    if !has_sandbox() {
        return;
    }
    let (den, workspace) = strict().await;
    let agent = example("fake_agent");
    let agent = agent.to_str().unwrap();
    let played = den.play(&workspace, &[agent, "--flood", "67108864"]).await;
    assert_eq!(played.end.outcome.as_deref(), Some("done"), "{:?}", played.end);
    for (script, reason) in [
        ("echo '{\"outcome\": '", Reason::Done),
        ("exec <&-; echo x", Reason::Done),
        ("kill -SEGV $$", Reason::CommandFailed),
        ("exit 3", Reason::CommandFailed),
        ("exec /nonexistent/program", Reason::CommandFailed),
    ] {
        let played = den.play(&workspace, &["sh", "-c", script]).await;
        assert_eq!(played.end.reason, reason, "{script}: {played:#?}");
    }
    let played = den.play(&workspace, &["/nonexistent/program"]).await;
    assert!(played.end.detail.contains("/nonexistent/program"), "{played:#?}");
    assert!(played.end.detail.contains("127"), "{played:#?}");
}

#[tokio::test]
async fn a_check_is_run_in_the_sandbox_and_says_how_it_ended() {
    if !has_sandbox() {
        return;
    }
    let den = Den::new(SandboxLevel::Strict, |book, _| {
        let check = |script: &str, time| rota::domain::Check {
            command: ["sh", "-c", script].map(str::to_owned).into(),
            time,
        };
        let long = Duration::from_secs(30);
        book.checks.insert("good".into(), check("echo fine; echo too >&2", long));
        book.checks.insert("bad".into(), check("cat ../../../secret; exit 4", long));
        book.checks.insert("slow".into(), check("sleep 60", Duration::from_millis(300)));
        book.checks.insert("loud".into(), check("yes | head -c 20000000", long));
    })
    .await;
    std::fs::write(den.path().join("secret"), "of the team").unwrap();
    let workspace = den.prepare("main-7", None).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let good = workspace.check("good", LONG, &stop).await.unwrap().unwrap();
    assert!(good.passed && good.output == "fine\ntoo", "{good:#?}");
    let bad = workspace.check("bad", LONG, &stop).await.unwrap().unwrap();
    assert!(!bad.passed && bad.status.contains('4') && !bad.output.contains("team"), "{bad:#?}");
    let slow = workspace.check("slow", LONG, &stop).await.unwrap().unwrap();
    assert!(!slow.passed && slow.status.contains("too long"), "{slow:#?}");
    let loud = workspace.check("loud", LONG, &stop).await.unwrap().unwrap();
    assert!(loud.passed && loud.dropped > 10_000_000 && loud.output.len() < 20_000);
    assert!(workspace.check("none", LONG, &stop).await.unwrap().is_none());
    assert_eq!(workspace.checks().count(), 4);
}

#[tokio::test]
async fn an_agent_can_commit_and_cannot_make_the_daemons_git_run_anything() {
    if !has_sandbox() || !has_git() {
        return;
    }
    let den = Den::new(SandboxLevel::Strict, |_, _| {}).await;
    let origin = den.repository("site");
    let workspace = Arc::new(den.prepare("main-7", Some(&origin)).await.unwrap());
    let script = "set -e; echo work >new; git add new; git commit -q -m done; git log --oneline; \
                  git rev-parse --abbrev-ref HEAD; git diff --stat origin/main; git status --short";
    let played = den.play(&workspace, &["sh", "-c", script]).await;
    assert_eq!(played.end.state, RunState::Succeeded, "{played:#?}");
    assert!(played.lines.contains(&"rota/main-7".to_owned()), "{played:#?}");
    // Everything by which git can be made to run a program.
    let trap = den.path().join("trapped");
    let evil = format!("touch {}", trap.display());
    let room = den.root().join(".rooms/main-7/repo.git");
    let script = format!(
        "git config core.fsmonitor '{evil}'; git config core.hooksPath hooks; \
         echo '{evil}' >{room}/hooks/post-checkout; echo x >>{room}/config; \
         mkdir -p fake/objects fake/refs fake/hooks; echo 'ref: refs/heads/main' >fake/HEAD; \
         printf '[core]\\n\\tfsmonitor = \"{evil}\"\\n\\tsshCommand = \"{evil}\"\\n' >fake/config; \
         printf '#!/bin/sh\\n{evil}\\n' >fake/hooks/post-checkout; chmod +x fake/hooks/*; \
         for dir in {room}/worktrees/*; do echo $PWD/fake >$dir/commondir; done; \
         echo \"gitdir: $PWD/fake\" >.git; printf '[x]\\n' >.gitmodules; \
         echo '* filter=evil' >.gitattributes; echo tried",
        room = room.display()
    );
    let before = std::fs::read_to_string(room.join("config")).unwrap();
    let played = den.play(&workspace, &["sh", "-c", &script]).await;
    assert!(played.lines.contains(&"tried".to_owned()), "{played:#?}");
    assert_eq!(std::fs::read_to_string(room.join("config")).unwrap(), before);
    assert!(!room.join("hooks/post-checkout").exists());
    drop(workspace);
    // Used again, beside a new one of the same repository, and removed.
    drop(den.prepare("main-7", Some(&origin)).await.unwrap());
    drop(den.prepare("main-8", Some(&origin)).await.unwrap());
    let record = den.workspaces.list().into_iter().find(|r| r.identifier == "main-7").unwrap();
    let run = rota::domain::RunId::new("w-1");
    assert!(den.workspaces.remove(&record, Some(&den.book), &run).await.unwrap());
    assert!(!trap.exists(), "the daemon's git ran what an agent planted");
    assert!(!den.root().join("main-7").exists() && den.root().join("main-8").exists());
}
