//! `rota migrate`: shows how far it is, stops between two steps when it is asked to, and says what has to
//! stand in `rota.toml` afterwards.

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{MoveReport, MoveStep, MovedRows};
use crate::cli::args::migrate::MigrateArgs;
use crate::cli::page::{Page, Style, Table};

/// So much of a sum is shown: enough to be told from another by eye.
const SUM_LETTERS: usize = 12;

const SHOWN: &str = "the password after --to is in the list of processes and in your shell's history: \
                     next time say `--to postgres`, with the address in ROTA_POSTGRES_URL";

impl Session<'_> {
    /// `rota migrate`. For programs each step is a line, and so is what came of it.
    pub(super) async fn migrate(&self, args: &MigrateArgs) -> Result<u8, Failure> {
        let options = args.options()?;
        if args.shows_password() {
            self.remark(SHOWN);
        }
        let report = self
            .until_done(
                |tell, stop| self.house.migrate(&self.place, options, tell, stop),
                |counting, seen: MoveStep| {
                    counting.show_move(seen);
                    if self.output.is_json() { self.output.json_line(&seen) } else { Ok(()) }
                },
            )
            .await?;
        if self.output.is_json() {
            self.output.json_line(&report)?;
        } else {
            self.output.page(&page(&report))?;
        }
        Ok(if report.stopped { FailureKind::Refused.exit_code() } else { 0 })
    }
}

fn page(report: &MoveReport) -> Page {
    let mut page = Page::new();
    page.line(Style::Plain, &format!("from {}", report.from));
    page.line(Style::Plain, &format!("to   {}", report.to)).gap();
    for (what, rows) in [("board", &report.board), ("store", &report.store)] {
        if !rows.is_empty() {
            table(what, rows).onto(&mut page);
            page.gap();
        }
    }
    if report.dry_run {
        page.line(Style::Good, "nothing was moved");
        if report.resumed {
            page.line(Style::Plain, "the same command without --dry-run goes on where it stopped");
        }
        return page;
    }
    if report.stopped {
        page.line(Style::Warn, "stopped");
        page.line(
            Style::Plain,
            "the same command goes on from here; until then nobody works there",
        );
        return page;
    }
    page.line(Style::Good, "done").add(Style::Plain, ": both ends were read, and hold the same");
    for left in &report.left {
        page.line(Style::Dim, "left as it was").add(Style::Plain, &format!(": {left}"));
    }
    page.gap();
    page.line(Style::Warn, "write this into rota.toml").add(Style::Plain, ", then start daemons:");
    page.gap();
    for line in report.lines.lines() {
        page.line(Style::Plain, line);
    }
    page
}

fn table(what: &'static str, rows: &[MovedRows]) -> Table {
    let is_compared = rows.iter().any(|row| !row.sha256.is_empty());
    let mut columns = vec![what, "ROWS"];
    if is_compared {
        columns.push("SHA-256");
    }
    let mut table = Table::new(columns);
    for row in rows {
        let style = if row.rows == 0 { Style::Dim } else { Style::Plain };
        let mut cells = vec![(style, row.name.clone()), (style, row.rows.to_string())];
        if is_compared {
            cells.push((Style::Dim, row.sha256.chars().take(SUM_LETTERS).collect()));
        }
        table.row(cells);
    }
    table
}
