//! Linear layers: a weight, and deltas that change what the layer does without changing the weight.
//!
//! With deltas attached the layer computes `x · Wᵀ + bias + Σ_k w_k · delta_k(x)`, the weight
//! frozen. Only the deltas then receive gradients and optimiser state.

use std::{fmt, sync::Arc};

use burn::tensor::Tensor;
use engraft_ops::LowRank;

use crate::{Network, Parameter, Value};

/// What a delta adds to a weight `[out, in]`.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a layer; a box would burden every caller"
)]
pub enum Delta {
    /// `b · a` with `a` `[rank, in]` and `b` `[out, rank]` (LoRA, Hu et al. 2021).
    LowRank { a: Parameter, b: Parameter },
    /// A matrix `[out, in]` of its own.
    Dense(Parameter),
}

impl Delta {
    fn parameters(&self) -> Vec<&Parameter> {
        match self {
            Self::LowRank { a, b } => vec![a, b],
            Self::Dense(delta) => vec![delta],
        }
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        match self {
            Self::LowRank { a, b } => vec![a, b],
            Self::Dense(delta) => vec![delta],
        }
    }

    /// What it adds to the output for `x` `[rows, in]`: `[rows, out]`.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::LowRank { a, b } => {
                engraft_ops::linear(engraft_ops::linear(x, a.r2(), None), b.r2(), None)
            }
            Self::Dense(delta) => engraft_ops::linear(x, delta.r2(), None),
        }
    }

    /// What it adds to the weight: `[out, in]`.
    pub fn matrix(&self) -> Tensor<2> {
        match self {
            Self::LowRank { a, b } => b.r2().matmul(a.r2()),
            Self::Dense(delta) => delta.r2(),
        }
    }

    /// Why it does not fit a weight of shape `[out, in]`, if it does not.
    fn misfit(&self, [out, input]: [usize; 2]) -> Option<String> {
        let dims = |parameter: &Parameter| parameter.value.dims();
        match self {
            Self::LowRank { a, b } => {
                let rank = dims(a)[0];
                (dims(a) != [rank, input] || dims(b) != [out, rank]).then(|| {
                    format!(
                        "factors {:?} and {:?} do not make a matrix of {out} x {input}",
                        dims(b),
                        dims(a)
                    )
                })
            }
            Self::Dense(delta) => (dims(delta) != [out, input])
                .then(|| format!("{:?} is not a matrix of {out} x {input}", dims(delta))),
        }
    }
}

/// Puts all deltas of a network into its weights.
pub fn merge(network: &mut dyn Network) {
    network.linears_mut().into_iter().for_each(Linear::merge);
}

/// A delta does not fit the layer it was made for.
#[derive(Debug, thiserror::Error)]
#[error("the delta `{delta}` does not fit `{module}`: {problem}")]
pub struct DeltaError {
    module: String,
    delta: String,
    problem: String,
}

#[derive(Clone, Debug)]
struct Attached {
    name: String,
    factor: f32,
    delta: Delta,
}

/// Sees the input `[rows, in]` of a layer at every pass.
pub type Watcher = Arc<dyn Fn(&Tensor<2>) + Send + Sync>;

#[derive(Clone)]
struct Watched(Watcher);

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

/// A linear layer: weight `[out, in]`, perhaps a bias `[out]`, and deltas.
#[derive(Clone, Debug)]
pub struct Linear {
    pub weight: Parameter,
    pub bias: Option<Parameter>,
    deltas: Vec<Attached>,
    watcher: Option<Watched>,
}

impl Linear {
    pub fn new(weight: Parameter, bias: Option<Parameter>) -> Self {
        Self {
            weight,
            bias,
            deltas: Vec::new(),
            watcher: None,
        }
    }

    /// From now on shows the input of every pass to `watcher`.
    pub fn watch(&mut self, watcher: Watcher) {
        self.watcher = Some(Watched(watcher));
    }

    /// The name of the layer in the model's file: that of its weight without `.weight`.
    pub fn module(&self) -> &str {
        let name = self.weight.name.as_str();
        name.strip_suffix(".weight").unwrap_or(name)
    }

    /// `[out, in]`
    pub fn shape(&self) -> [usize; 2] {
        let dims = self.weight.value.dims();
        [dims[0], dims[1]]
    }

    /// The output for `x` `[rows, in]`: `[rows, out]`.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        self.run(x, self.bias.as_ref())
    }

    /// The same without the bias, for an activation that adds it itself.
    pub fn without_bias(&self, x: Tensor<2>) -> Tensor<2> {
        self.run(x, None)
    }

    fn run(&self, x: Tensor<2>, bias: Option<&Parameter>) -> Tensor<2> {
        if let Some(Watched(watcher)) = &self.watcher {
            watcher(&x);
        }
        let (weight, bias) = (self.weight.r2(), bias.map(Parameter::r1));
        let (out, rest) = match &self.deltas[..] {
            [first, rest @ ..] if let Delta::LowRank { a, b } = &first.delta => {
                let added = LowRank {
                    a: a.r2(),
                    b: b.r2(),
                    factor: first.factor,
                };
                (engraft_ops::low_rank(x.clone(), weight, bias, added), rest)
            }
            all => (engraft_ops::linear(x.clone(), weight, bias), all),
        };
        rest.iter().fold(out, |out, attached| {
            let added = attached.delta.apply(x.clone());
            match attached.factor {
                1.0 => out + added,
                factor => out + added * factor,
            }
        })
    }

    /// Freezes the weight (and bias) and adds `factor` times a delta. One of the same name is
    /// replaced.
    ///
    /// # Errors
    /// If the delta's shapes are not those of this layer.
    pub fn attach(&mut self, name: &str, factor: f32, delta: Delta) -> Result<(), DeltaError> {
        if let Some(problem) = delta.misfit(self.shape()) {
            return Err(DeltaError {
                module: self.module().to_owned(),
                delta: name.to_owned(),
                problem,
            });
        }
        self.weight.trainable = false;
        if let Some(bias) = &mut self.bias {
            bias.trainable = false;
        }
        self.deltas.retain(|attached| attached.name != name);
        self.deltas.push(Attached {
            name: name.to_owned(),
            factor,
            delta,
        });
        Ok(())
    }

    /// What is attached: name, factor and delta.
    pub fn deltas(&self) -> impl Iterator<Item = (&str, f32, &Delta)> {
        let attached = self.deltas.iter();
        attached.map(|attached| (attached.name.as_str(), attached.factor, &attached.delta))
    }

    /// Adds `factor` times each delta to the weight for good; the layer then has none and may be
    /// trained again.
    pub fn merge(&mut self) {
        for attached in std::mem::take(&mut self.deltas) {
            let merged = self.weight.r2() + attached.delta.matrix() * attached.factor;
            self.weight.value = Value::R2(merged);
            self.weight.trainable = true;
            if let Some(bias) = &mut self.bias {
                bias.trainable = true;
            }
        }
    }

    /// Weight, bias, and the parameters of its deltas.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let deltas = self.deltas.iter();
        std::iter::once(&self.weight)
            .chain(&self.bias)
            .chain(deltas.flat_map(|attached| attached.delta.parameters()))
    }

    /// As [`Linear::parameters`].
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let deltas = self.deltas.iter_mut();
        std::iter::once(&mut self.weight)
            .chain(&mut self.bias)
            .chain(deltas.flat_map(|attached| attached.delta.parameters_mut()))
    }
}
