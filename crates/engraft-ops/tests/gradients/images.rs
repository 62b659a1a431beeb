use super::compare::{central, close, mixed, same, tensor, values};
use burn::tensor::Tensor;
use engraft_ops::{activation, add_relu, batch_norm, conv, conv2d, shortcut};

#[test]
fn convolution_equals_its_composed_form() {
    for (i, ([batch, channels, height, width], [filters, kh, kw], stride, padding)) in [
        ([1, 1, 1, 1], [1, 1, 1], 1, 0),
        ([2, 3, 8, 9], [4, 3, 3], 1, 1),
        ([3, 2, 9, 8], [5, 3, 3], 2, 1),
        ([40, 2, 5, 6], [3, 1, 2], 2, 0),
        ([1, 2, 2, 2], [3, 5, 5], 3, 2),
        ([2, 16, 33, 32], [4, 3, 3], 1, 1),
        ([2, 3, 7, 16], [4, 3, 3], 1, 1),
        ([33, 3, 8, 8], [4, 3, 3], 1, 1),
        ([2, 3, 6, 7], [4, 3, 3], 1, 0),
        ([2, 3, 6, 7], [4, 5, 5], 1, 4),
        ([2, 3, 6, 7], [4, 3, 3], 1, 3),
    ]
    .into_iter()
    .enumerate()
    {
        same(
            &format!("case {i}"),
            [
                tensor(i as u64, [batch, channels, height, width]),
                tensor(i as u64 + 20, [filters, channels, kh, kw]),
            ],
            |[x, w]| mixed(conv2d(x, w, stride, padding)),
            |[x, w]| mixed(conv::composed(x, w, stride, padding)),
            2e-5,
        );
    }
}

#[test]
fn composed_convolution_equals_central_differences() {
    let parts = [tensor(1, [1, 2, 4, 4]), tensor(2, [2, 2, 3, 3])];
    central("convolution", parts, |[x, w]| mixed(conv2d(x, w, 2, 1)));
}

fn row(x: Tensor<4>) -> Tensor<1> {
    let channels = x.dims()[1];
    x.reshape([channels])
}

#[test]
fn batch_norm_equals_its_composed_form() {
    for (i, shape) in [[2, 3, 4, 5], [9, 16, 33, 16]].into_iter().enumerate() {
        for relu in [false, true] {
            let channels = [1, shape[1], 1, 1];
            let x = tensor(i as u64, shape) * 2.0 + 0.7;
            same(
                &format!("shape {i}, relu {relu}"),
                [x.clone(), tensor(5, channels), tensor(6, channels)],
                |[x, w, b]| mixed(batch_norm(x, row(w), row(b), 1e-5, relu).0),
                |[x, w, b]| {
                    mixed(engraft_ops::batch_norm::composed(x, row(w), row(b), 1e-5, relu).0)
                },
                3e-5,
            );
            let (w, b) = (row(tensor(5, channels)), row(tensor(6, channels)));
            let ours = batch_norm(x.clone(), w.clone(), b.clone(), 1e-5, relu);
            let theirs = engraft_ops::batch_norm::composed(x, w, b, 1e-5, relu);
            close("mean", &values(ours.1), &values(theirs.1), 1e-5);
            close("variance", &values(ours.2), &values(theirs.2), 1e-5);
        }
    }
}

#[test]
fn composed_batch_norm_equals_central_differences() {
    let channels = [1, 2, 1, 1];
    let parts = [
        tensor(1, [2, 2, 3, 1]),
        tensor(2, channels),
        tensor(3, channels),
    ];
    for relu in [false, true] {
        central("batch norm", parts.clone(), |[x, w, b]| {
            mixed(batch_norm(x, row(w), row(b), 1e-5, relu).0)
        });
    }
}

#[test]
fn the_end_of_a_residual_block_equals_its_composed_form() {
    for (i, shape) in [[1, 1, 1, 3], [2, 3, 4, 5], [8, 16, 20, 20]]
        .into_iter()
        .enumerate()
    {
        same(
            &format!("shape {i}"),
            [tensor(i as u64, shape), tensor(i as u64 + 9, shape)],
            |[a, b]| mixed(add_relu(a, b)),
            |[a, b]| mixed(activation::composed_add_relu(a, b)),
            1e-6,
        );
    }
    let parts = [tensor(1, [1, 2, 3, 2]), tensor(2, [1, 2, 3, 2])];
    central("add and rectify", parts, |[a, b]| mixed(add_relu(a, b)));
}

#[test]
fn the_shortcut_equals_its_composed_form() {
    for (i, (shape, out)) in [
        ([1, 1, 1, 1], 1),
        ([2, 3, 4, 5], 8),
        ([3, 2, 5, 4], 4),
        ([40, 16, 16, 16], 32),
    ]
    .into_iter()
    .enumerate()
    {
        same(
            &format!("case {i}"),
            [tensor(i as u64, shape)],
            |[x]| mixed(shortcut(x, out)),
            |[x]| mixed(shortcut::composed(x, out)),
            1e-6,
        );
    }
    central("shortcut", [tensor(1, [1, 2, 3, 4])], |[x]| {
        mixed(shortcut(x, 5))
    });
}
