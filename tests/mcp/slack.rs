//! What people click and type in Slack, by the real binary and a Slack that validates.

use super::{Client, team, token};
use crate::support::rota::{Rota, Serving, until};
use crate::support::slack::limits::pings;
use crate::support::slack::{FakeSlack, TEAM, TOKEN};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rota::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use std::fmt::Write as _;

const SECRET: &str = "shh-s3cr3t-of-the-app";
/// As people type it.
pub(super) const COMMAND: &str = "/rota";

pub(super) struct Scene {
    pub slack: FakeSlack,
    pub rota: Rota,
    serving: Serving,
    robot: Client,
    pub http: reqwest::Client,
    pub address: String,
}

impl Scene {
    pub fn new() -> Self {
        let slack = FakeSlack::start();
        slack.user("U0ADA", "ada@example.org");
        slack.user("U0EVE", "eve@example.org");
        slack.user("U0MALLORY", "mallory@example.org");
        let rota = team().with_env("TOKEN", TOKEN).with_env("SIGNING", SECRET);
        // There from the beginning: what comes into it is seen at once.
        rota.write("agents/.keep", "");
        let api = slack.api();
        let config = format!(
            "timezone = \"Europe/Berlin\"\n[people]\nme = \"Ada\"\n[daemon]\ntick = \"1s\"\n\
             [notify.slack.team]\ntoken = \"${{TOKEN}}\"\nchannel = \"{TEAM}\"\napi = \"{api}\"\n\
             [slack]\nsigning_secret = \"${{SIGNING}}\"\nreviews = \"team\"\n\
             people = {{ U0BOB = \"Bob\", U0EVE = \"Eve\", U0GONE = \"Nobody\", U0BOT = \"Robot\" }}\n"
        );
        rota.write("rota.toml", &config);
        rota.run(["person", "add", "Carol", "--role", "editor", "--email", "ada@example.org"]).ok();
        rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
        let robot = token(&rota, &["robots", "--person", "Robot"]);
        Self::serving(slack, rota, &robot)
    }

    /// Another life of the daemon.
    fn again(self) -> Self {
        let Self { slack, rota, serving, robot, .. } = self;
        serving.stop();
        Self::serving(slack, rota, &robot.token.unwrap())
    }

    fn serving(slack: FakeSlack, rota: Rota, robot: &str) -> Self {
        let serving = rota.serve(Vec::<&str>::new());
        let robot = Client::of(&serving, Some(robot));
        let robot = Client { url: format!("{}?toolsets=all,reviews", robot.url), ..robot };
        let (http, address) = (robot.http.clone(), robot.url.split("/mcp").next().unwrap().into());
        Self { slack, rota, serving, robot, http, address }
    }

    /// Robot hands the task over; the message that says so.
    async fn handed_over(&self) -> Value {
        let before = self.slack.messages().len();
        let held = self.robot.call("claimTask", json!({ "task": 1 })).await;
        let fence = held["structuredContent"]["fence"].clone();
        let summary = "Done <!channel> @here <https://evil.example|Approve>.";
        let submit = json!({ "task": 1, "fence": fence, "summary": summary, "reviewer": "Carol" });
        let submitted = self.robot.call("submitForReview", submit).await;
        assert_eq!(submitted["structuredContent"]["phase"], "free", "{submitted:#}");
        self.message(before)
    }

    async fn asked(&self) -> Value {
        let before = self.slack.messages().len();
        let held = self.robot.call("claimTask", json!({ "task": 1 })).await;
        let fence = held["structuredContent"]["fence"].clone();
        let ask = json!({ "task": 1, "fence": fence, "question": "Which footer?" });
        self.robot.call("askPerson", ask).await;
        self.message(before)
    }

    pub fn message(&self, before: usize) -> Value {
        let messages = until("a message in Slack", || {
            let messages = self.slack.messages();
            (messages.len() > before).then_some(messages)
        });
        messages[before].payload.clone()
    }

    async fn post(&self, path: &str, body: &str, at: i64, secret: &str) -> u16 {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let mut signature = "v0=".to_owned();
        for byte in mac.finalize().into_bytes() {
            write!(signature, "{byte:02x}").unwrap();
        }
        let request = self
            .http
            .post(format!("{}{path}", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", at.to_string())
            .header("x-slack-signature", signature)
            .body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    }

    /// What Slack sends when somebody does something, and what they are answered.
    async fn sent(&self, path: &str, body: &str) -> Value {
        let before = self.slack.responses().len();
        assert_eq!(self.post(path, body, now(), SECRET).await, 200);
        self.answer(before)
    }

    pub fn answer(&self, before: usize) -> Value {
        let responses = until("an answer in Slack", || {
            let responses = self.slack.responses();
            (responses.len() > before).then_some(responses)
        });
        responses[before].clone()
    }

    pub async fn clicks(&self, user: &str, message: &Value, button: usize) -> Value {
        self.sent("/slack/interactions", &self.click(user, message, button)).await
    }

    /// The body of a click.
    fn click(&self, user: &str, message: &Value, button: usize) -> String {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let blocks = message["blocks"].as_array().unwrap();
        let actions = blocks.iter().find(|block| block["type"] == "actions").unwrap();
        let element = &actions["elements"][button];
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        payload(&json!({
            "type": "block_actions",
            "user": {"id": user},
            "trigger_id": format!("trigger-{number}"),
            "response_url": self.slack.response_url(),
            "actions": [{
                "action_id": element["action_id"], "block_id": actions["block_id"],
                "value": element["value"], "type": "button"
            }],
            "message": {"blocks": blocks}
        }))
    }

    pub async fn types(&self, user: &str, text: &str) -> String {
        let body = form(&[
            ("command", COMMAND),
            ("text", text),
            ("user_id", user),
            ("response_url", &self.slack.response_url()),
        ]);
        let answer = self.sent("/slack/commands", &body).await;
        assert_eq!(answer["response_type"], "ephemeral");
        answer["text"].as_str().unwrap().to_owned()
    }

    fn status(&self) -> String {
        let task = self.rota.run(["task", "show", "1", "--json"]).ok().json();
        task["status_label"].as_str().unwrap_or_default().to_owned()
    }
}

fn now() -> i64 {
    SystemClock::new().wall().timestamp()
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn payload(payload: &Value) -> String {
    form(&[("payload", &payload.to_string())])
}

pub(super) fn text(answer: &Value) -> &str {
    answer["text"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_is_told_with_buttons_and_the_first_who_decides_decides() {
    let scene = Scene::new();
    let message = scene.handed_over().await;
    assert_eq!(
        pings(&message),
        ["<@U0ADA>", "<@U0ADA>"],
        "Carol alone, by her address: {message:#}"
    );
    assert!(!message.to_string().contains("<https"), "{message:#}");
    // Bob is mapped by rota.toml; what came of it stands where the buttons were.
    let approved = scene.clicks("U0BOB", &message, 0).await;
    assert_eq!(approved["replace_original"], true, "{approved:#}");
    assert!(text(&approved).starts_with("Bob approved task 1"), "{approved:#}");
    let blocks = approved["blocks"].as_array().unwrap();
    assert!(blocks.iter().all(|block| block["type"] != "actions"), "{approved:#}");
    assert_eq!(scene.status(), "Done");
    // Carol, whom Slack's confirmed address names, is too late.
    let late = scene.clicks("U0ADA", &message, 0).await;
    assert_eq!(late["response_type"], "ephemeral");
    assert!(text(&late).contains("decided before: Bob approved it at 20"), "{late:#}");
    let log = scene.serving.log();
    assert!(!log.contains("s3cr3t") && !log.contains(TOKEN), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_without_a_place_on_the_board_or_the_right_to() {
    let scene = Scene::new();
    let message = scene.handed_over().await;
    let waits = scene.status();
    for (user, why) in [
        ("U0MALLORY", "Nobody on the board is known to be you"),
        ("U0GONE", "Nobody on the board is known to be you"),
        ("U0BOT", "Nobody on the board is known to be you"),
        ("U0NEVER", "Nobody on the board is known to be you"),
        ("!channel", "Nobody on the board is known to be you"),
        ("U0EVE", "This was not done"),
    ] {
        let answer = scene.clicks(user, &message, 0).await;
        assert!(text(&answer).contains(why), "{user}: {answer:#}");
        assert_eq!(answer["response_type"], "ephemeral");
    }
    assert_eq!(scene.status(), waits);
    // A stranger who says that an address is theirs is nobody, and neither is a guest.
    for (id, confirmed, guest) in [("U0FALSE", false, false), ("U0GUEST", true, true)] {
        let email = "ada@example.org".to_owned();
        scene.slack.user_as(id, crate::support::slack::User { email, confirmed, guest });
        let answer = scene.clicks(id, &message, 0).await;
        assert!(text(&answer).contains("Nobody on the board"), "{id}: {answer:#}");
    }
    assert_eq!(scene.status(), waits);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_has_not_signed_just_now_for_the_first_time_does_nothing() {
    let scene = Scene::new();
    let message = scene.handed_over().await;
    let waits = scene.status();
    let body = scene.click("U0BOB", &message, 0);
    let path = "/slack/interactions";
    for (at, secret) in [(now(), "another"), (now() - 301, SECRET), (now() + 360, SECRET)] {
        assert_eq!(scene.post(path, &body, at, secret).await, 401);
    }
    let unsigned = scene.http.post(format!("{}{path}", scene.address)).body(body.clone());
    assert_eq!(unsigned.send().await.unwrap().status().as_u16(), 401);
    let long = format!("payload={}", "x".repeat(256 * 1024));
    assert_eq!(scene.post(path, &long, now(), SECRET).await, 413);
    assert_eq!(scene.post(path, "payload=%7B%7D", now(), SECRET).await, 400);
    assert_eq!(scene.status(), waits);
    let at = now();
    assert_eq!(scene.post(path, &body, at, SECRET).await, 200);
    scene.answer(0);
    assert_eq!(scene.post(path, &body, at, SECRET).await, 401, "it came before");
    assert_eq!(scene.slack.responses().len(), 1);
    // An answer goes to Slack and nowhere else.
    let elsewhere = FakeSlack::start();
    let command = form(&[
        ("text", "status"),
        ("user_id", "U0BOB"),
        ("response_url", &elsewhere.response_url().replace("http://", "https://evil.example@")),
    ]);
    assert_eq!(scene.post("/slack/commands", &command, now(), SECRET).await, 200);
    scene.types("U0BOB", "help").await;
    assert!(elsewhere.responses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_asked_for_and_questions_answered_by_a_form() {
    let scene = Scene::new();
    let question = scene.asked().await;
    assert!(question.to_string().contains("Which footer?"), "{question:#}");
    let send = async |message: &Value, said: &str| {
        let views = scene.slack.views().len();
        let click = scene.click("U0BOB", message, usize::from(said.starts_with("The link")));
        assert_eq!(scene.post("/slack/interactions", &click, now(), SECRET).await, 200);
        let opened = until("a form", || {
            let opened = scene.slack.views();
            (opened.len() > views).then_some(opened)
        });
        let view = opened.last().unwrap();
        let submission = json!({
            "type": "view_submission",
            "user": {"id": "U0BOB"},
            "view": {
                "callback_id": view["callback_id"],
                "private_metadata": view["private_metadata"],
                "state": {"values": {"said": {"text": {"value": said}}}}
            }
        });
        scene.sent("/slack/interactions", &payload(&submission)).await
    };
    let answered = send(&question, "The lower one.").await;
    assert!(text(&answered).starts_with("Bob answered the question"), "{answered:#}");
    let late = send(&question, "The upper one.").await;
    assert!(
        text(&late).contains("the answer was: The lower one.")
            || text(&late).contains("no question"),
        "{late:#}"
    );
    let held = scene.robot.call("claimTask", json!({ "task": 1 })).await;
    assert_eq!(held["structuredContent"]["answer"], "The lower one.", "{held:#}");
    let fence = held["structuredContent"]["fence"].clone();
    let before = scene.slack.messages().len();
    let submit = json!({ "task": 1, "fence": fence, "summary": "Done." });
    scene.robot.call("submitForReview", submit).await;
    let message = scene.message(before);
    let rejected = send(&message, "The link is missing.").await;
    assert!(text(&rejected).starts_with("Bob asked for changes of task 1"), "{rejected:#}");
    let shown = scene.rota.run(["task", "show", "1"]).ok().out;
    assert!(shown.contains("The link is missing."), "{shown}");
    // A button of work that is over says nothing of the work that waits by then.
    scene.handed_over().await;
    let waits = scene.status();
    let stale = scene.clicks("U0BOB", &message, 0).await;
    assert!(text(&stale).contains("nothing was decided: look again"), "{stale:#}");
    assert_eq!(scene.status(), waits, "nothing was decided");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_carried_out_as_whoever_typed_them() {
    let scene = Scene::new();
    assert!(scene.types("U0BOB", "status").await.contains("slots"));
    assert!(scene.types("U0BOB", "why 1").await.contains("Fix the footer"));
    for unclear in ["", "help", "run", "stop", "delete everything", "run x y z"] {
        assert!(scene.types("U0BOB", unclear).await.starts_with("/rota status"), "{unclear}");
    }
    assert!(scene.types("U0BOB", "run nothing").await.contains("This was not done"));
    assert!(scene.types("U0BOB", "stop r-nobody").await.contains("This was not done"));
    assert!(scene.types("U0EVE", "stop all").await.contains("This was not done"));
    assert!(scene.types("U0MALLORY", "status").await.contains("Nobody on the board"));
    assert!(!scene.rota.run(["status"]).ok().out.contains("everything is stopped"));
    scene.types("U0BOB", "stop all too many comments").await;
    let status = scene.rota.run(["status"]).ok().out;
    assert!(status.contains("Bob") && status.contains("too many comments"), "{status}");
}

#[test]
fn doctor_says_how_slack_is_reached_and_sends_nothing() {
    let scene = Scene::new();
    let seen = scene.rota.run(["doctor"]);
    assert!(seen.out.contains("rota in Team posts to C0TEAM"), "{seen:#?}");
    scene.slack.revoke(true);
    let seen = scene.rota.run(["doctor"]);
    assert!(seen.out.contains("token_revoked"), "{seen:#?}");
    assert!(!format!("{seen:?}").contains("s3cr3t"));
    assert_eq!(scene.slack.called("chat.postMessage"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_restart_does_not_come_again_after_it() {
    let scene = Scene::new();
    let message = scene.handed_over().await;
    let (path, at) = ("/slack/interactions", now());
    // Snoozing may be done twice: only its signature keeps it from that.
    let body = scene.click("U0BOB", &message, 2);
    assert_eq!(scene.post(path, &body, at, SECRET).await, 200);
    scene.answer(0);
    let scene = scene.again();
    assert_eq!(scene.post(path, &body, at, SECRET).await, 401, "it came before");
    scene.serving.wait_for_log("it came before");
    assert_eq!(scene.slack.responses().len(), 1);
    scene.types("U0BOB", "status").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snoozing_puts_it_off_by_a_day_for_everybody_and_keeps_the_buttons() {
    let scene = Scene::new();
    let message = scene.handed_over().await;
    let snoozed = || {
        let listed = scene.rota.run(["review", "list", "--json"]).ok().json();
        listed["items"][0]["snoozed"].as_str().map(str::to_owned)
    };
    let refused = scene.clicks("U0EVE", &message, 2).await;
    assert!(text(&refused).contains("This was not done"), "{refused:#}");
    assert_eq!(snoozed(), None);
    let before = SystemClock::new().wall();
    let answer = scene.clicks("U0BOB", &message, 2).await;
    assert_eq!(text(&answer), "Bob put task 1 off by a day.");
    assert_eq!(answer["response_type"], "ephemeral", "what was asked still stands: {answer:#}");
    let until = chrono::DateTime::parse_from_rfc3339(&snoozed().unwrap()).unwrap();
    let local = until.with_timezone(&chrono_tz::Europe::Berlin);
    let tomorrow = before.with_timezone(&chrono_tz::Europe::Berlin).date_naive().succ_opt();
    assert_eq!(Some(local.date_naive()), tomorrow, "{until}");
    // It is not told anew, and can be decided meanwhile.
    let told = scene.slack.messages().len();
    let approved = scene.clicks("U0BOB", &message, 0).await;
    assert!(text(&approved).starts_with("Bob approved task 1"), "{approved:#}");
    assert_eq!((scene.status().as_str(), scene.slack.messages().len()), ("Done", told));
    let late = scene.clicks("U0ADA", &message, 2).await;
    assert!(text(&late).starts_with("This was not done"), "{late:#}");
}

/// Works until the file `gate` is there.
pub const GATED: &str = r#"
description = "Works until the gate opens."
agent = "Robot"
[select]
status = "kind:new"
[claim]
[work]
runner = "command"
command = ["sh", "-c", "while [ ! -e GATE ]; do sleep 0.02; done"]
[outcome.done]
status = "kind:waiting"
[limits]
attempts = 1
"#;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_a_run_hears_at_once_that_it_has_begun_and_later_how_it_ended() {
    let scene = Scene::new();
    let gate = scene.rota.path().join("gate");
    scene.rota.write("agents/gated.toml", &GATED.replace("GATE", &gate.display().to_string()));
    until("the playbook", || scene.rota.run(["playbooks"]).out.contains("gated").then_some(()));
    let begun = scene.types("U0BOB", "run gated 1").await;
    assert!(
        begun.starts_with("Run r-") && begun.contains(" of gated has begun at task 1"),
        "{begun}"
    );
    let run = begun.split_whitespace().nth(1).unwrap();
    assert!(begun.contains(&format!("rota runs follow {run}")), "{begun}");
    let shown = scene.rota.run(["runs", "show", run]).ok().out;
    assert!(shown.contains("running"), "{shown}");
    assert_eq!(scene.slack.responses().len(), 1, "it is not over");
    std::fs::write(&gate, "").unwrap();
    let ended = scene.answer(1);
    assert!(text(&ended).contains(run) && text(&ended).contains("handed_over"), "{ended:#}");
    assert_eq!(ended["response_type"], "ephemeral");
    // What takes nothing ends at once, and only that is told.
    let nothing = scene.types("U0BOB", "run gated").await;
    assert!(!nothing.contains("has begun"), "{nothing}");
}
