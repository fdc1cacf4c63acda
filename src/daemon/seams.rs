//! Small bridges between rooms that do not know each other: templates and conditions for steps,
//! templates for reports.

use crate::domain::{Timestamp, Value};
use crate::expression::{Expression, STEP_NAMES, Scope};
use crate::runner::steps::{Condition, Fill};
use crate::template::{self, Templates};
use std::sync::Arc;

/// Fills in the arguments of steps.
#[derive(Debug)]
pub(super) struct Fills;

impl Fill for Fills {
    fn value(&self, template: &Value, context: &Value) -> Result<Value, String> {
        template::fill(template, context).map_err(|error| error.to_string())
    }

    fn text(&self, template: &str, context: &Value) -> Result<String, String> {
        template::fill_text(template, context).map_err(|error| error.to_string())
    }
}

/// Asks the conditions of steps.
#[derive(Debug)]
pub(super) struct Holds;

impl Condition for Holds {
    fn holds(&self, expression: &str, context: &Value) -> Result<bool, String> {
        let expression =
            Expression::compile(expression, &STEP_NAMES).map_err(|fault| fault.to_string())?;
        let now = context.get("now").and_then(Value::as_text);
        let now: Timestamp = now
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| "the context has no `now`".to_owned())?;
        let mut scope = Scope::new(now);
        for (name, value) in context.as_map().into_iter().flatten() {
            if name != "now" && STEP_NAMES.contains(&name.as_str()) {
                scope = scope.with(name, value.clone());
            }
        }
        expression.evaluate(&scope)
    }
}

/// Fills in the templates of reports.
pub(super) struct Reports {
    pub templates: Arc<Templates>,
}

impl crate::digest::Fill for Reports {
    fn fill(&self, template: &str, data: &Value) -> Result<String, String> {
        self.templates.render_escaped(template, data).map_err(|error| error.to_string())
    }

    fn has(&self, template: &str) -> bool {
        self.templates.has(template)
    }
}
