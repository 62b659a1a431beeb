//! Keys and values of a sequence, in pages that forks share.

mod numbers;

use std::sync::Arc;

pub(crate) use self::numbers::Numbers;
use crate::{
    causal::{Shape, Stream},
    matrix::{Precision, Rows},
    team::Team,
};

/// Positions of a page.
pub(crate) const PAGE: usize = 64;

/// Keys and values of 64 positions in one block of the network.
#[derive(Clone)]
pub(crate) struct Page {
    /// `[kv_heads, head_width, 64]`: a query meets all positions side by side.
    pub keys: Numbers,
    /// `[kv_heads, 64, head_width]`
    pub values: Numbers,
}

impl Page {
    /// Adds `[positions, head_width]` each to the first keys and values of a head, in full from now on.
    fn shift(&mut self, head: usize, width: usize, keys: &[f32], values: &[f32]) {
        let own = head * width * PAGE..(head + 1) * width * PAGE;
        let own_keys = &mut self.keys.in_full()[own.clone()];
        let own_values = &mut self.values.in_full()[own];
        for (at, key) in keys.chunks_exact(width).enumerate() {
            for (own, by) in own_keys.chunks_exact_mut(PAGE).zip(key) {
                own[at] += by;
            }
        }
        let values = own_values.iter_mut().zip(values);
        values.for_each(|(own, by)| *own += by);
    }
}

/// A sequence on its way through a [`Llama`](crate::Llama).
#[derive(Clone)]
pub struct Sequence {
    kv_heads: usize,
    head_width: usize,
    precision: Precision,
    len: usize,
    /// For every block its pages.
    pub(crate) blocks: Vec<Vec<Arc<Page>>>,
}

impl Sequence {
    pub(crate) fn new(shape: Shape, precision: Precision) -> Self {
        Self {
            kv_heads: shape.kv_heads,
            head_width: shape.head_width,
            precision,
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
            let empty = Numbers::zeros(heads * width * PAGE, self.precision);
            pages.push(Arc::new(Page {
                keys: empty.clone(),
                values: empty,
            }));
        }
        let page = Arc::make_mut(&mut pages[position / PAGE]);
        let at = position % PAGE;
        page.keys.write(key, 1, |row| row * PAGE + at);
        page.values
            .write(value, width, |head| (head * PAGE + at) * width);
    }

    /// A copy with a shift added to the keys and values of every block:
    /// `[2, kv_heads, positions, head_width]`, keys before values.
    ///
    /// # Panics
    /// A shift of another size.
    pub(crate) fn shifted(&self, shift: &[Vec<f32>], team: &Team) -> Self {
        let of_head = self.len * self.head_width;
        let sizes = shift.iter().map(Vec::len);
        assert!(
            sizes.eq(self.blocks.iter().map(|_| 2 * self.kv_heads * of_head)),
            "the shift belongs to another sequence"
        );
        let mut shifted = Self {
            precision: Precision::F32,
            ..self.clone()
        };
        let blocks = Rows::new(&mut shifted.blocks);
        team.run(shift.len(), &|block| {
            // SAFETY: every block is one tile's own.
            let pages = unsafe { blocks.row(block, 1) }.iter_mut().flatten();
            let mut pages: Vec<&mut Page> = pages.map(Arc::make_mut).collect();
            let (keys, values) = shift[block].split_at(self.kv_heads * of_head);
            let heads = keys
                .chunks(of_head.max(1))
                .zip(values.chunks(of_head.max(1)));
            for (head, (keys, values)) in heads.enumerate() {
                let of_page = PAGE * self.head_width;
                let parts = keys.chunks(of_page).zip(values.chunks(of_page));
                for (page, (keys, values)) in pages.iter_mut().zip(parts) {
                    page.shift(head, self.head_width, keys, values);
                }
            }
        });
        shifted
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
