//! Times a token by every method beside greedy decoding: `bench_methods MODEL [ROUNDS] [METHOD...]`. All sides
//! have their turns in every round; a Markdown table of medians.

use std::{path::PathBuf, time::Instant};

use engraft::decoding::{Asked, Bounds, Computes, Decoder, ModelFlags, explain, known};
use engraft_decode::{Chosen, Go, Pasts, Source};
use serde_json::json;

/// Tokens of an answer; the first comes after the prompt is read and is not counted.
const TOKENS: usize = 65;
/// Alternatives that `--explain` shows.
const ALTERNATIVES: usize = 3;

/// One way to answer.
struct Side {
    name: String,
    method: String,
    explained: bool,
    /// Whether the context is left out.
    alone: bool,
    seconds: Vec<f64>,
}

impl Side {
    fn of(method: &str, explained: bool, alone: bool) -> Self {
        let how = match (explained, alone) {
            (true, _) => ", explained",
            (_, true) => ", without the context",
            _ => "",
        };
        Self {
            name: format!("{method}{how}"),
            method: method.to_owned(),
            explained,
            alone,
            seconds: Vec::new(),
        }
    }

    /// The median, in milliseconds a token.
    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        1e3 * sorted[sorted.len() / 2]
    }
}

/// About 250 tokens that the question refers to.
fn context() -> String {
    let sentence = |at: usize| {
        format!(
            "House number {at} of the long street was built by the mason Arvel Tunn and is painted green. "
        )
    };
    (1..=12).map(sentence).collect()
}

/// Seconds a token.
fn time(decoder: &Decoder, asked: &Asked, side: &Side) -> anyhow::Result<f64> {
    let entry = known(&side.method)?;
    let settings = entry.normalise(&json!({})).map_err(anyhow::Error::msg)?;
    let mut way = decoder.way(&entry, &settings)?;
    let bounds = Bounds {
        tokens: TOKENS,
        alternatives: if side.explained { ALTERNATIVES } else { 0 },
        seed: 0,
    };
    let (mut tokens, mut said, mut times) = (Vec::new(), 0, Vec::new());
    let mut tell = |chosen: Chosen| {
        tokens.push(chosen.token);
        if side.explained {
            let context = chosen.told.source == Some(Source::Context);
            let behind = context
                .then(|| asked.behind(&tokens, &decoder.tokenizer))
                .flatten();
            said += explain::words(&chosen, behind.as_deref(), &decoder.tokenizer).len();
        }
        times.push(Instant::now());
        Go::On
    };
    decoder.answer(asked, &mut way, &mut Pasts::default(), &bounds, &mut tell)?;
    std::hint::black_box(said);
    let (first, last) = (times[0], times[times.len() - 1]);
    anyhow::ensure!(
        times.len() > TOKENS / 2,
        "{} answered too shortly",
        side.name
    );
    Ok((last - first).as_secs_f64() / (times.len() - 1) as f64)
}

fn main() -> anyhow::Result<()> {
    let mut typed = std::env::args().skip(1);
    let model = PathBuf::from(
        typed
            .next()
            .ok_or_else(|| anyhow::anyhow!("which model?"))?,
    );
    let rounds = typed.next().map_or(Ok(7), |rounds| rounds.parse())?;
    let mut methods: Vec<String> = typed.collect();
    if methods.is_empty() {
        methods = ["cad", "ck-plug", "dola", "lfd"]
            .map(str::to_owned)
            .to_vec();
    }
    let flags = ModelFlags {
        model,
        precision: Computes::Int8,
        threads: Some(2),
    };
    let decoder = Decoder::load(&flags)?;
    let question = "Once upon a time";
    let ask = |context| Asked::question(&decoder.tokenizer, question, context, true);
    let (full, alone) = (ask(Some(&context()))?, ask(None)?);
    let mut sides = vec![
        Side::of("greedy", false, false),
        Side::of("greedy", true, false),
        Side::of("greedy", false, true),
    ];
    for method in &methods {
        sides.extend([
            Side::of(method, false, false),
            Side::of(method, true, false),
        ]);
    }
    for _ in 0..rounds {
        for side in &mut sides {
            let asked = if side.alone { &alone } else { &full };
            let seconds = time(&decoder, asked, side)?;
            side.seconds.push(seconds);
        }
    }
    let greedy = sides[0].median();
    println!(
        "{:?}, {} threads, {} tokens of prompt, {rounds} rounds\n",
        decoder.model.kernel(),
        decoder.model.threads(),
        full.tokens().len()
    );
    println!("| side | ms a token | of greedy |\n|---|---|---|");
    let row =
        |name: &str, median: f64| println!("| {name} | {median:.2} | {:.2} |", median / greedy);
    sides.iter().for_each(|side| row(&side.name, side.median()));
    row(
        "two passes, one after the other",
        greedy + sides[2].median(),
    );
    Ok(())
}
