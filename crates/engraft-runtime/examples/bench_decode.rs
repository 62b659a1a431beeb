//! Times a prefill and a decode of a model: `bench_decode MODEL [int8|f32] [THREADS] [STREAMS] [KERNEL]`. One
//! JSON line, tokens a second; the scripts in `bench/decode` run peers beside it. `KERNEL` names the int8
//! products' instructions where not the best are wanted: `Scalar`, `Avx2`, `Avx512Vnni`, `Neon`.

use std::{path::Path, time::Instant};

use engraft_runtime::{
    Ask, Blind, CausalLm, Feed, Kernel, Llama, Options, Precision, RuntimeError,
};

const PREFILL: usize = 256;
const DECODE: usize = 64;

/// Prefills and decodes the same tokens every time. `see` is shown the logits after the prompt and
/// after every step, those of the last stream last. Tokens a second and steps a second.
fn pass(
    model: &Llama,
    streams: usize,
    see: &mut dyn FnMut(&[f32]),
) -> Result<(f64, f64), RuntimeError> {
    let prompt: Vec<u32> = (0..PREFILL as u32)
        .map(|at| 100 + at * 7 % 40_000)
        .collect();
    let mut filled = vec![model.stream(); streams];
    let mut logits = Vec::new();
    let start = Instant::now();
    for stream in &mut filled {
        let mut feeds = [Feed {
            stream,
            tokens: &prompt,
            ask: Ask::Last,
        }];
        logits = model.forward(&mut feeds, &mut Blind)?;
    }
    let prefill = (PREFILL * streams) as f64 / start.elapsed().as_secs_f64();
    see(&logits);
    let start = Instant::now();
    for step in 0..DECODE as u32 {
        let token = [1000 + step];
        let mut feeds: Vec<_> = filled
            .iter_mut()
            .map(|stream| Feed {
                stream,
                tokens: &token,
                ask: Ask::Last,
            })
            .collect();
        see(&model.forward(&mut feeds, &mut Blind)?);
    }
    Ok((prefill, DECODE as f64 / start.elapsed().as_secs_f64()))
}

fn largest(logits: &[f32]) -> usize {
    (0..logits.len()).fold(
        0,
        |best, at| if logits[at] > logits[best] { at } else { best },
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| typed.get(at).map(String::as_str);
    let named = |kernel: &Kernel| word(4) == Some(format!("{kernel:?}").as_str());
    let options = Options {
        precision: match word(1) {
            Some("f32") => Precision::F32,
            _ => Precision::Int8,
        },
        threads: word(2).and_then(|threads| threads.parse().ok()),
        kernel: Kernel::here().into_iter().find(named),
    };
    let streams: usize = word(3).and_then(|count| count.parse().ok()).unwrap_or(1);
    let start = Instant::now();
    let model = Llama::load(Path::new(word(0).ok_or("which model?")?), options)?.model;
    let loaded = start.elapsed().as_secs_f64();
    let vocab = model.shape().vocab;
    let mut likeliest = Vec::new();
    // Warms up; what the clock sees does not look at the logits.
    pass(&model, streams, &mut |logits| {
        likeliest.push(largest(&logits[logits.len() - vocab..]));
    })?;
    let (prefill, steps) = pass(&model, streams, &mut |_| ())?;
    println!(
        "{{\"kernel\": \"{:?}\", \"threads\": {}, \"load_s\": {loaded:.3}, \"prefill\": {prefill:.1}, \"steps\": {steps:.1}, \"likeliest\": {likeliest:?}, \"version\": \"{}\"}}",
        model.kernel(),
        model.threads(),
        env!("CARGO_PKG_VERSION")
    );
    Ok(())
}
