//! Commands that write files or texts for other programs: `init`, `schema`, `completions`, `man`.

use super::Session;
use crate::app::failure::{Failure, FailureKind};
use crate::app::house::SchemaKind;
use crate::cli::args::Cli;
use crate::cli::args::leantime::InitArgs;
use crate::cli::page::{Page, Style};
use clap::CommandFactory as _;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path};

/// The configuration among the files.
pub(super) const CONFIG: &str = "rota.toml";

/// What one can do after `rota init`.
const NEXT: [&str; 3] = ["rota check", "rota run-once daily-digest --dry-run", "rota serve"];

impl Session<'_> {
    /// `rota init`: what is there stays as it is.
    pub(super) async fn init(&self, args: &InitArgs) -> Result<u8, Failure> {
        let dir = &args.dir;
        let Some(url) = &args.leantime else { return self.write_files(dir, None) };
        match self.try_leantime(dir, url, args.key_from.clone()).await? {
            Some(config) => self.write_files(dir, Some(&config)),
            None => Ok(FailureKind::Refused.exit_code()),
        }
    }

    /// Writes what is not there yet; this text as the configuration, if there is one.
    fn write_files(&self, dir: &Path, config: Option<&str>) -> Result<u8, Failure> {
        let (mut written, mut kept) = (Vec::new(), Vec::new());
        for file in self.house.starter_files() {
            let content = config.filter(|_| file.path == CONFIG).unwrap_or(file.content);
            let list = if write_new(dir, file.path, content)? { &mut written } else { &mut kept };
            list.push(file.path);
        }
        let mut next: Vec<String> = NEXT.map(str::to_owned).to_vec();
        if config.is_some() {
            next.insert(1, "rota doctor".to_owned());
        }
        if dir != Path::new(".") {
            next[0] = format!("cd {} && {}", shell_word(&dir.display().to_string()), next[0]);
        }
        let mut page = Page::new();
        for path in &written {
            page.line(Style::Good, "wrote").add(Style::Plain, &format!(" {path}"));
        }
        for path in &kept {
            page.line(Style::Warn, "kept").add(Style::Plain, &format!("  {path} (it was there)"));
        }
        page.gap().line(Style::Bold, "next:");
        for command in &next {
            page.line(Style::Plain, &format!("  {command}"));
        }
        let folder = dir.display().to_string();
        let document = json!({ "folder": folder, "written": written, "kept": kept, "next": next });
        self.output.result(&document, &page)?;
        Ok(0)
    }

    /// `rota schema`.
    pub(super) fn schema(&self, kind: SchemaKind) -> Result<u8, Failure> {
        let text = self.house.schema(kind)?;
        let document: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| Failure::internal("the schema is not json").because(&error))?;
        if self.output.is_json() {
            self.output.result(&document, &Page::new())?;
        } else {
            self.output.verbatim(&format!("{}\n", text.trim_end()))?;
        }
        Ok(0)
    }

    /// `rota completions`.
    pub(super) fn completions(&self, shell: clap_complete::Shell) -> Result<u8, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "rota", &mut script);
        self.output.verbatim(&String::from_utf8_lossy(&script))?;
        Ok(0)
    }

    /// `rota man`.
    pub(super) fn man(&self, dir: Option<&Path>) -> Result<u8, Failure> {
        let Some(dir) = dir else {
            let mut manual = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut manual)
                .map_err(|error| Failure::internal("cannot write the manual").because(&error))?;
            self.output.verbatim(&String::from_utf8_lossy(&manual))?;
            return Ok(0);
        };
        let folder = dir.display().to_string();
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
            .map_err(|error| {
            Failure::io(FailureKind::Refused, format!("cannot write into {folder}"), &error)
        })?;
        let mut page = Page::new();
        page.line(Style::Good, "wrote").add(Style::Plain, &format!(" manual pages to {folder}"));
        self.output.result(&json!({ "folder": folder }), &page)?;
        Ok(0)
    }
}

/// Writes a file that is not there yet; whether it did.
fn write_new(dir: &Path, path: &str, content: &str) -> Result<bool, Failure> {
    let relative = Path::new(path);
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(Failure::internal(format!("{path} leads out of the folder")));
    }
    let path = dir.join(relative);
    let failed = |error: &std::io::Error| {
        Failure::io(FailureKind::Refused, format!("cannot write {}", path.display()), error)
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(&error))?;
    }
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut new) => {
            new.write_all(content.as_bytes()).map_err(|error| failed(&error))?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(&error)),
    }
}

/// A word that a shell takes as one.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-~+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
