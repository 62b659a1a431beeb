use super::compare::{central, mixed, same, tensor};
use burn::tensor::Tensor;
use engraft_ops::{layer_norm, norm, rms_norm, rotary};

const SHAPES: [[usize; 2]; 4] = [[1, 2], [1, 19], [7, 33], [300, 130]];

fn row(x: Tensor<2>) -> Tensor<1> {
    let width = x.dims()[1];
    x.reshape([width])
}

#[test]
fn norms_equal_their_composed_forms() {
    for (i, [rows, width]) in SHAPES.into_iter().enumerate() {
        let x = tensor(i as u64, [rows, width]) * 3.0 + 0.5;
        let (weight, bias) = (
            tensor(i as u64 + 30, [1, width]),
            tensor(i as u64 + 60, [1, width]),
        );
        same(
            &format!("layer norm with bias {i}"),
            [x.clone(), weight.clone(), bias],
            |[x, w, b]| mixed(layer_norm(x, row(w), Some(row(b)), 1e-5)),
            |[x, w, b]| mixed(norm::composed_layer_norm(x, row(w), Some(row(b)), 1e-5)),
            3e-5,
        );
        same(
            &format!("layer norm {i}"),
            [x.clone(), weight.clone()],
            |[x, w]| mixed(layer_norm(x, row(w), None, 1e-5)),
            |[x, w]| mixed(norm::composed_layer_norm(x, row(w), None, 1e-5)),
            3e-5,
        );
        same(
            &format!("rms norm {i}"),
            [x, weight],
            |[x, w]| mixed(rms_norm(x, row(w), 1e-5)),
            |[x, w]| mixed(norm::composed_rms_norm(x, row(w), 1e-5)),
            3e-5,
        );
    }
}

#[test]
fn rotary_equals_its_composed_form() {
    for [batch, heads, tokens, width] in [[1, 1, 1, 2], [2, 3, 5, 8], [2, 4, 70, 64]] {
        let (cos, sin) = (
            tensor(1, [tokens, width / 2]),
            tensor(2, [tokens, width / 2]),
        );
        same(
            "heads side by side",
            [tensor(3, [batch, tokens, heads, width])],
            |[x]| mixed(rotary(x.swap_dims(1, 2), cos.clone(), sin.clone())),
            |[x]| {
                let (cos, sin) = (cos.clone().autodiff(), sin.clone().autodiff());
                mixed(engraft_ops::rotary::composed(x.swap_dims(1, 2), cos, sin))
            },
            1e-5,
        );
    }
}

#[test]
fn composed_norms_equal_central_differences() {
    let parts = || [tensor(1, [2, 5]), tensor(2, [1, 5])];
    central("layer norm", parts(), |[x, w]| {
        mixed(layer_norm(x, row(w), None, 1e-5))
    });
    central("rms norm", parts(), |[x, w]| {
        mixed(rms_norm(x, row(w), 1e-5))
    });
}
