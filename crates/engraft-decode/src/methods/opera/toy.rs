//! The model of the reference searches: one block of attention, positions added to the tokens, no
//! norms and no MLP.

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::{Ask, CausalLm, Feed, Probe, Row, RuntimeError, Shape, Site, Stream};

/// Weights, each matrix row-major for `x W`.
pub struct Toy {
    shape: Shape,
    embeddings: Vec<f32>,
    positions: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    o: Vec<f32>,
    head: Vec<f32>,
}

/// The tokens fed: what else there is to know follows from them.
#[derive(Clone)]
pub struct Fed(Vec<u32>);

impl Stream for Fed {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl Toy {
    /// From the tensors of a case.
    pub fn of(case: &Case) -> Result<Self, ParityError> {
        let heads = case.number("heads")? as usize;
        let [vocab, width] = case.input("E")?.rows();
        let [context, _] = case.input("Pm")?.rows();
        let matrix = |name: &str| case.input(name).map(|tensor| tensor.f32());
        Ok(Self {
            shape: Shape {
                vocab,
                blocks: 1,
                heads,
                kv_heads: heads,
                head_width: width / heads,
                width,
                context,
            },
            embeddings: matrix("E")?,
            positions: matrix("Pm")?,
            q: matrix("Wq")?,
            k: matrix("Wk")?,
            v: matrix("Wv")?,
            o: matrix("Wo")?,
            head: matrix("U")?,
        })
    }

    fn input(&self, tokens: &[u32], position: usize) -> Vec<f32> {
        let width = self.shape.width;
        let token = tokens[position] as usize;
        let token = &self.embeddings[token * width..][..width];
        let place = &self.positions[position * width..][..width];
        token.iter().zip(place).map(|(a, b)| a + b).collect()
    }

    /// What the heads give at a position, `[heads * head_width]`.
    fn attend(&self, tokens: &[u32], row: Row, probe: &mut dyn Probe) -> Vec<f32> {
        let Shape {
            heads, head_width, ..
        } = self.shape;
        let seen: Vec<Vec<f32>> = (0..=row.position)
            .map(|at| self.input(tokens, at))
            .collect();
        let q = times(&seen[row.position], &self.q);
        let project =
            |matrix: &[f32]| -> Vec<Vec<f32>> { seen.iter().map(|x| times(x, matrix)).collect() };
        let (k, v) = (project(&self.k), project(&self.v));
        let part = |x: &[f32], head: usize| x[head * head_width..][..head_width].to_vec();
        let mut weights = Vec::with_capacity(heads * seen.len());
        for head in 0..heads {
            let q = part(&q, head);
            let score = |k: &Vec<f32>| dot(&q, &part(k, head)) / (head_width as f32).sqrt();
            weights.extend(crate::logits::softmax(
                &k.iter().map(score).collect::<Vec<f32>>(),
            ));
        }
        if probe.wants(Site::Attention(0)) {
            probe.at(Site::Attention(0), &[row], &mut weights);
        }
        let mut out = vec![0.0; heads * head_width];
        for (at, out) in out.iter_mut().enumerate() {
            let weights = &weights[at / head_width * seen.len()..][..seen.len()];
            *out = weights
                .iter()
                .zip(&v)
                .map(|(weight, v)| weight * v[at])
                .sum();
        }
        out
    }
}

impl CausalLm for Toy {
    type Stream = Fed;

    fn shape(&self) -> Shape {
        self.shape
    }

    fn stream(&self) -> Fed {
        Fed(Vec::new())
    }

    fn forward(
        &self,
        feeds: &mut [Feed<'_, Fed>],
        probe: &mut dyn Probe,
    ) -> Result<Vec<f32>, RuntimeError> {
        let context = self.shape.context;
        let mut logits = Vec::new();
        for (index, feed) in feeds.iter_mut().enumerate() {
            let start = feed.stream.len();
            feed.stream.0.extend(feed.tokens);
            let wanted = feed.stream.len();
            if wanted > context {
                return Err(RuntimeError::Context { wanted, context });
            }
            for position in start..wanted {
                let row = Row {
                    feed: index,
                    position,
                    last: position + 1 == wanted,
                };
                let tokens = &feed.stream.0;
                let heads = self.attend(tokens, row, probe);
                if feed.ask == Ask::All || (feed.ask == Ask::Last && row.last) {
                    let given = times(&heads, &self.o);
                    let x = self.input(tokens, position);
                    let x: Vec<f32> = x.iter().zip(&given).map(|(a, b)| a + b).collect();
                    logits.extend(self.head(&x));
                }
            }
        }
        Ok(logits)
    }

    fn lens(&self, states: &[f32]) -> Vec<f32> {
        self.head(states)
    }

    fn head(&self, states: &[f32]) -> Vec<f32> {
        let rows = states.chunks_exact(self.shape.width);
        rows.flat_map(|x| times(x, &self.head)).collect()
    }

    fn replay(
        &self,
        embeddings: &[f32],
        heads: &mut dyn FnMut(usize, &mut [f32]),
    ) -> Result<Vec<f32>, RuntimeError> {
        let mut given = vec![0.0; embeddings.len()];
        heads(0, &mut given);
        let rows = given.chunks_exact(self.shape.width);
        let added: Vec<f32> = rows.flat_map(|heads| times(heads, &self.o)).collect();
        let states = embeddings.iter().zip(&added).map(|(a, b)| a + b);
        Ok(self.head(&states.collect::<Vec<f32>>()))
    }
}

/// `x W` of a row.
fn times(x: &[f32], matrix: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; matrix.len() / x.len()];
    for (x, row) in x.iter().zip(matrix.chunks_exact(out.len())) {
        out.iter_mut().zip(row).for_each(|(out, w)| *out += x * w);
    }
    out
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
