//! The loop over real sockets: a run from prompt to `finish` on both wires, and the ways in which a
//! server that answers for a model can fail.

use super::job;
use crate::support::house::{House, playbook};
use crate::support::http_double::{Reply as Answer, Then};
use crate::support::model_double::{Fails, KEY, ModelDouble, Said, Turn, answer, broken};
use rota::domain::{Playbook, Reason, RunState};
use rota::model::Prices;
use rota::model::open::{ServerOptions, Wire};
use rota::runner::model_loop::ModelRunner;
use rota::runner::{Runner as _, Sign, Signs, WorkEnd};
use std::fmt::Write as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const WIRES: [Wire; 2] = [Wire::Completions, Wire::Messages];

type Change = fn(&mut ServerOptions);

async fn work(double: &ModelDouble, book: Playbook, change: Change) -> (WorkEnd, House, String) {
    let house = House::build().await;
    let (job, tools) =
        job(&house, book, "You are AI-Developer.\nTask 1 in project \"Website\"\n").await;
    let (signs, mut told) = Signs::channel(1_000);
    let mut options = double.options();
    change(&mut options);
    let runner = ModelRunner::new(double.model(options));
    let end = runner.work(&job, &tools, &signs, CancellationToken::new()).await;
    let mut lines = String::new();
    while let Ok(Sign::Entry { kind, text, data }) = told.try_recv() {
        writeln!(lines, "{kind} {text} {}", serde_json::to_string(&data).unwrap()).unwrap();
    }
    (end, house, lines)
}

#[tokio::test]
async fn a_run_reads_writes_and_finishes_over_both_wires_with_every_result_in_its_place() {
    for wire in WIRES {
        let comment = r#"{"module": "ticket", "entityId": 1, "text": "Looked."}"#;
        let double = ModelDouble::start(
            wire,
            vec![
                Turn::Said(
                    Said::text("I read it.")
                        .and_call("a", "getTicket", r#"{"id": 1}"#)
                        .and_call("b", "getComments", r#"{"module": "ticket", "entityId": 1}"#)
                        .and_call("c", "getTicket", "{\"id\": ")
                        .tokens((1_000, 0, 100)),
                ),
                Turn::Said(Said::text("Well.").tokens((100, 1_000, 10))),
                Turn::Said(Said::call("d", "addComment", comment).tokens((100, 1_000, 10))),
                Turn::Said(Said::finish().tokens((0, 1_000, 10))),
            ],
        );
        let priced: Change = |options| {
            options.price = Some(Prices {
                input: 3_000_000,
                cached: 300_000,
                cache_write: 3_750_000,
                output: 15_000_000,
            });
        };
        let book = playbook(&["getTicket", "getComments", "addComment"]);
        let (end, house, lines) = work(&double, book, priced).await;
        assert_eq!(
            (end.state, end.outcome.as_deref()),
            (RunState::Succeeded, Some("done")),
            "{end:?}"
        );
        assert_eq!((end.usage.turns, end.usage.tokens_in), (4, 4_200));
        assert_eq!((end.usage.tokens_cached, end.usage.tokens_out), (3_000, 130));
        assert_eq!(end.usage.cost_micros, 1_200 * 3 + 3_000 * 3 / 10 + 130 * 15);
        assert_eq!(
            house.happened(),
            ["fence", "intend addComment", "act addComment", "conclude done"]
        );
        let bodies = double.bodies();
        let second = bodies[1].to_string();
        assert!(second.contains("Fix the login") && second.contains("UNTRUSTED"), "{second}");
        assert!(second.contains("Nothing was done"), "{second}");
        assert!(bodies[2].to_string().contains("called no tool"));
        assert!(!lines.contains(KEY), "{lines}");
    }
}

#[tokio::test]
async fn costs_are_limited_by_the_prices() {
    for wire in WIRES {
        let read =
            || Turn::Said(Said::call("a", "getTicket", r#"{"id": 1}"#).tokens((1_000, 0, 100)));
        let double = ModelDouble::start(wire, vec![read(), read()]);
        let mut book = playbook(&["getTicket"]);
        book.limits.cost_micros = Some(8_000);
        let priced: Change = |options| {
            options.price =
                Some(Prices { input: 3_000_000, cached: 0, cache_write: 0, output: 15_000_000 });
        };
        let (end, ..) = work(&double, book, priced).await;
        assert_eq!((end.reason, end.usage.cost_micros), (Reason::BudgetSpent, 9_000), "{end:?}");
    }
}

#[tokio::test]
async fn an_answer_that_broke_off_is_paid_for_also_where_nobody_counted() {
    for wire in WIRES {
        let cut = |text: &str| Turn::Raw(Answer::stream([text]).then(Then::HangUp));
        let begin = match wire {
            Wire::Completions => {
                "data: {\"choices\": [{\"delta\": {\"content\": \"I look\"}}]}\n\n"
            }
            Wire::Messages => {
                "data: {\"type\": \"content_block_start\", \"index\": 0, \"content_block\": \
                 {\"type\": \"text\", \"text\": \"I look\"}}\n\n"
            }
        };
        let broken = format!("{begin}data: {{no json\n\n");
        let turns = vec![
            cut(begin),
            cut(begin),
            cut(&broken),
            Turn::Said(Said::finish().tokens((9, 0, 1))),
        ];
        let double = ModelDouble::start(wire, turns);
        let (end, _, lines) = work(&double, playbook(&["getTicket"]), |_| ()).await;
        assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}\n{lines}");
        // Three times the prompt with its tools, which is some hundred tokens, and once what was said.
        let of_broken = end.usage.tokens_in - 9;
        assert!(of_broken > 300 && of_broken % 3 == 0, "{end:?}");
        assert!(end.usage.tokens_out > 1, "{end:?}");
    }
}

#[tokio::test]
async fn a_conversation_that_a_server_finds_too_long_goes_on_shorter() {
    for wire in WIRES {
        let read = || Turn::Said(Said::call("a", "getTicket", r#"{"id": 1}"#));
        let mut turns: Vec<Turn> = (0..8).map(|_| read()).collect();
        turns.push(Turn::Fails(Fails::TooLong));
        turns.push(Turn::Fails(Fails::TooLong));
        turns.push(Turn::Said(Said::finish()));
        let double = ModelDouble::start(wire, turns);
        let (end, _, lines) = work(&double, playbook(&["getTicket"]), |_| ()).await;
        assert_eq!(end.outcome.as_deref(), Some("done"), "{end:?}");
        assert_eq!(lines.lines().filter(|line| line.starts_with("compact")).count(), 2, "{lines}");
        let sizes: Vec<usize> =
            double.bodies().iter().map(|b| b["messages"].to_string().len()).collect();
        assert!(sizes[10] < sizes[9] && sizes[9] < sizes[8], "{sizes:?}");
    }
}

/// A way in which a server fails, and what comes of it.
struct Way {
    name: &'static str,
    fails: fn(Wire) -> Turn,
    /// `None`: it is tried again, and the run succeeds.
    ends: Option<(Reason, &'static str)>,
    change: Change,
}

fn way(name: &'static str, fails: fn(Wire) -> Turn) -> Way {
    Way { name, fails, ends: None, change: |_| () }
}

fn whole(status: u16, kind: &str, text: &str) -> Turn {
    Turn::Raw(Answer::text(status, kind, text))
}

fn events(text: &str) -> Turn {
    Turn::Raw(Answer::stream([text]))
}

/// The begin of a call that would write, if anybody carried it out.
fn begun(wire: Wire) -> Answer {
    let comment = r#"{"module": "ticket", "entityId": 1, "text": "half"}"#;
    answer(wire, &Said::call("a", "addComment", comment))
}

/// Those in which what comes is no answer.
fn ways() -> Vec<Way> {
    vec![
        way("it hangs up before it answers", |_| {
            Turn::Raw(
                Answer { is_stream: false, ..Answer::stream(["x"]) }
                    .with("Content-Length", "900")
                    .then(Then::HangUp),
            )
        }),
        way("a gateway's page for an error", |_| {
            whole(502, "text/html", "<html>Bad gateway</html>")
        }),
        way("a gateway's page for an answer", |_| whole(200, "text/html", "<html>Welcome</html>")),
        way("an answer that is nothing", |_| whole(200, "application/json", "")),
        way("a stream without an end", |wire| {
            let whole = begun(wire);
            let half = whole.pieces.len() / 2;
            Turn::Raw(Answer { pieces: whole.pieces[..half].to_vec(), ..whole })
        }),
        way("a stream that breaks in the middle of a call", |wire| Turn::Raw(broken(begun(wire)))),
        way("an event that is no JSON", |_| events("data: {\"choices\": [\n\n")),
        way("an error in the middle", |wire| match wire {
            Wire::Completions => {
                events("data: {\"error\":{\"message\":\"overloaded\"},\"choices\":[]}\n\n")
            }
            Wire::Messages => events(
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            ),
        }),
        Way {
            change: |options| options.idle_time = Duration::from_millis(200),
            ..way("silence in the middle", |_| {
                Turn::Raw(Answer::stream([": begins\n\n"]).then(Then::Hold))
            })
        },
        Way {
            change: |options| options.request_time = Duration::from_millis(300),
            ..way("an answer that takes too long", |_| {
                Turn::Raw(Answer::stream([": begins\n\n"]).then(Then::Hold))
            })
        },
        way("an event without bounds", |_| events(&format!("data: {}\n\n", "x".repeat(2_000_000)))),
        way("more calls than any", |wire| {
            let said = (0..600)
                .fold(Said::default(), |said, n| said.and_call(&format!("c{n}"), "finish", "{}"));
            Turn::Raw(answer(wire, &said))
        }),
    ]
}

/// Those in which it says what is wrong.
fn refusals() -> Vec<Way> {
    let fatal =
        |way: Way, words: &'static str| Way { ends: Some((Reason::ModelFailed, words)), ..way };
    vec![
        way("it asks to wait", |_| Turn::Fails(Fails::RateLimited { seconds: 1 })),
        way("it is overloaded", |_| Turn::Fails(Fails::Overloaded)),
        fatal(
            way("it does not take the key", |_| Turn::Fails(Fails::Denied)),
            "does not take the key",
        ),
        fatal(way("it does not know the model", |_| Turn::Fails(Fails::Refused)), "404"),
        fatal(
            way("it sends us elsewhere", |_| {
                Turn::Raw(
                    Answer::text(302, "text/plain", "").with("Location", "http://127.0.0.1:1/"),
                )
            }),
            "elsewhere",
        ),
        fatal(
            way("there is no money left", |_| {
                whole(
                    429,
                    "application/json",
                    r#"{"error":{"code":"insufficient_quota","message":"pay"}}"#,
                )
            }),
            "pay",
        ),
        fatal(way("the prompt alone is too long", |_| Turn::Fails(Fails::TooLong)), "too long"),
        Way {
            ends: Some((Reason::ModelDeclined, "")),
            ..way("it declines", |_| Turn::Fails(Fails::Declined))
        },
    ]
}

#[tokio::test]
async fn however_a_server_fails_the_run_goes_on_or_ends_with_the_reason_and_nothing_half_is_done() {
    let all = ways().into_iter().chain(refusals()).flat_map(|way| {
        let Way { name, fails, ends, change } = way;
        WIRES.map(move |wire| async move {
            let double = ModelDouble::start(
                wire,
                match ends {
                    None => vec![fails(wire), Turn::Said(Said::finish())],
                    Some(_) => vec![fails(wire)],
                },
            );
            let (end, house, lines) = work(&double, playbook(&["addComment"]), change).await;
            match ends {
                None => {
                    assert_eq!(end.outcome.as_deref(), Some("done"), "{name} {wire:?}: {end:?}");
                    assert!(lines.contains("retry "), "{name} {wire:?}: {lines}");
                }
                Some((reason, words)) => {
                    assert_eq!(
                        (end.state, end.reason),
                        (RunState::Failed, reason),
                        "{name} {wire:?}: {end:?}"
                    );
                    assert!(end.detail.contains(words), "{name} {wire:?}: {}", end.detail);
                }
            }
            assert!(house.happened().is_empty(), "{name} {wire:?}: {:?}", house.happened());
            let shown = format!("{end:?} {lines}");
            assert!(!shown.contains(KEY), "{name} {wire:?}: {shown}");
        })
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_given_up() {
    let mut book = playbook(&[]);
    // No wait is begun that would end after the run.
    book.limits.time = Duration::from_millis(2_500);
    for wire in WIRES {
        let double = ModelDouble::start(wire, Vec::new());
        let nobody: Change = |options| {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            options.url = Some(format!("http://{free}"));
        };
        let (end, _, lines) = work(&double, book.clone(), nobody).await;
        assert_eq!((end.state, end.reason), (RunState::Failed, Reason::ModelFailed), "{end:?}");
        assert!(end.detail.contains("no connection"), "{}", end.detail);
        assert!(lines.contains("unavailable"), "{lines}");
    }
}
