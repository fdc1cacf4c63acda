//! The guard over the real ledger: claims, intents and results as they are stored.

use crate::support::house::{House, json, playbook};
use rota::clock::Clock;
use rota::domain::{EffectResult, EndKind, PlaybookName, Reason, RunId};
use rota::ledger::Acquire;
use rota::tools::{Parts, ToolRegistry, Trust};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_claimed_run_writes_until_its_claim_ends_and_the_ledger_knows_each_effect() {
    let house = House::build().await;
    let clock: Arc<dyn Clock> = house.clock.clone();
    let ledger = house.ledger();
    let run = RunId::new("r-aaaaaaaaaaaa");
    let ask = Acquire {
        task: house.task,
        run: run.clone(),
        playbook: PlaybookName::new("ai-worker"),
        attempt: 1,
        lease: Duration::from_mins(1),
        nonce: ledger.nonce(),
        resume: None,
        comment: None,
    };
    let mut held = ledger.acquire(ask).await.unwrap();
    let parts = Parts::new(house.board.clone(), ledger.clone(), clock.clone());
    let tools = ToolRegistry::new(parts);
    tools.set_records(ledger.clone());
    let mut context = house.agent(playbook(&["addTag", "listClaims"])).await;
    let inner = context.run.as_mut().unwrap();
    inner.claim = Some((house.task, held.claim.fence));
    inner.trust = Trust::window(held.trust.clone(), clock.clone());

    tools.call("addTag", json(r#"{"id":1,"tag":"a"}"#), &context).await.unwrap();
    let effects = ledger.effects(&run).await.unwrap();
    assert_eq!(effects.len(), 1);
    assert!(matches!(effects[0].result, Some(EffectResult::Done { .. })));
    let claims = tools.call("listClaims", json("{}"), &context).await.unwrap();
    assert_eq!(claims.value.get("items").unwrap().as_list().unwrap().len(), 1);

    house.clock.advance(Duration::from_secs(56));
    let error = tools.call("addTag", json(r#"{"id":1,"tag":"b"}"#), &context).await.unwrap_err();
    assert_eq!(error.reason(), Reason::TrustWindow);
    ledger.renew(&mut held).await.unwrap();
    tools.call("addTag", json(r#"{"id":1,"tag":"b"}"#), &context).await.unwrap();

    ledger.end(&mut held, EndKind::Yielded, Reason::PersonTookOver).await.unwrap();
    context.run.as_mut().unwrap().trust = Trust::without_lease();
    let error = tools.call("addTag", json(r#"{"id":1,"tag":"c"}"#), &context).await.unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert_eq!(house.the_task().await.tags, ["AI-Suitable", "a", "b"]);
    assert_eq!(ledger.effects(&run).await.unwrap().len(), 2);
}
