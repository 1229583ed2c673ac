//! Versioned documents: a reader refuses a newer version and ignores unknown fields.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a document cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A newer version.
    #[error("has schema {is}, expected at most {known}")]
    Future {
        /// The version of the document.
        is: u64,
        /// The newest supported version.
        known: u64,
    },
    /// Truncated, or not such a document.
    #[error("is malformed")]
    Unreadable,
}

/// Parses a document. `schema` extracts the version.
pub(crate) fn read<T: DeserializeOwned>(
    text: &[u8],
    known: u64,
    schema: impl Fn(&Value) -> Option<u64>,
) -> Result<T, SchemaError> {
    let value: Value = serde_json::from_slice(text).map_err(|_| SchemaError::Unreadable)?;
    match schema(&value) {
        Some(is) if is > known => Err(SchemaError::Future { is, known }),
        Some(_) => serde_json::from_value(value).map_err(|_| SchemaError::Unreadable),
        None => Err(SchemaError::Unreadable),
    }
}
