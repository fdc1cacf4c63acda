//! The text of the systemd unit, hardened: the daemon may write its state folder and nothing else.
//!
//! What is left out, and why: `MemoryDenyWriteExecute` (agents in Node.js compile as they run),
//! `RestrictNamespaces` (the sandbox of workspaces makes a network namespace), `PrivateUsers` (it too).

use std::path::PathBuf;

/// The unit's name.
pub const NAME: &str = "rota.service";
/// A daemon that handles no event for so long is started anew, and so long it may take to become ready. A
/// board that lets few requests pass holds each of a look for up to three minutes.
const PATIENCE: &str = "15min";
/// The file beside the configuration that holds secrets for the daemon's environment, where there is one.
pub const SECRETS: &str = "rota.env";
/// What [`Unit::text`] begins with; by it a unit is known to be ours.
pub const HEAD: &str =
    "# Written by `rota service install`; `rota service uninstall` removes it.\n";

/// What the unit starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// This program, absolute.
    pub program: PathBuf,
    /// The configuration, absolute, if there is one.
    pub config: Option<PathBuf>,
    /// The state folder, absolute.
    pub state: PathBuf,
    /// Where relative paths of the configuration begin.
    pub folder: PathBuf,
    /// Folders beside the state folder that the configuration has it write to, absolute.
    pub written: Vec<PathBuf>,
    /// The user, of the system's service.
    pub run_as: Option<String>,
}

impl Unit {
    /// The unit's text; what is wrong with a path, if it cannot be written into one.
    pub fn text(&self) -> Result<String, String> {
        let mut words = vec![quoted(&self.program.to_string_lossy())?];
        if let Some(config) = &self.config {
            words.extend(["--config".to_owned(), quoted(&config.to_string_lossy())?]);
        }
        words.extend(["--state".to_owned(), quoted(&self.state.to_string_lossy())?]);
        words.push("serve".to_owned());
        let command = words.join(" ");
        let folder = escaped(&self.folder.to_string_lossy())?;
        let secrets = escaped(&self.folder.join(SECRETS).to_string_lossy())?;
        let written = [&self.state].into_iter().chain(&self.written);
        let written =
            written.map(|path| in_list(&path.to_string_lossy())).collect::<Result<Vec<_>, _>>()?;
        let written = written.join(" ");
        let (user, target) = match &self.run_as {
            Some(user) => (format!("User={}\n", escaped(user)?), "multi-user.target"),
            None => (String::new(), "default.target"),
        };
        // Of a user's own service the manager itself has no rights to take away.
        let system = if self.run_as.is_some() { SYSTEM } else { "" };
        Ok(format!(
            "{HEAD}[Unit]\n\
             Description=Rota: AI agents beside people on a project board\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             \n\
             [Service]\n\
             Type=notify\n\
             ExecStart={command}\n\
             ExecReload=/bin/kill -HUP $MAINPID\n\
             WorkingDirectory={folder}\n\
             # Secrets that rota.toml and playbooks name: NAME=value, a line each, mode 0600.\n\
             EnvironmentFile=-{secrets}\n\
             {user}\
             Restart=on-failure\n\
             RestartSec=5\n\
             # Typed wrongly, or a faulty configuration: it would end the same way again.\n\
             RestartPreventExitStatus=2 3\n\
             WatchdogSec={PATIENCE}\n\
             TimeoutStartSec={PATIENCE}\n\
             # Runs come to an end first ([daemon] drain).\n\
             TimeoutStopSec=10min\n\
             KillMode=mixed\n\
             UMask=0077\n\
             NoNewPrivileges=yes\n\
             ProtectSystem=strict\n\
             ReadWritePaths={written}\n\
             PrivateTmp=yes\n\
             LockPersonality=yes\n\
             RestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\n\
             RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\n\
             SystemCallArchitectures=native\n\
             {system}\
             \n\
             [Install]\n\
             WantedBy={target}\n"
        ))
    }
}

/// What only the system's manager can take away.
const SYSTEM: &str = "CapabilityBoundingSet=\nAmbientCapabilities=\nProtectHome=read-only\n\
                      PrivateDevices=yes\nProtectClock=yes\nProtectControlGroups=yes\n\
                      ProtectHostname=yes\nProtectKernelLogs=yes\nProtectKernelModules=yes\n\
                      ProtectKernelTunables=yes\n";

/// A value that systemd reads as it is: `%` begins a specifier, and a line is a line.
fn escaped(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{text:?} cannot be written into a unit: it has a control character"));
    }
    Ok(text.replace('%', "%%"))
}

/// One word of a command line: `$` would be a variable.
fn quoted(text: &str) -> Result<String, String> {
    Ok(in_list(text)?.replace('$', "$$"))
}

/// One of a list of paths.
fn in_list(text: &str) -> Result<String, String> {
    let text = escaped(text)?.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        Unit {
            program: "/usr/local/bin/rota".into(),
            config: Some("/srv/our team/rota.toml".into()),
            state: "/srv/100%/\"state\"".into(),
            folder: "/srv/our team".into(),
            written: vec!["/srv/$boards".into()],
            run_as: None,
        }
    }

    #[test]
    fn paths_reach_the_program_as_they_are() {
        let text = unit().text().unwrap();
        let command = "ExecStart=\"/usr/local/bin/rota\" --config \"/srv/our team/rota.toml\" --state \
                       \"/srv/100%%/\\\"state\\\"\" serve\n";
        assert!(text.contains(command), "{text}");
        assert!(text.contains("WorkingDirectory=/srv/our team\n"), "{text}");
        let written = "ReadWritePaths=\"/srv/100%%/\\\"state\\\"\" \"/srv/$boards\"\n";
        assert!(text.contains(written), "{text}");
        assert!(text.contains("EnvironmentFile=-/srv/our team/rota.env\n"), "{text}");
        assert!(!text.contains("User=") && text.contains("WantedBy=default.target"), "{text}");
        assert!(Unit { state: "/srv/a\nExecStartPre=/bin/evil".into(), ..unit() }.text().is_err());
    }

    #[test]
    fn the_systems_service_has_a_user_and_fewer_rights() {
        let text = Unit { run_as: Some("rota".to_owned()), ..unit() }.text().unwrap();
        for line in ["User=rota\n", "CapabilityBoundingSet=\n", "WantedBy=multi-user.target\n"] {
            assert!(text.contains(line), "{line} {text}");
        }
    }
}
