//! What can be typed after `rota migrate`.

use crate::app::failure::Failure;
use crate::app::house::{MigrateOptions, MoveTo};
use clap::Args;
use secrecy::SecretString;

/// Where to, and how.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// postgres://USER@HOST:PORT/DATABASE, several hosts with commas; or `embedded`: back into the
    /// state folder
    #[arg(long, value_name = "WHERE")]
    pub to: String,
    /// The schema there, which is made if it is not there
    #[arg(long, value_name = "NAME", default_value = crate::config::DEFAULT_SCHEMA)]
    pub schema: String,
    /// Reach another machine without TLS
    #[arg(long)]
    pub plain: bool,
    /// Only say what would be moved
    #[arg(long)]
    pub dry_run: bool,
}

impl MigrateArgs {
    /// What the house is asked to do.
    ///
    /// # Errors
    /// When it is not said where to.
    pub fn options(&self) -> Result<MigrateOptions, Failure> {
        let to = match self.to.as_str() {
            "embedded" => MoveTo::Embedded,
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                MoveTo::Postgres {
                    url: SecretString::from(url.to_owned()),
                    schema: self.schema.clone(),
                    plain: self.plain,
                }
            }
            // What was typed may hold a password.
            _ => {
                return Err(Failure::usage("--to takes postgres://… or embedded")
                    .hint("write `rota migrate --to postgres://USER@HOST/DATABASE`"));
            }
        };
        Ok(MigrateOptions { to, dry_run: self.dry_run })
    }
}
