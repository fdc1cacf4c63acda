//! What a digest finds, to the instant, and how it refuses to find half of it.

use super::team::{ARCHIVE, WEBSITE, at, board, project, request, task};
use crate::support::fixed_board::FixedBoard;
use crate::support::strict_fill::StrictFill;
use rota::digest::{
    CollectError, DIGEST_TEMPLATE, Digest, DigestRequest, LINES_MAX, SectionKind, collect, render,
};
use rota::domain::ProjectId;

fn references(digest: &Digest, kind: SectionKind) -> Vec<&str> {
    let section = digest.sections.iter().find(|section| section.kind == kind).unwrap();
    section.lines.iter().map(|line| line.evidence.reference.as_str()).collect()
}

#[tokio::test]
async fn days_begin_and_end_at_the_teams_midnight() {
    let digest = collect(&board(), &request()).await.unwrap();
    assert_eq!(references(&digest, SectionKind::Overdue), ["task 2", "task 1"]);
    assert_eq!(references(&digest, SectionKind::DueToday), ["task 5", "task 6"]);
    assert_eq!(references(&digest, SectionKind::Milestones), ["milestone 1", "milestone 2"]);
}

#[tokio::test]
async fn updates_are_told_once_and_only_those_of_people() {
    let digest = collect(&board(), &request()).await.unwrap();
    assert_eq!(references(&digest, SectionKind::StatusUpdates), ["update 2", "update 5"]);
    let next =
        DigestRequest { since: Some(request().now), now: at("2026-11-24T07:00:00Z"), ..request() };
    let next = collect(&board(), &next).await.unwrap();
    assert_eq!(references(&next, SectionKind::StatusUpdates), ["update 6"]);
}

#[tokio::test]
async fn the_first_digest_looks_back_to_yesterday() {
    let first = DigestRequest { since: None, ..request() };
    let digest = collect(&board(), &first).await.unwrap();
    assert_eq!(references(&digest, SectionKind::StatusUpdates), ["update 5"]);
}

#[tokio::test]
async fn a_closed_project_is_told_about_only_when_named() {
    let named = DigestRequest { projects: vec![ARCHIVE], ..request() };
    let digest = collect(&board(), &named).await.unwrap();
    assert_eq!(references(&digest, SectionKind::DueToday), ["task 8"]);
    assert!(references(&digest, SectionKind::Overdue).is_empty());
}

#[tokio::test]
async fn a_window_is_a_playbook_and_a_civil_date() {
    let digest = collect(&board(), &request()).await.unwrap();
    assert_eq!(digest.window, "digest:daily-digest:2026-11-23");
    let late = DigestRequest { now: at("2026-11-22T23:30:00Z"), ..request() };
    assert_eq!(collect(&board(), &late).await.unwrap().window, digest.window);
}

#[tokio::test]
async fn days_without_24_hours_neither_lose_nor_repeat_a_task() {
    // Berlin: 29 March 2026 has 23 hours, 25 October 25.
    for (begin, digests) in [("2026-03-27T07:00:00Z", 5), ("2026-10-23T07:00:00Z", 5)] {
        let begin = at(begin);
        let tasks = (0..72).map(|hour| {
            let due = begin + chrono::TimeDelta::hours(hour);
            task(hour + 1, WEBSITE, "hourly", &due.to_rfc3339(), 3)
        });
        let board = FixedBoard {
            projects: vec![project(WEBSITE, "Website", false)],
            tasks: tasks.collect(),
            page: 7,
            ..FixedBoard::default()
        };
        let mut seen = Vec::new();
        for day in 0..digests {
            let now = begin + chrono::TimeDelta::days(day);
            let digest = collect(&board, &DigestRequest { now, ..request() }).await.unwrap();
            seen.extend(references(&digest, SectionKind::Overdue).into_iter().map(str::to_owned));
        }
        let all: Vec<_> = (1..=72).map(|id| format!("task {id}")).collect();
        assert_eq!(seen, all);
    }
}

#[tokio::test]
async fn of_a_section_that_nobody_would_read_the_first_are_told_and_the_others_counted() {
    let mut board = board();
    board.page = 0;
    board.tasks = (1..=10_000)
        .map(|id| task(id, WEBSITE, "one of many", "2026-11-23T09:00:00Z", 3))
        .collect();
    let digest = collect(&board, &request()).await.unwrap();
    let due = digest.sections.iter().find(|own| own.kind == SectionKind::DueToday).unwrap();
    assert!(due.lines.len() > 500 && due.lines.len() <= LINES_MAX, "{}", due.lines.len());
    assert_eq!(due.count(), 10_000);
    assert_eq!(due.lines[0].evidence.reference, "task 1", "the soonest");
    let body = render(&digest, &StrictFill::shipped(), DIGEST_TEMPLATE).unwrap();
    assert!(body.text.contains(", 10000 due today, "), "{}", &body.text[..300]);
    let rest = format!("- … and {} more\n", due.rest);
    for text in [&body.text, &body.markdown] {
        assert_eq!(text.matches(&rest).count(), 1, "{rest}");
    }
    assert_eq!(body.slack.concat().matches(&format!("• … and {} more", due.rest)).count(), 1);
}

#[tokio::test]
async fn a_board_full_of_long_headlines_makes_a_digest_too() {
    let mut board = board();
    board.page = 0;
    let days = ["2026-11-22T09:00:00Z", "2026-11-23T09:00:00Z"];
    let headline = "&*<@".repeat(2_500);
    board.tasks = (1..=2_000_i64)
        .map(|id| task(id, WEBSITE, &headline, days[usize::from(id % 2 == 0)], 3))
        .collect();
    let digest = collect(&board, &request()).await.unwrap();
    let body = render(&digest, &StrictFill::shipped(), DIGEST_TEMPLATE).unwrap();
    assert!(body.text.contains("1000 newly overdue, 1000 due today, "), "{}", &body.text[..300]);
    assert!(body.slack.len() > 1);
}

#[tokio::test]
async fn pages_that_do_not_end_are_an_error() {
    let board = FixedBoard { is_stuck: true, ..board() };
    let error = collect(&board, &request()).await.unwrap_err();
    assert!(matches!(error, CollectError::StuckPage(SectionKind::Overdue)), "{error}");
    let board = FixedBoard { tasks: Vec::new(), ..board };
    assert!(collect(&board, &request()).await.is_err());
}

#[tokio::test]
async fn an_unknown_project_is_named() {
    let request = DigestRequest { projects: vec![WEBSITE, ProjectId(77)], ..request() };
    let error = collect(&board(), &request).await.unwrap_err();
    assert_eq!(error.to_string(), "project 77 is not on the board");
}
