//! A model that does by chance what models do, and a channel that fails now and then.

use super::world::Link;
use async_trait::async_trait;
use rota::domain::*;
use rota::model::{Call, Exchange, Heard, Message, Model, ModelError, Reply};
use rota::notify::{Delivered, Notifier, NotifyError, Post};
use std::sync::Arc;
use std::time::Duration;

/// What the hand-over comment has to say.
pub const SUMMARY: &str = "The simulated work is done.";

#[derive(Debug)]
pub struct SimulatedModel {
    pub link: Arc<Link>,
}

impl SimulatedModel {
    fn call(&self, task: i64, turn: usize) -> ToolCall {
        let world = &self.link.world;
        let finish = |outcome: &str| {
            let args = [("outcome", outcome), ("summary", SUMMARY)];
            ToolCall { tool: "finish".into(), args: Value::map(args) }
        };
        if world.is_calm() || turn >= 4 {
            return finish("ready");
        }
        match world.below(8) {
            0 | 1 => ToolCall { tool: "getTicket".into(), args: Value::map([("id", task)]) },
            2 | 3 => {
                let text = Value::from(format!("Thought {turn}."));
                let args =
                    [("module", Value::from("ticket")), ("entityId", task.into()), ("text", text)];
                ToolCall { tool: "addComment".into(), args: Value::map(args) }
            }
            4 => {
                let args =
                    [("parentTicket", Value::from(task)), ("headline", "One part of it".into())];
                ToolCall { tool: "addSubtask".into(), args: Value::map(args) }
            }
            5 => finish("blocked"),
            _ => finish("ready"),
        }
    }
}

#[async_trait]
impl Model for SimulatedModel {
    fn describe(&self) -> String {
        "simulated".to_owned()
    }

    async fn exchange(&self, exchange: &Exchange, _: &Heard<'_>) -> Result<Reply, ModelError> {
        self.link.pass().await;
        let world = &self.link.world;
        if world.strikes(world.weather.model_fails) {
            match world.below(4) {
                0 => return Err(ModelError::Unavailable("simulated".into())),
                1 => return Err(ModelError::Refused("simulated".into())),
                2 => return Ok(Reply { text: "I think.".into(), ..Reply::default() }),
                _ => tokio::time::sleep(Duration::from_secs(world.below(150))).await,
            }
        } else {
            tokio::time::sleep(Duration::from_millis(world.below(20_000))).await;
        }
        self.link.pass().await;
        let Some(Message::User(prompt)) = exchange.messages.first() else {
            return Err(ModelError::OffScript("no prompt".into()));
        };
        let task = task_in(prompt).ok_or(ModelError::OffScript("no task".into()))?;
        let turn = exchange.messages.iter().filter(|m| matches!(m, Message::Assistant { .. }));
        let call = self.call(task, turn.count());
        world.note(|| {
            format!("{}: the model calls {} for task {task}", self.link.who.daemon, call.tool)
        });
        let id = format!("call-{}", world.below(1_000_000));
        Ok(Reply { calls: vec![Call::new(id, call.tool, call.args)], ..Reply::default() })
    }
}

fn task_in(prompt: &str) -> Option<i64> {
    let mut ids = prompt.lines().filter_map(|line| line.strip_prefix("Task "));
    ids.find_map(|rest| rest.split([' ', ':', ',']).next()?.parse().ok())
}

/// A channel that fails now and then.
#[derive(Debug)]
pub struct SimulatedChannel {
    pub link: Arc<Link>,
}

#[async_trait]
impl Notifier for SimulatedChannel {
    async fn deliver(&self, post: &Post<'_>) -> Result<Delivered, NotifyError> {
        self.link.pass().await;
        let world = &self.link.world;
        let failure = || NotifyError::passing("simulated");
        if world.strikes(world.weather.channel_fails) {
            return Err(failure());
        }
        world.judge().told(post.key);
        self.link.pass().await;
        if world.strikes(world.weather.channel_fails) {
            return Err(failure());
        }
        Ok(Delivered { is_last: true, ..Delivered::default() })
    }
}
