//! What somebody may do their role says: no page offers more, and no form gets more.

use super::{Browser, PAGES, somebody};
use crate::mcp::{team, token};
use crate::web::SAYS;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_offered_nothing_that_they_may_not_do_and_is_refused_it() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut eve = somebody(&rota, &serving, "Eve").await;
    for path in PAGES.iter().copied().chain(["/task/1"]) {
        let reply = eve.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        let page = reply.page();
        let mut deeds = page.deeds();
        // Everybody may sign out, here and everywhere, and end their own tokens.
        deeds.retain(|deed| {
            let is_theirs = ["/settings", "/sign-out-everywhere"].contains(deed);
            *deed != "/sign-out" && !(is_theirs && path == "/settings")
        });
        assert!(deeds.is_empty(), "{path}: {deeds:?}");
    }
    let mark = eve.mark.clone();
    for (path, fields) in [
        ("/board", vec![("project", "1"), ("headline", "planted")]),
        ("/task/1/comment", vec![("text", "planted")]),
        ("/task/1/edit", vec![("headline", "planted")]),
        ("/task/1/move", vec![("status", "0")]),
        ("/task/1/subtask", vec![("headline", "planted")]),
        ("/task/1/release", vec![("reason", "planted")]),
        ("/task/1/delete-comment", vec![("comment", "1")]),
        ("/review", vec![("item", "1"), ("decision", "approve")]),
        ("/runs/r-000000000000/stop", vec![]),
        ("/runs/r-000000000000/undo", vec![]),
        ("/playbooks/ai-worker", vec![("act", "arm")]),
        ("/playbooks/ai-worker", vec![("act", "pause")]),
        ("/playbooks/ai-worker", vec![("act", "run")]),
        ("/playbooks/ai-worker/dry-run", vec![]),
        ("/stop-all", vec![("reason", "planted")]),
        ("/start-all", vec![]),
    ] {
        let fields: Vec<_> = fields.into_iter().chain([("mark", mark.as_str())]).collect();
        let reply = eve.post(path, &fields).await;
        // A status is looked up first: whichever is asked for, nothing is written.
        let is_refused = reply.status == 403 || (path.ends_with("/move") && reply.status == 303);
        assert!(is_refused, "{path}: {} {}", reply.status, reply.text);
    }
    let shown = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(shown["headline"], "Fix the footer");
    assert!(!shown.to_string().contains("planted"), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_leaves_no_more_of_somebodys_rights_than_it_says() {
    let rota = team();
    rota.run(["project", "add", "Secret"]).ok();
    rota.run(["task", "add", "Hidden", "--project", "Secret"]).ok();
    let narrow = token(&rota, &["narrow", "--project", "Website", "--role", "commenter"]);
    let few = token(&rota, &["few", "--tool", "get*", "--tool", "list*"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = Browser::signed_in(&serving, &narrow).await;
    ada.get("/settings").await.page().says("with the role commenter");
    let board = ada.get("/board").await;
    board.page().says("Fix the footer");
    assert!(!board.text.contains("Hidden") && !board.text.contains("Secret"));
    assert_eq!(ada.get("/task/2").await.status, 404);
    assert!(ada.submit("/task/1/comment", &[("text", "hello")]).await.contains("on the board"));
    let mark = ada.mark.clone();
    let refused = ada.post("/task/1/edit", &[("mark", &mark), ("headline", "planted")]).await;
    assert_eq!(refused.status, 403);
    // Each page is there for whoever has its own tool, and lacks what they may not have.
    let place = |tool: &str| match tool {
        "listReviews" => "/review",
        "findTasks" => "/board",
        "listRuns" => "/runs",
        "getDigest" => "/digest",
        _ => "/task/1",
    };
    for tools in [
        &["listReviews", "decideReview"][..],
        &["findTasks", "getAllProjects"],
        &["listRuns"],
        &["getDigest"],
        &["getTicket"],
    ] {
        let words: Vec<&str> = tools.iter().flat_map(|tool| ["--tool", tool]).collect();
        let name = format!("only {}", tools[0]);
        let words: Vec<&str> = std::iter::once(name.as_str()).chain(words).collect();
        let secret = token(&rota, &words);
        let mut browser = Browser::of(&serving);
        assert_eq!(browser.post("/sign-in", &[("token", &secret)]).await.status, 303);
        let reply = browser.get(place(tools[0])).await;
        assert_eq!(reply.status, 200, "{tools:?}: {}", reply.text);
        reply.page();
    }
    // Tools that a token does not reach stand behind no page.
    let mut few = Browser::signed_in(&serving, &few).await;
    assert_eq!(few.get("/board").await.status, 403);
    let mark = few.mark.clone();
    let refused = few.post("/task/1/comment", &[("mark", &mark), ("text", "planted")]).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_is_shown_without_what_somebody_may_not_ask_for_and_says_so() {
    let rota = team();
    rota.run(["person", "add", "AI-Worker", "--agent", "--role", "editor"]).ok();
    rota.write("agents/says.toml", &format!("{SAYS}[on]\ncron = \"30 2 * * *\"\n"));
    rota.run(["run-once", "says"]).ok();
    // What ran is not what stands there now: of that a tool of its own tells.
    rota.write("agents/says.toml", &format!("{SAYS}[on]\ncron = \"30 3 * * *\"\n"));
    let all = ["whyNot", "nextOccurrences", "listOccurrences", "listRuns", "showRun"];
    let allowed = [&[][..], &["listOccurrences", "listRuns"], &all[..4], &all];
    let tokens = allowed.map(|tools| {
        let name = format!("{} more", tools.len());
        let words = ["listPlaybooks"].iter().chain(tools).flat_map(|tool| ["--tool", tool]);
        let words: Vec<&str> = std::iter::once(name.as_str()).chain(words).collect();
        token(&rota, &words)
    });
    let serving = rota.serve(Vec::<&str>::new());
    for (tools, secret) in allowed.iter().zip(tokens) {
        let mut browser = Browser::of(&serving);
        assert_eq!(browser.post("/sign-in", &[("token", &secret)]).await.status, 303);
        let reply = browser.get("/playbooks/says").await;
        assert_eq!(reply.status, 200, "{tools:?}: {}", reply.text);
        let page = reply.page();
        page.says("How it stands");
        page.says("cron = \"30 3 * * *\"");
        let tells = page.text().contains("30 2 * * *");
        assert_eq!(tells, tools.contains(&"showRun"), "{tools:?}: {}", page.text());
        for tool in all {
            // Of a definition that ran nobody knows who does not hear of runs.
            let is_missed =
                !tools.contains(&tool) && (tool != "showRun" || tools.contains(&"listRuns"));
            let is_said = page.text().contains(&format!("it is not there for you ({tool})"));
            assert_eq!(is_said, is_missed, "{tool} with {tools:?}: {}", page.text());
        }
        let shows_runs = page.links().iter().any(|link| link.starts_with("/runs/r-"));
        assert_eq!(shows_runs, !tools.is_empty(), "{tools:?}");
        assert_eq!(page.text().contains("woken by manual"), tools.contains(&"listOccurrences"));
    }
}
