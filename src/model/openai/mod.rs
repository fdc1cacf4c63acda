//! Chat Completions: `OpenAI`, and every server that speaks the same (Azure, `OpenRouter`, Ollama, vLLM,
//! llama.cpp, LM Studio, …).
//!
//! Servers differ in what they leave out and where they stray; what is read here is read so that each
//! difference either does not matter or is an error that says so.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use super::calls::Names;
use super::server::{self, Auth, Server, ServerOptions};
use super::{Exchange, Heard, Look, Model, ModelError, Reply};
use answer::Answered;
use async_trait::async_trait;

/// The provider's own address.
const ADDRESS: &str = "https://api.openai.com/v1";

/// The members of a request that are ours to write.
pub const RESERVED: &[&str] = &["model", "messages", "tools", "stream", "stream_options"];

/// A model behind Chat Completions.
#[derive(Debug)]
pub struct OpenAi {
    server: Server,
    /// Which member says how long a reply may be: newer models of the provider take only the newer.
    limit: &'static str,
}

impl OpenAi {
    /// A client; nothing is sent.
    ///
    /// # Errors
    /// A text without a secret.
    pub fn new(options: ServerOptions) -> Result<Self, String> {
        let mut base = server::base(options.url.as_deref().unwrap_or(ADDRESS))?;
        if base.path() == "/" {
            base.set_path("/v1");
        }
        let host = base.host_str().unwrap_or_default();
        let is_newer = host == "api.openai.com" || host.ends_with(".openai.azure.com");
        let limit = if is_newer { "max_completion_tokens" } else { "max_tokens" };
        Ok(Self { server: Server::new(options, base, Auth::Bearer, &[])?, limit })
    }
}

#[async_trait]
impl Model for OpenAi {
    fn describe(&self) -> String {
        format!("openai:{}", self.server.options.model)
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let names = Names::new(exchange);
        let options = &self.server.options;
        let body = request::body(exchange, options, &names, self.limit).to_string();
        let answered: Answered =
            self.server.read("chat/completions", body, exchange, heard).await?;
        answered.reply(exchange, &names, options.price.as_ref())
    }

    fn context(&self) -> Option<u64> {
        self.server.options.context
    }

    fn reply_max(&self) -> Option<u64> {
        Some(self.server.options.tokens_max)
    }

    fn is_priced(&self) -> bool {
        self.server.options.price.is_some()
    }

    async fn look(&self) -> Result<Look, ModelError> {
        let Some(list) = self.server.list("models").await? else { return Ok(Look::NoList) };
        let Some(models) = list.get("data").and_then(serde_json::Value::as_array) else {
            return Ok(Look::NoList);
        };
        let ours = self.server.options.model.as_str();
        let is_ours = |model: &serde_json::Value| model.get("id").is_some_and(|id| id == ours);
        Ok(if models.iter().any(is_ours) { Look::Ready } else { Look::NotListed })
    }
}
