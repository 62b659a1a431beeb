//! Scores of the few documents that a query touches, among room for all.

/// The scores of one query. Used again for the next one, it costs nothing for documents that are not
/// touched.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// By document number; not a number for those not touched.
    dense: Vec<f64>,
    /// The documents touched are the first `count` in here. There is room for one more than there are
    /// documents.
    touched: Vec<u32>,
    count: usize,
}

impl Scores {
    /// The score of a document, 0 if the query did not touch it.
    #[inline]
    pub fn get(&self, document: u32) -> f64 {
        self.touched_score(document).unwrap_or(0.0)
    }

    /// The score of a document that the query touched.
    #[inline]
    pub(crate) fn touched_score(&self, document: u32) -> Option<f64> {
        let score = self.dense.get(document as usize).copied();
        score.filter(|score| !score.is_nan())
    }

    /// The documents that hold a word of the query, in no particular order.
    pub fn touched(&self) -> &[u32] {
        &self.touched[..self.count]
    }

    pub(super) fn reset(&mut self, documents: usize) {
        for &document in &self.touched[..self.count] {
            self.dense[document as usize] = f64::NAN;
        }
        self.count = 0;
        self.dense.resize(documents, f64::NAN);
        self.touched.resize(documents + 1, 0);
    }

    /// Adds to the scores of documents. Written without a branch on whether a document is new, as nothing
    /// predicts that.
    pub(super) fn add(&mut self, scores: impl Iterator<Item = (u32, f64)>) {
        for (document, score) in scores {
            let place = &mut self.dense[document as usize];
            let new = place.is_nan();
            let before = if new { 0.0 } else { *place };
            *place = before + score;
            self.touched[self.count] = document;
            self.count += usize::from(new);
        }
    }
}
