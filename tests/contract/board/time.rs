//! Time that was spent: one entry for a person, task, day and kind of work; weeks and sums.

use super::{World, conflict, contract, day, malformed, not_found};
use chrono::NaiveDate;
use rota::domain::{
    Entity, NewTask, PersonId, Stamp, TaskId, TimeAmount, TimeChange, TimeEntry, TimeEntryId,
    TimeGroup, TimeKey, TimeKind, TimeQuery, TimeSum,
};
use std::collections::BTreeMap;

contract! {
    time_is_added_to_one_entry_and_set
    what_comes_to_nothing_is_removed
    taking_back_what_was_added_comes_back_to_the_start
    a_day_has_at_most_twenty_four_hours_for_a_person
    what_makes_no_time_is_malformed
    time_is_recorded_and_counts_as_a_change_of_the_task
    entries_are_found_by_person_project_task_kind_and_span
    entries_come_in_pages_by_day
    a_week_has_seven_days_and_a_row_for_each_task_and_kind
    sums_are_those_of_the_entries
    a_task_with_time_does_not_go
}

fn change(person: PersonId, task: TaskId, on: NaiveDate, amount: TimeAmount) -> TimeChange {
    let kind = TimeKind::Development;
    TimeChange { task, person, day: on, kind, amount, description: None }
}

fn add(w: &World, task: TaskId, seconds: i64) -> TimeChange {
    change(w.ann, task, day(0), TimeAmount::Add(seconds))
}

fn set(w: &World, task: TaskId, seconds: u32) -> TimeChange {
    change(w.ann, task, day(0), TimeAmount::Set(seconds))
}

fn said(mut change: TimeChange, text: &str) -> TimeChange {
    change.description = Some(text.into());
    change
}

async fn log(w: &World, change: TimeChange) -> TimeEntry {
    w.board.log_time(&w.by(), change).await.unwrap().after
}

async fn entries(w: &World, query: TimeQuery) -> Vec<TimeEntry> {
    w.board.time_entries(&query).await.unwrap().items
}

async fn time_is_added_to_one_entry_and_set(w: World) {
    let task = w.add_below(NewTask::new(w.beta, "x")).await.id;
    let first = w.low().log_time(&w.by(), said(add(&w, task, 36), "One")).await.unwrap().after;
    assert_eq!((first.seconds, first.description.as_str()), (36, "One"));
    assert_eq!((first.task, first.project, first.person, first.day), (task, w.beta, w.ann, day(0)));
    w.pass();
    let second = log(&w, said(add(&w, task, 3_600), "Two")).await;
    assert_eq!((second.id, second.seconds), (first.id, 3_636));
    assert_eq!(second.description, "One\nTwo");
    assert_eq!((second.created, second.modified > first.modified), (first.created, true));
    assert_eq!(log(&w, add(&w, task, 1)).await.description, "One\nTwo");
    assert_eq!(w.board.time_entry(first.id).await.unwrap().seconds, 3_637);
    let fixed = log(&w, said(set(&w, task, 7), "All")).await;
    assert_eq!((fixed.seconds, fixed.description.as_str()), (7, "All"));
    let same = w.board.log_time(&w.by(), set(&w, task, 7)).await.unwrap();
    assert_eq!((same.changed, &same.after), (false, &fixed));
    let testing = TimeChange { kind: TimeKind::Testing, ..add(&w, task, 5) };
    let bobs = change(w.bob, task, day(0), TimeAmount::Add(5));
    let later = change(w.ann, task, day(1), TimeAmount::Add(5));
    for other in [testing, bobs, later] {
        assert_ne!(log(&w, other).await.id, first.id);
    }
    assert_eq!(entries(&w, TimeQuery::default()).await.len(), 4);
    for kind in TimeKind::ALL {
        let other = TimeChange { kind: *kind, ..change(w.bob, task, day(5), TimeAmount::Add(1)) };
        let added = log(&w, other).await;
        assert_eq!((added.kind, w.board.time_entry(added.id).await.unwrap()), (*kind, added));
    }
}

async fn what_comes_to_nothing_is_removed(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "x")).await.id;
    let first = w.low().log_time(&w.by(), add(&w, task, 60)).await.unwrap().after;
    let gone = w.board.log_time(&w.by(), set(&w, task, 0)).await.unwrap();
    assert_eq!((gone.changed, gone.after.id, gone.after.seconds), (true, first.id, 0));
    not_found(w.board.time_entry(first.id).await);
    assert!(entries(&w, TimeQuery::default()).await.is_empty());
    not_found(w.board.log_time(&w.by(), set(&w, task, 0)).await);
    malformed(w.board.log_time(&w.by(), add(&w, task, -1)).await);
    let again = log(&w, add(&w, task, 60)).await;
    assert!(again.id > first.id);
    malformed(w.board.log_time(&w.by(), add(&w, task, -61)).await);
    assert_eq!(log(&w, add(&w, task, -60)).await.seconds, 0);
    not_found(w.board.time_entry(again.id).await);
}

async fn taking_back_what_was_added_comes_back_to_the_start(w: World) {
    let task = w.task("x").await.id;
    log(&w, add(&w, task, 100)).await;
    log(&w, add(&w, task, 50)).await;
    // Somebody else adds meanwhile; taking back takes nothing of theirs.
    log(&w, add(&w, task, 7)).await;
    assert_eq!(log(&w, add(&w, task, -50)).await.seconds, 107);
}

async fn a_day_has_at_most_twenty_four_hours_for_a_person(w: World) {
    let (one, two) = (w.add_below(NewTask::new(w.alpha, "1")).await.id, w.task("2").await.id);
    w.low().log_time(&w.by(), add(&w, one, 80_000)).await.unwrap();
    malformed(w.board.log_time(&w.by(), add(&w, two, 6_401)).await);
    malformed(w.board.log_time(&w.by(), set(&w, two, 6_401)).await);
    log(&w, add(&w, two, 6_400)).await;
    malformed(w.board.log_time(&w.by(), add(&w, one, 1)).await);
    log(&w, set(&w, one, 1)).await;
    log(&w, change(w.bob, one, day(0), TimeAmount::Set(86_400))).await;
    malformed(w.board.log_time(&w.by(), change(w.bob, two, day(1), TimeAmount::Set(86_401))).await);
    malformed(w.board.log_time(&w.by(), change(w.bob, two, day(1), TimeAmount::Add(86_401))).await);
    log(&w, change(w.bob, two, day(1), TimeAmount::Add(86_400))).await;
}

async fn what_makes_no_time_is_malformed(w: World) {
    let task = w.task("x").await.id;
    malformed(w.board.log_time(&w.by(), add(&w, task, 0)).await);
    malformed(w.board.log_time(&w.by(), said(add(&w, task, 1), &"x".repeat(65_536))).await);
    let someone = change(PersonId(99), task, day(0), TimeAmount::Add(1));
    malformed(w.board.log_time(&w.by(), someone).await);
    malformed(w.board.log_time(&Stamp::by(PersonId(99)), add(&w, task, 1)).await);
    for on in [NaiveDate::MIN, NaiveDate::from_ymd_opt(1969, 12, 31).unwrap(), NaiveDate::MAX] {
        malformed(w.board.log_time(&w.by(), change(w.ann, task, on, TimeAmount::Add(1))).await);
    }
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.log_time(&stamp, add(&w, task, 1)).await);
    not_found(w.board.log_time(&w.by(), add(&w, TaskId(99), 1)).await);
    not_found(w.board.time_entry(TimeEntryId(99)).await);
    log(&w, said(add(&w, task, 1), &"x".repeat(65_535))).await;
    malformed(w.board.log_time(&w.by(), said(add(&w, task, 1), "y")).await);
    assert_eq!(entries(&w, TimeQuery::default()).await[0].seconds, 1);
}

async fn time_is_recorded_and_counts_as_a_change_of_the_task(w: World) {
    let task = w.task("x").await;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let added = log(&w, add(&w, task.id, 5_400)).await;
    let now = w.board.task(task.id).await.unwrap();
    assert_eq!((now.revision, now.modified > task.modified), (1, true));
    log(&w, said(add(&w, task.id, 60), "Said")).await;
    log(&w, set(&w, task.id, 5_460)).await;
    log(&w, set(&w, task.id, 0)).await;
    let rows = w.rows_after(latest).await;
    let told: Vec<_> = rows
        .iter()
        .map(|r| (r.field.as_str(), r.before.to_string(), r.after.to_string()))
        .collect();
    let text = |words: [&str; 3]| (words[0].to_owned(), words[1].to_owned(), words[2].to_owned());
    let expected = [
        ["created", "–", "1h30m"],
        ["seconds", "5400", "5460"],
        ["description", "", "Said"],
        ["deleted", "1h31m", "–"],
    ];
    let told: Vec<_> = told.into_iter().map(|(a, b, c)| (a.to_owned(), b, c)).collect();
    assert_eq!(told, expected.map(text));
    for row in &rows {
        assert_eq!((row.entity, row.task), (Entity::TimeEntry(added.id), Some(task.id)));
        assert_eq!((row.project, row.actor), (Some(w.alpha), Some(w.ann)));
    }
}

async fn entries_are_found_by_person_project_task_kind_and_span(w: World) {
    let one = w.add_below(NewTask::new(w.alpha, "1")).await.id;
    let two = w.add_below(NewTask::new(w.beta, "2")).await.id;
    let low = async |change| w.low().log_time(&w.by(), change).await.unwrap().after.id;
    let first = low(change(w.ann, one, day(0), TimeAmount::Add(1))).await;
    let early = low(change(w.bob, two, day(-1), TimeAmount::Add(1))).await;
    let testing = |new: TimeChange| TimeChange { kind: TimeKind::Testing, ..new };
    let late = log(&w, testing(change(w.ann, two, day(2), TimeAmount::Add(1)))).await.id;
    let next = log(&w, change(w.bob, one, day(1), TimeAmount::Add(1))).await.id;
    let find = async |query: TimeQuery| -> Vec<TimeEntryId> {
        entries(&w, query).await.iter().map(|entry| entry.id).collect()
    };
    let all = TimeQuery::default;
    assert_eq!(find(all()).await, [early, first, next, late], "by day");
    assert_eq!(find(TimeQuery { people: vec![w.ann], ..all() }).await, [first, late]);
    assert_eq!(
        find(TimeQuery { people: vec![w.ann, w.bob], ..all() }).await,
        [early, first, next, late]
    );
    assert_eq!(find(TimeQuery { projects: vec![w.beta], ..all() }).await, [early, late]);
    assert_eq!(find(TimeQuery { tasks: vec![one], ..all() }).await, [first, next]);
    assert_eq!(
        find(TimeQuery { tasks: vec![one, two], ..all() }).await,
        [early, first, next, late]
    );
    assert_eq!(find(TimeQuery { kinds: vec![TimeKind::Testing], ..all() }).await, [late]);
    let span = TimeQuery { from: Some(day(0)), to: Some(day(2)), ..all() };
    assert_eq!(find(span.clone()).await, [first, next]);
    assert_eq!(find(TimeQuery { people: vec![w.bob], ..span }).await, [next]);
    malformed(w.board.time_entries(&TimeQuery { tasks: vec![one; 501], ..all() }).await);
    malformed(
        w.board.time_sums(&TimeQuery { tasks: vec![one; 501], ..all() }, TimeGroup::Day).await,
    );
}

async fn entries_come_in_pages_by_day(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "1")).await.id;
    let mut expected = Vec::new();
    for number in 0..11_i64 {
        let to = if number % 3 == 0 { &w.board } else { w.low() };
        let who = if number % 2 == 0 { w.ann } else { w.bob };
        let on = day((number * 7) % 5);
        let new = change(who, task, on, TimeAmount::Add(1));
        let kind = TimeKind::ALL[usize::try_from(number % 6).unwrap()];
        let written = to.log_time(&w.by(), TimeChange { kind, ..new }).await.unwrap().after;
        expected.push((on, written.id));
    }
    expected.sort_unstable();
    let mut query = TimeQuery { limit: 2, ..TimeQuery::default() };
    let mut met = Vec::new();
    loop {
        let page = w.board.time_entries(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        met.extend(page.items.iter().map(|entry| (entry.day, entry.id)));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
        w.pass();
        let last = w.board.time_entry(met[0].1).await.unwrap();
        let more = change(last.person, task, last.day, TimeAmount::Add(1));
        log(&w, TimeChange { kind: last.kind, ..more }).await;
    }
    assert_eq!(met, expected);
}

async fn a_week_has_seven_days_and_a_row_for_each_task_and_kind(w: World) {
    let one = w.add_below(NewTask::new(w.alpha, "1")).await.id;
    let two = w.task("2").await.id;
    let other = w.add(NewTask::new(w.beta, "3")).await.unwrap().id;
    w.low().log_time(&w.by(), change(w.ann, one, day(0), TimeAmount::Add(3_600))).await.unwrap();
    for (who, task, on, seconds) in [
        (w.ann, two, 6, 60),
        (w.ann, one, 3, 30),
        (w.ann, other, 3, 1),
        (w.ann, two, 7, 9),
        (w.ann, two, -1, 9),
        (w.bob, two, 2, 9),
    ] {
        log(&w, change(who, task, day(on), TimeAmount::Add(seconds))).await;
    }
    let week = w.board.week(w.ann, day(0), &[]).await.unwrap();
    assert_eq!((week.days, week.total()), ([3_600, 0, 0, 31, 0, 0, 60], 3_691));
    let rows: Vec<_> = week.rows.iter().map(|row| (row.task, row.seconds[3])).collect();
    let mut expected = vec![(one, 30), (two, 0), (other, 1)];
    expected.sort_unstable();
    assert_eq!(rows, expected);
    let alpha = w.board.week(w.ann, day(0), &[w.alpha]).await.unwrap();
    assert_eq!((alpha.rows.len(), alpha.total()), (2, 3_690));
    assert_eq!(w.board.week(w.bob, day(7), &[]).await.unwrap().total(), 0);
}

async fn sums_are_those_of_the_entries(w: World) {
    let one = w.add_below(NewTask::new(w.alpha, "1")).await.id;
    let two = w.add_below(NewTask::new(w.beta, "2")).await.id;
    for number in 0..24_i64 {
        let to = if number < 15 { w.low() } else { &w.board };
        let who = if number % 2 == 0 { w.ann } else { w.bob };
        let task = if number % 3 == 0 { one } else { two };
        let kind = TimeKind::ALL[usize::try_from(number % 6).unwrap()];
        let new = change(who, task, day(number / 2 - 6), TimeAmount::Add(number + 1));
        to.log_time(&w.by(), TimeChange { kind, ..new }).await.unwrap();
    }
    // Hidden, changed and removed here.
    let all = entries(&w, TimeQuery { limit: 1_000, ..TimeQuery::default() }).await;
    for (entry, amount) in [(&all[0], TimeAmount::Set(0)), (&all[3], TimeAmount::Add(1_000))] {
        let new = change(entry.person, entry.task, entry.day, amount);
        log(&w, TimeChange { kind: entry.kind, ..new }).await;
    }
    let all = entries(&w, TimeQuery { limit: 1_000, ..TimeQuery::default() }).await;
    let questions = [
        TimeQuery::default(),
        TimeQuery { people: vec![w.bob], ..TimeQuery::default() },
        TimeQuery { projects: vec![w.beta], from: Some(day(-2)), ..TimeQuery::default() },
        TimeQuery { tasks: vec![one], to: Some(day(1)), limit: 1, ..TimeQuery::default() },
        TimeQuery {
            people: vec![w.ann, w.bob],
            projects: vec![w.alpha, w.beta],
            ..TimeQuery::default()
        },
        TimeQuery { kinds: vec![TimeKind::Testing], ..TimeQuery::default() },
        TimeQuery { people: vec![PersonId(99)], ..TimeQuery::default() },
    ];
    for query in questions {
        for by in TimeGroup::ALL {
            let mut sums: BTreeMap<TimeKey, TimeSum> = BTreeMap::new();
            for entry in entries(&w, TimeQuery { limit: 1_000, ..query.clone() }).await {
                assert!(all.contains(&entry));
                let key = TimeKey::of(&entry, *by);
                let zero = TimeSum { key, seconds: 0, billable: 0, entries: 0 };
                let sum = sums.entry(key).or_insert(zero);
                sum.seconds += u64::from(entry.seconds);
                sum.billable += if entry.kind.is_billable() { u64::from(entry.seconds) } else { 0 };
                sum.entries += 1;
            }
            let expected: Vec<TimeSum> = sums.into_values().collect();
            let found = w.board.time_sums(&query, *by).await.unwrap();
            assert_eq!(found, expected, "{query:?} by {by}");
        }
    }
}

async fn a_task_with_time_does_not_go(w: World) {
    let task = w.add_below(NewTask::new(w.alpha, "x")).await.id;
    w.low().log_time(&w.by(), add(&w, task, 1)).await.unwrap();
    conflict(w.board.delete_task(&w.by(), task).await);
    log(&w, set(&w, task, 0)).await;
    w.board.delete_task(&w.by(), task).await.unwrap();
}
