//! A house in a folder of its own, and the real program in it.

use anyhow::{Context as _, ensure};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A process; SIGTERM when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

/// A house. Not in the temporary folder, which may be memory.
pub struct House {
    folder: tempfile::TempDir,
}

impl House {
    /// One without playbooks, configured so.
    pub fn new(config: &str) -> anyhow::Result<Self> {
        let house = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))? };
        house.rota(&["init"])?;
        std::fs::remove_dir_all(house.path("agents"))?;
        std::fs::create_dir(house.path("agents"))?;
        std::fs::write(house.path("rota.toml"), config)?;
        Ok(house)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_rota"), words)
    }

    /// Another program in it.
    pub fn program(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("USER", "owner")
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end; what it prints.
    pub fn rota(&self, words: &[&str]) -> anyhow::Result<Vec<u8>> {
        let ran = self.command(words).output()?;
        ensure!(ran.status.success(), "{words:?} {ran:#?}");
        Ok(ran.stdout)
    }

    /// Starts the daemon; with the line by which it says that it is ready.
    pub fn serve(&self) -> anyhow::Result<(Running, String)> {
        let log = std::fs::File::create(self.path("log"))?;
        let mut child = self.command(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = child.stdout.take();
        let running = Running(child);
        let mut out = BufReader::new(out.context("no output")?);
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            ensure!(out.read_line(&mut line)? > 0, "the daemon is not ready");
        }
        // Nobody reads on: a daemon without notices prints nothing more.
        std::mem::forget(out);
        Ok((running, line))
    }
}
