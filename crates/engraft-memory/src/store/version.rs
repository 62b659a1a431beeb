//! Which versions of a memory this program opens: those that it knows. One of a newer program is left as it is.

/// Whether tables of a version are those that this program makes, the first of which is version 1.
///
/// # Errors
/// What is wrong with the memory, to be told with its place.
pub(super) fn known(version: i64, own: i64) -> Result<(), String> {
    if version > own {
        return Err(format!(
            "is a memory of version {version}, and this program knows versions up to {own}; update engraft"
        ));
    }
    match version < own {
        true => Err(format!(
            "says that it has version {version}, which no memory has; restore a copy of it"
        )),
        false => Ok(()),
    }
}
