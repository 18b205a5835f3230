//! From a batch of text to the input of an encoder.

use std::sync::Arc;

use crate::nn::Tokens;
use crate::ops::embedding::Indices;
use crate::text::Batch;

/// The batch as a network reads it, with `input_ids` `[T]` in place of its own ids.
pub fn tokens(batch: &Batch, input_ids: impl Into<Arc<[u32]>>) -> Tokens {
    Tokens {
        indices: Indices {
            input_ids: input_ids.into(),
            position_ids: batch.position_ids().into(),
            token_type_ids: batch.token_type_ids.as_slice().into(),
            device_ids: None,
        },
        offsets: batch.offsets.as_slice().into(),
    }
}
