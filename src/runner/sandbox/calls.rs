//! System calls that a strict program cannot make, by seccomp: those by which it would reach the
//! network past Landlock, which knows TCP ports only, and those that no tool needs.

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// The type of a socket is in its lower four bits.
const TYPE_MASK: u64 = 0xf;
/// Types of sockets, from datagrams on; a stream is 1.
const OTHER_TYPES: [u64; 9] = [0, 2, 3, 4, 5, 6, 7, 8, 10];
/// TCP Fast Open connects by sending, which Landlock does not see.
const FAST_OPEN: u64 = 0x2000_0000;
/// The second numbering of system calls on `x86_64`.
const X32: i64 = 0x4000_0000;

/// Never needed, and each a way around: rings make sockets without the call, keys outlive a run,
/// handles open files without a path.
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
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filter. `has_port`: TCP may be spoken, and Landlock says to whom.
pub(super) fn program(has_port: bool) -> Result<BpfProgram, String> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(text)?;
    let mut rules: Rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    if has_port {
        rules.insert(libc::SYS_socket, sockets()?);
        rules.insert(libc::SYS_sendto, vec![rule(&[flag(3, FAST_OPEN)?])?]);
        rules.insert(libc::SYS_sendmsg, vec![rule(&[flag(2, FAST_OPEN)?])?]);
        rules.insert(libc::SYS_sendmmsg, vec![rule(&[flag(3, FAST_OPEN)?])?]);
    } else {
        rules.insert(libc::SYS_socket, Vec::new());
    }
    if arch == TargetArch::x86_64 {
        let again: Rules = rules.iter().map(|(call, rule)| (call | X32, rule.clone())).collect();
        rules.extend(again);
    }
    let denied = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, arch).map_err(text)?;
    filter.try_into().map_err(text::<seccompiler::BackendError>)
}

/// Denied are sockets of any family but the internet's, of any type but streams, of any protocol but
/// TCP.
fn sockets() -> Result<Vec<SeccompRule>, String> {
    let not = |index, value: libc::c_int| {
        condition(index, SeccompCmpOp::Ne, u64::from(value.unsigned_abs()))
    };
    let mut rules = vec![
        rule(&[not(0, libc::AF_INET)?, not(0, libc::AF_INET6)?])?,
        rule(&[not(2, 0)?, not(2, libc::IPPROTO_TCP)?])?,
    ];
    for kind in OTHER_TYPES {
        rules.push(rule(&[condition(1, SeccompCmpOp::MaskedEq(TYPE_MASK), kind)?])?);
    }
    Ok(rules)
}

fn flag(index: u8, value: u64) -> Result<SeccompCondition, String> {
    condition(index, SeccompCmpOp::MaskedEq(value), value)
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
pub(super) fn restrict(has_port: bool) -> Result<(), String> {
    let program = program(has_port)?;
    seccompiler::apply_filter(&program).map_err(|error| format!("seccomp: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_made_with_and_without_a_port() {
        let (with, without) = (program(true).unwrap(), program(false).unwrap());
        assert!(with.len() > without.len() && without.len() > NEVER.len());
    }
}
