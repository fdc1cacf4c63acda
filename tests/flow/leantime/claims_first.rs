//! Nothing that is slow stands in a claim's way, and what is remembered of claims goes in time.

use super::{Scene, mark, unlimited};
use crate::support::leantime::{Moment, Role};
use async_trait::async_trait;
use rota::board::leantime::notebook::{Line, MemoryNotebook, Notebook};
use rota::board::leantime::options::Credential;
use rota::board::{
    Board, BoardError, Comments, Goals, Members, Milestones, People, Projects, Result, Sprints,
    Tasks,
};
use rota::domain::{
    CommentTarget, EffectState, Entity, Fence, GoalEdit, GoalQuery, Member, NewComment,
    NewMilestone, NewPerson, NewProject, NewSprint, PersonId, PersonKind, ProjectEdit, Stamp, Task,
    TaskEdit, TaskQuery, from_millis,
};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A notebook that keeps a marked write waiting before it goes out.
#[derive(Debug, Default)]
struct Slow {
    rows: MemoryNotebook,
    is_armed: AtomicBool,
    reached: Notify,
    open: Notify,
}

#[async_trait]
impl Notebook for Slow {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.rows.get(key).await
    }

    async fn commit(&self, expected: &[Line], lines: Vec<Line>) -> Result<bool> {
        let is_mark = lines.iter().any(|(key, _)| key.starts_with("mark/"));
        if is_mark && self.is_armed.swap(false, Ordering::SeqCst) {
            self.reached.notify_one();
            self.open.notified().await;
        }
        self.rows.commit(expected, lines).await
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        self.rows.scan(prefix, after, limit).await
    }
}

/// A scene whose writer is an admin, over a slow notebook.
async fn slow() -> (Scene, Arc<Slow>) {
    let mut s = Scene::new(unlimited()).await;
    let (boss, key) = s.fake.add_key("Boss", Role::Admin, &[s.project.0]);
    s.options.credential = Credential::read(&key).unwrap();
    s.options.user = Some(PersonId(boss));
    s.agent = PersonId(boss);
    let slow = Arc::new(Slow::default());
    s.notes = Arc::clone(&slow) as _;
    s.reopen();
    (s, slow)
}

/// While a write waits, a claim's edit of a task goes on.
async fn does_not_block<T>(
    (s, slow): (&Scene, &Slow),
    task: &Task,
    what: &str,
    write: impl Future<Output = Result<T>>,
) {
    slow.is_armed.store(true, Ordering::SeqCst);
    let claim = Stamp { claim: Some((task.id, Fence(1))), ..s.by() };
    let edits = [TaskEdit::AddTag(what.into())];
    let meanwhile = async {
        slow.reached.notified().await;
        let edit = s.board.edit_task(&claim, task.id, &edits);
        let edited = tokio::time::timeout(Duration::from_secs(5), edit).await;
        slow.open.notify_one();
        edited
    };
    let (written, edited) = tokio::join!(write, meanwhile);
    assert!(edited.is_ok(), "{what} held up a claim");
    edited.unwrap().unwrap();
    assert!(written.is_ok(), "{what}: {:?}", written.err());
}

#[tokio::test]
async fn no_write_elsewhere_holds_up_a_claim() {
    let (s, slow) = slow().await;
    let (s, slow) = (&s, slow.as_ref());
    let task = s.task("Claimed").await;
    let other = s.task("Other").await;
    let third = s.task("Third").await;
    let mut seq = 0;
    let mut stamp = || {
        seq += 1;
        s.marked(seq)
    };
    let person = NewPerson {
        name: "Zoe".into(),
        email: Some("zoe@example.com".into()),
        kind: PersonKind::Person,
        role: rota::domain::Role::Editor,
    };
    let by = stamp();
    does_not_block((s, slow), &task, "person", s.board.add_person(&by, person)).await;
    let new = NewProject { name: "New".into(), details: String::new(), statuses: Vec::new() };
    let by = stamp();
    does_not_block((s, slow), &task, "project", s.board.add_project(&by, new)).await;
    let at = from_millis(1_796_000_000_000);
    let new = NewMilestone {
        project: s.project,
        headline: "M".into(),
        color: "#123456".into(),
        assignee: None,
        from: at,
        to: at,
        depends_on: None,
    };
    let by = stamp();
    does_not_block((s, slow), &task, "milestone", s.board.add_milestone(&by, new)).await;
    let day = at.date_naive();
    let new = NewSprint { project: s.project, name: "S".into(), from: day, to: day };
    let by = stamp();
    does_not_block((s, slow), &task, "sprint", s.board.add_sprint(&by, new)).await;
    let member = Member { project: s.project, person: PersonId(1), role: None };
    let by = stamp();
    does_not_block((s, slow), &task, "member", s.board.put_member(&by, member)).await;
    let waits = [TaskEdit::Parent(Some(third.id)), TaskEdit::Priority(Some(1))];
    let by = stamp();
    does_not_block((s, slow), &task, "parent", s.board.edit_task(&by, other.id, &waits)).await;
    let on = CommentTarget::Task(other.id);
    let said = NewComment { on, text: "x".into(), parent: None, rating: None };
    let said = s.board.add_comment(&s.by(), said).await.unwrap().after.id;
    let by = stamp();
    does_not_block((s, slow), &task, "comment", s.board.delete_comment(&by, said)).await;
    let by = stamp();
    does_not_block((s, slow), &task, "removal", s.board.delete_task(&by, third.id)).await;
}

#[tokio::test]
async fn a_claims_calls_do_not_wait_for_lists_of_others() {
    let s = Scene::new(unlimited()).await;
    // What was added makes every list old.
    let task = s.task("One").await;
    let claim = Stamp { claim: Some((task.id, Fence(1))), ..s.by() };
    let edits = [TaskEdit::AddTag("x".into())];
    // The queue fills while a request is under way.
    let mut gate = s.fake.gate("goalcanvas.pollGoals", Moment::Before);
    let before = s.fake.asked().len();
    let goals = GoalQuery::default();
    let query = TaskQuery::default();
    let rest = async {
        gate.reached().await;
        let list = s.board.tasks(&query);
        let edit = s.board.edit_task(&claim, task.id, &edits);
        let open = async {
            tokio::task::yield_now().await;
            gate.open();
        };
        let (list, edit, ()) = tokio::join!(list, edit, open);
        list.unwrap();
        edit.unwrap();
    };
    let (found, ()) = tokio::join!(s.board.goals(&goals), rest);
    found.unwrap();
    let asked = s.fake.asked().split_off(before);
    for asked in &asked {
        let has = |name: &str| asked.methods.iter().any(|method| method == name);
        assert!(
            !has("tickets.getAll") || !(has("tickets.getTicket") || has("tickets.patchTicket")),
            "{:?}",
            asked.methods
        );
    }
    assert!(asked.iter().any(|asked| asked.methods.iter().any(|m| m == "tickets.getAll")));
}

#[tokio::test]
async fn what_is_remembered_of_old_writes_goes_and_of_young_ones_stays() {
    let s = Scene::new(unlimited()).await;
    let task = s.task("One").await;
    let write = async |seq| {
        let edits = [TaskEdit::AddTag(format!("t{seq}"))];
        s.board.edit_task(&s.marked(seq), task.id, &edits).await.unwrap();
    };
    let rows = async |prefix: &str| s.notes.scan(prefix, None, 100).await.unwrap().len();
    write(1).await;
    s.board.raise_fence(task.id, Fence(7)).await.unwrap();
    s.clock.advance(Duration::from_hours(24 * 60));
    write(2).await;
    s.latest().await;
    assert_eq!((rows("mark/").await, rows("fence/").await), (2, 1));
    s.clock.advance(Duration::from_hours(24 * 40));
    s.latest().await;
    assert_eq!((rows("mark/").await, rows("fence/").await), (1, 0));
    assert_eq!(s.board.effect_of(&mark(1)).await.unwrap(), EffectState::Absent);
    assert_eq!(
        s.board.effect_of(&mark(2)).await.unwrap(),
        EffectState::Applied(Entity::Task(task.id))
    );
}

#[tokio::test]
async fn pictures_in_details_and_goals_are_not_overwritten() {
    let mut s = Scene::new(unlimited()).await;
    let (boss, key) = s.fake.add_key("Boss", Role::Admin, &[s.project.0]);
    s.options.credential = Credential::read(&key).unwrap();
    s.options.user = Some(PersonId(boss));
    s.agent = PersonId(boss);
    s.reopen();
    let html = "<p>See <img src=\"/a.png\"></p>";
    let ada = s.fake.add_token(1);
    let by_hand = async |method: &str, params: serde_json::Value| {
        let method = format!("leantime.rpc.{method}");
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.post(format!("{}/api/jsonrpc", s.fake.url()));
        let said =
            request.bearer_auth(&ada).json(&call).send().await.unwrap().text().await.unwrap();
        assert!(said.contains("result"), "{said}");
    };
    let values = json!({ "details": html });
    by_hand("projects.patchProject", json!({ "id": s.project.0, "values": values })).await;
    let edits = [ProjectEdit::Details("New".into())];
    let answer = s.board.edit_project(&s.by(), s.project, &edits).await;
    let Err(BoardError::Unsupported(what)) = answer else { panic!("{answer:?}") };
    assert!(what.contains("pictures"), "{what}");
    let name = [ProjectEdit::Name("Orchestra II".into())];
    assert!(s.board.edit_project(&s.by(), s.project, &name).await.unwrap().changed);
    let board = s.fake.add_board(s.project.0, "Targets");
    let values = json!({
        "canvasId": board, "title": "First", "description": html, "box": "goal", "author": 1,
        "status": "status_ontrack", "startValue": 0, "currentValue": 1, "endValue": 10,
        "metricType": "number",
    });
    by_hand("goalcanvas.createGoal", json!({ "values": values })).await;
    let goal = s.board.goals(&GoalQuery::default()).await.unwrap().items[0].id;
    let edits = [GoalEdit::CurrentValue(2.0), GoalEdit::Description("New".into())];
    let answer = s.board.edit_goal(&s.by(), goal, &edits).await;
    let Err(BoardError::Unsupported(what)) = answer else { panic!("{answer:?}") };
    assert!(what.contains("pictures"), "{what}");
    assert_eq!(s.fake.goals()[0]["description"], html);
    // Other fields may be changed, and a text that holds no more than was written here.
    s.board.edit_goal(&s.by(), goal, &edits[..1]).await.unwrap();
    s.is_careful();
}

#[tokio::test]
async fn all_or_nothing_is_refused_with_what_to_do_instead() {
    let s = Scene::new(unlimited()).await;
    let asked = s.fake.asked().len();
    let failed = s.board.write_all(&[]).await.unwrap_err();
    let BoardError::Unsupported(what) = failed.error else { panic!("{failed:?}") };
    assert!(what.contains("leave atomic out"), "{what}");
    assert_eq!(s.fake.asked().len(), asked);
}
