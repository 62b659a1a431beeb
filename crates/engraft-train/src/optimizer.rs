//! Update rules for parameters of any rank, through Burn's own optimizer trait, and their state in
//! and out of a checkpoint.

use std::collections::BTreeMap;

use burn::optim::{
    Optimizer, RecordState, SgdConfig, StateSink, StateSource, decay::WeightDecayConfig,
    momentum::MomentumConfig,
};
use burn::tensor::{Device, TensorData};
use engraft_nets::Value;

use crate::{
    TrainConfig,
    config::{Rule, Treatment},
};

/// The optimiser state of one parameter as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedState {
    /// Moments, each of the parameter's shape, by the name of the state's field.
    pub tensors: Vec<(String, TensorData)>,
    /// Counters (AdamW's time) by the name of the state's field.
    pub counters: Vec<(String, u64)>,
}

/// One update rule and its state for every parameter, by name.
pub struct ParameterOptimizer {
    config: TrainConfig,
    slots: BTreeMap<String, Box<dyn Slot>>,
}

impl ParameterOptimizer {
    pub fn new(config: &TrainConfig) -> Self {
        Self {
            config: config.clone(),
            slots: BTreeMap::new(),
        }
    }

    /// The parameter after one step of rate `lr` (before the group's factor).
    ///
    /// `value` and `gradient` should be the only handles of their memory: the update then happens
    /// in place. Both are plain, and so is the result.
    pub fn step(
        &mut self,
        name: &str,
        treatment: &Treatment,
        lr: f64,
        value: Value,
        gradient: Value,
    ) -> Value {
        self.slot(name, treatment)
            .step(lr * treatment.lr_scale, value, gradient)
    }

    /// The state of every parameter that has been updated.
    pub fn save(&self) -> BTreeMap<String, SavedState> {
        self.slots
            .iter()
            .map(|(name, slot)| (name.clone(), slot.save()))
            .collect()
    }

    /// Takes a parameter's state back; `value` gives its shape and device.
    pub fn load(
        &mut self,
        name: &str,
        treatment: &Treatment,
        value: &Value,
        state: SavedState,
    ) -> Result<(), String> {
        let shape = value.dims();
        for (field, data) in &state.tensors {
            if data.shape().as_slice() != shape {
                return Err(format!(
                    "optimiser state `{field}` of `{name}` has shape {:?}, not {shape:?}",
                    data.shape()
                ));
            }
        }
        self.slot(name, treatment)
            .load(value, state)
            .ok_or_else(|| format!("optimiser state of `{name}` is incomplete"))
    }

    fn slot(&mut self, name: &str, treatment: &Treatment) -> &mut Box<dyn Slot> {
        if !self.slots.contains_key(name) {
            let slot = new_slot(&self.config, treatment);
            self.slots.insert(name.to_owned(), slot);
        }
        self.slots.get_mut(name).expect("inserted above")
    }
}

fn new_slot(config: &TrainConfig, treatment: &Treatment) -> Box<dyn Slot> {
    let decay = treatment.weight_decay as f32;
    match config.optimizer {
        Rule::Adamw => Held::boxed(engraft_ops::AdamW {
            beta_1: config.beta_1 as f32,
            beta_2: config.beta_2 as f32,
            epsilon: config.eps as f32,
            weight_decay: decay,
        }),
        Rule::Sgd => {
            let momentum = (config.momentum > 0.0).then_some(MomentumConfig {
                momentum: config.momentum,
                dampening: 0.0,
                nesterov: false,
            });
            let decay = (decay > 0.0).then_some(WeightDecayConfig { penalty: decay });
            Held::boxed(
                SgdConfig::new()
                    .with_momentum(momentum)
                    .with_weight_decay(decay)
                    .build(),
            )
        }
    }
}

/// A rule with the state of one parameter, its rank forgotten.
trait Slot: Send {
    fn step(&mut self, lr: f64, value: Value, gradient: Value) -> Value;
    fn save(&self) -> SavedState;
    /// None if a field of the state is missing.
    fn load(&mut self, value: &Value, state: SavedState) -> Option<()>;
}

struct Held<O: Optimizer> {
    rule: O,
    state: State<O>,
}

enum State<O: Optimizer> {
    /// No step yet.
    Fresh,
    R1(O::State<1>),
    R2(O::State<2>),
    R4(O::State<4>),
}

impl<O: Optimizer> Held<O> {
    fn boxed(rule: O) -> Box<dyn Slot> {
        Box::new(Self {
            rule,
            state: State::Fresh,
        })
    }
}

impl<O: Optimizer> Slot for Held<O> {
    fn step(&mut self, lr: f64, value: Value, gradient: Value) -> Value {
        macro_rules! step {
            ($rank:ident, $value:expr, $gradient:expr) => {{
                let state = match std::mem::replace(&mut self.state, State::Fresh) {
                    State::$rank(state) => Some(state),
                    _ => None,
                };
                let (value, state) = self.rule.step(lr, $value, $gradient, state);
                self.state = state.map_or(State::Fresh, State::$rank);
                Value::$rank(value)
            }};
        }
        match (value, gradient) {
            (Value::R1(value), Value::R1(gradient)) => step!(R1, value, gradient),
            (Value::R2(value), Value::R2(gradient)) => step!(R2, value, gradient),
            (Value::R4(value), Value::R4(gradient)) => step!(R4, value, gradient),
            (value, gradient) => panic!(
                "a gradient of shape {:?} for a parameter of shape {:?}",
                gradient.dims(),
                value.dims()
            ),
        }
    }

    fn save(&self) -> SavedState {
        match &self.state {
            State::Fresh => SavedState::default(),
            State::R1(state) => flatten(state),
            State::R2(state) => flatten(state),
            State::R4(state) => flatten(state),
        }
    }

    fn load(&mut self, value: &Value, state: SavedState) -> Option<()> {
        if state == SavedState::default() {
            return Some(());
        }
        self.state = match value {
            Value::R1(tensor) => State::R1(unflatten(state, &tensor.device())?),
            Value::R2(tensor) => State::R2(unflatten(state, &tensor.device())?),
            Value::R4(tensor) => State::R4(unflatten(state, &tensor.device())?),
        };
        Some(())
    }
}

/// Path under which Burn names the fields of a state.
const ROOT: &str = "state";

fn flatten(state: &impl RecordState) -> SavedState {
    let mut sink = StateSink::default();
    state.state_flatten(ROOT, &mut sink);
    let counters = sink.scalars.into_iter().map(|(name, scalar)| {
        let count = u64::try_from(scalar).expect("the scalars of AdamW and SGD are counters");
        (name, count)
    });
    SavedState {
        counters: counters.collect(),
        tensors: sink.tensors,
    }
}

fn unflatten<S: RecordState>(state: SavedState, device: &Device) -> Option<S> {
    let counters = state.counters.into_iter();
    let mut source = StateSource::new(counters.map(|(name, count)| (name, count.into())).collect());
    for (name, data) in state.tensors {
        source.insert_tensor(name, data);
    }
    S::state_unflatten(ROOT, &mut source, device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tensor;
    use engraft_nets::Role;

    fn row(values: [f32; 3]) -> Value {
        Value::R1(Tensor::from_floats(values, &Device::flex()))
    }

    /// AdamW as its paper writes it, in f64 (Loshchilov, Hutter 2019, algorithm 2).
    fn adamw_by_hand(config: &TrainConfig, gradients: &[[f32; 3]], mut w: [f64; 3]) -> [f64; 3] {
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        for (step, gradient) in gradients.iter().enumerate() {
            let t = step as i32 + 1;
            for i in 0..3 {
                let g = f64::from(gradient[i]);
                m[i] = config.beta_1 * m[i] + (1.0 - config.beta_1) * g;
                v[i] = config.beta_2 * v[i] + (1.0 - config.beta_2) * g * g;
                let m_hat = m[i] / (1.0 - config.beta_1.powi(t));
                let v_hat = v[i] / (1.0 - config.beta_2.powi(t));
                w[i] -=
                    config.lr * (m_hat / (v_hat.sqrt() + config.eps) + config.weight_decay * w[i]);
            }
        }
        w
    }

    fn run(config: &TrainConfig, gradients: &[[f32; 3]], start: [f32; 3]) -> Vec<f32> {
        let treatment = config.treatment("w", Role::Weight);
        let mut optimizer = ParameterOptimizer::new(config);
        let mut value = row(start);
        for gradient in gradients {
            value = optimizer.step("w", &treatment, config.lr, value, row(*gradient));
        }
        value.to_vec()
    }

    const GRADIENTS: [[f32; 3]; 4] = [
        [0.1, -2.0, 0.0],
        [0.3, 1.0, 1e-5],
        [-0.2, 0.5, 2e-5],
        [0.4, -0.1, -1e-5],
    ];

    #[test]
    fn adamw_follows_its_paper() {
        let config = TrainConfig {
            lr: 0.05,
            weight_decay: 0.1,
            ..TrainConfig::default()
        };
        let start = [1.0f32, -0.5, 0.25];
        let ours = run(&config, &GRADIENTS, start);
        let paper = adamw_by_hand(&config, &GRADIENTS, start.map(f64::from));
        for (ours, paper) in ours.iter().zip(paper) {
            assert!((f64::from(*ours) - paper).abs() < 1e-6, "{ours} {paper}");
        }
    }

    #[test]
    fn sgd_keeps_an_undamped_velocity_and_adds_decay_to_the_gradient() {
        let config = TrainConfig {
            lr: 0.1,
            weight_decay: 0.5,
            momentum: 0.9,
            optimizer: Rule::Sgd,
            ..TrainConfig::default()
        };
        let ours = run(&config, &GRADIENTS, [1.0, -0.5, 0.25]);
        let mut w = [1.0f64, -0.5, 0.25];
        let mut velocity = [0.0; 3];
        for gradient in GRADIENTS {
            for i in 0..3 {
                velocity[i] = 0.9 * velocity[i] + f64::from(gradient[i]) + 0.5 * w[i];
                w[i] -= 0.1 * velocity[i];
            }
        }
        for (ours, w) in ours.iter().zip(w) {
            assert!((f64::from(*ours) - w).abs() < 1e-6, "{ours} {w}");
        }
    }

    #[test]
    fn a_saved_and_loaded_state_continues_bit_for_bit() {
        for optimizer in [Rule::Adamw, Rule::Sgd] {
            let config = TrainConfig {
                optimizer,
                lr: 0.05,
                ..TrainConfig::default()
            };
            let treatment = config.treatment("w", Role::Weight);
            let mut first = ParameterOptimizer::new(&config);
            let mut value = row([1.0, 2.0, 3.0]);
            for gradient in &GRADIENTS[..2] {
                value = first.step("w", &treatment, 0.05, value, row(*gradient));
            }
            let mut second = ParameterOptimizer::new(&config);
            for (name, state) in first.save() {
                second.load(&name, &treatment, &value, state).unwrap();
            }
            let step = |optimizer: &mut ParameterOptimizer| {
                let next = optimizer.step("w", &treatment, 0.05, value.clone(), row(GRADIENTS[2]));
                next.to_vec()
            };
            assert_eq!(step(&mut first), step(&mut second));
            let mut forgetful = ParameterOptimizer::new(&config);
            assert_ne!(step(&mut forgetful), step(&mut second));
        }
    }

    #[test]
    fn a_state_of_another_shape_or_without_its_counter_is_refused() {
        let config = TrainConfig::default();
        let treatment = config.treatment("w", Role::Weight);
        let mut optimizer = ParameterOptimizer::new(&config);
        optimizer.step("w", &treatment, 0.1, row([1.0; 3]), row([1.0; 3]));
        let state = optimizer.save().remove("w").unwrap();
        let mut other = ParameterOptimizer::new(&config);
        let long = Value::R1(Tensor::zeros([4], &Device::flex()));
        let error = other
            .load("w", &treatment, &long, state.clone())
            .unwrap_err();
        assert!(error.contains("shape"), "{error}");
        let without_time = SavedState {
            counters: Vec::new(),
            ..state
        };
        let error = other.load("w", &treatment, &row([0.0; 3]), without_time);
        assert!(error.unwrap_err().contains("incomplete"));
    }
}
