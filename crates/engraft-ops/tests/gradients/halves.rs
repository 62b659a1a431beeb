use super::compare::{close, tensor, values};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use engraft_ops::{
    Head, Logits, add_relu, attention, batch_norm, conv2d, cross_entropy, gelu, layer_norm, linear,
    rms_norm, rotary, shortcut, silu_gate,
};

/// One number a function: the sum of its weighted output, in `f32`.
fn all(dtype: DType) -> Vec<Vec<f64>> {
    let rows = |seed| tensor::<2>(seed, [6, 8]).cast(dtype);
    let width = |seed| tensor::<1>(seed, [8]).cast(dtype);
    let heads = |seed| tensor::<4>(seed, [2, 4, 5, 8]).cast(dtype);
    let images = |seed| tensor::<4>(seed, [2, 4, 6, 6]).cast(dtype);
    let table = |seed| tensor::<2>(seed, [5, 4]).cast(dtype);
    let labels: Tensor<1, Int> = {
        let ids = TensorData::new(vec![0i64, 3, -100, 7, 1, 2], [6]);
        Tensor::from_data(ids, &Device::flex())
    };
    let head = Logits::Head(Head {
        hidden: rows(1),
        weight: rows(2).slice([0..6, 0..8]).repeat_dim(0, 2),
        bias: None,
    });
    let channels = |seed| tensor::<1>(seed, [4]).cast(dtype);
    let kernel = tensor::<4>(3, [4, 4, 3, 3]).cast(dtype);
    vec![
        values(linear(rows(1), rows(2), None)),
        values(gelu(rows(1), Some(width(2)))),
        values(silu_gate(rows(1), rows(2))),
        values(layer_norm(rows(1), width(2), Some(width(3)), 1e-5)),
        values(rms_norm(rows(1), width(2), 1e-5)),
        values(attention(heads(1), heads(2), heads(3), true)),
        values(rotary(heads(1), table(2), table(3))),
        values(conv2d(images(1), kernel, 1, 1)),
        values(batch_norm(images(1), channels(2), channels(3), 1e-5, true).0),
        values(add_relu(images(1), images(2))),
        values(shortcut(images(1), 8)),
        values(cross_entropy(Logits::Full(rows(1)), labels.clone())),
        values(cross_entropy(head, labels)),
    ]
}

#[test]
fn half_precision_gives_what_f32_gives_within_its_digits() {
    let exact = all(DType::F32);
    for (dtype, tolerance) in [(DType::F16, 0.01), (DType::BF16, 0.06)] {
        for (index, (found, exact)) in all(dtype).iter().zip(&exact).enumerate() {
            close(&format!("{dtype:?} {index}"), found, exact, tolerance);
        }
    }
}
