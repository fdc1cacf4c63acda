//! A model works in a loop of turns.

use super::{Job, Runner, Signs, ToolSession, WorkEnd};
use crate::model::Model;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs a model until it names an outcome.
#[derive(Debug)]
pub struct ModelRunner {
    model: Arc<dyn Model>,
}

impl ModelRunner {
    /// With this model.
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self { model }
    }
}

#[async_trait]
impl Runner for ModelRunner {
    async fn work(&self, _: &Job, _: &ToolSession, _: &Signs, _: CancellationToken) -> WorkEnd {
        let _ = &self.model;
        todo!()
    }
}
