//! A playbook's rights in words, for whoever is to accept them.

use super::rights::Rights;
use std::collections::BTreeSet;

impl Rights {
    /// One line for each thing that it may do, and for each that bounds it.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("acts as {}", self.agent)];
        let mut tell = |what: &str, items: &mut dyn Iterator<Item = String>| {
            let items: Vec<String> = items.filter(|item| !item.trim().is_empty()).collect();
            if !items.is_empty() {
                lines.push(format!("{what}: {}", items.join(", ")));
            }
        };
        let all = |items: &BTreeSet<String>| items.clone().into_iter();
        tell("wakes", &mut all(&self.triggers));
        for (name, part) in self.select.iter().flatten() {
            tell(&format!("takes tasks by {name}"), &mut all(part));
        }
        let claims = if self.claims { "claims each task" } else { "claims nothing" };
        tell("claim", &mut std::iter::once(claims.to_owned()));
        tell("tools", &mut all(&self.tools));
        tell("reads before", &mut all(&self.gathers));
        let scope = format!("{:?}", self.scope).to_lowercase();
        let most = self.scope_max.iter().map(|(tool, most)| format!("{tool} {most} times at most"));
        tell("writes reach", &mut std::iter::once(scope).chain(most));
        tell("mode", &mut std::iter::once(format!("{:?}", self.mode).to_lowercase()));
        tell("works by", &mut std::iter::once(self.runner.join(" ")));
        tell("environment variables", &mut all(&self.env));
        for step in &self.steps {
            tell("step", &mut std::iter::once(step.clone()));
        }
        for (name, does) in &self.outcomes {
            tell(&format!("outcome {name}"), &mut does.iter().cloned());
        }
        tell("who looks at it", &mut std::iter::once(self.review.to_lowercase()));
        tell("gates", &mut all(&self.gates));
        let limits = self.limits.iter().filter(|(_, most)| **most != u64::MAX);
        tell("limits", &mut limits.map(|(name, most)| format!("{name} {most}")));
        tell("tells", &mut all(&self.channels));
        for (name, part) in &self.workspace {
            tell(&format!("{name} of its workspace"), &mut all(part));
        }
        lines
    }
}
