//! What single tokens attend to in the last block: the largest weight of all heads.

use engraft_runtime::{Probe, Row, Site};

/// Collects rows of attention of the tokens from a position on.
pub struct Rows {
    block: usize,
    from: usize,
    /// For each feed its rows `[positions]` in order, normalised.
    pub of_feed: Vec<Vec<Vec<f32>>>,
}

impl Rows {
    pub fn new(block: usize, from: usize, feeds: usize) -> Self {
        Self {
            block,
            from,
            of_feed: vec![Vec::new(); feeds],
        }
    }
}

impl Probe for Rows {
    fn wants(&self, site: Site) -> bool {
        site == Site::Attention(self.block)
    }

    fn at(&mut self, _site: Site, rows: &[Row], values: &mut [f32]) {
        for (row, heads) in rows
            .iter()
            .zip(values.chunks_exact(values.len() / rows.len()))
        {
            if row.position < self.from {
                continue;
            }
            let positions = row.position + 1;
            let mut largest = vec![0.0f32; positions];
            for head in heads.chunks_exact(positions) {
                let both = largest.iter_mut().zip(head);
                both.for_each(|(largest, weight)| *largest = largest.max(*weight));
            }
            super::columns::normalise(&mut largest);
            self.of_feed[row.feed].push(largest);
        }
    }
}
