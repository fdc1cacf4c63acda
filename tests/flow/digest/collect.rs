//! What a digest finds, to the instant, and how it refuses to find half of it.

use super::team::{ARCHIVE, WEBSITE, at, board, project, request, task};
use crate::support::fixed_board::FixedBoard;
use rota::digest::{CollectError, Digest, DigestRequest, LINES_MAX, SectionKind, collect};
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
async fn a_section_that_nobody_would_read_fails_loudly() {
    let mut board = board();
    board.page = 0;
    board.tasks = (1..=i64::try_from(LINES_MAX).unwrap())
        .map(|id| task(id, WEBSITE, "one of many", "2026-11-23T09:00:00Z", 3))
        .collect();
    let digest = collect(&board, &request()).await.unwrap();
    assert_eq!(references(&digest, SectionKind::DueToday).len(), LINES_MAX);
    board.tasks.push(task(99_999, WEBSITE, "too many", "2026-11-23T09:00:00Z", 3));
    let error = collect(&board, &request()).await.unwrap_err();
    assert!(matches!(error, CollectError::TooMany(SectionKind::DueToday)), "{error}");
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
