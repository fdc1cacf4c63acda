//! JSON Schema of `rota.toml`, for editors, and where each key belongs.

use super::models::OWN_KEYS;
use crate::domain::StatusKind;
use crate::notify::WebhookFormat;
use serde_json::{Value, json};

/// Keys by the table they belong to; empty for the top.
const PLACES: [(&str, &[&str]); 17] = [
    ("", &["timezone", "arm", "agents", "templates", "currency"]),
    (
        "daemon",
        &[
            "id",
            "slots",
            "labels",
            "tick",
            "drain",
            "playbooks",
            "exchanges_max",
            "delegation_depth_max",
        ],
    ),
    ("board", &["name", "requests_per_minute"]),
    ("store", &["keep"]),
    ("people", &["me"]),
    ("budget", &["per_day", "tokens_per_day"]),
    ("recipient.NAME", &["channels", "hours", "merge", "alarms"]),
    ("review", &["decide_within", "escalate", "expire_after"]),
    ("claims", &["lease", "renew", "margin", "log_time"]),
    ("models.NAME", OWN_KEYS),
    (
        "workspaces",
        &[
            "bytes_max",
            "cpu",
            "processes",
            "open_files",
            "file_size",
            "repositories",
            "read",
            "write",
        ],
    ),
    ("notify.slack.NAME", &["webhook", "token", "channel", "api"]),
    ("notify.webhook.NAME", &["format"]),
    ("notify.email.NAME", &["server", "tls", "user", "password", "from", "to"]),
    ("slack", &["signing_secret", "reviews", "people"]),
    ("notify", &["slack", "file", "webhook", "email"]),
    (
        "mcp",
        &[
            "enabled",
            "host",
            "port",
            "transport",
            "require_auth",
            "required_role",
            "allowed_ips",
            "trusted_proxies",
            "rate_limit",
            "call_time",
            "memory",
            "response_size",
            "log_requests",
            "expose_errors",
            "cache_tools",
            "auto_discover_tools",
            "hosts",
            "origins",
            "toolsets",
            "plain_http",
            "certificate",
            "key",
        ],
    ),
];

/// Where a key belongs.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    let (table, _) = PLACES.iter().find(|(_, keys)| keys.contains(&name))?;
    Some(match *table {
        "" => "this key belongs at the top of the file".to_owned(),
        table => format!("this key belongs to [{table}]"),
    })
}

fn object(properties: &Value, required: &[&str]) -> Value {
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn named(about: &str, inner: &Value) -> Value {
    json!({"type": "object", "description": about, "additionalProperties": inner})
}

fn text(about: &str) -> Value {
    json!({"type": "string", "minLength": 1, "description": about})
}

fn texts(about: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": about})
}

fn budget() -> Value {
    object(
        &json!({
            "per_day": text("money that all playbooks together may use in a day of the team's zone, such as \"20.00 USD\" (default: no limit)"),
            "tokens_per_day": json!({"type": "integer", "minimum": 1, "description": "tokens that all playbooks together may use in such a day (default: no limit)"}),
        }),
        &[],
    )
}

fn kinds_of_work() -> Vec<&'static str> {
    crate::domain::TimeKind::ALL.iter().map(|kind| kind.as_str()).collect()
}

fn word(words: &[&str], about: &str) -> Value {
    json!({"enum": words, "description": about})
}

fn duration(about: &str) -> Value {
    json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$", "description": about})
}

fn secret(about: &str) -> Value {
    json!({
        "description": about,
        "oneOf": [
            {"type": "string", "minLength": 1},
            object(&json!({"env": text("an environment variable")}), &["env"]),
            object(&json!({"file": text("a file that holds nothing else")}), &["file"]),
        ],
    })
}

fn truth(about: &str) -> Value {
    json!({"type": "boolean", "description": about})
}

fn texts_or_one(about: &str) -> Value {
    json!({
        "description": about,
        "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    })
}

/// `[models.NAME]`.
fn models() -> Value {
    let count = |least: u32, about: &str| json!({"type": "integer", "minimum": least, "maximum": 100_000_000, "description": about});
    let price = object(
        &json!({
            "input": text("tokens that are sent, such as \"3.00 USD\""),
            "cached": text("tokens that are sent and were read before (default: as input)"),
            "cache_write": text("tokens that are sent and kept (default: as input; anthropic: a quarter more)"),
            "output": text("tokens that come back"),
        }),
        &["input", "output"],
    );
    let mut model = object(
        &json!({
            "kind": word(&["openai", "anthropic", "scripted"], "what answers: Chat Completions, Messages, or a script"),
            "script": text("scripted: the script that plays the model"),
            "family": json!({"type": "string", "pattern": "^[a-z0-9._-]{1,64}$", "description": "its family: [review] independent compares it (default: what the model's name tells)"}),
            "model": text("the model's name at the server"),
            "url": text("the address that paths are added to (default: the provider's own)"),
            "key": secret("who we are there; local servers need none"),
            "headers": named("further headers, by name", &secret("its value")),
            "query": named("what is added to every address, by name", &secret("its value")),
            "proxy": secret("the proxy between us (default: that of the environment)"),
            "request_time": duration("how long an exchange may take (default: 10m)"),
            "idle_time": duration("how long nothing may come (default: 4m)"),
            "tokens_max": count(1, "the most tokens of a reply (default: 16384)"),
            "context": count(2_048, "how many tokens a conversation may have; before it is longer, it is made shorter"),
            "extra": json!({"type": "object", "description": "further members of each request, as they are"}),
            "price": price,
            "cache": truth("anthropic: whether the server is asked to keep what it read (default: true)"),
            "stream": truth("whether answers come in pieces (default: true)"),
        }),
        &["kind"],
    );
    model["oneOf"] = json!([
        {"properties": {"kind": {"const": "scripted"}}, "required": ["script"]},
        {"properties": {"kind": {"enum": ["openai", "anthropic"]}}, "required": ["model"]},
    ]);
    named("language models, by name", &model)
}

/// `[mcp]`; the variables MCP_* of the same meaning win.
fn mcp() -> Value {
    let size =
        |about: &str| json!({"type": "string", "pattern": "^[0-9]+[KMG]?$", "description": about});
    object(
        &json!({
            "enabled": truth("whether /mcp is served (default: true)"),
            "host": text("the address HTTP is served at (default: 127.0.0.1)"),
            "port": json!({"type": "integer", "minimum": 0, "maximum": 65535, "description": "its port; 0: any that is free (default: 3001)"}),
            "transport": word(&["stdio", "http"], "what `rota mcp` speaks when no flag says (default: stdio)"),
            "require_auth": truth("whether a token is asked for; false on loopback only (default: true)"),
            "required_role": word(&["readonly", "commenter", "editor", "manager", "admin", "owner"], "nobody below it is let in (default: editor)"),
            "allowed_ips": texts_or_one("addresses and networks that may connect (default: loopback)"),
            "trusted_proxies": texts_or_one("proxies whose X-Forwarded-For is believed (default: none)"),
            "rate_limit": json!({"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "requests of one caller in a minute (default: 100)"}),
            "call_time": duration("how long a call may take (default: 30s)"),
            "memory": size("bytes of requests and answers held at once; while they are, more is refused (default: 256M)"),
            "response_size": size("bytes of an answer (default: 10M)"),
            "log_requests": truth("whether each request is logged (default: false)"),
            "expose_errors": truth("whether callers are told the causes of errors (default: false)"),
            "cache_tools": truth("whether the tools that another server lists are kept while it runs (default: true)"),
            "auto_discover_tools": truth("whether patterns of playbooks find tools of other servers; else only those that are named whole are there (default: true)"),
            "hosts": texts_or_one("names by which it may be addressed, beside loopback"),
            "origins": texts_or_one("origins of browsers that may ask, beside loopback"),
            "toolsets": text("toolsets that are served, joined by commas, and readonly (default: all)"),
            "plain_http": truth("serve HTTP without TLS beyond loopback (default: false)"),
            "certificate": text("a file in PEM: the server's certificate and those that lead to an authority; with it TLS is spoken"),
            "key": text("a file in PEM: the certificate's private key"),
        }),
        &[],
    )
}

/// `[workspaces]`.
fn workspaces() -> Value {
    let size =
        |about: &str| json!({"type": "string", "pattern": "^[0-9]+[KMG]?$", "description": about});
    let count = |most: u32, about: &str| json!({"type": "integer", "minimum": 1, "maximum": most, "description": about});
    object(
        &json!({
            "bytes_max": size("the disk that all workspaces may take (default: 20G)"),
            "memory": size("memory of a program and all that it starts; MCP_MEMORY_LIMIT wins (default: 4G)"),
            "cpu": duration("processor time of each of its processes (default: 1h)"),
            "processes": count(100_000, "its processes at once (default: 512)"),
            "open_files": count(1_000_000, "open files of each of its processes (default: 4096)"),
            "file_size": size("the largest file that it writes (default: 2G)"),
            "repositories": texts_or_one("repositories that a value from the board may name; * stands for one part of the path"),
            "read": texts_or_one("folders that programs may read besides the system's, such as ~/.cargo"),
            "write": texts_or_one("folders that programs may write besides their own"),
        }),
        &[],
    )
}

/// `[board.agents.NAME]`.
fn leantime_agents() -> Value {
    let agent = object(
        &json!({
            "user": json!({"type": "integer", "minimum": 1, "description": "the id of the agent's user"}),
            "key": secret("that user's API key or access token"),
        }),
        &["user", "key"],
    );
    named("leantime: agents who act as users of their own, by name", &agent)
}

/// `[notify]`.
fn notify() -> Value {
    object(
        &json!({
            "slack": named("Slack destinations, by name: `webhook`, or `token` and `channel`", &slack_destination()),
            "webhook": named("webhooks of other servers, by name", &object(&json!({
                "url": secret("the webhook's address"),
                "format": word(&WebhookFormat::ALL.map(|(name, _)| name), "what it takes"),
            }), &["url", "format"])),
            "email": named("readers of e-mail, by name", &object(&json!({
                "server": text("the mail server's name"),
                "port": json!({"type": "integer", "minimum": 1, "maximum": 65535, "description": "its port (default: 587 for starttls, 465 for tls, 25 for none)"}),
                "tls": word(&["starttls", "tls", "none"], "how it is spoken to; none on this machine only (default: starttls)"),
                "user": text("who we are there"),
                "password": secret("that user's password"),
                "from": text("who writes, such as Rota <rota@example.org>"),
                "to": texts_or_one("who reads"),
            }), &["server", "from", "to"])),
            "file": named("files that notices go to, by name", &object(&json!({
                "path": text("the file"),
            }), &["path"])),
        }),
        &[],
    )
}

/// `[recipient.NAME]`.
fn recipients() -> Value {
    let hours = object(
        &json!({
            "days": texts_or_one("MON-FRI, or a list of days (default: every day)"),
            "from": text("a time of day, 08:00"),
            "to": text("a time of day, 18:00; earlier than from: of the next day"),
            "holidays": texts("days that do not count, such as 2026-12-25"),
        }),
        &["from", "to"],
    );
    let recipient = object(
        &json!({
            "channels": texts_or_one("how they are told: slack:NAME and the like"),
            "timezone": text("their zone (default: the team's)"),
            "hours": hours,
            "merge": duration("so long notices wait for others that are told with them (default: not at all)"),
            "per_day": json!({"type": "integer", "minimum": 1, "maximum": 10_000, "description": "more are told on the next day, together"}),
            "alarms": word(&["always", "hours"], "whether alarms wait for the hours, too (default: always)"),
        }),
        &["channels"],
    );
    named("when people may be told something, by name", &recipient)
}

/// `[review]`.
fn review() -> Value {
    object(
        &json!({
            "decide_within": duration("what waits for a person longer than this is told to the first of escalate, twice as long to the second"),
            "escalate": texts_or_one("who is told: stdout, file:NAME, slack:NAME"),
            "expire_after": duration("work that nobody decided about for so long leaves the list (default: never)"),
        }),
        &[],
    )
}

/// `[notify.slack.NAME]`.
fn slack_destination() -> Value {
    let mut slack = object(
        &json!({
            "webhook": secret("the incoming webhook's address"),
            "token": secret("the app's bot token, for the Web API"),
            "channel": json!({"type": "string", "pattern": "^[CGD][A-Z0-9]{2,}$", "description": "Web API: the conversation's id"}),
            "api": text("Web API: where it is (default: https://slack.com/api/)"),
        }),
        &[],
    );
    slack["oneOf"] = json!([{"required": ["webhook"]}, {"required": ["token", "channel"]}]);
    slack
}

/// `[daemon]`.
fn daemon() -> Value {
    object(
        &json!({
            "id": text("its name among daemons (default: the host's name)"),
            "slots": json!({"type": "integer", "minimum": 1, "maximum": 256, "description": "runs at once (default: 4)"}),
            "labels": texts("labels that runs_on asks for"),
            "tick": duration("how often it looks at the board (default: 10s)"),
            "drain": duration("how long a shutdown waits for runs (default: 30s)"),
            "playbooks": json!({"type": "integer", "minimum": 1, "maximum": 100_000, "description": "the most playbooks of its folder (default: 10000)"}),
            "exchanges_max": json!({"type": "integer", "minimum": 1, "maximum": 100, "description": "so often a task changes hands between agents before a person has to act on it (default: 6)"}),
            "delegation_depth_max": json!({"type": "integer", "minimum": 0, "maximum": 100, "description": "how deep a task may be that agents made for agents and still is taken (default: 3)"}),
        }),
        &[],
    )
}

/// `[board]`.
fn board() -> Value {
    let own = json!({
        "name": text("the board's name in claims and records (default: main)"),
        "kind": word(&["sqlite", "leantime", "postgres"], "the board (default: sqlite)"),
        "path": text("sqlite: the database, relative to the state folder (default: board.sqlite)"),
        "url": secret("leantime: its address, as in a browser; postgres: postgres://USER:PASSWORD@HOST:PORT/DATABASE, several hosts with commas"),
        "key": secret("leantime: an API key or an access token"),
        "zone": text("leantime: the zone that the server is set to (default: UTC)"),
        "requests_per_minute": json!({"type": "integer", "minimum": 1, "maximum": 100_000, "description": "leantime: how many it takes; fewer are learned (default: 120)"}),
        "user": json!({"type": "integer", "minimum": 1, "description": "leantime: the id of the key's user, needed before version 3.8"}),
        "agents": leantime_agents(),
        "labels": named("leantime: what labels mean that do not say it themselves, by name", &word(&StatusKind::ALL.map(StatusKind::as_str), "what it means")),
    });
    object(&with(own, postgres(8)), &[])
}

/// `[store]`.
fn store() -> Value {
    let own = json!({
        "kind": word(&["sled", "memory", "postgres"], "the store (default: sled)"),
        "path": text("sled: the name of its folder in the state folder (default: store)"),
        "url": secret("postgres: postgres://USER:PASSWORD@HOST:PORT/DATABASE, several hosts with commas"),
        "keep": duration("how long ended runs, told messages and settled occurrences are kept, at least 7d (default: 90d)"),
    });
    object(&with(own, postgres(4)), &[])
}

/// What `[board]` and `[store]` say of a PostgreSQL beside its address.
fn postgres(connections: u32) -> Value {
    let about = format!("postgres: connections at once (default: {connections})");
    json!({
        "schema": json!({"type": "string", "pattern": "^[a-z_][a-z0-9_]{0,47}$", "description": "postgres: the schema of this team (default: rota)"}),
        "connections": json!({"type": "integer", "minimum": 1, "maximum": 100, "description": about}),
        "plain": truth("postgres: whether another machine may be reached without TLS (default: false)"),
        "statement_timeout": duration("postgres: how long a statement may take, 1s to 10m (default: 15s)"),
    })
}

/// The keys of both.
fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(keys), Value::Object(more)) = (&mut one, other) {
        keys.extend(more);
    }
    one
}

/// JSON Schema of `rota.toml` (draft 2020-12).
pub fn schema() -> Value {
    let mut schema = object(
        &json!({
            "timezone": text("the team's zone, an IANA name such as Europe/Berlin"),
            "arm": word(&["ask", "auto"], "whether playbooks with new triggers or wider rights arm themselves (default: ask)"),
            "agents": text("the folder of playbooks (default: agents)"),
            "templates": text("the folder of templates (default: templates)"),
            "currency": json!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "the currency of costs (default: USD)"}),
            "daemon": daemon(),
            "board": board(),
            "store": store(),
            "people": object(&json!({"me": text("the name of the board user who types commands")}), &[]),
            "budget": budget(),
            "review": review(),
            "recipient": recipients(),
            "claims": object(&json!({
                "lease": duration("how long a lease lasts without a renewal (default: 60s)"),
                "renew": duration("how often a claim is renewed, at most a third of the lease (default: 20s)"),
                "margin": duration("how long before its end a lease is no longer trusted, less than a quarter of it (default: 5s)"),
                "log_time": word(&kinds_of_work(), "as which kind of work the time of a run at a claimed task is logged (default: it is not)"),
            }), &[]),
            "mcp": mcp(),
            "upstream": named("other MCP servers whose tools playbooks may list, by name", &object(&json!({
                "command": texts("the program and its arguments; it speaks MCP at its standard input and output"),
                "env": texts("variables of the environment that the program gets, beside PATH and a few others"),
                "url": text("the address of a server that speaks streamable HTTP"),
                "token": secret("who we are at that address"),
                "call_time": duration("how long a call may take (default: 30s)"),
            }), &[])),
            "models": models(),
            "workspaces": workspaces(),
            "slack": object(&json!({
                "signing_secret": secret("by which Slack signs what people click and type; without it nothing is heard"),
                "reviews": text("the name of the Slack destination that is told what waits for a person, with buttons"),
                "people": named("names or e-mail addresses of people on the board, by Slack's ids", &text("somebody on the board")),
            }), &[]),
            "notify": notify(),
        }),
        &[],
    );
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("rota.toml");
    schema["description"] = json!("What was configured");
    // It is committed: one order, whatever a crate makes of maps.
    schema.sort_all_objects();
    schema
}
