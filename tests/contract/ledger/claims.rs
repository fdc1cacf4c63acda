//! C1, C2, C3, C6 and C10: how a claim is taken and kept.

use super::{Fixture, LEASE, MARGIN, TASK, ask, at_once, ledger, ledger_over, on_both_stores};
use async_trait::async_trait;
use rota::clock::Clock;
use rota::domain::{
    Before, CommentId, EndKind, Fence, Phase, Reason, RunId, StoreTime, TaskId, Wrote,
};
use rota::ledger::{Acquire, ClaimError, Held};
use rota::store::{Batch, Result, Row, Store, StoreError, Versioned};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

on_both_stores! {
    c1_of_many_runs_that_ask_at_once_one_gets_the_task
    c1_a_held_task_is_refused_and_its_claim_is_named
    c2_fences_of_a_task_strictly_increase_however_its_claims_end
    c2_an_effect_with_an_old_fence_is_refused
    c2_an_epoch_lifts_every_fence_above_those_before_it
    c3_a_claim_is_in_the_store_when_acquire_returns
    c6_the_same_run_and_nonce_get_the_same_fence
    c6_the_same_run_with_another_nonce_loses
    c6_a_claim_that_has_ended_is_not_granted_again
    c6_an_acquire_whose_reply_was_lost_is_recognised
    c6_a_repeated_acquire_does_not_widen_the_trust_window
    c10_a_step_of_the_wall_clock_changes_no_lease_and_no_trust
    c10_a_suspended_machine_wakes_up_with_a_closed_window
    a_renewal_gives_the_whole_lease_again
    a_claim_goes_forward_through_its_phases_and_never_back
    what_was_found_and_written_is_kept_for_the_next_attempt
    a_claim_that_was_handed_back_leaves_nothing_for_the_next
    since_when_people_are_heard_is_kept_until_the_task_was_handed_back
    claims_of_different_tasks_and_boards_do_not_meet
}

async fn c1_of_many_runs_that_ask_at_once_one_gets_the_task(f: Fixture) {
    let asked = (0..8).map(|n| {
        let ledger = ledger(&f, &format!("d{}/l", n % 3));
        async move { ledger.acquire(ask(&format!("r-{n}"))).await }
    });
    let mut won = Vec::new();
    for answer in at_once(asked).await {
        match answer {
            Ok(held) => won.push(held),
            Err(ClaimError::Held { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].claim.fence, Fence(1));
    let claims = ledger(&f, "d/l").claims().await.unwrap();
    assert_eq!(claims, [won[0].claim.clone()]);
}

async fn c1_a_held_task_is_refused_and_its_claim_is_named(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let held = ledger.acquire(ask("r-1")).await.unwrap();
    match ledger.acquire(ask("r-2")).await {
        Err(ClaimError::Held { claim }) => assert_eq!(*claim, held.claim),
        other => panic!("{other:?}"),
    }
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    assert!(matches!(ledger.acquire(resume).await, Err(ClaimError::Held { .. })));
}

async fn c2_fences_of_a_task_strictly_increase_however_its_claims_end(f: Fixture) {
    let one = ledger(&f, "d/one");
    let mut fences = Vec::new();
    for how in ["release", "yield", "expire", "lapse", "revoke", "park", "next life"] {
        let run = format!("r-{how}");
        let mut held = one.acquire(ask(&run)).await.unwrap();
        fences.push(held.claim.fence);
        match how {
            "release" => one.end(&mut held, EndKind::Released, Reason::Done).await.unwrap(),
            "yield" => one.end(&mut held, EndKind::Yielded, Reason::StopTag).await.unwrap(),
            "expire" => {
                f.clock.advance(LEASE);
                assert_eq!(one.expire().await.unwrap().len(), 1);
            }
            "lapse" => f.clock.advance(LEASE),
            "revoke" => {
                fences.push(one.revoke(TASK, "stuck", "ada").await.unwrap().fence);
                f.clock.advance(LEASE + MARGIN);
            }
            "park" => {
                one.park(&mut held, "which?", None, f.clock.wall()).await.unwrap();
                let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-answer") };
                let mut held = one.acquire(resume).await.unwrap();
                fences.push(held.claim.fence);
                one.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
            }
            _ => assert_eq!(ledger(&f, "d/two").begin_life().await.unwrap().len(), 1),
        }
    }
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
    assert_eq!(one.claim(TASK).await.unwrap().unwrap().fence, *fences.last().unwrap());
}

async fn c2_an_effect_with_an_old_fence_is_refused(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let (first, second) = (RunId::new("r-1"), RunId::new("r-2"));
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    let old = held.claim.fence;
    ledger.check_fence(TASK, old, &first).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    let held = ledger.acquire(ask("r-2")).await.unwrap();
    for (fence, run) in [(old, &first), (old, &second), (held.claim.fence, &first)] {
        let refused = ledger.check_fence(TASK, fence, run).await;
        assert!(matches!(refused, Err(ClaimError::Lost { .. })), "{fence} {run}");
    }
    ledger.check_fence(TASK, held.claim.fence, &second).await.unwrap();
    let elsewhere = super::ledger(&f, "d/another-life");
    let refused = elsewhere.check_fence(TASK, held.claim.fence, &second).await;
    assert!(matches!(refused, Err(ClaimError::Lost { .. })), "of another life");
}

async fn c2_an_epoch_lifts_every_fence_above_those_before_it(f: Fixture) {
    let mut held = ledger(&f, "d/l").acquire(ask("r-1")).await.unwrap();
    ledger(&f, "d/l").end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let restored = ledger_over(Arc::clone(&f.store), clock, "d/l", 3);
    assert_eq!(restored.acquire(ask("r-2")).await.unwrap().claim.fence, Fence((3 << 32) + 1));
    let other = Acquire { task: TaskId(7), ..ask("r-3") };
    assert_eq!(restored.acquire(other).await.unwrap().claim.fence, Fence((3 << 32) + 1));
}

async fn c3_a_claim_is_in_the_store_when_acquire_returns(f: Fixture) {
    let held = ledger(&f, "d/l").acquire(ask("r-1")).await.unwrap();
    assert_eq!(ledger(&f, "e/l").claim(TASK).await.unwrap(), Some(held.claim));
}

async fn c6_the_same_run_and_nonce_get_the_same_fence(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let first = ledger.acquire(ask("r-1")).await.unwrap();
    let again = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!(first.claim, again.claim);
    let resume = Acquire { resume: Some(Fence(0)), ..ask("r-1") };
    assert_eq!(ledger.acquire(resume).await.unwrap().claim, first.claim);
}

async fn c6_the_same_run_with_another_nonce_loses(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    ledger.acquire(ask("r-1")).await.unwrap();
    let other = Acquire { nonce: "another".into(), ..ask("r-1") };
    assert!(matches!(ledger.acquire(other).await, Err(ClaimError::Held { .. })));
    let other = Acquire { run: RunId::new("r-2"), ..ask("r-1") };
    assert!(matches!(ledger.acquire(other).await, Err(ClaimError::Held { .. })));
}

async fn c6_a_claim_that_has_ended_is_not_granted_again(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert!(matches!(ledger.acquire(ask("r-1")).await, Err(ClaimError::Lost { .. })));
    assert_eq!(ledger.claim(TASK).await.unwrap().unwrap().phase, Phase::Free);
}

async fn c6_an_acquire_whose_reply_was_lost_is_recognised(f: Fixture) {
    let (inner, lose) = (Arc::clone(&f.store), AtomicBool::new(true));
    let lossy: Arc<dyn Store> = Arc::new(LosesReplies { inner, lose });
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let ledger = ledger_over(lossy, clock, "d/l", 0);
    assert!(matches!(ledger.acquire(ask("r-1")).await, Err(ClaimError::Store(_))));
    let other = ledger.acquire(ask("r-2")).await;
    assert!(matches!(other, Err(ClaimError::Held { .. })), "the lost one does count");
    let held = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!(held.claim.fence, Fence(1));
}

async fn c6_a_repeated_acquire_does_not_widen_the_trust_window(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let first = ledger.acquire(ask("r-1")).await.unwrap();
    f.clock.advance(Duration::from_secs(30));
    let again = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!(first.trust.closes(), again.trust.closes());
}

async fn c10_a_step_of_the_wall_clock_changes_no_lease_and_no_trust(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let held = ledger.acquire(ask("r-1")).await.unwrap();
    for days in [-1_000, 2_000] {
        f.clock.step_wall(f.clock.wall() + chrono::TimeDelta::days(days));
        assert!(ledger.expire().await.unwrap().is_empty(), "a live claim was swept");
        assert!(held.trust.is_open(f.clock.boot()));
        ledger.check_fence(TASK, held.claim.fence, &held.claim.run).await.unwrap();
    }
    f.clock.advance(LEASE);
    f.clock.step_wall(f.clock.wall() - chrono::TimeDelta::days(9_000));
    assert!(!held.trust.is_open(f.clock.boot()), "the wall clock kept the window open");
    assert_eq!(ledger.expire().await.unwrap().len(), 1);
}

async fn c10_a_suspended_machine_wakes_up_with_a_closed_window(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    f.clock.advance(LEASE.saturating_sub(MARGIN + Duration::from_millis(1)));
    assert!(held.trust.is_open(f.clock.boot()));
    f.clock.advance(Duration::from_millis(1));
    assert!(!held.trust.is_open(f.clock.boot()), "open within the margin");
    f.clock.advance(Duration::from_hours(8));
    let lost = ledger.renew(&mut held).await;
    assert!(matches!(lost, Err(ClaimError::Lost { reason: Reason::LeaseExpired, .. })));
    assert!(held.trust.is_lost());
}

async fn a_renewal_gives_the_whole_lease_again(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    for _ in 0..10 {
        f.clock.advance(LEASE / 3);
        ledger.renew(&mut held).await.unwrap();
        let now = f.store.now().await.unwrap();
        assert_eq!(held.claim.lease_ends, Some(now.plus(LEASE)));
        assert_eq!(held.trust.closes() + MARGIN, f.clock.boot() + LEASE);
    }
    assert_eq!(held.claim.fence, Fence(1));
    assert_eq!(ledger.claim(TASK).await.unwrap(), Some(held.claim));
}

async fn a_claim_goes_forward_through_its_phases_and_never_back(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    assert_eq!(held.claim.phase, Phase::Reserved);
    for phase in [Phase::Announced, Phase::Announced, Phase::Working, Phase::Settling] {
        ledger.advance(&mut held, phase, None, None).await.unwrap();
        assert_eq!(ledger.claim(TASK).await.unwrap().unwrap().phase, phase);
    }
    for phase in [Phase::Working, Phase::Free, Phase::Parked, Phase::Reserved] {
        let refused = ledger.advance(&mut held, phase, None, None).await;
        assert!(matches!(refused, Err(ClaimError::Phase { .. })), "{phase:?}");
    }
    assert!(held.trust.is_open(f.clock.boot()), "a refused step is no lost claim");
}

async fn what_was_found_and_written_is_kept_for_the_next_attempt(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    // More than one row holds.
    let tags: Vec<String> = (0..2_000).map(|n| format!("tag number {n}")).collect();
    let before = Before { tags, revision: 9, ..Before::default() };
    let wrote = Wrote { tags: vec!["AI-Agent".into()], ..Wrote::default() };
    let (b, w) = (Some(before.clone()), Some(wrote.clone()));
    ledger.advance(&mut held, Phase::Announced, b, w).await.unwrap();
    f.clock.advance(LEASE);
    let ended = ledger.expire().await.unwrap();
    assert_eq!((ended[0].phase, ended[0].fence), (Phase::Announced, Fence(1)));
    let resume = Acquire { attempt: 2, resume: Some(Fence(1)), ..ask("r-2") };
    let next = ledger.acquire(resume).await.unwrap();
    assert_eq!((next.claim.phase, next.claim.fence), (Phase::Announced, Fence(2)));
    assert_eq!((&next.claim.before, &next.claim.wrote), (&before, &wrote));
    let stale = Acquire { resume: Some(Fence(1)), ..ask("r-3") };
    f.clock.advance(LEASE);
    let refused = ledger.acquire(stale).await;
    assert!(matches!(refused, Err(ClaimError::Lost { reason: Reason::StaleFence, .. })));
    let fresh = ledger.acquire(ask("r-4")).await.unwrap();
    assert_eq!(fresh.claim.before, before, "it was never handed back");
}

async fn since_when_people_are_heard_is_kept_until_the_task_was_handed_back(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let since = |held: &Held| held.claim.before.comment.map(|comment| comment.0);
    let ask = |run: &str, comment, resume: Option<Fence>| Acquire {
        comment: Some(CommentId(comment)),
        resume,
        ..ask(run)
    };
    let mut held = ledger.acquire(ask("r-1", 3, None)).await.unwrap();
    assert_eq!(since(&held), Some(3));
    let before = Before { revision: 9, ..Before::default() };
    ledger.advance(&mut held, Phase::Announced, Some(before), None).await.unwrap();
    assert_eq!((since(&held), held.claim.before.revision), (Some(3), 9));
    let held = ledger.succeed(&held, ask("r-2", 5, None)).await.unwrap();
    assert_eq!(since(&held), Some(3), "the next attempt");
    f.clock.advance(LEASE);
    let ended = ledger.expire().await.unwrap();
    let held = ledger.acquire(ask("r-3", 7, Some(ended[0].fence))).await.unwrap();
    assert_eq!(since(&held), Some(3), "taken up again");
    f.clock.advance(LEASE);
    let mut held = ledger.acquire(ask("r-4", 8, None)).await.unwrap();
    assert_eq!(since(&held), Some(3), "it was never handed back");
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    let held = ledger.acquire(ask("r-5", 9, None)).await.unwrap();
    assert_eq!(since(&held), Some(9));
}

async fn a_claim_that_was_handed_back_leaves_nothing_for_the_next(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    let wrote = Wrote { tags: vec!["AI-Agent".into()], ..Wrote::default() };
    ledger.advance(&mut held, Phase::Working, None, Some(wrote)).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    let next = ledger.acquire(ask("r-2")).await.unwrap();
    assert_eq!((next.claim.before, next.claim.wrote), Default::default());
    assert_eq!(next.claim.phase, Phase::Reserved);
}

async fn claims_of_different_tasks_and_boards_do_not_meet(f: Fixture) {
    let main = ledger(&f, "d/l");
    main.acquire(ask("r-1")).await.unwrap();
    main.acquire(Acquire { task: TaskId(4), ..ask("r-2") }).await.unwrap();
    main.acquire(Acquire { task: TaskId(421), ..ask("r-3") }).await.unwrap();
    let mut options = main.options().clone();
    options.board = rota::domain::BoardName::new("main/42");
    let clock = Arc::clone(&f.clock) as Arc<dyn Clock>;
    let chance = Arc::new(rota::clock::SeededEntropy::new(2));
    let other = rota::ledger::Ledger::new(Arc::clone(&f.store), clock, chance, options);
    other.acquire(ask("r-4")).await.unwrap();
    assert_eq!(main.claims().await.unwrap().len(), 3);
    assert_eq!(other.claims().await.unwrap().len(), 1);
}

/// A store that commits, and then says once that it failed.
#[derive(Debug)]
struct LosesReplies {
    inner: Arc<dyn Store>,
    lose: AtomicBool,
}

#[async_trait]
impl Store for LosesReplies {
    async fn get(&self, key: &str) -> Result<Option<Versioned>> {
        self.inner.get(key).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        self.inner.commit(batch).await?;
        if self.lose.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Failed("the reply was lost".into()));
        }
        Ok(())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Row>> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn now(&self) -> Result<StoreTime> {
        self.inner.now().await
    }

    fn now_at_most(&self) -> Option<StoreTime> {
        self.inner.now_at_most()
    }
}
