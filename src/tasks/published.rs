//! A published model with the tokenizer in its folder.

use std::path::Path;

use crate::checkpoint::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::text::{Tokenizer, tokenizer_in};

/// Opens the model in `folder`, and its tokenizer if there is one.
///
/// # Errors
/// Those of [`Published::open`] and [`tokenizer_in`]; the tokenizer has more tokens than the model.
pub fn open_published(folder: &Path) -> Result<(Published, Option<Tokenizer>)> {
    let published = Published::open(folder)?;
    let tokenizer = tokenizer_in(folder)?;
    let rows = published.config.network.vocab;
    match &tokenizer {
        Some(tokenizer) if tokenizer.vocab_size() > rows => Err(Error::new(
            ErrorKind::Data,
            format!(
                "{}: the tokenizer has {} tokens, the model {rows}",
                folder.display(),
                tokenizer.vocab_size()
            ),
            "put the tokenizer of this model into the folder",
        )),
        _ => Ok((published, tokenizer)),
    }
}
