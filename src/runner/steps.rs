//! Plain steps: tools called one after the other, no model, no tokens.

use super::{Job, Runner, Signs, ToolSession, WorkEnd};
use crate::domain::Value;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Fills templates in: the seam to `template`.
pub trait Fill: Send + Sync + std::fmt::Debug {
    /// Every text in a value; a text that is exactly one `{{expression}}` becomes its value.
    fn value(&self, template: &Value, context: &Value) -> Result<Value, String>;
    /// One text.
    fn text(&self, template: &str, context: &Value) -> Result<String, String>;
}

/// Evaluates conditions: the seam to `expression`.
pub trait Condition: Send + Sync + std::fmt::Debug {
    /// Whether it holds.
    fn holds(&self, expression: &str, context: &Value) -> Result<bool, String>;
}

/// Carries `[[step]]` out.
#[derive(Debug)]
pub struct StepsRunner {
    fill: Arc<dyn Fill>,
    condition: Arc<dyn Condition>,
}

impl StepsRunner {
    /// With what fills templates in and evaluates conditions.
    pub fn new(fill: Arc<dyn Fill>, condition: Arc<dyn Condition>) -> Self {
        Self { fill, condition }
    }
}

#[async_trait]
impl Runner for StepsRunner {
    async fn work(&self, _: &Job, _: &ToolSession, _: &Signs, _: CancellationToken) -> WorkEnd {
        let _ = (&self.fill, &self.condition);
        todo!()
    }
}
