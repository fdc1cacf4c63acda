//! What a program may use, for each of its processes, by `setrlimit`. What all of them use together
//! is counted by the supervisor.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// From the signal that the processor time is used up to the end.
const CPU_GRACE: u64 = 5;

/// What a program and all that it starts may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Bytes of memory, of all of it together.
    pub memory_bytes_max: u64,
    /// Processor time of each process.
    pub cpu: Duration,
    /// Processes at once.
    pub processes_max: u32,
    /// Open files of each process.
    pub open_files_max: u32,
    /// Bytes of each file that is written.
    pub file_bytes_max: u64,
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 4 << 30,
            cpu: Duration::from_hours(1),
            processes_max: 512,
            open_files_max: 4_096,
            file_bytes_max: 2 << 30,
        }
    }
}

impl ResourceLimits {
    /// Holds this process, and whatever it becomes and starts, to them.
    pub(crate) fn hold(&self) -> Result<(), String> {
        let cpu = self.cpu.as_secs().max(1);
        lower(Resource::RLIMIT_CORE, 0, 0)?;
        lower(Resource::RLIMIT_CPU, cpu, cpu.saturating_add(CPU_GRACE))?;
        same(Resource::RLIMIT_FSIZE, self.file_bytes_max)?;
        same(Resource::RLIMIT_NOFILE, u64::from(self.open_files_max))?;
        // A backstop for one that is faster than its supervisor looks.
        same(Resource::RLIMIT_DATA, self.memory_bytes_max)?;
        #[cfg(target_os = "linux")]
        {
            // The system counts all tasks of the user, ours or not, and those of root not at all.
            let others = tasks_of(Uid::current());
            same(Resource::RLIMIT_NPROC, others.saturating_add(u64::from(self.processes_max)))?;
        }
        Ok(())
    }
}

fn same(resource: Resource, most: u64) -> Result<(), String> {
    lower(resource, most, most)
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, soft: rlim_t, hard: rlim_t) -> Result<(), String> {
    let trouble = |error: nix::Error| format!("{resource:?}: {}", error.desc());
    let (soft_now, hard_now) = getrlimit(resource).map_err(trouble)?;
    setrlimit(resource, soft.min(soft_now).min(hard_now), hard.min(hard_now)).map_err(trouble)
}

/// How many tasks a user has on this machine.
#[cfg(target_os = "linux")]
fn tasks_of(user: Uid) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let statuses = entries.flatten().filter_map(|entry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        std::fs::read_to_string(entry.path().join("status")).ok()
    });
    statuses.filter_map(|status| threads_of(&status, user)).sum()
}

#[cfg(target_os = "linux")]
fn threads_of(status: &str, user: Uid) -> Option<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if field("Uid:")? == u64::from(user.as_raw()) { field("Threads:") } else { None }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_users_tasks_are_counted_with_their_threads() {
        let status = "Name:\ta\nUid:\t1000\t0\t0\t0\nThreads:\t7\n";
        assert_eq!(threads_of(status, Uid::from_raw(1_000)), Some(7));
        assert_eq!(threads_of(status, Uid::from_raw(0)), None);
        assert!(tasks_of(Uid::current()) >= 1);
    }
}
