//! A session into a checkpoint and back.

use burn::tensor::Tensor;
use engraft_nets::map_rank;

use crate::{
    checkpoint::{self, Checkpoint, Standing},
    optimizer::ParameterOptimizer,
    session::{Lesson, Session},
};

impl Session<'_> {
    /// Everything that decides the steps to come.
    pub fn snapshot(&mut self, lesson: &mut Lesson) -> Checkpoint {
        let standing = Standing {
            fingerprint: self.fingerprint.clone(),
            step: self.done,
            seconds: self.seconds(),
            tokens: self.tokens,
            curve: self.curve.clone(),
            pending: self.pending,
            loss_state: lesson.loss.state(),
            hook_states: lesson.hooks.iter().map(|hook| hook.state()).collect(),
        };
        let optimizer = self.optimizer.save();
        let parameters = self.parameters_mut(lesson.loss).into_iter();
        Checkpoint {
            standing,
            parameters: parameters
                .map(|(name, parameter)| (name, checkpoint::data(&parameter.value)))
                .collect(),
            optimizer,
        }
    }

    /// Takes a checkpoint up; an error says what of it does not fit.
    pub fn restore(&mut self, found: Checkpoint, lesson: &mut Lesson) -> Result<(), String> {
        let Checkpoint {
            standing,
            mut parameters,
            optimizer: mut states,
        } = found;
        let config = self.trainer.config;
        let mut optimizer = ParameterOptimizer::new(config);
        for (name, parameter) in self.parameters_mut(lesson.loss) {
            let data = parameters
                .remove(&name)
                .ok_or_else(|| format!("parameter `{name}` is missing"))?;
            let shape = parameter.value.dims();
            if data.shape().as_slice() != shape {
                let found = data.shape();
                return Err(format!(
                    "parameter `{name}` has shape {found:?}, not {shape:?}"
                ));
            }
            let device = parameter.device();
            parameter.value = map_rank!(&parameter.value, _t => Tensor::from_data(data, &device));
            if let Some(state) = states.remove(&name) {
                let treatment = config.treatment(&name, parameter.role);
                optimizer.load(&name, &treatment, &parameter.value, state)?;
            }
        }
        lesson.loss.restore(standing.loss_state)?;
        if standing.hook_states.len() != lesson.hooks.len() {
            return Err("the checkpoint is of a run with other hooks".to_owned());
        }
        for (hook, state) in lesson.hooks.iter_mut().zip(standing.hook_states) {
            hook.restore(state)?;
        }
        self.optimizer = optimizer;
        self.curve = standing.curve;
        self.pending = standing.pending;
        self.done = standing.step;
        self.tokens = standing.tokens;
        self.earlier_seconds = standing.seconds;
        Ok(())
    }
}
