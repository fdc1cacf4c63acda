//! How long deciding takes: a plan over 10,000 candidates and 100 playbooks, and the next instants of
//! 10,000 playbooks. A plain program: `cargo bench --bench plan` prints the best and the median of 20
//! rounds.
#![expect(clippy::wildcard_imports, reason = "it speaks of the whole domain")]
#![expect(clippy::print_stdout, reason = "this program exists to print figures")]

use rota::domain::*;
use rota::schedule::*;
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const PROJECTS: i64 = 20;
const TASKS: i64 = 10_000;
const PLAYBOOKS: usize = 100;

/// Stands for a compiled expression: reads a few fields.
#[derive(Debug)]
struct Fields;

impl Condition for Fields {
    fn holds(&self, subject: &Subject<'_>) -> Result<bool, String> {
        Ok(subject.task.acceptance_criteria.len() > 3 && subject.task.priority > Some(9))
    }
}

fn main() {
    let narrow = snapshot(true);
    let mut reached = 0_usize;
    let first = plan(&narrow);
    for refusal in &first.refusals {
        reached += usize::from(refusal.reason == Reason::ConditionFalse);
    }
    for (_, reason, count) in &first.untold {
        reached += if *reason == Reason::ConditionFalse { *count } else { 0 };
    }
    println!("pairs: {}, reached `where`: {reached}", TASKS * 100);
    measure("plan, project and status narrow", || {
        black_box(plan(&narrow));
    });
    let wide = snapshot(false);
    measure("plan, only tags narrow (every pair is looked at)", || {
        black_box(plan(&wide));
    });
    let tasks: Vec<_> = (0..TASKS).map(|id| Arc::new(task(id))).collect();
    measure("index of 10,000 candidates", || {
        black_box(Candidates::new(tasks.iter().cloned()));
    });
    instants();
}

fn instants() {
    let patterns = ["*/5 8-18 * * MON-FRI", "0 8 * * *", "30 2 * * *", "@hourly", "0 0 1 * *"];
    let zones = [chrono_tz::Europe::Berlin, chrono_tz::America::New_York, chrono_tz::Asia::Tehran];
    let name = PlaybookName::new("p");
    let timetables: Vec<Timetable> = (0..10_000)
        .filter_map(|n| {
            let on = On {
                cron: Some(patterns[n % patterns.len()].to_owned()),
                ..on(zones[n % zones.len()])
            };
            Timetable::new(&on, &name).ok().flatten()
        })
        .collect();
    let now = from_millis(1_794_000_000_000);
    measure("next instants of 10,000 playbooks", || {
        for timetable in &timetables {
            black_box(timetable.after(now));
        }
    });
    let fold = from_millis(1_792_886_400_000 - 3_600_000);
    measure("the same on the eve of a clock change", || {
        for timetable in &timetables {
            black_box(timetable.after(fold));
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure(what: &str, mut run: impl FnMut()) {
    let mut rounds: Vec<Duration> = (0..20)
        .map(|_| {
            let began = std::time::Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    rounds.sort_unstable();
    println!("{what}: best {:.2?}, median {:.2?}", rounds[0], rounds[rounds.len() / 2]);
}

/// One pair of a hundred passes everything before `where`.
fn snapshot(placed: bool) -> Snapshot {
    let now = from_millis(1_794_000_000_000);
    let mut playbooks = HashMap::new();
    let mut occurrences = Vec::new();
    for number in 0..PLAYBOOKS {
        let playbook = playbook(number, placed);
        let occurrence = Occurrence {
            id: Occurrence::id_of(&playbook.name, Trigger::Cron, now),
            playbook: playbook.name.clone(),
            trigger: Trigger::Cron,
            planned: now,
            task: None,
            decided: now,
            state: OccurrenceState::Queued,
            covers: None,
        };
        occurrences.push(OpenOccurrence {
            occurrence,
            started: 0,
            taken: Vec::new(),
            retry: Vec::new(),
            closed: false,
        });
        let facts = PlaybookFacts {
            playbook: Arc::new(playbook),
            condition: Some(Arc::new(Fields)),
            paused: false,
            running: 0,
            runs_today: 0,
            waiting_review: 0,
        };
        playbooks.insert(facts.playbook.name.clone(), facts);
    }
    let projects = (0..PROJECTS).map(|id| Project {
        id: ProjectId(id),
        name: format!("Project {id}"),
        details: String::new(),
        closed: false,
        statuses: default_statuses(),
        created: now,
    });
    let agent = Person {
        id: PersonId(1),
        name: "AI-Worker".to_owned(),
        email: None,
        kind: PersonKind::Agent,
        role: Role::Editor,
    };
    Snapshot {
        now,
        daemon: DaemonFacts { slots_free: 50, stopped: false, draining: false },
        playbooks,
        occurrences,
        tasks: Arc::new(Candidates::new((0..TASKS).map(|id| Arc::new(task(id))))),
        projects: Arc::new(projects.collect()),
        people: Arc::new(vec![agent]),
        claims: HashMap::new(),
        attempts: HashMap::new(),
        blockers: HashMap::new(),
    }
}

fn on(zone: chrono_tz::Tz) -> On {
    On {
        cron: None,
        every: None,
        events: Vec::new(),
        zone,
        gap: Gap::Next,
        fold: Fold::First,
        catch_up: CatchUp::Latest,
        catch_up_max: 10,
        late: None,
        overlap: Overlap::Skip,
        jitter: Duration::ZERO,
        hours: None,
    }
}

fn playbook(number: usize, placed: bool) -> Playbook {
    let select = Select {
        projects: if placed { vec![format!("Project {}", number % 20)] } else { Vec::new() },
        status: if placed { vec![StatusSelector::Kind(StatusKind::New)] } else { Vec::new() },
        tags_all: Vec::new(),
        tags_any: Vec::new(),
        tags_none: if placed { vec!["AI-Stop".to_owned()] } else { vec!["common".to_owned()] },
        assignee: AssigneeSelector::Nobody,
        kinds: Vec::new(),
        due: DueSelector::Any,
        unchanged_for: None,
        condition: Some("size(task.acceptance_criteria) > 3 && task.priority > 9".to_owned()),
        order: vec![OrderKey::Priority, OrderKey::Due, OrderKey::Created],
        limit: 3,
    };
    Playbook {
        name: PlaybookName(format!("playbook-{number:03}")),
        description: String::new(),
        agent: "AI-Worker".to_owned(),
        runs_on: Vec::new(),
        mode: Mode::Live,
        on: on(chrono_tz::Europe::Berlin),
        select: Some(select),
        gather: BTreeMap::new(),
        suitability: Suitability::default(),
        claim: None,
        work: Work::Steps(Vec::new()),
        tools: Vec::new(),
        outcomes: BTreeMap::new(),
        review: Review { by: Reviewer::Person, rounds: 3, waiting_max: None },
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
        },
        report: None,
        on_failure: OnFailure::default(),
        hash: String::new(),
        source: String::new(),
        path: String::new(),
    }
}

fn task(id: i64) -> Task {
    let at = from_millis(1_790_000_000_000);
    Task {
        id: TaskId(id),
        project: ProjectId(id % PROJECTS),
        kind: TaskKind::Task,
        headline: format!("Task {id}"),
        description: "What is to be done.".to_owned(),
        acceptance_criteria: "It is done.".to_owned(),
        status: StatusId(id / PROJECTS % 5),
        priority: Some(3),
        storypoints: Some(2.0),
        plan_hours: None,
        hours_remaining: None,
        tags: if id % 100 == 0 { vec!["rare".to_owned()] } else { vec!["common".to_owned()] },
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
        created: at,
        modified: at,
        revision: 1,
    }
}
