//! The settings of a run read alike from flags and from a recipe.

use clap::{Args, Command, FromArgMatches};
use engraft_train::{ParameterGroup, Rule, Schedule, TrainConfig};

fn from_flags(flags: &[&str]) -> Result<TrainConfig, clap::Error> {
    let command = TrainConfig::augment_args(Command::new("train").no_binary_name(true));
    TrainConfig::from_arg_matches(&command.try_get_matches_from(flags)?)
}

#[test]
fn no_flags_and_an_empty_recipe_are_the_defaults() {
    assert_eq!(from_flags(&[]).unwrap(), TrainConfig::default());
    let recipe: TrainConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(recipe, TrainConfig::default());
}

#[test]
fn flags_and_recipe_say_the_same() {
    let flags = [
        "--steps",
        "20",
        "--lr",
        "0.003",
        "--schedule",
        "linear",
        "--optimizer",
        "sgd",
        "--groups",
        "wte.*",
        "--groups",
        r#"{"pattern": "*.bias", "lr_scale": 2}"#,
    ];
    let recipe = r#"{"steps": 20, "lr": 0.003, "schedule": "linear", "optimizer": "sgd",
        "groups": [{"pattern": "wte.*", "freeze": true}, {"pattern": "*.bias", "lr_scale": 2}]}"#;
    let flags = from_flags(&flags).unwrap();
    assert_eq!(flags, serde_json::from_str(recipe).unwrap());
    assert_eq!(
        (flags.schedule, flags.optimizer),
        (Schedule::Linear, Rule::Sgd)
    );
    let frozen: &ParameterGroup = &flags.groups[0];
    assert!(frozen.freeze && !flags.groups[1].freeze);
}

#[test]
fn what_is_written_out_is_read_back() {
    let config = TrainConfig {
        lr: 0.1 + 0.2,
        min_lr: 1.0 / 3.0,
        ..TrainConfig::default()
    };
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
}
