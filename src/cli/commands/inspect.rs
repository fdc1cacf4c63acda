//! `check` and `doctor`: is everything as it should be?

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::{CheckReport, Finding, Health};
use crate::cli::args::bridge::DoctorArgs;
use crate::cli::page::{Page, Style, Table};
use serde_json::{Value, json};
use std::path::PathBuf;

impl Session<'_> {
    /// `rota check`.
    pub(super) async fn check(&self, paths: &[PathBuf]) -> Result<u8, Failure> {
        let report = self.house.check(&self.place, paths).await?;
        self.output.result(&check_document(&report), &check_page(&report))?;
        let faulty = report.faults.iter().any(|fault| fault.fatal);
        Ok(if faulty { FailureKind::Config.exit_code() } else { 0 })
    }

    /// `rota doctor`.
    pub(super) async fn doctor(&self, args: &DoctorArgs) -> Result<u8, Failure> {
        let findings = match args.options()? {
            Some(server) => self.house.visit(&server).await?,
            None => self.house.doctor(&self.place, args.asks_models()).await?,
        };
        self.output.result(&doctor_document(&findings), &doctor_page(&findings))?;
        let ill = findings.iter().any(|finding| finding.health == Health::Fail);
        Ok(if ill { FailureKind::Refused.exit_code() } else { 0 })
    }
}

fn check_page(report: &CheckReport) -> Page {
    let mut page = Page::new();
    for fault in &report.faults {
        page.text(&fault.rendered).gap();
    }
    let faults = report.faults.iter().filter(|fault| fault.fatal).count();
    let advice = report.faults.len() - faults;
    let read = counted(report.files.len(), "file");
    if faults == 0 {
        page.line(Style::Good, "ok").add(Style::Plain, &format!(": {read} checked"));
    } else {
        page.line(Style::Bad, &counted(faults, "fault"));
        page.add(Style::Plain, &format!(" in {read}"));
    }
    if advice > 0 {
        page.add(Style::Plain, &format!(", {}", counted(advice, "warning")));
    }
    page
}

fn check_document(report: &CheckReport) -> Value {
    let faults: Vec<Value> = report
        .faults
        .iter()
        .map(|fault| {
            json!({
                "fatal": fault.fatal,
                "file": fault.file.display().to_string(),
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
            })
        })
        .collect();
    let files: Vec<String> = report.files.iter().map(|file| file.display().to_string()).collect();
    json!({ "files": files, "faults": faults })
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn word(health: Health) -> (Style, &'static str) {
    match health {
        Health::Ok => (Style::Good, "ok"),
        Health::Warn => (Style::Warn, "warn"),
        Health::Fail => (Style::Bad, "fail"),
    }
}

pub(super) fn doctor_page(findings: &[Finding]) -> Page {
    let mut table = Table::new(["", "WHAT", "FOUND", "TO DO"]);
    for finding in findings {
        let (style, health) = word(finding.health);
        table.row([
            (style, health.to_owned()),
            (Style::Plain, finding.what.clone()),
            (Style::Plain, finding.found.clone()),
            (Style::Plain, finding.advice.clone()),
        ]);
    }
    let mut page = Page::new();
    table.onto(&mut page);
    page
}

fn doctor_document(findings: &[Finding]) -> Value {
    let checks: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "what": finding.what,
                "health": word(finding.health).1,
                "found": finding.found,
                "advice": finding.advice,
            })
        })
        .collect();
    json!({ "checks": checks })
}
