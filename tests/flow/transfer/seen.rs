//! A board as it can be held against another one: by names, without ids.

use rota::board::Board;
use rota::domain::*;
use std::collections::{BTreeMap, BTreeSet};

/// Everything on a board, a line for each thing, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(pub BTreeMap<&'static str, Vec<String>>);

impl Seen {
    pub fn of(&self, noun: &str) -> &[String] {
        self.0.get(noun).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Names of what others point to.
struct Names {
    people: BTreeMap<PersonId, String>,
    projects: BTreeMap<ProjectId, Project>,
    milestones: BTreeMap<MilestoneId, String>,
    sprints: BTreeMap<SprintId, String>,
    tasks: BTreeMap<TaskId, String>,
    goals: BTreeMap<GoalId, String>,
}

fn named<K: Ord>(names: &BTreeMap<K, String>, id: Option<K>) -> String {
    id.and_then(|id| names.get(&id).cloned()).unwrap_or_default()
}

/// What somebody wrote below our line of who wrote it, however often it was copied.
pub fn words(text: &str) -> &str {
    let mut text = text;
    while let Some((first, rest)) = text.split_once("\n\n")
        && first.starts_with("**")
        && first.contains("wrote on")
    {
        text = rest;
    }
    text
}

/// Reads a board; of these projects only.
pub async fn seen(board: &dyn Board, projects: &[&str]) -> Seen {
    let mut all = board.projects().await.unwrap();
    all.retain(|project| projects.contains(&project.name.as_str()));
    let ids: BTreeSet<ProjectId> = all.iter().map(|project| project.id).collect();
    let query = TaskQuery { limit: 1_000, ..TaskQuery::default() };
    let mut tasks = board.tasks(&query).await.unwrap();
    tasks.items.retain(|task| ids.contains(&task.project));
    let milestones = board.milestones(&MilestoneQuery::default()).await.unwrap();
    let sprints = board.sprints(&SprintQuery::default()).await.unwrap().items;
    let goals = board.goals(&GoalQuery::default()).await.unwrap().items;
    let people = board.people().await.unwrap();
    let names = Names {
        people: people.iter().map(|person| (person.id, person.name.clone())).collect(),
        projects: all.iter().map(|project| (project.id, project.clone())).collect(),
        milestones: milestones.iter().map(|m| (m.id, m.headline.clone())).collect(),
        sprints: sprints.iter().map(|sprint| (sprint.id, sprint.name.clone())).collect(),
        tasks: tasks.items.iter().map(|task| (task.id, task.headline.clone())).collect(),
        goals: goals.iter().map(|goal| (goal.id, goal.title.clone())).collect(),
    };
    let mut seen = BTreeMap::new();
    let mut put = |noun: &'static str, mut lines: Vec<String>| {
        lines.sort();
        seen.insert(noun, lines);
    };
    put(
        "projects",
        all.iter().map(|p| format!("{} {:?} {}", p.name, p.details, p.closed)).collect(),
    );
    put("milestones", milestones.iter().map(|m| milestone(&names, m)).collect());
    put("sprints", sprints.iter().map(|s| format!("{} {} {}", s.name, s.from, s.to)).collect());
    put("tasks", tasks.items.iter().map(|t| task(&names, t)).collect());
    put("blockers", tasks.items.iter().flat_map(|t| blockers(&names, t)).collect());
    put("goals", goals.iter().map(|g| goal(&names, g)).collect());
    rest(board, &names, &mut put).await;
    Seen(seen)
}

async fn rest(board: &dyn Board, names: &Names, put: &mut impl FnMut(&'static str, Vec<String>)) {
    let members = board.members(&MemberQuery::default()).await.unwrap().items;
    let member = |m: &Member| {
        let project = names.projects.get(&m.project)?;
        Some(format!("{} in {}", named(&names.people, Some(m.person)), project.name))
    };
    put("members", members.iter().filter_map(member).collect());
    let query = CommentQuery { limit: 1_000, ..CommentQuery::default() };
    let comments = board.comments(&query).await.unwrap().items;
    let text: BTreeMap<CommentId, &str> =
        comments.iter().map(|comment| (comment.id, words(&comment.text))).collect();
    let comment = |c: &Comment| {
        let on = match c.on {
            CommentTarget::Task(id) => named(&names.tasks, Some(id)),
            CommentTarget::Project(id) => names.projects.get(&id).map(|p| p.name.clone())?,
            CommentTarget::Goal(id) => named(&names.goals, Some(id)),
        };
        let answers = c.parent.and_then(|id| text.get(&id).copied()).unwrap_or_default();
        Some(format!("{on}: {:?} to {answers:?} {:?}", words(&c.text), c.rating))
    };
    put("comments", comments.iter().filter_map(comment).collect());
    let query = TimeQuery { limit: 1_000, ..TimeQuery::default() };
    let time = board.time_entries(&query).await.unwrap().items;
    let entry = |e: &TimeEntry| {
        let who = named(&names.people, Some(e.person));
        let on = named(&names.tasks, Some(e.task));
        format!("{who} on {on} {} {} {} {}", e.day, e.kind, e.seconds, e.description)
    };
    put("time", time.iter().map(entry).collect());
    let events = board.events(&EventQuery::default()).await.unwrap().items;
    let event = |e: &CalendarEvent| {
        format!("{} of {} {:?}", e.title, named(&names.people, Some(e.owner)), e.when)
    };
    put("events", events.iter().map(event).collect());
}

fn milestone(names: &Names, m: &Milestone) -> String {
    let after = named(&names.milestones, m.depends_on);
    let who = named(&names.people, m.assignee);
    format!("{} {} {who} {} {} after {after} {}", m.headline, m.color, m.from, m.to, m.done)
}

fn task(names: &Names, t: &Task) -> String {
    let project = &names.projects[&t.project];
    let people: Vec<String> =
        t.collaborators.iter().map(|id| named(&names.people, Some(*id))).collect();
    let fields = [
        t.headline.clone(),
        project.name.clone(),
        t.kind.to_string(),
        project.kind_of(t.status).to_string(),
        format!("{:?} {:?}", t.description, t.acceptance_criteria),
        format!("{:?} {:?} {:?} {:?}", t.priority, t.storypoints, t.plan_hours, t.hours_remaining),
        t.tags.join(","),
        named(&names.people, t.assignee),
        people.join(","),
        format!("{:?} {:?} {:?}", t.due, t.work_from, t.work_to),
        named(&names.milestones, t.milestone),
        named(&names.sprints, t.sprint),
        named(&names.tasks, t.parent),
        t.sort.to_string(),
        format!("{:?}", t.fields),
    ];
    fields.join(" | ")
}

fn blockers(names: &Names, t: &Task) -> Vec<String> {
    let waits =
        |id: &TaskId| format!("{} waits for {}", t.headline, named(&names.tasks, Some(*id)));
    t.blocked_by.iter().map(waits).collect()
}

fn goal(names: &Names, g: &Goal) -> String {
    let fields = [
        g.title.clone(),
        format!("{:?}", g.description),
        format!("{} {} {}", g.start_value, g.current_value, g.end_value),
        format!("{} {}", g.metric, g.status),
        named(&names.people, g.owner),
        named(&names.milestones, g.milestone),
        named(&names.goals, g.parent),
        format!("{:?} {:?}", g.start, g.end),
    ];
    fields.join(" | ")
}
