//! The folder of a run: ours to write into, one run at a time, without what a crash left behind.

use std::{
    fs::{self, DirEntry},
    path::{Path, PathBuf},
};

use anyhow::Context;
use engraft_files::Lock;
use engraft_nets::{files::is_leftover, peft::is_adapter};

use crate::plan::{Plan, Save, Step, Work};

/// Marks a folder as one of our runs, and is locked while one works there.
const LOCK: &str = ".lock";
/// Comparisons of a recipe stand beside its runs, and may be there before them.
pub const COMPARISONS: &str = "compare";

/// The folder of a run where the user names none.
pub fn usual(name: &str) -> PathBuf {
    PathBuf::from("runs").join(name)
}

/// Refuses a folder that holds somebody else's things, before anything is trained. Writes nothing.
pub fn check(plan: &Plan) -> anyhow::Result<()> {
    let out = &plan.out;
    anyhow::ensure!(
        out.is_dir() || !taken(out),
        "{} is a file; choose a folder with --out",
        out.display()
    );
    if !out.exists() {
        return Ok(());
    }
    let foreign = |entry: &DirEntry| entry.file_name() != COMPARISONS;
    if !out.join(LOCK).exists()
        && let Some(first) = entries(out)?.into_iter().find(foreign)
    {
        anyhow::bail!(
            "{} is no folder of a run and holds other things (`{}`); choose a new folder with --out",
            out.display(),
            first.file_name().to_string_lossy()
        );
    }
    for step in plan.steps.iter().filter_map(Step::model) {
        let model = models(out).join(&step.name);
        let other = match step.output.save {
            Save::Merged => is_adapter(&model),
            Save::Adapter => model.join("config.json").exists(),
            Save::Nothing => false,
        };
        anyhow::ensure!(
            !other,
            "{} holds what another `save` wrote; move it away or choose another folder with --out",
            model.display()
        );
        anyhow::ensure!(
            matches!(step.work, Work::Probe)
                || !taken(&model)
                || model.join("config.json").exists()
                || is_adapter(&model),
            "{} is there and is no model folder; move it away or choose another folder with --out",
            model.display()
        );
    }
    for step in &plan.steps {
        if let Step::Repair(step) = step {
            super::repair::check(step, &steps(out).join(&step.name))?;
        }
    }
    Ok(())
}

/// Makes the folder, locks it and removes what a killed run left half written. The folder is
/// ours as long as the lock lives.
pub(super) fn enter(out: &Path) -> anyhow::Result<Lock> {
    fs::create_dir_all(out).with_context(|| {
        format!(
            "cannot make the folder {}; choose another with --out",
            out.display()
        )
    })?;
    let lock = Lock::take(&out.join(LOCK)).with_context(|| {
        format!(
            "cannot write into {}; choose another folder with --out",
            out.display()
        )
    })?;
    let lock = lock.with_context(|| {
        format!(
            "another run works in {}; wait for it or choose another folder with --out",
            out.display()
        )
    })?;
    sweep(out)?;
    Ok(lock)
}

/// Where the models of a run stand.
pub(super) fn models(out: &Path) -> PathBuf {
    out.join("models")
}

/// Where the results and checkpoints of a run's steps stand.
pub(super) fn steps(out: &Path) -> PathBuf {
    out.join("steps")
}

/// Whether anything has that name, a broken link too.
fn taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn sweep(out: &Path) -> anyhow::Result<()> {
    let mut folders = vec![out.to_owned(), models(out), steps(out)];
    for folder in [models(out), steps(out)] {
        if folder.is_dir() {
            folders.extend(entries(&folder)?.iter().map(DirEntry::path));
        }
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in entries(folder)? {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_leftover(&name) || name.ends_with(".partial") {
                let path = entry.path();
                let removed = match path.is_dir() {
                    true => fs::remove_dir_all(&path),
                    false => fs::remove_file(&path),
                };
                removed.with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<DirEntry>> {
    fs::read_dir(folder)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the folder {}", folder.display()))
}
