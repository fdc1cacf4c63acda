//! Whatever people write on the board: Slack's limits hold, nobody is pinged, nothing is lost.

use crate::support::strict_fill::StrictFill;
use chrono::NaiveDate;
use proptest::prelude::*;
use rota::digest::{
    DIGEST_TEMPLATE, Digest, Fill as _, Format, Line, LinkBase, Section, SectionKind, dress, render,
};
use rota::domain::TaskId;
use serde_json::Value as Json;

fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,9}",
        2 => "\\PC{0,40}",
        2 => prop::sample::select(vec![
            "<!channel>", "<!here|here>", "<@U123>", "<!subteam^S1>", "@channel", "@HERE",
            "@everyone", "&lt;!channel&gt;", "&", "<", ">", "<https://evil.example|task 1>", "|",
            "\n# title", "\n---\n", "\n-# small", "\n| field", "{{sections}}", "\"", "\\",
            "\u{202e}", "\u{1b}[2J", "\u{0}", "🚀", "e\u{301}", "```", "~x~", "\u{2060}",
        ]).prop_map(str::to_owned),
        1 => ("[&<>x\"🚀]", 900..1_100_usize).prop_map(|(c, n)| c.repeat(n)),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.join(" "))
}

fn hostile_digest(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Digest> {
    let line = (1..1_000_i64, hostile_text(), prop::collection::vec(hostile_text(), 0..3));
    let lines = prop::collection::vec((0..9_usize, line), sizes);
    (lines, any::<bool>()).prop_map(|(lines, has_links)| {
        let base = if has_links {
            LinkBase::parse("https://board.example/a_b").unwrap()
        } else {
            LinkBase::none()
        };
        let mut sections: Vec<_> =
            SectionKind::ALL.map(|kind| Section { kind, lines: Vec::new(), rest: 0 }).into();
        for (place, (id, headline, notes)) in lines {
            let evidence = base.task(TaskId(id));
            sections[place].lines.push(Line { evidence, headline, notes });
        }
        Digest {
            window: "digest:x:2026-11-23".into(),
            date: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap(),
            zone: chrono_tz::Europe::Berlin,
            sections,
        }
    })
}

/// The texts of a message in order, after Slack's limits were checked, and without its number.
fn texts(json: &str, is_one_of_many: bool) -> Vec<String> {
    let message: Json = serde_json::from_str(json).unwrap();
    let chars = |text: &Json| text.as_str().unwrap().chars().count();
    assert!((1..=3_000).contains(&chars(&message["text"])));
    check_no_ping(message["text"].as_str().unwrap());
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    assert!(message["blocks"].to_string().chars().count() <= 11_000);
    let mut texts = Vec::new();
    for block in blocks {
        let objects = match block["type"].as_str().unwrap() {
            "header" => {
                assert!((1..=150).contains(&chars(&block["text"]["text"])));
                assert_eq!(block["text"]["type"], "plain_text");
                vec![&block["text"]]
            }
            "section" => {
                assert!((1..=3_000).contains(&chars(&block["text"]["text"])));
                vec![&block["text"]]
            }
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                assert!(elements.iter().all(|element| chars(&element["text"]) <= 2_000));
                elements.iter().collect()
            }
            other => panic!("unexpected block {other}"),
        };
        texts.extend(objects.iter().map(|object| object["text"].as_str().unwrap().to_owned()));
    }
    for text in &texts {
        check_no_ping(text);
    }
    if is_one_of_many {
        assert!(texts.pop().unwrap().starts_with("Part "));
    }
    texts
}

/// Every `<` begins a link of ours, every `&` an entity, and no `@` a mass mention.
fn check_no_ping(text: &str) {
    for (at, _) in text.match_indices('<') {
        let rest = &text[at..];
        let inner = &rest[1..rest.find('>').unwrap_or_else(|| panic!("open link in {text:?}"))];
        assert!(inner.starts_with("https://board.example/a_b/tasks/"), "{inner:?}");
        assert!(!inner.contains('<'));
    }
    for (at, _) in text.match_indices('&') {
        let rest = &text[at..];
        assert!(["&amp;", "&lt;", "&gt;"].iter().any(|e| rest.starts_with(e)), "{rest:?}");
    }
    let lower = text.to_lowercase();
    for mention in ["@channel", "@here", "@everyone"] {
        assert!(!lower.contains(mention), "{text:?}");
    }
}

/// The words of a filled template, without the marks that make blocks.
fn words(document: &str) -> Vec<String> {
    let marks = ["# ", "-# ", "| "];
    let lines = document
        .lines()
        .map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line));
    lines.flat_map(|line| line.split_whitespace().map(str::to_owned)).collect()
}

fn check(digest: &Digest) {
    let fill = StrictFill::shipped();
    let body = render(digest, &fill, DIGEST_TEMPLATE).unwrap();
    assert!(body.text.chars().all(|c| c == '\n' || !c.is_control()));
    let told =
        if digest.is_quiet() { 0 } else { digest.sections.iter().map(|s| s.lines.len()).sum() };
    assert_eq!(body.text.lines().filter(|line| line.starts_with("- ")).count(), told);
    assert_eq!(body.markdown.lines().filter(|line| line.starts_with("- ")).count(), told);

    let document =
        fill.fill("digest.slack.hbs", &dress(&digest.to_value(), Format::Slack)).unwrap();
    let sent: Vec<String> =
        body.slack.iter().flat_map(|json| texts(json, body.slack.len() > 1)).collect();
    assert_eq!(
        sent.iter().map(|text| text.matches('•').count()).sum::<usize>(),
        document.matches('•').count()
    );
    let written = words(&document);
    let read: Vec<String> =
        sent.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    assert_eq!(read.concat(), written.concat(), "something was lost");
    if written.iter().all(|word| word.chars().count() <= 3_000) {
        assert_eq!(read, written, "a word was cut");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slack_takes_whatever_the_board_holds(digest in hostile_digest(0..40)) {
        check(&digest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_long_digest_goes_on_in_further_messages(digest in hostile_digest(400..600)) {
        check(&digest);
    }
}
