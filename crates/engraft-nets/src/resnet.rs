//! The residual networks of the CIFAR experiments (He et al. 2016): three stages of 16, 32 and 64
//! channels, shortcuts without parameters. Names and layout as the published PyTorch files.

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Batch, Capabilities, Input, Linear, Logits, Mode, Network, Parameter, Role, Signals, Taps,
    Value, init::Init,
};

/// What a recipe says about a ResNet; classes come from the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetSpec {
    /// Number of layers with weights: 20, 32, 44, 56, ... (6n + 2).
    pub depth: usize,
}

const EPS: f64 = 1e-5;
/// Share of the new batch in the running statistics.
const MOMENTUM: f64 = 0.1;

#[derive(Clone)]
struct Norm {
    weight: Parameter,
    bias: Parameter,
    mean: Parameter,
    var: Parameter,
}

impl Norm {
    fn new(init: &Init<'_>, name: &str, channels: usize) -> Self {
        let part = |part: &str, role, number| {
            init.constant(format!("{name}.{part}"), role, channels, number)
        };
        Self {
            weight: part("weight", Role::Norm, 1.0),
            bias: part("bias", Role::Norm, 0.0),
            mean: part("running_mean", Role::Statistic, 0.0),
            var: part("running_var", Role::Statistic, 1.0),
        }
    }

    /// `x` `[batch, channels, height, width]` normalised, then ReLU if asked; in training new
    /// statistics go to `updates`.
    fn apply(
        &self,
        x: Tensor<4>,
        rectify: bool,
        mode: Mode,
        updates: &mut Vec<(String, Value)>,
    ) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let (weight, bias) = (self.weight.r1(), self.bias.r1());
        if mode == Mode::Train {
            let (y, mean, var) = engraft_ops::batch_norm(x, weight, bias, EPS, rectify);
            let count = (batch * height * width) as f64;
            let unbiased = var * (count / (count - 1.0).max(1.0));
            for (old, new) in [(&self.mean, mean), (&self.var, unbiased)] {
                let mixed = old.r1().inner() * (1.0 - MOMENTUM) + new.inner() * MOMENTUM;
                updates.push((old.name.clone(), Value::R1(mixed)));
            }
            return y;
        }
        let scale = weight / (self.var.r1() + EPS).sqrt();
        let shift = bias - self.mean.r1() * scale.clone();
        let wide = [1, channels, 1, 1];
        let y = x * scale.reshape(wide) + shift.reshape(wide);
        if rectify { relu(y) } else { y }
    }

    fn parameters(&self) -> [&Parameter; 4] {
        [&self.weight, &self.bias, &self.mean, &self.var]
    }

    fn parameters_mut(&mut self) -> [&mut Parameter; 4] {
        [
            &mut self.weight,
            &mut self.bias,
            &mut self.mean,
            &mut self.var,
        ]
    }
}

/// A 3x3 convolution without bias and its norm.
#[derive(Clone)]
struct Conv {
    weight: Parameter,
    norm: Norm,
    stride: usize,
}

impl Conv {
    fn new(init: &Init<'_>, names: [&str; 2], shape: [usize; 2], stride: usize) -> Self {
        let [out, input] = shape;
        let std = (2.0 / (input * 9) as f32).sqrt();
        Self {
            weight: init.filters(format!("{}.weight", names[0]), [out, input, 3, 3], std),
            norm: Norm::new(init, names[1], out),
            stride,
        }
    }

    fn apply(
        &self,
        x: Tensor<4>,
        rectify: bool,
        mode: Mode,
        updates: &mut Vec<(String, Value)>,
    ) -> Tensor<4> {
        let x = engraft_ops::conv2d(x, self.weight.r4(), self.stride, 1);
        self.norm.apply(x, rectify, mode, updates)
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        std::iter::once(&self.weight).chain(self.norm.parameters())
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        std::iter::once(&mut self.weight).chain(self.norm.parameters_mut())
    }
}

/// The network; the pooled feature is the mean over positions of the last stage.
#[derive(Clone)]
pub struct Resnet {
    spec: ResnetSpec,
    classes: usize,
    stem: Conv,
    blocks: Vec<[Conv; 2]>,
    linear: Linear,
}

impl Resnet {
    /// Kaiming-normal convolutions, norms 1 and 0.
    pub fn new(
        spec: &ResnetSpec,
        channels: usize,
        classes: usize,
        seed: impl Into<Option<u64>>,
        device: &Device,
    ) -> Self {
        let init = Init {
            seed: seed.into(),
            device,
        };
        let stage_blocks = (spec.depth - 2) / 6;
        let mut blocks = Vec::new();
        let mut input = 16;
        for (stage, out) in [16, 32, 64].into_iter().enumerate() {
            for block in 0..stage_blocks {
                let name = |part: &str| format!("layer{}.{block}.{part}", stage + 1);
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push([
                    Conv::new(&init, [&name("conv1"), &name("bn1")], [out, input], stride),
                    Conv::new(&init, [&name("conv2"), &name("bn2")], [out, out], 1),
                ]);
                input = out;
            }
        }
        Self {
            stem: Conv::new(&init, ["conv1", "bn1"], [16, channels], 1),
            blocks,
            linear: Linear::new(
                init.matrix("linear.weight".into(), Role::Weight, [classes, 64], 0.125),
                Some(init.constant("linear.bias".into(), Role::Bias, classes, 0.0)),
            ),
            spec: spec.clone(),
            classes,
        }
    }
}

/// What flows past a block: the input itself, or its shortcut where the block changes the shape.
fn past(x: Tensor<4>, out: usize) -> Tensor<4> {
    match x.dims()[1] == out {
        true => x,
        false => engraft_ops::shortcut(x, out),
    }
}

impl Network for Resnet {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            causal_lm: false,
            attention_maps: false,
            pooled_features: true,
            blocks: self.blocks.len(),
            heads: 0,
            width: 64,
            classes: self.classes,
            context: None,
        }
    }

    fn forward(&self, batch: &Batch, mode: Mode, taps: &mut Taps) -> Signals {
        let Input::Images { pixels, shape } = &batch.input else {
            panic!("a ResNet reads images");
        };
        let mut statistics = Vec::new();
        let device = self.linear.weight.device();
        let range = taps.range(self.blocks.len());
        let mut x = if range.start == 0 {
            let data = TensorData::new(pixels.clone(), *shape);
            let images = Tensor::from_data(data, (&device, self.stem.weight.r4().dtype()));
            self.stem.apply(images, true, mode, &mut statistics)
        } else {
            Tensor::zeros([shape[0], 1, 1, 1], &device)
        };
        x = taps.offer_image(range.start, x);
        for index in range {
            let [first, second] = &self.blocks[index];
            let inner = first.apply(x.clone(), true, mode, &mut statistics);
            let inner = second.apply(inner, false, mode, &mut statistics);
            let out = inner.dims()[1];
            x = taps.offer_image(index + 1, engraft_ops::add_relu(inner, past(x, out)));
        }
        let [rows, channels, _, _] = x.dims();
        let pooled = x.mean_dims(&[2, 3]).reshape([rows, channels]);
        let logits = if channels == 64 {
            self.linear.apply(pooled.clone())
        } else {
            Tensor::zeros([rows, self.classes], &device)
        };
        Signals {
            logits: Logits::Full(logits),
            features: Some(pooled),
            statistics,
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let mut all: Vec<&Parameter> = self.stem.parameters().collect();
        all.extend(self.blocks.iter().flatten().flat_map(Conv::parameters));
        all.extend(self.linear.parameters());
        all
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        let mut all: Vec<&mut Parameter> = self.stem.parameters_mut().collect();
        all.extend(
            self.blocks
                .iter_mut()
                .flatten()
                .flat_map(Conv::parameters_mut),
        );
        all.extend(self.linear.parameters_mut());
        all
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        vec![&mut self.linear]
    }

    fn config(&self) -> serde_json::Value {
        json!({
            "model_type": "engraft-resnet",
            "depth": self.spec.depth,
            "channels": self.stem.weight.value.dims()[1],
            "classes": self.classes,
            "torch_dtype": "float32",
        })
    }

    fn boxed_clone(&self) -> Box<dyn Network> {
        Box::new(self.clone())
    }
}
