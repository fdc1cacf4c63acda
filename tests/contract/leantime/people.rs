//! Who may do what, who sees whom, and who is told.

use super::{Client, client, with_editor};
use crate::support::leantime::{FakeLeantime, Options, Role};
use serde_json::{Value, json};

#[tokio::test]
async fn each_role_may_do_what_it_may() {
    let fake = FakeLeantime::start(Options::default()).await;
    let ticket = fake.as_person(1).add_ticket(json!({ "headline": "A", "projectId": 1 }));
    let read = ("tickets.getTicket", json!({ "id": ticket }));
    let comment = (
        "comments.addComment",
        json!({
        "values": { "text": "x" }, "module": "ticket", "entityId": ticket }),
    );
    let edit = ("tickets.patchTicket", json!({ "id": ticket, "values": { "tags": "x" } }));
    let project = ("projects.addProject", json!({ "values": { "name": "P", "clientId": 0 } }));
    let people = ("users.getAll", json!({}));
    let key = ("api.getAPIKeys", json!({}));
    let calls = [read, comment, edit, project, people, key];
    let roles = [
        (Role::Readonly, 1),
        (Role::Commenter, 2),
        (Role::Editor, 3),
        (Role::Manager, 4),
        (Role::Admin, 6),
    ];
    for (role, allowed) in roles {
        let (_, client) = client(&fake, role, &[1]);
        for (place, (method, params)) in calls.iter().enumerate() {
            let expected = if place < allowed { 0 } else { -32001 };
            assert_eq!(client.code(method, params.clone()).await, expected, "{role:?} {method}");
        }
    }
}

#[tokio::test]
async fn a_role_in_the_project_counts_below_manager() {
    let fake = FakeLeantime::start(Options::default()).await;
    let ticket = fake.as_person(1).add_ticket(json!({ "headline": "A", "projectId": 1 }));
    let patch = json!({ "id": ticket, "values": { "tags": "x" } });
    for (global, own, code) in [
        (Role::Commenter, Role::Editor, 0),
        (Role::Editor, Role::Commenter, -32001),
        (Role::Manager, Role::Readonly, 0),
    ] {
        let (id, client) = client(&fake, global, &[]);
        fake.add_member(id, 1, Some(own));
        assert_eq!(client.code("tickets.patchTicket", patch.clone()).await, code, "{global:?}");
    }
}

#[tokio::test]
async fn what_is_in_another_project_is_hidden_in_different_ways() {
    let (fake, _, client) = with_editor().await;
    let secret = fake.add_project("Secret", &[1]);
    let ticket = fake.as_person(1).add_ticket(json!({ "headline": "S", "projectId": secret }));
    assert_eq!(client.ticket(ticket).await, false);
    assert_eq!(client.found(json!({ "currentProject": secret })).await, Vec::<i64>::new());
    assert_eq!(client.code("projects.getProject", json!({ "id": secret })).await, -32001);
    let patch = json!({ "id": ticket, "values": { "tags": "x" } });
    assert_eq!(client.code("tickets.patchTicket", patch).await, -32002);
    // The holes that are there in the real one.
    let all = client.call("projects.getAllProjects", json!({})).await;
    assert_eq!(all[1]["name"], "Secret");
    let below = json!({
        "headline": "T", "projectId": secret, "type": "subtask", "dependingTicketId": ticket,
    });
    fake.as_person(1).add_ticket(below);
    let seen = client.call("tickets.getAllSubtasks", json!({ "ticketId": ticket })).await;
    assert_eq!(seen[0]["headline"], "T");
    let seen = client.call("tickets.getMilestone", json!({ "id": ticket })).await;
    assert_eq!(seen["headline"], "S");
    let (_, owner) = super::client(&fake, Role::Owner, &[]);
    assert_eq!(owner.ticket(ticket).await["headline"], "S");
}

#[tokio::test]
async fn programs_are_in_no_list_of_people_but_one() {
    let (fake, me, editor) = with_editor().await;
    let (_, admin) = client(&fake, Role::Admin, &[1]);
    let ids = |rows: Value| -> Vec<i64> {
        rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
    };
    let all = admin.call("users.getAll", json!({})).await;
    assert_eq!(ids(all), [1]);
    for list in ["projects.getUsersAssignedToProject", "projects.getUsersWithAccessToProject"] {
        let rows = editor.call(list, json!({ "projectId": 1 })).await;
        assert_eq!(ids(rows), [1], "{list}");
    }
    let employees = editor.call("projects.getEmployees", json!({})).await;
    assert!(ids(employees).contains(&me));
    let keys = admin.call("api.getAPIKeys", json!({})).await;
    assert_eq!(keys[0]["username"].as_str().unwrap().len(), 5);
    // It may be the editor all the same, and its name is shown.
    let id = editor.add(json!({ "headline": "A", "projectId": 1, "editorId": me })).await;
    assert_eq!(editor.ticket(id).await["editorFirstname"], "bot");
}

#[tokio::test]
async fn an_admin_mints_a_key_that_works() {
    let fake = FakeLeantime::start(Options::default()).await;
    let (_, admin) = client(&fake, Role::Admin, &[]);
    let values = json!({ "firstname": "Seven", "role": "20", "source": "api", "pwReset": "" });
    let params = json!({ "values": values, "projects": ["1"] });
    let made = admin.call("api.createApiKeyWithProjects", params).await;
    let part = |name: &str| made[name].as_str().unwrap().to_owned();
    let key = format!("lt_{}_{}", part("user"), part("passwordClean"));
    let seven = Client::new(&fake.url(), "x-api-key", &key);
    let me = seven.call("users.getUser", json!({})).await;
    assert_eq!((me["id"].to_string(), &me["firstname"]), (part("id"), &json!("Seven")));
    assert_eq!(seven.call("projects.getAll", json!({})).await[0]["id"], 1);
    let change = json!({ "id": me["id"], "postValues": { "firstname": "Eight" }, "projects": [] });
    assert_eq!(admin.call("api.updateApiKey", change).await, true);
    assert_eq!(seven.call("projects.getAll", json!({})).await, json!([]));
    // Nothing keeps an admin from making an owner.
    let values = json!({ "firstname": "Boss", "role": "50" });
    let boss = admin.call("api.createAPIKey", json!({ "values": values })).await;
    assert_eq!(boss["role"], "50");
}

#[tokio::test]
async fn a_list_of_projects_replaces_the_list_before() {
    let fake = FakeLeantime::start(Options::default()).await;
    let second = fake.add_project("Second", &[]);
    let (_, manager) = client(&fake, Role::Manager, &[1, second]);
    let (user, _) = client(&fake, Role::Editor, &[1]);
    let replace = json!({ "id": user, "projects": [second] });
    assert_eq!(manager.call("projects.editUserProjectRelations", replace).await, true);
    let own = manager.call("projects.getUserProjectRelation", json!({ "userId": user })).await;
    let projects: Vec<_> = own.as_array().unwrap().iter().map(|row| &row["projectId"]).collect();
    assert_eq!(projects, [&json!(second)]);
    // Members with an empty role are dropped from a new project.
    let members = json!([{ "id": user, "projectRole": "" }, { "id": 1, "projectRole": "20" }]);
    let values = json!({ "name": "Third", "clientId": 0, "assignedUsers": members });
    let third = manager.call("projects.addProject", json!({ "values": values })).await;
    let of = |user: i64| json!({ "userId": user, "projectId": third });
    assert_eq!(manager.call("projects.getUserProjectRelation", of(user)).await, json!([]));
    let ada = manager.call("projects.getUserProjectRelation", of(1)).await;
    assert_eq!(ada[0]["projectRole"], "20");
    let missing = json!({ "values": { "name": "No client" } });
    assert_eq!(manager.code("projects.addProject", missing).await, -32000);
}

#[tokio::test]
async fn people_are_told_of_statuses_and_comments_and_programs_of_mentions() {
    let (fake, me, client) = with_editor().await;
    let human = fake.add_person("Hugo", "Human", Role::Editor);
    fake.add_member(human, 1, None);
    let told = || (fake.notices(human), fake.mails(human), fake.notices(me), fake.mails(me));
    let id = client.add(json!({ "headline": "A", "projectId": 1 })).await;
    assert_eq!(told(), (1, 1, 0, 0));
    client.patch(id, json!({ "tags": "quiet", "editorId": me })).await;
    assert_eq!(told(), (1, 1, 0, 0), "without a status nobody is told");
    client.patch(id, json!({ "status": 4 })).await;
    assert_eq!(told(), (2, 2, 0, 0));
    let mention = format!("<a data-tagged-user-id=\"{me}\">@bot</a> please");
    let comment = fake.as_person(human).comment(id, &mention);
    assert_eq!(told(), (2, 2, 1, 0), "a program has an inbox, and gets no mail");
    assert_eq!(client.call("notifications.getUnreadCount", json!({})).await, 1);
    let inbox = client.call("notifications.getInbox", json!({ "showNewOnly": 1 })).await;
    assert_eq!((&inbox[0]["type"], &inbox[0]["moduleId"]), (&json!("mention"), &json!(comment)));
    assert!(inbox[0]["url"].as_str().unwrap().ends_with(&format!("/{id}")));
    client.call("notifications.markRead", json!({ "id": inbox[0]["id"] })).await;
    assert_eq!(client.call("notifications.getUnreadCount", json!({})).await, 0);
}
