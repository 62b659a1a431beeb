use super::compare::{central, mixed, same, tensor};
use burn::tensor::Tensor;
use engraft_ops::{LowRank, low_rank};

/// Rows, inputs, outputs, rank.
const SHAPES: [[usize; 4]; 3] = [[1, 1, 1, 1], [5, 7, 3, 2], [65, 33, 40, 8]];

fn leaves(seed: u64, [rows, inputs, outputs, rank]: [usize; 4]) -> [Tensor<2>; 5] {
    [
        tensor(seed, [rows, inputs]),
        tensor(seed + 50, [outputs, inputs]),
        tensor(seed + 90, [rank, inputs]),
        tensor(seed + 130, [outputs, rank]),
        tensor(seed + 170, [1, outputs]),
    ]
}

fn row(bias: Tensor<2>) -> Tensor<1> {
    let width = bias.dims()[1];
    bias.reshape([width])
}

#[test]
fn low_rank_equals_its_composed_form_with_and_without_a_bias() {
    for (i, shape) in SHAPES.into_iter().enumerate() {
        let [x, weight, a, b, bias] = leaves(i as u64, shape);
        let added = |a, b| LowRank { a, b, factor: 0.7 };
        same(
            &format!("with bias {i}"),
            [x.clone(), weight.clone(), a.clone(), b.clone(), bias],
            |[x, weight, a, b, bias]| mixed(low_rank(x, weight, Some(row(bias)), added(a, b))),
            |[x, weight, a, b, bias]| {
                let bias = Some(row(bias));
                mixed(engraft_ops::low_rank::composed(
                    x,
                    weight,
                    bias,
                    added(a, b),
                ))
            },
            1e-5,
        );
        same(
            &format!("without bias {i}"),
            [x, weight, a, b],
            |[x, weight, a, b]| mixed(low_rank(x, weight, None, added(a, b))),
            |[x, weight, a, b]| {
                mixed(engraft_ops::low_rank::composed(
                    x,
                    weight,
                    None,
                    added(a, b),
                ))
            },
            1e-5,
        );
    }
}

#[test]
fn the_composed_form_equals_central_differences() {
    let [x, weight, a, b, bias] = leaves(3, SHAPES[1]);
    central(
        "low rank",
        [x, weight, a, b, bias],
        |[x, weight, a, b, bias]| {
            let added = LowRank { a, b, factor: 0.7 };
            mixed(engraft_ops::low_rank::composed(
                x,
                weight,
                Some(row(bias)),
                added,
            ))
        },
    );
}
