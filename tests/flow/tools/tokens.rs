//! Who may call from outside: how tokens are listed, and what whoever asks is told of themselves.

use super::goals::call;
use crate::support::house::{House, WEBSITE, playbook};
use rota::domain::{Initiative, Role, Value};
use rota::tools::Context;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::time::Duration;

async fn told(house: &House, context: &Context, tool: &str) -> Json {
    serde_json::to_value(call(house, context, tool, "{}").await).unwrap()
}

#[tokio::test]
async fn a_token_is_listed_with_its_age_its_last_use_and_its_limits_and_never_its_secret() {
    let house = House::build().await;
    let ledger = house.ledger();
    house.tools.set_tokens(ledger.clone());
    let (ada, bo) = (house.person("Ada").await, house.person("Bo").await);
    let laptop = r#"{"name":"laptop","role":"editor","tools":["get*"],"projects":["Website"],
        "expires":"90d"}"#;
    let made = call(&house, &ada, "createToken", laptop).await;
    let secret = made.get("secret").and_then(Value::as_text).unwrap().to_owned();
    call(&house, &bo, "createToken", r#"{"name":"phone"}"#).await;
    house.clock.advance(Duration::from_hours(2));
    ledger.check_token(&SecretString::from(secret.clone())).await.unwrap();
    house.clock.advance(Duration::from_mins(5));

    let listed = told(&house, &ada, "listTokens").await;
    let named = |name: &str| {
        let items = listed["items"].as_array().unwrap();
        let found = items.iter().find(|item| item["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {listed:#}"))
    };
    for (field, expected) in [
        ("kind", json!("personal")),
        ("person_name", json!("Ada")),
        ("by", json!("Ada")),
        ("role", json!("editor")),
        ("tools", json!(["get*"])),
        ("projects", json!([1])),
        ("created", json!("2026-11-03T11:00:00Z")),
        ("last_used", json!("2026-11-03T13:00:00Z")),
        ("expires", json!("2027-02-01T11:00:00Z")),
        ("revoked", Json::Null),
    ] {
        assert_eq!(named("laptop")[field], expected, "{field}: {listed:#}");
    }
    for (field, expected) in [
        ("role", json!("commenter")),
        ("tools", json!([])),
        ("projects", json!([])),
        ("last_used", Json::Null),
        ("expires", Json::Null),
    ] {
        assert_eq!(named("phone")[field], expected, "{field}: {listed:#}");
    }
    let chance = secret.rsplit_once('_').unwrap().1;
    assert!(!listed.to_string().contains(chance), "a secret is shown once");
    let of_bo = told(&house, &bo, "listTokens").await;
    let listed: Vec<&Json> =
        of_bo["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(listed, ["phone"], "another's is for administrators to see");
}

#[tokio::test]
async fn whoever_asks_is_told_for_whom_they_act_with_which_role_and_where() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let whole = json!({
        "id": 1, "name": "Ada", "email": null, "kind": "person", "role": "owner",
        "service_key": null, "only_projects": null, "zone": "Europe/Berlin",
    });
    assert_eq!(told(&house, &ada, "whoami").await, whole);
    let mut less = ada.clone().limited_to(vec![WEBSITE]);
    less.principal.person.role = Role::Commenter;
    less.zone = chrono_tz::America::Los_Angeles;
    let mut key = house.person("AI-Developer").await;
    key.principal.by = Initiative::Service("ci".into());
    let agent = house.agent(playbook(&["whoami"])).await;
    for (context, expected) in [
        (
            &less,
            json!({ "name": "Ada", "role": "commenter", "only_projects": [1],
                "zone": "America/Los_Angeles" }),
        ),
        (&key, json!({ "name": "AI-Developer", "kind": "agent", "service_key": "ci" })),
        (&agent, json!({ "name": "AI-Developer", "kind": "agent", "role": "editor" })),
    ] {
        let told = told(&house, context, "whoami").await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&told[field], value, "{field}: {told:#}");
        }
    }
}
