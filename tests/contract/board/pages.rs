//! Filters, orders and pages (contract 9).

use super::{World, contract, malformed, noon};
use chrono::TimeDelta;
use rota::domain::{
    AssigneeFilter, Cursor, NewTask, StatusId, StatusKind, TaskEdit, TaskId, TaskKind, TaskOrder,
    TaskQuery,
};
use std::collections::BTreeSet;

contract! {
    each_part_of_a_question_narrows
    tags_are_found_without_regard_to_case
    times_are_found_from_and_before
    pages_are_in_the_order_asked_for_with_nothing_last
    pages_visit_every_task_once
    pages_visit_every_task_once_while_others_write
    a_page_holds_at_most_what_was_asked_for
    a_foreign_or_damaged_cursor_is_refused
    wide_questions_are_answered_and_wider_ones_refused
}

const ORDERS: [TaskOrder; 4] =
    [TaskOrder::Id, TaskOrder::Priority, TaskOrder::Due, TaskOrder::Modified];

/// Tasks of every sort, some of them below an overlay.
async fn many(w: &World, count: u8) -> Vec<TaskId> {
    let mut ids = Vec::new();
    for number in 0..count {
        w.pass();
        let mut new =
            NewTask::new(if number % 3 == 0 { w.beta } else { w.alpha }, format!("T {number}"));
        new.status = Some(StatusId(i64::from(number % 5)));
        if number % 4 != 0 {
            new = new.with(TaskEdit::Priority(Some(1 + number * 7 % 5)));
        }
        if number % 3 != 1 {
            let due = noon() + TimeDelta::hours(i64::from(number) * 37 % 50);
            new = new.with(TaskEdit::Due(Some(due)));
        }
        if number % 2 == 0 {
            new = new.with(TaskEdit::AddTag(format!("Tag {}", number % 4)));
            new = new.with(TaskEdit::AddTag("even".into()));
        }
        if number % 5 == 0 {
            new = new.with(TaskEdit::Assignee(Some(w.bob)));
        }
        ids.push(w.add_below(new).await.id);
    }
    ids
}

/// Follows all pages; `between` runs after each.
async fn follow(w: &World, query: &TaskQuery, between: impl AsyncFn(usize)) -> Vec<TaskId> {
    let (mut query, mut met, mut pages) = (query.clone(), Vec::new(), 0);
    loop {
        let page = w.board.tasks(&query).await.unwrap();
        assert!(page.items.len() <= query.page_size());
        met.extend(page.items.iter().map(|task| task.id));
        between(pages).await;
        pages += 1;
        assert!(pages < 1_000, "the pages do not end");
        query.after = page.next;
        if query.after.is_none() {
            return met;
        }
    }
}

async fn each_part_of_a_question_narrows(w: World) {
    let parent = w.add_below(NewTask::new(w.alpha, "Parent")).await.id;
    let new =
        NewTask { kind: TaskKind::Subtask, parent: Some(parent), ..NewTask::new(w.alpha, "One") };
    let edits = [
        TaskEdit::Assignee(Some(w.bob)),
        TaskEdit::Status(StatusId(4)),
        TaskEdit::AddTag("x".into()),
    ];
    let one = w.add_below(NewTask { edits: edits.to_vec(), ..new }).await.id;
    let other = w.add(NewTask::new(w.beta, "Other")).await.unwrap().id;
    let all = TaskQuery::default;
    assert_eq!(w.find(all()).await, [parent, one, other]);
    for narrow in [
        TaskQuery { ids: vec![one], ..all() },
        TaskQuery { ids: vec![other, one], projects: vec![w.alpha], ..all() },
        TaskQuery { projects: vec![w.alpha], statuses: vec![StatusId(4)], ..all() },
        TaskQuery { statuses: vec![StatusId(4)], ..all() },
        TaskQuery { kinds_of_status: vec![StatusKind::InProgress], ..all() },
        TaskQuery { kinds: vec![TaskKind::Subtask], ..all() },
        TaskQuery { assignee: AssigneeFilter::OneOf(vec![w.bob, w.ann]), ..all() },
        TaskQuery { parent: Some(parent), ..all() },
        TaskQuery { tags_any: vec!["y".into(), "x".into()], ..all() },
        TaskQuery { text: Some("oNe".into()), ..all() },
    ] {
        assert_eq!(w.find(narrow.clone()).await, [one], "{narrow:?}");
    }
    for (narrow, found) in [
        (TaskQuery { assignee: AssigneeFilter::Nobody, ..all() }, vec![parent, other]),
        (
            TaskQuery { assignee: AssigneeFilter::Nobody, projects: vec![w.alpha], ..all() },
            vec![parent],
        ),
        (TaskQuery { assignee: AssigneeFilter::OneOf(vec![]), ..all() }, vec![parent, one, other]),
        (TaskQuery { projects: vec![w.beta, w.alpha], ..all() }, vec![parent, one, other]),
        (TaskQuery { projects: vec![rota::domain::ProjectId(99)], ..all() }, vec![]),
        (TaskQuery { tags_none: vec!["X".into()], ..all() }, vec![parent, other]),
        (TaskQuery { projects: vec![w.beta], statuses: vec![StatusId(4)], ..all() }, vec![]),
    ] {
        assert_eq!(w.find(narrow.clone()).await, found, "{narrow:?}");
    }
}

async fn tags_are_found_without_regard_to_case(w: World) {
    let tagged = |tags: &[&str]| NewTask {
        edits: tags.iter().map(|tag| TaskEdit::AddTag((*tag).into())).collect(),
        ..NewTask::new(w.alpha, "x")
    };
    let both = w.add_below(tagged(&["Größe", "AI-Agent"])).await.id;
    let one = w.add(tagged(&["ai-agent"])).await.unwrap().id;
    let words = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let all = TaskQuery::default;
    for order in ORDERS {
        let query = TaskQuery { tags_all: words(&["GRÖßE", " ai-AGENT "]), order, ..all() };
        assert_eq!(w.find(query).await, [both]);
        let query = TaskQuery { tags_any: words(&["GRÖßE", "AI-Agent"]), order, ..all() };
        assert_eq!(w.find(query).await, [both, one], "a task with two of the tags is there once");
        let query = TaskQuery {
            tags_any: words(&["ai-agent"]),
            tags_none: words(&["größe"]),
            order,
            ..all()
        };
        assert_eq!(w.find(query).await, [one]);
        let query = TaskQuery { tags_all: words(&["ai-agent", "absent"]), order, ..all() };
        assert!(w.find(query).await.is_empty());
        assert!(w.find(TaskQuery { tags_any: words(&[" "]), order, ..all() }).await.is_empty());
    }
}

async fn times_are_found_from_and_before(w: World) {
    let at = |hours| noon() + TimeDelta::hours(hours);
    let due = |hours| NewTask::new(w.alpha, "x").with(TaskEdit::Due(Some(at(hours))));
    let early = w.add_below(due(1)).await.id;
    w.pass();
    let late = w.add(due(2)).await.unwrap().id;
    w.pass();
    let never = w.task("never").await.id;
    let all = TaskQuery::default;
    for order in ORDERS {
        for (query, mut found) in [
            (TaskQuery { due_from: Some(at(1)), due_to: Some(at(2)), ..all() }, vec![early]),
            (TaskQuery { due_from: Some(at(2)), ..all() }, vec![late]),
            (TaskQuery { due_to: Some(at(2)), ..all() }, vec![early]),
            (
                TaskQuery { due_to: Some(at(2) + TimeDelta::microseconds(1)), ..all() },
                vec![early, late],
            ),
            (TaskQuery { has_due: Some(true), ..all() }, vec![early, late]),
            (TaskQuery { has_due: Some(false), ..all() }, vec![never]),
            (TaskQuery { has_due: Some(false), due_to: Some(at(9)), ..all() }, vec![]),
            (
                TaskQuery { unchanged_since: Some(noon() + TimeDelta::seconds(1)), ..all() },
                vec![early],
            ),
            (
                TaskQuery { modified_from: Some(noon() + TimeDelta::seconds(1)), ..all() },
                vec![late, never],
            ),
        ] {
            let mut answer = w.find(TaskQuery { order, ..query.clone() }).await;
            answer.sort();
            found.sort();
            assert_eq!(answer, found, "{query:?}");
        }
    }
}

async fn pages_are_in_the_order_asked_for_with_nothing_last(w: World) {
    let ids = many(&w, 20).await;
    w.pass();
    w.edit(ids[3], &[TaskEdit::Priority(Some(1))]).await.unwrap();
    w.edit(ids[4], &[TaskEdit::Due(None)]).await.unwrap();
    for order in ORDERS {
        let query = TaskQuery { order, limit: 3, ..TaskQuery::default() };
        let met = follow(&w, &query, async |_| {}).await;
        let mut sorted = Vec::new();
        for id in &met {
            let task = w.board.task(*id).await.unwrap();
            sorted.push(match order {
                TaskOrder::Id => (0, 0, task.id),
                TaskOrder::Priority => (0, task.priority.map_or(9, i64::from), task.id),
                TaskOrder::Due => (
                    i64::from(task.due.is_none()),
                    task.due.map_or(0, |at| at.timestamp_millis()),
                    task.id,
                ),
                TaskOrder::Modified => (0, -task.modified.timestamp_millis(), task.id),
            });
        }
        assert!(sorted.is_sorted(), "{order:?}: {sorted:?}");
        assert_eq!(met.len(), ids.len());
    }
}

async fn pages_visit_every_task_once(w: World) {
    let ids = many(&w, 30).await;
    for id in ids.iter().skip(1).step_by(4) {
        w.edit(*id, &[TaskEdit::Sort(1)]).await.unwrap();
    }
    for _ in 0..5 {
        w.task("here").await;
    }
    let all = TaskQuery::default;
    let tags = || vec!["EVEN".to_owned(), "tag 2".to_owned()];
    for query in [
        all(),
        TaskQuery { projects: vec![w.alpha, w.beta], ..all() },
        TaskQuery {
            projects: vec![w.beta],
            kinds_of_status: vec![StatusKind::New, StatusKind::Done],
            ..all()
        },
        TaskQuery { tags_any: tags(), ..all() },
        TaskQuery { tags_all: tags(), ..all() },
        TaskQuery { assignee: AssigneeFilter::OneOf(vec![w.bob]), ..all() },
        TaskQuery { due_from: Some(noon()), due_to: Some(noon() + TimeDelta::hours(30)), ..all() },
        TaskQuery { text: Some("t 1".into()), ..all() },
    ] {
        let whole: BTreeSet<_> =
            w.find(TaskQuery { limit: 1_000, ..query.clone() }).await.into_iter().collect();
        for order in ORDERS {
            for limit in [1, 4, 7] {
                let query = TaskQuery { order, limit, ..query.clone() };
                let met = follow(&w, &query, async |_| {}).await;
                assert_eq!(met.len(), whole.len(), "{query:?}: {met:?}");
                assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), whole, "{query:?}");
            }
        }
    }
}

async fn pages_visit_every_task_once_while_others_write(w: World) {
    for order in ORDERS {
        let ids = many(&w, 24).await;
        let query = TaskQuery { order, limit: 5, text: Some("t ".into()), ..TaskQuery::default() };
        let stay: BTreeSet<_> =
            w.find(TaskQuery { limit: 1_000, ..query.clone() }).await.into_iter().collect();
        let doomed = ids[11];
        let met = follow(&w, &query, async |page| {
            w.pass();
            // Tasks from both ends move to the other end; one goes, others come.
            for (step, id) in ids.iter().enumerate().filter(|(_, id)| **id != doomed) {
                if (step + page) % 3 == 0 {
                    let hours = i64::try_from((step * 31 + page * 17) % 90).unwrap();
                    let priority = u8::try_from(1 + (step + page) % 5).unwrap();
                    let edits = [
                        TaskEdit::Due(Some(noon() + TimeDelta::hours(hours))),
                        TaskEdit::Priority(Some(priority)),
                        TaskEdit::Sort(i64::try_from(page).unwrap() + 1),
                    ];
                    w.edit(*id, &edits).await.unwrap();
                }
            }
            w.task("Here").await;
            if page == 1 {
                w.board.delete_task(&w.by(), doomed).await.unwrap();
            }
        })
        .await;
        let once: BTreeSet<_> = met.iter().copied().collect();
        assert_eq!(once.len(), met.len(), "{order:?}: met twice: {met:?}");
        for id in stay.iter().filter(|id| **id != doomed) {
            assert!(once.contains(id), "{order:?}: task {id} was never met: {met:?}");
        }
    }
}

async fn a_page_holds_at_most_what_was_asked_for(w: World) {
    for number in 0..105 {
        w.add_below(NewTask::new(w.alpha, format!("{number}"))).await;
    }
    assert_eq!(w.find(TaskQuery::default()).await.len(), 100);
    let page = w.board.tasks(&TaskQuery { limit: 105, ..TaskQuery::default() }).await.unwrap();
    assert_eq!((page.items.len(), page.next), (105, None));
    assert_eq!(w.find(TaskQuery { limit: 1, ..TaskQuery::default() }).await.len(), 1);
}

async fn a_foreign_or_damaged_cursor_is_refused(w: World) {
    many(&w, 9).await;
    let query = TaskQuery { limit: 2, order: TaskOrder::Due, ..TaskQuery::default() };
    let next = w.board.tasks(&query).await.unwrap().next.unwrap();
    let with = |after: &str| TaskQuery { after: Some(Cursor(after.to_owned())), ..query.clone() };
    assert_eq!(w.find(with(&next.0)).await.len(), 2);
    for text in
        ["", "x", "1", "....", "'; drop table tasks; --", &next.0[1..], &format!("{}0", next.0)]
    {
        malformed(w.board.tasks(&with(text)).await);
    }
    let other_order = TaskQuery { order: TaskOrder::Modified, ..with(&next.0) };
    malformed(w.board.tasks(&other_order).await);
    let other_filter = TaskQuery { projects: vec![w.alpha], ..with(&next.0) };
    malformed(w.board.tasks(&other_filter).await);
    let foreign = World::sqlite().await;
    if w.below.is_some() {
        malformed(foreign.board.tasks(&with(&next.0)).await);
    }
}

async fn wide_questions_are_answered_and_wider_ones_refused(w: World) {
    let one = w.add_below(NewTask::new(w.alpha, "x").with(TaskEdit::AddTag("t 7".into()))).await.id;
    let tags: Vec<String> = (0..400).map(|number| format!("t {number}")).collect();
    let people = (1..400).map(rota::domain::PersonId).collect();
    let projects = (1..400).map(rota::domain::ProjectId).collect();
    for order in ORDERS {
        let query = TaskQuery { tags_any: tags.clone(), order, ..TaskQuery::default() };
        assert_eq!(w.find(query).await, [one]);
    }
    let query = TaskQuery { assignee: AssigneeFilter::OneOf(people), ..TaskQuery::default() };
    assert!(w.find(query).await.is_empty());
    assert_eq!(w.find(TaskQuery { projects, ..TaskQuery::default() }).await, [one]);
    let ids: Vec<TaskId> = (0..400).map(|number| TaskId(one.0 + number)).collect();
    for order in ORDERS {
        let query = TaskQuery { ids: ids.clone(), order, ..TaskQuery::default() };
        assert_eq!(w.find(query).await, [one]);
    }
    let tags = (0..501).map(|number| format!("t {number}")).collect();
    malformed(w.board.tasks(&TaskQuery { tags_none: tags, ..TaskQuery::default() }).await);
}
