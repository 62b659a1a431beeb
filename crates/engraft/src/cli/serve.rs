//! `engraft serve`: what Engraft offers to other programs while it runs.

use clap::Args;
use engraft_serve::mcp::{Options, serve_memory};

use crate::agents::memory::{Encoder, StoreFlags};

#[derive(Args)]
pub(super) struct Serve {
    /// Serve the memory as an MCP server on standard input and output: remember, recall, vote, forget, history.
    #[arg(long, required = true)]
    memory: bool,
    /// The scope of calls that name none.
    #[arg(long, default_value = "")]
    scope: String,
    /// Who is written into the log.
    #[arg(long, value_name = "NAME", default_value = "mcp")]
    by: String,
    /// Find by words alone, without the encoder.
    #[arg(long)]
    words: bool,
    #[command(flatten)]
    store: StoreFlags,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let store = self.store.open()?;
        let encoder = if self.words {
            None
        } else {
            Encoder::of_user()?
        };
        let embedder =
            encoder.map(|encoder| Box::new(encoder) as Box<dyn engraft_memory::Embedder>);
        let options = Options {
            scope: self.scope,
            by: self.by,
            ..Options::default()
        };
        Ok(serve_memory(store, embedder, options)?)
    }
}
