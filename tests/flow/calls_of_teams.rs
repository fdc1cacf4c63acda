//! What is typed about sprints and members, and the tool calls it stands for.

use super::calls::{Row, row};
use rota::app::house::Need::{Act, Look};
use serde_json::json;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            &["sprint", "list", "-p", "Web", "--on", "today"],
            "findSprints",
            json!({"projectId": ["Web"], "on": "today"}),
            Look,
        ),
        row(
            &["sprint", "add", "Sprint 12", "-p", "3", "--to", "+2w"],
            "addSprint",
            json!({"name": "Sprint 12", "projectId": 3, "startDate": "today", "endDate": "+2w"}),
            Act,
        ),
        row(&["sprint", "delete", "4"], "deleteSprint", json!({"id": 4}), Act),
        row(
            &["member", "set", "Bo", "-p", "Web", "--role", "readonly"],
            "setMember",
            json!({"projectId": "Web", "userId": "Bo", "role": "readonly"}),
            Act,
        ),
        row(
            &["member", "remove", "2", "-p", "Web"],
            "removeMember",
            json!({"projectId": "Web", "userId": 2}),
            Act,
        ),
        row(
            &["member", "list", "-p", "3", "--listed"],
            "getUsersAssignedToProject",
            json!({"projectId": 3, "teamOnly": true}),
            Look,
        ),
    ]
}
