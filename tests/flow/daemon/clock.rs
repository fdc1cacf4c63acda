//! The clock: every planned instant is accounted for, none is lost and none comes twice.

use super::playbooks::{QUICK, WORKER as WORKER_PLAYBOOK};
use crate::support::daemon::{ADA, Life, Team, instant};
use rota::clock::Clock as _;
use rota::domain::*;
use rota::tools::desk::{Desk as _, NextRequest};
use std::time::Duration;

/// Comments on nothing: a run that is over at once and asks nobody.
fn ticker(on: &str) -> String {
    format!(
        r#"
agent = "AI-Docs"
[on]
{on}
[gather.people]
tool = "findTasks"
args = {{ projectIds = "{{{{all_project_ids}}}}" }}
[[step]]
tool = "findTasks"
args = {{ projectIds = "{{{{all_project_ids}}}}" }}
"#
    )
}

async fn team_at(now: &str, on: &str) -> Team {
    let team = Team::at(now).await;
    team.playbook("ticker", &ticker(on));
    team
}

/// What the desk says will come, within a span: planned instants.
async fn forecast(life: &Life, from: &str, to: &str) -> Vec<String> {
    let request = NextRequest {
        playbook: Some(PlaybookName::new("ticker")),
        count: None,
        from: Some(instant(from)),
        to: Some(instant(to)),
        at: None,
    };
    let answer = life.daemon.next(request).await.unwrap();
    let items = answer.get("items").unwrap().as_list().unwrap().to_vec();
    let planned = items.iter().map(|item| item.get("planned").unwrap().as_text().unwrap());
    planned.map(str::to_owned).collect()
}

fn planned(occurrences: &[Occurrence]) -> Vec<String> {
    let text = |o: &Occurrence| o.planned.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    occurrences.iter().map(text).collect()
}

fn ran(occurrence: &Occurrence) -> bool {
    matches!(occurrence.state, OccurrenceState::Ran { .. })
}

fn skipped(occurrence: &Occurrence) -> Option<Reason> {
    match occurrence.state {
        OccurrenceState::Skipped { reason } => Some(reason),
        _ => None,
    }
}

/// Time passes in small steps, and the daemon looks at each.
async fn live_until(team: &Team, life: &Life, end: &str, step: Duration) {
    while team.clock.wall() < instant(end) {
        let left = (instant(end) - team.clock.wall()).to_std().unwrap();
        team.clock.advance(step.min(left));
        life.work().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_ran_is_what_was_forecast_over_days_in_which_the_clocks_are_set() {
    // Berlin: 02:00 → 03:00 on 29 March 2026, 03:00 → 02:00 on 25 October.
    for (from, to, on) in [
        ("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z", "cron = \"30 2 * * *\""),
        ("2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z", "cron = \"30 2 * * *\"\ngap = \"skip\""),
        ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z", "cron = \"30 2 * * *\""),
        ("2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z", "cron = \"30 2 * * *\"\nfold = \"both\""),
        ("2026-10-24T22:00:00Z", "2026-10-25T06:00:00Z", "cron = \"*/20 * * * *\""),
    ] {
        let team = team_at(from, on).await;
        let life = team.start().await;
        life.work().await;
        let coming = forecast(&life, from, to).await;
        let step = if on.contains("*/20") { 10 } else { 30 };
        live_until(&team, &life, to, Duration::from_mins(step)).await;
        let occurrences = life.occurrences("ticker").await;
        assert_eq!(planned(&occurrences), coming, "{on} {from}");
        assert!(occurrences.iter().all(ran), "{on}: {occurrences:#?}");
        assert!(occurrences.iter().all(|o| o.decided == o.planned), "{on}: {occurrences:#?}");
        let days = match on {
            _ if on.contains("*/20") => 24,
            _ if on.contains("skip") => 3,
            _ if on.contains("both") => 5,
            _ => 4,
        };
        assert_eq!(coming.len(), days, "{on} {from}: {coming:#?}");
        life.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_comes_again_at_the_same_instant_starts_nothing_twice() {
    let team = team_at("2026-11-03T09:00:30Z", "cron = \"* * * * *\"").await;
    let life = team.start().await;
    life.work().await;
    team.clock.advance_to("2026-11-03T09:01:00Z");
    for _ in 0..5 {
        life.work().await;
    }
    let occurrences = life.occurrences("ticker").await;
    assert_eq!(planned(&occurrences), ["2026-11-03T09:01:00Z"]);
    assert!(ran(&occurrences[0]));
    life.stop().await;
}

/// Off from 09:00 to 12:10 with instants at every full hour; each as (instant, what became of it).
async fn after_downtime(on: &str) -> Vec<(String, Option<Reason>, u64)> {
    let team = team_at("2026-11-03T08:30:00Z", &format!("cron = \"0 * * * *\"\n{on}")).await;
    let life = team.start().await;
    life.work().await;
    live_until(&team, &life, "2026-11-03T09:00:00Z", Duration::from_mins(30)).await;
    life.stop().await;
    team.clock.advance_to("2026-11-03T12:10:00Z");
    let life = team.start().await;
    life.work().await;
    live_until(&team, &life, "2026-11-03T13:00:00Z", Duration::from_mins(10)).await;
    let occurrences = life.occurrences("ticker").await;
    let count = |o: &Occurrence| o.covers.map_or(1, |covers| covers.count);
    let told = occurrences.iter().zip(planned(&occurrences));
    let told = told.map(|(o, at)| (at[11..16].to_owned(), skipped(o), count(o))).collect();
    life.stop().await;
    told
}

#[tokio::test(start_paused = true)]
async fn after_downtime_each_way_to_catch_up_accounts_for_every_instant() {
    use Reason::{CatchUpMax, CatchUpNone, Superseded, TooLate};
    for (on, expected) in [
        ("catch_up = \"none\"", vec![("10:00", Some(CatchUpNone), 3)]),
        ("catch_up = \"latest\"", vec![("10:00", Some(Superseded), 2), ("12:00", None, 1)]),
        ("catch_up = \"all\"", vec![("10:00", None, 1), ("11:00", None, 1), ("12:00", None, 1)]),
        (
            "catch_up = \"all\"\ncatch_up_max = 2",
            vec![("10:00", Some(CatchUpMax), 1), ("11:00", None, 1), ("12:00", None, 1)],
        ),
        (
            "catch_up = \"all\"\nlate = \"90m\"",
            vec![("10:00", Some(TooLate), 1), ("11:00", None, 1), ("12:00", None, 1)],
        ),
        ("catch_up = \"latest\"\nlate = \"5m\"", vec![("10:00", Some(TooLate), 3)]),
    ] {
        let told = after_downtime(on).await;
        let covered: u64 = told.iter().map(|(_, _, count)| count).sum();
        assert_eq!(covered, 5, "09:00 to 13:00 are five instants; {on}: {told:#?}");
        let (first, last) = (&told[0], told.last().unwrap());
        assert_eq!((first.0.as_str(), first.1), ("09:00", None), "{on}");
        assert_eq!((last.0.as_str(), last.1), ("13:00", None), "{on}");
        let missed: Vec<_> = told[1..told.len() - 1]
            .iter()
            .map(|(at, reason, count)| (at.as_str(), *reason, *count))
            .collect();
        let by_one: u64 = missed.iter().map(|(_, _, count)| count).sum();
        assert_eq!(by_one, 3, "{on}");
        assert_eq!(merged(&missed), expected, "{on}");
    }
}

/// Skips in a row for one reason count as one, however the ledger splits them.
fn merged<'a>(told: &[(&'a str, Option<Reason>, u64)]) -> Vec<(&'a str, Option<Reason>, u64)> {
    let mut merged: Vec<(&str, Option<Reason>, u64)> = Vec::new();
    for (at, reason, count) in told.iter().copied() {
        match merged.last_mut() {
            Some(last) if reason.is_some() && last.1 == reason => last.2 += count,
            _ => merged.push((at, reason, count)),
        }
    }
    merged
}

/// One run stands at its model while three more instants come.
async fn overlapping(overlap: &str) -> (Team, Life, Vec<Occurrence>) {
    let mut team = Team::at("2026-11-03T09:00:00Z").await;
    let on = format!("[on]\nevery = \"10s\"\noverlap = \"{overlap}\"\n[select]");
    let text = WORKER_PLAYBOOK.replace("[select]", &on).replace("limit = 50", "limit = 1");
    team.playbook("ai-worker", &text);
    team.model("worker", &[QUICK]);
    for headline in ["One", "Two", "Three", "Four"] {
        team.task(headline).await;
    }
    let life = team.start().await;
    let mut gate = team.gates.stop("model");
    life.daemon.tick().await;
    let mut ticks = 0;
    while life.ledger.running().await.unwrap().is_empty() {
        team.clock.advance(Duration::from_secs(1));
        life.daemon.tick().await;
        tokio::task::yield_now().await;
        ticks += 1;
        assert!(ticks < 30, "nothing ever began");
    }
    gate.reached().await;
    for _ in 0..3 {
        team.clock.advance(Duration::from_secs(10));
        life.daemon.tick().await;
    }
    gate.open();
    life.daemon.idle().await;
    let occurrences = life.occurrences("ai-worker").await;
    (team, life, occurrences)
}

#[tokio::test(start_paused = true)]
async fn an_instant_that_comes_while_the_one_before_still_runs_is_skipped() {
    let (_team, life, occurrences) = overlapping("skip").await;
    let told: Vec<_> = occurrences.iter().map(|o| (ran(o), skipped(o))).collect();
    let overlap = (false, Some(Reason::Overlap));
    assert_eq!(told, [(true, None), overlap, overlap, overlap]);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_instant_waits_for_the_one_before_and_further_ones_are_skipped() {
    let (_team, life, occurrences) = overlapping("queue").await;
    let told: Vec<_> = occurrences.iter().map(|o| (ran(o), skipped(o))).collect();
    assert_eq!(told.iter().filter(|told| told.0).count(), 2, "{occurrences:#?}");
    let overlaps = told.iter().filter(|told| told.1 == Some(Reason::Overlap)).count();
    assert_eq!((overlaps, told.len()), (2, 4), "{occurrences:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_instant_replaces_the_one_that_still_runs() {
    let (team, life, occurrences) = overlapping("replace").await;
    assert_eq!(occurrences.len(), 4, "{occurrences:#?}");
    assert!(ran(occurrences.last().unwrap()), "{occurrences:#?}");
    let cancelled = life.runs(TaskId(1)).await.pop().unwrap();
    assert_eq!((cancelled.state, cancelled.reason), (RunState::Cancelled, Some(Reason::Replaced)));
    let comments = team.comments(TaskId(1)).await;
    assert!(comments.iter().any(|(_, text)| text.contains("hands this task back")), "{comments:?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn outside_its_hours_nothing_starts() {
    let on = "every = \"1h\"\nhours = { days = \"MON-FRI\", from = \"08:00\", to = \"10:00\" }";
    let team = team_at("2026-11-02T22:00:00Z", on).await;
    let life = team.start().await;
    life.work().await;
    live_until(&team, &life, "2026-11-03T22:00:00Z", Duration::from_mins(15)).await;
    let occurrences = life.occurrences("ticker").await;
    let started: Vec<_> =
        occurrences.iter().filter(|o| ran(o)).map(|o| o.planned.format("%H").to_string()).collect();
    assert!(started.iter().all(|hour| ["07", "08", "09"].contains(&hour.as_str())), "{started:?}");
    assert!((2..=3).contains(&started.len()), "{started:?}");
    let outside = occurrences.iter().filter(|o| skipped(o) == Some(Reason::OutsideHours));
    let covered: u64 = outside.map(|o| o.covers.map_or(1, |covers| covers.count)).sum();
    assert_eq!(covered + u64::try_from(started.len()).unwrap(), 24, "{occurrences:#?}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_playbook_that_has_used_its_runs_of_the_day_waits_for_the_next() {
    let text = format!("{}\n[limits]\nruns_per_day = 3\n", ticker("cron = \"0 * * * *\""));
    let team = Team::at("2026-11-03T08:30:00Z").await;
    team.playbook("ticker", &text);
    let life = team.start().await;
    life.work().await;
    live_until(&team, &life, "2026-11-04T00:00:00Z", Duration::from_mins(30)).await;
    let occurrences = life.occurrences("ticker").await;
    let started: Vec<_> =
        occurrences.iter().filter(|o| ran(o)).map(|o| o.planned.format("%H").to_string()).collect();
    // Midnight in Berlin is 23:00 UTC.
    assert_eq!(started, ["09", "10", "11", "23", "00"]);
    let rest = occurrences.iter().filter(|o| !ran(o));
    assert!(rest.clone().all(|o| skipped(o) == Some(Reason::RunsPerDay)), "{occurrences:#?}");
    assert_eq!(occurrences.len(), 16);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_coming_at_an_instant_is_told_the_same_when_it_has_passed() {
    let team = team_at("2026-11-03T09:00:30Z", "cron = \"* * * * *\"").await;
    let life = team.start().await;
    let ada = team.person(ADA).await;
    let ask =
        async |args: serde_json::Value| life.call(&ada, "nextOccurrences", args).await.unwrap();
    let first = ask(serde_json::json!({ "to": "+5m" })).await;
    let at = first.get("at").unwrap().as_text().unwrap();
    assert_eq!(first.get("items").unwrap().as_list().unwrap().len(), 5);
    live_until(&team, &life, "2026-11-03T10:00:00Z", Duration::from_mins(10)).await;
    // What is relative is so to that instant, too.
    let again = ask(serde_json::json!({ "to": "+5m", "at": at })).await;
    assert_eq!(again, first);
    let now = ask(serde_json::json!({ "to": "+5m" })).await;
    let planned = now.get("items").unwrap().as_list().unwrap()[0].get("planned").unwrap();
    assert_eq!(planned.as_text(), Some("2026-11-03T10:01:00Z"));
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_very_many_coming_occurrences_the_earliest_are_told_and_how_to_go_on() {
    let team = Team::at("2026-11-03T09:00:00Z").await;
    for number in 0..12 {
        team.playbook(&format!("ticker-{number}"), &ticker("every = \"1m\""));
    }
    let life = team.start().await;
    let all = NextRequest { count: Some(1_000), ..NextRequest::default() };
    let answer = life.daemon.next(all.clone()).await.unwrap();
    let number = |name: &str| answer.get(name).and_then(Value::as_int);
    let items = answer.get("items").unwrap().as_list().unwrap();
    assert_eq!((items.len(), number("left_out")), (10_000, Some(2_000)));
    let last = items.last().unwrap().get("planned").unwrap().as_text().unwrap().to_owned();
    let hint = answer.get("hint").unwrap().as_text().unwrap().to_owned();
    let from = instant(hint.rsplit_once("--from ").unwrap().1);
    assert_eq!((instant(&last) - from).num_seconds(), 1, "{hint}");
    // Nothing is lost between one answer and the next.
    let rest = NextRequest { from: Some(from), ..all };
    let rest = life.daemon.next(rest).await.unwrap();
    let first = rest.get("items").unwrap().as_list().unwrap()[0].get("planned").unwrap();
    assert_eq!(first.as_text(), Some(last.as_str()));
    let few = NextRequest { count: Some(1), ..NextRequest::default() };
    let few = life.daemon.next(few).await.unwrap();
    assert!(few.get("hint").is_none());
    life.stop().await;
}
