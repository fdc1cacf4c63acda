//! Goal boards, goals, their parts and their comments.

use super::{World, conflict, contract, day, malformed, not_found};
use rota::domain::{
    CommentQuery, CommentTarget, Goal, GoalBoard, GoalBoardId, GoalBoardQuery, GoalEdit, GoalId,
    GoalQuery, GoalStatus, Metric, MilestoneId, NewComment, NewGoal, NewGoalBoard, NewMilestone,
    PersonId, ProjectId, Rating, Stamp,
};

contract! {
    a_goal_is_kept_whole
    a_goal_changes_under_its_own_revision
    goals_are_found_by_project_board_milestone_and_parent
    goals_come_in_pages_by_id
    what_makes_no_goal_is_malformed
    a_goal_is_never_a_part_of_itself
    parts_stay_and_comments_go_when_a_goal_goes
    a_goal_board_with_goals_does_not_go
    edits_of_goals_and_their_inverses_come_back_to_the_start
    a_goal_is_commented_on
}

async fn board_of(w: &World, project: ProjectId) -> GoalBoard {
    let new = NewGoalBoard { project, title: "2027".into(), description: "d".into() };
    w.low().add_goal_board(&w.by(), new).await.unwrap().after
}

fn new(board: GoalBoardId, title: &str) -> NewGoal {
    NewGoal { board, title: title.into(), start_value: 10.0, end_value: 20.0, edits: Vec::new() }
}

async fn goal(w: &World, board: GoalBoardId, edits: Vec<GoalEdit>) -> Goal {
    let new = NewGoal { edits, ..new(board, "G") };
    w.board.add_goal(&w.by(), new).await.unwrap().after
}

async fn milestone(w: &World, project: ProjectId) -> MilestoneId {
    let (from, to) = (super::noon(), super::noon());
    let (headline, color) = ("M".to_owned(), "#123456".to_owned());
    let new = NewMilestone { project, headline, color, assignee: None, from, to, depends_on: None };
    w.low().add_milestone(&w.by(), new).await.unwrap().after.id
}

async fn found(w: &World, query: GoalQuery) -> Vec<GoalId> {
    w.board.goals(&query).await.unwrap().items.iter().map(|goal| goal.id).collect()
}

async fn a_goal_is_kept_whole(w: World) {
    let board = board_of(&w, w.beta).await;
    assert_eq!((board.author, board.created, board.project), (w.ann, super::noon(), w.beta));
    assert_eq!(w.board.goal_board(board.id).await.unwrap(), board);
    let bare = goal(&w, board.id, Vec::new()).await;
    assert_eq!((bare.current_value, bare.revision, bare.project), (10.0, 1, w.beta));
    assert_eq!((bare.author, bare.created, bare.modified), (w.ann, super::noon(), super::noon()));
    for (metric, status) in
        [(Metric::Percent, GoalStatus::AtRisk), (Metric::Currency, GoalStatus::Missed)]
    {
        let edits = vec![
            GoalEdit::Description("In € ☂\n".into()),
            GoalEdit::Owner(Some(w.bob)),
            GoalEdit::StartValue(-0.0),
            GoalEdit::CurrentValue(0.1),
            GoalEdit::EndValue(-1e-9),
            GoalEdit::Metric(metric),
            GoalEdit::Status(status),
            GoalEdit::Milestone(Some(milestone(&w, w.beta).await)),
            GoalEdit::Parent(Some(bare.id)),
            GoalEdit::Start(Some(day(0))),
            GoalEdit::End(Some(day(0))),
        ];
        let full = goal(&w, board.id, edits).await;
        assert_eq!((full.metric, full.status, full.owner), (metric, status, Some(w.bob)));
        assert_eq!((full.end_value, full.description.as_str()), (-1e-9, "In € ☂\n"));
        assert_eq!(
            (full.parent, full.start, full.end),
            (Some(bare.id), Some(day(0)), Some(day(0)))
        );
        let kept = w.board.goal(full.id).await.unwrap();
        assert_eq!(format!("{kept:?}"), format!("{full:?}"), "also the sign of zero");
    }
}

async fn a_goal_changes_under_its_own_revision(w: World) {
    let board = board_of(&w, w.alpha).await;
    let first = goal(&w, board.id, Vec::new()).await;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let at = |revision| Stamp { revision: Some(revision), ..w.by() };
    let edits = [GoalEdit::CurrentValue(15.0), GoalEdit::Status(GoalStatus::AtRisk)];
    let written = w.board.edit_goal(&at(1), first.id, &edits).await.unwrap();
    assert_eq!((written.changed, written.after.revision), (true, 2));
    assert!(written.after.modified > first.modified);
    assert_eq!(w.board.goal(first.id).await.unwrap(), written.after);
    let rows = w.rows_after(latest).await;
    let told: Vec<_> = rows.iter().map(|row| (row.field.as_str(), row.task, row.project)).collect();
    assert_eq!(told, [("current_value", None, Some(w.alpha)), ("status", None, Some(w.alpha))]);
    assert_eq!((&rows[0].before, &rows[0].after), (&10.0.into(), &15.0.into()));
    conflict(w.board.edit_goal(&at(1), first.id, &edits).await);
    conflict(w.board.delete_goal(&at(1), first.id).await);
    let again = w.board.edit_goal(&at(2), first.id, &edits).await.unwrap();
    assert_eq!((again.changed, again.after), (false, written.after));
    assert_eq!(w.rows_after(latest).await.len(), 2);
    malformed(w.board.add_goal(&at(1), new(board.id, "x")).await);
}

async fn goals_are_found_by_project_board_milestone_and_parent(w: World) {
    let (one, two) = (board_of(&w, w.alpha).await.id, board_of(&w, w.alpha).await.id);
    let other = board_of(&w, w.beta).await.id;
    let towards = milestone(&w, w.alpha).await;
    let top = w.low().add_goal(&w.by(), new(one, "Top")).await.unwrap().after.id;
    let part = goal(&w, other, vec![GoalEdit::Parent(Some(top))]).await.id;
    let timed = goal(&w, two, vec![GoalEdit::Milestone(Some(towards))]).await.id;
    let all = GoalQuery::default;
    assert_eq!(found(&w, all()).await, [top, part, timed]);
    assert_eq!(found(&w, GoalQuery { projects: vec![w.alpha], ..all() }).await, [top, timed]);
    assert_eq!(found(&w, GoalQuery { boards: vec![two, other], ..all() }).await, [part, timed]);
    assert_eq!(found(&w, GoalQuery { milestone: Some(towards), ..all() }).await, [timed]);
    assert_eq!(found(&w, GoalQuery { parent: Some(top), ..all() }).await, [part]);
    assert_eq!(found(&w, GoalQuery { has_parent: Some(true), ..all() }).await, [part]);
    assert_eq!(found(&w, GoalQuery { has_parent: Some(false), ..all() }).await, [top, timed]);
    let query = GoalBoardQuery { projects: vec![w.alpha], ..GoalBoardQuery::default() };
    let boards = w.board.goal_boards(&query).await.unwrap().items;
    assert_eq!(boards.iter().map(|board| board.id).collect::<Vec<_>>(), [one, two]);
    // What is changed here hides what is below.
    let elsewhere = [GoalEdit::Parent(Some(timed))];
    w.board.edit_goal(&w.by(), part, &elsewhere).await.unwrap();
    assert!(found(&w, GoalQuery { parent: Some(top), ..all() }).await.is_empty());
}

async fn goals_come_in_pages_by_id(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let mut ids = Vec::new();
    for number in 0..9 {
        let to = if number < 5 { w.low() } else { &w.board };
        ids.push(to.add_goal(&w.by(), new(board, "G")).await.unwrap().after.id);
    }
    w.board.delete_goal(&w.by(), ids.remove(1)).await.unwrap();
    let mut query = GoalQuery { limit: 3, ..GoalQuery::default() };
    let mut met = Vec::new();
    loop {
        let page = w.board.goals(&query).await.unwrap();
        assert!(page.items.len() <= 3);
        met.extend(page.items.iter().map(|goal| goal.id));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
        // What is written between pages moves nothing.
        let edit = [GoalEdit::CurrentValue(f64::from(u8::try_from(met.len()).unwrap()))];
        w.board.edit_goal(&w.by(), met[0], &edit).await.unwrap();
    }
    assert_eq!(met, ids);
    query.after = Some(rota::domain::Cursor("elsewhere".into()));
    malformed(w.board.goals(&query).await);
    let projects = vec![w.alpha; 501];
    malformed(w.board.goals(&GoalQuery { projects, ..GoalQuery::default() }).await);
}

async fn what_makes_no_goal_is_malformed(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let first = goal(&w, board, Vec::new()).await;
    let elsewhere = milestone(&w, w.beta).await;
    for edit in [
        GoalEdit::Title(" ".into()),
        GoalEdit::Title("é".repeat(256)),
        GoalEdit::Description("x".repeat(65_536)),
        GoalEdit::StartValue(f64::NAN),
        GoalEdit::CurrentValue(f64::INFINITY),
        GoalEdit::EndValue(-1e16),
        GoalEdit::Owner(Some(PersonId(99))),
        GoalEdit::Milestone(Some(MilestoneId(99))),
        GoalEdit::Milestone(Some(elsewhere)),
        GoalEdit::Parent(Some(GoalId(99))),
        GoalEdit::End(Some(chrono::NaiveDate::MAX)),
    ] {
        malformed(w.board.edit_goal(&w.by(), first.id, std::slice::from_ref(&edit)).await);
        let new = NewGoal { edits: vec![edit], ..new(board, "G") };
        malformed(w.board.add_goal(&w.by(), new).await);
    }
    let backwards = [GoalEdit::Start(Some(day(1))), GoalEdit::End(Some(day(0)))];
    malformed(w.board.edit_goal(&w.by(), first.id, &backwards).await);
    malformed(w.board.edit_goal(&Stamp::by(PersonId(99)), first.id, &[]).await);
    not_found(w.board.add_goal(&w.by(), new(GoalBoardId(99), "G")).await);
    not_found(w.board.edit_goal(&w.by(), GoalId(99), &[]).await);
    not_found(w.board.delete_goal(&w.by(), GoalId(99)).await);
    not_found(w.board.goal(GoalId(99)).await);
    not_found(w.board.goal_board(GoalBoardId(99)).await);
    let title = String::new();
    let nameless = NewGoalBoard { project: w.alpha, title, description: String::new() };
    malformed(w.board.add_goal_board(&w.by(), nameless.clone()).await);
    let project = ProjectId(99);
    not_found(w.board.add_goal_board(&w.by(), NewGoalBoard { project, ..nameless }).await);
    assert_eq!(found(&w, GoalQuery::default()).await, [first.id]);
    assert_eq!(w.board.goal(first.id).await.unwrap(), first);
}

async fn a_goal_is_never_a_part_of_itself(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let top = goal(&w, board, Vec::new()).await.id;
    let middle = goal(&w, board, vec![GoalEdit::Parent(Some(top))]).await.id;
    let low = goal(&w, board, vec![GoalEdit::Parent(Some(middle))]).await.id;
    for id in [top, middle, low] {
        malformed(w.board.edit_goal(&w.by(), top, &[GoalEdit::Parent(Some(id))]).await);
    }
    w.board.edit_goal(&w.by(), low, &[GoalEdit::Parent(Some(top))]).await.unwrap();
    w.board.edit_goal(&w.by(), middle, &[GoalEdit::Parent(Some(low))]).await.unwrap();
}

fn comment(on: GoalId, text: &str) -> NewComment {
    NewComment { on: CommentTarget::Goal(on), text: text.into(), parent: None, rating: None }
}

async fn parts_stay_and_comments_go_when_a_goal_goes(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let top = w.low().add_goal(&w.by(), new(board, "Top")).await.unwrap().after;
    let part = goal(&w, board, vec![GoalEdit::Parent(Some(top.id))]).await;
    let first = w.low().add_comment(&w.by(), comment(top.id, "First")).await.unwrap().after;
    let answer = NewComment { parent: Some(first.id), ..comment(top.id, "Second") };
    w.board.add_comment(&w.by(), answer).await.unwrap();
    let kept = w.board.add_comment(&w.by(), comment(part.id, "Kept")).await.unwrap().after;
    let latest = w.board.latest_activity().await.unwrap();
    w.pass();
    let gone = w.board.delete_goal(&w.by(), top.id).await.unwrap();
    assert_eq!((gone.changed, &gone.after), (true, &top));
    not_found(w.board.goal(top.id).await);
    let now = w.board.goal(part.id).await.unwrap();
    assert_eq!((now.parent, now.revision), (None, 2));
    assert!(now.modified > part.modified);
    let comments = w.board.comments(&CommentQuery::default()).await.unwrap().items;
    assert_eq!(comments, [kept]);
    let rows = w.rows_after(latest).await;
    let fields: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    assert_eq!(fields, ["parent", "deleted", "deleted", "deleted"]);
    let again = goal(&w, board, Vec::new()).await;
    assert!(again.id > part.id, "an id is never given twice");
}

async fn a_goal_board_with_goals_does_not_go(w: World) {
    let board = board_of(&w, w.alpha).await;
    let only = goal(&w, board.id, Vec::new()).await;
    conflict(w.board.delete_goal_board(&w.by(), board.id).await);
    w.board.delete_goal(&w.by(), only.id).await.unwrap();
    let gone = w.board.delete_goal_board(&w.by(), board.id).await.unwrap();
    assert_eq!((gone.changed, gone.after), (true, board.clone()));
    not_found(w.board.goal_board(board.id).await);
    not_found(w.board.delete_goal_board(&w.by(), board.id).await);
    assert!(w.board.goal_boards(&GoalBoardQuery::default()).await.unwrap().items.is_empty());
    assert!(board_of(&w, w.alpha).await.id != board.id || w.below.is_some());
}

async fn edits_of_goals_and_their_inverses_come_back_to_the_start(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let (other, start) = (goal(&w, board, Vec::new()).await, goal(&w, board, Vec::new()).await);
    let edits = [
        GoalEdit::Title("T".into()),
        GoalEdit::Description("D".into()),
        GoalEdit::Owner(Some(w.bob)),
        GoalEdit::StartValue(1.0),
        GoalEdit::CurrentValue(2.0),
        GoalEdit::EndValue(3.0),
        GoalEdit::Metric(Metric::Percent),
        GoalEdit::Status(GoalStatus::Missed),
        GoalEdit::Milestone(Some(milestone(&w, w.alpha).await)),
        GoalEdit::Parent(Some(other.id)),
        GoalEdit::Start(Some(day(1))),
        GoalEdit::End(Some(day(2))),
    ];
    let (mut now, mut back) = (start.clone(), Vec::new());
    for edit in &edits {
        back.push(edit.inverse(&now));
        now = w.board.edit_goal(&w.by(), now.id, std::slice::from_ref(edit)).await.unwrap().after;
    }
    assert_eq!(now.revision, 13);
    back.reverse();
    let after = w.board.edit_goal(&w.by(), now.id, &back).await.unwrap().after;
    assert_eq!(after, Goal { revision: 14, ..start });
}

async fn a_goal_is_commented_on(w: World) {
    let board = board_of(&w, w.alpha).await.id;
    let (one, two) = (goal(&w, board, Vec::new()).await, goal(&w, board, Vec::new()).await);
    let latest = w.board.latest_activity().await.unwrap();
    let added = w.board.add_comment(&w.by(), comment(one.id, "Hello")).await.unwrap().after;
    let on = |id| CommentQuery { on: Some(CommentTarget::Goal(id)), ..CommentQuery::default() };
    assert_eq!(w.board.comments(&on(one.id)).await.unwrap().items, std::slice::from_ref(&added));
    assert!(w.board.comments(&on(two.id)).await.unwrap().items.is_empty());
    let rows = w.rows_after(latest).await;
    assert_eq!((rows.len(), rows[0].project, rows[0].task), (1, Some(w.alpha), None));
    let rated = NewComment { rating: Some(Rating::Red), ..comment(one.id, "x") };
    malformed(w.board.add_comment(&w.by(), rated).await);
    let answer = NewComment { parent: Some(added.id), ..comment(two.id, "x") };
    malformed(w.board.add_comment(&w.by(), answer).await);
    not_found(w.board.add_comment(&w.by(), comment(GoalId(99), "x")).await);
    w.board.delete_comment(&w.by(), added.id).await.unwrap();
    assert!(w.board.comments(&on(one.id)).await.unwrap().items.is_empty());
}
