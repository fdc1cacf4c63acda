//! Booked time and running timers.

use super::{client, with_editor, with_editor_of};
use crate::support::leantime::{Options, Role};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn logging_adds_and_upserting_sets() {
    let (fake, me, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let entry = |hours: f64| {
        let params = json!({
            "hours": hours, "kind": "TESTING", "date": "2026-11-20", "description": "d",
            "userId": 1,
        });
        json!({ "ticketId": id, "params": params })
    };
    for (method, hours, sum) in
        [("logTime", 1.5, 1.5), ("logTime", 1.0, 2.5), ("upsertTime", 4.0, 4.0)]
    {
        let method = format!("timesheets.{method}");
        assert_eq!(client.call(&method, entry(hours)).await, true);
        let sheets = fake.sheets();
        assert_eq!(sheets.len(), 1);
        assert_eq!(sheets[0]["hours"].as_f64(), Some(sum));
        assert_eq!(sheets[0]["userId"], me, "an editor books for nobody else");
        assert_eq!(sheets[0]["workDate"], "2026-11-20 20:00:00", "noon in the server's zone");
    }
    let (_, manager) = super::client(&fake, Role::Manager, &[1]);
    manager.call("timesheets.logTime", entry(1.0)).await;
    assert_eq!(fake.sheets()[1]["userId"], 1);
    assert_eq!(client.call("timesheets.upsertTime", entry(0.0)).await, true);
    assert_eq!(fake.sheets().len(), 1, "rows without hours go");
}

#[tokio::test]
async fn a_week_shows_what_was_booked_at_noon_on_the_day_after() {
    let (_fake, me, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    for date in ["2026-11-18", "2026-11-20T10:00:00Z"] {
        let params = json!({ "hours": 2, "kind": "TESTING", "date": date });
        client.call("timesheets.logTime", json!({ "ticketId": id, "params": params })).await;
    }
    let params = json!({ "projectId": 1, "fromDate": "2026-11-16", "userId": me });
    let week = client.call("timesheets.getWeeklyTimesheets", params).await;
    assert_eq!(week["1-TESTING-20:00:00"]["day4"]["hours"], 2);
    assert_eq!(week["1-TESTING-10:00:00"]["day5"]["hours"], 2);
    assert_eq!(week["1-TESTING-10:00:00"]["day5"]["localDay"], "2026-11-20");
    let range = json!({ "dateFrom": "2026-11-18", "dateTo": "2026-11-19", "userId": me });
    let everybody = json!({ "dateFrom": "2026-11-18", "dateTo": "2026-11-19" });
    assert_eq!(client.code("timesheets.getAll", everybody).await, -32001);
    let rows = client.call("timesheets.getAll", range).await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
    let hours = client
        .call("timesheets.getUsersTicketHours", json!({ "ticketId": id, "userId": me }))
        .await;
    assert_eq!(hours, 4);
    let others = json!({ "projectId": 1, "fromDate": "2026-11-16", "userId": 1 });
    assert_eq!(client.code("timesheets.getWeeklyTimesheets", others).await, -32001);
}

#[tokio::test]
async fn of_many_who_start_a_timer_one_has_it() {
    let (fake, _, first) = with_editor().await;
    let id = first.add(json!({ "headline": "A", "projectId": 1 })).await;
    let others = [(); 3].map(|()| client(&fake, Role::Editor, &[1]).1);
    let start = json!({ "ticketId": id });
    let all = others.iter().chain([&first]);
    let all = all.map(|client| client.call("timesheets.punchIn", start.clone()));
    let answers = futures::future::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| **answer == true).count(), 1);
    assert_eq!(fake.timers(id).len(), 1);
}

#[tokio::test]
async fn on_old_databases_each_user_has_one() {
    let options = Options { old_timers: true, ..Options::default() };
    let (fake, me, first) = with_editor_of(options).await;
    let (other, second) = client(&fake, Role::Editor, &[1]);
    let id = first.add(json!({ "headline": "A", "projectId": 1 })).await;
    let start = json!({ "ticketId": id });
    assert_eq!(first.call("timesheets.punchIn", start.clone()).await, true);
    assert_eq!(first.call("timesheets.punchIn", start.clone()).await, false);
    assert_eq!(second.call("timesheets.punchIn", start).await, true);
    assert_eq!(fake.timers(id), [me, other]);
}

#[tokio::test]
async fn a_timer_books_from_a_minute_on() {
    let (fake, _, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let timer = json!({ "ticketId": id });
    assert_eq!(client.call("timesheets.punchOut", timer.clone()).await, false);
    client.call("timesheets.punchIn", timer.clone()).await;
    assert_eq!(client.call("timesheets.punchOut", timer.clone()).await, 0);
    assert!(fake.sheets().is_empty());
    client.call("timesheets.punchIn", timer.clone()).await;
    fake.advance(Duration::from_mins(90));
    let running = client.call("timesheets.isClocked", json!({ "sessionId": 1 })).await;
    assert_eq!((&running["id"], &running["totalTime"]), (&json!(id), &json!("01:30")));
    assert_eq!(client.call("timesheets.stopActiveTimer", json!({})).await, 1.5);
    assert_eq!(fake.sheets()[0]["kind"], "GENERAL_BILLABLE");
    assert_eq!(fake.sheets()[0]["workDate"], "2026-11-22 08:00:00", "midnight where the server is");
}
