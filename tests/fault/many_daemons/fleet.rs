//! The daemons as processes, each with its folder: started, killed at once and started again, as a service
//! manager does, and ended in good order at last.

use crate::support::rota::{Rota, look_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::process::Child;
use std::time::Duration;

/// How long a daemon may take to hear a signal or to end.
const PATIENCE: Duration = Duration::from_mins(3);
/// So much of a log is told when something went wrong.
const LOG_LINES_TOLD: usize = 40;

pub struct Fleet {
    members: Vec<Member>,
    /// How often the database went away.
    pub storms: usize,
    /// How many were killed.
    pub kills: usize,
    /// How many were started.
    pub lives: usize,
}

/// A daemon, by its name.
struct Member {
    name: String,
    rota: Rota,
    life: Life,
}

enum Life {
    /// It was started when the database had gone away so often.
    Up { child: Child, storms: usize },
    /// It begins anew; where it is so, not before others have taken from it what it held.
    Down { others_first: bool },
}

impl Fleet {
    /// Daemons that are not there yet.
    pub fn of(members: impl IntoIterator<Item = (String, Rota)>) -> Self {
        let member = |(name, rota)| Member { name, rota, life: Life::Down { others_first: false } };
        let members = members.into_iter().map(member).collect();
        Self { members, storms: 0, kills: 0, lives: 0 }
    }

    /// Starts what is due: these hold claims. One that ended by itself is started again where it was only
    /// beginning when the database went away, and fails the test otherwise.
    pub fn tend(&mut self, holders: &BTreeSet<String>) {
        for member in &mut self.members {
            if let Some(ended) = member.has_ended() {
                let is_excused = !member.is_ready() && member.life.began_before(self.storms);
                assert!(is_excused, "{} ended by itself: {ended}\n{}", member.name, member.tail());
                member.life = Life::Down { others_first: false };
            }
            let is_due = match member.life {
                Life::Up { .. } => false,
                Life::Down { others_first } => !others_first || !holders.contains(&member.name),
            };
            if is_due {
                member.begin(self.storms);
                self.lives += 1;
            }
        }
    }

    /// Whether one waits until others have taken what it held.
    pub fn waits_for_others(&self) -> bool {
        let waits = |member: &Member| matches!(member.life, Life::Down { others_first: true });
        self.members.iter().any(waits)
    }

    /// Those that are up and ready.
    pub fn ready(&self) -> BTreeSet<String> {
        let ready = self.members.iter().filter(|member| member.is_ready());
        ready.map(|member| member.name.clone()).collect()
    }

    /// Whether all are.
    pub fn is_whole(&self) -> bool {
        self.members.iter().all(Member::is_ready)
    }

    /// `kill -9`.
    pub fn kill(&mut self, name: &str, others_first: bool) {
        let member = self.members.iter_mut().find(|member| member.name == name).unwrap();
        let Life::Up { child, .. } = &mut member.life else { panic!("{name} is not there") };
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), None, "{name} ended by itself: {ended}\n{}", member.tail());
        member.life = Life::Down { others_first };
        self.kills += 1;
    }

    /// All read these playbooks, each of which is another than before, and have heard of that.
    pub fn read_again(&self, playbooks: &[(String, String)]) {
        for member in &self.members {
            let told = member.log().len();
            for (path, text) in playbooks {
                member.rota.write(path, text);
            }
            member.signal(Signal::SIGHUP);
            let has_read = || (member.changed_since(told) >= playbooks.len()).then_some(());
            let has_read = look_for(PATIENCE, has_read);
            assert!(has_read.is_some(), "{} read nothing\n{}", member.name, member.tail());
        }
    }

    /// All end in good order, and none has broken off anything by a fault of its own.
    pub fn end(&mut self) {
        for member in &self.members {
            member.signal(Signal::SIGTERM);
        }
        for member in &mut self.members {
            let ended = look_for(PATIENCE, || member.has_ended());
            let code = ended.and_then(|ended| ended.code());
            assert_eq!(code, Some(0), "{}: {ended:?}\n{}", member.name, member.tail());
            member.life = Life::Down { others_first: false };
            let log = member.log();
            assert!(!log.contains("panicked"), "{}\n{log}", member.name);
        }
    }

    /// The last lines of every log.
    pub fn tails(&self) -> String {
        let told = self.members.iter().map(|member| format!("{}:\n{}", member.name, member.tail()));
        told.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Life::Up { child, .. } = &mut member.life {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Life {
    /// Whether the database has gone away since it began: so often by now.
    fn began_before(&self, storms_now: usize) -> bool {
        matches!(self, Self::Up { storms, .. } if *storms < storms_now)
    }
}

impl Member {
    fn begin(&mut self, storms: usize) {
        let path = |name: &str| self.rota.path().join(name);
        let out = File::create(path("serve.out")).unwrap();
        let log = OpenOptions::new().create(true).append(true).open(path("serve.log")).unwrap();
        let child = self.rota.command(["serve"]).stdout(out).stderr(log).spawn().unwrap();
        self.life = Life::Up { child, storms };
    }

    fn has_ended(&mut self) -> Option<std::process::ExitStatus> {
        match &mut self.life {
            Life::Up { child, .. } => child.try_wait().unwrap(),
            Life::Down { .. } => None,
        }
    }

    /// Whether it is up, and has said in this life that it is ready.
    fn is_ready(&self) -> bool {
        let is_ready = |said: String| said.lines().any(|line| line.starts_with("ready"));
        let said = || std::fs::read_to_string(self.rota.path().join("serve.out"));
        matches!(self.life, Life::Up { .. }) && said().is_ok_and(is_ready)
    }

    fn signal(&self, signal: Signal) {
        let Life::Up { child, .. } = &self.life else { panic!("{} is not there", self.name) };
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    }

    /// The log of all its lives.
    fn log(&self) -> String {
        std::fs::read_to_string(self.rota.path().join("serve.log")).unwrap_or_default()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_TOLD)..].join("\n")
    }

    /// How many changed playbooks it has told of behind this place of its log.
    fn changed_since(&self, told: usize) -> usize {
        let log = self.log();
        let lines = log[told..].lines().filter(|line| line.contains("playbooks were read"));
        let changed = |line: &str| {
            let number = line.split("changed=").nth(1)?.split(' ').next()?;
            number.parse::<usize>().ok()
        };
        lines.filter_map(changed).sum()
    }
}
