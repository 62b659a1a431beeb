//! Layer norm and RMS norm over the last dimension.

use burn::tensor::Tensor;

/// `(x - mean) / sqrt(var + eps) * weight + bias`; `x` `[rows, width]`.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let var = centred.clone().square().mean_dim(1);
    let out = centred / (var + eps).sqrt() * weight.unsqueeze();
    match bias {
        Some(bias) => out + bias.unsqueeze(),
        None => out,
    }
}

/// `x / sqrt(mean(x²) + eps) * weight`; `x` `[rows, width]`.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let scale = (x.clone().square().mean_dim(1) + eps).sqrt();
    x / scale * weight.unsqueeze()
}
