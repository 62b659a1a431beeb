//! Whole repairs where the model, the server, the repository or the disk is as bad as it can be.

mod bad_models;
mod bad_servers;
mod hostile_repositories;
mod hostile_texts;
mod one_folder;
mod one_memory;
mod policy;
mod prompts;
mod run;
mod vote;
mod wire;
