//! What runs cost, at `/costs`: drawn day by day as the ledger has it, and of their own projects alone for
//! whoever belongs to some only.

use super::somebody;
use super::timeline::{house, ledger, work_at};
use crate::support::rota::Rota;
use rota::domain::{Run, RunId, RunState, Usage, from_millis};
use serde_json::Value as Json;

const DAY_MS: i64 = 86_400_000;
/// Of the tallest bar, as the page draws it.
const TALLEST: i64 = 138;

/// A bar, with its words.
#[derive(Debug, PartialEq)]
struct Bar {
    x: i64,
    height: i64,
    title: String,
}

/// The bars of the chart, from left to right.
#[track_caller]
fn bars(html: &str) -> Vec<Bar> {
    let chart = html.split_once("<svg class=\"chart\"").expect("there is a chart").1;
    let chart = chart.split_once("</svg>").unwrap().0;
    let bars = chart.split("<rect ").skip(1).map(|rect| {
        let number = |name: &str| -> i64 {
            let value = rect.split_once(&format!("{name}=\"")).unwrap().1;
            value.split_once('"').unwrap().0.parse().unwrap()
        };
        // It stands on the ground.
        assert_eq!(number("y") + number("height"), 142, "{rect}");
        let title = rect.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0;
        Bar { x: number("x"), height: number("height"), title: title.to_owned() }
    });
    bars.collect()
}

/// Plants runs that ended so many days ago and cost so much, like one that there is.
async fn plant(rota: &Rota, like: &str, costs: &[(i64, u64)]) {
    let ledger = ledger(rota);
    let like = ledger.run(like).await.unwrap().unwrap();
    let definition = ledger.definition(&like.definition).await.unwrap().unwrap();
    for (number, (days, cost_micros)) in costs.iter().enumerate() {
        let started = from_millis(like.started.timestamp_millis() - days * DAY_MS);
        let usage = Usage { cost_micros: *cost_micros, tokens_in: 10, ..Usage::default() };
        let begun = Run {
            id: RunId::new(format!("r-00000000000{number}")),
            state: RunState::Running,
            fence: None,
            reason: None,
            outcome: None,
            started,
            ended: None,
            settle_from: None,
            ..like.clone()
        };
        ledger.start_run(&begun, &definition).await.unwrap();
        let ended = Run {
            state: RunState::Succeeded,
            reason: like.reason,
            ended: Some(started),
            usage,
            ..begun
        };
        ledger.finish_run(&ended, Vec::new()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_days_bar_says_what_the_ledger_counted_and_is_as_high_as_that() {
    let rota = house();
    let run = work_at(&rota, "1");
    plant(&rota, &run, &[(9, 2_000_000), (9, 1_500_000), (4, 70_000)]).await;
    let report = rota.run(["report", "cost", "--by", "day", "--json"]).ok().json();
    let days = report["items"].as_array().unwrap();
    let counted: Vec<u64> = days.iter().map(|day| day["cost_micros"].as_u64().unwrap()).collect();
    assert_eq!(counted, [3_500_000, 70_000, 1_750_000], "{report:#}");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let reply = ada.get("/costs").await;
    let drawn = bars(&reply.text);
    let day = |place: usize| days[place]["day"].as_str().unwrap();
    let expected = [
        (TALLEST, format!("{}: 3.50 EUR, 2 runs", day(0))),
        (TALLEST * 70_000 / 3_500_000, format!("{}: 0.07 EUR, 1 runs", day(1))),
        (TALLEST * 1_750_000 / 3_500_000, format!("{}: 1.75 EUR, 1 runs", day(2))),
    ];
    let seen: Vec<(i64, String)> =
        drawn.iter().map(|bar| (bar.height, bar.title.clone())).collect();
    assert_eq!(seen, expected);
    assert!(drawn.windows(2).all(|two| two[0].x < two[1].x), "{drawn:?}");
    reply.page().says("5.32 EUR");
    // Of the last week there is less, and the highest bar is another.
    let later = bars(&ada.get("/costs?since=-7d").await.text);
    let heights: Vec<i64> = later.iter().map(|bar| bar.height).collect();
    assert_eq!(heights, [TALLEST * 70_000 / 1_750_000, TALLEST], "{later:?}");
}

/// Two projects with a run at a task of each: the Website is everybody's, the Vault is Ada's.
fn two_projects() -> Rota {
    let rota = house();
    rota.run(["project", "add", "Vault"]).ok();
    rota.run(["task", "add", "Zanzibar merger", "--project", "Vault"]).ok();
    rota.run(["member", "set", "Ada", "--project", "Vault"]).ok();
    work_at(&rota, "1");
    work_at(&rota, "2");
    rota
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_belongs_to_some_projects_is_shown_what_these_cost_and_told_so() {
    const SAYS_SO: &str = "You belong to some projects only";
    let rota = two_projects();
    let whole: Json = rota.run(["report", "cost", "--by", "project", "--json"]).ok().json();
    assert_eq!(whole["total"]["cost_micros"], 3_500_000, "{whole:#}");
    let serving = rota.serve(Vec::<&str>::new());
    let mut ada = somebody(&rota, &serving, "Ada").await;
    let mut bob = somebody(&rota, &serving, "Bob").await;
    let page = ada.get("/costs?by=project").await.page();
    for said in ["3.50 EUR", "Website (project 1)", "Vault (project 2)"] {
        page.says(said);
    }
    assert!(!page.text().contains(SAYS_SO), "{}", page.text());
    for by in ["project", "task", "milestone", "goal", "playbook", "agent", "model", "day"] {
        let reply = bob.get(&format!("/costs?by={by}")).await;
        assert_eq!(reply.status, 200, "{by}: {}", reply.text);
        let page = reply.page();
        page.says(SAYS_SO);
        page.says("1.75 EUR");
        for other in ["3.50 EUR", "Vault", "Zanzibar"] {
            assert!(!reply.text.contains(other), "{by}: {other} in {}", page.text());
        }
        let drawn = bars(&reply.text);
        assert_eq!(drawn.len(), 1, "{by}: {drawn:?}");
        assert!(drawn[0].title.ends_with(": 1.75 EUR, 1 runs"), "{drawn:?}");
    }
    bob.get("/costs?by=project").await.page().says("Website (project 1)");
    let page = bob.get("/").await.page();
    page.says("In the projects to which you belong");
    assert!(!page.text().contains("3.50 EUR"), "{}", page.text());
}
