//! Conditions: `where` of `[select]` and `when` of a step. This is the only file that names CEL.
//!
//! A condition is a CEL expression over a few names (`task`, `project`, `now`, `agent`, …). It is
//! refused when it is read, not when it is asked, if it speaks of anything else. Instants are CEL
//! timestamps (`task.due < now + duration("72h")`), absent values are `null`
//! (`task.priority != null && task.priority <= 3`).
//!
//! Bounded: the length of the text, its nesting, macros within macros, and the work of one answer.
//! Patterns of `matches` are literals, so that nobody's text on a board is ever compiled.

#[cfg(test)]
mod tests;

use crate::domain::{Timestamp, Value};
use crate::fault::{nearest, shown};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelDouble, CelInt, CelNull, CelString, CelTimestamp};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// The functions of the language: made once, they cost more than most conditions.
static LANGUAGE: LazyLock<Arc<cel::Env>> = LazyLock::new(|| Arc::new(cel::Env::stdlib()));

/// What `where` may speak of.
pub const SELECT_NAMES: [&str; 4] = ["task", "project", "now", "agent"];
/// What a step's `when` may speak of.
pub const STEP_NAMES: [&str; 8] =
    ["task", "project", "now", "agent", "item", "gathered", "set", "run"];

/// The longest condition, in bytes.
const TEXT_MAX: usize = 2_000;
/// The deepest nesting.
const DEPTH_MAX: usize = 48;
/// Macros (`all`, `exists`, `map`, `filter`) within macros.
const LOOPS_MAX: u32 = 2;
/// The longest pattern of `matches`, in bytes.
const PATTERN_MAX: usize = 200;
/// The most steps of one answer, as far as they can be told beforehand.
const STEPS_MAX: u64 = 5_000_000;

/// Functions and methods that conditions may call (operators and macros aside).
const FUNCTIONS: [&str; 21] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];
/// Macros, for "did you mean".
const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];

/// Members that hold instants, wherever they stand.
const INSTANTS: [&str; 8] =
    ["due", "created", "modified", "work_from", "work_to", "at", "started", "ended"];

/// A condition, ready to be asked.
#[derive(Debug)]
pub struct Expression {
    text: String,
    root: IdedExpr,
    /// What it may speak of.
    names: Vec<String>,
    loops: u32,
    nodes: u64,
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the text.
    pub offset: usize,
}

/// What a condition is asked about.
#[derive(Clone, Debug)]
pub struct Scope {
    now: Timestamp,
    values: BTreeMap<String, Value>,
}

impl Scope {
    /// Knows only `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { now, values: BTreeMap::new() }
    }

    /// The same, with one more name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

/// What a condition is asked about, looked up only where it speaks of it.
pub trait Facts: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;

    /// The value of a name; `None`: there is no such name.
    fn whole(&self, name: &str) -> Option<Value>;

    /// A member of a name, where it is at hand without making the whole; `None`: look into that.
    fn member(&self, _name: &str, _member: &str) -> Option<Member<'_>> {
        None
    }
}

/// A member, as the whole would show it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Member<'a> {
    /// `null`.
    Null,
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// An instant.
    At(Timestamp),
}

impl Facts for Scope {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn whole(&self, name: &str) -> Option<Value> {
        self.values.get(name).cloned()
    }
}

/// Facts as the language asks for them.
struct Names<'a>(&'a dyn Facts);

impl VariableResolver for Names<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == "now" {
            return Some(CowVal::owned(CelTimestamp::from(self.0.now().fixed_offset())));
        }
        let Some((name, member)) = variable.split_once('.') else {
            let value = to_cel(variable, &self.0.whole(variable)?);
            return value.try_into().ok().map(CowVal::Owned);
        };
        Some(match self.0.member(name, member)? {
            Member::Null => CowVal::owned(CelNull),
            Member::Int(number) => CowVal::owned(CelInt::from(number)),
            Member::Float(number) => CowVal::owned(CelDouble::from(number)),
            Member::Text(text) => CowVal::owned(CelString::from(text)),
            Member::At(at) => CowVal::owned(CelTimestamp::from(at.fixed_offset())),
        })
    }
}

impl Expression {
    /// Reads a condition that may speak of these names.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn compile(text: &str, names: &[&str]) -> Result<Self, ExpressionFault> {
        let fault = |message: &str, offset| ExpressionFault { message: message.into(), offset };
        if text.len() > TEXT_MAX {
            return Err(fault("condition is longer than 2000 bytes", 0));
        }
        if text.trim().is_empty() {
            return Err(fault("condition is empty", 0));
        }
        if let Some(offset) = too_deep(text) {
            return Err(fault("condition is nested too deeply", offset));
        }
        let parser = cel::parser::Parser::new().max_recursion_depth(96).error_recovery_limit(4);
        let (root, places) = parser.parse_with_source_info(text).map_err(|errors| {
            let first = errors.errors.into_iter().min_by_key(|error| error.pos);
            first.map_or_else(
                || fault("condition cannot be read", 0),
                |error| ExpressionFault {
                    offset: offset_of(text, error.pos),
                    message: syntax(&error.msg),
                },
            )
        })?;
        let mut reader =
            Reading { names, text, places: &places, bound: Vec::new(), loops: 0, nodes: 0 };
        reader.read(&root, 0, 0)?;
        let (loops, nodes) = (reader.loops, reader.nodes);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { text: text.to_owned(), root, names, loops, nodes })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Why it cannot be said: a missing key, a value that is not a truth value, too much work.
    pub fn evaluate(&self, facts: &dyn Facts) -> Result<bool, String> {
        if self.steps(facts) > STEPS_MAX {
            return Err("condition would take too long: its lists are too long".to_owned());
        }
        let names = Names(facts);
        let mut context = cel::Context::with_env(Arc::clone(&LANGUAGE));
        context.set_variable_resolver(&names);
        match cel::Value::resolve(&self.root, &context) {
            Ok(cel::Value::Bool(truth)) => Ok(truth),
            Ok(other) => Err(format!("condition gives {}, not true or false", other.type_of())),
            Err(error) => Err(explain(&error)),
        }
    }

    /// How much work an answer is at most, as far as it can be told beforehand.
    fn steps(&self, facts: &dyn Facts) -> u64 {
        if self.loops == 0 {
            return self.nodes;
        }
        let values = self.names.iter().filter_map(|name| facts.whole(name));
        let longest = values.map(|value| longest(&value)).max().unwrap_or(0).max(1);
        // A list can be as long as all lists of the text, added up.
        let longest = longest.saturating_mul(self.nodes.max(1));
        longest.saturating_pow(self.loops).max(self.nodes)
    }
}

/// Why an answer failed, without the values that were met (they are the board's).
fn explain(error: &cel::ExecutionError) -> String {
    use cel::ExecutionError as E;
    match error {
        E::NoSuchKey(key) => format!("there is no `{}`", shown(key)),
        E::NoSuchOverload(overload) => {
            let operator = overload.function().replace(['_', '@'], "");
            format!("`{operator}` cannot take {}", overload.argument_types().join(" and "))
        }
        E::ValuesNotComparable(a, b) => {
            format!("{} cannot be compared with {}", a.type_of(), b.type_of())
        }
        E::UndeclaredReference(name) => format!("there is no `{}`", shown(name)),
        E::FunctionError { function, .. } => format!("`{}` failed", shown(function)),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "division by zero".to_owned(),
        E::Overflow(..) => "number is too large".to_owned(),
        E::IndexOutOfBounds(_) => "the list is not that long".to_owned(),
        E::InvalidArgumentCount { expected, actual } => {
            format!("{actual} arguments given, {expected} expected")
        }
        _ => "values are of the wrong type".to_owned(),
    }
}

/// The parser's message in fewer words.
fn syntax(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    match message.find(" expecting ") {
        Some(at) => format!("condition cannot be read: {}", shown(&message[..at])),
        None => format!("condition cannot be read: {}", shown(message)),
    }
}

/// The bytes before a line (from 1) and a column (from 0 or 1, as the parser pleases).
fn offset_of(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1) - 1;
    let column = usize::try_from(column).unwrap_or(0).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// Where brackets, or signs before a value, are nested deeper than the parser should be asked for.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut signs, mut ternaries) = (0_usize, 0_usize, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => ternaries += 1,
            _ => {}
        }
        match c {
            '!' | '-' => signs += 1,
            c if c.is_whitespace() => {}
            _ => signs = 0,
        }
        if depth > DEPTH_MAX || signs > DEPTH_MAX || ternaries > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

/// The walk over a condition that has just been parsed.
struct Reading<'a> {
    names: &'a [&'a str],
    text: &'a str,
    places: &'a SourceInfo,
    bound: Vec<String>,
    loops: u32,
    nodes: u64,
}

impl Reading<'_> {
    fn fault(&self, at: &IdedExpr, message: String) -> ExpressionFault {
        let mut offset = self.places.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        ExpressionFault { message, offset }
    }

    fn read(&mut self, at: &IdedExpr, depth: usize, loops: u32) -> Result<(), ExpressionFault> {
        self.nodes += 1;
        // Long chains (`a + b + c …`) lean to one side; they are as deep as they are long.
        if depth > 4 * DEPTH_MAX {
            return Err(self.fault(at, "condition is nested too deeply".to_owned()));
        }
        match &at.expr {
            Expr::Ident(name) => self.read_name(at, name),
            Expr::Select(select) => self.read(&select.operand, depth + 1, loops),
            Expr::Call(call) => {
                self.read_function(at, &call.func_name, &call.args)?;
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.read(part, depth + 1, loops)?;
                }
                Ok(())
            }
            Expr::List(list) => {
                list.elements.iter().try_for_each(|item| self.read(item, depth + 1, loops))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.read(&entry.key, depth + 1, loops)?;
                    self.read(&entry.value, depth + 1, loops)
                }
                EntryExpr::StructField(field) => self.read(&field.value, depth + 1, loops),
            }),
            Expr::Comprehension(walk) => {
                let loops = loops + 1;
                if loops > LOOPS_MAX {
                    let message = format!("more than {LOOPS_MAX} macros within each other");
                    return Err(self.fault(at, message));
                }
                self.loops = self.loops.max(loops);
                self.read(&walk.iter_range, depth + 1, loops)?;
                let outside = self.bound.len();
                self.bound.extend([walk.iter_var.clone(), walk.accu_var.clone()]);
                self.bound.extend(walk.iter_var2.clone());
                for part in [&walk.accu_init, &walk.loop_cond, &walk.loop_step, &walk.result] {
                    self.read(part, depth + 1, loops)?;
                }
                self.bound.truncate(outside);
                Ok(())
            }
            Expr::Struct(_) => Err(self.fault(at, "there are no types to build".to_owned())),
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified => Err(self.fault(at, "condition cannot be read".to_owned())),
        }
    }

    fn read_name(&self, at: &IdedExpr, name: &str) -> Result<(), ExpressionFault> {
        if self.names.contains(&name) || self.bound.iter().any(|bound| bound == name) {
            return Ok(());
        }
        let help = match nearest(name, self.names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are `{}`", self.names.join("`, `")),
        };
        Err(self.fault(at, format!("unknown name `{}`; {help}", shown(name))))
    }

    fn read_function(
        &self,
        at: &IdedExpr,
        name: &str,
        args: &[IdedExpr],
    ) -> Result<(), ExpressionFault> {
        if name == "matches" {
            let literal = args.last().and_then(|arg| match &arg.expr {
                Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
                _ => None,
            });
            if literal.is_none_or(|pattern| pattern.len() > PATTERN_MAX) {
                let message =
                    format!("`matches` needs a pattern in quotes of at most {PATTERN_MAX} bytes");
                return Err(self.fault(at, message));
            }
        }
        let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if operator || FUNCTIONS.contains(&name) {
            return Ok(());
        }
        let message = match nearest(name, FUNCTIONS.into_iter().chain(MACROS)) {
            Some(near) => format!("unknown function `{}`; did you mean `{near}`?", shown(name)),
            None => format!("unknown function `{}`", shown(name)),
        };
        Err(self.fault(at, message))
    }
}

/// The number of members of the longest list or object within a value.
fn longest(value: &Value) -> u64 {
    let (own, inner) = match value {
        Value::List(items) => (items.len(), items.iter().map(longest).max()),
        Value::Map(map) => (map.len(), map.values().map(longest).max()),
        _ => (0, None),
    };
    u64::try_from(own).unwrap_or(u64::MAX).max(inner.unwrap_or(0))
}

fn to_cel(key: &str, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(truth) => cel::Value::Bool(*truth),
        Value::Int(number) => cel::Value::Int(*number),
        Value::Float(number) => cel::Value::Float(*number),
        Value::Text(text) => INSTANTS
            .contains(&key)
            .then(|| chrono::DateTime::parse_from_rfc3339(text).ok())
            .flatten()
            .map_or_else(|| cel::Value::String(Arc::new(text.clone())), cel::Value::Timestamp),
        Value::List(items) => {
            cel::Value::List(Arc::new(items.iter().map(|item| to_cel("", item)).collect()))
        }
        Value::Map(map) => {
            let map: HashMap<String, cel::Value> =
                map.iter().map(|(key, value)| (key.clone(), to_cel(key, value))).collect();
            cel::Value::Map(map.into())
        }
    }
}
