use super::compare::{central, close, leaf, mixed, same, tensor, values};
use burn::tensor::Tensor;
use engraft_ops::{activation, gelu, linear, silu_gate};

const SHAPES: [[usize; 2]; 4] = [[1, 1], [1, 19], [7, 33], [300, 130]];

fn row(x: Tensor<2>) -> Tensor<1> {
    let width = x.dims()[1];
    x.reshape([width])
}

#[test]
fn gelu_equals_its_composed_form() {
    for (i, [rows, width]) in SHAPES.into_iter().enumerate() {
        let x = tensor(i as u64, [rows, width]) * 6.0;
        let bias = tensor(i as u64 + 50, [1, width]);
        same(
            &format!("with bias {i}"),
            [x.clone(), bias],
            |[x, bias]| mixed(gelu(x, Some(row(bias)))),
            |[x, bias]| mixed(activation::composed_gelu(x, Some(row(bias)))),
            1e-5,
        );
        same(
            &format!("without bias {i}"),
            [x],
            |[x]| mixed(gelu(x, None)),
            |[x]| mixed(activation::composed_gelu(x, None)),
            1e-5,
        );
    }
}

#[test]
fn silu_gate_equals_its_composed_form() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        same(
            &format!("case {i}"),
            [tensor(i as u64, shape) * 9.0, tensor(i as u64 + 50, shape)],
            |[gate, up]| mixed(silu_gate(gate, up)),
            |[gate, up]| mixed(activation::composed_silu_gate(gate, up)),
            1e-5,
        );
    }
}

#[test]
fn linear_equals_its_composed_form() {
    for (i, [rows, inputs, outputs]) in [[1, 1, 1], [1, 7, 3], [65, 33, 40]].into_iter().enumerate()
    {
        let seed = i as u64;
        let x = tensor(seed, [rows, inputs]);
        let weight = tensor(seed + 50, [outputs, inputs]);
        let bias = tensor(seed + 90, [1, outputs]);
        same(
            &format!("with bias {i}"),
            [x.clone(), weight.clone(), bias],
            |[x, weight, bias]| mixed(linear(x, weight, Some(row(bias)))),
            |[x, weight, bias]| mixed(engraft_ops::linear::composed(x, weight, Some(row(bias)))),
            1e-5,
        );
        same(
            &format!("without bias {i}"),
            [x, weight],
            |[x, weight]| mixed(linear(x, weight, None)),
            |[x, weight]| mixed(engraft_ops::linear::composed(x, weight, None)),
            1e-5,
        );
    }
}

#[test]
fn views_are_read_and_returned_rightly() {
    same(
        "a transposed input used twice",
        [tensor(1, [6, 6])],
        |[x]| {
            mixed(gelu(
                linear(x.clone().transpose(), x, None).transpose(),
                None,
            ))
        },
        |[x]| {
            let product = engraft_ops::linear::composed(x.clone().transpose(), x, None);
            mixed(activation::composed_gelu(product.transpose(), None))
        },
        1e-5,
    );
}

#[test]
fn a_frozen_weight_lets_the_gradient_through() {
    let (x, weight) = (tensor(1, [5, 4]), tensor(2, [3, 4]));
    let tracked = leaf(&x);
    let loss = mixed(linear(tracked.clone(), weight.clone(), None));
    let found = values(tracked.grad(&loss.backward()).expect("a gradient"));
    let tracked = leaf(&x);
    let plain = engraft_ops::linear::composed(tracked.clone(), weight.autodiff(), None);
    let wanted = values(tracked.grad(&mixed(plain).backward()).expect("a gradient"));
    close("dx", &found, &wanted, 1e-5);
}

#[test]
fn composed_layers_equal_central_differences() {
    central(
        "gelu",
        [tensor(1, [2, 3]), tensor(2, [1, 3])],
        |[x, bias]| mixed(gelu(x, Some(row(bias)))),
    );
    central(
        "silu",
        [tensor(3, [2, 3]), tensor(4, [2, 3])],
        |[gate, up]| mixed(silu_gate(gate, up)),
    );
    central(
        "linear",
        [tensor(5, [2, 3]), tensor(6, [4, 3])],
        |[x, weight]| mixed(linear(x, weight, None)),
    );
}
