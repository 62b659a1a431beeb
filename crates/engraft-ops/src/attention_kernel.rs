//! Attention on CPU slices: a task takes the query heads that share one key head, a tile of queries
//! at a time, and keeps only the log-sum-exp of each row.

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Shape, Tensor};

use crate::flex::{each, tensor, wide, zeros};
use crate::float::{exp_in_place, max, sum};
use crate::matrix::{Matrix, Target, Threads, multiply};
use crate::node::{Input, Saved, run};

/// Queries a tile holds: its scores stay in the second-level cache for contexts of a few thousand.
const TILE: usize = 64;

pub(crate) fn attention(inputs: [Input; 3], causal: bool) -> Tensor<4> {
    run(inputs, |inputs, _| {
        let [q, k, v] = inputs.map(forward_strides);
        let plan = Plan::of([&q, &k, &v], causal);
        let (output, log_sums) = plan.forward(&q, &k, &v);
        let saved = Attended {
            plan,
            q,
            k,
            v,
            log_sums,
        };
        (output, saved)
    })
}

/// Strides that only go forward; heads cut from one projection are read where they lie.
pub(crate) fn forward_strides(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&stride| stride >= 0) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

#[derive(Clone, Debug)]
struct Attended {
    plan: Plan,
    q: FlexTensor,
    k: FlexTensor,
    v: FlexTensor,
    /// `[batch, heads, queries]`
    log_sums: Vec<f32>,
}

impl Saved<3> for Attended {
    fn backward(self, upstream: FlexTensor, needed: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let gradients = self.plan.backward(&self, &forward_strides(upstream));
        let mut needed = needed.into_iter();
        gradients.map(|gradient| needed.next().unwrap_or(false).then_some(gradient))
    }
}

/// Sizes of one call.
#[derive(Clone, Copy, Debug)]
struct Plan {
    batch: usize,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    causal: bool,
    scale: f32,
}

/// The part of one call that belongs to a key head: rows of the output, a list for each query head.
type HeadRows<'a> = Vec<&'a mut [f32]>;

impl Plan {
    fn of(inputs: [&FlexTensor; 3], causal: bool) -> Self {
        let [query, key, value] = inputs.map(|tensor| tensor.layout().shape());
        assert_eq!(query[0], key[0], "batch of queries and keys");
        assert_eq!(query[3], key[3], "width of queries and keys");
        assert_eq!(
            key[..3],
            value[..3],
            "batch, heads and tokens of keys and values"
        );
        assert!(
            key[1] > 0 && query[1].is_multiple_of(key[1]),
            "{} query heads cannot share {} key heads",
            query[1],
            key[1]
        );
        Self {
            batch: query[0],
            heads: query[1],
            kv_heads: key[1],
            queries: query[2],
            keys: key[2],
            width: query[3],
            value_width: value[3],
            causal,
            scale: 1.0 / (query[3] as f32).sqrt(),
        }
    }

    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Number of keys that query `row` sees; at least 1.
    fn visible(&self, row: usize) -> usize {
        if self.causal {
            row + 1 + self.keys - self.queries
        } else {
            self.keys
        }
    }

    fn tiles(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let queries = self.queries;
        (0..queries)
            .step_by(TILE)
            .map(move |start| start..(start + TILE).min(queries))
    }

    fn forward(&self, q: &FlexTensor, k: &FlexTensor, v: &FlexTensor) -> (FlexTensor, Vec<f32>) {
        let mut output = zeros(self.batch * self.heads * self.queries * self.value_width);
        let mut log_sums = vec![0.0; self.batch * self.heads * self.queries];
        let rows = head_rows(&mut output, self.queries, self.heads, self.value_width);
        let sums = log_sums.chunks_mut(self.queries.max(1));
        each(
            rows.into_iter().zip(sums).enumerate().collect(),
            |(index, (rows, sums))| {
                let (item, head) = (index / self.heads, index % self.heads);
                let kv = head / self.group();
                let q = view(q, item, head);
                self.head_forward(&q, &view(k, item, kv), &view(v, item, kv), rows, sums);
            },
        );
        let shape = [self.batch, self.heads, self.queries, self.value_width];
        (interleaved(output, shape), log_sums)
    }

    fn head_forward(
        &self,
        q: &View<'_>,
        k: &View<'_>,
        v: &View<'_>,
        mut rows: HeadRows<'_>,
        log_sums: &mut [f32],
    ) {
        let mut scores = vec![0.0; TILE * self.keys];
        let mut mixed = vec![0.0; TILE * self.value_width];
        for tile in self.tiles() {
            let (len, keys) = (tile.len(), self.visible(tile.end - 1));
            let scores = &mut scores[..len * keys];
            let raw = Target::new(scores, [len, keys]);
            multiply(
                raw,
                1.0,
                q.rows(&tile),
                k.rows(&(0..keys)).t(),
                Threads::One,
            );
            for (i, row) in scores.chunks_exact_mut(keys).enumerate() {
                log_sums[tile.start + i] = self.softmax(row, self.visible(tile.start + i));
            }
            let mixed = &mut mixed[..len * self.value_width];
            multiply(
                Target::new(mixed, [len, self.value_width]),
                1.0,
                Matrix::new(scores, [len, keys]),
                v.rows(&(0..keys)),
                Threads::One,
            );
            for (i, row) in mixed.chunks_exact(self.value_width).enumerate() {
                rows[tile.start + i].copy_from_slice(row);
            }
        }
    }

    /// Scores to probabilities in place, the hidden ones to 0; returns the log-sum-exp.
    fn softmax(&self, row: &mut [f32], visible: usize) -> f32 {
        let (seen, hidden) = row.split_at_mut(visible);
        hidden.fill(0.0);
        wide(
            #[inline(always)]
            || {
                let top = max(
                    [seen],
                    #[inline(always)]
                    |[x]| x,
                ) * self.scale;
                let total = exp_in_place(seen, self.scale, top);
                let factor = 1.0 / total;
                seen.iter_mut().for_each(|value| *value *= factor);
                top + total.ln()
            },
        )
    }

    fn backward(&self, saved: &Attended, upstream: &FlexTensor) -> [FlexTensor; 3] {
        let of_keys = self.batch * self.kv_heads * self.keys;
        let mut dq = zeros(self.batch * self.heads * self.queries * self.width);
        let mut dk = zeros(of_keys * self.width);
        let mut dv = zeros(of_keys * self.value_width);
        let mut q_rows = head_rows(&mut dq, self.queries, self.heads, self.width).into_iter();
        let k_rows = head_rows(&mut dk, self.keys, self.kv_heads, self.width);
        let v_rows = head_rows(&mut dv, self.keys, self.kv_heads, self.value_width);
        let mut tasks = Vec::with_capacity(k_rows.len());
        for (k_rows, v_rows) in k_rows.into_iter().zip(v_rows) {
            let q_rows: Vec<HeadRows<'_>> = q_rows.by_ref().take(self.group()).collect();
            tasks.push((tasks.len(), q_rows, k_rows, v_rows));
        }
        each(tasks, |(index, q_rows, k_rows, v_rows)| {
            self.group_backward(saved, upstream, index, q_rows, k_rows, v_rows);
        });
        [
            interleaved(dq, [self.batch, self.heads, self.queries, self.width]),
            interleaved(dk, [self.batch, self.kv_heads, self.keys, self.width]),
            interleaved(dv, [self.batch, self.kv_heads, self.keys, self.value_width]),
        ]
    }

    fn group_backward(
        &self,
        saved: &Attended,
        upstream: &FlexTensor,
        index: usize,
        q_rows: Vec<HeadRows<'_>>,
        mut k_rows: HeadRows<'_>,
        mut v_rows: HeadRows<'_>,
    ) {
        let (item, kv) = (index / self.kv_heads, index % self.kv_heads);
        let (k, v) = (view(&saved.k, item, kv), view(&saved.v, item, kv));
        let mut dk = vec![0.0; self.keys * self.width];
        let mut dv = vec![0.0; self.keys * self.value_width];
        let mut map = vec![0.0; TILE * self.keys];
        let mut slope = vec![0.0; TILE * self.keys];
        let mut dq = vec![0.0; TILE * self.width];
        for (member, mut q_rows) in q_rows.into_iter().enumerate() {
            let head = kv * self.group() + member;
            let (q, up) = (view(&saved.q, item, head), view(upstream, item, head));
            let first = (item * self.heads + head) * self.queries;
            let log_sums = &saved.log_sums[first..first + self.queries];
            for tile in self.tiles() {
                let (len, keys) = (tile.len(), self.visible(tile.end - 1));
                let shape = [len, keys];
                let seen = 0..keys;
                let (map, slope) = (&mut map[..len * keys], &mut slope[..len * keys]);
                let (q, up) = (q.rows(&tile), up.rows(&tile));
                multiply(
                    Target::new(map, shape),
                    1.0,
                    q,
                    k.rows(&seen).t(),
                    Threads::One,
                );
                multiply(
                    Target::new(slope, shape),
                    1.0,
                    up,
                    v.rows(&seen).t(),
                    Threads::One,
                );
                let pairs = map.chunks_exact_mut(keys).zip(slope.chunks_exact_mut(keys));
                for (i, (map, slope)) in pairs.enumerate() {
                    let row = tile.start + i;
                    self.softmax_backward(map, slope, log_sums[row], self.visible(row));
                }
                let (map, slope) = (Matrix::new(map, shape), Matrix::new(slope, shape));
                let dv = Target::new(&mut dv, [keys, self.value_width]).add();
                multiply(dv, 1.0, map.t(), up, Threads::One);
                let dk = Target::new(&mut dk, [keys, self.width]).add();
                multiply(dk, self.scale, slope.t(), q, Threads::One);
                let dq = &mut dq[..len * self.width];
                let target = Target::new(dq, [len, self.width]);
                multiply(target, self.scale, slope, k.rows(&seen), Threads::One);
                for (i, row) in dq.chunks_exact(self.width).enumerate() {
                    q_rows[tile.start + i].copy_from_slice(row);
                }
            }
        }
        copy_rows(&dk, &mut k_rows, self.width);
        copy_rows(&dv, &mut v_rows, self.value_width);
    }

    /// Scores become probabilities, and the gradient on probabilities the one on scaled scores.
    fn softmax_backward(&self, map: &mut [f32], slope: &mut [f32], log_sum: f32, visible: usize) {
        map[visible..].fill(0.0);
        slope[visible..].fill(0.0);
        let (map, slope) = (&mut map[..visible], &mut slope[..visible]);
        wide(
            #[inline(always)]
            || {
                exp_in_place(map, self.scale, log_sum);
                let mean = sum(
                    [map, slope],
                    #[inline(always)]
                    |[p, slope]| p * slope,
                );
                for (slope, p) in slope.iter_mut().zip(map.iter()) {
                    *slope = p * (*slope - mean);
                }
            },
        );
    }
}

fn copy_rows(from: &[f32], to: &mut HeadRows<'_>, width: usize) {
    for (to, from) in to.iter_mut().zip(from.chunks_exact(width)) {
        to.copy_from_slice(from);
    }
}

/// The rows of every head, batch item by batch item, in memory `[batch, tokens, heads, width]`.
fn head_rows(all: &mut [f32], tokens: usize, heads: usize, width: usize) -> Vec<HeadRows<'_>> {
    let item = (tokens * heads * width).max(1);
    let mut rows: Vec<HeadRows<'_>> = Vec::with_capacity(all.len() / item * heads);
    for item in all.chunks_exact_mut(item) {
        let first = rows.len();
        rows.extend((0..heads).map(|_| Vec::with_capacity(tokens)));
        for (index, row) in item.chunks_exact_mut(width).enumerate() {
            rows[first + index % heads].push(row);
        }
    }
    rows
}

/// `[batch, heads, tokens, width]` over memory `[batch, tokens, heads, width]`: bringing the heads
/// of a token together again, which is what comes next, then costs nothing.
pub(crate) fn interleaved(values: Vec<f32>, shape: [usize; 4]) -> FlexTensor {
    let [batch, heads, tokens, width] = shape;
    let strides = [tokens * heads * width, width, heads * width, 1];
    let layout = Layout::new(
        Shape::from(shape),
        strides.map(|stride| stride as isize).to_vec(),
        0,
    );
    tensor(values, [batch, tokens, heads, width]).with_layout(layout)
}

/// One head, `[tokens, width]`, wherever it lies.
struct View<'a> {
    values: &'a [f32],
    width: usize,
    strides: [usize; 2],
}

fn view(tensor: &FlexTensor, item: usize, head: usize) -> View<'_> {
    let layout = tensor.layout();
    let stride = |dim: usize| layout.strides()[dim] as usize;
    let start = layout.start_offset() + item * stride(0) + head * stride(1);
    View {
        values: &tensor.storage::<f32>()[start..],
        width: layout.shape()[3],
        strides: [stride(2), stride(3)],
    }
}

impl<'a> View<'a> {
    fn rows(&self, rows: &std::ops::Range<usize>) -> Matrix<'a> {
        let start = rows.start * self.strides[0];
        Matrix::strided(
            &self.values[start..],
            [rows.len(), self.width],
            self.strides,
        )
    }
}
