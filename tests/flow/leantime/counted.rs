//! Requests to a board over the network as the instruments tell them: by what came of them, and the limit that
//! was met.

use super::{Scene, open};
use crate::support::counted::Counted;
use crate::support::leantime::{Fault, Options as Fake, Trouble};
use rota::board::leantime::options::Credential;
use rota::board::{BoardError, Tasks as _};
use std::time::Duration;

/// How many requests this came of, as the server knows it.
fn answered(s: &Scene, status: u16) -> u64 {
    let asked = s.fake.asked();
    u64::try_from(asked.iter().filter(|asked| asked.status == Some(status)).count()).unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_what_came_of_them_and_the_limit_is_told_as_the_server_said_it() {
    let counted = Counted::begin();
    let result =
        |word: &str| counted.count(&format!("rota_board_requests_total{{result=\"{word}\"}}"));
    let fake = Fake { rate_per_minute: Some(12), ..Fake::default() };
    let s = Scene::with(fake, |options| options.window = Some(Duration::from_millis(50))).await;
    let task = s.task("One").await;
    assert!(result("ok") > 0);
    assert_eq!(result("ok"), answered(&s, 200));
    assert_eq!(counted.count("rota_board_request_limit"), 1_000_000, "as it was told itself");

    s.fake.trouble(Trouble::new(Fault::Status(500)));
    assert_eq!(s.board.task(task.id).await.unwrap(), task);
    assert_eq!((result("unreachable"), result("limited"), result("unauthorized")), (1, 0, 0));

    // The server's window ends in a second.
    s.fake.advance(Duration::from_secs(59));
    let reading = async {
        while answered(&s, 429) == 0 {
            assert_eq!(s.board.task(task.id).await.unwrap(), task);
        }
    };
    let passing = async {
        while answered(&s, 429) == 0 {
            tokio::task::yield_now().await;
        }
        s.fake.advance(Duration::from_secs(2));
    };
    tokio::join!(reading, passing);
    assert_eq!((result("limited"), answered(&s, 429)), (1, 1));
    assert_eq!(result("ok"), answered(&s, 200));
    assert_eq!(counted.count("rota_board_request_limit"), 12);

    let mut options = s.options.clone();
    options.credential = Credential::read("lt_nosuchuser_nosuchsecret").unwrap();
    let stranger = open(&options, &s.notes, &s.clock);
    assert!(matches!(stranger.task(task.id).await, Err(BoardError::Denied(_))));
    assert_eq!(result("unauthorized"), 1);
    let all = ["ok", "unreachable", "limited", "unauthorized"].map(result);
    let timed = counted.count("rota_board_request_duration_seconds_count");
    assert_eq!(timed, all.iter().sum::<u64>());
}
