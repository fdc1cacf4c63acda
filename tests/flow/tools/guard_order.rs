//! The order of the guard's checks: a call that is wrong in several ways is told of the first of them,
//! and nothing that comes after is asked.

use crate::support::house::{House, json, playbook};
use rota::domain::{Mode, Reason, Role, TaskId, Value};
use rota::tools::{Context, Tally, ToolError, Trust};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The checks by what they answer, in their order; the journal comes last.
const ORDER: [Reason; 7] = [
    Reason::ToolNotListed,
    Reason::RoleTooLow,
    Reason::OutOfScope,
    Reason::ScopeMax,
    Reason::TrustWindow,
    Reason::ClaimLost,
    Reason::StoreFailed,
];

/// A tool, and its call about a task.
type Way = (&'static str, fn(TaskId) -> String);

/// One effect of the least role, one of a higher role, several in one step.
const WAYS: [Way; 3] = [
    ("addComment", |id| format!(r#"{{"module":"ticket","entityId":{id},"text":"hello"}}"#)),
    ("editTask", |id| format!(r#"{{"id":{id},"params":{{"headline":"New"}}}}"#)),
    ("bulkEditTasks", |id| {
        format!(r#"{{"atomic":true,"updates":[{{"id":{id},"headline":"New"}}]}}"#)
    }),
];

/// A call that violates these checks and no others.
struct Violation {
    house: House,
    context: Context,
    args: Value,
}

impl Violation {
    async fn of(violated: &[Reason], mode: Mode, (tool, call): Way) -> Self {
        let is = |reason| violated.contains(&reason);
        let house = House::build().await;
        let mut book = playbook(&[if is(Reason::ToolNotListed) { "getTicket" } else { tool }]);
        if is(Reason::ScopeMax) {
            book.scope.max.insert(tool.to_owned(), 0);
        }
        let mut context = house.agent(book).await;
        if is(Reason::RoleTooLow) {
            context.principal.person.role = Role::Readonly;
        }
        let run = context.run.as_mut().unwrap();
        run.mode = mode;
        if is(Reason::TrustWindow) {
            run.trust = Trust::when(|| false);
        }
        *house.journal.claim_lost.lock().unwrap() = is(Reason::ClaimLost);
        *house.journal.failing_intent.lock().unwrap() = is(Reason::StoreFailed);
        let task = if is(Reason::OutOfScope) { house.neighbour } else { house.task };
        let args = json(&call(task));
        Self { house, context, args }
    }

    async fn call(&self, tool: &str) -> Result<(), ToolError> {
        self.house.tools.call(tool, self.args.clone(), &self.context).await.map(drop)
    }
}

/// The steps that are taken before a check refuses.
fn steps_before(refusal: Reason) -> &'static [&'static str] {
    match refusal {
        Reason::ClaimLost => &["fence"],
        Reason::StoreFailed => &["fence", "intend"],
        _ => &[],
    }
}

/// The first of these is what is answered; nothing is done, and nothing counted before it is journaled.
async fn answers_the_first_of(violated: &[Reason]) {
    for way in WAYS {
        for mode in [Mode::Live, Mode::Staged, Mode::Shadow] {
            let what = format!("{} in {mode:?}, violating {violated:?}", way.0);
            let violation = Violation::of(violated, mode, way).await;
            let error = violation.call(way.0).await.expect_err(&what);
            assert_eq!(error.reason(), violated[0], "{what}: {error}");
            let happened = violation.house.happened();
            let steps = happened.iter().map(|step| step.split(' ').next().unwrap());
            assert_eq!(steps.collect::<Vec<_>>(), steps_before(violated[0]), "{what}");
            let counts = violation.context.run.as_ref().unwrap().tally.counts();
            // What the journal failed to keep may be there all the same.
            let is_counted = violated[0] == Reason::StoreFailed;
            assert_eq!(counts.values().any(|count| *count > 0), is_counted, "{what}: {counts:?}");
        }
    }
}

#[tokio::test]
async fn each_check_alone_refuses_and_without_a_violation_the_call_is_done() {
    for reason in ORDER {
        answers_the_first_of(&[reason]).await;
    }
    for way in WAYS {
        for mode in [Mode::Live, Mode::Staged, Mode::Shadow] {
            Violation::of(&[], mode, way).await.call(way.0).await.unwrap();
        }
    }
}

#[tokio::test]
async fn of_any_two_violations_the_earlier_is_answered() {
    for (place, earlier) in ORDER.into_iter().enumerate() {
        for later in ORDER.into_iter().skip(place + 1) {
            answers_the_first_of(&[earlier, later]).await;
        }
    }
}

#[tokio::test]
async fn who_mends_one_violation_after_another_is_told_of_each_in_turn() {
    for place in 0..ORDER.len() {
        answers_the_first_of(&ORDER[place..]).await;
    }
}

/// What a playbook may do at all comes before everything that passes by itself.
#[tokio::test]
async fn the_cap_of_proposals_is_a_cap_and_stands_before_trust_window_and_fence() {
    for (way, later) in WAYS.into_iter().zip([Reason::TrustWindow, Reason::ClaimLost].repeat(2)) {
        let mut violation = Violation::of(&[later], Mode::Staged, way).await;
        let tally = Tally::new(0, BTreeMap::new());
        tally.begin_proposals(200);
        violation.context.run.as_mut().unwrap().tally = Arc::new(tally);
        let error = violation.call(way.0).await.unwrap_err();
        assert_eq!((error.reason(), error.is_fatal()), (Reason::ScopeMax, false), "{error}");
        assert!(violation.house.happened().is_empty());
    }
}
