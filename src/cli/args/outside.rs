//! Commands about clients from outside: tokens, and the MCP server at a pipe.

use crate::app::failure::Failure;
use crate::app::house::Need;
use crate::cli::call::{Args as CallArgs, Call, View, number_or_name};
use crate::cli::detail;
use crate::cli::environment;
use crate::cli::page::{Page, Style};
use crate::daemon::control::OPEN_PAGES;
use crate::domain::Value;
use clap::{Args, Subcommand, ValueHint};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The longest file with a token.
const TOKEN_FILE_BYTES_MAX: usize = 4_096;

/// `rota mcp`.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// Whose rights hold [env: `ROTA_TOKEN`] [default: those of whoever starts it]
    ///
    /// A token that stands here is seen by every user of this machine; the variable or a file is not.
    #[arg(long, value_name = "TOKEN")]
    token: Option<SecretString>,
    /// A file that holds the token; it wins over the variable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Only these toolsets, joined by commas; readonly leaves out what changes anything
    #[arg(long, value_name = "NAMES", default_value = "all")]
    pub toolsets: String,
}

impl McpArgs {
    /// The token, as typed, from the environment, or from its file.
    ///
    /// # Errors
    /// A usage failure, when the file cannot be read, or the token is empty: silence would give all
    /// the rights of whoever starts it.
    pub fn token(&self) -> Result<Option<SecretString>, Failure> {
        let (whence, given) = match (&self.token, &self.token_file) {
            (Some(token), _) => ("--token".to_owned(), token.clone()),
            (None, Some(file)) => {
                let text = crate::fault::read_text(file, TOKEN_FILE_BYTES_MAX)
                    .map_err(|message| Failure::usage(format!("{}: {message}", file.display())))?;
                (format!("the token in {}", file.display()), SecretString::from(text))
            }
            (None, None) => match environment::token() {
                Some(token) => ("ROTA_TOKEN".to_owned(), token),
                None => return Ok(None),
            },
        };
        let token = given.expose_secret().trim();
        if token.is_empty() {
            return Err(Failure::usage(format!("{whence} is given but empty"))
                .hint("give a token (`rota token create`), or none to act as yourself"));
        }
        Ok(Some(SecretString::from(token)))
    }
}

/// `rota open`.
pub fn open_call() -> Call {
    Call { view: View::Detail(detail::link), ..Call::act(OPEN_PAGES, CallArgs::new()) }
}

/// `rota upstream …`.
#[derive(Debug, Subcommand)]
pub enum UpstreamCommand {
    /// What other servers offer, what they say of it, and whether it was accepted
    #[command(after_help = "Examples:\n  rota upstream list\n  rota upstream list calendar")]
    List {
        /// Only this server
        server: Option<String>,
    },
    /// Accept tools as they are described now; until then, and after a change, they are refused
    #[command(after_help = "Examples:\n  rota upstream accept calendar\n  \
                            rota upstream accept calendar:list_events\n  \
                            rota upstream accept calendar:list_events --fingerprint 9f2c…")]
    Accept {
        /// The server, or SERVER:TOOL
        #[arg(value_name = "NAME")]
        server: String,
        /// Only these tools [default: all that it offers]
        tools: Vec<String>,
        /// Only as it was listed under this fingerprint [default: as it is shown]
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<String>,
    },
}

/// Whole, as text: a model reads every word of what is accepted. Said in words where there is nothing.
fn nothing_offered(value: &Value) -> Option<Page> {
    let mut page = Page::new();
    value.as_list().filter(|tools| tools.is_empty())?;
    let told = "no tools; other servers are named under [upstream.NAME] in rota.toml";
    page.line(Style::Dim, told);
    Some(page)
}

impl UpstreamCommand {
    /// The tool call; for an acceptance without a fingerprint the one that looks first.
    ///
    /// # Errors
    /// A usage failure: a fingerprint is one tool's.
    pub fn call(&self) -> Result<Call, Failure> {
        match self {
            Self::List { server } => Ok(Self::list(server.as_deref())),
            Self::Accept { fingerprint: None, .. } => {
                let (server, _) = self.accepted();
                Ok(Self::list(Some(server)))
            }
            Self::Accept { fingerprint: Some(fingerprint), .. } => {
                let (server, tools) = self.accepted();
                let &[tool] = tools.as_slice() else {
                    return Err(Failure::usage("--fingerprint is for one tool: NAME:TOOL"));
                };
                Ok(Self::accept(server, [(tool, fingerprint.as_str())]))
            }
        }
    }

    /// What is accepted after that look: as it was shown, so that nothing comes between.
    ///
    /// # Errors
    /// A usage failure, when the server offers no such tool.
    pub fn after(&self, listed: &Value) -> Result<Option<Call>, Failure> {
        if !matches!(self, Self::Accept { fingerprint: None, .. }) {
            return Ok(None);
        }
        let (server, tools) = self.accepted();
        let text = |row: &Value, name: &str| row.get(name)?.as_text().map(str::to_owned);
        let rows = listed.as_list().unwrap_or_default().iter();
        let offered: BTreeMap<String, String> = rows
            .filter_map(|row| {
                let tool = text(row, "tool")?.split_once(':')?.1.to_owned();
                Some((tool, text(row, "fingerprint")?))
            })
            .collect();
        if let Some(unknown) = tools.iter().find(|tool| !offered.contains_key(**tool)) {
            let names: Vec<&str> = offered.keys().map(String::as_str).collect();
            let names = names.join(", ");
            let what = format!("{server} offers no {unknown:?}; it offers: {names}");
            return Err(Failure::usage(what));
        }
        let wanted = |tool: &String| tools.is_empty() || tools.contains(&tool.as_str());
        let wanted = offered.iter().filter(|(tool, _)| wanted(tool));
        Ok(Some(Self::accept(server, wanted.map(|(tool, print)| (tool.as_str(), print.as_str())))))
    }

    /// The server and its tools, in either way of writing them.
    fn accepted(&self) -> (&str, Vec<&str>) {
        let Self::Accept { server, tools, .. } = self else { return ("", Vec::new()) };
        let (server, first) = match server.split_once(':') {
            Some((server, tool)) => (server, Some(tool)),
            None => (server.as_str(), None),
        };
        (server, first.into_iter().chain(tools.iter().map(String::as_str)).collect())
    }

    fn list(server: Option<&str>) -> Call {
        let args = CallArgs::new().with("server", server);
        Call::look("listUpstreamTools", args, View::Detail(nothing_offered))
    }

    fn accept<'a>(server: &str, tools: impl IntoIterator<Item = (&'a str, &'a str)>) -> Call {
        let args =
            CallArgs::new().with("server", Some(server)).with("tools", Some(Value::map(tools)));
        Call { view: View::Detail(nothing_offered), ..Call::act("acceptUpstreamTools", args) }
    }
}

/// `rota token …`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; its secret is shown once
    #[command(after_help = "Examples:\n  rota token create laptop --expires 90d\n  \
                            rota token create ci --service --role editor\n  \
                            rota token create notes --toolset tasks --toolset comments")]
    Create {
        /// What it is called: a device, or a program
        name: String,
        /// A key for a program, `lt_NAME_…`; it acts as the board's agent of that name
        #[arg(long, conflicts_with = "person")]
        service: bool,
        /// Whose it is [default: yours]
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
        /// At most this role: readonly, commenter, editor, manager, admin, owner
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        /// Only this tool (* at the end stands for any rest); may be repeated
        #[arg(long = "tool", value_name = "TOOL")]
        tools: Vec<String>,
        /// Only the tools of this toolset, such as tasks; may be repeated
        #[arg(long = "toolset", value_name = "TOOLSET")]
        toolsets: Vec<String>,
        /// Only this project, by id or name; may be repeated
        #[arg(long = "project", value_name = "PROJECT")]
        projects: Vec<String>,
        /// For how long it counts, such as 90d [default: until it is revoked]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// Tokens with role, age and last use; never their secrets
    #[command(after_help = "Example:\n  rota token list")]
    List,
    /// Give a token another secret
    #[command(after_help = "Example:\n  rota token rotate ci --overlap 24h")]
    Rotate {
        /// Its id, or a service key's name
        token: String,
        /// For how long the old secret still counts, at most 30d [default: not at all]
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
    },
    /// End a token
    #[command(after_help = "Example:\n  rota token revoke ci")]
    Revoke {
        /// Its id, or a service key's name
        token: String,
    },
}

impl TokenCommand {
    /// The tool call.
    pub fn call(&self) -> Call {
        let act = |tool, args: CallArgs| {
            let call = Call::act(tool, args);
            Call { need: Need::Act, view: View::Detail(detail::token), ..call }
        };
        match self {
            Self::Create { name, service, person, role, tools, toolsets, projects, expires } => {
                let sets = toolsets.iter().map(|name| format!("set:{name}"));
                let tools: Vec<String> = tools.iter().cloned().chain(sets).collect();
                let args = CallArgs::new()
                    .with("name", Some(name.as_str()))
                    .with("service", service.then_some(true))
                    .with("person", person.as_deref().map(number_or_name))
                    .with("role", role.as_deref())
                    .with_list("tools", tools)
                    .with_list("projects", projects.iter().map(|p| number_or_name(p)).collect())
                    .with("expires", expires.as_deref());
                act("createToken", args)
            }
            Self::List => Call::look(
                "listTokens",
                CallArgs::new(),
                View::Table {
                    columns: &[
                        ("ID", "id"),
                        ("NAME", "name"),
                        ("KIND", "kind"),
                        ("WHOSE", "person_name"),
                        ("ROLE", "role"),
                        ("MADE", "created"),
                        ("LAST USED", "last_used"),
                        ("EXPIRES", "expires"),
                        ("REVOKED", "revoked"),
                    ],
                    empty: "no tokens; make one with `rota token create NAME`",
                },
            ),
            Self::Rotate { token, overlap } => {
                let args = CallArgs::new()
                    .with("token", Some(token.as_str()))
                    .with("overlap", overlap.as_deref());
                act("rotateToken", args)
            }
            Self::Revoke { token } => {
                act("revokeToken", CallArgs::new().with("token", Some(token.as_str())))
            }
        }
    }
}
