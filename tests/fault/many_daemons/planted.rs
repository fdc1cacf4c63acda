//! The checker of many daemons is checked: in what a good folder tells, something is changed, and that must
//! be found. What it asks of one daemon as well is planted one floor up.

use super::court::{acquit_many, judge_many};
use super::testimony::Testimony;
use super::{TAG, WORK};
use crate::fault::checker::Wrong;
use crate::fault::evidence::{Known, open_board};
use crate::fault::planted::{copy, edit};
use crate::fault::scene::{PLAYBOOK, dies_at, recovers, scene};
use crate::support::rota::Rota;
use rota::clock::SystemClock;
use rota::domain::{
    ActivityId, CommentId, Effect, EffectResult, Fence, LifeId, PlaybookName, Run, RunId, RunState,
    StatusKind,
};
use rota::ledger::AuditVerdict;
use rota::store::open::{StoreOptions, open as open_store};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::Duration;

/// A task whose first run died and whose second handed over.
struct Good {
    rota: Rota,
    testimony: Testimony,
}

impl Good {
    fn new() -> Self {
        let rota = scene();
        dies_at(&rota, "effect.acted:3");
        recovers(&rota);
        let testimony = read(&rota.state(), known(&rota));
        Self { rota, testimony }
    }

    /// What the checker says when somebody changed something.
    fn with(&self, plant: impl FnOnce(&mut Testimony)) -> Vec<Wrong> {
        let mut testimony = self.testimony.clone();
        plant(&mut testimony);
        found(&testimony)
    }

    /// What it says of a copy in whose store the first record under a prefix was changed.
    fn with_record(&self, prefix: &str, fits: &str, field: &str, value: &Json) -> Testimony {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        copy(&self.rota.state(), &state);
        edit(&state, prefix, fits, |record| {
            assert!(record.get(field).is_some(), "{record} has no {field}");
            record[field] = value.clone();
            Some(())
        });
        read(&state, known(&self.rota))
    }

    /// The run that died, and the one that handed over.
    fn runs(&self) -> (RunId, RunId) {
        let in_state = |state: RunState| {
            let mut runs = self.testimony.evidence.runs.values();
            runs.find(|run| run.state == state).unwrap().id.clone()
        };
        (in_state(RunState::Interrupted), in_state(RunState::Succeeded))
    }
}

fn known(rota: &Rota) -> Known {
    Known {
        reporting: [PlaybookName::new(PLAYBOOK)].into(),
        told: rota.read("told.md"),
        several: true,
        ..Known::default()
    }
}

/// Reads a folder that nobody uses.
fn read(state: &Path, known: Known) -> Testimony {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (life, clock) = (LifeId::new("a look"), SystemClock::shared());
    let store = open_store(&StoreOptions::default(), state, &life, clock).unwrap();
    let testimony = runtime.block_on(async {
        let board = open_board(state).await;
        Testimony::read(&store, board.as_ref(), known).await
    });
    drop(store);
    runtime.shutdown_timeout(Duration::from_secs(10));
    testimony
}

fn found(testimony: &Testimony) -> Vec<Wrong> {
    judge_many(testimony).into_iter().map(|finding| finding.wrong).collect()
}

fn run<'a>(testimony: &'a mut Testimony, id: &RunId) -> &'a mut Run {
    testimony.evidence.runs.get_mut(id).unwrap()
}

/// The effect of a run whose row of activity is its last.
fn last_shown<'a>(testimony: &'a mut Testimony, id: &RunId) -> &'a mut Effect {
    let rows = testimony.evidence.activity.iter().rev();
    let mut marks = rows.filter_map(|row| row.mark.clone()).filter(|mark| mark.run == *id);
    let mark = marks.next().unwrap();
    let effects = testimony.evidence.effects.get_mut(id).unwrap();
    effects.iter_mut().find(|effect| effect.mark == mark).unwrap()
}

#[test]
fn what_a_good_folder_tells_is_acquitted() {
    let good = Good::new();
    acquit_many(&good.testimony);
    let (dead, successor) = good.runs();
    let runs = &good.testimony.evidence.runs;
    assert!(runs[&dead].fence < runs[&successor].fence, "{runs:#?}");
    assert_eq!(good.testimony.taken_over(), 0, "it is one daemon");
    let mut other = good.testimony.clone();
    run(&mut other, &successor).daemon = None;
    assert_eq!(other.taken_over(), 1);
}

#[test]
fn a_double_claim_is_found() {
    let good = Good::new();
    let (dead, successor) = good.runs();
    let fences = &good.testimony.evidence.runs;
    let (earlier, later) = (fences[&dead].fence, fences[&successor].fence);
    let by_record = good.with(|it| run(it, &dead).fence = later);
    assert!(by_record.contains(&Wrong::ClaimedTwice), "{by_record:?}");
    let by_journal = good.with(|it| last_shown(it, &successor).fence = earlier);
    assert!(by_journal.contains(&Wrong::ClaimedTwice), "{by_journal:?}");
    let by_claim = good.with(|it| {
        for claim in it.evidence.claims.values_mut() {
            claim.run = dead.clone();
        }
    });
    assert_eq!(by_claim, [Wrong::ClaimedTwice]);
    let fences_back = good.with(|it| {
        for claim in it.evidence.claims.values_mut() {
            claim.fence = Fence(0);
        }
    });
    assert_eq!(fences_back, [Wrong::Fence]);
    assert_eq!(good.with(|it| it.evidence.claims.clear()), [Wrong::Fence]);
}

#[test]
fn a_write_under_an_old_fence_is_found() {
    let good = Good::new();
    let (dead, successor) = good.runs();
    let old = good.with(|it| last_shown(it, &successor).fence = Some(Fence(0)));
    // One for each field that it changed.
    assert!(!old.is_empty() && old.iter().all(|wrong| *wrong == Wrong::OldFence), "{old:?}");
    let none = good.with(|it| last_shown(it, &successor).fence = None);
    assert_eq!(none, [Wrong::OldFence]);
    // The dead one writes once more, behind all that its successor wrote.
    let risen = good.with(|it| {
        let rows = &mut it.evidence.activity;
        let behind = ActivityId(rows.iter().map(|row| row.id.0).max().unwrap() + 1);
        let is_of_dead = |run: Option<&RunId>| run == Some(&dead);
        let mut rows = rows.iter_mut();
        let row = rows.find(|row| is_of_dead(row.mark.as_ref().map(|mark| &mark.run)));
        row.unwrap().id = behind;
    });
    assert!(risen.contains(&Wrong::OldFence) && risen.contains(&Wrong::HeldTwice), "{risen:?}");
}

#[test]
fn an_effect_that_is_lost_is_found() {
    let good = Good::new();
    let unsaid = good.with(|it| it.comments.retain(|comment| comment.text != WORK));
    assert_eq!(unsaid, [Wrong::WriteLost, Wrong::WriteLost]);
    let without_part = good.with(|it| it.evidence.tasks.retain(|(task, _)| task.parent.is_none()));
    assert_eq!(without_part, [Wrong::WriteLost, Wrong::WriteLost]);
    let (_, successor) = good.runs();
    let unmarked = good.with(|it| {
        let mark = last_shown(it, &successor).mark.clone();
        it.evidence.applied.remove(&mark);
    });
    assert_eq!(unmarked, [Wrong::WriteLost]);
    let undone = good.with(|it| {
        for (task, kind) in &mut it.evidence.tasks {
            if task.has_tag(TAG) {
                *kind = StatusKind::New;
            }
        }
    });
    assert_eq!(undone, [Wrong::Undone]);
}

#[test]
fn an_effect_that_happened_twice_is_found() {
    let good = Good::new();
    for text in [WORK, "hands this over"] {
        let twice = good.with(|it| {
            let again = it.comments.iter().find(|comment| comment.text.contains(text)).cloned();
            let mut again = again.unwrap();
            again.id = CommentId(9_999);
            it.comments.push(again);
        });
        assert_eq!(twice, [Wrong::DoneTwice], "{text}");
    }
    let two_parts = good.with(|it| {
        let part = it.evidence.tasks.iter().find(|(task, _)| task.parent.is_some()).cloned();
        it.evidence.tasks.push(part.unwrap());
    });
    assert_eq!(two_parts, [Wrong::DoneTwice]);
    let (dead, _) = good.runs();
    let both = good.with(|it| run(it, &dead).state = RunState::Succeeded);
    assert!(both.contains(&Wrong::DoneTwice), "{both:?}");
    let denied = good.with(|it| {
        let failed = EffectResult::Failed { code: "gone".into(), message: String::new() };
        last_shown(it, &dead).result = Some(failed);
    });
    assert!(denied.contains(&Wrong::WriteDenied), "{denied:?}");
}

#[test]
fn a_broken_chain_is_found() {
    let good = Good::new();
    let unheard = good.with(|it| drop(it.endings.pop()));
    assert_eq!(unheard, [Wrong::Chain]);
    let twice = good.with(|it| it.endings.push(it.endings[0].clone()));
    assert_eq!(twice, [Wrong::Chain]);
    let (dead, _) = good.runs();
    let of_nobody = good.with(|it| {
        let covers = it.endings[0].covers.as_mut().unwrap();
        assert_eq!(covers.run, dead, "it ended first");
        covers.run = RunId::new("r-nobody");
    });
    assert_eq!(of_nobody, [Wrong::Chain, Wrong::Chain]);
    for (prefix, fits, field) in [
        ("ending/", "", "who"),
        ("run/", "\"state\":\"succeeded\"", "summary"),
        ("run/", "\"state\":\"interrupted\"", "detail"),
    ] {
        let forged = good.with_record(prefix, fits, field, &json!("forged"));
        let is_broken = matches!(forged.verdict, AuditVerdict::Broken { .. });
        assert!(is_broken, "{prefix} {field}: {:?}", forged.verdict);
        assert_eq!(found(&forged), [Wrong::Chain], "{prefix} {field}");
    }
}

#[test]
fn an_occurrence_that_is_open_skipped_or_gone_is_found() {
    let good = Good::new();
    let state =
        |state: Json| found(&good.with_record("occurrence/", "worker/manual/", "state", &state));
    assert_eq!(state(json!("running")), [Wrong::OccurrenceOpen]);
    let skipped = state(json!({"skipped": {"reason": "paused"}}));
    assert!(skipped.contains(&Wrong::RunUnaccounted), "{skipped:?}");
    let gone = good.with(|it| it.evidence.occurrences.clear());
    assert!(gone.contains(&Wrong::RunUnaccounted), "{gone:?}");
}
