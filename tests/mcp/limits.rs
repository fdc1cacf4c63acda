//! A token for some projects only, over HTTP and at a pipe.

use super::pipe::Piped;
use super::{Client, team, token};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_for_one_project_there_are_no_others() {
    let rota = team();
    rota.run(["project", "add", "Shop"]).ok();
    rota.run(["task", "add", "Count the stock", "--project", "Shop"]).ok();
    let secret = token(&rota, &["website", "--project", "Website"]);
    let shown = rota.run(["token", "list", "--json"]).ok().json();
    assert_eq!(shown["items"][0]["projects"], json!([1]), "{shown:#}");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    let listed = client.ask("tools/list", json!({})).await.result();
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains(&"getTicket") && names.contains(&"claimTask"), "{names:?}");
    for hidden in ["listRuns", "listClaims", "stopAll", "undoRun", "addProject", "addPerson"] {
        assert!(!names.contains(&hidden), "{hidden}");
    }
    let is_hidden = |result: &Value| {
        result["isError"] == true
            && result["content"][0]["text"].as_str().unwrap().starts_with("not_found")
    };
    for (tool, args) in [
        ("getTicket", json!({ "id": 2 })),
        ("claimTask", json!({ "task": 2 })),
        ("addTask", json!({ "projectId": "Shop", "headline": "x" })),
        ("deleteTask", json!({ "id": 2, "confirm": "2" })),
    ] {
        let refused = client.call(tool, args).await;
        assert!(is_hidden(&refused), "{tool}: {refused:#}");
    }
    assert_eq!(client.call("getTicket", json!({ "id": 1 })).await["isError"], false);
    let claimed = client.call("claimTask", json!({ "task": 1 })).await;
    assert_eq!(claimed["isError"], false, "{claimed:#}");
    let digest = client.call("getDigest", json!({})).await;
    assert_eq!(digest["isError"], false, "{digest:#}");
    for (uri, is_there) in
        [("rota://task/1", true), ("rota://task/2", false), ("rota://claims", false)]
    {
        let read = client.ask("resources/read", json!({ "uri": uri })).await.message();
        assert_eq!(read["error"].is_null(), is_there, "{uri}: {read:#}");
    }
    drop(serving);
    // At a pipe alike.
    let path = rota.path().join("token");
    std::fs::write(&path, &secret).unwrap();
    let mut pipe = Piped::start(&rota, &["--token-file", path.to_str().unwrap()]);
    pipe.shake_hands();
    assert!(is_hidden(&pipe.call("getTicket", json!({ "id": 2 }))));
    assert_eq!(pipe.call("getTicket", json!({ "id": 1 }))["isError"], false);
    assert_eq!(pipe.hang_up(), 0);
}
