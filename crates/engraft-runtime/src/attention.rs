//! Attention of a few queries over the pages that all of them see.

mod added;

use std::sync::Arc;

use rten_simd::SimdOp;
use rten_vecmath::Softmax;

use self::added::{Added, soon};
use crate::cache::{PAGE, Page};

/// Numbers whose rows begin so far apart.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub &'a [f32], pub usize);

/// Weights of queries `[queries, head_width]`, each over so many first positions, into
/// `[queries, pages * 64]`: 0 from there on.
pub(crate) fn weights(
    queries: &[f32],
    positions: &[usize],
    kv_head: usize,
    pages: &[Arc<Page>],
    out: &mut [f32],
) {
    let (width, stride) = (queries.len() / positions.len(), pages.len() * PAGE);
    let scale = 1.0 / (width as f32).sqrt();
    let own = kv_head * width * PAGE..(kv_head + 1) * width * PAGE;
    out.fill(0.0);
    for (at, page) in pages.iter().enumerate() {
        if let Some(next) = pages.get(at + 1) {
            soon(&next.keys, own.clone());
        }
        soon(&page.values, own.clone());
        let scores = Added {
            rows: positions.len(),
            factors: Table(queries, width),
            columns: PAGE,
            out: &mut out[at * PAGE..],
            stride,
        };
        scores.of(&page.keys, own.clone());
    }
    for (out, &positions) in out.chunks_exact_mut(stride).zip(positions) {
        let (seen, beyond) = out.split_at_mut(positions);
        seen.iter_mut().for_each(|score| *score *= scale);
        Softmax::new_mut(seen).dispatch();
        beyond.fill(0.0);
    }
}

/// Means of the values of the first `positions` under weights `[queries, positions]`, into
/// `[queries, head_width]`.
pub(crate) fn mix(
    weights: Table<'_>,
    positions: usize,
    kv_head: usize,
    pages: &[Arc<Page>],
    width: usize,
    out: &mut [f32],
) {
    out.fill(0.0);
    for (at, page) in pages.iter().enumerate() {
        let seen = PAGE.min(positions - at * PAGE);
        let means = Added {
            rows: out.len() / width,
            factors: Table(&weights.0[at * PAGE..], weights.1),
            columns: width,
            out: &mut *out,
            stride: width,
        };
        let first = kv_head * PAGE * width;
        means.of(&page.values, first..first + seen * width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cache::Numbers, matrix::Precision};

    /// Numbers that 16 bits hold.
    fn some(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| ((at * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0;
        (0..count).map(number).collect()
    }

    #[test]
    fn queries_of_any_number_and_width_meet_every_position_they_see() {
        for (precision, width) in [8, 24, 64, 80, 128]
            .into_iter()
            .flat_map(|width| [(Precision::F32, width), (Precision::Int8, width)])
        {
            let (kv_heads, kv_head, last) = (2, 1, 70);
            let plain: Vec<[Vec<f32>; 2]> = (0..2)
                .map(|page| [0, 1].map(|which| some(kv_heads * width * PAGE, 5 * page + which)))
                .collect();
            let page = |[keys, values]: &[Vec<f32>; 2]| {
                let numbers = |all: &[f32]| {
                    let mut own = Numbers::zeros(all.len(), precision);
                    own.write(all, all.len(), |_| 0);
                    own
                };
                Arc::new(Page {
                    keys: numbers(keys),
                    values: numbers(values),
                })
            };
            let pages: Vec<Arc<Page>> = plain.iter().map(page).collect();
            for count in 1..=9 {
                let queries = some(count * width, 3);
                let positions: Vec<usize> = (0..count).map(|at| last - at).collect();
                let (mut weights, mut out) =
                    (vec![9.0; count * 2 * PAGE], vec![9.0; count * width]);
                super::weights(&queries, &positions, kv_head, &pages, &mut weights);
                mix(
                    Table(&weights, 2 * PAGE),
                    last,
                    kv_head,
                    &pages,
                    width,
                    &mut out,
                );
                for (query, &seen) in positions.iter().enumerate() {
                    let scores = (0..seen).map(|at| {
                        let products = (0..width).map(|column| {
                            let key =
                                plain[at / PAGE][0][(kv_head * width + column) * PAGE + at % PAGE];
                            f64::from(queries[query * width + column]) * f64::from(key)
                        });
                        (products.sum::<f64>() / (width as f64).sqrt()).exp()
                    });
                    let scores: Vec<f64> = scores.collect();
                    let total: f64 = scores.iter().sum();
                    for column in 0..width {
                        let values = scores.iter().enumerate().map(|(at, score)| {
                            let row = kv_head * PAGE + at % PAGE;
                            score / total * f64::from(plain[at / PAGE][1][row * width + column])
                        });
                        let (found, wanted) = (out[query * width + column], values.sum::<f64>());
                        assert!(
                            (f64::from(found) - wanted).abs() < 1e-5,
                            "{precision:?} {width} {count}: {found} instead of {wanted}"
                        );
                    }
                }
            }
        }
    }
}
