//! A run's tools for its workspace: a den, the workspace of one task, and the agent that works there.

use super::den::Den;
use rota::domain::{Effect, Playbook, Reason, SandboxLevel, Value};
use rota::runner::workspace::{Files, Origin};
use rota::runner::{Signs, SignsEnd, Workspace};
use rota::tools::{Code, Context, ToolError, ToolResult};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub struct Bench {
    pub den: Den,
    pub workspace: Arc<Workspace>,
    pub files: Arc<Files>,
    pub context: Context,
    pub stop: CancellationToken,
    _shown: SignsEnd,
}

impl Bench {
    /// In a workspace of this level, with whatever else `change` makes of the playbook; with `is_git`
    /// it is a worktree of the repository `site`.
    pub async fn new(
        level: SandboxLevel,
        is_git: bool,
        change: impl FnOnce(&mut Playbook),
    ) -> Self {
        let den = Den::new(level, |book, _| {
            book.tools = vec!["*".to_owned()];
            change(book);
        })
        .await;
        let origin = is_git.then(|| den.repository("site"));
        Self::at(den, origin.as_ref()).await
    }

    /// In the workspace that a den has for its task.
    pub async fn at(den: Den, origin: Option<&Origin>) -> Self {
        let workspace = Arc::new(den.prepare("main-7", origin).await.unwrap());
        let (signs, shown) = Signs::channel(1_000);
        let stop = CancellationToken::new();
        let files = Arc::new(Files::new(&workspace, &signs, &stop, Duration::from_mins(10)));
        let mut context = den.house.agent(den.book.clone()).await;
        context.run.as_mut().unwrap().workspace = Some(files.clone() as Arc<dyn Code>);
        Self { den, workspace, files, context, stop, _shown: shown }
    }

    /// The workspace is left, and prepared again for the next run.
    pub async fn again(self, origin: Option<&Origin>) -> Self {
        let Self { den, workspace, .. } = self;
        drop(workspace);
        Box::pin(Self::at(den, origin)).await
    }

    pub fn folder(&self) -> PathBuf {
        self.workspace.folder().to_owned()
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.folder().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub async fn try_to(&self, tool: &str, args: Json) -> Result<ToolResult, ToolError> {
        let args: Value = serde_json::from_value(args).unwrap();
        self.den.house.tools.call(tool, args, &self.context).await
    }

    /// What a tool gives; it also has to fit its schema.
    #[track_caller]
    pub fn call<'a>(&'a self, tool: &'a str, args: Json) -> impl Future<Output = Json> + 'a {
        let called = format!("{tool}({args})");
        async move {
            let result = self.try_to(tool, args).await.unwrap_or_else(|e| panic!("{called}: {e}"));
            assert!(result.text.len() < 64 * 1024, "{called}: {} bytes", result.text.len());
            let value = serde_json::to_value(&result.value).unwrap();
            let schema = &*self.den.house.tools.definition(tool).unwrap().output_schema;
            let schema = serde_json::to_value(schema).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let faults: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
            assert!(faults.is_empty(), "{called}: {faults:?}");
            value
        }
    }

    /// Why a tool refuses.
    pub async fn refuses(&self, tool: &str, args: Json) -> (Reason, String) {
        let called = format!("{tool}({args})");
        match self.try_to(tool, args).await {
            Ok(result) => panic!("{called}: {}", result.text),
            Err(error) => (error.reason(), error.to_string()),
        }
    }

    /// What was journaled.
    pub fn effects(&self) -> Vec<Effect> {
        self.den.house.journal.effects.lock().unwrap().clone()
    }

    /// The paths of a listing.
    pub async fn paths(&self, args: Json) -> Vec<String> {
        let listing = self.call("codeList", args).await;
        let entries = listing["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["path"].as_str().unwrap().to_owned()).collect()
    }

    /// The upstream repository of `site`.
    pub fn upstream(&self) -> PathBuf {
        self.den.path().join("site")
    }
}

/// What a file holds; nothing where there is none.
pub fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
