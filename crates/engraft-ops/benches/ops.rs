//! Forward and backward of every fused operation, at the sizes of the performance goals.

use std::sync::Arc;
use std::time::Duration;

use burn::optim::Optimizer;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use criterion::{Criterion, criterion_group, criterion_main};
use engraft_ops::{
    AdamW, ForwardKl, Head, Logits, Matching, attention, batch_norm, conv2d, cross_entropy,
    divergence, gelu, layer_norm, linear, rms_norm, rotary, silu_gate,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(
        shape,
        Distribution::Normal(0.0, 1.0),
        &Device::flex().autodiff(),
    )
    .require_grad()
}

fn plain<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn ids(rows: usize, classes: usize) -> Tensor<1, Int> {
    let ids: Vec<i64> = (0..rows).map(|row| (row * 31 % classes) as i64).collect();
    Tensor::from_data(TensorData::new(ids, [rows]), &Device::flex())
}

fn losses(criterion: &mut Criterion) {
    let matching = Matching {
        temperature: 2.0,
        t_squared: true,
        ..Matching::new(Arc::new(ForwardKl))
    };
    let (student, teacher) = (leaf([512, 49152]), plain([512, 49152]));
    criterion.bench_function("divergence 512x49152", |bench| {
        bench.iter(|| {
            let (student, teacher) = (student.clone(), teacher.clone());
            divergence(
                Logits::Full(student),
                Logits::Full(teacher),
                None,
                &matching,
            )
            .backward()
        });
    });
    let (hidden, weight) = (leaf([512, 256]), leaf([49152, 256]));
    criterion.bench_function("cross-entropy from a head 512x256x49152", |bench| {
        bench.iter(|| {
            let head = Head {
                hidden: hidden.clone(),
                weight: weight.clone(),
                bias: None,
            };
            cross_entropy(Logits::Head(head), ids(512, 49152)).backward()
        });
    });
    let logits = leaf([2048, 4096]);
    criterion.bench_function("cross-entropy 2048x4096", |bench| {
        bench.iter(|| cross_entropy(Logits::Full(logits.clone()), ids(2048, 4096)).backward());
    });
}

fn layers(criterion: &mut Criterion) {
    let [q, k, v] = [0; 3].map(|_| leaf([8, 4, 256, 64]));
    criterion.bench_function("attention 8x4x256x64 causal", |bench| {
        bench.iter(|| {
            attention(q.clone(), k.clone(), v.clone(), true)
                .sum()
                .backward()
        });
    });
    let (x, weight, bias) = (leaf([2048, 256]), leaf([1024, 256]), leaf([1024]));
    criterion.bench_function("linear 2048x256x1024", |bench| {
        bench.iter(|| {
            linear(x.clone(), weight.clone(), Some(bias.clone()))
                .sum()
                .backward()
        });
    });
    let (wide, other) = (leaf([2048, 1024]), leaf([2048, 1024]));
    criterion.bench_function("gelu 2048x1024", |bench| {
        bench.iter(|| gelu(wide.clone(), Some(bias.clone())).sum().backward());
    });
    criterion.bench_function("silu gate 2048x1024", |bench| {
        bench.iter(|| silu_gate(wide.clone(), other.clone()).sum().backward());
    });
    criterion.bench_function("layer norm 2048x1024", |bench| {
        bench.iter(|| {
            layer_norm(wide.clone(), bias.clone(), Some(bias.clone()), 1e-5)
                .sum()
                .backward()
        });
    });
    criterion.bench_function("rms norm 2048x1024", |bench| {
        bench.iter(|| rms_norm(wide.clone(), bias.clone(), 1e-5).sum().backward());
    });
    let (cos, sin) = (plain([256, 32]), plain([256, 32]));
    criterion.bench_function("rotary 8x4x256x64", |bench| {
        bench.iter(|| rotary(q.clone(), cos.clone(), sin.clone()).sum().backward());
    });
}

fn images(criterion: &mut Criterion) {
    for (channels, side) in [(16, 32), (32, 16), (64, 8)] {
        let x = leaf([128, channels, side, side]);
        let weight = leaf([channels, channels, 3, 3]);
        criterion.bench_function(
            &format!("convolution 128x{channels}x{side}x{side}"),
            |bench| {
                bench.iter(|| conv2d(x.clone(), weight.clone(), 1, 1).sum().backward());
            },
        );
        let (weight, bias) = (leaf([channels]), leaf([channels]));
        criterion.bench_function(
            &format!("batch norm 128x{channels}x{side}x{side}"),
            |bench| {
                bench.iter(|| {
                    batch_norm(x.clone(), weight.clone(), bias.clone(), 1e-5, true)
                        .0
                        .sum()
                        .backward()
                });
            },
        );
    }
}

fn optimizer(criterion: &mut Criterion) {
    let gradient = plain([1024, 4096]);
    let mut held = Some((plain([1024, 4096]), None));
    criterion.bench_function("adamw 4M", |bench| {
        bench.iter(|| {
            let (value, state) = held.take().expect("the last step's");
            held = Some(AdamW::default().step(1e-3, value, gradient.clone(), state));
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    targets = losses, layers, images, optimizer
}
criterion_main!(benches);
