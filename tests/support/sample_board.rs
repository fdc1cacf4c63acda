//! The board that the playbooks are shown on: three projects, people in Berlin and New York, and the
//! weekend on which Berlin's clocks go back. Monday, 26 October 2026, nine o'clock in Berlin.

use super::daemon::{ADA, BO, Team, WEBSITE, WORKER, instant};
use chrono::NaiveDate;
use rota::domain::*;
use std::time::Duration;

/// Nine o'clock in Berlin, four in New York, whose clocks still have their summer time.
pub const MONDAY: &str = "2026-10-26T08:00:00Z";

/// The project of a shop.
pub const SHOP: ProjectId = ProjectId(2);
/// The project that nobody sees.
pub const MACHINES: ProjectId = ProjectId(3);
/// She works in New York.
pub const CLEO: PersonId = PersonId(7);
/// Logs other people's time.
pub const TIMEKEEPER: PersonId = PersonId(9);

/// The sample board, with texts written into it wherever people write.
struct Sample {
    team: Team,
    /// What each headline, name and text is made of: `None`, what it says.
    told: Option<String>,
}

/// The board as it is on that Monday.
pub async fn sample() -> Team {
    Sample::build(None).await
}

/// The same with this text in every field that people write.
pub async fn hostile(text: &str) -> Team {
    Sample::build(Some(text.to_owned())).await
}

impl Sample {
    async fn build(told: Option<String>) -> Team {
        let team = Team::at("2026-10-12T08:00:00Z").await;
        let sample = Self { team, told };
        sample.people().await;
        sample.projects().await;
        sample.milestones().await;
        sample.goals().await;
        sample.website().await;
        sample.shop().await;
        sample.machines().await;
        sample.calendar().await;
        if sample.told.is_some() {
            sample.tagged().await;
        }
        sample.last_week().await;
        if sample.told.is_some() {
            sample.rated().await;
        }
        sample.team.clock.advance_to(MONDAY);
        sample.team
    }

    /// One line of somebody's, with a mark that keeps it apart.
    fn line(&self, text: &str) -> String {
        self.told.as_ref().map_or_else(
            || text.to_owned(),
            |told| {
                let line = told.split_whitespace().collect::<Vec<_>>().join(" ");
                // As long as boards keep a line.
                format!("{text} {line}").chars().take(255).collect()
            },
        )
    }

    fn text(&self, text: &str) -> String {
        self.told.as_ref().map_or_else(|| text.to_owned(), |told| format!("{text} {told}"))
    }

    fn board(&self) -> &dyn rota::board::Board {
        self.team.board.below.as_ref()
    }

    async fn people(&self) {
        for (name, kind, role) in [
            ("Cleo", PersonKind::Person, Role::Editor),
            ("AI-Planner", PersonKind::Agent, Role::Manager),
            ("AI-Timekeeper", PersonKind::Agent, Role::Manager),
        ] {
            let name = if kind == PersonKind::Person { self.line(name) } else { name.into() };
            let new = NewPerson { name, email: None, kind, role };
            self.board().add_person(&Stamp::by(ADA), new).await.unwrap();
        }
    }

    async fn projects(&self) {
        for name in ["Web shop", "Machines"] {
            let new = NewProject {
                name: self.line(name),
                details: self.text("What it is about."),
                statuses: self.statuses(),
            };
            self.board().add_project(&Stamp::by(ADA), new).await.unwrap();
        }
    }

    /// One word of somebody's, as long as boards keep one.
    fn word(&self, text: &str) -> String {
        self.line(text).chars().take(64).collect::<String>().trim().to_owned()
    }

    fn statuses(&self) -> Vec<Status> {
        let named = |status: Status| Status { label: self.word(&status.label), ..status };
        default_statuses().into_iter().map(named).collect()
    }

    /// Where more is told: tags on every task, and words.
    async fn tagged(&self) {
        for id in 1..=12 {
            self.set(TaskId(id), TaskEdit::AddTag(self.word("tag"))).await;
            self.team.say(BO, TaskId(id), &self.text("I look at it.")).await;
        }
    }

    /// And how projects stand, on Sunday.
    async fn rated(&self) {
        self.team.clock.advance_to("2026-10-25T12:00:00Z");
        for project in [WEBSITE, SHOP, MACHINES] {
            let on = CommentTarget::Project(project);
            let text = self.text("We are late.");
            let new = NewComment { on, text, parent: None, rating: Some(Rating::Yellow) };
            self.board().add_comment(&Stamp::by(BO), new).await.unwrap();
        }
    }

    async fn milestones(&self) {
        for (project, headline, to) in [
            (WEBSITE, "Launch", "2026-10-30T16:00:00Z"),
            (SHOP, "Spring sale", "2026-11-20T16:00:00Z"),
            (MACHINES, "Old office closed", "2026-10-20T16:00:00Z"),
        ] {
            let new = NewMilestone {
                project,
                headline: self.line(headline),
                color: "#336699".into(),
                assignee: Some(ADA),
                from: instant("2026-10-01T00:00:00Z"),
                to: instant(to),
                depends_on: None,
            };
            self.board().add_milestone(&Stamp::by(ADA), new).await.unwrap();
        }
        let day = |text: &str| -> NaiveDate { text.parse().unwrap() };
        let sprint = NewSprint {
            project: SHOP,
            name: self.line("Sprint 12"),
            from: day("2026-10-26"),
            to: day("2026-11-06"),
        };
        self.board().add_sprint(&Stamp::by(ADA), sprint).await.unwrap();
    }

    async fn goals(&self) {
        let board = NewGoalBoard {
            project: SHOP,
            title: self.line("2026"),
            description: self.text("This year."),
        };
        let board = self.board().add_goal_board(&Stamp::by(ADA), board).await.unwrap().after.id;
        for (title, start_value, current, end_value, milestone) in [
            ("Orders a day", 0.0, 70.0, 100.0, None),
            ("Seconds to load", 9.0, 3.0, 2.0, None),
            ("Newsletter readers", 0.0, 200.0, 1_000.0, Some(MilestoneId(2))),
        ] {
            let new = NewGoal {
                board,
                title: self.line(title),
                start_value,
                end_value,
                edits: vec![
                    GoalEdit::CurrentValue(current),
                    GoalEdit::Owner(Some(ADA)),
                    GoalEdit::Milestone(milestone),
                    GoalEdit::Start(NaiveDate::from_ymd_opt(2026, 1, 1)),
                    GoalEdit::End(NaiveDate::from_ymd_opt(2026, 12, 31)),
                ],
            };
            self.board().add_goal(&Stamp::by(ADA), new).await.unwrap();
        }
    }

    /// Adds a task; its id is the next one.
    async fn task(&self, project: ProjectId, headline: &str, edits: Vec<TaskEdit>) -> TaskId {
        let mut new = NewTask::new(project, self.line(headline));
        new.edits = edits;
        self.board().add_task(&Stamp::by(ADA), new).await.unwrap().after.id
    }

    async fn status(&self, project: ProjectId, label: &str) -> StatusId {
        let label = if project == WEBSITE { label.to_owned() } else { self.word(label) };
        self.board().project(project).await.unwrap().status_named(&label).unwrap().id
    }

    /// Task 1 to 4.
    async fn website(&self) {
        let progress = self.status(WEBSITE, "In Progress").await;
        let blocked = self.status(WEBSITE, "Blocked").await;
        let launch = TaskEdit::Milestone(Some(MilestoneId(1)));
        let id = self
            .task(
                WEBSITE,
                "Write the release notes",
                vec![
                    to(ADA),
                    due("2026-10-26T22:59:59Z"),
                    TaskEdit::PlanHours(Some(3.0)),
                    launch.clone(),
                ],
            )
            .await;
        self.set(id, TaskEdit::Status(progress)).await;
        self.task(
            WEBSITE,
            "Fix the login redirect",
            vec![to(BO), TaskEdit::PlanHours(Some(4.0)), launch.clone()],
        )
        .await;
        let id = self
            .task(WEBSITE, "Order certificates", vec![to(BO), due("2026-10-23T21:59:59Z"), launch])
            .await;
        self.set(id, TaskEdit::Status(blocked)).await;
        self.task(
            WEBSITE,
            "Check all links",
            vec![due("2026-10-29T22:59:59Z"), TaskEdit::PlanHours(Some(2.0))],
        )
        .await;
    }

    /// Task 5 to 8.
    async fn shop(&self) {
        let sale = TaskEdit::Milestone(Some(MilestoneId(2)));
        let blocked = self.status(SHOP, "Blocked").await;
        let import = self
            .task(
                SHOP,
                "Import the catalogue",
                vec![
                    to(CLEO),
                    due("2026-10-28T22:59:59Z"),
                    TaskEdit::PlanHours(Some(6.0)),
                    sale.clone(),
                ],
            )
            .await;
        let invoice = self
            .task(
                SHOP,
                "Pay by invoice",
                vec![
                    to(CLEO),
                    TaskEdit::Storypoints(Some(5.0)),
                    TaskEdit::AddBlocker(import),
                    sale.clone(),
                ],
            )
            .await;
        self.set(invoice, TaskEdit::Status(blocked)).await;
        self.task(
            SHOP,
            "Voucher codes",
            vec![
                TaskEdit::Description(self.text("Customers type a code and pay less.")),
                TaskEdit::AcceptanceCriteria(self.text("A code works once.")),
                TaskEdit::Storypoints(Some(3.0)),
                TaskEdit::Priority(Some(2)),
                sale,
            ],
        )
        .await;
        let dark = TaskEdit::Description(self.text("Colours that do not hurt at night."));
        self.task(SHOP, "Dark mode", vec![dark, TaskEdit::Storypoints(Some(2.0))]).await;
    }

    /// Task 9 to 12.
    async fn machines(&self) {
        let blocked = self.status(MACHINES, "Blocked").await;
        let mail = self.task(MACHINES, "Move the mail server", vec![to(WORKER)]).await;
        self.set(mail, TaskEdit::Status(blocked)).await;
        self.task(
            MACHINES,
            "Renew the contract",
            vec![to(ADA), due("2026-10-27T22:59:59Z"), TaskEdit::PlanHours(Some(1.0))],
        )
        .await;
        self.task(
            MACHINES,
            "Plan the new office",
            vec![to(BO), due("2026-11-13T22:59:59Z"), TaskEdit::HoursRemaining(Some(20.0))],
        )
        .await;
        self.task(MACHINES, "Restart the cache", vec![to(CLEO), TaskEdit::PlanHours(Some(0.5))])
            .await;
    }

    async fn calendar(&self) {
        let timed =
            |from: &str, to: &str| When::Timed(Span { from: instant(from), to: instant(to) });
        let holiday = NaiveDate::from_ymd_opt(2026, 10, 27).unwrap();
        for (owner, title, when) in [
            (ADA, "Team meeting", timed("2026-10-26T09:00:00Z", "2026-10-26T10:00:00Z")),
            (BO, "Call with New York", timed("2026-10-26T14:00:00Z", "2026-10-26T15:30:00Z")),
            (BO, "Retrospective", timed("2026-10-23T12:00:00Z", "2026-10-23T13:00:00Z")),
            (CLEO, "Holiday", When::Days { first: holiday, last: holiday }),
        ] {
            let new = NewEvent {
                owner,
                title: self.line(title),
                description: self.text(""),
                location: self.line("Room 1"),
                when,
            };
            self.board().add_event(&Stamp::by(ADA), new).await.unwrap();
        }
    }

    /// What was finished and logged before the weekend, and in it.
    async fn last_week(&self) {
        self.team.clock.advance_to("2026-10-23T14:00:00Z");
        let done = self.status(WEBSITE, "Done").await;
        self.set(TaskId(2), TaskEdit::Status(done)).await;
        let change = TimeChange {
            task: TaskId(2),
            person: BO,
            day: NaiveDate::from_ymd_opt(2026, 10, 22).unwrap(),
            kind: TimeKind::Development,
            amount: TimeAmount::Add(2 * 3_600),
            description: Some(self.line("The first half.")),
        };
        self.board().log_time(&Stamp::by(BO), change).await.unwrap();
        self.team.clock.advance(Duration::from_hours(24));
        let done = self.status(MACHINES, "Done").await;
        self.set(TaskId(12), TaskEdit::Status(done)).await;
    }

    async fn set(&self, task: TaskId, edit: TaskEdit) {
        self.board().edit_task(&Stamp::by(BO), task, &[edit]).await.unwrap();
    }
}

fn to(person: PersonId) -> TaskEdit {
    TaskEdit::Assignee(Some(person))
}

fn due(text: &str) -> TaskEdit {
    TaskEdit::Due(Some(instant(text)))
}
