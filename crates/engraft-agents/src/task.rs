//! What agents are told of an issue, and nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An issue of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Names files and predictions: `django__django-11001`.
    pub id: String,
    /// `owner/name`, or the name of its folder. Memory is kept by it.
    pub repository: String,
    pub issue: String,
    /// When the issue was created: what memory holds of later issues is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
}
