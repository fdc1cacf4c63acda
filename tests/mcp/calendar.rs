//! Calendars at secret addresses, read as a calendar program reads them.

use super::{Client, team, token};
use icalendar::Component as _;
use serde_json::{Value, json};

/// The secret address of the caller's calendar.
async fn address(client: &Client, args: Value) -> String {
    let result = client.call("getICalUrl", args).await;
    assert_eq!(result["isError"], false, "{result:#}");
    let url = result["structuredContent"]["url"].as_str().unwrap_or_else(|| panic!("{result:#}"));
    url.to_owned()
}

async fn get(client: &Client, url: &str) -> (u16, String) {
    let answer = client.http.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn titles(document: &str) -> Vec<String> {
    let calendar: icalendar::Calendar = document.parse().unwrap();
    calendar.events().map(|event| event.get_summary().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_program_reads_events_and_planned_work_at_the_secret_address() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&token(&rota, &["laptop"])));
    let url = address(&client, json!({})).await;
    let base = client.url.strip_suffix("mcp").unwrap();
    let file = url.strip_prefix(&format!("{base}calendar/")).unwrap_or_else(|| panic!("{url}"));
    assert!(file.strip_suffix(".ics").is_some(), "{url}");
    for args in [
        json!({ "eventTitle": "Review, with cake", "dateFrom": "tomorrow", "dateTo": "tomorrow" }),
        json!({ "eventTitle": "Bob's", "dateFrom": "today", "dateTo": "today", "userId": "Bob" }),
    ] {
        assert_eq!(client.call("addEvent", args).await["isError"], false);
    }
    let mine =
        json!({ "id": 1, "params": { "editorId": "me", "editFrom": "now", "editTo": "+2h" } });
    assert_eq!(client.call("editTask", mine).await["isError"], false);
    let answer = client.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/calendar; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    let mut found = titles(&answer.text().await.unwrap());
    found.sort();
    assert_eq!(found, ["Fix the footer", "Review, with cake"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_ends_the_one_before_and_a_wrong_one_is_not_found() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&token(&rota, &["laptop"])));
    let first = address(&client, json!({})).await;
    // It is told once: asking again neither tells it nor ends it.
    let again = client.call("getICalUrl", json!({})).await;
    assert!(again["structuredContent"].get("url").is_none(), "{again:#}");
    assert_eq!(get(&client, &first).await.0, 200);
    let second = address(&client, json!({ "renew": true })).await;
    assert_ne!(first, second);
    assert_eq!(get(&client, &first).await.0, 404);
    assert_eq!(get(&client, &second).await.0, 200);
    let not_found = get(&client, &first).await;
    let shorter = second.replace(".ics", "").replace(&second[second.len() - 6..], ".ics");
    for wrong in [
        second.trim_end_matches(".ics").to_owned(),
        shorter,
        second.replace("/calendar/1-", "/calendar/2-"),
        second.replace("/calendar/1-", "/calendar/99-"),
        format!("{}{}.ics", second.trim_end_matches(".ics"), "0".repeat(4_000)),
        format!("{}calendar/.ics", client.url.strip_suffix("mcp").unwrap()),
    ] {
        assert_eq!(get(&client, &wrong).await, not_found, "{wrong}");
    }
    assert_eq!(client.call("getICalUrl", json!({ "revoke": true })).await["isError"], false);
    assert_eq!(get(&client, &second).await, not_found);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_outlives_a_restart_and_neither_log_nor_state_holds_it() {
    let rota = team().with_env("MCP_LOG_REQUESTS", "true").with_env("ROTA_LOG", "trace");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&token(&rota, &["laptop"])));
    let url = address(&client, json!({})).await;
    assert_eq!(get(&client, &url).await.0, 200);
    let log = serving.log();
    serving.stop();
    let serving = rota.serve(Vec::<&str>::new());
    let at = Client::of(&serving, None);
    let (_, path) = url.split_once("/calendar/").unwrap();
    let url = format!("{}calendar/{path}", at.url.strip_suffix("mcp").unwrap());
    assert_eq!(get(&at, &url).await.0, 200);
    let secret = path.trim_end_matches(".ics").split_once('-').unwrap().1.to_owned();
    assert_eq!(secret.len(), 52, "256 bits, five to a character");
    let logs = log + &serving.log();
    serving.stop();
    let told = logs.lines().find(|line| line.contains(&secret));
    assert!(told.is_none(), "{told:?}");
    assert!(logs.contains("TRACE"), "everything was logged");
    let mut looked = 0;
    let mut folders = vec![rota.state()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            looked += 1;
            let holds = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds, "{}", path.display());
        }
    }
    assert!(looked > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_reads_has_an_address_too_and_a_service_key_has_no_calendar() {
    let rota = team();
    rota.write("rota.toml", "timezone = \"Europe/Berlin\"\n[people]\nme = \"Ada\"\n[mcp]\nrequired_role = \"readonly\"\n");
    let eve = token(&rota, &["eve", "--person", "Eve"]);
    let key = token(&rota, &["ci", "--service"]);
    let serving = rota.serve(Vec::<&str>::new());
    let url = address(&Client::of(&serving, Some(&eve)), json!({})).await;
    assert!(url.contains("/calendar/3-"), "{url}");
    let refused = Client::of(&serving, Some(&key)).call("getICalUrl", json!({})).await;
    assert_eq!(refused["structuredContent"]["error"]["code"], "service_is_nobody", "{refused:#}");
}
