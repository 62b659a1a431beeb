//! Does a retrieved demonstration help a small model to repair a line, and does a rule?
//!
//! Six families of bugs in one line of code, invented identifiers, half of the issues as memory and half as test. The
//! fix is asked for with nothing else, with a demonstration drawn at random, with the one that ExpeRepair's
//! retrieval finds (0.7 issue + 0.3 code), with the rule of the family, with all six rules, and with rules and
//! demonstration. Greedy; exact fixes, and the mean log-probability of a token of the right fix.
//!
//! `cargo run --release --example demonstrations -- smollm2-135m [SEEDS]`, after `engraft pull smollm2-135m`.

use engraft::{
    decoding::{Asked, Computes, Decoder, ModelFlags, known},
    memory::episodic::{Demonstration, PatchAttempt, Retrieval, retrieve_patches},
    probe::interval::paired,
};
use engraft_decode::Pasts;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A family: the issue, the line, its fix and the rule; `{}` is the identifier.
const FAMILIES: [[&str; 4]; 6] = [
    [
        "The last entry of {} is never shown in the summary.",
        "for index in range(len({}) - 1):",
        "for index in range(len({})):",
        "A loop over all positions of a list runs over range(len(items)), without subtracting one.",
    ],
    [
        "Calls that do not pass {} see what earlier calls have put there.",
        "def collect(entry, {}=[]):",
        "def collect(entry, {}=None):",
        "A default argument is made once for all calls, so use None instead of an empty list.",
    ],
    [
        "It crashes with an AttributeError when {} was left empty.",
        "return {}.strip()",
        "return ({} or \"\").strip()",
        "Before a method of a text is called, put an empty text in place of None.",
    ],
    [
        "The share of {} comes out as zero although it is a third.",
        "share = {} // total",
        "share = {} / total",
        "A share is a true division with one slash, as two slashes cut off the fraction.",
    ],
    [
        "Comparing {} works for short texts only, and sometimes not at all.",
        "if {} is \"done\":",
        "if {} == \"done\":",
        "Texts are compared with two equals signs, as is asks for the same object.",
    ],
    [
        "Changing the result also changes {} of the caller.",
        "result = {}",
        "result = list({})",
        "Copy a list before it is changed, so that the caller's list stays as it was.",
    ],
];
/// Issues of each family, half of them memory.
const EACH: usize = 12;

/// What is shown beside the issue.
const MATERIALS: [&str; 6] = [
    "nothing",
    "random demonstration",
    "retrieved demonstration",
    "the family's rule",
    "all six rules",
    "all rules and retrieved demonstration",
];

struct Case {
    family: usize,
    issue: String,
    buggy: String,
    fix: String,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments
        .next()
        .unwrap_or_else(|| "smollm2-135m".to_owned());
    let seeds: u64 = arguments.next().map_or(Ok(5), |seeds| seeds.parse())?;
    let decoder = Decoder::load(&ModelFlags {
        model: model.into(),
        precision: Computes::Int8,
        threads: None,
    })?;
    let mut exact = vec![Vec::new(); MATERIALS.len()];
    let mut likely = vec![Vec::new(); MATERIALS.len()];
    let mut right_family = Vec::new();
    for seed in 0..seeds {
        let (memory, tests) = invent(seed);
        let pool: Vec<Demonstration<PatchAttempt>> = memory.iter().map(demonstration).collect();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut sums = vec![(0.0, 0.0); MATERIALS.len()];
        let mut right = 0;
        for case in &tests {
            let drawn = &memory[random.random_range(0..memory.len())];
            let found = retrieve_patches(&pool, &case.issue, &case.buggy, &Retrieval::default())?;
            let found = &memory[found.first().map_or(0, |found| found.index)];
            right += usize::from(found.family == case.family);
            for (material, sum) in sums.iter_mut().enumerate() {
                let prompt = prompt(case, material, drawn, found);
                let (hit, score) = score(&decoder, &prompt, &case.fix)?;
                sum.0 += f64::from(u8::from(hit));
                sum.1 += score;
            }
        }
        right_family.push(right);
        for (material, sum) in sums.into_iter().enumerate() {
            exact[material].push(sum.0);
            likely[material].push(sum.1 / tests.len() as f64);
        }
        eprintln!("seed {seed}");
    }
    let cases = FAMILIES.len() * EACH / 2;
    println!(
        "exact fixes of {cases} and log-probability a token, mean over {seeds} seeds; differences to nothing, paired by seed\n"
    );
    println!(
        "| shown | exact | against nothing | log-probability | against nothing |\n|---|---|---|---|---|"
    );
    for (material, name) in MATERIALS.iter().enumerate() {
        println!(
            "| {name} | {:.1} | {} | {:.3} | {} |",
            mean(&exact[material]),
            against(&exact[material], &exact[0], 1),
            mean(&likely[material]),
            against(&likely[material], &likely[0], 3),
        );
    }
    println!("\nretrieved demonstrations of the right family: {right_family:?} of {cases}");
    println!(
        "retrieved against random, exact: {}",
        against(&exact[2], &exact[1], 1)
    );
    Ok(())
}

/// Memory and tests of a seed, each with every family equally often.
fn invent(seed: u64) -> (Vec<Case>, Vec<Case>) {
    let mut random = ChaCha8Rng::seed_from_u64(1000 + seed);
    let mut syllables = || -> String {
        let parts = [
            "ka", "lo", "mi", "ru", "ten", "vas", "dor", "pel", "shi", "nok",
        ];
        (0..3)
            .map(|_| parts[random.random_range(0..parts.len())])
            .collect()
    };
    let (mut memory, mut tests) = (Vec::new(), Vec::new());
    for (family, [issue, buggy, fix, _]) in FAMILIES.iter().enumerate() {
        for number in 0..EACH {
            let name = format!("{}_{}", syllables(), syllables());
            let fill = |text: &str| text.replace("{}", &name);
            let case = Case {
                family,
                issue: fill(issue),
                buggy: fill(buggy),
                fix: fill(fix),
            };
            if number % 2 == 0 {
                &mut memory
            } else {
                &mut tests
            }
            .push(case);
        }
    }
    (memory, tests)
}

fn demonstration(case: &Case) -> Demonstration<PatchAttempt> {
    Demonstration {
        issue_description: case.issue.clone(),
        attempt: PatchAttempt {
            old_patch: case.buggy.clone(),
            old_result: false,
            new_patch: case.fix.clone(),
            new_result: true,
        },
    }
}

fn prompt(case: &Case, material: usize, drawn: &Case, found: &Case) -> String {
    let rules: Vec<&str> = match material {
        3 => vec![FAMILIES[case.family][3]],
        4 | 5 => FAMILIES.iter().map(|family| family[3]).collect(),
        _ => Vec::new(),
    };
    let shown = match material {
        1 => Some(drawn),
        2 | 5 => Some(found),
        _ => None,
    };
    let mut text = String::new();
    for rule in rules {
        text.push_str(&format!("Rule: {rule}\n"));
    }
    for case in shown.into_iter() {
        text.push_str(&format!("{}{}\n\n", begin(case), case.fix));
    }
    text + &begin(case)
}

fn begin(case: &Case) -> String {
    format!(
        "Issue: {}\nWrong line: {}\nRight line: ",
        case.issue, case.buggy
    )
}

/// Whether greedy decoding writes the fix and ends the line, and the mean log-probability of its tokens.
fn score(decoder: &Decoder, prompt: &str, fix: &str) -> anyhow::Result<(bool, f64)> {
    // The space belongs to the first token of the answer.
    let asked = Asked::question(&decoder.tokenizer, prompt.trim_end(), None, true)?;
    let entry = known("greedy")?;
    let settings = entry
        .normalise(&serde_json::json!({}))
        .map_err(anyhow::Error::msg)?;
    let mut way = decoder.way(&entry, &settings)?;
    let tokens = decoder.tokenizer.encode(&format!(" {fix}\n"));
    let given = decoder.score(&asked, &mut way, &mut Pasts::default(), &tokens)?;
    let sum: f64 = given
        .iter()
        .map(|given| f64::from(given.log_probability))
        .sum();
    Ok((
        given.iter().all(|given| given.first),
        sum / given.len() as f64,
    ))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn against(values: &[f64], baseline: &[f64], digits: usize) -> String {
    let differences: Vec<f64> = values.iter().zip(baseline).map(|(a, b)| a - b).collect();
    let (mean, interval) = paired(&differences);
    match interval {
        None => format!("{mean:+.digits$}"),
        Some(interval) => format!(
            "{mean:+.digits$} ({:+.digits$} to {:+.digits$})",
            interval.low, interval.high
        ),
    }
}
