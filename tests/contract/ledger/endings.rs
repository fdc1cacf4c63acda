//! C4, C5, C7 and C8: how a claim ends, and who is told.

use super::{Fixture, LEASE, MARGIN, TASK, ask, at, ledger, on_both_stores};
use rota::clock::Clock as _;
use rota::domain::{EndKind, Phase, Reason, Wrote};
use rota::ledger::{Acquire, ClaimError, Held, Ledger};
use std::time::Duration;

on_both_stores! {
    c4_after_a_yield_no_effect_of_the_run_passes
    c5_the_next_life_is_given_every_claim_of_the_last
    c5_the_next_life_leaves_the_claims_of_other_daemons_alone
    c5_a_crash_during_recovery_loses_no_orphan
    c5_a_new_claim_of_the_task_takes_over_the_orphan
    c5_a_reserved_claim_leaves_no_orphan
    c5_another_daemon_may_recover_once_the_lease_has_ended
    c5_a_parked_claim_outlives_its_daemon
    c7_a_holder_whose_claim_ended_is_told_at_its_next_step
    c7_a_holder_that_ends_too_late_learns_that_it_expired
    c8_a_sweep_frees_no_claim_whose_lease_has_not_ended
    c8_of_two_sweepers_one_is_given_the_claim
    c8_a_revocation_needs_a_reason_raises_the_fence_and_is_audited
    c8_after_a_revocation_nobody_acquires_before_the_holder_has_stopped
    c8_after_a_revocation_the_old_lease_and_margin_must_end
    c8_what_nobody_holds_cannot_be_revoked
    ending_twice_in_the_same_way_is_one_end
    a_parked_claim_is_taken_by_resume_alone
    a_parked_claim_becomes_overdue
    a_parked_claim_can_be_revoked
}

async fn working(ledger: &Ledger, run: &str) -> Held {
    let mut held = ledger.acquire(ask(run)).await.unwrap();
    let wrote = Wrote { tags: vec!["AI-Agent".into()], ..Wrote::default() };
    ledger.advance(&mut held, Phase::Working, None, Some(wrote)).await.unwrap();
    held
}

fn reason<T: std::fmt::Debug>(answer: Result<T, ClaimError>) -> Reason {
    match answer {
        Err(ClaimError::Lost { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

async fn c4_after_a_yield_no_effect_of_the_run_passes(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    let trust = held.trust.clone();
    ledger.end(&mut held, EndKind::Yielded, Reason::PersonTookOver).await.unwrap();
    assert!(!trust.is_open(f.clock.boot()), "another task's clone still trusts the lease");
    let check = ledger.check_fence(TASK, held.claim.fence, &held.claim.run).await;
    assert_eq!(reason(check), Reason::PersonTookOver);
    assert_eq!(reason(ledger.renew(&mut held).await), Reason::PersonTookOver);
}

async fn c5_the_next_life_is_given_every_claim_of_the_last(f: Fixture) {
    let old = ledger(&f, "d/one");
    working(&old, "r-1").await;
    let other = Acquire { task: rota::domain::TaskId(7), ..ask("r-2") };
    old.acquire(other).await.unwrap();
    let new = ledger(&f, "d/two");
    let ended = new.begin_life().await.unwrap();
    let phases: Vec<_> = ended.iter().map(|claim| (claim.task.0, claim.phase)).collect();
    assert_eq!(phases, [(42, Phase::Working), (7, Phase::Reserved)]);
    assert!(ended.iter().all(|claim| {
        claim.ended.as_ref().is_some_and(|end| end.reason == Reason::Interrupted)
    }));
    assert!(new.claims().await.unwrap().is_empty(), "a lease of the last life still runs");
    let resume = Acquire { resume: Some(ended[0].fence), ..ask("r-3") };
    let held = new.acquire(resume).await.unwrap();
    assert_eq!(held.claim.wrote.tags, ["AI-Agent"]);
    assert!(new.begin_life().await.unwrap().is_empty(), "this life's own claim was ended");
}

async fn c5_the_next_life_leaves_the_claims_of_other_daemons_alone(f: Fixture) {
    let other = ledger(&f, "e/one");
    let mut others = working(&other, "r-1").await;
    let own = Acquire { task: rota::domain::TaskId(7), ..ask("r-2") };
    ledger(&f, "d/one").acquire(own).await.unwrap();
    let new = ledger(&f, "d/two");
    let ended = new.begin_life().await.unwrap();
    assert_eq!(ended.iter().map(|claim| claim.task.0).collect::<Vec<_>>(), [7]);
    other.renew(&mut others).await.unwrap();
    // Taken away by force it is an orphan at once; its holder may still be at a write.
    other.revoke(TASK, "stuck", "ada").await.unwrap();
    assert!(ledger(&f, "d/three").begin_life().await.unwrap().is_empty());
    f.clock.advance(LEASE + MARGIN);
    assert_eq!(ledger(&f, "d/four").begin_life().await.unwrap().len(), 1);
}

async fn c5_a_crash_during_recovery_loses_no_orphan(f: Fixture) {
    working(&ledger(&f, "d/one"), "r-1").await;
    let second = ledger(&f, "d/two").begin_life().await.unwrap();
    let third = ledger(&f, "d/three").begin_life().await.unwrap();
    assert_eq!(second, third);
    // This time recovery resumes it, and dies again.
    let resume = Acquire { resume: Some(third[0].fence), ..ask("r-2") };
    ledger(&f, "d/three").acquire(resume).await.unwrap();
    let fourth = ledger(&f, "d/four").begin_life().await.unwrap();
    assert_eq!((fourth.len(), fourth[0].phase), (1, Phase::Announced));
    let fourth_ledger = ledger(&f, "d/four");
    fourth_ledger.forget_orphan(TASK, third[0].fence).await.unwrap();
    assert_eq!(fourth_ledger.orphans().await.unwrap().len(), 1, "an old fence forgot it");
    fourth_ledger.forget_orphan(TASK, fourth[0].fence).await.unwrap();
    assert!(ledger(&f, "d/five").begin_life().await.unwrap().is_empty());
}

async fn c5_a_new_claim_of_the_task_takes_over_the_orphan(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    working(&ledger, "r-1").await;
    f.clock.advance(LEASE);
    ledger.expire().await.unwrap();
    assert_eq!(ledger.orphans().await.unwrap().len(), 1);
    let mut held = ledger.acquire(ask("r-2")).await.unwrap();
    assert_eq!(held.claim.wrote.tags, ["AI-Agent"], "what still shows was forgotten");
    assert!(ledger.orphans().await.unwrap().is_empty());
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert!(ledger.orphans().await.unwrap().is_empty());
}

async fn c5_a_reserved_claim_leaves_no_orphan(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    ledger.acquire(ask("r-1")).await.unwrap();
    f.clock.advance(LEASE);
    assert_eq!(ledger.expire().await.unwrap().len(), 1);
    assert!(ledger.orphans().await.unwrap().is_empty());
}

async fn c5_another_daemon_may_recover_once_the_lease_has_ended(f: Fixture) {
    let held = working(&ledger(&f, "d/l"), "r-1").await;
    let other = ledger(&f, "e/l");
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    let refused = other.acquire(resume.clone()).await;
    assert!(matches!(refused, Err(ClaimError::Held { .. })));
    f.clock.advance(LEASE);
    other.acquire(resume).await.unwrap();
}

async fn c5_a_parked_claim_outlives_its_daemon(f: Fixture) {
    let old = ledger(&f, "d/one");
    let mut held = working(&old, "r-1").await;
    old.park(&mut held, "blue or green?", None, at(1_000)).await.unwrap();
    let new = ledger(&f, "e/two");
    assert!(new.begin_life().await.unwrap().is_empty());
    f.clock.advance(Duration::from_hours(24));
    assert!(new.expire().await.unwrap().is_empty());
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-1-resumed") };
    let resumed = new.acquire(resume).await.unwrap();
    assert!(resumed.claim.fence > held.claim.fence);
    assert_eq!((resumed.claim.phase, resumed.claim.parked), (Phase::Announced, None));
}

async fn c7_a_holder_whose_claim_ended_is_told_at_its_next_step(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    for step in ["renew", "advance", "check"] {
        let mut held = working(&ledger, step).await;
        f.clock.advance(LEASE);
        ledger.expire().await.unwrap();
        let (fence, run) = (held.claim.fence, held.claim.run.clone());
        let told = match step {
            "renew" => ledger.renew(&mut held).await,
            "advance" => ledger.advance(&mut held, Phase::Settling, None, None).await,
            _ => ledger.check_fence(TASK, fence, &run).await,
        };
        assert_eq!(reason(told), Reason::LeaseExpired, "{step}");
        assert_eq!(held.trust.is_lost(), step != "check");
    }
    let mut held = working(&ledger, "r-1").await;
    f.clock.advance(LEASE);
    ledger.acquire(ask("r-2")).await.unwrap();
    assert_eq!(reason(ledger.renew(&mut held).await), Reason::StaleFence);
}

async fn c7_a_holder_that_ends_too_late_learns_that_it_expired(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    f.clock.advance(LEASE);
    let told = ledger.end(&mut held, EndKind::Released, Reason::Done).await;
    assert_eq!(reason(told), Reason::LeaseExpired);
    let claim = ledger.claim(TASK).await.unwrap().unwrap();
    assert_eq!(claim.ended.map(|end| end.how), Some(EndKind::Expired));
    assert_eq!(ledger.orphans().await.unwrap().len(), 1, "its hand-back was refused");
}

async fn c8_a_sweep_frees_no_claim_whose_lease_has_not_ended(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    f.clock.advance(LEASE.saturating_sub(Duration::from_millis(1)));
    assert!(ledger.expire().await.unwrap().is_empty());
    ledger.renew(&mut held).await.unwrap();
    f.clock.advance(LEASE.saturating_sub(Duration::from_millis(1)));
    assert!(ledger.expire().await.unwrap().is_empty());
    f.clock.advance(Duration::from_millis(1));
    let swept = ledger.expire().await.unwrap();
    assert_eq!((swept.len(), swept[0].phase), (1, Phase::Working));
}

async fn c8_of_two_sweepers_one_is_given_the_claim(f: Fixture) {
    let (one, two) = (ledger(&f, "d/l"), ledger(&f, "e/l"));
    working(&one, "r-1").await;
    f.clock.advance(LEASE);
    let (one, two) = tokio::join!(one.expire(), two.expire());
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 1);
}

async fn c8_a_revocation_needs_a_reason_raises_the_fence_and_is_audited(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    assert!(matches!(ledger.revoke(TASK, " ", "ada").await, Err(ClaimError::NoReason)));
    ledger.check_fence(TASK, held.claim.fence, &held.claim.run).await.unwrap();
    let revoked = ledger.revoke(TASK, "it runs wild", "ada").await.unwrap();
    assert!(revoked.fence > held.claim.fence);
    let check = ledger.check_fence(TASK, held.claim.fence, &held.claim.run).await;
    assert_eq!(reason(check), Reason::ForceReleased);
    assert_eq!(reason(ledger.renew(&mut held).await), Reason::ForceReleased);
    let log = ledger.audit_log(10, None).await.unwrap();
    assert_eq!((log.len(), log[0].who.as_str(), log[0].what.as_str()), (1, "ada", "revoke"));
    assert!(log[0].detail.contains("it runs wild") && log[0].detail.contains("r-1"));
    assert_eq!(ledger.orphans().await.unwrap().len(), 1);
}

async fn c8_after_a_revocation_nobody_acquires_before_the_holder_has_stopped(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    let revoked = ledger.revoke(TASK, "stuck", "ada").await.unwrap();
    let resume = Acquire { resume: Some(revoked.fence), ..ask("r-2") };
    for ask in [ask("r-2"), resume.clone()] {
        let refused = ledger.acquire(ask).await;
        assert!(matches!(refused, Err(ClaimError::Revoking { .. })), "{refused:?}");
    }
    // To be told is not to have stopped: an effect may still be on its way.
    assert_eq!(reason(ledger.renew(&mut held).await), Reason::ForceReleased);
    let refused = ledger.acquire(resume.clone()).await;
    assert!(matches!(refused, Err(ClaimError::Revoking { .. })));
    let ended = ledger.end(&mut held, EndKind::Released, Reason::ForceReleased).await;
    assert_eq!(reason(ended), Reason::ForceReleased);
    let next = ledger.acquire(resume).await.unwrap();
    assert_eq!(next.claim.wrote.tags, ["AI-Agent"]);
}

async fn c8_after_a_revocation_the_old_lease_and_margin_must_end(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    working(&ledger, "r-1").await;
    ledger.revoke(TASK, "stuck", "ada").await.unwrap();
    f.clock.advance((LEASE + MARGIN).saturating_sub(Duration::from_millis(1)));
    assert!(matches!(ledger.acquire(ask("r-2")).await, Err(ClaimError::Revoking { .. })));
    f.clock.advance(Duration::from_millis(1));
    ledger.acquire(ask("r-2")).await.unwrap();
}

async fn c8_what_nobody_holds_cannot_be_revoked(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    assert_eq!(reason(ledger.revoke(TASK, "why not", "ada").await), Reason::NotFound);
    let mut held = ledger.acquire(ask("r-1")).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    assert_eq!(reason(ledger.revoke(TASK, "why not", "ada").await), Reason::NotFound);
    assert!(ledger.audit_log(10, None).await.unwrap().is_empty());
}

async fn ending_twice_in_the_same_way_is_one_end(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    ledger.end(&mut held, EndKind::Released, Reason::Done).await.unwrap();
    let other = ledger.end(&mut held, EndKind::Yielded, Reason::StopTag).await;
    assert_eq!(reason(other), Reason::Done);
}

async fn a_parked_claim_is_taken_by_resume_alone(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    ledger.park(&mut held, "which?", None, at(1_000)).await.unwrap();
    ledger.park(&mut held, "which?", None, at(1_000)).await.unwrap();
    assert!(matches!(ledger.acquire(ask("r-2")).await, Err(ClaimError::Parked)));
    let check = ledger.check_fence(TASK, held.claim.fence, &held.claim.run).await;
    assert_eq!(reason(check), Reason::Waiting);
    let fence = rota::domain::Fence(held.claim.fence.0 + 1);
    let stale = Acquire { resume: Some(fence), ..ask("r-2") };
    assert_eq!(reason(ledger.acquire(stale).await), Reason::StaleFence);
    let resume = Acquire { resume: Some(held.claim.fence), ..ask("r-2") };
    ledger.acquire(resume.clone()).await.unwrap();
    let second = Acquire { nonce: "another".into(), ..resume };
    assert!(matches!(ledger.acquire(second).await, Err(ClaimError::Held { .. })));
}

async fn a_parked_claim_becomes_overdue(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    ledger.park(&mut held, &"long question ".repeat(2_000), None, at(1_000)).await.unwrap();
    assert!(ledger.overdue_parked(at(999)).await.unwrap().is_empty());
    let overdue = ledger.overdue_parked(at(1_000)).await.unwrap();
    assert_eq!(overdue, [held.claim]);
}

async fn a_parked_claim_can_be_revoked(f: Fixture) {
    let ledger = ledger(&f, "d/l");
    let mut held = working(&ledger, "r-1").await;
    ledger.park(&mut held, "which?", None, at(1_000)).await.unwrap();
    let revoked = ledger.revoke(TASK, "nobody knows", "ada").await.unwrap();
    assert_eq!((revoked.revoked, revoked.parked), (None, None));
    assert!(ledger.claims().await.unwrap().is_empty());
    ledger.acquire(ask("r-2")).await.unwrap();
}
