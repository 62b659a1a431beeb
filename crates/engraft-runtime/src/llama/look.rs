//! Which rows look at a sequence together, and what they see.

use std::{ops::Range, sync::Arc};

use crate::{
    Row, Shape,
    attention::{self, Table},
    cache::{PAGE, Page, Sequence},
};

/// Rows of a sequence that look at it together.
const SPAN: usize = 8;

/// The rows in spans of neighbours of one feed.
pub(super) fn spans(at: &[Row]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (row, here) in at.iter().enumerate() {
        match spans.last_mut() {
            Some(span) if span.len() < SPAN && at[span.start].feed == here.feed => span.end += 1,
            _ => spans.push(row..row + 1),
        }
    }
    spans
}

/// What the queries of a block see.
pub(super) struct Look<'a> {
    pub shape: Shape,
    pub index: usize,
    pub streams: &'a [&'a Sequence],
    pub at: &'a [Row],
    /// `[rows, heads * head_width]`
    pub q: &'a [f32],
}

impl Look<'_> {
    /// Query heads that share keys and values.
    pub fn shared(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    /// The pages that a span sees, and the positions that its last row does.
    fn seen(&self, span: &Range<usize>) -> (&[Arc<Page>], usize) {
        let last = &self.at[span.end - 1];
        let pages = &self.streams[last.feed].blocks[self.index];
        (&pages[..last.position / PAGE + 1], last.position + 1)
    }

    /// Attention weights of a span's rows, `[rows, shared, pages * 64]`.
    pub fn weights(&self, span: Range<usize>, kv_head: usize) -> Vec<f32> {
        let of_row = self.shared() * self.shape.head_width;
        let row = self.shape.heads * self.shape.head_width;
        let (pages, _) = self.seen(&span);
        let (mut queries, mut positions) = (Vec::new(), Vec::new());
        for at in span {
            queries.extend_from_slice(&self.q[at * row + kv_head * of_row..][..of_row]);
            positions.extend(vec![self.at[at].position + 1; self.shared()]);
        }
        let mut weights = vec![0.0; positions.len() * pages.len() * PAGE];
        attention::weights(&queries, &positions, kv_head, pages, &mut weights);
        weights
    }

    /// What the span's heads give under their weights, `[rows, shared, head_width]`.
    pub fn mix(&self, span: Range<usize>, kv_head: usize, weights: Table<'_>, out: &mut [f32]) {
        let (pages, positions) = self.seen(&span);
        attention::mix(
            weights,
            positions,
            kv_head,
            pages,
            self.shape.head_width,
            out,
        );
    }
}
