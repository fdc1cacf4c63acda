//! What callers are told of what led to an error, and what the log tells of their requests.

use super::{Client, team, token};
use serde_json::{Value, json};
use std::path::Path;

/// Says something to the board's database behind the board's back.
pub(super) async fn say_to_the_board(state: &Path, text: &'static str) {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(state.join("board.sqlite"));
    let mut board = sqlx::sqlite::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(text).execute(&mut board).await.unwrap();
    board.close().await.unwrap();
}

/// The message of an error that a tool answers with; the text that stands alone says the same.
async fn failure(client: &Client, tool: &str, args: Value, code: &str) -> String {
    let failed = client.call(tool, args).await;
    let error = &failed["structuredContent"]["error"];
    assert_eq!((&failed["isError"], &error["code"]), (&json!(true), &json!(code)), "{failed:#}");
    let message = error["message"].as_str().unwrap().to_owned();
    assert_eq!(failed["content"][0]["text"], format!("{code}: {message}"));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_led_to_an_error_is_told_only_where_that_is_set() {
    let mut rota = team();
    let secret = token(&rota, &["laptop"]);
    for is_told in [false, true] {
        if is_told {
            rota = rota.with_env("MCP_EXPOSE_ERRORS", "true");
        }
        let serving = rota.serve(Vec::<&str>::new());
        let client = Client::of(&serving, Some(&secret));
        say_to_the_board(&rota.state(), "alter table goals rename to taken_away").await;
        let goals = json!({ "projectId": 1 });
        let of_the_board = failure(&client, "getAllGoals", goals, "board_unavailable").await;
        say_to_the_board(&rota.state(), "alter table taken_away rename to goals").await;
        // A folder where the file of a stop should be is not removed like a file.
        let stop = rota.state().join("STOPPED");
        std::fs::create_dir(&stop).unwrap();
        let of_the_daemon = failure(&client, "startAll", json!({}), "tool_failed").await;
        std::fs::remove_dir(&stop).unwrap();
        for (message, what, cause) in [
            (
                of_the_board,
                "the board cannot be reached: the database did not answer",
                "no such table: goals",
            ),
            (of_the_daemon, "the stop file could not be changed", "os error"),
        ] {
            assert_eq!(message == what, !is_told, "{message}");
            assert!(message.starts_with(what), "{message}");
            assert_eq!(message.contains(cause), is_told, "{message}");
        }
        assert_eq!(serving.stop(), 0);
    }
}

/// What the log tells of requests, a line each.
fn requests(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("mcp request")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_of_the_log_where_that_is_set_and_never_tells_what_was_said() {
    let rota = team();
    let made = rota.run(["token", "create", "laptop", "--json"]).ok().json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let words = "Between Ada and the board";
    let said = json!({ "module": "ticket", "entityId": 1, "text": words });
    let said = json!({ "name": "addComment", "arguments": said });
    let serving = rota.serve(Vec::<&str>::new());
    Client::of(&serving, Some(secret)).ask("tools/call", said.clone()).await.result();
    assert_eq!(serving.stop(), 0);
    let log = rota.read("serve.log");
    assert!(requests(&log).is_empty() && !log.contains(words), "{log}");

    let rota = rota.with_env("MCP_LOG_REQUESTS", "true");
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(secret));
    let answered = client.ask("tools/call", said).await;
    assert_eq!(answered.result()["isError"], false, "{answered:#?}");
    let listed = client.ask("tools/list", json!({})).await;
    let wrong = Client::of(&serving, Some("rota_000000000000_nonsense"));
    let refused = wrong.ask("tools/list", json!({})).await;
    assert_eq!(serving.stop(), 0);
    let log = rota.read("serve.log");
    let lines = requests(&log);
    assert_eq!(lines.len(), 3, "one for each: {log}");
    let caller = format!("caller=token {id} ");
    for (line, says, reply) in [
        (
            lines[0],
            [caller.as_str(), "rpc=\"tools/call\"", "tool=\"addComment\"", "status=200"],
            &answered,
        ),
        (lines[1], [caller.as_str(), "rpc=\"tools/list\"", "tool=\"-\"", "status=200"], &listed),
        // Nobody was let in, and what nobody asked was not read.
        (lines[2], ["caller=- ", "rpc=\"-\"", "tool=\"-\"", "status=401"], &refused),
    ] {
        for text in says {
            assert!(line.contains(text), "{text} is not in {line}");
        }
        assert!(line.contains("method=POST") && line.contains("elapsed="), "{line}");
        let bytes = line.split_whitespace().find_map(|word| word.strip_prefix("bytes="));
        assert_eq!(bytes, Some(reply.text.len().to_string().as_str()), "{line}");
    }
    assert!(!log.contains(words), "{log}");
    assert!(!log.contains(secret.rsplit_once('_').unwrap().1), "a token stands in the log");
}
