//! The supervisor of one confined program: `rota` itself, started by the daemon in place of the
//! program.
//!
//! It starts the program in a group of its own, passes signals on, counts what all of it uses, and
//! adopts what the program leaves behind, however that tried to get away (`setsid`, a cleared
//! environment). It ends only when nothing of the program is left, or is ended when the daemon is
//! gone. It is outside of the sandbox, so that the program cannot signal or trace it. A program that
//! has a network of its own reaches its ports of this machine by its supervisor alone.

use super::super::sandbox::limits::ResourceLimits;
use super::super::sandbox::namespaces::{Own, leave};
use super::super::sandbox::{CONFINE, Confinement, mounts, network, restrict};
use super::relay::Relay;
use crate::clock::{Clock as _, SystemClock};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

/// The exit code when the sandbox could not be made, or ended the program.
pub(super) const SANDBOX_FAILED: u8 = 125;
/// The exit codes of a shell for what cannot be run and what is not there.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
/// From SIGTERM to SIGKILL: shorter than the daemon's own patience.
const GRACE: Duration = Duration::from_secs(4);
/// How often it is counted what the program uses.
const LOOK: u16 = 200;
/// How often survivors are looked for, and the pause between two looks, in milliseconds.
const ROUNDS_MAX: u32 = 500;
const PAUSE: u16 = 5;
/// Between supervisor and program: the part that restricts itself.
const BEGIN: &str = "begin";
/// Of what a probe says, so much is told.
const TOLD_CHARS_MAX: usize = 300;
/// How long the program's beginning may take to make its network.
const NETWORK_TIME: Duration = Duration::from_secs(10);

/// What cannot be asked of the kernel, and is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    /// Whether a program can be given a network of its own.
    Network,
    /// Whether what is not its own can be made read-only to it.
    Mounts,
}

impl Probe {
    /// The word by which it is asked for.
    fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Mounts => "mounts",
        }
    }
}

/// Program and arguments by which a confined program is started, `rota` standing at `exe`.
pub(crate) fn wrapped(
    exe: &str,
    confinement: &Confinement,
    words: &[String],
) -> Result<(String, Vec<String>), serde_json::Error> {
    let spec = serde_json::to_string(confinement)?;
    let head = [CONFINE.to_owned(), spec];
    Ok((exe.to_owned(), head.into_iter().chain(words.iter().cloned()).collect()))
}

/// What `rota __confine …` does: supervises, or becomes the program. The words after `__confine`.
pub(crate) fn confined(words: &[OsString]) -> u8 {
    let (is_program, words) = match words {
        [only] if only == Probe::Network.word() => return probed(network::try_out()),
        [only] if only == Probe::Mounts.word() => return probed(mounts::try_out()),
        [first, rest @ ..] if first == BEGIN => (true, rest),
        words => (false, words),
    };
    let [spec, program @ ..] = words else { return failed("it is told nothing") };
    let confinement = spec.to_str().and_then(|text| serde_json::from_str(text).ok());
    let Some(confinement) = confinement else { return failed("what it is told cannot be read") };
    if program.is_empty() {
        return failed("it is told no program");
    }
    if is_program {
        become_it(&confinement, program)
    } else {
        supervise(spec, &confinement, program).unwrap_or_else(|error| failed(error.desc()))
    }
}

fn probed(tried: Result<(), String>) -> u8 {
    match tried {
        Ok(()) => 0,
        Err(why) => {
            say(&why);
            SANDBOX_FAILED
        }
    }
}

/// Why something cannot be done here, if so: this program (`exe`) is started to try it, because it
/// holds for whoever does it.
#[expect(clippy::disallowed_methods, reason = "this is the home of children")]
pub(crate) fn trouble_with(probe: Probe, exe: &str) -> Option<String> {
    let mut command = std::process::Command::new(exe);
    command.args([CONFINE, probe.word()]).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    let said = match command.output() {
        Ok(ran) if ran.status.success() => return None,
        Ok(ran) => String::from_utf8_lossy(&ran.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let said = said.trim();
    let said = said.strip_prefix("rota: ").unwrap_or(said);
    Some(said.chars().take(TOLD_CHARS_MAX).collect())
}

/// Says at standard error what is wrong.
fn failed(why: &str) -> u8 {
    say(&format!("the sandbox: {why}"));
    SANDBOX_FAILED
}

fn say(text: &str) {
    // Nobody may be listening any more.
    let _ = writeln!(std::io::stderr(), "rota: {text}");
}

/// Restricts this process and becomes the program; returns only if it cannot.
#[expect(clippy::disallowed_methods, reason = "this is the home of children")]
fn become_it(confinement: &Confinement, program: &[OsString]) -> u8 {
    // Without its supervisor nobody would count it, or end what it starts.
    let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| e.desc().to_owned());
    let limited = bound.and_then(|()| confinement.limits.hold());
    let apart = limited.and_then(|()| set_apart(confinement));
    let made = apart.and_then(|()| restrict(confinement));
    if let Err(why) = made {
        return failed(&why);
    }
    // The supervisor's mask was inherited.
    if let Err(error) = SigSet::all().thread_unblock() {
        return failed(error.desc());
    }
    let Some((name, args)) = program.split_first() else { return failed("no program") };
    let error = std::process::Command::new(name).args(args).exec();
    say(&format!("{} cannot be started: {error}", name.to_string_lossy()));
    if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
}

/// Gives this process what it has to itself of mounts and of the network.
fn set_apart(confinement: &Confinement) -> Result<(), String> {
    let network = confinement.has_own_network();
    leave(Own { network, mounts: confinement.is_sealed })?;
    if confinement.is_sealed {
        mounts::seal(&confinement.write)?;
    }
    if network { enter_network(&confinement.ports) } else { Ok(()) }
}

/// Begins the network of its own, and hands the listeners at its ports to the supervisor. That stands
/// at the other end of standard input; the program's own comes from there, and nothing of this is
/// passed on to it.
fn enter_network(ports: &[u16]) -> Result<(), String> {
    let trouble = |error: std::io::Error| format!("a network of its own: {error}");
    let hall = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    let hall = hall.map_err(trouble)?;
    let stdin = network::take_over(&hall).map_err(trouble)?;
    let [stdin] = stdin.as_slice() else {
        return Err("its supervisor hands it no input".to_owned());
    };
    nix::unistd::dup2_stdin(stdin).map_err(|error| trouble(error.into()))?;
    let doors = network::make(ports).map_err(|why| format!("a network of its own: {why}"))?;
    let doors: Vec<_> = doors.iter().map(|door| door.as_fd()).collect();
    network::hand_over(&hall, &doors).map_err(trouble)
}

/// The other half of that: what is handed over by the program's beginning. Nothing where it fails:
/// then it says why, and ends.
fn meet(hall: &UnixStream) -> std::io::Result<Vec<OwnedFd>> {
    hall.set_read_timeout(Some(NETWORK_TIME))?;
    network::hand_over(hall, &[std::io::stdin().as_fd()])?;
    network::take_over(hall)
}

fn supervise(
    spec: &OsString,
    confinement: &Confinement,
    program: &[OsString],
) -> Result<u8, nix::Error> {
    let daemon = getppid();
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let inbox = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let (child, hall) = match start(spec, confinement, program) {
        Ok(started) => started,
        Err(error) => return Ok(failed(&error.to_string())),
    };
    let mut watch = Watch { daemon, child, limits: confinement.limits, status: None, ends: None };
    let doors = hall.map(|hall| meet(&hall).unwrap_or_default()).unwrap_or_default();
    let relay = match Relay::begin(doors) {
        Ok(relay) => relay,
        Err(error) => {
            watch.end_all();
            return Ok(failed(&error.to_string()));
        }
    };
    let clock = SystemClock::new();
    let ended_by_us = loop {
        let mut waited = [PollFd::new(inbox.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait is a look that comes early.
        let _ = poll(&mut waited, PollTimeout::from(LOOK));
        while let Ok(Some(signal)) = inbox.read_signal() {
            let is_child = signal.ssi_signo == Signal::SIGCHLD as u32;
            if !is_child && watch.ends.is_none() {
                let _ = killpg(child, Signal::SIGTERM);
                watch.ends = Some(clock.boot() + GRACE);
            }
        }
        watch.reap();
        if watch.status.is_some() {
            break None;
        }
        if let Some(why) = watch.must_end(clock.boot()) {
            break Some(why);
        }
    };
    watch.end_all();
    relay.finish();
    Ok(match (ended_by_us, watch.status) {
        (Some(why), _) if !why.is_empty() => failed(&why),
        (_, Some(status)) => status,
        (_, None) => SANDBOX_FAILED,
    })
}

#[expect(clippy::disallowed_methods, reason = "this is the home of children")]
fn start(
    spec: &OsString,
    confinement: &Confinement,
    program: &[OsString],
) -> std::io::Result<(Pid, Option<UnixStream>)> {
    // The file may have been replaced since the daemon started; this is still the same program.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0("rota").args([CONFINE, BEGIN]).arg(spec).args(program).process_group(0);
    let hall = if confinement.has_own_network() {
        let (here, there) = UnixStream::pair()?;
        command.stdin(OwnedFd::from(there));
        Some(here)
    } else {
        None
    };
    let child = command.spawn()?;
    let child = i32::try_from(child.id()).map(Pid::from_raw).map_err(std::io::Error::other)?;
    Ok((child, hall))
}

/// The program, and all that came of it.
struct Watch {
    daemon: Pid,
    child: Pid,
    limits: ResourceLimits,
    status: Option<u8>,
    /// When it is killed, once it was asked to end.
    ends: Option<Duration>,
}

impl Watch {
    /// Takes note of what has ended.
    fn reap(&mut self) {
        loop {
            let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, u8::try_from(code).unwrap_or(255)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid, 128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(127)))
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if pid == self.child {
                self.status = Some(code);
            }
        }
    }

    /// Why it has to be ended now; an empty text where that needs no words.
    fn must_end(&self, now: Duration) -> Option<String> {
        if self.ends.is_some_and(|ends| now >= ends) || getppid() != self.daemon {
            return Some(String::new());
        }
        let all = descendants();
        let most = self.limits.processes_max;
        if all.len() > most as usize {
            return Some(format!("it had more than {most} processes and was ended"));
        }
        let memory: u64 = all.iter().filter_map(|pid| memory_of(*pid)).sum();
        let most = self.limits.memory_bytes_max;
        if memory > most {
            return Some(format!("it used more than {most} bytes of memory and was ended"));
        }
        None
    }

    /// Ends all that is left, and waits until it is gone. What is stopped first starts nothing more.
    fn end_all(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let left = descendants();
            if left.is_empty() {
                return;
            }
            for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
                for pid in &left {
                    // One that is gone already is what was wanted.
                    let _ = kill(Pid::from_raw(*pid), signal);
                }
            }
            self.reap();
            let _ = poll(&mut [], PollTimeout::from(PAUSE));
            self.reap();
        }
        say("the sandbox: not everything that the program started could be ended");
    }
}

/// Everything that this process started, and what that started: all of it has us as an ancestor,
/// because we adopt what loses its parent. Zombies do not count.
fn descendants() -> BTreeSet<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeSet::new() };
    let mut children: BTreeMap<i32, Vec<(i32, bool)>> = BTreeMap::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut words = rest.split(' ');
        let is_zombie = words.next().is_some_and(|state| state == "Z" || state == "X");
        let parent = words.next().and_then(|parent| parent.parse::<i32>().ok());
        children.entry(parent.unwrap_or(0)).or_default().push((pid, is_zombie));
    }
    let mut found = BTreeSet::new();
    let mut open = vec![getpid().as_raw()];
    while let Some(parent) = open.pop() {
        for (pid, is_zombie) in children.remove(&parent).unwrap_or_default() {
            open.push(pid);
            if !is_zombie {
                found.insert(pid);
            }
        }
    }
    found
}

/// Bytes of memory that a process has for itself or shares with those it started.
fn memory_of(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let sum = ["RssAnon:", "RssShmem:", "VmSwap:"].iter().filter_map(|name| kilobytes(name)).sum();
    Some(u64::saturating_mul(sum, 1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_wrapped_with_what_holds_for_it() {
        let confinement = Confinement {
            level: crate::domain::SandboxLevel::Strict,
            read: vec!["/opt/tools".into()],
            write: vec!["/var/work".into()],
            ports: vec![4_711],
            is_sealed: true,
            limits: ResourceLimits::default(),
        };
        let words = ["sh".to_owned(), "-c".to_owned(), "true".to_owned()];
        let (program, args) = wrapped("/usr/bin/rota", &confinement, &words).unwrap();
        assert_eq!((program.as_str(), args[0].as_str()), ("/usr/bin/rota", CONFINE));
        assert_eq!(serde_json::from_str::<Confinement>(&args[1]).unwrap(), confinement);
        assert_eq!(args[2..], words);
    }

    #[test]
    fn what_it_cannot_understand_starts_nothing() {
        for words in [&[][..], &["{}"], &["{}", "true"], &["begin"], &["begin", "x", "true"]] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(confined(&words), SANDBOX_FAILED, "{words:?}");
        }
    }

    #[test]
    fn memory_of_this_process_is_some() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(memory_of(own).is_some_and(|bytes| bytes > 100_000));
        assert_eq!(memory_of(-1), None);
    }
}
