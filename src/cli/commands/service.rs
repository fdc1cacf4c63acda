//! `rota service`: the daemon as a systemd service.

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::cli::args::service::{InstallArgs, ServiceCommand, WhichArgs};
use crate::cli::environment::user_units;
use crate::cli::page::{Page, Style};
use crate::cli::unit::{HEAD, NAME, Unit};
use crate::runner::process::{Told, told_by};
use serde_json::json;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the units of the system are.
const SYSTEM_UNITS: &str = "/etc/systemd/system";

/// What a command does with the manager, in this order.
const START: [&[&str]; 2] = [&["daemon-reload"], &["enable", "--now", NAME]];
const STOP: [&[&str]; 1] = [&["disable", "--now", NAME]];
const AFTER: [&[&str]; 1] = [&["daemon-reload"]];

impl Session<'_> {
    /// `rota service …`.
    pub(super) async fn service(&self, command: &ServiceCommand) -> Result<u8, Failure> {
        match command {
            ServiceCommand::Install(args) => self.install(args).await,
            ServiceCommand::Uninstall(which) => self.uninstall(*which).await,
            ServiceCommand::Status(which) => self.service_status(*which).await,
        }
    }

    async fn install(&self, args: &InstallArgs) -> Result<u8, Failure> {
        let which = args.which;
        if which.system && args.run_as.is_none() {
            return Err(Failure::usage("the system's service needs a user: --run-as USER")
                .hint("one that owns the state folder and is nobody else, e.g. `rota`"));
        }
        let unit = self.unit(args.run_as.clone())?;
        let text = unit.text().map_err(Failure::usage)?;
        let path = path(which)?;
        let there = read(&path)?;
        if let Some(there) = &there
            && !there.starts_with(HEAD)
        {
            return Err(Failure::new(
                FailureKind::Refused,
                format!("{} is there, and `rota service install` did not write it", path.display()),
            )
            .hint("move it away, or change it by hand"));
        }
        if which.dry_run {
            let mut page = Page::new();
            page.line(Style::Dim, &format!("# {}", path.display())).gap();
            for line in text.lines() {
                page.line(Style::Plain, line);
            }
            page.gap().line(Style::Bold, "then:");
            if !unit.state.exists() {
                let owner =
                    unit.run_as.as_ref().map(|user| format!("-o {user} ")).unwrap_or_default();
                let made = format!("  install -d -m 0700 {owner}{}", unit.state.display());
                page.line(Style::Plain, &made);
            }
            for words in START {
                page.line(Style::Plain, &format!("  {}", typed(which, words)));
            }
            let document = json!({ "path": path, "unit": text, "written": false });
            self.output.result(&document, &page)?;
            return Ok(0);
        }
        let made = make_state(&unit)?;
        write(&path, &text)?;
        let mut page = Page::new();
        if made {
            page.line(Style::Good, "made")
                .add(Style::Plain, &format!("  {}", unit.state.display()));
        }
        page.line(Style::Good, "wrote").add(Style::Plain, &format!(" {}", path.display()));
        let left = manage(which, &START, &mut page).await;
        let document = json!({ "path": path, "unit": text, "written": true, "left_to_do": left });
        self.output.result(&document, &page)?;
        Ok(0)
    }

    async fn uninstall(&self, which: WhichArgs) -> Result<u8, Failure> {
        let path = path(which)?;
        let mut page = Page::new();
        match read(&path)? {
            None => {
                page.line(Style::Plain, &format!("there is no {}", path.display()));
                self.output.result(&json!({ "path": path, "removed": false }), &page)?;
                return Ok(0);
            }
            Some(there) if !there.starts_with(HEAD) => {
                let message =
                    format!("{} was not written by `rota service install`", path.display());
                return Err(Failure::new(FailureKind::Refused, message).hint("remove it by hand"));
            }
            Some(_) => {}
        }
        if which.dry_run {
            page.line(Style::Plain, &format!("would stop it and remove {}", path.display()));
            self.output.result(&json!({ "path": path, "removed": false }), &page)?;
            return Ok(0);
        }
        let mut left = manage(which, &STOP, &mut page).await;
        std::fs::remove_file(&path).map_err(|error| unwritten(&path, &error))?;
        page.line(Style::Good, "removed").add(Style::Plain, &format!(" {}", path.display()));
        left.extend(manage(which, &AFTER, &mut page).await);
        let document = json!({ "path": path, "removed": true, "left_to_do": left });
        self.output.result(&document, &page)?;
        Ok(0)
    }

    async fn service_status(&self, which: WhichArgs) -> Result<u8, Failure> {
        let path = path(which)?;
        let there = read(&path)?;
        let is_installed = there.is_some();
        // Who it runs as is no difference: that was typed then.
        let user = there.as_deref().and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("User=")).map(str::to_owned)
        });
        let expected = self.unit(user)?.text().map_err(Failure::usage)?;
        let is_same = there.as_deref() == Some(expected.as_str());
        let told = told_by("systemctl", &words(which, &["is-active", NAME])).await.ok();
        let state = told.map_or_else(|| "unknown".to_owned(), |told| told.text);
        let mut page = Page::new();
        let said = match (is_installed, is_same) {
            (false, _) => "not installed",
            (true, true) => "installed",
            (true, false) => "installed, otherwise than this program with these options would",
        };
        page.line(Style::Plain, &format!("{}: {said}", path.display()));
        page.line(Style::Plain, &format!("state: {state}"));
        let document = json!({
            "path": path, "installed": is_installed, "as_written": is_same, "state": state,
        });
        self.output.result(&document, &page)?;
        Ok(if is_installed { 0 } else { FailureKind::Refused.exit_code() })
    }

    fn unit(&self, run_as: Option<String>) -> Result<Unit, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| Failure::internal("this folder has no path").because(&error))
        };
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal("this program has no path").because(&error))?;
        let config = match &self.place.config {
            Some(config) => Some(absolute(config)?),
            None => Some(absolute(Path::new("rota.toml"))?).filter(|path| path.exists()),
        };
        let state = absolute(&self.place.state)?;
        // Not where it is typed: that may be closed to whoever the service runs as.
        let folder = config.as_deref().and_then(Path::parent).unwrap_or(&state).to_owned();
        let written = self.house.written(&self.place)?;
        Ok(Unit { program, config, state, folder, written, run_as })
    }
}

/// Makes the state folder, for nobody but whoever the service runs as: the service may make nothing
/// outside. Whether it was not there.
fn make_state(unit: &Unit) -> Result<bool, Failure> {
    use std::os::unix::fs::{DirBuilderExt as _, chown};
    if unit.state.exists() {
        return Ok(false);
    }
    let owner = match &unit.run_as {
        None => None,
        Some(name) => match nix::unistd::User::from_name(name) {
            Ok(Some(user)) => Some((user.uid.as_raw(), user.gid.as_raw())),
            _ => {
                return Err(Failure::usage(format!("there is no user {name} on this machine"))
                    .hint("make one first: useradd --system --shell /usr/sbin/nologin NAME"));
            }
        },
    };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&unit.state);
    let made = made.and_then(|()| match owner {
        Some((user, group)) => chown(&unit.state, Some(user), Some(group)),
        None => Ok(()),
    });
    made.map(|()| true).map_err(|error| unwritten(&unit.state, &error))
}

fn path(which: WhichArgs) -> Result<PathBuf, Failure> {
    let folder = if which.system { Some(PathBuf::from(SYSTEM_UNITS)) } else { user_units() };
    let folder = folder.ok_or_else(|| {
        Failure::usage(
            "where your own units are is not known: neither XDG_CONFIG_HOME nor HOME is set",
        )
    })?;
    Ok(folder.join(NAME))
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unwritten(path, &error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let temporary = path.with_extension("service.tmp");
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        std::fs::write(&temporary, text)?;
        std::fs::rename(&temporary, path)
    });
    written.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::io(
        FailureKind::Refused,
        format!("{} cannot be read or written", path.display()),
        error,
    );
    if error.kind() == ErrorKind::PermissionDenied {
        return failure.hint("the system's service takes its administrator: use sudo");
    }
    failure
}

/// Asks the manager for one thing after the other; what is left for whoever types, where it cannot be
/// asked or does not do it.
async fn manage(which: WhichArgs, asked: &[&[&str]], page: &mut Page) -> Vec<String> {
    let mut left = Vec::new();
    for words_of_it in asked {
        let command = typed(which, words_of_it);
        let why = match told_by("systemctl", &words(which, words_of_it)).await {
            Ok(Told { is_well: true, .. }) => {
                page.line(Style::Good, "did").add(Style::Plain, &format!("  {command}"));
                continue;
            }
            Ok(told) => told.text,
            Err(error) => error.to_string(),
        };
        page.line(Style::Warn, "left").add(Style::Plain, &format!(" {command}  ({why})"));
        left.push(command);
    }
    left
}

fn words(which: WhichArgs, asked: &[&str]) -> Vec<String> {
    let scope = if which.system { "--system" } else { "--user" };
    let all = [scope, "--no-ask-password"].into_iter().chain(asked.iter().copied());
    all.map(str::to_owned).collect()
}

fn typed(which: WhichArgs, asked: &[&str]) -> String {
    let scope = if which.system { "" } else { "--user " };
    format!("systemctl {scope}{}", asked.join(" "))
}
