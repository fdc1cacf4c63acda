//! What can be typed after `rota migrate`.

use crate::app::failure::Failure;
use crate::app::house::{MigrateOptions, MoveTo};
use crate::cli::environment;
use clap::Args;
use secrecy::SecretString;
use std::fmt;

/// Where to, and how.
#[derive(Args)]
pub struct MigrateArgs {
    /// postgres://USER@HOST:PORT/DATABASE, several hosts with commas; `postgres`: the address in
    /// `ROTA_POSTGRES_URL`; or `embedded`: back into the state folder
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
            "postgres" => {
                let url = environment::postgres_url().ok_or_else(|| {
                    Failure::usage("--to postgres takes the address from ROTA_POSTGRES_URL")
                        .hint("set it, or write `rota migrate --to postgres://USER@HOST/DATABASE`")
                })?;
                self.server(url)
            }
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                self.server(SecretString::from(url.to_owned()))
            }
            // What was typed may hold a password.
            _ => {
                return Err(Failure::usage("--to takes postgres://… or embedded")
                    .hint("write `rota migrate --to postgres://USER@HOST/DATABASE`"));
            }
        };
        Ok(MigrateOptions { to, dry_run: self.dry_run })
    }

    fn server(&self, url: SecretString) -> MoveTo {
        MoveTo::Postgres { url, schema: self.schema.clone(), plain: self.plain }
    }

    /// Whether a password was typed, for everybody on this machine to see.
    pub fn shows_password(&self) -> bool {
        let Some((_, rest)) = self.to.split_once("://") else { return false };
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || rest.contains("password=")
    }
}

/// What was typed may hold a password.
impl fmt::Debug for MigrateArgs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MigrateArgs")
            .field("schema", &self.schema)
            .field("plain", &self.plain)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_was_typed_is_noticed_and_not_shown() {
        let args = |to: &str| MigrateArgs {
            to: to.to_owned(),
            schema: "rota".to_owned(),
            plain: false,
            dry_run: false,
        };
        for open in ["embedded", "postgres", "postgres://u@h:5433,h2:5434/d", "postgres://h:1/d"] {
            assert!(!args(open).shows_password(), "{open}");
        }
        for shown in ["postgres://u:SECRET@h/d", "postgres://u@h/d?password=SECRET"] {
            assert!(args(shown).shows_password(), "{shown}");
            assert!(!format!("{:?}", args(shown)).contains("SECRET"), "{shown}");
        }
    }
}
