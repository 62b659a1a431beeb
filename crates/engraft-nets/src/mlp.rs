//! A multilayer perceptron with ReLU, for images or plain features.

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Batch, Capabilities, Input, Linear, Logits, Mode, Network, Parameter, Role, Signals, Taps,
    Value, init::Init,
};

/// What a recipe says about an MLP; input and classes come from the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpSpec {
    /// Width of each hidden layer.
    pub widths: Vec<usize>,
}

/// The network; the last hidden layer is the pooled feature.
#[derive(Clone)]
pub struct Mlp {
    spec: MlpSpec,
    input: usize,
    classes: usize,
    layers: Vec<Linear>,
}

impl Mlp {
    /// Kaiming-normal weights, zero biases.
    pub fn new(
        spec: &MlpSpec,
        input: usize,
        classes: usize,
        seed: impl Into<Option<u64>>,
        device: &Device,
    ) -> Self {
        let init = Init {
            seed: seed.into(),
            device,
        };
        let widths: Vec<usize> = std::iter::once(input)
            .chain(spec.widths.iter().copied())
            .chain([classes])
            .collect();
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let std = (2.0 / pair[0].max(1) as f32).sqrt();
                let name = |part: &str| format!("layers.{index}.{part}");
                Linear::new(
                    init.matrix(name("weight"), Role::Weight, [pair[1], pair[0]], std),
                    Some(init.constant(name("bias"), Role::Bias, pair[1], 0.0)),
                )
            })
            .collect();
        Self {
            spec: spec.clone(),
            input,
            classes,
            layers,
        }
    }
}

impl Network for Mlp {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            causal_lm: false,
            attention_maps: false,
            pooled_features: true,
            blocks: self.spec.widths.len(),
            heads: 0,
            width: self.spec.widths.last().copied().unwrap_or(self.input),
            classes: self.classes,
            context: None,
        }
    }

    fn forward(&self, batch: &Batch, _mode: Mode, taps: &mut Taps) -> Signals {
        let numbers = match &batch.input {
            Input::Images { pixels, .. } => pixels.clone(),
            Input::Features { values, .. } => values.clone(),
            Input::Tokens { .. } => panic!("an MLP reads images or features"),
        };
        let device = self.layers[0].weight.device();
        let data = TensorData::new(numbers, [batch.len(), self.input]);
        let range = taps.range(self.spec.widths.len());
        let near = self.layers[0].weight.r2();
        let input = Tensor::from_data(data, (&device, near.dtype()));
        let mut x = taps.hidden_state(range.start, input);
        for index in range {
            x = relu(self.layers[index].apply(x));
            x = taps.hidden_state(index + 1, x);
        }
        let last = self.layers.last().expect("there is always an output layer");
        // A partial range ends before the output layer: only the taps are meaningful then.
        let logits = if x.dims()[1] == last.shape()[1] {
            last.apply(x.clone())
        } else {
            Tensor::zeros([batch.len(), self.classes], &device)
        };
        Signals {
            logits: Logits::Full(logits),
            features: Some(x),
            statistics: Vec::new(),
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        self.layers.iter().flat_map(Linear::parameters).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.layers
            .iter_mut()
            .flat_map(Linear::parameters_mut)
            .collect()
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.layers.iter_mut().collect()
    }

    fn config(&self) -> serde_json::Value {
        json!({
            "model_type": "engraft-mlp",
            "widths": self.spec.widths,
            "input": self.input,
            "classes": self.classes,
            "torch_dtype": "float32",
        })
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}

impl Taps {
    /// Whether nothing was asked for that an image network could not give.
    pub(crate) fn offer_image(&mut self, index: usize, state: Tensor<4>) -> Tensor<4> {
        let state = match self.replace_hidden.get(&index) {
            Some(Value::R4(replacement)) => replacement.clone(),
            _ => state,
        };
        if self.want_hidden.contains(&index) {
            self.hidden.insert(index, Value::R4(state.clone()));
        }
        state
    }
}
