//! Files, TCP ports and signals, by Landlock.

use super::Confinement;
use crate::domain::SandboxLevel;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

/// What every program may read: the system's programs and libraries, and what they look up. Not
/// `/etc` as a whole: services keep their secrets there.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/fonts",
    "/etc/gitconfig",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
];

/// Devices that every program may read and write.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What may be asked of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Files, truncation included.
    Files,
    /// TCP ports.
    Ports,
    /// Signals.
    Signals,
}

/// Whether this kernel can do that.
pub(super) fn is_there(wanted: Wanted) -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = match wanted {
        Wanted::Files => ruleset.handle_access(AccessFs::from_all(ABI::V3)),
        Wanted::Ports => ruleset.handle_access(AccessNet::from_all(ABI::V4)),
        Wanted::Signals => ruleset.scope(Scope::from_all(ABI::V6)),
    };
    ruleset.and_then(Ruleset::create).is_ok()
}

/// Restricts this process and whatever it becomes.
pub(super) fn restrict(confinement: &Confinement) -> Result<(), String> {
    let status = ruleset(confinement)
        .and_then(|ruleset| rules(ruleset, confinement))
        .and_then(RulesetCreated::restrict_self)
        .map_err(|error| format!("Landlock: {error}"))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err("Landlock did not take effect".to_owned());
    }
    Ok(())
}

/// What is forbidden unless a rule allows it: what is promised must be there, what is more than
/// that is taken where the kernel has it.
fn ruleset(confinement: &Confinement) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?;
    if confinement.level == SandboxLevel::Strict {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V9))?
        .scope(Scope::from_all(ABI::V6))?
        .create()
}

/// Devices and sockets are made nowhere: a device that a privileged program made in its own folder
/// would lead out of it.
fn own() -> BitFlags<AccessFs> {
    AccessFs::from_all(ABI::V9) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock)
}

fn rules(
    ruleset: RulesetCreated,
    confinement: &Confinement,
) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::from_read(ABI::V9);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut ruleset = ruleset
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(&confinement.read, read))?
        .add_rules(path_beneath_rules(&confinement.write, own()))?;
    // Elsewhere the network is as it is.
    let is_strict = confinement.level == SandboxLevel::Strict;
    for port in confinement.ports.iter().filter(|_| is_strict) {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset)
}
