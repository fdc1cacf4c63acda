//! What a tool is: one row of the one table.

use super::batch::Batch;
use super::registry::Parts;
use super::show::BulkView;
use super::write::Planned;
use super::{Context, ToolError, ToolKind, ToolResult, Toolset, arguments, beside};
use crate::domain::{Role, Value};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// One tool: everything that listings, schemas, help and documentation say of it.
pub struct Definition {
    /// The name, as Leantime spells it where Leantime has the tool.
    pub name: &'static str,
    /// A few words for people.
    pub title: &'static str,
    /// For a model: when to use it, units, an example.
    pub description: &'static str,
    /// Arguments that work, as JSON.
    pub example: &'static str,
    /// JSON Schema of the arguments.
    pub input_schema: Arc<MadeOnce>,
    /// JSON Schema of the result.
    pub output_schema: MadeOnce,
    /// What it does to the world.
    pub kind: ToolKind,
    /// What it is about.
    pub set: Toolset,
    /// The least role that may call it.
    pub role: Role,
    /// Hints for callers.
    pub annotations: Annotations,
    pub(super) handler: Handler,
}

impl Definition {
    /// Whether one call does many things, each reported for itself.
    pub fn is_bulk(&self) -> bool {
        matches!(self.handler, Handler::Bulk(..))
    }

    /// The tools for one of which this one makes several calls; none, where it makes none of another.
    pub(super) fn singles(&self) -> &'static [&'static str] {
        match self.handler {
            Handler::Bulk(singles, _) => singles,
            Handler::Answer(_) | Handler::Write(_) | Handler::Within(_) => &[],
        }
    }
}

impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definition").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Hints for callers, as MCP has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: bool,
    /// May remove something that cannot be brought back.
    pub destructive: bool,
    /// A second call with the same arguments changes nothing more.
    pub idempotent: bool,
}

/// A schema, made when somebody looks at it: most processes use a few tools of many.
pub type MadeOnce = LazyLock<Value, Box<dyn FnOnce() -> Value + Send>>;

/// An answer in the making.
pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, ToolError>>;

type Answers<T> = Box<dyn for<'a> Fn(&'a Parts, &'a Context, Value) -> Answer<'a, T> + Send + Sync>;

/// What carries a tool out.
pub(super) enum Handler {
    /// Looks, or asks the daemon.
    Answer(Answers<Value>),
    /// Says what is to be written; the guard does it.
    Write(Answers<Planned>),
    /// Says which single calls it stands for, all of these tools.
    Bulk(&'static [&'static str], Answers<Batch>),
    /// Does it all by itself, in the run's workspace and beside the board.
    Within(Answers<ToolResult>),
}

/// The words about a tool, before its types are known.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub example: &'static str,
}

impl Definition {
    /// A tool that only looks.
    pub(super) fn read<A: DeserializeOwned + JsonSchema + 'static, R: JsonSchema + 'static>(
        words: Words,
        role: Role,
        answer: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, Value>,
    ) -> Self {
        let annotations = Annotations { read_only: true, destructive: false, idempotent: true };
        let schema = schema_of::<A>();
        let handler = Handler::Answer(typed(words, &schema, answer));
        Self::new::<R>(words, schema, (ToolKind::Read, role), annotations, handler)
    }

    /// A tool that changes the daemon.
    pub(super) fn operate<A: DeserializeOwned + JsonSchema + 'static, R: JsonSchema + 'static>(
        words: Words,
        role: Role,
        idempotent: bool,
        answer: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, Value>,
    ) -> Self {
        let annotations = Annotations { read_only: false, destructive: false, idempotent };
        let schema = schema_of::<A>();
        let handler = Handler::Answer(typed(words, &schema, answer));
        Self::new::<R>(words, schema, (ToolKind::Operate, role), annotations, handler)
    }

    /// A tool that changes the board.
    pub(super) fn write<A: DeserializeOwned + JsonSchema + 'static, R: JsonSchema + 'static>(
        words: Words,
        role: Role,
        (destructive, idempotent): (bool, bool),
        plan: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, Planned>,
    ) -> Self {
        let annotations = Annotations { read_only: false, destructive, idempotent };
        let schema = write_schema_of::<A>(words.name);
        let handler = Handler::Write(typed(words, &schema, plan));
        Self::new::<R>(words, schema, (ToolKind::Write, role), annotations, handler)
    }

    /// A tool that stands for several calls of such as change the board, `singles`.
    pub(super) fn bulk<A: DeserializeOwned + JsonSchema + 'static>(
        words: Words,
        role: Role,
        (idempotent, singles): (bool, &'static [&'static str]),
        expand: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, Batch>,
    ) -> Self {
        let annotations = Annotations { read_only: false, destructive: false, idempotent };
        let schema = write_schema_of::<A>(words.name);
        let handler = Handler::Bulk(singles, typed(words, &schema, expand));
        Self::new::<BulkView>(words, schema, (ToolKind::Write, role), annotations, handler)
    }

    /// A tool that only looks into the run's workspace.
    pub(super) fn look<A: DeserializeOwned + JsonSchema + 'static, R: JsonSchema + 'static>(
        words: Words,
        role: Role,
        look: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, ToolResult>,
    ) -> Self {
        let annotations = Annotations { read_only: true, destructive: false, idempotent: true };
        let schema = schema_of::<A>();
        let handler = Handler::Within(typed(words, &schema, look));
        Self::new::<R>(words, schema, (ToolKind::Read, role), annotations, handler)
    }

    /// A tool that leaves something in the run's journal, and nothing on the board.
    pub(super) fn note<A: DeserializeOwned + JsonSchema + 'static, R: JsonSchema + 'static>(
        words: Words,
        role: Role,
        note: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, ToolResult>,
    ) -> Self {
        let annotations = Annotations { read_only: false, destructive: false, idempotent: false };
        let schema = schema_of::<A>();
        let handler = Handler::Within(typed(words, &schema, note));
        Self::new::<R>(words, schema, (ToolKind::Note, role), annotations, handler)
    }

    fn new<R: JsonSchema + 'static>(
        words: Words,
        input_schema: Arc<MadeOnce>,
        (kind, role): (ToolKind, Role),
        annotations: Annotations,
        handler: Handler,
    ) -> Self {
        Self {
            name: words.name,
            title: words.title,
            description: words.description,
            example: words.example,
            input_schema,
            output_schema: MadeOnce::new(Box::new(make_schema::<R>)),
            kind,
            // The table of nouns says which (`nouns::all`).
            set: Toolset::Run,
            role,
            annotations,
            handler,
        }
    }
}

fn typed<A: DeserializeOwned + JsonSchema + 'static, T: Send + 'static>(
    words: Words,
    schema: &Arc<MadeOnce>,
    answer: for<'a> fn(&'a Parts, &'a Context, A) -> Answer<'a, T>,
) -> Answers<T> {
    let schema = Arc::clone(schema);
    Box::new(move |parts, context, args| {
        match arguments::read::<A>(words.name, words.example, &schema, args) {
            Ok(args) => answer(parts, context, args),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    })
}

/// The schema of the arguments, for the listing and for whoever reads them.
fn schema_of<A: JsonSchema + 'static>() -> Arc<MadeOnce> {
    Arc::new(MadeOnce::new(Box::new(make_schema::<A>)))
}

/// The same, with what every writing tool takes.
fn write_schema_of<A: JsonSchema + 'static>(tool: &'static str) -> Arc<MadeOnce> {
    Arc::new(MadeOnce::new(Box::new(move || {
        let mut schema = make_schema::<A>();
        beside::add_to(tool, &mut schema);
        schema
    })))
}

/// The schema of a type, whole in itself: models and MCP clients follow no references.
fn make_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut value: Value = serde_json::from_value(schema.to_value())
        .unwrap_or_else(|_| Value::map([("type", "object")]));
    if let Value::Map(map) = &mut value {
        map.remove("title");
        map.remove("description");
        map.entry("type".to_owned()).or_insert_with(|| "object".into());
        map.entry("properties".to_owned()).or_insert_with(|| Value::Map(BTreeMap::new()));
    }
    value
}
