//! A board with something of everything that is copied.

use chrono::NaiveDate;
use rota::board::Board;
use rota::domain::*;

/// What tests speak of.
#[derive(Clone, Debug)]
pub struct Sample {
    pub ann: PersonId,
    pub website: ProjectId,
    pub shop: ProjectId,
    pub banner: TaskId,
    pub colours: TaskId,
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, day).unwrap()
}

fn at(day: u32, hour: i64) -> Timestamp {
    from_millis(1_796_083_200_000)
        + chrono::TimeDelta::days(i64::from(day) - 1)
        + chrono::TimeDelta::hours(hour)
}

fn person(name: &str, email: Option<&str>, kind: PersonKind, role: Role) -> NewPerson {
    NewPerson { name: name.into(), email: email.map(str::to_owned), kind, role }
}

fn label(id: i64, label: &str, kind: StatusKind, order: i32) -> Status {
    Status { id: StatusId(id), label: label.into(), kind, order }
}

fn said(on: CommentTarget, text: &str) -> NewComment {
    NewComment { on, text: text.into(), parent: None, rating: None }
}

impl Sample {
    /// Puts it onto an empty board.
    pub async fn put_onto(board: &dyn Board) -> Self {
        let [ann, bob, rota] = people(board).await;
        let by = Stamp::by(ann);
        let website = NewProject {
            name: "Website".into(),
            details: "The **new** site".into(),
            statuses: Vec::new(),
        };
        let website = board.add_project(&by, website).await.unwrap().after.id;
        let shop = NewProject {
            name: "Shop".into(),
            details: String::new(),
            statuses: vec![
                label(1, "New", StatusKind::New, 0),
                label(2, "QA", StatusKind::Waiting, 1),
                label(3, "Done", StatusKind::Done, 2),
            ],
        };
        let shop = board.add_project(&by, shop).await.unwrap().after.id;
        for (project, person) in [(website, ann), (website, bob), (shop, ann)] {
            let member = Member { project, person, role: None };
            board.put_member(&by, member).await.unwrap();
        }
        let sprint =
            NewSprint { project: website, name: "Week 49".into(), from: day(1), to: day(7) };
        let sprint = board.add_sprint(&by, sprint).await.unwrap().after.id;
        let launch = milestones(board, &by, website, bob).await;
        let (banner, colours) = tasks(board, &by, (website, shop), (bob, launch, sprint)).await;
        comments(board, ann, bob, (website, banner)).await;
        time(board, &by, (ann, bob), (banner, colours)).await;
        goals(board, &by, website, launch).await;
        for (owner, title) in [(rota, "Release"), (ann, "Dentist")] {
            let when = When::Timed(Span { from: at(3, 9), to: at(3, 10) });
            let (description, location) = (String::new(), String::new());
            let new = NewEvent { owner, title: title.into(), description, location, when };
            board.add_event(&by, new).await.unwrap();
        }
        Self { ann, website, shop, banner, colours }
    }
}

async fn people(board: &dyn Board) -> [PersonId; 3] {
    let nobody = Stamp::by(PersonId(0));
    let mut ids = Vec::new();
    for new in [
        person("Ann Able", Some("ann@example.com"), PersonKind::Person, Role::Owner),
        person("Bob Baker", Some("bob@example.com"), PersonKind::Person, Role::Editor),
        person("Rota", None, PersonKind::Agent, Role::Editor),
    ] {
        ids.push(board.add_person(&nobody, new).await.unwrap().after.id);
    }
    ids.try_into().unwrap()
}

/// Design comes before launch; design is reached.
async fn milestones(
    board: &dyn Board,
    by: &Stamp,
    project: ProjectId,
    bob: PersonId,
) -> MilestoneId {
    let new = |headline: &str, from, to, depends_on| NewMilestone {
        project,
        headline: headline.into(),
        color: "#12ab56".into(),
        assignee: Some(bob),
        from,
        to,
        depends_on,
    };
    // The later one has the lower number.
    let launch = board.add_milestone(by, new("Launch", at(10, 0), at(20, 0), None)).await.unwrap();
    let design = board.add_milestone(by, new("Design", at(1, 0), at(5, 0), None)).await.unwrap();
    let waits = [MilestoneEdit::DependsOn(Some(design.after.id))];
    board.edit_milestone(by, launch.after.id, &waits).await.unwrap();
    let done = [MilestoneEdit::Done(true)];
    board.edit_milestone(by, design.after.id, &done).await.unwrap();
    launch.after.id
}

async fn tasks(
    board: &dyn Board,
    by: &Stamp,
    (website, shop): (ProjectId, ProjectId),
    (bob, launch, sprint): (PersonId, MilestoneId, SprintId),
) -> (TaskId, TaskId) {
    let add = async |new: NewTask| board.add_task(by, new).await.unwrap().after.id;
    let banner = NewTask {
        status: Some(StatusId(4)),
        kind: TaskKind::Story,
        ..NewTask::new(website, "Draw the banner")
    };
    let banner = add(banner
        .with(TaskEdit::Description("With **care**:\n\n- one\n- two".into()))
        .with(TaskEdit::AcceptanceCriteria("- [ ] it is there".into()))
        .with(TaskEdit::Priority(Some(2)))
        .with(TaskEdit::Storypoints(Some(3.0)))
        .with(TaskEdit::PlanHours(Some(4.0)))
        .with(TaskEdit::HoursRemaining(Some(1.5)))
        .with(TaskEdit::AddTag("design".into()))
        .with(TaskEdit::AddTag("AI-Suitable".into()))
        .with(TaskEdit::Assignee(Some(bob)))
        .with(TaskEdit::Collaborators(vec![by.actor]))
        .with(TaskEdit::Due(Some(at(18, 15))))
        .with(TaskEdit::WorkFrom(Some(at(11, 8))))
        .with(TaskEdit::WorkTo(Some(at(12, 16))))
        .with(TaskEdit::Milestone(Some(launch)))
        .with(TaskEdit::Sprint(Some(sprint)))
        .with(TaskEdit::Sort(7))
        .with(TaskEdit::Field("branch".into(), Some("banner".into()))))
    .await;
    let part = |headline: &str, parent: TaskId| NewTask {
        kind: TaskKind::Subtask,
        parent: Some(parent),
        ..NewTask::new(website, headline)
    };
    let colours = add(part("Choose colours", banner)).await;
    add(part("Ask three people", colours)).await;
    let bug = NewTask { kind: TaskKind::Bug, ..NewTask::new(website, "Logo is cut off") };
    let bug = add(bug).await;
    // Two that are called the same.
    for _ in 0..2 {
        add(NewTask::new(shop, "Count the stock")).await;
    }
    let qa = NewTask { status: Some(StatusId(2)), ..NewTask::new(shop, "Try to pay") };
    let qa = add(qa.with(TaskEdit::AddBlocker(bug))).await;
    let waits = [TaskEdit::AddBlocker(qa), TaskEdit::AddBlocker(colours)];
    board.edit_task(by, banner, &waits).await.unwrap();
    (banner, colours)
}

async fn comments(
    board: &dyn Board,
    ann: PersonId,
    bob: PersonId,
    (website, banner): (ProjectId, TaskId),
) {
    let on = CommentTarget::Task(banner);
    let (ann, bob) = (Stamp::by(ann), Stamp::by(bob));
    let first = board.add_comment(&bob, said(on, "Which *size*?")).await.unwrap().after.id;
    let answer = NewComment { parent: Some(first), ..said(on, "Large.") };
    board.add_comment(&ann, answer).await.unwrap();
    // Two that say the same.
    for _ in 0..2 {
        board.add_comment(&bob, said(on, "Ping")).await.unwrap();
    }
    let update = NewComment {
        rating: Some(Rating::Yellow),
        ..said(CommentTarget::Project(website), "It may be late")
    };
    board.add_comment(&ann, update).await.unwrap();
}

async fn time(
    board: &dyn Board,
    by: &Stamp,
    (ann, bob): (PersonId, PersonId),
    (banner, colours): (TaskId, TaskId),
) {
    for (task, person, on, kind, seconds) in [
        (banner, bob, 1, TimeKind::Development, 5_400),
        (banner, bob, 1, TimeKind::Testing, 1_800),
        (banner, bob, 2, TimeKind::Development, 3_600),
        (colours, ann, 2, TimeKind::GeneralBillable, 900),
    ] {
        let change = TimeChange {
            task,
            person,
            day: day(on),
            kind,
            amount: TimeAmount::Set(seconds),
            description: Some("drawing".into()),
        };
        board.log_time(by, change).await.unwrap();
    }
}

async fn goals(board: &dyn Board, by: &Stamp, project: ProjectId, launch: MilestoneId) {
    let new = NewGoalBoard { project, title: "Targets".into(), description: String::new() };
    let targets = board.add_goal_board(by, new).await.unwrap().after.id;
    let goal = |title: &str, edits: Vec<GoalEdit>| NewGoal {
        board: targets,
        title: title.into(),
        start_value: 10.0,
        end_value: 100.0,
        edits,
    };
    let visitors = goal(
        "Visitors",
        vec![
            GoalEdit::Description("A *day*".into()),
            GoalEdit::CurrentValue(25.0),
            GoalEdit::Status(GoalStatus::AtRisk),
            GoalEdit::Owner(Some(by.actor)),
            GoalEdit::Milestone(Some(launch)),
            GoalEdit::Start(Some(day(1))),
            GoalEdit::End(Some(day(31))),
        ],
    );
    let visitors = board.add_goal(by, visitors).await.unwrap().after.id;
    let part = goal("From search", vec![GoalEdit::Parent(Some(visitors))]);
    board.add_goal(by, part).await.unwrap();
    board.add_comment(by, said(CommentTarget::Goal(visitors), "Nearly")).await.unwrap();
}
