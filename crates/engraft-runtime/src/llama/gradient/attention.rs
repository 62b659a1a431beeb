//! From slopes by what the heads of a block give to slopes by queries, keys and values.

use std::sync::Arc;

use crate::{
    Shape,
    cache::{PAGE, Page},
    matrix::Rows,
    team::Team,
    wide::wide,
};

/// One token's attention in a block.
pub(super) struct Attention<'a> {
    pub shape: Shape,
    /// Keys and values of all positions, the token's own last.
    pub pages: &'a [Arc<Page>],
    /// `[heads, positions]`
    pub weights: &'a [f32],
    /// `[heads, head_width]`, as it met the keys.
    pub query: &'a [f32],
}

/// Slopes by what attention read.
pub(super) struct Slopes {
    /// `[heads, head_width]`
    pub query: Vec<f32>,
    /// Of the token's own key and value, `[kv_heads, head_width]`.
    pub key: Vec<f32>,
    pub value: Vec<f32>,
    /// Of the keys, then the values, of the positions before: `[2, kv_heads, positions - 1, head_width]`.
    pub cache: Vec<f32>,
}

/// The same of the heads that share keys and values.
struct Group<'a> {
    query: &'a mut [f32],
    key: &'a mut [f32],
    value: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

impl Attention<'_> {
    /// From the slopes by what the heads give, `[heads, head_width]`.
    pub fn back(&self, slope: &[f32], team: &Team) -> Slopes {
        let (kv_heads, width) = (self.shape.kv_heads, self.shape.head_width);
        let cached = (self.positions() - 1) * width;
        let mut slopes = Slopes {
            query: vec![0.0; slope.len()],
            key: vec![0.0; kv_heads * width],
            value: vec![0.0; kv_heads * width],
            cache: vec![0.0; 2 * kv_heads * cached],
        };
        let (query, cache) = (Rows::new(&mut slopes.query), Rows::new(&mut slopes.cache));
        let (key, value) = (Rows::new(&mut slopes.key), Rows::new(&mut slopes.value));
        team.run(kv_heads, &|kv_head| {
            // SAFETY: what belongs to a head of keys and values is one tile's own.
            let group = unsafe {
                Group {
                    query: query.row(kv_head, slope.len() / kv_heads),
                    key: key.row(kv_head, width),
                    value: value.row(kv_head, width),
                    keys: cache.row(kv_head, cached),
                    values: cache.row(kv_heads + kv_head, cached),
                }
            };
            self.group_back(kv_head, slope, group);
        });
        slopes
    }

    fn positions(&self) -> usize {
        self.weights.len() / self.shape.heads
    }

    fn group_back(&self, kv_head: usize, slope: &[f32], group: Group<'_>) {
        let (width, positions) = (self.shape.head_width, self.positions());
        let first = kv_head * self.shape.heads / self.shape.kv_heads;
        for (head, by_query) in (first..).zip(group.query.chunks_exact_mut(width)) {
            let of_head = head * width..(head + 1) * width;
            let (query, slope) = (&self.query[of_head.clone()], &slope[of_head]);
            let weights = &self.weights[head * positions..(head + 1) * positions];
            let by_score = self.by_scores(kv_head, weights, slope);
            self.add_keys(kv_head, &by_score, by_query);
            let keys = group.keys.chunks_exact_mut(width).chain([&mut *group.key]);
            spread(&by_score, query, keys);
            let values = group.values.chunks_exact_mut(width);
            spread(weights, slope, values.chain([&mut *group.value]));
        }
    }

    /// Slopes by the products of a head's query with the keys, `[positions]`.
    fn by_scores(&self, kv_head: usize, weights: &[f32], slope: &[f32]) -> Vec<f32> {
        let width = slope.len();
        let scale = 1.0 / (width as f32).sqrt();
        let mut slopes = vec![0.0; weights.len()];
        wide(
            #[inline(always)]
            || {
                for (page, slopes) in self.pages.iter().zip(slopes.chunks_mut(PAGE)) {
                    let values = page.values.read();
                    let values = values[kv_head * PAGE * width..].chunks_exact(width);
                    for (by_weight, value) in slopes.iter_mut().zip(values) {
                        *by_weight = short_dot(value, slope);
                    }
                }
                let mean = short_dot(weights, &slopes);
                for (slope, weight) in slopes.iter_mut().zip(weights) {
                    *slope = weight * (*slope - mean) * scale;
                }
            },
        );
        slopes
    }

    /// Adds the keys by these factors, `[positions]`, to `out`, `[head_width]`.
    fn add_keys(&self, kv_head: usize, factors: &[f32], out: &mut [f32]) {
        let from = kv_head * out.len() * PAGE;
        wide(
            #[inline(always)]
            || {
                for (page, given) in self.pages.iter().zip(factors.chunks(PAGE)) {
                    let mut factors = [0.0; PAGE];
                    factors[..given.len()].copy_from_slice(given);
                    let keys = page.keys.read();
                    for (out, keys) in out.iter_mut().zip(keys[from..].chunks_exact(PAGE)) {
                        *out += short_dot(keys, &factors);
                    }
                }
            },
        );
    }
}

/// Adds a row, times each row's factor, to rows.
fn spread<'a>(factors: &[f32], row: &[f32], rows: impl Iterator<Item = &'a mut [f32]>) {
    wide(
        #[inline(always)]
        || {
            for (factor, out) in factors.iter().zip(rows) {
                for (out, x) in out.iter_mut().zip(row) {
                    *out = factor.mul_add(*x, *out);
                }
            }
        },
    );
}

/// Numbers that are summed side by side.
const LANES: usize = 16;

/// `sum x[i] y[i]` of rows too short for [`dot`](crate::wide::dot), in [`wide`] code.
#[inline(always)]
fn short_dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum = x.mul_add(*y, *sum);
        }
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    let rest = xs.remainder().iter().zip(ys.remainder());
    rest.fold(sums[0], |total, (x, y)| x.mul_add(*y, total))
}
