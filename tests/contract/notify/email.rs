//! E-mail, to a mail server on loopback.

use super::{deliver, opened};
use crate::support::smtp::{FakeSmtp, Letter};
use rota::domain::{Body, Mention, Receipt};
use rota::notify::{Delivered, EmailOptions, EmailTls, Notifier, NotifyError, NotifyOptions, Post};
use std::sync::Arc;
use std::time::Duration;

fn options(smtp: &FakeSmtp) -> EmailOptions {
    EmailOptions {
        server: smtp.address.ip().to_string(),
        port: Some(smtp.address.port()),
        tls: EmailTls::None,
        login: None,
        from: "Rota <rota@example.org>".into(),
        to: vec!["Team <team@example.org>".into(), "ada@example.org".into()],
        time_limit: Duration::from_secs(10),
    }
}

fn at(email: EmailOptions) -> Arc<dyn Notifier> {
    let mut options = NotifyOptions::default();
    options.email.insert("team".into(), email);
    assert!(!format!("{options:?}").contains("s3cr3t"));
    let notifier = opened("email:team", &options);
    assert!(!format!("{notifier:?}").contains("s3cr3t"));
    notifier
}

fn text(text: &str) -> Body {
    Body { text: text.to_owned(), ..Body::default() }
}

/// The headers of a letter, each on one line.
fn headers(letter: &Letter) -> Vec<String> {
    let head = letter.data.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

fn header(letter: &Letter, name: &str) -> String {
    let begin = format!("{name}: ");
    let all = headers(letter);
    let found: Vec<_> = all.iter().filter_map(|line| line.strip_prefix(&begin)).collect();
    assert_eq!(found.len(), 1, "{name}: {all:?}");
    found[0].to_owned()
}

#[tokio::test]
async fn a_message_is_a_letter_to_every_reader_with_a_name_made_from_its_key() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(options(&smtp));
    let mention = Mention { name: "Ada".into(), email: None, slack: None };
    let body = Body { mentions: vec![mention], ..text("Daily digest\n\nAll is well.") };
    deliver(&notifier, "digest", &body).await.unwrap();
    deliver(&notifier, "digest", &body).await.unwrap();
    deliver(&notifier, "other", &body).await.unwrap();
    let letters = smtp.letters();
    let letter = &letters[0];
    assert_eq!(letter.from, "rota@example.org");
    assert_eq!(letter.to, ["team@example.org", "ada@example.org"]);
    assert_eq!(header(letter, "Subject"), "Daily digest");
    assert_eq!(header(letter, "Auto-Submitted"), "auto-generated");
    assert!(letter.data.contains("For Ada:\r\n\r\nDaily digest\r\n\r\nAll is well."), "{letter:?}");
    let name = |letter| header(letter, "Message-ID");
    assert_eq!(name(&letters[0]), name(&letters[1]), "one that came twice is known");
    assert_ne!(name(&letters[0]), name(&letters[2]));
}

#[tokio::test]
async fn no_text_of_the_board_begins_a_header_or_ends_the_letter() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(options(&smtp));
    let hostile = [
        "Hi\r\nBcc: evil@example.org\r\n\r\nbody",
        "Hi\nBcc: evil@example.org",
        "=?utf-8?q?=0d=0aBcc:_evil@example.org?=",
        "a\u{0}b\u{1b}[31m\u{202e}c\u{2028}Bcc: evil@example.org",
        "first\r\n.\r\nMAIL FROM:<evil@example.org>\r\n..\r\n.",
        "🦀\u{200b}ä",
    ];
    for text_of_board in hostile {
        let mention = |name: &str| Mention { name: name.into(), email: None, slack: None };
        let mentions = vec![mention("Ada\r\nBcc: evil@example.org")];
        let body = Body { mentions, ..text(text_of_board) };
        deliver(&notifier, "k\r\nBcc: evil@example.org", &body).await.unwrap();
    }
    deliver(&notifier, "k", &text(&"x".repeat(10_000))).await.unwrap();
    let letters = smtp.letters();
    assert_eq!(letters.len(), hostile.len() + 1, "{letters:?}");
    for letter in &letters {
        assert_eq!((letter.from.as_str(), letter.to.len()), ("rota@example.org", 2), "{letter:?}");
        let all = headers(letter);
        assert!(!all.iter().any(|line| line.to_lowercase().starts_with("bcc")), "{all:?}");
        header(letter, "Subject");
    }
}

async fn failure(notifier: &Arc<dyn Notifier>) -> NotifyError {
    let error = deliver(notifier, "k", &text("hello")).await.unwrap_err();
    for told in [format!("{error}"), format!("{error:?}")] {
        assert!(!told.contains("s3cr3t") && !told.contains("hello"), "{told}");
    }
    error
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(options(&smtp));
    // To both together, and to each alone.
    let will_answer = |answer| (0..3).for_each(|_| smtp.will_answer(answer));
    will_answer("451 hello s3cr3t, later");
    let error = failure(&notifier).await;
    assert!(error.is_transient && error.what.contains("451"), "{error}");
    will_answer("554 hello s3cr3t, no");
    let error = failure(&notifier).await;
    assert!(!error.is_transient && error.what.contains("554"), "{error}");
    assert!(smtp.letters().is_empty());
    let nobody = EmailOptions { port: Some(1), ..options(&smtp) };
    assert!(failure(&at(nobody)).await.is_transient);
}

#[tokio::test]
async fn where_tls_is_wanted_nothing_is_said_without_it() {
    let smtp = FakeSmtp::start(true);
    let login = Some(("rota".to_owned(), "s3cr3t".to_owned().into()));
    for tls in [EmailTls::StartTls, EmailTls::Tls] {
        let time_limit = Duration::from_secs(2);
        let options = EmailOptions { tls, login: login.clone(), time_limit, ..options(&smtp) };
        failure(&at(options)).await;
    }
    assert!(smtp.letters().is_empty());
    let notifier = at(EmailOptions { login, ..options(&smtp) });
    deliver(&notifier, "k", &text("hello")).await.unwrap();
    assert!(smtp.letters()[0].login.is_some());
}

#[tokio::test]
async fn whether_it_could_write_is_seen_without_a_letter() {
    let smtp = FakeSmtp::start(false);
    let found = at(options(&smtp)).look().await.unwrap();
    assert!(found.contains("2 readers (nothing was sent)"), "{found}");
    assert!(smtp.letters().is_empty());
    let nobody = EmailOptions { port: Some(1), ..options(&smtp) };
    assert!(at(nobody).look().await.unwrap_err().is_transient);
}

fn some_readers(smtp: &FakeSmtp) -> EmailOptions {
    let to = ["ada@example.org", "bo@example.org", "cy@example.org"].map(String::from);
    EmailOptions { to: to.into(), ..options(smtp) }
}

async fn deliver_to(notifier: &Arc<dyn Notifier>, receipt: &Receipt) -> Delivered {
    let body = text("hello");
    notifier.deliver(&Post::first("k", &body, receipt)).await.unwrap()
}

fn readers(smtp: &FakeSmtp) -> Vec<String> {
    smtp.letters().into_iter().flat_map(|letter| letter.to).collect()
}

#[tokio::test]
async fn one_reader_who_is_refused_keeps_the_letter_from_nobody_else_and_is_named() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(some_readers(&smtp));
    smtp.will_refuse("bo@example.org", "550 hello s3cr3t, who?");
    let delivered = deliver_to(&notifier, &Receipt::default()).await;
    assert_eq!(readers(&smtp), ["ada@example.org", "cy@example.org"]);
    assert_eq!(delivered.took, ["ada@example.org", "cy@example.org"]);
    let [missed] = delivered.missed.as_slice() else { panic!("{delivered:?}") };
    assert!(delivered.is_last && !missed.is_transient, "{missed:?}");
    assert_eq!(
        missed.to_string(),
        "bo@example.org: the mail server refuses the letter (status 550)"
    );
    // All that they see of each other is what they always saw.
    let letters = smtp.letters();
    assert_eq!(header(&letters[0], "To"), header(&letters[1], "To"));
    assert_eq!(header(&letters[0], "Message-ID"), header(&letters[1], "Message-ID"));
}

#[tokio::test]
async fn a_reader_who_is_to_come_again_later_gets_it_then_and_nobody_gets_it_twice() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(some_readers(&smtp));
    smtp.will_refuse("ada@example.org", "450 later");
    let delivered = deliver_to(&notifier, &Receipt::default()).await;
    assert!(delivered.missed[0].is_transient, "{delivered:?}");
    let receipt = Receipt { have: delivered.took, ..Receipt::default() };
    let still = deliver_to(&notifier, &receipt).await;
    assert_eq!((still.took.len(), still.missed.len()), (0, 1), "{still:?}");
    smtp.will_refuse("ada@example.org", "");
    let delivered = deliver_to(&notifier, &receipt).await;
    assert!(delivered.missed.is_empty());
    assert_eq!(readers(&smtp), ["bo@example.org", "cy@example.org", "ada@example.org"]);
    // What is for some only comes to them alone.
    let receipt = Receipt { readers: vec!["bo@example.org".into()], ..Receipt::default() };
    deliver_to(&notifier, &receipt).await;
    assert_eq!(readers(&smtp)[3..], ["bo@example.org"]);
}

#[tokio::test]
async fn a_letter_that_no_reader_may_get_is_refused_as_a_whole() {
    let smtp = FakeSmtp::start(false);
    let notifier = at(some_readers(&smtp));
    for reader in ["ada", "bo", "cy"] {
        smtp.will_refuse(&format!("{reader}@example.org"), "550 who?");
    }
    assert!(!failure(&notifier).await.is_transient);
    smtp.will_refuse("cy@example.org", "450 later");
    assert!(failure(&notifier).await.is_transient, "one of them may get it yet");
    assert!(smtp.letters().is_empty());
}
