//! What a run notes of somebody's work, and which checks it has run: beside the board, and in the
//! run's journal.

use super::tasks::refuse;
use crate::domain::{CODE_COMMENT, Finding, RUN_CHECK, Reason, Role, Severity, Value};
use crate::tools::arguments::{nearest, shown};
use crate::tools::code::CheckEnd;
use crate::tools::definition::{Definition, Words};
use crate::tools::noted::{Noted, note, workspace};
use crate::tools::registry::Parts;
use crate::tools::{Code, Context, RunContext, ToolError, ToolResult, show};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A run notes at most so many findings, those from before included.
const FINDINGS_MAX: usize = 200;
/// The longest texts of a finding.
const TEXT_CHARS_MAX: usize = 4_000;
/// So much of a check's output is told, and so much is journaled: the end of it.
const TOLD_CHARS_MAX: usize = 12_000;
const OUTPUT_CHARS_MAX: usize = 2_000;

pub(super) fn tools() -> Vec<Definition> {
    vec![
        Definition::note::<CodeComment, FindingView>(
            Words {
                name: CODE_COMMENT,
                title: "Note a finding",
                description: "Notes one thing that is wrong, or worth knowing, in the work under review. \
                    All that is noted becomes one review at the end of the run; nothing is written to \
                    the board before. file and line: where it is; leave them out for the work as a \
                    whole. settles: the number of an earlier finding that is settled now, and nothing \
                    else. Example: {\"file\": \"src/lib.rs\", \"line\": 12, \"severity\": \"major\", \
                    \"text\": \"An empty list panics here.\", \"suggestion\": \"Use first().\"}.",
                example: r#"{"file": "src/lib.rs", "line": 12, "severity": "major", "text": "An empty list panics here."}"#,
            },
            Role::Commenter,
            |parts, context, args| Box::pin(comment(parts, context, args)),
        ),
        Definition::note::<RunCheck, CheckView>(
            Words {
                name: RUN_CHECK,
                title: "Run a check",
                description: "Runs one of the checks that the playbook names, in the run's workspace, and \
                    says whether it passed and what it wrote last. It may take minutes. A check that \
                    does not pass is an answer, no error. Example: {\"name\": \"tests\"}.",
                example: r#"{"name": "tests"}"#,
            },
            Role::Commenter,
            |parts, context, args| Box::pin(check(parts, context, args)),
        ),
    ]
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CodeComment {
    /// The file, from the workspace's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// note, minor, major or blocker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    /// What is wrong, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
    /// The number of an earlier finding that is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settles: Option<u32>,
}

/// A finding that was noted.
#[derive(Serialize, JsonSchema)]
struct FindingView {
    /// Its number.
    number: u32,
    /// Where it is.
    at: String,
    /// How much it matters.
    severity: String,
    /// Whether it is settled.
    is_settled: bool,
    /// How many findings are open now.
    open: usize,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunCheck {
    /// The name of the check.
    name: String,
}

/// What came of a check.
#[derive(Serialize, JsonSchema)]
struct CheckView {
    /// The check.
    name: String,
    /// Whether it passed.
    passed: bool,
    /// How it ended.
    status: String,
    /// Its exit code, where it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// The end of what it wrote.
    output: String,
    /// Bytes of its output that were not kept.
    dropped: u64,
}

async fn comment(
    parts: &Parts,
    context: &Context,
    args: CodeComment,
) -> Result<ToolResult, ToolError> {
    let (run, code) = workspace(context, CODE_COMMENT)?;
    let finding = match args.settles {
        Some(number) => settled(run, &args, number)?,
        None => found(run, code, &args).await?,
    };
    let after = show::value(&finding);
    let act = std::future::ready(Ok((after, finding)));
    let (finding, effect) = match note(parts, run, (CODE_COMMENT, show::value(&args)), act).await? {
        Noted::Now(finding, effect) => (finding, effect),
        Noted::Before(result) => return Ok(result),
    };
    run.tally.note_finding(finding.clone());
    let open = run.tally.findings().iter().filter(|known| !known.is_settled).count();
    let value = show::value(&FindingView {
        number: finding.number,
        at: finding.to_string(),
        severity: finding.severity.to_string(),
        is_settled: finding.is_settled,
        open,
    });
    Ok(ToolResult { text: show::text(&value), value, effect: Some(effect) })
}

/// An earlier finding, settled.
fn settled(run: &RunContext, args: &CodeComment, number: u32) -> Result<Finding, ToolError> {
    let says_more = args.file.is_some() || args.line.is_some() || args.suggestion.is_some();
    if says_more || args.severity.is_some() || args.text.is_some() {
        return Err(refuse("settles stands alone: what is new is a finding of its own"));
    }
    let known = run.tally.findings();
    let open: Vec<&Finding> = known.iter().filter(|finding| !finding.is_settled).collect();
    if let Some(finding) = open.iter().find(|finding| finding.number == number) {
        return Ok(Finding { is_settled: true, ..(*finding).clone() });
    }
    let numbers: Vec<String> = open.iter().map(|finding| finding.number.to_string()).collect();
    let numbers = if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") };
    Err(refuse(&format!("settles: finding {number} is not open; open are: {numbers}")))
}

/// A new finding.
async fn found(
    run: &RunContext,
    code: &dyn Code,
    args: &CodeComment,
) -> Result<Finding, ToolError> {
    let severity = severity_of(args.severity.as_deref())?;
    let text = text_of("text", args.text.as_deref())?;
    let text = text.ok_or_else(|| refuse("text: say what is wrong"))?;
    let suggestion = text_of("suggestion", args.suggestion.as_deref())?;
    let known = run.tally.findings();
    if known.len() >= FINDINGS_MAX {
        let message =
            format!("{FINDINGS_MAX} findings are noted, which is all that a review holds");
        return Err(ToolError::rejected(Reason::ScopeMax, message));
    }
    match (&args.file, args.line) {
        (None, Some(_)) => return Err(refuse("line: of which file? Name it as file")),
        (_, Some(0)) => return Err(refuse("line: lines are counted from 1")),
        (Some(file), line) => {
            let lines = code.lines(file).await?;
            if let (Some(lines), Some(line)) = (lines, line.map(u64::from))
                && line > lines
            {
                let file = shown(file);
                return Err(refuse(&format!("line: {file} has {lines} lines")));
            }
        }
        (None, None) => {}
    }
    let last = known.iter().map(|finding| finding.number).max().unwrap_or(0);
    Ok(Finding {
        number: last.saturating_add(1),
        file: args.file.clone(),
        line: args.line,
        severity,
        text,
        suggestion,
        is_settled: false,
    })
}

fn severity_of(given: Option<&str>) -> Result<Severity, ToolError> {
    let given = given.map(|given| given.trim().to_lowercase());
    let found = Severity::ALL.iter().find(|(name, _)| Some(*name) == given.as_deref());
    let names = Severity::ALL.map(|(name, _)| name).join(", ");
    found
        .map(|(_, severity)| *severity)
        .ok_or_else(|| refuse(&format!("severity: expected one of {names}")))
}

fn text_of(name: &str, given: Option<&str>) -> Result<Option<String>, ToolError> {
    let given = given.map(str::trim).filter(|given| !given.is_empty());
    if given.is_some_and(|given| given.chars().count() > TEXT_CHARS_MAX) {
        return Err(refuse(&format!("{name}: at most {TEXT_CHARS_MAX} characters")));
    }
    Ok(given.map(str::to_owned))
}

async fn check(parts: &Parts, context: &Context, args: RunCheck) -> Result<ToolResult, ToolError> {
    let (run, code) = workspace(context, RUN_CHECK)?;
    let names = code.checks();
    if !names.contains(&args.name) {
        let near = nearest(&args.name, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        let there = if names.is_empty() {
            "the playbook has no [checks]".to_owned()
        } else {
            format!("the playbook's checks are {}", names.join(", "))
        };
        let message = format!("name: there is no check \"{}\": {there}{hint}", shown(&args.name));
        return Err(ToolError::rejected(Reason::InvalidArguments, message));
    }
    let act = async {
        let end = code.check(&args.name).await?;
        Ok((journaled(&end), end))
    };
    let asked = (RUN_CHECK, show::value(&args));
    let (end, effect) = match note(parts, run, asked, act).await? {
        Noted::Now(end, effect) => (end, effect),
        Noted::Before(result) => return Ok(result),
    };
    let word = if end.passed { "passed" } else { "did not pass" };
    let mut text = format!("{} {word}: {}\n", args.name, end.status);
    let output = end_of(&end.output, TOLD_CHARS_MAX);
    let cut = u64::try_from(end.output.len() - output.len()).unwrap_or(0);
    let dropped = end.dropped.saturating_add(cut);
    if dropped > 0 {
        let _ = writeln!(text, "({dropped} bytes of its output are left out)");
    }
    text.push_str(&output);
    let value = show::value(&CheckView {
        name: args.name,
        passed: end.passed,
        status: end.status,
        exit_code: end.exit_code,
        output,
        dropped,
    });
    Ok(ToolResult { text: text.trim_end().to_owned(), value, effect: Some(effect) })
}

/// The last so many characters.
fn end_of(text: &str, chars_max: usize) -> String {
    text.chars().skip(text.chars().count().saturating_sub(chars_max)).collect()
}

/// What is written down of a check.
fn journaled(end: &CheckEnd) -> Value {
    Value::map([
        ("passed", Value::from(end.passed)),
        ("exit_code", end.exit_code.into()),
        ("status", end.status.as_str().into()),
        ("output", end_of(&end.output, OUTPUT_CHARS_MAX).into()),
    ])
}
