//! What the server answers to each request of the protocol.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest,
        CustomResult, ErrorCode, Implementation, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    memory::Memory,
    tools::{self, Answer, Tool},
};

/// What clients may tell their model about this server.
const INSTRUCTIONS: &str = "A memory that stays when this conversation ends. Recall before you begin a \
    task: what was learned here may save you the search. Remember what will help again: facts, \
    preferences and decisions as notes, general rules as insights; one thing an item, in words that make \
    sense without this conversation, never secrets. When something no longer holds, remember what holds \
    now and name the old item in `supersedes`. Vote for items that helped and against those that misled.";

/// The methods that this server answers: a request for one of them that is not understood has wrong
/// parameters.
const METHODS: [&str; 4] = ["initialize", "ping", "tools/list", "tools/call"];

/// Answers requests out of a memory.
pub(super) struct Handler {
    /// Given to calls in the order in which they ask for it.
    memory: Arc<Mutex<Memory>>,
}

impl Handler {
    pub fn new(memory: Memory) -> Self {
        Self {
            memory: Arc::new(Mutex::new(memory)),
        }
    }

    /// Lets a tool work where it may block.
    async fn run(&self, tool: &'static Tool, arguments: Value) -> CallToolResult {
        let mut memory = self.memory.clone().lock_owned().await;
        let work = move || (tool.run)(&mut memory, arguments);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(answer)) => told(answer),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => {
                self.memory.lock().await.forget_index();
                failed(format!(
                    "`{}` broke off, which is a fault of engraft; nothing was changed by halves, so try \
                     it once more",
                    tool.name
                ))
            }
        }
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("engraft", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = tools::ALL.iter().map(Tool::described).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = tools::ALL.iter().find(|tool| tool.name == call.name) else {
            let names: Vec<&str> = tools::ALL.iter().map(|tool| tool.name).collect();
            let problem = format!(
                "there is no tool `{}`; there are {}",
                call.name,
                names.join(", ")
            );
            return Err(ErrorData::invalid_params(problem, None));
        };
        let arguments = Value::Object(call.arguments.unwrap_or_default());
        Ok(self.run(tool, arguments).await.into())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        Err(match METHODS.contains(&method.as_str()) {
            true => ErrorData::invalid_params(
                format!(
                    "the params of `{method}` are not those of the protocol; see its specification"
                ),
                None,
            ),
            false => ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("there is no method `{method}` here; this server has tools only"),
                None,
            ),
        })
    }
}

fn told(answer: Answer) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(answer.text)]);
    result.structured_content = Some(answer.data);
    result
}

fn failed(sentence: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(sentence)])
}
