//! What people ask for in the guide, one test for each: what is said, what is written, and what is not.

use super::{EVERYWHERE, asked, run, run_well, told};
use crate::support::daemon::{ADA, BO, Life, Team, WEBSITE, WORKER, instant};
use crate::support::sample_board::{MACHINES, SHOP, TIMEKEEPER, sample};
use rota::domain::*;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// "Prepare the standup: what did everybody finish, what is planned today, what is blocked?"
#[tokio::test(start_paused = true)]
async fn standup_says_for_each_person_what_was_done_since_friday_what_is_today_and_what_is_stuck() {
    let team = sample().await;
    let text = told(&team, "standup", &[]).await.text;
    let of = |name: &str, next: &str| {
        let from = text.find(&format!("\n{name}:")).unwrap_or_else(|| panic!("{text}"));
        let rest = &text[from..];
        rest[..rest.find(next).unwrap_or(rest.len())].to_owned()
    };
    let (ada, bo, cleo) = (of("Ada", "\nBo:"), of("Bo", "\nCleo:"), of("Cleo", "\0"));
    assert!(ada.contains("Today (1)\n- Write the release notes"), "{ada}");
    assert!(ada.contains("Calendar (1)\n- 10:00–11:00 Team meeting"), "{ada}");
    assert!(!ada.contains("Renew the contract"), "it is for tomorrow: {ada}");
    assert!(bo.contains("Done since Friday (1)\n- Fix the login redirect"), "{bo}");
    assert!(bo.contains("Blocked or overdue (1)\n- Order certificates"), "{bo}");
    assert!(bo.contains("was due Fri 23 Oct"), "{bo}");
    assert!(!bo.contains("Retrospective"), "that was on Friday: {bo}");
    assert!(cleo.contains("Done since Friday (1)\n- Restart the cache"), "at the weekend: {cleo}");
    assert!(cleo.contains("Pay by invoice | Web shop · Blocked · waits for task 5"), "{cleo}");
    // The day after, Monday is the last working day, and what was done before it is told no more.
    team.clock.advance(Duration::from_hours(24));
    let text = told(&team, "standup", &[]).await.text;
    assert!(!text.contains("Fix the login redirect") && !text.contains("Restart"), "{text}");
    let one = told(&team, "standup", &[("person", "Ada"), ("project", "Machines")]).await.text;
    assert!(one.contains("Renew the contract") && !one.contains("Bo:"), "{one}");
}

/// A public holiday is no working day: what was done on the day before it is told on the day after it.
#[tokio::test(start_paused = true)]
async fn after_a_public_holiday_the_standup_looks_back_to_the_day_before_it() {
    let team = sample().await;
    let hours = "late = \"3h\"\nhours = { days = \"MON-FRI\", from = \"00:00\", to = \"23:59\", holidays = [\"2026-10-26\"] }";
    team.shipped("standup", &[EVERYWHERE, ("late = \"3h\"", hours)]);
    team.clock.advance(Duration::from_hours(24));
    let life = team.start().await;
    run_well(&life, "standup", &[]).await;
    let text = team.told.texts().pop().unwrap();
    assert!(text.contains("Done since Friday (1)\n- Fix the login redirect"), "{text}");
    life.stop().await;
}

/// "Write a status report for the client: health, done this week, milestones, risks, hours."
#[tokio::test(start_paused = true)]
async fn client_status_report_states_health_its_rules_and_hours_against_the_budget() {
    let team = sample().await;
    let text = told(&team, "client-status-report", &[("since", "2026-10-19")]).await.text;
    let of = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    // One of three open tasks is overdue: more than a quarter.
    assert_eq!(of("Website:"), "Website: red");
    assert_eq!(of("Machines:"), "Machines: red");
    assert_eq!(of("Web shop:"), "Web shop: yellow");
    assert!(text.contains("1 of 3 open tasks overdue | red"), "{text}");
    assert!(text.contains("the deadline of Old office closed passed 6 days ago | red"), "{text}");
    assert!(text.contains("Done this week (1)\n- Fix the login redirect | Bo"), "{text}");
    assert!(text.contains("Launch | Fri 30 Oct · 33 % of 3 tasks done | milestone 1"), "{text}");
    assert!(text.contains("Hours: 2 h of 9 h (planned hours of its tasks)"), "{text}");
    assert!(text.contains("red: a quarter of the open tasks or more are overdue"), "{text}");
    let life = team.start().await;
    run_well(&life, "client-status-report", &[("project", "Website"), ("budget", "1.5")]).await;
    let text = team.told.texts().pop().unwrap();
    assert!(text.contains("2 h are spent of a budget of 1.5 h | red"), "{text}");
    let report = run(&life, "client-status-report", &[("budget", "10")]).await;
    assert!(report.detail.contains("budgetHours"), "of which project? {}", report.detail);
    life.stop().await;
}

/// "Who is overloaded? Give this task to somebody else, with a subtask for what blocks it."
#[tokio::test(start_paused = true)]
async fn workload_says_who_has_how_much_and_hands_a_task_on_with_its_blocker_when_asked() {
    let team = sample().await;
    let text = told(&team, "workload", &[("week_hours", "5")]).await.text;
    assert!(text.contains("- Bo | 2 tasks · 21 h"), "{text}");
    assert!(text.contains("too much: a week has 5 h"), "{text}");
    assert!(text.contains("Nobody has (3)"), "{text}");
    assert!(text.contains("Check all links | Website · 2 h · due Thu 29 Oct"), "{text}");
    assert_eq!(team.look(TaskId(4)).await.assignee, None);
    let life = team.start().await;
    let hand = [("task", "3"), ("to", "Ada"), ("blocker", "Ask for access")];
    for _ in 0..2 {
        run_well(&life, "workload", &hand).await;
    }
    assert_eq!(team.look(TaskId(3)).await.assignee, Some(ADA));
    let query = TaskQuery { parent: Some(TaskId(3)), ..TaskQuery::default() };
    let parts = team.board.below.tasks(&query).await.unwrap().items;
    let found: Vec<_> = parts.iter().map(|p| (p.headline.as_str(), p.has_tag("blocker"))).collect();
    assert_eq!(found, [("Ask for access", true)]);
    life.stop().await;
}

/// "Which tasks are ready for the sprint? Move these into it."
#[tokio::test(start_paused = true)]
async fn sprint_planning_names_what_is_ready_and_moves_what_is_asked_for_with_its_status() {
    let team = sample().await;
    let text = told(&team, "sprint-planning", &[("project", "Web shop")]).await.text;
    assert!(text.contains("3 candidates, 1 ready with 3 points"), "{text}");
    assert!(text.contains("Ready for Spring sale, 3 points (1)\n- Voucher codes"), "{text}");
    assert!(text.contains("Dark mode | Web shop · no acceptance criteria"), "{text}");
    assert_eq!(team.look(TaskId(7)).await.sprint, None);
    let life = team.start().await;
    let report = run(&life, "sprint-planning", &[("tasks", "8"), ("sprint", "1")]).await;
    assert_eq!(report.reason, Reason::GatherFailed);
    assert!(
        report.detail.contains("task 8 is not ready: no acceptance criteria"),
        "{}",
        report.detail
    );
    assert_eq!(team.look(TaskId(8)).await.sprint, None);
    run_well(&life, "sprint-planning", &[("tasks", "#7, "), ("sprint", "1")]).await;
    let moved = team.look(TaskId(7)).await;
    assert_eq!(moved.sprint, Some(SprintId(1)));
    let shop = team.board.below.project(SHOP).await.unwrap();
    assert_eq!(shop.kind_of(moved.status), StatusKind::InProgress, "its status is set, too");
    let text = team.told.texts().pop().unwrap();
    assert!(text.contains("Moved into sprint 1: 1 task."), "{text}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn sprint_planning_says_of_each_task_what_it_lacks_and_moves_all_that_are_ready() {
    let team = sample().await;
    let criteria = TaskEdit::AcceptanceCriteria("A customer is glad.".into());
    let clear = TaskEdit::Description("Gifts are wrapped in paper.".into());
    let add = async |headline: &str, edits: Vec<TaskEdit>| {
        let new = NewTask { edits, ..NewTask::new(SHOP, headline.to_owned()) };
        team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap().after.id
    };
    add("Wrap gifts", vec![clear.clone(), criteria.clone(), TaskEdit::AddBlocker(TaskId(5))]).await;
    add("Mugs", vec![TaskEdit::Description("Mugs.".into()), criteria.clone()]).await;
    let ready = add("Gift cards", vec![clear, criteria]).await;
    let text = told(&team, "sprint-planning", &[("project", "Web shop")]).await.text;
    for line in [
        "- Wrap gifts | Web shop · waits for task 5",
        "- Mugs | Web shop · its description is too short to be clear",
        "- Dark mode | Web shop · no acceptance criteria",
        "Ready without milestone, no points (1)\n- Gift cards",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let life = team.start().await;
    run_well(&life, "sprint-planning", &[("tasks", "ready"), ("sprint", "1")]).await;
    life.stop().await;
    let all = team.board.below.tasks(&TaskQuery::default()).await.unwrap().items;
    let moved: Vec<TaskId> =
        all.iter().filter(|task| task.sprint == Some(SprintId(1))).map(|task| task.id).collect();
    assert_eq!(moved, [TaskId(7), ready]);
}

/// "Are we on track with our goals? Set this one to … and say why."
#[tokio::test(start_paused = true)]
async fn okr_tracking_compares_goals_with_the_time_and_writes_a_value_with_its_comment_when_asked()
{
    let team = sample().await;
    let text = told(&team, "okr-tracking", &[]).await.text;
    assert!(text.contains("3 goals: 1 behind, 1 at risk, 1 on track, 0 reached"), "{text}");
    assert!(
        text.contains("Behind (1)\n- Newsletter readers | Web shop · 200 of 1000 · 20 %"),
        "{text}"
    );
    assert!(text.contains("At risk (1)\n- Orders a day"), "{text}");
    assert!(text.contains("On track (1)\n- Seconds to load"), "{text}");
    assert!(text.contains("Pay by invoice | blocked · holds up goal 3"), "{text}");
    let life = team.start().await;
    let set = [("goal", "1"), ("value", "82.5"), ("comment", "After the sale.")];
    run_well(&life, "okr-tracking", &set).await;
    let goal = team.board.below.goal(GoalId(1)).await.unwrap();
    assert!((goal.current_value - 82.5).abs() < f64::EPSILON);
    let on = Some(CommentTarget::Goal(GoalId(1)));
    let query = CommentQuery { on, ..CommentQuery::default() };
    let said = team.board.below.comments(&query).await.unwrap().items;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].text, "After the sale.");
    let report = run(&life, "okr-tracking", &[("goal", "1"), ("value", "many")]).await;
    assert_eq!(report.state, RunState::Failed, "{report:#?}");
    life.stop().await;
}

/// A task of Bo's for his timesheet.
pub(super) async fn timesheet(team: &Team) -> TaskId {
    let new = NewTask::new(WEBSITE, "Timesheet of Bo")
        .with(TaskEdit::AddTag("time-catch-up".into()))
        .with(TaskEdit::Assignee(Some(BO)));
    team.board.below.add_task(&Stamp::by(BO), new).await.unwrap().after.id
}

async fn entries(team: &Team) -> Vec<(i64, PersonId, String, u32)> {
    let query = TimeQuery { limit: 100, ..TimeQuery::default() };
    let found = team.board.below.time_entries(&query).await.unwrap().items;
    let shown =
        |entry: TimeEntry| (entry.task.0, entry.person, entry.day.to_string(), entry.seconds / 60);
    found.into_iter().map(shown).collect()
}

async fn decide(team: &Team, life: &Life, args: Json) -> Json {
    let bo = team.person(BO).await;
    let answer = life.call(&bo, "decideReview", args).await.unwrap();
    serde_json::to_value(&answer).unwrap()
}

/// "Look at my calendar and what I finished, and log the time that I forgot."
#[tokio::test(start_paused = true)]
async fn time_catch_up_proposes_what_was_not_logged_and_logs_it_after_a_persons_yes() {
    let team = sample().await;
    team.shipped("time-catch-up", &[]);
    let task = timesheet(&team).await;
    let before = entries(&team).await;
    let life = team.start().await;
    let report = run(&life, "time-catch-up", &[]).await;
    assert_eq!((report.state, report.reason), (RunState::Waiting, Reason::Proposed), "{report:#?}");
    assert_eq!(entries(&team).await, before, "nothing is logged before somebody says so");
    let shown = asked(&team, &life, "showReview", json!({ "task": task.0 })).await.to_string();
    assert!(shown.contains("finished that day") && shown.contains("Retrospective"), "{shown}");
    let args = json!({ "task": task.0, "decision": "approve" });
    decide(&team, &life, args).await;
    life.work().await;
    let mut added = entries(&team).await;
    added.retain(|entry| !before.contains(entry));
    added.sort();
    // Four hours were planned and two logged; the meeting took one.
    let friday = "2026-10-23".to_owned();
    assert_eq!(added, [(2, BO, friday.clone(), 120), (task.0, BO, friday, 60)]);
    // Then there is nothing more to propose, and nothing to decide.
    team.clock.advance(Duration::from_hours(1));
    let again = run(&life, "time-catch-up", &[]).await;
    assert_eq!(again.state, RunState::Succeeded, "{again:#?}");
    let gaps =
        asked(&team, &life, "findTimeGaps", json!({ "userId": "Bo", "meetingTask": task.0 })).await;
    assert_eq!(gaps["quiet"], json!(true), "{gaps:#}");
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn time_catch_up_logs_nothing_that_a_person_rejects() {
    let team = sample().await;
    team.shipped("time-catch-up", &[]);
    let task = timesheet(&team).await;
    let before = entries(&team).await;
    let life = team.start().await;
    run(&life, "time-catch-up", &[]).await;
    let args = json!({ "task": task.0, "decision": "request_changes", "comment": "I was ill." });
    decide(&team, &life, args).await;
    life.work().await;
    assert_eq!(entries(&team).await, before);
    assert_eq!(team.look(task).await.assignee, Some(BO), "it is theirs again");
    let who = team.person(TIMEKEEPER).await;
    assert_eq!(who.role, Role::Manager);
    life.stop().await;
}

/// "Start a new project with milestones, dates and first tasks from our template."
#[tokio::test(start_paused = true)]
async fn project_kickoff_adds_milestones_with_dates_and_colours_and_first_tasks_once() {
    let team = sample().await;
    let start = [("project", "Intranet"), ("start", "2026-10-31")];
    let body = told(&team, "project-kickoff", &start).await;
    assert!(
        body.text.starts_with("Kick-off of Intranet\n4 milestones and 8 tasks"),
        "{}",
        body.text
    );
    let life = team.start().await;
    run_well(&life, "project-kickoff", &start).await;
    life.stop().await;
    let projects = team.board.below.projects().await.unwrap();
    let project = projects.iter().find(|project| project.name == "Intranet").unwrap().id;
    let query = MilestoneQuery { projects: vec![project], ..MilestoneQuery::default() };
    let milestones = team.board.below.milestones(&query).await.unwrap();
    let zone = chrono_tz::Europe::Berlin;
    let day = |at: Timestamp| at.with_timezone(&zone).date_naive().to_string();
    let mut shown: Vec<_> = milestones
        .iter()
        .map(|m| (day(m.from), day(m.to), m.headline.as_str(), m.color.as_str()))
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [
            ("2026-11-02".into(), "2026-11-06".into(), "Discovery", "#1b75bb"),
            ("2026-11-09".into(), "2026-11-20".into(), "Design", "#6b46c1"),
            ("2026-11-23".into(), "2026-12-18".into(), "Build", "#2f855a"),
            ("2026-12-21".into(), "2026-12-25".into(), "Launch", "#c05621"),
        ]
    );
    let query = TaskQuery { projects: vec![project], ..TaskQuery::default() };
    let tasks = team.board.below.tasks(&query).await.unwrap().items;
    assert_eq!(tasks.len(), 8, "each once");
    assert!(tasks.iter().all(|task| task.milestone.is_some() && task.due.is_some()));
}

/// "When an agent is blocked, hand the task to somebody who can clear it."
#[tokio::test(start_paused = true)]
async fn blocked_handover_gives_an_agents_blocked_task_to_a_person_and_leaves_peoples_alone() {
    let team = sample().await;
    assert_eq!(team.look(TaskId(9)).await.assignee, Some(WORKER));
    let body = told(&team, "blocked-handover", &[]).await;
    assert!(body.text.contains("Agents cannot go on (1)\n- Move the mail server"), "{}", body.text);
    assert!(body.text.contains("Ada could clear it"), "{}", body.text);
    let life = team.start().await;
    run_well(&life, "blocked-handover", &[]).await;
    life.stop().await;
    assert_eq!(team.look(TaskId(9)).await.assignee, Some(ADA));
    let said = team.comments(TaskId(9)).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].1.contains("It goes to Ada"), "{said:?}");
    assert_eq!(team.look(TaskId(3)).await.assignee, Some(BO), "a person has it");
    assert_eq!(team.look(TaskId(6)).await.assignee, Some(PersonId(7)));
}

/// Two finished features that nobody has documented, one that somebody has, and what is none.
pub(super) async fn finished_features(team: &Team) -> Vec<TaskId> {
    let mut features = Vec::new();
    for (headline, kind, tags) in [
        ("Dark mode", TaskKind::Story, vec![]),
        ("Export", TaskKind::Task, vec!["feature"]),
        ("Search", TaskKind::Story, vec!["docs-updated"]),
        ("A chore", TaskKind::Task, vec![]),
    ] {
        let mut new = NewTask::new(MACHINES, headline);
        new.kind = kind;
        new.edits = tags.into_iter().map(|tag| TaskEdit::AddTag(tag.to_owned())).collect();
        let id = team.board.below.add_task(&Stamp::by(ADA), new).await.unwrap().after.id;
        let done = team.board.below.project(MACHINES).await.unwrap();
        let done = done.status_of_kind(StatusKind::Done).unwrap().id;
        team.edit(ADA, id, TaskEdit::Status(done)).await;
        features.push(id);
    }
    features
}

/// "Every finished feature without up to date documentation gets a task for it."
#[tokio::test(start_paused = true)]
async fn documentation_asks_once_for_each_finished_feature_that_is_not_documented() {
    let team = sample().await;
    team.shipped("documentation", &[]);
    let features = finished_features(&team).await;
    for _ in 0..2 {
        let life = team.start().await;
        run_well(&life, "documentation", &[]).await;
        life.stop().await;
    }
    let mut asked = Vec::new();
    for id in features {
        let query = TaskQuery { parent: Some(id), ..TaskQuery::default() };
        asked.push(team.board.below.tasks(&query).await.unwrap().items);
    }
    let counts: Vec<usize> = asked.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1, 0, 0]);
    assert_eq!(asked[1][0].headline, "Update documentation for Export");
    assert!(asked[1][0].has_tag("needs-docs"));
}

/// "Keep time free for work around my meetings."
#[tokio::test(start_paused = true)]
async fn focus_time_keeps_each_half_day_free_around_meetings_once() {
    let team = sample().await;
    team.shipped("focus-time", &[]);
    let life = team.start().await;
    let set = [("person", "Bo"), ("to", "+1d")];
    for _ in 0..2 {
        run_well(&life, "focus-time", &set).await;
    }
    life.stop().await;
    let day = |text: &str| text.parse().unwrap();
    let during = During::days(day("2026-10-26"), day("2026-10-27"), chrono_tz::Europe::Berlin);
    let query = ScheduleQuery { person: BO, during };
    let mut kept = Vec::new();
    for one in team.board.below.schedule(&query).await.unwrap() {
        if let (Scheduled::Event(event), Some(When::Timed(span))) = (&one, one.when())
            && event.title == "Focus"
        {
            kept.push((span.from, span.to));
        }
    }
    kept.sort_unstable();
    // His call on Monday is from three to half past four.
    let times = [
        ("2026-10-26T08:00:00Z", "2026-10-26T11:00:00Z"),
        ("2026-10-26T12:00:00Z", "2026-10-26T13:45:00Z"),
        ("2026-10-27T08:00:00Z", "2026-10-27T11:00:00Z"),
        ("2026-10-27T12:00:00Z", "2026-10-27T15:00:00Z"),
    ];
    assert_eq!(kept, times.map(|(from, to)| (instant(from), instant(to))));
}

/// Meetings of a calendar elsewhere are handed in; the reckoning stays the same.
#[tokio::test(start_paused = true)]
async fn focus_time_keeps_off_meetings_of_another_calendar() {
    let team = sample().await;
    let life = team.start().await;
    let halves = async |busy: Json| {
        let args = json!({ "userId": "Bo", "dateFrom": "2026-10-27", "dateTo": "2026-10-27",
                           "minutes": 90, "busy": busy });
        let found = asked(&team, &life, "findFocusTime", args).await;
        let of = |block: &Json| {
            let text = |name: &str| block[name].as_str().unwrap().to_owned();
            (text("half"), text("from"), text("to"))
        };
        found["blocks"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let free = halves(json!([])).await;
    assert_eq!(free.len(), 2, "{free:?}");
    // From eleven to noon, and in the middle of the afternoon.
    let meetings = json!([
        { "from": "2026-10-27T10:00:00Z", "to": "2026-10-27T11:00:00Z" },
        { "from": "2026-10-27T13:30:00Z", "to": "2026-10-27T14:30:00Z" },
    ]);
    let left = halves(meetings).await;
    assert_eq!(left.len(), 1, "no hour and a half is left of the afternoon: {left:?}");
    assert_eq!(left[0].0, "morning");
    assert_eq!(
        (instant(&left[0].1), instant(&left[0].2)),
        (instant("2026-10-27T08:00:00Z"), instant("2026-10-27T09:45:00Z"))
    );
    life.stop().await;
}

/// The same answers for an assistant: the tools are there for whoever names their toolset.
#[tokio::test(start_paused = true)]
async fn an_assistant_gets_the_same_answer_as_a_playbook() {
    let team = sample().await;
    let body = told(&team, "standup", &[]).await;
    team.shipped("focus-time", &[EVERYWHERE]);
    let life = team.start().await;
    let standup = asked(&team, &life, "getStandup", json!({})).await;
    assert!(body.text.contains(standup["summary"].as_str().unwrap()));
    let focus = asked(&team, &life, "findFocusTime", json!({ "dateTo": "today" })).await;
    // Ada's meeting ends at eleven; with a breath before it and after it, the morning has no block.
    assert_eq!(focus["blocks"].as_array().unwrap().len(), 1, "{focus:#}");
    assert_eq!(focus["blocks"][0]["from"], json!("2026-10-26T12:00:00Z"));
    life.stop().await;
}
