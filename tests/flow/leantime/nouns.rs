//! Goals, calendars and what has no route.

use super::{Scene, unlimited};
use rota::board::{BoardError, Comments, Goals};
use rota::domain::{
    CommentTarget, GoalBoardId, GoalEdit, GoalQuery, GoalStatus, NewComment, NewGoal, NewGoalBoard,
    Stamp,
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

/// A goal board that has a goal, as a person made it.
async fn board_with_goal(s: &Scene) -> i64 {
    let board = s.fake.add_board(s.project.0, "Targets");
    let values = json!({
        "canvasId": board, "title": "First", "description": "", "box": "goal", "author": s.hugo,
        "status": "status_ontrack", "startValue": 0, "currentValue": 1, "endValue": 10,
        "metricType": "number",
    });
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "leantime.rpc.goalcanvas.createGoal",
        "params": { "values": values },
    });
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.post(format!("{}/api/jsonrpc", s.fake.url()));
    let request = request.bearer_auth(s.fake.add_token(s.hugo)).json(&call);
    assert!(request.send().await.unwrap().text().await.unwrap().contains("result"));
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
