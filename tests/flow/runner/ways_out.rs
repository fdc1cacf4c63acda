//! Ways out of a workspace's sandbox that lead past Landlock: by the address at a port, by calls about
//! other processes, by sockets that need no socket, by memory that nobody counts, by a file's rights.

use crate::support::den::{
    Den, Played, able, example, has_own_mounts, has_own_network, has_sandbox,
};
use rota::domain::SandboxLevel;
use rota::runner::Workspace;
use rota::runner::sandbox::{Confinement, limits::ResourceLimits};
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A user that is nobody here.
const NOBODY: &str = "65534";

/// A listener that greets whoever comes, at a free port, as long as the test runs.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"hello from outside");
        }
    });
    port
}

/// An address of this machine that is not the loopback interface's.
fn own_address() -> Option<IpAddr> {
    nix::ifaddrs::getifaddrs().unwrap().find_map(|interface| {
        let address = IpAddr::V4(interface.address?.as_sockaddr_in()?.ip());
        (!address.is_loopback()).then_some(address)
    })
}

/// The very same port at this machine's other addresses, with somebody there.
fn elsewhere(port: u16) -> Vec<TcpListener> {
    let second = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let own = own_address().map(|address| TcpListener::bind((address, port)).unwrap());
    std::iter::once(second).chain(own).collect()
}

/// A strict den whose programs have a way to a listed host, which greets; and its port.
async fn with_a_host() -> (Den, Arc<Workspace>, u16) {
    let listed = greeter();
    let den = Den::new(SandboxLevel::Strict, |book, _| {
        let rules = book.workspace.as_mut().unwrap();
        rules.hosts = vec![format!("127.0.0.1:{listed}").parse().unwrap()];
    })
    .await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    (den, workspace, listed)
}

async fn tried(den: &Den, workspace: &Arc<Workspace>, attempts: &[String]) -> Played {
    let words: Vec<&str> = attempts.iter().map(String::as_str).collect();
    den.try_to(workspace, &words).await
}

#[tokio::test]
async fn at_the_port_of_its_proxy_a_program_reaches_nobody_but_its_proxy() {
    if !has_own_network() {
        return;
    }
    let (den, workspace, listed) = with_a_host().await;
    let played = den.play(&workspace, &["sh", "-c", "echo ${HTTPS_PROXY##*:}"]).await;
    let port: u16 = played.lines[0].parse().unwrap();
    let others = elsewhere(port);
    let mut attempts: Vec<String> =
        others.iter().map(|other| format!("tcp {}", other.local_addr().unwrap())).collect();
    attempts.push(format!("tcp [::1]:{port}"));
    let greeting = format!("proxy 127.0.0.1:{listed}");
    let mut all = attempts.clone();
    all.extend([format!("tcp 127.0.0.1:{port}"), greeting.clone(), greeting.clone()]);
    let played = tried(&den, &workspace, &all).await;
    for attempt in &attempts {
        played.is_denied(attempt);
    }
    played.is_through(&format!("tcp 127.0.0.1:{port}"));
    assert_eq!(played.of(&greeting), "through hello from outside", "{played:#?}");
    // Somebody is there: without the sandbox they are reached.
    let open = Den::new(SandboxLevel::None, |_, _| {}).await;
    let workspace = Arc::new(open.prepare("main-7", None).await.unwrap());
    let played = tried(&open, &workspace, &attempts[..others.len()]).await;
    for attempt in &attempts[..others.len()] {
        played.is_through(attempt);
    }
}

#[tokio::test]
async fn nothing_of_its_way_out_is_left_open_in_a_program_and_its_input_is_its_own() {
    if !has_own_network() {
        return;
    }
    let (den, workspace, _) = with_a_host().await;
    let script = "cat; echo; for fd in /proc/self/fd/*; do readlink $fd; done; true";
    let played = den.play(&workspace, &["sh", "-c", script]).await;
    assert!(played.lines.contains(&"the prompt".to_owned()), "{played:#?}");
    assert!(!played.lines.concat().contains("socket:"), "{played:#?}");
}

/// What one that tries to get out says, started in the sandbox by whoever these words make of us.
#[expect(clippy::disallowed_methods, reason = "tests start the real binary")]
fn confined(before: &[&str], folder: &Path, port: u16, attempts: &[String]) -> String {
    let confinement = Confinement {
        level: SandboxLevel::Strict,
        read: vec![folder.to_owned()],
        write: vec![],
        ports: vec![port],
        is_sealed: able().seals(SandboxLevel::Strict),
        limits: ResourceLimits::default(),
    };
    let rota = folder.join("rota");
    let spec = serde_json::to_string(&confinement).unwrap();
    let program = folder.join("escape_artist");
    let mut words: Vec<&str> = before.to_vec();
    words.extend([rota.to_str().unwrap(), "__confine", &spec, program.to_str().unwrap()]);
    let joined = attempts.join(" + ");
    words.extend(joined.split(' '));
    let mut command = Command::new(words[0]);
    let ran = command.args(&words[1..]).stdin(Stdio::null()).current_dir(folder).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr))
}

/// Copies a program by a process of its own: a child that another test starts meanwhile would inherit our
/// descriptor, and what somebody has open for writing cannot be started ("text file busy").
#[expect(clippy::disallowed_methods, reason = "tests start what they need")]
fn copied(program: &Path, to: &Path) {
    assert!(Command::new("cp").arg(program).arg(to).status().unwrap().success());
}

#[test]
fn whoever_the_daemon_is_its_programs_reach_one_port_of_this_machine_alone() {
    if !has_own_network() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let rota = Path::new(env!("CARGO_BIN_EXE_rota"));
    for program in [rota, &example("escape_artist")] {
        copied(program, &folder.path().join(program.file_name().unwrap()));
    }
    let port = greeter();
    let others = elsewhere(port);
    let mut attempts: Vec<String> =
        others.iter().map(|other| format!("tcp {}", other.local_addr().unwrap())).collect();
    attempts.extend([format!("hear 127.0.0.1:{port}"), format!("read {}", rota.display())]);
    let user = format!("--reuid={NOBODY}");
    let group = format!("--regid={NOBODY}");
    let nobody = ["setpriv", &user, &group, "--clear-groups"];
    let is_root = nix::unistd::Uid::effective().is_root();
    for before in [&[][..], &nobody[..]] {
        if !before.is_empty() && !is_root {
            continue;
        }
        let said = confined(before, folder.path(), port, &attempts);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), attempts.len(), "{before:?}: {said}");
        for line in lines.iter().filter(|line| !line.starts_with("hear")) {
            assert!(line.contains(": denied"), "{before:?}: {said}");
        }
        let heard = format!("hear 127.0.0.1:{port}: through hello from outside");
        assert!(lines.contains(&heard.as_str()), "{before:?}: {said}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tests start what an agent would be after")]
async fn other_processes_keep_their_limits_and_their_share() {
    if !has_sandbox() {
        return;
    }
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = other.id();
    let attempts = [
        format!("limit {pid}"),
        format!("nice {pid}"),
        format!("affinity {pid}"),
        "nice-all".into(),
    ];
    for level in [SandboxLevel::Strict, SandboxLevel::Workspace] {
        let den = Den::new(level, |_, _| {}).await;
        let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
        let played = tried(&den, &workspace, &attempts).await;
        for attempt in &attempts {
            played.is_denied(attempt);
        }
        // What concerns the program alone is its own affair.
        let played =
            den.play(&workspace, &["sh", "-c", "ulimit -t 60 && nice true && echo so"]).await;
        assert_eq!(played.lines, ["so"], "{played:#?}");
    }
    let den = Den::new(SandboxLevel::None, |_, _| {}).await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    let played = tried(&den, &workspace, &attempts[..3]).await;
    for attempt in &attempts[..3] {
        played.is_through(attempt);
    }
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn no_socket_leads_out_that_is_made_without_one_and_no_memory_is_hidden() {
    if !has_own_network() {
        return;
    }
    let attempts = ["datagrams", "hark", "memory-file"];
    let shared = "ipcmk -M 4096 >$HOME/id && ipcrm -m $(grep -o '[0-9]*$' $HOME/id) && echo made";
    // Without a port, and with one.
    let plain = Den::new(SandboxLevel::Strict, |_, _| {}).await;
    let workspace = Arc::new(plain.prepare("main-7", None).await.unwrap());
    let (listed, with_host, _) = with_a_host().await;
    for (den, workspace) in [(&plain, workspace), (&listed, with_host)] {
        let played =
            den.try_to(&workspace, &[&attempts[..], &["pair", "sequenced"]].concat()).await;
        for attempt in attempts {
            played.is_denied(attempt);
        }
        played.is_through("pair");
        played.is_through("sequenced");
        let played = den.play(&workspace, &["sh", "-c", shared]).await;
        assert!(!played.lines.contains(&"made".to_owned()), "{played:#?}");
    }
    let open = Den::new(SandboxLevel::None, |_, options| {
        options.environment.insert("HOME".into(), "/tmp".into());
    })
    .await;
    let workspace = Arc::new(open.prepare("main-7", None).await.unwrap());
    let played = open.try_to(&workspace, &attempts).await;
    for attempt in attempts {
        played.is_through(attempt);
    }
}

#[tokio::test]
async fn a_file_is_given_to_nobody_and_runs_with_nobodys_rights() {
    if !has_sandbox() {
        return;
    }
    let den = Den::new(SandboxLevel::Strict, |_, _| {}).await;
    let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
    let file = workspace.folder().join("file");
    std::fs::write(&file, "its own").unwrap();
    let (user, group) = file.metadata().map(|data| (data.uid(), data.gid())).unwrap();
    let denied = [
        "chmod file 4755".to_owned(),
        "create tool 4755".to_owned(),
        "attribute file".to_owned(),
        format!("give file {user} {}", group + 1),
        format!("give file {} {group}", user + 1),
    ];
    let own = ["chmod file 600".to_owned(), "create plain 755".to_owned()];
    let own: Vec<String> = own.into_iter().chain([format!("give file {user} {group}")]).collect();
    let played = tried(&den, &workspace, &[&denied[..], &own].concat()).await;
    for attempt in &denied {
        played.is_denied(attempt);
    }
    for attempt in &own {
        played.is_through(attempt);
    }
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
    // Tools that keep whose a file is, and when it was changed, where they can.
    let script = "set -e; cp -a file copy; tar cf all.tar file copy; mkdir out; tar xf all.tar -C out; \
                  mkdir -m 2775 folder; chmod 755 folder; install -m 755 copy installed; echo so";
    let played = den.play(&workspace, &["sh", "-c", script]).await;
    assert_eq!(played.lines, ["so"], "{played:#?}");
}

#[tokio::test]
async fn modes_and_owners_change_in_its_own_folders_alone() {
    if !has_own_mounts() {
        return;
    }
    for level in [SandboxLevel::Strict, SandboxLevel::Workspace] {
        let den = Den::new(level, |_, _| {}).await;
        let workspace = Arc::new(den.prepare("main-7", None).await.unwrap());
        let secret = den.path().join("secret");
        std::fs::write(&secret, "of the team").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        let (user, group) = secret.metadata().map(|data| (data.uid(), data.gid())).unwrap();
        let secret_path = secret.display();
        let denied = [
            format!("chmod {secret_path} 666"),
            format!("chmod {} 0", den.path().join("state").display()),
            format!("chmod {} 777", den.root().join(".rooms/main-7").display()),
            format!("give {secret_path} {user} {group}"),
            format!("attribute {secret_path}"),
        ];
        let own = ["write file", "chmod file 600", "rename file other"].map(str::to_owned);
        let played = tried(&den, &workspace, &[&denied[..], &own].concat()).await;
        for attempt in &denied {
            played.is_denied(attempt);
        }
        for attempt in &own {
            played.is_through(attempt);
        }
        assert_eq!(secret.metadata().unwrap().mode() & 0o777, 0o600);
        let script = "mv other $TMPDIR/ && mv $TMPDIR/other $HOME/ && cat $HOME/other && echo";
        let played = den.play(&workspace, &["sh", "-c", script]).await;
        assert!(played.lines.contains(&"planted".to_owned()), "{played:#?}");
    }
    let open = Den::new(SandboxLevel::None, |_, _| {}).await;
    let workspace = Arc::new(open.prepare("main-7", None).await.unwrap());
    let secret = open.path().join("secret");
    std::fs::write(&secret, "of the team").unwrap();
    let attempt = format!("chmod {} 600", secret.display());
    open.try_to(&workspace, &[&attempt]).await.is_through(&attempt);
}

#[tokio::test]
async fn node_works_where_it_is_with_its_children_and_its_threads() {
    let node = Path::new("/usr/bin/node");
    if !has_own_network() || !node.exists() {
        return;
    }
    let (den, workspace, _) = with_a_host().await;
    let script = "const {fork, execFileSync} = require('child_process'); \
                  const {Worker} = require('worker_threads'); \
                  if (process.send) { process.send('so'); process.disconnect(); } else { \
                  execFileSync('true'); new Worker('1', {eval: true}).on('exit', () => \
                  fork('own.js').on('message', said => console.log(said))); }";
    std::fs::write(workspace.folder().join("own.js"), script).unwrap();
    let played = den.play(&workspace, &["node", "own.js"]).await;
    assert_eq!(played.lines, ["so"], "{played:#?} {:?}", able());
}
