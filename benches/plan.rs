//! How long deciding takes: a plan over 10,000 candidates and 100 playbooks, and the next instants of
//! 10,000 playbooks. A plain program: `cargo bench --bench plan` prints the best and the median of 20
//! rounds.
#![expect(clippy::wildcard_imports, reason = "it speaks of the whole domain")]
#![expect(clippy::print_stdout, reason = "this program exists to print figures")]

use rota::domain::*;
use rota::schedule::*;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

#[path = "../tests/contract/given.rs"]
#[expect(clippy::unwrap_used, reason = "what is written there can be read")]
mod given;

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
    conditions();
    let tasks: Vec<_> = (0..TASKS).map(|id| Arc::new(task(id))).collect();
    measure("index of 10,000 candidates", || {
        black_box(Candidates::new(tasks.iter().cloned()));
    });
    instants();
}

/// Every pair passes everything before `where`, which is asked a million times.
fn conditions() {
    for text in [
        "task.priority <= 2",
        "size(task.acceptance_criteria) > 3 && task.priority > 9",
        "task.due != null && task.due < now + duration('72h')",
        "'rare' in task.tags && task.headline.startsWith('Task')",
    ] {
        let condition = rota::daemon::condition::compile(text);
        let mut snapshot = snapshot(false);
        let playbooks = snapshot.playbooks.values_mut();
        for facts in playbooks {
            let mut playbook = (*facts.playbook).clone();
            if let Some(select) = &mut playbook.select {
                select.tags_none = Vec::new();
                select.condition = Some(text.to_owned());
            }
            facts.playbook = Arc::new(playbook);
            facts.condition = Some(Arc::clone(&condition));
        }
        measure_rounds(3, &format!("plan, all pairs reach `{text}`"), || {
            let plan = black_box(plan(&snapshot));
            let untold: usize = plan.untold.iter().map(|(_, _, count)| count).sum();
            // A tag that the condition asks for finds its few tasks by itself.
            let few = text.contains("in task.tags");
            assert!(few || untold + plan.refusals.len() > 900_000, "{untold}");
        });
    }
}

fn instants() {
    let patterns = ["*/5 8-18 * * MON-FRI", "0 8 * * *", "30 2 * * *", "@hourly", "0 0 1 * *"];
    let zones = [chrono_tz::Europe::Berlin, chrono_tz::America::New_York, chrono_tz::Asia::Tehran];
    let name = PlaybookName::new("p");
    let timetables: Vec<Timetable> = (0..10_000)
        .filter_map(|n| {
            let on = On {
                cron: Some(patterns[n % patterns.len()].to_owned()),
                overlap: Overlap::Skip,
                ..given::on(zones[n % zones.len()])
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

fn measure(what: &str, run: impl FnMut()) {
    measure_rounds(20, what, run);
}

/// Of this thread: what a plan costs, whatever else the machine does.
#[expect(clippy::unwrap_used, reason = "every Linux has this clock")]
fn processor_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).unwrap().into()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure_rounds(rounds: usize, what: &str, mut run: impl FnMut()) {
    let (mut wall, mut processor): (Vec<Duration>, Vec<Duration>) = (0..rounds)
        .map(|_| {
            let (began, used) = (std::time::Instant::now(), processor_time());
            run();
            (began.elapsed(), processor_time().saturating_sub(used))
        })
        .unzip();
    wall.sort_unstable();
    processor.sort_unstable();
    let middle = rounds / 2;
    println!(
        "{what}: best {:.2?}, median {:.2?}; processor: best {:.2?}, median {:.2?}",
        wall[0], wall[middle], processor[0], processor[middle]
    );
}

/// One pair of a hundred passes everything before `where`.
fn snapshot(placed: bool) -> Snapshot {
    let now = from_millis(1_794_000_000_000);
    let mut playbooks = BTreeMap::new();
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
            status: None,
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
            armed: true,
            running: 0,
            runs_today: 0,
            waiting_review: 0,
            no_budget: None,
            fits: Fits::Here,
        };
        playbooks.insert(facts.playbook.name.clone(), facts);
    }
    let projects = (0..PROJECTS).map(|id| given::project(id, &format!("Project {id}")));
    let agent = given::person(1, "AI-Worker", PersonKind::Agent);
    Snapshot {
        now,
        daemon: DaemonFacts { slots_free: 50, ..DaemonFacts::default() },
        playbooks,
        occurrences,
        tasks: Arc::new(Candidates::new((0..TASKS).map(|id| Arc::new(task(id))))),
        projects: Arc::new(projects.collect()),
        people: Arc::new(vec![agent]),
        claims: BTreeMap::new(),
        attempts: BTreeMap::new(),
        objections: BTreeMap::new(),
        blockers: BTreeMap::new(),
        guarded: BTreeMap::new(),
    }
}

fn playbook(number: usize, placed: bool) -> Playbook {
    let select = Select {
        projects: if placed { vec![format!("Project {}", number % 20)] } else { Vec::new() },
        status: if placed { vec![StatusSelector::Kind(StatusKind::New)] } else { Vec::new() },
        tags_none: if placed { vec!["AI-Stop".to_owned()] } else { vec!["common".to_owned()] },
        assignee: AssigneeSelector::Nobody,
        condition: Some("size(task.acceptance_criteria) > 3 && task.priority > 9".to_owned()),
        order: vec![OrderKey::Priority, OrderKey::Due, OrderKey::Created],
        ..given::select()
    };
    Playbook {
        on: On { overlap: Overlap::Skip, ..given::on(chrono_tz::Europe::Berlin) },
        select: Some(select),
        claim: None,
        ..given::playbook(&format!("playbook-{number:03}"))
    }
}

fn task(id: i64) -> Task {
    Task {
        project: ProjectId(id % PROJECTS),
        status: StatusId(id / PROJECTS % 5),
        priority: Some(3),
        tags: if id % 100 == 0 { vec!["rare".to_owned()] } else { vec!["common".to_owned()] },
        ..given::task(id)
    }
}
