//! Keys and values of a sequence, in pages that forks share.

use std::sync::Arc;

use crate::causal::{Shape, Stream};

/// Positions of a page.
pub(crate) const PAGE: usize = 64;

/// Keys and values of 64 positions in one block of the network.
#[derive(Clone)]
pub(crate) struct Page {
    /// `[kv_heads, head_width, 64]`: a query meets all positions side by side.
    pub keys: Vec<f32>,
    /// `[kv_heads, 64, head_width]`
    pub values: Vec<f32>,
}

/// A sequence on its way through a [`Llama`](crate::Llama).
#[derive(Clone)]
pub struct Sequence {
    kv_heads: usize,
    head_width: usize,
    len: usize,
    /// For every block its pages.
    pub(crate) blocks: Vec<Vec<Arc<Page>>>,
}

impl Sequence {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            kv_heads: shape.kv_heads,
            head_width: shape.head_width,
            len: 0,
            blocks: vec![Vec::new(); shape.blocks],
        }
    }

    /// Writes key and value `[kv_heads * head_width]` of a position; pages that a fork shares are
    /// copied first.
    pub(crate) fn write(&mut self, block: usize, position: usize, key: &[f32], value: &[f32]) {
        let (heads, width) = (self.kv_heads, self.head_width);
        let pages = &mut self.blocks[block];
        if pages.len() <= position / PAGE {
            let empty = vec![0.0; heads * width * PAGE];
            pages.push(Arc::new(Page {
                keys: empty.clone(),
                values: empty,
            }));
        }
        let page = Arc::make_mut(&mut pages[position / PAGE]);
        let at = position % PAGE;
        for (row, &key) in key.iter().enumerate() {
            page.keys[row * PAGE + at] = key;
        }
        for (head, value) in value.chunks_exact(width).enumerate() {
            let from = (head * PAGE + at) * width;
            page.values[from..from + width].copy_from_slice(value);
        }
    }

    pub(crate) fn grow(&mut self, tokens: usize) {
        self.len += tokens;
    }
}

impl Stream for Sequence {
    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let pages = self.len.div_ceil(PAGE);
        for block in &mut self.blocks {
            block.truncate(pages);
        }
    }
}
