//! Networks in bf16 compute what they do in f32, within its few digits, and pass gradients on.

use crate::support::{gpt, images, llama, mlp, resnet, tokens};
use burn::tensor::DType;
use engraft_nets::{Mode, Role, Taps, Value, each_rank};

#[test]
fn half_precision_stays_near_and_is_differentiable() {
    for (network, batch) in [
        (gpt(), tokens()),
        (llama(), tokens()),
        (mlp(), images()),
        (resnet(), images()),
    ] {
        let logits = |dtype: DType| {
            let tracked = network.tracked_in(dtype);
            let signals = tracked.forward(&batch, Mode::Train, &mut Taps::none());
            (tracked, signals.logits.full())
        };
        let exact = Value::R2(logits(DType::F32).1.inner()).to_vec();
        let (tracked, found) = logits(DType::BF16);
        assert_eq!(found.dtype(), DType::F32, "losses are made in f32");
        let size = exact.iter().fold(0.0f32, |size, x| size.max(x.abs()));
        for (a, b) in Value::R2(found.clone().inner()).to_vec().iter().zip(&exact) {
            assert!((a - b).abs() < 0.06 * size, "{a} instead of {b}");
        }
        let gradients = (found.clone() * found).sum().backward();
        for parameter in tracked.parameters() {
            if parameter.role == Role::Statistic {
                continue;
            }
            let dtype = each_rank!(&parameter.value, t => t.grad(&gradients).map(|g| g.dtype()));
            let wanted = match parameter.role {
                Role::Embedding => DType::F32,
                _ => DType::BF16,
            };
            assert_eq!(dtype, Some(wanted), "{}", parameter.name);
        }
    }
}
