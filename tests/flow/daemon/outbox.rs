//! What is told comes in order, at a pace, and none of it is lost when a channel is not there.

use crate::support::daemon::{ADA, Life, Team};
use crate::support::mailbox::{Mailbox, Turn};
use crate::support::slack::{Fail, FakeSlack, TEAM, TOKEN};
use crate::support::smtp::{FakeSmtp, Letter};
use async_trait::async_trait;
use rota::clock::{Clock, SystemClock};
use rota::domain::{Body, Channel, Delivery, Notice, Receipt, Timestamp, Value};
use rota::notify::{
    Delivered, EmailOptions, EmailTls, Notifier, NotifyError, NotifyOptions, Post, SharedWriter,
    SlackOptions, SlackWay, open,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn ops() -> Channel {
    Channel::Slack("ops".into())
}

fn log() -> Channel {
    Channel::File("log".into())
}

pub fn notice(to: &Channel, key: &str, text: &str, created: Timestamp) -> Notice {
    Notice {
        key: key.to_owned(),
        to: to.clone(),
        body: Body { text: text.to_owned(), ..Body::default() },
        created,
        delivery: Delivery::Pending { attempts: 0, not_before: created, last_error: None },
        replaces: false,
        revision: 0,
        place: 0,
        parts: 0,
        receipt: Receipt::default(),
        is_alarm: false,
    }
}

async fn tell(team: &Team, life: &Life, to: &Channel, texts: &[&str]) {
    let now = team.clock.wall();
    let notices = texts.iter().map(|text| notice(to, text, text, now)).collect();
    life.ledger.enqueue(notices).await.unwrap();
}

/// A team with mailboxes for two of its channels.
async fn with_mailboxes(pace: Duration) -> (Team, Arc<Mailbox>, Arc<Mailbox>) {
    let mut team = Team::new().await;
    let (to_ops, to_log) = (Mailbox::new(pace), Mailbox::new(Duration::ZERO));
    team.channels.insert(ops(), Arc::clone(&to_ops) as _);
    team.channels.insert(log(), Arc::clone(&to_log) as _);
    (team, to_ops, to_log)
}

async fn status(team: &Team, life: &Life) -> Value {
    let ada = team.person(ADA).await;
    life.call(&ada, "getStatus", json!({})).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_later_notice_never_overtakes_an_earlier_one_and_other_channels_go_on() {
    let (team, to_ops, to_log) = with_mailboxes(Duration::ZERO).await;
    let life = team.start().await;
    to_ops.will([Turn::Take, Turn::Pass, Turn::Pass]);
    tell(&team, &life, &ops(), &["1", "2", "3"]).await;
    tell(&team, &life, &log(), &["a", "b"]).await;
    assert!(!life.daemon.deliver().await);
    assert_eq!((to_ops.texts(), to_log.texts()), (vec!["1".into()], vec!["a".into(), "b".into()]));
    tell(&team, &life, &ops(), &["4"]).await;
    assert!(life.daemon.deliver().await, "nothing is due");
    assert_eq!(to_ops.texts(), ["1"], "it waits, and so does all that comes after it");
    team.clock.advance(Duration::from_secs(6));
    life.daemon.deliver().await;
    team.clock.advance(Duration::from_secs(11));
    assert!(life.daemon.deliver().await);
    assert_eq!(to_ops.texts(), ["1", "2", "3", "4"]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_taken_is_not_sent_again() {
    let (team, to_ops, _) = with_mailboxes(Duration::ZERO).await;
    let life = team.start().await;
    to_ops.will([Turn::Take, Turn::Pass, Turn::Take, Turn::Pass]);
    tell(&team, &life, &ops(), &["one|two|three", "after"]).await;
    for _ in 0..3 {
        life.daemon.deliver().await;
        team.clock.advance(Duration::from_secs(30));
    }
    assert_eq!(to_ops.texts(), ["one", "two", "three", "after"]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_not_told_faster_than_it_bears_and_nobody_waits_for_it() {
    let pace = Duration::from_millis(1_050);
    let (team, to_ops, to_log) = with_mailboxes(pace).await;
    let life = team.start().await;
    tell(&team, &life, &ops(), &["1|2", "3", "4"]).await;
    tell(&team, &life, &log(), &["a", "b", "c"]).await;
    assert!(life.daemon.deliver().await);
    let at: Vec<_> = to_ops.taken().iter().map(|taken| taken.at).collect();
    assert_eq!(at.len(), 4);
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= pace), "{at:?}");
    let elsewhere: Vec<_> = to_log.taken().iter().map(|taken| taken.at).collect();
    assert!(elsewhere.iter().all(|at_log| *at_log <= at[1]), "{elsewhere:?} {at:?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_seen_told_elsewhere_once_and_can_be_sent_again() {
    let (team, to_ops, to_log) = with_mailboxes(Duration::ZERO).await;
    let life = team.start().await;
    to_ops.always(Turn::Refuse);
    tell(&team, &life, &ops(), &["1", "2", "3"]).await;
    assert!(!life.daemon.deliver().await);
    life.daemon.deliver().await;
    let alarms = to_log.texts();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].starts_with("slack:ops did not take a message"), "{alarms:?}");
    let shown = status(&team, &life).await;
    assert_eq!(shown.get("dead_letters").and_then(Value::as_int), Some(3), "{shown}");
    assert_eq!(shown.get("notices_waiting").and_then(Value::as_int), Some(0), "{shown}");
    let ada = team.person(ADA).await;
    let outbox = life.call(&ada, "listOutbox", json!({})).await.unwrap();
    let dead = outbox.get("dead").and_then(Value::as_list).unwrap();
    let of = |name: &str| -> Vec<&str> {
        let mut all: Vec<_> =
            dead.iter().map(|letter| letter.get(name).and_then(Value::as_text).unwrap()).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(of("key"), ["1", "2", "3"]);
    assert_eq!(of("error"), ["it does not want it"; 3]);
    to_ops.always(Turn::Take);
    let none = life.call(&ada, "retryOutbox", json!({"channel": "file:log"})).await.unwrap();
    assert_eq!(none.get("retried").and_then(Value::as_int), Some(0));
    let one = life.call(&ada, "retryOutbox", json!({"key": "2"})).await.unwrap();
    assert_eq!(one.get("retried").and_then(Value::as_int), Some(1));
    life.call(&ada, "retryOutbox", json!({"key": "2"})).await.unwrap_err();
    let rest = life.call(&ada, "retryOutbox", json!({})).await.unwrap();
    assert_eq!(rest.get("retried").and_then(Value::as_int), Some(2));
    assert!(life.daemon.deliver().await);
    assert_eq!(to_ops.texts(), ["2", "1", "3"]);
    assert_eq!(to_log.texts().len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_editor_sees_what_waits_and_only_a_manager_sends_it_again() {
    let (team, to_ops, _) = with_mailboxes(Duration::ZERO).await;
    let life = team.start().await;
    to_ops.always(Turn::Pass);
    tell(&team, &life, &ops(), &["1", "2"]).await;
    life.daemon.deliver().await;
    let bo = team.person(crate::support::daemon::BO).await;
    let outbox = life.call(&bo, "listOutbox", json!({})).await.unwrap();
    let queue = &outbox.get("queues").and_then(Value::as_list).unwrap()[0];
    assert_eq!(queue.get("channel").and_then(Value::as_text), Some("slack:ops"));
    assert_eq!(queue.get("waiting").and_then(Value::as_int), Some(2));
    assert_eq!(queue.get("error").and_then(Value::as_text), Some("it is busy"));
    life.call(&bo, "retryOutbox", json!({})).await.unwrap_err();
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_away_for_days_gives_one_message_up_at_a_time_and_rests() {
    let (team, to_ops, to_log) = with_mailboxes(Duration::ZERO).await;
    let life = team.start().await;
    to_ops.always(Turn::Pass);
    tell(&team, &life, &ops(), &["1", "2"]).await;
    for _ in 0..rota::notify::ATTEMPTS_MAX {
        life.daemon.deliver().await;
        team.clock.advance(Duration::from_hours(1));
    }
    // The second one was not tried in the same breath.
    life.daemon.deliver().await;
    let outbox = life.ledger.queues(9).await.unwrap();
    let head = &outbox.iter().find(|queue| queue.channel == ops()).unwrap().head;
    assert!(matches!(head.delivery, Delivery::Pending { attempts: 1, .. }), "{head:?}");
    assert_eq!(life.ledger.dead_letters(9).await.unwrap().len(), 1);
    assert_eq!(to_log.texts().len(), 1);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_silence_what_waited_is_told_in_few_messages_and_nothing_is_lost() {
    let (team, to_ops, to_log) = with_mailboxes(Duration::from_secs(1)).await;
    let life = team.start().await;
    to_ops.always(Turn::Pass);
    let mut said = Vec::new();
    for hour in 0..24 {
        for nth in 0..20 {
            said.push(format!("fact {hour}/{nth}."));
            tell(&team, &life, &ops(), &[said.last().unwrap()]).await;
        }
        let long = format!("digest {hour}{}", " word".repeat(600));
        tell(&team, &life, &ops(), &[&long]).await;
        said.push(long);
        life.daemon.deliver().await;
        team.clock.advance(Duration::from_hours(1));
    }
    tell(&team, &life, &ops(), &["the last"]).await;
    said.push("the last".into());
    to_ops.always(Turn::Take);
    assert!(life.daemon.deliver().await);
    let told = to_ops.texts();
    assert!(told.len() <= 24 * 3, "{} messages instead of {}", told.len(), said.len());
    let whole = told.join("\n") + "\n";
    let mut from = 0;
    for fact in &said {
        let fact = fact.trim_end();
        assert_eq!(whole.matches(&format!("{fact}\n")).count(), 1, "{fact}");
        let at = whole.find(&format!("{fact}\n")).unwrap();
        assert!(at >= from, "{fact} comes before what was said before it");
        from = at;
    }
    assert!(life.ledger.dead_letters(9).await.unwrap().is_empty());
    assert!(to_log.texts().is_empty());
    life.stop().await;
}

/// A team whose channel `slack:ops` is a Slack that validates.
async fn with_slack() -> (Team, FakeSlack) {
    let mut team = Team::new().await;
    let slack = FakeSlack::start();
    slack.limit_channels();
    let way =
        SlackWay::WebApi { api: slack.api(), token: TOKEN.to_owned().into(), channel: TEAM.into() };
    let mut options = NotifyOptions::default();
    let time_limit = Duration::from_secs(10);
    options.slack.insert("ops".into(), SlackOptions { way, time_limit });
    let stdout: SharedWriter = Arc::new(Mutex::new(Vec::new()));
    let clock = SystemClock::shared();
    let notifier = open(&ops(), &options, &stdout, &clock).unwrap();
    team.channels.insert(ops(), notifier);
    (team, slack)
}

const DIGEST: &str = r#"
description = "The day."
agent = "AI-Docs"
[on]
cron = "0 8 * * *"
[report]
template = "digest"
to = ["slack:ops", "file:log"]
"#;

#[tokio::test]
async fn a_digest_that_is_made_again_is_changed_where_it_stands() {
    let (team, slack) = with_slack().await;
    team.playbook("digest", DIGEST);
    let write = |text: &str| {
        for template in ["digest.slack.hbs", "digest.txt.hbs"] {
            std::fs::write(team.folder.path().join("templates").join(template), text).unwrap();
        }
    };
    write("The day\n\nas it was seen first.");
    let life = team.start().await;
    let report = life.run("digest").await;
    assert_eq!(report.detail, "", "{report:#?}");
    life.daemon.deliver().await;
    let messages = slack.messages();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    // Nothing has changed: nothing is told.
    let same = life.run("digest").await;
    assert_eq!(same.reason.code(), "already_told", "{same:#?}");
    assert_eq!(slack.called("chat.update"), 0);
    write("The day\n\nas it is seen now.");
    life.daemon.reload().await;
    let again = life.run("digest").await;
    assert!(again.detail.contains("is brought up to date"), "{again:#?}");
    life.daemon.deliver().await;
    let changed = slack.messages();
    assert_eq!(changed.len(), 1, "{changed:#?}");
    let notices = life.ledger.notices(10, None).await.unwrap();
    assert_eq!((changed[0].edits, &changed[0].ts), (1, &messages[0].ts), "{notices:#?}");
    assert!(changed[0].payload.to_string().contains("as it is seen now"), "{changed:#?}");
    assert_eq!(team.told.texts().len(), 1, "a file is not told twice");
    life.stop().await;
}

#[tokio::test]
async fn in_whichever_way_slack_fails_nothing_is_lost_and_only_what_it_took_in_silence_comes_twice()
{
    let (team, slack) = with_slack().await;
    let life = team.start().await;
    let fails = [
        Fail::Error("ratelimited"),
        Fail::Error("internal_error"),
        Fail::Error("fatal_error"),
        Fail::Limited(3),
        Fail::Status(500),
        Fail::Status(503),
        Fail::Garbage,
        Fail::Broken,
        Fail::DoneAndBroken,
        // Somebody has to do something about these.
        Fail::Error("invalid_auth"),
        Fail::Error("channel_not_found"),
        Fail::Error("not_in_channel"),
        Fail::Error("missing_scope"),
        Fail::Error("msg_too_long"),
        Fail::Error("invalid_blocks"),
        Fail::Status(404),
    ];
    let kinds: BTreeSet<usize> = fails.iter().map(Fail::kind).collect();
    assert_eq!(kinds.len(), Fail::KINDS, "every way in which it can fail");
    let ada = team.person(ADA).await;
    for (number, fail) in fails.iter().enumerate() {
        slack.will([fail.clone()]);
        tell(&team, &life, &ops(), &[&format!("fact {number}.")]).await;
        // The daemon may have been quicker; then this waits for what it does.
        life.daemon.deliver().await;
        team.clock.advance(Duration::from_secs(20));
        life.call(&ada, "retryOutbox", json!({"channel": "slack:ops"})).await.unwrap();
        life.daemon.deliver().await;
        let waits = life.ledger.queue(&ops(), 9).await.unwrap();
        assert_eq!(waits, [], "{fail:?}");
    }
    let told = slack.messages().iter().map(|m| m.payload["text"].to_string()).collect::<Vec<_>>();
    // What it took without a word cannot be told from what it did not take: that one part comes again.
    let times = |fail: &Fail| if matches!(fail, Fail::DoneAndBroken) { 2 } else { 1 };
    let facts = fails.iter().enumerate();
    let expected: Vec<String> =
        facts.flat_map(|(n, fail)| vec![format!("\"fact {n}.\""); times(fail)]).collect();
    assert_eq!(told, expected);
    assert_eq!(slack.too_fast(), 0);
    life.stop().await;
}

#[tokio::test]
async fn a_channel_that_takes_one_message_a_second_refuses_none_of_a_long_message_and_what_follows()
{
    let (team, slack) = with_slack().await;
    let life = team.start().await;
    let long = "word ".repeat(1_000);
    tell(&team, &life, &ops(), &[&long, "after it", "and after that"]).await;
    while !life.ledger.queue(&ops(), 9).await.unwrap().is_empty() {
        life.daemon.deliver().await;
    }
    let messages = slack.messages();
    let threaded = messages.iter().filter(|message| message.thread.is_some()).count();
    assert_eq!((messages.len(), threaded), (4, 1), "{messages:#?}");
    assert_eq!((slack.called("chat.postMessage"), slack.too_fast()), (4, 0));
    life.stop().await;
}

fn team_mail() -> Channel {
    Channel::Email("team".into())
}

/// A channel that bears any pace: where time passes by itself, tests do not wait for it.
#[derive(Debug)]
struct Unpaced(Arc<dyn Notifier>);

#[async_trait]
impl Notifier for Unpaced {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        self.0.deliver(post).await
    }
}

/// A team whose channel `email:team` is a mail server with three readers.
async fn with_email() -> (Team, FakeSmtp, Arc<Mailbox>) {
    let (mut team, to_ops, _) = with_mailboxes(Duration::ZERO).await;
    let smtp = FakeSmtp::start(false);
    let email = EmailOptions {
        server: smtp.address.ip().to_string(),
        port: Some(smtp.address.port()),
        tls: EmailTls::None,
        login: None,
        from: "rota@example.org".into(),
        to: ["ada", "bo", "cy"].map(|name| format!("{name}@example.org")).into(),
        time_limit: Duration::from_secs(10),
    };
    let mut options = NotifyOptions::default();
    options.email.insert("team".into(), email);
    let stdout: SharedWriter = Arc::new(Mutex::new(Vec::new()));
    let notifier = open(&team_mail(), &options, &stdout, &SystemClock::shared()).unwrap();
    team.channels.insert(team_mail(), Arc::new(Unpaced(notifier)));
    (team, smtp, to_ops)
}

/// Who got which letter.
fn got(smtp: &FakeSmtp) -> Vec<(String, String)> {
    let last = |letter: &Letter| letter.data.trim_end().lines().last().unwrap().to_owned();
    let letters = smtp.letters();
    let all = letters.iter().flat_map(|letter| letter.to.iter().map(move |to| (to, last(letter))));
    all.map(|(to, text)| (to.split('@').next().unwrap().to_owned(), text)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(who, text)| ((*who).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_reader_who_is_refused_is_named_in_the_outbox_and_can_be_written_to_again() {
    let (team, smtp, to_ops) = with_email().await;
    let life = team.start().await;
    smtp.will_refuse("bo@example.org", "550 who?");
    tell(&team, &life, &team_mail(), &["one"]).await;
    assert!(!life.daemon.deliver().await, "not all of it arrived");
    assert_eq!(got(&smtp), pairs(&[("ada", "one"), ("cy", "one")]));
    assert!(life.ledger.queue(&team_mail(), 9).await.unwrap().is_empty());
    let ada = team.person(ADA).await;
    let outbox = life.call(&ada, "listOutbox", json!({})).await.unwrap();
    let dead = outbox.get("dead").and_then(Value::as_list).unwrap();
    let of = |name: &str| dead[0].get(name).and_then(Value::as_text).unwrap().to_owned();
    assert_eq!(dead.len(), 1, "{outbox}");
    assert_eq!(of("error"), "bo@example.org: the mail server refuses the letter (status 550)");
    life.daemon.deliver().await;
    assert!(to_ops.texts()[0].contains("bo@example.org"), "{:?}", to_ops.texts());
    smtp.will_refuse("bo@example.org", "");
    life.call(&ada, "retryOutbox", json!({"key": of("key")})).await.unwrap();
    life.daemon.deliver().await;
    assert_eq!(got(&smtp)[2..], pairs(&[("bo", "one")]));
    assert!(life.ledger.dead_letters(9).await.unwrap().is_empty());
    life.stop().await;
}

#[tokio::test]
async fn a_reader_whose_mailbox_is_full_holds_the_others_up_for_twenty_minutes_and_no_longer() {
    let (team, smtp, _) = with_email().await;
    let life = team.start().await;
    smtp.will_refuse("bo@example.org", "452 full");
    tell(&team, &life, &team_mail(), &["one", "two"]).await;
    let mut waited = Duration::ZERO;
    while got(&smtp).len() < 4 {
        assert!(waited < Duration::from_mins(25), "{:?}", got(&smtp));
        life.daemon.deliver().await;
        team.clock.advance(Duration::from_secs(10));
        waited += Duration::from_secs(10);
    }
    let both = [("ada", "one"), ("cy", "one"), ("ada", "two"), ("cy", "two")];
    assert_eq!(got(&smtp), pairs(&both));
    assert!(waited > Duration::from_mins(20), "{waited:?}");
    smtp.will_refuse("bo@example.org", "");
    team.clock.advance(Duration::from_mins(1));
    life.daemon.deliver().await;
    assert_eq!(got(&smtp)[4..], pairs(&[("bo", "two")]), "the others have it");
    let dead = life.ledger.dead_letters(9).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(
        matches!(&dead[0].delivery, Delivery::Undeliverable { error, .. } if error.contains("452"))
    );
    life.stop().await;
}
