//! What a pipe takes from `rota.toml`, from the environment and from what was typed.

use super::Piped;
use crate::mcp::{team, token};
use crate::support::rota::Rota;
use serde_json::json;

#[test]
fn a_token_that_is_given_and_empty_is_refused_and_never_means_full_rights() {
    let rota = Rota::new();
    let file = rota.write("token", " \n").display().to_string();
    for words in
        [&["mcp", "--token-file", &file][..], &["mcp", "--token", ""], &["mcp", "--token= "]]
    {
        let refused = rota.run(words).ended(2);
        assert!(refused.err.contains("given but empty"), "{words:?}: {refused:#?}");
    }
    let both = rota.run(["mcp", "--token", "x", "--token-file", &file]).ended(2);
    assert!(both.err.contains("cannot be used with"), "{both:#?}");
    let rota = rota.with_env("ROTA_TOKEN", "");
    let refused = rota.run(["mcp"]).ended(2);
    assert!(refused.err.contains("ROTA_TOKEN"), "{refused:#?}");
    assert!(refused.err.contains("given but empty"), "{refused:#?}");
}

#[test]
fn a_token_in_a_named_file_wins_over_that_of_the_environment() {
    let rota = team();
    let eve = token(&rota, &["eves", "--person", "Eve"]);
    let file = rota.write("eve.token", &format!("{eve}\n")).display().to_string();
    let rota = rota.with_env("ROTA_TOKEN", "rota_000000000000_nonsense");
    let mut client = Piped::start(&rota, &["--token-file", &file]);
    client.shake_hands();
    let seen = client.call("getTicket", json!({ "id": 1 }));
    assert_eq!(seen["isError"], false, "{seen:#}");
    let refused = client.call("editTask", json!({ "id": 1, "params": { "headline": "No" } }));
    assert_eq!(refused["structuredContent"]["error"]["code"], "role_too_low", "{refused:#}");
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn the_table_mcp_and_the_zone_of_the_configuration_hold_at_a_pipe_too() {
    let rota = team();
    let config = rota.read("rota.toml");
    rota.write(
        "rota.toml",
        &format!("{config}[mcp]\ntoolsets = \"tasks,comments\"\nresponse_size = \"1K\"\n"),
    );
    let rota = rota.with_env("TZ", "America/New_York");
    let mut client = Piped::start(&rota, &["--toolsets", "tasks,people"]);
    let hello = client.shake_hands();
    let told = hello["instructions"].as_str().unwrap();
    assert!(told.contains("Europe/Berlin"), "{told}");
    let listed = client.ask("tools/list", json!({}));
    let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().collect();
    let has = |name: &str| names.iter().any(|tool| tool["name"] == name);
    assert!(has("getTicket") && !has("addComment") && !has("listPeople"), "{names:#?}");
    let long = json!({ "projectId": 1, "headline": "h", "description": "d".repeat(2_000) });
    let added = client.call("addTask", long);
    let shown = client.call("getTicket", json!({ "id": 2 }));
    let error = &shown["structuredContent"]["error"];
    assert_eq!(error["code"], "response_too_large", "{added:#} {shown:#}");
    assert_eq!(client.hang_up(), 0);
    std::fs::remove_file(rota.path().join("rota.toml")).unwrap();
    let mut client = Piped::start(&rota, &[]);
    let hello = client.shake_hands();
    assert!(hello["instructions"].as_str().unwrap().contains("America/New_York"), "{hello:#}");
    assert_eq!(client.hang_up(), 0);
}

#[test]
fn a_faulty_configuration_is_told_before_anything_is_served() {
    let rota = Rota::new();
    rota.write("rota.toml", "[mcp]\ncall_time = \"never\"\n");
    let refused = rota.run(["mcp"]).ended(3);
    assert!(refused.err.contains("call_time"), "{refused:#?}");
    std::fs::remove_file(rota.path().join("rota.toml")).unwrap();
    rota.run(["--config", "nowhere.toml", "mcp"]).ended(3);
    let rota = rota.with_env("MCP_MAX_RESPONSE_SIZE", "lots");
    let refused = rota.run(["mcp"]).ended(3);
    assert!(refused.err.contains("MCP_MAX_RESPONSE_SIZE"), "{refused:#?}");
    assert!(!rota.state().exists());
}

#[test]
fn whoever_wants_http_is_sent_to_the_daemon() {
    let rota = Rota::new().with_env("MCP_TRANSPORT", "http");
    let refused = rota.run(["mcp"]).ended(2);
    assert!(refused.err.contains("MCP_TRANSPORT"), "{refused:#?}");
    assert!(refused.err.contains("rota serve"), "{refused:#?}");
    let refused = Rota::new().run(["mcp", "--toolsets", "nonsense"]).ended(2);
    assert!(refused.err.contains("nonsense"), "{refused:#?}");
}
