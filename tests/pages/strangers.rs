//! Forms that other pages send, and names and frames of others: nothing is done.

use super::{Browser, PAGES, somebody};
use crate::mcp::team;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_another_page_sends_does_nothing() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let bob = somebody(&rota, &serving, "Bob").await;
    let (base, mark) = (ada.base.clone(), ada.mark.clone());
    let own = [("origin", base.as_str())];
    let said = ("text", "planted");
    for (fields, headers, why) in [
        (vec![said], vec![own[0]], "without the mark"),
        (vec![said, ("mark", "x")], vec![own[0]], "with another mark"),
        (vec![said, ("mark", &bob.mark)], vec![own[0]], "with somebody else's mark"),
        (vec![said, ("mark", &mark)], vec![("origin", "http://evil.example")], "from elsewhere"),
        (vec![said, ("mark", &mark)], vec![("origin", "null")], "from nowhere"),
        (vec![said, ("mark", &mark)], vec![("origin", "http://localhost:1")], "from another port"),
        (vec![said, ("mark", &mark)], vec![("sec-fetch-site", "cross-site")], "from another site"),
    ] {
        let reply = ada.post_with("/task/1/comment", &fields, &headers).await;
        assert_eq!(reply.status, 403, "{why}: {reply:#?}");
    }
    let reply =
        ada.post_with("/sign-in", &[("token", "x")], &[("origin", "http://evil.example")]).await;
    assert_eq!(reply.status, 403, "nobody is signed in by another page");
    let page = ada.get("/task/1").await.page();
    assert!(!page.text().contains("planted"));
    // Looking does nothing either.
    assert_eq!(ada.get("/task/1/comment?text=planted").await.status, 405);
    assert!(ada.submit("/task/1/comment", &[said]).await.contains("on the board"));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_forms_count_from_the_address_that_is_named_as_ours() {
    let rota = team();
    let config = "timezone = \"Europe/Berlin\"\n[people]\nme = \"Ada\"\n[mcp]\n\
                  origins = [\"https://board.example.com\"]\n";
    rota.write("rota.toml", config);
    let secret = crate::mcp::token(&rota, &["browser"]);
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = Browser::of(&serving);
    let form = [("token", secret.as_str())];
    let other = ada.post_with("/sign-in", &form, &[("origin", "https://other.example.com")]).await;
    assert_eq!(other.status, 403);
    other.page().says("proxy_set_header Host");
    let ours = [("origin", "https://board.example.com"), ("x-forwarded-proto", "https")];
    let reply = ada.post_with("/sign-in", &form, &ours).await;
    assert_eq!((reply.status, reply.place()), (303, "/"), "{reply:#?}");
    assert!(reply.cookie().unwrap().contains("; Secure"), "{reply:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_is_refused_before_anybody_is_known() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    for path in ["/", "/sign-in", "/task/1"] {
        let reply = ada.get_with(path, &[("host", "evil.example")]).await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(!reply.text.contains("Fix the footer"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_that_keep_it_ours() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let page = ada.get("/").await;
    let asset = page.text.split('"').find(|text| text.starts_with("/assets/")).unwrap().to_owned();
    for path in
        PAGES.iter().copied().chain(["/sign-in", "/task/1", "/task/999", &asset, "/assets/x"])
    {
        let reply = ada.get(path).await;
        let header =
            |name: &str| reply.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        let cached = header("cache-control");
        assert_eq!(cached.contains("immutable"), path == asset, "{path}: {cached}");
    }
    let mut stranger = Browser::of(&serving);
    assert_eq!(stranger.get(&asset).await.status, 200, "styles need nobody");
}
