//! What goes wrong on demand, and whether it did something all the same.

use super::{asked, client, with_editor};
use crate::support::leantime::{Fault, Moment, Role, Trouble};
use serde_json::{Value, json};

fn headline(fake: &crate::support::leantime::FakeLeantime) -> Value {
    fake.ticket(1).unwrap()["headline"].clone()
}

fn rename(to: &str) -> Value {
    asked("tickets.patchTicket", json!({ "id": 1, "values": { "headline": to } }))
}

#[tokio::test]
async fn pages_and_foreign_json_come_instead_of_an_answer_and_nothing_is_done() {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    for (fault, status, begin) in [
        (Fault::Status(503), 503, "<html>"),
        (Fault::Html, 200, "<!doctype"),
        (Fault::WrongJson, 200, "{\"hello\""),
    ] {
        fake.trouble(Trouble::new(fault.clone()));
        let answer = client.post(&rename("B")).send().await.unwrap();
        assert_eq!(answer.status(), status, "{fault:?}");
        assert!(answer.text().await.unwrap().starts_with(begin), "{fault:?}");
        assert_eq!(headline(&fake), "A", "{fault:?}");
        assert_eq!(fake.asked().last().unwrap().status, Some(status));
    }
    assert_eq!(client.ask(&rename("C")).await["result"], true);
}

#[tokio::test]
async fn a_lost_answer_was_a_write_all_the_same() {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    fake.trouble(Trouble::new(Fault::Lost));
    // Whether the break shows before or after the head is up to the two ends.
    let lost = match client.post(&rename("B")).send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(lost.is_err());
    assert_eq!(headline(&fake), "B");
    fake.trouble(Trouble::new(Fault::Cut));
    let mut cut = client.post(&rename("C")).send().await.unwrap();
    let half = cut.chunk().await.unwrap().unwrap();
    assert!(serde_json::from_slice::<Value>(&half).is_err() && !half.is_empty());
    assert!(cut.chunk().await.is_err());
    assert_eq!(headline(&fake), "C");
}

#[tokio::test]
async fn a_fault_hits_whom_it_is_meant_for() {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let trouble = Trouble::new(Fault::Status(500)).on("tickets.patchTicket").after(1).times(2);
    fake.trouble(trouble);
    let mut seen = Vec::new();
    for _ in 0..4 {
        assert_eq!(client.status(&asked("projects.getAll", json!({}))).await, 200);
        seen.push(client.status(&rename("B")).await);
    }
    assert_eq!(seen, [200, 500, 500, 200]);
    // A batch that has it is hit as a whole.
    fake.trouble(Trouble::new(Fault::Status(502)).on("tickets.patchTicket"));
    let batch = json!([asked("projects.getAll", json!({})), rename("C")]);
    assert_eq!(client.status(&batch).await, 502);
}

#[tokio::test]
async fn a_held_request_is_carried_out_when_the_test_says_so() {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    for (number, fault, meanwhile) in [(1, Fault::Held, "A"), (2, Fault::Unanswered, "C")] {
        fake.trouble(Trouble::new(fault));
        let call = rename(if number == 1 { "B" } else { "C" });
        let request = client.ask(&call);
        let test = async {
            fake.until_held(number).await;
            let seen = headline(&fake);
            fake.release();
            seen
        };
        let (answer, seen) = tokio::join!(request, test);
        assert_eq!(seen, meanwhile);
        assert_eq!(answer["result"], true);
    }
}

#[tokio::test]
async fn whoever_hangs_up_has_written_all_the_same() {
    let (fake, _, client) = with_editor().await;
    client.add(json!({ "headline": "A", "projectId": 1 })).await;
    fake.trouble(Trouble::new(Fault::Held));
    let call = rename("B");
    tokio::select! {
        _ = client.ask(&call) => panic!("it was held"),
        () = fake.until_held(1) => {}
    }
    assert_eq!(headline(&fake), "A");
    fake.release();
    fake.until_over(2).await;
    assert_eq!(headline(&fake), "B");
}

#[tokio::test]
async fn at_gates_a_test_decides_who_goes_first() {
    let (fake, me, first) = with_editor().await;
    let (other, second) = client(&fake, Role::Editor, &[1]);
    let id = first.add(json!({ "headline": "A", "projectId": 1 })).await;
    let mut gate = fake.gate("tickets.patchTicket", Moment::Before);
    let slow = first.patch(id, json!({ "editorId": me }));
    let quick = async {
        gate.reached().await;
        let answer = second.patch(id, json!({ "editorId": other })).await;
        assert_eq!(fake.ticket(id).unwrap()["editorId"], other.to_string());
        gate.open();
        answer
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert_eq!((slow, quick), (json!(true), json!(true)));
    assert_eq!(fake.ticket(id).unwrap()["editorId"], me.to_string(), "the last one wins");
    let mut gate = fake.gate("tickets.patchTicket", Moment::After);
    let slow = first.patch(id, json!({ "editorId": 0 }));
    let look = async {
        gate.reached().await;
        let seen = fake.ticket(id).unwrap()["editorId"].clone();
        drop(gate);
        seen
    };
    assert_eq!(tokio::join!(slow, look), (json!(true), json!("0")));
}
