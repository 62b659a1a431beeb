use super::compare::{close, tensor, values};
use burn::optim::Optimizer;
use engraft_ops::AdamW;

#[test]
fn adamw_equals_burns_over_ten_steps() {
    let rule = AdamW {
        weight_decay: 0.1,
        ..AdamW::default()
    };
    let composed = rule.composed();
    for shape in [[1, 1], [300, 130]] {
        let (mut ours, mut theirs) = (tensor(1, shape), tensor(1, shape));
        let (mut state, mut their_state) = (None, None);
        for step in 0..10 {
            let gradient = tensor(step + 10, shape);
            (ours, state) = rule.step(0.05, ours, gradient.clone(), state);
            (theirs, their_state) = composed.step(0.05, theirs, gradient, their_state);
        }
        close("parameter", &values(ours), &values(theirs), 1e-5);
        let (state, their_state) = (state.expect("a state"), their_state.expect("a state"));
        assert_eq!(state.momentum.time, 10);
        let second = values(state.momentum.moment_2);
        close(
            "second moment",
            &second,
            &values(their_state.momentum.moment_2),
            1e-5,
        );
    }
}

#[test]
fn a_step_is_pytorchs() {
    // p = 1, g = 0.5, lr = 0.1: p * (1 - 0.1 * 0.01) - 0.1 * 0.5 / (0.5 + 1e-8)
    let (value, gradient) = (
        tensor::<2>(1, [1, 1]).ones_like(),
        tensor::<2>(1, [1, 1]).ones_like(),
    );
    let (after, _) = AdamW::default().step(0.1, value, gradient * 0.5, None);
    close("parameter", &values(after), &[0.899], 1e-6);
}
