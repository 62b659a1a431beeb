//! The model of the reference policies: blocks of attention over a cache and one new token, no norms
//! and no MLP. In double precision, with its gradients written out.

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::{CacheGradient, RuntimeError};

use crate::logits::softmax;

/// Weights, each matrix row-major for `x W`.
pub struct Toy {
    vocab: usize,
    width: usize,
    heads: usize,
    embeddings: Vec<f64>,
    blocks: Vec<Block>,
    head: Vec<f64>,
}

struct Block {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    o: Vec<f64>,
}

/// What a block computed on the way up: the query `[heads * head_width]`, and for each head the
/// weights, keys and values of all positions, the new one last.
struct Attended {
    q: Vec<f64>,
    heads: Vec<Head>,
}

struct Head {
    weights: Vec<f64>,
    keys: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
}

impl Toy {
    /// From the tensors of a case.
    pub fn of(case: &Case) -> Result<Self, ParityError> {
        let embeddings = case.input("E")?;
        let [vocab, width] = embeddings.rows();
        let matrices = &case.input("W")?.values;
        let mut matrices = matrices.chunks_exact(width * width).map(<[f64]>::to_vec);
        let block = || {
            Some(Block {
                q: matrices.next()?,
                k: matrices.next()?,
                v: matrices.next()?,
                o: matrices.next()?,
            })
        };
        Ok(Self {
            vocab,
            width,
            heads: case.number("heads")? as usize,
            embeddings: embeddings.values.clone(),
            blocks: std::iter::from_fn(block).collect(),
            head: case.input("U")?.values.clone(),
        })
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Final state and what the blocks computed.
    fn up(&self, past: &[Vec<f32>], shift: &[Vec<f32>], token: u32) -> (Vec<f64>, Vec<Attended>) {
        let mut x = self.embeddings[token as usize * self.width..][..self.width].to_vec();
        let mut all = Vec::new();
        for ((block, past), shift) in self.blocks.iter().zip(past).zip(shift) {
            let cache: Vec<f64> = past
                .iter()
                .zip(shift)
                .map(|(past, shift)| f64::from(*past) + f64::from(*shift))
                .collect();
            let (keys, values) = cache.split_at(cache.len() / 2);
            let q = times(&x, &block.q);
            let (k, v) = (times(&x, &block.k), times(&x, &block.v));
            let head = |head: usize| self.attend(head, &q, (keys, &k), (values, &v));
            let heads: Vec<Head> = (0..self.heads).map(head).collect();
            let given: Vec<f64> = heads.iter().flat_map(Head::given).collect();
            add(&mut x, &times(&given, &block.o));
            all.push(Attended { q, heads });
        }
        (x, all)
    }

    /// One head's attention to the cached `[heads, positions, head_width]` and the new position.
    fn attend(
        &self,
        head: usize,
        q: &[f64],
        keys: (&[f64], &[f64]),
        values: (&[f64], &[f64]),
    ) -> Head {
        let width = self.head_width();
        let own = head * width..(head + 1) * width;
        let rows = |(cached, new): (&[f64], &[f64])| -> Vec<Vec<f64>> {
            let of_head = cached.len() / self.heads;
            let cached = &cached[head * of_head..][..of_head];
            let rows = cached.chunks_exact(width).chain([&new[own.clone()]]);
            rows.map(<[f64]>::to_vec).collect()
        };
        let keys = rows(keys);
        let score = |key: &Vec<f64>| dot(&q[own.clone()], key) / (width as f64).sqrt();
        let scores: Vec<f64> = keys.iter().map(score).collect();
        Head {
            weights: softmax(&scores),
            keys,
            values: rows(values),
        }
    }
}

impl Head {
    /// Values by their weights.
    fn given(&self) -> Vec<f64> {
        let mut given = vec![0.0; self.values[0].len()];
        for (weight, value) in self.weights.iter().zip(&self.values) {
            given
                .iter_mut()
                .zip(value)
                .for_each(|(given, v)| *given += weight * v);
        }
        given
    }

    /// Gradients by query, keys and values from the gradient by what was given.
    fn down(&self, q: &[f64], slope: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let by_weight: Vec<f64> = self.values.iter().map(|value| dot(value, slope)).collect();
        let mean = dot(&self.weights, &by_weight);
        let root = (q.len() as f64).sqrt();
        let by_score: Vec<f64> = self
            .weights
            .iter()
            .zip(&by_weight)
            .map(|(weight, slope)| weight * (slope - mean) / root)
            .collect();
        let scaled = |x: &[f64], by: f64| x.iter().map(|x| x * by).collect::<Vec<f64>>();
        let mut by_query = vec![0.0; q.len()];
        for (key, slope) in self.keys.iter().zip(&by_score) {
            add(&mut by_query, &scaled(key, *slope));
        }
        let by_keys = by_score.iter().map(|by| scaled(q, *by)).collect();
        let by_values = self.weights.iter().map(|by| scaled(slope, *by)).collect();
        (by_query, by_keys, by_values)
    }
}

impl CacheGradient for Toy {
    /// For each block `[2, heads, positions, head_width]`.
    type Past = Vec<Vec<f32>>;

    fn sizes(&self, past: &Self::Past) -> Vec<usize> {
        past.iter().map(Vec::len).collect()
    }

    fn logits(
        &self,
        past: &Self::Past,
        shift: &[Vec<f32>],
        token: u32,
    ) -> Result<Vec<f32>, RuntimeError> {
        if token as usize >= self.vocab {
            let vocab = self.vocab;
            return Err(RuntimeError::Token { token, vocab });
        }
        let (x, _) = self.up(past, shift, token);
        let logits = times(&x, &self.head).into_iter();
        Ok(logits.map(|logit| logit as f32).collect())
    }

    fn gradient(
        &self,
        past: &Self::Past,
        shift: &[Vec<f32>],
        token: u32,
        slope: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    ) -> Result<Vec<Vec<f32>>, RuntimeError> {
        let by_logits: Vec<f64> = slope(&self.logits(past, shift, token)?)
            .into_iter()
            .map(f64::from)
            .collect();
        let (_, all) = self.up(past, shift, token);
        let mut by_x = back(&by_logits, &self.head);
        let mut gradients = Vec::new();
        for (block, attended) in self.blocks.iter().zip(&all).rev() {
            let by_given = back(&by_x, &block.o);
            let width = self.head_width();
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            let (mut by_q, mut by_k, mut by_v) = (Vec::new(), Vec::new(), Vec::new());
            for (index, head) in attended.heads.iter().enumerate() {
                let own = index * width..(index + 1) * width;
                let (q, mut k, mut v) = head.down(&attended.q[own.clone()], &by_given[own]);
                by_q.extend(q);
                by_k.extend(k.pop().unwrap_or_default());
                by_v.extend(v.pop().unwrap_or_default());
                keys.extend(k.concat());
                values.extend(v.concat());
            }
            let cached = keys.into_iter().chain(values);
            gradients.push(cached.map(|slope| slope as f32).collect());
            add(&mut by_x, &back(&by_q, &block.q));
            add(&mut by_x, &back(&by_k, &block.k));
            add(&mut by_x, &back(&by_v, &block.v));
        }
        gradients.reverse();
        Ok(gradients)
    }
}

/// `x W` of a row.
fn times(x: &[f64], matrix: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; matrix.len() / x.len()];
    for (x, row) in x.iter().zip(matrix.chunks_exact(out.len())) {
        out.iter_mut().zip(row).for_each(|(out, w)| *out += x * w);
    }
    out
}

/// The gradient by `x` from that by `x W`.
fn back(slope: &[f64], matrix: &[f64]) -> Vec<f64> {
    matrix
        .chunks_exact(slope.len())
        .map(|row| dot(row, slope))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], more: &[f64]) {
    x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
}
