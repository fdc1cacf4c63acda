//! Answers that may be given again, until a write of ours makes them old.

use super::super::call::{INSIDE, Reply};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Answers that are kept.
const KEPT_MAX: usize = 256;
/// What they may hold in all, roughly: some full lists of a board of five thousand tickets.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Nobody asks for what is older.
const AGE_MAX: Duration = Duration::from_mins(15);

const NEVER_EMPTY: &[&str] = &["projects.getAll", "tickets.getStatusLabels"];

#[derive(Debug, Default)]
pub(super) struct Cache {
    known: BTreeMap<String, Known>,
    bytes: usize,
}

#[derive(Debug)]
struct Known {
    at: Instant,
    domains: Vec<&'static str>,
    bytes: usize,
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
        // A list that is never empty and is: it happens for no reason, and passes as well.
        let is_odd = |(method, reply): (&&str, &Reply)| {
            NEVER_EMPTY.contains(method)
                && reply.as_ref().is_ok_and(|value| value.as_array().is_some_and(Vec::is_empty))
        };
        if methods.iter().zip(replies.iter()).any(is_odd) {
            return;
        }
        self.known.retain(|known, held| *known != key && now < held.at + AGE_MAX);
        self.count();
        let bytes = key.len() + replies.iter().map(weight).sum::<usize>();
        if bytes > BYTES_MAX {
            return;
        }
        while self.known.len() >= KEPT_MAX || self.bytes + bytes > BYTES_MAX {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.known.remove(&oldest);
            self.count();
        }
        let domains = methods.into_iter().map(domain).collect();
        self.known.insert(key, Known { at: now, domains, bytes, replies });
        self.count();
    }

    fn count(&mut self) {
        self.bytes = self.known.values().map(|known| known.bytes).sum();
    }

    /// These were written.
    pub(super) fn forget(&mut self, methods: impl IntoIterator<Item = impl Into<&'static str>>) {
        let wrote: Vec<&str> = methods.into_iter().map(|method| domain(method.into())).collect();
        self.known.retain(|_, known| {
            !known.domains.iter().any(|read| wrote.iter().any(|wrote| touches(wrote, read)))
        });
        self.count();
    }
}

/// About how much memory an answer takes: its texts, and something for each of its values.
fn weight(reply: &Reply) -> usize {
    let mut bytes = 0;
    let mut open: Vec<&Value> = reply.iter().collect();
    while let Some(value) = open.pop() {
        bytes += size_of::<Value>();
        match value {
            Value::String(text) => bytes += text.len(),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                bytes += fields.keys().map(|name| name.len() + size_of::<String>()).sum::<usize>();
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Arc<Vec<Reply>> {
        Arc::new(vec![Ok("x".repeat(bytes).into())])
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_the_oldest_goes_first() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..5_u64 {
            let at = now + Duration::from_secs(number);
            cache.put(number.to_string(), vec!["tickets.getAll"], answer(20 << 20), at);
        }
        let kept = |cache: &Cache, key: &str| cache.get(key, AGE_MAX, now).is_some();
        let all: Vec<bool> = (0..5).map(|number| kept(&cache, &number.to_string())).collect();
        assert_eq!(all, [false, false, true, true, true]);
        cache.put("large".into(), vec!["tickets.getAll"], answer(65 << 20), now);
        assert!(!kept(&cache, "large") && kept(&cache, "4"));
        cache.forget(["tickets.patchTicket"]);
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn what_is_old_goes_when_something_new_comes() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put("old".into(), vec!["users.getAll"], answer(1), now);
        cache.put("new".into(), vec!["users.getAll"], answer(1), now + AGE_MAX);
        assert_eq!(cache.known.keys().collect::<Vec<_>>(), ["new"]);
    }
}
