//! A playbook compared with what exists: tools, models, channels, users, playbooks, templates.

use super::cross::allows;
use super::{Parsed, Vocabulary, Worker};
use crate::domain::{
    Channel, PlaybookName, RUN_CHECK, Reviewer, Work, WriteScope, is_of_workspace,
};
use crate::fault::{Fault, Showing, did_you_mean, shown, sort};
use crate::template::vocabulary;
use std::collections::{BTreeMap, BTreeSet};

/// Tools that every agent has besides those of the board.
const BUILT_IN: [&str; 1] = ["finish"];

/// Whether a tool writes; `None` for one that is not there. Those of another server are known by the
/// server alone (`calendar:*`), and count as writing: what they do, only the server knows.
fn writes<'a>(known: &'a BTreeMap<String, bool>, name: &str) -> Option<&'a bool> {
    let server = name.split_once(':').map(|(server, _)| format!("{server}:*"));
    known.get(server.as_deref().unwrap_or(name))
}

/// Compares a playbook with what exists; every fault at its line and column.
pub fn check(parsed: &Parsed, vocabulary: &Vocabulary) -> Vec<Fault> {
    let mut check = Check { parsed, vocabulary, faults: Vec::new() };
    check.trigger();
    check.tools();
    check.names();
    check.in_vain();
    check.templates();
    let mut faults = check.faults;
    sort(&mut faults);
    faults
}

struct Check<'a> {
    parsed: &'a Parsed,
    vocabulary: &'a Vocabulary,
    faults: Vec<Fault>,
}

impl Check<'_> {
    /// A fault at the first of these paths that was written.
    fn add(&mut self, path: &str, message: String, help: Option<String>) {
        let mut at = path;
        let span = loop {
            match self.parsed.marks.get(at) {
                Some(span) => break span.clone(),
                None => match at.rsplit_once('.') {
                    Some((parent, _)) => at = parent,
                    None => break 0..0,
                },
            }
        };
        let fault = self.parsed.source.fault(span, Showing::Values, message);
        self.faults.push(match help {
            Some(help) => fault.with_help(help),
            None => fault,
        });
    }

    fn trigger(&mut self) {
        if let Some(cron) = &self.parsed.playbook.on.cron
            && let Err(error) = (self.vocabulary.cron)(cron)
        {
            self.add("on.cron", format!("`cron`: {error}"), None);
        }
        if let Some(webhook) = &self.parsed.playbook.on.webhook
            && let Some(why) = (self.vocabulary.why_no_secret)(&webhook.secret)
        {
            let message = format!("`secret`: environment variable {} {why}", webhook.secret);
            self.add("on.webhook.secret", message, None);
        }
    }

    fn tools(&mut self) {
        let playbook = &self.parsed.playbook;
        let known = &self.vocabulary.tools;
        let exists = |name: &str| writes(known, name).is_some() || BUILT_IN.contains(&name);
        let help =
            |name: &str| did_you_mean(name, known.keys().map(String::as_str).chain(BUILT_IN));
        let mut found = Vec::new();
        for (index, tool) in playbook.tools.iter().enumerate() {
            let path = format!("work.tools.{index}");
            // Without the key, the tools are those of the steps, which are looked at below.
            if !self.parsed.marks.contains_key(&path) {
                continue;
            }
            let matched = match tool.strip_suffix('*') {
                Some(start) if start.contains(':') => writes(known, start).is_some(),
                Some(start) => known.keys().any(|name| name.starts_with(start)),
                None => exists(tool),
            };
            if let (false, Some((server, _))) = (matched, tool.split_once(':')) {
                let message = format!("there is no server `{}`", shown(server));
                let help = format!("name it in rota.toml, under [upstream.{}]", shown(server));
                found.push((path, message, Some(help)));
            } else if !matched {
                found.push((path, format!("there is no tool `{}`", shown(tool)), help(tool)));
            }
        }
        found.extend(self.of_workspace());
        found.extend(self.gathers());
        found.extend(self.steps());
        for name in playbook.scope.max.keys().filter(|name| !exists(name)) {
            let path = format!("scope.max.{name}");
            found.push((path, format!("there is no tool `{}`", shown(name)), help(name)));
        }
        for (name, outcome) in &playbook.outcomes {
            for (index, needed) in outcome.requires.iter().enumerate() {
                // A check is run, and journaled, by a tool.
                let tool = match needed.split_once(':') {
                    Some(("check", _)) => RUN_CHECK,
                    _ => needed.trim_start_matches("tool:"),
                };
                let path = format!("outcome.{name}.requires.{index}");
                let check = needed.strip_prefix("check:");
                if !exists(tool) || !allows(&playbook.tools, tool) {
                    let message =
                        format!("work cannot call `{}`, so this never holds", shown(tool));
                    found.push((path, message, None));
                } else if let Some(check) = check.filter(|c| !playbook.checks.contains_key(*c)) {
                    let message = format!("there is no check `{}`", shown(check));
                    let help = did_you_mean(check, playbook.checks.keys().map(String::as_str));
                    found.push((path, message, help));
                }
            }
        }
        for (path, message, help) in found {
            self.add(&path, message, help);
        }
    }

    /// What is wrong with what is gathered before the work: path, message, help.
    fn gathers(&self) -> Vec<(String, String, Option<String>)> {
        let known = &self.vocabulary.tools;
        let help =
            |name: &str| did_you_mean(name, known.keys().map(String::as_str).chain(BUILT_IN));
        let mut found = Vec::new();
        for (name, gather) in &self.parsed.playbook.gather {
            let path = format!("gather.{name}.tool");
            if is_of_workspace(&gather.tool) {
                let tool = shown(&gather.tool);
                let message = format!("`{tool}` is for the work, which has not begun then");
                found.push((path, message, None));
                continue;
            }
            match writes(known, &gather.tool) {
                None => {
                    let message = format!("there is no tool `{}`", shown(&gather.tool));
                    found.push((path, message, help(&gather.tool)));
                }
                Some(true) => {
                    let message =
                        format!("`{}` writes; only what reads can gather", shown(&gather.tool));
                    found.push((path, message, None));
                }
                Some(false) => {}
            }
        }
        found
    }

    /// Tools that need a workspace, or a check, which is not there: path, message, help.
    fn of_workspace(&self) -> Vec<(String, String, Option<String>)> {
        let playbook = &self.parsed.playbook;
        let listed = playbook.tools.iter().enumerate();
        let listed = listed.map(|(index, tool)| (format!("work.tools.{index}"), tool));
        let mut used: Vec<(String, &String)> =
            listed.filter(|(path, _)| self.parsed.marks.contains_key(path)).collect();
        if let Work::Steps(steps) = &playbook.work {
            let steps = steps.iter().enumerate();
            used.extend(steps.map(|(index, step)| (format!("step.{index}.tool"), &step.tool)));
        }
        let of_workspace = used.into_iter().filter(|(_, tool)| is_of_workspace(tool));
        let lacking = of_workspace.filter_map(|(path, tool)| {
            let (message, help) = if playbook.workspace.is_none() {
                let message = format!("`{}` is for a workspace, and there is none", shown(tool));
                (message, "write [workspace], or leave it out")
            } else if tool == RUN_CHECK && playbook.checks.is_empty() {
                let message = "`runCheck` runs checks of the playbook, and there are none";
                (
                    message.to_owned(),
                    "write [checks.NAME] with `command = [\"…\"]`, or leave it out",
                )
            } else {
                return None;
            };
            Some((path, message, Some(help.to_owned())))
        });
        lacking.collect()
    }

    /// What is wrong with the tools of the steps: path, message, help.
    fn steps(&self) -> Vec<(String, String, Option<String>)> {
        let playbook = &self.parsed.playbook;
        let Work::Steps(steps) = &playbook.work else { return Vec::new() };
        let known = &self.vocabulary.tools;
        let free = playbook.claim.is_none() && playbook.scope.write == WriteScope::Claimed;
        let mut found = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let path = format!("step.{index}.tool");
            match writes(known, &step.tool) {
                None => {
                    let message = format!("there is no tool `{}`", shown(&step.tool));
                    let help = did_you_mean(&step.tool, known.keys().map(String::as_str));
                    found.push((path, message, help));
                }
                Some(true) if free && !is_of_workspace(&step.tool) => {
                    let message =
                        format!("`{}` writes, but this playbook claims nothing", shown(&step.tool));
                    let help = "write `[scope] write = \"project\"` (or \"board\"), or [claim]";
                    found.push((path, message, Some(help.to_owned())));
                }
                Some(_) => {}
            }
        }
        found
    }

    /// What is written and comes to nothing; no reason to refuse the playbook.
    fn in_vain(&mut self) {
        let playbook = &self.parsed.playbook;
        let begun = self.faults.len();
        if let (Work::Model { model, .. }, Some(_)) = (&playbook.work, playbook.limits.cost_micros)
            && self.vocabulary.unpriced.contains(model)
        {
            let message = format!("`cost` is not watched: `{}` has no price", shown(model));
            let help = format!("write [models.{}.price] in rota.toml", shown(model));
            self.add("limits.cost", message, Some(help));
        }
        let (Work::Command { env, .. } | Work::Acp { env, .. }) = &playbook.work else {
            return self.warn_since(begun);
        };
        let withheld = &self.vocabulary.withheld;
        let own = playbook.on.webhook.as_ref().map(|webhook| webhook.secret.as_str());
        let is_withheld = |name: &str| {
            own == Some(name)
                || withheld.iter().any(|held| match held.strip_suffix('*') {
                    Some(beginning) => name.starts_with(beginning),
                    None => name == held,
                })
        };
        for (index, name) in env.iter().enumerate().filter(|(_, name)| is_withheld(name)) {
            let message =
                format!("no program is given `{}`: it may hold a secret of ours", shown(name));
            let help = "give the program a variable of its own".to_owned();
            self.add(&format!("work.env.{index}"), message, Some(help));
        }
        self.warn_since(begun);
    }

    fn warn_since(&mut self, begun: usize) {
        let warnings = self.faults.split_off(begun);
        self.faults.extend(warnings.into_iter().map(Fault::as_warning));
    }

    fn names(&mut self) {
        let playbook = &self.parsed.playbook;
        if let Work::Model { model, .. } = &playbook.work
            && !self.vocabulary.models.contains(model)
        {
            let names = self.vocabulary.models.iter().map(String::as_str);
            let help = did_you_mean(model, names)
                .unwrap_or_else(|| format!("define [models.{}] in rota.toml", shown(model)));
            self.add("work.model", format!("there is no model `{}`", shown(model)), Some(help));
        }
        self.rubric();
        self.independence();
        if let Some(agents) = &self.vocabulary.agents
            && !agents.iter().any(|name| name.eq_ignore_ascii_case(&playbook.agent))
        {
            let help = did_you_mean(&playbook.agent, agents.iter().map(String::as_str));
            let message = format!("the board has no user `{}`", shown(&playbook.agent));
            self.add("agent", message, help);
        }
        let mut asked: Vec<(String, &PlaybookName)> = Vec::new();
        if let Reviewer::Playbook(name) = &playbook.review.by {
            asked.push(("review.by".to_owned(), name));
        }
        for (name, outcome) in &playbook.outcomes {
            if let Some(rework) = &outcome.rework {
                asked.push((format!("outcome.{name}.rework"), rework));
            }
        }
        for (path, name) in asked {
            if !self.vocabulary.playbooks.contains(name) {
                let names = self.vocabulary.playbooks.iter().map(PlaybookName::as_str);
                let help = did_you_mean(name.as_str(), names);
                self.add(&path, format!("there is no playbook `{}`", shown(name.as_str())), help);
            }
        }
        let report = playbook.report.as_ref().map_or(&[][..], |report| &report.to);
        self.channels("report.to", report);
        self.channels("on_failure.to", &playbook.on_failure.to);
    }

    /// The model that judges whether tasks are fit.
    fn rubric(&mut self) {
        let playbook = &self.parsed.playbook;
        let Some(rubric) = &playbook.suitability.rubric else { return };
        let (model, models) = (&rubric.model, &self.vocabulary.models);
        if !models.contains(model) {
            let help = did_you_mean(model, models.iter().map(String::as_str))
                .unwrap_or_else(|| format!("define [models.{}] in rota.toml", shown(model)));
            let message = format!("there is no model `{}`", shown(model));
            self.add("suitability.model", message, Some(help));
        }
    }

    /// A reviewer that could never look at this playbook's work.
    fn independence(&mut self) {
        let playbook = &self.parsed.playbook;
        let Reviewer::Playbook(name) = &playbook.review.by else { return };
        let Some(reviewer) = self.vocabulary.workers.get(name) else { return };
        let own = Worker::of(playbook, &self.vocabulary.families);
        if !(playbook.review.independent || reviewer.is_independent) {
            return;
        }
        let name = shown(name.as_str());
        let message = match (&own.family, &reviewer.family) {
            _ if own.agent.eq_ignore_ascii_case(&reviewer.agent) => {
                format!("`{name}` acts as {}, too: it is not independent", shown(&own.agent))
            }
            (Some(one), Some(other)) if one == other => {
                format!("`{name}` works with the model family `{one}`, too: it is not independent")
            }
            _ => return,
        };
        let help = "give one of them a model of another family, and an agent of its own";
        self.add("review.independent", message, Some(help.to_owned()));
    }

    fn channels(&mut self, path: &str, channels: &[Channel]) {
        for (index, channel) in channels.iter().enumerate() {
            if self.vocabulary.channels.contains(channel) {
                continue;
            }
            let known: Vec<String> =
                self.vocabulary.channels.iter().map(ToString::to_string).collect();
            let define =
                |kind, name: &str| format!("define [notify.{kind}.{}] in rota.toml", shown(name));
            let section = match channel {
                Channel::Slack(name) => define("slack", name),
                Channel::File(name) => define("file", name),
                Channel::Webhook(name) => define("webhook", name),
                Channel::Email(name) => define("email", name),
                Channel::Stdout => "expected stdout".to_owned(),
            };
            let near =
                crate::fault::nearest(&channel.to_string(), known.iter().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`? Otherwise {section}"));
            let message = format!("there is no channel `{}`", shown(&channel.to_string()));
            self.add(&format!("{path}.{index}"), message, Some(near.unwrap_or(section)));
        }
    }

    fn templates(&mut self) {
        let playbook = &self.parsed.playbook;
        let mut used: Vec<(String, &str)> = Vec::new();
        if let Work::Model { prompt, .. }
        | Work::Command { prompt, .. }
        | Work::Acp { prompt, .. } = &playbook.work
        {
            used.push(("work.prompt".to_owned(), prompt));
        }
        if let Some(claim) = &playbook.claim {
            used.push(("claim.comment".to_owned(), &claim.comment));
        }
        let rubric = playbook.suitability.rubric.as_ref();
        used.extend(rubric.map(|it| ("suitability.rubric".to_owned(), it.template.as_str())));
        let unsuitable = playbook.suitability.when_unsuitable.as_ref();
        if let Some(comment) = unsuitable.and_then(|when| when.comment.as_ref()) {
            used.push(("suitability.when_unsuitable.comment".to_owned(), comment));
        }
        for (name, outcome) in &playbook.outcomes {
            for (key, template) in [("comment", &outcome.comment), ("ask", &outcome.ask)] {
                if let Some(template) = template {
                    used.push((format!("outcome.{name}.{key}"), template));
                }
            }
        }
        for (path, name) in used {
            self.template(&path, name, &vocabulary::work());
        }
        if let Some(report) = &playbook.report {
            self.report(&report.template);
        }
    }

    fn template(&mut self, path: &str, name: &str, names: &[&str]) {
        let templates = self.vocabulary.templates.clone();
        let Some(spoken) = templates.speaks_of(name) else {
            let help = did_you_mean(name, templates.names())
                .unwrap_or_else(|| format!("write templates/{}", shown(name)));
            self.add(path, format!("there is no template `{}`", shown(name)), Some(help));
            return;
        };
        let foreign: BTreeSet<&str> =
            spoken.iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
        if !foreign.is_empty() {
            let foreign = foreign.into_iter().collect::<Vec<_>>().join("`, `");
            let message = format!(
                "template `{}` speaks of `{foreign}`, which is not known here",
                shown(name)
            );
            self.add(path, message, None);
        }
    }

    fn report(&mut self, name: &str) {
        // The digest brings its own templates and words.
        if name == "digest" || name == "digest.hbs" {
            return;
        }
        let Some(formats) = self.vocabulary.templates.formats(name) else {
            let help = did_you_mean(name, self.vocabulary.templates.names());
            self.add("report.template", format!("there is no template `{}`", shown(name)), help);
            return;
        };
        for name in [formats.text, formats.markdown, formats.slack].into_iter().flatten() {
            self.template("report.template", &name, &vocabulary::report());
        }
    }
}
