//! `rota board import` and `export`: shows how far it is, stops between two items when it is asked to,
//! and says what came of it.

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::TransferOptions;
use crate::cli::page::{Page, Style, Table};
use crate::transfer::{Early, Report};

/// So many reasons are shown, and names of each.
const REASONS_MAX: usize = 20;
const NAMES_MAX: usize = 5;

impl Session<'_> {
    /// `rota board …`.
    pub(super) async fn transfer(&self, options: TransferOptions) -> Result<u8, Failure> {
        let report = self
            .until_done(
                |tell, stop| self.house.transfer(&self.place, options, tell, stop),
                |counting, step| {
                    counting.show(step);
                    Ok(())
                },
            )
            .await?;
        self.output.result(&report, &page(&report))?;
        Ok(match report.ended_early {
            None => 0,
            Some(Early::Stopped) => FailureKind::Refused.exit_code(),
            Some(Early::Failed(_)) => FailureKind::Unreachable.exit_code(),
        })
    }
}

fn page(report: &Report) -> Page {
    let mut page = Page::new();
    page.line(Style::Plain, &format!("from {}", report.from));
    page.line(Style::Plain, &format!("to   {}", report.to)).gap();
    counts(report, &mut page);
    left(report, &mut page);
    for note in &report.notes {
        page.line(Style::Dim, "note").add(Style::Plain, &format!(": {note}"));
    }
    if !report.notes.is_empty() {
        page.gap();
    }
    ending(report, &mut page);
    page
}

fn counts(report: &Report, page: &mut Page) {
    let mut columns = vec!["", "FOUND", "NEW", "CHANGED", "SAME", "MET", "KEPT", "LEFT"];
    if report.dry_run {
        columns.push("FIRST");
    }
    let mut table = Table::new(columns);
    for count in report.counts.iter().filter(|count| count.found > 0) {
        let numbers =
            [count.found, count.new, count.changed, count.same, count.met, count.kept, count.left];
        let mut cells = vec![(Style::Plain, count.noun.plural().to_owned())];
        for (place, number) in numbers.into_iter().enumerate() {
            let style = match place {
                0 => Style::Plain,
                5 | 6 if number > 0 => Style::Warn,
                _ if number == 0 => Style::Dim,
                _ => Style::Good,
            };
            cells.push((style, number.to_string()));
        }
        if report.dry_run {
            cells.push((Style::Plain, count.first.clone().unwrap_or_default()));
        }
        table.row(cells);
    }
    table.onto(page);
    page.gap();
}

fn left(report: &Report, page: &mut Page) {
    if report.left_count == 0 {
        return;
    }
    page.line(Style::Warn, &format!("not carried over ({}):", report.left_count));
    let reasons = report.reasons();
    for ((noun, what), names) in reasons.iter().take(REASONS_MAX) {
        let mut named: Vec<String> =
            names.iter().take(NAMES_MAX).map(|name| format!("{name:?}")).collect();
        if names.len() > NAMES_MAX {
            named.push(format!("{} more", names.len() - NAMES_MAX));
        }
        let line = format!("  {}: {what}: {}", noun.plural(), named.join(", "));
        page.line(Style::Plain, &line);
    }
    if reasons.len() > REASONS_MAX {
        let more = format!("  and {} more reasons; --json names all", reasons.len() - REASONS_MAX);
        page.line(Style::Plain, &more);
    }
    page.gap();
}

fn ending(report: &Report, page: &mut Page) {
    let written = report.written();
    let verb = if report.dry_run { "would be written" } else { "written" };
    match &report.ended_early {
        None if report.dry_run => {
            page.line(Style::Good, "nothing was written")
                .add(Style::Plain, &format!("; {written} would be"));
        }
        None => {
            page.line(Style::Good, "done").add(Style::Plain, &format!(": {written} {verb}"));
        }
        Some(Early::Stopped) => {
            page.line(Style::Warn, "stopped").add(Style::Plain, &format!(": {written} {verb}"));
            page.line(Style::Plain, "the same command goes on from here");
        }
        Some(Early::Failed(why)) => {
            page.line(Style::Bad, "failed")
                .add(Style::Plain, &format!(" after {written} {verb}: {why}"));
            page.line(Style::Plain, "when that is mended, the same command goes on from here");
        }
    }
}
