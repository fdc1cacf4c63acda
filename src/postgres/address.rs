//! Where a database is: libpq's address with one host or several.
//!
//! The form is that of PostgreSQL's manual, "Connection URIs": `postgres://user:password@host:port,host:port/database?parameters`.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;

/// So many hosts at most.
const HOSTS_MAX: usize = 16;
/// The parameters that mean something here; anything else is a mistake that would go unseen.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];
/// Parameters of libpq that are so here in any case.
const IMPLIED: &[(&str, &str)] = &[("target_session_attrs", "read-write")];

/// The hosts of a database. Shown without its password.
#[derive(Clone)]
pub struct Address {
    hosts: Vec<PgConnectOptions>,
    /// As it was written.
    text: SecretString,
}

impl Address {
    /// Reads an address. Off this machine a connection has to be encrypted and the server's certificate
    /// is checked (`sslmode=verify-full`) unless the address says another mode; a mode without TLS needs
    /// `plain` on top.
    ///
    /// # Errors
    /// A text for people, which never holds what is between `:` and `@`.
    pub fn parse(text: &str, plain: bool) -> Result<Self, String> {
        let form =
            "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, several hosts with commas";
        let (scheme, rest) = text.split_once("://").ok_or(form)?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(form.to_owned());
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if tail.contains('@') {
            return Err("an @ follows a /, ? or #: write special characters of the password, and \
                        of a parameter, as %XX"
                .to_owned());
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let tail = checked(tail)?;
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > HOSTS_MAX {
            return Err(format!("at most {HOSTS_MAX} hosts"));
        }
        let says_mode = tail.contains("sslmode=");
        let mut found = Vec::with_capacity(hosts.len());
        for host in hosts {
            let one = format!("postgres://{user}{host}{tail}");
            // The parser's own words may quote the address.
            let options = PgConnectOptions::from_str(&one)
                .map_err(|_| format!("{form}; a host, a port or a parameter cannot be read"))?;
            found.push(guarded(options, says_mode, plain)?);
        }
        Ok(Self { hosts: found, text: SecretString::from(text.to_owned()) })
    }

    /// How to connect to each host, in the order of the address.
    pub fn hosts(&self) -> &[PgConnectOptions] {
        &self.hosts
    }
}

/// The path and the parameters, when each of them is known.
fn checked(tail: &str) -> Result<String, String> {
    let tail = tail.split('#').next().unwrap_or_default();
    let Some((path, query)) = tail.split_once('?') else { return Ok(tail.to_owned()) };
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if IMPLIED.iter().any(|(name, only)| *name == key && *only == value) {
            continue;
        }
        if !PARAMETERS.contains(&key.as_ref()) {
            // What does not look like one may be a part of a password.
            let is_name = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let what =
                if is_name { format!("the parameter `{key}`") } else { "a parameter".to_owned() };
            return Err(format!("{what} is not known: expected {}", PARAMETERS.join(", ")));
        }
        kept.append_pair(&key, &value);
    }
    Ok(format!("{path}?{}", kept.finish()))
}

/// Off this machine: encrypted, and to nobody else.
fn guarded(
    options: PgConnectOptions,
    says_mode: bool,
    plain: bool,
) -> Result<PgConnectOptions, String> {
    let is_named = options.get_application_name().is_some();
    let options = if is_named { options } else { options.application_name("rota") };
    if is_here(&options) {
        return Ok(options);
    }
    if !says_mode {
        return Ok(options.ssl_mode(if plain { PgSslMode::Prefer } else { PgSslMode::VerifyFull }));
    }
    let is_open =
        matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer);
    if is_open && !plain {
        return Err(format!(
            "{} is another machine: without TLS passwords and tasks can be read on the way. \
             Take sslmode=verify-full, or write `plain = true` beside the address",
            options.get_host()
        ));
    }
    Ok(options)
}

/// A socket or a loopback address.
pub(super) fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_start_matches('[').trim_end_matches(']');
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where one host is, for people.
pub(super) fn place_of(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(place_of).collect();
        out.write_str(&hosts.join(", "))?;
        let database = self.hosts.first().and_then(PgConnectOptions::get_database);
        database.map_or(Ok(()), |database| write!(out, ", database {database}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Address({self})")
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

impl Eq for Address {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_hosts_and_keeps_its_password() {
        let text = "postgresql://rota:p%40ss@db1.example:5433,db2.example/team?sslmode=verify-full&target_session_attrs=read-write";
        let address = Address::parse(text, false).unwrap();
        assert_eq!(address.to_string(), "db1.example:5433, db2.example:5432, database team");
        assert_eq!(address.hosts()[1].get_username(), "rota");
        assert!(!format!("{address:?}").contains("p@ss"));
        assert!(!format!("{address:?}").contains("p%40ss"));
    }

    #[test]
    fn a_name_that_is_said_to_the_server_is_kept() {
        let named = |text: &str| {
            let address = Address::parse(text, false).unwrap();
            address.hosts()[0].get_application_name().map(str::to_owned)
        };
        let said = named("postgres://u@127.0.0.1/d?application_name=team");
        assert_eq!(said.as_deref(), Some("team"));
        assert_eq!(named("postgres://u@127.0.0.1/d").as_deref(), Some("rota"));
    }

    #[test]
    fn a_socket_is_an_address() {
        let address = Address::parse("postgres://rota@%2Frun%2Fpostgresql/team", false).unwrap();
        assert_eq!(address.to_string(), "/run/postgresql, database team");
    }

    #[test]
    fn another_machine_is_reached_by_tls_only() {
        let mode = |text: &str, plain| {
            Address::parse(text, plain).map(|address| address.hosts()[0].get_ssl_mode())
        };
        let far = "postgres://u@db.example/d";
        assert!(matches!(mode(far, false), Ok(PgSslMode::VerifyFull)));
        for open in ["disable", "allow", "prefer"] {
            let said = format!("{far}?sslmode={open}");
            assert!(mode(&said, false).unwrap_err().contains("another machine"), "{open}");
            assert!(mode(&said, true).is_ok(), "{open}");
        }
        assert!(matches!(mode(&format!("{far}?sslmode=require"), false), Ok(PgSslMode::Require)));
        for near in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            let said = format!("postgres://u@{near}/d?sslmode=disable");
            assert!(matches!(mode(&said, false), Ok(PgSslMode::Disable)), "{near}");
        }
        // One far host among near ones is far.
        assert!(mode("postgres://u@127.0.0.1,db.example/d?sslmode=disable", false).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_told_without_its_password() {
        for bad in [
            "rota",
            "mysql://u:secret@h/d",
            "postgres://u:secret@h:port/d",
            "postgres://u:secret@h/d?sslmode=perhaps",
            "postgres://u:secret@h/d?sslmod=require",
            "postgres://u:secret@h/d?target_session_attrs=any",
            "postgres://u@h/d?secret1=require",
            "postgres://u@h/d?Asecret=require",
        ] {
            let error = Address::parse(bad, false).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
        for bad in ["a?secret", "?secret=", "a/secret", "a#secret", "a?x&secret#"] {
            let error = Address::parse(&format!("postgres://u:{bad}@h/d"), false).unwrap_err();
            assert!(error.contains("%XX") && !error.contains("secret"), "{error}");
        }
        let many = vec!["h"; 17].join(",");
        assert!(Address::parse(&format!("postgres://u@{many}/d"), false).is_err());
    }
}
