//! `rota doctor URL`: an MCP server as a client of it sees it: can it be reached, does it let us in,
//! who are we there, which of our tools does it have, and how quick is it.

use super::doctor::finding;
use crate::app::failure::Failure;
use crate::app::house::{Finding, Health};
use crate::clock::{Clock as _, SystemClock, SystemEntropy};
use crate::domain::Role;
use crate::mcp::bridge::{self, Host, Options, lines::Line};
use crate::mcp::http;
use crate::tools::catalogue;
use crate::upstream::pipe::cleaned;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An answer that takes longer is not waited for.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// An answer to a ping that takes longer is slow.
const SLOW: Duration = Duration::from_millis(500);
/// So many pings, of which the one in the middle counts.
const PINGS: usize = 5;
/// Messages that are no answer of ours, before we give up waiting for one.
const ASIDES_MAX: usize = 1_000;
/// Pages of tools.
const PAGES_MAX: usize = 32;
/// So many names of missing tools are told.
const NAMES_MAX: usize = 8;
/// The revision we offer; the server may answer with another.
const VERSION: &str = "2025-11-25";

/// Looks, and changes nothing there. What cannot be looked at after a failure is left out.
pub(super) async fn examine(options: &Options) -> Result<Vec<Finding>, Failure> {
    // They are findings, each told once.
    let options = &Options { logs_troubles: false, ..options.clone() };
    let mut client = Client::start(options);
    let mut findings = Vec::new();
    let looked = look(&mut client, options, &mut findings).await;
    let served = client.end().await;
    // An address or a file that cannot be used is an error of whoever typed it, not a finding.
    if let Err(error) = served {
        return Err(Failure::usage(error.to_string()));
    }
    if let Err(trouble) = looked {
        findings.push(trouble.finding(options));
    }
    Ok(findings)
}

async fn look(
    client: &mut Client,
    options: &Options,
    findings: &mut Vec<Finding>,
) -> Result<(), Trouble> {
    let hello = json!({
        "protocolVersion": VERSION, "capabilities": {},
        "clientInfo": { "name": "rota-doctor", "version": env!("CARGO_PKG_VERSION") }
    });
    let welcome = client.ask("initialize", hello).await?;
    client.notify("notifications/initialized").await;
    let named = |place: &str| cleaned(welcome.pointer(place).and_then(Json::as_str).unwrap_or("?"));
    let server = format!(
        "{} {}, MCP {}",
        named("/serverInfo/name"),
        named("/serverInfo/version"),
        named("/protocolVersion"),
    );
    findings.push(finding("server", Health::Ok, server, ""));
    if options.token.is_none() {
        findings.push(finding("token", Health::Ok, "none was needed", ""));
    }
    findings.push(quickness(client).await?);
    let offered = tools(client).await?;
    let role = if offered.contains("whoami") { identity(client, findings).await? } else { None };
    findings.push(compare(&offered, role));
    Ok(())
}

/// How quickly it answers.
async fn quickness(client: &mut Client) -> Result<Finding, Trouble> {
    let clock = SystemClock::new();
    let mut took = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let begun = clock.boot();
        client.ask("ping", json!({})).await?;
        took.push(clock.boot().saturating_sub(begun));
    }
    took.sort();
    let middle = took[PINGS / 2];
    let found = format!("{:.1} ms for an answer", middle.as_secs_f64() * 1_000.0);
    Ok(if middle > SLOW {
        let advice =
            "look at the load and the network there; calls end after MCP_MAX_EXECUTION_TIME";
        finding("answers", Health::Warn, format!("slow: {found}"), advice)
    } else {
        finding("answers", Health::Ok, found, "")
    })
}

/// The names of the tools it offers.
async fn tools(client: &mut Client) -> Result<BTreeSet<String>, Trouble> {
    let mut names = BTreeSet::new();
    let mut params = json!({});
    for _ in 0..PAGES_MAX {
        let page = client.ask("tools/list", params).await?;
        let listed = page["tools"].as_array().into_iter().flatten();
        names.extend(listed.filter_map(|tool| tool["name"].as_str()).map(str::to_owned));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        params = json!({ "cursor": cursor });
    }
    Ok(names)
}

/// With the tools that Rota has for somebody of this role; for the owner where it is not known.
fn compare(offered: &BTreeSet<String>, role: Option<Role>) -> Finding {
    let role = role.unwrap_or(Role::Owner);
    let ours = catalogue().iter().filter(|tool| tool.set.is_shown_unasked() && tool.role <= role);
    let ours: Vec<&str> = ours.map(|tool| tool.name).collect();
    let missing: Vec<&str> = ours.iter().copied().filter(|name| !offered.contains(*name)).collect();
    let found = match offered.len() {
        1 => "1 tool".to_owned(),
        count => format!("{count} tools"),
    };
    if missing.is_empty() {
        return finding("tools", Health::Ok, found, "");
    }
    let mut named = missing.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    if missing.len() > NAMES_MAX {
        named.push_str(", …");
    }
    let found = format!("{found}; {} of Rota's {} are missing: {named}", missing.len(), ours.len());
    let advice = "the token's limits, `?toolsets=` or `readonly` in the URL leave them out, or the server is \
                  another or older";
    finding("tools", Health::Warn, found, advice)
}

/// For whom the token is. Asked as a client would: "my tasks".
async fn identity(
    client: &mut Client,
    findings: &mut Vec<Finding>,
) -> Result<Option<Role>, Trouble> {
    let me = match client.call("whoami", json!({})).await? {
        Ok(me) => me,
        Err(said) => {
            findings.push(finding("token is for", Health::Warn, said, "look at the server's log"));
            return Ok(None);
        }
    };
    let text = |name: &str| cleaned(me[name].as_str().unwrap_or("?"));
    let whose = match me["service_key"].as_str() {
        Some(key) => format!("service key {}, role {}", cleaned(key), text("role")),
        None => format!("{}, role {}", text("name"), text("role")),
    };
    findings.push(finding("token is for", Health::Ok, whose, ""));
    if let Err(said) = client.call("findTasks", json!({ "assignee": "me", "limit": 1 })).await? {
        let advice =
            "for \"my tasks\" take the person's own token: `rota token create NAME --person NAME`";
        findings.push(finding("my tasks", Health::Warn, said, advice));
    }
    Ok(serde_json::from_value(me["role"].clone()).ok())
}

/// Why the server could not be looked at any further.
struct Trouble {
    /// A word of the bridge's, or of our own server's.
    code: String,
    said: String,
}

impl Trouble {
    fn finding(self, options: &Options) -> Finding {
        let (what, health, advice) = match self.code.as_str() {
            "unreachable" => (
                "connection",
                Health::Fail,
                "start the server (`rota serve`), and look at host and port of the URL; on another \
                 machine it has to listen there (MCP_SERVER_HOST)",
            ),
            "certificate_refused" => (
                "certificate",
                Health::Fail,
                "give --ca FILE with the certificate of whoever signed it, or renew the server's",
            ),
            "unauthorized" if options.token.is_none() => (
                "token",
                Health::Fail,
                "give one with --token-file or ROTA_TOKEN; `rota token create NAME` makes one",
            ),
            "unauthorized" => (
                "token",
                Health::Fail,
                "`rota token list` there shows which are known, expired or revoked; `rota token create \
                 NAME` makes another",
            ),
            "forbidden" => (
                "access",
                Health::Fail,
                "take a token with a higher role, or let this address or host name in \
                 (MCP_REQUIRED_ROLE, MCP_ALLOWED_IPS)",
            ),
            "not_found" | "not_mcp" | "moved" => (
                "address",
                Health::Fail,
                "the URL ends in /mcp; MCP is switched on there with MCP_SERVER_ENABLED=true",
            ),
            "rate_limited" => (
                "rate limit",
                Health::Warn,
                "wait, or raise MCP_RATE_LIMIT there; another client may use the same token",
            ),
            "slow" => ("answers", Health::Fail, "look at the load there, and at its log"),
            _ => ("server", Health::Fail, "look at its log"),
        };
        finding(what, health, self.said, advice)
    }
}

/// A client at the host's end of a bridge, which has all the care for HTTP already.
struct Client {
    to: mpsc::Sender<Line>,
    from: mpsc::Receiver<Vec<u8>>,
    stop: CancellationToken,
    bridge: JoinHandle<Result<(), bridge::BridgeError>>,
    last: u64,
}

impl Client {
    fn start(options: &Options) -> Self {
        let (to, lines) = mpsc::channel(1);
        let (out, from) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let (hung_up, deaf) = (stop.child_token(), stop.child_token());
        let host = Host { lines, out, hung_up, deaf };
        let (options, until) = (options.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "ended and awaited in `end`")]
        let bridge = tokio::spawn(async move {
            bridge::serve(&options, host, Arc::new(SystemEntropy), until).await
        });
        Self { to, from, stop, bridge, last: 0 }
    }

    async fn end(self) -> Result<(), bridge::BridgeError> {
        self.stop.cancel();
        drop(self.to);
        self.bridge.await.unwrap_or(Ok(()))
    }

    async fn notify(&self, method: &str) {
        let message = json!({ "jsonrpc": "2.0", "method": method });
        // A bridge that is gone is noticed at the next question.
        let _ = self.to.send(Line::Text(message.to_string())).await;
    }

    /// The result of a request.
    async fn ask(&mut self, method: &str, params: Json) -> Result<Json, Trouble> {
        self.last += 1;
        let id = self.last;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let gone = |said: &str| Trouble { code: "gone".to_owned(), said: said.to_owned() };
        if self.to.send(Line::Text(message.to_string())).await.is_err() {
            return Err(gone("nothing can be sent"));
        }
        let answer = async {
            for _ in 0..ASIDES_MAX {
                let Some(line) = self.from.recv().await else { break };
                let Ok(message) = serde_json::from_slice::<Json>(&line) else { continue };
                if message["id"] == id {
                    return Some(message);
                }
            }
            None
        };
        match tokio::time::timeout(ANSWER_TIME, answer).await {
            Ok(Some(mut answer)) => match answer.get("error") {
                Some(error) => Err(trouble_of(error)),
                None => Ok(answer["result"].take()),
            },
            Ok(None) => Err(gone("it does not answer")),
            Err(_) => {
                let said = format!("no answer to {method} within {} s", ANSWER_TIME.as_secs());
                Err(Trouble { code: "slow".to_owned(), said })
            }
        }
    }

    /// What a tool answers, or what it says against it.
    async fn call(&mut self, tool: &str, args: Json) -> Result<Result<Json, String>, Trouble> {
        let params = json!({ "name": tool, "arguments": args });
        let mut answer = self.ask("tools/call", params).await?;
        if answer["isError"] == true {
            let said = answer.pointer("/structuredContent/error/message");
            let said = said.or_else(|| answer.pointer("/content/0/text")).and_then(Json::as_str);
            return Ok(Err(cleaned(said.unwrap_or("it was refused"))));
        }
        Ok(Ok(answer["structuredContent"].take()))
    }
}

/// The bridge's own word, or the one that our server's number stands for.
fn trouble_of(error: &Json) -> Trouble {
    let ours = match error["code"].as_i64() {
        Some(http::UNAUTHORIZED) => Some("unauthorized"),
        Some(http::FORBIDDEN) => Some("forbidden"),
        Some(http::NOT_FOUND) => Some("not_found"),
        Some(http::TOO_MANY) => Some("rate_limited"),
        _ => None,
    };
    let code = ours.or_else(|| error.pointer("/data/code")?.as_str()).unwrap_or("refused");
    let said = error["message"].as_str().unwrap_or("it answers with an error");
    Trouble { code: code.to_owned(), said: cleaned(said) }
}
