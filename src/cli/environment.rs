//! The environment of a command: the only place in `cli` that reads it. A variable that is set and
//! empty counts as not set, but for the token.

use secrecy::SecretString;
use std::path::{Component, Path, PathBuf};

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `ROTA_CONFIG`: the configuration, where no flag says.
    pub config: Option<PathBuf>,
    /// `ROTA_STATE`: the folder of local state, where no flag says.
    pub state: Option<PathBuf>,
    /// `ROTA_LOG`: which log lines are shown, in the language of `tracing`.
    pub log: Option<String>,
    /// `ROTA_CRASH_AT`: the step at which this process is to die, for tests of what a crash leaves.
    pub crash_at: Option<String>,
    /// Where `OTEL_EXPORTER_OTLP_ENDPOINT`, or one for traces or logs alone, names a collector, and
    /// `OTEL_SDK_DISABLED` does not say otherwise: the protocol that it is told by
    /// (`OTEL_EXPORTER_OTLP_PROTOCOL`).
    pub collector: Option<String>,
    /// `NO_COLOR` is set, and not empty.
    pub no_colour: bool,
    /// The IANA time zone of this machine or session, where it can be told.
    pub zone: Option<String>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_this_process() -> Self {
        let zone = read("TZ").map_or_else(zone_of_the_machine, |text| zone_named(&text));
        Self {
            config: read("ROTA_CONFIG").map(PathBuf::from),
            state: read("ROTA_STATE").map(PathBuf::from),
            log: read("ROTA_LOG"),
            crash_at: read("ROTA_CRASH_AT"),
            collector: collector(),
            no_colour: read("NO_COLOR").is_some(),
            zone,
        }
    }
}

fn collector() -> Option<String> {
    let is_off = read("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let named = ["", "_TRACES", "_LOGS"]
        .into_iter()
        .any(|of| read(&format!("OTEL_EXPORTER_OTLP{of}_ENDPOINT")).is_some());
    let protocol = || read("OTEL_EXPORTER_OTLP_PROTOCOL");
    (named && !is_off).then(|| protocol().unwrap_or_else(|| "http/protobuf".to_owned()))
}

/// `ROTA_TOKEN`: whose rights hold. It counts as set when it is empty: whoever meant to give a token
/// must not get the rights of whoever starts the command.
pub(super) fn token() -> Option<SecretString> {
    let text = std::env::var_os("ROTA_TOKEN")?;
    Some(SecretString::from(text.to_string_lossy().into_owned()))
}

/// `LEANTIME_API_TOKEN`, else `ROTA_TOKEN`: who the bridge says we are. Set and empty counts here too.
pub(super) fn server_token() -> Option<(&'static str, SecretString)> {
    let given = ["LEANTIME_API_TOKEN", "ROTA_TOKEN"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var_os(name)?)));
    given.map(|(name, text)| (name, SecretString::from(text.to_string_lossy().into_owned())))
}

/// `LEANTIME_SERVER_URL`, else `ROTA_URL`: the server that the bridge leads to.
pub(super) fn server_url() -> Option<String> {
    read("LEANTIME_SERVER_URL").or_else(|| read("ROTA_URL"))
}

/// `ROTA_POSTGRES_URL`: the server that a team is moved to. It may hold a password.
pub(super) fn postgres_url() -> Option<SecretString> {
    read("ROTA_POSTGRES_URL").map(|url| SecretString::from(url.trim()))
}

/// The variable that holds a key for Leantime, if one does.
pub(super) fn leantime_key_variable() -> Option<&'static str> {
    crate::config::API_KEYS
        .into_iter()
        .find(|name| read(name).is_some_and(|key| !key.trim().is_empty()))
}

/// `NODE_TLS_REJECT_UNAUTHORIZED=0`: how the Node bridge is told to check no certificate.
pub(super) fn node_trusts_anybody() -> bool {
    read("NODE_TLS_REJECT_UNAUTHORIZED").as_deref() == Some("0")
}

/// Where systemd looks for a user's own units.
pub(super) fn user_units() -> Option<PathBuf> {
    let own = read("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = own.or_else(|| read("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(folder.join("systemd/user"))
}

#[expect(clippy::disallowed_methods, reason = "this is the home of the environment in cli")]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// `TZ` may be written `:Europe/Berlin`; what is no IANA name (`CET-1CEST`) tells nothing.
fn zone_named(text: &str) -> Option<String> {
    let name = text.strip_prefix(':').unwrap_or(text);
    name.parse::<chrono_tz::Tz>().ok().map(|zone| zone.name().to_owned())
}

/// `/etc/localtime` is a link into the zone database; the last two or three parts are the name.
fn zone_of_the_machine() -> Option<String> {
    zone_of_link(&std::fs::read_link("/etc/localtime").ok()?)
}

fn zone_of_link(target: &Path) -> Option<String> {
    let parts: Vec<&str> = target
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let begin = parts.iter().position(|part| *part == "zoneinfo")? + 1;
    zone_named(&parts[begin..].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_read_from_a_name_or_a_link() {
        assert_eq!(zone_named(":Europe/Berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone_named("CET-1CEST"), None);
        let link = Path::new("../usr/share/zoneinfo/America/Argentina/Ushuaia");
        assert_eq!(zone_of_link(link).as_deref(), Some("America/Argentina/Ushuaia"));
        assert_eq!(zone_of_link(Path::new("/etc/elsewhere")), None);
    }
}
