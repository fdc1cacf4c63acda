//! Files that are no files, and folders in which something is wrong.

use super::{defaults, obeys, promptly, vocabulary};
use rota::config::Config;
use rota::fault::render_all;
use rota::playbook::{Changes, Library};
use rota::template::Templates;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

const GOOD: &str =
    "agent = \"AI-Worker\"\n[scope]\nwrite = \"board\"\n[[step]]\ntool = \"addTask\"\n";

/// Puts under this path what cannot be read; what is said of it.
type Awkward = (&'static str, fn(&Path), &'static str);

const AWKWARD: &[Awkward] = &[
    ("not UTF-8", |path| fs::write(path, b"agent = \"\xff\xfe\"\n").unwrap(), "file is not UTF-8"),
    ("UTF-16", |path| fs::write(path, b"\xff\xfea\0g\0e\0n\0t\0").unwrap(), "file is not UTF-8"),
    ("a folder", |path| fs::create_dir(path).unwrap(), "not a regular file"),
    ("a loop", |path| symlink(path, path).unwrap(), "file cannot be read"),
    ("a link to nothing", |path| symlink("/nowhere/x", path).unwrap(), "file cannot be read"),
    ("a device", |path| symlink("/dev/zero", path).unwrap(), "not a regular file"),
    (
        "a pipe",
        |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        "not a regular file",
    ),
    ("10 MB", |path| fs::write(path, "# x\n".repeat(2_500_000)).unwrap(), "file is larger than"),
    (
        "10 MB in one line",
        |path| fs::write(path, format!("agent = \"{}\"", "x".repeat(10_000_000))).unwrap(),
        "file is larger than",
    ),
];

#[test]
fn what_cannot_be_read_is_told_and_the_other_playbooks_work() {
    for (name, make, said) in AWKWARD {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("good.toml"), GOOD).unwrap();
        make(&folder.path().join("bad.toml"));
        let mut library = Library::new(folder.path(), defaults());
        let changes = promptly(name, || library.reload(&vocabulary()));
        assert_eq!(changes.added.len(), 1, "{name}: {changes:?}");
        assert_eq!(changes.faulty.len(), 1, "{name}: {changes:?}");
        let faults = library.faults();
        assert!(faults[0].message.contains(said), "{name}: {faults:?}");
        assert!(faults[0].render(false).contains("bad.toml"), "{name}: {faults:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_of_configurations_and_templates_too() {
    for (name, make, said) in AWKWARD {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rota.toml");
        make(&path);
        let faults = promptly(name, || Config::load(Some(&path), &|_| None)).unwrap_err();
        assert!(faults[0].message.contains(said), "{name}: {faults:?}");
        fs::write(folder.path().join("good.md.hbs"), "{{agent}}").unwrap();
        make(&folder.path().join("bad.md.hbs"));
        let (templates, faults) = promptly(name, || Templates::load(folder.path(), None));
        assert!(templates.has("good.md.hbs") && !templates.has("bad.md.hbs"), "{name}");
        assert!(faults[0].message.contains(said), "{name}: {faults:?}");
    }
}

#[test]
fn a_file_that_may_not_be_read_is_told() {
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root reads everything");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    fs::write(&path, GOOD).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    library.reload(&vocabulary());
    assert!(library.faults()[0].message.contains("permission denied"), "{:?}", library.faults());
}

#[test]
fn of_two_playbooks_of_one_name_the_second_is_told_where_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["a.toml", "b.toml"] {
        fs::write(folder.path().join(file), format!("# one\nname = \"same\"\n{GOOD}")).unwrap();
    }
    let mut library = Library::new(folder.path(), defaults());
    let changes = library.reload(&vocabulary());
    assert_eq!(changes.added.len(), 1);
    let faults = library.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].line, faults[0].column), (2, 8));
    assert_eq!(faults[0].message, "`a.toml` already defines a playbook named `same`");
}

#[test]
fn a_file_of_windows_is_a_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("\u{feff}{GOOD}").replace('\n', "\r\n");
    fs::write(folder.path().join("good.toml"), text).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    library.reload(&vocabulary());
    assert_eq!(library.faults(), []);
    fs::write(folder.path().join("x.txt.hbs"), "\u{feff}{{agent}}\r\n").unwrap();
    let (templates, faults) = Templates::load(folder.path(), None);
    assert_eq!(faults, []);
    let context = serde_json::from_value(serde_json::json!({"agent": "AI"})).unwrap();
    assert_eq!(templates.render("x.txt.hbs", &context, "n").unwrap(), "AI", "no mark is sent");
}

#[test]
fn a_files_name_is_shown_and_not_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    for name in [&b"a\x1b[2J\x07\nb.toml"[..], "\u{202e}lmot.toml".as_bytes(), b"\xff\xfe.toml"] {
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "agnt = 3").unwrap();
    }
    let mut library = Library::new(folder.path(), defaults());
    assert_eq!(library.reload(&vocabulary()).faulty.len(), 3);
    let faults = library.faults();
    assert_eq!(obeys(&render_all(&faults, false)), None, "{}", render_all(&faults, false));
    for fault in faults {
        assert_eq!(obeys(&fault.to_string()), None, "{fault}");
        assert_eq!(fault.to_string().lines().count(), 1, "{fault}");
    }
}

#[test]
fn more_files_than_anybody_writes_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    let mut library = Library::new(folder.path(), defaults()).at_most(500);
    library.reload(&vocabulary());
    for number in 0..600 {
        fs::write(folder.path().join(format!("p{number}.toml")), GOOD).unwrap();
    }
    let changes = promptly("600 playbooks", || library.reload(&vocabulary()));
    assert_eq!(changes, Changes::default(), "what was good goes on");
    assert!(library.faults()[0].message.contains("more than 500"), "{:?}", library.faults());
}
