//! A real PostgreSQL for tests: one server for all tests of a process, made when the first one asks, or
//! the one that `ROTA_TEST_POSTGRES_URL` names (its user has to be a superuser, without which there
//! are no teams apart from each other).
//!
//! Each team is a role of its own, with its schema: it may do what a daemon may, and no more.

mod proxy;
mod server;
mod tried;

pub(crate) use proxy::Proxy;
pub(crate) use server::Server;

use super::asked::{asked, is_required, lacks};
use rota::postgres::{Address, Cluster, PostgresOptions, Schema};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a question may take, and a server to come or go.
const PATIENCE: Duration = Duration::from_mins(1);

/// A schema of its own on the server that all tests share; `None` where there is none, which is
/// said once.
pub(crate) async fn schema() -> Option<Team> {
    static SHARED: OnceLock<Result<Host, String>> = OnceLock::new();
    let found = tokio::task::spawn_blocking(|| SHARED.get_or_init(Host::find)).await.unwrap();
    match found {
        Ok(Host::Own(server)) => Some(server.team()),
        Ok(Host::Named(url)) => Some(Team::on(url)),
        Err(why) => {
            lacking(why);
            None
        }
    }
}

enum Host {
    /// Ended when the process ends.
    Own(Server),
    Named(String),
}

impl Host {
    fn find() -> Result<Self, String> {
        match asked("ROTA_TEST_POSTGRES_URL") {
            Some(url) => ask(&url, "select 1").map(|_| Self::Named(url)),
            None => Server::begin().map(Self::Own),
        }
    }
}

/// Says it once in a process, unless somebody insists on it.
fn lacking(why: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) || is_required("postgres") {
        lacks("postgres", why);
    }
}

/// What is granted stands in the database's own row, which one at a time may write.
const ALONE: &str = "select pg_advisory_xact_lock(4711)";

/// A role and its schema, which its first daemon makes; both go with the value.
#[derive(Debug)]
pub(crate) struct Team {
    /// How the superuser gets there.
    keeper: String,
    /// The name of the role, its password and its schema.
    name: String,
    url: String,
}

impl Team {
    /// A new one on the server to which this address of a superuser leads.
    fn on(keeper: &str) -> Self {
        let name = format!("t_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        let database = ask(keeper, "select quote_ident(current_database())").unwrap();
        let made = format!(
            "{ALONE}; create role {name} login password '{name}'; grant create on database {database} to {name}"
        );
        ask(keeper, &made).unwrap();
        let rest = keeper.split_once("://").unwrap().1;
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let url = format!("postgres://{name}:{name}@{place}");
        Self { keeper: keeper.to_owned(), name, url }
    }

    /// As a daemon of this team is told it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same over these ports of loopback, in this order: of proxies, or of servers one of which
    /// follows the other.
    pub(crate) fn url_at(&self, ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (_, place) = self.url.rsplit_once('@').unwrap();
        let database = place.split_once('/').map_or("", |(_, database)| database);
        format!("postgres://{name}:{name}@{}/{database}", hosts.join(","), name = self.name)
    }

    /// The schema.
    pub(crate) fn schema_name(&self) -> &str {
        &self.name
    }

    /// A pool of so many connections. Nothing is sent yet.
    pub(crate) fn cluster(&self, connections: u32) -> Cluster {
        self.to(&self.url, connections)
    }

    /// The same over these ports of loopback.
    pub(crate) fn cluster_at(&self, ports: &[u16], connections: u32) -> Cluster {
        self.to(&self.url_at(ports), connections)
    }

    fn to(&self, url: &str, connections: u32) -> Cluster {
        Cluster::new(PostgresOptions {
            address: Address::parse(url, false).unwrap(),
            schema: Schema::parse(&self.name).unwrap(),
            connections,
            statement_timeout: Duration::from_secs(15),
        })
    }

    /// Ends every connection of this team.
    pub(crate) async fn terminate_others(&self) {
        let ended = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'",
            self.name
        );
        let keeper = self.keeper.clone();
        tokio::task::spawn_blocking(move || ask(&keeper, &ended).unwrap()).await.unwrap();
    }

    /// Asks as the superuser, in this team's schema: a line for each row, with `|` between its
    /// fields.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        let sql = format!("set search_path = {}; {sql}", self.name);
        ask(&self.keeper, &sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        let name = &self.name;
        // The server may be gone already, and takes all of it along.
        let _ = ask(
            &self.keeper,
            &format!(
                "set synchronous_commit = local; {ALONE}; set lock_timeout = '5s'; \
                 select pg_terminate_backend(pid) from pg_stat_activity where usename = '{name}'; \
                 drop owned by {name} cascade; drop role {name}"
            ),
        );
    }
}

/// What a server answers: a line for each row. On a thread of its own, so that it needs nobody's runtime.
fn ask(url: &str, sql: &str) -> Result<String, String> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let asking = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let answered = runtime
            .map_err(|error| error.to_string())?
            .block_on(async { tokio::time::timeout(PATIENCE, answer(&url, sql)).await });
        match answered {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(_) => Err("the server did not answer".to_owned()),
        }
    });
    asking.join().unwrap_or_else(|_| Err("the question broke off".to_owned()))
}

async fn answer(url: &str, sql: String) -> sqlx::Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
    let lines: Vec<String> = rows.iter().map(line).collect();
    connection.close().await?;
    Ok(lines.join("\n"))
}

/// Without parameters the server answers in text, whatever the type.
fn line(row: &PgRow) -> String {
    let field = |at: usize| row.try_get_raw(at).ok().and_then(|value| value.as_str().ok());
    let fields: Vec<&str> = (0..row.len()).map(|at| field(at).unwrap_or_default()).collect();
    fields.join("|")
}
