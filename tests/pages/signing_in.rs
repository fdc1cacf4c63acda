//! Signing in by a token and by a link, and out; what a session is worth to somebody else.

use super::{Browser, somebody};
use crate::mcp::{team, token};

/// The link of `rota open`, below the daemon's own address.
pub(super) fn link(rota: &crate::support::rota::Rota, browser: &Browser) -> String {
    let made = rota.run(["open", "--json"]).ok().json();
    let url = made["url"].as_str().unwrap().to_owned();
    url.strip_prefix(&browser.base).unwrap_or_else(|| panic!("{url}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_token_and_out_again() {
    let rota = team();
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut browser = Browser::of(&serving);
    let asked = browser.get("/task/1?x=y").await;
    assert_eq!((asked.status, asked.place()), (303, "/sign-in?next=%2Ftask%2F1%3Fx%3Dy"));
    let form = browser.get(asked.place()).await;
    assert_eq!((form.status, form.page().field("next")), (200, "/task/1?x=y"));

    let reply = browser.post("/sign-in", &[("token", &secret), ("next", "/task/1?x=y")]).await;
    assert_eq!((reply.status, reply.place()), (303, "/task/1?x=y"), "{reply:#?}");
    let cookie = reply.cookie().unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
    assert!(
        cookie.contains("; Path=/") && !cookie.contains("Secure"),
        "plain on loopback: {cookie}"
    );
    assert!(!cookie.contains(&secret) && !serving.log().contains(&secret));
    let page = browser.get("/task/1").await;
    assert_eq!(page.status, 200);
    page.page().says("Fix the footer");

    let held = browser.clone();
    browser.mark = page.page().field("mark").to_owned();
    let mark = browser.mark.clone();
    let out = browser.post("/sign-out", &[("mark", &mark)]).await;
    assert_eq!((out.status, out.place()), (303, "/sign-in"));
    assert_eq!(browser.cookie, None);
    assert_eq!(held.clone().get("/").await.status, 303, "the cookie is worth nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_whoever_typed_in_once() {
    let rota = team();
    let refused = rota.run(["open"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
    assert!(refused.err.contains("rota serve"), "{refused:#?}");
    let serving = rota.serve(Vec::<&str>::new());
    let mut browser = Browser::of(&serving);
    let path = link(&rota, &browser);
    for _ in 0..2 {
        let shown = browser.get(&path).await;
        assert_eq!((shown.status, shown.cookie()), (200, None), "looking uses nothing up");
        assert_eq!(shown.page().deeds(), [path.as_str()]);
    }
    let reply = browser.post(&path, &[]).await;
    assert_eq!((reply.status, reply.place()), (303, "/"));
    browser.get("/settings").await.page().says("You are signed in as Ada, with the role owner");
    let mut other = Browser::of(&serving);
    let again = other.post(&path, &[]).await;
    assert_eq!((again.status, again.cookie()), (401, None), "it was used");
    let secret = path.rsplit('/').next().unwrap();
    assert!(!serving.log().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_put_there_is_not_the_one_that_begins() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let thief = somebody(&rota, &serving, "Bob").await;
    let mut victim = Browser::of(&serving);
    victim.cookie.clone_from(&thief.cookie);
    let ada = token(&rota, &["adas"]);
    let reply = victim.post("/sign-in", &[("token", &ada)]).await;
    assert_eq!(reply.status, 303);
    assert_ne!(victim.cookie, thief.cookie);
    victim.get("/settings").await.page().says("signed in as Ada");
    assert_eq!(thief.clone().get("/").await.status, 303, "what was there before is over");
    let made_up = thief.cookie.as_ref().unwrap().split_once('=').unwrap().0.to_owned();
    let mut guess = Browser::of(&serving);
    for value in ["x", "", "0000000000000-0", "a/../b-1"] {
        guess.cookie = Some(format!("{made_up}={value}"));
        assert_eq!(guess.get("/").await.status, 303, "{value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token_and_outlives_the_daemon() {
    let rota = team();
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let browser = Browser::signed_in(&serving, &secret).await;
    assert_eq!(serving.stop(), 0);
    let serving = rota.serve(Vec::<&str>::new());
    // Any port is free: the cookie's name holds the one before.
    let (_, value) = browser.cookie.as_ref().unwrap().split_once('=').unwrap();
    let mut browser = Browser::of(&serving);
    let port = browser.base.rsplit_once(':').unwrap().1.to_owned();
    browser.cookie = Some(format!("rota_{port}={value}"));
    assert_eq!(browser.get("/").await.status, 200);
    let id = secret.split('_').nth(1).unwrap();
    rota.run(["token", "revoke", id]).ok();
    assert_eq!(browser.get("/").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_rotated_secret_is_signed_out() {
    let rota = team();
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut thief = Browser::signed_in(&serving, &secret).await;
    let id = secret.split('_').nth(1).unwrap();
    let rotated = rota.run(["token", "rotate", id, "--json"]).ok().json();
    assert_eq!(thief.get("/").await.status, 303, "the session ended with the secret");
    let mut ada = Browser::signed_in(&serving, rotated["secret"].as_str().unwrap()).await;
    assert_eq!(ada.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_elsewhere_is_signed_out_from_here() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut far = Browser::of(&serving);
    let path = link(&rota, &far);
    assert_eq!(far.post(&path, &[]).await.status, 303);
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/settings").await.page();
    for said in ["a link", "token page of Ada", "token page of Bob", "this one"] {
        page.says(said);
    }
    let page = bob.get("/settings").await.page();
    assert!(!page.text().contains("a link"), "others' are not shown: {}", page.text());
    let listed = rota.run(["sessions", "list", "--json"]).ok().json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{listed:#}");
    for secret in ["mark", "hash", "token_hash"] {
        assert!(!listed.to_string().contains(&format!("\"{secret}\"")), "{listed:#}");
    }
    let by_link = items.iter().find(|one| one["token"].is_null()).unwrap();
    let id = by_link["id"].as_str().unwrap();
    let form = [("act", "end-session"), ("session", id), ("person", "2")];
    let refused = bob.submit("/settings", &form).await;
    assert!(refused.contains("no such session"), "{refused}");
    let ended = rota.run(["sessions", "end", id]).ok();
    assert!(ended.out.contains("1 session ended"), "{ended:#?}");
    assert_eq!(far.get("/").await.status, 303);
    let mark = ada.mark.clone();
    let reply = ada.post("/settings", &[("mark", &mark), ("act", "end-sessions")]).await;
    assert_eq!(reply.status, 303);
    assert_eq!(ada.get("/settings").await.status, 303, "everywhere is here, too");
    assert_eq!(bob.get("/").await.status, 200, "another's stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_is_slowed_down_and_programs_are_not_people() {
    let rota = team();
    let (secret, key) = (token(&rota, &["browser"]), token(&rota, &["ci", "--service"]));
    let serving = rota.serve(Vec::<&str>::new());
    let mut browser = Browser::of(&serving);
    let refused = browser.post("/sign-in", &[("token", &key)]).await;
    assert_eq!((refused.status, refused.cookie()), (403, None));
    refused.page().says("not a person's");
    for _ in 0..10 {
        let refused = browser.post("/sign-in", &[("token", "rota_x_guess")]).await;
        assert_eq!((refused.status, refused.cookie()), (401, None));
        assert!(!refused.text.contains("rota_x_guess"), "it is not repeated");
    }
    let slowed = browser.post("/sign-in", &[("token", "rota_x_guess")]).await;
    assert_eq!(slowed.status, 429);
    assert!(slowed.headers.contains_key("retry-after"));
    // The same door: guesses at `/mcp` are slowed down with them.
    let client = crate::mcp::Client::of(&serving, Some("rota_x_guess"));
    assert_eq!(client.post("{}").await.status, 429);
    let reply = browser.post("/sign-in", &[("token", &secret)]).await;
    assert_eq!(reply.status, 303, "whoever has the secret is never kept out");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_links_is_slowed_down_as_whoever_guesses_tokens() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut browser = Browser::of(&serving);
    let path = link(&rota, &browser);
    // The name of a link without its secret uses nothing up.
    let (named, _) = path.split_once('-').unwrap();
    let guesses = [format!("{named}-guess"), "/open/guess".to_owned()];
    for guess in guesses.iter().cycle().take(10) {
        let refused = browser.post(guess, &[]).await;
        assert_eq!((refused.status, refused.cookie()), (401, None), "{guess}");
    }
    for (place, form) in
        [(guesses[0].as_str(), vec![]), ("/sign-in", vec![("token", "rota_x_guess")])]
    {
        let slowed = browser.post(place, &form).await;
        assert_eq!((slowed.status, slowed.cookie()), (429, None), "{place}");
        assert!(slowed.headers.contains_key("retry-after"), "{place}");
        slowed.page().says("Too many failed sign-ins from here.");
    }
    let client = crate::mcp::Client::of(&serving, Some("rota_x_guess"));
    assert_eq!(client.post("{}").await.status, 429, "guesses at `/mcp` with them");
    let reply = browser.post(&path, &[]).await;
    assert_eq!((reply.status, reply.place()), (303, "/"), "whoever has the link is never kept out");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_elsewhere_after_signing_in() {
    let rota = team();
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    for next in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/a\r\nx: y"]
    {
        let mut browser = Browser::of(&serving);
        let reply = browser.post("/sign-in", &[("token", &secret), ("next", next)]).await;
        assert_eq!((reply.status, reply.place()), (303, "/"), "{next:?}");
    }
}
