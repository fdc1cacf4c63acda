//! The pages over TLS: the cookie travels over nothing else, and a page that came without it is none of ours.

use super::Browser;
use super::signing_in::link;
use crate::mcp::tls::{AUTHORITY, with_files};
use crate::mcp::token;
use crate::support::rota::Serving;

/// A browser that knows the authority.
fn browser(serving: &Serving) -> Browser {
    let plain = Browser::of(serving);
    let authority = reqwest::Certificate::from_pem(AUTHORITY.as_bytes()).unwrap();
    let none = reqwest::redirect::Policy::none();
    let builder = reqwest::Client::builder().no_proxy().redirect(none);
    let http = builder.tls_certs_only([authority]).build().unwrap();
    Browser { http, base: plain.base.replace("http://", "https://"), ..plain }
}

/// What the browser sends from now on, with what the answer says of it.
#[track_caller]
fn is_kept_safe(browser: &Browser, cookie: Option<&str>) {
    let port = browser.base.rsplit_once(':').unwrap().1;
    let (pair, rest) = cookie.unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with(&format!("__Host-rota_{port}=")), "{pair}");
    assert_eq!(rest, "Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(browser.cookie.as_deref(), Some(pair));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_somebody_signs_in_by_a_token_reads_and_acts() {
    let rota = with_files("");
    let secret = token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = browser(&serving);
    let asked = ada.get("/task/1").await;
    assert_eq!((asked.status, asked.place()), (303, "/sign-in?next=%2Ftask%2F1"));
    let form = [("token", secret.as_str()), ("next", "/task/1")];
    let plain = ada.base.replace("https://", "http://");
    let refused = ada.post_with("/sign-in", &form, &[("origin", &plain)]).await;
    assert_eq!(
        (refused.status, refused.cookie()),
        (403, None),
        "a page without TLS is none of ours"
    );

    let reply = ada.post("/sign-in", &form).await;
    assert_eq!((reply.status, reply.place()), (303, "/task/1"), "{reply:#?}");
    is_kept_safe(&ada, reply.cookie());
    let page = ada.get("/task/1").await.page();
    page.says("Fix the footer");
    ada.mark = page.field("mark").to_owned();

    let mark = ada.mark.clone();
    let planted = [("mark", mark.as_str()), ("text", "planted")];
    let refused = ada.post_with("/task/1/comment", &planted, &[("origin", &plain)]).await;
    assert_eq!(refused.status, 403);
    let other = [("mark", "x"), ("text", "planted")];
    assert_eq!(ada.post("/task/1/comment", &other).await.status, 403, "the mark counts here, too");
    assert!(ada.submit("/task/1/comment", &[("text", "Hello.")]).await.contains("on the board"));
    let page = ada.get("/task/1").await.page();
    page.says("Hello.");
    assert!(!page.text().contains("planted"));

    // Another signing in brings another secret, and the one before is worth nothing.
    let before = ada.clone();
    let again = ada.post("/sign-in", &form).await;
    is_kept_safe(&ada, again.cookie());
    assert_ne!(ada.cookie, before.cookie);
    assert_eq!(before.clone().get("/").await.status, 303);
    // Nor is a secret in a cookie that a page without TLS could have set.
    let mut unsafely = ada.clone();
    unsafely.cookie = ada.cookie.as_ref().map(|cookie| cookie.replace("__Host-", ""));
    assert_eq!(unsafely.get("/").await.status, 303);
    assert_eq!(ada.get("/").await.status, 200);
    assert_eq!(serving.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_link_signs_in_once_and_signing_out_takes_the_cookie_away() {
    let rota = with_files("");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = browser(&serving);
    let path = link(&rota, &ada);
    let plain = ada.base.replace("https://", "http://");
    let refused = ada.post_with(&path, &[], &[("origin", &plain)]).await;
    assert_eq!((refused.status, refused.cookie()), (403, None));
    let reply = ada.post(&path, &[]).await;
    assert_eq!((reply.status, reply.place()), (303, "/"), "the refused form has not used it up");
    is_kept_safe(&ada, reply.cookie());
    assert_eq!(browser(&serving).post(&path, &[]).await.status, 401, "it was used");
    let page = ada.get("/settings").await.page();
    page.says("You are signed in as Ada, with the role owner");
    let mark = page.field("mark").to_owned();
    let held = ada.clone();
    let out = ada.post("/sign-out", &[("mark", &mark)]).await;
    assert_eq!((out.status, out.place()), (303, "/sign-in"));
    let gone = out.cookie().unwrap();
    assert!(gone.starts_with("__Host-") && gone.ends_with("; Secure; Max-Age=0"), "{gone}");
    assert_eq!(held.clone().get("/").await.status, 303);
    assert_eq!(serving.stop(), 0);
}
