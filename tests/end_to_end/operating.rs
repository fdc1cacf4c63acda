//! What whoever runs a daemon does: backup and restore, the service manager, its watchdog, the container.

use super::team::{EVERY_SECOND, json, team, team_with, until_status};
use crate::support::rota::{Rota, until};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

const NOTHING: [&str; 0] = [];

/// A folder with what a team keeps outside the state folder, and no state.
fn elsewhere(of: &Rota) -> Rota {
    let other = Rota::new();
    other.write("rota.toml", &of.read("rota.toml"));
    for name in ["worker.toml", "model.toml"] {
        let path = of.path().join("agents").join(name);
        if path.exists() {
            other.write(&format!("agents/{name}"), &std::fs::read_to_string(path).unwrap());
        }
    }
    other.write("model.toml", &of.read("model.toml"));
    other
}

#[test]
fn a_backup_of_a_daemon_at_work_is_a_state_that_a_daemon_goes_on_from() {
    let rota = team_with("worker", EVERY_SECOND);
    let daemon = rota.serve(NOTHING);
    until_status(&rota, "1", "Done");
    let file = rota.path().join("backup.tar");
    let taken = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 0..12 {
                let headline = format!("Task {number}");
                rota.run([
                    "task",
                    "add",
                    &headline,
                    "--tag",
                    "AI-Suitable",
                    "--acceptance",
                    "It is there",
                ])
                .ok();
            }
        });
        let mut taken = Vec::new();
        for number in 0..4 {
            let path = rota.path().join(format!("under-load-{number}.tar"));
            rota.run([std::ffi::OsStr::new("backup"), path.as_os_str()]).ok();
            taken.push(path);
        }
        writing.join().unwrap();
        taken
    });
    let done = rota.run(["backup", "backup.tar"]).ok();
    assert!(done.out.starts_with("written backup.tar\n"), "{done:?}");
    assert!(done.out.contains("board.sqlite  ") && done.out.contains("export.jsonl  "), "{done:?}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // It takes the place of nothing, and leaves nothing beside itself.
    let again = rota.run(["backup", "backup.tar"]).ended(1);
    assert!(again.err.contains("backup.tar is there already"), "{again:?}");
    let left = std::fs::read_dir(rota.path()).unwrap();
    let left = left.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".rota-backup")
    });
    assert_eq!(left.count(), 0);

    for path in taken.iter().chain([&file]) {
        let other = elsewhere(&rota);
        let restored =
            other.run([std::ffi::OsStr::new("restore"), path.as_os_str(), "--json".as_ref()]);
        let report = restored.ok().json();
        assert!(report["parts"]["board.sqlite"].as_u64().unwrap() > 4_096, "{report}");
        let stopped = json(&other, &["status"]);
        assert!(stopped.to_string().contains("restored from an export"), "{stopped}");
        let task = json(&other, &["task", "show", "1"]);
        assert_eq!(task["status_label"], "Done");
        let runs = json(&other, &["runs", "list"]);
        assert!(!runs["items"].as_array().unwrap().is_empty(), "{runs}");
        other.run(["audit", "verify"]).ok();
    }

    goes_on(&rota, &file);
    assert_eq!(daemon.stop(), 0);
}

/// A daemon over the restored state takes what is new.
fn goes_on(rota: &Rota, file: &std::path::Path) {
    let other = elsewhere(rota);
    other.run([std::ffi::OsStr::new("restore"), file.as_os_str()]).ok();
    let going_on = other.serve(NOTHING);
    other.run(["start-all"]).ok();
    other
        .run(["task", "add", "After it", "--tag", "AI-Suitable", "--acceptance", "It is there"])
        .ok();
    let last = json(&other, &["task", "list"]);
    let id = last["items"].as_array().unwrap().iter().find(|task| task["headline"] == "After it");
    let id = id.unwrap()["id"].to_string();
    until_status(&other, &id, "Done");
    assert_eq!(going_on.stop(), 0);
}

#[test]
fn nothing_of_a_file_that_is_not_whole_is_used() {
    let rota = team();
    rota.run(["backup", "whole.tar"]).ok();
    let whole = rota.read_bytes("whole.tar");
    let refused = |name: &str, bytes: &[u8], why: &str| {
        let other = elsewhere(&rota);
        std::fs::write(other.path().join(name), bytes).unwrap();
        let ran = other.run(["restore", name]).ended(2);
        assert!(ran.err.contains(why), "{name}: {ran:?}");
        assert!(!other.state().join("board.sqlite").exists(), "{name}");
        assert!(!other.state().join("export.jsonl").exists(), "{name}");
    };
    refused("empty.tar", b"", "no backup of Rota");
    refused("text.tar", b"hello, this is not a tar archive at all", "no backup of Rota");
    // A byte of each part, and an end that is missing.
    let sqlite = whole.windows(15).position(|bytes| bytes == b"SQLite format 3").unwrap();
    for at in [sqlite + 200, sqlite - 1_500] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        refused("damaged.tar", &bytes, "");
    }
    refused("short.tar", &whole[..sqlite + 5_000], "");
    let mut newer = whole.clone();
    let at = newer.windows(16).position(|bytes| bytes == b"\"rota_backup\": 1").unwrap();
    newer[at + 15] = b'9';
    refused("newer.tar", &newer, "format 9");
    // Another name in the place of the board's: it is written nowhere.
    let mut elsewhere_named = whole.clone();
    while let Some(at) = elsewhere_named.windows(12).position(|bytes| bytes == b"board.sqlite") {
        elsewhere_named[at..at + 12].copy_from_slice(b"../../x.sqli");
    }
    refused("named.tar", &elsewhere_named, "");

    // What is left of another board's log would be written into this one.
    for left in ["board.sqlite-wal", "board.sqlite-shm", "RESTORING"] {
        let other = elsewhere(&rota);
        std::fs::create_dir_all(other.state()).unwrap();
        std::fs::write(other.state().join(left), b"of another").unwrap();
        std::fs::write(other.path().join("whole.tar"), &whole).unwrap();
        let ran = other.run(["restore", "whole.tar"]).ended(1);
        assert!(ran.err.contains(left) && ran.err.contains("is there already"), "{ran:?}");
    }

    // A state that is there stays as it is.
    let ran = rota.run(["restore", "whole.tar"]).ended(1);
    assert!(ran.err.contains("is there already"), "{ran:?}");
    rota.run(["restore", "none.tar"]).ended(1);
    rota.run(["task", "show", "1"]).ok();
}

#[test]
fn a_restore_that_broke_off_leaves_everything_stopped() {
    let rota = team();
    rota.run(["backup", "whole.tar"]).ok();
    let other = elsewhere(&rota);
    std::fs::write(other.path().join("whole.tar"), rota.read_bytes("whole.tar")).unwrap();
    other.run(["restore", "whole.tar"]).ok();
    // Between the board's place and the ledger's: the last file is not there.
    std::fs::remove_file(other.state().join("export.jsonl")).unwrap();
    let stopped = json(&other, &["status"]);
    assert!(stopped["stopped"].is_string(), "{stopped}");
    other.run(["task", "show", "1"]).ok();
}

#[test]
fn what_a_backup_left_that_was_killed_goes_with_the_next_one() {
    let rota = team();
    let (old, young) = (rota.path().join(".rota-backup-old"), rota.path().join(".rota-backup-new"));
    for folder in [&old, &young] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("board.sqlite"), b"half").unwrap();
    }
    let long_ago = std::time::UNIX_EPOCH + Duration::from_hours(48);
    std::fs::File::open(&old).unwrap().set_modified(long_ago).unwrap();
    rota.run(["backup", "whole.tar"]).ok();
    assert_eq!((old.exists(), young.exists()), (false, true), "another may be at work on it");
}

#[test]
fn a_service_is_written_told_of_and_removed() {
    let rota = team().with_env("PATH", "/nowhere");
    let dry = rota.run(["service", "install", "--dry-run"]).ok();
    assert!(
        dry.out.contains("Type=notify") && dry.out.contains("systemctl --user enable"),
        "{dry:?}"
    );
    let unit = ".config/systemd/user/rota.service";
    assert!(!rota.path().join(unit).exists());
    // The service may make nothing outside its state folder, nor that folder.
    let fresh = ["--state", "fresh", "service", "install"];
    let dry = rota.run(fresh.iter().chain(&["--dry-run"])).ok();
    let fresh_state = rota.path().join("fresh");
    assert!(dry.out.contains("install -d -m 0700") && !fresh_state.exists(), "{dry:?}");
    rota.run(fresh).ok();
    assert_eq!(fresh_state.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let text = rota.read(unit);
    let here = rota.path().canonicalize().unwrap();
    let folder = text.lines().find_map(|line| line.strip_prefix("WorkingDirectory=")).unwrap();
    assert_eq!(std::path::Path::new(folder).canonicalize().unwrap(), here, "rota.toml's");
    rota.run(["service", "uninstall"]).ok();

    let none = rota.run(["service", "status"]).ended(1);
    assert!(none.out.contains("not installed"), "{none:?}");
    let done = rota.run(["service", "install", "--json"]).ok().json();
    // There is no manager here: what it would have been asked is said.
    assert_eq!(done["left_to_do"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(done["unit"], rota.read(unit).as_str());
    let status = json(&rota, &["service", "status"]);
    assert_eq!((&status["installed"], &status["as_written"]), (&true.into(), &true.into()));
    rota.write(unit, &format!("{}# mine\n", rota.read(unit)));
    assert_eq!(json(&rota, &["service", "status"])["as_written"], false);
    rota.run(["service", "uninstall"]).ok();
    assert!(!rota.path().join(unit).exists());

    // Somebody else's unit is nobody's to write or to remove.
    rota.write(unit, "[Service]\nExecStart=/bin/true\n");
    for word in ["install", "uninstall"] {
        rota.run(["service", word]).ended(1);
    }
    assert!(rota.read(unit).contains("/bin/true"));
    let system = rota.run(["service", "install", "--system", "--dry-run"]).ended(2);
    assert!(system.err.contains("--run-as"), "{system:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the manager's own program looks at the unit")]
fn the_manager_finds_nothing_wrong_with_the_unit() {
    let rota = team();
    for words in [vec!["--system", "--run-as", "root"], vec![]] {
        let words = ["service", "install", "--dry-run", "--json"].into_iter().chain(words);
        let unit = rota.run(words).ok().json();
        let path = rota.write("rota.service", unit["unit"].as_str().unwrap());
        let looked =
            std::process::Command::new("systemd-analyze").arg("verify").arg(&path).output();
        let Ok(looked) = looked else {
            println!("-- skipped: systemd-analyze is not on this machine");
            return;
        };
        // Other units of this machine may have their own troubles.
        let said = String::from_utf8_lossy(&looked.stderr).into_owned();
        let ours: Vec<_> = said.lines().filter(|line| line.contains("rota.service")).collect();
        assert_eq!(ours, Vec::<&str>::new(), "{said}");
    }
}

#[test]
fn a_service_manager_is_told_of_readiness_of_life_and_of_the_end() {
    let rota = team();
    let path = rota.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let rota =
        rota.with_env("NOTIFY_SOCKET", path.to_str().unwrap()).with_env("WATCHDOG_USEC", "90000");
    let daemon = rota.serve(NOTHING);
    let heard = || {
        let mut buffer = [0; 512];
        let read = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..read]).trim().to_owned()
    };
    assert_eq!(heard(), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1");
    }
    assert_eq!(daemon.stop(), 0);
    let last = until("the end", || Some(heard()).filter(|said| said != "WATCHDOG=1"));
    assert_eq!(last, "STOPPING=1");
}
