//! What can be typed after `rota board`.

use crate::app::house::{Direction, TransferOptions};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `rota board …`.
#[derive(Debug, Subcommand)]
pub enum BoardCommand {
    /// Copy what is on another board onto this one
    ///
    /// Broken off, the same command goes on where it stopped; later it copies what is new or changed.
    /// What people changed on this board meanwhile stays, and nothing is removed.
    #[command(after_help = "Examples:\n  rota board import leantime.toml --dry-run\n  \
                            rota board import backup/board.sqlite --project Website")]
    Import(TransferArgs),
    /// Copy what is on this board onto another one
    ///
    /// Broken off, the same command goes on where it stopped; later it copies what is new or changed.
    /// What people changed on that board meanwhile stays, and nothing is removed.
    #[command(after_help = "Examples:\n  rota board export leantime.toml --dry-run\n  \
                            rota board export leantime.toml --project Website --add-people")]
    Export(TransferArgs),
}

/// Which board, and what of it.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The other board: a .toml file whose `[board]` (and `[people] me`) says where it is, or a
    /// board's own SQLite file
    #[arg(value_name = "OTHER", value_hint = ValueHint::FilePath)]
    pub other: PathBuf,
    /// Only this project, by name or id; may be given several times
    #[arg(long = "project", value_name = "PROJECT")]
    pub projects: Vec<String>,
    /// Add people who are not there, with at most the role editor
    #[arg(long)]
    pub add_people: bool,
    /// Only say what would be copied
    #[arg(long)]
    pub dry_run: bool,
}

impl BoardCommand {
    /// What the house is asked to do.
    pub fn options(&self) -> TransferOptions {
        let (direction, args) = match self {
            Self::Import(args) => (Direction::Import, args),
            Self::Export(args) => (Direction::Export, args),
        };
        TransferOptions {
            direction,
            other: args.other.clone(),
            projects: args.projects.clone(),
            adds_people: args.add_people,
            dry_run: args.dry_run,
        }
    }
}
