//! A Slack that validates like Slack does: scopes, limits of messages and views, who may post where, and
//! its own names for what is wrong. It is stricter where Slack is lenient: an unknown member is refused.

pub mod limits;

use super::http_double::{Asked, Double, Reply, Then};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const TOKEN: &str = "xoxb-fake-s3cr3t";
/// A channel that the app is in.
pub const TEAM: &str = "C0TEAM";

/// How the next call fails.
#[derive(Clone, Debug)]
pub enum Fail {
    /// 200, `ok: false` and this name.
    Error(&'static str),
    /// 429 with so many seconds.
    Limited(u64),
    /// This status, with a page for people.
    Status(u16),
    /// 200, and what came is no JSON.
    Garbage,
    /// The connection breaks before anything was done.
    Broken,
    /// It is done, and the connection breaks before the answer.
    DoneAndBroken,
}

impl Fail {
    /// How many kinds there are.
    pub const KINDS: usize = 6;

    /// Which of them it is.
    pub fn kind(&self) -> usize {
        match self {
            Self::Error(_) => 0,
            Self::Limited(_) => 1,
            Self::Status(_) => 2,
            Self::Garbage => 3,
            Self::Broken => 4,
            Self::DoneAndBroken => 5,
        }
    }
}

/// A message as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Stands {
    pub channel: String,
    pub ts: String,
    pub thread: Option<String>,
    pub payload: Value,
    pub edits: u32,
}

/// A user of the workspace.
#[derive(Clone, Debug)]
pub struct User {
    pub email: String,
    pub confirmed: bool,
    pub guest: bool,
}

#[derive(Debug, Default)]
struct State {
    scopes: BTreeSet<&'static str>,
    users: BTreeMap<String, User>,
    /// Channels: whether the app is in them, and whether they are archived.
    channels: BTreeMap<String, (bool, bool)>,
    messages: Vec<Stands>,
    views: Vec<Value>,
    fails: VecDeque<Fail>,
    calls: Vec<(String, Value)>,
    responses: Vec<Value>,
    next: u32,
    token_revoked: bool,
    /// Whether a channel takes one message a second and no more.
    is_limited: bool,
    /// When each channel got its last one.
    posted: BTreeMap<String, Instant>,
    /// How many were too fast.
    too_fast: usize,
}

pub struct FakeSlack {
    state: Arc<Mutex<State>>,
    double: Double,
}

impl FakeSlack {
    pub fn start() -> Self {
        let state = State {
            scopes: ["chat:write", "users:read", "users:read.email", "commands"].into(),
            channels: [(TEAM.to_owned(), (true, false))].into(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let double = Double::start_other(|_| None, move |asked| answer(&shared, asked));
        Self { state, double }
    }

    /// Where its Web API is.
    pub fn api(&self) -> String {
        format!("http://{}/api/", self.double.address)
    }

    /// What the next calls come to, in this order.
    pub fn will(&self, fails: impl IntoIterator<Item = Fail>) {
        self.state.lock().unwrap().fails.extend(fails);
    }

    /// From now on a channel takes one message a second.
    pub fn limit_channels(&self) {
        self.state.lock().unwrap().is_limited = true;
    }

    /// How many messages came faster than that.
    pub fn too_fast(&self) -> usize {
        self.state.lock().unwrap().too_fast
    }

    pub fn without_scope(&self, scope: &str) {
        self.state.lock().unwrap().scopes.retain(|own| *own != scope);
    }

    pub fn revoke(&self, revoked: bool) {
        self.state.lock().unwrap().token_revoked = revoked;
    }

    /// A channel: whether the app is in it, and whether it is archived.
    pub fn channel(&self, id: &str, is_in: bool, is_archived: bool) {
        self.state.lock().unwrap().channels.insert(id.to_owned(), (is_in, is_archived));
    }

    pub fn user(&self, id: &str, email: &str) {
        self.user_as(id, User { email: email.to_owned(), confirmed: true, guest: false });
    }

    pub fn user_as(&self, id: &str, user: User) {
        self.state.lock().unwrap().users.insert(id.to_owned(), user);
    }

    /// Somebody removes a message by hand.
    pub fn remove(&self, ts: &str) {
        self.state.lock().unwrap().messages.retain(|message| message.ts != ts);
    }

    /// The messages as they stand, in order.
    pub fn messages(&self) -> Vec<Stands> {
        self.state.lock().unwrap().messages.clone()
    }

    pub fn views(&self) -> Vec<Value> {
        self.state.lock().unwrap().views.clone()
    }

    /// The methods that were called, with what they were given.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Where somebody who clicks is answered.
    pub fn response_url(&self) -> String {
        format!("http://{}/response/1", self.double.address)
    }

    /// What was answered there.
    pub fn responses(&self) -> Vec<Value> {
        self.state.lock().unwrap().responses.clone()
    }

    pub fn called(&self, method: &str) -> usize {
        self.calls().iter().filter(|(name, _)| name == method).count()
    }
}

fn answer(state: &Mutex<State>, asked: &Asked) -> Reply {
    let mut state = state.lock().unwrap();
    if asked.path.starts_with("/response/") {
        let response = asked.message();
        let checked = limits::response(&response);
        state.responses.push(response);
        return match checked {
            Ok(()) => Reply::text(200, "text/plain", "ok"),
            Err(name) => Reply::text(400, "text/plain", name),
        };
    }
    let method = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_json = asked.header("content-type").is_some_and(|kind| kind.contains("json"));
    let args = if is_json {
        asked.message()
    } else {
        let pairs = form_urlencoded::parse(asked.body.as_bytes());
        pairs.map(|(name, value)| (name.into_owned(), json!(value))).collect()
    };
    state.calls.push((method.clone(), args.clone()));
    let done_first = matches!(state.fails.front(), Some(Fail::DoneAndBroken));
    match state.fails.pop_front() {
        None | Some(Fail::DoneAndBroken) => {}
        Some(Fail::Error(name)) => return Reply::json(&json!({"ok": false, "error": name})),
        Some(Fail::Limited(seconds)) => {
            let body = json!({"ok": false, "error": "ratelimited"}).to_string();
            let limited = Reply::text(429, "application/json", &body);
            return limited.with("Retry-After", &seconds.to_string());
        }
        Some(Fail::Status(status)) => {
            return Reply::text(status, "text/html", "<html>Slack</html>");
        }
        Some(Fail::Garbage) => return Reply::text(200, "text/html", "<html>Slack</html>"),
        Some(Fail::Broken) => return Reply::text(200, "text/plain", "").then(Then::HangUp).cut(),
    }
    if method == "chat.postMessage" && is_too_fast(&mut state, &args) {
        let body = json!({"ok": false, "error": "ratelimited"}).to_string();
        return Reply::text(429, "application/json", &body).with("Retry-After", "1");
    }
    let answered = match authorized(&state, asked)
        .and_then(|()| allowed(&state, &method))
        .and_then(|()| perform(&mut state, &method, is_json, &args))
    {
        Ok(mut answer) => {
            answer["ok"] = json!(true);
            Reply::json(&answer)
        }
        Err(name) => Reply::json(&json!({"ok": false, "error": name})),
    };
    let scopes = state.scopes.iter().copied().collect::<Vec<_>>().join(",");
    let answered = answered.with("X-OAuth-Scopes", &scopes);
    if done_first { answered.then(Then::HangUp).cut() } else { answered }
}

fn is_too_fast(state: &mut State, args: &Value) -> bool {
    let channel = args["channel"].as_str().unwrap_or_default().to_owned();
    #[expect(clippy::disallowed_methods, reason = "its rate is by real time, as Slack's is")]
    let now = Instant::now();
    let last = state.posted.get(&channel);
    if state.is_limited && last.is_some_and(|last| now - *last < Duration::from_secs(1)) {
        state.too_fast += 1;
        return true;
    }
    state.posted.insert(channel, now);
    false
}

fn authorized(state: &State, asked: &Asked) -> Result<(), &'static str> {
    if asked.method != "POST" || !asked.path.starts_with("/api/") {
        return Err("unknown_method");
    }
    match asked.header("authorization") {
        None => Err("not_authed"),
        Some(_) if state.token_revoked => Err("token_revoked"),
        Some(bearer) if bearer == format!("Bearer {TOKEN}") => Ok(()),
        Some(_) => Err("invalid_auth"),
    }
}

fn allowed(state: &State, method: &str) -> Result<(), &'static str> {
    match scope_of(method).ok_or("unknown_method")? {
        Some(needed) if !state.scopes.contains(needed) => Err("missing_scope"),
        _ => Ok(()),
    }
}

/// What a method needs, if anything; `None`: there is no such method.
#[expect(clippy::option_option, reason = "a method that needs nothing is none that is not there")]
pub fn scope_of(method: &str) -> Option<Option<&'static str>> {
    Some(match method {
        "chat.postMessage" | "chat.update" | "chat.delete" => Some("chat:write"),
        "users.lookupByEmail" => Some("users:read.email"),
        "users.info" => Some("users:read"),
        "auth.test" | "views.open" => None,
        _ => return None,
    })
}

fn perform(
    state: &mut State,
    method: &str,
    is_json: bool,
    args: &Value,
) -> Result<Value, &'static str> {
    match (method, is_json) {
        ("chat.postMessage", true) => post(state, args),
        ("chat.update", true) => update(state, args),
        ("chat.delete", true) => {
            let at = find(state, args)?;
            state.messages.remove(at);
            Ok(json!({}))
        }
        ("views.open", true) => {
            if args["trigger_id"].as_str().is_none_or(str::is_empty) {
                return Err("invalid_trigger_id");
            }
            limits::view(&args["view"])?;
            state.views.push(args["view"].clone());
            Ok(json!({"view": args["view"]}))
        }
        ("users.lookupByEmail", false) => {
            let wanted = args["email"].as_str().ok_or("invalid_arguments")?;
            let found = state.users.iter().find(|(_, user)| user.email == wanted);
            let (id, _) = found.ok_or("users_not_found")?;
            Ok(json!({"user": {"id": id}}))
        }
        ("users.info", false) => {
            let id = args["user"].as_str().ok_or("invalid_arguments")?;
            let user = state.users.get(id).ok_or("user_not_found")?;
            let mut shown = json!({"user": {
                "id": id, "deleted": false, "is_bot": false, "is_restricted": user.guest,
                "is_email_confirmed": user.confirmed, "profile": {}
            }});
            if state.scopes.contains("users:read.email") {
                shown["user"]["profile"]["email"] = json!(user.email);
            }
            Ok(shown)
        }
        ("auth.test", false) => Ok(json!({"user": "rota", "team": "Team"})),
        // These take no JSON, or only JSON.
        _ => Err("invalid_arguments"),
    }
}

fn post(state: &mut State, args: &Value) -> Result<Value, &'static str> {
    let channel = args["channel"].as_str().ok_or("channel_not_found")?.to_owned();
    let known = ["channel", "text", "blocks", "thread_ts", "unfurl_links", "unfurl_media"];
    limits::members(args, &known)?;
    let (is_in, is_archived) = state.channels.get(&channel).ok_or("channel_not_found")?;
    if *is_archived {
        return Err("is_archived");
    }
    if !is_in {
        return Err("not_in_channel");
    }
    limits::message(args)?;
    let thread = args["thread_ts"].as_str().map(str::to_owned);
    if let Some(thread) = &thread
        && !state.messages.iter().any(|message| message.ts == *thread && message.thread.is_none())
    {
        return Err("thread_not_found");
    }
    state.next += 1;
    let ts = format!("1795000000.{:06}", state.next);
    let payload = args.clone();
    state.messages.push(Stands {
        channel: channel.clone(),
        ts: ts.clone(),
        thread,
        payload,
        edits: 0,
    });
    Ok(json!({"channel": channel, "ts": ts}))
}

fn find(state: &State, args: &Value) -> Result<usize, &'static str> {
    let (channel, ts) = (&args["channel"], &args["ts"]);
    if channel.as_str().is_none_or(|channel| !state.channels.contains_key(channel)) {
        return Err("channel_not_found");
    }
    let found = state
        .messages
        .iter()
        .position(|message| channel == &json!(message.channel) && ts == &json!(message.ts));
    found.ok_or("message_not_found")
}

fn update(state: &mut State, args: &Value) -> Result<Value, &'static str> {
    limits::members(args, &["channel", "ts", "text", "blocks"])?;
    let at = find(state, args)?;
    limits::message(args)?;
    let message = &mut state.messages[at];
    message.payload = args.clone();
    message.edits += 1;
    Ok(json!({"channel": message.channel, "ts": message.ts}))
}
