//! Workspaces as `rota.toml` describes them, and what of the environment programs may be given.

use crate::app::house::{Finding, Health};
use crate::config::Config;
use crate::domain::SandboxLevel;
use crate::runner::Workspaces;
use crate::runner::sandbox::{Ability, NETWORK_ADVICE, ability, limits::ResourceLimits};
use crate::runner::workspace::Options;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Variables of these beginnings are ours or the board's, whoever configured them.
const OURS: [&str; 3] = ["ROTA_", "LEANTIME_", "MCP_"];

/// This very program, also when its file has been replaced meanwhile.
const EXE: &str = "/proc/self/exe";

/// The workspaces below a folder.
pub(super) fn workspaces(
    root: PathBuf,
    config: &Config,
    environment: &BTreeMap<String, String>,
) -> Arc<Workspaces> {
    let asked = &config.workspaces;
    let limits = ResourceLimits {
        memory_bytes_max: asked.memory_bytes_max,
        cpu: asked.cpu,
        processes_max: asked.processes_max,
        open_files_max: asked.open_files_max,
        file_bytes_max: asked.file_bytes_max,
    };
    let options = Options {
        bytes_max: asked.bytes_max,
        limits,
        repositories: asked.repositories.clone(),
        read: asked.read.clone(),
        write: asked.write.clone(),
        exe: EXE.to_owned(),
        environment: environment.clone(),
    };
    Arc::new(Workspaces::new(root, options))
}

/// The environment without what `rota.toml` takes secrets from, and without our own variables: no
/// playbook can name them for a program.
pub(super) fn without_secrets(
    mut environment: BTreeMap<String, String>,
    config: &Config,
) -> BTreeMap<String, String> {
    environment.retain(|name, _| {
        !config.secret_names.contains(name) && !OURS.iter().any(|start| name.starts_with(start))
    });
    environment
}

/// What `without_secrets` takes out, by name or, with a star, by how it begins.
pub(super) fn withheld(config: &Config) -> BTreeSet<String> {
    let ours = OURS.iter().map(|start| format!("{start}*"));
    config.secret_names.iter().cloned().chain(ours).collect()
}

/// What the sandbox can do on this machine.
pub(super) fn examine() -> Finding {
    let is_root = nix::unistd::Uid::effective().is_root();
    let (health, found, advice) = match ability(EXE) {
        Ability::All { no_network: Some(why), .. } => (
            Health::Warn,
            format!("strict, but without `hosts` and the run's tools: {why}"),
            NETWORK_ADVICE,
        ),
        Ability::All { .. } if is_root => (
            Health::Warn,
            "strict: files, network, other processes; but the daemon runs as root".to_owned(),
            "run it as a user of its own: limits of processes do not hold for root",
        ),
        Ability::All { no_mounts: Some(why), .. } => (
            Health::Warn,
            format!("strict, but programs can change modes of this user's other files: {why}"),
            NETWORK_ADVICE,
        ),
        Ability::All { signals: true, .. } => {
            (Health::Ok, "strict: files, network, other processes".to_owned(), "")
        }
        Ability::All { signals: false, .. } => (
            Health::Warn,
            "strict: files and network; programs can signal other processes of this user"
                .to_owned(),
            "Linux 6.12 keeps signals in",
        ),
        Ability::Less { level: SandboxLevel::None, why } => {
            (Health::Warn, why, "playbooks with a sandbox are refused here")
        }
        Ability::Less { level, why } => (
            Health::Warn,
            format!("{level} at most: {why}"),
            "playbooks with the sandbox strict are refused here",
        ),
    };
    super::doctor::finding("sandbox", health, found, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_secrets_are_read_from_is_given_to_no_program() {
        let names = ["PATH", "HOOK", "LEANTIME_API_KEY", "ROTA_STATE", "MCP_X", "MY_TOOL"];
        let environment = names.map(|name| (name.to_owned(), "x".to_owned())).into();
        let config = Config { secret_names: ["HOOK".to_owned()].into(), ..Config::default() };
        let left: Vec<String> = without_secrets(environment, &config).into_keys().collect();
        assert_eq!(left, ["MY_TOOL", "PATH"]);
    }
}
