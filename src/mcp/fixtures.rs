//! What the official conformance suite calls beside our own tools, prompts and resources; in builds
//! with the feature `conformance` alone, and there where the program says so ([`serve`]). It stands where our handler stands, behind the same guard and
//! the same HTTP, so that the suite tries those.

#![expect(
    deprecated,
    reason = "older revisions have sampling and logging, and the suite asks for them"
)]

mod data;
mod rounds;
mod within;

use super::Handler;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicBool, Ordering};

static ARE_SERVED: AtomicBool = AtomicBool::new(false);

/// From now on they are served, by this process.
pub fn serve() {
    ARE_SERVED.store(true, Ordering::Relaxed);
}

pub(super) fn are_served() -> bool {
    ARE_SERVED.load(Ordering::Relaxed)
}

/// Our handler, and the suite's fixtures beside it.
#[derive(Clone)]
pub(super) struct Beside(Handler);

impl Beside {
    pub(super) fn new(handler: Handler) -> Self {
        tracing::warn!("built for the conformance suite: it serves tools that only test clients");
        Self(handler)
    }
}

/// A fixture as the SDK has it.
fn typed<T: DeserializeOwned>(json: Json) -> Result<T, ErrorData> {
    serde_json::from_value(json)
        .map_err(|error| ErrorData::internal_error(format!("a fixture is wrong: {error}"), None))
}

/// The same, for what is whole; of older revisions the SDK takes the word away.
fn whole<T: DeserializeOwned>(mut json: Json) -> Result<T, ErrorData> {
    json["resultType"] = json!("complete");
    typed(json)
}

impl ServerHandler for Beside {
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.0.initialize(request, context).await?;
        result.capabilities.logging = Some(typed(json!({}))?);
        Ok(result)
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        self.0.discover(context).await
    }

    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.0.list_tools(page, context).await?;
        listed.tools.extend(typed::<Vec<Tool>>(data::tools())?);
        Ok(listed)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.to_string();
        if let Some(result) = data::result(&name) {
            return Ok(CallToolResponse::Complete(whole(result)?));
        }
        if let Some(rounds) = rounds::of(&name, context.client_capabilities().as_ref()) {
            let given = (request.request_state.as_deref(), request.input_responses.as_ref());
            return Ok(match rounds.next(&name, given, self.0.seals())? {
                Some(question) => question.into(),
                None => CallToolResponse::Complete(whole(data::text("state-ok: all is answered"))?),
            });
        }
        let arguments = request.arguments.clone().unwrap_or_default();
        match within::call(&name, &arguments, &context).await {
            Some(result) => Ok(CallToolResponse::Complete(whole(result?)?)),
            None => self.0.call_tool(request, context).await,
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.0.get_task(request, context).await
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.update_task(request, context).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.cancel_task(request, context).await
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut listed = self.0.list_prompts(page, context).await?;
        listed.prompts.extend(typed::<Vec<_>>(data::prompts())?);
        Ok(listed)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.clone().unwrap_or_default();
        if let Some(rounds) = rounds::of(&request.name, context.client_capabilities().as_ref()) {
            let given = (request.request_state.as_deref(), request.input_responses.as_ref());
            if let Some(question) = rounds.next(&request.name, given, self.0.seals())? {
                return Ok(question.into());
            }
        }
        match data::prompt(&request.name, &arguments) {
            Some(prompt) => Ok(GetPromptResponse::Complete(whole(prompt)?)),
            None => self.0.get_prompt(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut listed = self.0.list_resources(page, context).await?;
        listed.resources.extend(typed::<Vec<_>>(data::resources())?);
        Ok(listed)
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut listed = self.0.list_resource_templates(page, context).await?;
        listed.resource_templates.extend(typed::<Vec<_>>(data::templates())?);
        Ok(listed)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(held) = data::content(&request.uri) else {
            return self.0.read_resource(request, context).await;
        };
        let read = ReadResourceResult::new(vec![typed(held)?]);
        Ok(read.with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.0.complete(request, context).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.subscribe(request, context).await
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.unsubscribe(request, context).await
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.0.accepted_subscription_filter(requested)
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        self.0.listen(subscription).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let tools: Vec<Tool> = typed(data::tools()).unwrap_or_default();
        tools.into_iter().find(|tool| tool.name == name).or_else(|| self.0.get_tool(name))
    }

    fn get_info(&self) -> ServerConfig {
        self.0.get_info()
    }
}
