//! Messages as lines: one JSON-RPC message each way a line.
//!
//! A line that is no message is answered with an error of the protocol, and the next line is read. The
//! SDK's own transport drops such lines without a word, and a client would wait for an answer for good.

use std::{io, sync::Arc};

use rmcp::{
    ErrorData, RoleServer,
    model::{ClientJsonRpcMessage, ClientRequest, ErrorCode, RequestId, ServerJsonRpcMessage},
    transport::Transport,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Mutex, mpsc},
};

/// Longest line in bytes. The longest text that a memory takes fits in, however it is escaped, and what is
/// somewhat longer is refused by the tool that it was meant for.
const LONGEST: usize = 16 << 20;
/// Messages that are read ahead.
const AHEAD: usize = 16;

/// Both directions of a connection.
pub(super) struct Lines<W> {
    messages: mpsc::Receiver<ClientJsonRpcMessage>,
    writer: Arc<Mutex<W>>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Lines<W> {
    /// Begins to read.
    pub fn new<R: AsyncRead + Send + Unpin + 'static>(reader: R, writer: W) -> Self {
        let (sender, messages) = mpsc::channel(AHEAD);
        let writer = Arc::new(Mutex::new(writer));
        let answers = writer.clone();
        tokio::spawn(read(BufReader::new(reader), sender, answers));
        Self { messages, writer }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Transport<RoleServer> for Lines<W> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let writer = self.writer.clone();
        async move { write(&writer, &message).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.messages.recv().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.messages.close();
        self.writer.lock().await.shutdown().await
    }
}

/// Reads until the input ends or nobody wants messages any more.
async fn read<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    mut reader: BufReader<R>,
    sender: mpsc::Sender<ClientJsonRpcMessage>,
    writer: Arc<Mutex<W>>,
) {
    let mut line = Vec::new();
    let mut begun = false;
    while let Ok(Some(length)) = next_line(&mut reader, &mut line).await {
        let read = match length > LONGEST {
            true => Err(Refusal::too_long(length)),
            false => message(&line),
        };
        let done = match read {
            Ok(None) => continue,
            Ok(Some(message)) => {
                begun |= begins(&message);
                // The SDK ends at anything but a request before the client has begun.
                match begun || matches!(message, ClientJsonRpcMessage::Request(_)) {
                    true => sender.send(message).await.is_ok(),
                    false => continue,
                }
            }
            Err(refusal) => write(&writer, &refusal.answer()).await.is_ok(),
        };
        if !done {
            return;
        }
    }
}

/// Reads the next line into `line` and gives its length, or `None` at the end of input. What is longer
/// than [`LONGEST`] is counted and not kept.
async fn next_line<R: AsyncRead + Unpin>(
    reader: &mut BufReader<R>,
    line: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    line.clear();
    let mut length = 0;
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            // A line without an end is none: what the client had to say was cut off.
            return Ok(None);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        length += part.len();
        match length > LONGEST {
            true => *line = Vec::new(),
            false => line.extend_from_slice(part),
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}

/// What is answered to a line that is no message.
struct Refusal {
    code: ErrorCode,
    sentence: String,
    /// The request that it seems to be.
    id: Option<RequestId>,
}

impl Refusal {
    fn new(code: ErrorCode, sentence: String) -> Self {
        Self {
            code,
            sentence,
            id: None,
        }
    }

    fn answer(self) -> ServerJsonRpcMessage {
        ServerJsonRpcMessage::error(ErrorData::new(self.code, self.sentence, None), self.id)
    }

    fn too_long(length: usize) -> Self {
        Self::new(
            ErrorCode::INVALID_REQUEST,
            format!("this line has {length} bytes and {LONGEST} are the most; send less at once"),
        )
    }

    fn no_json(error: &serde_json::Error) -> Self {
        Self::new(
            ErrorCode::PARSE_ERROR,
            format!("this line is not JSON: {error}; send one JSON-RPC message a line"),
        )
    }

    fn no_message(value: &Value) -> Self {
        let id = value.get("id").cloned();
        let sentence = "this line is JSON and no JSON-RPC 2.0 message; it needs `jsonrpc`, `method` and, \
            for an answer, `id`";
        Self {
            id: id.and_then(|id| serde_json::from_value(id).ok()),
            ..Self::new(ErrorCode::INVALID_REQUEST, sentence.to_owned())
        }
    }
}

/// The message of a line, or nothing for an empty line.
fn message(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Refusal> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let message = serde_json::from_slice(line).map(Some);
    message.map_err(|_| match serde_json::from_slice(line) {
        Err(error) => Refusal::no_json(&error),
        Ok(value) => Refusal::no_message(&value),
    })
}

fn begins(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, ClientJsonRpcMessage::Request(request)
        if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &Mutex<W>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut writer = writer.lock().await;
    writer.write_all(&line).await?;
    writer.flush().await
}
