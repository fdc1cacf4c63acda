//! How far writes reach: every write tool, in every scope, on its own and on foreign entities.

use crate::support::house::{House, SHOP, WEBSITE, json, playbook};
use rota::domain::{Reason, Role, WriteScope};

/// The least scope in which a write is allowed; `None`: in none.
type Least = Option<WriteScope>;

const CLAIMED: Least = Some(WriteScope::Claimed);
const PROJECT: Least = Some(WriteScope::Project);
const BOARD: Least = Some(WriteScope::Board);

fn cases(house: &House) -> Vec<(&'static str, String, Least)> {
    let tasks = [
        (house.task.0, CLAIMED),
        (house.subtask.0, CLAIMED),
        (house.neighbour.0, PROJECT),
        (house.stranger.0, BOARD),
    ];
    let mut cases = Vec::new();
    for (id, least) in tasks {
        cases.extend([
            ("editTask", format!(r#"{{"id":{id},"params":{{"headline":"h"}}}}"#), least),
            ("addTag", format!(r#"{{"id":{id},"tag":"t"}}"#), least),
            ("removeTag", format!(r#"{{"id":{id},"tag":"t"}}"#), least),
            ("addDependency", format!(r#"{{"id":{id},"dependsOn":{}}}"#, house.blocker(id)), least),
            ("removeDependency", format!(r#"{{"id":{id},"dependsOn":99}}"#), least),
            ("addSubtask", format!(r#"{{"parentTicket":{id},"headline":"s"}}"#), least),
            ("addComment", format!(r#"{{"module":"ticket","entityId":{id},"text":"c"}}"#), least),
            (
                "addTask",
                format!(
                    r#"{{"projectId":{},"headline":"t","params":{{"parent":{id}}}}}"#,
                    if id == house.stranger.0 { SHOP } else { WEBSITE }
                ),
                least,
            ),
            ("deleteTask", format!(r#"{{"id":{id}}}"#), least),
        ]);
    }
    for (id, least) in [(WEBSITE.0, PROJECT), (SHOP.0, BOARD)] {
        cases.extend([
            ("addTask", format!(r#"{{"projectId":{id},"headline":"t"}}"#), least),
            ("addComment", format!(r#"{{"module":"project","entityId":{id},"text":"c"}}"#), least),
            (
                "addProjectStatusUpdate",
                format!(r#"{{"projectId":{id},"status":"green","text":"u"}}"#),
                least,
            ),
            (
                "addMilestone",
                format!(r#"{{"projectId":{id},"headline":"m","editFrom":"today","editTo":"+7d"}}"#),
                least,
            ),
            ("editProject", format!(r#"{{"id":{id},"details":"d"}}"#), least),
        ]);
    }
    cases.push(("addProject", r#"{"name":"New"}"#.into(), BOARD));
    cases.push(("addPerson", r#"{"name":"New"}"#.into(), BOARD));
    cases
}

impl House {
    /// A task of the same project that blocks nothing.
    fn blocker(&self, id: i64) -> i64 {
        if id == self.neighbour.0 { self.subtask.0 } else { self.neighbour.0 }
    }
}

#[tokio::test]
async fn a_write_reaches_as_far_as_scope_write_and_no_further() {
    for scope in [WriteScope::Claimed, WriteScope::Project, WriteScope::Board] {
        let all = cases(&House::build().await);
        for (tool, args, least) in all {
            let house = House::build().await;
            let mut book = playbook(&["*"]);
            book.scope.write = scope;
            let mut context = house.agent(book).await;
            context.principal.person.role = Role::Owner;
            let outcome = house.tools.call(tool, json(&args), &context).await;
            let allowed = least.is_some_and(|least| least <= scope);
            match outcome {
                Ok(_) => assert!(allowed, "{tool} {args} passed in {scope:?}"),
                Err(error) => {
                    assert!(
                        !allowed && error.reason() == Reason::OutOfScope,
                        "{tool} {args} in {scope:?}: {error}"
                    );
                    assert!(house.happened().is_empty(), "{tool} {args} in {scope:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn selected_projects_replace_the_tasks_own() {
    let house = House::build().await;
    let mut book = playbook(&["*"]);
    book.scope.write = WriteScope::Project;
    let mut context = house.agent(book).await;
    context.run.as_mut().unwrap().projects = vec![SHOP];
    let tag = |id: i64| json(&format!(r#"{{"id":{id},"tag":"t"}}"#));
    house.tools.call("addTag", tag(house.stranger.0), &context).await.unwrap();
    let error = house.tools.call("addTag", tag(house.task.0), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
}

#[tokio::test]
async fn a_run_without_a_task_changes_nothing_in_the_scope_claimed() {
    let house = House::build().await;
    let mut context = house.agent(playbook(&["*"])).await;
    let run = context.run.as_mut().unwrap();
    (run.task, run.claim) = (None, None);
    let args = json(r#"{"id": 1, "tag": "t"}"#);
    let error = house.tools.call("addTag", args, &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
}

#[tokio::test]
async fn an_agent_deletes_its_own_comments_only() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let args = json(r#"{"module":"ticket","entityId":1,"text":"Ada's"}"#);
    let made = house.tools.call("addComment", args.clone(), &ada).await.unwrap();
    let foreign = made.value.get("id").and_then(rota::domain::Value::as_int).unwrap();
    let context = house.agent(playbook(&["*"])).await;
    let own = house.tools.call("addComment", args, &context).await.unwrap();
    let own = own.value.get("id").and_then(rota::domain::Value::as_int).unwrap();
    let delete = |id: i64| json(&format!(r#"{{"id":{id}}}"#));
    let error = house.tools.call("deleteComment", delete(foreign), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfScope);
    house.tools.call("deleteComment", delete(own), &context).await.unwrap();
}
