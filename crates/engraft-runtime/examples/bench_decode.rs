//! Times a prefill and a decode of a model: `bench_decode MODEL [int8|f32] [THREADS] [STREAMS]`. One JSON
//! line, tokens a second; the scripts in `bench/decode` run a peer beside it.

use std::{path::Path, time::Instant};

use engraft_runtime::{Ask, Blind, CausalLm, Feed, Llama, Options, Precision};

const PREFILL: usize = 256;
const DECODE: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| typed.get(at).map(String::as_str);
    let options = Options {
        precision: match word(1) {
            Some("f32") => Precision::F32,
            _ => Precision::Int8,
        },
        threads: word(2).and_then(|threads| threads.parse().ok()),
        kernel: None,
    };
    let streams: usize = word(3).and_then(|count| count.parse().ok()).unwrap_or(1);
    let start = Instant::now();
    let model = Llama::load(Path::new(word(0).ok_or("which model?")?), options)?.model;
    let loaded = start.elapsed().as_secs_f64();
    let prompt: Vec<u32> = (0..PREFILL as u32)
        .map(|at| 100 + at * 7 % 40_000)
        .collect();
    let mut filled = vec![model.stream(); streams];
    let start = Instant::now();
    for stream in &mut filled {
        let mut feeds = [Feed {
            stream,
            tokens: &prompt,
            ask: Ask::Last,
        }];
        model.forward(&mut feeds, &mut Blind)?;
    }
    let prefill = (PREFILL * streams) as f64 / start.elapsed().as_secs_f64();
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
        model.forward(&mut feeds, &mut Blind)?;
    }
    let decode = DECODE as f64 / start.elapsed().as_secs_f64();
    println!(
        "{{\"kernel\": \"{:?}\", \"threads\": {}, \"load_s\": {loaded:.3}, \"prefill\": {prefill:.1}, \"steps\": {decode:.1}}}",
        model.kernel(),
        model.threads()
    );
    Ok(())
}
