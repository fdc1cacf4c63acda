//! Calendars: what somebody has to do when, events, and planned work.

use super::goals::{call, ids, lasting, refused, undo};
use crate::support::house::{House, json, playbook};
use rota::board::Calendar as _;
use rota::domain::{EventId, Initiative, Reason, Role, Value, WriteScope};
use rota::tools::Context;

const REVIEW: &str =
    r#"{"eventTitle":"Review","dateFrom":"2026-11-03T09:00","dateTo":"2026-11-03T10:00"}"#;

async fn items(house: &House, context: &Context, args: &str) -> Vec<serde_json::Value> {
    let shown = call(house, context, "getCalendar", args).await;
    let items = serde_json::to_value(shown.get("items").unwrap()).unwrap();
    items.as_array().unwrap().clone()
}

async fn the_event(house: &House) -> serde_json::Value {
    let event = house.board.event(EventId(1)).await.unwrap();
    serde_json::to_value((&event.title, &event.when)).unwrap()
}

#[tokio::test]
async fn a_calendar_shows_events_and_planned_tasks_in_the_callers_zone() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let bo = r#"{"eventTitle":"Bo's","dateFrom":"today","dateTo":"today","userId":"Bo"}"#;
    for (tool, args) in [
        ("addEvent", REVIEW),
        ("addEvent", r#"{"eventTitle":"Fair","dateFrom":"today","dateTo":"tomorrow"}"#),
        ("addEvent", r#"{"eventTitle":"Later","dateFrom":"+9d","dateTo":"+9d"}"#),
        ("addEvent", bo),
        ("editTask", r#"{"id":1,"params":{"editorId":"me"}}"#),
        (
            "scheduleTaskOnCalendar",
            r#"{"id":1,"editFrom":"2026-11-03T23:30","editTo":"2026-11-04T01:00"}"#,
        ),
        // Nobody's.
        ("scheduleTaskOnCalendar", r#"{"id":3,"editFrom":"today","editTo":"today"}"#),
    ] {
        call(&house, &ada, tool, args).await;
    }
    let day = items(&house, &ada, r#"{"from":"today","until":"today"}"#).await;
    let shown: Vec<_> = day
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            (text("type"), text("title"), text("from"), text("to"), item["all_day"] == true)
        })
        .collect();
    let row = |kind: &str, title: &str, from: &str, to: &str, all_day| {
        (kind.to_owned(), title.to_owned(), from.to_owned(), to.to_owned(), all_day)
    };
    assert_eq!(
        shown,
        [
            row("event", "Fair", "2026-11-03", "2026-11-04", true),
            row("event", "Review", "2026-11-03T09:00:00+01:00", "2026-11-03T10:00:00+01:00", false),
            row(
                "task",
                "Fix the login",
                "2026-11-03T23:30:00+01:00",
                "2026-11-04T01:00:00+01:00",
                false
            ),
        ]
    );
    assert_eq!(
        (&day[2]["project_name"], &day[2]["status_label"]),
        (&"Website".into(), &"New".into())
    );
    // The task reaches into the next day in Berlin; in UTC it ends on the 4th at midnight.
    let tomorrow = r#"{"from":"tomorrow","until":"tomorrow"}"#;
    assert_eq!(items(&house, &ada, tomorrow).await.len(), 2);
    let mut in_utc = ada.clone();
    in_utc.zone = chrono_tz::UTC;
    let titles = items(&house, &in_utc, tomorrow).await;
    assert_eq!(titles.len(), 1, "{titles:?}");
    let span = call(&house, &ada, "getCalendar", r#"{"from":"today","until":"today"}"#).await;
    assert_eq!(span.get("from"), Some(&"2026-11-03T00:00:00+01:00".into()));
    assert_eq!(span.get("until"), Some(&"2026-11-04T00:00:00+01:00".into()));
    let of_bo = r#"{"from":"today","until":"+9d","userId":"bo"}"#;
    assert_eq!(ids(&call(&house, &ada, "getCalendar", of_bo).await), [4]);
}

#[tokio::test]
async fn an_event_stays_all_day_or_not_unless_told() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let made = call(&house, &ada, "addEvent", REVIEW).await;
    let after = serde_json::to_value(made.get("after").unwrap()).unwrap();
    assert_eq!(after["dateFrom"], "2026-11-03T08:00:00Z", "echoed resolved");
    assert_eq!((&after["allDay"], &after["owner_name"]), (&false.into(), &"Ada".into()));
    let edit = async |from: &str, to: &str, more: &str| {
        let args = format!(
            r#"{{"id":1,"eventTitle":"Review","dateFrom":"{from}","dateTo":"{to}"{more}}}"#
        );
        call(&house, &ada, "editEvent", &args).await;
        the_event(&house).await[1].clone()
    };
    let timed = edit("2026-11-03T11:00", "2026-11-03T12:00", "").await;
    assert_eq!(timed["timed"]["from"], serde_json::json!("2026-11-03T10:00:00Z"), "{timed}");
    let whole = edit("2026-11-03", "2026-11-03", "").await;
    assert_eq!(whole["timed"]["to"], "2026-11-03T23:00:00Z", "from midnight to midnight: {whole}");
    let days = edit("2026-11-03", "2026-11-04", r#","allDay":true"#).await;
    assert_eq!(
        (&days["days"]["first"], &days["days"]["last"]),
        (&"2026-11-03".into(), &"2026-11-04".into())
    );
    // Leantime's way to say a whole day; it ends when the 6th begins.
    let days = edit("2026-11-05T00:00", "2026-11-06T00:00", "").await;
    assert_eq!(
        (&days["days"]["first"], &days["days"]["last"]),
        (&"2026-11-05".into(), &"2026-11-05".into())
    );
    let timed = edit("2026-11-05T09:00", "2026-11-05T10:00", r#","allDay":false"#).await;
    assert_eq!(timed["timed"]["to"], "2026-11-05T09:00:00Z");
}

#[tokio::test]
async fn what_was_done_to_an_event_its_undo_puts_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let made = call(&house, &ada, "addEvent", REVIEW).await;
    for more in ["", r#","allDay":true"#] {
        let before = the_event(&house).await;
        let args =
            format!(r#"{{"id":1,"eventTitle":"Talk","dateFrom":"+3d","dateTo":"+4d"{more}}}"#);
        let done = call(&house, &ada, "editEvent", &args).await;
        assert_ne!(the_event(&house).await, before);
        undo(&house, &ada, &done).await;
        assert_eq!(the_event(&house).await, before);
        if more.is_empty() {
            // The second time round it is an event of days that is put back.
            let days =
                r#"{"id":1,"eventTitle":"Fair","dateFrom":"today","dateTo":"+1d","allDay":true}"#;
            call(&house, &ada, "editEvent", days).await;
        }
    }
    let same = r#"{"id":1,"eventTitle":"Fair","dateFrom":"today","dateTo":"+1d"}"#;
    let nothing = call(&house, &ada, "editEvent", same).await;
    assert_eq!((nothing.get("changed"), nothing.get("undo")), (Some(&false.into()), None));
    undo(&house, &ada, &made).await;
    assert!(house.board.event(EventId(1)).await.is_err());
    call(&house, &ada, "addEvent", REVIEW).await;
    let gone = call(&house, &ada, "deleteEvent", r#"{"id":2}"#).await;
    assert_eq!(gone.get("before").unwrap().get("eventTitle"), Some(&"Review".into()));
    let again = refused(&house, &ada, "deleteEvent", r#"{"id":2}"#).await;
    assert_eq!(again.0, Reason::NotFound);
}

#[tokio::test]
async fn what_is_no_date_or_no_order_is_refused_and_erases_nothing() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    call(&house, &ada, "addEvent", REVIEW).await;
    let before = the_event(&house).await;
    let edit = |rest: &str| format!(r#"{{"id":1,{rest}}}"#);
    for (tool, args, expected) in [
        (
            "editEvent",
            edit(r#""eventTitle":"R","dateFrom":"soon","dateTo":"now""#),
            "dateFrom: \"soon\"",
        ),
        (
            "editEvent",
            edit(r#""eventTitle":"R","dateFrom":"now","dateTo":"""#),
            "dateTo: \"\" is no date",
        ),
        (
            "editEvent",
            edit(r#""eventTitle":"R","dateFrom":"now","dateTo":"-2h""#),
            "not before dateFrom",
        ),
        (
            "editEvent",
            edit(r#""eventTitle":"R","dateFrom":"today","dateTo":"-2d","allDay":true"#),
            "not before dateFrom",
        ),
        (
            "editEvent",
            edit(r#""eventTitle":" ","dateFrom":"now","dateTo":"now""#),
            "eventTitle: expected",
        ),
        ("editEvent", r#"{"id":1}"#.into(), "name at least one field"),
        ("editEvent", edit(r#""dateTo":"-9d""#), "not before dateFrom"),
        (
            "addEvent",
            r#"{"eventTitle":"R","dateFrom":"now","dateTo":"-1h"}"#.into(),
            "not before dateFrom",
        ),
        (
            "addEvent",
            r#"{"eventTitle":"R","dateFrom":"+999999-01-01","dateTo":"now"}"#.into(),
            "is no date",
        ),
        ("getCalendar", r#"{"from":"now","until":"-1h"}"#.into(), "later than from"),
        ("getCalendar", r#"{"from":"today"}"#.into(), "missing field `until`"),
        (
            "scheduleTaskOnCalendar",
            r#"{"id":1,"editFrom":"now","editTo":"-1h"}"#.into(),
            "not before editFrom",
        ),
        (
            "scheduleTaskOnCalendar",
            r#"{"id":1,"editFrom":"","editTo":"now"}"#.into(),
            "editFrom: \"\"",
        ),
    ] {
        let (reason, message) = refused(&house, &ada, tool, &args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{tool} {args}: {message}");
        assert!(message.contains(expected), "{tool} {args}: {message}");
    }
    assert_eq!(the_event(&house).await, before);
    let stale = edit(r#""eventTitle":"R","dateFrom":"now","dateTo":"now","revision":7"#);
    assert_eq!(refused(&house, &ada, "editEvent", &stale).await.0, Reason::RevisionConflict);
}

#[tokio::test]
async fn planned_work_is_shown_resolved_and_put_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let before = lasting(&call(&house, &ada, "getTicket", r#"{"id":3}"#).await);
    let args = r#"{"id":3,"editFrom":"today","editTo":"2026-11-04"}"#;
    let done = call(&house, &ada, "scheduleTaskOnCalendar", args).await;
    let after = serde_json::to_value(done.get("after").unwrap()).unwrap();
    assert_eq!(after["work_from"], "2026-11-02T23:00:00Z", "{after}");
    assert_eq!(after["work_to"], "2026-11-04T22:59:59Z", "a day is meant to its end: {after}");
    undo(&house, &ada, &done).await;
    assert_eq!(lasting(&call(&house, &ada, "getTicket", r#"{"id":3}"#).await), before);
    let nowhere = refused(&house, &ada, "scheduleTaskOnCalendar", &args.replace('3', "99")).await;
    assert_eq!(nowhere.0, Reason::NotFound);
}

#[tokio::test]
async fn a_service_key_has_no_calendar_and_names_whose_it_means() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let mut key = house.person("Ada").await;
    key.principal.by = Initiative::Service("ci".into());
    let days = r#"{"from":"today","until":"today"}"#;
    for (tool, args) in [("getCalendar", days), ("addEvent", REVIEW)] {
        let (reason, message) = refused(&house, &key, tool, args).await;
        assert_eq!(reason, Reason::ServiceIsNobody, "{tool}");
        assert!(message.contains("service key ci"), "{message}");
    }
    call(&house, &ada, "addEvent", REVIEW).await;
    let named = r#"{"from":"today","until":"today","userId":"Ada"}"#;
    assert_eq!(ids(&call(&house, &key, "getCalendar", named).await), [1]);
    // Its rights are those of an owner; with less, no calendar is its own.
    key.principal.person.role = Role::Editor;
    assert_eq!(refused(&house, &key, "deleteEvent", r#"{"id":1}"#).await.0, Reason::RoleTooLow);
}

#[tokio::test]
async fn only_managers_write_in_the_calendars_of_others() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    call(&house, &ada, "addEvent", REVIEW).await;
    let mut bo = house.person("Bo").await;
    bo.principal.person.role = Role::Editor;
    let edit = REVIEW.replacen('{', r#"{"id":1,"#, 1);
    for (tool, args) in [
        ("editEvent", edit.as_str()),
        ("deleteEvent", r#"{"id":1}"#),
        ("addEvent", &REVIEW.replacen('{', r#"{"userId":"Ada","#, 1)),
    ] {
        let (reason, message) = refused(&house, &bo, tool, args).await;
        assert_eq!(reason, Reason::RoleTooLow, "{tool}");
        assert!(message.contains("the calendar of Ada"), "{message}");
    }
    call(&house, &bo, "addEvent", REVIEW).await;
    bo.principal.person.role = Role::Commenter;
    let own = r#"{"from":"today","until":"today"}"#;
    assert_eq!(ids(&call(&house, &bo, "getCalendar", own).await), [2], "looking is free");
    for (tool, args) in [
        ("addEvent", REVIEW),
        ("deleteEvent", r#"{"id":2}"#),
        ("scheduleTaskOnCalendar", r#"{"id":1,"editFrom":"now","editTo":"now"}"#),
    ] {
        assert_eq!(refused(&house, &bo, tool, args).await.0, Reason::RoleTooLow, "{tool}");
    }
    call(&house, &ada, "deleteEvent", r#"{"id":2}"#).await;
}

#[tokio::test]
async fn a_run_writes_in_calendars_only_when_it_reaches_the_whole_board() {
    let house = House::build().await;
    for scope in [WriteScope::Claimed, WriteScope::Project, WriteScope::Board] {
        let mut book = playbook(&["*"]);
        book.scope.write = scope;
        let context = house.agent(book).await;
        let outcome = house.tools.call("addEvent", json(REVIEW), &context).await;
        match outcome {
            Ok(result) => {
                assert_eq!(scope, WriteScope::Board);
                let effect = result.effect.unwrap();
                assert_eq!(effect.tool, "addEvent");
                assert_eq!(result.value.get("changed"), Some(&Value::Bool(true)));
            }
            Err(error) => {
                assert_ne!(scope, WriteScope::Board, "{error}");
                assert_eq!(error.reason(), Reason::OutOfScope, "{error}");
            }
        }
    }
}
