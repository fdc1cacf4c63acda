//! What people ask their assistants for, each played by a client that knows the tools: done in a
//! stated number of calls, and seen on the board afterwards.

use super::{Client, team, token};
use crate::support::rota::{Rota, Serving};
use serde_json::{Value, json};

/// A client with a board behind it, which counts its calls.
struct Assistant {
    client: Client,
    calls: u32,
    /// Last, so that they are there as long as it is.
    _serving: Serving,
    _rota: Rota,
}

impl Assistant {
    fn new() -> Self {
        Self::of(team())
    }

    fn of(rota: Rota) -> Self {
        let secret = token(&rota, &["laptop"]);
        let serving = rota.serve(Vec::<&str>::new());
        let client = Client::of(&serving, Some(&secret));
        Self { client, calls: 0, _serving: serving, _rota: rota }
    }

    /// A call that counts; its structured answer.
    #[track_caller]
    fn call(&mut self, tool: &str, args: Value) -> impl Future<Output = Value> + use<> {
        self.calls += 1;
        self.look(tool, args)
    }

    /// A look at what came of it, which does not count.
    #[track_caller]
    fn look(&self, tool: &str, args: Value) -> impl Future<Output = Value> + use<> {
        let (client, tool) = (self.client.clone(), tool.to_owned());
        async move {
            let mut answer = client.call(&tool, args).await;
            assert_ne!(answer["isError"], true, "{tool}: {answer:#}");
            answer["structuredContent"].take()
        }
    }

    async fn task(&self, headline: &str) -> Value {
        let found = self.look("findTasks", json!({ "text": headline, "status": "all" })).await;
        let id = found["items"][0]["id"].clone();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{headline}: {found:#}");
        self.look("getTicket", json!({ "id": id })).await
    }
}

fn ids(found: &Value) -> Vec<i64> {
    found["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_made_from_what_was_said_in_one_call() {
    // "Bob should prepare the fair by Friday; it matters, and it is for marketing."
    let mut of_ada = Assistant::new();
    let args = json!({ "headline": "Prepare the fair", "projectId": "Website", "editorId": "Bob",
        "dateToFinish": "friday", "priority": "high", "tags": ["marketing"] });
    of_ada.call("addTask", args).await;
    assert_eq!(of_ada.calls, 1);
    let task = of_ada.task("Prepare the fair").await;
    assert_eq!((&task["assignee_name"], &task["priority"]), (&json!("Bob"), &json!(2)), "{task:#}");
    assert_eq!(task["tags"], json!(["marketing"]));
    assert!(task["due"].is_string(), "{task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_finished_with_a_word_about_it_in_three_calls() {
    // "The footer is done; tell the others that it is live."
    let mut of_ada = Assistant::new();
    let found = of_ada.call("findTasks", json!({ "text": "footer" })).await;
    let id = ids(&found)[0];
    of_ada.call("editTask", json!({ "id": id, "params": { "status": "Done" } })).await;
    let said = json!({ "module": "ticket", "entityId": id, "text": "It is live." });
    of_ada.call("addComment", said).await;
    assert_eq!(of_ada.calls, 3);
    assert_eq!(of_ada.task("footer").await["status_label"], "Done");
    let talk = of_ada.look("getComments", json!({ "module": "ticket", "entityId": id })).await;
    assert_eq!(talk["items"][0]["text"], "It is live.", "{talk:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_of_one_person_go_to_another_in_two_calls() {
    // "Eve takes over what Bob has open."
    let mut of_ada = Assistant::new();
    let tasks: Vec<Value> = (1..=3)
        .map(|n| json!({ "headline": format!("Chore {n}"), "projectId": "Website", "editorId": "Bob" }))
        .collect();
    of_ada.look("bulkAddTasks", json!({ "tasks": tasks })).await;
    let found = of_ada.call("findTasks", json!({ "assignee": "Bob", "status": "open" })).await;
    let updates: Vec<Value> =
        ids(&found).into_iter().map(|id| json!({ "id": id, "editorId": "Eve" })).collect();
    of_ada.call("bulkEditTasks", json!({ "updates": updates, "atomic": true })).await;
    assert_eq!(of_ada.calls, 2);
    let of_eve = of_ada.look("findTasks", json!({ "assignee": "Eve" })).await;
    assert_eq!(ids(&of_eve), ids(&found));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_late_is_found_in_one_call() {
    // "What of mine is overdue?"
    let mut of_ada = Assistant::new();
    let add = |headline: &str, due: &str| json!({ "headline": headline, "projectId": "Website", "editorId": "me", "dateToFinish": due });
    of_ada.look("addTask", add("Late", "-3d")).await;
    of_ada.look("addTask", add("Not yet", "+3d")).await;
    let asked = json!({ "assignee": "me", "status": "open", "dueTo": "yesterday" });
    let late = of_ada.call("findTasks", asked).await;
    assert_eq!(of_ada.calls, 1);
    assert_eq!(late["items"].as_array().unwrap().len(), 1);
    assert_eq!(late["items"][0]["headline"], "Late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_time_is_caught_up_with_in_two_calls() {
    // "I worked at the footer for two hours on Monday and one and a half yesterday, testing."
    let mut of_ada = Assistant::new();
    let id = ids(&of_ada.call("findTasks", json!({ "text": "footer" })).await)[0];
    let entry = |date: &str, hours: f64, kind: &str| json!({ "ticketId": id, "date": date, "hours": hours, "kind": kind });
    let entries = [entry("-8d", 2.0, "Development"), entry("yesterday", 1.5, "Testing")];
    of_ada.call("bulkLogTime", json!({ "entries": entries, "atomic": true })).await;
    assert_eq!(of_ada.calls, 2);
    let span = json!({ "dateFrom": "-9d", "dateTo": "today", "groupBy": "project" });
    let summary = of_ada.look("getTimesheetSummary", span).await;
    assert_eq!(summary["total_hours"], 3.5, "{summary:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_is_started_and_stopped_in_two_calls() {
    // "I begin with the footer." … "Enough for now."
    let mut of_ada = Assistant::new();
    of_ada.call("startTimer", json!({ "taskId": 1, "duration": "25m" })).await;
    let stopped = of_ada.call("stopTimer", json!({ "ticketId": 1, "kind": "DEVELOPMENT" })).await;
    assert_eq!(of_ada.calls, 2);
    assert_eq!(stopped["changed"], true, "{stopped:#}");
    let started = of_ada.look("startTimer", json!({ "taskId": 1, "duration": "5m" })).await;
    assert_eq!(started["changed"], true, "the first was stopped: {started:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_planned_around_what_is_in_it_in_two_calls() {
    // "Plan my tomorrow."
    let mut of_ada = Assistant::new();
    let event = json!({ "eventTitle": "Talk", "dateFrom": "2027-03-02T10:00", "dateTo": "2027-03-02T11:00" });
    of_ada.look("addEvent", event).await;
    let add =
        json!({ "headline": "Read", "projectId": "Website", "editorId": "me", "planHours": 2 });
    of_ada.look("addTask", add).await;
    let mine = of_ada.call("findTasks", json!({ "assignee": "me", "status": "open" })).await;
    let day = json!({ "date": "2027-03-02", "taskIds": ids(&mine), "workingHoursStart": "09:00",
        "workingHoursEnd": "17:00" });
    let planned = of_ada.call("scheduleDay", day).await;
    assert_eq!((of_ada.calls, &planned["done"]), (2, &json!(1)), "{planned:#}");
    let span = json!({ "from": "2027-03-02", "until": "2027-03-02" });
    let calendar = of_ada.look("getCalendar", span).await;
    assert_eq!(calendar["items"].as_array().unwrap().len(), 2, "{calendar:#}");
    let task = of_ada.task("Read").await;
    assert!(task["work_from"].is_string() && task["work_to"].is_string(), "{task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_broken_down_into_planned_parts_in_one_call() {
    // "Break the footer down: draft, build, test; begin on the second of March."
    let mut of_ada = Assistant::new();
    let parts = ["Draft", "Build", "Test"];
    let subtasks: Vec<Value> =
        parts.iter().map(|title| json!({ "title": title, "duration": 90 })).collect();
    let args = json!({ "taskId": 1, "subtasks": subtasks, "startDate": "2027-03-02" });
    let broken = of_ada.call("breakdownTask", args).await;
    assert_eq!((of_ada.calls, &broken["done"]), (1, &json!(3)), "{broken:#}");
    let found = of_ada.look("findTasks", json!({ "parent": 1 })).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_begins_with_milestones_and_tasks_in_three_calls() {
    // "We begin the shop: a design phase and a launch, and for each the first two tasks."
    let mut of_ada = Assistant::new();
    of_ada.call("addProject", json!({ "name": "Shop", "details": "Sells things." })).await;
    let phase = |headline: &str, from: &str, to: &str| json!({ "headline": headline, "color": "blue", "editFrom": from, "editTo": to });
    let milestones = [phase("Design", "today", "+14d"), phase("Launch", "+15d", "+30d")];
    let args = json!({ "projectId": "Shop", "editorId": "me", "milestones": milestones });
    let made = of_ada.call("addMilestonesForProject", args).await;
    assert_eq!(made["done"], 2, "{made:#}");
    let task = |headline: &str, milestone: &str| json!({ "projectId": "Shop", "headline": headline, "milestone": milestone });
    let tasks = [
        task("Sketch", "Design"),
        task("Ask customers", "Design"),
        task("Open the doors", "Launch"),
        task("Tell everybody", "Launch"),
    ];
    of_ada.call("bulkAddTasks", json!({ "tasks": tasks, "atomic": true })).await;
    assert_eq!(of_ada.calls, 3);
    let asked = json!({ "projectIds": ["Shop"], "milestone": "Launch" });
    assert_eq!(ids(&of_ada.look("findTasks", asked).await).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_looked_over_in_one_call() {
    // "How is the website going?"
    let mut of_ada = Assistant::new();
    let overview = of_ada.call("getFullProjectOverview", json!({ "projectId": "Website" })).await;
    assert_eq!(of_ada.calls, 1);
    assert_eq!(overview["project"]["name"], "Website", "{overview:#}");
    assert!(overview["progress"].is_object(), "{overview:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goal_is_set_and_brought_up_to_date_in_three_calls() {
    // "Our goal is 200 subscribers; we have 50." … "It is 125 now."
    let mut of_ada = Assistant::new();
    let board = json!({ "title": "This year", "projectId": "Website" });
    let board = of_ada.call("createGoalboard", board).await["id"].to_string();
    let goal = json!({ "title": "Subscribers", "description": "Who reads us.", "canvasId": board,
        "startValue": 50, "currentValue": 50, "endValue": 200 });
    let goal = of_ada.call("createGoal", goal).await["id"].clone();
    of_ada.call("editGoal", json!({ "id": goal, "currentValue": 125 })).await;
    assert_eq!(of_ada.calls, 3);
    let shown = of_ada.look("getGoal", json!({ "goalId": goal })).await;
    assert_eq!(
        (&shown["current_value"], &shown["progress"]),
        (&json!(125.0), &json!(50.0)),
        "{shown:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_moved_into_a_sprint_in_two_calls() {
    // "Everything about the footer goes into the sprint."
    let rota = team();
    let words =
        ["sprint", "add", "Spring", "-p", "1", "--from", "2027-03-01", "--to", "2027-03-14"];
    let sprint = rota.run(words.iter().chain(&["--json"])).ok().json()["id"].clone();
    let mut of_ada = Assistant::of(rota);
    let found = of_ada.call("findTasks", json!({ "text": "footer" })).await;
    let updates: Vec<Value> =
        ids(&found).into_iter().map(|id| json!({ "id": id, "sprint": sprint })).collect();
    of_ada.call("bulkEditTasks", json!({ "updates": updates })).await;
    assert_eq!(of_ada.calls, 2);
    let task = of_ada.look("getTicket", json!({ "id": 1 })).await;
    assert_eq!(task["sprint"], sprint, "{task:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standup_is_gathered_in_three_calls() {
    // "What did I do, what is next, what is in the way?"
    let mut of_ada = Assistant::new();
    of_ada
        .look(
            "editTask",
            json!({ "id": 1, "params": { "editorId": "me", "status": "In Progress" } }),
        )
        .await;
    let done = json!({ "assignee": "me", "status": "all", "order": "modified" });
    let touched = of_ada.call("findTasks", done).await;
    let next = json!({ "assignee": "me", "status": "open", "order": "due" });
    let next = of_ada.call("findTasks", next).await;
    let changes = of_ada.call("getActivity", json!({ "taskId": 1, "from": "yesterday" })).await;
    assert_eq!(of_ada.calls, 3);
    assert_eq!((ids(&touched), ids(&next)), (vec![1], vec![1]));
    assert!(changes["items"].as_array().unwrap().len() >= 2, "{changes:#}");
}
