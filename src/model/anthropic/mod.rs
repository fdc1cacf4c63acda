//! Messages: Anthropic's wire, and servers that speak the same.

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
const ADDRESS: &str = "https://api.anthropic.com/v1";

/// The revision of the wire.
const VERSION: &str = "2023-06-01";

/// The members of a request that are ours to write.
pub const RESERVED: &[&str] = &["model", "messages", "tools", "stream", "max_tokens"];

/// A model behind Messages.
#[derive(Debug)]
pub struct Anthropic {
    server: Server,
}

impl Anthropic {
    /// A client; nothing is sent.
    ///
    /// # Errors
    /// A text without a secret.
    pub fn new(options: ServerOptions) -> Result<Self, String> {
        let mut base = server::base(options.url.as_deref().unwrap_or(ADDRESS))?;
        // Both ways of writing a base are in use.
        let path = base.path().trim_end_matches('/').to_owned();
        if !path.ends_with("/v1") {
            base.set_path(&format!("{path}/v1"));
        }
        let fixed = [("anthropic-version", VERSION)];
        Ok(Self { server: Server::new(options, base, Auth::ApiKey, &fixed)? })
    }
}

#[async_trait]
impl Model for Anthropic {
    fn describe(&self) -> String {
        format!("anthropic:{}", self.server.options.model)
    }

    async fn exchange(&self, exchange: &Exchange, heard: &Heard<'_>) -> Result<Reply, ModelError> {
        let names = Names::new(exchange);
        let options = &self.server.options;
        let body = request::body(exchange, options, &names).to_string();
        let answered: Answered = self.server.read("messages", body, exchange, heard).await?;
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
        // Found by its name, so that short names of a model count, too.
        let path = format!("models/{}", self.server.options.model);
        if self.server.list(&path).await?.is_some() {
            return Ok(Look::Ready);
        }
        let list = self.server.list("models").await?;
        Ok(if list.is_some() { Look::NotListed } else { Look::NoList })
    }
}
