//! Webhooks: who may wake a playbook, what reaches it, and that one delivery counts once.

use super::{Answer, Api, sent};
use crate::mcp::{team, token};
use crate::support::rota::{Rota, Serving, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rota::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-of-the-mail-server";

/// Makes a task of what was told.
const INTAKE: &str = r#"
agent = "AI-Worker"
[on]
webhook = { secret = "${HOOK_SECRET}", events = ["mail.received"] }
[[step]]
tool = "addTask"
args = { headline = "{{event.payload.subject}}", projectId = 1, description = "{{event.name}} {{event.delivery}}" }
[scope]
write = "board"
"#;

struct Scene {
    rota: Rota,
    serving: Serving,
    api: Api,
    token: String,
}

impl Scene {
    fn new() -> Self {
        let rota = team().with_env("HOOK_SECRET", SECRET).with_env("MCP_RATE_LIMIT", "10000");
        rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
        rota.write("agents/intake.toml", INTAKE);
        let token = token(&rota, &["laptop"]);
        let serving = rota.serve(Vec::<&str>::new());
        let api = Api::of(&serving, Some(&token));
        Self { rota, serving, api, token }
    }

    fn again(self) -> Self {
        let Self { rota, serving, token, .. } = self;
        assert_eq!(serving.stop(), 0);
        let serving = rota.serve(Vec::<&str>::new());
        let api = Api::of(&serving, Some(&token));
        Self { rota, serving, api, token }
    }

    async fn arm(&self) {
        self.api.post("/api/v1/playbooks/intake/arm", json!({})).await.ok();
    }

    async fn send(&self, delivery: &str, body: &str) -> Answer {
        self.send_to("intake", delivery, (SystemClock::new().wall().timestamp(), SECRET), body)
            .await
    }

    async fn send_to(
        &self,
        playbook: &str,
        delivery: &str,
        (at, secret): (i64, &str),
        body: &str,
    ) -> Answer {
        deliver(&self.api, (playbook, delivery), (at, secret), ("application/json", body)).await
    }

    /// What became of a delivery, once it is settled.
    fn settled(&self, received: &Value) -> Value {
        settled(&self.api, received)
    }
}

/// Sends a delivery as Standard Webhooks are signed.
pub(super) async fn deliver(
    api: &Api,
    (playbook, delivery): (&str, &str),
    (at, secret): (i64, &str),
    (kind, body): (&str, &str),
) -> Answer {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{delivery}.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let request = api.http.post(format!("{}/hooks/{playbook}", api.url));
    let request = request
        .header("content-type", kind)
        .header("webhook-id", delivery)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signature)
        .body(body.to_owned());
    sent(request).await
}

/// What became of a delivery, once it is settled.
pub(super) fn settled(api: &Api, received: &Value) -> Value {
    let path = received["status"].as_str().unwrap().to_owned();
    let handle = tokio::runtime::Handle::current();
    until("the occurrence to settle", || {
        let (api, path) = (api.clone(), path.clone());
        let asking = async move { api.get(&path).await.ok() };
        let shown = tokio::task::block_in_place(|| handle.block_on(asking));
        ["ran", "skipped"].iter().any(|state| shown["state"] == *state).then_some(shown)
    })
}

fn mail(subject: &str) -> String {
    json!({ "type": "mail.received", "subject": subject }).to_string()
}

#[track_caller]
pub(super) fn received(answer: Answer) -> Value {
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    assert_eq!(answer.header("location"), answer.body["status"].as_str().unwrap());
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_delivery_wakes_the_playbook_once_also_over_a_restart() {
    let scene = Scene::new();
    scene.arm().await;
    let first = received(scene.send("msg_1", &mail("Send the invoice")).await);
    assert_eq!(first["repeated"], false);
    let ran = scene.settled(&first);
    assert_eq!((&ran["state"], &ran["trigger"]), (&json!("ran"), &json!("webhook")), "{ran:#}");
    assert_eq!(ran["reason"], "done", "{ran:#}");
    assert_eq!(scene.api.tasks_called("Send the invoice").await, 1);
    let again = received(scene.send("msg_1", &mail("Send the invoice")).await);
    assert_eq!((&again["repeated"], &again["status"]), (&json!(true), &first["status"]));
    assert_eq!(scene.api.accepted().await, ["0", "1", "1"]);
    let scene = scene.again();
    let later = received(scene.send("msg_1", &mail("Another subject")).await);
    assert_eq!((&later["repeated"], &later["status"]), (&json!(true), &first["status"]));
    let other = received(scene.send("msg_2", &mail("Another thing")).await);
    assert_eq!(scene.settled(&other)["state"], "ran");
    assert_eq!(scene.api.tasks_called("Another subject").await, 0);
    assert_eq!(scene.api.tasks_called("Another thing").await, 1);
    let why = scene.api.tool("whyNot", json!({ "subject": "intake" })).await.ok();
    let told = why["occurrences"].as_array().unwrap();
    assert!(told.iter().any(|one| one["trigger"] == "webhook"), "{why:#}");
    assert!(!scene.serving.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_not_signed_just_now_wakes_nothing_and_learns_nothing() {
    let scene = Scene::new();
    scene.arm().await;
    let now = SystemClock::new().wall().timestamp();
    let body = mail("Never");
    for (playbook, at, secret) in [
        ("intake", now, "another secret"),
        ("intake", now - 301, SECRET),
        ("intake", now + 330, SECRET),
        ("nobody", now, SECRET),
        ("nobody", now, ""),
    ] {
        let refused = scene.send_to(playbook, "msg_1", (at, secret), &body).await;
        assert_eq!(refused.problem(401), "not_signed", "{playbook} {at} {secret}");
    }
    // Whether there is such a playbook is not told by how it refuses.
    for at in [now, now - 301] {
        let told = async |playbook| {
            let refused = scene.send_to(playbook, "msg_1", (at, ""), &body).await;
            (refused.status, refused.body["detail"].clone())
        };
        assert_eq!(told("intake").await, told("nobody").await);
    }
    let url = format!("{}/hooks/intake", scene.api.url);
    let bare = sent(scene.api.http.post(&url).body(body.clone())).await;
    assert_eq!(bare.problem(401), "not_signed");
    let with_token = sent(scene.api.request("POST", "/hooks/intake").body(body.clone())).await;
    assert_eq!(with_token.problem(401), "not_signed", "a token is no signature");
    let large = json!({ "type": "mail.received", "subject": "x".repeat(256 * 1024) }).to_string();
    assert_eq!(scene.send("msg_2", &large).await.problem(413), "request_too_large");
    assert_eq!(scene.send("no name", &body).await.problem(400), "invalid_arguments");
    assert_eq!(scene.api.get("/hooks/intake").await.problem(405), "method_not_allowed");
    assert_eq!(scene.api.tasks_called("Never").await, 0);
    assert_eq!(scene.api.accepted().await, ["0", "0", "0"]);
    let all = scene.api.get("/api/v1/occurrences?playbook=intake").await.ok();
    assert_eq!(all["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_run_is_recorded_with_its_reason() {
    let scene = Scene::new();
    let skipped = async |delivery: &str, body: &str| {
        let received = received(scene.send(delivery, body).await);
        let shown = scene.settled(&received);
        assert_eq!(shown["state"], "skipped", "{shown:#}");
        shown["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(skipped("msg_1", &mail("Too early")).await, "not_armed");
    scene.arm().await;
    assert_eq!(skipped("msg_2", "{\"type\": \"mail.read\"}").await, "other_event");
    assert_eq!(skipped("msg_3", "no JSON").await, "other_event");
    scene.api.post("/api/v1/playbooks/intake/pause", json!({})).await.ok();
    assert_eq!(skipped("msg_4", &mail("Paused")).await, "paused");
    scene.api.post("/api/v1/playbooks/intake/resume", json!({})).await.ok();
    scene.api.tool("stopAll", json!({ "reason": "test" })).await.ok();
    assert_eq!(skipped("msg_5", &mail("Stopped")).await, "stopped");
    let metrics = scene.api.request("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    for (reason, count) in [("not_armed", 1), ("other_event", 2), ("paused", 1), ("stopped", 1)] {
        let mut lines = metrics.lines().filter(|line| {
            line.starts_with("rota_occurrences_total{") && line.contains(&format!("\"{reason}\""))
        });
        let line = lines.next().unwrap_or_default();
        assert!(line.ends_with(&format!(" {count}")), "{reason}: {line:?}");
    }
    let why = scene.api.tool("whyNot", json!({ "subject": "intake" })).await.ok();
    let told = why["decisions"].as_array().unwrap();
    assert!(told.iter().any(|one| one["reason"] == "other_event"), "{why:#}");
    assert_eq!(
        scene.rota.run(["task", "list", "--json"]).ok().json()["items"].as_array().unwrap().len(),
        1
    );
}
