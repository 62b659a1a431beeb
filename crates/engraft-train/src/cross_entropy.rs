//! Plain cross-entropy with the labels of the batch: training from text or classes alone.

use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_nets::{Batch, Mode, Network, Taps};
use engraft_ops::cross_entropy;

use crate::{BatchSource, Loss, Step, Terms};

/// Mean cross-entropy over the labelled rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn loss(&mut self, network: &dyn Network, batch: &Batch, _step: &Step) -> Terms {
        let signals = network.forward(batch, Mode::Train, &mut Taps::none());
        let labels = labels(batch, &device(network));
        Terms {
            total: cross_entropy(signals.logits, labels),
            parts: Vec::new(),
            statistics: signals.statistics,
        }
    }
}

/// The labels of a batch as a tensor, `[rows]`.
pub fn labels(batch: &Batch, device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(batch.labels.clone(), [batch.labels.len()]);
    Tensor::from_data(data, device)
}

/// The plain device a network lives on.
pub fn device(network: &dyn Network) -> Device {
    match network.parameters().first() {
        Some(parameter) => parameter.device().without_autodiff(),
        None => Device::default(),
    }
}

/// Mean cross-entropy over all labelled rows of the first `batches` batches of a source, measured
/// (running statistics, no gradient). `network` should be plain.
pub fn held_out_loss(network: &dyn Network, source: &dyn BatchSource, batches: usize) -> f64 {
    let device = device(network);
    let (mut sum, mut count) = (0.0, 0);
    for index in 0..batches {
        let batch = source.batch(index, 0);
        let signals = network.forward(&batch, Mode::Eval, &mut Taps::none());
        let mean = cross_entropy(signals.logits, labels(&batch, &device));
        let labelled = batch.labelled();
        sum += f64::from(mean.into_scalar::<f32>()) * labelled as f64;
        count += labelled;
    }
    sum / count.max(1) as f64
}
