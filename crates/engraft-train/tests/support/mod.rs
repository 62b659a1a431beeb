//! A linear network with a bias and a running mean, and data for it.

use burn::tensor::{Device, Tensor, TensorData};
use engraft_nets::{
    Batch, Capabilities, Input, Logits, Mode, Network, Parameter, Role, Signals, Taps, Value,
};
use engraft_train::{BatchSource, key};
use rand::Rng;

pub const WIDTH: usize = 5;
pub const CLASSES: usize = 3;

/// `logits = x W^T + b`; also keeps the mean of what it has seen in training.
#[derive(Clone)]
pub struct Linear {
    pub parameters: Vec<Parameter>,
}

impl Linear {
    pub fn boxed(seed: u64) -> Box<dyn Network> {
        let device = Device::flex();
        let mut rng = key::rng(seed, "weights", 0);
        let weights: Vec<f32> = (0..CLASSES * WIDTH)
            .map(|_| rng.random_range(-0.5..0.5))
            .collect();
        let weight = Tensor::<2>::from_data(TensorData::new(weights, [CLASSES, WIDTH]), &device);
        Box::new(Self {
            parameters: vec![
                Parameter::new("weight", Role::Weight, Value::R2(weight)),
                Parameter::new(
                    "bias",
                    Role::Bias,
                    Value::R1(Tensor::zeros([CLASSES], &device)),
                ),
                Parameter::new(
                    "mean",
                    Role::Statistic,
                    Value::R1(Tensor::zeros([WIDTH], &device)),
                ),
            ],
        })
    }
}

impl Network for Linear {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            causal_lm: false,
            attention_maps: false,
            pooled_features: false,
            blocks: 1,
            heads: 0,
            width: WIDTH,
            classes: CLASSES,
            context: None,
        }
    }

    fn forward(&self, batch: &Batch, mode: Mode, _taps: &mut Taps) -> Signals {
        let Input::Features { values, shape } = &batch.input else {
            panic!("a linear network takes features");
        };
        let weight = self.parameters[0].r2();
        let input = TensorData::new(values.clone(), *shape);
        let input = Tensor::<2>::from_data(input, (&weight.device(), weight.dtype()));
        let seen = input
            .clone()
            .mean_dim(0)
            .reshape([WIDTH])
            .cast(burn::tensor::DType::F32);
        let mean = self.parameters[2].r1() * 0.9 + seen * 0.1;
        let bias = self.parameters[1].r1().reshape([1, CLASSES]);
        Signals {
            logits: Logits::Full(input.matmul(weight.transpose()) + bias),
            features: None,
            statistics: match mode {
                Mode::Train => vec![("mean".to_owned(), Value::R1(mean))],
                Mode::Eval => Vec::new(),
            },
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.parameters.iter().collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.parameters.iter_mut().collect()
    }

    fn linears_mut(&mut self) -> Vec<&mut engraft_nets::Linear> {
        Vec::new()
    }

    fn config(&self) -> serde_json::Value {
        serde_json::json!({"model_type": "linear"})
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}

/// Rows whose class is the place of their largest of the first `CLASSES` features.
pub struct Largest {
    pub rows: usize,
    /// Micro-batches a step that share its rows.
    pub micros: usize,
}

impl BatchSource for Largest {
    fn batch(&self, step: usize, micro: usize) -> Batch {
        let mut rng = key::rng(3, "rows", step as u64);
        let all: Vec<f32> = (0..self.rows * WIDTH)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let rows = self.rows / self.micros;
        let values = all[micro * rows * WIDTH..(micro + 1) * rows * WIDTH].to_vec();
        let labels = values.chunks(WIDTH).map(|row| {
            let classes = 0..CLASSES;
            classes.max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as i64
        });
        Batch {
            labels: labels.collect(),
            input: Input::Features {
                values,
                shape: [rows, WIDTH],
            },
            samples: (0..rows).collect(),
        }
    }
}

/// Every number of every parameter.
pub fn numbers(network: &dyn Network) -> Vec<Vec<f32>> {
    let parameters = network.parameters().into_iter();
    parameters
        .map(|parameter| parameter.value.to_vec())
        .collect()
}
