//! The queue under a paused clock, against a server without a socket.

use super::super::call::{Call, Parcel, Reply, Trouble};
use super::super::client::Line;
use super::*;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// A server without a socket: it answers each call with its name, may be told what to do next, and
/// counts requests as the real one does.
#[derive(Debug, Default)]
struct Double {
    script: Mutex<VecDeque<Trouble>>,
    seen: Mutex<Vec<(Instant, Vec<String>)>>,
    limit: Option<u32>,
    takes: Duration,
}

impl Double {
    fn names(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().iter().map(|(_, names)| names.clone()).collect()
    }

    fn says(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.script.lock().unwrap().extend(troubles);
    }
}

#[async_trait]
impl Line for Double {
    async fn send(&self, parcel: &Parcel) -> Result<Vec<Reply>, Trouble> {
        let names: Vec<String> = match parcel {
            Parcel::Calls(calls) => calls.iter().map(|c| c.params["name"].to_string()).collect(),
            Parcel::GoalForm(_) => vec!["form".into()],
        };
        let now = Instant::now();
        let scripted = self.script.lock().unwrap().pop_front();
        {
            let mut seen = self.seen.lock().unwrap();
            // The real one counts in fixed windows of its own.
            let window =
                |at: Instant| (at - seen.first().map_or(at, |(first, _)| *first)).as_secs() / 60;
            let here = seen.iter().filter(|(at, _)| window(*at) == window(now)).count();
            seen.push((now, names.clone()));
            if let Some(limit) = self.limit.filter(|limit| here >= *limit as usize) {
                let wait = Duration::from_mins(1);
                return Err(Trouble::Limited { wait, limit: Some(limit) });
            }
        }
        tokio::time::sleep(self.takes).await;
        match scripted {
            Some(trouble) => Err(trouble),
            None => Ok(names.into_iter().map(|name| Ok(Value::String(name))).collect()),
        }
    }
}

fn governor(double: &Arc<Double>, requests: u32) -> Governor {
    let limits =
        Limits { requests, window: Duration::from_mins(1), patience: Duration::from_mins(5) };
    Governor::new(Arc::clone(double) as Arc<dyn Line>, limits)
}

fn call(method: &'static str, name: &str) -> Vec<Call> {
    vec![Call::new(method, json!({ "name": name }))]
}

async fn ask(governor: &Governor, lane: Lane, name: &str) -> Answer {
    governor.read(lane, call("tickets.getTicket", name), Duration::ZERO).await
}

async fn tell(governor: &Governor, lane: Lane, name: &str) -> Answer {
    governor.write(lane, Parcel::Calls(call("tickets.patchTicket", name))).await
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_in_one_request_and_claims_go_first() {
    let double = Arc::new(Double { takes: Duration::from_secs(1), ..Double::default() });
    let governor = governor(&double, 120);
    let all = tokio::join!(
        tell(&governor, Lane::Background, "1"),
        tell(&governor, Lane::People, "2"),
        tell(&governor, Lane::Claims, "3"),
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    let names = double.names();
    assert_eq!(names, [vec!["\"3\"", "\"2\""], vec!["\"1\""]]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_belong_together_stay_together_and_in_order() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    let group = |name: &str| {
        let mut calls = call("tickets.patchTicket", name);
        calls.extend(call("tickets.getTicket", name));
        governor.write(Lane::People, Parcel::Calls(calls))
    };
    let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    let answers = futures::future::join_all(names.iter().map(|name| group(name))).await;
    assert!(answers.iter().zip(&names).all(|(answer, name)| {
        answer.as_ref().unwrap().iter().all(|reply| *reply == Ok(json!(format!("{name:?}"))))
    }));
    assert_eq!(double.names().iter().map(Vec::len).collect::<Vec<_>>(), [50, 10]);
}

#[tokio::test(start_paused = true)]
async fn identical_reads_that_wait_are_one_but_none_joins_what_was_sent() {
    let double = Arc::new(Double { takes: Duration::from_secs(1), ..Double::default() });
    let governor = governor(&double, 120);
    let later = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        ask(&governor, Lane::People, "same").await
    };
    let all = tokio::join!(
        ask(&governor, Lane::People, "same"),
        ask(&governor, Lane::People, "same"),
        later
    );
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
    assert_eq!(double.names(), [["\"same\""], ["\"same\""]]);
}

#[tokio::test(start_paused = true)]
async fn a_known_answer_is_given_until_it_is_old_or_something_is_written() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    let read = async || {
        let fresh = Duration::from_secs(10);
        governor.read(Lane::People, call("tickets.getAll", "all"), fresh).await.unwrap();
        double.names().len()
    };
    assert_eq!((read().await, read().await), (1, 1));
    governor.write(Lane::People, Parcel::Calls(call("notifications.markRead", "x"))).await.unwrap();
    assert_eq!(read().await, 2, "of another domain");
    tell(&governor, Lane::People, "w").await.unwrap();
    assert_eq!((read().await, read().await), (4, 4));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(read().await, 5);
    assert!(ask(&governor, Lane::People, "all").await.is_ok());
    assert_eq!(double.names().len(), 6, "zero is never known");
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_learned_and_nothing_fails_by_it() {
    let double = Arc::new(Double { limit: Some(10), ..Double::default() });
    let governor = governor(&double, 120);
    let mut done = 0;
    let begin = Instant::now();
    for round in 0..40 {
        let names: Vec<String> = (0..5).map(|number| format!("{round}-{number}")).collect();
        let all = names.iter().map(|name| tell(&governor, Lane::People, name));
        for answer in futures::future::join_all(all).await {
            answer.unwrap();
            done += 1;
        }
    }
    assert_eq!((done, governor.limit()), (200, 10));
    let refused = double.names().len() - 40;
    assert!(refused <= 1, "{refused} requests were sent in vain");
    assert!(begin.elapsed() < Duration::from_mins(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_claim_finds_room_when_others_have_used_theirs() {
    let double = Arc::new(Double { limit: Some(10), ..Double::default() });
    let governor = governor(&double, 10);
    let flood = async {
        for number in 0..30 {
            ask(&governor, Lane::Background, &number.to_string()).await.unwrap();
        }
    };
    let claims = async {
        let mut longest = Duration::ZERO;
        for number in 0..6 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            let begin = Instant::now();
            tell(&governor, Lane::Claims, &format!("c{number}")).await.unwrap();
            longest = longest.max(begin.elapsed());
        }
        longest
    };
    let ((), longest) = tokio::join!(flood, claims);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_stops_everything_at_once_and_for_good() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    double.says([Trouble::Unauthorized]);
    let both =
        tokio::join!(ask(&governor, Lane::People, "1"), ask(&governor, Lane::Background, "2"));
    assert_eq!(
        (both.0.unwrap_err(), both.1.unwrap_err()),
        (Trouble::Unauthorized, Trouble::Unauthorized)
    );
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(ask(&governor, Lane::Claims, "3").await.unwrap_err(), Trouble::Unauthorized);
    }
    assert_eq!(double.names().len(), 1);
    governor.admit();
    assert!(ask(&governor, Lane::Claims, "3").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_read_is_asked_again_and_a_write_whose_answer_is_lost_is_not() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    double.says([Trouble::sent("lost")]);
    assert!(ask(&governor, Lane::People, "r").await.is_ok());
    double.says([Trouble::sent("lost")]);
    assert!(matches!(
        tell(&governor, Lane::People, "w").await,
        Err(Trouble::Unreachable { was_sent: true, .. })
    ));
    double.says([Trouble::unsent("refused")]);
    assert!(tell(&governor, Lane::People, "v").await.is_ok(), "it never went out");
    let sent = double.names();
    assert_eq!(sent.iter().filter(|names| names[0] == "\"w\"").count(), 1, "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_one_request_is_tried_from_time_to_time() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    double.says((0..6).map(|_| Trouble::sent("down")));
    let mut failed = 0;
    while failed < 3 {
        failed += u32::from(ask(&governor, Lane::People, "x").await.is_err());
    }
    let sent = double.names().len();
    assert!(sent <= 5, "{sent}");
    let error = ask(&governor, Lane::People, "y").await.unwrap_err();
    assert!(matches!(error, Trouble::Unreachable { was_sent: false, .. }), "{error:?}");
    assert_eq!(double.names().len(), sent, "turned away at once");
    tokio::time::sleep(Duration::from_mins(2)).await;
    // The trial carries one call, however many wait.
    let both = tokio::join!(tell(&governor, Lane::People, "a"), tell(&governor, Lane::People, "b"));
    assert!(both.0.is_err() && both.1.is_err());
    assert_eq!(double.names()[sent..], [["\"a\""]]);
    tokio::time::sleep(Duration::from_mins(2)).await;
    while ask(&governor, Lane::People, "z").await.is_err() {
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    assert!(tell(&governor, Lane::People, "c").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_is_told_how_long_to_wait() {
    let double = Arc::new(Double::default());
    let governor = governor(&double, 120);
    double.says([Trouble::Limited { wait: Duration::from_mins(10), limit: None }]);
    let begin = Instant::now();
    let error = ask(&governor, Lane::People, "x").await.unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 300);
    assert_eq!(error, Trouble::Limited { wait: Duration::from_mins(5), limit: None });
    assert_eq!(double.names().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_not_sent() {
    let double = Arc::new(Double { takes: Duration::from_secs(1), ..Double::default() });
    let governor = governor(&double, 120);
    let given_up =
        tokio::time::timeout(Duration::from_millis(10), tell(&governor, Lane::Background, "x"));
    let both = tokio::join!(tell(&governor, Lane::Claims, "first"), given_up);
    assert!(both.0.is_ok() && both.1.is_err());
    assert!(ask(&governor, Lane::People, "y").await.is_ok());
    assert_eq!(double.names(), [["\"first\""], ["\"y\""]]);
}
