//! What is kept of the dates that are sent.

use super::with_editor_of;
use crate::support::leantime::Options;
use serde_json::{Value, json};

const NONE: &str = "0000-00-00 00:00:00";

/// Sent, kept as due date, as beginning and as end of work.
type Row = (&'static str, &'static str, &'static str, &'static str);

async fn hold(options: Options, rows: &[Row]) {
    let (fake, _, client) = with_editor_of(options).await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    for (sent, due, from, until) in rows {
        let values = json!({ "dateToFinish": sent, "editFrom": sent, "editTo": sent });
        assert_eq!(client.patch(id, values).await, true, "it is always told to have gone well");
        let kept = fake.ticket(id).unwrap();
        assert_eq!(kept["dateToFinish"], *due, "{sent}");
        assert_eq!(kept["editFrom"], *from, "{sent}");
        assert_eq!(kept["editTo"], *until, "{sent}");
    }
}

#[tokio::test]
async fn in_los_angeles_only_instants_are_kept_as_they_are() {
    let instant = "2026-12-24 15:30:00";
    let local = "2026-12-24 23:30:00";
    let rows = [
        ("2026-12-24T15:30:00Z", instant, instant, instant),
        ("2026-12-24T17:30:00+02:00", instant, instant, instant),
        ("2026-12-24", "2026-12-24 00:00:00", "2026-12-24 20:00:00", "2026-12-24 20:00:00"),
        ("2026-12-24 15:30:00", local, local, local),
        ("12/24/2026", "2026-12-25 07:59:59", "2026-12-24 08:00:00", "2026-12-25 07:59:59"),
        ("2026-12-24T15:30:00.000Z", NONE, NONE, NONE),
        ("24.12.2026", NONE, NONE, NONE),
        ("tomorrow", NONE, NONE, NONE),
    ];
    hold(Options::default(), &rows).await;
}

#[tokio::test]
async fn in_utc_bare_dates_of_work_are_still_noon() {
    let noon = "2026-12-24 12:00:00";
    let rows = [
        ("2026-12-24", "2026-12-24 00:00:00", noon, noon),
        (
            "2026-12-24 15:30:00",
            "2026-12-24 15:30:00",
            "2026-12-24 15:30:00",
            "2026-12-24 15:30:00",
        ),
        ("2026-12-24T15:30:00.5Z", NONE, NONE, NONE),
    ];
    hold(Options { zone: chrono_tz::UTC, ..Options::default() }, &rows).await;
}

#[tokio::test]
async fn no_date_is_nothing_or_many_noughts() {
    let (fake, _, client) = with_editor_of(Options::default()).await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(fake.ticket(id).unwrap()["dateToFinish"], NONE);
    client.patch(id, json!({ "dateToFinish": "", "editFrom": null })).await;
    let kept = fake.ticket(id).unwrap();
    assert_eq!((&kept["dateToFinish"], &kept["editFrom"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_clocks_of_columns_differ() {
    let (fake, _, client) = with_editor_of(Options::default()).await;
    let first = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let quick = json!({ "params": { "headline": "B", "projectId": 1 } });
    let second = client.call("tickets.quickAddTicket", quick).await.as_i64().unwrap();
    let date = |id: i64| fake.ticket(id).unwrap()["date"].clone();
    assert_eq!(date(first), "2026-11-22 14:00:00");
    assert_eq!(date(second), "2026-11-22 06:00:00");
    fake.advance(std::time::Duration::from_mins(1));
    assert_eq!(fake.now().to_rfc3339(), "2026-11-22T14:01:00+00:00");
    let third = client.add(json!({ "headline": "C", "projectId": 1 })).await;
    assert_eq!(date(third), "2026-11-22 14:01:00");
    // The newest first, by that column.
    assert_eq!(client.found(json!({ "currentProject": 1 })).await, [third, first, second]);
    let since = json!({ "currentProject": 1, "dateFrom": "2026-11-22T14:00:00Z" });
    assert_eq!(client.found(since).await, [third]);
}
