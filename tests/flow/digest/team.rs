//! A small team on a Monday morning in Berlin, with something on every edge.

use crate::support::fixed_board::FixedBoard;
use rota::digest::{AgentWork, Costs, DigestRequest, LinkBase, Spent, SpentOf, Work};
use rota::domain::*;
use std::collections::BTreeMap;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Monday, 23 November 2026, 08:00 in Berlin.
pub const NOW: &str = "2026-11-23T07:00:00Z";

pub const WEBSITE: ProjectId = ProjectId(1);
pub const SHOP: ProjectId = ProjectId(2);
pub const ARCHIVE: ProjectId = ProjectId(3);

pub fn request() -> DigestRequest {
    DigestRequest {
        playbook: PlaybookName::new("daily-digest"),
        now: at(NOW),
        zone: chrono_tz::Europe::Berlin,
        since: Some(at("2026-11-20T07:00:00Z")),
        projects: Vec::new(),
        links: LinkBase::parse("https://board.example").unwrap(),
        agents: agents(),
    }
}

pub fn person(id: i64, name: &str, kind: PersonKind) -> Person {
    Person { id: PersonId(id), name: name.into(), email: None, kind, role: Role::Editor }
}

pub fn project(id: ProjectId, name: &str, closed: bool) -> Project {
    Project {
        id,
        name: name.into(),
        details: String::new(),
        closed,
        statuses: default_statuses(),
        created: at("2026-01-01T00:00:00Z"),
    }
}

/// A task; status 3 is new, 4 in progress, 0 done.
pub fn task(id: i64, project: ProjectId, headline: &str, due: &str, status: i64) -> Task {
    let created = at("2026-11-01T00:00:00Z");
    Task {
        id: TaskId(id),
        project,
        kind: TaskKind::Task,
        headline: headline.into(),
        description: String::new(),
        acceptance_criteria: String::new(),
        status: StatusId(status),
        priority: None,
        storypoints: None,
        plan_hours: None,
        hours_remaining: None,
        tags: Vec::new(),
        author: None,
        assignee: (id % 2 == 1).then_some(PersonId(1)),
        collaborators: Vec::new(),
        due: Some(at(due)),
        work_from: None,
        work_to: None,
        milestone: None,
        sprint: None,
        parent: None,
        blocked_by: Vec::new(),
        sort: 0,
        fields: BTreeMap::new(),
        created,
        modified: created,
        revision: 1,
    }
}

fn update(id: i64, project: ProjectId, author: i64, created: &str, text: &str) -> Comment {
    Comment {
        id: CommentId(id),
        on: CommentTarget::Project(project),
        author: PersonId(author),
        text: text.into(),
        parent: None,
        rating: Some(Rating::Yellow),
        created: at(created),
    }
}

fn milestone(id: i64, headline: &str, to: &str, done: bool) -> Milestone {
    Milestone {
        id: MilestoneId(id),
        project: SHOP,
        headline: headline.into(),
        color: "#00aa00".into(),
        assignee: Some(PersonId(2)),
        from: at("2026-11-01T00:00:00Z"),
        to: at(to),
        depends_on: None,
        done,
        revision: 1,
    }
}

pub fn board() -> FixedBoard {
    FixedBoard {
        people: vec![
            person(1, "Ana", PersonKind::Person),
            person(2, "Ben <ben@x>", PersonKind::Person),
            person(3, "AI-Agent", PersonKind::Agent),
        ],
        projects: vec![
            project(WEBSITE, "Website", false),
            project(SHOP, "Shop & Co", false),
            project(ARCHIVE, "Archive", true),
        ],
        tasks: vec![
            task(1, WEBSITE, "Renew the certificate", "2026-11-22T09:00:00Z", 4),
            task(2, SHOP, "Answer the <!channel> & @here", "2026-11-21T23:00:00Z", 3),
            task(3, SHOP, "Saturday's last second", "2026-11-21T22:59:59Z", 3),
            task(4, SHOP, "Done in time", "2026-11-22T09:00:00Z", 0),
            task(5, WEBSITE, "Monday's first instant", "2026-11-22T23:00:00Z", 3),
            task(6, WEBSITE, "*Fix* `a|b` [link](x)\n# not a title", "2026-11-23T22:59:00Z", 4),
            task(7, WEBSITE, "Tuesday's first instant", "2026-11-23T23:00:00Z", 3),
            task(8, ARCHIVE, "Of a closed project", "2026-11-23T10:00:00Z", 3),
        ],
        milestones: vec![
            milestone(1, "Beta", "2026-11-23T11:00:00Z", false),
            milestone(2, "Launch", "2026-11-30T22:59:00Z", false),
            milestone(3, "Day eight", "2026-11-30T23:00:00Z", false),
            milestone(4, "Reached", "2026-11-24T11:00:00Z", true),
        ],
        comments: vec![
            update(1, WEBSITE, 1, "2026-11-20T06:59:59Z", "told the last time"),
            update(2, WEBSITE, 1, "2026-11-20T07:00:00Z", "On track.\n\nTwo pages are left."),
            update(3, SHOP, 3, "2026-11-21T07:00:00Z", "by an agent"),
            Comment {
                rating: None,
                ..update(4, SHOP, 2, "2026-11-21T08:00:00Z", "no status update")
            },
            update(5, SHOP, 2, "2026-11-22T18:30:00Z", "The <b>supplier</b> is late @everyone"),
            update(6, SHOP, 2, NOW, "for the next one"),
        ],
        page: 1,
        is_stuck: false,
    }
}

fn agents() -> AgentWork {
    let work = |run: &str, task, headline: &str, detail: &str| Work {
        run: RunId::new(run),
        task,
        headline: headline.into(),
        agent: "AI-Agent".into(),
        playbook: PlaybookName::new("ai-worker"),
        detail: detail.into(),
    };
    let usage =
        Usage { tokens_in: 40_000, tokens_out: 2_345, cost_micros: 1_230_000, ..Usage::default() };
    AgentWork {
        claimed: vec![
            work("r-1", Some(TaskId(11)), "Write the FAQ", ""),
            work("r-2", Some(TaskId(12)), "Compress the images", ""),
        ],
        handed_over: vec![work("r-1", Some(TaskId(11)), "Write the FAQ", "ready for review")],
        waiting_review: vec![work("r-1", Some(TaskId(11)), "Write the FAQ", "since 22 Nov 17:10")],
        failed: vec![work("r-2", Some(TaskId(12)), "Compress the images", "timed_out")],
        costs: vec![Costs {
            by: CostBy::Playbook,
            spent: vec![Spent {
                of: SpentOf::Playbook(PlaybookName::new("ai-worker")),
                runs: 2,
                usage,
                unpriced: 0,
                accepted: 1,
                planned_minutes: 0,
            }],
        }],
    }
}
