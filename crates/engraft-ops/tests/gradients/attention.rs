use super::compare::{central, close, leaf, mixed, same, tensor, values};
use burn::tensor::{Device, Tensor};
use engraft_ops::attention::{attention, composed};

fn qkv(seed: u64, [batch, heads, kv, queries, keys, width]: [usize; 6]) -> [Tensor<4>; 3] {
    [
        tensor(seed, [batch, heads, queries, width]) * 3.0,
        tensor(seed + 1, [batch, kv, keys, width]) * 3.0,
        tensor(seed + 2, [batch, kv, keys, width]),
    ]
}

#[test]
fn attention_equals_its_composed_form() {
    for causal in [false, true] {
        for (i, sizes) in [
            [2, 4, 2, 150, 150, 8],
            [1, 3, 3, 64, 64, 5],
            [1, 2, 1, 1, 1, 4],
            [2, 2, 2, 3, 70, 4],
        ]
        .into_iter()
        .enumerate()
        {
            same(
                &format!("causal {causal}, case {i}"),
                qkv(i as u64 * 10, sizes),
                |[q, k, v]| mixed(attention(q, k, v, causal)),
                |[q, k, v]| mixed(composed(q, k, v, causal).0),
                2e-5,
            );
        }
    }
}

#[test]
fn heads_cut_from_one_projection_are_read_where_they_lie() {
    let heads = |all: Tensor<4>, part: usize| {
        let [batch, tokens, _, width] = all.dims();
        all.slice([0..batch, 0..tokens, part * 2..part * 2 + 2, 0..width])
            .swap_dims(1, 2)
    };
    same(
        "views",
        [tensor(5, [2, 20, 6, 4])],
        |[x]| {
            let [q, k, v] = [0, 1, 2].map(|part| heads(x.clone(), part));
            mixed(attention(q, k, v, true).swap_dims(1, 2).reshape([40, 8]))
        },
        |[x]| {
            let [q, k, v] = [0, 1, 2].map(|part| heads(x.clone(), part));
            mixed(composed(q, k, v, true).0.swap_dims(1, 2).reshape([40, 8]))
        },
        2e-5,
    );
}

#[test]
fn only_what_is_trained_gets_a_gradient() {
    let [q, k, v] = qkv(7, [1, 2, 2, 9, 9, 4]);
    let run = |fused: bool| {
        let tracked = leaf(&v);
        let (q, k) = (q.clone(), k.clone().autodiff());
        let q = q.autodiff();
        let out = if fused {
            attention(q, k, tracked.clone(), true)
        } else {
            composed(q, k, tracked.clone(), true).0
        };
        values(tracked.grad(&mixed(out).backward()).expect("a gradient"))
    };
    close("values alone", &run(true), &run(false), 2e-5);
}

#[test]
fn composed_attention_equals_central_differences() {
    central("attention", qkv(3, [1, 2, 1, 4, 4, 3]), |[q, k, v]| {
        mixed(composed(q, k, v, true).0)
    });
}

#[test]
fn values_may_have_their_own_width() {
    let sizes = |width| [1, 2, 70, width];
    same(
        "widths 4 and 6",
        [
            tensor(1, sizes(4)),
            tensor(2, sizes(4)),
            tensor(3, sizes(6)),
        ],
        |[q, k, v]| mixed(attention(q, k, v, true)),
        |[q, k, v]| mixed(composed(q, k, v, true).0),
        2e-5,
    );
}

#[test]
fn checkpointing_and_plain_devices_read_the_same_values() {
    let [q, k, v] = qkv(4, [1, 2, 2, 9, 9, 4]);
    let device = Device::flex().autodiff().gradient_checkpointing();
    let leaves = [&q, &k, &v].map(|x| Tensor::<4>::from_data(x.to_data(), &device).require_grad());
    let [a, b, c] = leaves.clone();
    let loss = mixed(attention(a, b, c, true));
    let plain = mixed(attention(q.clone(), k.clone(), v.clone(), true));
    close("value", &values(loss.clone()), &values(plain), 1e-6);
    let found = values(leaves[0].grad(&loss.backward()).expect("a gradient"));
    let leaves = [&q, &k, &v].map(leaf);
    let [a, b, c] = leaves.clone();
    let gradients = mixed(composed(a, b, c, true).0).backward();
    let wanted = values(leaves[0].grad(&gradients).expect("a gradient"));
    close("gradient", &found, &wanted, 2e-5);
}
