//! Documents of which there will be later forms: a reader says which form it does not know, and reads no
//! further. Fields that it does not know are no later form.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a document is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A later form.
    #[error("has schema {is}, expected at most {known}")]
    Future {
        /// Of the document.
        is: u64,
        /// The latest that is known.
        known: u64,
    },
    /// Cut off, or something else altogether.
    #[error("is malformed")]
    Unreadable,
}

/// Reads a document; `schema` finds the number of its form.
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
