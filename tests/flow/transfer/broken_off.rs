//! A copy that is broken off, at every place where it can be, goes on and makes nothing twice.

use super::seen::{Seen, seen};
use super::{End, Scene, copy, nobody, options, whole};
use crate::support::leantime::{Fault, Trouble};
use crate::support::watched::{Call, Watch, Watched};
use async_trait::async_trait;
use rota::board::{BoardError, Result};
use rota::transfer::{Early, Options, Report};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const PROJECTS: &[&str] = &["Website", "Shop"];
const NOUNS: &[&str] = &[
    "projects",
    "milestones",
    "sprints",
    "tasks",
    "blockers",
    "comments",
    "time",
    "goals",
    "members",
    "events",
];

/// Where in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Nothing was written.
    Before,
    /// It was written, and nobody knows yet what came of it.
    After,
}

/// Ends the process at a write: whoever comes there stays there.
#[derive(Debug)]
struct Killer {
    left: AtomicUsize,
    moment: Moment,
    reached: Arc<Notify>,
}

impl Killer {
    fn new(write: usize, moment: Moment) -> (Self, Arc<Notify>) {
        let reached = Arc::new(Notify::new());
        let left = AtomicUsize::new(write);
        (Self { left, moment, reached: Arc::clone(&reached) }, reached)
    }

    async fn pass(&self, call: &Call<'_>, moment: Moment) {
        if moment != self.moment || !call.is_write() {
            return;
        }
        let less = |left: usize| left.checked_sub(1);
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if left.is_ok_and(|left| left > 1) {
            return;
        }
        self.reached.notify_one();
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Watch for Killer {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        self.pass(call, Moment::Before).await;
        Ok(())
    }

    async fn after(
        &self,
        call: &Call<'_>,
        _: std::result::Result<bool, &BoardError>,
    ) -> Result<()> {
        self.pass(call, Moment::After).await;
        Ok(())
    }
}

impl Scene {
    /// Copies until the process ends at a write; the report if it came to its end before that.
    async fn killed(&self, write: usize, moment: Moment, target: End) -> Option<Report> {
        let (watch, reached) = Killer::new(write, moment);
        let End(below, name, writer) = target;
        let target = End(Arc::new(Watched { below, watch }), name, writer);
        let ends = self.ends(&self.home(), &target);
        tokio::select! {
            biased;
            report = copy(ends, options(), nobody(), CancellationToken::new()) => Some(report.unwrap()),
            () = reached.notified() => None,
        }
    }
}

/// What a copy comes to that nothing disturbs.
async fn undisturbed() -> Seen {
    let s = Scene::new().await;
    s.prepare_goals().await;
    whole(s.copy(&s.home(), &s.there()).await);
    seen(s.leantime().as_ref(), PROJECTS).await
}

#[track_caller]
fn same(found: &Seen, expected: &Seen, what: &str) {
    for noun in NOUNS {
        assert_eq!(found.of(noun), expected.of(noun), "{noun} {what}");
    }
}

async fn killed_at_every_write(moment: Moment) {
    let expected = undisturbed().await;
    let mut write = 1;
    loop {
        let s = Scene::new().await;
        s.prepare_goals().await;
        let ended = s.killed(write, moment, s.there()).await;
        let report = whole(s.copy(&s.home(), &s.there()).await);
        let what = format!("after {moment:?} of write {write}: {report:#?}");
        same(&seen(s.leantime().as_ref(), PROJECTS).await, &expected, &what);
        s.is_careful();
        if ended.is_some() {
            break;
        }
        write += 1;
    }
    assert!(write > 35, "only {write} writes");
}

#[tokio::test]
async fn a_process_that_ended_before_any_write_loses_nothing_and_makes_nothing_twice() {
    killed_at_every_write(Moment::Before).await;
}

#[tokio::test]
async fn a_process_that_ended_between_a_write_and_its_link_makes_nothing_twice() {
    killed_at_every_write(Moment::After).await;
}

/// The methods by which something is written to a Leantime.
const WRITES: &[&str] = &[
    "users.addUser",
    "projects.addProject",
    "projects.editUserProjectRelations",
    "sprints.addSprint",
    "tickets.quickAddMilestone",
    "tickets.addTicket",
    "tickets.patchTicket",
    "comments.addComment",
    "timesheets.logTime",
    "goalcanvas.createGoal",
    "PATCH goalcanvas",
    "calendar.addEvent",
    "calendar.patch",
];

/// At most so many of each kind.
async fn unanswered_at_every_write(fault: &Fault, max: usize) {
    let expected = undisturbed().await;
    let mut runs = 0;
    for method in WRITES {
        for skip in 0..max {
            let s = Scene::new().await;
            s.prepare_goals().await;
            let calls = s.fake.calls(method);
            s.fake.trouble(Trouble::new(fault.clone()).on(method).after(skip));
            // One request for each write.
            let one = Options { at_once: 1, ..options() };
            let report = whole(s.copy_as(&s.home(), &s.there(), one).await);
            let what = format!("{fault:?} at {method} {skip}: {report:#?}");
            same(&seen(s.leantime().as_ref(), PROJECTS).await, &expected, &what);
            s.is_careful();
            if s.fake.calls(method) - calls <= skip {
                assert!(skip > 0, "{method} is never asked for");
                break;
            }
            runs += 1;
        }
    }
    println!("{fault:?}: {runs} runs");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_found_again() {
    unanswered_at_every_write(&Fault::Lost, usize::MAX).await;
}

#[tokio::test]
async fn a_write_that_failed_after_the_deed_is_found_again() {
    unanswered_at_every_write(&Fault::DoneThenError, 1).await;
}

/// Numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[tokio::test]
async fn broken_off_again_and_again_while_answers_are_lost_it_ends_as_if_nothing_had_been() {
    let expected = undisturbed().await;
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let s = Scene::new().await;
        s.prepare_goals().await;
        let mut lives = 1;
        loop {
            let write = 1 + dice.roll(15);
            let moment = [Moment::Before, Moment::After][dice.roll(2)];
            s.fake.trouble(Trouble::new(Fault::Lost).after(dice.roll(60)));
            if let Some(report) = s.killed(write, moment, s.there()).await
                && report.ended_early.is_none()
            {
                break;
            }
            lives += 1;
            assert!(lives < 100, "seed {seed} never ends");
        }
        // What was still to be lost is lost now.
        let report = whole(s.copy(&s.home(), &s.there()).await);
        let what = format!("seed {seed}, {lives} lives: {report:#?}");
        same(&seen(s.leantime().as_ref(), PROJECTS).await, &expected, &what);
        s.is_careful();
    }
}

/// Asks for a stop at a write.
#[derive(Debug)]
struct Stopper(AtomicUsize, CancellationToken);

#[async_trait]
impl Watch for Stopper {
    async fn before(&self, call: &Call<'_>) -> Result<()> {
        if call.is_write() && self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.1.cancel();
        }
        Ok(())
    }
}

#[tokio::test]
async fn asked_to_stop_it_ends_between_two_items_says_what_it_did_and_goes_on_later() {
    let s = Scene::new().await;
    let stop = CancellationToken::new();
    let End(below, name, writer) = s.there();
    let watch = Stopper(AtomicUsize::new(12), stop.clone());
    let target = End(Arc::new(Watched { below, watch }), name, writer);
    let ends = s.ends(&s.home(), &target);
    let report = copy(ends, options(), nobody(), stop).await.unwrap();
    assert_eq!(report.ended_early, Some(Early::Stopped));
    let first = report.written();
    assert!((5..40).contains(&first), "{report:#?}");
    let rest = whole(s.copy(&s.home(), &s.there()).await);
    let found = seen(s.leantime().as_ref(), PROJECTS).await;
    assert_eq!(found.of("tasks"), seen(s.home.as_ref(), PROJECTS).await.of("tasks"));
    // What the first one said that it wrote, the second one did not write again.
    let whole_copy = {
        let s = Scene::new().await;
        whole(s.copy(&s.home(), &s.there()).await)
    };
    let new = |report: &Report| report.counts.iter().map(|count| count.new).sum::<usize>();
    assert_eq!(new(&report) + new(&rest), new(&whole_copy), "{report:#?}\n{rest:#?}");
    s.is_careful();
}

#[tokio::test]
async fn a_board_that_is_gone_ends_the_copy_with_what_was_done_and_why() {
    let s = Scene::new().await;
    s.fake.trouble(Trouble::new(Fault::Status(503)).on("tickets.addTicket").times(1_000));
    let report = s.copy(&s.home(), &s.there()).await;
    let Some(Early::Failed(why)) = &report.ended_early else { panic!("{report:#?}") };
    assert!(why.contains("Leantime"), "{why}");
    assert_eq!(super::count(&report, super::Kind::Project).new, 2);
}
