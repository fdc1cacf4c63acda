//! As `random`, for goals, calendars, time, timers, sprints and members.

use super::random::stamp;
use super::{World, day, noon};
use chrono::TimeDelta;
use proptest::prelude::*;
use rota::board::{Board, OneWrite};
use rota::domain::*;
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Write {
    GoalBoard(NewGoalBoard),
    DeleteGoalBoard(i64),
    Goal(NewGoal),
    EditGoal(i64, Vec<GoalEdit>),
    DeleteGoal(i64),
    GoalComment(i64, Option<i64>),
    Event(NewEvent),
    EditEvent(i64, Vec<EventEdit>),
    DeleteEvent(i64),
    Time(TimeChange),
    Start(NewTimer),
    Stop(StopTimer),
    Sprint(NewSprint),
    EditSprint(i64, Vec<SprintEdit>),
    DeleteSprint(i64),
    Member(Member),
    RemoveMember(i64, i64),
    Task(i64, Vec<TaskEdit>),
    DeleteTask(i64),
    Several(Vec<OneWrite>),
    Pass(u64),
}

/// Several writes in one step, of those that can be.
fn several() -> impl Strategy<Value = Write> {
    let one = prop_oneof![events(), time(), teams()];
    proptest::collection::vec(one, 1..12).prop_map(|writes| {
        let writes = writes.into_iter().filter_map(|write| match write {
            Write::Event(new) => Some(OneWrite::AddEvent(new)),
            Write::EditEvent(id, edits) => Some(OneWrite::EditEvent(EventId(id), edits)),
            Write::Time(change) => Some(OneWrite::LogTime(change)),
            Write::Task(id, edits) => Some(OneWrite::EditTask(TaskId(id), edits)),
            Write::DeleteTask(id) => Some(OneWrite::AddTask(NewTask::new(ProjectId(id), "x"))),
            _ => None,
        });
        Write::Several(writes.collect())
    })
}

/// Each under a mark of its own, if there are marks; the revision is for one entity alone.
fn stamped(stamp: &Stamp, writes: Vec<OneWrite>) -> Vec<(Stamp, OneWrite)> {
    let mut number = 0;
    let stamp = |write| {
        number += 1;
        let mark = stamp.mark.clone().map(|mark| Mark { seq: mark.seq * 100 + number, ..mark });
        (Stamp { mark, revision: None, ..stamp.clone() }, write)
    };
    writes.into_iter().map(stamp).collect()
}

fn id() -> impl Strategy<Value = i64> {
    1..5_i64
}

fn maybe<T: std::fmt::Debug + Clone>(
    some: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(some)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-c ]{1,3}", "\\PC{0,4}"]
}

fn date() -> impl Strategy<Value = chrono::NaiveDate> {
    prop_oneof![9 => (-4..5_i64).prop_map(day), 1 => Just(chrono::NaiveDate::MAX)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => (-3..4_i32).prop_map(f64::from),
        2 => any::<f64>(),
        1 => Just(-0.0),
    ]
}

fn goal_edit() -> impl Strategy<Value = GoalEdit> {
    prop_oneof![
        text().prop_map(GoalEdit::Title),
        text().prop_map(GoalEdit::Description),
        maybe(id().prop_map(PersonId)).prop_map(GoalEdit::Owner),
        number().prop_map(GoalEdit::StartValue),
        number().prop_map(GoalEdit::CurrentValue),
        number().prop_map(GoalEdit::EndValue),
        Just(GoalEdit::Metric(Metric::Percent)),
        Just(GoalEdit::Status(GoalStatus::AtRisk)),
        maybe(id().prop_map(MilestoneId)).prop_map(GoalEdit::Milestone),
        maybe(id().prop_map(GoalId)).prop_map(GoalEdit::Parent),
        maybe(date()).prop_map(GoalEdit::Start),
        maybe(date()).prop_map(GoalEdit::End),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let at = || (-4..5_i64).prop_map(|n| noon() + TimeDelta::microseconds(n * 400));
    prop_oneof![
        (at(), at()).prop_map(|(from, to)| When::Timed(Span { from, to })),
        (date(), date()).prop_map(|(first, last)| When::Days { first, last }),
    ]
}

fn goals() -> impl Strategy<Value = Write> {
    let edits = || proptest::collection::vec(goal_edit(), 0..4);
    prop_oneof![
        2 => (id(), text()).prop_map(|(project, title)| {
            let description = String::new();
            Write::GoalBoard(NewGoalBoard { project: ProjectId(project), title, description })
        }),
        1 => id().prop_map(Write::DeleteGoalBoard),
        4 => (id(), text(), number(), edits()).prop_map(|(board, title, start_value, edits)| {
            let board = GoalBoardId(board);
            Write::Goal(NewGoal { board, title, start_value, end_value: 1.0, edits })
        }),
        4 => (id(), edits()).prop_map(|(goal, edits)| Write::EditGoal(goal, edits)),
        1 => id().prop_map(Write::DeleteGoal),
        2 => (id(), maybe(id())).prop_map(|(goal, parent)| Write::GoalComment(goal, parent)),
    ]
}

fn events() -> impl Strategy<Value = Write> {
    let edit = prop_oneof![
        text().prop_map(EventEdit::Title),
        text().prop_map(EventEdit::Description),
        text().prop_map(EventEdit::Location),
        when().prop_map(EventEdit::When),
    ];
    let edits = proptest::collection::vec(edit, 0..3);
    prop_oneof![
        3 => (id(), text(), when()).prop_map(|(owner, title, when)| {
            let (description, location) = (String::new(), "x".to_owned());
            Write::Event(NewEvent { owner: PersonId(owner), title, description, location, when })
        }),
        3 => (id(), edits).prop_map(|(event, edits)| Write::EditEvent(event, edits)),
        1 => id().prop_map(Write::DeleteEvent),
    ]
}

fn time() -> impl Strategy<Value = Write> {
    let amount = prop_oneof![
        6 => (-40_000..60_000_i64).prop_map(TimeAmount::Add),
        1 => Just(TimeAmount::Add(0)),
        3 => (0..90_000_u32).prop_map(TimeAmount::Set),
        3 => Just(TimeAmount::Set(0)),
    ];
    let kind = || prop_oneof![Just(TimeKind::Testing), Just(TimeKind::BugfixingNotBillable)];
    let task = || maybe((1..4_i64).prop_map(TaskId));
    let log = maybe((date(), kind(), maybe(text())));
    prop_oneof![
        6 => (id(), 1..4_i64, date(), kind(), amount, maybe(text())).prop_map(
            |(task, person, day, kind, amount, description)| {
                let (task, person) = (TaskId(task), PersonId(person));
                Write::Time(TimeChange { task, person, day, kind, amount, description })
            }
        ),
        2 => (1..4_i64, task(), any::<bool>(), maybe(-3..3_i64)).prop_map(|(person, task, rests, ago)| {
            let kind = if rests { TimerKind::Break } else { TimerKind::Work };
            let started = ago.map(|seconds| noon() + TimeDelta::seconds(seconds));
            Write::Start(NewTimer { person: PersonId(person), task, kind, started, planned: None })
        }),
        3 => (1..4_i64, task(), log).prop_map(|(person, task, log)| {
            let log = log.map(|(day, kind, description)| TimerLog { day, kind, description });
            Write::Stop(StopTimer { person: PersonId(person), task, log })
        }),
    ]
}

fn teams() -> impl Strategy<Value = Write> {
    let edit = prop_oneof![
        text().prop_map(SprintEdit::Name),
        date().prop_map(SprintEdit::From),
        date().prop_map(SprintEdit::To),
    ];
    let edits = proptest::collection::vec(edit, 0..3);
    let role = maybe(prop_oneof![Just(Role::Readonly), Just(Role::Manager)]);
    let task_edit = prop_oneof![
        maybe(id().prop_map(SprintId)).prop_map(TaskEdit::Sprint),
        maybe(id().prop_map(PersonId)).prop_map(TaskEdit::Assignee),
        maybe((-3..4_i64).prop_map(|n| noon() + TimeDelta::milliseconds(n)))
            .prop_map(TaskEdit::WorkFrom),
        maybe((-3..4_i64).prop_map(|n| noon() + TimeDelta::milliseconds(n)))
            .prop_map(TaskEdit::WorkTo),
    ];
    let task_edits = proptest::collection::vec(task_edit, 1..4);
    prop_oneof![
        2 => (1..4_i64, text(), date(), date()).prop_map(|(project, name, from, to)| {
            Write::Sprint(NewSprint { project: ProjectId(project), name, from, to })
        }),
        2 => (id(), edits).prop_map(|(sprint, edits)| Write::EditSprint(sprint, edits)),
        1 => id().prop_map(Write::DeleteSprint),
        3 => (1..4_i64, id(), role).prop_map(|(project, person, role)| {
            let (project, person) = (ProjectId(project), PersonId(person));
            Write::Member(Member { project, person, role })
        }),
        1 => (1..4_i64, id()).prop_map(|(project, person)| Write::RemoveMember(project, person)),
        5 => (id(), task_edits).prop_map(|(task, edits)| Write::Task(task, edits)),
        1 => id().prop_map(Write::DeleteTask),
        2 => (1..200_u64).prop_map(Write::Pass),
    ]
}

/// Does it, and tells all that the board answered.
async fn perform(board: &dyn Board, stamp: &Stamp, write: Write) -> String {
    macro_rules! told {
        ($write:ident($($argument:expr),*)) => {
            format!("{:?}", board.$write(stamp, $($argument),*).await)
        };
    }
    match write {
        Write::GoalBoard(new) => told!(add_goal_board(new)),
        Write::DeleteGoalBoard(id) => told!(delete_goal_board(GoalBoardId(id))),
        Write::Goal(new) => told!(add_goal(new)),
        Write::EditGoal(id, edits) => told!(edit_goal(GoalId(id), &edits)),
        Write::DeleteGoal(id) => told!(delete_goal(GoalId(id))),
        Write::GoalComment(goal, parent) => {
            let on = CommentTarget::Goal(GoalId(goal));
            let (text, parent, rating) = ("x".to_owned(), parent.map(CommentId), None);
            told!(add_comment(NewComment { on, text, parent, rating }))
        }
        Write::Event(new) => told!(add_event(new)),
        Write::EditEvent(id, edits) => told!(edit_event(EventId(id), &edits)),
        Write::DeleteEvent(id) => told!(delete_event(EventId(id))),
        Write::Time(change) => told!(log_time(change)),
        Write::Start(new) => told!(start_timer(new)),
        Write::Stop(stop) => told!(stop_timer(stop)),
        Write::Sprint(new) => told!(add_sprint(new)),
        Write::EditSprint(id, edits) => told!(edit_sprint(SprintId(id), &edits)),
        Write::DeleteSprint(id) => told!(delete_sprint(SprintId(id))),
        Write::Member(member) => told!(put_member(member)),
        Write::RemoveMember(project, person) => {
            told!(remove_member(ProjectId(project), PersonId(person)))
        }
        Write::Task(id, edits) => told!(edit_task(TaskId(id), &edits)),
        Write::DeleteTask(id) => told!(delete_task(TaskId(id))),
        Write::Several(writes) => {
            format!("{:?}", board.write_all(&stamped(stamp, writes)).await)
        }
        Write::Pass(_) => String::new(),
    }
}

/// Everything that a board answers about these nouns.
async fn everything(board: &dyn Board) -> String {
    let mut all = String::new();
    macro_rules! ask {
        ($($question:ident($($argument:expr),*);)*) => { $(
            let answer = board.$question($($argument),*).await.unwrap();
            writeln!(all, "{}: {answer:?}", stringify!($question)).unwrap();
        )* };
    }
    let span = Span { from: noon(), to: noon() + TimeDelta::milliseconds(1) };
    let during = During { span, first: day(-1), last: day(1) };
    let (two, ann) = (vec![ProjectId(1), ProjectId(2)], vec![PersonId(1)]);
    let some = TimeQuery { from: Some(day(-2)), to: Some(day(3)), ..TimeQuery::default() };
    ask! {
        goal_boards(&GoalBoardQuery::default());
        goals(&GoalQuery::default());
        goals(&GoalQuery { projects: two.clone(), has_parent: Some(false), ..GoalQuery::default() });
        goals(&GoalQuery { parent: Some(GoalId(1)), ..GoalQuery::default() });
        goals(&GoalQuery { milestone: Some(MilestoneId(1)), limit: 1, ..GoalQuery::default() });
        events(&EventQuery::default());
        events(&EventQuery { during: Some(during), limit: 2, ..EventQuery::default() });
        events(&EventQuery { owners: ann.clone(), during: Some(during), ..EventQuery::default() });
        time_entries(&TimeQuery { limit: 3, ..TimeQuery::default() });
        time_entries(&TimeQuery { people: ann.clone(), ..some.clone() });
        time_entries(&TimeQuery { projects: two.clone(), ..some.clone() });
        time_entries(&TimeQuery { tasks: vec![TaskId(1)], ..TimeQuery::default() });
        week(PersonId(1), day(-3), &[]);
        timers(&TimerQuery::default());
        timers(&TimerQuery { people: ann.clone(), limit: 1, ..TimerQuery::default() });
        sprints(&SprintQuery::default());
        sprints(&SprintQuery { projects: two, on: Some(day(0)), ..SprintQuery::default() });
        members(&MemberQuery { limit: 2, ..MemberQuery::default() });
        members(&MemberQuery { people: ann, ..MemberQuery::default() });
        projects_of(PersonId(1));
        comments(&CommentQuery::default());
        tasks(&TaskQuery { order: TaskOrder::Modified, ..TaskQuery::default() });
        tasks(&TaskQuery { sprint: Some(SprintId(1)), ..TaskQuery::default() });
        activity(&ActivityQuery { limit: 1_000, ..ActivityQuery::default() });
    }
    for person in 1..4 {
        ask! { schedule(&ScheduleQuery { person: PersonId(person), during }); }
    }
    for by in TimeGroup::ALL {
        ask! {
            time_sums(&TimeQuery::default(), *by);
            time_sums(&some, *by);
        }
    }
    all
}

/// Tasks and milestones for the writes to be about.
async fn furnish(w: &World) {
    for (number, project) in [w.alpha, w.alpha, w.beta].into_iter().enumerate() {
        w.add(NewTask::new(project, format!("T{number}"))).await.unwrap();
        let new = NewMilestone {
            project,
            headline: "M".into(),
            color: "#000000".into(),
            assignee: None,
            from: noon(),
            to: noon(),
            depends_on: None,
        };
        w.board.add_milestone(&w.by(), new).await.unwrap();
    }
}

/// Does the same there and in memory.
async fn as_in_memory(one: &World, writes: Vec<(Stamp, Write)>) {
    let two = World::overlay_empty().await;
    let mut numbers = one.numbers().await;
    furnish(one).await;
    furnish(&two).await;
    for (stamp, write) in writes {
        if let Write::Pass(seconds) = write {
            one.clock.advance(Duration::from_secs(seconds));
            two.clock.advance(Duration::from_secs(seconds));
        }
        let first = perform(&*one.board, &stamp, write.clone()).await;
        let second = perform(&*two.board, &stamp, write.clone()).await;
        assert_eq!(first, second, "{write:?} by {stamp:?}");
        if let Some(numbers) = &mut numbers {
            numbers.give_back().await;
        }
    }
    assert_eq!(everything(&*one.board).await, everything(&*two.board).await);
}

fn writes() -> impl Strategy<Value = Vec<(Stamp, Write)>> {
    let write = prop_oneof![goals(), events(), time(), teams(), several()];
    proptest::collection::vec((stamp(), write), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgres_and_memory_are_the_same_board_for_every_noun(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Some(one) = World::postgres().await {
                as_in_memory(&one, writes).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_are_the_same_board_for_every_noun(writes in writes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { as_in_memory(&World::sqlite().await, writes).await });
    }

    /// An overlay over the first part of the writes answers with as much as a board with all of them.
    #[test]
    fn an_overlay_sums_up_as_the_board_that_it_stands_for(
        writes in proptest::collection::vec(prop_oneof![3 => time(), 1 => events(), 1 => goals()], 1..60),
        split in 0..60_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (whole, below) = (World::overlay_empty().await, World::overlay_empty().await);
            furnish(&whole).await;
            furnish(&below).await;
            let over = rota::board::overlay::Overlay::over(below.board.clone(), below.clock.clone());
            let by = whole.by();
            for (number, write) in writes.into_iter().enumerate() {
                let part: &dyn Board = if number < split { &*below.board } else { &over };
                // What an earlier write added over the board has another id there.
                if number >= split
                    && !matches!(write, Write::Time(_) | Write::Start(_) | Write::Stop(_) | Write::Event(_))
                {
                    continue;
                }
                perform(&*whole.board, &by, write.clone()).await;
                perform(part, &by, write).await;
            }
            for by in TimeGroup::ALL {
                for query in [
                    TimeQuery::default(),
                    TimeQuery { people: vec![PersonId(1)], ..TimeQuery::default() },
                    TimeQuery { from: Some(day(0)), ..TimeQuery::default() },
                ] {
                    let expected = whole.board.time_sums(&query, *by).await.unwrap();
                    let found = rota::board::Timesheets::time_sums(&over, &query, *by).await.unwrap();
                    assert_eq!(found, expected, "{query:?} by {by}");
                }
            }
            let span = Span { from: noon(), to: noon() + TimeDelta::milliseconds(1) };
            let during = During { span, first: day(-1), last: day(1) };
            let query = EventQuery { during: Some(during), ..EventQuery::default() };
            let expected = whole.board.events(&query).await.unwrap().items;
            let found = rota::board::Calendar::events(&over, &query).await.unwrap().items;
            let shown = |events: Vec<CalendarEvent>| -> Vec<(String, When)> {
                events.into_iter().map(|event| (event.title, event.when)).collect()
            };
            assert_eq!(shown(found), shown(expected));
        });
    }
}
