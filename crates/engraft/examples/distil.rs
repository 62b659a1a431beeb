//! Teaches a small network about invented people, distils it into a smaller one, measures both.

use std::sync::atomic::AtomicBool;

use engraft::{
    Device,
    distill::{Distillation, Run, Weights, find},
    measure::knowledge,
    nets::{InputShape, Spec, Tokenizer, create},
    plan::Data,
    train::data::{BiographyOptions, Lists, People},
    train::{CrossEntropy, RunFiles, TrainConfig, Trainer, progress},
};
use serde_json::{Value, from_value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let people = People::generate(&Lists::default(), 7, 0..20)?;
    let words = people.lists.vocabulary();
    let tokenizer = Tokenizer::words(words.iter().map(String::as_str));
    let options = BiographyOptions::default();
    let data = Data::Biographies { people, options };

    let network = |spec: Value| {
        let spec: Spec = from_value(spec).expect("a network as a recipe writes it");
        create(
            &spec,
            tokenizer.vocab_size(),
            InputShape::Tokens,
            7,
            &Device::flex(),
        )
    };
    let config = TrainConfig {
        steps: 200,
        lr: 4e-3,
        warmup: 20,
        ..TrainConfig::default()
    };
    let source = data.source(Some(&tokenizer), &config)?;
    let (files, shown, stop) = (
        RunFiles::none(),
        progress::on_stderr(),
        AtomicBool::new(false),
    );
    let trainer = |name| Trainer::new(name, &config, &files, &*shown, &stop);

    let teacher = network(json!({ "gpt": { "layers": 2, "width": 64, "context": 96 } }))?;
    let teacher = trainer("teacher")
        .run(teacher, &mut CrossEntropy, &*source, &mut [])?
        .network;
    let student = network(json!({ "gpt": { "layers": 1, "width": 32, "context": 96 } }))?;
    let run = Run {
        steps: config.steps,
        student: student.capabilities(),
        teacher: teacher.capabilities(),
        samples: data.samples(),
        seed: config.seed,
    };
    let objective = find("taid")
        .expect("a registered method")
        .objective(&Value::Null, &run)?;
    let mut loss = Distillation::new(&*teacher, objective, Weights::default());
    let student = trainer("student")
        .run(student, &mut loss, &*source, &mut [])?
        .network;

    for (name, network) in [("teacher", &teacher), ("student", &student)] {
        for found in knowledge("20 people", &data, Some(&tokenizer), &**network) {
            println!(
                "{name:<8} {:<60} {} ({})",
                found.probe,
                found.shown(),
                found.shown_interval()
            );
        }
    }
    Ok(())
}
