//! The digest as people read it, in three formats.

use super::team::{at, board, request};
use crate::support::fixed_board::FixedBoard;
use crate::support::golden::{block_kit, holds};
use crate::support::strict_fill::StrictFill;
use rota::digest::{AgentWork, DIGEST_TEMPLATE, DigestRequest, LinkBase, collect, render};
use rota::domain::Body;

async fn body(board: &FixedBoard, request: &DigestRequest) -> Body {
    let digest = collect(board, request).await.unwrap();
    render(&digest, &StrictFill::shipped(), DIGEST_TEMPLATE).unwrap()
}

#[tokio::test]
async fn a_monday_reads_well_in_every_format() {
    let body = body(&board(), &request()).await;
    holds("digest_text", &body.text);
    holds("digest_markdown", &body.markdown);
    holds("digest_slack", &block_kit(&body.slack));
}

#[tokio::test]
async fn without_a_link_base_lines_carry_references() {
    let request = DigestRequest { links: LinkBase::none(), ..request() };
    let body = body(&board(), &request).await;
    assert!(
        body.text.contains(
            "- Renew the certificate | Website · Ana · was due Sun 22 Nov 10:00 | task 1\n"
        ),
        "{}",
        body.text
    );
    assert!(body.markdown.contains("- task 1 Renew"), "{}", body.markdown);
    assert!(!body.slack[0].contains("http"), "{}", body.slack[0]);
}

#[tokio::test]
async fn nothing_to_report_is_one_quiet_line() {
    let request = DigestRequest {
        now: at("2026-06-01T06:00:00Z"),
        since: Some(at("2026-05-31T06:00:00Z")),
        agents: AgentWork::default(),
        ..request()
    };
    let body = body(&board(), &request).await;
    assert_eq!(body.text, "Nothing to report for Monday 1 June 2026.");
    assert_eq!(body.markdown, body.text);
    holds("digest_quiet_slack", &block_kit(&body.slack));
}

#[tokio::test]
async fn the_counts_in_the_header_are_those_of_the_lines() {
    let text = body(&board(), &request()).await.text;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[1],
        "2 newly overdue, 2 due today, 2 status updates, 2 milestones ahead, 2 claimed, \
         1 handed over, 1 waiting for review, 1 failed run, 1 playbook at work"
    );
    let mut sections = 0;
    for (place, line) in lines.iter().enumerate().skip(2) {
        let Some((_, count)) = line.strip_suffix(')').and_then(|head| head.rsplit_once('(')) else {
            continue;
        };
        if line.starts_with("- ") {
            continue;
        }
        let below = lines[place + 1..].iter().take_while(|line| line.starts_with("- ")).count();
        assert_eq!(count.parse(), Ok(below), "{line}");
        sections += 1;
    }
    assert_eq!(sections, 9);
}
