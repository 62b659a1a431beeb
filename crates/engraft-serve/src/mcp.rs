//! A memory as a server of the Model Context Protocol: agents remember, recall, vote and forget through
//! five tools, over standard input and output.
//!
//! The store is asked one call at a time, in the order in which calls come in. Several servers may use
//! one store at once: what one of them writes, the others find at the next question.

mod handler;
mod lines;
mod memory;
mod shown;
mod tools;

use engraft_memory::{Embedder, Store};
use rmcp::service::{QuitReason, ServerInitializeError, serve_server};
use tokio::io::{AsyncRead, AsyncWrite};

use handler::Handler;
use lines::Lines;
use memory::Memory;

/// How a memory is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The scope of calls that name none. Empty for everything.
    pub scope: String,
    /// Who is written into the log.
    pub by: String,
    /// Items of an answer at most, where the call does not say.
    pub most: usize,
    /// Tokens of an answer (a quarter of its characters), where the call does not say.
    pub tokens: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scope: String::new(),
            by: "mcp".to_owned(),
            most: 10,
            tokens: 4000,
        }
    }
}

/// Why a server ended other than by its client.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the server cannot start ({0}); free some memory or threads and start it again")]
    Start(#[source] std::io::Error),
    #[error(
        "the client began in a way that the protocol does not know ({0}); look at the client's log"
    )]
    Beginning(#[source] Box<ServerInitializeError>),
    #[error(
        "the server broke off ({0}); start it again, the memory is as it was after the last answer"
    )]
    BrokeOff(String),
}

/// Serves a memory over standard input and output until the client closes them. Nothing but the protocol
/// may be written to standard output meanwhile.
///
/// # Errors
/// Where the machine gives no threads, or the client does not speak the protocol.
pub fn serve_memory(
    store: Box<dyn Store>,
    embedder: Option<Box<dyn Embedder>>,
    options: Options,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(ServeError::Start)?;
    let (reader, writer) = (tokio::io::stdin(), tokio::io::stdout());
    let served = runtime.block_on(serve_memory_on(reader, writer, store, embedder, options));
    // A thread may still wait for input that never comes.
    runtime.shutdown_background();
    served
}

/// Serves a memory over any two streams, one message a line, until `reader` ends.
///
/// # Errors
/// As [`serve_memory`].
pub async fn serve_memory_on<R, W>(
    reader: R,
    writer: W,
    store: Box<dyn Store>,
    embedder: Option<Box<dyn Embedder>>,
    options: Options,
) -> Result<(), ServeError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let handler = Handler::new(Memory::new(store, embedder, options));
    let running = match serve_server(handler, Lines::new(reader, writer)).await {
        Ok(running) => running,
        // The client left before it said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(ServeError::Beginning(Box::new(error))),
    };
    match running.waiting().await {
        Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
        Ok(other) => Err(ServeError::BrokeOff(format!("{other:?}"))),
        Err(error) => Err(ServeError::BrokeOff(error.to_string())),
    }
}
