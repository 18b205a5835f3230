//! What an operation's forward pass leaves for its backward pass.

use std::sync::{Mutex, MutexGuard};

use candle_core::{Result, bail};

/// A value that the forward pass of an operation stores and its backward pass, or the caller, reads.
///
/// candle hands an operation to both passes by shared reference, so the value lies behind a lock. No two
/// threads wait for it.
#[derive(Debug)]
pub struct ForwardCache<T> {
    operation: &'static str,
    value: Mutex<Option<T>>,
}

impl<T> ForwardCache<T> {
    /// An empty cache of the operation of this name.
    pub fn new(operation: &'static str) -> Self {
        Self { operation, value: Mutex::new(None) }
    }

    /// Stores what the forward pass leaves.
    pub fn store(&self, value: T) -> Result<()> {
        *self.lock()? = Some(value);
        Ok(())
    }

    /// Calls `body` with the stored value.
    ///
    /// # Errors
    /// There is no stored value.
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        match &mut *self.lock()? {
            Some(value) => body(value),
            None => bail!("{}: nothing is stored; the forward pass has not run", self.operation),
        }
    }

    /// Removes and returns the stored value, or None where there is none.
    pub fn take(&self) -> Result<Option<T>> {
        Ok(self.lock()?.take())
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<T>>> {
        match self.value.lock() {
            Ok(value) => Ok(value),
            Err(_) => bail!("{}: another thread panicked inside it", self.operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_stored_read_and_taken() {
        let cache = ForwardCache::new("gelu");
        let message = cache.with(|_: &mut u32| Ok(())).unwrap_err().to_string();
        assert!(message.contains("gelu: nothing is stored; the forward pass has not run"), "{message}");
        cache.store(3).unwrap();
        assert_eq!(cache.with(|value| Ok(*value + 1)).unwrap(), 4);
        assert_eq!((cache.take().unwrap(), cache.take().unwrap()), (Some(3), None));
    }
}
