use std::sync::Arc;

use super::compare::{central, close, leaf, same, tensor, values};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use engraft_ops::{
    Block, ForwardKl, Head, Logits, Matching, Pointwise, Reduction, cross_entropy, divergence,
};

#[derive(Debug)]
struct ReverseKl;

impl Pointwise for ReverseKl {
    fn block(&self, block: Block<'_>, weighted: &mut [f32]) -> f32 {
        block.sum(
            weighted,
            #[inline(always)]
            |_, q, log_p, log_q| (q * (log_q - log_p), q * (log_q - log_p + 1.0)),
        )
    }

    fn composed(
        &self,
        _: Tensor<2>,
        q: Tensor<2>,
        log_p: Tensor<2>,
        log_q: Tensor<2>,
    ) -> Tensor<2> {
        q * (log_q - log_p)
    }
}

fn mask(rows: usize, keep: impl Fn(usize) -> bool) -> Tensor<1, Bool> {
    let flags: Vec<bool> = (0..rows).map(keep).collect();
    Tensor::from_data(TensorData::new(flags, [rows]), &Device::flex())
}

fn labels(ids: Vec<i64>) -> Tensor<1, Int> {
    let rows = ids.len();
    Tensor::from_data(TensorData::new(ids, [rows]), &Device::flex())
}

fn matchings() -> Vec<Matching> {
    let base = || Matching::new(Arc::new(ForwardKl));
    vec![
        base(),
        Matching {
            temperature: 2.5,
            t_squared: true,
            reduction: Reduction::BatchMean,
            ..base()
        },
        Matching {
            interpolate: 0.3,
            reduction: Reduction::Sum,
            ..base()
        },
        Matching {
            interpolate: 0.0,
            reduction: Reduction::PerElement,
            ..base()
        },
        Matching {
            temperature: 0.7,
            ..Matching::new(Arc::new(ReverseKl))
        },
    ]
}

#[test]
fn divergence_equals_its_composed_form() {
    for (i, matching) in matchings().into_iter().enumerate() {
        for (j, [rows, vocab]) in [[1, 3], [5, 40], [6, 2500]].into_iter().enumerate() {
            let teacher = tensor(70 + j as u64, [rows, vocab]) * 4.0;
            for mask in [
                None,
                Some(mask(rows, |row| row % 2 == 0)),
                Some(mask(rows, |_| false)),
            ] {
                same(
                    &format!("matching {i}, shape {j}, {:?}", mask.is_some()),
                    [tensor(j as u64, [rows, vocab]) * 4.0],
                    |[x]| {
                        let (x, teacher) = (Logits::Full(x), Logits::Full(teacher.clone()));
                        divergence(x, teacher, mask.clone(), &matching) * 3.0
                    },
                    |[x]| {
                        let teacher = teacher.clone().autodiff();
                        let (x, teacher) = (Logits::Full(x), Logits::Full(teacher));
                        let mask = mask.clone().map(Tensor::autodiff);
                        engraft_ops::divergence::composed(x, teacher, mask, &matching) * 3.0
                    },
                    2e-5,
                );
            }
        }
    }
}

#[test]
fn entries_of_minus_infinity_do_not_count() {
    let hide = |x: Tensor<2>, every: usize| {
        let [rows, vocab] = x.dims();
        let flags: Vec<bool> = (0..rows * vocab).map(|i| i % every == 0).collect();
        let flags =
            Tensor::<2, Bool>::from_data(TensorData::new(flags, [rows, vocab]), &Device::flex());
        x.mask_fill(flags, f32::NEG_INFINITY)
    };
    let student = hide(tensor(1, [4, 30]), 7);
    let teacher = hide(tensor(2, [4, 30]), 5);
    for (i, matching) in matchings().into_iter().enumerate() {
        same(
            &format!("matching {i}"),
            [student.clone()],
            |[x]| {
                divergence(
                    Logits::Full(x),
                    Logits::Full(teacher.clone()),
                    None,
                    &matching,
                )
            },
            |[x]| {
                let teacher = Logits::Full(teacher.clone().autodiff());
                engraft_ops::divergence::composed(Logits::Full(x), teacher, None, &matching)
            },
            2e-5,
        );
    }
}

#[test]
fn cross_entropy_equals_its_composed_form() {
    for ids in [vec![2, -100, 0, 36], vec![-100; 4], vec![5; 4]] {
        same(
            "full logits",
            [tensor(1, [4, 37]) * 5.0],
            |[x]| {
                let loss = cross_entropy(Logits::Full(x.clone()), labels(ids.clone()));
                loss.clone() * loss
            },
            |[x]| {
                let ids = labels(ids.clone()).autodiff();
                let loss = engraft_ops::cross_entropy::composed(Logits::Full(x), ids);
                loss.clone() * loss
            },
            2e-5,
        );
    }
}

fn heads(rows: usize, width: usize, vocab: usize) -> [Tensor<2>; 3] {
    [
        tensor(1, [rows, width]),
        tensor(2, [vocab, width]),
        tensor(3, [1, vocab]),
    ]
}

fn head([hidden, weight, bias]: [Tensor<2>; 3]) -> Logits {
    let vocab = weight.dims()[0];
    Logits::Head(Head {
        hidden,
        weight,
        bias: Some(bias.reshape([vocab])),
    })
}

#[test]
fn a_head_need_not_be_applied_before_the_loss() {
    let ids = vec![3, -100, 0, 1, 12, 4];
    same(
        "cross-entropy",
        heads(6, 5, 13),
        |parts| cross_entropy(head(parts), labels(ids.clone())) * 2.0,
        |parts| {
            let ids = labels(ids.clone()).autodiff();
            engraft_ops::cross_entropy::composed(head(parts), ids) * 2.0
        },
        2e-5,
    );
    let teacher = [tensor(11, [6, 7]), tensor(12, [13, 7]), tensor(13, [1, 13])];
    for (i, matching) in matchings().into_iter().enumerate() {
        same(
            &format!("matching {i}"),
            heads(6, 5, 13),
            |parts| {
                let mask = mask(6, |row| row != 2);
                divergence(head(parts), head(teacher.clone()), Some(mask), &matching)
            },
            |parts| {
                let mask = mask(6, |row| row != 2).autodiff();
                let teacher = head(teacher.clone().map(Tensor::autodiff));
                engraft_ops::divergence::composed(head(parts), teacher, Some(mask), &matching)
            },
            2e-5,
        );
    }
}

#[test]
fn full_logits_and_a_head_can_meet() {
    let teacher = [tensor(11, [6, 7]), tensor(12, [13, 7]), tensor(13, [1, 13])];
    let matching = Matching::new(Arc::new(ReverseKl));
    let mask = || mask(6, |row| row != 2);
    same(
        "the teacher's head",
        [tensor(1, [6, 13])],
        |[x]| {
            divergence(
                Logits::Full(x),
                head(teacher.clone()),
                Some(mask()),
                &matching,
            )
        },
        |[x]| {
            let teacher = head(teacher.clone().map(Tensor::autodiff));
            let mask = Some(mask().autodiff());
            engraft_ops::divergence::composed(Logits::Full(x), teacher, mask, &matching)
        },
        2e-5,
    );
}

#[test]
fn chunks_of_rows_add_up() {
    // 9 rows of 2^20 entries are more than one chunk of a head.
    let (rows, vocab) = (9, 1 << 20);
    let parts = [tensor(1, [rows, 1]), tensor(2, [vocab, 1])];
    let run = |fused: bool| {
        let [hidden, weight] = parts.each_ref().map(leaf);
        let bias = None;
        let ids = labels((0..rows as i64).collect());
        let loss = if fused {
            let (hidden, weight) = (hidden.clone(), weight.clone());
            cross_entropy(
                Logits::Head(Head {
                    hidden,
                    weight,
                    bias,
                }),
                ids,
            )
        } else {
            let logits = engraft_ops::linear(hidden.clone(), weight.clone(), None);
            cross_entropy(Logits::Full(logits), ids)
        };
        let gradients = loss.backward();
        [hidden, weight].map(|leaf| values(leaf.grad(&gradients).expect("a gradient")))
    };
    for (found, wanted) in run(true).iter().zip(&run(false)) {
        close("head", found, wanted, 1e-4);
    }
}

#[test]
fn a_frozen_head_passes_the_gradient_on() {
    let [hidden, weight, _] = heads(4, 5, 13);
    let tracked = leaf(&hidden);
    let logits = Logits::Head(Head {
        hidden: tracked.clone(),
        weight: weight.clone(),
        bias: None,
    });
    let loss = cross_entropy(logits, labels(vec![1, 2, 3, 4]));
    let found = values(tracked.grad(&loss.backward()).expect("a gradient"));
    let tracked = leaf(&hidden);
    let logits = Logits::Full(tracked.clone().matmul(weight.transpose().autodiff()));
    let loss = engraft_ops::cross_entropy::composed(logits, labels(vec![1, 2, 3, 4]).autodiff());
    let wanted = values(tracked.grad(&loss.backward()).expect("a gradient"));
    close("hidden", &found, &wanted, 2e-5);
}

#[test]
fn composed_losses_equal_central_differences() {
    let teacher = tensor(9, [3, 5]).cast(burn::tensor::DType::F64);
    for (i, matching) in matchings().into_iter().enumerate() {
        if matching.interpolate != 1.0 {
            // The target follows the student but is detached: differences would see it move.
            continue;
        }
        central(&format!("matching {i}"), [tensor(8, [3, 5])], |[x]| {
            let teacher = if x.device().is_autodiff() {
                teacher.clone().autodiff()
            } else {
                teacher.clone()
            };
            divergence(Logits::Full(x), Logits::Full(teacher), None, &matching)
        });
    }
    central("cross-entropy", [tensor(8, [3, 5])], |[x]| {
        let ids = labels(vec![1, -100, 4]);
        let ids = if x.device().is_autodiff() {
            ids.autodiff()
        } else {
            ids
        };
        cross_entropy(Logits::Full(x), ids)
    });
}
