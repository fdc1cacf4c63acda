//! `rota backup` and `rota restore`.

use super::Session;
use crate::app::failure::Failure;
use crate::app::house::BackupReport;
use crate::cli::call::{Args, Call, View};
use crate::cli::page::{Page, Style};
use crate::daemon::control::EXPORT;
use crate::domain::Value;
use std::path::Path;

impl Session<'_> {
    /// `rota backup`: whoever has the ledger open exports it, then both are packed.
    pub(super) async fn backup(&self, file: &Path) -> Result<u8, Failure> {
        self.answer_to(&Call::look(EXPORT, Args::new(), View::Text)).await?;
        let report = self.house.backup(&self.place, file).await?;
        self.output.result(&report, &page(&report, "written"))?;
        Ok(0)
    }

    /// `rota restore`: of a file, or of what a database's own means have put back.
    pub(super) async fn restore(&self, file: Option<&Path>) -> Result<u8, Failure> {
        let Some(file) = file else { return self.restored_database().await };
        let report = self.house.restore(&self.place, file).await?;
        let mut page = page(&report, "restored from");
        page.line(Style::Warn, "everything is stopped")
            .add(Style::Plain, " once the daemon starts: look at the board, then `rota start-all`");
        self.output.result(&report, &page)?;
        Ok(0)
    }
}

impl Session<'_> {
    async fn restored_database(&self) -> Result<u8, Failure> {
        let done = self.house.new_epoch(&self.place).await?;
        let epoch = done.get("epoch").and_then(Value::as_int).unwrap_or(0);
        let mut page = Page::new();
        page.line(Style::Good, &format!("fences go on in epoch {epoch}"));
        page.line(Style::Warn, "everything is stopped")
            .add(Style::Plain, ": look at the board, start the daemons, then `rota start-all`");
        let came = done.get("at_work").and_then(Value::as_list).unwrap_or_default();
        for daemon in came.iter().filter_map(Value::as_text) {
            page.line(Style::Warn, &format!("daemon {daemon} has come meanwhile"))
                .add(Style::Plain, ": end all daemons, and do this once more");
        }
        self.output.result(&done, &page)?;
        Ok(0)
    }
}

fn page(report: &BackupReport, what: &str) -> Page {
    let mut page = Page::new();
    page.line(Style::Good, what).add(Style::Plain, &format!(" {}", report.file.display()));
    let at = report.at.format("%Y-%m-%dT%H:%M:%SZ");
    page.line(Style::Plain, &format!("made  {at} by version {}", report.version));
    for (name, bytes) in &report.parts {
        page.line(Style::Plain, &format!("{name}  {bytes} bytes"));
    }
    page
}
