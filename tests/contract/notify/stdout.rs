//! Standard output.

use super::{Way, body, deliver, wall};
use rota::clock::{Clock, ManualClock};
use rota::domain::Channel;
use rota::notify::{Notifier, NotifyOptions, SharedWriter, open};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

fn notifier(out: &SharedWriter) -> Arc<dyn Notifier> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(wall()));
    open(&Channel::Stdout, &NotifyOptions::default(), out, &clock).unwrap()
}

#[tokio::test]
async fn the_text_is_written_with_one_line_feed_and_nothing_a_terminal_obeys() {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let out: SharedWriter = buffer.clone();
    let notifier = notifier(&out);
    deliver(&notifier, "k", &body("one\u{1b}[31m\n\n", &["{}", "{}"])).await.unwrap();
    deliver(&notifier, "k", &body("two", &[])).await.unwrap();
    assert_eq!(String::from_utf8(buffer.lock().unwrap().clone()).unwrap(), "one[31m\ntwo\n");
}

#[tokio::test]
async fn a_message_that_was_delivered_is_not_written_again() {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let out: SharedWriter = buffer.clone();
    let mut way = Way { part: 1, ..Way::default() };
    way.go(&notifier(&out), "k", &body("one", &[])).await.unwrap();
    assert!(buffer.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_pipe_is_an_error_that_may_pass() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let out: SharedWriter = Arc::new(Mutex::new(Broken));
    let error = deliver(&notifier(&out), "k", &body("x", &[])).await;
    let error = error.unwrap_err();
    assert!(error.is_transient);
    assert_eq!(error.to_string(), "standard output did not take the message: broken pipe");
}
