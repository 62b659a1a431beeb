//! The curve of a run in files: JSON lines, and TensorBoard events.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    TrainError,
    curve::{Curve, Point},
    files::RunFiles,
    tensorboard::EventWriter,
};

/// Open metric files of one run.
///
/// A session writes both files anew from the curve it resumes with, so that points after the last
/// checkpoint of a killed session do not appear twice.
pub struct Metrics {
    lines: Option<(PathBuf, BufWriter<File>)>,
    events: Option<(PathBuf, EventWriter<BufWriter<File>>)>,
    /// When the run would have started had it never been interrupted, in seconds since 1970.
    started: f64,
}

impl Metrics {
    /// Opens what `files` asks for and writes the points of `curve`.
    pub fn open(files: &RunFiles, curve: &Curve) -> Result<Self, TrainError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let trained = curve.points.last().map_or(0.0, |point| point.seconds);
        let started = now.map_or(0.0, |now| now.as_secs_f64()) - trained;
        let mut metrics = Self {
            lines: None,
            events: None,
            started,
        };
        if let Some(path) = &files.metrics {
            metrics.lines = Some((path.clone(), create(path)?));
        }
        if let Some(folder) = &files.events {
            // TensorBoard finds event files by this part of their name.
            let path = folder.join("events.out.tfevents.0.engraft");
            let writer = EventWriter::new(create(&path)?, started)
                .map_err(TrainError::io(&path, "write the events"))?;
            metrics.events = Some((path, writer));
        }
        for point in &curve.points {
            metrics.write(point)?;
        }
        Ok(metrics)
    }

    /// Appends a point to every file.
    pub fn write(&mut self, point: &Point) -> Result<(), TrainError> {
        if let Some((path, out)) = &mut self.lines {
            let line = serde_json::to_string(point).expect("a point is plain data");
            writeln!(out, "{line}")
                .and_then(|()| out.flush())
                .map_err(TrainError::io(path, "write the metrics"))?;
        }
        if let Some((path, out)) = &mut self.events {
            out.scalars(
                self.started + point.seconds,
                point.step as u64,
                &point.scalars(),
            )
            .map_err(TrainError::io(path, "write the events"))?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, TrainError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(TrainError::io(folder, "create the folder"))?;
    }
    let file = File::create(path).map_err(TrainError::io(path, "create the file"))?;
    Ok(BufWriter::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: usize) -> Point {
        Point {
            step,
            loss: 1.0 / step as f64,
            lr: 1e-3,
            gradient_norm: 0.5,
            tokens: 10 * step as u64,
            seconds: step as f64,
            held_out: (step == 2).then_some(0.125),
            parts: [("t".to_owned(), 0.4)].into(),
        }
    }

    #[test]
    fn lines_hold_exactly_the_points_of_the_curve_and_those_added() {
        let folder = tempfile::tempdir().unwrap();
        let files = RunFiles::in_folder(folder.path(), "key");
        let path = files.metrics.clone().unwrap();
        let stale = Curve {
            points: vec![point(1), point(2), point(3)],
        };
        Metrics::open(&files, &stale).unwrap();
        let resumed = Curve {
            points: vec![point(1), point(2)],
        };
        Metrics::open(&files, &resumed)
            .unwrap()
            .write(&point(3))
            .unwrap();
        let text = fs::read_to_string(path).unwrap();
        let read: Vec<Point> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, stale.points);
        assert_eq!(stale.series("held_out"), [(2.0, 0.125)]);
        let names = ["loss", "lr", "gradient_norm", "t", "held_out"];
        assert_eq!(stale.names(), names);
    }

    #[test]
    fn a_file_that_cannot_be_created_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let files = RunFiles::in_folder(&blocked, "key");
        let error = Metrics::open(&files, &Curve::default()).err().unwrap();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
