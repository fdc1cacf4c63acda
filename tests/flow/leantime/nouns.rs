//! Goals, calendars and what has no route.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Fault, Role, Trouble};
use chrono::NaiveDate;
use rota::board::leantime::options::Credential;
use rota::board::{Board, BoardError, Comments, Goals, Members, Timesheets};
use rota::domain::{
    CommentTarget, EffectState, GoalBoardId, GoalEdit, GoalQuery, GoalStatus, Member, MemberQuery,
    NewComment, NewGoal, NewGoalBoard, PersonId, ProjectId, Stamp, TaskId, TimeAmount, TimeChange,
    TimeKind,
};
use serde_json::json;

fn new(board: i64, title: &str) -> NewGoal {
    NewGoal {
        board: GoalBoardId(board),
        title: title.into(),
        start_value: 0.0,
        end_value: 10.0,
        edits: vec![GoalEdit::Description("By **all**".into())],
    }
}

/// What the person does past the board.
async fn by_hand(s: &Scene, method: &str, params: &serde_json::Value) {
    let method = format!("leantime.rpc.{method}");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.post(format!("{}/api/jsonrpc", s.fake.url()));
    let request = request.bearer_auth(s.fake.add_token(s.hugo)).json(&call);
    assert!(request.send().await.unwrap().text().await.unwrap().contains("result"));
}

/// A goal board that has a goal, as a person made it.
async fn board_with_goal(s: &Scene) -> i64 {
    let board = s.fake.add_board(s.project.0, "Targets");
    let values = json!({
        "canvasId": board, "title": "First", "description": "", "box": "goal", "author": s.hugo,
        "status": "status_ontrack", "startValue": 0, "currentValue": 1, "endValue": 10,
        "metricType": "number",
    });
    by_hand(s, "goalcanvas.createGoal", &json!({ "values": values })).await;
    board
}

#[tokio::test]
async fn goals_are_added_and_changed_and_go_on_being_what_they_were() {
    let s = Scene::new(unlimited()).await;
    let board = board_with_goal(&s).await;
    let goal = s.board.add_goal(&s.marked(1), new(board, "Ship")).await.unwrap().after;
    assert_eq!(s.board.goal(goal.id).await.unwrap(), goal);
    let edits = [
        GoalEdit::CurrentValue(4.5),
        GoalEdit::Status(GoalStatus::AtRisk),
        GoalEdit::Title("Ship it".into()),
    ];
    let edited = s.board.edit_goal(&s.marked(2), goal.id, &edits).await.unwrap().after;
    assert_eq!((edited.revision, edited.current_value), (2, 4.5));
    assert_eq!(s.board.goal(goal.id).await.unwrap(), edited);
    let old = Stamp { revision: Some(1), ..s.by() };
    let answer = s.board.edit_goal(&old, goal.id, &edits).await;
    assert!(matches!(answer, Err(BoardError::Conflict(_))), "{answer:?}");
    let boards = s.board.goal_boards(&rota::domain::GoalBoardQuery::default()).await.unwrap();
    assert_eq!(boards.items.iter().map(|b| b.id.0).collect::<Vec<_>>(), [board]);
    let all = s.board.goals(&GoalQuery::default()).await.unwrap().items;
    assert_eq!(all.iter().map(|g| g.title.as_str()).collect::<Vec<_>>(), ["First", "Ship it"]);
    let on = CommentTarget::Goal(goal.id);
    let said = NewComment { on, text: "Nearly".into(), parent: None, rating: None };
    s.board.add_comment(&s.by(), said).await.unwrap();
    s.is_careful();
}

#[tokio::test]
async fn what_has_no_route_is_refused_with_a_hint_before_anything_is_sent() {
    let s = Scene::new(unlimited()).await;
    let board = board_with_goal(&s).await;
    let goal = s.board.add_goal(&s.by(), new(board, "Ship")).await.unwrap().after;
    let more =
        NewGoalBoard { project: s.project, title: "More".into(), description: String::new() };
    let answers = [
        s.board.add_goal_board(&s.by(), more).await.map(|_| ()),
        s.board.delete_goal(&s.by(), goal.id).await.map(|_| ()),
    ];
    for answer in answers {
        let Err(BoardError::Unsupported(what)) = answer else { panic!("{answer:?}") };
        assert!(what.contains("web pages"), "{what}");
    }
    assert_eq!(s.board.goal(goal.id).await.unwrap(), goal);
}

#[tokio::test]
async fn a_list_of_projects_that_is_none_or_empty_takes_nobody_out_of_the_others() {
    let mut s = Scene::new(unlimited()).await;
    let (boss, key) = s.fake.add_key("Boss", Role::Admin, &[]);
    s.options.credential = Credential::read(&key).unwrap();
    s.options.user = Some(PersonId(boss));
    s.reopen();
    let other = ProjectId(s.fake.add_project("Other", &[]));
    let by = Stamp::by(PersonId(boss));
    let member = Member { project: other, person: PersonId(s.hugo), role: None };
    let relation = "projects.getUserProjectRelation";
    for (fault, times) in [(Fault::False, 1), (Fault::Empty, 2)] {
        s.fake.trouble(Trouble::new(fault.clone()).on(relation).times(times));
        let answer = s.board.put_member(&by, member.clone()).await;
        assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{fault:?} {answer:?}");
    }
    assert_eq!(s.fake.calls("projects.editUserProjectRelations"), 0);
    // Once may happen; the second look has it.
    s.fake.trouble(Trouble::new(Fault::Empty).on(relation));
    assert!(s.board.put_member(&by, member.clone()).await.unwrap().changed);
    let query = MemberQuery { projects: vec![s.project], ..MemberQuery::default() };
    let found = s.board.members(&query).await.unwrap().items;
    assert!(found.iter().any(|member| member.person.0 == s.hugo), "{found:?}");
    // What is written is read back.
    s.fake.trouble(Trouble::new(Fault::False).on(relation).after(1));
    let stamp = Stamp { mark: Some(mark(1)), ..by };
    let answer = s.board.remove_member(&stamp, other, PersonId(s.hugo)).await;
    assert!(matches!(answer, Err(BoardError::Unavailable { .. })), "{answer:?}");
    assert_eq!(s.board.effect_of(&mark(1)).await.unwrap(), EffectState::Unknown);
}

fn time(person: PersonId, task: TaskId, amount: TimeAmount) -> TimeChange {
    let day = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    TimeChange { task, person, day, kind: TimeKind::Development, amount, description: None }
}

#[tokio::test]
async fn an_editor_does_not_book_the_time_of_others_on_itself() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await.id;
    let theirs = time(PersonId(s.hugo), task, TimeAmount::Add(3_600));
    for _ in 0..2 {
        let answer = s.board.log_time(&s.by(), theirs.clone()).await;
        let Err(BoardError::Unsupported(what)) = answer else { panic!("{answer:?}") };
        assert!(what.contains("manager"), "{what}");
    }
    assert_eq!(s.fake.sheets().len(), 0);
    let own = time(s.agent, task, TimeAmount::Add(3_600));
    assert_eq!(s.board.log_time(&s.by(), own).await.unwrap().after.seconds, 3_600);
    assert_eq!(s.fake.sheets().len(), 1);
}

#[tokio::test]
async fn time_that_stands_elsewhere_goes_only_when_it_was_written_anew() {
    let mut s = Scene::new(unlimited()).await;
    let token = s.fake.add_token(s.hugo);
    s.options.identities.insert(PersonId(s.hugo), Credential::read(&token).unwrap());
    let (boss, key) = s.fake.add_key("Boss", Role::Manager, &[s.project.0]);
    s.options.credential = Credential::read(&key).unwrap();
    s.options.user = Some(PersonId(boss));
    s.reopen();
    let task = s.task("One").await.id;
    let params = json!({
        "hours": 5, "kind": "DEVELOPMENT", "timestamp": 1_795_375_800, "description": "",
    });
    by_hand(&s, "timesheets.logTime", &json!({ "ticketId": task.0, "params": params })).await;
    assert_eq!(s.fake.sheets().len(), 1, "{:?}", s.fake.sheets());
    let by = Stamp::by(PersonId(s.hugo));
    let less = time(PersonId(s.hugo), task, TimeAmount::Set(3_600));
    s.fake.trouble(Trouble::new(Fault::CallError("upsertTime")).on("timesheets.upsertTime"));
    assert!(s.board.log_time(&by, less.clone()).await.is_err());
    assert_eq!(s.fake.sheets()[0]["hours"].as_f64(), Some(5.0), "{:?}", s.fake.sheets());
    assert_eq!(s.board.log_time(&by, less).await.unwrap().after.seconds, 3_600);
    assert_eq!(s.fake.sheets().len(), 1);
}
