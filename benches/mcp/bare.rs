//! The bare counterpart: the SDK that our server is built on, with two tools that answer with what
//! stands in a file. No credential, no guard, no board.

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone)]
struct Bare(Arc<Value>);

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::default())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Made of values for each call, as every server makes its answer.
        let kept = self.0[request.name.as_ref()].clone();
        let result: CallToolResult = serde_json::from_value(kept).unwrap();
        Ok(result.into())
    }
}

/// Serves until the process is ended; prints its port.
pub async fn serve(answers: &Path) -> anyhow::Result<()> {
    let answers: Arc<Value> = Arc::new(serde_json::from_slice(&std::fs::read(answers)?)?);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let service = StreamableHttpService::new(
        move || Ok(Bare(Arc::clone(&answers))),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let router = axum::Router::new().route_service("/mcp", service);
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))),
        router,
    )
    .await?;
    Ok(())
}
