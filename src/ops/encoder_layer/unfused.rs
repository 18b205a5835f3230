//! A switch for tests: layers as separate operations, so that candle's own backward pass sees all of their
//! parameters.

#[cfg(test)]
thread_local! {
    static UNFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether [`with_unfused_layers`] is running on this thread.
#[cfg(test)]
pub fn is_asked_for() -> bool {
    UNFUSED.get()
}

/// Never, outside tests.
#[cfg(not(test))]
pub fn is_asked_for() -> bool {
    false
}

/// Calls `body`, in which the layers of this thread are separate operations.
#[cfg(test)]
pub fn with_unfused_layers<R>(body: impl FnOnce() -> R) -> R {
    UNFUSED.set(true);
    let result = body();
    UNFUSED.set(false);
    result
}
