//! What an embedding reads.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};

/// Rows of the three tables, one of each per token; every index lies in its table.
#[derive(Clone, Debug)]
pub struct Indices {
    /// Token ids.
    pub input_ids: Arc<[u32]>,
    /// Positions within the sequence.
    pub position_ids: Arc<[u32]>,
    /// Segments: 0 or 1.
    pub token_type_ids: Arc<[u32]>,
    /// The token ids as a device knows them, where the host does not know all of them.
    pub device_ids: Option<DeviceIds>,
}

/// Token ids some of which a CUDA device sampled (`corruption/`): the device has all of them, the host those
/// that were not sampled.
#[derive(Clone, Debug)]
pub struct DeviceIds {
    /// All ids. `[N]`, u32
    pub input_ids: Tensor,
    /// Where the sampled ones stand, ascending, each once.
    pub sampled_positions: Arc<[u32]>,
}

/// Tables that others are differences from. Neither gets a gradient.
#[derive(Clone, Debug)]
pub struct BaseTables {
    /// `[V, E]`.
    pub word: Tensor,
    /// `[P, E]`.
    pub position: Tensor,
}

impl BaseTables {
    /// The tables `[V, E]` and `[P, E]`. They may change later: their values are read when the operation
    /// runs.
    pub fn new(word: &Tensor, position: &Tensor) -> Self {
        Self { word: word.detach(), position: position.detach() }
    }
}

impl Indices {
    /// Checks that every index lies in its table: word, position and token type.
    pub fn check(&self, [word, position, token_type]: [&Tensor; 3]) -> Result<()> {
        let indices =
            [(word, &self.input_ids), (position, &self.position_ids), (token_type, &self.token_type_ids)];
        for (table, rows) in indices {
            let size = table.dim(0)?;
            if let Some(&row) = rows.iter().find(|&&row| row as usize >= size) {
                bail!("index {row} lies outside an embedding table of {size} rows");
            }
        }
        Ok(())
    }

    /// Checks that the host knows all token ids.
    pub fn check_on_host(&self) -> Result<()> {
        match &self.device_ids {
            Some(_) => bail!("token ids that a CUDA device sampled can be embedded on that device only"),
            None => Ok(()),
        }
    }
}
