//! The program as a user meets it: the real binary on small recipes and small files.
//!
//! One test binary of many files, because every further one would be linked on its own.

mod support;

mod augment;
mod bad_facts;
mod bad_files;
mod bad_models;
mod bad_places;
mod bad_recipes;
mod compare;
mod decoding;
mod facts;
mod generate;
mod gguf;
mod help;
mod images;
mod interruption;
mod ledger;
mod memory;
mod methods;
mod own_text;
mod pull;
mod quickstart;
mod repair;
mod repair_recipe;
mod same_as_recipe;
mod seeds;
