//! Comments, statuses, milestones, goals, events and sprints.

use super::with_editor;
use crate::support::leantime::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn comments_come_without_their_ids_and_fail_with_false() {
    let (fake, me, client) = with_editor().await;
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    let add = async |text: &str, module: &str, entity: i64, father: i64| {
        let values = json!({ "text": text, "father": father });
        let params = json!({ "values": values, "module": module, "entityId": entity });
        client.call("comments.addComment", params).await
    };
    assert_eq!(add("one", "ticket", id, 0).await, true);
    assert_eq!(add("two", "ticket", id, 1).await, true);
    for (text, module, entity) in [("", "ticket", id), ("x", "tickets", id), ("x", "ticket", 99)] {
        assert_eq!(add(text, module, entity, 0).await, false, "{module} {entity}");
    }
    let get = async |extra: Value| {
        let mut params = json!({ "module": "ticket", "entityId": id });
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let rows = client.call("comments.getComments", params).await;
        rows.as_array().unwrap().iter().map(|row| row["text"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(get(json!({})).await, ["one"], "replies are elsewhere");
    assert_eq!(get(json!({ "parent": -1, "commentOrder": 1 })).await, ["one", "two"]);
    assert_eq!(get(json!({ "parent": 1 })).await, ["two"]);
    assert_eq!(fake.comments("ticket", id)[0]["userId"], me);
    let own = fake.as_person(1).comment(id, "three");
    let edit = json!({ "id": own, "values": { "text": "mine now" } });
    assert_eq!(client.call("comments.editComment", edit).await, false);
    assert_eq!(client.call("comments.deleteComment", json!({ "commentId": own })).await, false);
    let (_, manager) = super::client(&fake, Role::Manager, &[1]);
    assert_eq!(manager.call("comments.deleteComment", json!({ "commentId": own })).await, true);
    let all = client.call("comments.pollComments", json!({})).await;
    assert_eq!(all[0]["date"], "2026-11-22T14:00:00Z");
    let with_entity = json!({
        "values": { "text": "lost" }, "module": "tickets", "entityId": id, "entity": { "id": id },
    });
    assert_eq!(client.call("comments.addComment", with_entity).await, true);
    assert_eq!(fake.comments("tickets", id).len(), 1, "where nobody looks");
    let gone = fake.add_person("Gone", "Soon", Role::Editor);
    fake.as_person(gone).comment(id, "four");
    fake.as_person(1).remove_user(gone);
    assert_eq!(fake.comments("ticket", id).last().unwrap()["text"], "four");
    assert_eq!(get(json!({ "parent": -1, "commentOrder": 1 })).await, ["one", "two"]);
}

#[tokio::test]
async fn polled_comments_take_their_project_from_whatever_has_the_number() {
    let (fake, me, client) = with_editor().await;
    let other = fake.add_project("Other", &[me]);
    let project = json!({ "values": { "text": "x" }, "module": "project", "entityId": 1 });
    assert_eq!(client.call("comments.addComment", project).await, true);
    let homes = async || {
        let rows = client.call("comments.pollComments", json!({})).await;
        rows.as_array().unwrap().iter().map(|row| row["projectId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(homes().await, Vec::<Value>::new(), "no ticket has the number 1");
    fake.as_person(1).add_ticket(json!({ "headline": "A", "projectId": other }));
    assert_eq!(homes().await, [json!(other)], "ticket 1 is in the other project");
    let board = fake.add_board(1, "Goals");
    let goal = json!({ "canvasId": board, "title": "G", "box": "goal", "author": me });
    client.call("goalcanvas.createGoal", json!({ "values": goal })).await;
    assert_eq!(homes().await, [json!(other), json!(1)], "and goal 1 in the first: it comes twice");
}

#[tokio::test]
async fn the_status_of_a_project_is_its_last_comment_also_one_without() {
    let (_fake, _, client) = with_editor().await;
    for (text, status) in [("a", "green"), ("b", "red"), ("c", "")] {
        let values = json!({ "text": text, "status": status });
        let params = json!({ "values": values, "module": "project", "entityId": 1 });
        assert_eq!(client.call("comments.addComment", params).await, true);
        let projects = client.call("projects.getAllProjects", json!({})).await;
        assert_eq!(projects[0]["status"], status);
    }
    let threads =
        client.call("dashboard.getProjectCommentsWithReplies", json!({ "projectId": 1 })).await;
    assert_eq!(threads.as_array().unwrap().len(), 3);
    assert_eq!(threads[0]["replies"], json!([]));
}

#[tokio::test]
async fn every_project_has_its_own_statuses() {
    let (fake, _, client) = with_editor().await;
    fake.set_statuses(1, &[(7, "Todo", "NEW"), (9, "Doing", "INPROGRESS"), (2, "Ready", "DONE")]);
    let labels = client.call("tickets.getStatusLabels", json!({ "projectId": 1 })).await;
    assert_eq!(labels["9"]["statusType"], "INPROGRESS");
    assert!(labels.get("3").is_none());
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(fake.ticket(id).unwrap()["status"], 3, "the default does not know the project");
    let set = json!({ "ticketId": id, "statusType": "inprogress" });
    assert_eq!(client.call("tickets.setTicketStatusByType", set).await, true);
    assert_eq!(fake.ticket(id).unwrap()["status"], 9);
    let labels = client.call("tickets.getStatusLabels", json!({ "projectId": 99 })).await;
    assert_eq!(
        labels["4"]["name"], "In Progress",
        "a project that is not there has the usual ones"
    );
    let project = fake.add_project("Usual", &[]);
    let (_, second) = super::client(&fake, Role::Editor, &[project]);
    let blocked = json!({ "headline": "B", "projectId": project, "status": 1 });
    let blocked = second.add(blocked).await;
    let set = async |kind: &str| {
        let params = json!({ "ticketId": blocked, "statusType": kind });
        second.call("tickets.setTicketStatusByType", params).await;
        fake.ticket(blocked).unwrap()["status"].clone()
    };
    assert_eq!(set("inprogress").await, 1, "it was of that kind");
    assert_eq!(set("done").await, 0);
    assert_eq!(set("inprogress").await, 4, "the usual number, not the first on the board");
    fake.set_statuses(1, &[(0, "Todo", "NEW"), (1, "Done", "DONE")]);
    let labels = client.call("tickets.getStatusLabels", json!({ "projectId": 1 })).await;
    assert_eq!(labels[1]["name"], "Done", "keys that count up from 0 make an array");
}

#[tokio::test]
async fn milestones_are_tickets_of_a_kind() {
    let (fake, me, client) = with_editor().await;
    let params = json!({
        "headline": "M", "projectId": 1, "tags": "#ff0000", "editFrom": "2026-12-01T00:00:00Z",
        "editTo": "2026-12-31T00:00:00Z",
    });
    let milestone = client.call("tickets.quickAddMilestone", json!({ "params": params })).await;
    let values = json!({ "headline": "A", "projectId": 1, "milestoneid": milestone });
    let id = client.add(values).await;
    assert_eq!(client.ticket(id).await["milestoneHeadline"], "M");
    assert_eq!(client.found(json!({ "milestone": milestone.to_string() })).await, [id]);
    let criteria = json!({ "searchCriteria": { "currentProject": 1, "type": "milestone" } });
    let all = client.call("tickets.getAllMilestones", criteria).await;
    assert_eq!((&all[0]["tags"], &all[0]["editorId"]), (&json!("#ff0000"), &json!(me.to_string())));
    let overview = client.call("tickets.getAllMilestonesOverview", json!({})).await;
    assert_eq!(overview[0]["id"], milestone);
    let empty = json!({ "params": { "headline": "", "projectId": 1 } });
    let refused = client.call("tickets.quickAddMilestone", empty).await;
    assert_eq!(refused["status"], "error");
    let short = json!({ "params": { "id": milestone, "headline": "N" } });
    assert_eq!(client.code("tickets.quickUpdateMilestone", short).await, -32000);
    assert_eq!(client.call("tickets.deleteMilestone", json!({ "id": milestone })).await, true);
    assert_eq!(fake.ticket(id).unwrap()["milestoneid"], 0);
}

#[tokio::test]
async fn goals_are_changed_by_a_form_and_by_nothing_else() {
    let (fake, me, client) = with_editor().await;
    let board = fake.add_board(1, "Goals");
    let values = json!({
        "canvasId": board, "title": "Ship", "box": "goal", "author": me, "startValue": 0,
        "currentValue": 1, "endValue": 10, "milestoneId": 7,
    });
    let id = client.call("goalcanvas.createGoal", json!({ "values": values })).await;
    assert_eq!(id, "1");
    let patch = async |kind: &str, body: &str| {
        let url = format!("{}/api/goalcanvas", fake.url());
        let request = client.http.patch(url).header("x-api-key", &client.header.1);
        let request = request.header("content-type", kind).body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(patch(form, "id=1&currentValue=5&title=Ship+v2").await, 200);
    assert_eq!(fake.goals()[0]["currentValue"], "5.00");
    assert_eq!(fake.goals()[0]["title"], "Ship v2");
    assert_eq!(patch(form, "id=1&nonsense=5").await, 400);
    assert_eq!(patch("application/json", "{\"id\":1,\"title\":\"x\"}").await, 400);
    let shown = client.call("goalcanvas.getCanvasItemsById", json!({ "id": board })).await;
    assert_eq!(shown[0]["goalProgress"], 50);
    let polled = client.call("goalcanvas.pollGoals", json!({ "projectId": 1 })).await;
    assert_eq!(polled[0]["canvasId"], board);
    let (_, reader) = super::client(&fake, Role::Readonly, &[1]);
    let url = format!("{}/api/goalcanvas?id=1&title=x", fake.url());
    let refused = reader.http.patch(url).header("x-api-key", &reader.header.1);
    assert_eq!(refused.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn events_are_the_callers_own_and_any_all_day_makes_them_so() {
    let (fake, _, client) = with_editor().await;
    let event = json!({
        "description": "E", "dateFrom": "2026-11-23T09:00:00Z", "dateTo": "2026-11-23T10:00:00Z",
    });
    let id = client.call("calendar.addEvent", json!({ "values": event })).await;
    let mut edit = event.clone();
    edit["id"] = id.clone();
    edit["allDay"] = json!(false);
    assert_eq!(client.call("calendar.editEvent", json!({ "values": edit })).await, true);
    assert_eq!(fake.events()[0]["allDay"], "true");
    edit.as_object_mut().unwrap().remove("allDay");
    client.call("calendar.editEvent", json!({ "values": edit })).await;
    assert_eq!(fake.events()[0]["allDay"], "false");
    let (_, other) = super::client(&fake, Role::Editor, &[1]);
    assert_eq!(other.call("calendar.getEvent", json!({ "eventId": id })).await, false);
    assert_eq!(other.call("calendar.delEvent", json!({ "id": id })).await, false);
    assert_eq!(client.call("calendar.delEvent", json!({ "id": id })).await, 1);
    let range = json!({ "from": "2026-11-01", "until": "2026-12-01" });
    assert_eq!(client.code("calendar.getMyCalendar", range).await, -32602);
}

#[tokio::test]
async fn sprints_are_kept_from_local_midnight_to_local_midnight() {
    let (fake, _, client) = with_editor().await;
    let params = json!({
        "name": "S", "projectId": 1, "startDate": "2026-11-23", "endDate": "2026-12-06",
    });
    let id = client.call("sprints.addSprint", json!({ "params": params })).await;
    let sprint = client.call("sprints.getSprint", json!({ "id": id })).await;
    assert_eq!(sprint["startDate"], "2026-11-23 08:00:00");
    assert_eq!(sprint["endDate"], "2026-12-07 07:59:59");
    let ticket = client.add(json!({ "headline": "A", "projectId": 1, "sprint": id })).await;
    let rows = client.call("tickets.getAll", json!({})).await;
    assert_eq!(rows[0]["sprintName"], "S");
    assert_eq!(client.call("sprints.deleteSprint", json!({ "id": id })).await, Value::Null);
    assert_eq!(fake.ticket(ticket).unwrap()["sprint"], 0);
}

#[tokio::test]
async fn tags_are_what_tickets_have() {
    let (_fake, _, client) = with_editor().await;
    for tags in ["agent,web", "Agency"] {
        client.add(json!({ "headline": "A", "projectId": 1, "tags": tags })).await;
    }
    let found = client.call("tags.getTags", json!({ "projectId": 1, "term": "age" })).await;
    assert_eq!(found, json!(["Agency", "agent"]));
}
