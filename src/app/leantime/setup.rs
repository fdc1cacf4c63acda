//! `rota init --leantime`: the server is tried before anything is written; and where keys are kept.

use super::health;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{Health, KeyFrom, LeantimeStart, LeantimeStarted};
use crate::app::open::read_variable;
use crate::app::starter::CONFIG;
use crate::config::{BoardConfig, Config};
use crate::fault;
use secrecy::{ExposeSecret, SecretString};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder of keys that were written by us, beside `rota.toml`.
const KEYS: &str = "keys";
/// The file of a key that was typed.
const TYPED: &str = "leantime";
/// The longest file with a key.
const KEY_BYTES_MAX: usize = 4_096;

/// Tries the server, and says how `rota.toml` is to be for it. A key that was typed is kept then.
pub(in crate::app) async fn start(start: &LeantimeStart) -> Result<LeantimeStarted, Failure> {
    let key = read(&start.key)?;
    let reference = match &start.key {
        KeyFrom::Env(name) => format!("{{ env = {} }}", quoted(name)),
        KeyFrom::File(path) => of_file(&std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        KeyFrom::Typed(_) => of_file(&key_file(Path::new(""), TYPED)),
    };
    let board = format!(
        "\n[board]\nkind = \"leantime\"\nurl = {}\nkey = {reference}\n\
         zone = \"UTC\"                        # as its LEAN_DEFAULT_TIMEZONE is\n\
         # requests_per_minute = 120         # 10 before 3.9.7; a lower limit is learned\n",
        quoted(start.url.trim()),
    );
    let text = format!("{CONFIG}{board}");
    let config = check(&text, &key)?;
    let BoardConfig::Leantime(named) = &config.board else {
        return Err(Failure::internal("what was to be written names no Leantime"));
    };
    let opened = health::open(&config, named)?;
    let findings = health::examine(&opened, &config, named).await;
    let findings = findings.unwrap_or_else(|refused| vec![refused]);
    let is_well = findings.iter().all(|finding| finding.health != Health::Fail);
    if let (KeyFrom::Typed(key), true) = (&start.key, is_well) {
        let mut kept = Kept::reserve(&start.folder, TYPED)?;
        kept.fill(key)?;
    }
    Ok(LeantimeStarted { findings, config: is_well.then_some(text) })
}

/// What is to be written, as it would be read with this key.
fn check(text: &str, key: &SecretString) -> Result<Config, Failure> {
    // Only the reference to the key is read; its file may not be there yet.
    let any = "key = { env = \"KEY\" }";
    let with = |line: &str| if line.starts_with("key = ") { any } else { line }.to_owned();
    let text: Vec<String> = text.lines().map(with).collect();
    let env = |name: &str| match name {
        "KEY" => Some(key.expose_secret().to_owned()),
        name => read_variable(name),
    };
    Config::parse(&text.join("\n"), Path::new("rota.toml"), &env)
        .map_err(|faults| crate::app::failures::config(&faults))
}

/// A text of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// What the configuration says of a key in a file.
pub(super) fn of_file(path: &Path) -> String {
    format!("{{ file = {} }}", quoted(&path.display().to_string()))
}

/// The key that whoever types means.
pub(super) fn read(from: &KeyFrom) -> Result<SecretString, Failure> {
    let (whence, found) = match from {
        KeyFrom::Env(name) => {
            let found = read_variable(name);
            (
                format!("environment variable {name}"),
                found.ok_or_else(|| "it is not set".to_owned()),
            )
        }
        KeyFrom::File(path) => (path.display().to_string(), fault::read_text(path, KEY_BYTES_MAX)),
        KeyFrom::Typed(key) => ("what was typed".to_owned(), Ok(key.expose_secret().to_owned())),
    };
    let text = found.map_err(|message| Failure::usage(format!("{whence}: {message}")))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage(format!("{whence}: there is no key in it")));
    }
    Ok(SecretString::from(text))
}

/// The file of a key, in this folder.
pub(super) fn key_file(folder: &Path, name: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    folder.join(KEYS).join(format!("{name}.key"))
}

/// A file for one key, which nobody else can read. It goes again unless a key gets into it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    is_empty: bool,
}

impl Kept {
    /// Makes the file; one that is there is never written over.
    pub(super) fn reserve(folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = key_file(folder, name);
        let failed = |error: &std::io::Error| {
            let what = format!("{}: no key can be kept there", path.display());
            Failure::io(FailureKind::Refused, what, error)
        };
        let keys = folder.join(KEYS);
        let made = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&keys));
        made.map_err(|error| failed(&error))?;
        // Whoever keeps the configuration in a repository does not keep the keys there.
        let ignore = keys.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").map_err(|error| failed(&error))?;
        }
        let mut open = std::fs::OpenOptions::new();
        open.write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&error))?;
        Ok(Self { path, is_empty: true })
    }

    /// Writes the key, down to the disk: it may be the only copy.
    pub(super) fn fill(&mut self, key: &SecretString) -> Result<(), Failure> {
        let write = || {
            let mut file = std::fs::OpenOptions::new().write(true).open(&self.path)?;
            writeln!(file, "{}", key.expose_secret())?;
            file.sync_all()
        };
        let written: std::io::Result<()> = write();
        written.map_err(|error| {
            let what = format!("{}: the key cannot be written", self.path.display());
            Failure::io(FailureKind::Refused, what, &error)
        })?;
        self.is_empty = false;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.is_empty {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
