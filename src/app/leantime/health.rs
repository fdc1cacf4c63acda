//! What `rota doctor` finds out about a Leantime: each finding says what to do.

use super::options;
use crate::app::doctor::finding;
use crate::app::failure::Failure;
use crate::app::failures;
use crate::app::house::{Finding, Health};
use crate::app::people;
use crate::board::leantime::notebook::MemoryNotebook;
use crate::board::leantime::{About, LeantimeBoard, Sight};
use crate::board::{BoardError, People, Projects, Result};
use crate::clock::SystemClock;
use crate::config::{Config, LeantimeConfig};
use crate::domain::{BoardName, Person, PersonId, Role};
use std::sync::Arc;
use std::time::Duration;

/// Whoever looks does not wait until the server counts anew.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks that are no further apart are one clock.
const AHEAD_MAX: u64 = 5;
/// What Leantime takes in a minute before [`MORE_SINCE`], as it is delivered.
const FEW: u32 = 10;
const MORE_SINCE: [u32; 3] = [3, 9, 7];
/// What it takes since then.
const MANY: u32 = 120;
/// The releases that it is held against.
const KNOWN: [[u32; 2]; 2] = [[3, 5], [3, 9]];

/// For a look: what it learns is forgotten.
pub(in crate::app) fn open(
    config: &Config,
    named: &LeantimeConfig,
) -> std::result::Result<LeantimeBoard, Failure> {
    let mut options = options(named)?;
    options.patience = PATIENCE;
    // A handful of requests is not worth holding back.
    options.requests_per_minute = options.requests_per_minute.max(MANY);
    let (name, notes) = (BoardName::new(config.board_name.as_str()), MemoryNotebook::default());
    let board = LeantimeBoard::open(options, Arc::new(notes), name, SystemClock::shared());
    board.map_err(|error| failures::board(&error))
}

/// Looks at the server. Where it does not take the key, or does not answer, that is all there is to
/// say, and nothing more is asked.
pub(in crate::app) async fn examine(
    board: &LeantimeBoard,
    config: &Config,
    named: &LeantimeConfig,
) -> std::result::Result<Vec<Finding>, Finding> {
    let about = board.about().await.map_err(|error| unusable(&error))?;
    let version = about.version.as_deref().and_then(numbers);
    let mut findings = vec![release(&about, version, named), role("leantime key", &about.me)];
    findings.push(projects(board.projects().await.map(|projects| projects.len())));
    findings.push(limit(board.limit(), named.requests_per_minute, version));
    findings.push(zone(named));
    match board.sight().await {
        Ok(sight) => findings.extend([clock(sight), plugin(sight)]),
        Err(error) => findings.push(finding(
            "leantime clock",
            Health::Warn,
            error.to_string(),
            "look at the server's log",
        )),
    }
    if let Some(me) = &config.me {
        findings.extend(whoever_types(board.people().await, me));
    }
    for (name, agent) in &named.agents {
        let found = board.whose(Some(PersonId(agent.user))).await;
        findings.push(identity(name, PersonId(agent.user), found));
    }
    Ok(findings)
}

fn unusable(error: &BoardError) -> Finding {
    let advice = match error {
        BoardError::Denied(_) => {
            "make a key in Leantime under Company Settings, API Keys, and put it where the \
             configuration says; one try is one of twenty that it allows in a minute"
        }
        BoardError::RateLimited { .. } => "wait, or let it take more: LEAN_RATELIMIT_API",
        BoardError::Unsupported(_) => "name it: user = ID under [board]",
        _ => "open the address in a browser; see docs/leantime.md",
    };
    finding("leantime", Health::Fail, error.to_string(), advice)
}

/// `3.9.8` as numbers.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let mut next = || parts.next().unwrap_or(Some(0));
    Some([next()?, next()?, next()?])
}

fn release(about: &About, version: Option<[u32; 3]>, named: &LeantimeConfig) -> Finding {
    let Some([major, minor, _]) = version else {
        let found = format!("{} does not say which version it is", named.url);
        return finding("leantime", Health::Warn, found, "3.5 to 3.9 are known to work");
    };
    let told = about.version.as_deref().unwrap_or_default();
    let found = format!("version {told} at {}", named.url);
    let [oldest, newest] = KNOWN;
    if [major, minor] < oldest {
        return finding("leantime", Health::Fail, found, "update it: 3.5 to 3.9 are known to work");
    }
    if [major, minor] > newest {
        let advice = "newer than what was tried: try it on a copy first";
        return finding("leantime", Health::Warn, found, advice);
    }
    finding("leantime", Health::Ok, found, "")
}

/// Below an editor, a user cannot do anything that an agent is for.
fn role(what: &str, person: &Person) -> Finding {
    let found = format!("user {}, {}, {}", person.id, person.name, person.role);
    if person.role < Role::Editor {
        let advice = "give the user the role editor: below it nothing can be written";
        return finding(what, Health::Fail, found, advice);
    }
    finding(what, Health::Ok, found, "")
}

fn projects(found: Result<usize>) -> Finding {
    let what = "leantime projects";
    match found {
        Ok(0) => finding(what, Health::Fail, "none can be seen", "add the key's user to projects"),
        Ok(count) => finding(what, Health::Ok, format!("{count} can be seen"), ""),
        Err(error) => unusable(&error),
    }
}

fn limit(known: u32, configured: u32, version: Option<[u32; 3]>) -> Finding {
    let what = "leantime limit";
    let advice = "let it take more (LEAN_RATELIMIT_API), or say less (requests_per_minute)";
    if known < configured {
        let found =
            format!("it takes {known} requests in a minute, and {configured} are configured");
        return finding(what, Health::Warn, found, advice);
    }
    if version.is_some_and(|version| version < MORE_SINCE) && configured > FEW {
        let found = format!(
            "{configured} requests in a minute are configured; before 3.9.7 it takes {FEW} unless \
             it was told otherwise"
        );
        return finding(what, Health::Warn, found, advice);
    }
    finding(what, Health::Ok, format!("{configured} requests in a minute"), "")
}

/// The server does not tell its zone.
fn zone(named: &LeantimeConfig) -> Finding {
    let what = "leantime zone";
    let found = format!("{} is configured; the server does not tell its own", named.zone);
    if named.zone == chrono_tz::UTC {
        let advice = "see that its LEAN_DEFAULT_TIMEZONE is UTC; unset, it is America/Los_Angeles";
        return finding(what, Health::Ok, found, advice);
    }
    let advice = "LEAN_DEFAULT_TIMEZONE=UTC there and zone = \"UTC\" here keep days from shifting";
    finding(what, Health::Warn, found, advice)
}

fn clock(sight: Sight) -> Finding {
    let what = "leantime clock";
    let Some(ahead) = sight.ahead_seconds else {
        let found = "it does not say what time it is";
        return finding(what, Health::Warn, found, "see that its clock is set");
    };
    let apart = ahead.unsigned_abs();
    if apart <= AHEAD_MAX {
        return finding(what, Health::Ok, format!("{apart} s from ours"), "");
    }
    let way = if ahead > 0 { "before" } else { "behind" };
    let found = format!("{apart} s {way} ours");
    finding(
        what,
        Health::Warn,
        found,
        "set both clocks by the network: what is due when depends on it",
    )
}

fn plugin(sight: Sight) -> Finding {
    let what = "leantime plugin";
    let (health, found) = match sight.mcp_status {
        404 => (Health::Ok, "its own MCP server is not installed, and not needed".to_owned()),
        200..=299 => (Health::Ok, "its own MCP server answers beside `rota mcp`".to_owned()),
        401 | 403 => (Health::Ok, "its own MCP server is there, and refuses this key".to_owned()),
        status => (Health::Ok, format!("/mcp answers with HTTP status {status}; it is not needed")),
    };
    finding(what, health, found, "")
}

fn whoever_types(people: Result<Vec<Person>>, me: &str) -> Option<Finding> {
    let people = people.ok()?;
    let found = match people::named(&people, me) {
        Some(person) => {
            finding("me", Health::Ok, format!("user {}, {}", person.id, person.name), "")
        }
        None => finding(
            "me",
            Health::Fail,
            format!("nobody whom the key's user can see is {me:?}"),
            "name a member of its projects, or make it an admin",
        ),
    };
    Some(found)
}

fn identity(name: &str, user: PersonId, found: Result<Person>) -> Finding {
    let what = format!("leantime agent {name}");
    match found {
        Ok(person) if person.id != user => finding(
            &what,
            Health::Fail,
            format!("user {user} is configured, and the key is that of user {}", person.id),
            "mend [board.agents]: else what it writes is somebody else's",
        ),
        Ok(person) => role(&what, &person),
        Err(error) => Finding { what, ..unusable(&error) },
    }
}
