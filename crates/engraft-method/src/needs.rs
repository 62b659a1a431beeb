//! What a method needs and what models, teachers and data can give: compared before anything runs.

use std::fmt;

/// Something a method cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// All logits of student and teacher over one vocabulary.
    FullLogits,
    /// Student and teacher of one vocabulary or class list.
    SameVocabulary,
    /// Class labels (not next tokens).
    ClassLabels,
    /// Pooled features of student and teacher.
    PooledFeatures,
    /// At least three classes.
    ThreeClasses,
    /// The number of the sample in its data set.
    SampleIndex,
    /// Texts that stand for what a model knows.
    Calibration,
}

/// What the plan found that the other side can give.
pub type Offer = Need;

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullLogits => "the full logits of student and teacher",
            Self::SameVocabulary => "one vocabulary (or class list) for student and teacher",
            Self::ClassLabels => "data with class labels (images, not text)",
            Self::PooledFeatures => "networks with pooled features (MLP, ResNet)",
            Self::ThreeClasses => "at least three classes",
            Self::SampleIndex => "a data set of fixed samples that can be numbered",
            Self::Calibration => "texts that stand for what the model knows (`calibrate`)",
        })
    }
}

/// One sentence for everything that is needed and not offered, or `None`.
pub fn unmet(method: &str, needs: &[Need], offers: &[Offer]) -> Option<String> {
    let missing: Vec<String> = needs
        .iter()
        .filter(|need| !offers.contains(need))
        .map(Need::to_string)
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the method `{method}` needs {}, which this step cannot give",
            missing.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_that_is_missing_and_nothing_else() {
        let needs = [Need::FullLogits, Need::PooledFeatures, Need::ClassLabels];
        let said = unmet("rkd", &needs, &[Need::FullLogits]).unwrap();
        assert!(said.contains("pooled features") && said.contains("class labels"));
        assert!(!said.contains("full logits"));
        assert_eq!(unmet("rkd", &needs, &needs), None);
    }
}
