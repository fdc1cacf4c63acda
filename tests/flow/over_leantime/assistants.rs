//! C9 for people's assistants: two daemons that share the board and no store, whose clients claim by
//! calls.

use super::office;
use crate::support::office::{Life, Office};
use crate::support::playbooks::QUICK;
use rota::board::People as _;
use rota::domain::*;
use rota::tools::desk::{
    ClaimAsk, Desk as _, DeskError, Hold, Leave, QuestionAsk, ReleaseAsk, Reviews as _,
};
use std::time::Duration;

const MINUTES: u32 = 30;

pub(super) async fn principal(office: &Office, life: &Life) -> Principal {
    let person = life.board.person(PersonId(office.agent)).await.unwrap();
    Principal { person, by: Initiative::Person }
}

async fn claim(office: &Office, life: &Life, ticket: i64) -> Result<Hold, DeskError> {
    let principal = principal(office, life).await;
    let ask = ClaimAsk { task: TaskId(ticket), minutes: MINUTES, key: None, principal };
    life.daemon.claim_task(ask).await
}

async fn release(office: &Office, life: &Life, hold: &Hold) -> Hold {
    let ask = ReleaseAsk {
        task: hold.task,
        fence: hold.fence,
        comment: "Enough for today.".to_owned(),
        leave: Leave::PutBack,
        reviewer: None,
        evidence: Vec::new(),
        principal: principal(office, life).await,
    };
    life.daemon.release_task(ask).await.unwrap()
}

fn reason(error: DeskError) -> Reason {
    match error {
        DeskError::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn c9_an_assistants_claim_is_marked_from_before_any_field_to_its_end() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let (laptop, server) = (office.home("laptop"), office.home("server"));
    let life = office.start(&laptop, QUICK).await;
    let other = office.start(&server, QUICK).await;
    let hold = claim(&office, &life, ticket).await.unwrap();
    let asked = office.fake.asked();
    let first = |method: &str| asked.iter().position(|a| a.methods.iter().any(|m| m == method));
    assert!(first("comments.addComment") < first("tickets.patchTicket"));
    let ends = office.marked_for(ticket).expect("a marker");
    assert!(ends > i64::from(MINUTES) * 60, "it ends in {ends} s, before the lease");
    // Neither another's assistant nor another's playbook takes it.
    let error = claim(&office, &other, ticket).await.unwrap_err();
    assert_eq!(reason(error), Reason::AlreadyClaimed);
    assert!(other.run("ai-worker").await.tasks.is_empty());
    assert_eq!(office.comments(ticket).len(), 1, "they left no trace");
    // It lasts as long as the lease, which calls renew.
    for _ in 0..4 {
        office.advance(Duration::from_mins(20));
        let me = principal(&office, &life).await;
        life.daemon.renew_claim(TaskId(ticket), hold.fence, None, &me).await.unwrap();
        let left = office.marked_for(ticket).unwrap();
        assert!(left >= i64::from(MINUTES) * 60, "{left} s are left");
    }
    release(&office, &life, &hold).await;
    assert_eq!((office.markers(ticket), office.column(ticket, "status").as_str()), (0, "3"));
    claim(&office, &other, ticket).await.unwrap();
    office.is_careful();
    life.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c9_of_two_assistants_at_two_daemons_one_gets_each_ticket_and_the_other_leaves_no_trace() {
    let office = office().await;
    let (laptop, server) = (office.home("laptop"), office.home("server"));
    let life = office.start(&laptop, QUICK).await;
    let other = office.start(&server, QUICK).await;
    let mut lost_races = 0;
    for number in 0..40 {
        let ticket = office.ticket(&format!("Ticket {number}"));
        let (one, two) =
            tokio::join!(claim(&office, &life, ticket), claim(&office, &other, ticket));
        let of =
            |life, result: &Result<Hold, DeskError>| Some((life, result.as_ref().ok()?.clone()));
        let granted: Vec<(&Life, Hold)> =
            [of(&life, &one), of(&other, &two)].into_iter().flatten().collect();
        assert!(granted.len() <= 1, "both hold {ticket}: {one:?} {two:?}");
        let Some((holder, hold)) = granted.first() else {
            // Each saw the other's marker; neither left anything.
            assert_eq!(office.comments(ticket).len(), 0, "{one:?} {two:?}");
            assert_eq!(office.column(ticket, "status"), "3");
            continue;
        };
        assert_eq!((office.comments(ticket).len(), office.markers(ticket)), (1, 1), "{ticket}");
        let is_race = |result: &Result<Hold, DeskError>| {
            matches!(result, Err(DeskError::Refused { reason: Reason::LostRace, .. }))
        };
        lost_races += usize::from(is_race(&one) || is_race(&two));
        release(&office, holder, hold).await;
        assert_eq!((office.markers(ticket), office.column(ticket, "status").as_str()), (0, "3"));
    }
    assert!(lost_races > 0, "nobody raced");
    office.is_careful();
    life.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn c9_a_question_has_no_marker_and_the_answer_brings_one_back() {
    let office = office().await;
    let ticket = office.ticket("Fix the login");
    let home = office.home("laptop");
    let life = office.start(&home, QUICK).await;
    let hold = claim(&office, &life, ticket).await.unwrap();
    let ask = QuestionAsk {
        task: hold.task,
        fence: hold.fence,
        question: "Which login?".to_owned(),
        person: None,
        within: Duration::from_hours(72),
        principal: principal(&office, &life).await,
    };
    life.daemon.ask_person(ask).await.unwrap();
    assert_eq!(office.markers(ticket), 0);
    office.advance(Duration::from_hours(1));
    office.fake.as_person(office.hugo).comment(ticket, "The new one.");
    life.work().await;
    let hold = claim(&office, &life, ticket).await.unwrap();
    assert_eq!(hold.answer.as_deref(), Some("The new one."));
    assert_eq!(office.markers(ticket), 1);
    life.work().await;
    assert_eq!(life.claim(ticket).await.unwrap().phase, Phase::Working);
    release(&office, &life, &hold).await;
    assert_eq!(office.markers(ticket), 0);
    office.is_careful();
    life.stop().await;
}
