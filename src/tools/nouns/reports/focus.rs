//! Time to work undisturbed.

use super::read::{self, DayHours, dates};
use super::view::{SectionView, counted, filled, line, time_text};
use crate::domain::{Role, Span, Value};
use crate::reckon::{FOCUS_MIN, focus, instant, is_workday};
use crate::tools::arguments::IdOrName;
use crate::tools::definition::{Definition, Words};
use crate::tools::registry::Parts;
use crate::tools::resolve::Directory;
use crate::tools::show;
use crate::tools::{Context, ToolError};
use chrono::{NaiveDate, TimeDelta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::super::tasks::refuse;

/// The longest span that is planned.
const DAYS_MAX: i64 = 31;
/// The most times that a caller may name as busy.
const BUSY_MAX: usize = 500;
/// A block is no longer than this, where nobody says otherwise.
const LONGEST: TimeDelta = TimeDelta::hours(3);

pub(super) fn tool() -> Definition {
    Definition::read::<FindFocusTime, FocusView>(
        Words {
            name: "findFocusTime",
            title: "Find time to focus",
            description: "The longest stretch that meetings leave of each morning and afternoon, as addEvent \
                takes it: around your calendar here, and around what you name from another one. Writes \
                nothing. Example: {\"dateFrom\": \"today\", \"dateTo\": \"+4d\"}.",
            example: r#"{"dateFrom": "today", "dateTo": "+4d", "busy": [{"from": "2026-11-03T10:00", "to": "2026-11-03T11:00"}]}"#,
        },
        Role::Readonly,
        |parts, context, args| Box::pin(find(parts, context, args)),
    )
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct FindFocusTime {
    /// Whose calendar; default yours.
    user_id: Option<IdOrName>,
    /// First day; default today.
    date_from: Option<String>,
    /// Last day; default in four days.
    date_to: Option<String>,
    /// Meetings of another calendar.
    busy: Vec<BusyArg>,
    /// The shortest block in minutes; default 90.
    minutes: Option<u32>,
    /// The hours of a day.
    hours: DayHours,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BusyArg {
    /// Its begin.
    from: String,
    /// Its end.
    to: String,
}

/// A block.
#[derive(Serialize, JsonSchema)]
struct FocusBlock {
    /// The day.
    date: String,
    /// morning or afternoon.
    half: String,
    from: String,
    to: String,
}

/// Time to focus.
#[derive(Serialize, JsonSchema)]
struct FocusView {
    person: i64,
    name: String,
    summary: String,
    blocks: Vec<FocusBlock>,
    /// By day.
    sections: Vec<SectionView>,
    /// There is none.
    quiet: bool,
}

async fn find(parts: &Parts, context: &Context, args: FindFocusTime) -> Result<Value, ToolError> {
    let directory = Directory::read(parts, context).await?;
    let person = directory.person(&args.user_id.unwrap_or(IdOrName::Id(0)))?;
    let (zone, dates) = (context.zone, dates(parts, context));
    let first = read::day_or(dates, "dateFrom", args.date_from.as_deref(), "today")?;
    let last = read::day_or(dates, "dateTo", args.date_to.as_deref(), "+4d")?;
    if last < first || (last - first).num_days() > DAYS_MAX {
        return Err(refuse("dateTo: expected it not before dateFrom, and within 31 days of it"));
    }
    if args.busy.len() > BUSY_MAX {
        return Err(refuse(&format!("busy: expected at most {BUSY_MAX} times")));
    }
    let shortest = args.minutes.map_or(FOCUS_MIN, |minutes| TimeDelta::minutes(minutes.into()));
    if !(TimeDelta::minutes(15)..=LONGEST).contains(&shortest) {
        return Err(refuse("minutes: expected 15 to 180, such as 90"));
    }
    let calendar = read::calendar(parts, context, person, (first, last)).await?;
    let hours = args.hours.read()?;
    let mut busy = read::busy(&calendar, (hours, zone));
    busy.extend(read::busy_on_holidays(context));
    for one in &args.busy {
        let (from, to) = (dates.begin("busy.from", &one.from)?, dates.end("busy.to", &one.to)?);
        busy.push(Span { from, to });
    }
    let days = first.iter_days().take_while(|day| *day <= last).filter(|day| is_workday(*day));
    let halves = days.flat_map(|day| {
        [(hours.start, hours.noon), (hours.after, hours.end)].map(|(from, to)| Span {
            from: instant(day.and_time(from), zone),
            to: instant(day.and_time(to), zone),
        })
    });
    let halves: Vec<Span> = halves.collect();
    let soonest = crate::tools::planner::next_quarter(dates.now);
    let blocks = focus(&halves, &busy, soonest, (shortest, LONGEST));
    let day_of = |span: &Span| span.from.with_timezone(&zone).date_naive();
    let mut by_day: BTreeMap<NaiveDate, Vec<_>> = BTreeMap::new();
    for block in &blocks {
        let times = format!("{}–{}", time_text(block.from, zone), time_text(block.to, zone));
        by_day.entry(day_of(block)).or_default().push(line(&times, &[]));
    }
    let title = |day: NaiveDate| day.format("%A %-d %b").to_string();
    let sections = by_day.into_iter().map(|(day, lines)| SectionView::new(title(day), lines));
    let view = |block: &Span| FocusBlock {
        date: day_of(block).to_string(),
        half: if block.from.with_timezone(&zone).time() < hours.noon {
            "morning"
        } else {
            "afternoon"
        }
        .to_owned(),
        from: show::instant(block.from),
        to: show::instant(block.to),
    };
    Ok(show::value(&FocusView {
        person: person.0,
        name: crate::digest::one_line(&directory.names.person(Some(person)).unwrap_or_default()),
        summary: counted(blocks.len(), "block", "blocks"),
        quiet: blocks.is_empty(),
        blocks: blocks.iter().map(view).collect(),
        sections: filled(sections.collect()),
    }))
}
