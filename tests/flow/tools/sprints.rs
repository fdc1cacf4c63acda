//! Sprints: made, found by day and project, filled, and gone only when they are empty.

use super::goals::{call, ids, refused, undo};
use crate::support::house::House;
use rota::domain::{Reason, Value};

#[tokio::test]
async fn a_sprint_is_made_found_and_filled() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let add =
        r#"{"projectId":"Website","name":" Sprint 12 ","startDate":"monday","endDate":"+2w"}"#;
    let made = call(&house, &ada, "addSprint", add).await;
    let after = made.get("after").unwrap();
    for (name, value) in [
        ("name", "Sprint 12"),
        ("startDate", "2026-11-09"),
        ("endDate", "2026-11-17"),
        ("project_name", "Website"),
    ] {
        assert_eq!(after.get(name).and_then(Value::as_text), Some(value), "{after}");
    }
    let other = r#"{"projectId":"Shop","name":"Stock","startDate":"today","endDate":"today"}"#;
    call(&house, &ada, "addSprint", other).await;
    for (args, expected) in [
        ("{}", &[1, 2][..]),
        (r#"{"projectId":"website"}"#, &[1]),
        (r#"{"projectId":["Website",2],"on":"2026-11-17"}"#, &[1]),
        (r#"{"on":"today"}"#, &[2]),
        (r#"{"on":"2026-11-18"}"#, &[]),
    ] {
        assert_eq!(ids(&call(&house, &ada, "findSprints", args).await), expected, "{args}");
    }
    let page = call(&house, &ada, "findSprints", r#"{"limit":1}"#).await;
    let next = page.get("next").and_then(Value::as_text).unwrap();
    let args = format!(r#"{{"limit":1,"cursor":"{next}"}}"#);
    assert_eq!(ids(&call(&house, &ada, "findSprints", &args).await), [2]);
    call(&house, &ada, "editTask", r#"{"id":1,"params":{"sprint":1}}"#).await;
    let (reason, message) = refused(&house, &ada, "deleteSprint", r#"{"id":1}"#).await;
    assert!(reason == Reason::RevisionConflict && message.contains("task 1"), "{message}");
    call(&house, &ada, "editTask", r#"{"id":1,"params":{"sprint":null}}"#).await;
    call(&house, &ada, "deleteSprint", r#"{"id":1}"#).await;
    assert_eq!(ids(&call(&house, &ada, "findSprints", "{}").await), [2]);
}

#[tokio::test]
async fn what_makes_no_sprint_is_refused_and_what_made_one_can_be_taken_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    for (args, said) in [
        (r#"{"projectId":1,"name":"x","startDate":"today","endDate":"yesterday"}"#, "endDate"),
        (r#"{"projectId":1,"name":" ","startDate":"today","endDate":"+1w"}"#, "name"),
        (r#"{"projectId":1,"name":"x","startDate":"soon","endDate":"+1w"}"#, "startDate"),
    ] {
        let (reason, message) = refused(&house, &ada, "addSprint", args).await;
        assert_eq!(reason, Reason::InvalidArguments, "{args}");
        assert!(message.contains(said), "{message}");
    }
    let bo = house.person("Bo").await;
    let add = r#"{"projectId":1,"name":"x","startDate":"today","endDate":"+1w"}"#;
    assert_eq!(refused(&house, &bo, "addSprint", add).await.0, Reason::RoleTooLow);
    let made = call(&house, &ada, "addSprint", add).await;
    undo(&house, &ada, &made).await;
    assert_eq!(ids(&call(&house, &ada, "findSprints", "{}").await), Vec::<i64>::new());
}
