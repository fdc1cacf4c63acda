//! What can be typed after `rota service`.

use clap::{Args, Subcommand};

/// `rota service …`.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Write the unit of a systemd service and start it
    ///
    /// A user's own service, or the system's with --system. It runs this program with the --config and
    /// --state given here, restarts after a failure, and may write nothing but its state folder.
    #[command(after_help = "Examples:\n  rota service install --dry-run\n  \
                            rota --state /var/lib/rota --config /etc/rota/rota.toml service install \
                            --system --run-as rota")]
    Install(InstallArgs),
    /// Stop the service and remove its unit; state stays
    #[command(after_help = "Example:\n  rota service uninstall")]
    Uninstall(WhichArgs),
    /// Whether there is a unit, whether it is as this program writes it, and whether it runs
    #[command(after_help = "Example:\n  rota service status --json")]
    Status(WhichArgs),
}

/// Which service.
#[derive(Clone, Copy, Debug, Args)]
pub struct WhichArgs {
    /// The system's service, not the user's own
    #[arg(long)]
    pub system: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// How it is installed.
#[derive(Clone, Debug, Args)]
pub struct InstallArgs {
    /// Which service.
    #[command(flatten)]
    pub which: WhichArgs,
    /// The user it runs as; only of the system's service, and needed there
    #[arg(long, value_name = "USER", requires = "system")]
    pub run_as: Option<String>,
}
