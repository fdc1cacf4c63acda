//! What an occurrence came to, told to people: what was claimed, each write as
//! `field: from → to`, the messages, and why it ended.

use super::answer::{field, fields, style_of_state};
use super::page::{Page, Style};
use crate::domain::{Activity, Reason, Value};
use crate::tools::desk::{EffectReport, NoticeReport, RunReport, TaskReport, UsageReport};

/// The page.
pub fn page(report: &RunReport, dry: bool) -> Page {
    let mut page = Page::new();
    if dry {
        page.line(Style::Bold, "dry run: nothing outside was changed");
    }
    for task in &report.tasks {
        of_task(&mut page, task);
    }
    if report.effects.is_empty() {
        of_changes(&mut page, &report.changes);
    } else {
        of_effects(&mut page, &report.effects);
    }
    for notice in &report.notices {
        of_notice(&mut page, notice);
    }
    of_end(&mut page, report, dry);
    page
}

fn of_task(page: &mut Page, task: &TaskReport) {
    page.line(Style::Bold, &format!("task {}", task.id));
    if let Some(claim) = &task.claim {
        page.add(Style::Plain, &format!("  claimed (fence {})", claim.fence));
    }
    let state = task.state.as_str();
    page.line(Style::Plain, "  ").add(style_of_state(state), state);
    if let Some(outcome) = &task.outcome {
        page.add(Style::Plain, &format!(" with outcome {outcome}"));
    }
    page.add(Style::Plain, &format!(", {}", because(task.reason)));
    page.add(Style::Dim, &format!("  {}", task.run));
}

fn of_effects(page: &mut Page, effects: &[EffectReport]) {
    for effect in effects {
        let comment = effect.after.get("comment").and_then(Value::as_text);
        let about = effect.after.get("task").and_then(Value::as_int);
        if let (Some(text), Some(task)) = (comment, about) {
            page.line(Style::Bold, &format!("comment on task {task}"));
            page.add(Style::Dim, &format!("  {}", effect.tool));
            page.indented("  | ", Style::Plain, text);
        } else {
            page.line(Style::Bold, &effect.entity);
            page.add(Style::Dim, &format!("  {}", effect.tool));
            fields(page, "  ", &effect.before, &effect.after);
        }
    }
}

/// Changes to one thing that follow each other stand under one heading.
fn of_changes(page: &mut Page, changes: &[Activity]) {
    let mut last = None;
    for change in changes {
        if last != Some(change.entity) {
            page.line(Style::Bold, &change.entity.to_string());
            last = Some(change.entity);
        }
        match change.field.as_str() {
            "created" | "deleted" => {
                let what = if change.after.is_null() { &change.before } else { &change.after };
                page.line(Style::Plain, "  ").add(Style::Dim, &change.field);
                if *what != Value::Null {
                    page.indented("  | ", Style::Plain, &what.to_string());
                }
            }
            name => field(page, "  ", name, Some(&change.before), Some(&change.after)),
        }
    }
}

fn of_notice(page: &mut Page, notice: &NoticeReport) {
    page.line(Style::Bold, &format!("message to {}", notice.to));
    page.add(Style::Dim, &format!("  {}", notice.format));
    page.indented("  | ", Style::Plain, &notice.body);
}

fn of_end(page: &mut Page, report: &RunReport, dry: bool) {
    if !page.is_empty() {
        page.gap();
    }
    let state = report.state.as_str();
    page.line(Style::Bold, report.playbook.as_str()).add(Style::Plain, ": ");
    page.add(style_of_state(state), state);
    page.add(Style::Plain, &format!(", {}", because(report.reason)));
    if !report.detail.trim().is_empty() {
        page.indented("  ", Style::Plain, &report.detail);
    }
    page.line(Style::Dim, &format!("  occurrence {}", report.occurrence));
    // A rehearsal's runs are kept nowhere.
    if let Some(run) = report.run.as_ref().filter(|_| !dry) {
        page.line(Style::Dim, &format!("  rota runs show {run}"));
    }
    if let Some(used) = used(report.usage) {
        page.line(Style::Dim, &format!("  used {used}"));
    }
}

/// `it did what it was to do [done]`.
fn because(reason: Reason) -> String {
    format!("{} [{}]", reason.text(), reason.code())
}

fn used(usage: UsageReport) -> Option<String> {
    let mut parts = Vec::new();
    if usage.tokens_in + usage.tokens_out > 0 {
        parts.push(format!("{} tokens in, {} out", usage.tokens_in, usage.tokens_out));
    }
    if usage.cost > 0.0 {
        parts.push(format!("cost {:.4}", usage.cost));
    }
    if usage.seconds > 0.0 {
        parts.push(format!("{:.1} s", usage.seconds));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
