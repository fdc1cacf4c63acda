//! Slack's Web API: a method, its arguments, and an answer that is 200 whatever came of it. The token
//! is in no error, log line or `Debug` output.

use super::payload::is_user_id;
use crate::clock::Clock;
use crate::notify::NotifyError;
use crate::notify::http::{Poster, address, word};
use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So much of an answer is read.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// At most so many people are remembered.
const REMEMBERED_MAX: usize = 1_000;
/// For so long.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// Errors that pass by themselves. All others stay until somebody does something about them.
const PASSING: &[&str] = &[
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "accesslimited",
];

/// What to do about errors, for whoever reads the log or the list of dead letters.
const ADVICE: &[(&str, &str)] = &[
    ("invalid_auth", "the token is not Slack's: install the app anew and set its bot token"),
    ("not_authed", "no token was sent: set the bot token"),
    ("account_inactive", "the app or its user was removed: install the app anew"),
    ("token_revoked", "the token was revoked: install the app anew and set its bot token"),
    ("token_expired", "the token has expired: install the app anew, without token rotation"),
    ("missing_scope", "the app lacks a scope: add it (docs/slack.md) and install the app anew"),
    ("channel_not_found", "look at `channel`: its id begins with C, and the app must see it"),
    ("not_in_channel", "invite the app into the channel: /invite @Rota"),
    ("is_archived", "the channel is archived: name another one"),
    ("restricted_action", "the workspace does not let apps post there: ask its administrator"),
    ("msg_too_long", "the message is too long for Slack: this is a fault of ours"),
    ("invalid_blocks", "Slack does not understand the message: this is a fault of ours"),
];

/// The Web API, as an app's bot.
pub struct Slack {
    base: Url,
    token: SecretString,
    poster: Poster,
    clock: Arc<dyn Clock>,
    /// Slack's ids by e-mail address, and addresses by id, each until when.
    known: Mutex<BTreeMap<String, (Duration, Option<String>)>>,
}

/// What Slack answered before; nothing where it knew nobody.
#[derive(Debug, PartialEq, Eq)]
struct Known(Option<String>);

/// Why Slack did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// It says so by a name of its own.
    #[error("Slack says {name}{}", advice(name))]
    Refused {
        /// The name.
        name: String,
        /// Not before then, if it said.
        retry_after: Option<Duration>,
    },
    /// The exchange did not work.
    #[error(transparent)]
    Failed(#[from] NotifyError),
}

fn advice(name: &str) -> String {
    let found = ADVICE.iter().find(|(known, _)| *known == name);
    found.map_or_else(String::new, |(_, advice)| format!(": {advice}"))
}

impl SlackError {
    /// Whether it says this name.
    pub fn is(&self, wanted: &[&str]) -> bool {
        matches!(self, Self::Refused { name, .. } if wanted.contains(&name.as_str()))
    }
}

impl From<SlackError> for NotifyError {
    fn from(error: SlackError) -> Self {
        let what = error.to_string();
        match error {
            SlackError::Failed(error) => error,
            SlackError::Refused { name, retry_after } => {
                let is_transient = PASSING.contains(&name.as_str()) || retry_after.is_some();
                Self { what, is_transient, retry_after }
            }
        }
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Slack {
    /// Where the Web API is.
    pub const BASE: &'static str = "https://slack.com/api/";

    /// A client with this token; nothing is sent.
    pub fn new(
        base: &str,
        token: SecretString,
        time_limit: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let mut base = address(base).ok_or("expected an address that begins with https://")?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let text = token.expose_secret();
        if !text.starts_with("xox") || !text.bytes().all(is_word) {
            return Err("expected a bot token, which begins with xoxb-".to_owned());
        }
        let poster = Poster::new(&base, "Slack", time_limit, ANSWER_BYTES_MAX, Arc::clone(&clock))?;
        Ok(Self { base, token, poster, clock, known: Mutex::default() })
    }

    /// Whether it is on this machine, as in tests.
    pub fn is_local(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// Calls a method with arguments as JSON.
    pub async fn call(&self, method: &str, args: &Value) -> Result<Value, SlackError> {
        let kind = "application/json; charset=utf-8";
        self.exchange(method, kind, args.to_string()).await.map(|(answer, _)| answer)
    }

    /// Calls a method that takes no JSON.
    async fn ask(
        &self,
        method: &str,
        args: &[(&str, &str)],
    ) -> Result<(Value, HeaderMap), SlackError> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(args).finish();
        self.exchange(method, "application/x-www-form-urlencoded", form).await
    }

    async fn exchange(
        &self,
        method: &str,
        kind: &'static str,
        payload: String,
    ) -> Result<(Value, HeaderMap), SlackError> {
        let url = self.base.join(method).map_err(|_| NotifyError::lasting("no such method"))?;
        let url = SecretString::from(url.as_str());
        let answer = self.poster.post(&url, Some(&self.token), kind, payload).await?;
        if !answer.status.is_success() {
            return Err(self.poster.refusal(&answer).into());
        }
        let unread = || NotifyError::passing("Slack's answer cannot be read");
        let body = answer.body.ok_or_else(unread)?;
        let value: Value = serde_json::from_slice(&body).map_err(|_| unread())?;
        if value["ok"] == true {
            return Ok((value, answer.headers));
        }
        let name = value["error"].as_str().and_then(|name| word(name.as_bytes()));
        let name = name.unwrap_or("an_unknown_error").to_owned();
        Err(SlackError::Refused { name, retry_after: answer.retry_after })
    }

    /// The id of whoever has this e-mail address; `None` where nobody has it.
    pub async fn user_with(&self, email: &str) -> Result<Option<String>, SlackError> {
        let key = email.trim().to_lowercase();
        if let Some(Known(known)) = self.remembered(&key) {
            return Ok(known);
        }
        let found = match self.ask("users.lookupByEmail", &[("email", &key)]).await {
            Ok((answer, _)) => {
                let id = answer["user"]["id"].as_str().filter(|id| is_user_id(id));
                id.map(str::to_owned)
            }
            Err(error) if error.is(&["users_not_found"]) => None,
            Err(error) => return Err(error),
        };
        self.remember(key, found.clone());
        Ok(found)
    }

    /// The e-mail address of a user, as Slack has confirmed it; `None` where it does not say one.
    pub async fn email_of(&self, user: &str) -> Result<Option<String>, SlackError> {
        if !is_user_id(user) {
            return Ok(None);
        }
        if let Some(Known(known)) = self.remembered(user) {
            return Ok(known);
        }
        let (answer, _) = self.ask("users.info", &[("user", user)]).await?;
        let found = &answer["user"];
        // Whoever wrote the address of somebody else without reading their mail is not that person;
        // nor is a guest of another workspace, whose administrators are not ours.
        let is_own = found["is_email_confirmed"] == true
            && found["deleted"] != true
            && found["is_bot"] != true
            && found["is_stranger"] != true
            && found["is_restricted"] != true
            && found["is_ultra_restricted"] != true;
        let email = found["profile"]["email"].as_str().filter(|_| is_own);
        let email = email.map(|email| email.trim().to_lowercase()).filter(|e| e.contains('@'));
        self.remember(user.to_owned(), email.clone());
        Ok(email)
    }

    /// Who the token is, and what its app may do.
    pub async fn whoami(&self) -> Result<(String, Option<Vec<String>>), SlackError> {
        let (answer, headers) = self.ask("auth.test", &[]).await?;
        let shown = |key: &str| {
            let text = answer[key].as_str().unwrap_or("?");
            text.chars().filter(|c| !c.is_control()).take(80).collect::<String>()
        };
        let scopes = headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok());
        let scopes = scopes.map(|all| all.split(',').map(|one| one.trim().to_owned()).collect());
        Ok((format!("{} in {}", shown("user"), shown("team")), scopes))
    }

    /// Shows a form to whoever has just clicked.
    pub async fn open_view(&self, trigger: &str, view: &Value) -> Result<(), SlackError> {
        self.call("views.open", &json!({"trigger_id": trigger, "view": view})).await.map(|_| ())
    }

    fn remembered(&self, key: &str) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, found) = known.get(key)?;
        (self.clock.boot() < *until).then(|| Known(found.clone()))
    }

    fn remember(&self, key: String, found: Option<String>) {
        let now = self.clock.boot();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (until, _)| now < *until);
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(key, (now + REMEMBERED_FOR, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn open(base: &str, token: &str) -> Result<Slack, String> {
        let clock = Arc::new(ManualClock::at(crate::domain::from_millis(0)));
        Slack::new(base, SecretString::from(token), Duration::from_secs(1), clock)
    }

    #[test]
    fn a_token_goes_nowhere_but_to_slack_and_is_never_told() {
        let slack = open("https://slack.example/api", "xoxb-s3cret").unwrap();
        assert!(!format!("{slack:?}").contains("s3cret"));
        assert_eq!(slack.base.as_str(), "https://slack.example/api/");
        assert!(open("http://slack.example/api/", "xoxb-1").is_err(), "no TLS");
        for wrong in ["s3cret", "xoxb-s3cret\r\nx: y", "", "https://hooks.slack.com/s3cret"] {
            assert!(!open(Slack::BASE, wrong).unwrap_err().contains("s3cret"));
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_says_what_to_do() {
        let refused = |name: &str| SlackError::Refused { name: name.into(), retry_after: None };
        for name in PASSING {
            assert!(NotifyError::from(refused(name)).is_transient, "{name}");
        }
        for (name, advice) in ADVICE {
            let error = NotifyError::from(refused(name));
            assert!(!error.is_transient && error.what.ends_with(advice), "{error}");
        }
        assert!(!NotifyError::from(refused("something_new")).is_transient);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let slack = open(Slack::BASE, "xoxb-1").unwrap();
        for number in 0..3 * REMEMBERED_MAX {
            slack.remember(format!("{number}@example.org"), None);
            assert!(slack.known.lock().unwrap().len() <= REMEMBERED_MAX);
        }
        assert_eq!(slack.remembered("2999@example.org"), Some(Known(None)));
        assert_eq!(slack.remembered("1@example.org"), None);
    }
}
