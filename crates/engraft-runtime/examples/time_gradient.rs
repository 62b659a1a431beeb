use std::{path::Path, time::Instant};
use engraft_runtime::*;
fn main() {
    for precision in [Precision::Int8, Precision::F32] {
        let options = Options { precision, threads: Some(2), kernel: None };
        let model = Llama::load(Path::new("/tmp/ehome/models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf"), options).unwrap().model;
        for length in [50usize, 500] {
            let tokens: Vec<u32> = (0..length as u32).map(|at| 100 + at * 7 % 40_000).collect();
            let mut past = model.stream();
            let mut feeds = [Feed { stream: &mut past, tokens: &tokens, ask: Ask::Last }];
            model.forward(&mut feeds, &mut Blind).unwrap();
            let shift: Vec<Vec<f32>> = model.sizes(&past).into_iter().map(|n| vec![0.001; n]).collect();
            let best = |run: &mut dyn FnMut()| {
                let mut all: Vec<f64> = (0..15).map(|_| { let start = Instant::now(); run(); start.elapsed().as_secs_f64() * 1e3 }).collect();
                all.sort_by(f64::total_cmp);
                (all[0], all[7])
            };
            let plain = best(&mut || { let mut fork = past.clone();
                let mut feeds = [Feed { stream: &mut fork, tokens: &[7], ask: Ask::Last }];
                model.forward(&mut feeds, &mut Blind).unwrap(); });
            let logits = best(&mut || { CacheGradient::logits(&model, &past, &shift, 7).unwrap(); });
            let mut forward = 0.0;
            let gradient = best(&mut || { let start = Instant::now(); model.gradient(&past, &shift, 7, &mut |l| { forward = start.elapsed().as_secs_f64() * 1e3; let mut s = vec![1e-5; l.len()]; s[5] -= 1.0; s }).unwrap(); });
            println!("{precision:?} {length}: forward {plain:.1?} logits {logits:.1?} gradient {gradient:.1?} of which last forward {forward:.1} ms (best, median)");
            // Against differences along a random-ish direction.
            let along: Vec<Vec<f32>> = shift.iter().enumerate().map(|(b, s)| (0..s.len()).map(|i| ((i * 7919 + b * 31) as f32 * 0.7).sin()).collect()).collect();
            let moved = |step: f32| { let at: Vec<Vec<f32>> = shift.iter().zip(&along).map(|(s, a)| s.iter().zip(a).map(|(s, a)| s + step * a).collect()).collect();
                let l = CacheGradient::logits(&model, &past, &at, 7).unwrap(); f64::from(l[5]) - f64::from(l[900]) };
            let g = model.gradient(&past, &shift, 7, &mut |l| { let mut s = vec![0.0; l.len()]; s[5] = 1.0; s[900] = -1.0; s }).unwrap();
            let found: f64 = g.iter().flatten().zip(along.iter().flatten()).map(|(g, a)| f64::from(*g) * f64::from(*a)).sum();
            for step in [0.05f32, 0.02, 0.005] { println!("  along: {found:.5}, differences at {step}: {:.5}", (moved(step) - moved(-step)) / f64::from(2.0 * step)); }
        }
    }
}
