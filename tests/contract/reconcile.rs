//! People win: what counts as a person's change, and what is put back.

use super::given::{at, person, task};
use rota::domain::*;
use rota::schedule::Finding;
use rota::schedule::*;

const AGENT: PersonId = PersonId(2);

fn claim(phase: Phase) -> Claim {
    Claim {
        board: BoardName::new("main"),
        task: TaskId(7),
        fence: Fence(1),
        phase,
        holder: None,
        run: RunId::new("r-1"),
        assistant: None,
        playbook: PlaybookName::new("worker"),
        attempt: 1,
        lease_ends: None,
        nonce: String::new(),
        before: Before {
            assignee: None,
            status: Some(StatusId(3)),
            tags: vec!["docs".into()],
            revision: 1,
            comment: None,
        },
        wrote: Wrote {
            assignee: Some(Some(AGENT)),
            status: Some(StatusId(4)),
            tags: vec!["AI-Agent".into()],
        },
        parked: None,
        staged: None,
        ended: None,
        revoked: None,
        untold: Vec::new(),
        marker: None,
    }
}

/// The task as we left it.
fn ours() -> Task {
    Task {
        assignee: Some(AGENT),
        status: StatusId(4),
        tags: vec!["AI-Agent".into(), "docs".into()],
        ..task(7)
    }
}

fn found(claim: &Claim, task: Option<&Task>, comments: &[Comment]) -> Finding {
    let people = [
        person(1, "Ada", PersonKind::Person),
        person(2, "AI-Worker", PersonKind::Agent),
        person(3, "AI-Reviewer", PersonKind::Agent),
    ];
    let held = HeldView {
        claim,
        task_now: task,
        seen_revision: 1,
        comments,
        agent: AGENT,
        people: &people,
    };
    let mut verdicts = reconcile(&[held]);
    assert_eq!((verdicts[0].task, verdicts[0].run.as_str()), (TaskId(7), "r-1"));
    verdicts.remove(0).finding
}

fn yielded(reason: Reason, detail: &str) -> Finding {
    Finding::Yield { reason, detail: detail.to_owned() }
}

fn comment(author: i64, text: &str) -> Comment {
    Comment {
        id: CommentId(5),
        on: CommentTarget::Task(TaskId(7)),
        author: PersonId(author),
        text: text.into(),
        parent: None,
        rating: None,
        created: at("2026-11-10T09:00:00Z"),
    }
}

#[test]
fn what_is_as_we_wrote_it_goes_on() {
    let working = claim(Phase::Working);
    assert_eq!(found(&working, Some(&ours()), &[]), Finding::Same);
    let edited = Task { description: "More.".into(), revision: 9, ..ours() };
    assert_eq!(found(&working, Some(&edited), &[]), Finding::Refresh);
}

#[test]
fn what_we_did_not_write_a_person_did() {
    let working = claim(Phase::Working);
    let by = |task: Task| found(&working, Some(&task), &[]);
    let took = Reason::PersonTookOver;
    assert_eq!(
        by(Task { assignee: Some(PersonId(1)), ..ours() }),
        yielded(took, "the task was assigned to Ada")
    );
    assert_eq!(by(Task { assignee: None, ..ours() }), yielded(took, "the task was unassigned"));
    assert_eq!(
        by(Task { status: StatusId(0), ..ours() }),
        yielded(took, "the task's status was set to 0")
    );
    // Put back by hand to what it was before: that is a person's change, too.
    assert!(matches!(by(Task { status: StatusId(3), ..ours() }), Finding::Yield { .. }));
    assert_eq!(
        by(Task { tags: vec!["ai-stop ".into()], ..ours() }),
        yielded(Reason::StopTag, "the task has the tag \"AI-Stop\"")
    );
    assert_eq!(found(&working, None, &[]), yielded(Reason::NotFound, "the task was deleted"));
}

#[test]
fn while_the_board_is_being_told_the_old_values_are_nobodys_change() {
    let announced = claim(Phase::Announced);
    let untouched = Task { assignee: None, status: StatusId(3), tags: vec![], ..task(7) };
    assert_eq!(found(&announced, Some(&untouched), &[]), Finding::Same);
    let half = Task { assignee: None, ..ours() };
    assert_eq!(found(&announced, Some(&half), &[]), Finding::Same);
    let person = Task { assignee: Some(PersonId(1)), ..ours() };
    assert!(matches!(found(&announced, Some(&person), &[]), Finding::Yield { .. }));
}

#[test]
fn before_anything_is_written_the_values_found_count() {
    let reserved = Claim { wrote: Wrote::default(), ..claim(Phase::Reserved) };
    let untouched = Task { assignee: None, status: StatusId(3), ..task(7) };
    assert_eq!(found(&reserved, Some(&untouched), &[]), Finding::Same);
    let taken = Task { assignee: Some(PersonId(1)), ..untouched };
    assert!(matches!(found(&reserved, Some(&taken), &[]), Finding::Yield { .. }));
}

#[test]
fn a_stop_command_counts_when_a_person_gives_it() {
    let working = claim(Phase::Working);
    let by = |author, text| found(&working, Some(&ours()), &[comment(author, text)]);
    assert_eq!(by(1, "Stop!"), yielded(Reason::StopComment, "Ada said stop in comment 5"));
    assert!(matches!(by(99, "/stop"), Finding::Yield { .. }));
    assert_eq!(by(2, "stop"), Finding::Same);
    assert_eq!(by(3, "stop"), Finding::Same);
}

#[test]
fn a_stop_command_is_strict() {
    for text in [
        "stop",
        "STOP",
        " /stop ",
        "Stop.",
        "stop!!",
        "@agent stop",
        "@AI-Worker stop",
        "@ai-worker  /stop",
        "\n\nstop\nI do it myself.",
    ] {
        assert!(is_stop_command(text, "AI-Worker"), "{text:?}");
    }
    for text in [
        "",
        "please stop",
        "stop it",
        "Don't stop",
        "stopped",
        "@Ada stop",
        "@agent please stop",
        "I do it.\nstop",
        "nonstop",
        "@agent",
        "agent stop",
    ] {
        assert!(!is_stop_command(text, "AI-Worker"), "{text:?}");
    }
}

#[test]
fn only_what_is_still_ours_is_put_back() {
    let working = claim(Phase::Working);
    assert_eq!(
        put_back(&working, &ours()),
        [
            TaskEdit::Assignee(None),
            TaskEdit::Status(StatusId(3)),
            TaskEdit::RemoveTag("AI-Agent".into())
        ]
    );
    let assigned = Task { assignee: Some(PersonId(1)), tags: vec!["docs".into()], ..ours() };
    assert_eq!(put_back(&working, &assigned), [TaskEdit::Status(StatusId(3))]);
    let moved = Task { status: StatusId(0), ..ours() };
    assert_eq!(
        put_back(&working, &moved),
        [TaskEdit::Assignee(None), TaskEdit::RemoveTag("AI-Agent".into())]
    );
    let mut restored = ours();
    for edit in put_back(&working, &ours()) {
        edit.apply(&mut restored);
    }
    assert_eq!((restored.assignee, restored.status), (None, StatusId(3)));
    assert_eq!(restored.tags, ["docs"]);
    assert_eq!(put_back(&working, &restored), []);
}

#[test]
fn a_tag_that_was_there_before_stays() {
    let mut working = claim(Phase::Working);
    working.before.tags.push("ai-agent".into());
    assert!(!put_back(&working, &ours()).contains(&TaskEdit::RemoveTag("AI-Agent".into())));
    assert_eq!(put_back(&Claim { wrote: Wrote::default(), ..working }, &ours()), []);
}
