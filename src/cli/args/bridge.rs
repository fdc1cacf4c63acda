//! `rota bridge`: the options and variables of Leantime's Node bridge, and ours.

use crate::app::failure::Failure;
use crate::cli::environment;
use crate::mcp::bridge::{Auth, Options};
use clap::{Args, ValueHint};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::PathBuf;
use std::time::Duration;

/// The longest file with a token.
const TOKEN_FILE_BYTES_MAX: usize = 4_096;

/// The longest file of certificates.
const CA_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `rota bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The server's address [env: `LEANTIME_SERVER_URL`, `ROTA_URL`]
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,
    #[command(flatten)]
    way: WayArgs,
    /// How often a message is sent again where that is safe
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=20))]
    max_retries: u32,
    /// The first wait before that, in milliseconds; doubled each time
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(..=60_000))]
    retry_delay: u64,
    /// Taken and not used: host and server agree on the revision
    #[arg(long, value_name = "VERSION", hide = true)]
    protocol_version: Option<String>,
    /// Taken and not used: nothing is kept
    #[arg(long, hide = true)]
    no_cache: bool,
}

/// `rota doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The address of an MCP server to look at, instead of this machine
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    url: Option<String>,
    /// Ask each model of rota.toml for a word, which costs what a word costs
    #[arg(long, conflicts_with = "url")]
    ask_models: bool,
    #[command(flatten)]
    way: WayArgs,
}

/// How a server is spoken to.
#[derive(Debug, Args)]
struct WayArgs {
    /// The token [env: `LEANTIME_API_TOKEN`, `ROTA_TOKEN`] [default: none is sent]
    ///
    /// A token that stands here is seen by every user of this machine; the variable or a file is not.
    #[arg(long, value_name = "TOKEN")]
    token: Option<SecretString>,
    /// A file that holds the token; it wins over the variables
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// How the token is sent: Bearer or Token (Authorization), X-API-Key or `ApiKey`
    #[arg(long, value_name = "METHOD", default_value = "Bearer", value_parser = auth)]
    auth_method: Auth,
    /// Certificates (PEM) of authorities that are trusted beside the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Do not check the server's certificate [env: `NODE_TLS_REJECT_UNAUTHORIZED=0`]
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// `Bearer`, `Token`, `ApiKey`, `X-API-Key`, however written.
fn auth(text: &str) -> Result<Auth, String> {
    match text.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Ok(Auth::Bearer),
        "apikey" | "x-api-key" => Ok(Auth::ApiKey),
        _ => Err("expected Bearer, Token, ApiKey or X-API-Key".to_owned()),
    }
}

impl BridgeArgs {
    /// What was typed, and what the environment says where nothing was.
    ///
    /// # Errors
    /// A usage failure, when there is no address, a file cannot be read, or a token is given and empty.
    pub fn options(&self) -> Result<Options, Failure> {
        let url = self.url.clone().filter(|url| !url.trim().is_empty());
        let url = url.or_else(environment::server_url).ok_or_else(|| {
            Failure::usage("the server's URL is missing")
                .hint("give one, such as http://127.0.0.1:3001/mcp, or set LEANTIME_SERVER_URL")
        })?;
        let retry_delay = Duration::from_millis(self.retry_delay);
        self.way.options(&url, self.max_retries, retry_delay)
    }
}

impl DoctorArgs {
    /// Whether models are asked, and not only looked at.
    pub fn asks_models(&self) -> bool {
        self.ask_models
    }

    /// The server to look at; none: this machine.
    ///
    /// # Errors
    /// A usage failure, when a file cannot be read, a token is given and empty, or is given for no server.
    pub fn options(&self) -> Result<Option<Options>, Failure> {
        let Some(url) = &self.url else {
            return if self.way.is_said() {
                Err(Failure::usage("a token or certificate is for a server: give its URL"))
            } else {
                Ok(None)
            };
        };
        // A look shows what is; it does not wait for it to get better.
        self.way.options(url, 0, Duration::ZERO).map(Some)
    }
}

impl WayArgs {
    fn is_said(&self) -> bool {
        self.token.is_some() || self.token_file.is_some() || self.ca.is_some() || self.insecure
    }

    fn options(
        &self,
        url: &str,
        retries_max: u32,
        retry_delay: Duration,
    ) -> Result<Options, Failure> {
        let ca = self.ca.as_ref().map(|file| {
            crate::fault::read_text(file, CA_FILE_BYTES_MAX)
                .map(String::into_bytes)
                .map_err(|message| Failure::usage(format!("{}: {message}", file.display())))
        });
        Ok(Options {
            url: url.trim().to_owned(),
            token: self.token()?,
            auth: self.auth_method,
            ca: ca.transpose()?,
            insecure: self.insecure || self.ca.is_none() && environment::node_trusts_anybody(),
            logs_troubles: true,
            retries_max,
            retry_delay,
        })
    }

    fn token(&self) -> Result<Option<SecretString>, Failure> {
        let (whence, given) = match (&self.token, &self.token_file) {
            (Some(token), _) => ("--token".to_owned(), token.clone()),
            (None, Some(file)) => {
                let text = crate::fault::read_text(file, TOKEN_FILE_BYTES_MAX)
                    .map_err(|message| Failure::usage(format!("{}: {message}", file.display())))?;
                (format!("the token in {}", file.display()), SecretString::from(text))
            }
            (None, None) => match environment::server_token() {
                Some((name, token)) => (name.to_owned(), token),
                None => return Ok(None),
            },
        };
        let token = given.expose_secret().trim();
        if token.is_empty() {
            return Err(Failure::usage(format!("{whence} is given but empty")));
        }
        Ok(Some(SecretString::from(token)))
    }
}
