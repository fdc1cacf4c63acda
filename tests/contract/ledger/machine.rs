//! The claim record against a simple model: many actors do anything in any order while time
//! passes, and C1, C2 and C8 are looked at after every step.

use super::{LEASE, MARGIN, TASK, ask, ledger, memory};
use proptest::prelude::*;
use rota::clock::Clock as _;
use rota::domain::{EndKind, Fence, Phase, Reason, millis};
use rota::ledger::{Acquire, ClaimError, Held, Ledger};
use std::time::Duration;

const ACTORS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Acquire { actor: usize, resume: bool },
    Repeat(usize),
    Renew(usize),
    Advance(usize),
    End(usize),
    Park(usize),
    Revoke,
    Sweep(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let actor = 0..ACTORS;
    prop_oneof![
        6 => (actor.clone(), any::<bool>())
            .prop_map(|(actor, resume)| Step::Acquire { actor, resume }),
        2 => actor.clone().prop_map(Step::Repeat),
        4 => actor.clone().prop_map(Step::Renew),
        2 => actor.clone().prop_map(Step::Advance),
        3 => actor.clone().prop_map(Step::End),
        1 => actor.clone().prop_map(Step::Park),
        1 => Just(Step::Revoke),
        2 => actor.prop_map(Step::Sweep),
        5 => prop_oneof![1_u64..20_000, 50_000_u64..70_000].prop_map(Step::Pass),
    ]
}

/// What the model believes of the record.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    fence: u64,
    /// The run that holds it and its lease's end.
    holder: Option<(String, u64)>,
    is_parked: bool,
    /// A run that was revoked, and until when it bars others.
    revoked: Option<(String, u64)>,
    runs: u64,
}

impl Model {
    fn is_live(&self) -> bool {
        self.holder.as_ref().is_some_and(|(_, end)| self.now < *end)
    }

    fn holds(&self, run: &str) -> bool {
        self.is_live() && self.holder.as_ref().is_some_and(|(holder, _)| holder == run)
    }

    fn may_acquire(&self, resume: Option<u64>) -> bool {
        let is_barred = self.revoked.as_ref().is_some_and(|(_, until)| self.now < *until);
        let fits = resume.map_or(!self.is_parked, |fence| self.fence != 0 && fence == self.fence);
        !is_barred && !self.is_live() && fits
    }

    fn take(&mut self, run: &str) {
        self.fence += 1;
        self.holder = Some((run.to_owned(), self.now + millis(LEASE)));
        self.is_parked = false;
        self.revoked = None;
    }

    /// A holder gives up, or learns that it cannot and has stopped.
    fn stop(&mut self, run: &str, park: bool) {
        if self.holder.as_ref().is_some_and(|(holder, _)| holder == run) {
            self.is_parked = park && self.is_live();
            self.holder = None;
        } else if self.revoked.as_ref().is_some_and(|(revoked, _)| revoked == run) {
            self.revoked = None;
        }
    }
}

struct World {
    f: super::Fixture,
    ledgers: Vec<Ledger>,
    held: Vec<Option<(Acquire, Held)>>,
    model: Model,
    fences: Vec<Fence>,
}

impl World {
    fn new() -> Self {
        let f = memory();
        let ledgers = (0..ACTORS).map(|n| ledger(&f, &format!("d{}/l{n}", n / 2))).collect();
        let held = (0..ACTORS).map(|_| None).collect();
        let model = Model { now: millis(f.clock.boot()), ..Model::default() };
        Self { f, ledgers, held, model, fences: Vec::new() }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Acquire { actor, resume } => self.acquire(actor, resume).await,
            Step::Repeat(actor) => self.repeat(actor).await,
            Step::Renew(actor) => {
                let Some((_, held)) = &mut self.held[actor] else { return };
                let run = held.claim.run.to_string();
                let answer = self.ledgers[actor].renew(held).await;
                // A window that was lost stays so, but then the claim is lost as well.
                assert_eq!(answer.is_ok(), self.model.holds(&run), "{answer:?}");
                if answer.is_ok() {
                    self.model.holder = Some((run, self.model.now + millis(LEASE)));
                }
            }
            Step::Advance(actor) => {
                let Some((_, held)) = &mut self.held[actor] else { return };
                let run = held.claim.run.to_string();
                let answer = self.ledgers[actor].advance(held, Phase::Working, None, None).await;
                assert_eq!(answer.is_ok(), self.model.holds(&run), "{answer:?}");
            }
            Step::End(actor) | Step::Park(actor) => {
                let Some((_, mut held)) = self.held[actor].take() else { return };
                let run = held.claim.run.to_string();
                let ledger = &self.ledgers[actor];
                let parks = matches!(step, Step::Park(_));
                let answer = if parks {
                    ledger.park(&mut held, "which?", None, self.f.clock.wall()).await
                } else {
                    ledger.end(&mut held, EndKind::Released, Reason::Done).await
                };
                assert_eq!(answer.is_ok(), self.model.holds(&run), "{answer:?}");
                self.model.stop(&run, parks);
            }
            Step::Revoke => self.revoke().await,
            Step::Sweep(actor) => {
                let lapsed = self.model.holder.is_some() && !self.model.is_live();
                let swept = self.ledgers[actor].expire().await.unwrap();
                assert_eq!(swept.len(), usize::from(lapsed), "C8");
                if lapsed {
                    self.model.holder = None;
                }
            }
            Step::Pass(ms) => {
                self.f.clock.advance(Duration::from_millis(ms));
                self.model.now += ms;
            }
        }
    }

    async fn acquire(&mut self, actor: usize, resume: bool) {
        if self.held[actor].is_some() {
            return;
        }
        self.model.runs += 1;
        let run = format!("r-{}", self.model.runs);
        let resume = resume.then_some(self.model.fence);
        let ask = Acquire { resume: resume.map(Fence), ..ask(&run) };
        let answer = self.ledgers[actor].acquire(ask.clone()).await;
        assert_eq!(answer.is_ok(), self.model.may_acquire(resume), "{answer:?}");
        if let Ok(held) = answer {
            self.model.take(&run);
            assert_eq!(held.claim.fence.0, self.model.fence);
            self.fences.push(held.claim.fence);
            self.held[actor] = Some((ask, held));
        }
    }

    async fn repeat(&mut self, actor: usize) {
        let Some((ask, held)) = &self.held[actor] else { return };
        let (ask, old, run) = (ask.clone(), held.claim.fence, held.claim.run.to_string());
        let answer = self.ledgers[actor].acquire(ask.clone()).await;
        match answer {
            Ok(again) if again.claim.fence == old => assert!(self.model.holds(&run), "C6"),
            // Others held it since, and nobody remembers the request: it is a new one.
            Ok(again) => {
                assert!(self.model.may_acquire(ask.resume.map(|fence| fence.0)));
                self.model.take(&run);
                assert_eq!(again.claim.fence.0, self.model.fence);
                self.fences.push(again.claim.fence);
                self.held[actor] = Some((ask, again));
            }
            Err(error) => assert!(!self.model.holds(&run), "{error}"),
        }
    }

    async fn revoke(&mut self) {
        let is_held = self.model.holder.is_some() || self.model.is_parked;
        let answer = self.ledgers[0].revoke(TASK, "a test", "ada").await;
        assert_eq!(answer.is_ok(), is_held, "{answer:?}");
        if is_held {
            let is_live = self.model.is_live();
            let holder = self.model.holder.take().filter(|_| is_live);
            self.model.revoked = holder.map(|(run, end)| (run, end + millis(MARGIN)));
            self.model.is_parked = false;
            self.model.fence += 1;
            self.fences.push(answer.unwrap().fence);
        }
    }

    async fn look(&self) {
        assert!(self.fences.windows(2).all(|pair| pair[0] < pair[1]), "C2 {:?}", self.fences);
        let boot = self.f.clock.boot();
        let mut passing = 0;
        for (ledger, held) in self.ledgers.iter().zip(&self.held) {
            let Some((_, held)) = held else { continue };
            let run = &held.claim.run;
            let check = ledger.check_fence(TASK, held.claim.fence, run).await;
            assert_eq!(check.is_ok(), self.model.holds(run.as_str()), "{check:?}");
            assert!(matches!(check, Ok(()) | Err(ClaimError::Lost { .. })));
            passing += usize::from(check.is_ok());
            if held.trust.is_open(boot) && check.is_err() {
                let is_revoked =
                    self.model.revoked.as_ref().is_some_and(|(r, _)| r == run.as_str());
                assert!(is_revoked, "{run} trusts a lease that it does not have");
                assert!(!self.model.is_live(), "C1: two runs believe that they hold it");
            }
        }
        assert!(passing <= 1, "C1");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_record_does_what_the_model_says(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in &steps {
                world.take(step).await;
                world.look().await;
            }
        });
    }
}
