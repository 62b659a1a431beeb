//! Gradients by parameter name: collected after backward, averaged over micro-batches, clipped.

use std::collections::BTreeMap;

use burn::tensor::{DType, Gradients as Backward, Tensor};
use engraft_nets::{Parameter, Value, each_rank, map_rank};

/// The gradients of one optimiser step, in the order of their names.
#[derive(Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Value>,
}

impl Gradients {
    /// Moves the gradients of these (tracked) parameters out of a backward pass, in f32, and adds them
    /// to what is there, each under `prefix` and its name. Parameters the loss does not depend on get
    /// none.
    pub fn collect<'a>(
        &mut self,
        prefix: &str,
        parameters: impl IntoIterator<Item = &'a Parameter>,
        backward: &mut Backward,
    ) {
        for parameter in parameters {
            if !parameter.trainable {
                continue;
            }
            let gradient = match &parameter.value {
                Value::R1(tensor) => tensor.grad_remove(backward).map(Value::R1),
                Value::R2(tensor) => tensor.grad_remove(backward).map(Value::R2),
                Value::R4(tensor) => tensor.grad_remove(backward).map(Value::R4),
            };
            if let Some(gradient) = gradient {
                let gradient = map_rank!(gradient, t => t.cast(DType::F32));
                self.add(format!("{prefix}{}", parameter.name), gradient);
            }
        }
    }

    fn add(&mut self, name: String, gradient: Value) {
        let sum = match self.by_name.remove(&name) {
            None => gradient,
            Some(before) => match (before, gradient) {
                (Value::R1(a), Value::R1(b)) => Value::R1(a + b),
                (Value::R2(a), Value::R2(b)) => Value::R2(a + b),
                (Value::R4(a), Value::R4(b)) => Value::R4(a + b),
                _ => unreachable!("a parameter keeps its rank during a step"),
            },
        };
        self.by_name.insert(name, sum);
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Takes one gradient out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.by_name.remove(name)
    }

    /// Puts a (changed) gradient back.
    pub fn put(&mut self, name: &str, gradient: Value) {
        self.by_name.insert(name.to_owned(), gradient);
    }

    /// The Euclidean norm of all gradients together; reads one number from the device.
    pub fn norm(&self) -> f64 {
        let squares = self.by_name.values().map(square);
        match squares.reduce(|a, b| a + b) {
            Some(total) => f64::from(total.into_scalar::<f32>()).sqrt(),
            None => 0.0,
        }
    }

    /// Multiplies every gradient by `factor`, in place where its memory has no other handle.
    pub fn scale(&mut self, factor: f64) {
        for gradient in self.by_name.values_mut() {
            let empty = each_rank!(&*gradient, t => Tensor::<1>::empty([0], &t.device()));
            let taken = std::mem::replace(gradient, Value::R1(empty));
            *gradient = map_rank!(taken, t => t * factor);
        }
    }

    /// The first parameter whose gradient is not finite.
    pub fn first_not_finite(&self) -> Option<&str> {
        let broken = |value: &Value| !square(value).into_scalar::<f32>().is_finite();
        let mut entries = self.by_name.iter();
        entries
            .find(|(_, value)| broken(value))
            .map(|(name, _)| name.as_str())
    }
}

/// The sum of the squares, row by row: Burn's sum over millions of numbers at once adds them in an
/// order that may differ from run to run.
fn square(value: &Value) -> Tensor<1> {
    let rows = |t: Tensor<2>| (t.clone() * t).sum_dim(1).sum();
    match value {
        Value::R1(t) => (t.clone() * t.clone()).sum(),
        Value::R2(t) => rows(t.clone()),
        Value::R4(t) => rows(t.clone().flatten(1, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use engraft_nets::Role;

    fn tracked(name: &str, values: [f32; 2]) -> Parameter {
        let tensor = Tensor::<1>::from_floats(values, &Device::flex().autodiff()).require_grad();
        Parameter::new(name, Role::Weight, Value::R1(tensor))
    }

    #[test]
    fn gradients_of_micro_batches_add_up_under_the_parameters_names() {
        let a = tracked("a", [1.0, 2.0]);
        let unused = tracked("unused", [1.0, 2.0]);
        let mut gradients = Gradients::default();
        for factor in [1.0, 10.0] {
            let loss = (a.r1() * factor).sum();
            gradients.collect("", [&a, &unused], &mut loss.backward());
        }
        assert_eq!(gradients.take("a").unwrap().to_vec(), [11.0, 11.0]);
        assert!(gradients.take("unused").is_none());
    }

    #[test]
    fn the_norm_is_over_all_parameters_and_scaling_changes_it_in_proportion() {
        let mut gradients = Gradients::default();
        let device = Device::flex();
        gradients.put("a", Value::R1(Tensor::from_floats([3.0, 0.0], &device)));
        gradients.put("b", Value::R2(Tensor::from_floats([[4.0]], &device)));
        assert!((gradients.norm() - 5.0).abs() < 1e-6);
        gradients.scale(0.2);
        assert!((gradients.norm() - 1.0).abs() < 1e-6);
        gradients.put("filter", Value::R4(Tensor::ones([2, 2, 2, 3], &device)));
        assert!((gradients.norm() - 5.0).abs() < 1e-6, "1 + 24 ones");
        assert_eq!(gradients.first_not_finite(), None);
        gradients.put("c", Value::R1(Tensor::from_floats([f32::NAN], &device)));
        assert_eq!(gradients.first_not_finite(), Some("c"));
    }
}
