//! Plain playbooks, tasks and boards for tests of the rules.

use chrono_tz::Tz;
use rota::domain::*;
use std::collections::BTreeMap;
use std::time::Duration;

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn on(zone: Tz) -> On {
    On {
        cron: None,
        every: None,
        events: Vec::new(),
        webhook: None,
        zone,
        gap: Gap::Next,
        fold: Fold::First,
        catch_up: CatchUp::Latest,
        catch_up_max: 10,
        late: None,
        overlap: Overlap::Allow,
        jitter: Duration::ZERO,
        hours: None,
    }
}

pub fn select() -> Select {
    Select {
        projects: Vec::new(),
        status: Vec::new(),
        tags_all: Vec::new(),
        tags_any: Vec::new(),
        tags_none: Vec::new(),
        assignee: AssigneeSelector::Any,
        kinds: Vec::new(),
        due: DueSelector::Any,
        unchanged_for: None,
        condition: None,
        order: Vec::new(),
        limit: 3,
    }
}

pub fn playbook(name: &str) -> Playbook {
    Playbook {
        name: PlaybookName::new(name),
        description: String::new(),
        agent: "AI-Worker".into(),
        runs_on: Vec::new(),
        mode: Mode::Live,
        on: on(chrono_tz::Europe::Berlin),
        select: Some(select()),
        set: BTreeMap::new(),
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: Some(ClaimRules {
            status: StatusSelector::Kind(StatusKind::InProgress),
            add_tags: vec!["AI-Agent".into()],
            comment: "claim.md.hbs".into(),
            lease: Duration::from_mins(1),
            hand_back: HandBack::Restore,
            progress: false,
        }),
        workspace: None,
        checks: BTreeMap::new(),
        work: Work::Steps(Vec::new()),
        family: None,
        tools: Vec::new(),
        outcomes: BTreeMap::new(),
        review: Review {
            by: Reviewer::Person,
            rounds: 3,
            waiting_max: None,
            apply_within: Duration::from_hours(24),
            independent: false,
        },
        scope: Scope::default(),
        limits: Limits {
            turns: 40,
            tokens: 400_000,
            cost_micros: None,
            time: Duration::from_mins(30),
            idle: Duration::from_mins(5),
            attempts: 3,
            backoff_min: Duration::from_secs(10),
            backoff_max: Duration::from_mins(5),
            concurrent: 2,
            runs_per_day: None,
            day: DayBudget::default(),
        },
        report: None,
        on_failure: OnFailure::default(),
        hash: String::new(),
        source: String::new(),
        path: String::new(),
    }
}

pub fn task(id: i64) -> Task {
    Task {
        id: TaskId(id),
        project: ProjectId(1),
        kind: TaskKind::Task,
        headline: format!("Task {id}"),
        description: "Do it.".into(),
        acceptance_criteria: "It is done.".into(),
        status: StatusId(3),
        priority: None,
        storypoints: Some(1.0),
        plan_hours: None,
        hours_remaining: None,
        tags: Vec::new(),
        author: None,
        assignee: None,
        collaborators: Vec::new(),
        due: None,
        work_from: None,
        work_to: None,
        milestone: None,
        sprint: None,
        parent: None,
        blocked_by: Vec::new(),
        sort: 0,
        fields: BTreeMap::new(),
        created: at("2026-11-01T00:00:00Z"),
        modified: at("2026-11-01T00:00:00Z"),
        revision: 1,
    }
}

pub fn project(id: i64, name: &str) -> Project {
    Project {
        id: ProjectId(id),
        name: name.into(),
        details: String::new(),
        closed: false,
        statuses: default_statuses(),
        created: at("2026-01-01T00:00:00Z"),
    }
}

pub fn person(id: i64, name: &str, kind: PersonKind) -> Person {
    Person { id: PersonId(id), name: name.into(), email: None, kind, role: Role::Editor }
}
