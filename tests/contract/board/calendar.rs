//! Events, planned work, and both as a schedule.

use super::{World, conflict, contract, day, malformed, noon, not_found};
use chrono::TimeDelta;
use rota::domain::{
    CalendarEvent, During, EventEdit, EventId, EventQuery, NewEvent, NewTask, PersonId,
    ScheduleQuery, Scheduled, Span, Stamp, TaskEdit, When,
};

contract! {
    an_event_is_kept_whole
    an_event_changes_under_its_own_revision
    events_are_found_by_owner_and_span
    events_come_in_pages_by_id
    what_makes_no_event_is_malformed
    a_deleted_event_is_gone
    a_schedule_holds_events_and_planned_work_of_one_person
    a_schedule_follows_what_changes
    planned_work_does_not_end_before_it_begins
}

fn hours(from: i64, to: i64) -> When {
    let at = |hours| noon() + TimeDelta::hours(hours);
    When::Timed(Span { from: at(from), to: at(to) })
}

fn days(first: i64, last: i64) -> When {
    When::Days { first: day(first), last: day(last) }
}

fn new(owner: PersonId, title: &str, when: When) -> NewEvent {
    let (description, location) = (String::new(), String::new());
    NewEvent { owner, title: title.into(), description, location, when }
}

async fn event(w: &World, owner: PersonId, when: When) -> CalendarEvent {
    w.board.add_event(&w.by(), new(owner, "E", when)).await.unwrap().after
}

async fn found(w: &World, query: EventQuery) -> Vec<EventId> {
    w.board.events(&query).await.unwrap().items.iter().map(|event| event.id).collect()
}

async fn an_event_is_kept_whole(w: World) {
    let ms = TimeDelta::microseconds(1_999);
    let when = When::Timed(Span { from: noon() + ms, to: noon() + ms });
    let whole = {
        let at = noon() + TimeDelta::milliseconds(1);
        When::Timed(Span { from: at, to: at })
    };
    for (when, kept) in
        [(when, whole), (days(-400_000, 0), days(-400_000, 0)), (days(3, 3), days(3, 3))]
    {
        let (description, location) = ("Über\n☂".to_owned(), "Room 1".to_owned());
        let new = NewEvent { description, location, ..new(w.bob, "E", when) };
        let added = w.board.add_event(&w.by(), new.clone()).await.unwrap().after;
        assert_eq!((added.when, added.owner, added.revision), (kept, w.bob, 1));
        assert_eq!((&added.description, &added.location), (&new.description, &new.location));
        assert_eq!((added.created, added.modified), (noon(), noon()));
        assert_eq!(w.board.event(added.id).await.unwrap(), added);
    }
}

async fn an_event_changes_under_its_own_revision(w: World) {
    let first = w.low().add_event(&w.by(), new(w.ann, "E", hours(0, 1))).await.unwrap().after;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let at = |revision| Stamp { revision: Some(revision), ..w.by() };
    let edits = [
        EventEdit::Title("New".into()),
        EventEdit::Description("d".into()),
        EventEdit::Location("l".into()),
        EventEdit::When(days(0, 1)),
    ];
    let back: Vec<EventEdit> = edits.iter().map(|edit| edit.inverse(&first)).collect();
    let written = w.board.edit_event(&at(1), first.id, &edits).await.unwrap();
    assert_eq!((written.changed, written.after.revision), (true, 2));
    assert!(written.after.modified > first.modified);
    assert_eq!(w.board.event(first.id).await.unwrap(), written.after);
    let rows = w.rows_after(latest).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["title", "description", "location", "when"]);
    conflict(w.board.edit_event(&at(1), first.id, &edits).await);
    conflict(w.board.delete_event(&at(1), first.id).await);
    assert!(!w.board.edit_event(&at(2), first.id, &edits).await.unwrap().changed);
    let after = w.board.edit_event(&at(2), first.id, &back).await.unwrap().after;
    assert_eq!(after, CalendarEvent { revision: 3, modified: after.modified, ..first });
}

async fn events_are_found_by_owner_and_span(w: World) {
    let of = async |owner, when| w.low().add_event(&w.by(), new(owner, "E", when)).await.unwrap();
    let before = of(w.ann, hours(-2, 0)).await.after.id;
    let over = of(w.ann, hours(-1, 30)).await.after.id;
    let inside = event(&w, w.bob, hours(1, 2)).await.id;
    let moment = event(&w, w.ann, hours(0, 0)).await.id;
    let after = event(&w, w.ann, hours(24, 25)).await.id;
    let today = of(w.bob, days(0, 0)).await.after.id;
    let until = event(&w, w.ann, days(-3, 0)).await.id;
    let tomorrow = event(&w, w.ann, days(1, 1)).await.id;
    let span = Span { from: noon(), to: noon() + TimeDelta::hours(24) };
    let during = Some(During { span, first: day(0), last: day(0) });
    let all = EventQuery::default;
    let met = [over, inside, moment, today, until];
    let mut sorted = met.to_vec();
    sorted.sort_unstable();
    assert_eq!(found(&w, EventQuery { during, ..all() }).await, sorted);
    let bobs = EventQuery { owners: vec![w.bob], during, ..all() };
    let mut of_bob = vec![inside, today];
    of_bob.sort_unstable();
    assert_eq!(found(&w, bobs).await, of_bob);
    let mut everything = [&met[..], &[before, after, tomorrow]].concat();
    everything.sort_unstable();
    assert_eq!(found(&w, all()).await, everything);
    w.board.edit_event(&w.by(), over, &[EventEdit::When(hours(-2, -1))]).await.unwrap();
    assert!(!found(&w, EventQuery { during, ..all() }).await.contains(&over));
    // To the millisecond.
    let from = noon() + TimeDelta::microseconds(1);
    let span = Span { from, to: noon() + TimeDelta::hours(1) };
    let during = Some(During { span, first: day(0), last: day(0) });
    assert!(found(&w, EventQuery { during, ..all() }).await.contains(&moment));
}

async fn events_come_in_pages_by_id(w: World) {
    let mut ids = Vec::new();
    for number in 0..8 {
        let to = if number < 5 { w.low() } else { &w.board };
        let when = if number % 2 == 0 { hours(9 - number, 20) } else { days(0, number) };
        ids.push(to.add_event(&w.by(), new(w.ann, "E", when)).await.unwrap().after.id);
    }
    let during = Some(During::days(day(-1), day(9), chrono_tz::UTC));
    let mut query =
        EventQuery { owners: vec![w.ann, w.bob], during, limit: 3, ..EventQuery::default() };
    let mut met = Vec::new();
    loop {
        let page = w.board.events(&query).await.unwrap();
        met.extend(page.items.iter().map(|event| event.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
        // Moving an event moves it in no page.
        w.board.edit_event(&w.by(), met[0], &[EventEdit::When(hours(3, 5))]).await.unwrap();
    }
    assert_eq!(met, ids);
}

async fn what_makes_no_event_is_malformed(w: World) {
    let first = event(&w, w.ann, hours(0, 1)).await;
    for edit in [
        EventEdit::Title("\n".into()),
        EventEdit::Description("x".repeat(65_536)),
        EventEdit::Location("é".repeat(256)),
        EventEdit::When(hours(1, 0)),
        EventEdit::When(days(1, 0)),
        EventEdit::When(When::Days { first: day(0), last: chrono::NaiveDate::MAX }),
        EventEdit::When(When::Timed(Span {
            from: noon(),
            to: chrono::DateTime::<chrono::Utc>::MAX_UTC,
        })),
    ] {
        malformed(w.board.edit_event(&w.by(), first.id, &[edit]).await);
    }
    malformed(w.board.add_event(&w.by(), new(w.ann, "", hours(0, 1))).await);
    malformed(w.board.add_event(&w.by(), new(PersonId(99), "E", hours(0, 1))).await);
    malformed(w.board.add_event(&Stamp::by(PersonId(99)), new(w.ann, "E", hours(0, 1))).await);
    let stamp = Stamp { revision: Some(1), ..w.by() };
    malformed(w.board.add_event(&stamp, new(w.ann, "E", hours(0, 1))).await);
    assert_eq!(w.board.event(first.id).await.unwrap(), first);
    assert_eq!(found(&w, EventQuery::default()).await, [first.id]);
}

async fn a_deleted_event_is_gone(w: World) {
    let first = w.low().add_event(&w.by(), new(w.ann, "E", hours(0, 1))).await.unwrap().after;
    let gone = w.board.delete_event(&w.by(), first.id).await.unwrap();
    assert_eq!((gone.changed, gone.after), (true, first.clone()));
    not_found(w.board.event(first.id).await);
    not_found(w.board.edit_event(&w.by(), first.id, &[]).await);
    not_found(w.board.delete_event(&w.by(), first.id).await);
    assert!(found(&w, EventQuery::default()).await.is_empty());
    assert!(event(&w, w.ann, hours(0, 1)).await.id > first.id);
}

fn planned(w: &World, who: Option<PersonId>, from: i64, to: i64) -> NewTask {
    let at = |hours| Some(noon() + TimeDelta::hours(hours));
    NewTask::new(w.alpha, "T")
        .with(TaskEdit::Assignee(who))
        .with(TaskEdit::WorkFrom(at(from)))
        .with(TaskEdit::WorkTo(at(to)))
}

fn shown(schedule: &[Scheduled]) -> Vec<String> {
    let word = |one: &Scheduled| match one {
        Scheduled::Event(event) => event.title.clone(),
        Scheduled::Task(task) => format!("task {}", task.headline),
    };
    schedule.iter().map(word).collect()
}

fn of_day(person: PersonId) -> ScheduleQuery {
    let span = Span { from: noon(), to: noon() + TimeDelta::hours(10) };
    ScheduleQuery { person, during: During { span, first: day(0), last: day(0) } }
}

async fn a_schedule_holds_events_and_planned_work_of_one_person(w: World) {
    let add = async |title: &str, owner, when| {
        w.low().add_event(&w.by(), new(owner, title, when)).await.unwrap();
    };
    add("late", w.ann, hours(5, 6)).await;
    add("early", w.ann, hours(1, 2)).await;
    add("day", w.ann, days(-1, 0)).await;
    add("other day", w.ann, days(1, 1)).await;
    add("bob's", w.bob, hours(1, 2)).await;
    let with = |headline: &str, new: NewTask| NewTask { headline: headline.into(), ..new };
    w.add_below(with("now", planned(&w, Some(w.ann), -5, 1))).await;
    w.add(with("next", planned(&w, Some(w.ann), 2, 3))).await.unwrap();
    w.add(with("moment", planned(&w, Some(w.ann), 0, 0))).await.unwrap();
    w.add_below(with("over", planned(&w, Some(w.ann), -5, 0))).await;
    w.add_below(with("later", planned(&w, Some(w.ann), 10, 11))).await;
    w.add_below(with("bob's", planned(&w, Some(w.bob), 1, 2))).await;
    w.add_below(with("nobody's", planned(&w, None, 1, 2))).await;
    let open = TaskEdit::WorkTo(None);
    w.add_below(with("without end", planned(&w, Some(w.ann), 1, 2)).with(open)).await;
    let schedule = w.board.schedule(&of_day(w.ann)).await.unwrap();
    let expected = ["day", "task now", "task moment", "early", "task next", "late"];
    assert_eq!(shown(&schedule), expected);
    for one in &schedule {
        match one {
            Scheduled::Event(event) => assert_eq!(w.board.event(event.id).await.unwrap(), *event),
            Scheduled::Task(task) => assert_eq!(w.board.task(task.id).await.unwrap(), **task),
        }
    }
    assert_eq!(shown(&w.board.schedule(&of_day(w.bob)).await.unwrap()), ["bob's", "task bob's"]);
}

async fn a_schedule_follows_what_changes(w: World) {
    let task = w.add_below(planned(&w, Some(w.ann), 1, 2)).await;
    let meeting = w.low().add_event(&w.by(), new(w.ann, "E", hours(3, 4))).await.unwrap().after;
    let schedule = async |who| shown(&w.board.schedule(&of_day(who)).await.unwrap());
    assert_eq!(schedule(w.ann).await, ["task T", "E"]);
    w.board.edit_event(&w.by(), meeting.id, &[EventEdit::When(hours(0, 1))]).await.unwrap();
    assert_eq!(schedule(w.ann).await, ["E", "task T"]);
    w.edit(task.id, &[TaskEdit::Assignee(Some(w.bob))]).await.unwrap();
    assert_eq!((schedule(w.ann).await.len(), schedule(w.bob).await.len()), (1, 1));
    w.board.delete_event(&w.by(), meeting.id).await.unwrap();
    w.edit(task.id, &[TaskEdit::WorkFrom(None)]).await.unwrap();
    assert_eq!((schedule(w.ann).await.len(), schedule(w.bob).await.len()), (0, 0));
}

async fn planned_work_does_not_end_before_it_begins(w: World) {
    let at = |hours| Some(noon() + TimeDelta::hours(hours));
    malformed(w.add(planned(&w, None, 2, 1)).await);
    let task = w.add(planned(&w, None, 1, 1)).await.unwrap();
    malformed(w.edit(task.id, &[TaskEdit::WorkFrom(at(2))]).await);
    let edits = [TaskEdit::WorkFrom(at(2)), TaskEdit::WorkTo(at(3))];
    w.edit(task.id, &edits).await.unwrap();
    w.edit(task.id, &[TaskEdit::WorkTo(None)]).await.unwrap();
    w.edit(task.id, &[TaskEdit::WorkFrom(at(9))]).await.unwrap();
}
