//! `[mcp]`, and the `MCP_*` variables that win over it: the names and defaults of Leantime's guide.
//! A value that cannot be read is a fault, never a silent default.

use super::read::Env;
use crate::domain::Role;
use crate::fault::Fault;
use crate::fault::table::Table;
use crate::mcp::http::HttpOptions;
use crate::mcp::{Limits, Selection};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that a call may be given.
const CALL_TIME_MAX: Duration = Duration::from_hours(1);
/// The largest answer that may be allowed.
const RESPONSE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most requests a minute that may be allowed.
const RATE_MAX: u32 = 1_000_000;

/// `[mcp]`.
#[derive(Clone, Debug)]
pub struct McpConfig {
    /// Whether `/mcp` is served at all.
    pub enabled: bool,
    /// Where HTTP is served.
    pub address: SocketAddr,
    /// What `rota mcp` speaks when no flag says.
    pub transport: Transport,
    /// What callers are put up with.
    pub limits: Limits,
    /// Who is let in.
    pub http: HttpOptions,
    /// Whether HTTP without TLS may be served beyond loopback.
    pub plain_http: bool,
    /// With which TLS is spoken; `None`: it is not.
    pub tls: Option<TlsFiles>,
    /// How the tools that other servers list are used.
    pub listings: Listings,
}

/// How the tools that other servers list are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listings {
    /// Whether a list is kept while its server runs; else the server is asked each time.
    pub are_kept: bool,
    /// Whether patterns of playbooks find tools; else only those that are named whole are there.
    pub are_searched: bool,
}

impl Default for Listings {
    fn default() -> Self {
        Self { are_kept: true, are_searched: true }
    }
}

/// The files, in PEM, with which a server shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its certificate, then those that lead to an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What `rota mcp` speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A pipe.
    Stdio,
    /// HTTP.
    Http,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            transport: Transport::Stdio,
            limits: Limits::default(),
            http: HttpOptions::default(),
            plain_http: false,
            tls: None,
            listings: Listings::default(),
        }
    }
}

/// Reads the table. The fault is what is to be told if, after the environment was heard, it is still
/// open to others by mistake.
pub(super) fn mcp(table: &Table<'_, '_>, folder: &Path) -> (McpConfig, Option<Fault>) {
    let mut config = McpConfig::default();
    set(&mut config.enabled, table.truth("enabled"));
    set_ip(&mut config, table.parsed("host", host));
    if let Some(port) = table.int("port", 0..=65_535).and_then(|port| u16::try_from(port).ok()) {
        config.address.set_port(port);
    }
    let words = [("stdio", Transport::Stdio), ("http", Transport::Http)];
    set(&mut config.transport, table.choice("transport", &words));
    set(&mut config.http.requires_auth, table.truth("require_auth"));
    set(&mut config.http.required_role, table.parsed("required_role", role));
    set(&mut config.http.allowed, table.items("allowed_ips", true, net));
    set(&mut config.http.trusted_proxies, table.items("trusted_proxies", true, net));
    set(&mut config.http.rate_per_minute, table.count("rate_limit", 1));
    let second = Duration::from_secs(1);
    set(&mut config.limits.call_time, table.duration("call_time", second..=CALL_TIME_MAX));
    set(&mut config.http.memory_bytes_max, table.parsed("memory", bytes));
    set(&mut config.limits.response_bytes_max, table.parsed("response_size", response_bytes));
    set(&mut config.http.logs_requests, table.truth("log_requests"));
    set(&mut config.limits.exposes_errors, table.truth("expose_errors"));
    set(&mut config.listings.are_kept, table.truth("cache_tools"));
    set(&mut config.listings.are_searched, table.truth("auto_discover_tools"));
    set(&mut config.http.hosts, table.items("hosts", true, name));
    set(&mut config.http.origins, table.items("origins", true, origin));
    let sets = |text: &str| Selection::parse(text).map_err(|error| error.to_string());
    set(&mut config.http.selection, table.parsed("toolsets", sets));
    set(&mut config.plain_http, table.truth("plain_http"));
    config.tls = tls(table, folder);
    table.finish(super::schema::elsewhere);
    let fault = exposed(&config).map(|message| table.own_fault(message));
    (config, fault)
}

fn tls(table: &Table<'_, '_>, folder: &Path) -> Option<TlsFiles> {
    let file = |key| super::read::path(table, key, folder);
    match (file("certificate"), file("key")) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            table.add(
                table.fault("certificate", "a certificate needs its key: add key = \"key.pem\""),
            );
            None
        }
        (None, Some(_)) => {
            table.add(
                table.fault("key", "a key needs its certificate: add certificate = \"cert.pem\""),
            );
            None
        }
    }
}

/// Lets the environment win.
pub(super) fn from_environment(
    config: &mut McpConfig,
    of_file: Option<Fault>,
    env: Env<'_>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in VARIABLES {
        let Some(text) = env(name) else { continue };
        if let Err(expected) = hear(config, name, text.trim()) {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
            faults.push(Fault::of_file(*name, format!("{shown:?}: {expected}")));
        }
    }
    if faults.is_empty()
        && let Some(message) = exposed(config)
    {
        faults.push(of_file.unwrap_or_else(|| Fault::of_file("MCP_*", message)));
    }
    faults
}

/// The variables that are heard.
const VARIABLES: &[&str] = &[
    "MCP_SERVER_ENABLED",
    "MCP_SERVER_HOST",
    "MCP_SERVER_PORT",
    "MCP_TRANSPORT",
    "MCP_REQUIRE_AUTH",
    "MCP_REQUIRED_ROLE",
    "MCP_ALLOWED_IPS",
    "MCP_RATE_LIMIT",
    "MCP_MAX_EXECUTION_TIME",
    "MCP_MEMORY_LIMIT",
    "MCP_MAX_RESPONSE_SIZE",
    "MCP_LOG_REQUESTS",
    "MCP_EXPOSE_ERRORS",
    "MCP_CACHE_TOOLS",
    "MCP_AUTO_DISCOVER_TOOLS",
];

/// What one of them says; else what was expected of it.
fn hear(config: &mut McpConfig, name: &str, text: &str) -> Result<(), String> {
    match name {
        "MCP_SERVER_ENABLED" => config.enabled = truth(text)?,
        "MCP_SERVER_HOST" => config.address.set_ip(host(text)?),
        "MCP_SERVER_PORT" => config.address.set_port(port(text)?),
        "MCP_TRANSPORT" => config.transport = transport(text)?,
        "MCP_REQUIRE_AUTH" => config.http.requires_auth = truth(text)?,
        "MCP_REQUIRED_ROLE" => config.http.required_role = role(text)?,
        "MCP_ALLOWED_IPS" => config.http.allowed = nets(text)?,
        "MCP_RATE_LIMIT" => config.http.rate_per_minute = rate(text)?,
        "MCP_MAX_EXECUTION_TIME" => config.limits.call_time = seconds(text)?,
        "MCP_MEMORY_LIMIT" => config.http.memory_bytes_max = bytes(text)?,
        "MCP_MAX_RESPONSE_SIZE" => config.limits.response_bytes_max = response_bytes(text)?,
        "MCP_LOG_REQUESTS" => config.http.logs_requests = truth(text)?,
        "MCP_EXPOSE_ERRORS" => config.limits.exposes_errors = truth(text)?,
        "MCP_CACHE_TOOLS" => config.listings.are_kept = truth(text)?,
        "MCP_AUTO_DISCOVER_TOOLS" => config.listings.are_searched = truth(text)?,
        other => return Err(format!("{other} is not heard")),
    }
    Ok(())
}

/// What would be open to others without their having to prove anything, or in plain sight.
fn exposed(config: &McpConfig) -> Option<String> {
    let is_local = config.address.ip().is_loopback();
    if !config.enabled {
        return None;
    }
    if !config.http.requires_auth {
        let loopback = |net: &IpNet| net.network().is_loopback() && net.broadcast().is_loopback();
        let only_here = is_local
            && config.http.trusted_proxies.is_empty()
            && config.http.allowed.iter().all(loopback);
        return (!only_here).then(|| {
            "without authentication only loopback is served: set require_auth = true, or leave host, \
             allowed_ips and trusted_proxies as they are"
                .to_owned()
        });
    }
    (!is_local && !config.plain_http && config.tls.is_none()).then(|| {
        "HTTP without TLS is served on loopback only; give certificate and key, put a proxy with TLS \
         before it, or say plain_http = true where the network can be trusted"
            .to_owned()
    })
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

fn set_ip(config: &mut McpConfig, ip: Option<IpAddr>) {
    if let Some(ip) = ip {
        config.address.set_ip(ip);
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "expected an address such as 127.0.0.1 or ::1".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected a port, 0 to 65535".to_owned())
}

fn transport(text: &str) -> Result<Transport, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdio" => Ok(Transport::Stdio),
        "http" => Ok(Transport::Http),
        _ => Err("expected stdio or http".to_owned()),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

fn role(text: &str) -> Result<Role, String> {
    let role = serde_json::Value::String(text.trim().to_ascii_lowercase());
    serde_json::from_value(role)
        .map_err(|_| "expected readonly, commenter, editor, manager, admin or owner".to_owned())
}

/// An address, or a network of them.
fn net(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
        "expected an address such as 127.0.0.1, or a network such as 10.0.0.0/8".to_owned()
    })
}

fn nets(text: &str) -> Result<Vec<IpNet>, String> {
    let nets = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    let nets: Vec<IpNet> = nets.map(net).collect::<Result<_, _>>()?;
    if nets.is_empty() {
        return Err("expected addresses, separated by commas".to_owned());
    }
    Ok(nets)
}

fn rate(text: &str) -> Result<u32, String> {
    let rate: Option<u32> = text.parse().ok().filter(|rate| (1..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("expected requests a minute, 1 to {RATE_MAX}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let fits = seconds.filter(|time| !time.is_zero() && *time <= CALL_TIME_MAX);
    fits.ok_or_else(|| "expected seconds, 1 to 3600".to_owned())
}

/// `256M`, `10485760`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected bytes, such as 10485760, 512K, 256M or 1G".to_owned();
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let count: u64 = digits.parse().map_err(|_| expected())?;
    count.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(expected)
}

fn response_bytes(text: &str) -> Result<usize, String> {
    let bytes = bytes(text)?;
    if !(1_024..=RESPONSE_BYTES_MAX).contains(&bytes) {
        return Err("expected 1K to 256M".to_owned());
    }
    usize::try_from(bytes).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if text.is_empty() || text.len() > 255 || !text.chars().all(plain) {
        return Err("expected a name such as board.example.com".to_owned());
    }
    Ok(text.to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(host) if name(host.trim_end_matches(":*")).is_ok() => Ok(text.to_owned()),
        _ => Err("expected an origin such as https://board.example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> (McpConfig, Vec<Fault>) {
        let mut config = McpConfig::default();
        let env = |asked: &str| (asked == name).then(|| value.to_owned());
        let faults = from_environment(&mut config, None, &env);
        (config, faults)
    }

    #[track_caller]
    fn read(name: &str, value: &str) -> McpConfig {
        let (config, faults) = with(name, value);
        assert!(faults.is_empty(), "{name}={value}: {faults:?}");
        config
    }

    #[test]
    fn each_variable_of_the_guide_is_heard() {
        assert!(!read("MCP_SERVER_ENABLED", "false").enabled);
        assert_eq!(read("MCP_SERVER_HOST", "::1").address.to_string(), "[::1]:3001");
        assert_eq!(read("MCP_SERVER_PORT", "0").address.port(), 0);
        assert_eq!(read("MCP_TRANSPORT", "HTTP").transport, Transport::Http);
        assert!(!read("MCP_REQUIRE_AUTH", "no").http.requires_auth);
        assert_eq!(read("MCP_REQUIRED_ROLE", "readonly").http.required_role, Role::Readonly);
        let allowed = read("MCP_ALLOWED_IPS", "127.0.0.1, 10.0.0.0/8").http.allowed;
        assert_eq!(allowed.len(), 2);
        assert_eq!(read("MCP_RATE_LIMIT", "7").http.rate_per_minute, 7);
        assert_eq!(read("MCP_MAX_EXECUTION_TIME", "5").limits.call_time, Duration::from_secs(5));
        assert_eq!(read("MCP_MEMORY_LIMIT", "1G").http.memory_bytes_max, 1 << 30);
        assert_eq!(read("MCP_MAX_RESPONSE_SIZE", "64K").limits.response_bytes_max, 65_536);
        assert!(read("MCP_LOG_REQUESTS", "true").http.logs_requests);
        assert!(read("MCP_EXPOSE_ERRORS", "1").limits.exposes_errors);
        assert!(!read("MCP_CACHE_TOOLS", "false").listings.are_kept);
        assert!(!read("MCP_AUTO_DISCOVER_TOOLS", "0").listings.are_searched);
    }

    #[test]
    fn a_value_that_cannot_be_read_is_a_fault_that_names_the_variable() {
        for (name, value) in [
            ("MCP_SERVER_ENABLED", "maybe"),
            ("MCP_SERVER_HOST", "example.com"),
            ("MCP_SERVER_PORT", "65536"),
            ("MCP_TRANSPORT", "sse"),
            ("MCP_REQUIRE_AUTH", ""),
            ("MCP_REQUIRED_ROLE", "king"),
            ("MCP_ALLOWED_IPS", "127.0.0.1,here"),
            ("MCP_ALLOWED_IPS", " , "),
            ("MCP_RATE_LIMIT", "0"),
            ("MCP_MAX_EXECUTION_TIME", "1h"),
            ("MCP_MEMORY_LIMIT", "lots"),
            ("MCP_MEMORY_LIMIT", "99999999999G"),
            ("MCP_MAX_RESPONSE_SIZE", "12"),
            ("MCP_LOG_REQUESTS", "2"),
            ("MCP_EXPOSE_ERRORS", "-"),
            ("MCP_CACHE_TOOLS", "60"),
            ("MCP_AUTO_DISCOVER_TOOLS", "never"),
        ] {
            let (_, faults) = with(name, value);
            assert_eq!(faults.len(), 1, "{name}={value}");
            assert_eq!(faults[0].path, name);
        }
    }

    #[test]
    fn nothing_is_open_to_others_by_mistake() {
        let (_, faults) = with("MCP_SERVER_HOST", "0.0.0.0");
        assert!(faults[0].message.contains("plain_http"), "{faults:?}");
        let open = |name: &str| match name {
            "MCP_SERVER_HOST" => Some("0.0.0.0".to_owned()),
            "MCP_REQUIRE_AUTH" => Some("false".to_owned()),
            _ => None,
        };
        let faults = from_environment(&mut McpConfig::default(), None, &open);
        assert!(faults[0].message.contains("require_auth"), "{faults:?}");
    }

    #[test]
    fn the_defaults_are_those_of_the_guide() {
        let config = McpConfig::default();
        assert_eq!(config.address.to_string(), "127.0.0.1:3001");
        assert!(config.enabled && config.http.requires_auth);
        assert_eq!(config.http.required_role, Role::Editor);
        assert_eq!(config.http.rate_per_minute, 100);
        assert_eq!(config.limits.call_time, Duration::from_secs(30));
        assert_eq!(config.limits.response_bytes_max, 10_485_760);
        assert_eq!(config.http.memory_bytes_max, 256 << 20);
        assert!(config.listings.are_kept && config.listings.are_searched);
    }
}
