//! Logging time, timesheets, and timers.

use crate::support::house::{House, json, playbook};
use rota::domain::{Initiative, Reason, Role, Scope, ToolCall, Value, WriteScope};
use rota::tools::Context;
use std::time::Duration;

async fn call(house: &House, context: &Context, tool: &str, args: &str) -> Value {
    house
        .tools
        .call(tool, json(args), context)
        .await
        .unwrap_or_else(|e| panic!("{tool}: {e}"))
        .value
}

async fn refused(house: &House, context: &Context, tool: &str, args: &str) -> (Reason, String) {
    let error = house.tools.call(tool, json(args), context).await.expect_err(args);
    (error.reason(), error.to_string())
}

async fn undo(house: &House, context: &Context, of: &Value) {
    let undo = serde_json::to_value(of.get("undo").expect("an undo")).unwrap();
    let undo: ToolCall = serde_json::from_value(undo).unwrap();
    house.tools.call(&undo.tool, undo.args, context).await.unwrap();
}

fn number(value: &Value, path: &[&str]) -> f64 {
    let found = path.iter().fold(value, |value, name| value.get(name).unwrap());
    serde_json::to_value(found).unwrap().as_f64().unwrap()
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    let found = path.iter().fold(value, |value, name| value.get(name).unwrap());
    found.as_text().unwrap()
}

fn items(value: &Value) -> &[Value] {
    value.get("items").and_then(Value::as_list).unwrap()
}

const SPAN: &str = r#""dateFrom":"-30d","dateTo":"+30d""#;

async fn sheet(house: &House, context: &Context) -> Value {
    call(house, context, "getProjectTimesheets", &format!(r#"{{"projectId":1,{SPAN}}}"#)).await
}

#[tokio::test]
async fn hours_are_added_to_those_of_the_day_and_hundredths_come_back_exact() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for hours in [0.1, 0.2, 7.07] {
        let args = format!(r#"{{"ticketId":1,"hours":{hours},"date":"today","kind":"TESTING"}}"#);
        call(&house, &ada, "logTime", &args).await;
    }
    let args = r#"{"ticketId":"1","hours":1,"date":"today","kind":"general (billable)"}"#;
    let logged = call(&house, &ada, "logTime", args).await;
    assert_eq!(text(&logged, &["after", "day"]), "2026-11-03", "dates are echoed resolved");
    assert_eq!(text(&logged, &["after", "kind"]), "GENERAL_BILLABLE", "a label is a kind too");
    let found = call(
        &house,
        &ada,
        "getUserTimesheets",
        r#"{"dateFrom":"yesterday","dateTo":"2026-11-03T12:00:00Z"}"#,
    )
    .await;
    assert_eq!((text(&found, &["from"]), text(&found, &["to"])), ("2026-11-02", "2026-11-03"));
    let first = &items(&found)[0];
    assert!((number(first, &["hours"]) - 7.37).abs() < 1e-12, "{first}");
    assert_eq!(text(first, &["headline"]), "Fix the login");
    assert_eq!(text(first, &["kind_label"]), "Testing");
    assert!((number(&found, &["total_hours"]) - 8.37).abs() < 1e-12, "{found}");
}

#[tokio::test]
async fn a_day_is_one_of_the_callers_zone() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    // In Berlin it is the 4th already.
    let args = r#"{"ticketId":1,"hours":1,"date":"2026-11-03T23:30:00Z","kind":"TESTING"}"#;
    let logged = call(&house, &ada, "logTime", args).await;
    assert_eq!(text(&logged, &["after", "day"]), "2026-11-04");
}

#[tokio::test]
async fn what_was_logged_its_undo_takes_back_whatever_was_there_before() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let log =
        |rest: &str| format!(r#"{{"ticketId":1,"date":"today","kind":"DEVELOPMENT",{rest}}}"#);
    // From nothing, with and without a text; on what is there; less; in all; and to nothing.
    for (first, then) in [
        (None, r#""hours":1.25"#),
        (None, r#""hours":1.25,"description":"The fix.""#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":0.01"#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":1,"description":"More.""#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":-0.5"#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":-2"#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":5,"total":true"#),
        (Some(r#""hours":2,"description":"Before.""#), r#""hours":0,"total":true"#),
        (Some(r#""hours":2"#), r#""hours":2,"total":true,"description":"Other.""#),
    ] {
        if let Some(first) = first {
            let first = log(&format!(r#"{first},"total":true"#));
            call(&house, &ada, "logTime", &first).await;
        }
        let plain = |sheet: &Value| -> Vec<(String, String)> {
            let one = |item: &Value| {
                (number(item, &["hours"]).to_string(), text(item, &["description"]).to_owned())
            };
            items(sheet).iter().map(one).collect()
        };
        let before = plain(&sheet(&house, &ada).await);
        let logged = call(&house, &ada, "logTime", &log(then)).await;
        assert_eq!(logged.get("changed"), Some(&true.into()), "{then}");
        assert_ne!(plain(&sheet(&house, &ada).await), before, "{then}");
        undo(&house, &ada, &logged).await;
        assert_eq!(plain(&sheet(&house, &ada).await), before, "{then}");
    }
}

#[tokio::test]
async fn taking_back_what_was_added_leaves_what_others_added_meanwhile() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let log = r#"{"ticketId":1,"hours":1,"date":"today","kind":"TESTING"}"#;
    let first = call(&house, &ada, "logTime", log).await;
    call(&house, &ada, "logTime", log).await;
    undo(&house, &ada, &first).await;
    assert!((number(&sheet(&house, &ada).await, &["total_hours"]) - 1.0).abs() < 1e-12);
}

#[tokio::test]
async fn time_that_makes_no_sense_is_refused_with_what_was_expected() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (args, says) in [
        (r#""hours":0,"date":"today","kind":"TESTING""#, "1.25"),
        (r#""hours":25,"date":"today","kind":"TESTING""#, "at most 24"),
        (r#""hours":-1,"date":"today","kind":"TESTING""#, "expected at most"),
        (r#""hours":-1,"total":true,"date":"today","kind":"TESTING""#, "not negative"),
        (r#""hours":1,"date":"31.12.2026","kind":"TESTING""#, "no date"),
        (r#""hours":1,"date":"today","kind":"coding""#, "DEVELOPMENT"),
        (r#""hours":"1h","date":"today","kind":"TESTING""#, "correct arguments"),
        (r#""hours":1,"date":"today""#, "kind"),
    ] {
        let args = format!(r#"{{"ticketId":1,{args}}}"#);
        let (reason, message) = refused(&house, &ada, "logTime", &args).await;
        assert!(message.contains(says), "{args}: {message}");
        let expected = matches!(reason, Reason::InvalidArguments | Reason::NotFound);
        assert!(expected, "{args}: {reason:?}");
    }
    let args = r#"{"ticketId":99,"hours":1,"date":"today","kind":"TESTING"}"#;
    assert_eq!(refused(&house, &ada, "logTime", args).await.0, Reason::NotFound);
    let all = r#"{"ticketId":1,"hours":24,"date":"today","kind":"TESTING"}"#;
    call(&house, &ada, "logTime", all).await;
    let more = r#"{"ticketId":3,"hours":0.01,"date":"today","kind":"TESTING"}"#;
    let (reason, message) = refused(&house, &ada, "logTime", more).await;
    assert_eq!(reason, Reason::InvalidArguments, "a day has 24 hours: {message}");
    assert!((number(&sheet(&house, &ada).await, &["total_hours"]) - 24.0).abs() < 1e-12);
}

#[tokio::test]
async fn the_time_of_others_takes_a_manager_and_whoever_only_looks_logs_nothing() {
    let house = House::build().await;
    let mut ada = house.person("Ada").await;
    let log = |who: &str| {
        format!(r#"{{"ticketId":1,"hours":1,"date":"today","kind":"TESTING","userId":"{who}"}}"#)
    };
    ada.principal.person.role = Role::Editor;
    let (reason, message) = refused(&house, &ada, "logTime", &log("Bo")).await;
    assert_eq!(reason, Reason::RoleTooLow);
    assert!(message.contains("manager"), "{message}");
    call(&house, &ada, "logTime", &log("me")).await;
    ada.principal.person.role = Role::Manager;
    call(&house, &ada, "logTime", &log("Bo")).await;
    ada.principal.person.role = Role::Readonly;
    for (tool, args) in
        [("logTime", &*log("me")), ("startTimer", r#"{"duration":"5m"}"#), ("stopTimer", "{}")]
    {
        assert_eq!(refused(&house, &ada, tool, args).await.0, Reason::RoleTooLow, "{tool}");
    }
    assert_eq!(items(&sheet(&house, &ada).await).len(), 2);
}

#[tokio::test]
async fn a_service_key_has_no_time_of_its_own_but_may_name_a_person() {
    let house = House::build().await;
    let mut key = house.person("Ada").await;
    key.principal.by = Initiative::Service("ci".into());
    let log = r#"{"ticketId":1,"hours":1,"date":"today","kind":"TESTING"}"#;
    let span = format!("{{{SPAN}}}");
    for (tool, args) in [
        ("logTime", log),
        ("getUserTimesheets", &span),
        ("getWeeklyTimesheets", r#"{"weekStart":"today"}"#),
        ("startTimer", r#"{"duration":"5m"}"#),
        ("stopTimer", "{}"),
    ] {
        assert_eq!(refused(&house, &key, tool, args).await.0, Reason::ServiceIsNobody, "{tool}");
    }
    let args = format!(r#"{{{SPAN},"userId":"Bo"}}"#);
    assert_eq!(text(&call(&house, &key, "getUserTimesheets", &args).await, &["to"]), "2026-12-03");
}

/// Ada on two tasks on two days, Bo on a third task.
async fn busy() -> (House, Context) {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (task, hours, date, kind, who) in [
        (1, 1.5, "2026-11-02", "DEVELOPMENT", "Ada"),
        (1, 0.5, "2026-11-03", "DEVELOPMENT", "Ada"),
        (3, 2.0, "2026-11-03", "BUGFIXING_NOT_BILLABLE", "Ada"),
        (4, 4.0, "2026-10-30", "TESTING", "Bo"),
    ] {
        let args = format!(
            r#"{{"ticketId":{task},"hours":{hours},"date":"{date}","kind":"{kind}","userId":"{who}"}}"#
        );
        call(&house, &ada, "logTime", &args).await;
    }
    (house, ada)
}

#[tokio::test]
async fn time_is_summed_up_in_every_way() {
    let (house, ada) = busy().await;
    for (group, expected) in [
        ("project", [("1", "Website", 4.0), ("2", "Shop", 4.0)].as_slice()),
        ("user", &[("1", "Ada", 4.0), ("3", "Bo", 4.0)]),
        (
            "day",
            &[
                ("2026-10-30", "2026-10-30", 4.0),
                ("2026-11-02", "2026-11-02", 1.5),
                ("2026-11-03", "2026-11-03", 2.5),
            ],
        ),
        ("Week", &[("2026-10-26", "2026-W44", 4.0), ("2026-11-02", "2026-W45", 4.0)]),
        (
            "ticket",
            &[
                ("1", "Fix the login", 2.0),
                ("3", "Polish the footer", 2.0),
                ("4", "Count the stock", 4.0),
            ],
        ),
        (
            "kind",
            &[
                ("DEVELOPMENT", "Development", 2.0),
                ("BUGFIXING_NOT_BILLABLE", "Bug fixing, not billable", 2.0),
                ("TESTING", "Testing", 4.0),
            ],
        ),
    ] {
        // In pages of one: nothing is met twice or left out.
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let args = format!(r#"{{{SPAN},"groupBy":"{group}","limit":1,"cursor":"{cursor}"}}"#);
            let page = call(&house, &ada, "getTimesheetSummary", &args).await;
            assert!((number(&page, &["total_hours"]) - 8.0).abs() < 1e-12, "of the whole span");
            assert!((number(&page, &["billable_hours"]) - 6.0).abs() < 1e-12);
            for item in items(&page) {
                let (key, name) = (text(item, &["key"]), text(item, &["name"]));
                found.push((key.to_owned(), name.to_owned(), number(item, &["hours"])));
            }
            match page.get("next").and_then(Value::as_text) {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let found: Vec<(&str, &str, f64)> =
            found.iter().map(|(k, n, h)| (&**k, &**n, *h)).collect();
        assert_eq!(found, expected, "{group}");
    }
    let narrow = format!(r#"{{{SPAN},"groupBy":"user","projectId":"Shop","userId":"Ada"}}"#);
    assert!(items(&call(&house, &ada, "getTimesheetSummary", &narrow).await).is_empty());
    let wrong = format!(r#"{{{SPAN},"groupBy":"month"}}"#);
    let (_, message) = refused(&house, &ada, "getTimesheetSummary", &wrong).await;
    assert!(message.contains("project, user, day, week, ticket, kind"), "{message}");
}

#[tokio::test]
async fn timesheets_are_those_of_the_span_and_come_in_pages() {
    let (house, ada) = busy().await;
    let (mut days, mut cursor) = (Vec::new(), String::new());
    loop {
        let args = format!(r#"{{{SPAN},"limit":1,"cursor":"{cursor}"}}"#);
        let page = call(&house, &ada, "getUserTimesheets", &args).await;
        assert!((number(&page, &["total_hours"]) - 4.0).abs() < 1e-12, "mine, of the whole span");
        days.extend(items(&page).iter().map(|item| text(item, &["day"]).to_owned()));
        match page.get("next").and_then(Value::as_text) {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(days, ["2026-11-02", "2026-11-03", "2026-11-03"]);
    for (tool, args, count) in [
        ("getUserTimesheets", r#""dateFrom":"2026-11-02","dateTo":"2026-11-02""#, 1),
        ("getUserTimesheets", r#""dateFrom":"-30d","dateTo":"today","projectId":"Shop""#, 0),
        ("getUserTimesheets", r#""dateFrom":"-30d","dateTo":"today","userId":"Bo""#, 1),
        ("getProjectTimesheets", r#""dateFrom":"-30d","dateTo":"today","projectId":"Shop""#, 1),
        (
            "getProjectTimesheets",
            r#""dateFrom":"-30d","dateTo":"today","projectId":1,"userId":"Bo""#,
            0,
        ),
    ] {
        let found = call(&house, &ada, tool, &format!("{{{args}}}")).await;
        assert_eq!(items(&found).len(), count, "{tool} {args}");
    }
    for (args, says) in [
        (r#""dateFrom":"today","dateTo":"yesterday""#, "lies before"),
        (r#""dateFrom":"soon","dateTo":"today""#, "dateFrom"),
        (r#""dateFrom":"today","dateTo":"today","limit":0"#, "1 to 1000"),
    ] {
        let (reason, message) =
            refused(&house, &ada, "getUserTimesheets", &format!("{{{args}}}")).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}");
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn a_week_has_seven_days_from_its_start_on() {
    let (house, ada) = busy().await;
    let week = call(&house, &ada, "getWeeklyTimesheets", r#"{"weekStart":"2026-11-02"}"#).await;
    let json = serde_json::to_value(&week).unwrap();
    assert_eq!(json["days"][0], "2026-11-02");
    assert_eq!(json["days"][6], "2026-11-08");
    assert_eq!(json["day_hours"], serde_json::json!([1.5, 2.5, 0.0, 0.0, 0.0, 0.0, 0.0]));
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    assert_eq!(json["rows"][0]["headline"], "Fix the login");
    assert_eq!(json["rows"][0]["hours"], serde_json::json!([1.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]));
    assert!((number(&week, &["total_hours"]) - 4.0).abs() < 1e-12);
    let bo = r#"{"weekStart":"2026-10-30","userId":"Bo","projectId":"Website"}"#;
    let bo = call(&house, &ada, "getWeeklyTimesheets", bo).await;
    assert!(number(&bo, &["total_hours"]).abs() < 1e-12, "not in this project");
}

#[tokio::test]
async fn a_timer_logs_its_time_when_it_stops_and_says_what() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let started =
        call(&house, &ada, "startTimer", r#"{"duration":"1h30m","taskId":1,"type":"work"}"#).await;
    assert_eq!(text(&started, &["after", "duration"]), "1h30m");
    assert_eq!(text(&started, &["after", "until"]), "2026-11-03T12:30:00+00:00");
    let (reason, message) =
        refused(&house, &ada, "startTimer", r#"{"duration":"5m","taskId":1}"#).await;
    assert_eq!(reason, Reason::RevisionConflict);
    assert!(message.contains("since 2026-11-03 11:00:00"), "{message}");
    house.clock.advance(Duration::from_mins(45));
    let args = r#"{"kind":"development","description":"The fix."}"#;
    let stopped = call(&house, &ada, "stopTimer", args).await;
    assert_eq!(text(&stopped, &["after", "ran"]), "45m");
    assert_eq!(text(&stopped, &["after", "ended"]), "2026-11-03T11:45:00+00:00");
    assert!((number(&stopped, &["after", "logged_hours"]) - 0.75).abs() < 1e-12);
    assert_eq!(text(&stopped, &["after", "day"]), "2026-11-03");
    assert_eq!(stopped.get("undo"), None, "no one call takes both back");
    let sheet = sheet(&house, &ada).await;
    let entry = &items(&sheet)[0];
    assert_eq!(
        (text(entry, &["kind"]), text(entry, &["description"])),
        ("DEVELOPMENT", "The fix.")
    );
}

#[tokio::test]
async fn stopping_a_timer_when_none_runs_is_an_error() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for args in ["{}", r#"{"ticketId":1}"#] {
        let (reason, message) = refused(&house, &ada, "stopTimer", args).await;
        assert_eq!(reason, Reason::NotFound);
        assert!(message.contains("startTimer"), "{message}");
    }
    call(&house, &ada, "startTimer", r#"{"duration":"5m","taskId":1}"#).await;
    let (reason, message) = refused(&house, &ada, "stopTimer", r#"{"ticketId":3}"#).await;
    assert_eq!(reason, Reason::NotFound);
    assert!(message.contains("work on task 1 since"), "{message}");
    let bo = {
        let mut bo = house.person("Bo").await;
        bo.principal.person.role = Role::Editor;
        bo
    };
    let (reason, _) = refused(&house, &bo, "stopTimer", "{}").await;
    assert_eq!(reason, Reason::NotFound, "that of somebody else is not mine");
}

#[tokio::test]
async fn several_timers_are_told_apart_by_their_task() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    call(&house, &ada, "startTimer", r#"{"duration":"5m","taskId":1}"#).await;
    call(&house, &ada, "startTimer", r#"{"duration":"15m","type":"break"}"#).await;
    let (reason, message) = refused(&house, &ada, "stopTimer", "{}").await;
    assert_eq!(reason, Reason::Ambiguous);
    assert!(message.contains("work on task 1") && message.contains("ticketId 0"), "{message}");
    house.clock.advance(Duration::from_mins(10));
    let stopped = call(&house, &ada, "stopTimer", r#"{"ticketId":0}"#).await;
    assert!(number(&stopped, &["after", "logged_hours"]).abs() < 1e-12, "a break is not logged");
    call(&house, &ada, "stopTimer", "{}").await;
    assert_eq!(items(&sheet(&house, &ada).await).len(), 1);
}

#[tokio::test]
async fn what_a_timer_did_its_undo_takes_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let started = call(&house, &ada, "startTimer", r#"{"duration":"25m","taskId":1}"#).await;
    house.clock.advance(Duration::from_mins(10));
    undo(&house, &ada, &started).await;
    assert_eq!(refused(&house, &ada, "stopTimer", "{}").await.0, Reason::NotFound);
    assert!(items(&sheet(&house, &ada).await).is_empty(), "its time is thrown away");
    for start in [r#"{"duration":"15m","type":"break"}"#, r#"{"duration":"15m","taskId":1}"#] {
        call(&house, &ada, "startTimer", start).await;
        house.clock.advance(Duration::from_mins(10));
        let stopped = call(&house, &ada, "stopTimer", r#"{"discard":true}"#).await;
        undo(&house, &ada, &stopped).await;
        let again = call(&house, &ada, "stopTimer", r#"{"discard":true}"#).await;
        assert_eq!(again.get("before"), stopped.get("before"), "it runs since when it did");
    }
}

#[tokio::test]
async fn a_timer_that_makes_no_sense_is_refused_with_what_was_expected() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (args, says) in [
        (r#"{"duration":"soon"}"#, "1h30m"),
        (r#"{"duration":"0m"}"#, "1h30m"),
        (r#"{"duration":"500ms"}"#, "1h30m"),
        (r#"{"duration":"8d"}"#, "at most a day"),
        (r#"{"duration":"5m","type":"nap"}"#, "work or break"),
        (r#"{"duration":"5m","type":"break","taskId":1}"#, "a break is on no task"),
        (r#"{"duration":"5m","started":"tomorrow"}"#, "now or earlier"),
        ("{}", "duration"),
    ] {
        let (reason, message) = refused(&house, &ada, "startTimer", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}: {message}");
        assert!(message.contains(says), "{args}: {message}");
    }
    let args = r#"{"duration":"5m","taskId":99}"#;
    assert_eq!(refused(&house, &ada, "startTimer", args).await.0, Reason::NotFound);
}

#[tokio::test]
async fn an_agent_logs_its_own_time_within_its_scope_and_a_shadow_only_says_so() {
    let house = House::build().await;
    let mut playbook = playbook(&["logTime", "startTimer", "stopTimer"]);
    playbook.scope = Scope { write: WriteScope::Claimed, ..Scope::default() };
    let mut agent = house.agent(playbook).await;
    let log = |task: i64| {
        format!(r#"{{"ticketId":{task},"hours":1,"date":"today","kind":"DEVELOPMENT"}}"#)
    };
    for (tool, args) in [("logTime", &*log(3)), ("startTimer", r#"{"duration":"5m"}"#)] {
        assert_eq!(refused(&house, &agent, tool, args).await.0, Reason::OutOfScope, "{tool}");
    }
    let logged = call(&house, &agent, "logTime", &log(1)).await;
    assert_eq!(number(&logged, &["after", "person"]).to_string(), "2");
    call(&house, &agent, "startTimer", r#"{"duration":"5m","taskId":2}"#).await;
    house.clock.advance(Duration::from_mins(1));
    call(&house, &agent, "stopTimer", "{}").await;
    let concluded = house.happened();
    assert_eq!(
        concluded.iter().filter(|what| *what == "conclude done").count(),
        3,
        "{concluded:?}"
    );
    agent.run.as_mut().unwrap().mode = rota::domain::Mode::Shadow;
    let shadow = call(&house, &agent, "logTime", &log(1)).await;
    assert_eq!(shadow.get("changed"), Some(&false.into()));
    assert!((number(&shadow, &["after", "hours"]) - 2.0).abs() < 1e-12, "what it would come to");
    let ada = house.person("Ada").await;
    assert!((number(&sheet(&house, &ada).await, &["total_hours"]) - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn what_became_of_logged_time_is_known_when_its_answer_is_lost() {
    let house = House::build().await;
    let agent = house.agent(playbook(&["logTime"])).await;
    house.board.next(crate::support::house::Mishap::AnswerLost);
    let log = r#"{"ticketId":1,"hours":1,"date":"today","kind":"DEVELOPMENT"}"#;
    let logged = call(&house, &agent, "logTime", log).await;
    assert_eq!(text(&logged, &["entity"]), "time entry 1");
    undo(&house, &house.person("Ada").await, &logged).await;
    assert!(items(&sheet(&house, &house.person("Ada").await).await).is_empty());
}
