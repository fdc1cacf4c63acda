//! Two boards side by side, and the story of what was done to both.

use super::{FOR_GOOD, undo_of};
use crate::support::house::{WatchedJournal, playbook};
use crate::support::numbers::Numbers;
use crate::support::postgres::{Team, schema};
use rota::board::Board;
use rota::board::overlay::Overlay;
use rota::board::sql::SqlBoard;
use rota::clock::{Clock, ManualClock};
use rota::domain::*;
use rota::tools::{Context, Parts, RunContext, Tally, ToolRegistry, ToolResult, Trust};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// What there is, by number.
#[derive(Debug, Default)]
pub struct Known {
    pub tasks: Vec<i64>,
    /// Tasks on which a timer runs.
    pub timed: Vec<i64>,
    pub projects: Vec<i64>,
    pub milestones: Vec<i64>,
    pub sprints: Vec<i64>,
    pub goal_boards: Vec<i64>,
    pub goals: Vec<i64>,
    pub events: Vec<i64>,
    pub comments: Vec<i64>,
    /// The labels of the first project.
    pub statuses: Vec<Json>,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub done: usize,
    pub refused: usize,
    pub taken_back: usize,
}

/// One of the boards, with the tools over it.
struct Side {
    board: Arc<dyn Board>,
    clock: Arc<ManualClock>,
    tools: ToolRegistry,
    run: Arc<Tally>,
    undo: Arc<Tally>,
}

impl Side {
    async fn over(board: Arc<dyn Board>, clock: Arc<ManualClock>) -> Self {
        let first = Stamp::by(PersonId(0));
        for (name, kind, role) in [
            ("Ada", PersonKind::Person, Role::Owner),
            ("Bo", PersonKind::Person, Role::Editor),
            ("Eve", PersonKind::Person, Role::Commenter),
            ("Robo", PersonKind::Agent, Role::Editor),
        ] {
            let new = NewPerson { name: name.into(), email: None, kind, role };
            board.add_person(&first, new).await.unwrap();
        }
        let by = Stamp::by(PersonId(1));
        for name in ["Website", "Shop"] {
            let new = NewProject { name: name.into(), details: String::new(), statuses: vec![] };
            board.add_project(&by, new).await.unwrap();
        }
        for (project, headline) in [(1, "Fix the login"), (1, "Polish it"), (2, "Count the stock")]
        {
            board.add_task(&by, NewTask::new(ProjectId(project), headline)).await.unwrap();
        }
        let (at, day) = (clock.wall(), clock.wall().date_naive());
        let milestone = NewMilestone {
            project: ProjectId(1),
            headline: "Launch".into(),
            color: "#000000".into(),
            assignee: None,
            from: at,
            to: at,
            depends_on: None,
        };
        board.add_milestone(&by, milestone).await.unwrap();
        let sprint = NewSprint { project: ProjectId(1), name: "One".into(), from: day, to: day };
        board.add_sprint(&by, sprint).await.unwrap();
        let goals = NewGoalBoard {
            project: ProjectId(1),
            title: "2026".into(),
            description: String::new(),
        };
        board.add_goal_board(&by, goals).await.unwrap();
        let member = Member { project: ProjectId(2), person: PersonId(1), role: None };
        board.put_member(&by, member).await.unwrap();
        let parts = Parts::new(
            Arc::clone(&board),
            Arc::new(WatchedJournal::default()),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        let tools = ToolRegistry::new(parts);
        Self { board, clock, tools, run: Arc::default(), undo: Arc::default() }
    }

    /// Somebody of the team by hand, or their run.
    async fn context(&self, person: usize, run: Option<(&str, EffectActor)>) -> Context {
        let person = self.board.people().await.unwrap().remove(person);
        let principal = Principal { person, by: Initiative::Person };
        let mut context = Context::person(principal, chrono_tz::Europe::Berlin);
        context.run = run.map(|(run, actor)| {
            let mut playbook = playbook(&["*"]);
            playbook.scope.write = WriteScope::Board;
            if let Some(outcome) = playbook.outcomes.get_mut("done") {
                outcome.done_by_agent = true;
            }
            let tally = if actor == EffectActor::Rota { &self.undo } else { &self.run };
            RunContext {
                run: RunId::new(run),
                playbook: Arc::new(playbook),
                task: None,
                claim: None,
                projects: vec![],
                trust: Trust::without_lease(),
                actor,
                mode: Mode::Live,
                revision: None,
                marker: None,
                once: None,
                applies: None,
                workspace: None,
                tally: Arc::clone(tally),
                span: tracing::Span::none(),
            }
        });
        context
    }

    /// Everything that can be read.
    async fn all(&self) -> Json {
        let board = &*self.board;
        let many = 1_000;
        let tasks = TaskQuery { limit: many, ..TaskQuery::default() };
        let sprints = SprintQuery { limit: many, ..SprintQuery::default() };
        let boards = GoalBoardQuery { limit: many, ..GoalBoardQuery::default() };
        let goals = GoalQuery { limit: many, ..GoalQuery::default() };
        let events = EventQuery { limit: many, ..EventQuery::default() };
        let time = TimeQuery { limit: many, ..TimeQuery::default() };
        let timers = TimerQuery { limit: many, ..TimerQuery::default() };
        let members = MemberQuery { limit: many, ..MemberQuery::default() };
        let comments = CommentQuery { limit: many, ..CommentQuery::default() };
        let rows = ActivityQuery { limit: many, latest_first: true, ..ActivityQuery::default() };
        json!({
            "people": board.people().await.unwrap(),
            "projects": board.projects().await.unwrap(),
            "members": board.members(&members).await.unwrap().items,
            "tasks": board.tasks(&tasks).await.unwrap().items,
            "milestones": board.milestones(&MilestoneQuery::default()).await.unwrap(),
            "sprints": board.sprints(&sprints).await.unwrap().items,
            "goal_boards": board.goal_boards(&boards).await.unwrap().items,
            "goals": board.goals(&goals).await.unwrap().items,
            "events": board.events(&events).await.unwrap().items,
            "time": board.time_entries(&time).await.unwrap().items,
            "timers": board.timers(&timers).await.unwrap().items,
            "comments": board.comments(&comments).await.unwrap().items,
            "activity": board.activity(&rows).await.unwrap().items,
        })
    }
}

/// A board in tables, and one in memory.
pub struct Pair {
    tables: Side,
    memory: Side,
    /// Of a PostgreSQL: those that an undone write took.
    numbers: Option<Numbers>,
    /// What the tables are in goes with the pair.
    _folder: Option<tempfile::TempDir>,
    _team: Option<Team>,
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at("2026-11-03T11:00:00Z".parse().unwrap()))
}

impl Pair {
    /// SQLite and memory.
    pub async fn of_sqlite() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let path = folder.path().join("board.db");
        let name = BoardName::new("main");
        let board = SqlBoard::open(&path, name, clock.clone()).await.unwrap();
        Self { _folder: Some(folder), ..Self::build(board, clock).await }
    }

    /// PostgreSQL and memory; `None` where there is no PostgreSQL.
    pub async fn of_postgres() -> Option<Self> {
        let (team, clock) = (schema().await?, clock());
        let name = BoardName::new("main");
        let board = SqlBoard::shared(team.cluster(4), name, clock.clone()).await.unwrap();
        let numbers = Numbers::of(&team).await;
        let pair = Self::build(board, clock).await;
        Some(Self { numbers: Some(numbers), _team: Some(team), ..pair })
    }

    async fn build(board: SqlBoard, with: Arc<ManualClock>) -> Self {
        let other = clock();
        let memory = Overlay::empty(board.name(), other.clone());
        Self {
            tables: Side::over(Arc::new(board), with).await,
            memory: Side::over(Arc::new(memory), other).await,
            numbers: None,
            _folder: None,
            _team: None,
        }
    }

    pub fn pass(&self, time: Duration) {
        self.tables.clock.advance(time);
        self.memory.clock.advance(time);
    }
}

/// A call, and by whom it is made.
#[derive(Clone, Debug)]
struct Made {
    tool: String,
    args: Json,
    person: usize,
    run: Option<(&'static str, EffectActor)>,
}

/// What was done so far, and how it can be taken back.
pub struct Story {
    pub pair: Pair,
    now: Json,
    told: String,
    back: Vec<(Json, Vec<Made>)>,
}

impl Story {
    pub async fn begin(pair: Pair) -> Self {
        let now = pair.tables.all().await;
        Self { pair, now, told: String::new(), back: Vec::new() }
    }

    /// What there is now.
    pub fn known(&self) -> Known {
        let ids = |noun: &str, name: &str| -> Vec<i64> {
            let all = self.now[noun].as_array().unwrap();
            all.iter().filter_map(|one| one[name].as_i64()).collect()
        };
        Known {
            tasks: ids("tasks", "id"),
            timed: ids("timers", "task"),
            projects: ids("projects", "id"),
            milestones: ids("milestones", "id"),
            sprints: ids("sprints", "id"),
            goal_boards: ids("goal_boards", "id"),
            goals: ids("goals", "id"),
            events: ids("events", "id"),
            comments: ids("comments", "id"),
            statuses: self.now["projects"][0]["statuses"].as_array().unwrap().clone(),
        }
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what}\nafter:{}", self.told)
    }

    /// Makes a call on both; `Err` where they differ. `None`: both refused it alike.
    async fn both(&mut self, made: &Made) -> Result<Option<ToolResult>, String> {
        let mut answers = Vec::new();
        for side in [&self.pair.tables, &self.pair.memory] {
            let context = side.context(made.person, made.run).await;
            let args = serde_json::from_value(made.args.clone()).unwrap();
            answers.push(side.tools.call(&made.tool, args, &context).await);
        }
        if let Some(numbers) = &mut self.pair.numbers {
            numbers.give_back().await;
        }
        let (Some(memory), Some(tables)) = (answers.pop(), answers.pop()) else {
            return Err("no answers".to_owned());
        };
        let said = match (&tables, &memory) {
            (Ok(one), Ok(_)) => one.text.lines().next().unwrap_or_default().to_owned(),
            (Err(one), _) | (_, Err(one)) => format!("{}: {one}", one.reason().code()),
        };
        let by = made.run.map_or("by hand", |(run, _)| run);
        let _ =
            write!(self.told, "\n  {by} ({}) {} {} → {said}", made.person, made.tool, made.args);
        let (one, two) = (tables.map_err(|e| e.to_string()), memory.map_err(|e| e.to_string()));
        let (first, second) = (format!("{one:?}"), format!("{two:?}"));
        if first != second {
            return Err(self.wrong(&format!("tables: {first}\nmemory: {second}")));
        }
        let (tables, memory) = (self.pair.tables.all().await, self.pair.memory.all().await);
        if tables != memory {
            return Err(self.wrong(&difference("tables", &tables, "memory", &memory)));
        }
        self.now = tables;
        Ok(one.ok())
    }

    /// Calls a tool, by somebody and somehow.
    pub async fn call(
        &mut self,
        tool: &str,
        args: Json,
        how: usize,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let (person, run) = match how {
            0 => (2, None),
            1..3 => (1, None),
            3..6 => (3, Some(("r-robo", EffectActor::Agent))),
            6..12 => (0, Some(("r-ada", EffectActor::Agent))),
            _ => (0, None),
        };
        let made = Made { tool: tool.to_owned(), args, person, run };
        let before = lasting(&self.now);
        let only_looks = made.args["dryRun"] == true;
        let answer = self.both(&made).await?;
        let changed = lasting(&self.now) != before;
        let Some(answer) = answer else {
            counts.refused += 1;
            return if changed {
                Err(self.wrong("refused, and changed something"))
            } else {
                Ok(())
            };
        };
        counts.done += 1;
        if only_looks && changed {
            return Err(self.wrong("only looked, and changed something"));
        }
        let whose = |call: ToolCall| {
            // A run is taken back as the daemon does it for a person; the rest by whoever did it.
            let (person, run) = match made.run {
                Some(_) => (0, Some(("u-ada", EffectActor::Rota))),
                None => (made.person, None),
            };
            let args = serde_json::to_value(&call.args).unwrap();
            Made { tool: call.tool, args, person, run }
        };
        let offered = undone_by(&answer);
        let back: Vec<Made> = offered.iter().flatten().cloned().map(whose).collect();
        match offered.iter().all(Option::is_some) {
            _ if !changed => {}
            true => self.back.push((before, back)),
            false if FOR_GOOD.contains(&tool) => self.back.clear(),
            false => return Err(self.wrong("nothing is said to put this back")),
        }
        Ok(())
    }

    /// Takes the latest write back that can be.
    pub async fn take_back(&mut self, counts: &mut Counts) -> Result<(), String> {
        let Some((before, calls)) = self.back.pop() else { return Ok(()) };
        for call in calls.iter().rev() {
            if self.both(call).await?.is_none() {
                return Err(self.wrong("what was to put it back was refused"));
            }
        }
        let after = lasting(&self.now);
        if after != before {
            return Err(self.wrong(&difference("before", &before, "put back", &after)));
        }
        counts.taken_back += 1;
        Ok(())
    }
}

/// What is said to put an answer's changes back, item by item; nothing for what changed nothing.
fn undone_by(answer: &ToolResult) -> Vec<Option<ToolCall>> {
    let changed = |item: &&Value| item.get("changed").and_then(Value::as_bool) == Some(true);
    if let Some(items) = answer.value.get("items").and_then(Value::as_list) {
        return items.iter().filter(changed).map(undo_of).collect();
    }
    let undo = undo_of(&answer.value);
    if let Some(effect) = &answer.effect
        && let Some(EffectResult::Done { inverse, .. }) = &effect.result
    {
        assert_eq!(&undo, inverse, "the answer and the journal say the same");
    }
    Some(&answer.value).filter(changed).map(|_| undo).into_iter().collect()
}

/// What has to be as it was when a write was taken back. A timer is one person's on one task, and
/// time is one person's on one task, day and kind of work: made anew, they get other numbers.
fn lasting(all: &Json) -> Json {
    let mut all = all.clone();
    let nouns = all.as_object_mut().unwrap();
    nouns.remove("activity");
    for (noun, items) in nouns.iter_mut() {
        for item in items.as_array_mut().unwrap() {
            let item = item.as_object_mut().unwrap();
            item.remove("revision");
            item.remove("modified");
            if noun == "timers" || noun == "time" {
                item.remove("id");
            }
            if noun == "time" {
                item.remove("created");
            }
        }
        if noun == "timers" || noun == "time" {
            items.as_array_mut().unwrap().sort_by_key(Json::to_string);
        }
    }
    all
}

/// What differs, noun by noun.
fn difference(one_name: &str, one: &Json, other_name: &str, other: &Json) -> String {
    let mut told = String::new();
    for (noun, items) in one.as_object().unwrap() {
        let (left, right) = (items.as_array().unwrap(), other[noun].as_array().unwrap());
        for item in left.iter().filter(|item| !right.contains(item)) {
            let _ = write!(told, "\n  {one_name}, {noun}: {item}");
        }
        for item in right.iter().filter(|item| !left.contains(item)) {
            let _ = write!(told, "\n  {other_name}, {noun}: {item}");
        }
        if left != right && told.is_empty() {
            let _ = write!(told, "\n  {noun} are in another order");
        }
    }
    told
}
