//! A program works: prompt on stdin, progress on stdout, result from a last JSON line or the status.

use super::{Job, Runner, Signs, ToolSession, WorkEnd};
use async_trait::async_trait;
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// Runs the program of `work.command`.
#[derive(Debug)]
pub struct CommandRunner {
    basic: BTreeMap<String, String>,
}

impl CommandRunner {
    /// `environment`: the daemon's own; of it only the basic variables are ever passed on.
    pub fn new(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { basic: environment.into_iter().collect() }
    }
}

#[async_trait]
impl Runner for CommandRunner {
    async fn work(&self, _: &Job, _: &ToolSession, _: &Signs, _: CancellationToken) -> WorkEnd {
        let _ = &self.basic;
        todo!()
    }
}
