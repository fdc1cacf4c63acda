//! Filters: a choice alone leads nowhere, whoever wants to see what it gives says so.

use super::{Browser, somebody};
use crate::mcp::team;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_chosen_is_asked_for_by_a_button_and_by_nothing_else() {
    let rota = team();
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    for path in ["/board", "/runs", "/digest", "/costs"] {
        let reply = ada.get(path).await;
        let page = reply.page();
        assert_eq!(page.filters(), [path], "a filter with its button");
        page.says("Show");
    }
    // No script hears of a choice: a reader who goes through a list by its arrow keys stays where they are.
    let page = ada.get("/board").await;
    let script = script(&page.text);
    let script = Browser::of(&serving).get(&script).await;
    assert_eq!(script.status, 200);
    assert!(script.text.contains("addEventListener"), "it is the script");
    for event in ["\"change\"", "\"input\"", "onchange", "oninput"] {
        assert!(!script.text.contains(event), "{event}");
    }
}

/// Where our own script is.
fn script(page: &str) -> String {
    let ours = |text: &&str| text.starts_with("/assets/rota-") && text.contains(".js");
    page.split('"').find(ours).unwrap().to_owned()
}
