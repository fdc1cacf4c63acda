//! A playbook's page: what is coming, what came of it, and a dry run that changes nothing; and the pages of the
//! house: budget, health, record, digest.

use super::{Browser, somebody};
use crate::mcp::{team, token};
use crate::support::rota::Rota;

/// Renames a task and says so, each day at half past two.
const RENAMER: &str = r#"
description = "Puts a better headline."
agent = "AI-Renamer"
[on]
cron = "30 2 * * *"
[[step]]
tool = "editTask"
args = { id = 1, params = { headline = "Fit the <b>footer</b>" } }
[[step]]
tool = "addComment"
args = { module = "ticket", entityId = 1, text = "Renamed." }
[scope]
write = "board"
"#;

const DIGEST: &str = r#"
description = "What happened."
agent = "AI-Assistant"
[on]
cron = "0 8 * * *"
[report]
template = "digest"
to = ["file:day"]
when = "always"
"#;

fn house() -> Rota {
    let rota = team();
    rota.write(
        "rota.toml",
        "timezone = \"Europe/Berlin\"\narm = \"auto\"\ncurrency = \"EUR\"\n[people]\nme = \"Ada\"\n\
         [budget]\nper_day = \"5.00 EUR\"\ntokens_per_day = 1000000\n[notify.file.day]\npath = \"day.md\"\n",
    );
    rota.write("agents/renamer.toml", RENAMER);
    rota.write("agents/morning.toml", DIGEST);
    rota
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_write_and_changes_nothing() {
    let rota = house();
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let page = bob.get("/playbooks/renamer").await.page();
    page.says("Dry run");
    page.says("It has not woken in these days.");
    let before = rota.run(["task", "show", "1", "--json"]).ok().json();
    let mark = bob.mark.clone();
    for _ in 0..2 {
        let reply = bob.post("/playbooks/renamer/dry-run", &[("mark", &mark)]).await;
        assert_eq!(reply.status, 200, "{reply:#?}");
        let page = reply.page();
        page.says("What it would write");
        page.says("editTask");
        page.says("headline: Fix the footer → Fit the <b>footer</b>");
        page.says("Renamed.");
        page.says("Nothing of this was done");
    }
    assert_eq!(rota.run(["task", "show", "1", "--json"]).ok().json(), before);
    bob.get("/playbooks/renamer").await.page().says("It has not run yet.");
    // As it said, so it is done.
    bob.submit("/playbooks/renamer", &[("act", "run")]).await;
    let after = rota.run(["task", "show", "1", "--json"]).ok().json();
    assert_eq!(after["headline"], "Fit the <b>footer</b>");
    let page = bob.get("/playbooks/renamer").await.page();
    page.says("woken by manual");
    page.says("ran");
    // Whoever may not run it may not rehearse it, and a form of elsewhere does not either.
    let mut eve = somebody(&rota, &serving, "Eve").await;
    let mark = eve.mark.clone();
    assert_eq!(eve.post("/playbooks/renamer/dry-run", &[("mark", &mark)]).await.status, 403);
    assert_eq!(bob.post("/playbooks/renamer/dry-run", &[("mark", "x")]).await.status, 403);
    let mark = bob.mark.clone();
    assert_eq!(bob.post("/playbooks/nobody/dry-run", &[("mark", &mark)]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_coming_days_are_drawn_in_the_playbooks_own_zone() {
    let rota = house();
    let serving = rota.serve(Vec::<&str>::new());
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let reply = bob.get("/playbooks/renamer").await;
    assert_eq!(reply.text.matches("<svg").count(), 7);
    reply.page().says("In Europe/Berlin");
    // Each of the days but perhaps the first has its wake.
    let wakes = reply.text.matches(": 02:30:00 CE").count();
    assert!(wakes >= 6, "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_the_day_what_is_wrong_and_who_did_what_are_shown() {
    let rota = house();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/").await.page();
    page.says("5.00 EUR left of the day's 5.00 EUR");
    page.says("tokens left of the day's");
    ada.submit("/playbooks/renamer", &[("act", "pause")]).await;
    let settings = ada.get("/settings").await;
    settings.page().says("look at them");
    settings.page().says("each chained to the one before, as they were written");
    settings.page().says("pause by Ada");
    let looked = ada.get("/settings?look=health").await.page();
    for part in
        ["configuration", "answers: 1 projects", "none was given up", "answers on its socket"]
    {
        looked.says(part);
    }
    // A reader learns neither.
    let mut eve = somebody(&rota, &serving, "Eve").await;
    let page = eve.get("/settings?look=health").await.page();
    assert!(!page.text().contains("on its socket") && !page.text().contains("pause by Ada"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_is_shown_as_slack_shows_it_with_those_told_before() {
    let rota = house();
    // Commands are typed there.
    let config = rota.read("rota.toml").replace("Europe/Berlin", "UTC");
    rota.write("rota.toml", &config);
    rota.run(["task", "add", "Pay <the> *bill*", "--project", "Website", "--due", "today"]).ok();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/digest").await.page();
    page.says("As Slack shows it");
    page.says("Daily digest");
    page.says("No digest was told yet");
    ada.submit("/playbooks/morning", &[("act", "run")]).await;
    let reply = ada.get("/digest").await;
    let page = reply.page();
    page.says("by morning to file:day");
    page.says("told");
    assert!(page.text().matches("Pay <the> ").count() >= 3, "{}", page.text());
    assert!(reply.text.contains("<strong>Due today (1)</strong>"), "{}", reply.text);
    // Whoever has a token for one project is told of that, and not of what others were told.
    let narrow = token(&rota, &["narrow", "--project", "Website"]);
    let mut narrow = Browser::signed_in(&serving, &narrow).await;
    let page = narrow.get("/digest").await.page();
    page.says("As Slack shows it");
    assert!(!page.text().contains("Earlier digests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_that_never_ran_shows_its_definition_and_what_makes_it_run() {
    let rota = house();
    let config = rota.read("rota.toml").replace("arm = \"auto\"\n", "");
    rota.write("rota.toml", &config);
    // By hand only.
    rota.write("agents/byhand.toml", &RENAMER.replace("[on]\ncron = \"30 2 * * *\"\n", ""));
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/playbooks/renamer").await.page();
    page.says("It has not run yet.");
    page.says("It is not armed: it starts by hand only.");
    // As it stands in its file, to the last line, whoever looks.
    page.says(RENAMER);
    let mut eve = somebody(&rota, &serving, "Eve").await;
    eve.get("/playbooks/renamer").await.page().says(RENAMER);
    let arm = [("act", "arm"), ("definition", page.field("definition"))];
    assert!(ada.submit("/playbooks/renamer", &arm).await.contains("is armed"));
    ada.get("/playbooks/renamer").await.page().says("It wakes in ");
    ada.submit("/playbooks/renamer", &[("act", "pause")]).await;
    ada.get("/playbooks/renamer").await.page().says("It is paused: it starts nothing");
    let page = ada.get("/playbooks/byhand").await.page();
    let arm = [("act", "arm"), ("definition", page.field("definition"))];
    assert!(ada.submit("/playbooks/byhand", &arm).await.contains("is armed"));
    ada.get("/playbooks/byhand").await.page().says("It has no clock: it wakes on what");
    // Once it ran, the definition is there all the same.
    ada.submit("/playbooks/byhand", &[("act", "run")]).await;
    let page = ada.get("/playbooks/byhand").await.page();
    assert!(!page.text().contains("It has not run yet."), "{}", page.text());
    page.says("headline = \"Fit the <b>footer</b>\"");
}
