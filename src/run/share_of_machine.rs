//! How much of the machine a run takes: its threads, and its priority beside other work.
//!
//! Neither changes a number. Must never: be called after the first computation.

use crate::error::{Error, ErrorKind, Result, is_lack_of_threads, lack_of_threads};

/// The priority of background work: the lowest one of Unix.
#[cfg(unix)]
const LOWEST: libc::c_int = 19;

/// Sets the number of threads that compute, for the whole process.
///
/// # Errors
/// Threads have been started already, or the system has no room for them.
pub fn limit_threads(n: usize) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build_global();
    pool.map_err(|error| match is_lack_of_threads(&format!("{error:?}")) {
        true => lack_of_threads(),
        false => Error::internal("cannot set the number of threads").because(error),
    })
}

/// Gives the process the lowest priority: other programs go first. Threads inherit it, so it comes before
/// they are started.
///
/// # Errors
/// The system has no such priority, or refuses.
pub fn lower_priority() -> Result<()> {
    #[cfg(unix)]
    {
        // SAFETY: the call takes three numbers and no memory of ours.
        let refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LOWEST) } != 0;
        if !refused {
            return Ok(());
        }
    }
    let what = "cannot lower the priority of this process";
    Err(Error::new(ErrorKind::Device, what, "run without --nice"))
}
