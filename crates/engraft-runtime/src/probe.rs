//! Looking into a forward pass, and changing what flows through it.

/// A place inside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// What enters block 0, `[rows, width]`.
    Embeddings,
    /// Attention weights in a block, one row at a time: `[heads, positions]`, each head's row summing
    /// to 1.
    Attention(usize),
    /// What the heads of a block give before the output projection, `[rows, heads * head_width]`.
    Heads(usize),
    /// The residual stream between attention and MLP of a block, `[rows, width]`.
    Middle(usize),
    /// The residual stream after a block, `[rows, width]`; the last one is before the final norm.
    After(usize),
}

/// Which token a row of values belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Place of its stream among the feeds of the pass.
    pub feed: usize,
    /// Place of the token in its stream, from 0.
    pub position: usize,
    /// Whether it is the last token of its feed, whose logits come out.
    pub last: bool,
}

/// Reads, and may change, the values at the sites it wants. What nobody wants costs nothing.
pub trait Probe {
    fn wants(&self, site: Site) -> bool;

    /// The values at a wanted site, one row after the other; what is changed here flows on.
    /// Long feeds come in chunks, each with its own call.
    fn at(&mut self, site: Site, rows: &[Row], values: &mut [f32]);
}

/// Wants nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blind;

impl Probe for Blind {
    fn wants(&self, _site: Site) -> bool {
        false
    }

    fn at(&mut self, _site: Site, _rows: &[Row], _values: &mut [f32]) {}
}
