//! Claims, the digest and undoing, by the real binary.

use super::{Client, team, token};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_clients_that_race_for_a_task_one_wins_and_the_other_is_told_who_holds_it() {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let (bob, robot) = (
        token(&rota, &["bobs", "--person", "Bob"]),
        token(&rota, &["robots", "--person", "Robot"]),
    );
    let serving = rota.serve(Vec::<&str>::new());
    let clients = [Client::of(&serving, Some(&bob)), Client::of(&serving, Some(&robot))];
    let claim = json!({ "task": 1 });
    let (one, other) = tokio::join!(
        clients[0].call("claimTask", claim.clone()),
        clients[1].call("claimTask", claim)
    );
    let is_error = |result: &Value| result["isError"].as_bool().unwrap_or(false);
    assert_ne!(is_error(&one), is_error(&other), "{one:#} {other:#}");
    let (winner, won, lost) = if is_error(&one) { (1, other, one) } else { (0, one, other) };
    let text = lost["content"][0]["text"].as_str().unwrap();
    let holder = ["Bob's assistant", "Robot"][winner];
    assert!(text.starts_with("already_claimed") && text.contains(holder), "{text}");
    let held = &won["structuredContent"];
    let seen = rota.run(["claims", "list"]).ok();
    assert!(seen.out.contains(holder), "{}", seen.out);
    let why = rota.run(["why", "1"]).ok();
    assert!(why.out.contains(holder), "{}", why.out);
    let loser = &clients[1 - winner];
    let renew = json!({ "task": 1, "fence": held["fence"] });
    assert_eq!(loser.call("renewClaim", renew).await["isError"], true, "it is not theirs");
    let release = json!({ "task": 1, "fence": held["fence"], "comment": "Not mine." });
    let released = clients[winner].call("releaseTask", release.clone()).await;
    assert_eq!(released["structuredContent"]["phase"], "free", "{released:#}");
    assert_eq!(clients[winner].call("releaseTask", release).await["isError"], true);
    let next = loser.call("claimTask", json!({ "task": 1 })).await;
    let fences = (&next["structuredContent"]["fence"], &held["fence"]);
    assert!(fences.0.as_u64() > fences.1.as_u64(), "{fences:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_and_a_projects_overview_are_read_by_address() {
    let rota = team();
    let secret = token(&rota, &["laptop"]);
    let serving = rota.serve(Vec::<&str>::new());
    let client = Client::of(&serving, Some(&secret));
    for (uri, part) in
        [("rota://digest/today", "summary"), ("rota://project/1/overview", "progress")]
    {
        let read = client.ask("resources/read", json!({ "uri": uri })).await.result();
        let text = read["contents"][0]["text"].as_str().unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(!value[part].is_null(), "{uri}: {text}");
    }
    let reference = json!({ "type": "ref/resource", "uri": "rota://project/{project}/overview" });
    let asked = json!({ "ref": reference, "argument": { "name": "project", "value": "" } });
    let completed = client.ask("completion/complete", asked).await.result();
    assert_eq!(completed["completion"]["values"], json!(["1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_and_a_hand_over_are_decided_at_a_terminal_and_by_clients_that_asked_for_reviews()
 {
    let rota = team();
    rota.run(["person", "add", "Robot", "--agent", "--role", "editor"]).ok();
    let (bob, robot) = (
        token(&rota, &["bobs", "--person", "Bob"]),
        token(&rota, &["robots", "--person", "Robot"]),
    );
    let serving = rota.serve(Vec::<&str>::new());
    let plain = Client::of(&serving, Some(&robot));
    let is_listed = async |client: &Client| {
        let listed = client.ask("tools/list", json!({})).await.result();
        listed["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "askPerson")
    };
    assert!(!is_listed(&plain).await, "nobody asked for it");
    let with_reviews = |secret: &str| {
        let client = Client::of(&serving, Some(secret));
        Client { url: format!("{}?toolsets=all,reviews", client.url), ..client }
    };
    let (robot, bob) = (with_reviews(&robot), with_reviews(&bob));
    assert!(is_listed(&robot).await);
    let fence = |held: &Value| held["structuredContent"]["fence"].clone();

    let held = robot.call("claimTask", json!({ "task": 1 })).await;
    let ask = json!({ "task": 1, "fence": fence(&held), "question": "Which footer?" });
    let asked = robot.call("askPerson", ask).await;
    assert_eq!(asked["structuredContent"]["phase"], "parked", "{asked:#}");
    let waiting = rota.run(["review", "list"]).ok();
    assert!(waiting.out.contains("question") && waiting.out.contains("Robot"), "{waiting:#?}");
    let answered = rota.run(["review", "answer", "1", "--text", "The lower one."]).ok();
    assert!(answered.out.contains("answer: The lower one."), "{answered:#?}");
    let held = robot.call("claimTask", json!({ "task": 1 })).await;
    assert_eq!(held["structuredContent"]["answer"], "The lower one.", "{held:#}");

    let submit = json!({ "task": 1, "fence": fence(&held), "summary": "Done.", "reviewer": "Bob" });
    let submitted = robot.call("submitForReview", submit).await;
    assert_eq!(submitted["structuredContent"]["phase"], "free", "{submitted:#}");
    let listed = bob.call("listReviews", json!({})).await;
    assert_eq!(listed["structuredContent"]["items"][0]["owner"], "Bob", "{listed:#}");
    let own = json!({ "task": 1, "decision": "approve", "confirm": "1" });
    let refused = robot.call("decideReview", own).await;
    assert_eq!(refused["isError"], true, "an agent decides nothing: {refused:#}");
    // A client that cannot ask its person names what is decided.
    let reject = json!({ "task": 1, "decision": "request_changes", "comment": "The link." });
    let unasked = bob.call("decideReview", reject.clone()).await;
    assert!(unasked.to_string().contains("confirmation_needed"), "{unasked:#}");
    let mut confirmed = reject;
    confirmed["confirm"] = json!("1");
    let ruling = bob.call("decideReview", confirmed).await;
    assert_eq!(ruling["structuredContent"]["repeated"], false, "{ruling:#}");
    let again = rota.run(["review", "approve", "1"]).ok();
    assert!(again.out.contains("the first decision stands"), "{again:#?}");
    assert!(rota.run(["review", "list"]).ok().out.contains("nothing waits"));
}
