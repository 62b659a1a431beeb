//! Training steps on request, for the peer comparison in `bench/train`.
//!
//! `bench_steps MODEL` keeps a model in memory: a number on standard input runs that many steps and
//! is answered by one line of JSON. The networks are trained by the training loop itself. A step's time
//! starts when the loop has its batch and ends when it reports the step's loss, so it is what a run
//! pays, the data source left out. First weights and data are numbers that the peer makes in the
//! same way: its losses must be the same.

use std::io::{Write, stdin, stdout};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft::continual::{Lesson, methods};
use engraft::distill::{self, Objective, View};
use engraft::nets::{
    self, Batch, Capabilities, IGNORE, Input, InputShape, Logits, Network, Role, Signals, Spec,
    Value, gpt::GptSpec, mlp::MlpSpec, resnet::ResnetSpec,
};
use engraft::train::config::Rule;
use engraft::train::memory::{forget_peak_rss, peak_rss};
use engraft::train::{
    BatchSource, CrossEntropy, Progress, RunFiles, Schedule, Step, TrainConfig, Trainer,
};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    engraft::machine::join_pool();
    let model = std::env::args().nth(1).unwrap_or_default();
    let gate = Gate(Mutex::new(Round {
        left: 0,
        ms: Vec::new(),
        losses: Vec::new(),
        parameters: 0,
        held: 0,
        started: Instant::now(),
    }));
    match model.as_str() {
        "kd" => {
            let mut distance = Distance::new(512, 49152)?;
            loop {
                gate.open()?;
                let loss = distance.step()?;
                gate.close(loss)?;
            }
        }
        "mlp" | "resnet" | "gpt" | "lora" => train(&model, &gate),
        _ => bail!("give a model: mlp, resnet, gpt, lora or kd"),
    }
}

/// Lets as many steps pass as standard input asks for, and times them.
struct Gate(Mutex<Round>);

struct Round {
    left: usize,
    ms: Vec<f64>,
    losses: Vec<f64>,
    /// Numbers the model trains.
    parameters: usize,
    /// Memory before the first step, in bytes.
    held: u64,
    started: Instant,
}

impl Gate {
    fn round(&self) -> MutexGuard<'_, Round> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<()> {
        let mut round = self.round();
        if round.left == 0 {
            let Some(line) = stdin().lines().next() else {
                // Nobody will ask again.
                std::process::exit(0);
            };
            round.left = line?.trim().parse().context("the number of steps")?;
            return_free_memory();
            forget_peak_rss();
            round.held = peak_rss().unwrap_or_default();
        }
        round.started = Instant::now();
        Ok(())
    }

    fn close(&self, loss: f64) -> Result<()> {
        let mut round = self.round();
        let ms = round.started.elapsed().as_secs_f64() * 1e3;
        round.ms.push(ms);
        round.losses.push(loss);
        round.left = round.left.saturating_sub(1);
        if round.left == 0 {
            let extra = peak_rss().unwrap_or_default().saturating_sub(round.held);
            let answer = json!({
                "ms": std::mem::take(&mut round.ms),
                "losses": std::mem::take(&mut round.losses),
                "parameters": round.parameters,
                "extra_mb": extra as f64 / 1e6,
                "version": env!("CARGO_PKG_VERSION"),
            });
            let mut out = stdout().lock();
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    }
}

unsafe extern "C" {
    /// Of the allocator that is linked in above.
    fn mi_collect(force: bool);
}

/// Gives back what the allocator keeps for later, so that it does not hide what a step takes.
fn return_free_memory() {
    // Safety: it takes no pointers, and may be called at any time.
    unsafe { mi_collect(true) }
}

/// Ends a step where the training loop reports it.
impl Progress for Gate {
    fn begin(&self, _what: &str, _done: usize, _steps: usize) {}
    fn step(&self, _done: usize, loss: f64) {
        self.close(loss).expect("an answer can be written");
    }
    fn message(&self, _text: &str) {}
    fn end(&self) {}
}

/// The same batch at every step, whenever the gate lets one pass.
struct Repeated<'a> {
    batch: Batch,
    gate: &'a Gate,
}

impl BatchSource for Repeated<'_> {
    fn batch(&self, _step: usize, _micro: usize) -> Batch {
        let batch = self.batch.clone();
        self.gate.open().expect("a request can be read");
        batch
    }
}

fn train(model: &str, gate: &Gate) -> Result<()> {
    let (network, batch) = lesson(model)?;
    gate.round().parameters = network.parameter_count();
    let sgd = TrainConfig {
        optimizer: Rule::Sgd,
        momentum: 0.9,
        weight_decay: 1e-4,
        lr: 0.01,
        ..TrainConfig::default()
    };
    let config = TrainConfig {
        steps: usize::MAX,
        log_every: usize::MAX,
        warmup: 0,
        schedule: Schedule::Constant,
        clip: 0.0,
        ..if model == "resnet" {
            sgd
        } else {
            TrainConfig::default()
        }
    };
    let source = Repeated { batch, gate };
    let (files, stop) = (RunFiles::none(), AtomicBool::new(false));
    Trainer::new(model, &config, &files, gate, &stop).run(
        network,
        &mut CrossEntropy,
        &source,
        &mut [],
    )?;
    Ok(())
}

/// The network of that name and its batch.
fn lesson(model: &str) -> Result<(Box<dyn Network>, Batch)> {
    let (spec, classes, shape, input, rows) = match model {
        "mlp" => {
            let input = Input::Features {
                values: uniform(100, 128 * 784),
                shape: [128, 784],
            };
            let widths = vec![512, 256];
            let shape = InputShape::Features { width: 784 };
            (Spec::Mlp(MlpSpec { widths }), 10, shape, input, 128)
        }
        "resnet" => {
            let input = Input::Images {
                pixels: uniform(100, 128 * 3 * 32 * 32),
                shape: [128, 3, 32, 32],
            };
            let shape = InputShape::Image {
                channels: 3,
                height: 32,
                width: 32,
            };
            let spec = Spec::Resnet(ResnetSpec { depth: 20 });
            (spec, 10, shape, input, 128)
        }
        // The shape of SmolLM2-135M.
        "lora" => {
            let input = Input::Tokens {
                ids: below(100, 4 * 128, 49152).map(|id| id as u32).collect(),
                shape: [4, 128],
            };
            let spec = json!({
                "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                "num_attention_heads": 9, "num_key_value_heads": 3, "rms_norm_eps": 1e-5,
                "rope_theta": 1e5, "tie_word_embeddings": true,
            });
            let spec = Spec::Llama(serde_json::from_value(spec)?);
            (spec, 49152, InputShape::Tokens, input, 4 * 128)
        }
        _ => {
            let input = Input::Tokens {
                ids: below(100, 8 * 256, 4096).map(|id| id as u32).collect(),
                shape: [8, 256],
            };
            let spec = Spec::Gpt(GptSpec {
                layers: 4,
                width: 256,
                heads: 4,
                context: 256,
                mlp_ratio: 4,
                tied: true,
            });
            (spec, 4096, InputShape::Tokens, input, 8 * 256)
        }
    };
    let mut network = nets::create(&spec, classes, shape, 0, &Device::flex())?;
    set_weights(&mut *network);
    if model == "lora" {
        network = adapted(network)?;
    }
    let batch = Batch {
        samples: (0..input_rows(&input)).collect(),
        labels: below(101, rows, classes).collect(),
        input,
    };
    Ok((network, batch))
}

/// With LoRA of rank 8 on every linear layer: A as the peer has it, B zero.
fn adapted(network: Box<dyn Network>) -> Result<Box<dyn Network>> {
    let lesson = Lesson {
        calibration: &[],
        seed: 0,
    };
    let method = methods::find("lora").context("the method lora is registered")?;
    let prepared = method.prepare(&json!({}), network, &lesson);
    let mut network = prepared.map_err(|e| anyhow!(e))?.network;
    let mut factors = network.parameters_mut();
    factors.retain(|parameter| parameter.name.ends_with("lora_A.weight"));
    factors.sort_by(|a, b| a.name.cmp(&b.name));
    for (index, parameter) in factors.into_iter().enumerate() {
        let shape = parameter.value.dims();
        let bound = 1.0 / (shape[1] as f32).sqrt();
        let numbers = uniform(1000 + index, shape[0] * shape[1]).into_iter();
        parameter.value = parameter.holding(numbers.map(|x| x * bound).collect());
    }
    Ok(network)
}

fn input_rows(input: &Input) -> usize {
    match input {
        Input::Tokens { shape, .. } => shape[0],
        Input::Images { shape, .. } => shape[0],
        Input::Features { shape, .. } => shape[0],
    }
}

/// The peer's first weights: matrices by their place among the sorted names, norms 1, biases 0.
fn set_weights(network: &mut dyn Network) {
    let mut parameters = network.parameters_mut();
    parameters.retain(|parameter| parameter.role != Role::Statistic);
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    for (seed, parameter) in parameters.into_iter().enumerate() {
        let shape = parameter.value.dims();
        let count: usize = shape.iter().product();
        let device = parameter.device();
        let bound = 1.0 / ((count / shape[0]) as f32).sqrt();
        let numbers = || {
            uniform(seed, count)
                .into_iter()
                .map(|x| x * bound)
                .collect()
        };
        parameter.value = match shape[..] {
            [a, b] => Value::R2(tensor(numbers(), [a, b], &device)),
            [a, b, c, d] => Value::R4(tensor(numbers(), [a, b, c, d], &device)),
            _ if parameter.name.ends_with("bias") => Value::R1(Tensor::zeros([count], &device)),
            _ => Value::R1(Tensor::ones([count], &device)),
        };
    }
}

fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// The step of Hinton's distillation without the networks: from two sets of logits to the gradient.
struct Distance {
    objective: Box<dyn Objective>,
    student: Tensor<2>,
    /// What an objective sees besides the student.
    teacher: Signals,
    labels: Tensor<1, Int>,
}

impl Distance {
    fn new(rows: usize, vocab: usize) -> Result<Self> {
        let device = Device::flex();
        let logits = |seed| tensor(uniform(seed, rows * vocab), [rows, vocab], &device) * 4.0;
        let sizes = Capabilities {
            causal_lm: true,
            attention_maps: false,
            pooled_features: false,
            blocks: 0,
            heads: 0,
            width: 0,
            classes: vocab,
            context: None,
        };
        let run = distill::Run {
            steps: usize::MAX,
            student: sizes.clone(),
            teacher: sizes,
            samples: None,
            seed: 0,
        };
        let method = distill::find("hinton").context("the method hinton is registered")?;
        let settings = json!({"temperature": 2.0});
        let objective = method.objective(&settings, &run).map_err(|e| anyhow!(e))?;
        Ok(Self {
            objective,
            student: logits(100),
            teacher: signals(logits(101)),
            labels: Tensor::zeros([rows], &device),
        })
    }

    /// Forward and backward; answers the loss.
    fn step(&mut self) -> Result<f64> {
        let logits = self.student.clone().autodiff().require_grad();
        let student = signals(logits.clone());
        let loss = self.objective.loss(&View {
            student: &student,
            teacher: &self.teacher,
            mask: self.labels.clone().not_equal_elem(IGNORE),
            labels: self.labels.clone(),
            samples: &[],
            step: &Step {
                index: 0,
                total: usize::MAX,
                task: 0,
            },
        });
        let mut gradients = loss.clone().backward();
        let gradient = logits.grad_remove(&mut gradients);
        gradient.context("the student's logits have a gradient")?;
        Ok(f64::from(loss.into_scalar::<f32>()))
    }
}

fn signals(logits: Tensor<2>) -> Signals {
    Signals {
        logits: Logits::Full(logits),
        features: None,
        statistics: Vec::new(),
    }
}

/// Number `index` of a stream: 32 well-mixed bits.
fn bits(seed: usize, index: usize) -> u32 {
    let mut x = (index as u32)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((seed as u32).wrapping_mul(0x85eb_ca6b));
    x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
    x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Numbers in -1..1.
fn uniform(seed: usize, count: usize) -> Vec<f32> {
    let number = |index| (bits(seed, index) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    (0..count).map(number).collect()
}

/// Class ids.
fn below(seed: usize, count: usize, classes: usize) -> impl Iterator<Item = i64> {
    (0..count).map(move |index| i64::from(bits(seed, index)) % classes as i64)
}
