//! Losses over rows of logits on the CPU. The gradient is made together with the loss and only
//! scaled on the way back. A head that has not been applied is applied to a few rows at a time.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Bool, Int, Tensor};
use rayon::prelude::*;

use crate::divergence::{Head, Logits, Matching};
use crate::flex::{column_sums, contiguous, scaled, tensor, values, zeros};
use crate::linear_kernel::{fill_rows, matrix};
use crate::loss_rows::{CrossEntropy, Divergence, RowLoss};
use crate::matrix::{Matrix, Target, Threads, multiply, product};
use crate::node::{Input, Saved, flags, integers, run};

/// Logits that exist at a time where a head is applied here: 32 MB.
const CHUNK: usize = 8 << 20;

/// None where a tensor is not `f32` on the CPU.
pub(crate) fn cross_entropy(logits: &Logits, labels: &Tensor<1, Int>) -> Option<Tensor<1>> {
    assert_eq!(labels.dims()[0], logits.rows(), "one label for every row");
    let loss = CrossEntropy::new(integers(labels)?, logits.vocab());
    enter(logits, None, loss)
}

/// None where a tensor is not `f32` on the CPU. The teacher is detached.
pub(crate) fn divergence(
    student: &Logits,
    teacher: &Logits,
    mask: Option<&Tensor<1, Bool>>,
    matching: &Matching,
) -> Option<Tensor<1>> {
    let size = |logits: &Logits| (logits.rows(), logits.vocab());
    assert_eq!(
        size(student),
        size(teacher),
        "rows and vocabulary of student and teacher"
    );
    let flagged = mask.map_or(student.rows(), |mask| mask.dims()[0]);
    assert_eq!(flagged, student.rows(), "one mask flag for every row");
    let mask = match mask {
        Some(mask) => Some(flags(mask)?),
        None => None,
    };
    let loss = Divergence::new(matching, mask, student.rows(), student.vocab());
    enter(student, Some(Source::of(teacher)?), loss)
}

fn enter(logits: &Logits, teacher: Option<Source>, loss: impl RowLoss) -> Option<Tensor<1>> {
    match logits {
        Logits::Full(logits) => {
            let input = [Input::of(logits)?];
            Some(run(input, |input, needed| {
                let [logits] = input.map(contiguous);
                answer(Source::Full(logits), teacher, &loss, needed)
            }))
        }
        Logits::Head(head) => {
            let (hidden, weight) = (Input::of(&head.hidden)?, Input::of(&head.weight)?);
            match &head.bias {
                None => Some(run([hidden, weight], |inputs, needed| {
                    let [hidden, weight] = inputs.map(contiguous);
                    let source = Source::Head(hidden, weight, None);
                    answer(source, teacher, &loss, needed)
                })),
                Some(bias) => {
                    let inputs = [hidden, weight, Input::of(bias)?];
                    Some(run(inputs, |inputs, needed| {
                        let [hidden, weight, bias] = inputs.map(contiguous);
                        let source = Source::Head(hidden, weight, Some(bias));
                        answer(source, teacher, &loss, needed)
                    }))
                }
            }
        }
    }
}

/// Gradients for an upstream of 1.
#[derive(Clone, Debug)]
struct Ready<const N: usize>([Option<FlexTensor>; N]);

impl<const N: usize> Saved<N> for Ready<N> {
    fn backward(self, upstream: FlexTensor, _: [bool; N]) -> [Option<FlexTensor>; N] {
        let factor = values(&contiguous(upstream))[0];
        self.0
            .map(|gradient| gradient.map(|gradient| scaled(gradient, factor)))
    }
}

/// Where rows of logits come from.
#[expect(clippy::large_enum_variant, reason = "one or two a step")]
enum Source {
    Full(FlexTensor),
    /// Hidden states, weight and bias.
    Head(FlexTensor, FlexTensor, Option<FlexTensor>),
}

impl Source {
    fn of(logits: &Logits) -> Option<Self> {
        let read = |input: Input| contiguous(input.detached());
        match logits {
            Logits::Full(logits) => Some(Self::Full(read(Input::of(logits)?))),
            Logits::Head(Head {
                hidden,
                weight,
                bias,
            }) => Some(Self::Head(
                read(Input::of(hidden)?),
                read(Input::of(weight)?),
                match bias {
                    Some(bias) => Some(read(Input::of(bias)?)),
                    None => None,
                },
            )),
        }
    }

    /// What a gradient can be asked for.
    fn parts(&self) -> Vec<&FlexTensor> {
        match self {
            Self::Full(logits) => vec![logits],
            Self::Head(hidden, weight, bias) => {
                [hidden, weight].into_iter().chain(bias.as_ref()).collect()
            }
        }
    }

    fn rows(&self) -> usize {
        self.parts()[0].layout().shape()[0]
    }

    fn vocab(&self) -> usize {
        match self {
            Self::Full(logits) => logits.layout().shape()[1],
            Self::Head(_, weight, _) => weight.layout().shape()[0],
        }
    }

    /// The logits of these rows.
    fn logits(&self, rows: &[usize], out: &mut [f32]) {
        match self {
            Self::Full(logits) => gather(values(logits), rows, self.vocab(), out),
            Self::Head(hidden, weight, bias) => {
                let width = weight.layout().shape()[1];
                let mut picked = vec![0.0; rows.len() * width];
                gather(values(hidden), rows, width, &mut picked);
                let picked = Matrix::new(&picked, [rows.len(), width]);
                let shape = [rows.len(), self.vocab()];
                let target = match bias {
                    None => Target::new(out, shape),
                    Some(bias) => {
                        fill_rows(out, values(bias));
                        Target::new(out, shape).add()
                    }
                };
                multiply(target, 1.0, picked, matrix(weight).t(), Threads::Pool);
            }
        }
    }
}

fn gather(all: &[f32], rows: &[usize], width: usize, out: &mut [f32]) {
    for (out, &row) in out.chunks_exact_mut(width.max(1)).zip(rows) {
        out.copy_from_slice(&all[row * width..(row + 1) * width]);
    }
}

fn answer<const N: usize>(
    student: Source,
    teacher: Option<Source>,
    loss: &impl RowLoss,
    needed: [bool; N],
) -> (FlexTensor, Ready<N>) {
    let (total, gradients) = match (&student, &teacher) {
        (Source::Full(logits), None) => whole(logits, None, loss, needed[0]),
        (Source::Full(logits), Some(Source::Full(teacher))) => {
            whole(logits, Some(teacher), loss, needed[0])
        }
        _ => chunked(&student, teacher.as_ref(), loss, &needed),
    };
    let mut gradients = gradients.into_iter();
    let ready = needed.map(|_| gradients.next().flatten());
    (tensor(vec![total as f32], [1]), Ready(ready))
}

/// All rows at once: the gradient is the only new `[rows, vocab]`.
fn whole(
    logits: &FlexTensor,
    teacher: Option<&FlexTensor>,
    loss: &impl RowLoss,
    needed: bool,
) -> (f64, Vec<Option<FlexTensor>>) {
    let vocab = logits.layout().shape()[1];
    let (student, teacher) = (values(logits), teacher.map_or(&[][..], values));
    let teacher_row = |row: usize| teacher.get(row * vocab..(row + 1) * vocab).unwrap_or(&[]);
    let run_row = |row: usize, out: &mut [f32], scratch: &mut [f32]| {
        if !loss.counts(row) {
            return 0.0;
        }
        out.copy_from_slice(&student[row * vocab..(row + 1) * vocab]);
        loss.row(row, out, teacher_row(row), scratch)
    };
    if !needed {
        let rows = student.len() / vocab.max(1);
        let losses: Vec<f64> = (0..rows)
            .into_par_iter()
            .map_init(
                || (vec![0.0; vocab], vec![0.0; vocab]),
                |(out, scratch), row| run_row(row, out, scratch),
            )
            .collect();
        return (losses.iter().sum(), vec![None]);
    }
    let mut gradient = zeros(student.len());
    let losses: Vec<f64> = gradient
        .par_chunks_mut(vocab.max(1))
        .enumerate()
        .map_init(
            || vec![0.0; vocab],
            |scratch, (row, out)| run_row(row, out, scratch),
        )
        .collect();
    let gradient = tensor(gradient, logits.layout().shape().clone());
    (losses.iter().sum(), vec![Some(gradient)])
}

/// The rows that count, a chunk at a time.
fn chunked(
    student: &Source,
    teacher: Option<&Source>,
    loss: &impl RowLoss,
    needed: &[bool],
) -> (f64, Vec<Option<FlexTensor>>) {
    let vocab = student.vocab();
    let counted: Vec<usize> = (0..student.rows())
        .filter(|&row| loss.counts(row))
        .collect();
    let chunk = (CHUNK / vocab.max(1)).clamp(1, counted.len().max(1));
    let mut logits = zeros(chunk * vocab);
    let mut targets = zeros(if teacher.is_some() { chunk * vocab } else { 0 });
    let mut gradients = Gradients::new(student, needed);
    let mut total = 0.0;
    for rows in counted.chunks(chunk) {
        let logits = &mut logits[..rows.len() * vocab];
        student.logits(rows, logits);
        if let Some(teacher) = teacher {
            teacher.logits(rows, &mut targets[..rows.len() * vocab]);
        }
        let losses: Vec<f64> = logits
            .par_chunks_mut(vocab)
            .enumerate()
            .map_init(
                || vec![0.0; vocab],
                |scratch, (i, out)| {
                    let target = targets.get(i * vocab..(i + 1) * vocab).unwrap_or(&[]);
                    loss.row(rows[i], out, target, scratch)
                },
            )
            .collect();
        total += losses.iter().sum::<f64>();
        gradients.add(student, rows, logits);
    }
    (total, gradients.into_tensors(student))
}

/// Gradients of what a [`Source`] is made of, filled chunk by chunk; None where not asked for.
struct Gradients(Vec<Option<Vec<f32>>>);

impl Gradients {
    fn new(source: &Source, needed: &[bool]) -> Self {
        let parts = source.parts().into_iter().zip(needed);
        Self(
            parts
                .map(|(part, needed)| needed.then(|| zeros(values(part).len())))
                .collect(),
        )
    }

    /// Adds what the gradient on the logits of `rows` means for each part.
    fn add(&mut self, source: &Source, rows: &[usize], slopes: &[f32]) {
        let vocab = source.vocab();
        match source {
            Source::Full(_) => {
                if let Some(all) = &mut self.0[0] {
                    scatter(slopes, rows, vocab, all);
                }
            }
            Source::Head(hidden, weight, _) => {
                let width = weight.layout().shape()[1];
                let slopes_matrix = Matrix::new(slopes, [rows.len(), vocab]);
                if let Some(all) = &mut self.0[0] {
                    let part = product(slopes_matrix, matrix(weight));
                    scatter(&part, rows, width, all);
                }
                if let Some(all) = &mut self.0[1] {
                    let mut picked = vec![0.0; rows.len() * width];
                    gather(values(hidden), rows, width, &mut picked);
                    let picked = Matrix::new(&picked, [rows.len(), width]);
                    let target = Target::new(all, [vocab, width]).add();
                    multiply(target, 1.0, slopes_matrix.t(), picked, Threads::Pool);
                }
                if let Some(Some(all)) = self.0.get_mut(2) {
                    let part = column_sums(slopes, vocab);
                    all.iter_mut()
                        .zip(part)
                        .for_each(|(all, part)| *all += part);
                }
            }
        }
    }

    fn into_tensors(self, source: &Source) -> Vec<Option<FlexTensor>> {
        let parts = source.parts().into_iter().zip(self.0);
        parts
            .map(|(part, values)| Some(tensor(values?, part.layout().shape().clone())))
            .collect()
    }
}

fn scatter(rows_of: &[f32], rows: &[usize], width: usize, all: &mut [f32]) {
    for (from, &row) in rows_of.chunks_exact(width.max(1)).zip(rows) {
        all[row * width..(row + 1) * width].copy_from_slice(from);
    }
}
