//! Plain steps: tools called one after the other, no model, no tokens.

use super::signs::Watch;
use super::{Job, Runner, Signs, ToolSession, WorkEnd};
use crate::domain::{Reason, RunState, Step, Usage, Value, Work};
use crate::expression::{Expression, STEP_NAMES, Scope};
use crate::tools::ToolError;
use async_trait::async_trait;
use futures::FutureExt as _;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Fills templates in: the seam to `template`.
pub trait Fill: Send + Sync + std::fmt::Debug {
    /// Every text in a value; a text that is exactly one `{{expression}}` becomes its value.
    fn value(&self, template: &Value, context: &Value) -> Result<Value, String>;
    /// One text.
    fn text(&self, template: &str, context: &Value) -> Result<String, String>;
}

/// Evaluates conditions: the seam to `expression`.
pub trait Condition: Send + Sync + std::fmt::Debug {
    /// Whether it holds.
    fn holds(&self, expression: &str, context: &Value) -> Result<bool, String>;
}

/// The house's own languages: `{{…}}` of `template`, conditions of `expression`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HouseLanguage;

impl Fill for HouseLanguage {
    fn value(&self, template: &Value, context: &Value) -> Result<Value, String> {
        crate::template::fill(template, context).map_err(|error| error.to_string())
    }

    fn text(&self, template: &str, context: &Value) -> Result<String, String> {
        crate::template::fill_text(template, context).map_err(|error| error.to_string())
    }
}

impl Condition for HouseLanguage {
    fn holds(&self, expression: &str, context: &Value) -> Result<bool, String> {
        let compiled = Expression::compile(expression, &STEP_NAMES).map_err(|e| e.to_string())?;
        let now = context.get("now").and_then(Value::as_text).and_then(|now| now.parse().ok());
        let mut scope = Scope::new(now.ok_or("`now` is missing in the run's context")?);
        for name in STEP_NAMES {
            if let Some(value) = context.get(name).filter(|_| name != "now") {
                scope = scope.with(name, value.clone());
            }
        }
        compiled.evaluate(&scope)
    }
}

/// Carries `[[step]]` out.
#[derive(Debug)]
pub struct StepsRunner {
    fill: Arc<dyn Fill>,
    condition: Arc<dyn Condition>,
}

impl StepsRunner {
    /// With the house's own languages.
    pub fn shipped() -> Self {
        Self::new(Arc::new(HouseLanguage), Arc::new(HouseLanguage))
    }

    /// With what fills templates in and evaluates conditions.
    pub fn new(fill: Arc<dyn Fill>, condition: Arc<dyn Condition>) -> Self {
        Self { fill, condition }
    }
}

#[async_trait]
impl Runner for StepsRunner {
    async fn work(
        &self,
        job: &Job,
        tools: &ToolSession,
        signs: &Signs,
        stop: CancellationToken,
    ) -> WorkEnd {
        let mut watch = Watch::start(&job.playbook.limits);
        let Work::Steps(steps) = &job.playbook.work else {
            return fail(Reason::ToolFailed, "the playbook has no steps".to_owned()).at(&watch);
        };
        let mut done = Done::default();
        for (index, step) in steps.iter().enumerate() {
            let number = index + 1;
            let items = match self.items(step, &job.context) {
                Ok(items) => items,
                Err(fault) => return fault.in_step(number).at(&watch),
            };
            for item in items {
                if let Some(overrun) = signs.overrun(&mut watch, &stop).now_or_never() {
                    let (state, reason) = overrun.state();
                    let detail = format!("before step {number}");
                    let usage = Usage { elapsed_ms: watch.elapsed_ms(), ..Usage::default() };
                    return WorkEnd::ended(state, reason, detail, usage);
                }
                match self.step(step, with_item(&job.context, item), tools, signs).await {
                    Ok(Some(changed)) => done.count(changed),
                    Ok(None) => {}
                    Err(Stop::Failed(fault)) => return fault.in_step(number).at(&watch),
                    Err(Stop::Fatal(error)) => {
                        let usage = Usage { elapsed_ms: watch.elapsed_ms(), ..Usage::default() };
                        return ToolSession::end_by(&error, usage);
                    }
                }
            }
        }
        let usage = Usage { elapsed_ms: watch.elapsed_ms(), ..Usage::default() };
        match tools.finished() {
            Some(ending) => WorkEnd::finished(ending, usage),
            None => WorkEnd::done(done.summary(), usage),
        }
    }
}

impl StepsRunner {
    /// The items of `each`; one `None` without it.
    fn items(&self, step: &Step, context: &Value) -> Result<Vec<Option<Value>>, Fault> {
        let Some(each) = &step.each else { return Ok(vec![None]) };
        let filled = self.fill.value(&Value::Text(each.clone()), context);
        match filled.map_err(|e| fail(Reason::TemplateFailed, format!("each: {e}")))? {
            // What findTasks and its like give is a page: its items are meant.
            Value::Map(mut page) if matches!(page.get("items"), Some(Value::List(_))) => {
                Ok(list(page.remove("items").unwrap_or_default())?)
            }
            other => list(other),
        }
    }

    /// Carries one step out for one item: whether it changed something, `None` when not at all.
    async fn step(
        &self,
        step: &Step,
        context: Value,
        tools: &ToolSession,
        signs: &Signs,
    ) -> Result<Option<bool>, Stop> {
        let template = |what: &str, e: String| {
            Stop::Failed(fail(Reason::TemplateFailed, format!("{what}: {e}")))
        };
        if let Some(when) = &step.when
            && !self.condition.holds(when, &context).map_err(|e| template("when", e))?
        {
            return Ok(None);
        }
        let args = self.fill.value(&step.args, &context).map_err(|e| template("args", e))?;
        let called = match &step.once {
            Some(once) => {
                let key = self.fill.text(once, &context).map_err(|e| template("once", e))?;
                tools.call_once(&step.tool, args, key).await
            }
            None => tools.call(&step.tool, args).await,
        };
        match called {
            Ok(result) => {
                let changed = result.value.get("changed").and_then(Value::as_bool) == Some(true);
                let what = result.value.get("entity").and_then(Value::as_text).unwrap_or("read");
                signs.line(&format!("{}: {what}", step.tool));
                Ok(Some(changed))
            }
            Err(error) if error.is_fatal() => Err(Stop::Fatal(error)),
            Err(error) => Err(Stop::Failed(fail(
                error.reason(),
                format!("{} was refused: {error}", step.tool),
            ))),
        }
    }
}

/// More items than this are a failure, never a silent cut.
const ITEMS_MAX: usize = 10_000;

fn list(value: Value) -> Result<Vec<Option<Value>>, Fault> {
    match value {
        Value::List(items) if items.len() > ITEMS_MAX => Err(fail(
            Reason::TemplateFailed,
            format!("each: {} items, at most {ITEMS_MAX}", items.len()),
        )),
        Value::List(items) => Ok(items.into_iter().map(Some).collect()),
        _ => Err(fail(
            Reason::TemplateFailed,
            "each: expected a list, such as \"{{gathered.tasks.items}}\"".to_owned(),
        )),
    }
}

fn with_item(context: &Value, item: Option<Value>) -> Value {
    let mut context = context.clone();
    if let (Value::Map(map), Some(item)) = (&mut context, item) {
        map.insert("item".to_owned(), item);
    }
    context
}

/// What ends the steps early.
enum Stop {
    Failed(Fault),
    Fatal(ToolError),
}

/// A step that could not be carried out.
struct Fault {
    reason: Reason,
    detail: String,
}

fn fail(reason: Reason, detail: String) -> Fault {
    Fault { reason, detail }
}

impl Fault {
    fn in_step(self, number: usize) -> Self {
        Self { detail: format!("step {number}: {}", self.detail), ..self }
    }

    fn at(self, watch: &Watch) -> WorkEnd {
        let usage = Usage { elapsed_ms: watch.elapsed_ms(), ..Usage::default() };
        WorkEnd::ended(RunState::Failed, self.reason, self.detail, usage)
    }
}

/// What the steps came to, in numbers.
#[derive(Default)]
struct Done {
    calls: u32,
    changes: u32,
}

impl Done {
    fn count(&mut self, changed: bool) {
        self.calls += 1;
        self.changes += u32::from(changed);
    }

    fn summary(&self) -> String {
        format!("{} calls, {} changes", self.calls, self.changes)
    }
}
