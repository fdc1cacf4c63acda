//! Answers that may be given again, until a write of ours makes them old.

use super::super::call::{INSIDE, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Answers that are kept.
const KEPT_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Cache {
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    at: Instant,
    domains: Vec<&'static str>,
    replies: Arc<Vec<Reply>>,
}

/// The part of the server that a method belongs to.
fn domain(method: &'static str) -> &'static str {
    if method == "tickets.getStatusLabels" {
        return "labels";
    }
    method.split('.').next().unwrap_or(method)
}

/// Whether a write there makes a read here old.
fn touches(wrote: &str, read: &str) -> bool {
    match wrote {
        // Labels are a setting although they are asked of the tickets.
        "setting" => matches!(read, "setting" | "labels"),
        "users" | "api" => matches!(read, "users" | "api" | "projects"),
        "projects" => matches!(read, "projects" | "users"),
        // What hangs on a ticket goes with it.
        "tickets" => !matches!(read, "users" | "projects" | "api" | "labels" | "setting"),
        "timesheets" => matches!(read, "timesheets" | "tickets"),
        _ => read == wrote || read == "notifications",
    }
}

impl Cache {
    pub(super) fn get(&self, key: &str, fresh: Duration, now: Instant) -> Option<Arc<Vec<Reply>>> {
        let known = self.known.get(key).filter(|known| now < known.at + fresh)?;
        Some(Arc::clone(&known.replies))
    }

    pub(super) fn put(
        &mut self,
        key: String,
        methods: Vec<&'static str>,
        replies: Arc<Vec<Reply>>,
        now: Instant,
    ) {
        // A failure inside may pass; who may not or what is not there stays so for a while.
        if replies.iter().any(|reply| reply.as_ref().is_err_and(|refusal| refusal.code == INSIDE)) {
            return;
        }
        while self.known.len() >= KEPT_MAX {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.known.remove(&oldest);
        }
        let domains = methods.into_iter().map(domain).collect();
        self.known.insert(key, Known { at: now, domains, replies });
    }

    /// These were written.
    pub(super) fn forget(&mut self, methods: impl IntoIterator<Item = impl Into<&'static str>>) {
        let wrote: Vec<&str> = methods.into_iter().map(|method| domain(method.into())).collect();
        self.known.retain(|_, known| {
            !known.domains.iter().any(|read| wrote.iter().any(|wrote| touches(wrote, read)))
        });
    }
}
