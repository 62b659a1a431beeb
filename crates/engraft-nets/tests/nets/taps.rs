//! Taps read, replace, silence and cut; a network without wishes computes the same.

use crate::support::{close, gpt, images, llama, logits, mlp, resnet, tokens};
use engraft_nets::{Mode, Network, Taps, Value, each_rank};

fn all() -> Vec<(Box<dyn Network>, engraft_nets::Batch)> {
    vec![
        (gpt(), tokens()),
        (llama(), tokens()),
        (mlp(), images()),
        (resnet(), images()),
    ]
}

#[test]
fn reading_hidden_states_and_maps_changes_nothing() {
    for (network, batch) in all() {
        let blocks = network.capabilities().blocks;
        let maps = network.capabilities().attention_maps;
        let mut taps = Taps {
            want_hidden: (0..=blocks).collect(),
            want_attention: (0..if maps { blocks } else { 0 }).collect(),
            want_heads: (0..if maps { blocks } else { 0 }).collect(),
            ..Taps::none()
        };
        let plain = logits(&*network, &batch, &mut Taps::none());
        close(&logits(&*network, &batch, &mut taps), &plain, 1e-5);
        assert_eq!(taps.hidden.len(), blocks + 1);
        if maps {
            for map in taps.attention.values() {
                let rows = map.clone().sum_dim(3).to_data().convert::<f32>();
                for sum in rows.iter::<f32>() {
                    assert!((sum - 1.0).abs() < 1e-5, "a row of the map sums to {sum}");
                }
            }
            assert_eq!(taps.heads.len(), blocks);
        }
    }
}

#[test]
fn two_ranges_of_blocks_make_the_whole() {
    for (network, batch) in all() {
        let plain = logits(&*network, &batch, &mut Taps::none());
        let mut first = Taps {
            to: Some(1),
            want_hidden: vec![1],
            ..Taps::none()
        };
        network.forward(&batch, Mode::Eval, &mut first);
        let mut second = Taps {
            from: Some(1),
            ..Taps::none()
        };
        second.replace_hidden.insert(1, first.hidden[&1].clone());
        close(&logits(&*network, &batch, &mut second), &plain, 1e-6);
    }
}

#[test]
fn a_replaced_state_flows_on() {
    for (network, batch) in all() {
        let plain = logits(&*network, &batch, &mut Taps::none());
        let mut read = Taps {
            want_hidden: vec![1],
            ..Taps::none()
        };
        network.forward(&batch, Mode::Eval, &mut read);
        let doubled = match read.hidden[&1].clone() {
            Value::R2(state) => Value::R2(state * 2.0 + 1.0),
            Value::R4(state) => Value::R4(state * 2.0 + 1.0),
            Value::R1(_) => unreachable!("hidden states have rows"),
        };
        let mut write = Taps::none();
        write.replace_hidden.insert(1, doubled);
        let changed = logits(&*network, &batch, &mut write);
        assert!(
            plain
                .iter()
                .zip(&changed)
                .any(|(a, b)| (a - b).abs() > 1e-4)
        );
    }
}

#[test]
fn a_silenced_head_adds_nothing() {
    for network in [gpt(), llama()] {
        let mut taps = Taps {
            silence: vec![(1, 1)],
            want_heads: vec![1],
            ..Taps::none()
        };
        network.forward(&tokens(), Mode::Eval, &mut taps);
        let heads = taps.heads[&1].clone();
        let [batch, _, positions, width] = heads.dims();
        let of = |head: usize| {
            let part = heads
                .clone()
                .slice([0..batch, head..head + 1, 0..positions, 0..width]);
            Value::R4(part).to_vec()
        };
        assert!(of(1).iter().all(|&x| x == 0.0));
        assert!(of(0).iter().any(|&x| x != 0.0));
    }
}

#[test]
fn a_causal_model_does_not_look_ahead() {
    for network in [gpt(), llama()] {
        let before = logits(&*network, &tokens(), &mut Taps::none());
        let mut other = tokens();
        let engraft_nets::Input::Tokens { ids, .. } = &mut other.input else {
            unreachable!("tokens")
        };
        ids[3] = 7;
        let after = logits(&*network, &other, &mut Taps::none());
        let vocab = network.capabilities().classes;
        close(&after[..3 * vocab], &before[..3 * vocab], 1e-6);
        assert!(before[3 * vocab..4 * vocab] != after[3 * vocab..4 * vocab]);
    }
}

#[test]
fn training_a_resnet_moves_its_running_statistics() {
    let network = resnet();
    let signals = network
        .tracked()
        .forward(&images(), Mode::Train, &mut Taps::none());
    let statistics = network.parameters().into_iter();
    let names: Vec<&str> = statistics
        .filter(|p| p.role == engraft_nets::Role::Statistic)
        .map(|p| p.name.as_str())
        .collect();
    let mut updated: Vec<&str> = signals.statistics.iter().map(|(n, _)| n.as_str()).collect();
    updated.sort_unstable();
    let mut wanted = names.clone();
    wanted.sort_unstable();
    assert_eq!(updated, wanted);
    let (name, value) = &signals.statistics[0];
    assert!(name.ends_with("running_mean"));
    assert!(each_rank!(value, t => !t.device().is_autodiff()));
}
