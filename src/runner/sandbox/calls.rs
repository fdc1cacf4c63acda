//! System calls that a program cannot make, by seccomp: those that reach past Landlock (which knows
//! files, TCP ports and signals), those that change other processes of the same user, and those that
//! no tool needs.

use crate::domain::SandboxLevel;
use nix::libc;
use nix::unistd::{Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// The type of a socket is in its lower four bits.
const TYPE_MASK: u64 = 0xf;
/// Types of sockets, from datagrams on; a stream is 1.
const OTHER_TYPES: [u64; 9] = [0, 2, 3, 4, 5, 6, 7, 8, 10];
/// Of these, what a pair may be: its messages go to the other end and nowhere else, while a datagram
/// may name whom it is for.
const SEQUENCED: u64 = 5;
/// TCP Fast Open connects by sending, which Landlock does not see.
const FAST_OPEN: u64 = 0x2000_0000;
/// The second numbering of system calls on `x86_64`.
const X32: i64 = 0x4000_0000;
/// A new user namespace, in which a program would have every privilege again.
const NEW_USER: u64 = 0x1000_0000;
/// A file that its owner's rights go with, whoever starts it.
const SETUID: u64 = 0o4000;
/// "All of a user's": the kind of whom `setpriority` and `ioprio_set` are about.
const PRIORITY_OF_USER: u64 = 2;
const IO_PRIORITY_OF_USER: u64 = 3;
/// Young calls, whose numbers are the same on every processor.
const MEMFD_SECRET: i64 = 447;
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// Never needed, and each a way around: rings make sockets without the call, keys outlive a run,
/// handles open files without a path; memory, semaphores and queues of System V and queues of POSIX
/// belong to a user, not to a program, and are counted nowhere.
const NEVER: &[i64] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Nobody is let in: a socket that listens takes a port even where none was bound.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// Answered as a kernel does that does not know them, because programs then take another way: what
/// they are about is out of a filter's sight, or counted nowhere.
const UNKNOWN: &[i64] =
    &[libc::SYS_clone3, libc::SYS_openat2, libc::SYS_memfd_create, MEMFD_SECRET];

/// Answered as a file system does that has none: an access list would let others in where the mode
/// does not.
const ATTRIBUTES: &[i64] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a level. `has_port`: TCP may be spoken, and Landlock says to which port.
pub(super) fn programs(level: SandboxLevel, has_port: bool) -> Result<Vec<BpfProgram>, String> {
    if level == SandboxLevel::None {
        return Ok(Vec::new());
    }
    let always = |calls: &[i64]| -> Rules { calls.iter().map(|call| (*call, vec![])).collect() };
    let mut not_permitted = of_others()?;
    if level != SandboxLevel::Strict {
        return Ok(vec![filter(not_permitted, libc::EPERM)?]);
    }
    not_permitted.extend(of_files()?);
    not_permitted.extend(namespaces()?);
    let mut denied = always(NEVER);
    denied.extend(network(has_port)?);
    Ok(vec![
        filter(not_permitted, libc::EPERM)?,
        filter(denied, libc::EACCES)?,
        filter(always(UNKNOWN), libc::ENOSYS)?,
        filter(always(ATTRIBUTES), libc::EOPNOTSUPP)?,
    ])
}

fn filter(mut rules: Rules, answer: libc::c_int) -> Result<BpfProgram, String> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(text)?;
    if arch == TargetArch::x86_64 {
        let again: Rules = rules.iter().map(|(call, rule)| (call | X32, rule.clone())).collect();
        rules.extend(again);
    }
    let denied = SeccompAction::Errno(answer.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).map_err(text)?;
    filter.try_into().map_err(text::<seccompiler::BackendError>)
}

/// What changes another process of the same user without tracing it: its limits, its share of the
/// processors and disks. A limit of processor time would end the daemon. Of itself a program may
/// change all of that; it says so by a zero, and its own number is not told from another's.
fn of_others() -> Result<Rules, String> {
    let of_another = |index| not(index, 0);
    let of_user = |kind| condition(0, SeccompCmpOp::Eq, kind);
    // A limit that is only read is nobody's harm.
    let is_set =
        SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0).map_err(text)?;
    let mut rules = Rules::from([
        (libc::SYS_prlimit64, vec![rule(&[of_another(0)?, is_set])?]),
        (
            libc::SYS_setpriority,
            vec![rule(&[of_another(1)?])?, rule(&[of_user(PRIORITY_OF_USER)?])?],
        ),
        (
            libc::SYS_ioprio_set,
            vec![rule(&[of_another(1)?])?, rule(&[of_user(IO_PRIORITY_OF_USER)?])?],
        ),
    ]);
    for call in [
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        rules.insert(call, vec![rule(&[of_another(0)?])?]);
    }
    Ok(rules)
}

/// Landlock does not see whose a file becomes, nor its mode. Given away to another group, or made one
/// that runs with its owner's rights, no file is, wherever it lies.
fn of_files() -> Result<Rules, String> {
    let (user, group) = (Uid::effective().as_raw(), Gid::effective().as_raw());
    let unchanged = u64::from(u32::MAX);
    let owner = |first: u8| -> Result<Vec<SeccompRule>, String> {
        Ok(vec![
            rule(&[not(first, u64::from(user))?, not(first, unchanged)?])?,
            rule(&[not(first + 1, u64::from(group))?, not(first + 1, unchanged)?])?,
        ])
    };
    let mode =
        |index| -> Result<Vec<SeccompRule>, String> { Ok(vec![rule(&[flag(index, SETUID)?])?]) };
    // Whatever stands where a mode would, it is one only where a file is made.
    let created = |flags: u8| -> Result<Vec<SeccompRule>, String> {
        [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY]
            .iter()
            .map(|way| {
                rule(&[flag(flags, u64::from(way.unsigned_abs()))?, flag(flags + 1, SETUID)?])
            })
            .collect()
    };
    let mut rules = Rules::from([
        (libc::SYS_fchown, owner(1)?),
        (libc::SYS_fchownat, owner(2)?),
        (libc::SYS_fchmod, mode(1)?),
        (libc::SYS_fchmodat, mode(2)?),
        (FCHMODAT2, mode(2)?),
        (libc::SYS_mknodat, mode(2)?),
        (libc::SYS_openat, created(2)?),
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.extend([
        (libc::SYS_chown, owner(1)?),
        (libc::SYS_lchown, owner(1)?),
        (libc::SYS_chmod, mode(1)?),
        (libc::SYS_creat, mode(1)?),
        (libc::SYS_mknod, mode(1)?),
        (libc::SYS_open, created(1)?),
    ]);
    Ok(rules)
}

fn namespaces() -> Result<Rules, String> {
    let rules = vec![rule(&[flag(0, NEW_USER)?])?];
    Ok(Rules::from([(libc::SYS_unshare, rules.clone()), (libc::SYS_clone, rules)]))
}

fn network(has_port: bool) -> Result<Rules, String> {
    let mut rules = Rules::from([(libc::SYS_socketpair, pairs()?)]);
    if has_port {
        rules.insert(libc::SYS_socket, sockets()?);
        rules.insert(libc::SYS_sendto, vec![rule(&[flag(3, FAST_OPEN)?])?]);
        rules.insert(libc::SYS_sendmsg, vec![rule(&[flag(2, FAST_OPEN)?])?]);
        rules.insert(libc::SYS_sendmmsg, vec![rule(&[flag(3, FAST_OPEN)?])?]);
    } else {
        rules.insert(libc::SYS_socket, Vec::new());
    }
    Ok(rules)
}

/// Denied are sockets of any family but the internet's, of any type but streams, of any protocol but
/// TCP.
fn sockets() -> Result<Vec<SeccompRule>, String> {
    let not = |index, value: libc::c_int| not(index, u64::from(value.unsigned_abs()));
    let mut rules = vec![
        rule(&[not(0, libc::AF_INET)?, not(0, libc::AF_INET6)?])?,
        rule(&[not(2, 0)?, not(2, libc::IPPROTO_TCP)?])?,
    ];
    for kind in OTHER_TYPES {
        rules.push(rule(&[kind_of(1, kind)?])?);
    }
    Ok(rules)
}

/// Denied are pairs of which one end could be turned to somebody else.
fn pairs() -> Result<Vec<SeccompRule>, String> {
    let mut rules = vec![rule(&[not(0, u64::from(libc::AF_UNIX.unsigned_abs()))?])?];
    for kind in OTHER_TYPES.into_iter().filter(|kind| *kind != SEQUENCED) {
        rules.push(rule(&[kind_of(1, kind)?])?);
    }
    Ok(rules)
}

fn kind_of(index: u8, kind: u64) -> Result<SeccompCondition, String> {
    condition(index, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)
}

fn flag(index: u8, value: u64) -> Result<SeccompCondition, String> {
    condition(index, SeccompCmpOp::MaskedEq(value), value)
}

fn not(index: u8, value: u64) -> Result<SeccompCondition, String> {
    condition(index, SeccompCmpOp::Ne, value)
}

fn condition(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value).map_err(text)
}

fn rule(conditions: &[SeccompCondition]) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions.to_vec()).map_err(text)
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

/// Restricts this process and whatever it becomes.
pub(super) fn restrict(level: SandboxLevel, has_port: bool) -> Result<(), String> {
    for program in programs(level, has_port)? {
        seccompiler::apply_filter(&program).map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_made_of_every_level_with_and_without_a_port() {
        assert_eq!(programs(SandboxLevel::None, false).unwrap().len(), 0);
        assert_eq!(programs(SandboxLevel::Workspace, true).unwrap().len(), 1);
        let with = programs(SandboxLevel::Strict, true).unwrap();
        let without = programs(SandboxLevel::Strict, false).unwrap();
        assert!(with[1].len() > without[1].len() && without[1].len() > NEVER.len());
        assert_eq!((with.len(), without.len()), (4, 4));
    }
}
