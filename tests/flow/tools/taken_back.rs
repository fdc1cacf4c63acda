//! What random calls found (`in_step`): each once by itself.

use crate::support::house::{House, json, playbook};
use rota::board::Timers as _;
use rota::domain::{EffectActor, EffectResult, PersonId, TimerQuery, ToolCall, WriteScope};
use rota::tools::Context;

/// An agent's run that may write everywhere.
async fn run(house: &House) -> Context {
    let mut playbook = playbook(&["*"]);
    playbook.scope.write = WriteScope::Board;
    house.agent(playbook).await
}

/// Somebody who takes back what a run did, as the daemon does it for them.
async fn by(house: &House, name: &str) -> Context {
    let mut context = run(house).await;
    context.principal.person = house.person(name).await.principal.person;
    let run = context.run.as_mut().unwrap();
    (run.actor, run.task, run.claim) = (EffectActor::Rota, None, None);
    run.run = rota::domain::RunId::new("u-aaaaaaaaaaaa");
    context
}

/// Makes a call in a run; what puts it back.
async fn inverse(house: &House, context: &Context, tool: &str, args: &str) -> ToolCall {
    let done = house.tools.call(tool, json(args), context).await.unwrap();
    match done.effect.unwrap().result {
        Some(EffectResult::Done { inverse: Some(inverse), .. }) => inverse,
        other => panic!("{tool}: {other:?}"),
    }
}

async fn timers(house: &House) -> Vec<PersonId> {
    let running = house.board.timers(&TimerQuery::default()).await.unwrap();
    running.items.iter().map(|timer| timer.person).collect()
}

#[tokio::test]
async fn undoing_an_agents_timer_stops_the_agents_and_not_that_of_whoever_undoes() {
    let house = House::build().await;
    let (ada, agent) = (house.person("Ada").await, run(&house).await);
    let of_agent = agent.principal.person.id;
    let own = json(r#"{"duration":"25m","taskId":1}"#);
    house.tools.call("startTimer", own, &ada).await.unwrap();
    let start = r#"{"duration":"25m","taskId":1}"#;
    let back = inverse(&house, &agent, "startTimer", start).await;
    assert_eq!(timers(&house).await, [ada.principal.person.id, of_agent]);
    let undoing = by(&house, "Ada").await;
    house.tools.call(&back.tool, back.args, &undoing).await.unwrap();
    assert_eq!(timers(&house).await, [ada.principal.person.id]);

    house.tools.call("startTimer", json(start), &agent).await.unwrap();
    let stop = r#"{"ticketId":1,"discard":true}"#;
    let back = inverse(&house, &agent, "stopTimer", stop).await;
    house.tools.call(&back.tool, back.args, &undoing).await.unwrap();
    assert_eq!(timers(&house).await, [ada.principal.person.id, of_agent]);
}

#[tokio::test]
async fn timers_of_others_take_the_role_that_their_time_takes() {
    let house = House::build().await;
    let mut bo = house.person("Bo").await;
    bo.principal.person.role = rota::domain::Role::Editor;
    let start = json(r#"{"duration":"25m","userId":"Ada"}"#);
    let error = house.tools.call("startTimer", start, &bo).await.unwrap_err();
    assert_eq!(error.reason(), rota::domain::Reason::RoleTooLow);
    let ada = house.person("Ada").await;
    house.tools.call("startTimer", json(r#"{"duration":"25m"}"#), &ada).await.unwrap();
    let stop = json(r#"{"userId":"Ada","discard":true}"#);
    let error = house.tools.call("stopTimer", stop, &bo).await.unwrap_err();
    assert_eq!(error.reason(), rota::domain::Reason::RoleTooLow);
    assert_eq!(timers(&house).await.len(), 1);
}
