//! What every adapter needs to know of a noun that is kept under an id, found by questions and
//! given in pages: the same for all of them, so that all answer alike.

use super::{Result, SCHEDULED_MAX, SUMS_MAX, check};
use crate::domain::{
    CalendarEvent, Cursor, Entity, EventQuery, Goal, GoalBoard, GoalBoardQuery, GoalQuery, Member,
    MemberQuery, ScheduleQuery, Scheduled, Sprint, SprintQuery, TimeEntry, TimeQuery, TimeSum,
    Timer, TimerQuery, Value, When,
};
use chrono::{NaiveDate, SecondsFormat};

/// A place in the order of pages. It never changes, so that whoever follows pages meets each thing
/// exactly once.
pub(super) type Place = (i64, i64);

/// A noun.
pub(super) trait Kept: Clone + Send + Sync + 'static {
    /// What it is called by.
    type Id: Copy + Ord + Send + Sync + 'static;
    /// What is asked for it.
    type Query: Asked;

    fn id(&self) -> Self::Id;
    fn entity(id: Self::Id) -> Entity;
    fn place(&self) -> Place;
    /// Whether a question means it; its limit and place do not count.
    fn is_meant(&self, query: &Self::Query) -> bool;
    /// What can change, as activity records it.
    fn fields(&self) -> Vec<(&'static str, Value)>;
}

/// A question that is answered in pages.
pub(super) trait Asked: Clone + Send + Sync + 'static {
    fn limit(&mut self) -> &mut usize;
    fn after(&mut self) -> &mut Option<Cursor>;
    /// Items of its longest list.
    fn longest(&self) -> usize;
}

/// The size of the page that is asked for, and the place it goes on from.
pub(super) fn begin<Q: Asked>(query: &Q) -> Result<(usize, Option<Place>)> {
    let mut query = query.clone();
    check::asked(query.longest())?;
    let size = match *query.limit() {
        0 => 100,
        limit => limit.min(1_000),
    };
    let after = query.after().as_ref().map(read_cursor).transpose()?;
    Ok((size, after))
}

/// A place as the end of a page.
pub(super) fn cursor((first, last): Place) -> Cursor {
    Cursor(format!("{first}.{last}"))
}

fn read_cursor(Cursor(text): &Cursor) -> Result<Place> {
    let place = text
        .split_once('.')
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match place {
        Some(place) => Ok(place),
        None => check::malformed("the cursor is damaged: expected the next of a page"),
    }
}

/// Days since 1970.
pub(super) fn day_number(day: NaiveDate) -> i64 {
    i64::from(day.to_epoch_days())
}

/// A day from its number; clamped to what a calendar can hold.
pub(super) fn day_of(number: i64) -> NaiveDate {
    let clamped = i32::try_from(number).ok().and_then(NaiveDate::from_epoch_days);
    clamped.unwrap_or(if number < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
}

/// A schedule in its order, if it is not too long.
pub(super) fn scheduled(query: &ScheduleQuery, mut all: Vec<Scheduled>) -> Result<Vec<Scheduled>> {
    all.retain(|one| one.when().is_some_and(|when| query.during.meets(&when)));
    if all.len() > SCHEDULED_MAX {
        return check::malformed(format!(
            "the schedule has more than {SCHEDULED_MAX} entries: expected a shorter span"
        ));
    }
    all.sort_by_key(Scheduled::place);
    Ok(all)
}

/// Sums, if they are not too many.
pub(super) fn few_sums(sums: Vec<TimeSum>) -> Result<Vec<TimeSum>> {
    if sums.len() > SUMS_MAX {
        return check::malformed(format!(
            "there are more than {SUMS_MAX} sums: expected a shorter span or another grouping"
        ));
    }
    Ok(sums)
}

fn one_of<T: PartialEq>(list: &[T], item: &T) -> bool {
    list.is_empty() || list.contains(item)
}

fn day_value(day: NaiveDate) -> Value {
    day.to_string().into()
}

macro_rules! asked {
    ($($query:ident: $($list:ident)*;)*) => { $(
        impl Asked for $query {
            fn limit(&mut self) -> &mut usize {
                &mut self.limit
            }
            fn after(&mut self) -> &mut Option<Cursor> {
                &mut self.after
            }
            fn longest(&self) -> usize {
                [$(self.$list.len()),*].into_iter().max().unwrap_or(0)
            }
        }
    )* };
}
asked! {
    GoalBoardQuery: projects;
    GoalQuery: projects boards;
    EventQuery: owners;
    TimeQuery: people projects tasks kinds;
    TimerQuery: people tasks;
    SprintQuery: projects;
    MemberQuery: projects people;
}

impl Kept for GoalBoard {
    type Id = crate::domain::GoalBoardId;
    type Query = GoalBoardQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::GoalBoard(id)
    }
    fn place(&self) -> Place {
        (0, self.id.0)
    }
    fn is_meant(&self, query: &GoalBoardQuery) -> bool {
        one_of(&query.projects, &self.project)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

impl Kept for Goal {
    type Id = crate::domain::GoalId;
    type Query = GoalQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::Goal(id)
    }
    fn place(&self) -> Place {
        (0, self.id.0)
    }
    fn is_meant(&self, query: &GoalQuery) -> bool {
        one_of(&query.projects, &self.project)
            && one_of(&query.boards, &self.board)
            && query.milestone.is_none_or(|milestone| self.milestone == Some(milestone))
            && query.parent.is_none_or(|parent| self.parent == Some(parent))
            && query.has_parent.is_none_or(|has| self.parent.is_some() == has)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("owner", self.owner.map(|who| who.0).into()),
            ("start_value", self.start_value.into()),
            ("current_value", self.current_value.into()),
            ("end_value", self.end_value.into()),
            ("metric", self.metric.as_str().into()),
            ("status", self.status.as_str().into()),
            ("milestone", self.milestone.map(|id| id.0).into()),
            ("parent", self.parent.map(|id| id.0).into()),
            ("start", self.start.map(day_value).into()),
            ("end", self.end.map(day_value).into()),
        ]
    }
}

impl Kept for CalendarEvent {
    type Id = crate::domain::EventId;
    type Query = EventQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::Event(id)
    }
    fn place(&self) -> Place {
        (0, self.id.0)
    }
    fn is_meant(&self, query: &EventQuery) -> bool {
        one_of(&query.owners, &self.owner)
            && query.during.is_none_or(|during| during.meets(&self.when))
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let when = match self.when {
            When::Timed(span) => {
                let shown =
                    |at: crate::domain::Timestamp| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                Value::map([("from", shown(span.from)), ("to", shown(span.to))])
            }
            When::Days { first, last } => {
                Value::map([("first", day_value(first)), ("last", day_value(last))])
            }
        };
        vec![
            ("title", self.title.as_str().into()),
            ("description", self.description.as_str().into()),
            ("location", self.location.as_str().into()),
            ("when", when),
        ]
    }
}

impl Kept for TimeEntry {
    type Id = crate::domain::TimeEntryId;
    type Query = TimeQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::TimeEntry(id)
    }
    fn place(&self) -> Place {
        (day_number(self.day), self.id.0)
    }
    fn is_meant(&self, query: &TimeQuery) -> bool {
        one_of(&query.people, &self.person)
            && one_of(&query.projects, &self.project)
            && one_of(&query.tasks, &self.task)
            && one_of(&query.kinds, &self.kind)
            && query.from.is_none_or(|from| self.day >= from)
            && query.to.is_none_or(|to| self.day < to)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("seconds", self.seconds.into()), ("description", self.description.as_str().into())]
    }
}

impl Kept for Timer {
    type Id = crate::domain::TimerId;
    type Query = TimerQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::Timer(id)
    }
    fn place(&self) -> Place {
        (0, self.id.0)
    }
    fn is_meant(&self, query: &TimerQuery) -> bool {
        one_of(&query.people, &self.person)
            && (query.tasks.is_empty() || self.task.is_some_and(|id| query.tasks.contains(&id)))
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

impl Kept for Sprint {
    type Id = crate::domain::SprintId;
    type Query = SprintQuery;

    fn id(&self) -> Self::Id {
        self.id
    }
    fn entity(id: Self::Id) -> Entity {
        Entity::Sprint(id)
    }
    fn place(&self) -> Place {
        (0, self.id.0)
    }
    fn is_meant(&self, query: &SprintQuery) -> bool {
        one_of(&query.projects, &self.project) && query.on.is_none_or(|day| self.has(day))
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("name", self.name.as_str().into()),
            ("from", day_value(self.from)),
            ("to", day_value(self.to)),
        ]
    }
}

/// A change of a project.
impl Kept for Member {
    type Id = (crate::domain::ProjectId, crate::domain::PersonId);
    type Query = MemberQuery;

    fn id(&self) -> Self::Id {
        (self.project, self.person)
    }
    fn entity((project, _): Self::Id) -> Entity {
        Entity::Project(project)
    }
    fn place(&self) -> Place {
        (self.project.0, self.person.0)
    }
    fn is_meant(&self, query: &MemberQuery) -> bool {
        one_of(&query.projects, &self.project) && one_of(&query.people, &self.person)
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor_and_nothing_else_does() {
        for place in [(0, 1), (-7, i64::MAX), (20_000, 1 << 40)] {
            assert_eq!(read_cursor(&cursor(place)).unwrap(), place);
        }
        for text in ["", ".", "1", "1.", "a.b", "1.2.3", "99999999999999999999.1"] {
            assert!(read_cursor(&Cursor(text.into())).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_day_comes_back_from_its_number() {
        for number in [-800_000, -1, 0, 1, 20_785, 2_932_896] {
            assert_eq!(day_number(day_of(number)), number);
        }
        assert_eq!((day_of(i64::MAX), day_of(i64::MIN)), (NaiveDate::MAX, NaiveDate::MIN));
    }
}
